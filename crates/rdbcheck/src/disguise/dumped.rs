//! Bytes as digits: in hex without a break, and the dumps of xxd, hexdump and od, with offsets or without.
//!
//! ```text
//! 00000000: 5245 4449 5330 3030 39fa 0972 6564 6973  REDIS0009..redis       xxd
//! 00000000  52 45 44 49 53 30 30 30  39 fa 09 72 65 64 69 73  |REDIS...|    hexdump -C
//! 0000000 042522 044504 030123 030060 175071 071011 062145 071551           od
//! 0000000   R   E   D   I   S   0   0   0   9 372  \t   r   e   d   i   s   od -c
//! *                                                                         lines like the one before
//! 0000420                                                                   the size, at the end of od and hexdump
//! ```

use super::reader::{Misfit, Undo};

/// Returns what may stand between two bytes in hex.
pub(super) fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b':' | b',' | b'-')
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Turns hex digits back; they may stand in pairs with something between.
#[derive(Debug, Default)]
pub(super) struct Hex {
    high: Option<u8>,
}

impl Undo for Hex {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
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

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.high.is_some() { Err(Misfit) } else { Ok(()) }
    }
}

/// What stands in a line of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// Hex digits, two or more of them together, and text behind two spaces.
    Xxd,
    /// Numbers of this many bytes each, the low byte first.
    Numbers { radix: u32, size: usize },
    /// Characters, four columns each.
    Characters,
}

impl Cells {
    pub(super) const fn bytes(radix: u32) -> Self {
        Self::Numbers { radix, size: 1 }
    }

    pub(super) const fn words(radix: u32, size: usize) -> Self {
        Self::Numbers { radix, size }
    }

    /// Returns the bytes that stand in a line, behind the offset.
    fn read(self, text: &[u8]) -> Result<Vec<u8>, Misfit> {
        match self {
            Self::Xxd => {
                let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
                digits.chunks(2).map(|pair| number(pair, 16).filter(|_| pair.len() == 2)).collect::<Option<_>>()
            }
            Self::Numbers { radix, size } => numbers(text, radix, size),
            // The padding at the end of a line may be lost.
            Self::Characters => text.chunks(4).filter(|cell| !cell.is_empty()).map(character).collect(),
        }
        .ok_or(Misfit)
    }
}

fn number<T: TryFrom<u64>>(digits: &[u8], radix: u32) -> Option<T> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    T::try_from(u64::from_str_radix(text, radix).ok()?).ok()
}

fn numbers(text: &[u8], radix: u32, size: usize) -> Option<Vec<u8>> {
    // So many digits has each, but in decimal.
    let full = match radix {
        2 => 8 * size,
        8 => (8 * size).div_ceil(3),
        16 => 2 * size,
        _ => 0,
    };
    let mut bytes = Vec::new();
    for cell in text.split(u8::is_ascii_whitespace).filter(|cell| !cell.is_empty()) {
        if full > 0 && cell.len() != full {
            return None;
        }
        let value: u64 = number(cell, radix)?;
        let low = value.to_le_bytes();
        if low[size..].iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(&low[..size]);
    }
    Some(bytes)
}

/// One cell of `od -c`: `   R`, `  \n`, ` 372`.
fn character(cell: &[u8]) -> Option<u8> {
    let text = cell.trim_ascii_start();
    Some(match *text {
        [] => b' ',
        [b'\\', escape] => match escape {
            b'0' => 0,
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'\\' => b'\\',
            _ => return None,
        },
        [byte] => byte,
        [_, _, _] => number(text, 8)?,
        _ => return None,
    })
}

/// Longer lines are none of a dump.
const LONGEST: usize = 1024;
/// A star does not stand for more than this: it is held at once.
const MOST_REPEATED: u64 = 32 << 20;

/// Turns a dump back.
#[derive(Debug)]
pub(super) struct Dumped {
    cells: Cells,
    line: Vec<u8>,
    /// The number bases in which the offsets may stand; none where there are no offsets.
    bases: Vec<u32>,
    is_first: bool,
    /// The bytes of the last line: the size at the end may take some back, and a star repeats them.
    held: Vec<u8>,
    repeats: bool,
    /// How many bytes came before them.
    length: u64,
}

