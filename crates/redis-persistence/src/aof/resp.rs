//! The lines of RESP as append-only files use it.
//!
//! ```text
//! *<count> CR LF                       a command of <count> arguments, each
//!   $<length> CR LF <bytes> CR LF
//! ```
//! Two readers of the same lines. The strict one takes what a writer makes: plain decimal numbers, CR LF. It is on nom's
//! streaming parsers, so that "more bytes are wanted" and "this is wrong" cannot be mixed up. The tolerant one does what the
//! servers and their check tools do: read a line of at most this many bytes into a buffer and let the C library's `strtol`
//! look at it. Payloads are not read here; the caller knows their length and passes over them.

use nom::bytes::streaming::tag;
use nom::error::{Error, ErrorKind};
use nom::sequence::delimited;
use nom::{Err, IResult, Needed, Parser};

/// The result of a strict reader; the error says where in the input it stopped.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Error<&'a [u8]>>;

/// `*<count>` CR LF.
pub(crate) fn multibulk(input: &[u8]) -> Parsed<'_, u64> {
    header::<b'*'>(input)
}

/// `$<length>` CR LF.
pub(crate) fn bulk(input: &[u8]) -> Parsed<'_, u64> {
    header::<b'$'>(input)
}

/// Numbers of one and two digits, which nearly all are, are told by their shape: that takes a quarter off the time of a walk.
#[inline]
fn header<const PREFIX: u8>(input: &[u8]) -> Parsed<'_, u64> {
    match input {
        [prefix, digit @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *prefix == PREFIX => {
            Ok((rest, u64::from(digit - b'0')))
        }
        [prefix, ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *prefix == PREFIX => {
            Ok((rest, u64::from(ten - b'0') * 10 + u64::from(one - b'0')))
        }
        _ => delimited(tag(&[PREFIX][..]), number, tag(&b"\r\n"[..])).parse(input),
    }
}

/// The digits of the largest number that fits, so that adding them up cannot overflow.
const MAX_DIGITS: usize = 19;

/// Returns a decimal number without sign, blanks or leading zeros, at most `i64::MAX`.
///
/// One loop instead of combinators: it runs over every byte of every header.
pub(crate) fn number(input: &[u8]) -> Parsed<'_, u64> {
    let mut value = 0_u64;
    for (at, byte) in input.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let plain = at > 0 && (at == 1 || input[0] != b'0') && i64::try_from(value).is_ok();
            return if plain { Ok((&input[at..], value)) } else { Err(not_plain(input)) };
        }
        if at == MAX_DIGITS {
            return Err(not_plain(input));
        }
        value = value * 10 + u64::from(digit);
    }
    Err(Err::Incomplete(Needed::new(1)))
}

#[cold]
fn not_plain(input: &[u8]) -> Err<Error<&[u8]>> {
    Err::Error(Error::new(input, ErrorKind::Digit))
}

/// A line as C's `fgets` would deliver it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Up to and including the LF; or `limit` bytes without one; or what stands before the end of the file.
    Read(&'a [u8]),
    /// The file ends here.
    End,
    /// It takes more bytes to say.
    More,
}

/// Returns the next line of `data`, in at most `limit` bytes. `eof`: no byte follows `data`.
pub(crate) fn line(data: &[u8], limit: usize, eof: bool) -> Line<'_> {
    let window = &data[..data.len().min(limit)];
    match memchr::memchr(b'\n', window) {
        Some(lf) => Line::Read(&window[..=lf]),
        None if window.len() == limit => Line::Read(window),
        None if !eof => Line::More,
        None if window.is_empty() => Line::End,
        None => Line::Read(window),
    }
}

/// What C's `strtol` in base 10 makes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strtol {
    /// The value; `i64::MAX` or `i64::MIN` where it does not fit.
    pub value: i64,
    /// How many bytes it took; 0 where there is no number.
    pub end: usize,
    /// Whether the number did not fit.
    pub overflow: bool,
}

