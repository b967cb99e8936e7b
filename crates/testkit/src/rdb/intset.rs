//! Intsets.
//!
//! ```text
//! u32le   bytes per number: 2, 4 or 8
//! u32le   how many
//! ...     the numbers, signed, little-endian, ascending
//! ```

use super::number::{signed_le, unsigned_le};

/// Builds an intset, right or wrong: numbers stay in the order given.
///
/// ```
/// use testkit::rdb::Intset;
///
/// assert_eq!(Intset::of(&[3, 5]), [2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 5, 0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intset {
    /// The numbers; each is cut to the width.
    pub numbers: Vec<i64>,
    /// Bytes per number.
    pub width: u32,
    /// What the header says instead of the true count.
    pub count: Option<u32>,
}

impl Intset {
    /// As a server that never held a wider number does.
    #[must_use]
    pub fn new(numbers: &[i64]) -> Self {
        let fits = |bits: u32| numbers.iter().all(|&n| (n << (64 - bits)) >> (64 - bits) == n);
        let width = if fits(16) {
            2
        } else if fits(32) {
            4
        } else {
            8
        };
        Self { numbers: numbers.to_vec(), width, count: None }
    }

    /// The blob of [`Intset::new`].
    #[must_use]
    pub fn of(numbers: &[i64]) -> Vec<u8> {
        Self::new(numbers).finish()
    }

    /// The blob.
    ///
    /// # Panics
    /// If there are more than 2^32 numbers.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(u32::try_from(self.numbers.len()).expect("below 2^32 numbers"));
        let mut blob = [self.width.to_le_bytes(), count.to_le_bytes()].concat();
        for number in &self.numbers {
            blob.extend(number.to_le_bytes().iter().take(self.width as usize));
        }
        blob
    }
}

/// Decodes an intset with every check a strict server makes; `None` if one fails.
#[must_use]
pub fn naive_intset(blob: &[u8]) -> Option<Vec<i64>> {
    let (header, body) = blob.split_at_checked(8)?;
    let width = [2_usize, 4, 8].into_iter().find(|&w| w as u64 == unsigned_le(&header[..4]))?;
    let numbers: Vec<i64> = body.chunks(width).map(signed_le).collect();
    let sized = body.len() % width == 0 && numbers.len() as u64 == unsigned_le(&header[4..]);
    (sized && !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b)).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_in_every_width() {
        assert_eq!(Intset::of(&[3, 5]), b"\x02\0\0\0\x02\0\0\0\x03\0\x05\0");
        for (numbers, width) in [([-32768, 32767], 2), ([-32769, 0], 4), ([i64::MIN, i64::MAX], 8)] {
            assert_eq!(Intset::new(&numbers).width, width);
            assert_eq!(naive_intset(&Intset::of(&numbers)).as_deref(), Some(&numbers[..]));
        }
        let wide = Intset { width: 8, ..Intset::new(&[1]) };
        assert_eq!(naive_intset(&wide.finish()), Some(vec![1]));
    }

    #[test]
    fn wrong_ones_are_refused() {
        let good = Intset::new(&[1, 2]);
        let bad = [
            Intset::of(&[2, 1]),
            Intset::of(&[1, 1]),
            Intset::of(&[]),
            Intset { width: 3, ..good.clone() }.finish(),
            Intset { count: Some(3), ..good.clone() }.finish(),
            good.finish()[..11].to_vec(),
            b"\x02\0\0".to_vec(),
        ];
        for blob in bad {
            assert_eq!(naive_intset(&blob), None, "{blob:02X?}");
        }
    }
}
