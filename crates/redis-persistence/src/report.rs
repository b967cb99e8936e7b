//! What a verification found out about a file.

pub(crate) mod causes;
pub(crate) mod codes;
pub(crate) mod collector;
pub(crate) mod facts;
pub(crate) mod finding;
pub(crate) mod spill;
pub mod stats;

pub use codes::{Code, Severity};
pub use facts::{
    AofLoadFacts, CommandUse, Ending, Failing, Fails, FindingClass, ForeignUse, FunctionStep, HeaderFacts, Name,
    Occurrences, OpenTransaction, Place, RdbFacts, RecordFacts, ReplyFacts, RestoreFacts, RestorePolicy, Stop,
    TrailingBytes, UnreadContent, UnreadFacts, Visibility,
};
pub use finding::Finding;
pub use spill::{More, SpillTo};

use std::collections::BTreeMap;

use crate::aof::dir::Role;
use crate::rdb::Family;
use stats::Stats;

/// What a verification found out about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// What the file is.
    pub kind: Kind,
    /// Whether it is sound.
    pub verdict: Verdict,
    /// How many bytes were read of it: its size, where it was read to the end.
    pub size: u64,
    /// What wrote it, if its header could be read.
    pub format: Option<Format>,
    /// What is in it.
    pub counts: Counts,
    /// How its checksum came out, if the end of the records was reached.
    pub checksum: Option<Checksum>,
    /// How far the search for duplicates went.
    pub duplicates: DuplicateCheck,
    /// The findings that were kept, in file order.
    pub findings: Vec<Finding>,
    /// Those that were kept in a file beside memory, if [`Options::spill`](crate::verify::Options::spill) has one.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub more: More,
    /// How many findings there are.
    pub findings_total: u64,
    /// How many findings there are of each code.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub findings_by_code: BTreeMap<Code, u64>,
    /// What decides whether a server loads the RDB, or the image that an append-only file begins with.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub rdb: Option<RdbFacts>,
    /// What decides whether RESTORE, or FUNCTION RESTORE, takes what DUMP answered; none if its checksum does not fit.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub dump: Option<Box<RestoreFacts>>,
    /// The numbers that [`Options::stats`](crate::verify::Options::stats) asked for, about the RDB or the image at the start.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub stats: Option<Stats>,
    /// What is in the records of an append-only file or set.
    pub aof: Option<AofFacts>,
    /// The files of an append-only set; one for a single file, none for an RDB.
    pub parts: Vec<Part>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An RDB snapshot.
    Rdb,
    /// One append-only file, with or without an RDB image at its start.
    Aof,
    /// Append-only files under a manifest.
    AofDir,
    /// What DUMP answers: one value without its key. A server that loads it is one whose RESTORE takes it.
    Dump,
    /// Nothing that is known here.
    Unknown,
}

impl Kind {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rdb => "rdb",
            Self::Aof => "aof",
            Self::AofDir => "aof-dir",
            Self::Dump => "dump",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a file is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No finding is an error.
    Sound,
    /// At least one is.
    Damaged,
    /// It cannot be judged: newer than this build, or of another product, or no RDB at all.
    Unknown,
}

impl Verdict {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Damaged => "damaged",
            Self::Unknown => "unknown",
        }
    }
}

/// What wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Format {
    /// By the signature.
    pub family: Family,
    /// The version after the signature.
    pub rdb_version: u32,
    /// The version of the server, by AUX field `redis-ver` or `valkey-ver`.
    pub writer: Option<String>,
    /// Whose server that is, by the same field: Valkey wrote files under the signature of Redis before its version 9.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub product: Option<Family>,
    /// When it was written, in seconds since the epoch, by AUX field `ctime`.
    pub created: Option<i64>,
}

/// How a checksum came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// It fits the content.
    Ok,
    /// It does not.
    Mismatch,
    /// The writer did not compute one.
    Disabled,
    /// The version has none.
    Absent,
}

impl Checksum {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Mismatch => "mismatch",
            Self::Disabled => "disabled",
            Self::Absent => "absent",
        }
    }
}

/// How far the search for duplicates went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DuplicateCheck {
    /// Everything was compared, and every hit was confirmed.
    Checked,
    /// Everything was compared; a hit rests on two hashes that agree, because the input can be read only once.
    ByHash,
    /// Not everything was compared.
    Partial,
    /// It was switched off, or the walk did not come to its end.
    Off,
}

impl DuplicateCheck {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::ByHash => "by-hash",
            Self::Partial => "partial",
            Self::Off => "off",
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counts {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys whose expiry lies before [`Options::now_ms`](crate::verify::Options::now_ms).
    pub expired: u64,
    /// Function libraries.
    pub functions: u64,
    /// By database. Beyond 16,384 databases only the totals are kept.
    pub databases: BTreeMap<u64, DbCounts>,
    /// Keys by type, as the TYPE command names them.
    pub types: BTreeMap<String, u64>,
    /// Keys by encoding.
    pub encodings: BTreeMap<&'static str, u64>,
}

/// What is in one database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DbCounts {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys by type.
    pub types: BTreeMap<String, u64>,
}

/// What is in the records of an append-only file or set.
///
/// `ok_up_to`, `ok_up_to_line` and `diff` are those of the last line `AOF analyzed` that redis-check-aof 8.6.3 prints,
/// which goes no further than the first damaged file; they are `None` where it prints none. What each file is worth by
/// itself is in [`Part`]. Everything else counts what servers load, from all files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AofFacts {
    /// The offset at which the check tool would cut.
    pub ok_up_to: Option<u64>,
    /// The line at which it stopped, counted over all files of a set.
    pub ok_up_to_line: Option<u64>,
    /// The size of that file less `ok_up_to`.
    pub diff: Option<i64>,
    /// Commands.
    pub commands: u64,
    /// Commands by name, in upper case, escaped. At most 4096 names are told apart; the others count under an empty name.
    pub commands_by_name: BTreeMap<String, u64>,
    /// Commands by the database that was selected. Beyond 65,536 databases they are not told apart.
    pub databases: BTreeMap<u64, u64>,
    /// Transactions that were closed.
    pub transactions: u64,
    /// The first timestamp, in seconds since the epoch.
    pub first_timestamp: Option<i64>,
    /// The last timestamp: last in the files, not the greatest.
    pub last_timestamp: Option<i64>,
    /// What decides whether a server loads them.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub load: AofLoadFacts,
}

/// One file of an append-only set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Part {
    /// Its name in the set, escaped where it is not plain text.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its size when it was opened; `None` if it is not there, or is no regular file.
    pub size: Option<u64>,
    /// Where the check tool would cut it, were it the only file; `None` if it is not there or holds no records.
    pub ok_up_to: Option<u64>,
    /// Up to where a server loads it: the end of the file, or the start of the record that is damaged, or of the
    /// transaction around that. `None` if it is not there, holds no records, or its RDB image is damaged.
    pub loads_up_to: Option<u64>,
    /// Where the RDB image ends that it begins with.
    pub preamble_end: Option<u64>,
    /// What decides whether a server loads the RDB image that it begins with. Of the first 64 images of a set.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub rdb: Option<Box<RdbFacts>>,
    /// What decides whether a server loads its records; `None` if there are none, or if they were not reached.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub records: Option<Box<RecordFacts>>,
}
