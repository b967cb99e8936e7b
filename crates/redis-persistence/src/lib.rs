//! Parse, verify and repair the files that Redis and Valkey persist to: RDB snapshots, append-only files and multi-part
//! `appendonlydir` directories.
#![forbid(unsafe_code)]

pub mod crc64;
pub mod error;
pub mod limits;
pub mod lzf;
pub mod rdb;

pub use error::{Error, ErrorKind, Reading, Result};
pub use limits::Limits;
