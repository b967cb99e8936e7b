//! The loss report: what is saved, what is not, and how sure that is.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Options;
use super::candidate::Key;
use super::collect::Collected;
use super::doubtful::DoubtfulKey;
use super::duplicates::Drops;
use super::partial::Partial;
use super::without::LeftOut;
use crate::rdb::{Header, ValueType};
use crate::report::Code;

/// What a salvage saves and what it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The size of the damaged file, in bytes.
    pub size: u64,
    /// Whether the saved content is proven to be the original one: the checksum of the file fits, and nothing is left out. Never, where
    /// something was skipped or found damaged: bytes inside a raw string cannot be checked.
    pub content_proven: bool,
    /// Whether the first nine bytes are those of an RDB.
    pub header_is_sound: bool,
    /// Whether the end of the records was found. If not, keys behind the end of the file are lost in unknown number.
    pub end_was_found: bool,
    /// How many keys are saved.
    pub keys: u64,
    /// How many of them expire.
    pub expires: u64,
    /// How many of them have expired already: a server drops them when it loads the file.
    pub expired: u64,
    /// Saved keys of which it is not certain that they belong to the database in which they are saved.
    pub uncertain: u64,
    /// The databases.
    pub databases: BTreeMap<u64, DbLoss>,
    /// The bytes that are skipped, in the order of the file.
    pub skipped: Vec<Range<u64>>,
    /// Keys whose name is known and whose value is damaged, in the order of the file; the first 10,000 of them.
    pub damaged: Vec<LostKey>,
    /// How many of those there are.
    pub damaged_total: u64,
    /// Collections of which a part is saved, in the order of the file; the first 10,000 of them. They count among the saved keys.
    pub partial: Vec<PartialKey>,
    /// How many of those there are.
    pub partial_total: u64,
    /// Records that lie whole in what is skipped, and may be keys; in the order of the file, the first 10,000 of them.
    pub doubtful: Vec<DoubtfulKey>,
    /// How many of those there are.
    pub doubtful_total: u64,
    /// How many of them are saved, and count among the saved keys.
    pub doubtful_saved: u64,
    /// Keys that were found more than once in a database; the ones that are left out.
    pub repeated: u64,
    /// Saved keys whose expiry was no time of ours: they are saved without one.
    pub expiries_lost: u64,
    /// Function libraries that are saved.
    pub functions: u64,
    /// Function libraries that are left out: damaged, there already, or not loaded by the servers. They are named in `left_out`.
    pub functions_lost: u64,
    /// What is left out on request, or because no server would load it, in the order of the file; the first 10,000 of it.
    pub left_out: Vec<LeftOut>,
    /// How much of that there is.
    pub left_out_total: u64,
    /// What is known of the stretches behind skipped bytes, in the order of the file; of the first 10,000 of them.
    pub anchors: Vec<Anchor>,
    /// How many of those there are.
    pub anchors_total: u64,
    /// Where the memory for tables was used up, of which what is remembered of damaged places takes up to the half
    /// ([`Limits::duplicate_bytes`](crate::Limits::duplicate_bytes)): nothing behind it is saved.
    pub full_from: Option<u64>,
    /// How many keys were found behind it.
    pub unsaved: u64,
    /// The first place where the work was used up that a search may do in vain, or what it may hold: keys behind it may have been
    /// overlooked, and are not listed then.
    pub spent_from: Option<u64>,
}

/// What became of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DbLoss {
    /// How many keys the damaged file says that it holds.
    pub stated: Option<u64>,
    /// How many are saved.
    pub keys: u64,
    /// How many of those expire.
    pub expires: u64,
    /// How many of those are not certain to belong to it.
    pub uncertain: u64,
    /// How many could be saved, and are left out on request.
    pub left_out: u64,
}

impl DbLoss {
    /// Returns how many keys are lost, if the file says how many there were.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        self.stated.map(|stated| stated.saturating_sub(self.keys + self.left_out))
    }
}

/// A key whose name is known, and whose value is not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostKey {
    /// Its database.
    pub db: u64,
    /// The first 1024 bytes of its name.
    pub name: Vec<u8>,
    /// What it holds.
    pub value_type: ValueType,
    /// Its bytes in the damaged file; where its end was not found, up to the next record that was.
    pub range: Range<u64>,
    /// What is wrong with it, unless it broke off the records behind it.
    pub code: Option<Code>,
    /// Where its value ends, if it can be read and nothing in it is wrong: no record follows there, or it reaches into others.
    pub reads_to: Option<u64>,
    pub(super) section: usize,
}

/// A collection that is damaged, and of which a part is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialKey {
    /// Its database.
    pub db: u64,
    /// The first 1024 bytes of its name.
    pub name: Vec<u8>,
    /// What it holds.
    pub value_type: ValueType,
    /// Its bytes in the damaged file; where its end was not found, up to the next record that was.
    pub range: Range<u64>,
    /// How many elements are saved: entries of a list, members of a set, fields of a hash.
    pub elements: u64,
    /// How many it says that it had, as far as that can be read. The damage may have struck that number too.
    pub declared: Option<u64>,
    /// What is wrong with it, unless it broke off the records behind it.
    pub code: Option<Code>,
}

