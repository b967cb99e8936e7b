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
//!
//! A step is a product in a field, so many of them at once are one product. That lets the walk begin anywhere: threads take a
//! share of the offsets each, and a thread walks over several places at a time, because one step has to wait for the last.
//! And it need not stop at every offset. Where a change of up to four bytes begins, the next four steps back only shift it, as
//! its high bytes are 0; so it still shows, with a low byte of 0, at the next place of a walk in strides of four.

use std::ops::Range;
use std::thread::ScopedJoinHandle;

use crate::base::crc64::{POLYNOMIAL, product};
use crate::base::monitor::spawn;

/// Returns a step back, of one bit.
const fn undo_bit(state: u64) -> u64 {
    // The highest coefficient of the polynomial is never 0, so the high bit tells whether it went in.
    let high = (state >> 63).wrapping_neg();
    ((state ^ (POLYNOMIAL & high)) << 1) | (high & 1)
}

const fn undo_byte(state: u64) -> u64 {
    let mut state = state;
    let mut bit = 0;
    while bit < 8 {
        state = undo_bit(state);
        bit += 1;
    }
    state
}

/// How many offsets a stride covers.
const STRIDE: usize = 4;

/// What each of the high bytes of a state, the lowest of them first, contributes to the state a stride before.
static STRIDE_BACK: [[u64; 256]; STRIDE] = {
    let mut tables = [[0; 256]; STRIDE];
    let mut which = 0;
    while which < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let mut state = (byte as u64) << (8 * (8 - STRIDE + which));
            let mut step = 0;
            while step < STRIDE {
                state = undo_byte(state);
                step += 1;
            }
            tables[which][byte] = state;
            byte += 1;
        }
        which += 1;
    }
    tables
};

/// What to xor into the state, shifted left by a byte, to undo a step; by the state's high byte.
static STEP_BACK: [u64; 256] = {
    let mut table = [0; 256];
    let mut high = 0;
    while high < 256 {
        table[high] = undo_byte((high as u64) << 56);
        high += 1;
    }
    table
};

/// What undoes 2^k steps, as a factor.
static UNDO: [u64; 64] = {
    let mut factors = [undo_byte(1 << 63); 64];
    let mut k = 1;
    while k < 64 {
        factors[k] = product(factors[k - 1], factors[k - 1]);
        k += 1;
    }
    factors
};

fn step_back(state: u64) -> u64 {
    (state << 8) ^ STEP_BACK[usize::from(state.to_be_bytes()[0])]
}

fn stride_back(state: u64) -> u64 {
    let bytes = state.to_le_bytes();
    let of = |which: usize| STRIDE_BACK[which][usize::from(bytes[8 - STRIDE + which])];
    (state << (8 * STRIDE)) ^ of(0) ^ of(1) ^ of(2) ^ of(3)
}

fn steps_back(state: u64, steps: u64) -> u64 {
    (0..64).filter(|k| steps >> k & 1 == 1).fold(state, |state, k| product(state, UNDO[k]))
}

/// A change that makes the checksum fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Burst {
    /// The offset of the first byte to change.
    pub(super) at: u64,
    /// What to xor into the bytes from there on; the first is the low byte.
    pub(super) pattern: u64,
}

impl Burst {
    /// From the first changed byte to the last.
    pub(super) fn len(self) -> u32 {
        significant(self.pattern)
    }
}

/// Returns how many bytes there are up to the highest that is not 0.
fn significant(pattern: u64) -> u32 {
    8 - pattern.leading_zeros() / 8
}

/// Returns the change within the trailer alone.
pub(super) fn in_trailer(syndrome: u64, trailer_at: u64) -> Burst {
    let unchanged = syndrome.trailing_zeros() / 8;
    Burst { at: trailer_at + u64::from(unchanged), pattern: syndrome.checked_shr(8 * unchanged).unwrap_or(0) }
}

/// Offsets whose changes share one greatest length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) offsets: Range<u64>,
    pub(super) longest: u32,
}

/// Returns every change that begins in the stretch, the last one first. `trailer_at` is where the trailer lies that the
/// syndrome is of.
pub(super) fn bursts(syndrome: u64, trailer_at: u64, stretch: &Stretch, threads: usize) -> Vec<Burst> {
    let Range { start, end } = stretch.offsets;
    let state = steps_back(syndrome, trailer_at - end);
    let share = (end.saturating_sub(start) / threads.max(1) as u64).max(LEAST_FOR_A_THREAD);
    let mut shares = Vec::new();
    let mut at = end;
    while at > start {
        let from = if at - start < 2 * share { start } else { at - share };
        shares.push((from..at, steps_back(state, end - at)));
        at = from;
    }
    let longest = stretch.longest;
    if shares.len() < 2 {
        return shares.into_iter().flat_map(|(offsets, state)| in_share(state, offsets, longest)).collect();
    }
    std::thread::scope(|scope| {
        let work = shares.into_iter().map(|(offsets, state)| {
            let own = offsets.clone();
            spawn(scope, move || in_share(state, offsets, longest)).ok_or((own, state))
        });
        let work: Vec<_> = work.collect();
        let found = |thread: Result<ScopedJoinHandle<'_, _>, _>| match thread {
            Ok(thread) => thread.join().unwrap_or_default(),
            Err((offsets, state)) => in_share(state, offsets, longest),
        };
        work.into_iter().flat_map(found).collect()
    })
}

