//! Listpack: small lists, sets, sorted sets and hashes since Redis 7.0, and the nodes of streams.
//!
//! ```text
//! u32le total size | u16le count, 65535 = not known | element* | FF
//! element:  encoding and data (L bytes) | backlen, which is L
//!
//! 0xxxxxxx                     0 to 127            F1 + i16le
//! 10llllll data                string up to 63     F2 + i24le
//! 110xxxxx xxxxxxxx            -4096 to 4095       F3 + i32le
//! 1110llll llllllll data       string up to 4095   F4 + i64le
//! F0 + u32le, data             string
//! ```
//!
//! The backlen is stored big-endian in groups of 7 bits, and is read from its last byte to its first: bit 7 says that
//! there is one more to the left. Its size follows from L, but switches a little early (see `backlen_size`).
//!
//! The walk is the hottest loop of a deep check. All of it is inlined but what is rare (a backlen of more than one byte,
//! errors), and numbers up to 127, which streams and scores are full of, and short strings are answered first: twice as
//! fast.

use std::iter::FusedIterator;

use super::{PackedEntry, PackedError, PackedErrorKind as Kind, PackedValue, canonical_int, check_frame, check_min};

const HEADER: usize = 6;
const MIN: usize = HEADER + 1;
const COUNT_AT: usize = 4;
/// The most bytes that a backlen takes.
const BACKLEN_MAX: usize = 5;

/// A listpack whose header is in order.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::packed::{Listpack, PackedError, PackedValue};
///
/// let blob = b"\x0C\0\0\0\x02\0\x81a\x02\x01\x01\xFF";
/// let entries = Listpack::new(blob)?.iter().collect::<Result<Vec<_>, PackedError>>()?;
/// assert_eq!(entries[0].value, PackedValue::Bytes(b"a"));
/// assert_eq!(entries[1].value, PackedValue::Int(1));
/// assert_eq!((entries[1].at, entries[1].end), (9, 11));
/// # Ok::<(), PackedError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Listpack<'a> {
    blob: &'a [u8],
}

impl<'a> Listpack<'a> {
    /// Checks the stated size and the terminator.
    ///
    /// # Errors
    /// [`Kind::TooShort`], [`Kind::BadTerminator`], [`Kind::TotalMismatch`].
    pub fn new(blob: &'a [u8]) -> Result<Self, PackedError> {
        check_frame(blob, MIN)?;
        Ok(Self { blob })
    }

    /// Takes any blob that has room for a header and a terminator, right or wrong: for salvage.
    ///
    /// # Errors
    /// [`Kind::TooShort`].
    pub fn with_any_header(blob: &'a [u8]) -> Result<Self, PackedError> {
        check_min(blob, MIN)?;
        Ok(Self { blob })
    }

    /// The count in the header; `None` where it says that it is not known. The iterator compares it at the end.
    #[must_use]
    pub fn stated_len(&self) -> Option<u16> {
        Some(super::u16_le(self.blob, COUNT_AT)).filter(|&count| count != u16::MAX)
    }

    /// Returns the elements, then whatever is wrong.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter { body: self.body(), at: HEADER, counted: 0, stated: self.stated_len(), done: false }
    }

    /// Returns the element at an offset that the iterator gave.
    pub(crate) fn entry_at(&self, at: usize) -> Option<PackedEntry<'a>> {
        entry(self.body(), at).ok()
    }

    /// Returns the elements from the last to the first, found by their backlen. Beginning at the terminator it is
    /// independent of anything that is wrong further ahead. Counts are not compared.
    #[must_use]
    pub fn rev_from_end(&self) -> Rev<'a> {
        Rev { body: self.body(), end: self.blob.len().saturating_sub(1) }
    }

    /// Returns all but the terminator: no element may reach beyond.
    fn body(&self) -> &'a [u8] {
        self.blob.split_last().map_or(&[], |(_, body)| body)
    }
}

