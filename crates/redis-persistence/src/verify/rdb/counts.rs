//! Counting keys by database, type and encoding, without a map on the path of each key.

use std::collections::BTreeMap;

use crate::rdb::{ModuleId, ValueType};
use crate::report::{Counts, DbCounts};

/// Databases, and module types in each, that are counted apart.
const MOST_DATABASES: usize = 1 << 14;
const MOST_MODULES: usize = 1 << 10;

/// The keys of one database.
#[derive(Debug, Clone, Default)]
struct DbTally {
    keys: u64,
    expires: u64,
    by_type: Vec<u64>,
    modules: BTreeMap<ModuleId, u64>,
}

/// String keys of one database, at least one.
#[derive(Debug, Default)]
pub(super) struct Strings {
    pub(super) keys: u64,
    pub(super) expires: u64,
    pub(super) expired: u64,
}

/// The keys of a file.
#[derive(Debug, Default)]
pub(super) struct Tally {
    current: DbTally,
    db: u64,
    done: BTreeMap<u64, DbTally>,
    /// What came after the last database that is counted apart.
    rest: DbTally,
    pub(super) expired: u64,
    pub(super) functions: u64,
}

impl Tally {
    /// Goes on with another database.
    pub(super) fn select(&mut self, db: u64) {
        self.store();
        self.db = db;
        self.current = self.done.remove(&db).unwrap_or_default();
    }

    fn store(&mut self) {
        let current = std::mem::take(&mut self.current);
        if current.keys == 0 {
        } else if self.done.len() < MOST_DATABASES {
            self.done.insert(self.db, current);
        } else {
            self.rest.add(&current);
        }
    }

    /// Counts a key.
    #[inline]
    pub(super) fn key(&mut self, value_type: ValueType, expires: bool, expired: bool) {
        let current = &mut self.current;
        if current.by_type.is_empty() {
            current.by_type = vec![0; ValueType::ALL.len()];
        }
        current.keys += 1;
        current.expires += u64::from(expires);
        current.by_type[value_type as usize] += 1;
        self.expired += u64::from(expired);
    }

    /// Counts string keys that were counted apart.
    pub(super) fn strings(&mut self, strings: &Strings) {
        self.key(ValueType::String, false, false);
        let current = &mut self.current;
        current.keys += strings.keys - 1;
        current.by_type[ValueType::String as usize] += strings.keys - 1;
        current.expires += strings.expires;
        self.expired += strings.expired;
    }

    /// Returns the keys of the database at hand, and those of them that expire.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.current.keys, self.current.expires)
    }

    /// Adds keys of the database at hand that were counted apart.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.current.add(&other.current);
        self.expired += other.expired;
    }

    /// Takes back a key that turned out to be none.
    pub(super) fn uncount_string(&mut self) {
        self.current.keys -= 1;
        self.current.by_type[ValueType::String as usize] -= 1;
    }

    /// Names the module of the key that was counted last.
    pub(super) fn module(&mut self, id: ModuleId) {
        let id = ModuleId(id.0 & !1023);
        let modules = &mut self.current.modules;
        if modules.len() < MOST_MODULES || modules.contains_key(&id) {
            *modules.entry(id).or_default() += 1;
        }
    }

    pub(super) fn into_counts(mut self) -> Counts {
        self.store();
        let mut counts = Counts { expired: self.expired, functions: self.functions, ..Counts::default() };
        let mut all = self.rest;
        for (db, tally) in self.done {
            all.add(&tally);
            counts.databases.insert(db, DbCounts { keys: tally.keys, expires: tally.expires, types: tally.types() });
        }
        (counts.keys, counts.expires) = (all.keys, all.expires);
        for (value_type, n) in ValueType::ALL.iter().zip(&all.by_type).filter(|(_, n)| **n > 0) {
            *counts.encodings.entry(value_type.encoding_name()).or_default() += n;
        }
        counts.types = all.types();
        counts
    }
}

impl DbTally {
    fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.expires += other.expires;
        self.by_type.resize(ValueType::ALL.len(), 0);
        self.by_type.iter_mut().zip(&other.by_type).for_each(|(a, b)| *a += b);
        for (id, n) in &other.modules {
            *self.modules.entry(*id).or_default() += n;
        }
    }

    /// By the names of the TYPE command: module values under the module's name, as far as it is known.
    fn types(&self) -> BTreeMap<String, u64> {
        let mut types = BTreeMap::<String, u64>::new();
        for (value_type, n) in ValueType::ALL.iter().zip(&self.by_type).filter(|(_, n)| **n > 0) {
            *types.entry(value_type.type_name().to_owned()).or_default() += n;
        }
        for (id, n) in &self.modules {
            *types.entry(id.name()).or_default() += n;
            if let Some(unnamed) = types.get_mut("module") {
                *unnamed = unnamed.saturating_sub(*n);
            }
        }
        types.retain(|_, n| *n > 0);
        types
    }
}
