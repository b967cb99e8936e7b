//! Members of a tar with holes: only what lies between the holes is stored, and a map says where it belongs.
//!
//! ```text
//! GNU "S"    the map is in the header, 4 parts, and in blocks of 21 more behind it
//! PAX 0.0    in the extended header, a record for each number
//! PAX 0.1    in the extended header, all numbers in one record
//! PAX 1.0    at the start of what is stored, a line for each number
//! ```
//! A map is believed where its parts follow each other, and lie in the file and in what is stored. Tar writes no other, but unpacks
//! some; here they are an error. Holes are read as zeros, and never held.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::Arc;

use redis_persistence::verify::ReadAt as _;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::{Lead, Member, Place};

/// What is wrong with a map.
type Why = &'static str;

/// The unit of a tar.
pub(super) const BLOCK: u64 = 512;

const DAMAGED: Why = "is damaged";
const UNKNOWN: Why = "is written in a way that is not read";
const TOO_LONG: Why = "takes more memory than is left for it";

/// A stretch of a file that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its offset in the file.
    at: u64,
    /// Its offset in the tar.
    start: u64,
    len: u64,
}

/// Offsets and lengths of what is stored.
#[derive(Debug, Default)]
pub(super) struct Map {
    parts: Vec<(u64, u64)>,
    /// The end of the last part.
    last: u64,
}

impl Map {
    fn add(&mut self, at: u64, len: u64, room: usize) -> Result<(), Why> {
        let end = at.checked_add(len).filter(|_| at >= self.last).ok_or(DAMAGED)?;
        self.last = end;
        let is_full = self.parts.len() >= room / size_of::<Part>();
        match self.parts.last_mut() {
            // The last one often has no bytes, and says where the file ends.
            _ if len == 0 => {}
            Some((last, length)) if *last + *length == at => *length += len,
            _ if is_full => return Err(TOO_LONG),
            _ => self.parts.push((at, len)),
        }
        Ok(())
    }

    /// Returns the map of GNU's old kind, and where the content begins behind it, which is at `at` or later.
    ///
    /// # Errors
    /// If the tar cannot be read; and what is wrong with the map.
    pub(super) fn old(file: &File, header: &Header, mut at: u64, room: usize) -> io::Result<(u64, Result<Self, Why>)> {
        let Some(head) = header.as_gnu() else { return Ok((at, Err(UNKNOWN))) };
        let mut map = Ok(Self::default());
        let mut more = add_all(&mut map, &head.sparse, room) && head.isextended[0] != 0;
        while more {
            let mut block = GnuExtSparseHeader::new();
            if full(file, block.as_mut_bytes(), at)? < block.as_bytes().len() {
                map = Err(DAMAGED);
                break;
            }
            at += BLOCK;
            more = add_all(&mut map, &block.sparse, room) && block.isextended[0] != 0;
        }
        Ok((at, map))
    }

    /// The map at the start of what is stored, and how many bytes it takes.
    fn stored(stored: Member, room: usize) -> io::Result<Result<(Self, u64), Why>> {
        let (mut map, mut taken) = (Self::default(), 0);
        let mut lines = BufReader::new(stored);
        let mut number = |taken: &mut u64| -> io::Result<Option<u64>> {
            let mut line = Vec::new();
            *taken += lines.by_ref().take(21).read_until(b'\n', &mut line)? as u64;
            Ok(line.strip_suffix(b"\n").and_then(decimal))
        };
        let Some(count) = number(&mut taken)? else { return Ok(Err(DAMAGED)) };
        for _ in 0..count {
            let (Some(at), Some(len)) = (number(&mut taken)?, number(&mut taken)?) else { return Ok(Err(DAMAGED)) };
            if let Err(why) = map.add(at, len, room) {
                return Ok(Err(why));
            }
        }
        Ok(Ok((map, taken.next_multiple_of(BLOCK))))
    }

    /// Returns the file of this many bytes: what is stored of it begins at `start` in the tar, and is cut at `end`.
    fn place(self, size: u64, (mut start, mut left): (u64, u64), end: u64) -> Result<Place, Why> {
        // Tar makes the file as long as its last part says, which may have no bytes.
        if self.last != size {
            return Err(DAMAGED);
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        for (at, len) in self.parts {
            left = left.checked_sub(len).ok_or(DAMAGED)?;
            let there = len.min(end.saturating_sub(start));
            parts.push(Part { at, start, len: there });
            if there < len {
                return Ok(Place { start, size: at + there, lead: Lead::Nothing, parts: Some(parts.into()) });
            }
            start += len;
        }
        Ok(Place { start, size, lead: Lead::Nothing, parts: Some(parts.into()) })
    }
}

/// Adds parts up to the first place that is free, which ends the map; tells whether there was none.
fn add_all(map: &mut Result<Map, Why>, parts: &[GnuSparseHeader], room: usize) -> bool {
    for part in parts {
        if part.numbytes[0] == 0 {
            return false;
        }
        if let Ok(so_far) = map {
            let part = field(&part.offset).zip(field(&part.numbytes)).ok_or(DAMAGED);
            // Where the content begins is needed all the same.
            if let Err(why) = part.and_then(|(at, len)| so_far.add(at, len, room)) {
                *map = Err(why);
            }
        }
    }
    true
}

/// What extended headers say of holes.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The name of the file: the header's own is made up.
    pub(super) name: Option<Vec<u8>>,
    /// Whether anything was said.
    pub(super) any: bool,
    size: Option<u64>,
    version: (u64, u64),
    /// Offsets and lengths in turn.
    numbers: Vec<u64>,
    damaged: bool,
}

