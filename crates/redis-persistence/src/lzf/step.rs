//! A match and the literal run behind it, read at once and without a branch.
//!
//! ```text
//! | ctrl low | ctrl content.. |         a short match, a literal run
//! | ctrl more low | ctrl low ..         a long match, and no literal run: what follows belongs to the next step
//! ```
//!
//! Texts alternate between literal runs, short and long matches without any pattern, so whoever branches on the kind of a
//! token guesses wrong at nearly every second one, and that is what the time goes into. What follows is only known once the
//! token before is read, so a step reads both from the same four bytes.

use std::hint::select_unpredictable as select;

/// Fills up what is read of the last step: no literal run begins with it.
pub(super) const FILL: u8 = 0xFF;

/// What a step says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// How many bytes the match repeats, and from how far back.
    pub(super) len: u32,
    pub(super) distance: u32,
    /// The length of the literal run, 0 if there is none. Its content ends where the step ends.
    pub(super) run: u32,
    /// How many bytes the step takes.
    pub(super) size: u32,
}

impl Step {
    /// Returns what begins with a match.
    #[inline]
    pub(super) fn read(bytes: [u8; 4]) -> Self {
        let [ctrl, second, third, fourth] = bytes.map(u32::from);
        let long = ctrl >= 0xE0;
        // Both are worked out before it is known which one counts.
        let size = select(long, 3 + run_at(fourth), 2 + run_at(third));
        let taken = size - 2 - u32::from(long);
        Self {
            len: (ctrl >> 5) + 2 + select(long, second, 0),
            distance: ((ctrl & 0x1F) << 8 | select(long, third, second)) + 1,
            run: taken.saturating_sub(1),
            size,
        }
    }
}

/// Returns the size of the literal run that begins with this byte, 0 if none does.
#[inline]
fn run_at(ctrl: u32) -> u32 {
    select(ctrl < 0x20, ctrl + 2, 0)
}
