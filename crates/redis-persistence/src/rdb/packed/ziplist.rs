//! Ziplist: small lists, sorted sets and hashes of Redis 2.4 to 6.2.
//!
//! ```text
//! u32le zlbytes, the total size | u32le zltail, the offset of the last entry | u16le zllen, 65535 = not known
//! entry* | FF
//! entry:    prevlen (size of the entry before, 0 for the first) | encoding | data
//! prevlen:  one byte 0 to FD, or FE + u32le
//!
//! 00llllll data                string up to 63        C0 + i16le    F0 + i24le
//! 01llllll llllllll data       string up to 16383     D0 + i32le    FE + i8
//! 10______ + u32be, data       string                 E0 + i64le    F1 to FD: 0 to 12
//! ```
//!
//! An entry that grew keeps the long form of its prevlen when the one before it shrinks, so FE before a small number is
//! what servers write. Redis 2.4 knew only the integers of 2, 4 and 8 bytes, and later servers kept what it wrote; so the
//! shortest of those three counts as canonical too.

use std::iter::FusedIterator;

use super::{PackedEntry, PackedError, PackedErrorKind as Kind, PackedValue, canonical_int, check_frame, check_min};

const HEADER: usize = 10;
const MIN: usize = HEADER + 1;
const TAIL_AT: usize = 4;
const COUNT_AT: usize = 8;

/// A ziplist whose header is in order.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::packed::{PackedError, PackedValue, Ziplist};
///
/// let blob = b"\x0F\0\0\0\x0C\0\0\0\x02\0\x00\xF3\x02\xF6\xFF";
/// let entries = Ziplist::new(blob)?.iter().collect::<Result<Vec<_>, PackedError>>()?;
/// assert_eq!(entries[0].value, PackedValue::Int(2));
/// assert_eq!((entries[1].value, entries[1].at), (PackedValue::Int(5), 12));
/// # Ok::<(), PackedError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ziplist<'a> {
    blob: &'a [u8],
}

impl<'a> Ziplist<'a> {
    /// Checks the stated size, the terminator, and that the last entry is placed inside the blob.
    ///
    /// # Errors
    /// [`Kind::TooShort`], [`Kind::BadTerminator`], [`Kind::TotalMismatch`], [`Kind::TailNowhere`].
    pub fn new(blob: &'a [u8]) -> Result<Self, PackedError> {
        check_frame(blob, MIN)?;
        let list = Self { blob };
        let stated = list.stated_tail();
        if stated as usize >= blob.len() {
            return Err(PackedError { start: TAIL_AT, failed_at: TAIL_AT, kind: Kind::TailNowhere { stated } });
        }
        Ok(list)
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

    /// Returns the offset of the last entry that the header states. The iterator compares it at the end, but not in an
    /// empty list, where servers do not look at it either; writers set it to 10 there.
    #[must_use]
    pub fn stated_tail(&self) -> u32 {
        super::u32_le(self.blob, TAIL_AT)
    }

    /// Returns the entries, then whatever is wrong.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter { list: *self, at: HEADER, previous: None, counted: 0, done: false }
    }

    /// Returns the entry at an offset that the iterator gave.
    pub(crate) fn entry_at(&self, at: usize) -> Option<PackedEntry<'a>> {
        entry(self.body(), at, None).ok().map(|(_, entry)| entry)
    }

    /// Returns the entries from the last to the first, found by the header's offset of the last one and by prevlen. Counts
    /// are not compared.
    #[must_use]
    pub fn rev_from_end(&self) -> Rev<'a> {
        let last = self.body().len();
        let start = if last == HEADER { Place::Done } else { Place::Tail };
        Rev { list: *self, place: start, end: last }
    }

    /// Returns all but the terminator: no entry may reach beyond.
    fn body(&self) -> &'a [u8] {
        self.blob.split_last().map_or(&[], |(_, body)| body)
    }
}

