//! Whether compressed bytes are sound, without saying what is wrong if they are not.
//!
//! Texts alternate between literal runs and matches without any pattern, so a machine that branches on the kind of a token
//! guesses wrong at nearly every second one, and that is what its time goes into. Here every token takes the same steps,
//! and what is wrong is gathered in a flag.

/// Whether `input` decodes to exactly `declared` bytes.
pub(super) fn is_sound(input: &[u8], declared: u64) -> bool {
    let (mut at, mut produced, mut too_far) = (0, 0, false);
    // Three bytes hold any token but the content of a literal run.
    while let Some(&[ctrl, second, third]) = input.get(at..).and_then(|rest| rest.first_chunk()) {
        let (size, len, reach) = token(ctrl, second, third);
        too_far |= reach > produced;
        at += size;
        produced += len;
    }
    while let Some(&ctrl) = input.get(at) {
        let byte = |offset| input.get(at + offset).copied().unwrap_or_default();
        let (size, len, reach) = token(ctrl, byte(1), byte(2));
        too_far |= reach > produced;
        at += size;
        produced += len;
    }
    !too_far && at == input.len() && produced as u64 == declared && declared > 0
}

/// How many bytes the token takes and gives, and how far it reaches back.
#[inline]
fn token(ctrl: u8, second: u8, third: u8) -> (usize, usize, usize) {
    let (literal, long) = (mask(ctrl < 0x20), mask(ctrl >= 0xE0));
    let [ctrl, second, third] = [ctrl, second, third].map(usize::from);
    let size = 2 + (ctrl & literal) + (1 & long);
    let len = (ctrl & literal) + 1 + (((ctrl >> 5) + 1 + (second & long)) & !literal);
    let low = (second & !long) | (third & long);
    let reach = (((ctrl & 0x1F) << 8 | low) + 1) & !literal;
    (size, len, reach)
}

/// All ones if it is so.
#[inline]
fn mask(so: bool) -> usize {
    usize::from(so).wrapping_neg()
}
