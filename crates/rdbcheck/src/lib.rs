//! What the commands `rdbcheck` and `aofcheck` share: arguments, opening of inputs, progress, reports, exit codes.
//!
//! ```text
//! args -> run -> for each input: open -> library -> Entry -> exit code
//!                                  └ progress        └ render::{text, json}
//! ```
//!
//! It is not a library for others: use `redis-persistence`. Nothing here is stable but what the commands print, and their
//! exit codes.
#![forbid(unsafe_code)]

pub mod args;
pub mod entry;
pub mod escape;
pub mod exit;
pub mod explain;
pub mod open;
pub mod progress;
pub mod redact;
pub mod render;
pub mod run;
pub mod units;
