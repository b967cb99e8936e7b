//! Faults that are planted into a sound RDB: one for each way to be wrong, with the code that names it and its place.
//!
//! ```text
//! before the plant    the sound file up to the end of one of its keys
//! the plant           records of its own, one thing in them wrong
//! after it            the rest of the file, and a checksum that fits (but with a type that nobody knows)
//! ```
//!
//! A few faults are those of a whole file instead: its signature, its version, its end.

pub mod aof;
mod frame;
pub mod set;
mod streams;
mod values;
mod whole;

use std::ops::RangeInclusive;

use crate::crc64::crc64;
use crate::rdb::{Encoded, Family, RdbWriter};
use crate::rng::Rng;

/// The name of a planted key. No other key has it.
const KEY: &[u8] = b"\0planted";

/// Writes a fault, and answers where it begins.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Records. The offset counts from the first of them.
    Records(fn(&mut RdbWriter) -> usize),
    /// Something that is done to the file.
    Whole(fn(&Encoded, &mut Rng) -> (Vec<u8>, usize)),
}

/// A way to be wrong.
#[derive(Debug, Clone, Copy)]
pub struct Plant {
    /// The finding code that names it.
    pub code: &'static str,
    /// In which files.
    pub family: Family,
    /// Of which versions.
    pub versions: Versions,
    /// How many hash templates the reader may remember, if that is what it is about.
    pub templates: Option<usize>,
    fault: Fault,
}

/// The first and the last.
pub type Versions = (u32, u32);

/// A file with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// The file.
    pub bytes: Vec<u8>,
    /// Where the thing begins that is wrong.
    pub start: u64,
    /// Where the plant lies.
    pub from: u64,
}

impl Plant {
    fn of(code: &'static str, fault: Fault) -> Self {
        Self { code, family: Family::Redis, versions: (1, 15), templates: None, fault }
    }

    fn records(code: &'static str, write: fn(&mut RdbWriter) -> usize) -> Self {
        Self::of(code, Fault::Records(write))
    }

    fn whole(code: &'static str, change: fn(&Encoded, &mut Rng) -> (Vec<u8>, usize)) -> Self {
        Self { versions: (5, 15), ..Self::of(code, Fault::Whole(change)) }
    }

    fn since(self, version: u32) -> Self {
        Self { versions: (version, 15), ..self }
    }

    fn until(self, version: u32) -> Self {
        Self { versions: (self.versions.0, version), ..self }
    }

    fn valkey(self) -> Self {
        Self { family: Family::Valkey, versions: (80, 80), ..self }
    }

    /// The versions as a range.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<u64> {
        self.versions.0.into()..=self.versions.1.into()
    }

    /// Plants the fault into a file, behind any of its keys.
    #[must_use]
    pub fn into(self, file: &Encoded, rng: &mut Rng) -> Planted {
        match self.fault {
            Fault::Whole(change) => {
                let (bytes, start) = change(file, rng);
                Planted { bytes, start: start as u64, from: 0 }
            }
            Fault::Records(write) => {
                let at = file.keys.get(rng.size(0..=file.keys.len())).map_or(file.eof_at, |key| key.end);
                let mut w = RdbWriter::bare(self.versions.1);
                w.compression(false);
                let start = write(&mut w);
                let mut bytes = [&file.bytes[..at], w.bytes(), &file.bytes[at..]].concat();
                // One that fits would vouch for a type that nobody knows.
                if file.checksum_at.is_some() && self.code != "rdb-unknown-type" {
                    let body = bytes.len() - 8;
                    let crc = crc64(&bytes[..body]);
                    bytes[body..].copy_from_slice(&crc.to_le_bytes());
                }
                Planted { bytes, start: (at + start) as u64, from: at as u64 }
            }
        }
    }
}

/// Every fault.
#[must_use]
pub fn all() -> Vec<Plant> {
    [whole::plants(), frame::plants(), values::plants(), streams::plants()].concat()
}
