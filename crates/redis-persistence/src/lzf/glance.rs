//! Whether compressed bytes are sound, without saying what is wrong if they are not.

use super::step::{FILL, Step};

/// Longer inputs are not looked at: offsets in 32 bits save a comparison at every step.
const LONGEST: usize = 1 << 31;

/// Whether `input` decodes to exactly `declared` bytes.
pub(super) fn is_sound(input: &[u8], declared: u64) -> bool {
    input.len() <= LONGEST && Glance::default().over_rest(input, declared)
}

/// Whether both inputs decode to exactly so many bytes.
///
/// Where a step begins is known only once the one before it is read, and to wait for that takes most of the time. So two
/// inputs are read in turns.
pub(super) fn are_sound(inputs: [(&[u8], u64); 2]) -> bool {
    if inputs.iter().any(|(input, _)| input.len() > LONGEST) {
        return false;
    }
    let mut glances = [Glance::default(); 2];
    while let (Some(one), Some(other)) = (glances[0].next(inputs[0].0), glances[1].next(inputs[1].0)) {
        glances[0].over(one);
        glances[1].over(other);
    }
    glances.into_iter().zip(inputs).all(|(glance, (input, declared))| glance.over_rest(input, declared))
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
    fn next(&self, input: &[u8]) -> Option<[u8; 4]> {
        let at = self.at as usize;
        input.get(at..at + 4)?.first_chunk().copied()
    }

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
        while let Some(bytes) = self.next(input) {
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
