//! What keys say of the database that commands belong to.
//!
//! Two things tell databases apart. Their keys may have other names, or other first parts of names (`names`); and servers write
//! some commands only where the key exists (a DEL, a PEXPIREAT), so where the names are the same, it still shows in which
//! database such a command makes sense.
//!
//! ```text
//! a key is seen first in a stretch, by a command that
//!     creates   -> is the key known in that database from elsewhere in the file?
//!     needs it  -> is it there now, deleted, or was it not seen since?
//! ```
//! How often each answer comes for keys of that database and for keys of others is counted where the database is certain, and
//! the ratio of the two is the evidence, in bits. So keys that are the same everywhere say nothing, and neither does an
//! assumption on servers that the file does not bear out.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::names::{Contrast, DATABASES, Names, bit};
use crate::aof::Command;

/// This many keys are remembered, and so many first parts of their names.
const MOST_KEYS: usize = 1 << 19;
const MOST_FAMILIES: usize = 1 << 16;
/// A stretch of one database is taken in parts, to learn how often names come back: of this many keys, and of so many first parts.
const KEYS: u32 = 64;
const FAMILIES: u32 = 16;
/// No command has a longer name, but for those of modules, which are not asked for their keys.
const LONGEST_NAME: usize = 32;

/// What a command does to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The key is there afterwards.
    Creates,
    /// It is only written where the key is there.
    Needs,
    /// The same, and the key is gone afterwards.
    Deletes,
    /// All keys of a database are gone, or in another one.
    Forgets,
}

impl Effect {
    fn needs(self) -> bool {
        matches!(self, Self::Needs | Self::Deletes)
    }

    /// Returns what the command of a name does, in upper case.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"DEL" | b"UNLINK" | b"RENAME" | b"RENAMENX" | b"MOVE" => Self::Deletes,
            b"EXPIRE" | b"EXPIREAT" | b"PEXPIRE" | b"PEXPIREAT" | b"PERSIST" | b"HDEL" | b"SREM" | b"ZREM"
            | b"LPOP" | b"RPOP" | b"LREM" | b"LSET" | b"LTRIM" | b"XDEL" | b"COPY" | b"HPEXPIREAT" | b"HPERSIST" => {
                Self::Needs
            }
            b"FLUSHALL" | b"FLUSHDB" | b"SWAPDB" => Self::Forgets,
            _ => Self::Creates,
        }
    }
}

/// A key that a command names, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) key: u64,
    /// The first part of its name; 0 if it has none.
    pub(super) family: u64,
    pub(super) effect: Effect,
}

impl Touch {
    /// Returns the key that a command names, and what becomes of it.
    pub(super) fn of(command: &Command<'_>) -> Option<Self> {
        let name = command.arg(0)?.whole()?;
        let mut upper = [0; LONGEST_NAME];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let effect = Effect::of(upper);
        let name = command.arg(1).map_or(&[][..], |arg| arg.head);
        let family = family(name).map_or(0, xxh3_64);
        (effect == Effect::Forgets || command.argc() > 1).then_some(Self { key: xxh3_64(name), family, effect })
    }
}

/// Returns the first part of a name: up to the last colon or the like, or without the digits at its end.
fn family(name: &[u8]) -> Option<&[u8]> {
    let last = |of: &[u8]| name.iter().rposition(|byte| of.contains(byte)).map(|at| at + 1);
    let digits = || name.iter().rposition(|byte| !byte.is_ascii_digit()).map(|at| at + 1);
    let end = last(b":/|").or_else(|| last(b"._-")).or_else(digits)?;
    name.get(..end).filter(|part| part.len() < name.len())
}

/// Where a key is; a bit for each database.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    present: u32,
    deleted: u32,
    /// When that was last true.
    age: u32,
}

/// What keys say of each database, in bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// Their names.
    pub(super) names: [f64; DATABASES],
    /// Whether they are there.
    pub(super) lives: [f64; DATABASES],
}

impl Evidence {
    /// Returns what speaks for a database: names, and lives.
    pub(super) fn of(&self, db: u32) -> (f64, f64) {
        let at = usize::try_from(db).unwrap_or(usize::MAX);
        (self.names.get(at).copied().unwrap_or(0.0), self.lives.get(at).copied().unwrap_or(0.0))
    }
}

/// The keys of a file.
#[derive(Debug)]
pub(super) struct Keys {
    names: Names,
    families: Names,
    lives: HashMap<u64, Life>,
    /// Only keys with none of these bits in their hash are remembered.
    mask: u64,
    databases: u32,
    age: u32,
    deleted: [Contrast; DATABASES],
    /// What it says that a key is deleted, and that it is present.
    bits: [(f64, f64); DATABASES],
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            names: Names::new(KEYS, MOST_KEYS),
            families: Names::new(FAMILIES, MOST_FAMILIES),
            lives: HashMap::new(),
            mask: 0,
            databases: 0,
            age: 0,
            deleted: [Contrast::default(); DATABASES],
            bits: [(0.0, 0.0); DATABASES],
        }
    }
}

impl Keys {
    /// A database is selected, or bytes are missing.
    pub(super) fn begin_segment(&mut self) {
        self.names.begin_segment();
        self.families.begin_segment();
    }

