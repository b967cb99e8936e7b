//! Verification: every finding of a file in one run, and a verdict.
//!
//! ```text
//! bytes -> rdb::Parser -> events -> verifier -> findings ┐
//!                                      └ counts ---------┴-> Report
//! ```
//!
//! [`slice()`], [`reader()`], [`file()`] and [`file_at()`] verify a whole RDB; [`Push`] verifies one that the caller feeds. All
//! give the same report, but that only a source that can be read again ([`slice()`], [`file()`], [`file_at()`]) confirms
//! duplicates by their text.
//!
//! [`aof_path`] verifies append-only files: one, or a whole `appendonlydir`; [`aof_slice`] one in memory.

mod aof;
mod collect_stats;
pub(crate) mod confirm;
mod drive;
mod dump;
pub(crate) mod duplicates;
mod options;
mod parallel;
mod push;
mod rdb;
mod record;
mod stored_form;
pub(crate) mod value;

pub use crate::base::source::ReadAt;
pub use crate::report::stats;
pub use crate::report::{
    AofFacts, AofLoadFacts, Checksum, Code, Counts, DbCounts, DuplicateCheck, Ending, Finding, FindingClass,
    ForeignUse, Format, HeaderFacts, Kind, More, Name, Occurrences, OpenTransaction, Part, Place, RdbFacts,
    RecordFacts, Report, RestoreFacts, Severity, SpillTo, Stop, TrailingBytes, UnreadContent, UnreadFacts, Verdict,
    Visibility,
};
pub(crate) use aof::Replayed;
pub(crate) use aof::{ImageKeys, replay, swallows};
pub use aof::{aof_in, aof_path, aof_set, aof_slice};
pub use drive::{file, file_at, reader, slice};
pub use dump::dump;
pub use options::{Duplicates, Options};
pub use push::Push;
pub(crate) use record::{Flaws, RecordChecker};
