//! Zipmap: small hashes before Redis 2.6.
//!
//! ```text
//! u8 count, 254 = not known | pair* | FF
//! pair:    length, key | length | u8 free | value | as many unused bytes as `free` says
//! length:  one byte 0 to FD, or FE + u32le
//! ```
//!
//! A terminator before the last byte ends the pairs, and servers pass over what follows; such hidden bytes are no error
//! here either ([`Iter::hidden`] tells of them). Nor is any number of unused bytes; writers leave at most 4.

use std::iter::FusedIterator;

use super::{PackedError, PackedErrorKind as Kind, check_end};

const HEADER: usize = 1;
const MIN: usize = HEADER + 1;
const BIG: u8 = 0xFE;
const SMALL_MAX: u8 = BIG - 1;
const END: u8 = 0xFF;

/// A zipmap that has a header and a terminator.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::packed::{PackedError, Zipmap};
///
/// let pairs = Zipmap::new(b"\x01\x01f\x01\x00v\xFF")?.iter().collect::<Result<Vec<_>, PackedError>>()?;
/// assert_eq!((pairs[0].key, pairs[0].value, pairs[0].free), (&b"f"[..], &b"v"[..], 0));
/// # Ok::<(), PackedError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Zipmap<'a> {
    blob: &'a [u8],
}

/// A field of a hash and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipmapPair<'a> {
    /// The field.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// How many unused bytes follow the value. Writers leave at most 4.
    pub free: u8,
    /// The offset in the blob at which the pair begins.
    pub at: usize,
    /// The offset in the blob behind it and its unused bytes.
    pub end: usize,
}

impl<'a> Zipmap<'a> {
    /// Checks that there is a terminator at the end.
    ///
    /// # Errors
    /// [`Kind::TooShort`], [`Kind::BadTerminator`].
    pub fn new(blob: &'a [u8]) -> Result<Self, PackedError> {
        check_end(blob, MIN)?;
        Ok(Self { blob })
    }

    /// The count in the header; `None` where it says that it is not known. The iterator compares it at the end.
    #[must_use]
    pub fn stated_len(&self) -> Option<u8> {
        self.blob.first().copied().filter(|&count| count != BIG)
    }

    /// Returns the pair at an offset that the iterator gave.
    pub(crate) fn pair_at(&self, at: usize) -> Option<ZipmapPair<'a>> {
        pair(self.blob.split_last()?.1, at).ok()
    }

    /// Returns the pairs, then whatever is wrong.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter { map: *self, at: HEADER, counted: 0, done: false }
    }
}

impl<'a> IntoIterator for Zipmap<'a> {
    type Item = Result<ZipmapPair<'a>, PackedError>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the pairs of a [`Zipmap`]; ends after the first error.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    map: Zipmap<'a>,
    at: usize,
    counted: u64,
    done: bool,
}

impl Iter<'_> {
    /// Once the iterator ended without an error: the number of bytes that stand behind the terminator, and are no part of
    /// the hash. 0 in what a server writes. [`Iter::offset`] is where the terminator lies.
    #[must_use]
    pub fn hidden(&self) -> usize {
        if self.map.blob.get(self.at) == Some(&END) { self.map.blob.len() - 1 - self.at } else { 0 }
    }

    /// The offset in the blob of what comes next; of the terminator once the pairs are at their end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<ZipmapPair<'a>, PackedError>;

    fn next(&mut self) -> Option<Self::Item> {
        crate::base::work::did(1);
        if self.done {
            return None;
        }
        let body = self.map.blob.split_last().map_or(&[][..], |(_, body)| body);
        if matches!(body.get(self.at), None | Some(&END)) {
            self.done = true;
            let stated = self.map.stated_len().map(u64::from).filter(|&stated| stated != self.counted)?;
            let kind = Kind::CountMismatch { stated, counted: self.counted };
            return Some(Err(PackedError { start: 0, failed_at: self.at, kind }));
        }
        let result = pair(body, self.at);
        match &result {
            Ok(pair) => {
                self.at = pair.end;
                self.counted += 1;
            }
            Err(_) => self.done = true,
        }
        Some(result)
    }
}

impl FusedIterator for Iter<'_> {}

