//! Bytes as a list of numbers: arrays of C and its like, of JSON, a Buffer of Node.js, lists of Python.

use super::reader::{Misfit, Undo};

/// A number with all that may stand around it is no longer: `0b11111111u8`.
const LONGEST: usize = 12;

/// Turns numbers back, from the bracket before the first one on, or from the first.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The bracket that ends the list.
    end: Option<u8>,
    begun: bool,
    token: Vec<u8>,
    /// Until that byte nothing counts: in a name in quotes, in a cast.
    until: Option<u8>,
}

impl Numbers {
    /// Takes a number, if there is one.
    fn token(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if !self.token.is_empty() {
            out.push(value(&self.token).ok_or(Misfit)?);
            self.token.clear();
        }
        Ok(())
    }
}

/// Returns the byte that a number stands for; negative ones are those of signed bytes.
fn value(token: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(token).ok()?;
    let text = text.strip_suffix("u8").or_else(|| text.strip_suffix(['u', 'U', 'L'])).unwrap_or(text);
    let of = |digits: &str, radix| u8::from_str_radix(digits, radix).ok();
    let starts = |marks: [&str; 2]| marks.iter().find_map(|mark| text.strip_prefix(*mark));
    if let Some(digits) = starts(["0x", "0X"]) {
        return of(digits, 16);
    }
    if let Some(digits) = starts(["0b", "0B"]) {
        return of(digits, 2);
    }
    if let Some(digits) = starts(["0o", "0O"]) {
        return of(digits, 8);
    }
    of(text, 10).or_else(|| text.parse::<i8>().ok().map(i8::cast_unsigned))
}

impl Undo for Numbers {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if let Some(until) = self.until {
                if byte == until {
                    self.until = None;
                }
                continue;
            }
            let is_first = !std::mem::replace(&mut self.begun, true);
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' if self.token.len() < LONGEST => {
                    self.token.push(byte);
                    continue;
                }
                _ => self.token(out)?,
            }
            match byte {
                b'[' if is_first => self.end = Some(b']'),
                b'{' if is_first => self.end = Some(b'}'),
                b'(' if is_first => self.end = Some(b')'),
                _ if Some(byte) == self.end => return Ok(false),
                b'(' => self.until = Some(b')'),
                b'"' | b'\'' => self.until = Some(byte),
                b',' | b':' | b';' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ => return Err(Misfit),
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        self.token(out)
    }
}