/// A stretch of records behind skipped bytes, up to the next ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Its bytes in the damaged file.
    pub range: Range<u64>,
    /// The keys in it.
    pub keys: u64,
    /// What speaks for its first record, in bits: a false one is expected in one of two to the power of this many places.
    pub first_bits: i32,
    /// What speaks for all of it.
    pub bits: i64,
}

impl Loss {
    /// Takes what is to be reported out of what was found.
    pub(super) fn new(found: &mut Collected, drops: &Drops, size: u64, header: Option<Header>) -> Self {
        let databases: BTreeMap<u64, DbLoss> = found.sections.tally();
        let sum = |of: fn(&DbLoss) -> u64| databases.values().map(of).sum();
        let mut damaged = std::mem::take(&mut found.lost);
        for key in &mut damaged {
            key.db = found.sections.get(key.section).db;
        }
        let mut doubtful = std::mem::take(&mut found.doubtful);
        for key in &mut doubtful {
            key.db = found.sections.get(key.section).db;
        }
        let mut left_out = std::mem::take(&mut found.left_out);
        for left in &mut left_out {
            left.db = left.db.map(|_| found.sections.get(left.section).db);
        }
        Self {
            size,
            content_proven: false,
            header_is_sound: header.is_some(),
            end_was_found: found.saw_end,
            keys: sum(|db| db.keys),
            expires: sum(|db| db.expires),
            expired: found.expired.saturating_sub(drops.expired),
            uncertain: sum(|db| db.uncertain),
            skipped: std::mem::take(&mut found.gaps),
            damaged,
            damaged_total: found.lost_total,
            partial: found.partials.iter().filter_map(|partial| partial_key(partial, found)).collect(),
            partial_total: found.partials.len() as u64,
            doubtful,
            doubtful_total: found.doubtful_total,
            doubtful_saved: found.doubtful_saved,
            repeated: drops.keys + found.partials_dropped.len() as u64,
            expiries_lost: found.expiries_lost,
            functions: found.functions(),
            functions_lost: found.functions_lost,
            left_out,
            left_out_total: found.left_out_total,
            anchors: std::mem::take(&mut found.anchors),
            anchors_total: found.anchors_total,
            full_from: found.full_from,
            unsaved: found.unsaved,
            spent_from: None,
            databases,
        }
    }

    /// Returns how many bytes are skipped; those of keys of which a part is saved are among them.
    #[must_use]
    pub fn bytes_skipped(&self) -> u64 {
        self.skipped.iter().map(|range| range.end - range.start).sum()
    }

    /// Returns whether nothing is lost, as far as was found.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.skipped.is_empty()
            && self.left_out_total == 0
            && self.end_was_found
            && self.full_from.is_none()
            && self.keys_lost().unwrap_or(0) == 0
            && self.damaged_total + self.partial_total + self.repeated + self.expiries_lost + self.functions_lost == 0
    }

    /// Returns how many keys are lost: all that the file says it had and that are neither saved nor left out on request; or
    /// those that are known to be lost, if these are more. Keys that are saved in part count, and so do doubtful ones. `None` if bytes are skipped
    /// in which any number may have been lost. A database of which nothing was found, not even its number, is not known of.
    #[must_use]
    pub fn keys_missing(&self) -> Option<u64> {
        let unstated = self.databases.is_empty() || self.databases.values().any(|db| db.stated.is_none());
        let unknown = !self.end_was_found || self.full_from.is_some() || unstated && !self.skipped.is_empty();
        (!unknown).then(|| self.keys_known_lost())
    }

    /// Returns how many keys are known to be lost; there may be more.
    #[must_use]
    pub fn keys_known_lost(&self) -> u64 {
        let lacking: u64 = self.databases.values().filter_map(DbLoss::lost).sum();
        (lacking + self.partial_total + self.doubtful_saved).max(self.damaged_total + self.partial_total + self.unsaved)
    }

    /// Returns how many keys are lost, as far as the file says how many there were.
    #[must_use]
    pub fn keys_lost(&self) -> Option<u64> {
        self.databases.values().map(DbLoss::lost).sum()
    }
}

fn partial_key(partial: &Partial, found: &Collected) -> Option<PartialKey> {
    Some(PartialKey {
        db: found.sections.get(partial.section).db,
        name: partial.name.clone()?,
        value_type: partial.key.value_type,
        range: partial.range.clone(),
        elements: partial.elements,
        declared: partial.declared,
        code: partial.code,
    })
}

/// Returns whether a key has expired by the time that was given.
pub(super) fn is_expired(key: &Key, options: &Options) -> bool {
    match (key.expire, options.now_ms) {
        (Some(ms), Some(now)) => !key.expire_lost && ms < now,
        _ => false,
    }
}
