//! The walk back from a checksum that does not fit: what short change, at which offset, explains it.
//!
//! ```text
//! content ................................ | trailer (8)
//!                   p  8 bytes             t
//! syndrome = crc(content) ^ trailer = the state that the pattern at p, followed by t - p - 8 zero bytes, leaves
//! ```
//! The CRC takes in a byte by xor into the low byte of its state, then a step. So 8 bytes taken in from state 0 are the same
//! as the state `pattern` after 8 steps, and the pattern at `p` is the syndrome stepped back `t - p` times, also where it
//! reaches into the trailer. A step can be undone: its high byte tells which row of the table went into it.
//!
//! Each change is met once, at the offset of its first byte that differs: with a low byte of 0 the pattern is the same change
//! as the one at the next offset.

use crate::crc64::POLYNOMIAL;

/// What to xor into the state, shifted left by a byte, to undo a step; by the state's high byte.
const STEP_BACK: [u64; 256] = {
    let mut table = [0; 256];
    let mut low = 0_u64;
    while low < 256 {
        let mut state = low;
        let mut bit = 0;
        while bit < 8 {
            state = (state >> 1) ^ (POLYNOMIAL & (state & 1).wrapping_neg());
            bit += 1;
        }
        table[(state >> 56) as usize] = (state << 8) | low;
        low += 1;
    }
    table
};

/// A change that makes the checksum fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Burst {
    /// The offset of the first byte to change.
    pub(super) at: usize,
    /// What to xor into the bytes from there on; the first is the low byte.
    pub(super) pattern: u64,
}

impl Burst {
    /// From the first changed byte to the last.
    pub(super) fn len(self) -> u32 {
        significant(self.pattern)
    }
}

/// How many bytes there are up to the highest that is not 0.
fn significant(pattern: u64) -> u32 {
    8 - pattern.leading_zeros() / 8
}

/// The change within the trailer alone.
pub(super) fn in_trailer(syndrome: u64, trailer_at: usize) -> Burst {
    let unchanged = syndrome.trailing_zeros() / 8;
    Burst { at: trailer_at + unchanged as usize, pattern: syndrome.checked_shr(8 * unchanged).unwrap_or(0) }
}

/// Calls `on` with every change that begins before the trailer and is no longer than `longest(offset)` bytes. The offsets in
/// each of the `stretches` (ascending, without gaps, the last one ending at the trailer) share one greatest length.
pub(super) fn bursts(syndrome: u64, stretches: &[(std::ops::Range<usize>, u32)], mut on: impl FnMut(Burst)) {
    let mut pattern = syndrome;
    for (offsets, longest) in stretches.iter().rev() {
        let greatest = u64::MAX.checked_shr(64_u32.saturating_sub(8 * longest)).unwrap_or(0);
        for at in offsets.clone().rev() {
            pattern = (pattern << 8) ^ STEP_BACK[(pattern >> 56) as usize];
            if pattern <= greatest && pattern & 0xff != 0 {
                on(Burst { at, pattern });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc64::checksum;

    fn syndrome(file: &[u8]) -> u64 {
        let (content, trailer) = file.split_last_chunk().expect("longer than a trailer");
        checksum(content) ^ u64::from_le_bytes(*trailer)
    }

    #[test]
    fn every_change_of_up_to_eight_bytes_is_met_where_it_is() {
        let mut file = b"REDIS0011 and what else there may be\xff".to_vec();
        let end = file.len();
        file.extend(checksum(&file).to_le_bytes());
        for len in 1..=8_usize {
            for at in 0..end {
                let mut damaged = file.clone();
                damaged[at..at + len].iter_mut().zip(0x81_u8..).for_each(|(byte, change)| *byte ^= change);
                let mut met = Vec::new();
                bursts(syndrome(&damaged), &[(0..at, 0), (at..at + 1, 8), (at + 1..end, 0)], |burst| met.push(burst));
                assert_eq!(met.len(), 1, "{len} bytes at {at}");
                assert_eq!((met[0].at, met[0].len() as usize), (at, len));
                assert_eq!(
                    met[0].pattern.to_le_bytes()[..len],
                    [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88][..len]
                );
            }
        }
    }

    #[test]
    fn a_change_of_the_trailer_is_the_syndrome() {
        let mut file = b"REDIS0011\xff".to_vec();
        file.extend(checksum(&file).to_le_bytes());
        file[13] ^= 7;
        file[14] ^= 9;
        assert_eq!(in_trailer(syndrome(&file), 10), Burst { at: 13, pattern: 0x0907 });
    }
}
