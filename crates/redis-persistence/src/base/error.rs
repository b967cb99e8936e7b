//! The one error type of the library.
//!
//! An [`Error`] always says where the thing that was being read began, where reading it failed, and what it was. The
//! offsets are the first arguments of the only constructor, so that no error can be made without them.

use std::fmt;

/// Shorthand for a result with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a parser stopped.
///
/// It is one pointer wide, so that results stay small in the hot path; the facts lie behind it.
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    start: u64,
    failed_at: u64,
    reading: Reading,
    kind: ErrorKind,
}

impl Error {
    /// Returns an error about the thing that began at `start` and could not be read at `failed_at` (byte offsets in the
    /// file).
    #[cold]
    #[must_use]
    pub fn new(start: u64, failed_at: u64, reading: Reading, kind: ErrorKind) -> Self {
        Self(Box::new(Inner { start, failed_at, reading, kind }))
    }

    /// Returns the byte offset at which the thing that was being read began.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.0.start
    }

    /// Returns the byte offset at which reading it failed.
    #[must_use]
    pub fn failed_at(&self) -> u64 {
        self.0.failed_at
    }

    /// Returns what was being read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.0.reading
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }
}

impl Clone for Error {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Error {}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("start", &self.0.start)
            .field("failed_at", &self.0.failed_at)
            .field("reading", &self.0.reading)
            .field("kind", &self.0.kind)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { start, failed_at, reading, kind } = &*self.0;
        write!(f, "{kind} while reading {reading}, at byte {failed_at}")?;
        if start != failed_at { write!(f, " (it began at byte {start})") } else { Ok(()) }
    }
}

impl std::error::Error for Error {}

