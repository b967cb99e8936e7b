//! Bytes as text: base64, hex, escapes; and line ends that a transfer changed.

use super::around::is_signature;
use super::reader::{Misfit, Undo};

/// How an RDB begins in base64.
const IN_BASE64: [&[u8]; 2] = [b"UkVESVMw", b"VkFMS0VZ"];
/// And as hex digits.
const IN_HEX: [&[u8]; 2] = [b"524544495330", b"56414c4b4559"];

fn find(head: &[u8], what: &[u8]) -> Option<usize> {
    head.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

/// Where an RDB in base64 begins.
pub(super) fn base64_at(head: &[u8]) -> Option<u64> {
    let at = |what: &&[u8]| head.windows(what.len()).position(|window| window == *what);
    IN_BASE64.iter().filter_map(at).min().map(|at| at as u64)
}

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
}

impl Base64 {
    pub(super) fn new(strict: bool) -> Self {
        Self { strict, bits: 0, digits: 0, padding: 0, escaped: false, line_begins: true, dashes: 0 }
    }
}

impl Base64 {
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
            // Five of them at the start of a line end PEM; fewer are digits.
            if !self.strict && *byte == b'-' && (line_begins || self.dashes > 0) {
                self.dashes += 1;
                if self.dashes == 5 {
                    self.dashes = 0;
                    return self.end(out).map(|()| false);
                }
                continue;
            }
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
            _ => return Err(Misfit),
        }
        Ok(())
    }
}

/// Where an RDB in hex begins, and whether that is a dump with offsets: `00000000: 5245 4449 ...`.
pub(super) fn hex_at(head: &[u8]) -> Option<(u64, bool)> {
    if let Some(start) = IN_HEX.iter().filter_map(|what| find(head, what)).min() {
        return Some((start as u64, false));
    }
    // `52:45:44:49`, or with commas or spaces between.
    let digits: Vec<u8> = head.iter().copied().filter(|b| !is_between(*b)).take(16).collect();
    if IN_HEX.iter().any(|what| digits.get(..what.len()).is_some_and(|first| first.eq_ignore_ascii_case(what))) {
        return Some((0, false));
    }
    let line = head.split(|b| *b == b'\n').next()?;
    let mut out = Vec::new();
    dump_line(line, 0, &mut out).ok()?;
    is_signature(&out).then_some((0, true))
}

/// What may stand between two bytes in hex.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b':' | b',')
}

/// Turns hex digits back.
#[derive(Debug)]
pub(super) struct Hex {
    dump: bool,
    high: Option<u8>,
    line: Vec<u8>,
    /// The bytes of the last line of a dump, for `*` repeats them.
    last: Vec<u8>,
    repeats: bool,
    length: u64,
}

impl Hex {
    pub(super) fn new(dump: bool) -> Self {
        Self { dump, high: None, line: Vec::new(), last: Vec::new(), repeats: false, length: 0 }
    }

    /// Takes a line of a dump.
    fn line(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if line == b"*" {
            self.repeats = true;
            return Ok(());
        }
        if line.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.repeats) {
            let at = offset(line).ok_or(Misfit)?.0;
            let missing = at.checked_sub(self.length).ok_or(Misfit)?;
            // A few letters must not stand for gigabytes.
            if self.last.is_empty() || !missing.is_multiple_of(self.last.len() as u64) || missing > 1 << 30 {
                return Err(Misfit);
            }
            for _ in 0..missing / self.last.len() as u64 {
                out.extend_from_slice(&self.last);
            }
            self.length += missing;
        }
        let before = out.len();
        dump_line(line, self.length, out)?;
        self.last = out[before..].to_vec();
        self.length += self.last.len() as u64;
        Ok(())
    }
}

/// The offset that a line of a dump begins with, and what follows it.
fn offset(line: &[u8]) -> Option<(u64, &[u8])> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let number = std::str::from_utf8(line.get(..digits).filter(|digits| digits.len() >= 4)?).ok()?;
    Some((u64::from_str_radix(number, 16).ok()?, &line[digits..]))
}

