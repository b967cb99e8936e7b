//! Append-only files: records, the manifest of a multi-part set, and the official check tool's view of both.
//!
//! ```text
//! file     = [RDB image] record*
//! record   = command | annotation
//! command  = "*" count CRLF ("$" length CRLF bytes CRLF){count}
//! annotation = "#" bytes LF               "#TS:<unix seconds>" CRLF is the one that servers write
//!
//! manifest = line*
//! line     = "#" bytes LF | pair{3,} LF   "file <name> seq <number> type <b|h|i>"
//! ```
//!
//! There are three readings of a record, and they differ: what a writer makes, what a server loads, what the check tools
//! accept ([`Grammar`]). A record that passes the strict one means the same in all three, so a file is best read strictly up
//! to its first oddity, and from there in whichever reading is asked for: a [`Parser`] starts at any offset.
//!
//! [`Parser`] looks at slices and does no input or output; [`Reader`] drives it from [`std::io::Read`] in bounded memory.

pub mod changes;
mod command_run;
pub mod commands;
mod counts;
pub mod dir;
pub mod foreign;
pub mod manifest;
pub mod official;
mod parser;
mod read_ahead;
mod reader;
mod record;
pub(crate) mod resp;
mod state;
mod window;

pub(crate) use command_run::{CommandRun, KnownHeads};
pub use counts::CommandCounts;
pub use manifest::Manifest;
pub use parser::{Grammar, Parser, Step};
pub(crate) use read_ahead::{ReadAhead, Sizes};
pub use reader::{Image, Reader};
pub(crate) use record::Span;
pub use record::{Annotation, Arg, Args, Command, LineEnd, Record};
pub use state::{StreamState, Transaction, TransactionEvent};
