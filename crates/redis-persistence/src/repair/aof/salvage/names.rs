//! Which names occur in which database, and what that says of the database of a stretch.
//!
//! A file is read in segments, parts of one database. How often a name of a database comes back in another segment of it, and
//! how often one of another database occurs in it, is counted; the ratio of the two is the evidence, in bits.

use std::collections::HashMap;

/// Databases that are told apart.
pub(super) const DATABASES: usize = 32;
/// Names are counted as if there were so many more of each database that behave as those of all databases do.
const POOLED: f64 = 4.0;

/// How often something was so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    hits: u32,
    of: u32,
}

impl Rate {
    pub(super) fn count(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.of += 1;
    }

    fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.of = self.of.saturating_add(other.of);
    }

    fn value(self) -> f64 {
        (f64::from(self.hits) + 0.5) / (f64::from(self.of) + 1.0)
    }

    /// Returns where little was counted it is as in all databases.
    fn among(self, all: Self) -> f64 {
        (f64::from(self.hits) + POOLED * all.value()) / (f64::from(self.of) + POOLED)
    }
}

/// How often an answer comes for what is of a database, and for what is of others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contrast {
    pub(super) own: Rate,
    pub(super) foreign: Rate,
}

impl Contrast {
    pub(super) fn count(&mut self, own: bool, hit: bool) {
        if own { self.own.count(hit) } else { self.foreign.count(hit) }
    }

    /// Returns what a hit says of each database, and what a miss says, in bits. None of the rates is believed to be more
    /// exact than `tolerance`.
    pub(super) fn bits(of: &[Self; DATABASES], tolerance: f64) -> [(f64, f64); DATABASES] {
        let mut all = Self::default();
        for one in of {
            all.own.add(one.own);
            all.foreign.add(one.foreign);
        }
        if all.own.of == 0 {
            return [(0.0, 0.0); DATABASES];
        }
        of.map(|one| {
            let own = one.own.among(all.own);
            // Where no other database is known, half as many are expected there.
            let foreign = if all.foreign.of == 0 { own / 2.0 } else { one.foreign.among(all.foreign) };
            let step = tolerance.min((own - foreign).abs() / 2.0).copysign(own - foreign);
            let (own, foreign) = (own - step, foreign + step);
            ((own / foreign).log2(), ((1.0 - own) / (1.0 - foreign)).log2())
        })
    }
}

/// Where a name was used; a bit for each database.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    by: u32,
    /// In two segments.
    again: u32,
    /// The last one.
    segment: u32,
}

/// The names of a file, by their hashes.
#[derive(Debug)]
pub(super) struct Names {
    names: HashMap<u64, Used>,
    /// More are not remembered; when there are as many, every other one is forgotten.
    most: usize,
    /// Only those with none of these bits in their hash are remembered.
    mask: u64,
    /// This many names make a segment.
    length: u32,
    segment: u32,
    in_segment: u32,
    bits: [(f64, f64); DATABASES],
}

impl Names {
    pub(super) fn new(length: u32, most: usize) -> Self {
        Self { names: HashMap::new(), most, mask: 0, length, segment: 1, in_segment: 0, bits: [(0.0, 0.0); DATABASES] }
    }

    /// A database is selected, or bytes are missing.
    pub(super) fn begin_segment(&mut self) {
        (self.segment, self.in_segment) = (self.segment.wrapping_add(1), 0);
    }

    /// Returns whether a name was not used in this segment yet.
    pub(super) fn is_first(&self, name: u64) -> bool {
        self.names.get(&name).is_none_or(|used| used.segment != self.segment)
    }

    /// A name is used in a database.
    pub(super) fn learn(&mut self, name: u64, db: u32) {
        if name & self.mask != 0 {
            return;
        }
        if self.names.len() >= self.most && !self.names.contains_key(&name) {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.names.retain(|name, _| name & mask == 0);
            return;
        }
        let used = self.names.entry(name).or_default();
        if used.segment != self.segment {
            used.again |= used.by & bit(db);
            used.by |= bit(db);
            used.segment = self.segment;
        }
        self.in_segment += 1;
        if self.in_segment >= self.length {
            self.begin_segment();
        }
    }

    /// What was counted becomes evidence.
    pub(super) fn weigh(&mut self, databases: u32) {
        let mut counts = [Contrast::default(); DATABASES];
        for used in self.names.values() {
            for (db, counts) in (0..).zip(&mut counts).filter(|(db, _)| databases & bit(*db) != 0) {
                let own = bit(db);
                if used.by & own != 0 {
                    counts.own.count(used.again & own != 0);
                }
                for _ in 0..(used.by & !own).count_ones() {
                    counts.foreign.count(used.by & own != 0);
                }
            }
        }
        // A name of a database is known there at least as often as one of another: it only seems otherwise where all are the same.
        self.bits = Contrast::bits(&counts, 0.03).map(|(known, unknown)| (known.max(0.0), unknown.min(0.0)));
    }

    /// Returns what a name in a stretch says of each database, in bits.
    pub(super) fn add_evidence(&self, name: u64, databases: u32, evidence: &mut [f64; DATABASES]) -> bool {
        if name & self.mask != 0 {
            return false;
        }
        let by = self.names.get(&name).map_or(0, |used| used.by);
        let all = (0..).zip(&self.bits).zip(evidence).filter(|((db, _), _)| databases & bit(*db) != 0);
        for ((db, (known, unknown)), evidence) in all {
            *evidence += if by & bit(db) != 0 { known } else { unknown };
        }
        by != 0
    }
}

/// Returns the bit of a database; none beyond those that are told apart.
pub(super) fn bit(db: u32) -> u32 {
    1_u32.checked_shl(db).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two databases in turns, with eight names each.
    fn learnt(name: impl Fn(u32, u64) -> u64) -> Names {
        let mut names = Names::new(16, 1 << 10);
        for turn in 0..40 {
            names.begin_segment();
            (1..=8).for_each(|n| names.learn(name(turn % 2, n), turn % 2));
        }
        names.weigh(0b11);
        names
    }

    fn says(names: &Names, name: u64) -> (f64, f64) {
        let mut evidence = [0.0; DATABASES];
        names.add_evidence(name, 0b11, &mut evidence);
        (evidence[0], evidence[1])
    }

    #[test]
    fn a_name_tells_the_database_that_has_it() {
        let names = learnt(|db, n| u64::from(db) << 8 | n);
        let (first, second) = says(&names, 1);
        assert!(first > 3.0 && second < -3.0, "{first} {second}");
        let (first, second) = says(&names, 99);
        assert!(first < -3.0 && second < -3.0, "{first} {second}");
    }

    #[test]
    fn names_that_all_have_tell_nothing() {
        let names = learnt(|_, n| n);
        let (first, second) = says(&names, 1);
        assert!(first.abs() < 0.01 && second.abs() < 0.01, "{first} {second}");
    }

    #[test]
    fn of_many_names_some_are_remembered() {
        let mut names = Names::new(16, 64);
        (0..10_000_u64).for_each(|name| names.learn(name.wrapping_mul(0x9E37_79B9_7F4A_7C15), 0));
        assert!(names.names.len() <= 64, "{}", names.names.len());
        assert!(names.mask > 0);
    }
}