    /// A command whose database is certain, when the file is read first.
    pub(super) fn learn(&mut self, touch: Touch, db: u32) {
        let own = bit(db);
        self.databases |= own;
        if touch.effect.needs() && self.names.is_first(touch.key) {
            let (present, deleted) = self.lives.get(&touch.key).map_or((0, 0), |life| life.states(self.age));
            for (db, counts) in (0..).zip(&mut self.deleted).filter(|(db, _)| self.databases & bit(*db) != 0) {
                if (present | deleted) & bit(db) != 0 {
                    counts.count(bit(db) == own, deleted & bit(db) != 0);
                }
            }
        }
        self.apply(touch, db);
        if touch.effect != Effect::Forgets {
            self.names.learn(touch.key, db);
            if touch.family != 0 {
                self.families.learn(touch.family, db);
            }
        }
    }

    /// What a command does to its key in a database.
    pub(super) fn apply(&mut self, touch: Touch, db: u32) {
        if touch.effect == Effect::Forgets {
            self.age = self.age.wrapping_add(1);
            return;
        }
        if touch.key & self.mask != 0 {
            return;
        }
        if self.lives.len() >= MOST_KEYS && !self.lives.contains_key(&touch.key) {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.lives.retain(|key, _| key & mask == 0);
            return;
        }
        let (age, own) = (self.age, bit(db));
        let key = self.lives.entry(touch.key).or_default();
        let (present, deleted) = key.states(age);
        let gone = touch.effect == Effect::Deletes;
        (key.present, key.deleted) =
            if gone { (present & !own, deleted | own) } else { (present | own, deleted & !own) };
        key.age = age;
    }

    /// The first reading is over: what was counted becomes evidence, and the file begins anew.
    pub(super) fn weigh(&mut self) {
        self.names.weigh(self.databases);
        self.families.weigh(self.databases);
        self.bits = Contrast::bits(&self.deleted, 0.01);
        self.age = self.age.wrapping_add(1);
    }

    /// What the first command on a key in a stretch says of each database.
    pub(super) fn add_life(&self, touch: Touch, evidence: &mut Evidence) {
        if !touch.effect.needs() || touch.key & self.mask != 0 {
            return;
        }
        let (present, deleted) = self.lives.get(&touch.key).map_or((0, 0), |life| life.states(self.age));
        let (present, deleted) = (present & self.databases, deleted & self.databases);
        for ((db, bits), evidence) in (0..).zip(&self.bits).zip(&mut evidence.lives) {
            if present & bit(db) != 0 {
                *evidence += bits.1;
            } else if deleted & bit(db) != 0 {
                *evidence += bits.0;
            }
        }
    }

    /// Returns what a name says that occurs first in a stretch; tells whether any database knows it.
    pub(super) fn add_name(&self, key: u64, evidence: &mut Evidence) -> bool {
        self.names.add_evidence(key, self.databases, &mut evidence.names)
    }

    /// Returns the same of the first part of a name.
    pub(super) fn add_family(&self, family: u64, evidence: &mut Evidence) -> bool {
        self.families.add_evidence(family, self.databases, &mut evidence.names)
    }
}

impl Life {
    /// In which databases it is there now, and in which it is deleted.
    fn states(&self, age: u32) -> (u32, u32) {
        if self.age == age { (self.present, self.deleted) } else { (0, 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_name_is_what_others_share() {
        for (name, part) in [
            (&b"user:17"[..], Some(&b"user:"[..])),
            (b"app:user:17", Some(b"app:user:")),
            (b"a-b:17", Some(b"a-b:")),
            (b"page.17", Some(b"page.")),
            (b"k17", Some(b"k")),
            (b"17", None),
            (b"name", None),
            (b"", None),
        ] {
            assert_eq!(family(name), part, "{}", name.escape_ascii());
        }
    }

    /// A command that needs its key speaks for the database that has it, against the one in which it is deleted, and says nothing
    /// of one that never had it.
    #[test]
    fn a_key_tells_where_it_is() {
        let mut keys = Keys::default();
        let touch = |key: u64, effect| Touch { key, family: 0, effect };
        // Each pair has keys of its own, which the one database deletes and the other one keeps.
        let pairs = [(0, 1), (1, 2), (2, 0)];
        let write = |keys: &mut Keys, learn: bool| {
            for (first, (gone, there)) in (0..).step_by(1000).zip(pairs) {
                for key in first..first + 200 {
                    for (effect, db) in [(Effect::Creates, gone), (Effect::Deletes, gone), (Effect::Creates, there)] {
                        if learn {
                            keys.learn(touch(key, effect), db);
                        } else {
                            keys.apply(touch(key, effect), db);
                        }
                    }
                    if learn {
                        keys.begin_segment();
                        keys.learn(touch(key, Effect::Needs), there);
                    }
                }
            }
        };
        write(&mut keys, true);
        keys.weigh();
        write(&mut keys, false);
        for (first, (gone, there)) in (0..).step_by(1000).zip(pairs) {
            let mut evidence = Evidence::default();
            keys.add_life(touch(first + 7, Effect::Needs), &mut evidence);
            let other = 3 - gone - there;
            let [gone, there, other] = [gone, there, other].map(|db| evidence.of(db).1);
            assert!(there > 1.0 && gone < -1.0 && other == 0.0, "{gone} {there} {other}");
            let mut evidence = Evidence::default();
            keys.add_life(touch(first + 7, Effect::Creates), &mut evidence);
            keys.add_life(touch(first + 777, Effect::Needs), &mut evidence);
            assert!(evidence.lives.iter().all(|bits| *bits == 0.0), "{evidence:?}");
        }
    }
}