impl<'a> IntoIterator for Ziplist<'a> {
    type Item = Result<PackedEntry<'a>, PackedError>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the entries of a [`Ziplist`]; ends after the first error.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    list: Ziplist<'a>,
    at: usize,
    /// Where the entry before begins.
    previous: Option<usize>,
    counted: u64,
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
        let body = self.list.body();
        let result = match body.get(self.at) {
            None => {
                self.done = true;
                return self.check_header().err().map(Err);
            }
            Some(0xFF) => Err(PackedError {
                start: self.at,
                failed_at: self.at + 1,
                kind: Kind::DataAfterTerminator { bytes: body.len() - self.at },
            }),
            Some(_) => {
                let before = self.previous.map_or(0, |previous| self.at - previous);
                entry(body, self.at, Some(before)).map(|(_, entry)| entry)
            }
        };
        match &result {
            Ok(entry) => {
                self.previous = Some(self.at);
                self.at = entry.end;
                self.counted += 1;
            }
            Err(_) => self.done = true,
        }
        Some(result)
    }
}

impl FusedIterator for Iter<'_> {}

impl Iter<'_> {
    /// Returns what the header states, against what was found.
    fn check_header(&self) -> Result<(), PackedError> {
        let fail = |start, kind| Err(PackedError { start, failed_at: self.at, kind });
        let stated = self.list.stated_tail();
        if let Some(actual) = self.previous
            && actual != stated as usize
        {
            return fail(TAIL_AT, Kind::TailMismatch { stated, actual });
        }
        match self.list.stated_len().map(u64::from) {
            Some(stated) if stated != self.counted => {
                fail(COUNT_AT, Kind::CountMismatch { stated, counted: self.counted })
            }
            _ => Ok(()),
        }
    }
}

/// Iterator over the entries of a [`Ziplist`] from the last to the first; ends after the first error.
#[derive(Debug, Clone)]
pub struct Rev<'a> {
    list: Ziplist<'a>,
    place: Place,
    /// Where the next entry must end.
    end: usize,
}

/// What leads to the next entry.
#[derive(Debug, Clone, Copy)]
enum Place {
    Tail,
    /// The prevlen of the entry after it, which begins where the next one ends.
    Prevlen(u32),
    Done,
}

impl<'a> Iterator for Rev<'a> {
    type Item = Result<PackedEntry<'a>, PackedError>;

    fn next(&mut self) -> Option<Self::Item> {
        crate::base::work::did(1);
        let (at, start, lost) = match self.place {
            Place::Done => return None,
            Place::Tail => {
                let stated = self.list.stated_tail();
                (Some(stated as usize), TAIL_AT, Kind::TailNowhere { stated })
            }
            Place::Prevlen(stated) => {
                (self.end.checked_sub(stated as usize), self.end, Kind::PrevlenNowhere { stated })
            }
        };
        self.place = Place::Done;
        let lost = PackedError { start, failed_at: start, kind: lost };
        let Some(at) = at.filter(|at| (HEADER..self.end).contains(at)) else { return Some(Err(lost)) };
        Some(entry(self.list.body(), at, None).and_then(|(prevlen, entry)| {
            if entry.end != self.end {
                return Err(lost);
            }
            self.end = at;
            match (at == HEADER, prevlen) {
                (true, 0) => {}
                (true, stated) => {
                    return Err(PackedError { start: at, failed_at: at, kind: Kind::BadPrevlen { stated, actual: 0 } });
                }
                (false, stated) => self.place = Place::Prevlen(stated),
            }
            Ok(entry)
        }))
    }
}

impl FusedIterator for Rev<'_> {}

