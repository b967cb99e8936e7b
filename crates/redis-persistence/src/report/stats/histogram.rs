//! How numbers are spread, and the keys with the largest, in bounded memory.
//!
//! ```text
//! 0 .. 63           a bucket for each number
//! 2^k .. 2^(k+1)    32 buckets of equal width, for k from 6 on
//! ```
//! So a quantile is never below the true one, and above it by less than 1 part in 32 (3.2 %). Sum and maximum are exact.
//!
//! The largest keys lie in a heap of as many as are wanted. Both can be put together from parts of a file, in any order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers below this have a bucket each.
const EXACT: u64 = 64;
/// Buckets for each power of two from there on, as a power of two.
const FINE: u32 = 5;

/// How numbers are spread.
///
/// # Examples
/// ```
/// use redis_persistence::verify::stats::Histogram;
///
/// let mut sizes = Histogram::default();
/// (1..=1000).for_each(|size| sizes.add(size));
/// assert_eq!((sizes.count(), sizes.max(), sizes.sum()), (1000, 1000, 500_500));
/// assert!((500..516).contains(&sizes.quantile(50)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// As many as the largest number needs, at most 1,920.
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// Adds a number.
    pub fn add(&mut self, number: u64) {
        let bucket = bucket(number);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(number);
        self.max = self.max.max(number);
    }

    /// Adds those of another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, n)| *own += n);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Returns how many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, or the largest number there is if it is larger than that.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns the largest one; 0 if there are none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns how many numbers there are below 2, and from each power of two to the next from there on.
    pub fn powers(&self) -> impl Iterator<Item = u64> + '_ {
        let powers = self.buckets.len().checked_sub(1).map_or(0, |last| last_of(last).max(1).ilog2() as usize + 1);
        let mut sums = vec![0; powers];
        for (bucket, n) in self.buckets.iter().enumerate() {
            sums[last_of(bucket).max(1).ilog2() as usize] += n;
        }
        sums.into_iter()
    }

    /// Returns the number that so many percent of them do not exceed, rounded up by less than 1 part in 32; 0 if there are
    /// none.
    #[must_use]
    pub fn quantile(&self, percent: u8) -> u64 {
        let wanted = u128::from(self.count) * u128::from(percent.min(100));
        let mut seen: u128 = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            seen += u128::from(*n);
            if *n > 0 && seen * 100 >= wanted {
                return last_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(number: u64) -> usize {
    if number < EXACT {
        return usize::try_from(number).unwrap_or(0);
    }
    let power = number.ilog2();
    let within = (number >> (power - FINE)) - (1 << FINE);
    let before = EXACT + u64::from(power - EXACT.ilog2()) * (1 << FINE);
    usize::try_from(before + within).unwrap_or(usize::MAX)
}

/// Returns the largest number of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let Some(fine) = bucket.checked_sub(EXACT) else { return bucket };
    let (power, within) = (EXACT.ilog2() as u64 + (fine >> FINE), fine & ((1 << FINE) - 1));
    let width = 1_u64 << (power - u64::from(FINE));
    (1_u64 << power) + within * width + (width - 1)
}

/// A key that is among the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LargeKey {
    /// Its database.
    pub db: u64,
    /// Its name, cut at [`Finding::LONGEST_KEY`](crate::report::Finding::LONGEST_KEY) bytes.
    pub key: Vec<u8>,
    /// Its type, as the TYPE command names it.
    pub value_type: &'static str,
    /// Its encoding.
    pub encoding: &'static str,
    /// What it takes in the file, in bytes.
    pub bytes: u64,
    /// How many elements it has.
    pub elements: u64,
    /// Where its record begins.
    pub offset: u64,
    /// What it takes in a server, if that is estimated for its type.
    pub memory: Option<u64>,
}

/// The largest so far. Of two of one size the one that comes first in the file counts as the larger.
#[derive(Debug, Default)]
pub(crate) struct Largest {
    most: usize,
    heap: BinaryHeap<Reverse<(u64, Reverse<u64>, usize)>>,
    keys: Vec<LargeKey>,
}

impl Largest {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Adds a key of this many bytes, if it is among the largest; only then it is made.
    pub(crate) fn add(&mut self, bytes: u64, offset: u64, key: impl FnOnce() -> LargeKey) {
        let rank = (bytes, Reverse(offset));
        if self.keys.len() < self.most {
            self.heap.push(Reverse((rank.0, rank.1, self.keys.len())));
            self.keys.push(key());
            return;
        }
        let Some(Reverse((least, at, place))) = self.heap.peek().copied() else { return };
        if rank > (least, at) {
            self.heap.pop();
            self.heap.push(Reverse((rank.0, rank.1, place)));
            self.keys[place] = key();
        }
    }

    /// Adds those of another part of the file.
    pub(crate) fn merge(&mut self, other: Self) {
        for key in other.keys {
            self.add(key.bytes, key.offset, || key);
        }
    }

    /// Returns the largest first.
    pub(crate) fn into_keys(mut self) -> Vec<LargeKey> {
        self.keys.sort_by_key(|key| (Reverse(key.bytes), key.offset));
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bucket() {
        let around = (0..64).flat_map(|shift| [0, 1, 2].map(|add| (1_u64 << shift).saturating_sub(1) + add));
        for number in around.chain(0..5000).chain([u64::MAX - 1, u64::MAX]) {
            let (bucket, last) = (bucket(number), last_of(bucket(number)));
            assert!(bucket < 1920, "{number}");
            assert!(last >= number && (last - number) as u128 * 32 < u128::from(number.max(1)), "{number} {last}");
            assert!(bucket == 0 || last_of(bucket - 1) < number, "{number}");
        }
    }

    #[test]
    fn quantiles_are_as_near_as_they_say() {
        let mut rng: u64 = 7;
        let mut numbers: Vec<u64> = (0..10_000)
            .map(|_| {
                rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (rng >> 33) >> (rng >> 59)
            })
            .collect();
        let mut histogram = Histogram::default();
        numbers.iter().for_each(|n| histogram.add(*n));
        numbers.sort_unstable();
        for percent in [1, 50, 90, 99, 100] {
            let exact = numbers[(numbers.len() * usize::from(percent)).div_ceil(100) - 1];
            let said = histogram.quantile(percent);
            assert!(said >= exact && (said - exact) * 32 <= exact, "{percent}: {said} for {exact}");
        }
        assert_eq!(Histogram::default().quantile(50), 0);
        let mut halves = [Histogram::default(), Histogram::default()];
        numbers.iter().enumerate().for_each(|(n, number)| halves[n % 2].add(*number));
        let [mut one, other] = halves;
        one.merge(&other);
        assert_eq!(one, histogram);
    }
}
