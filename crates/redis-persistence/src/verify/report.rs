//! What a verification found out about a file.

use std::collections::BTreeMap;

use super::codes::Code;
use super::finding::Finding;
use crate::rdb::Family;

/// What a verification found out about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How many findings there are.
    pub findings_total: u64,
    /// How many findings there are of each code.
    pub findings_by_code: BTreeMap<Code, u64>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An RDB snapshot.
    Rdb,
    /// Nothing that is known here.
    Unknown,
}

impl Kind {
    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rdb => "rdb",
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
    /// The name that reports use.
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
#[non_exhaustive]
pub struct Format {
    /// By the signature.
    pub family: Family,
    /// The version after the signature.
    pub rdb_version: u32,
    /// The version of the server, by AUX field `redis-ver` or `valkey-ver`.
    pub writer: Option<String>,
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
    /// The name that reports use.
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
    /// Everything was compared; a hit rests on 64-bit hashes alone.
    ByHash,
    /// Not everything was compared.
    Partial,
    /// It was switched off, or the walk did not come to its end.
    Off,
}

impl DuplicateCheck {
    /// The name that reports use.
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
pub struct Counts {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys whose expiry lies before [`Options::now_ms`](super::Options::now_ms).
    pub expired: u64,
    /// Function libraries.
    pub functions: u64,
    /// By database. Beyond 65,536 databases only the totals are kept.
    pub databases: BTreeMap<u64, DbCounts>,
    /// Keys by type, as the TYPE command names them.
    pub types: BTreeMap<String, u64>,
    /// Keys by encoding.
    pub encodings: BTreeMap<&'static str, u64>,
}

/// What is in one database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DbCounts {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys by type.
    pub types: BTreeMap<String, u64>,
}
