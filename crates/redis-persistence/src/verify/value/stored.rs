//! Elements compared as they are stored, without reading what they say.
//!
//! A text has one form in which servers store it, so two sound elements are equal if their bytes are. What an element begins with
//! states its length, which so is in the hash.

use crate::verify::duplicates::HashKey;
use crate::verify::stored_form::may_begin_number;

/// This many bytes behind an element may be read with it.
pub(super) const BEHIND: usize = 32;
/// The longest string of which [`short_text`] says where it ends.
pub(crate) const SHORT_TEXT: usize = 0x3F;

/// The low bytes of a word, by their number.
pub(super) const MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

/// Returns the string of the frame that begins at `at`, if its length has one byte, there is any text, and that begins as
/// no number does: where it ends.
#[inline]
pub(crate) fn short_text(window: &[u8], at: usize) -> Option<usize> {
    let [len, first] = *window.get(at..)?.first_chunk()?;
    let end = at + 1 + usize::from(len);
    ((1..=SHORT_TEXT).contains(&usize::from(len)) && !may_begin_number(first) && end <= window.len()).then_some(end)
}

/// Returns the hash of such a string, wherever it stands in a window.
#[inline]
pub(crate) fn hash_of_short(window: &[u8], at: usize, end: usize, key: &HashKey) -> u64 {
    hash(window, at, end, key).unwrap_or_else(|| hash_at_end(&window[at..end], key))
}

/// Returns the hash of a string behind which not enough bytes follow.
#[cold]
fn hash_at_end(string: &[u8], key: &HashKey) -> u64 {
    let mut wide = [0; 1 + SHORT_TEXT + BEHIND];
    wide[..string.len()].copy_from_slice(string);
    hash(&wide, 0, string.len(), key).unwrap_or_default()
}

/// Returns the hash of an element as it is stored; `None` where not enough bytes follow.
#[inline]
pub(super) fn hash(wide: &[u8], at: usize, end: usize, key: &HashKey) -> Option<u64> {
    let len = end - at;
    if len > 32 {
        return Some(key.hash(wide.get(at..end)?, 0));
    }
    let first = u128::from_le_bytes(*wide.get(at..)?.first_chunk()?) & MASKS[len.min(16)];
    if len <= 16 {
        return Some(key.of_sixteen(first));
    }
    let last = u128::from_le_bytes(*wide.get(end - 16..)?.first_chunk()?);
    Some(key.of_ends(first, last))
}

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns the high bit of each byte that is no digit.
#[inline]
pub(super) fn no_digits(word: u64) -> u64 {
    let value = word ^ 0x3030_3030_3030_3030;
    ((value & !HIGH).wrapping_add(0x7676_7676_7676_7676) | value) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rng::Rng;

    /// What stands around a string changes nothing, and each byte of it counts.
    #[test]
    fn the_hash_is_one_of_the_string_alone() {
        let mut rng = Rng::new(5);
        let key = HashKey::fixed(1);
        for len in 1..=SHORT_TEXT {
            let mut string = vec![b'x'; len + 1];
            string[0] = u8::try_from(len).expect("small");
            let of = |string: &[u8], before: usize, behind: Vec<u8>| {
                let window = [&vec![0x5A; before], string, &behind].concat();
                assert_eq!(short_text(&window, before), Some(before + string.len()));
                hash_of_short(&window, before, before + string.len(), &key)
            };
            let alone = of(&string, 0, Vec::new());
            for behind in 0..40 {
                assert_eq!(of(&string, 7, rng.bytes(behind)), alone, "{len}");
            }
            for at in 1..=len {
                string[at] ^= 1;
                assert_ne!(of(&string, 0, Vec::new()), alone, "{len} {at}");
                string[at] ^= 1;
            }
        }
    }

    #[test]
    fn what_is_no_short_text_is_left_alone() {
        for window in [&b""[..], b"\x01", b"\0a", b"\x40\x05abcde", b"\x02a", b"\x017", b"\x02-a", b"\xC0\x05"] {
            assert_eq!(short_text(window, 0), None, "{window:02X?}");
        }
        assert_eq!(short_text(b"", 1), None);
    }
}
