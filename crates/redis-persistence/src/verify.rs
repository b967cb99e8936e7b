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
mod codes;
mod drive;
mod dump;
pub(crate) mod duplicates;
mod facts;
mod finding;
mod input;
pub mod official;
mod options;
mod parallel;
mod rdb;
mod record;
mod report;
mod sink;
pub(crate) mod source;
mod spill;
pub mod stats;
pub(crate) mod suspects;
mod value;

pub use crate::read_at::ReadAt;
pub(crate) use aof::{Clamped, ImageKeys, replay, swallows};
pub use aof::{aof_in, aof_path, aof_set, aof_slice};
pub use codes::{Code, Severity};
pub use drive::{Push, file, file_at, reader, slice};
pub use dump::dump;
pub use facts::{
    AofLoadFacts, Class, CommandUse, Detail, Ending, Failing, Fails, ForeignUse, FunctionStep, HeaderFacts, Name,
    OpenTransaction, Place, RdbFacts, RecordFacts, ReplyFacts, RestoreFacts, RestorePolicy, ScriptCall, Stop, Tallied,
    Trail, UnreadContent, UnreadFacts,
};
pub use finding::Finding;
pub use options::{Duplicates, Options};
pub(crate) use rdb::shebang;
pub(crate) use record::{Flaws, RecordChecker};
pub use report::{AofFacts, Checksum, Counts, DbCounts, DuplicateCheck, Format, Kind, Part, Report, Verdict};
pub use spill::{More, SpillTo};
