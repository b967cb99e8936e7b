//! The leaves of the format: lengths, string headers, fixed-width numbers. No other place decodes a length.
//!
//! ```text
//! length   00xxxxxx                      6 bits
//!          01xxxxxx xxxxxxxx             14 bits, big-endian
//!          0x80 + 4 bytes                32 bits, big-endian
//!          0x81 + 8 bytes                64 bits, big-endian
//!          0x82..0xBF                    invalid
//!          11xxxxxx                      special: a string form, or (where a plain number is read) the number xxxxxx
//! string   length + bytes | C0 i8 | C1 i16le | C2 i32le | C3 length length bytes (LZF: stored, decoded size)
//! ```
//!
//! Every function is a nom parser in streaming mode: it answers `Incomplete` with the bytes that are missing. Those on
//! the path of every key are slice patterns under nom's `IResult`: combinators cost four times as much there when the
//! caller builds without link-time optimisation.

use nom::bytes::streaming::tag;
use nom::{Needed, Parser};

use super::grammar::Family;
use crate::base::cursor::{Cursor, Leaf, LeafError, Outcome, Quirk};
use crate::base::error::{ErrorKind, Reading};

#[cold]
fn incomplete<'a, T>(missing: usize) -> Leaf<'a, T> {
    Err(nom::Err::Incomplete(Needed::new(missing)))
}

#[cold]
fn bad<'a, T>(kind: ErrorKind) -> Leaf<'a, T> {
    Err(nom::Err::Failure(LeafError(kind)))
}

/// A length as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) value: u64,
    pub(crate) form: LengthForm,
}

/// Which of its forms a length has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LengthForm {
    /// The shortest that holds the value.
    Canonical,
    /// A longer one than needed: no server writes that.
    Overlong,
    /// `11xxxxxx`: a string form, or a number where none of those is meant.
    Special,
}

/// Returns a length of one byte or two, as most are, in whatever form, and how many bytes it takes.
#[inline]
const fn short(window: &[u8]) -> Option<(u64, usize)> {
    match *window {
        [value @ 0..=0x3f, ..] => Some((value as u64, 1)),
        [high @ 0x40..=0x7f, low, ..] => Some((((high & 0x3f) as u64) << 8 | low as u64, 2)),
        _ => None,
    }
}

/// Reads a length. A special form is answered as such: what it means depends on the place.
#[inline]
pub(crate) fn length(i: &[u8]) -> Leaf<'_, Length> {
    if let Some((value, size)) = short(i) {
        let form = if size == 1 { LengthForm::Canonical } else { canonical_from(value, 1 << 6) };
        return Ok((&i[size..], Length { value, form }));
    }
    match *i {
        [b @ 0xc0..=0xff, ref rest @ ..] => {
            Ok((rest, Length { value: u64::from(b & 0x3f), form: LengthForm::Special }))
        }
        _ => long_length(i),
    }
}

fn long_length(i: &[u8]) -> Leaf<'_, Length> {
    match *i {
        [] | [0x40..=0x7f] => incomplete(1),
        [0x80, a, b, c, d, ref rest @ ..] => {
            let value = u64::from(u32::from_be_bytes([a, b, c, d]));
            Ok((rest, Length { value, form: canonical_from(value, 1 << 14) }))
        }
        [0x80, ref rest @ ..] => incomplete(4 - rest.len()),
        [0x81, a, b, c, d, e, f, g, h, ref rest @ ..] => {
            let value = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            Ok((rest, Length { value, form: canonical_from(value, 1 << 32) }))
        }
        [0x81, ref rest @ ..] => incomplete(8 - rest.len()),
        [first, ..] => bad(ErrorKind::BadLength(first)),
    }
}

/// Reads a length as servers write it: in the shortest form that holds it. Answers also how many bytes it takes; `None` where it is
/// cut off, or in any other form.
#[inline]
pub(crate) fn shortest(window: &[u8]) -> Option<(u64, usize)> {
    match short(window) {
        Some((value, size)) => (size == 1 || value > 0x3f).then_some((value, size)),
        None => shortest_long(window),
    }
}

fn shortest_long(window: &[u8]) -> Option<(u64, usize)> {
    match length(window) {
        Ok((rest, Length { value, form: LengthForm::Canonical })) => Some((value, window.len() - rest.len())),
        Ok(_) | Err(_) => None,
    }
}

/// Reads a length as servers take it where a plain number is meant: in any form, of a special one the low six bits. Answers also how
/// many bytes it takes; `None` where it is cut off, or begins as no length does.
pub(crate) fn tolerant(window: &[u8]) -> Option<(u64, usize)> {
    length(window).ok().map(|(rest, length)| (length.value, window.len() - rest.len()))
}

