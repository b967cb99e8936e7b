//! Bytes that were taken for characters of a code page, and written as UTF-16 or UTF-8.
//!
//! Which page it was is tried out: those are left over that have all characters that occur, and those that differ in none of
//! them are one. The checksum then says which is right.

use std::fmt;
use std::io::{self, Read as _};

use oem_cp::code_table::DECODING_TABLE_CP_MAP;
use oem_cp::code_table_type::TableType;
use redis_persistence::verify::ReadAt;

use super::reader::{Misfit, Range, Undo};

// `NAMED`: pages by their names, with the character of each byte from 0x80 on, and 0 where it has none.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// How characters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    Utf8,
    Utf16 { big: bool },
}

impl Units {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 { big: false } => "UTF-16 (little-endian)",
            Self::Utf16 { big: true } => "UTF-16 (big-endian)",
        }
    }
}

/// A code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// Each byte is the character of its number.
    Latin1,
    /// A code page of DOS, by its number.
    Oem(u16),
    /// By its name.
    Named(&'static str),
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latin1 => f.write_str("Latin-1 (ISO 8859-1)"),
            Self::Oem(number) => write!(f, "code page {number}"),
            Self::Named(name) => match name.strip_prefix("windows-") {
                Some(number) => write!(f, "code page {number} (Windows)"),
                None => f.write_str(name),
            },
        }
    }
}

/// Returns the pages that are tried, those of most machines first.
fn pages() -> Vec<Page> {
    let mut oem: Vec<u16> = DECODING_TABLE_CP_MAP.keys().copied().collect();
    oem.sort_unstable();
    let mut pages = vec![Page::Latin1, Page::Named(NAMED[0].0), Page::Oem(437), Page::Oem(850)];
    pages.extend(oem.into_iter().map(Page::Oem).filter(|page| !matches!(page, Page::Oem(437 | 850))));
    pages.extend(NAMED.iter().skip(1).map(|(name, _)| Page::Named(name)));
    pages
}

impl Page {
    /// Returns the character of each byte from 0x80 on, where it has one.
    pub(super) fn table(self) -> [Option<char>; 128] {
        let mut table = [None; 128];
        for (at, byte) in (0x80..=0xff_u8).enumerate() {
            table[at] = match self {
                Self::Latin1 => Some(char::from(byte)),
                Self::Oem(number) => match DECODING_TABLE_CP_MAP.get(&number) {
                    Some(TableType::Complete(page)) => Some(page[at]),
                    Some(TableType::Incomplete(page)) => page[at],
                    None => None,
                },
                Self::Named(name) => {
                    let page = NAMED.iter().find(|(its, _)| *its == name);
                    page.and_then(|(_, page)| char::from_u32(page[at].into())).filter(|char| *char != '\0')
                }
            };
        }
        table
    }

    /// Returns the byte of each character up to U+FFFF; 0 for those from U+0080 on that it does not have.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        for low in 0..0x80_u8 {
            bytes[usize::from(low)] = low;
        }
        for (byte, char) in (0x80..=0xff_u8).zip(self.table()) {
            if let Some(place) = char.and_then(|char| bytes.get_mut(char as usize)) {
                *place = byte;
            }
        }
        bytes
    }
}

/// Returns whether the first bytes can be text in UTF-8, with characters from U+0080 on.
pub(super) fn may_be_utf8(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_ascii() && !text.contains('\u{fffd}')
}

/// Returns whether text begins there in UTF-16: how it is written, and where it begins.
pub(super) fn utf16(head: &[u8]) -> Option<(Units, u64)> {
    [(false, 0), (true, 0), (false, 2), (true, 2)].into_iter().find_map(|(big, start)| {
        let mark: &[u8] = if big { b"\xfe\xff" } else { b"\xff\xfe" };
        if start > 0 && !head.starts_with(mark) {
            return None;
        }
        let first = head.get(start..start + 18)?.chunks(2);
        let is_letter = |pair: &[u8]| {
            let letter = pair[usize::from(big)];
            pair[usize::from(!big)] == 0 && (letter.is_ascii_graphic() || letter.is_ascii_whitespace())
        };
        first.into_iter().all(is_letter).then_some((Units::Utf16 { big }, start as u64))
    })
}

