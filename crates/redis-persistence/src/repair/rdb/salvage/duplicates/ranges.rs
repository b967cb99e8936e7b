//! Many ranges of a file in little space.
//!
//! ```text
//! bytes   (how far behind the end of the last one it begins, its length) ... as numbers of 7 bits a byte, the lowest first
//! marks   for every 256th range: the end of the one before it, and where in the bytes it stands
//! ```

use std::iter::Peekable;
use std::ops::Range;

/// This many ranges lie between two marks.
const BETWEEN: usize = 256;
/// What waits to be put in order may take one part in so many of the memory.
const PENDING: usize = 4;

/// Ranges that do not overlap. Those that touch are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Ranges {
    bytes: Vec<u8>,
    marks: Vec<(u64, usize)>,
    len: usize,
    /// The end of the last one.
    end: u64,
    /// What was added since, in any order.
    pending: Vec<Range<u64>>,
}

impl Ranges {
    /// Adds a range. Returns whether all of them fit into so much memory, in bytes.
    pub(super) fn add(&mut self, range: Range<u64>, memory: usize) -> bool {
        self.pending.push(range);
        if self.pending.len() * size_of::<Range<u64>>() > memory / PENDING {
            self.settle();
            // They are written anew when more come.
            return self.bytes.len() < memory / 2 / PENDING * (PENDING - 1);
        }
        true
    }

    /// Puts what was added in order.
    pub(super) fn settle(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable_by_key(|range| range.start);
        let all = std::mem::take(self);
        self.bytes.reserve(all.bytes.len() + pending.len());
        let mut open: Option<Range<u64>> = None;
        for next in merged(all.behind(0).peekable(), pending.drain(..).peekable()) {
            match &mut open {
                Some(open) if open.end >= next.start => open.end = open.end.max(next.end),
                _ => open.replace(next).into_iter().for_each(|range| self.push(&range)),
            }
        }
        open.into_iter().for_each(|range| self.push(&range));
        self.pending = pending;
    }

    /// Lets go of what is needed only while ranges are added.
    pub(super) fn finish(&mut self) {
        self.settle();
        self.pending = Vec::new();
        self.bytes.shrink_to_fit();
    }

    /// Returns how many there are, of those that are in order.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, range: &Range<u64>) {
        if self.len.is_multiple_of(BETWEEN) {
            self.marks.push((self.end, self.bytes.len()));
        }
        self.number(range.start - self.end);
        self.number(range.end - range.start);
        self.end = range.end;
        self.len += 1;
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    /// Those that end behind `at`, in the order of the file.
    pub(in super::super) fn behind(&self, at: u64) -> impl Iterator<Item = Range<u64>> + Clone + '_ {
        let mark = self.marks.partition_point(|(end, _)| *end <= at).saturating_sub(1);
        let (end, from) = self.marks.get(mark).copied().unwrap_or((0, 0));
        Iter { bytes: &self.bytes[from..], end }.skip_while(move |range| range.end <= at)
    }
}

/// Two rows that are in order as one.
fn merged(
    mut a: Peekable<impl Iterator<Item = Range<u64>>>,
    mut b: Peekable<impl Iterator<Item = Range<u64>>>,
) -> impl Iterator<Item = Range<u64>> {
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(first), Some(second)) if first.start <= second.start => a.next(),
        (_, Some(_)) => b.next(),
        _ => a.next(),
    })
}

#[derive(Clone)]
struct Iter<'a> {
    bytes: &'a [u8],
    end: u64,
}

impl Iter<'_> {
    fn number(&mut self) -> Option<u64> {
        let len = self.bytes.iter().position(|byte| *byte < 0x80)? + 1;
        let (number, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        Some(number.iter().rev().fold(0, |all, byte| all << 7 | u64::from(byte & 0x7f)))
    }
}

impl Iterator for Iter<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let start = self.end + self.number()?;
        self.end = start + self.number()?;
        Some(start..self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn they_come_in_order_whatever_the_memory() {
        let mut rng = testkit::rng::Rng::new(5);
        let all: Vec<_> = (0..5000_u64).map(|n| n * 1000 + n * n % 700..n * 1000 + 900).collect();
        for memory in [0, 1000, 1 << 20] {
            let mut ranges = Ranges::default();
            let mut order = all.clone();
            rng.shuffle(&mut order);
            order.into_iter().for_each(|range| _ = ranges.add(range, memory));
            ranges.finish();
            assert!(ranges.behind(0).eq(all.iter().cloned()));
            for at in [0, 1, 900, 901, 255_899, 255_900, 256_000, 4_999_900, u64::MAX] {
                assert!(ranges.behind(at).eq(all.iter().filter(|range| range.end > at).cloned()), "{at}");
            }
        }
    }

    #[test]
    fn those_that_touch_are_one_and_too_many_are_told() {
        let mut ranges = Ranges::default();
        for n in (0..100_000_u64).rev() {
            assert!(ranges.add(n * 18..n * 18 + 18, 1 << 12), "{n}");
        }
        ranges.finish();
        assert_eq!((ranges.len(), ranges.behind(7).next()), (1, Some(0..1_800_000)));
        let mut ranges = Ranges::default();
        assert!(!(0..100_000_u64).all(|n| ranges.add(n * 18..n * 18 + 17, 1 << 12)));
    }
}
