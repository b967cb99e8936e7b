//! How numbers are spread, as the tool keeps them: exactly below 2,048, and to one part in 1,024 from there on.
//!
//! ```text
//! 0 .. 2,047             a bucket for each number
//! 2^k .. 2^(k+1)         1,024 buckets of equal width, for k from 11 on
//! at the limit           left out of the percentiles, but not of the maximum
//! ```

use std::collections::BTreeMap;

/// From here on the tool leaves sizes of elements out of its percentiles.
pub(super) const SIZES: u64 = 1 << 21;
/// The same of numbers of elements.
pub(super) const NUMBERS: u64 = 1 << 18;

const EXACT: u64 = 2048;
const WIDTH: u64 = EXACT / 2;

/// How numbers are spread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// By the greatest number of a bucket.
    buckets: BTreeMap<u64, u64>,
    count: u64,
    max: u64,
}

impl Spread {
    /// Adds a number; returns how many buckets that took, or `None` if it would be more than `room`.
    pub(super) fn add(&mut self, number: u64, limit: u64, room: usize) -> Option<usize> {
        self.max = self.max.max(number);
        if number >= limit {
            return Some(0);
        }
        self.put(last_of(number), 1, room)
    }

    /// Adds what is in another one.
    pub(super) fn merge(&mut self, other: &Self, room: usize) -> Option<usize> {
        self.max = self.max.max(other.max);
        let mut taken = 0;
        for (bucket, n) in &other.buckets {
            taken += self.put(*bucket, *n, room - taken)?;
        }
        Some(taken)
    }

    fn put(&mut self, bucket: u64, n: u64, room: usize) -> Option<usize> {
        let is_new = !self.buckets.contains_key(&bucket);
        if is_new && room == 0 {
            return None;
        }
        *self.buckets.entry(bucket).or_default() += n;
        self.count += n;
        Some(usize::from(is_new))
    }

    /// Returns the greatest number, whatever the limit.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Returns the number that so many percent do not exceed, rounded up to the end of its bucket. Which of them that is,
    /// is rounded to the nearest, and not up.
    pub(super) fn percentile(&self, percent: u8) -> u64 {
        // A half more, cut: exact, where the tool's double is, too.
        let wanted = (u128::from(percent) * u128::from(self.count) + 50) / 100;
        let mut seen: u128 = 0;
        for (last, n) in &self.buckets {
            seen += u128::from(*n);
            if seen >= wanted.max(1) {
                return *last;
            }
        }
        0
    }
}

/// Returns the greatest number of the bucket in which one lies.
fn last_of(number: u64) -> u64 {
    if number < EXACT { number } else { number | ((1 << (number.ilog2() - WIDTH.ilog2())) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Spread {
        let mut spread = Spread::default();
        for number in numbers {
            assert!(spread.add(*number, SIZES, 10).is_some());
        }
        spread
    }

    #[test]
    fn what_was_measured() {
        // One string of that size each.
        for (size, said) in [
            (0, 0),
            (2047, 2047),
            (2048, 2049),
            (4096, 4099),
            (10_000, 10_007),
            (100_000, 100_031),
            (1_000_000, 1_000_447),
            (2_097_151, 2_097_151),
            (2_097_152, 0),
        ] {
            let spread = of(&[size]);
            assert_eq!((spread.percentile(99), spread.max()), (said, size));
        }
        let two = of(&[3, 7]);
        assert_eq!([50, 90, 99].map(|percent| two.percentile(percent)), [3, 7, 7]);
    }

    #[test]
    fn no_more_buckets_than_there_is_room_for() {
        let mut spread = Spread::default();
        assert_eq!(
            (spread.add(5, SIZES, 1), spread.add(5, SIZES, 0), spread.add(6, SIZES, 0)),
            (Some(1), Some(0), None)
        );
        assert_eq!(
            (Spread::default().merge(&of(&[1, 2, 2]), 1), Spread::default().merge(&of(&[1, 2, 2]), 2)),
            (None, Some(2))
        );
    }
}
