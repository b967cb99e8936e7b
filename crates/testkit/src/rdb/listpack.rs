//! Listpacks.
//!
//! ```text
//! u32le   size of the whole blob
//! u16le   number of elements, 65535 = unknown
//! ...     elements: encoding and data, then their own size (backlen), 7 bits per byte, readable from right to left
//! FF
//! ```

use super::number::{Item, canonical_int, low_bytes, signed_le, unsigned_le};

/// How an element is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LpForm {
    /// `0xxxxxxx`: 0 to 127.
    Uint7,
    /// `110xxxxx x`: 13 bits.
    Int13,
    /// `F1` and 2 bytes.
    Int16,
    /// `F2` and 3 bytes.
    Int24,
    /// `F3` and 4 bytes.
    Int32,
    /// `F4` and 8 bytes.
    Int64,
    /// `10xxxxxx`: a string of up to 63 bytes.
    Str6,
    /// `1110xxxx x`: a string of up to 4095 bytes.
    Str12,
    /// `F0` and 4 bytes of length.
    Str32,
}

impl LpForm {
    /// The form that servers choose for a number.
    #[must_use]
    pub fn for_int(n: i64) -> Self {
        match n {
            0..=127 => Self::Uint7,
            -4096..=4095 => Self::Int13,
            -0x8000..=0x7FFF => Self::Int16,
            -0x80_0000..=0x7F_FFFF => Self::Int24,
            -0x8000_0000..=0x7FFF_FFFF => Self::Int32,
            _ => Self::Int64,
        }
    }

    /// The form that servers choose for a string of that length.
    #[must_use]
    pub fn for_str(len: usize) -> Self {
        match len {
            0..=63 => Self::Str6,
            64..=4095 => Self::Str12,
            _ => Self::Str32,
        }
    }

    /// Encoding and data of an element, without the backlen.
    ///
    /// # Panics
    /// If an integer form is asked for and `text` is no decimal number.
    #[must_use]
    pub fn encode(self, text: &[u8]) -> Vec<u8> {
        let number = || canonical_int(text).expect("the integer forms need a decimal number");
        let len = (text.len() as u64).to_le_bytes();
        match self {
            Self::Uint7 => vec![low_bytes::<1>(number())[0] & 0x7F],
            Self::Int13 => {
                let [low, high] = low_bytes(number());
                vec![0xC0 | (high & 0x1F), low]
            }
            Self::Int16 => [&[0xF1][..], &low_bytes::<2>(number())].concat(),
            Self::Int24 => [&[0xF2][..], &low_bytes::<3>(number())].concat(),
            Self::Int32 => [&[0xF3][..], &low_bytes::<4>(number())].concat(),
            Self::Int64 => [&[0xF4][..], &low_bytes::<8>(number())].concat(),
            Self::Str6 => [&[0x80 | (len[0] & 0x3F)], text].concat(),
            Self::Str12 => [&[0xE0 | (len[1] & 0x0F), len[0]], text].concat(),
            Self::Str32 => [&[0xF0], &len[..4], text].concat(),
        }
    }
}

/// The number of bytes that servers use for the backlen of an element of `len` bytes.
#[must_use]
pub fn backlen_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// A backlen of `size` bytes that says `len`.
#[must_use]
pub fn backlen(len: usize, size: usize) -> Vec<u8> {
    let mut groups: Vec<u8> = (0..size).map(|i| 0x80 | ((len as u64 >> (7 * i)).to_le_bytes()[0] & 0x7F)).collect();
    groups.reverse();
    if let Some(first) = groups.first_mut() {
        *first &= 0x7F;
    }
    groups
}

/// Builds a listpack, right or wrong.
///
/// ```
/// use testkit::rdb::Listpack;
///
/// let blob = Listpack::new().push(b"a").push(b"1").finish();
/// assert_eq!(blob, [12, 0, 0, 0, 2, 0, 0x81, b'a', 2, 1, 1, 0xFF]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Listpack {
    elements: Vec<u8>,
    starts: Vec<usize>,
    total: Option<u32>,
    count: Option<u16>,
    terminator: Option<Vec<u8>>,
}