/// Returns how many bytes a length has that begins with this one.
pub(crate) const fn length_size(first: u8) -> usize {
    match first {
        0x40..=0x7f => 2,
        0x80 => 5,
        0x81 => 9,
        0..=0x3f | 0x82..=0xff => 1,
    }
}

/// Returns the shortest form of a length, in the first bytes of that many.
pub(crate) fn encode_length(value: u64) -> ([u8; 9], usize) {
    let mut bytes = [0; 9];
    let len = match value {
        ..0x40 => {
            bytes[0] = value.to_be_bytes()[7];
            1
        }
        0x40..0x4000 => {
            bytes[..2].copy_from_slice(&(0x4000 | value).to_be_bytes()[6..]);
            2
        }
        0x4000..0x1_0000_0000 => {
            bytes[0] = 0x80;
            bytes[1..5].copy_from_slice(&value.to_be_bytes()[4..]);
            5
        }
        _ => {
            bytes[0] = 0x81;
            bytes[1..].copy_from_slice(&value.to_be_bytes());
            9
        }
    };
    (bytes, len)
}

fn canonical_from(value: u64, least: u64) -> LengthForm {
    if value >= least { LengthForm::Canonical } else { LengthForm::Overlong }
}

/// What a string's header announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringHead {
    /// This many bytes follow.
    Raw(u64),
    /// The string is this number's decimal text.
    Int(i32),
    /// This many compressed bytes follow, which decode to so many.
    Lzf {
        /// Stored bytes.
        stored: u64,
        /// Decoded bytes.
        decoded: u64,
    },
}

/// Reads a string's header and says whether one of its lengths is longer than needed.
#[inline]
pub(crate) fn string_head(i: &[u8]) -> Leaf<'_, (StringHead, bool)> {
    match *i {
        [b @ 0..=0x3f, ref rest @ ..] => Ok((rest, (StringHead::Raw(u64::from(b)), false))),
        [0xc0, v, ref rest @ ..] => Ok((rest, (StringHead::Int(i32::from(v.cast_signed())), false))),
        [0xc1, a, b, ref rest @ ..] => Ok((rest, (StringHead::Int(i32::from(i16::from_le_bytes([a, b]))), false))),
        [0xc2, a, b, c, d, ref rest @ ..] => Ok((rest, (StringHead::Int(i32::from_le_bytes([a, b, c, d])), false))),
        _ => long_string_head(i),
    }
}

fn long_string_head(i: &[u8]) -> Leaf<'_, (StringHead, bool)> {
    match *i {
        [first @ 0xc0..=0xc2, ref rest @ ..] => incomplete((1 << (first & 3)) - rest.len()),
        [0xc3, ref rest @ ..] => {
            let (rest, stored) = length(rest)?;
            let (rest, decoded) = length(rest)?;
            let odd = stored.form != LengthForm::Canonical || decoded.form != LengthForm::Canonical;
            Ok((rest, (StringHead::Lzf { stored: stored.value, decoded: decoded.value }, odd)))
        }
        [first @ 0xc4..=0xff, ..] => bad(ErrorKind::BadStringEncoding(first & 0x3f)),
        _ => {
            let (rest, len) = length(i)?;
            Ok((rest, (StringHead::Raw(len.value), len.form == LengthForm::Overlong)))
        }
    }
}

/// Reads `N` bytes.
#[inline]
pub(crate) fn fixed<const N: usize>(i: &[u8]) -> Leaf<'_, [u8; N]> {
    match i.split_first_chunk::<N>() {
        Some((head, rest)) => Ok((rest, *head)),
        None => incomplete(N - i.len()),
    }
}

/// Reads the signature and the digits after it: `REDIS` + 4 bytes or `VALKEY` + 3 bytes.
pub(crate) fn signature(i: &[u8]) -> Leaf<'_, (Family, [u8; 4])> {
    fn redis(i: &[u8]) -> Leaf<'_, (Family, [u8; 4])> {
        let (i, _) = tag("REDIS").parse(i)?;
        let (i, digits) = fixed::<4>(i)?;
        Ok((i, (Family::Redis, digits)))
    }
    fn valkey(i: &[u8]) -> Leaf<'_, (Family, [u8; 4])> {
        let (i, _) = tag("VALKEY").parse(i)?;
        let (i, [a, b, c]) = fixed::<3>(i)?;
        Ok((i, (Family::Valkey, [b'0', a, b, c])))
    }
    if i.first() == Some(&b'V') { valkey(i) } else { redis(i) }
}

