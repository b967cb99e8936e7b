//! Lengths, and numbers that stand as text.
//!
//! ```text
//! 00xxxxxx                 6 bits
//! 01xxxxxx u8              14 bits, big-endian
//! 80 u32be                 32 bits
//! 81 u64be                 64 bits
//! 11xxxxxx                 no length but the form of a string; loaders take it for a number where they want a count
//! ```

/// How a length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LenForm {
    /// One byte `00xxxxxx`.
    Six,
    /// Two bytes `01xxxxxx xxxxxxxx`.
    Fourteen,
    /// `80` and four bytes.
    ThirtyTwo,
    /// `81` and eight bytes.
    SixtyFour,
    /// One byte `11xxxxxx`: the form of a specially encoded string where a count is expected.
    Special,
}

impl LenForm {
    /// The forms that a length may have, shortest first.
    pub const LENGTHS: [Self; 4] = [Self::Six, Self::Fourteen, Self::ThirtyTwo, Self::SixtyFour];

    /// The form that writers choose for `n`.
    #[must_use]
    pub fn shortest(n: u64) -> Self {
        match n {
            0..=0x3F => Self::Six,
            0x40..=0x3FFF => Self::Fourteen,
            0x4000..=0xFFFF_FFFF => Self::ThirtyTwo,
            _ => Self::SixtyFour,
        }
    }

    /// The bytes of `n` in this form; bits that do not fit are lost.
    #[must_use]
    pub fn encode(self, n: u64) -> Vec<u8> {
        let be = n.to_be_bytes();
        match self {
            Self::Six => vec![be[7] & 0x3F],
            Self::Fourteen => vec![0x40 | (be[6] & 0x3F), be[7]],
            Self::ThirtyTwo => [&[0x80], &be[4..]].concat(),
            Self::SixtyFour => [&[0x81], &be[..]].concat(),
            Self::Special => vec![0xC0 | (be[7] & 0x3F)],
        }
    }
}

/// One decoded element of a listpack or ziplist, told apart by how it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// Stored as an integer.
    Int(i64),
    /// Stored as a string.
    Str(Vec<u8>),
}

impl Item {
    /// The element as a client sees it.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Int(n) => n.to_string().into_bytes(),
            Self::Str(text) => text.clone(),
        }
    }
}

/// The number that `text` is the plain decimal form of: no plus sign, no leading zero, no `-0`, no blank.
#[must_use]
pub fn canonical_int(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// The text of a score inside listpacks, ziplists and type 3: shortest digits that give the same number again.
#[must_use]
pub fn score_text(score: f64) -> String {
    if score.is_finite() && score != 0.0 && (score.abs() >= 1e21 || score.abs() < 1e-6) {
        // Rust would spell the zeros out.
        return format!("{score:e}");
    }
    format!("{score}").to_lowercase()
}

/// The `N` low bytes of a number, least significant first.
pub(crate) fn low_bytes<const N: usize>(n: i64) -> [u8; N] {
    std::array::from_fn(|i| n.to_le_bytes()[i])
}

/// Reads little-endian two's complement of up to 8 bytes.
pub(crate) fn signed_le(bytes: &[u8]) -> i64 {
    let mut wide = [if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

/// Reads little-endian of up to 8 bytes.
pub(crate) fn unsigned_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}

/// Reads big-endian of up to 8 bytes.
pub(crate) fn unsigned_be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_the_sheet() {
        let shortest = |n| LenForm::shortest(n).encode(n);
        assert_eq!(shortest(63), [0x3F]);
        assert_eq!(shortest(64), [0x40, 0x40]);
        assert_eq!(shortest(16383), [0x7F, 0xFF]);
        assert_eq!(shortest(16384), [0x80, 0, 0, 0x40, 0]);
        assert_eq!(shortest(1 << 32), [0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(LenForm::ThirtyTwo.encode(5), [0x80, 0, 0, 0, 5]);
        assert_eq!(LenForm::Special.encode(2), [0xC2]);
    }

    #[test]
    fn only_the_plain_decimal_form_is_a_number() {
        assert_eq!(canonical_int(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1.0"] {
            assert_eq!(canonical_int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn score_texts() {
        assert_eq!(score_text(1.0), "1");
        assert_eq!(score_text(f64::NEG_INFINITY), "-inf");
        assert_eq!(score_text(1e30), "1e30");
        assert_eq!(signed_le(&[0xFF, 0xFF, 0x7F]), 0x7F_FFFF);
        assert_eq!(signed_le(&low_bytes::<3>(-2)), -2);
    }
}