/// Reads the entry at `at`; `before` is the size of the one before it, where that is known. Gives its prevlen too.
#[inline]
fn entry(body: &[u8], at: usize, before: Option<usize>) -> Result<(u32, PackedEntry<'_>), PackedError> {
    let beyond = PackedError { start: at, failed_at: body.len(), kind: Kind::ElementBeyondEnd };
    let (prevlen, coded) = match *body.get(at..).unwrap_or_default() {
        [byte @ ..=0xFD, ref rest @ ..] => (u32::from(byte), rest),
        [0xFE, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]), rest),
        [0xFF, ..] => return Err(PackedError { start: at, failed_at: at, kind: Kind::BadEncoding(0xFF) }),
        _ => return Err(beyond),
    };
    if let Some(actual) = before
        && prevlen as usize != actual
    {
        let kind = Kind::BadPrevlen { stated: prevlen, actual };
        return Err(PackedError { start: at, failed_at: at, kind });
    }
    let string = |tail, len, least| string(tail, len, least).ok_or(beyond);
    let (value, rest, canonical) = match *coded {
        [byte @ ..=0x3F, ref tail @ ..] => string(tail, usize::from(byte), 0)?,
        [high @ 0x40..=0x7F, low, ref tail @ ..] => {
            string(tail, usize::from(u16::from_be_bytes([high & 0x3F, low])), 0x40)?
        }
        [first @ 0x80..=0xBF, a, b, c, d, ref tail @ ..] => {
            let (value, rest, canonical) = string(tail, u32::from_be_bytes([a, b, c, d]) as usize, 0x4000)?;
            (value, rest, canonical && first == 0x80)
        }
        [0xC0, a, b, ref rest @ ..] => (PackedValue::Int(i64::from(i16::from_le_bytes([a, b]))), rest, true),
        [0xD0, a, b, c, d, ref rest @ ..] => {
            let value = i64::from(i32::from_le_bytes([a, b, c, d]));
            (PackedValue::Int(value), rest, i16::try_from(value).is_err())
        }
        [0xE0, a, b, c, d, e, f, g, h, ref rest @ ..] => {
            let value = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
            (PackedValue::Int(value), rest, i32::try_from(value).is_err())
        }
        [0xF0, a, b, c, ref rest @ ..] => {
            let value = super::i24_le(a, b, c);
            (PackedValue::Int(value), rest, i16::try_from(value).is_err())
        }
        [0xFE, byte, ref rest @ ..] => {
            let value = i64::from(byte.cast_signed());
            (PackedValue::Int(value), rest, !(0..=12).contains(&value))
        }
        [byte @ 0xF1..=0xFD, ref rest @ ..] => (PackedValue::Int(i64::from(byte - 0xF1)), rest, true),
        [byte @ (0xC1..=0xCF | 0xD1..=0xDF | 0xE1..=0xEF | 0xFF), ..] => {
            let failed_at = body.len() - coded.len();
            return Err(PackedError { start: at, failed_at, kind: Kind::BadEncoding(byte) });
        }
        _ => return Err(beyond),
    };
    Ok((prevlen, PackedEntry { value, at, end: body.len() - rest.len(), canonical }))
}