impl<'a> IntoIterator for Listpack<'a> {
    type Item = Result<PackedEntry<'a>, PackedError>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the elements of a [`Listpack`]; ends after the first error.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    body: &'a [u8],
    at: usize,
    counted: u64,
    stated: Option<u16>,
    done: bool,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<PackedEntry<'a>, PackedError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        crate::base::work::did(1);
        if self.done {
            return None;
        }
        if let Some(entry) = short_entry(self.body, self.at) {
            self.at = entry.end;
            self.counted += 1;
            return Some(Ok(entry));
        }
        self.next_odd()
    }
}

impl FusedIterator for Iter<'_> {}

impl<'a> Iter<'a> {
    /// The offset in the blob of what comes next.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Passes over the next element, if it is sound and stored as a server stores it.
    #[inline]
    pub(crate) fn pass(&mut self) -> Option<()> {
        let Some(PackedEntry { end, .. }) = short_entry(self.body, self.at) else {
            return self.next()?.ok().filter(|entry| entry.canonical).map(drop);
        };
        self.at = end;
        self.counted += 1;
        Some(())
    }

    /// Returns the next element that is none of the most usual ones, or the end.
    #[inline(never)]
    fn next_odd(&mut self) -> Option<Result<PackedEntry<'a>, PackedError>> {
        let result = match self.body.get(self.at) {
            None => {
                self.done = true;
                return self.check_count().err().map(Err);
            }
            Some(0xFF) => Err(PackedError {
                start: self.at,
                failed_at: self.at + 1,
                kind: Kind::DataAfterTerminator { bytes: self.body.len() - self.at },
            }),
            Some(_) => entry(self.body, self.at),
        };
        match &result {
            Ok(entry) => {
                self.at = entry.end;
                self.counted += 1;
            }
            Err(_) => self.done = true,
        }
        Some(result)
    }

    fn check_count(&self) -> Result<(), PackedError> {
        match self.stated.map(u64::from) {
            Some(stated) if stated != self.counted => {
                let kind = Kind::CountMismatch { stated, counted: self.counted };
                Err(PackedError { start: COUNT_AT, failed_at: self.at, kind })
            }
            _ => Ok(()),
        }
    }
}

/// Iterator over the elements of a [`Listpack`] from the last to the first; ends after the first error.
#[derive(Debug, Clone)]
pub struct Rev<'a> {
    body: &'a [u8],
    end: usize,
}

impl<'a> Iterator for Rev<'a> {
    type Item = Result<PackedEntry<'a>, PackedError>;

    fn next(&mut self) -> Option<Self::Item> {
        crate::base::work::did(1);
        if self.end <= HEADER {
            return None;
        }
        let result = entry_before(self.body, self.end);
        self.end = result.as_ref().map_or(HEADER, |entry| entry.at);
        Some(result)
    }
}

impl FusedIterator for Rev<'_> {}

fn entry_before(body: &[u8], end: usize) -> Result<PackedEntry<'_>, PackedError> {
    let fail = |kind| PackedError { start: end - 1, failed_at: end - 1, kind };
    let stated = decode_backlen(body, end).ok_or_else(|| fail(Kind::EndlessBacklen))?;
    let at = usize::try_from(stated)
        .ok()
        .and_then(|len| end.checked_sub(len)?.checked_sub(backlen_size(len)))
        .filter(|&at| at >= HEADER && stated > 0)
        .ok_or_else(|| fail(Kind::BacklenBeforeStart { stated }))?;
    let entry = entry(body, at)?;
    if entry.end != end {
        let actual = value_and_len(body, at)?.1 as u64;
        return Err(PackedError { start: at, failed_at: end - 1, kind: Kind::BadBacklen { stated, actual } });
    }
    Ok(entry)
}

/// Returns the element at `at`, if it is one of those that most are: a number up to 127, or a short string.
#[inline]
fn short_entry(body: &[u8], at: usize) -> Option<PackedEntry<'_>> {
    let (value, size) = match *body.get(at..)? {
        [byte @ ..=0x7F, 1, ..] => (PackedValue::Int(i64::from(byte)), 2),
        [byte @ 0x80..=0xBF, ref tail @ ..] => {
            let len = usize::from(byte & 0x3F);
            let (text, behind) = tail.split_at_checked(len)?;
            if usize::from(*behind.first()?) != len + 1 || canonical_int(text).is_some() {
                return None;
            }
            (PackedValue::Bytes(text), len + 2)
        }
        _ => return None,
    };
    Some(PackedEntry { value, at, end: at + size, canonical: true })
}

