//! Whether compressed bytes are sound, without saying what is wrong if they are not.
//!
//! Where a step begins is known only once the one before it is read, and to wait for that takes most of the time. So several inputs
//! are read in turns ([`Lane`]), each in so few instructions that four are read while one waits; alone, one is read in a way that
//! waits less and takes more ([`Glance`]).

use std::hint::select_unpredictable as select;

use super::wide::{FILL, Step};

/// Longer inputs are not looked at: offsets in 32 bits save a comparison at every step.
const LONGEST: usize = 1 << 31;
/// The same for those that are read in turns: what comes of them is counted in 31 bits.
const LONGEST_IN_TURNS: u64 = (1 << 31) / super::MAX_RATIO - 1;
/// This many inputs are read in turns.
const LANES: usize = 4;

/// Returns whether `input` decodes to exactly `declared` bytes.
pub(super) fn is_sound(input: &[u8], declared: u64) -> bool {
    input.len() <= LONGEST && Glance::default().over_rest(input, declared)
}

/// Returns whether each input decodes to exactly so many bytes.
pub(super) fn are_sound(inputs: &[(&[u8], u64)]) -> bool {
    if inputs.iter().any(|(input, _)| input.len() as u64 > LONGEST_IN_TURNS) {
        return inputs.iter().all(|(input, declared)| is_sound(input, *declared));
    }
    match inputs.len() {
        LANES.. => in_turns::<LANES>(inputs),
        2.. => in_turns::<2>(inputs),
        _ => inputs.iter().all(|(input, declared)| is_sound(input, *declared)),
    }
}

/// Returns the same for at least `N` of them: where one ends, the next takes its turns.
fn in_turns<const N: usize>(inputs: &[(&[u8], u64)]) -> bool {
    let (Some(first), mut waiting) = (inputs.first_chunk::<N>(), inputs.iter().skip(N)) else { return false };
    let (mut lanes, mut of) = ([Lane::default(); N], *first);
    loop {
        let ended = 'turns: loop {
            for lane in 0..N {
                match next(of[lane].0, lanes[lane].at()) {
                    Some(bytes) => lanes[lane].over(bytes),
                    None => break 'turns lane,
                }
            }
        };
        let (input, declared) = of[ended];
        if !lanes[ended].alone().over_rest(input, declared) {
            return false;
        }
        let Some(another) = waiting.next() else {
            let others = (0..N).filter(|lane| *lane != ended);
            return { others }.all(|lane| lanes[lane].alone().over_rest(of[lane].0, of[lane].1));
        };
        (lanes[ended], of[ended]) = (Lane::default(), *another);
    }
}

/// Returns what is read of a step, if there is so much.
#[inline]
fn next(input: &[u8], at: usize) -> Option<[u8; 4]> {
    input.get(at..at + 4)?.first_chunk().copied()
}

/// What is known of the tokens so far.
#[derive(Debug, Default, Clone, Copy)]
struct Glance {
    at: u32,
    produced: usize,
    /// Negative once a match reached too far back.
    spare: isize,
}

impl Glance {
    #[inline]
    fn over(&mut self, bytes: [u8; 4]) {
        if let ctrl @ ..0x20 = bytes[0] {
            self.at += u32::from(ctrl) + 2;
            self.produced += usize::from(ctrl) + 1;
            return;
        }
        let step = Step::read(bytes);
        self.spare |= self.produced.wrapping_sub(step.distance as usize).cast_signed();
        self.produced += (step.len + step.run) as usize;
        self.at += step.size;
    }

    #[inline]
    fn over_rest(mut self, input: &[u8], declared: u64) -> bool {
        while let Some(bytes) = next(input, self.at as usize) {
            self.over(bytes);
        }
        while let Some(rest) = input.get(self.at as usize..) {
            if rest.is_empty() {
                return self.spare >= 0 && self.produced as u64 == declared && declared > 0;
            }
            let mut last = [FILL; 4];
            last[..rest.len()].copy_from_slice(rest);
            self.over(last);
        }
        false
    }
}

/// The same in two words.
#[derive(Debug, Default, Clone, Copy)]
struct Lane {
    /// Where the next step begins, and in the high half how much was output.
    state: u64,
    /// The high bit is set once a match reached too far back.
    spare: u64,
}

/// What a literal run that begins with this byte adds to the state, and nothing if none does.
static RUNS: [u64; 256] = {
    let mut runs = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        runs[byte] = (byte as u64 + 1) << 32 | (byte as u64 + 2);
        byte += 1;
    }
    runs
};

/// What a match that begins with this byte adds to it, but for the second byte of a long one.
static MATCHES: [u64; 256] = {
    let mut matches = [0; 256];
    let mut byte = 0x20;
    while byte < 256 {
        matches[byte] = (byte as u64 / 0x20 + 2) << 32 | if byte < 0xE0 { 2 } else { 3 };
        byte += 1;
    }
    matches
};

impl Lane {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    fn at(self) -> usize {
        self.state as u32 as usize
    }

    #[inline(always)]
    fn over(&mut self, bytes: [u8; 4]) {
        let ctrl = bytes[0];
        if ctrl < 0x20 {
            self.state += RUNS[usize::from(ctrl)];
            return;
        }
        let word = u32::from_le_bytes(bytes);
        let long = ctrl >= 0xE0;
        // The low byte of the distance stands second in it, and what follows the match third.
        let behind = select(long, word >> 8, word);
        let more = select(long, word >> 8 & 0xFF, 0);
        let distance = (word & 0x1F) << 8 | behind >> 8 & 0xFF;
        self.spare |= self.state.wrapping_sub(u64::from(distance + 1) << 32);
        let run = RUNS[(behind >> 16 & 0xFF) as usize];
        self.state += MATCHES[usize::from(ctrl)] + run + (u64::from(more) << 32);
    }

    /// Returns the same, to be read on alone.
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    fn alone(self) -> Glance {
        Glance {
            at: self.state as u32,
            produced: (self.state >> 32) as usize,
            spare: self.spare.cast_signed() as isize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a lane knows of a step is what stands at [`Step`], for all first bytes, and all that may follow a match.
    #[test]
    fn lanes_read_what_steps_say() {
        let all = 0..=u8::MAX;
        let few = [0, 1, 0x1E, 0x1F, 0x20, 0x21, 0xDF, 0xE0, 0xFF];
        for ctrl in all.clone() {
            for other in all.clone() {
                for [third, fourth] in few.into_iter().flat_map(|byte| [[byte, other], [other, byte]]) {
                    for second in few {
                        let bytes = [ctrl, second, third, fourth];
                        // More output than any match reaches back, and less.
                        for produced in [0x2000, u32::from(other) << 5] {
                            let mut lane = Lane { state: u64::from(produced) << 32 | 7, spare: 0 };
                            let mut glance = Glance { at: 7, produced: produced as usize, spare: 0 };
                            lane.over(bytes);
                            glance.over(bytes);
                            let alone = lane.alone();
                            assert_eq!((alone.at, alone.produced), (glance.at, glance.produced), "{bytes:02X?}");
                            assert_eq!(alone.spare < 0, glance.spare < 0, "{bytes:02X?}");
                        }
                    }
                }
            }
        }
    }
}