fn pair(body: &[u8], at: usize) -> Result<ZipmapPair<'_>, PackedError> {
    let beyond = PackedError { start: at, failed_at: body.len(), kind: Kind::ElementBeyondEnd };
    let rest = body.get(at..).ok_or(beyond)?;
    let (key_len, rest) = length(body, rest, at)?;
    let (key, rest) = rest.split_at_checked(key_len as usize).ok_or(beyond)?;
    let (value_len, rest) = length(body, rest, at)?;
    let (&free, rest) = rest.split_first().ok_or(beyond)?;
    let (value, rest) = rest.split_at_checked(value_len as usize).ok_or(beyond)?;
    let rest = rest.get(usize::from(free)..).ok_or(beyond)?;
    Ok(ZipmapPair { key, value, free, at, end: body.len() - rest.len() })
}

/// Reads the length that `rest`, which lies at the end of `body`, begins with.
fn length<'a>(body: &[u8], rest: &'a [u8], start: usize) -> Result<(u32, &'a [u8]), PackedError> {
    let here = body.len() - rest.len();
    let (failed_at, kind) = match *rest {
        [byte @ ..=SMALL_MAX, ref rest @ ..] => return Ok((u32::from(byte), rest)),
        [BIG, a, b, c, d, ref rest @ ..] => match u32::from_le_bytes([a, b, c, d]) {
            short if short < u32::from(BIG) => (here, Kind::LongFormLength(short)),
            length => return Ok((length, rest)),
        },
        [END, ..] => (here, Kind::BadEncoding(END)),
        _ => (body.len(), Kind::ElementBeyondEnd),
    };
    Err(PackedError { start, failed_at, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::Zipmap as Writer;

    fn fault(blob: &[u8]) -> Option<PackedError> {
        match Zipmap::new(blob) {
            Ok(map) => map.iter().last().and_then(Result::err),
            Err(error) => Some(error),
        }
    }

    #[track_caller]
    fn fails(blob: &[u8], start: usize, failed_at: usize, kind: Kind) {
        assert_eq!(fault(blob), Some(PackedError { start, failed_at, kind }), "{blob:02X?}");
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        fails(b"\xFF", 0, 1, Kind::TooShort { min: 2 });
        fails(b"\x00\x00", 1, 1, Kind::BadTerminator(0));
        let one = Writer::new().pair(b"f", b"v").count(2).finish();
        fails(&one, 0, 6, Kind::CountMismatch { stated: 2, counted: 1 });
        let long_form = Writer::new().pair(b"f", b"v").pair_raw(b"\xFE\xFD\0\0\0").finish();
        fails(&long_form, 6, 6, Kind::LongFormLength(253));
        fails(&Writer::new().pair_raw(b"\x01f\xFE\x01\0\0\0").finish(), 1, 3, Kind::LongFormLength(1));
        fails(&Writer::new().pair_raw(b"\x01f\xFF").finish(), 1, 3, Kind::BadEncoding(0xFF));
        for cut in [&b"\x02f"[..], b"\x01f", b"\x01f\x01", b"\x01f\x01\0", b"\x01f\x01\x01v", b"\xFE\xFF\xFF\xFF\xFF"] {
            let blob = Writer::new().pair_raw(cut).finish();
            fails(&blob, 1, blob.len() - 1, Kind::ElementBeyondEnd);
        }
    }

    #[test]
    fn hidden_and_unused_bytes_are_told_but_no_fault() {
        let blob = Writer::new().pair_with_free(b"f", b"v", b"12345").terminator(b"\xFFhid\xFF").finish();
        let map = Zipmap::new(&blob).expect("sound");
        let mut pairs = map.iter();
        assert_eq!(pairs.next().map(|pair| pair.map(|pair| (pair.free, pair.at, pair.end))), Some(Ok((5, 1, 11))));
        assert_eq!(pairs.next(), None);
        assert_eq!((pairs.hidden(), pairs.offset()), (4, 11));

        let plain = Writer::new().pair(b"f", b"v").finish();
        let mut pairs = Zipmap::new(&plain).expect("sound").iter();
        assert_eq!(pairs.by_ref().count(), 1);
        assert_eq!((pairs.hidden(), pairs.offset()), (0, 6));
    }

    #[test]
    fn an_unknown_count_is_not_compared() {
        let blob = Writer::new().pair(b"f", b"v").count(254).finish();
        assert_eq!((fault(&blob), Zipmap::new(&blob).expect("sound").stated_len()), (None, None));
    }
}
