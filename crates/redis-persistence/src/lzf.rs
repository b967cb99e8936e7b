//! LZF as Redis stores it: the compressed form of a string.
//!
//! Tokens follow each other until the input ends; `ctrl` is the first byte of each:
//!
//! ```text
//! 000lllll                    literal run: the next l+1 (1 to 32) bytes are output as they are
//! lllddddd dddddddd           match, l = 1 to 6: l+2 (3 to 8) bytes from d+1 bytes back
//! 111ddddd LLLLLLLL dddddddd  match: L+9 (9 to 264) bytes from d+1 bytes back; L stands before the low byte of d
//! ```
//!
//! A match may reach into the bytes it is writing (distance 1 repeats a byte). The stream has no length and no end of its
//! own: the file states both sizes beside it, and a stream is sound only if it gives exactly the declared size.
//!
//! One machine (the module `tokens`) reads and checks the tokens, whatever is done with them, so the four ways in agree on every
//! input, valid or not:
//!
//! | | whole input | in pieces, constant memory |
//! |---|---|---|
//! | check only | [`validate`] | [`Walker`] |
//! | decode | [`inflate_into`] | [`Inflater`] |
//!
//! Before that, [`validate`] takes a glance (the module `glance`) and [`inflate_into`] decodes at full width (`wide`), both in
//! steps of a match and a literal run. They only accept.

mod glance;
mod stream;
mod tokens;
mod wide;

pub use stream::{Inflater, Walker};
pub use tokens::{LzfError, LzfErrorKind};

pub(crate) use wide::Room;

/// How many bytes of output one byte of input can give at most: three bytes of a match give 264.
pub const MAX_RATIO: u64 = 88;

/// Checks that `input` decodes to exactly `declared` bytes, without producing them.
///
/// # Errors
/// What is wrong, with the offset in `input` at which the bad token begins.
///
/// # Examples
/// ```
/// use redis_persistence::lzf;
///
/// assert_eq!(lzf::validate(b"\x00a\xE0\x00\x00", 10), Ok(()));
/// let error = lzf::validate(b"\x00a\xE0\x00\x01", 10).expect_err("reaches two bytes back where there is one");
/// assert_eq!((error.at, error.kind), (2, lzf::LzfErrorKind::MatchBeforeStart));
/// ```
pub fn validate(input: &[u8], declared: u64) -> Result<(), LzfError> {
    if glance::is_sound(input, declared) {
        return Ok(());
    }
    let mut walker = Walker::new(input.len() as u64, declared)?;
    walker.push(input)?;
    walker.finish()
}

/// Returns whether each input decodes to exactly so many bytes, which is known in less time than for one after the other.
pub(crate) fn are_sound(inputs: &[(&[u8], u64)]) -> bool {
    glance::are_sound(inputs)
}

