//! Whether records go on behind the place where a check had to stop, told from the first and the last bytes of the file alone.
//!
//! ```text
//! head . . . . . break . . . .|. tail: [record][record][record] end mark, checksum
//!                              \ the search of a salvage begins here
//! ```
//! Where they do, the file was not cut there: something in the record at the break is damaged.

use std::io;

use super::candidate::CandidateKind;
use super::decode::Decoder;
use super::source_window::SourceWindow;
use super::walk::{Item, look_ahead, walk};
use super::{HEADER, header};
use crate::base::limits::Limits;
use crate::base::source::Source;

/// Without the end of the file, so many keys have to follow each other, and so much evidence in bits.
const LEAST_KEYS: u64 = 2;
const LEAST_BITS: i64 = 120;

/// The records behind a break, as far as the last bytes of the file show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Where the first of them begins.
    pub(crate) from: u64,
    /// How many keys were found.
    pub(crate) keys: u64,
    /// Whether the end mark and a checksum follow them, at the end of the file.
    pub(crate) ends: bool,
    /// Whether all bytes behind the break were looked at.
    pub(crate) all: bool,
}

/// The ends of a file; zeros stand for what lies between them.
struct Ends<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    size: u64,
}

impl Source for Ends<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let buffer = &mut buffer[..len];
        buffer.fill(0);
        let mut lay = |part: &[u8], at: u64| {
            let (skip, to) = (offset.saturating_sub(at), at.saturating_sub(offset));
            let (Ok(skip), Ok(to)) = (usize::try_from(skip), usize::try_from(to)) else { return };
            let (Some(part), Some(buffer)) = (part.get(skip..), buffer.get_mut(to..)) else { return };
            let n = part.len().min(buffer.len());
            buffer[..n].copy_from_slice(&part[..n]);
        };
        lay(self.head, 0);
        lay(self.tail, self.size.saturating_sub(self.tail.len() as u64));
        Ok(len)
    }
}

/// Looks for records between `broken`, where something stands that cannot be read, and the end of a file of that size.
pub(crate) fn behind(head: &[u8], tail: &[u8], size: u64, broken: u64) -> Option<Behind> {
    let mut source = Ends { head, tail, size };
    let mut input = SourceWindow::new(&mut source, size);
    let (header, sound, _) = header(&mut input).ok()?;
    let mut decoder = Decoder::new(input, header, &Limits::default());
    if sound {
        look_ahead(&mut decoder, HEADER).ok()?;
    }
    let known = size.saturating_sub(tail.len() as u64);
    // A key takes three bytes at least, and the one at the break is not behind it.
    let from = known.max(broken + 1);
    let (mut keys, mut bits, mut first, mut ends) = (0, 0, None, false);
    walk(&mut decoder, from, false, |item, _| {
        if let Item::Candidate(unit) = item {
            first.get_or_insert(unit.start);
            keys += u64::from(unit.is_key());
            bits += i64::from(unit.bits);
            ends |= matches!(unit.what, CandidateKind::End) && unit.end == size && unit.end - unit.start == 9;
        }
        Ok(())
    })
    .ok()?;
    let believed = if ends { keys > 0 } else { keys >= LEAST_KEYS && bits >= LEAST_BITS };
    let from = first.filter(|_| believed)?;
    Some(Behind { from, keys, ends, all: known <= broken + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(keys: usize) -> Vec<u8> {
        let mut file = b"REDIS0011\xfe\0".to_vec();
        (0..keys).for_each(|n| file.extend(format!("\0\x07key:{n:03}\x08value {n:02}").bytes()));
        file.extend(b"\xff12345678");
        file
    }

    #[test]
    fn keys_and_the_end_are_found_behind_a_break() {
        let bytes = file(60);
        let size = bytes.len() as u64;
        // The length of the third value.
        let broken = 11 + 2 * 18 + 9;
        let found = behind(&bytes, &bytes, size, broken).expect("keys follow");
        assert_eq!(found, Behind { from: 11 + 3 * 18, keys: 57, ends: true, all: true });
        let part = behind(&bytes[..100], &bytes[bytes.len() - 200..], size, broken).expect("keys follow");
        assert!(part.ends && !part.all && part.keys >= 10, "{part:?}");
    }

    #[test]
    fn behind_a_cut_there_is_nothing() {
        let bytes = file(60);
        for cut in [400, 401, 405, 410] {
            let bytes = &bytes[..cut];
            assert_eq!(behind(bytes, bytes, cut as u64, cut as u64 - 8), None);
        }
    }
}
