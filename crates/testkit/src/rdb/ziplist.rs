//! Ziplists.
//!
//! ```text
//! u32le   size of the whole blob
//! u32le   offset of the last entry, 10 if there is none
//! u16le   number of entries, 65535 = unknown
//! ...     entries: size of the entry before (1 byte, or FE and u32le), encoding, data
//! FF
//! ```

use std::ops::Range;

use super::number::{Item, canonical_int, low_bytes, signed_le, unsigned_be, unsigned_le};

/// Builds a ziplist, right or wrong.
///
/// ```
/// use testkit::rdb::Ziplist;
///
/// let blob = Ziplist::new().push(b"2").push(b"5").finish();
/// assert_eq!(blob, [15, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0xF3, 2, 0xF6, 0xFF]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ziplist {
    entries: Vec<u8>,
    starts: Vec<usize>,
    old_ints: bool,
    total: Option<u32>,
    tail: Option<u32>,
    count: Option<u16>,
    terminator: Option<Vec<u8>>,
}

impl Ziplist {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The ziplist of `items`, as a server that writes this RDB version does: before version 6 there were no
    /// integers of 4, 8 and 24 bits.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(version: u32, items: impl IntoIterator<Item = T>) -> Vec<u8> {
        let mut ziplist = Self { old_ints: version < 6, ..Self::default() };
        for item in items {
            ziplist.push(item.as_ref());
        }
        ziplist.finish()
    }

    /// Integers of 16, 32 and 64 bits alone, as before RDB version 6.
    pub fn old_ints(&mut self) -> &mut Self {
        self.old_ints = true;
        self
    }

    /// Appends an entry as a server does: a number if the text is one, in the smallest form.
    pub fn push(&mut self, text: &[u8]) -> &mut Self {
        let prevlen = prevlen(self.last_size());
        let body = self.body(text);
        self.push_raw(&prevlen, &body)
    }

    /// Appends an entry whose first field says `size`, true or not, in one byte if it fits.
    pub fn push_with_prevlen(&mut self, size: u32, text: &[u8]) -> &mut Self {
        let body = self.body(text);
        self.push_raw(&prevlen(size), &body)
    }

    /// Appends an entry whose first field is true but takes 5 bytes: legal, a leftover of updates.
    pub fn push_with_wide_prevlen(&mut self, text: &[u8]) -> &mut Self {
        let wide = [&[0xFE][..], &self.last_size().to_le_bytes()].concat();
        let body = self.body(text);
        self.push_raw(&wide, &body)
    }

    /// Appends an entry of any bytes. It counts as one.
    pub fn push_raw(&mut self, prevlen: &[u8], body: &[u8]) -> &mut Self {
        self.starts.push(10 + self.entries.len());
        self.entries.extend_from_slice(prevlen);
        self.entries.extend_from_slice(body);
        self
    }

    /// Lets the header lie about the size.
    pub fn total(&mut self, total: u32) -> &mut Self {
        self.total = Some(total);
        self
    }

    /// Lets the header lie about the offset of the last entry.
    pub fn tail(&mut self, tail: u32) -> &mut Self {
        self.tail = Some(tail);
        self
    }

    /// Lets the header say this number of entries.
    pub fn count(&mut self, count: u16) -> &mut Self {
        self.count = Some(count);
        self
    }

    /// Other bytes in the place of the closing FF.
    pub fn terminator(&mut self, bytes: &[u8]) -> &mut Self {
        self.terminator = Some(bytes.to_vec());
        self
    }

    /// Offset of each entry in the blob.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The blob.
    ///
    /// # Panics
    /// If it would be larger than 4 GiB.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let terminator = self.terminator.as_deref().unwrap_or(&[0xFF]);
        let u32_of = |n: usize| u32::try_from(n).expect("a ziplist is below 4 GiB");
        let total = self.total.unwrap_or(u32_of(10 + self.entries.len() + terminator.len()));
        let tail = self.tail.unwrap_or(u32_of(self.starts.last().copied().unwrap_or(10)));
        let count = self.count.unwrap_or(u16::try_from(self.starts.len()).unwrap_or(u16::MAX));
        [&total.to_le_bytes()[..], &tail.to_le_bytes(), &count.to_le_bytes(), &self.entries, terminator].concat()
    }

    fn last_size(&self) -> u32 {
        let size = self.starts.last().map_or(0, |&start| 10 + self.entries.len() - start);
        u32::try_from(size).expect("an entry is below 4 GiB")
    }

    fn body(&self, text: &[u8]) -> Vec<u8> {
        match canonical_int(text) {
            Some(n) => encode_int(n, self.old_ints),
            None => encode_str(text),
        }
    }
}

fn prevlen(size: u32) -> Vec<u8> {
    match u8::try_from(size) {
        Ok(small) if small < 254 => vec![small],
        _ => [&[0xFE][..], &size.to_le_bytes()].concat(),
    }
}

