//! Writes RDB and AOF bytes, good and bad, and starts real servers, for the tests, benches and fuzz targets of this
//! workspace.
//!
//! This crate depends on neither the library nor the commands: what it writes is a second opinion on the formats.
//! Where the library is fast, this crate is obvious: tables are built bit by bit, decoders are the `naive_*` functions.
//!
//! ```
//! use testkit::rdb::RdbWriter;
//!
//! let file = RdbWriter::redis(11).select_db(0).string_key(b"greeting", b"hello").finish();
//! assert!(file.starts_with(b"REDIS0011\xFE\x00\x00\x08greeting\x05hello\xFF"));
//! ```
//!
//! Functions of this crate panic on nonsense in a test's own arguments; they never read hostile input, except for the
//! `naive_*` decoders, which answer `None`.
#![forbid(unsafe_code)]

pub mod bombs;
pub mod collide;
pub mod crc64;
pub mod damage;
pub mod dataset;
pub mod folder;
pub mod imports;
pub mod manifest;
pub mod planted;
pub mod rdb;
pub mod replay;
pub mod resp;
pub mod rng;
pub mod server;
pub mod sets;
pub mod tar;

/// The bytes of one key, field, member or value.
pub type Bytes = Vec<u8>;