/// Why reading from an input stopped: the input failed, or its bytes are wrong.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes leave no way on.
    #[error(transparent)]
    Parse(#[from] Error),
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The data end inside the thing. `missing` is how many bytes were wanted beyond the end, at least.
    #[error("the data end too early ({missing} more {} wanted)", if *missing == 1 { "byte" } else { "bytes" })]
    UnexpectedEof {
        /// How many bytes were wanted beyond the end, at least.
        missing: u64,
    },
    /// The first bytes are neither `REDIS` nor `VALKEY`.
    #[error("no RDB signature")]
    BadMagic,
    /// The digits after the signature are no version number of either family.
    #[error("no version number after the signature")]
    BadVersion,
    /// The first byte of a length is none of its four forms (0x82 to 0xBF).
    #[error("0x{0:02x} cannot begin a length")]
    BadLength(u8),
    /// The first byte of a string is a special form that does not exist (0xC4 to 0xFF).
    #[error("unknown string encoding {0}")]
    BadStringEncoding(u8),
    /// The byte where a record begins is neither an opcode nor a value type.
    #[error("unknown opcode or value type {0}")]
    UnknownType(u8),
    /// A value whose extent only the module that wrote it knows (type 6, pre-release of Redis 4.0).
    #[error("a module value of the pre-release form, whose extent only the module knows")]
    ModuleV1,
    /// A byte in a module's stream that is none of its opcodes.
    #[error("unknown module opcode {0}")]
    BadModuleOpcode(u64),
    /// A tag or flag of an array value that does not exist.
    #[error("array {what} {value} does not exist")]
    BadArray {
        /// `flag` or `tag`.
        what: &'static str,
        /// The value found.
        value: u64,
    },
    /// The form byte of a template hash's field list is neither 0 nor 1.
    #[error("field list form {0} does not exist")]
    BadFieldForm(u64),
    /// The listpack that holds a template hash's field names cannot be read, so nobody knows how many values follow.
    #[error("the field names cannot be counted")]
    UncountableFields,
    /// A key refers to a hash template that the file did not define before it.
    #[error("hash template {0} is not defined")]
    UnknownTemplate(u64),
    /// The parser was asked to go on behind the end of the records.
    #[error("the records have ended")]
    PastTheEnd,
    /// A size in the file is beyond what [`Limits`](crate::Limits) allow.
    #[error("{size} bytes are beyond the limit of {limit}")]
    LimitExceeded {
        /// The size that the file asks for, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A value that a parser passes over, but whose elements cannot be read, in words.
    #[error("{0}")]
    BadValue(String),
    /// The byte where a record of an append-only file begins is neither `*` nor `#`.
    #[error("0x{0:02x} begins neither a command nor an annotation")]
    NotARecord(u8),
    /// A header line begins with another byte than the one that has to stand there.
    #[error("expected '{}', found 0x{found:02x}", char::from(*.wanted))]
    BadPrefix {
        /// The byte that has to stand there.
        wanted: u8,
        /// The byte found.
        found: u8,
    },
    /// The number of a header line is not the plain decimal number that a writer makes.
    #[error("not a plain decimal number")]
    BadNumber,
    /// Two other bytes where a CR LF has to stand; zero for one that is not there or was not looked at.
    #[error("expected CR LF, found 0x{:02x}{:02x}", .0[0], .0[1])]
    BadLineEnd([u8; 2]),
    /// An argument count that makes no command.
    #[error("{0} is no argument count")]
    BadArgCount(i64),
    /// A length that no argument can have.
    #[error("{0} is no argument length")]
    BadArgLength(i64),
    /// A line that is longer than the loaders read in one piece.
    #[error("a line of more than {0} bytes")]
    LineTooLong(usize),
}

/// What a parser was reading when it failed. `Display` gives the words for a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reading {
    /// The signature and version at the start of an RDB.
    Header,
    /// An opcode or value type byte.
    Opcode,
    /// The name of an AUX field.
    AuxName,
    /// The value of an AUX field.
    AuxValue,
    /// The database number of SELECTDB.
    DbNumber,
    /// The counts of RESIZEDB.
    ResizeDb,
    /// The numbers of SLOT_INFO.
    SlotInfo,
    /// Valkey's SLOT_IMPORT record.
    SlotImport,
    /// An expiry time of a key.
    Expire,
    /// The idle time or access frequency of a key.
    Eviction,
    /// The metadata of a key.
    KeyMeta,
    /// The name of a key.
    Key,
    /// The value of a string key.
    StringValue,
    /// The element count of a collection.
    Count,
    /// An element of a list or set.
    Item,
    /// A member of a sorted set.
    Member,
    /// A score of a sorted set.
    Score,
    /// A field name of a hash.
    Field,
    /// A field's value in a hash.
    FieldValue,
    /// A field's expiry in a hash.
    FieldExpiry,
    /// The packed encoding of a value.
    Packed,
    /// A node of a quicklist.
    ListNode,
    /// A node of a stream.
    StreamNode,
    /// The numbers of a stream that follow its nodes.
    StreamInfo,
    /// A consumer group of a stream.
    StreamGroup,
    /// An entry of a pending-entries list.
    Pel,
    /// A consumer of a stream's group.
    Consumer,
    /// The idempotent-producer part of a stream.
    Idmp,
    /// The module id of a value or MODULE_AUX.
    ModuleId,
    /// An item of a module's stream.
    ModuleItem,
    /// A function library.
    Function,
    /// A hash template.
    Template,
    /// An element of an array.
    ArrayElement,
    /// The checksum after the EOF opcode.
    Checksum,
    /// An LZF-compressed string.
    Lzf,
    /// The first byte of a record in an append-only file.
    AofRecord,
    /// The argument count of a command.
    ArgCount,
    /// The length of a command's argument.
    ArgLength,
    /// An argument of a command.
    Arg,
    /// An annotation line of an append-only file.
    Annotation,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the header",
            Self::Opcode => "an opcode or type byte",
            Self::AuxName => "the name of an AUX field",
            Self::AuxValue => "the value of an AUX field",
            Self::DbNumber => "a database number",
            Self::ResizeDb => "the counts of RESIZEDB",
            Self::SlotInfo => "the numbers of SLOT_INFO",
            Self::SlotImport => "a SLOT_IMPORT record",
            Self::Expire => "an expiry time",
            Self::Eviction => "an idle time or access frequency",
            Self::KeyMeta => "the metadata of a key",
            Self::Key => "a key name",
            Self::StringValue => "a string value",
            Self::Count => "an element count",
            Self::Item => "an element",
            Self::Member => "a sorted set's member",
            Self::Score => "a sorted set's score",
            Self::Field => "a hash field's name",
            Self::FieldValue => "a hash field's value",
            Self::FieldExpiry => "a hash field's expiry",
            Self::Packed => "a packed value",
            Self::ListNode => "a list node",
            Self::StreamNode => "a stream node",
            Self::StreamInfo => "the numbers of a stream",
            Self::StreamGroup => "a stream's consumer group",
            Self::Pel => "a pending-entries list",
            Self::Consumer => "a stream's consumer",
            Self::Idmp => "a stream's idempotent producers",
            Self::ModuleId => "a module id",
            Self::ModuleItem => "a module's data",
            Self::Function => "a function library",
            Self::Template => "a hash template",
            Self::ArrayElement => "an array element",
            Self::Checksum => "the checksum",
            Self::Lzf => "a compressed string",
            Self::AofRecord => "a record of an append-only file",
            Self::ArgCount => "an argument count",
            Self::ArgLength => "the length of an argument",
            Self::Arg => "an argument",
            Self::Annotation => "an annotation",
        })
    }
}