/// Fewer offsets are not worth a thread.
const LEAST_FOR_A_THREAD: u64 = 4 << 20;
/// At so many places a thread walks at a time.
const LANES: usize = 4;

/// Returns the changes in a range of offsets, the last one first. `state` is the pattern at the end of it.
fn in_share(state: u64, offsets: Range<u64>, longest: u32) -> Vec<Burst> {
    let per_lane = (offsets.end - offsets.start) / LANES as u64 / STRIDE as u64;
    if longest as usize > STRIDE || per_lane == 0 {
        return one_by_one(state, offsets, longest);
    }
    let len = per_lane * STRIDE as u64;
    let at: [u64; LANES] = std::array::from_fn(|lane| offsets.end - lane as u64 * len);
    let mut states = at.map(|at| steps_back(state, offsets.end - at));
    let mut found: [Vec<Burst>; LANES] = std::array::from_fn(|_| Vec::new());
    for n in 0..per_lane {
        for lane in 0..LANES {
            states[lane] = stride_back(states[lane]);
            if states[lane].to_le_bytes()[0] == 0 {
                found[lane].extend(shifted(states[lane], at[lane] - (n + 1) * STRIDE as u64, longest));
            }
        }
    }
    // The strides show what begins before them, the first of all included, and not what begins at the last offset of all.
    let (last, at) = (states[LANES - 1], at[LANES - 1] - len);
    let unshifted = Some(Burst { at, pattern: last }).filter(|burst| is_one(*burst, longest));
    let rest = one_by_one(last, offsets.start..at, longest);
    let all = found.into_iter().flatten().filter(|burst| burst.at < offsets.end);
    all.chain(unshifted).chain(rest).collect()
}

fn is_one(burst: Burst, longest: u32) -> bool {
    burst.pattern & 0xff != 0 && burst.len() <= longest
}

/// Returns the change that shows `shifted` in the pattern at `at`: it began 1 to 4 offsets behind.
fn shifted(pattern: u64, at: u64, longest: u32) -> Option<Burst> {
    let by = pattern.trailing_zeros() / 8;
    let burst = Burst { at: at + u64::from(by), pattern: pattern.checked_shr(8 * by)? };
    (by as usize <= STRIDE && burst.len() <= longest).then_some(burst)
}

fn one_by_one(state: u64, offsets: Range<u64>, longest: u32) -> Vec<Burst> {
    let mut pattern = state;
    let mut found = Vec::new();
    for at in offsets.rev() {
        pattern = step_back(pattern);
        found.extend(Some(Burst { at, pattern }).filter(|burst| is_one(*burst, longest)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::crc64::checksum;

    fn syndrome(file: &[u8]) -> u64 {
        let (content, trailer) = file.split_last_chunk().expect("longer than a trailer");
        checksum(content) ^ u64::from_le_bytes(*trailer)
    }

    fn with_checksum(content: &[u8]) -> Vec<u8> {
        [content, &checksum(content).to_le_bytes()].concat()
    }

    fn all(syndrome: u64, end: usize, longest: u32, threads: usize) -> Vec<Burst> {
        bursts(syndrome, end as u64, &Stretch { offsets: 0..end as u64, longest }, threads)
    }

    #[test]
    fn every_change_of_up_to_eight_bytes_is_met_where_it_is() {
        let file = with_checksum(b"REDIS0011 and what else there may be\xff");
        let end = file.len() - 8;
        for len in 1..=8_usize {
            for at in 0..end {
                let mut damaged = file.clone();
                damaged[at..at + len].iter_mut().zip(0x81_u8..).for_each(|(byte, change)| *byte ^= change);
                let stretch = Stretch { offsets: at as u64..at as u64 + 1, longest: 8 };
                let met = bursts(syndrome(&damaged), end as u64, &stretch, 2);
                assert_eq!(met.len(), 1, "{len} bytes at {at}");
                assert_eq!((met[0].at, met[0].len() as usize), (at as u64, len));
                let change = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88];
                assert_eq!(met[0].pattern.to_le_bytes()[..len], change[..len]);
                let short = all(syndrome(&damaged), end, 4, 2);
                assert_eq!(short.contains(&met[0]), len <= 4, "{len} bytes at {at}: {short:?}");
            }
        }
    }

    #[test]
    fn strides_lanes_and_threads_meet_what_single_steps_meet() {
        let size = 3 * usize::try_from(LEAST_FOR_A_THREAD).expect("it is small") + 7;
        let content = vec![0x5a; size];
        let file = with_checksum(&content);
        let lane = size / 2 / LANES;
        for at in (0..9).flat_map(|n| [n, size - 9 + n, size / 3 - 4 + n, size - lane - 4 + n]) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            damaged[at + 3] ^= 0x01;
            let syndrome = syndrome(&damaged);
            let met = all(syndrome, size, 4, 3);
            assert!(met.contains(&Burst { at: at as u64, pattern: 0x0100_0040 }), "{at}: {met:?}");
            if at % 5 == 0 {
                assert_eq!(met, one_by_one(syndrome, 0..size as u64, 4), "{at}");
            }
        }
    }

    #[test]
    fn a_change_of_the_trailer_is_the_syndrome() {
        let mut file = with_checksum(b"REDIS0011\xff");
        file[13] ^= 7;
        file[14] ^= 9;
        assert_eq!(in_trailer(syndrome(&file), 10), Burst { at: 13, pattern: 0x0907 });
    }
}