/// Reads the element at `at`, in whatever form, and checks its backlen.
#[inline]
fn entry(body: &[u8], at: usize) -> Result<PackedEntry<'_>, PackedError> {
    let (value, len, canonical) = value_and_len(body, at)?;
    let back_at = at + len;
    let (end, exact) = match body.get(back_at) {
        Some(&byte) if byte < 0x80 && usize::from(byte) == len => (back_at + 1, true),
        _ => check_backlen(body, at, len)?,
    };
    Ok(PackedEntry { value, at, end, canonical: canonical && exact })
}

/// Checks the backlen of the element at `at`, whose encoding and data have `len` bytes. Gives the offset behind it and
/// whether its bytes are those that a writer puts there.
#[inline(never)]
fn check_backlen(body: &[u8], at: usize, len: usize) -> Result<(usize, bool), PackedError> {
    let back_at = at + len;
    let end = back_at + backlen_size(len);
    let Some(stored) = body.get(back_at..end) else {
        return Err(PackedError { start: at, failed_at: body.len(), kind: Kind::ElementBeyondEnd });
    };
    // Servers compare the number that comes out, not the bytes: a stray bit 7 that picks up zero bits of the data passes.
    let kind = match decode_backlen(body, end) {
        Some(stated) if stated == len as u64 => return Ok((end, is_backlen_of(stored, len))),
        Some(stated) => Kind::BadBacklen { stated, actual: len as u64 },
        None => Kind::EndlessBacklen,
    };
    Err(PackedError { start: at, failed_at: back_at, kind })
}

/// Returns the value at `at`, the length of encoding and data, and whether that is how a writer stores such a value.
#[inline]
fn value_and_len(body: &[u8], at: usize) -> Result<(PackedValue<'_>, usize, bool), PackedError> {
    let beyond = PackedError { start: at, failed_at: body.len(), kind: Kind::ElementBeyondEnd };
    let string = |tail, len, header, above| string(tail, len, header, above).ok_or(beyond);
    Ok(match *body.get(at..).unwrap_or_default() {
        [byte @ ..=0x7F, ..] => (PackedValue::Int(i64::from(byte)), 1, true),
        [byte @ 0x80..=0xBF, ref tail @ ..] => string(tail, usize::from(byte & 0x3F), 1, 0)?,
        [high @ 0xC0..=0xDF, low, ..] => {
            // The 13 bits are moved to the top of 16, so that the way back brings the sign down.
            let value = i64::from(i16::from_be_bytes([high << 3 | low >> 5, low << 3]) >> 3);
            (PackedValue::Int(value), 2, !(0..0x80).contains(&value))
        }
        [high @ 0xE0..=0xEF, low, ref tail @ ..] => {
            string(tail, usize::from(u16::from_be_bytes([high & 0x0F, low])), 2, 0x40)?
        }
        [0xF0, a, b, c, d, ref tail @ ..] => string(tail, u32::from_le_bytes([a, b, c, d]) as usize, 5, 0x1000)?,
        [0xF1, a, b, ..] => int(i64::from(i16::from_le_bytes([a, b])), 3, 13),
        [0xF2, a, b, c, ..] => int(super::i24_le(a, b, c), 4, 16),
        [0xF3, a, b, c, d, ..] => int(i64::from(i32::from_le_bytes([a, b, c, d])), 5, 24),
        [0xF4, a, b, c, d, e, f, g, h, ..] => int(i64::from_le_bytes([a, b, c, d, e, f, g, h]), 9, 32),
        [byte @ 0xF5..=0xFF, ..] => {
            return Err(PackedError { start: at, failed_at: at, kind: Kind::BadEncoding(byte) });
        }
        _ => return Err(beyond),
    })
}

