//! Writes an RDB: what was read as it stands in the source, or values encoded anew.
//!
//! ```text
//! signature, version     Writer::new
//! records                event()          what the parser handed out, in the form that it had
//!                        copy()           a record's own bytes: they are position independent
//!                        aux(), select_db(), resize_db(), slot_info(), function(), key(), string()...
//! FF, crc64              finish()         the checksum only from version 5 on
//! ```
//!
//! Lengths are written in their shortest form, numbers as servers store them, and no string is compressed that was not
//! before. The writer keeps the order in which it is called: that a database is selected before its keys come, and that
//! RESIZEDB tells the truth, is up to the caller.

mod event;
mod leaf;

use std::io::{self, Write};

use super::grammar::{Family, Frame, Numbers, PlainElement, ValueType, opcodes as opcode};
use crate::base::crc64::Crc64;

/// What is collected before it is handed on.
const BLOCK: usize = 64 << 10;

/// Writes one RDB to an output.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::{Family, KeyAttributes, ValueType, Writer};
///
/// let mut writer = Writer::new(Vec::new(), Family::Redis, 11)?;
/// writer.aux(b"ctime", b"1700000000")?;
/// writer.select_db(0)?;
/// writer.resize_db(1, 0)?;
/// writer.key(&KeyAttributes::default(), ValueType::String, b"greeting")?;
/// writer.string(b"hello")?;
/// let file = writer.finish()?;
/// assert!(file.starts_with(b"REDIS0011\xfa\x05ctime\xc2"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Copying the string keys of a file, and nothing else:
/// ```
/// use redis_persistence::rdb::{Family, Payload, ValueType, Writer, events};
///
/// let file = b"REDIS0004\xfe\x00\x00\x01k\x01v\x02\x01s\x01\x01m\xff";
/// let mut writer = Writer::new(Vec::new(), Family::Redis, 11)?;
/// for event in events(file).map_while(Result::ok) {
///     match &event.payload {
///         Payload::SelectDb { db } => writer.select_db(*db)?,
///         Payload::Record(record) if record.value_type == ValueType::String => writer.event(&event)?,
///         _ => {}
///     }
/// }
/// assert!(writer.finish()?.starts_with(b"REDIS0011\xfe\x00\x00\x01k\x01v\xff"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// What is not handed on yet.
    block: Vec<u8>,
    crc: Crc64,
    written: u64,
    version: u32,
    /// The attributes that were written apart from their key.
    apart: super::Attributes,
    /// How the fields' expiries are stored of the value whose events come.
    expiry: Numbers,
    /// Room for the bytes of a few numbers.
    few: Vec<u8>,
}

/// What is written before a key's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyAttributes {
    /// When the key expires, in milliseconds since the epoch. Needs version 3.
    pub expire_ms: Option<i64>,
    /// How long it was idle, in seconds. Needs version 9.
    pub idle: Option<u64>,
    /// Its access counter. Needs version 9.
    pub freq: Option<u8>,
}

impl<W: Write> Writer<W> {
    /// Returns a writer that has written signature and version.
    ///
    /// # Errors
    /// If the version is none that the family's digits can hold (1 to 9999, Valkey 1 to 999), or the output fails.
    pub fn new(out: W, family: Family, version: u32) -> io::Result<Self> {
        let signature = match (family, version) {
            (Family::Redis, 1..=9999) => format!("REDIS{version:04}"),
            (Family::Valkey, 1..=999) => format!("VALKEY{version:03}"),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no {family} version {version}"))),
        };
        let mut writer = Self {
            out,
            block: Vec::with_capacity(BLOCK),
            crc: Crc64::new(),
            written: 0,
            version,
            apart: super::Attributes::default(),
            expiry: Numbers::FieldTtl,
            few: Vec::new(),
        };
        writer.copy(signature.as_bytes())?;
        Ok(writer)
    }

    /// Returns how many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes bytes as they are, such as those of whole records of another file.
    ///
    /// # Errors
    /// If the output fails.
    pub fn copy(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        if self.block.len() + bytes.len() <= BLOCK {
            self.block.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush_block()?;
        if bytes.len() < BLOCK {
            self.block.extend_from_slice(bytes);
            return Ok(());
        }
        self.crc.update(bytes);
        self.out.write_all(bytes)
    }

    fn flush_block(&mut self) -> io::Result<()> {
        self.crc.update(&self.block);
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Writes an AUX field.
    ///
    /// # Errors
    /// If the output fails.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.opcode(opcode::AUX)?;
        self.string(name)?;
        self.string(value)
    }

    /// Selects the database that the next keys belong to.
    ///
    /// # Errors
    /// If the output fails.
    pub fn select_db(&mut self, db: u64) -> io::Result<()> {
        self.opcode(opcode::SELECTDB)?;
        self.length(db)
    }

    /// Says how many keys the database holds, and how many of them expire. Needs version 7.
    ///
    /// # Errors
    /// If the output fails.
    pub fn resize_db(&mut self, keys: u64, expires: u64) -> io::Result<()> {
        self.opcode(opcode::RESIZEDB)?;
        self.length(keys)?;
        self.length(expires)
    }

    /// Says how many keys of a cluster slot follow, and how many of them expire. Needs version 12 of Redis.
    ///
    /// # Errors
    /// If the output fails.
    pub fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) -> io::Result<()> {
        self.opcode(opcode::SLOT_INFO)?;
        self.length(slot)?;
        self.length(keys)?;
        self.length(expires)
    }

    /// Writes a function library. Needs version 10.
    ///
    /// # Errors
    /// If the output fails.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.opcode(opcode::FUNCTION2)?;
        self.string(code)
    }

    /// Writes a key up to its name; its value comes next.
    ///
    /// # Errors
    /// If the output fails.
    pub fn key(&mut self, attributes: &KeyAttributes, value_type: ValueType, name: &[u8]) -> io::Result<()> {
        if let Some(ms) = attributes.expire_ms {
            self.opcode(opcode::EXPIRETIME_MS)?;
            self.copy(&ms.to_le_bytes())?;
        }
        if let Some(seconds) = attributes.idle {
            self.opcode(opcode::IDLE)?;
            self.length(seconds)?;
        }
        if let Some(counter) = attributes.freq {
            self.copy(&[opcode::FREQ, counter])?;
        }
        self.begin(value_type);
        self.copy(&[value_type.byte()])?;
        self.string(name)
    }

    /// Writes the end and, from version 5 on, the checksum; gives the output back, flushed.
    ///
    /// # Errors
    /// If the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.opcode(opcode::EOF)?;
        self.flush_block()?;
        if self.version >= 5 {
            self.out.write_all(&self.crc.value().to_le_bytes())?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// A value of that type comes.
    fn begin(&mut self, value_type: ValueType) {
        let behind = value_type.frame() == Frame::Elements { element: PlainElement::PairExpiry, least: false };
        self.expiry = if behind { Numbers::FieldExpiry } else { Numbers::FieldTtl };
    }

    fn opcode(&mut self, byte: u8) -> io::Result<()> {
        self.copy(&[byte])
    }
}
