//! What decides whether a server loads an RDB: its types, opcodes and modules, and its findings in finer classes than
//! their codes.
//!
//! A report keeps so many findings and counts the rest by code. But one code can mean different things to a server: a
//! member that occurs twice is seen by all servers in a plain set, and by deep checks alone in a listpack. So the classes
//! here tell apart the value type and what a server needs to see the fault. All tables are bounded by the number of codes
//! and types, and each keeps the first few names only.

mod aof;
mod replies;

use std::collections::BTreeMap;
use std::fmt;

pub use aof::{
    AofLoadFacts, CommandUse, Ending, ForeignUse, OpenTransaction, Place, RecordFacts, Stop, UnreadContent, UnreadFacts,
};

pub use replies::{Failing, Fails, FunctionStep, ReplyFacts, RestoreFacts, RestorePolicy, ScriptCall};

use super::codes::Code;
use crate::functions::{Library, Runs};
use crate::rdb::{Family, ValueType};

/// What decides whether a server loads an RDB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RdbFacts {
    /// Signature and version, if they could be read.
    pub header: Option<HeaderFacts>,
    /// Findings.
    pub classes: BTreeMap<FindingClass, Occurrences>,
    /// Keys by the type of their value.
    pub(crate) types: BTreeMap<ValueType, Occurrences>,
    /// Opcodes that not every version has, by their byte.
    pub opcodes: BTreeMap<u8, Occurrences>,
    /// Module types: of keys, and of data beside the keys.
    pub(crate) modules: BTreeMap<String, Occurrences>,
    /// Function libraries in Lua, in the order of the file.
    pub(crate) libraries: Vec<Library>,
    /// Scripts of EVAL that AUX fields hold, in the order of the file. Servers before Redis 7.0 compile them.
    pub(crate) scripts: Vec<Library>,
    /// Engines of function libraries, but for Lua.
    pub(crate) engines: BTreeMap<String, Occurrences>,
    /// The largest number of a database that was selected, and where.
    pub(crate) largest_db: Option<(u64, u64)>,
    /// The largest number of a database that holds keys.
    pub(crate) largest_db_with_keys: Option<u64>,
    /// The largest number of keys that a RESIZEDB promised, and where.
    pub(crate) largest_resizedb: Option<(u64, u64)>,
    /// What follows the end of the RDB: where it begins, and what it looks like.
    pub trailing: Option<(u64, TrailingBytes)>,
    /// Keys whose expiry had passed at [`Options::now_ms`](crate::verify::Options::now_ms).
    pub(crate) expired: u64,
    /// Whether the values were looked into. Without that a refusal may be missed.
    pub(crate) complete: bool,
    /// What is known of its code so far, and what more of it may be run.
    pub(crate) runs: Option<Runs>,
}

/// The first nine bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderFacts {
    /// By the signature.
    pub family: Family,
    /// The version, as Redis reads it.
    pub version: u32,
    /// The bytes of the version: four after `REDIS`, `0` and three after `VALKEY`.
    pub digits: [u8; 4],
}

/// A class of findings that servers treat alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingClass {
    /// The code.
    pub code: Code,
    /// The type of the value, if it is about a key.
    pub value_type: Option<ValueType>,
    /// What it takes to see the fault.
    pub detail: Visibility,
}

/// What it takes to see a fault, where that is not the same for all faults of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Visibility {
    /// What the code says.
    #[default]
    Usual,
    /// The first bytes of a packed value, or its last, show it: deep checks are not needed.
    Header,
    /// Servers walk over this part of the value while they load it, with deep checks or without: it is larger than what
    /// they keep packed by default, the first field of a packed hash with expiries, or comes before the first entry of a stream of version 1, for which they look.
    Walked,
    /// The first element of a stream's node is wrong: servers break down where they cannot read it, and Redis 8.8 and
    /// later look at its number.
    First,
    /// By the header of the packed value it holds no element: servers take the key for empty, or a list's node.
    Emptied,
    /// The first expiry of a packed hash is no number, with which servers break down.
    NoNumber,
    /// The bytes end between two items of a module's value: the check that servers run over a file that they refuse never ends.
    BetweenItems,
    /// The first of two expiries of a key has passed, and the last has not.
    FirstExpired,
    /// The walk over the file ended here.
    Unread,
    /// Servers read past this one.
    Lenient,
}