/// Returns a string of `len` bytes behind a header of `header` bytes, which is for strings of `least` bytes and more.
#[inline]
fn string(tail: &[u8], len: usize, header: usize, least: usize) -> Option<(PackedValue<'_>, usize, bool)> {
    let bytes = tail.get(..len)?;
    let canonical = len >= least && canonical_int(bytes).is_none();
    Some((PackedValue::Bytes(bytes), header.checked_add(len)?, canonical))
}

/// Returns an integer in a form of `len` bytes, where the next smaller form holds `smaller` bits.
fn int(value: i64, len: usize, smaller: u32) -> (PackedValue<'static>, usize, bool) {
    let limit = 1 << (smaller - 1);
    (PackedValue::Int(value), len, !(-limit..limit).contains(&value))
}

/// Returns how many bytes the backlen of an element of `len` bytes takes. From the second limit on, the limits are one
/// below what would still fit.
fn backlen_size(len: usize) -> usize {
    match len {
        ..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Returns whether `stored` are just the bytes that a writer puts behind an element of `len` bytes.
fn is_backlen_of(stored: &[u8], len: usize) -> bool {
    stored.iter().rev().enumerate().all(|(place, &byte)| {
        let more = if place + 1 < stored.len() { 0x80 } else { 0 };
        usize::from(byte) == (len >> (7 * place)) & 0x7F | more
    })
}

/// Returns the backlen that ends at `end`, read from there to the left; `None` if it goes on for too long.
fn decode_backlen(body: &[u8], end: usize) -> Option<u64> {
    let mut value = 0;
    for (place, &byte) in body.get(..end)?.iter().rev().take(BACKLEN_MAX).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::{Listpack as Writer, LpForm};

    /// Returns what the iterator says last about `blob`, or the constructor.
    fn fault(blob: &[u8]) -> Option<PackedError> {
        match Listpack::new(blob) {
            Ok(list) => list.iter().last().and_then(Result::err),
            Err(error) => Some(error),
        }
    }

    #[track_caller]
    fn fails(blob: &[u8], start: usize, failed_at: usize, kind: Kind) {
        assert_eq!(fault(blob), Some(PackedError { start, failed_at, kind }), "{blob:02X?}");
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        fails(b"\x06\0\0\0\0\0", 0, 6, Kind::TooShort { min: 7 });
        fails(Writer::new().total(99).finish().as_slice(), 0, 0, Kind::TotalMismatch { stated: 99, actual: 7 });
        fails(&Writer::new().push(b"a").terminator(&[0]).finish(), 9, 9, Kind::BadTerminator(0));
        fails(&Writer::new().push(b"a").count(2).finish(), 4, 9, Kind::CountMismatch { stated: 2, counted: 1 });
        let early = Writer::new().push(b"a").terminator(&[0xFF, 0, 0xFF]).finish();
        fails(&early, 9, 10, Kind::DataAfterTerminator { bytes: 2 });
        fails(&Writer::new().push(b"a").push_raw(&[0xF5], &[1]).finish(), 9, 9, Kind::BadEncoding(0xF5));
        fails(&Writer::new().push_raw(&[0x85, b'a'], &[6]).finish(), 6, 9, Kind::ElementBeyondEnd);
        fails(&Writer::new().push_raw(&[0x81, b'a'], &[]).finish(), 6, 8, Kind::ElementBeyondEnd);
        fails(&Writer::new().push_raw(b"\xF0\xFF\xFF\xFF\xFF", &[]).finish(), 6, 11, Kind::ElementBeyondEnd);
        let off = Kind::BadBacklen { stated: 3, actual: 2 };
        fails(&Writer::new().push_with_backlen(b"a", &[3]).finish(), 6, 8, off);
        let endless = Writer::new().push_raw(b"\x85\xFF\xFF\xFF\xFF\xFF", &[0x86]).finish();
        fails(&endless, 6, 12, Kind::EndlessBacklen);
    }

    #[test]
    fn an_unknown_count_is_not_compared() {
        let blob = Writer::new().push(b"a").count(0xFFFF).finish();
        assert_eq!(fault(&blob), None);
        assert_eq!(Listpack::new(&blob).expect("sound").stated_len(), None);
    }

    #[test]
    fn forms_that_no_server_writes_are_read_but_not_canonical() {
        let forms = [
            (LpForm::Int13, "0"),
            (LpForm::Int13, "127"),
            (LpForm::Int16, "-4096"),
            (LpForm::Int24, "32767"),
            (LpForm::Int32, "-8388608"),
            (LpForm::Int64, "2147483647"),
            (LpForm::Str6, "0"),
            (LpForm::Str6, "-9223372036854775808"),
            (LpForm::Str12, "short"),
            (LpForm::Str32, "short"),
        ];
        for (form, text) in forms {
            let blob = Writer::new().push_as(form, text.as_bytes()).finish();
            let entry = Listpack::new(&blob).expect("sound").iter().next().expect("one").expect("readable");
            assert_eq!(entry.value.text(&mut super::super::IntText::new()), text.as_bytes());
            assert!(!entry.canonical, "{form:?} {text}");
        }
        let spare_bit = Writer::new().push_raw(&[0xF1, 0, 0x10], &[0x83]).finish();
        assert_eq!(
            fault(&spare_bit).map(|error| error.kind),
            Some(Kind::BadBacklen { stated: 3 | 0x10 << 7, actual: 3 })
        );
        let spare_bit = Writer::new().push_raw(&[0xF2, 0, 0x10, 0], &[0x84]).finish();
        let entry = Listpack::new(&spare_bit).expect("sound").iter().next().expect("one").expect("readable");
        assert_eq!((entry.value, entry.canonical), (PackedValue::Int(4096), false));
    }

    #[test]
    fn the_size_of_a_backlen_switches_where_servers_do() {
        for len in [122, 123, 124, 16_377, 16_378, 16_379, 2_097_145, 2_097_146, 2_097_147] {
            let blob = Writer::of([vec![b'x'; len]]);
            assert_eq!(fault(&blob), None, "{len}");
            assert!(Listpack::new(&blob).expect("sound").iter().all(|entry| entry.is_ok_and(|entry| entry.canonical)));
        }
        assert_eq!((backlen_size(268_435_454), backlen_size(268_435_455)), (4, 5));
    }

    #[test]
    fn from_the_end_past_damage_ahead() {
        let mut blob = Writer::of(["one", "2", "three"]);
        blob[6] = 0xF7;
        let list = Listpack::with_any_header(&blob).expect("long enough");
        let found: Vec<_> = list.rev_from_end().collect();
        assert_eq!(found[0].expect("whole").value, PackedValue::Bytes(b"three"));
        assert_eq!(found[1].expect("whole").value, PackedValue::Int(2));
        assert_eq!(found[2].expect_err("damaged").kind, Kind::BadEncoding(0xF7));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn from_the_end_no_backlen_is_believed() {
        let reach = Writer::new().push_with_backlen(b"a", &[9]).finish();
        let kinds = |blob: &[u8]| -> Vec<_> {
            let list = Listpack::with_any_header(blob).expect("long enough");
            list.rev_from_end().map(|entry| entry.map_err(|error| error.kind).err()).collect()
        };
        assert_eq!(kinds(&reach), [Some(Kind::BacklenBeforeStart { stated: 9 })]);
        let none = Writer::new().push_with_backlen(b"a", &[0]).finish();
        assert_eq!(kinds(&none), [Some(Kind::BacklenBeforeStart { stated: 0 })]);
        let endless = Writer::new().push_raw(&[0x84, 0xFF, 0xFF, 0xFF, 0xFF], &[0x85]).finish();
        assert_eq!(kinds(&endless), [Some(Kind::EndlessBacklen)]);
        let short = Writer::new().push(b"1").push_raw(&[1, 1, 1], &[3]).finish();
        assert_eq!(kinds(&short), [Some(Kind::BadBacklen { stated: 3, actual: 1 })]);
    }
}