fn encode_int(n: i64, old: bool) -> Vec<u8> {
    match n {
        0..=12 if !old => vec![0xF1 + low_bytes::<1>(n)[0]],
        -0x80..=0x7F if !old => [&[0xFE][..], &low_bytes::<1>(n)].concat(),
        -0x8000..=0x7FFF => [&[0xC0][..], &low_bytes::<2>(n)].concat(),
        -0x80_0000..=0x7F_FFFF if !old => [&[0xF0][..], &low_bytes::<3>(n)].concat(),
        -0x8000_0000..=0x7FFF_FFFF => [&[0xD0][..], &low_bytes::<4>(n)].concat(),
        _ => [&[0xE0][..], &low_bytes::<8>(n)].concat(),
    }
}

fn encode_str(text: &[u8]) -> Vec<u8> {
    let len = (text.len() as u64).to_be_bytes();
    match text.len() {
        0..=63 => [&[len[7]], text].concat(),
        64..=16383 => [&[0x40 | len[6], len[7]], text].concat(),
        _ => [&[0x80], &len[4..], text].concat(),
    }
}

/// Decodes a ziplist with every check a strict server makes; `None` if one fails.
#[must_use]
pub fn naive_ziplist(blob: &[u8]) -> Option<Vec<Item>> {
    Some(naive_ziplist_entries(blob)?.into_iter().map(|(item, _)| item).collect())
}

/// Like [`naive_ziplist`], each entry with its bytes in the blob.
#[must_use]
pub fn naive_ziplist_entries(blob: &[u8]) -> Option<Vec<(Item, Range<usize>)>> {
    if blob.len() < 11 || unsigned_le(&blob[..4]) != blob.len() as u64 {
        return None;
    }
    let mut items = Vec::new();
    let (mut at, mut before, mut last) = (10, 0, 10);
    while *blob.get(at)? != 0xFF {
        let (prevlen, skip) = match *blob.get(at)? {
            0xFE => (unsigned_le(blob.get(at + 1..at + 5)?), 5),
            small => (u64::from(small), 1),
        };
        let (item, size) = naive_entry(&blob[at + skip..])?;
        if prevlen != before as u64 {
            return None;
        }
        (last, before) = (at, skip + size);
        at += before;
        items.push((item, last..at));
    }
    let (tail, count) = (unsigned_le(&blob[4..8]), unsigned_le(&blob[8..10]));
    let counted = count == 0xFFFF || count == items.len() as u64;
    (at + 1 == blob.len() && tail == last as u64 && counted).then_some(items)
}

/// One entry without its first field, and its size.
fn naive_entry(bytes: &[u8]) -> Option<(Item, usize)> {
    let first = *bytes.first()?;
    let int = |n: usize| Some((Item::Int(signed_le(bytes.get(1..=n)?)), 1 + n));
    let string = |skip: usize, n: u64| {
        let end = skip.checked_add(usize::try_from(n).ok()?)?;
        Some((Item::Str(bytes.get(skip..end)?.to_vec()), end))
    };
    match first {
        0x00..=0x3F => string(1, u64::from(first)),
        0x40..=0x7F => string(2, u64::from(first & 0x3F) << 8 | u64::from(*bytes.get(1)?)),
        0x80..=0xBF => string(5, unsigned_be(bytes.get(1..5)?)),
        0xC0 => int(2),
        0xD0 => int(4),
        0xE0 => int(8),
        0xF0 => int(3),
        0xFE => int(1),
        0xF1..=0xFD => Some((Item::Int(i64::from(first) - 0xF1), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_of_the_sheet() {
        let want = [0x0F, 0, 0, 0, 0x0C, 0, 0, 0, 2, 0, 0, 0xF3, 2, 0xF6, 0xFF];
        assert_eq!(Ziplist::of(9, ["2", "5"]), want);
        assert_eq!(Ziplist::new().finish(), [11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xFF]);
    }

    #[test]
    fn every_form_comes_back() {
        for version in [2, 9] {
            let edges = [0, 12, 13, -1, 127, 128, -129, 32767, 32768, -32769, 8_388_608, 1 << 31, i64::MIN, i64::MAX];
            let strings = [0, 1, 63, 64, 252, 253, 300, 16383, 16384].map(|n| Item::Str(vec![b'y'; n]));
            let want: Vec<Item> = edges.into_iter().map(Item::Int).chain(strings).chain([Item::Int(3)]).collect();
            let blob = Ziplist::of(version, want.iter().map(Item::text));
            assert_eq!(naive_ziplist(&blob), Some(want));
        }
        assert_eq!(Ziplist::of(5, ["2"])[11..14], [0xC0, 2, 0]);
    }

    #[test]
    fn wrong_ones_are_refused() {
        let bad = [
            Ziplist::new().push(b"a").total(1).finish(),
            Ziplist::new().push(b"a").push(b"b").tail(10).finish(),
            Ziplist::new().push(b"a").count(9).finish(),
            Ziplist::new().push(b"a").terminator(&[0]).finish(),
            Ziplist::new().push(b"a").push_with_prevlen(4, b"b").finish(),
            Ziplist::new().push_raw(&[0], &[0xC1, 0, 0]).finish(),
        ];
        for blob in bad {
            assert_eq!(naive_ziplist(&blob), None, "{blob:02X?}");
        }
        assert!(naive_ziplist(&Ziplist::new().push(b"a").push_with_wide_prevlen(b"b").push(b"c").finish()).is_some());
    }
}
