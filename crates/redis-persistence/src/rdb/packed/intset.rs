//! Intset: small sets of integers.
//!
//! ```text
//! u32le width, 2, 4 or 8 | u32le count | count integers of that width, little-endian two's complement, ascending
//! ```
//!
//! An intset widens when a larger number comes, and never narrows again, so the width may be more than needed. Whether the
//! integers ascend is for the caller to look at: unsorted ones can be read all the same.

use std::iter::FusedIterator;

use super::{PackedEntry, PackedError, PackedErrorKind as Kind, PackedValue, check_min};

const HEADER: usize = 8;
const COUNT_AT: usize = 4;

/// An intset whose header is in order; nothing can be wrong with the form of what follows.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::packed::{Intset, PackedError, PackedValue};
///
/// let set = Intset::new(b"\x02\0\0\0\x02\0\0\0\x03\0\x05\0")?;
/// assert_eq!((set.width(), set.len()), (2, 2));
/// assert!(set.iter().map(|entry| entry.value).eq([PackedValue::Int(3), PackedValue::Int(5)]));
/// # Ok::<(), PackedError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Intset<'a> {
    integers: &'a [u8],
    width: Width,
}

#[derive(Debug, Clone, Copy)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl<'a> Intset<'a> {
    /// Checks the width, and that width and count give the size of the blob.
    ///
    /// # Errors
    /// [`Kind::TooShort`], [`Kind::IntsetWidth`], [`Kind::IntsetSize`].
    pub fn new(blob: &'a [u8]) -> Result<Self, PackedError> {
        check_min(blob, HEADER)?;
        let width = match super::u32_le(blob, 0) {
            2 => Width::Two,
            4 => Width::Four,
            8 => Width::Eight,
            other => return Err(PackedError { start: 0, failed_at: 0, kind: Kind::IntsetWidth(other) }),
        };
        let stated = HEADER as u64 + width as u64 * u64::from(super::u32_le(blob, COUNT_AT));
        if stated != blob.len() as u64 {
            let kind = Kind::IntsetSize { stated, actual: blob.len() };
            return Err(PackedError { start: COUNT_AT, failed_at: blob.len(), kind });
        }
        Ok(Self { integers: &blob[HEADER..], width })
    }

    /// Returns the width of each integer, in bytes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// Returns how many integers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.integers.len() / self.width()
    }

    /// Returns whether there are none. Servers store no empty set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.integers.is_empty()
    }

    /// Returns the integers in the order in which they lie.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter { set: *self, next: 0, end: self.len() }
    }
}

impl<'a> IntoIterator for Intset<'a> {
    type Item = PackedEntry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the integers of an [`Intset`], from either end.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    set: Intset<'a>,
    next: usize,
    end: usize,
}

impl<'a> Iter<'a> {
    fn entry(&self, index: usize) -> Option<PackedEntry<'a>> {
        let width = self.set.width();
        let at = index * width;
        let rest = self.set.integers.get(at..)?;
        let value = match self.set.width {
            Width::Two => i64::from(i16::from_le_bytes(*rest.first_chunk()?)),
            Width::Four => i64::from(i32::from_le_bytes(*rest.first_chunk()?)),
            Width::Eight => i64::from_le_bytes(*rest.first_chunk()?),
        };
        let at = HEADER + at;
        Some(PackedEntry { value: PackedValue::Int(value), at, end: at + width, canonical: true })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = PackedEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        crate::base::work::did(1);
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        self.entry(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        self.entry(self.end)
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::Intset as Writer;

    #[track_caller]
    fn fails(blob: &[u8], start: usize, failed_at: usize, kind: Kind) {
        assert_eq!(Intset::new(blob).err(), Some(PackedError { start, failed_at, kind }), "{blob:02X?}");
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        fails(b"\x02\0\0\0\0\0\0", 0, 7, Kind::TooShort { min: 8 });
        fails(&Writer { width: 3, ..Writer::new(&[1]) }.finish(), 0, 0, Kind::IntsetWidth(3));
        let more = Writer { count: Some(u32::MAX), width: 8, ..Writer::new(&[1]) }.finish();
        fails(&more, 4, 16, Kind::IntsetSize { stated: 8 + 8 * 0xFFFF_FFFF, actual: 16 });
        let fewer = Writer { count: Some(1), ..Writer::new(&[1, 2]) }.finish();
        fails(&fewer, 4, 12, Kind::IntsetSize { stated: 10, actual: 12 });
    }

    #[test]
    fn every_width_from_both_ends() {
        for numbers in [&[-32768, 0, 32767][..], &[-32769, 5], &[i64::MIN, i64::MAX], &[]] {
            let blob = Writer::of(numbers);
            let set = Intset::new(&blob).expect("sound");
            assert_eq!((set.len(), set.is_empty()), (numbers.len(), numbers.is_empty()));
            assert!(set.iter().map(|entry| entry.value.as_int()).eq(numbers.iter().copied().map(Some)));
            assert!(set.iter().rev().map(|entry| entry.value.as_int()).eq(numbers.iter().rev().copied().map(Some)));
            let places: Vec<_> = set.iter().map(|entry| entry.at..entry.end).collect();
            assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() == set.width()));
            assert_eq!(places.last().map_or(8, |place| place.end), blob.len());
        }
    }

    #[test]
    fn unsorted_ones_are_read() {
        let blob = Writer::of(&[5, 3, 3]);
        assert_eq!(Intset::new(&blob).expect("sound").iter().len(), 3);
    }
}
