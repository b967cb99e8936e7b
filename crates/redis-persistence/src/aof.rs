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

mod ahead;
pub mod changes;
pub mod commands;
mod counts;
pub mod dir;
pub mod foreign;
pub mod manifest;
pub mod official;
mod parser;
mod reader;
mod record;
mod run;
mod state;
mod window;

pub(crate) use ahead::{Ahead, Sizes};
pub use counts::CommandCounts;
pub use manifest::Manifest;
pub use parser::{Grammar, Parser, Step};
pub use reader::Reader;
pub(crate) use record::Span;
pub use record::{Annotation, Arg, Args, Command, LineEnd, Record};
pub(crate) use run::{Kinds, Run};
pub use state::{StreamState, Transaction, TransactionEvent};