impl Dumped {
    pub(super) fn new(cells: Cells) -> Self {
        let bases = vec![16, 8, 10];
        Self { cells, line: Vec::new(), bases, is_first: true, held: Vec::new(), repeats: false, length: 0 }
    }

    /// Returns the offset that a line begins with in a base, and what follows it.
    fn offset<'l>(&self, line: &'l [u8], base: u32) -> Option<(u64, &'l [u8])> {
        let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t' | b':')).unwrap_or(line.len());
        let (digits, rest) = line.split_at(end);
        let offset = number(digits, base).filter(|_| digits.len() >= 4)?;
        Some((offset, rest.strip_prefix(b":").unwrap_or(rest)))
    }

    /// Returns what stands in a line, without the text beside it.
    fn content<'l>(&self, line: &'l [u8], rest: &'l [u8]) -> &'l [u8] {
        if self.cells == Cells::Characters {
            return rest;
        }
        let has_colon = line.len() > rest.len() && line[line.len() - rest.len() - 1] == b':';
        let text = rest.trim_ascii_start();
        let end = match has_colon {
            true => text.windows(2).position(|two| two == b"  "),
            false => text.iter().position(|byte| matches!(byte, b'|' | b'>')),
        };
        &text[..end.unwrap_or(text.len())]
    }

    /// Takes a line; `false` if it is none of a dump, but the dump may have ended before it.
    fn line(&mut self, out: &mut Vec<u8>) -> Result<bool, Misfit> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.trim_ascii() == b"*" {
            self.repeats = true;
            return Ok(true);
        }
        if line.trim_ascii().is_empty() {
            return Ok(true);
        }
        if std::mem::take(&mut self.is_first) && self.offset(line, 16).is_none_or(|(at, _)| at != 0) {
            self.bases.clear();
        }
        if self.bases.is_empty() {
            // xxd does not do without.
            if self.cells == Cells::Xxd {
                return Err(Misfit);
            }
            let bytes = self.cells.read(self.content(line, line))?;
            out.extend_from_slice(&bytes);
            return Ok(true);
        }
        let end = self.length + self.held.len() as u64;
        let fitting = |base: &u32| {
            let (at, rest) = self.offset(line, *base)?;
            let repeated = self.repeats && at > end && (at - end).is_multiple_of(self.held.len().max(1) as u64);
            let is_size = rest.trim_ascii().is_empty() && at > self.length && at <= end;
            (at == end || repeated || is_size).then_some((*base, at, rest))
        };
        if self.cells == Cells::Xxd && !line.contains(&b':') {
            return Err(Misfit);
        }
        let found: Vec<_> = self.bases.iter().filter_map(fitting).collect();
        let Some(&(_, at, rest)) = found.first() else { return Ok(false) };
        if self.repeats && self.held.is_empty() || at.saturating_sub(end) > MOST_REPEATED {
            return Err(Misfit);
        }
        self.repeats = false;
        let bytes = self.cells.read(self.content(line, rest))?;
        self.bases = found.into_iter().map(|(base, ..)| base).collect();
        if at < end {
            self.held.truncate(usize::try_from(at - self.length).unwrap_or(usize::MAX));
        }
        out.extend_from_slice(&self.held);
        let mut repeated = at.saturating_sub(end);
        while repeated > 0 {
            out.extend_from_slice(&self.held);
            repeated -= self.held.len() as u64;
        }
        (self.length, self.held) = (at, bytes);
        Ok(true)
    }
}

impl Undo for Dumped {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    if !self.line(out)? {
                        return self.end(out).map(|()| false);
                    }
                }
                _ if self.line.len() < LONGEST => self.line.push(byte),
                _ => return Err(Misfit),
            }
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if !self.line.is_empty() {
            self.line(out)?;
        }
        out.append(&mut self.held);
        Ok(())
    }
}
