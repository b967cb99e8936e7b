//! Parse, verify and repair the files that Redis and Valkey persist to: RDB snapshots, append-only files and multi-part
//! `appendonlydir` directories.
//!
//! ```
//! use redis_persistence::verify::{self, Options, Verdict};
//!
//! // A dump of one key, cut off in its value.
//! let report = verify::slice(b"REDIS0004\xfe\x00\x00\x03key\x05val", &Options::default());
//! assert_eq!(report.verdict, Verdict::Damaged);
//! let finding = &report.findings[0];
//! assert_eq!((finding.code.as_str(), finding.start, finding.failed_at), ("rdb-truncated", 16, 20));
//! ```
//!
//! # The formats on one page
//!
//! ```text
//! RDB   "REDIS0011" or "VALKEY080"                  signature and version
//!       AUX, SELECTDB, RESIZEDB, functions ...      an opcode byte each, then its fields
//!       [expiry] [idle or frequency]                before a key
//!       type byte, key, value                       a value is strings, numbers, or one packed blob (listpack, ...)
//!       EOF, CRC-64 of all before it
//!
//! AOF   [an RDB]                                    only in a base file
//!       *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n    a command, as clients send them
//!       #TS:1700000000\r\n                          an annotation
//!
//! appendonlydir/                                    from Redis 7.0 on
//!       appendonly.aof.manifest                     which files make up the set, and in which order
//!       appendonly.aof.1.base.rdb                   a snapshot, or commands (.base.aof)
//!       appendonly.aof.1.incr.aof, ...              the commands since
//! ```
//!
//! The first lines of [`rdb`], [`aof`] and [`aof::manifest`] have the details, those of the modules below them the rest.
//!
//! # What to use for what
//!
//! | to | use |
//! |---|---|
//! | know whether a file is good | [`verify::file`], [`verify::reader`], [`verify::aof_path`] |
//! | verify what passes by | [`verify::Push`] |
//! | know whether a server would load it | [`servers::judge`] on the report |
//! | know what happened to it | [`diagnose::diagnose`] on the report |
//! | read keys and values | [`rdb::Keys`] |
//! | list keys | [`list::each`] |
//! | know whether two files hold the same, or what differs | [`digest::reader`], [`diff::readers`] |
//! | be able to tell later whether a file is the one that was found sound | [`seal::file`] |
//! | read the events of a file | [`reader::Reader`], [`rdb::events`], [`push::Push`] |
//! | read commands | [`aof::Reader`], which passes over an RDB image in front of them; [`aof::Parser`] |
//! | write an RDB | [`rdb::Writer`] |
//! | have the same data in another server | [`rewrite::plan`] |
//! | mend an append-only file | [`repair::aof::plan`], then `repair::apply` |
//! | get what can be had of a damaged file | [`repair::rdb::salvage`], [`repair::aof::salvage`] |
//!
//! The parsers borrow from the bytes they are shown, decode nothing that nobody asks for, and hold a bounded amount of memory
//! whatever a file says ([`Limits`]). An [`Error`] has two offsets, where the thing began and where it failed. The verifier
//! makes findings of errors, so damage is a report and not an `Err`.
//!
//! # Features
//!
//! * `tokio`: `asynchronous`, over `tokio::io::AsyncRead`.
//! * `serde`: `Serialize` for [`verify::Report`] and what is in it (but for the facts that predictions are made from), for causes,
//!   predictions, plans of repairs, losses of salvages and statistics, in the shapes of `docs/report.schema.json`.
//!
//! No C compiler is needed, and no dependency appears in a public signature but `bytes` (and `serde` and `tokio` behind their
//! features).
#![forbid(unsafe_code)]

/// The programs of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod aof;
#[cfg(feature = "tokio")]
pub mod asynchronous;
mod base;
mod contents;
pub mod functions;
mod judge;
pub mod lzf;
pub mod official;
pub mod rdb;
pub mod repair;
mod report;
pub mod rewrite;
pub mod seal;
#[cfg(feature = "serde")]
mod serial;
pub mod verify;

pub use base::crc64;
pub use base::error::{Error, ErrorKind, ReadError, Reading, Result};
#[doc(hidden)]
pub use base::escape;
pub use base::limits::Limits;
pub use contents::{diff, digest, list, select};
pub use judge::{diagnose, servers};
pub use rdb::{push, reader};
