//! Records that lie whole in what is skipped.
//!
//! ```text
//! [key]--skipped-----------------------------------------[key]
//!        [damaged key ...][record][record]. . . .[record]
//!                          \ its name tells        \ it ends where the next key begins
//! ```
//! The search did not believe in them, as the same bytes may as well lie in a damaged value: a field of a hash looks like a key that is a
//! string. But none of them is lost in silence. What is listed are those that more speaks for than chance makes up among so many
//! places, and those that lead to where reading goes on, or follow what was read, whatever their names are; and of the others the likeliest
//! few, as many as chance makes up. Some of them may overlap.

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use super::candidate::{Candidate, Key};
use super::collect::{Collected, MOST_LISTED};
use super::decode::{Decoder, Start};
use super::loss::is_expired;
use crate::rdb::ValueType;

/// So many records of one place are held at a time.
const MOST_HELD: usize = 1 << 14;
/// So many that nothing speaks for are listed of one place, and one more for so many bytes of it.
const FEW: usize = 4;
const BYTES_FOR_ONE: u64 = 16 << 10;

/// A record that lies whole in what is skipped, and may be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoubtfulKey {
    /// Its database, if it is a key.
    pub db: u64,
    /// The first 1024 bytes of its name.
    pub name: Vec<u8>,
    /// What it holds.
    pub value_type: ValueType,
    /// Its bytes in the damaged file.
    pub range: Range<u64>,
    /// Why it is not believed to be one.
    pub doubt: Doubt,
    /// Whether it is saved all the same, as was asked for.
    pub saved: bool,
    pub(super) section: usize,
}

/// Why a record is not believed to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// Its name is unlike the others.
    Name,
    /// No record follows it, so that its value may be damaged; it is listed as a damaged key, too.
    Value,
    /// A field of a hash looks like it.
    Field,
    /// Its first byte may be the last one of a number.
    Number,
    /// Servers of the file's version write another type instead.
    OldType,
    /// Too little speaks for it and what stands around it.
    Alone,
}

impl Doubt {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Value => "value",
            Self::Field => "field",
            Self::Number => "number",
            Self::OldType => "old-type",
            Self::Alone => "alone",
        }
    }

    /// Returns the same in words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Name => "its name is unlike the others",
            Self::Value => "no record follows it: its value may be damaged",
            Self::Field => "a field of a hash looks like it",
            Self::Number => "it may begin in a number",
            Self::OldType => "servers of the file's version no longer write this type",
            Self::Alone => "too little speaks for it",
        }
    }
}

/// A record that is listed if it is `likely`.
#[derive(Debug)]
struct Found {
    unit: Candidate,
    /// Where it ends, or the record behind it that goes with it.
    end: u64,
    likely: bool,
    /// Whether no likely one overlaps it.
    apart: bool,
}

impl Collected {
    /// Takes note of records in bytes that are skipped, from `from` on, which may lie in the unit before them, up to their end, or to one
    /// of the `edges` behind it; `lost`: the one at their beginning is listed as a damaged key. Returns those that are to be saved, in the
    /// order of the file.
    pub(super) fn doubt(
        &mut self,
        range: &Range<u64>,
        edges: &[u64],
        (mut from, lost): (u64, bool),
        decoder: &mut Decoder<'_>,
    ) -> io::Result<Vec<(Candidate, Key)>> {
        let mut saved = Vec::new();
        decoder.read_until(Some(edges.last().map_or(range.end, |edge| range.end.max(*edge))));
        while from < range.end {
            let mut found = Vec::new();
            let begun = from;
            while from < range.end && found.len() < MOST_HELD {
                decoder.pass();
                crate::base::work::did(1);
                if decoder.may_be_a_unit(from)?
                    && let Some(unit) = decoder.unit(from, Start::Any)?
                {
                    let end =
                        if unit.end > range.end { edge_over(&unit, range, edges, decoder)? } else { Some(unit.end) };
                    found.extend(end.map(|end| Found { unit, end, likely: false, apart: true }));
                }
                from += 1;
            }
            join(&mut found, range, edges);
            choose(&mut found, range, from - begun);
            self.list(&found, (range, lost), &mut saved, decoder)?;
        }
        decoder.read_until(None);
        Ok(saved)
    }

