//! Which database the keys behind a gap belong to, and how many a database has lost.
//!
//! ```text
//! SELECTDB 0  RESIZEDB 9 2  k k k k  (gap)  k k  (gap)  k k k k  SELECTDB 3 ...
//! \______ section ________________/        \___/        \______/
//! ```
//! A section is keys of one database, as far as nothing lies between them that could have been a SELECTDB. Behind a gap the
//! database is certain if none can have been lost in it: if the next number is one higher than the last, for they ascend; or if
//! the database lacks more keys than can lie in the gap. Else the keys are taken for those of the last database and marked, or
//! for those of the next one if there are more of them in all than the last one holds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::DbLoss;

/// No key takes less: a type, a name, a value.
const SHORTEST_KEY: u64 = 3;
/// So much of a file may have been copied to another place of it by damage: some pages.
const LONGEST_COPY: u64 = 16 << 10;
/// No SELECTDB takes less.
const SHORTEST_SELECT: u64 = 2;

/// Keys of one database without a gap between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// The database, where a SELECTDB begins the section.
    selected: Option<u64>,
    /// How many keys RESIZEDB said that it has.
    stated: Option<u64>,
    /// Where its SELECTDB stands.
    start: u64,
    /// The bytes skipped before it.
    gap: u64,
    pub(super) keys: u64,
    pub(super) expires: u64,
    /// Keys whose extent is known, and that are lost but for parts.
    broken: u64,
    /// Of those, the ones that are left out on request.
    left_out: u64,
    /// Keys of which parts are kept.
    parts: u64,
    /// What the keys take, in bytes.
    bytes: u64,
    /// Keys whose names occur elsewhere in what seems to be the same database: copies that damage may have made.
    repeated: u64,
    /// Whether its database follows from a SELECTDB before one that was not believed in.
    doubted: bool,
    /// What was found out at the end; before that, what the last SELECTDB names.
    pub(super) db: u64,
    pub(super) certain: bool,
}

/// The sections of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sections {
    all: Vec<Section>,
    any_key: bool,
}

impl Default for Sections {
    fn default() -> Self {
        Self { all: vec![Section::default()], any_key: false }
    }
}

impl Sections {
    pub(super) fn current(&self) -> usize {
        self.all.len() - 1
    }