/// Reads a number the way C's `strtol` does: blanks, one sign, digits; what follows is not looked at.
pub(crate) fn strtol(text: &[u8]) -> Strtol {
    let blanks = text.iter().take_while(|&&byte| is_space(byte)).count();
    let sign = usize::from(matches!(text.get(blanks), Some(b'+' | b'-')));
    let negative = text.get(blanks) == Some(&b'-');
    let first = blanks + sign;
    let mut value = 0_i64;
    let mut overflow = false;
    let mut end = first;
    while let Some(digit) = text.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        // Counted downwards, because the negative side is the larger one.
        let next = value.checked_mul(10).and_then(|value| value.checked_sub(i64::from(digit)));
        overflow |= next.is_none();
        value = next.unwrap_or(i64::MIN);
        end += 1;
    }
    if end == first {
        return Strtol { value: 0, end: 0, overflow: false };
    }
    if !negative {
        overflow |= value == i64::MIN;
        value = value.checked_neg().unwrap_or(i64::MAX);
    }
    if overflow {
        value = if negative { i64::MIN } else { i64::MAX };
    }
    Strtol { value, end, overflow }
}

/// Returns what C's `atoi` makes of a text: `strtol`, of which the low 32 bits stay.
pub(crate) fn atoi(text: &[u8]) -> i32 {
    let [a, b, c, d, ..] = strtol(text).value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// C's `isspace` in the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_headers_are_what_a_writer_makes() {
        assert_eq!(multibulk(b"*3\r\n$"), Ok((&b"$"[..], 3)));
        assert_eq!(bulk(b"$0\r\n"), Ok((&b""[..], 0)));
        assert_eq!(bulk(b"$9223372036854775807\r\n"), Ok((&b""[..], 9_223_372_036_854_775_807)));
        for odd in
            ["$3\r\n", "*\r\n", "*+3\r\n", "* 3\r\n", "*03\r\n", "*3 \r\n", "*3\n", "*3a\r\n", "*-1\r\n", "*3\r\r\n"]
        {
            assert!(matches!(multibulk(odd.as_bytes()), Err(Err::Error(_))), "{odd:?}");
        }
        for over in ["*9223372036854775808\r\n", "*18446744073709551617\r\n", "*99999999999999999999"] {
            assert!(matches!(multibulk(over.as_bytes()), Err(Err::Error(_))), "{over:?}");
        }
    }

    #[test]
    fn a_cut_header_wants_more() {
        let whole = b"*123\r\n";
        for cut in 0..whole.len() {
            assert!(matches!(multibulk(&whole[..cut]), Err(Err::Incomplete(_))), "{cut}");
        }
    }

    #[test]
    fn strtol_follows_c() {
        let cases: [(&str, i64, usize, bool); 14] = [
            ("3\r\n", 3, 1, false),
            ("", 0, 0, false),
            ("\r\n", 0, 0, false),
            (" \t\n\x0b\x0c\r7x", 7, 7, false),
            ("+3", 3, 2, false),
            ("-12 ", -12, 3, false),
            ("+-3", 0, 0, false),
            ("-", 0, 0, false),
            ("000000000000000000000000000012", 12, 30, false),
            ("9223372036854775807", i64::MAX, 19, false),
            ("9223372036854775808", i64::MAX, 19, true),
            ("-9223372036854775808", i64::MIN, 20, false),
            ("-9223372036854775809", i64::MIN, 20, true),
            ("92233720368547758079223372036854775807x", i64::MAX, 38, true),
        ];
        for (text, value, end, overflow) in cases {
            assert_eq!(strtol(text.as_bytes()), Strtol { value, end, overflow }, "{text:?}");
        }
        assert_eq!(atoi(b"4294967299"), 3);
        assert_eq!(atoi(b"2147483648"), i32::MIN);
        assert_eq!(atoi(b"99999999999999999999"), -1);
    }

    #[test]
    fn lines_end_at_lf_limit_or_end_of_file() {
        assert_eq!(line(b"ab\ncd", 10, false), Line::Read(b"ab\n"));
        assert_eq!(line(b"abcd", 3, false), Line::Read(b"abc"));
        assert_eq!(line(b"ab\n", 2, false), Line::Read(b"ab"));
        assert_eq!(line(b"ab", 10, false), Line::More);
        assert_eq!(line(b"ab", 10, true), Line::Read(b"ab"));
        assert_eq!(line(b"", 10, true), Line::End);
        assert_eq!(line(b"", 10, false), Line::More);
    }
}
