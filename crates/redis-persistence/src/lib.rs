//! Parse, verify and repair the files that Redis and Valkey persist to: RDB snapshots, append-only files and multi-part
//! `appendonlydir` directories.
#![forbid(unsafe_code)]

pub mod aof;
pub mod crc64;
pub mod diagnose;
pub mod error;
mod feed;
mod input;
pub mod limits;
pub mod lzf;
pub mod push;
pub mod rdb;
pub mod reader;
pub mod repair;
mod resp;
pub mod target;
pub mod verify;

pub use error::{Error, ErrorKind, ReadError, Reading, Result};
pub use limits::Limits;