/// What bytes behind the end of an RDB look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrailingBytes {
    /// Zeros.
    Zeros,
    /// Commands of an append-only file.
    Commands,
    /// The 40 hexadecimal digits with which a diskless replication ends.
    ReplicationMark,
    /// Another RDB.
    SecondRdb,
    /// A line end.
    LineEnd,
    /// Nothing known.
    Other,
}

/// How often something occurs, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occurrences {
    /// How often.
    pub count: u64,
    /// The first of them, at most [`Occurrences::MOST`], without repetition.
    pub first: Vec<Name>,
    /// Where the first of them begins, if that is known.
    pub at: Option<u64>,
}

/// Something to be named in an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A key. A longer name is cut at [`Name::LONGEST_KEY`] bytes.
    Key {
        /// Its database.
        db: u64,
        /// Its name.
        key: Vec<u8>,
    },
    /// A byte of the file.
    Offset(u64),
    /// A name of something else, escaped where it is not plain text.
    Text(String),
}

impl Name {
    /// Longer key names are cut here.
    pub const LONGEST_KEY: usize = 128;

    pub(crate) fn key(db: u64, key: &[u8]) -> Self {
        Self::Key { db, key: key[..key.len().min(Self::LONGEST_KEY)].to_vec() }
    }
}

impl fmt::Display for Name {
    /// Keys escaped, followed by their database unless that is 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { db: 0, key } => write!(f, "{}", key.escape_ascii()),
            Self::Key { db, key } => write!(f, "{} (db {db})", key.escape_ascii()),
            Self::Offset(at) => write!(f, "byte {at}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Occurrences {
    /// This many are named.
    pub const MOST: usize = 10;

    /// Counts one more; its name is asked for only if there is room.
    #[inline]
    pub(crate) fn add(&mut self, name: impl FnOnce() -> Name) {
        self.add_many(1, name);
    }

    /// Counts so many more that share a name.
    #[inline]
    pub(crate) fn add_many(&mut self, count: u64, name: impl FnOnce() -> Name) {
        self.count = self.count.saturating_add(count);
        if self.first.len() < Self::MOST {
            let name = name();
            if !self.first.contains(&name) {
                self.first.push(name);
            }
        }
    }

    /// Counts one more that begins there.
    #[inline]
    pub(crate) fn add_at(&mut self, at: u64, name: impl FnOnce() -> Name) {
        self.at = Some(self.at.map_or(at, |first| first.min(at)));
        self.add(name);
    }

    /// Adds what comes later.
    pub(crate) fn append(&mut self, later: Self) {
        self.at = self.at.or(later.at);
        self.count = self.count.saturating_add(later.count);
        for name in later.first {
            if self.first.len() < Self::MOST && !self.first.contains(&name) {
                self.first.push(name);
            }
        }
    }
}

/// Collects, while a file is walked, what its findings do not tell.
#[derive(Debug, Default)]
pub(crate) struct FactsCollector {
    /// By the number of the type in [`ValueType::ALL`].
    types: Vec<Vec<Name>>,
    /// The types that have all their names.
    enough: TypeSet,
    opcodes: BTreeMap<u8, Occurrences>,
    pub(crate) modules: BTreeMap<String, Occurrences>,
    pub(crate) libraries: Vec<Library>,
    pub(crate) scripts: Vec<Library>,
    pub(crate) engines: BTreeMap<String, Occurrences>,
    pub(crate) largest_db: Option<(u64, u64)>,
}

/// Modules and engines that are told apart.
const MOST_NAMES: usize = 256;

/// Libraries, and scripts, that are kept.
const MOST_LIBRARIES: usize = 1 << 14;

/// A set of value types.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TypeSet(u64);

const _: () = assert!(ValueType::ALL.len() <= 64);

impl TypeSet {
    #[inline]
    fn contains(self, value_type: ValueType) -> bool {
        self.0 >> (value_type as u32) & 1 == 1
    }

    fn insert(&mut self, value_type: ValueType) {
        self.0 |= 1 << (value_type as u32);
    }
}

impl FactsCollector {
    /// One that needs no names of keys of these types.
    pub(crate) fn with_enough(enough: TypeSet) -> Self {
        Self { enough, ..Self::default() }
    }