/// Returns the pages that have all characters of the text from `start` on; of those that differ in none of these, one.
pub(super) fn fitting(units: Units, input: &dyn ReadAt, start: u64, size: u64) -> io::Result<Vec<Page>> {
    let Some(used) = used(units, Range::new(input, start, size))? else { return Ok(Vec::new()) };
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut fitting = Vec::new();
    for page in pages() {
        let bytes = page.bytes();
        let of_used: Vec<u8> = used.iter().map(|unit| bytes[usize::from(*unit)]).collect();
        if !of_used.contains(&0) && !seen.contains(&of_used) {
            seen.push(of_used);
            fitting.push(page);
        }
    }
    Ok(fitting)
}

/// Returns the characters from U+0080 on that occur; `None` if it is no such text.
fn used(units: Units, mut input: Range<'_>) -> io::Result<Option<Vec<u16>>> {
    let mut seen = vec![false; 1 << 16];
    let (mut parts, mut block, mut out) = (Parts::new(units), vec![0; 64 << 10], Vec::new());
    loop {
        let n = input.read(&mut block)?;
        if n == 0 {
            break;
        }
        out.clear();
        if parts.take(&block[..n], &mut out).is_err() {
            return Ok(None);
        }
        out.iter().for_each(|unit| seen[usize::from(*unit)] = true);
    }
    // No page has more than 128 of them.
    let used: Vec<u16> = (0x80..=u16::MAX).filter(|unit| seen[usize::from(*unit)]).collect();
    Ok(Some(used).filter(|used| parts.is_whole() && used.len() <= 128))
}

/// Takes text apart into characters.
#[derive(Debug)]
struct Parts {
    units: Units,
    /// Bytes of a character that is not whole.
    begun: Vec<u8>,
}

impl Parts {
    fn new(units: Units) -> Self {
        Self { units, begun: Vec::new() }
    }

    fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<u16>) -> Result<(), Misfit> {
        for &byte in bytes {
            self.begun.push(byte);
            let unit = match (self.units, self.begun.as_slice()) {
                (Units::Utf8, &[a @ ..0x80]) => u16::from(a),
                (Units::Utf8, [0xc2..=0xef] | [0xe0..=0xef, 0x80..=0xbf]) | (Units::Utf16 { .. }, [_]) => continue,
                (Units::Utf8, begun) => {
                    let char = std::str::from_utf8(begun).ok().and_then(|text| text.chars().next()).ok_or(Misfit)?;
                    u16::try_from(u32::from(char)).map_err(|_| Misfit)?
                }
                (Units::Utf16 { big: false }, begun) => u16::from_le_bytes([begun[0], begun[1]]),
                (Units::Utf16 { big: true }, begun) => u16::from_be_bytes([begun[0], begun[1]]),
            };
            out.push(unit);
            self.begun.clear();
        }
        Ok(())
    }
}

/// Turns characters back into the bytes of a page.
pub(super) struct Characters {
    parts: Parts,
    bytes: Vec<u8>,
    chars: Vec<u16>,
}

impl Characters {
    pub(super) fn new(units: Units, page: Page) -> Self {
        Self { parts: Parts::new(units), bytes: page.bytes(), chars: Vec::new() }
    }
}

impl Undo for Characters {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        self.chars.clear();
        self.parts.take(bytes, &mut self.chars)?;
        for &unit in &self.chars {
            match self.bytes[usize::from(unit)] {
                0 if unit != 0 => return Err(Misfit),
                byte => out.push(byte),
            }
        }
        Ok(true)
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.parts.is_whole() { Ok(()) } else { Err(Misfit) }
    }
}