impl Cursor<'_> {
    /// Reads a length where a plain number is meant. Servers take the low six bits of a special form for the number.
    #[inline]
    pub(crate) fn number(&mut self, reading: Reading) -> Outcome<u64> {
        let at = self.offset();
        let Length { value, form } = self.read(reading, length)?;
        if form != LengthForm::Canonical {
            self.note(if form == LengthForm::Special { Quirk::SpecialAsNumber } else { Quirk::OverlongLength }, at);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need<T: std::fmt::Debug>(r: Leaf<'_, T>) -> usize {
        match r {
            Err(nom::Err::Incomplete(Needed::Size(n))) => n.get(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lengths_of_every_form() {
        let of = |bytes: &[u8]| length(bytes).map(|(rest, l)| (rest.len(), l.value, l.form)).ok();
        assert_eq!(of(&[0x3f]), Some((0, 63, LengthForm::Canonical)));
        assert_eq!(of(&[0x40, 0x40]), Some((0, 64, LengthForm::Canonical)));
        assert_eq!(of(&[0x40, 0x3f, 9]), Some((1, 63, LengthForm::Overlong)));
        assert_eq!(of(&[0x7f, 0xff]), Some((0, 16383, LengthForm::Canonical)));
        assert_eq!(of(&[0x80, 0, 0, 0x40, 0]), Some((0, 16384, LengthForm::Canonical)));
        assert_eq!(of(&[0x80, 0, 0, 0, 5]), Some((0, 5, LengthForm::Overlong)));
        assert_eq!(of(&[0x81, 0, 0, 0, 1, 0, 0, 0, 0]), Some((0, 1 << 32, LengthForm::Canonical)));
        assert_eq!(of(&[0xc2]), Some((0, 2, LengthForm::Special)));
        assert!(matches!(length(&[0x82]), Err(nom::Err::Failure(LeafError(ErrorKind::BadLength(0x82))))));
        assert_eq!(need(length(&[])), 1);
        assert_eq!(need(length(&[0x80, 0])), 3);
        assert_eq!(need(length(&[0x81])), 8);
    }

    #[test]
    fn only_the_shortest_form_is_written_and_read_strictly() {
        let of = |value| {
            let (bytes, len) = encode_length(value);
            bytes[..len].to_vec()
        };
        assert_eq!(of(63), [0x3f]);
        assert_eq!(of(64), [0x40, 0x40]);
        assert_eq!(of(16383), [0x7f, 0xff]);
        assert_eq!(of(16384), [0x80, 0, 0, 0x40, 0]);
        assert_eq!(of(1 << 32), [0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(of(u64::MAX), [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        for value in [0, 63, 64, 16383, 16384, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let bytes = of(value);
            assert_eq!((shortest(&bytes), length_size(bytes[0])), (Some((value, bytes.len())), bytes.len()));
            assert_eq!(tolerant(&bytes), shortest(&bytes));
            assert_eq!(shortest(&bytes[..bytes.len() - 1]), None);
        }
        for other in [&[0x40, 0x3f][..], &[0x80, 0, 0, 0x3f, 0xff], &[0x81, 0, 0, 0, 0, 1, 2, 3, 4], &[0xc2], &[0x82]] {
            assert_eq!(shortest(other), None);
        }
        assert_eq!(
            (tolerant(&[0x40, 0x3f]), tolerant(&[0xc2]), tolerant(&[0x82])),
            (Some((63, 2)), Some((2, 1)), None)
        );
    }

    #[test]
    fn string_heads_of_every_form() {
        let of = |bytes: &[u8]| string_head(bytes).map(|(_, h)| h).ok();
        assert_eq!(of(&[0xc1, 0x39, 0x30]), Some((StringHead::Int(12345), false)));
        assert_eq!(of(&[0xc0, 0xff]), Some((StringHead::Int(-1), false)));
        assert_eq!(of(&[0xc2, 0x70, 0x11, 0x01, 0x00]), Some((StringHead::Int(70000), false)));
        assert_eq!(of(&[0xc3, 5, 0x40, 0x40]), Some((StringHead::Lzf { stored: 5, decoded: 64 }, false)));
        assert_eq!(of(&[0x80, 0, 0, 0, 5]), Some((StringHead::Raw(5), true)));
        assert_eq!(need(string_head(&[0xc2, 0])), 3);
        assert_eq!(need(string_head(&[0xc3, 5])), 1);
        assert!(string_head(&[0xc4]).is_err_and(|e| !e.is_incomplete()));
    }

    #[test]
    fn signatures_of_both_families() {
        assert_eq!(signature(b"REDIS0011").ok(), Some((&b""[..], (Family::Redis, *b"0011"))));
        assert_eq!(signature(b"VALKEY080x").ok(), Some((&b"x"[..], (Family::Valkey, *b"0080"))));
        assert!(signature(b"HELLO").is_err_and(|e| !e.is_incomplete()));
        assert_eq!(need(signature(b"RED")), 2);
    }
}
