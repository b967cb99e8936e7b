//! Bytes as text in which some stand for themselves, and others are escaped; and line ends that a transfer changed.

use super::reader::{Misfit, Undo};

/// Turns escapes back, as redis-cli, Python, C, JSON and shells write them. Strings that follow one another are one.
#[derive(Debug, Default)]
pub(super) struct Escaped {
    /// Whether characters that are not escaped, from U+0080 on, stand for a byte of their number, as in a string of JSON.
    characters: bool,
    /// The first byte of such a character.
    lead: Option<u8>,
    quote: Option<u8>,
    begun: bool,
    /// Whether a string has ended, and another may follow.
    between: bool,
    /// A backslash and what follows it, as far as it came.
    escape: Vec<u8>,
}

impl Escaped {
    pub(super) fn of_characters() -> Self {
        Self { characters: true, ..Self::default() }
    }

    /// Returns what an escape stands for; `None` if more of it is to come.
    fn value(&self) -> Result<Option<u8>, Misfit> {
        let number = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).map_err(|_| Misfit)?;
            u32::from_str_radix(text, 16).ok().and_then(|n| u8::try_from(n).ok()).ok_or(Misfit)
        };
        Ok(Some(match *self.escape.as_slice() {
            [_] | [_, b'x'] | [_, b'x', _] | [_, b'u'] | [_, b'u', _] | [_, b'u', _, _] | [_, b'u', _, _, _] => {
                return Ok(None);
            }
            [_, b'x', ref digits @ ..] | [_, b'u', ref digits @ ..] => number(digits)?,
            [_, a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'),
            [_, b'0'..=b'7', ..] => return Ok(None),
            [_, b'n'] => b'\n',
            [_, b'r'] => b'\r',
            [_, b't'] => b'\t',
            [_, b'a'] => 7,
            [_, b'b'] => 8,
            [_, b'e'] => 27,
            [_, b'f'] => 12,
            [_, b'v'] => 11,
            [_, other @ (b'\\' | b'"' | b'\'' | b'/' | b'?')] => other,
            _ => return Err(Misfit),
        }))
    }

    /// Ends an escape of one or two octal digits that something else follows.
    fn end_octal(&mut self, next: Option<u8>, out: &mut Vec<u8>) {
        if let [_, digits @ ..] = self.escape.as_slice()
            && !digits.is_empty()
            && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
            && next.is_none_or(|next| !(b'0'..=b'7').contains(&next) || digits.len() == 2 && digits[0] > b'3')
        {
            out.push(digits.iter().fold(0, |value, digit| value << 3 | (digit - b'0')));
            self.escape.clear();
        }
    }

    /// Takes a byte that is not escaped.
    fn raw(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Misfit> {
        match (self.characters, self.lead.take(), byte) {
            (false, ..) | (true, None, ..0x80) => out.push(byte),
            (true, None, 0xc2 | 0xc3) => self.lead = Some(byte),
            (true, Some(lead), 0x80..=0xbf) => out.push((lead & 3) << 6 | byte & 0x3f),
            _ => return Err(Misfit),
        }
        Ok(())
    }
}

impl Undo for Escaped {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if !std::mem::replace(&mut self.begun, true) && matches!(byte, b'"' | b'\'') {
                self.quote = Some(byte);
                continue;
            }
            if self.between {
                match byte {
                    b'"' | b'\'' => (self.quote, self.between) = (Some(byte), false),
                    b' ' | b'\t' | b'\r' | b'\n' | b'\\' | b'+' | b'b' => {}
                    _ => return Ok(false),
                }
                continue;
            }
            self.end_octal(Some(byte), out);
            if self.escape.is_empty() {
                match byte {
                    b'\\' => self.escape.push(byte),
                    _ if Some(byte) == self.quote => self.between = true,
                    // Without quotes a line end is the end.
                    b'\n' if self.quote.is_none() => return Ok(false),
                    _ => self.raw(byte, out)?,
                }
                continue;
            }
            self.escape.push(byte);
            if let Some(value) = self.value()? {
                out.push(value);
                self.escape.clear();
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        self.end_octal(None, out);
        let is_open = self.quote.is_some() && !self.between;
        if self.escape.is_empty() && self.lead.is_none() && !is_open { Ok(()) } else { Err(Misfit) }
    }
}

/// Turns two hex digits behind a mark into the byte, as in quoted-printable text and in a URL.
#[derive(Debug)]
pub(super) struct Marked {
    mark: u8,
    /// Whether line ends on the way became carriage return and line feed.
    feeds: bool,
    returned: bool,
    escape: Vec<u8>,
}

impl Marked {
    pub(super) fn new(mark: u8, feeds: bool) -> Self {
        Self { mark, feeds, returned: false, escape: Vec::new() }
    }
}

impl Undo for Marked {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            if self.escape.is_empty() {
                if std::mem::take(&mut self.returned) && byte != b'\n' {
                    out.push(b'\r');
                }
                match byte {
                    _ if byte == self.mark => self.escape.push(byte),
                    b'\r' if self.feeds => self.returned = true,
                    _ => out.push(byte),
                }
                continue;
            }
            self.escape.push(byte);
            match self.escape[1..] {
                // The line goes on in the next one.
                [b'\n'] | [b'\r', b'\n'] if self.mark == b'=' => {}
                [b'\r'] if self.mark == b'=' => continue,
                [_] if byte.is_ascii_hexdigit() => continue,
                [high, low] => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                    // What is no such text any more stands behind it.
                    let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Ok(false) };
                    out.push(high << 4 | low);
                }
                _ => return Ok(false),
            }
            self.escape.clear();
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.returned {
            out.push(b'\r');
        }
        if self.escape.is_empty() { Ok(()) } else { Err(Misfit) }
    }
}

/// Returns whether there are line feeds, and a carriage return before each.
pub(super) fn has_returns(head: &[u8]) -> bool {
    let mut feeds = head.iter().enumerate().filter(|(_, b)| **b == b'\n').peekable();
    feeds.peek().is_some() && feeds.all(|(at, _)| at > 0 && head[at - 1] == b'\r')
}

/// Takes out the carriage return before each line feed.
#[derive(Debug)]
pub(super) struct LineEnds {
    /// Whether a last one goes, too.
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
