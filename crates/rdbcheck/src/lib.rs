//! What the commands `rdbcheck` and `aofcheck` share: arguments, opening of inputs, progress, reports, exit codes.
//!
//! ```text
//! args -> run -> inputs -> for each: open, unpack, tree -> library -> Entry -> exit code
//!                  └ side                      └ progress  └ ends, diagnose  └ render::{text, aof, json, junit, prometheus}
//!         rdbcheck -> salvage: mended bytes or a plan -> a new file -> verified
//!         aofcheck -> fix: plan -> question -> apply -> the check again
//!                  -> salvage_aof: plan -> a new folder
//! verbs    digest, diff, list: arguments of their own -> library -> lines
//! ```
//!
//! It is not a library for others: use `redis-persistence`. Nothing here is stable but what the commands print, and their
//! exit codes.
#![forbid(unsafe_code)]

pub mod alias;
pub mod aofcheck;
pub mod archive;
pub mod args;
mod around;
pub mod ask;
pub mod brief;
pub mod disguise;
pub mod ends;
pub mod entry;
pub mod escape;
pub mod exit;
pub mod explain;
pub mod fix;
#[cfg(feature = "functions")]
pub mod functions;
pub mod hex;
mod inputs;
mod laid;
pub mod open;
pub mod progress;
pub mod read;
pub mod redact;
pub mod render;
pub mod run;
pub mod salvage;
pub mod salvage_aof;
pub mod servers;
pub mod shell;
mod side;
pub mod stored;
pub mod timeline;
pub mod tree;
pub mod units;
pub mod unpack;
pub mod verbs;