    pub(super) fn get(&self, index: usize) -> &Section {
        &self.all[index]
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Section {
        &mut self.all[index]
    }

    pub(super) fn any_key(&self) -> bool {
        self.any_key
    }

    fn last(&mut self) -> &mut Section {
        let last = self.current();
        &mut self.all[last]
    }

    pub(super) fn gap(&mut self, range: &Range<u64>) {
        let len = range.end - range.start;
        let last = self.last();
        if last.keys == 0 && last.selected.is_none() {
            last.gap += len;
        } else {
            self.all.push(Section { gap: len, ..Section::default() });
        }
    }

    pub(super) fn select(&mut self, db: u64, start: u64) {
        self.all.push(Section { selected: Some(db), start, ..Section::default() });
    }

    pub(super) fn resize(&mut self, keys: u64) {
        self.last().stated = Some(keys);
    }

    pub(super) fn key(&mut self, bytes: u64, expires: bool) {
        self.any_key = true;
        let last = self.last();
        last.keys += 1;
        last.bytes += bytes;
        last.expires += u64::from(expires);
    }

    pub(super) fn broken(&mut self) {
        self.last().broken += 1;
    }

    /// A key that is left out on request.
    pub(super) fn left_out(&mut self) {
        let last = self.last();
        last.broken += 1;
        last.left_out += 1;
    }

    /// A key of which a part is kept. It does not count where databases are told apart: only what is whole is sure to be a key.
    pub(super) fn part(&mut self, expires: bool) {
        let last = self.last();
        last.keys += 1;
        last.parts += 1;
        last.expires += u64::from(expires);
    }

    /// A key of that section occurs in another one of what seems to be the same database.
    pub(super) fn repeated(&mut self, index: usize) {
        self.all[index].repeated += 1;
    }

    /// Returns what all of them take, in bytes.
    pub(super) fn held(&self) -> usize {
        self.all.len() * size_of::<Section>()
    }

    /// Returns the database of each section.
    pub(super) fn databases(&self) -> Vec<u64> {
        self.all.iter().map(|section| section.db).collect()
    }

    /// Finds out which database each section belongs to.
    pub(super) fn settle(&mut self) {
        let mut at = 0;
        while at < self.all.len() {
            let next = self.all[at + 1..].iter().position(|section| section.selected.is_some());
            let end = next.map_or(self.all.len(), |next| at + 1 + next);
            let next_db = self.all.get(end).and_then(|section| section.selected);
            settle_group(&mut self.all[at..end], next_db);
            at = end;
        }
    }

    /// A SELECTDB may stand in pages that were copied to another place: its number does not ascend then, and gaps enclose it.
    /// It is believed for the keys up to the next gap, and not behind that. Then each section knows which one the last one before
    /// it names.
    pub(super) fn disbelieve(&mut self, gaps: &[Range<u64>]) {
        // From which number on the next one may be, by those that no gap is near to.
        let mut from = 0;
        for section in &mut self.all {
            section.db = from;
            let sure = section.selected.filter(|_| !is_enclosed(section.start, gaps));
            from = sure.map_or(from, |db| from.max(db.saturating_add(1)));
        }
        // The least number that is selected behind each; one that is no copy by that.
        let mut least = u64::MAX;
        for section in self.all.iter_mut().rev() {
            let from = std::mem::replace(&mut section.db, least);
            let counts = |db: &u64| *db >= from || !is_enclosed(section.start, gaps);
            least = section.selected.filter(counts).map_or(least, |db| least.min(db));
        }
        let mut believed = None;
        for at in 0..self.all.len() {
            let section = &self.all[at];
            let Some(db) = section.selected.filter(|_| !section.doubted) else { continue };
            let contradicted = believed.is_some_and(|believed| believed >= db) || section.db <= db;
            if !(contradicted && is_enclosed(section.start, gaps)) {
                believed = Some(db);
                continue;
            }
            let before = *believed.get_or_insert(0);
            if let Some(next) = self.all.get_mut(at + 1).filter(|next| next.selected.is_none()) {
                (next.selected, next.doubted) = (Some(before), true);
            }
        }
        let mut named = 0;
        for section in &mut self.all {
            named = section.selected.unwrap_or(named);
            section.db = named;
        }
    }

    /// Returns the databases that the keys were found to belong to.
    pub(super) fn tally(&self) -> BTreeMap<u64, DbLoss> {
        let mut databases: BTreeMap<u64, DbLoss> = BTreeMap::new();
        for section in &self.all {
            if section.keys + section.left_out == 0 && section.selected.is_none() {
                continue;
            }
            let tally = databases.entry(section.db).or_default();
            tally.stated = tally.stated.or(section.stated);
            tally.keys += section.keys;
            tally.expires += section.expires;
            tally.left_out += section.left_out;
            tally.uncertain += if section.certain { 0 } else { section.keys };
        }
        databases
    }
}

/// Returns whether gaps lie shortly before and shortly behind a place.
fn is_enclosed(at: u64, gaps: &[Range<u64>]) -> bool {
    let next = gaps.partition_point(|gap| gap.start <= at);
    let behind = gaps.get(next).is_some_and(|gap| gap.start - at <= LONGEST_COPY);
    let before = next.checked_sub(1).is_some_and(|last| at.saturating_sub(gaps[last].end) <= LONGEST_COPY);
    behind && before
}

/// Settles the sections from one SELECTDB (or the start of the file) up to the next, of the database `next`.
fn settle_group(group: &mut [Section], next: Option<u64>) {
    let Some(first) = group.first() else { return };
    let mut db = first.selected.unwrap_or(0);
    // A file that begins with keys and no SELECTDB before them has them in database 0; behind a gap nobody knows.
    let mut certain = !first.doubted && (first.selected.is_some() || first.gap == 0);
    let mut stated = first.stated;
    let mut found = 0;
    let mut gaps = 0;
    let last = group.len() - 1;
    // A short stretch between two gaps may be a copy of keys from elsewhere.
    let counts = |(at, section): &(usize, &Section)| *at == 0 || *at == last || section.bytes > LONGEST_COPY;
    let surely: u64 = group.iter().enumerate().filter(counts).map(|(_, section)| section.of_its_own()).sum();
    let too_many = stated.is_some_and(|keys| surely > keys);
    for (index, section) in group.iter_mut().enumerate() {
        if index > 0 && section.gap > 0 {
            gaps += section.gap;
            let lacking = stated.map(|keys| keys.saturating_sub(found));
            let none_between = next.is_some_and(|next| next <= db.saturating_add(1)) || section.gap < SHORTEST_SELECT;
            let still_lacking = lacking.is_some_and(|lacking| lacking > gaps / SHORTEST_KEY);
            if !none_between && !still_lacking {
                certain = false;
                if too_many && stated.is_some() {
                    // More keys than the database holds: there was another one.
                    db = db.saturating_add(1);
                    (stated, found, gaps) = (None, 0, 0);
                }
            }
        }
        if let Some(own) = section.stated.filter(|_| index > 0) {
            // A RESIZEDB whose SELECTDB is lost.
            stated = Some(own);
            found = 0;
        }
        (section.db, section.certain) = (db, certain);
        found += section.of_its_own();
    }
}

impl Section {
    /// A key of it is left out after all.
    pub(super) fn without(&mut self, expires: bool) {
        self.keys = self.keys.saturating_sub(1);
        self.expires = self.expires.saturating_sub(u64::from(expires));
    }