    fn list(
        &mut self,
        found: &[Found],
        (range, lost): (&Range<u64>, bool),
        saved: &mut Vec<(Candidate, Key)>,
        decoder: &mut Decoder<'_>,
    ) -> io::Result<()> {
        // With attributes, and then once more without them.
        let mut last_type_at = None;
        for Found { unit, .. } in found.iter().filter(|found| found.likely) {
            let Some(key) = unit.key().filter(|key| last_type_at != Some(key.type_at)) else { continue };
            last_type_at = Some(key.type_at);
            self.doubtful_total += 1;
            if self.doubtful.len() == MOST_LISTED {
                continue;
            }
            let behind = saved.last().map_or(range.start, |(last, _): &(Candidate, Key)| last.end);
            let is_free = unit.start >= behind && unit.end <= range.end;
            let is_saved = self.options.doubtful && is_free && decoder.among_kept(*unit)?.is_key();
            let doubt = match decoder.doubt(unit, false)? {
                None if lost && unit.start == range.start => Doubt::Value,
                doubt => doubt.unwrap_or(Doubt::Alone),
            };
            let (section, name) = (self.sections.current(), decoder.shown_name(&key)?);
            let (range, value_type) = (unit.start..unit.end, key.value_type);
            self.doubtful.push(DoubtfulKey { db: 0, name, value_type, range, doubt, saved: is_saved, section });
            if is_saved {
                saved.push((*unit, key));
            }
        }
        Ok(())
    }

    /// Saves one of them. It does not count where databases are told apart.
    pub(super) fn keep_doubtful(&mut self, unit: &Candidate, key: Key, decoder: &mut Decoder<'_>) -> io::Result<()> {
        let expires = key.expire.is_some() && !key.expire_lost;
        self.doubtful_saved += 1;
        self.sections.part(expires);
        self.expiries_lost += u64::from(key.expire_lost);
        self.expired += u64::from(is_expired(&key, &self.options));
        self.save(unit, &key, decoder)
    }

    /// Returns whether the key that begins at a place is a doubtful one.
    pub(super) fn is_doubtful(&self, at: u64) -> bool {
        self.doubtful.binary_search_by_key(&at, |key| key.range.start).is_ok_and(|index| self.doubtful[index].saved)
    }
}

/// Returns the edge that a record reaches over what is read behind skipped bytes, or one more record behind it. The bytes of a string would
/// fit nearly everywhere.
fn edge_over(
    unit: &Candidate,
    range: &Range<u64>,
    edges: &[u64],
    decoder: &mut Decoder<'_>,
) -> io::Result<Option<u64>> {
    if unit.start >= range.end || !unit.is_key() || unit.raw_len() > 0 && unit.bits <= 0 {
        return Ok(None);
    }
    let is_edge = |end: &u64| edges.binary_search(end).is_ok();
    if is_edge(&unit.end) {
        return Ok(Some(unit.end));
    }
    let next = if unit.raw_len() > 0 { None } else { decoder.unit(unit.end, Start::Any)? };
    Ok(next.filter(Candidate::is_key).map(|next| next.end).filter(is_edge))
}

/// Finds out which of them follow each other from the first byte on, or up to the last or one of the edges.
fn join(found: &mut [Found], range: &Range<u64>, edges: &[u64]) {
    let mut ends = HashSet::from([range.start]);
    for Found { unit, likely, .. } in found.iter_mut() {
        if ends.contains(&unit.start) {
            *likely = true;
            ends.insert(unit.end);
        }
    }
    let mut starts: HashSet<u64> = edges.iter().copied().chain([range.end]).collect();
    for Found { unit, end, likely, .. } in found.iter_mut().rev() {
        if starts.contains(end) {
            *likely = true;
            starts.insert(unit.start);
        }
    }
}

/// Chooses those that more speaks for than chance makes up among so many places, and a few others that overlap none of them.
fn choose(found: &mut [Found], range: &Range<u64>, len: u64) {
    let chance = i32::try_from(len.max(1).ilog2()).unwrap_or(0);
    // What lies in the unit before is a part of it, but for what goes on behind it.
    let is_behind = |found: &Found| found.end > range.start;
    found.iter_mut().for_each(|found| found.likely |= found.unit.bits > chance && is_behind(found));
    let mut end = range.start;
    for Found { unit, likely, apart, .. } in found.iter_mut() {
        *apart = unit.start >= end;
        end = if *likely { end.max(unit.end) } else { end };
    }
    let mut start = u64::MAX;
    for Found { unit, likely, apart, .. } in found.iter_mut().rev() {
        *apart &= unit.end <= start;
        start = if *likely { unit.start } else { start };
    }
    let others =
        found.iter_mut().filter(|found| !found.likely && found.apart && found.unit.is_key() && is_behind(found));
    let mut others: Vec<&mut Found> = others.collect();
    others.sort_by_key(|found| std::cmp::Reverse(found.unit.bits));
    let few = FEW + usize::try_from(len / BYTES_FOR_ONE).unwrap_or(0);
    others.iter_mut().take(few).for_each(|found| found.likely = true);
}
