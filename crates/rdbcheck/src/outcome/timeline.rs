//! The timestamps of append-only files, and the commands that took much away at once.

use redis_persistence::aof::changes::Change;

/// More changes than this are counted, and not listed.
pub const MOST_CHANGES: usize = 1000;

/// The timestamps of a file or a set, in the order of the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// One row for each stretch of records.
    pub rows: Vec<Row>,
    /// What took much away at once, with the number of the part, at most [`MOST_CHANGES`].
    pub changes: Vec<(usize, Change)>,
    /// How many more there are.
    pub more_changes: u64,
    /// How many rows there were when they were last brought down.
    pub(crate) thinned: usize,
}

/// What was written from a timestamp on up to the next one, or up to the first one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// The file's number among the parts of the report.
    #[serde(skip)]
    pub part: usize,
    /// Whether it is the RDB image at the start of a history file, made at the timestamp.
    pub image: bool,
    /// Where the stretch begins: at its timestamp, or where the records of the file begin.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The timestamp, in seconds since the epoch; `None` for what stands before the first one of a file.
    pub timestamp: Option<i64>,
    /// How many commands it has.
    pub commands: u64,
    /// How many timestamps it has: more than one where there are too many for a row each.
    pub stamps: u64,
}