impl Listpack {
    /// Without elements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The listpack of `items`, as a server writes it.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Vec<u8> {
        let mut listpack = Self::new();
        for item in items {
            listpack.push(item.as_ref());
        }
        listpack.finish()
    }

    /// Appends an element as a server does: a number if the text is one, in the smallest form.
    pub fn push(&mut self, text: &[u8]) -> &mut Self {
        let form = canonical_int(text).map_or_else(|| LpForm::for_str(text.len()), LpForm::for_int);
        self.push_as(form, text)
    }

    /// Appends a number as a server does.
    pub fn int(&mut self, n: i64) -> &mut Self {
        self.push(n.to_string().as_bytes())
    }

    /// Appends an element in a given form.
    pub fn push_as(&mut self, form: LpForm, text: &[u8]) -> &mut Self {
        let body = form.encode(text);
        let backlen = backlen(body.len(), backlen_size(body.len()));
        self.push_raw(&body, &backlen)
    }

    /// Appends an element as a server does, but with these bytes for the backlen.
    pub fn push_with_backlen(&mut self, text: &[u8], backlen: &[u8]) -> &mut Self {
        let form = canonical_int(text).map_or_else(|| LpForm::for_str(text.len()), LpForm::for_int);
        self.push_raw(&form.encode(text), backlen)
    }

    /// Appends an element of any bytes. It counts as one.
    pub fn push_raw(&mut self, body: &[u8], backlen: &[u8]) -> &mut Self {
        self.starts.push(6 + self.elements.len());
        self.elements.extend_from_slice(body);
        self.elements.extend_from_slice(backlen);
        self
    }

    /// Lets the header lie about the size.
    pub fn total(&mut self, total: u32) -> &mut Self {
        self.total = Some(total);
        self
    }

    /// Lets the header say this number of elements.
    pub fn count(&mut self, count: u16) -> &mut Self {
        self.count = Some(count);
        self
    }

    /// Other bytes in the place of the closing FF: none, several, or another one.
    pub fn terminator(&mut self, bytes: &[u8]) -> &mut Self {
        self.terminator = Some(bytes.to_vec());
        self
    }

    /// Offset of each element in the blob.
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
        let size = u32::try_from(6 + self.elements.len() + terminator.len()).expect("a listpack is below 4 GiB");
        let count = u16::try_from(self.starts.len()).unwrap_or(u16::MAX);
        let total = self.total.unwrap_or(size).to_le_bytes();
        let count = self.count.unwrap_or(count).to_le_bytes();
        [&total[..], &count, &self.elements, terminator].concat()
    }
}

/// Where an element of a listpack lies, as offsets in the blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LpElement {
    /// The element.
    pub item: Item,
    /// Its encoding byte.
    pub start: usize,
    /// Its backlen.
    pub backlen_at: usize,
    /// Behind its backlen.
    pub end: usize,
}

/// Decodes a listpack with every check a strict server makes; `None` if one fails.
#[must_use]
pub fn naive_listpack(blob: &[u8]) -> Option<Vec<Item>> {
    Some(naive_listpack_elements(blob)?.into_iter().map(|element| element.item).collect())
}

/// Like [`naive_listpack`], with the places of the elements.
#[must_use]
pub fn naive_listpack_elements(blob: &[u8]) -> Option<Vec<LpElement>> {
    if blob.len() < 7 || unsigned_le(&blob[..4]) != blob.len() as u64 {
        return None;
    }
    let mut elements = Vec::new();
    let mut start = 6;
    while *blob.get(start)? != 0xFF {
        let (item, len) = naive_element(&blob[start..])?;
        let backlen_at = start + len;
        let end = backlen_at + backlen_size(len);
        if naive_backlen(blob.get(..end)?)? != len as u64 {
            return None;
        }
        elements.push(LpElement { item, start, backlen_at, end });
        start = end;
    }
    let count = unsigned_le(&blob[4..6]);
    (start + 1 == blob.len() && (count == 0xFFFF || count == elements.len() as u64)).then_some(elements)
}

