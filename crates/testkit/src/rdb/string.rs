//! Strings of the RDB string encoding.
//!
//! ```text
//! len, bytes              as they are
//! C0 i8 | C1 i16le | C2 i32le    decimal text of the number
//! C3 len len bytes        LZF: stored size, true size, token stream
//! ```

use super::lzf;
use super::number::{LenForm, canonical_int, low_bytes};

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StrForm {
    /// As a server with compression does: a number if the text is one of 32 bits, else LZF if longer than 20 bytes
    /// and at least 4 bytes are saved, else raw.
    #[default]
    Canonical,
    /// As a server without compression does: a number, else raw.
    Uncompressed,
    /// Raw, whatever the text.
    Raw,
    /// Raw, with the length in a given form.
    RawLen(LenForm),
    /// Raw, with a length that is not true.
    RawClaim(u64),
    /// `C0` and one byte of the number that the text is.
    Int8,
    /// `C1` and two bytes.
    Int16,
    /// `C2` and four bytes.
    Int32,
    /// LZF even if nothing is saved.
    Lzf,
    /// LZF with sizes that are not true: what is `None` stays true.
    LzfClaim {
        /// The size of the token stream.
        stored: Option<u64>,
        /// The size after decompression.
        inflated: Option<u64>,
    },
}

impl StrForm {
    /// The bytes of `text` in this form.
    ///
    /// # Panics
    /// If an integer form is asked for and `text` is no decimal number.
    #[must_use]
    pub fn encode(self, text: &[u8]) -> Vec<u8> {
        let number = || canonical_int(text).expect("the integer forms need a decimal number");
        match self {
            Self::Canonical => {
                if let Some(bytes) = as_small_int(text) {
                    return bytes;
                }
                if text.len() > 20
                    && let Some(tokens) = lzf::deflate(text)
                    && tokens.len() + 4 <= text.len()
                {
                    return compressed(&tokens, tokens.len() as u64, text.len() as u64);
                }
                Self::Raw.encode(text)
            }
            Self::Uncompressed => as_small_int(text).unwrap_or_else(|| Self::Raw.encode(text)),
            Self::Raw => Self::RawLen(LenForm::shortest(text.len() as u64)).encode(text),
            Self::RawLen(form) => [&form.encode(text.len() as u64), text].concat(),
            Self::RawClaim(len) => [&LenForm::shortest(len).encode(len), text].concat(),
            Self::Int8 => [&[0xC0][..], &low_bytes::<1>(number())].concat(),
            Self::Int16 => [&[0xC1][..], &low_bytes::<2>(number())].concat(),
            Self::Int32 => [&[0xC2][..], &low_bytes::<4>(number())].concat(),
            Self::Lzf => Self::LzfClaim { stored: None, inflated: None }.encode(text),
            Self::LzfClaim { stored, inflated } => {
                let tokens = lzf::deflate(text).unwrap_or_else(|| lzf::literals(text));
                let stored = stored.unwrap_or(tokens.len() as u64);
                compressed(&tokens, stored, inflated.unwrap_or(text.len() as u64))
            }
        }
    }
}

/// A compressed string made of any token stream and any two sizes.
#[must_use]
pub fn compressed(tokens: &[u8], stored: u64, inflated: u64) -> Vec<u8> {
    let len = |n| LenForm::shortest(n).encode(n);
    [&[0xC3], &len(stored)[..], &len(inflated), tokens].concat()
}

fn as_small_int(text: &[u8]) -> Option<Vec<u8>> {
    let number = canonical_int(text)?;
    let form = if i8::try_from(number).is_ok() {
        StrForm::Int8
    } else if i16::try_from(number).is_ok() {
        StrForm::Int16
    } else if i32::try_from(number).is_ok() {
        StrForm::Int32
    } else {
        return None;
    };
    Some(form.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::naive_inflate;

    #[test]
    fn strings_of_the_sheet() {
        assert_eq!(StrForm::Canonical.encode(b"12345"), [0xC1, 0x39, 0x30]);
        assert_eq!(StrForm::Canonical.encode(b"-1"), [0xC0, 0xFF]);
        assert_eq!(StrForm::Canonical.encode(b"128"), [0xC1, 0x80, 0]);
        assert_eq!(StrForm::Canonical.encode(b"70000"), [0xC2, 0x70, 0x11, 1, 0]);
        assert_eq!(StrForm::Canonical.encode(b"2147483648"), b"\x0A2147483648");
        assert_eq!(StrForm::Canonical.encode(b"007"), b"\x03007");
        assert_eq!(StrForm::Int32.encode(b"5"), [0xC2, 5, 0, 0, 0]);
        assert_eq!(StrForm::RawLen(LenForm::ThirtyTwo).encode(b"5"), b"\x80\0\0\0\x015");
    }

    #[test]
    fn compression_begins_at_21_bytes() {
        assert_eq!(StrForm::Canonical.encode(&[b'a'; 20])[0], 20);
        let bytes = StrForm::Canonical.encode(&[b'a'; 100]);
        assert_eq!(bytes[0], 0xC3);
        let (stored, tokens) = (usize::from(bytes[1]), &bytes[4..]);
        assert_eq!((stored, &bytes[2..4]), (tokens.len(), &[0x40, 100][..]));
        assert_eq!(naive_inflate(tokens, 100).as_deref(), Some(&[b'a'; 100][..]));
        assert_eq!(StrForm::Uncompressed.encode(&[b'a'; 100])[..2], [0x40, 100]);
        assert_eq!(StrForm::Lzf.encode(b"abc"), b"\xC3\x04\x03\x02abc");
    }
}
