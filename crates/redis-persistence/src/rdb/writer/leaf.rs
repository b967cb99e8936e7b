//! Lengths and strings, as servers write them.

use std::io::{self, Write};

use super::Writer;
use crate::rdb::packed::canonical_int;
use crate::rdb::wire::encode_length;
use crate::rdb::{Body, RdbString};

/// No text of a 32-bit number is longer.
const LONGEST_INT: usize = 11;

impl<W: Write> Writer<W> {
    /// Writes a length, or any other plain number.
    ///
    /// # Errors
    /// If the output fails.
    pub fn length(&mut self, value: u64) -> io::Result<()> {
        let (bytes, len) = encode_length(value);
        self.copy(&bytes[..len])
    }

    /// Writes a string: as a number if it is the text of one of 32 bits, else as it is.
    ///
    /// # Errors
    /// If the output fails.
    pub fn string(&mut self, text: &[u8]) -> io::Result<()> {
        let number = if text.len() <= LONGEST_INT { canonical_int(text) } else { None };
        match number.and_then(|number| i32::try_from(number).ok()) {
            Some(number) => self.int(number),
            None => {
                self.length(text.len() as u64)?;
                self.copy(text)
            }
        }
    }

    fn int(&mut self, number: i32) -> io::Result<()> {
        if let Ok(number) = i8::try_from(number) {
            return self.copy(&[0xc0, number.cast_unsigned()]);
        }
        if let Ok(number) = i16::try_from(number) {
            let [low, high] = number.to_le_bytes();
            return self.copy(&[0xc1, low, high]);
        }
        let [a, b, c, d] = number.to_le_bytes();
        self.copy(&[0xc2, a, b, c, d])
    }

    /// Writes a string in the form that it was read in. Of a long one that is its head: its bytes are to follow.
    pub(super) fn string_as_read(&mut self, string: &RdbString<&[u8]>) -> io::Result<()> {
        match string.body {
            Body::Raw(bytes) => {
                self.length(bytes.len() as u64)?;
                self.copy(bytes)
            }
            Body::Int(number) => self.int(number),
            Body::Lzf { data, decoded } => {
                self.lzf_head(data.len() as u64, decoded)?;
                self.copy(data)
            }
            Body::Long { stored, decoded: None } => self.length(stored),
            Body::Long { stored, decoded: Some(decoded) } => self.lzf_head(stored, decoded),
        }
    }

    fn lzf_head(&mut self, stored: u64, decoded: u64) -> io::Result<()> {
        self.copy(&[0xc3])?;
        self.length(stored)?;
        self.length(decoded)
    }
}