/// One element and the size of its encoding and data.
fn naive_element(bytes: &[u8]) -> Option<(Item, usize)> {
    let first = *bytes.first()?;
    let int = |skip: usize, n: usize| {
        let data = bytes.get(skip..skip + n)?;
        Some((Item::Int(signed_le(data)), skip + n))
    };
    let string = |skip: usize, n: u64| {
        let end = skip.checked_add(usize::try_from(n).ok()?)?;
        Some((Item::Str(bytes.get(skip..end)?.to_vec()), end))
    };
    match first {
        0x00..=0x7F => Some((Item::Int(i64::from(first)), 1)),
        0x80..=0xBF => string(1, u64::from(first & 0x3F)),
        0xC0..=0xDF => {
            let thirteen = i64::from(first & 0x1F) << 8 | i64::from(*bytes.get(1)?);
            Some((Item::Int(if thirteen >= 4096 { thirteen - 8192 } else { thirteen }), 2))
        }
        0xE0..=0xEF => string(2, u64::from(first & 0x0F) << 8 | u64::from(*bytes.get(1)?)),
        0xF0 => string(5, unsigned_le(bytes.get(1..5)?)),
        0xF1 => int(1, 2),
        0xF2 => int(1, 3),
        0xF3 => int(1, 4),
        0xF4 => int(1, 8),
        0xF5..=0xFF => None,
    }
}

/// Reads the backlen that ends at the end of `bytes`.
fn naive_backlen(bytes: &[u8]) -> Option<u64> {
    let mut len = 0;
    for (i, &byte) in bytes.iter().rev().take(5).enumerate() {
        len |= u64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(len);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn vectors_of_the_sheet() {
        assert_eq!(Listpack::of(["a", "1"]), [0x0C, 0, 0, 0, 2, 0, 0x81, 0x61, 2, 1, 1, 0xFF]);
        assert_eq!(Listpack::new().int(-1).finish()[6..9], [0xDF, 0xFF, 2]);
    }

    #[test]
    fn every_form_comes_back() {
        let mut listpack = Listpack::new();
        let edges = [0, 127, 128, -1, 4095, -4096, 4096, -4097, 32767, 32768, -32769, 8_388_607, -8_388_609];
        let numbers: Vec<i64> = edges.into_iter().chain([i64::from(i32::MIN), 1 << 31, i64::MIN, i64::MAX]).collect();
        let strings: Vec<Vec<u8>> = [0, 1, 63, 64, 4095, 4096, 20_000].map(|n| vec![b'x'; n]).to_vec();
        for &n in &numbers {
            listpack.int(n);
        }
        for s in &strings {
            listpack.push(s);
        }
        let want: Vec<Item> = numbers.into_iter().map(Item::Int).chain(strings.into_iter().map(Item::Str)).collect();
        assert_eq!(naive_listpack(&listpack.finish()), Some(want));
        assert_eq!(listpack.starts().len(), 24);
    }

    #[test]
    fn random_items_come_back() {
        let mut rng = Rng::new(11);
        for _ in 0..200 {
            let n = rng.size(0..=30);
            let items: Vec<Vec<u8>> = (0..n)
                .map(|_| match rng.chance(50) {
                    true => (rng.next_u64().cast_signed() >> rng.below(64)).to_string().into_bytes(),
                    false => {
                        let len = rng.size(0..=150);
                        rng.bytes(len)
                    }
                })
                .collect();
            let decoded = naive_listpack(&Listpack::of(&items)).expect("sound");
            assert_eq!(decoded.iter().map(Item::text).collect::<Vec<_>>(), items);
        }
    }

    #[test]
    fn wrong_ones_are_refused() {
        let good = Listpack::of(["a", "b"]);
        assert!(naive_listpack(&good).is_some());
        let bad = [
            Listpack::new().push(b"a").total(99).finish(),
            Listpack::new().push(b"a").count(2).finish(),
            Listpack::new().push(b"a").terminator(b"").finish(),
            Listpack::new().push(b"a").terminator(&[0xFF, 0xFF]).finish(),
            Listpack::new().push_with_backlen(b"a", &[3]).finish(),
            Listpack::new().push_raw(&[0xF7], &[1]).finish(),
            good[..6].to_vec(),
        ];
        for blob in bad {
            assert_eq!(naive_listpack(&blob), None, "{blob:02X?}");
        }
        // Allowed though no server writes it: unknown count, a wide integer, a spare continuation bit.
        assert!(naive_listpack(&Listpack::new().push(b"a").count(0xFFFF).finish()).is_some());
        assert!(naive_listpack(&Listpack::new().push_as(LpForm::Int16, b"5").finish()).is_some());
        assert!(naive_listpack(&Listpack::new().push_raw(&[0xF1, 5, 0], &[0x83]).finish()).is_some());
    }
}