    /// Returns the types of which no more names are wanted.
    pub(crate) fn enough(&self) -> TypeSet {
        self.enough
    }

    /// A key of that type.
    #[inline]
    pub(crate) fn key(&mut self, value_type: ValueType, db: u64, key: &[u8]) {
        if !self.enough.contains(value_type) {
            self.name(value_type, Name::key(db, key));
        }
    }

    fn name(&mut self, value_type: ValueType, name: Name) {
        if self.types.is_empty() {
            self.types = vec![Vec::new(); ValueType::ALL.len()];
        }
        let names = &mut self.types[value_type as usize];
        names.push(name);
        if names.len() >= Occurrences::MOST {
            self.enough.insert(value_type);
        }
    }

    /// Returns whether nothing was collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty()
            && self.opcodes.is_empty()
            && self.modules.is_empty()
            && self.libraries.is_empty()
            && self.scripts.is_empty()
            && self.engines.is_empty()
            && self.largest_db.is_none()
    }

    /// Takes out what was collected; what is wanted stays the same.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::with_enough(self.enough))
    }

    /// Adds what comes later in the file.
    pub(crate) fn append(&mut self, later: Self) {
        for (value_type, names) in ValueType::ALL.iter().zip(later.types) {
            for name in names {
                if !self.enough.contains(*value_type) {
                    self.name(*value_type, name);
                }
            }
        }
        for (byte, tallied) in later.opcodes {
            self.opcodes.entry(byte).or_default().append(tallied);
        }
        append(&mut self.modules, later.modules);
        self.libraries.extend(later.libraries);
        self.scripts.extend(later.scripts);
        append(&mut self.engines, later.engines);
        if let Some((db, at)) = later.largest_db {
            self.select(db, at);
        }
    }

    #[inline]
    pub(crate) fn opcode(&mut self, byte: u8, at: u64) {
        self.opcodes.entry(byte).or_default().add(|| Name::Offset(at));
    }

    pub(crate) fn select(&mut self, db: u64, at: u64) {
        if self.largest_db.is_none_or(|(largest, _)| db > largest) {
            self.largest_db = Some((db, at));
        }
    }

    /// A function library in Lua.
    pub(crate) fn library(&mut self, library: Library) {
        if self.libraries.len() < MOST_LIBRARIES {
            self.libraries.push(library);
        }
    }

    /// A script of EVAL.
    pub(crate) fn script(&mut self, script: Library) {
        if self.scripts.len() < MOST_LIBRARIES {
            self.scripts.push(script);
        }
    }

    pub(crate) fn module(&mut self, module: String, name: impl FnOnce() -> Name) {
        count(&mut self.modules, module, name);
    }

    pub(crate) fn engine(&mut self, engine: String, name: impl FnOnce() -> Name) {
        count(&mut self.engines, engine, name);
    }

    /// Returns the facts, but for what others know. `count_of` answers how many keys of a type there are.
    pub(crate) fn into_facts(self, count_of: impl Fn(ValueType) -> u64) -> RdbFacts {
        let mut names = self.types.into_iter();
        let types = ValueType::ALL
            .iter()
            .map(|t| (*t, Occurrences { count: count_of(*t), first: names.next().unwrap_or_default(), at: None }))
            .filter(|(_, tallied)| tallied.count > 0)
            .collect();
        RdbFacts {
            types,
            opcodes: self.opcodes,
            modules: self.modules,
            libraries: self.libraries,
            scripts: self.scripts,
            engines: self.engines,
            largest_db: self.largest_db,
            ..RdbFacts::default()
        }
    }
}

fn count(table: &mut BTreeMap<String, Occurrences>, key: String, name: impl FnOnce() -> Name) {
    if table.len() < MOST_NAMES || table.contains_key(&key) {
        table.entry(key).or_default().add(name);
    }
}

fn append(table: &mut BTreeMap<String, Occurrences>, later: BTreeMap<String, Occurrences>) {
    for (name, tallied) in later {
        if table.len() < MOST_NAMES || table.contains_key(&name) {
            table.entry(name).or_default().append(tallied);
        }
    }
}
