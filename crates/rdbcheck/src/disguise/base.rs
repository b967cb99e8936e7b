//! Bytes as letters of an alphabet: base64, base32, uuencode.

use super::reader::{Misfit, Undo};

/// Turns base64 back. A strict one takes what `base64 -d` takes; else also line ends of all kinds, the alphabet for URLs,
/// missing padding, and something else behind it.
#[derive(Debug)]
pub(super) struct Base64 {
    strict: bool,
    bits: u32,
    digits: u32,
    padding: u32,
    escaped: bool,
    line_begins: bool,
    dashes: u32,
    /// Whether letters came that only the usual alphabet has, or only the one for URLs.
    usual: bool,
    of_urls: bool,
}

impl Base64 {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            strict,
            bits: 0,
            digits: 0,
            padding: 0,
            escaped: false,
            line_begins: true,
            dashes: 0,
            usual: false,
            of_urls: false,
        }
    }

    fn digit(&mut self, digit: u8, out: &mut Vec<u8>) {
        (self.bits, self.digits) = (self.bits << 6 | u32::from(digit), self.digits + 1);
        if self.digits == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            (self.bits, self.digits) = (0, 0);
        }
    }
}

impl Undo for Base64 {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for byte in bytes {
            let line_begins = std::mem::replace(&mut self.line_begins, false);
            let escaped = std::mem::replace(&mut self.escaped, false);
            // Five of them at the start of a line end PEM, and two a part of a mail; but they may be digits.
            if !self.strict && *byte == b'-' && (line_begins || self.dashes > 0) {
                self.dashes += 1;
                if self.usual || self.dashes == if self.of_urls { 5 } else { 2 } {
                    self.dashes = 0;
                    return self.end(out).map(|()| false);
                }
                continue;
            }
            (self.usual, self.of_urls) =
                (self.usual || matches!(byte, b'+' | b'/'), self.of_urls || matches!(byte, b'-' | b'_'));
            for _ in 0..std::mem::take(&mut self.dashes) {
                self.digit(62, out);
            }
            let digit = match byte {
                b'\n' => {
                    self.line_begins = true;
                    continue;
                }
                b'=' => {
                    self.padding += 1;
                    continue;
                }
                b' ' | b'\t' | b'\r' if !self.strict => continue,
                // Of a text in JSON: a line end as two characters, a slash with another before it.
                b'\\' if !self.strict => {
                    self.escaped = true;
                    continue;
                }
                b'n' | b'r' if escaped => continue,
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'-' if !self.strict => 62,
                b'_' if !self.strict => 63,
                _ if self.strict => return Err(Misfit),
                _ => return self.end(out).map(|()| false),
            };
            if self.padding > 0 {
                return if self.strict { Err(Misfit) } else { self.end(out).map(|()| false) };
            }
            self.digit(digit, out);
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        for _ in 0..std::mem::take(&mut self.dashes) {
            self.digit(62, out);
        }
        let padded = self.padding == (4 - self.digits) % 4;
        if self.strict && !padded {
            return Err(Misfit);
        }
        match std::mem::take(&mut self.digits) {
            0 => {}
            2 => out.extend_from_slice(&(self.bits << 12).to_be_bytes()[1..2]),
            3 => out.extend_from_slice(&(self.bits << 6).to_be_bytes()[1..3]),
            // Something else that stands behind it may look like a digit.
            _ if self.strict => return Err(Misfit),
            _ => {}
        }
        Ok(())
    }
}

/// Turns base32 (RFC 4648) back. A strict one takes what `base32 -d` takes; else also small letters, line ends of all kinds,
/// missing padding, and something else behind it.
#[derive(Debug)]
pub(super) struct Base32 {
    strict: bool,
    bits: u64,
    digits: u32,
    padding: u32,
}

impl Base32 {
    pub(super) fn new(strict: bool) -> Self {
        Self { strict, bits: 0, digits: 0, padding: 0 }
    }
}

impl Undo for Base32 {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for byte in bytes {
            let digit = match byte {
                b'\n' => continue,
                b'\r' | b' ' | b'\t' if !self.strict => continue,
                b'=' => {
                    self.padding += 1;
                    continue;
                }
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' if !self.strict => byte - b'a',
                b'2'..=b'7' => byte - b'2' + 26,
                _ if self.strict => return Err(Misfit),
                _ => return self.end(out).map(|()| false),
            };
            if self.padding > 0 {
                return if self.strict { Err(Misfit) } else { self.end(out).map(|()| false) };
            }
            (self.bits, self.digits) = (self.bits << 5 | u64::from(digit), self.digits + 1);
            if self.digits == 8 {
                out.extend_from_slice(&self.bits.to_be_bytes()[3..]);
                (self.bits, self.digits) = (0, 0);
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.strict && self.padding != (8 - self.digits) % 8 {
            return Err(Misfit);
        }
        let digits = std::mem::take(&mut self.digits);
        let bytes = (digits * 5 / 8) as usize;
        let all = (self.bits << (5 * (8 - digits) % 40)).to_be_bytes();
        out.extend_from_slice(&all[3..3 + bytes]);
        Ok(())
    }
}

/// Longer lines are none of uuencode.
const LONGEST: usize = 128;

/// Turns what uuencode wrote back, from its line `begin` on.
#[derive(Debug, Default)]
pub(super) struct Uuencoded {
    begun: bool,
    line: Vec<u8>,
}

impl Uuencoded {
    /// Takes a line; `false` for the last one.
    fn line(&mut self, out: &mut Vec<u8>) -> Result<bool, Misfit> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !std::mem::replace(&mut self.begun, true) {
            return if line.starts_with(b"begin ") { Ok(true) } else { Err(Misfit) };
        }
        let Some((length, digits)) = line.split_first() else { return Ok(true) };
        let value = |byte: &u8| match byte {
            b' '..=b'`' => Ok((byte - b' ') & 63),
            _ => Err(Misfit),
        };
        let length = usize::from(value(length)?);
        if length == 0 {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(64);
        // Spaces at the end of a line get lost: each is a zero.
        for at in (0..length.div_ceil(3) * 4).step_by(4) {
            let mut bits = 0_u32;
            for at in at..at + 4 {
                bits = bits << 6 | u32::from(digits.get(at).map_or(Ok(0), value)?);
            }
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        out.extend_from_slice(&bytes[..length]);
        Ok(true)
    }
}

impl Undo for Uuencoded {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    if !self.line(out)? {
                        return Ok(false);
                    }
                }
                _ if self.line.len() < LONGEST || !self.begun && self.line.len() < 1024 => self.line.push(byte),
                _ => return Err(Misfit),
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.line.is_empty() { Ok(()) } else { self.line(out).map(drop) }
    }
}
