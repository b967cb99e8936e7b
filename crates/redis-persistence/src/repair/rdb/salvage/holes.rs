//! Holes: zeros where the size of a file reached the disk and its content did not.
//!
//! ```text
//! a record  | value begins ...... 00 00 00 00 .... 00 00 | 00 00 ... | the rest of another value
//!                                 \ a multiple of 512                 \ a multiple of 512
//! ```
//! Nothing checks the bytes of a string, so a value of which a part became zero reads as a sound one. What tells is where the zeros
//! begin and end: both at a multiple of the size of a sector. By chance, one in 2^18 runs of zeros does.

use std::io;
use std::ops::Range;

use super::candidate::Candidate;
use super::source_window::{BLOCK, SourceWindow};

/// The smallest piece that a disk writes.
const SECTOR: usize = 512;
/// More of them are not remembered: a value in one is then taken for what it seems.
const MOST: usize = 1 << 16;
/// This many zeros behind a value that ends with one: the hole begins inside of the value, wherever it lies.
const EDGE: usize = 16;

/// The holes of a file, in its order.
#[derive(Debug, Default)]
pub(super) struct Holes(Vec<Range<u64>>);

impl Holes {
    /// Looks through the whole file. Returns its holes, and the place behind which no more of them could be remembered.
    pub(super) fn find(input: &mut SourceWindow<'_>) -> io::Result<(Self, Option<u64>)> {
        let (size, mut holes) = (input.size(), Vec::new());
        let mut at = 0;
        // The run of zeros that reaches to `at`, if the byte before it is none.
        let mut open: Option<u64> = None;
        let mut last = 1;
        while at < size && holes.len() < MOST {
            let len = usize::try_from(size - at).unwrap_or(BLOCK).min(BLOCK);
            let bytes = &input.bytes(at, len)?[..len];
            for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                let here = at + (n * SECTOR) as u64;
                if is_zero(sector) {
                    open = open.or((last != 0).then_some(here));
                } else if let Some(start) = open.take()
                    && sector[0] != 0
                {
                    holes.push(start..here);
                }
                last = sector.last().copied().unwrap_or(0);
            }
            at += len as u64;
        }
        let full_at = (at < size).then_some(at);
        Ok((Self(holes), full_at))
    }

    /// Returns whether one of them lies in the bytes of a unit.
    pub(super) fn touch(&self, unit: &Candidate) -> bool {
        let first = self.0.partition_point(|hole| hole.end <= unit.start);
        self.0.get(first).is_some_and(|hole| hole.start < unit.end)
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(16).all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Returns whether the bytes from the end of a unit up to `next`, where the next one begins, are a hole that begins inside
/// of the unit.
pub(super) fn begins_in(unit: &Candidate, next: u64, input: &mut SourceWindow<'_>) -> io::Result<bool> {
    let len = usize::try_from(next - unit.end).unwrap_or(EDGE).min(EDGE);
    if len < EDGE || unit.end == unit.start {
        return Ok(false);
    }
    let bytes = input.bytes(unit.end - 1, EDGE + 1)?;
    Ok(bytes.len() > EDGE && is_zero(&bytes[..=EDGE]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<Range<u64>> {
        let mut source = bytes;
        Holes::find(&mut SourceWindow::new(&mut source, bytes.len() as u64)).expect("memory").0.0
    }

    #[test]
    fn zeros_between_two_sectors_are_a_hole_and_others_are_none() {
        let mut bytes = vec![7; 5000];
        bytes[600..1700].fill(0);
        assert_eq!(found(&bytes), []);
        bytes[1024..2048].fill(0);
        bytes[600..1024].fill(7);
        bytes[2560..4096].fill(0);
        assert_eq!(found(&bytes), [1024..2048, 2560..4096]);
        bytes[4096] = 0;
        bytes[1023] = 0;
        assert_eq!(found(&bytes), []);
        assert_eq!(found(&[0; 4096]), []);
    }
}
