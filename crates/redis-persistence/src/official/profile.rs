//! What `valkey-check-rdb --stats` counts: keys, elements and their sizes, by database and type.
//!
//! ```text
//! value at hand -> value::Pending (elements and their sizes)   gone if the value cannot be read
//!   key read to its end -> Profile: database, type -> Counts { keys, expiries, elements, two spread::Spread }
//!                            at the end -> print::lines: table, CSV or INFO
//! ```
//! All was measured with Valkey 9.0.0 and 9.1.2. The tool lists every database up to the last one that the file selects, and
//! takes 4 ms for each; beyond [`LISTED`] only those with keys are listed here. It dies where the last one that is selected
//! has no key; here that one is listed as well. What is kept is bounded by [`Limits`]: see [`Profile::is_full`].

mod print;
mod spread;
mod value;

use std::collections::BTreeMap;

use crate::base::limits::Limits;
use crate::rdb::{Shape, ValueType};
pub use print::Format;
use spread::Spread;
pub(super) use value::Pending;

/// Databases below this number are listed with or without keys.
const LISTED: u64 = 1 << 16;
/// How many types the tool tells apart.
const TYPES: u8 = 7;
/// What a bucket of a spread takes in memory, and what a type of a database does, about.
const BUCKET: usize = 48;
const ENTRY: usize = 512;

/// The numbers of one type in one database.
#[derive(Debug, Clone, Default)]
struct Counts {
    keys: u64,
    expiring: u64,
    expired: u64,
    /// What the names of the keys take.
    names: u64,
    /// Elements of all keys, and what they take: a pair counts as one of both its sizes.
    elements: u64,
    bytes: u64,
    /// How many elements each key has.
    numbers: Spread,
    /// How large each element is.
    sizes: Spread,
}

/// A key that was read to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) value_type: ValueType,
    pub(super) name_len: u64,
    pub(super) expires: bool,
    pub(super) expired: bool,
}

/// The statistics of a file.
#[derive(Debug)]
pub(super) struct Profile {
    format: Format,
    counts: BTreeMap<(u64, u8), Counts>,
    db: u64,
    /// The greatest number that was selected.
    last: u64,
    /// How many bytes may be taken still.
    room: usize,
    full: bool,
}

impl Profile {
    pub(super) fn new(format: Format, limits: &Limits) -> Self {
        Self { format, counts: BTreeMap::new(), db: 0, last: 0, room: limits.duplicate_bytes / 2, full: false }
    }

    pub(super) fn select(&mut self, db: u64) {
        self.db = db;
        self.last = self.last.max(db);
    }

    /// Takes the key that was read, and what is in it.
    pub(super) fn key(&mut self, key: Key, mut value: Pending) {
        value.end();
        let at = (self.db, column(key.value_type));
        if !self.counts.contains_key(&at) && !self.take(ENTRY) {
            return;
        }
        let room = self.room;
        let counts = self.counts.entry(at).or_default();
        counts.keys += 1;
        counts.expiring += u64::from(key.expires);
        counts.expired += u64::from(key.expired);
        counts.names += key.name_len;
        counts.elements += value.count;
        counts.bytes = counts.bytes.saturating_add(value.bytes);
        let most = room / BUCKET;
        let added = counts.numbers.add(value.count, spread::NUMBERS, most);
        let taken = added.and_then(|added| Some(added + counts.sizes.merge(&value.sizes, most - added)?));
        match taken {
            Some(buckets) => self.room = room - buckets * BUCKET,
            None => self.full = true,
        }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(self.room);
        self.full |= left.is_none();
        left.is_some()
    }

    /// Returns whether there was no memory for all: keys of further databases are not counted, and sizes that came late are
    /// missing from the percentiles.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn lines(&self, print: &mut dyn FnMut(&str)) {
        let listed = 0..=self.last.min(LISTED - 1);
        let mut beyond: Vec<u64> = self.counts.range((LISTED, 0)..).map(|((db, _), _)| *db).collect();
        beyond.dedup();
        let none = Counts::default();
        for db in listed.chain(beyond) {
            let of = |column| self.counts.get(&(db, column)).unwrap_or(&none);
            let types: Vec<&Counts> = (0..TYPES).map(of).collect();
            self.format.lines(db, &types, print);
        }
    }
}

/// Returns which column a type is in. The tool takes a module's value for a string.
fn column(value_type: ValueType) -> u8 {
    match value_type.shape() {
        Shape::String | Shape::Module | Shape::Array => 0,
        Shape::List => 1,
        Shape::Set => 2,
        Shape::ZSet => 3,
        Shape::Hash | Shape::HashTtl | Shape::HashTemplate => 4,
        Shape::Stream => 6,
    }
}