/// Decodes `input` and appends exactly `declared` bytes to `out`.
///
/// Memory is reserved only once `declared` is known to be possible (at most [`MAX_RATIO`] times the input), and no more
/// than that and a few hundred bytes. Whether so much is wanted is for the caller to decide before.
///
/// # Errors
/// What is wrong, with the offset in `input` at which the bad token begins; `out` is then as it was before.
///
/// # Examples
/// ```
/// let mut out = b"> ".to_vec();
/// redis_persistence::lzf::inflate_into(b"\x01ab\x80\x01", 8, &mut out)?;
/// assert_eq!(out, b"> abababab");
/// # Ok::<(), redis_persistence::lzf::LzfError>(())
/// ```
pub fn inflate_into(input: &[u8], declared: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    if wide::append(input, declared, out) {
        return Ok(());
    }
    let start = out.len();
    let mut inflater = Inflater::new(input.len() as u64, declared as u64)?;
    let result = inflater.push(input, &mut |piece| out.extend_from_slice(piece)).and_then(|()| inflater.finish());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use LzfErrorKind as Kind;

    #[track_caller]
    fn fails(input: &[u8], declared: usize, at: u64, kind: Kind) {
        let expected = Err(LzfError { at, kind });
        assert_eq!(validate(input, declared as u64), expected);
        let mut out = b"kept".to_vec();
        assert_eq!(inflate_into(input, declared, &mut out), expected);
        assert_eq!(out, b"kept");
    }

    #[test]
    fn every_error_is_told_with_its_place() {
        fails(b"", 1, 0, Kind::EmptyInput);
        fails(b"", 0, 0, Kind::EmptyInput);
        fails(b"\x00a", 0, 0, Kind::DeclaredZero);
        fails(b"\x00a", 177, 0, Kind::ImpossibleRatio);
        fails(b"\x00a\x01bc", 2, 2, Kind::LiteralBeyondSize);
        fails(b"\x00a\x20\x00", 3, 2, Kind::MatchBeyondSize);
        fails(b"\x00a\x20\x01", 4, 2, Kind::MatchBeforeStart);
        fails(b"\x20\x00", 3, 0, Kind::MatchBeforeStart);
        fails(b"\x00a\x02bc", 4, 2, Kind::CutToken);
        fails(b"\x00a\x20", 4, 2, Kind::CutToken);
        fails(b"\x00a\xE0", 10, 2, Kind::CutToken);
        fails(b"\x00a\xE0\x00", 10, 2, Kind::CutToken);
        fails(b"\x00a\x20\x00", 5, 4, Kind::ShortOutput { produced: 4 });
    }

    #[test]
    fn any_number_is_sound_if_each_is() {
        let long = [b"\x00a".to_vec(), b"\xE0\xFF\x00\x20\x00\x01bc".repeat(40)].concat();
        let sound: [(&[u8], u64); 5] = [
            (b"\x00a", 1),
            (b"\x00a\xE0\x00\x00", 10),
            (b"\x02abc", 3),
            (&long, 1 + 40 * (264 + 3 + 2)),
            (&long[..2 + 8 * 20], 1 + 20 * (264 + 3 + 2)),
        ];
        // Cut, empty, not of that size, and reaching back too far, at the start and in the middle.
        let far = [&long[..2 + 8 * 20], b"\xFF\x00\xFF", &long[2..]].concat();
        let odd: [(&[u8], u64); 7] = [
            (b"\x00a\x20", 4),
            (b"", 1),
            (&long, 1 + 40 * (264 + 3 + 2) + 1),
            (&long[..long.len() - 1], 1 + 40 * (264 + 3 + 2) - 1),
            (b"\x00a\x20\x01", 4),
            (&far, 1 + 60 * (264 + 3 + 2) + 9),
            (b"\x00a", 0),
        ];
        assert!(sound.iter().all(|(input, declared)| validate(input, *declared).is_ok()));
        assert!(odd.iter().all(|(input, declared)| validate(input, *declared).is_err()));
        for count in 0..20 {
            for turn in 0..5 {
                let mut inputs: Vec<_> = (0..count).map(|at| sound[(at * at + turn) % 5]).collect();
                assert!(are_sound(&inputs), "{count} {turn}");
                for at in 0..count {
                    let before = std::mem::replace(&mut inputs[at], odd[(at + turn) % 7]);
                    assert!(!are_sound(&inputs), "{count} {turn} {at}");
                    inputs[at] = before;
                }
            }
        }
    }

    #[test]
    fn the_longest_match_reaches_the_ratio() -> Result<(), LzfError> {
        let mut input = b"\x00a".to_vec();
        input.extend(b"\xE0\xFF\x00".repeat(1000));
        let mut out = Vec::new();
        inflate_into(&input, 1 + 264 * 1000, &mut out)?;
        assert!(out.iter().all(|&byte| byte == b'a'));
        assert!(out.capacity() <= out.len() + 300);
        Ok(())
    }

    #[test]
    fn a_size_that_cannot_be_is_not_reserved() {
        let mut out = Vec::new();
        assert!(inflate_into(b"\x00a", usize::MAX, &mut out).is_err());
        assert_eq!(out.capacity(), 0);
    }
}