impl Said {
    /// Takes one record: what stands behind `GNU.sparse.`, and its value.
    pub(super) fn record(&mut self, key: &[u8], value: &[u8]) {
        self.any = true;
        let number = decimal(value);
        match (key, number) {
            (b"name", _) => self.name = Some(value.to_vec()),
            (b"major", Some(number)) => self.version.0 = number,
            (b"minor", Some(number)) => self.version.1 = number,
            (b"size" | b"realsize", Some(size)) => self.size = Some(size),
            // What they count is there itself.
            (b"numblocks", _) => {}
            (b"offset", Some(number)) if self.numbers.len().is_multiple_of(2) => self.numbers.push(number),
            (b"numbytes", Some(number)) if !self.numbers.len().is_multiple_of(2) => self.numbers.push(number),
            (b"map", _) => match value.split(|byte| *byte == b',').map(decimal).collect() {
                Some(numbers) => self.numbers = numbers,
                None => self.damaged = true,
            },
            _ => self.damaged = true,
        }
    }

    /// Returns where the file lies whose stored parts begin at `start` and take `size` bytes, in a tar that ends at `end`.
    ///
    /// # Errors
    /// If the tar cannot be read; and what is wrong with the map.
    pub(super) fn place(
        self,
        file: &Arc<File>,
        (start, size): (u64, u64),
        end: u64,
        room: usize,
    ) -> io::Result<Result<Place, Why>> {
        if self.damaged {
            return Ok(Err(DAMAGED));
        }
        let Some(real) = self.size else { return Ok(Err(UNKNOWN)) };
        let read = match self.version {
            (0, _) if self.numbers.is_empty() => Err(UNKNOWN),
            (0, _) => {
                let mut map = Map::default();
                let read = self.numbers.chunks(2).try_for_each(|pair| match *pair {
                    [at, len] => map.add(at, len, room),
                    _ => Err(DAMAGED),
                });
                read.map(|()| (map, 0))
            }
            (1, 0) => {
                let size = size.min(end.saturating_sub(start));
                let place = Place::whole(start, size);
                Map::stored(Member { file: Arc::clone(file), place, at: 0 }, room)?
            }
            _ => Err(UNKNOWN),
        };
        Ok(read.and_then(|(map, taken)| {
            let left = size.checked_sub(taken).ok_or(DAMAGED)?;
            map.place(real, (start + taken, left), end)
        }))
    }
}

impl Map {
    /// Returns the same of GNU's old kind, whose header says how large the file is.
    pub(super) fn place_old(self, header: &Header, stored: (u64, u64), end: u64) -> Result<Place, Why> {
        let size = header.as_gnu().and_then(|head| field(&head.realsize)).ok_or(DAMAGED)?;
        self.place(size, stored, end)
    }
}

/// Fills the buffer from an offset of the file on; the file is as long as that.
pub(super) fn read_at(parts: &[Part], tar: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut next = parts.partition_point(|part| part.at + part.len <= offset);
    let mut filled = 0;
    while filled < buffer.len() {
        let (at, rest) = (offset + filled as u64, &mut buffer[filled..]);
        match parts.get(next) {
            Some(part) if part.at <= at => {
                let inside = at - part.at;
                let most = as_size(part.len - inside).min(rest.len());
                let n = tar.read_at(&mut rest[..most], part.start + inside)?;
                if n == 0 {
                    // It is shorter than it was.
                    break;
                }
                filled += n;
                next += usize::from(inside + n as u64 == part.len);
            }
            part => {
                let hole = part.map_or(usize::MAX, |part| as_size(part.at - at)).min(rest.len());
                rest[..hole].fill(0);
                filled += hole;
            }
        }
    }
    Ok(filled)
}

fn as_size(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Returns a number of a header: octal digits, or eight bytes behind a mark. Others are none here, as for tar on most
/// systems.
pub(super) fn field(bytes: &[u8; 12]) -> Option<u64> {
    match bytes {
        [0x80, 0, 0, 0, number @ ..] => Some(u64::from_be_bytes(*number)),
        _ => {
            let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\0']);
            u64::from_str_radix(text, 8).ok().or_else(|| text.is_empty().then_some(0))
        }
    }
}

/// Fills the buffer from an offset on, as far as the file goes.
pub(super) fn full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
