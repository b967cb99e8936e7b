//! What keys say of the database that commands belong to.
//!
//! Two things tell databases apart. Their keys may have other names; and servers write some commands only where the key exists
//! (a DEL, a PEXPIREAT), so where the names are the same, it still shows in which database such a command makes sense.
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

use crate::aof::Command;

/// Databases that are told apart.
pub(super) const DATABASES: usize = 32;
/// More keys are not remembered; when there are as many, every other one is forgotten.
const MOST_KEYS: usize = 1 << 20;
/// A stretch of one database is taken in parts of so many keys, to learn how often keys come back.
const SEGMENT: u32 = 64;
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
    /// What the command of a name does, in upper case.
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
    pub(super) effect: Effect,
}

impl Touch {
    /// The key that a command names, and what becomes of it.
    pub(super) fn of(command: &Command<'_>) -> Option<Self> {
        let name = command.arg(0)?.whole()?;
        let mut upper = [0; LONGEST_NAME];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let effect = Effect::of(upper);
        let key = command.arg(1).map_or(0, |arg| xxhash_rust::xxh3::xxh3_64(arg.head));
        (effect == Effect::Forgets || command.argc() > 1).then_some(Self { key, effect })
    }
}

/// What is known of a key; a bit for each database.
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    used: u32,
    /// Used in two segments.
    again: u32,
    present: u32,
    deleted: u32,
    /// The last segment in which it was used.
    segment: u32,
    /// When the two states were last true.
    age: u32,
}

/// How often something was so.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    hits: u32,
    of: u32,
}

impl Rate {
    fn count(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.of += 1;
    }

    fn value(self) -> f64 {
        (f64::from(self.hits) + 0.5) / (f64::from(self.of) + 1.0)
    }
}

/// How often an answer comes for keys of a database, and for keys of others.
#[derive(Debug, Clone, Copy, Default)]
struct Contrast {
    own: Rate,
    foreign: Rate,
}

impl Contrast {
    fn count(&mut self, own: bool, hit: bool) {
        if own { self.own.count(hit) } else { self.foreign.count(hit) }
    }

    /// What a hit says, and what a miss says, in bits.
    fn bits(self, tolerance: f64) -> (f64, f64) {
        let own = self.own.value();
        // Where no other database is known, half as many are expected there.
        let foreign = if self.foreign.of == 0 { own / 2.0 } else { self.foreign.value() };
        let step = tolerance.min((own - foreign).abs() / 2.0).copysign(own - foreign);
        let (own, foreign) = (own - step, foreign + step);
        ((own / foreign).log2(), ((1.0 - own) / (1.0 - foreign)).log2())
    }
}

/// What is counted of one database.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    known: Contrast,
    deleted: Contrast,
}

/// What each answer says of one database, in bits.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    known: f64,
    unknown: f64,
    present: f64,
    deleted: f64,
}

/// The keys of a file.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: HashMap<u64, Key>,
    /// Only keys with none of these bits in their hash are remembered.
    mask: u64,
    databases: u32,
    segment: u32,
    in_segment: u32,
    age: u32,
    counts: [Counts; DATABASES],
    bits: [Bits; DATABASES],
}

impl Keys {
    /// A database is selected, or bytes are missing.
    pub(super) fn begin_segment(&mut self) {
        (self.segment, self.in_segment) = (self.segment.wrapping_add(1), 0);
    }

    /// A command whose database is certain, when the file is read first.
    pub(super) fn learn(&mut self, touch: Touch, db: u32) {
        let own = bit(db);
        let known = self.keys.get(&touch.key).copied();
        let first = known.is_none_or(|key| key.segment != self.segment);
        self.databases |= own;
        if first && matches!(touch.effect, Effect::Needs | Effect::Deletes) {
            let (present, deleted) = known.unwrap_or_default().states(self.age);
            for (db, counts) in (0..).zip(&mut self.counts).filter(|(db, _)| self.databases & bit(*db) != 0) {
                if (present | deleted) & bit(db) != 0 {
                    counts.deleted.count(bit(db) == own, deleted & bit(db) != 0);
                }
            }
        }
        self.apply(touch, db);
        let segment = self.segment;
        if let Some(key) = self.keys.get_mut(&touch.key).filter(|_| first) {
            key.again |= key.used & own;
            key.used |= own;
            key.segment = segment;
            self.in_segment += 1;
            if self.in_segment >= SEGMENT {
                self.begin_segment();
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
        if self.keys.len() >= MOST_KEYS && !self.keys.contains_key(&touch.key) {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.keys.retain(|key, _| key & mask == 0);
            return;
        }
        let (age, own) = (self.age, bit(db));
        let key = self.keys.entry(touch.key).or_default();
        let (present, deleted) = key.states(age);
        let gone = touch.effect == Effect::Deletes;
        (key.present, key.deleted) =
            if gone { (present & !own, deleted | own) } else { (present | own, deleted & !own) };
        key.age = age;
    }

    /// The first reading is over: what was counted becomes evidence, and the file begins anew.
    pub(super) fn weigh(&mut self) {
        for key in self.keys.values() {
            for (db, counts) in (0..).zip(&mut self.counts).filter(|(db, _)| self.databases & bit(*db) != 0) {
                let own = bit(db);
                if key.used & own != 0 {
                    counts.known.own.count(key.again & own != 0);
                }
                for _ in 0..(key.used & !own).count_ones() {
                    counts.known.foreign.count(key.used & own != 0);
                }
            }
        }
        self.bits = self.counts.map(|counts| Bits::of(&counts));
        self.age = self.age.wrapping_add(1);
    }

    /// What the first command on a key in a stretch says of each database, in bits; tells whether any knows the key.
    pub(super) fn add_evidence(&self, touch: Touch, by_name: bool, evidence: &mut [f64; DATABASES]) -> bool {
        if touch.effect == Effect::Forgets || touch.key & self.mask != 0 {
            return false;
        }
        let key = self.keys.get(&touch.key).copied().unwrap_or_default();
        let (present, deleted) = key.states(self.age);
        let all = (0..).zip(&self.bits).zip(evidence).filter(|((db, _), _)| self.databases & bit(*db) != 0);
        for ((db, bits), evidence) in all {
            let is = |states: u32| states & bit(db) != 0;
            *evidence += match touch.effect {
                Effect::Creates => 0.0,
                _ if is(present) => bits.present,
                _ if is(deleted) => bits.deleted,
                _ => 0.0,
            };
            if by_name {
                *evidence += if is(key.used) { bits.known } else { bits.unknown };
            }
        }
        key.used != 0
    }
}

impl Key {
    /// In which databases it is there now, and in which it is deleted.
    fn states(&self, age: u32) -> (u32, u32) {
        if self.age == age { (self.present, self.deleted) } else { (0, 0) }
    }
}

impl Bits {
    fn of(counts: &Counts) -> Self {
        // Keys of a database are known there at least as often as those of others: it only seems otherwise where all are the same.
        let contrast = counts.known.foreign.of == 0 || counts.known.own.value() > counts.known.foreign.value();
        let (known, unknown) = if contrast { counts.known.bits(0.03) } else { (0.0, 0.0) };
        let (deleted, present) = counts.deleted.bits(0.01);
        Self { known, unknown, present, deleted }
    }
}

/// The bit of a database; none beyond those that are told apart.
fn bit(db: u32) -> u32 {
    1_u32.checked_shl(db).unwrap_or(0)
}