    /// Returns the keys that count: those that occur nowhere else.
    fn of_its_own(&self) -> u64 {
        self.keys.saturating_sub(self.repeated + self.parts) + self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::Sections;

    fn keys(sections: &mut Sections, n: u64) {
        (0..n).for_each(|_| sections.key(1000, false));
    }

    fn settled(mut sections: Sections) -> Vec<(u64, bool)> {
        sections.disbelieve(&[]);
        sections.settle();
        sections.all.iter().filter(|s| s.keys > 0).map(|s| (s.db, s.certain)).collect()
    }

    /// 100 keys stated, `before` read, a gap, `behind` read, and perhaps another SELECTDB.
    fn around_a_gap(before: u64, gap: u64, behind: u64, next: Option<u64>) -> Vec<(u64, bool)> {
        let mut sections = Sections::default();
        sections.select(0, 9);
        sections.resize(100);
        keys(&mut sections, before);
        sections.gap(&(1000..1000 + gap));
        keys(&mut sections, behind);
        if let Some(next) = next {
            sections.select(next, 9000);
            keys(&mut sections, 1);
        }
        settled(sections)
    }

    #[test]
    fn a_gap_that_cannot_hold_what_is_lacking_hides_no_selectdb() {
        assert_eq!(around_a_gap(50, 30, 45, None), [(0, true), (0, true)]);
        assert_eq!(around_a_gap(95, 30, 3, None), [(0, true), (0, false)]);
    }

    #[test]
    fn databases_ascend() {
        assert_eq!(around_a_gap(95, 300, 3, Some(1)), [(0, true), (0, true), (1, true)]);
        assert_eq!(around_a_gap(95, 300, 3, Some(2)), [(0, true), (0, false), (2, true)]);
    }

    #[test]
    fn a_copy_of_a_selectdb_makes_no_other_one_doubtful() {
        let mut sections = Sections::default();
        sections.select(1, 100_000);
        keys(&mut sections, 10);
        sections.gap(&(200_000..200_100));
        keys(&mut sections, 1);
        sections.select(9, 205_000);
        keys(&mut sections, 2);
        // Pages of database 1 stand here once more, with its SELECTDB.
        sections.gap(&(210_000..210_100));
        sections.select(1, 211_000);
        keys(&mut sections, 3);
        sections.gap(&(212_000..212_100));
        keys(&mut sections, 4);
        sections.disbelieve(&[200_000..200_100, 210_000..210_100, 212_000..212_100]);
        let named: Vec<_> = sections.all.iter().filter(|s| s.keys > 0).map(|s| (s.keys, s.db)).collect();
        assert_eq!(named, [(10, 1), (1, 1), (2, 9), (3, 1), (4, 9)]);
    }

    #[test]
    fn more_keys_than_are_lacking_are_of_another_database() {
        assert_eq!(around_a_gap(95, 30, 50, None), [(0, true), (1, false)]);
    }

    #[test]
    fn keys_behind_a_lost_start_are_of_nobody_knows_which() {
        let mut sections = Sections::default();
        sections.gap(&(9..200));
        keys(&mut sections, 3);
        assert_eq!(settled(sections), [(0, false)]);
    }
}