/// Adds the bytes of a line of xxd or of `hexdump -C`, whose offset has to be `at`.
fn dump_line(line: &[u8], at: u64, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let (said, rest) = offset(line).ok_or(Misfit)?;
    if said != at {
        return Err(Misfit);
    }
    // xxd puts two spaces before the text, hexdump a bar.
    let digits = match rest.strip_prefix(b": ") {
        Some(rest) => rest.windows(2).position(|two| two == b"  ").map_or(rest, |end| &rest[..end]),
        None => rest.split(|b| *b == b'|').next().unwrap_or(rest),
    };
    let digits: Vec<u8> = digits.iter().copied().filter(|b| *b != b' ').collect();
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return Err(Misfit) };
        out.push(digit(high).ok_or(Misfit)? << 4 | digit(low).ok_or(Misfit)?);
    }
    Ok(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl Undo for Hex {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if self.dump {
                match byte {
                    b'\n' => self.line(out)?,
                    _ if self.line.len() < 1024 => self.line.push(byte),
                    _ => return Err(Misfit),
                }
                continue;
            }
            match (self.high.take(), digit(byte)) {
                (None, Some(high)) => self.high = Some(high),
                (Some(high), Some(low)) => out.push(high << 4 | low),
                (None, None) if is_between(byte) => {}
                (None, None) => return Ok(false),
                (Some(_), None) => return Err(Misfit),
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.dump {
            self.line(out)?;
        }
        if self.high.is_some() { Err(Misfit) } else { Ok(()) }
    }
}

/// Where an RDB as a string with escapes begins: at its quote.
pub(super) fn escaped_at(head: &[u8]) -> Option<u64> {
    let quote = |at: &usize| matches!(head[*at], b'"' | b'\'') && is_signature(&head[at + 1..]);
    (0..head.len()).find(quote).map(|at| at as u64)
}

/// Turns escapes back, as redis-cli, Python and JSON write them.
#[derive(Debug, Default)]
pub(super) struct Escaped {
    quote: Option<u8>,
    begun: bool,
    /// A backslash and what follows it, as far as it came.
    escape: Vec<u8>,
}

impl Undo for Escaped {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if !std::mem::replace(&mut self.begun, true) && matches!(byte, b'"' | b'\'') {
                self.quote = Some(byte);
                continue;
            }
            if self.escape.is_empty() {
                match byte {
                    b'\\' => self.escape.push(byte),
                    _ if Some(byte) == self.quote => return Ok(false),
                    // Without quotes a line end is the end.
                    b'\n' if self.quote.is_none() => return Ok(false),
                    _ => out.push(byte),
                }
                continue;
            }
            self.escape.push(byte);
            let number = |digits: &[u8]| {
                let text = std::str::from_utf8(digits).map_err(|_| Misfit)?;
                u32::from_str_radix(text, 16).ok().and_then(|n| u8::try_from(n).ok()).ok_or(Misfit)
            };
            let value = match *self.escape.as_slice() {
                [_, b'x'] | [_, b'x', _] | [_, b'u'] | [_, b'u', _] | [_, b'u', _, _] | [_, b'u', _, _, _] => continue,
                [_, b'x', ref digits @ ..] | [_, b'u', ref digits @ ..] => number(digits)?,
                [_, b'n'] => b'\n',
                [_, b'r'] => b'\r',
                [_, b't'] => b'\t',
                [_, b'a'] => 7,
                [_, b'b'] => 8,
                [_, b'f'] => 12,
                [_, b'v'] => 11,
                [_, b'0'] => 0,
                [_, other @ (b'\\' | b'"' | b'\'' | b'/')] => other,
                _ => return Err(Misfit),
            };
            out.push(value);
            self.escape.clear();
        }
        Ok(true)
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.escape.is_empty() && self.quote.is_none() { Ok(()) } else { Err(Misfit) }
    }
}

/// Whether there are line feeds, and a carriage return before each.
pub(super) fn has_returns(head: &[u8]) -> bool {
    let mut feeds = head.iter().enumerate().filter(|(_, b)| **b == b'\n').peekable();
    feeds.peek().is_some() && feeds.all(|(at, _)| at > 0 && head[at - 1] == b'\r')
}

/// Takes out the carriage return before each line feed.
#[derive(Debug)]
pub(super) struct LineEnds {
    at_end: bool,
    waiting: bool,
}

impl LineEnds {
    pub(super) fn new(at_end: bool) -> Self {
        Self { at_end, waiting: false }
    }
}

impl Undo for LineEnds {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if std::mem::take(&mut self.waiting) && byte != b'\n' {
                out.push(b'\r');
            }
            if byte == b'\r' {
                self.waiting = true;
            } else {
                out.push(byte);
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.waiting && !self.at_end {
            out.push(b'\r');
        }
        Ok(())
    }
}