/// Returns a string of `len` bytes in a form that is for strings of `least` bytes and more; what follows it; whether it is
/// canonical.
fn string(tail: &[u8], len: usize, least: usize) -> Option<(PackedValue<'_>, &[u8], bool)> {
    let (bytes, rest) = tail.split_at_checked(len)?;
    Some((PackedValue::Bytes(bytes), rest, len >= least && canonical_int(bytes).is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::Ziplist as Writer;

    fn fault(blob: &[u8]) -> Option<PackedError> {
        match Ziplist::new(blob) {
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
        fails(b"\x0A\0\0\0\x0A\0\0\0\0\0", 0, 10, Kind::TooShort { min: 11 });
        fails(&Writer::new().total(99).finish(), 0, 0, Kind::TotalMismatch { stated: 99, actual: 11 });
        fails(&Writer::new().terminator(&[0]).finish(), 10, 10, Kind::BadTerminator(0));
        fails(&Writer::new().tail(11).finish(), 4, 4, Kind::TailNowhere { stated: 11 });
        fails(&Writer::new().tail(u32::MAX).finish(), 4, 4, Kind::TailNowhere { stated: u32::MAX });
        let two = |edit: fn(&mut Writer)| {
            let mut writer = Writer::new();
            edit(writer.push(b"a").push(b"b"));
            writer.finish()
        };
        let count = Kind::CountMismatch { stated: 3, counted: 2 };
        fails(&two(|writer| _ = writer.count(3)), 8, 16, count);
        fails(&two(|writer| _ = writer.tail(10)), 4, 16, Kind::TailMismatch { stated: 10, actual: 13 });
        let early = two(|writer| _ = writer.terminator(&[0xFF, 7, 0xFF]));
        fails(&early, 16, 17, Kind::DataAfterTerminator { bytes: 2 });
        let prevlen = two(|writer| _ = writer.push_with_prevlen(4, b"c"));
        fails(&prevlen, 16, 16, Kind::BadPrevlen { stated: 4, actual: 3 });
        let first = Writer::new().push_with_prevlen(1, b"c").finish();
        fails(&first, 10, 10, Kind::BadPrevlen { stated: 1, actual: 0 });
        for byte in [0xC1, 0xCF, 0xD1, 0xDF, 0xE1, 0xEF, 0xFF] {
            let blob = Writer::new().push(b"a").push_raw(&[3], &[byte; 9]).finish();
            fails(&blob, 13, 14, Kind::BadEncoding(byte));
        }
        let long = Writer::new().push_raw(&[0], b"\x80\xFF\xFF\xFF\xFF").finish();
        fails(&long, 10, 16, Kind::ElementBeyondEnd);
        fails(&Writer::new().push_raw(&[0xFE, 0, 0], b"").finish(), 10, 13, Kind::ElementBeyondEnd);
    }

    #[test]
    fn what_servers_write_is_canonical() {
        let texts = ["12", "13", "-1", "127", "-129", "32768", "8388608", "2147483648", "012", "x"];
        let long = "x".repeat(300);
        for version in [2, 9] {
            let blob = Writer::of(version, texts.iter().copied().chain([long.as_str(), "5"]));
            let entries = Ziplist::new(&blob).expect("sound").iter();
            assert!(entries.map(|entry| entry.expect("sound")).all(|entry| entry.canonical), "version {version}");
        }
        let wide = Writer::new().push(b"a").push_with_wide_prevlen(b"b").finish();
        assert!(Ziplist::new(&wide).expect("sound").iter().all(|entry| entry.is_ok_and(|entry| entry.canonical)));
    }

    #[test]
    fn forms_that_no_server_writes_are_not_canonical() {
        let bodies: [&[u8]; 9] = [
            b"\xFE\x05",
            b"\xF0\x05\0\0",
            b"\xD0\x05\0\0\0",
            b"\xE0\x05\0\0\0\0\0\0\0",
            b"\x015",
            b"\x14-9223372036854775808",
            b"\x40\x01x",
            b"\x80\0\0\0\x01x",
            b"\xBF\0\0\0\x01x",
        ];
        for body in bodies {
            let blob = Writer::new().push_raw(&[0], body).finish();
            let entry = Ziplist::new(&blob).expect("sound").iter().next().expect("one").expect("readable");
            assert!(!entry.canonical, "{body:02X?}");
        }
    }

    #[test]
    fn from_the_end_past_damage_ahead() {
        let mut blob = Writer::of(9, ["one", "2", "three"]);
        blob[11] = 0xC7;
        let list = Ziplist::new(&blob).expect("the header is whole");
        let found: Vec<_> = list.rev_from_end().collect();
        assert_eq!(found[0].expect("whole").value, PackedValue::Bytes(b"three"));
        assert_eq!(found[1].expect("whole").value, PackedValue::Int(2));
        assert_eq!(found[2].expect_err("damaged").kind, Kind::BadEncoding(0xC7));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn from_the_end_no_offset_is_believed() {
        let kinds = |blob: &[u8]| -> Vec<_> {
            let list = Ziplist::with_any_header(blob).expect("long enough");
            list.rev_from_end().map(|entry| entry.map_err(|error| error.kind).err()).collect()
        };
        for stated in [0, 9, 10, 16, u32::MAX] {
            let blob = Writer::new().push(b"a").push(b"b").tail(stated).finish();
            assert_eq!(kinds(&blob), [Some(Kind::TailNowhere { stated })]);
        }
        assert_eq!(kinds(&Writer::new().push(b"a").tail(11).finish()), [Some(Kind::ElementBeyondEnd)]);
        for stated in [0, 1, 4, 99] {
            let blob = Writer::new().push(b"a").push_with_prevlen(stated, b"b").finish();
            assert_eq!(kinds(&blob), [None, Some(Kind::PrevlenNowhere { stated })]);
        }
        let first = Writer::new().push_with_prevlen(7, b"a").finish();
        assert_eq!(kinds(&first), [Some(Kind::BadPrevlen { stated: 7, actual: 0 })]);
        assert_eq!(kinds(&Writer::new().tail(3).finish()), []);
    }
}
