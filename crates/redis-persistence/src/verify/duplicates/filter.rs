//! Finding what is equal among entries of which nearly all are alone.
//!
//! Each sets a bit that its hash chooses. Only the few whose bit somebody else has set are sorted and compared.

use super::FLAT;
use super::run::Full;

/// Bits of the filter for each entry, and at most: they stay in the cache of a core.
const FILTER_RATIO: usize = 32;
const FILTER_MAX: usize = 1 << 20;
/// This many entries are sorted at once.
const MOST_SORTED: usize = 1 << 16;

/// The filter, and what waits to be compared; both are used again.
#[derive(Debug, Default)]
pub(super) struct Filter {
    bits: Vec<u64>,
    /// Hashes that found their bit set, then all entries whose bit is one of theirs.
    twice: Vec<u64>,
    run: Vec<Full>,
    /// The places of those of one hash.
    places: Vec<u64>,
}

/// Both hashes of an entry as one number.
fn both(hash: u64, second: u32) -> u128 {
    u128::from(hash) << 32 | u128::from(second)
}

impl Filter {
    /// Goes over so many hashes, then over the entries that belong to them, both as often as they are asked for, and calls
    /// `on` as [`Table::settle`](super::Table::settle) does. Of the hashes no more than the low bits matter.
    pub(super) fn settle<H: Iterator<Item = u64>, E: Iterator<Item = Full>>(
        &mut self,
        len: usize,
        hashes: impl Fn() -> H,
        entries: impl Fn() -> E,
        on: &mut impl FnMut(&[u64]),
    ) {
        crate::base::work::did(len);
        if len < 2 {
            return;
        }
        let mask = self.reset(size(len));
        for hash in hashes() {
            if self.set(hash, mask) {
                self.push_twice(hash);
            }
        }
        if self.twice.is_empty() {
            return;
        }
        // They are few, so their filter is small, and most entries are told from them in no time.
        let mask = self.reset(size(self.twice.len()));
        for hash in std::mem::take(&mut self.twice) {
            self.set(hash, mask);
        }
        for entry in entries() {
            if self.is_set(entry.0, mask) {
                if self.run.len() == MOST_SORTED {
                    self.run = Vec::new();
                    return self.settle_between(0, u128::MAX, mask, &entries, on);
                }
                self.run.push(entry);
            }
        }
        self.sort(on);
        self.run.shrink_to(FLAT);
    }

    /// Returns the same for the entries whose hashes lie between two, ends included, in parts that need little memory: one
    /// hash alone can be that of most entries.
    fn settle_between<E: Iterator<Item = Full>>(
        &mut self,
        low: u128,
        high: u128,
        mask: usize,
        entries: &impl Fn() -> E,
        on: &mut impl FnMut(&[u64]),
    ) {
        let these = |filter: &Self, (hash, second, place): Full| {
            let both = both(hash, second);
            ((low..=high).contains(&both) && filter.is_set(hash, mask)).then_some((both, place))
        };
        let (mut count, mut least, mut most) = (0, u128::MAX, 0);
        for (both, _) in entries().filter_map(|entry| these(self, entry)) {
            (count, least, most) = (count + 1, least.min(both), most.max(both));
        }
        crate::base::work::did(count);
        if count < 2 {
            return;
        }
        if least == most {
            let mut places = Vec::with_capacity(count);
            places.extend(entries().filter_map(|entry| these(self, entry)).map(|(_, place)| place));
            places.sort_unstable();
            on(&places);
        } else if count <= MOST_SORTED {
            let mut run = std::mem::take(&mut self.run);
            run.extend(entries().filter(|entry| these(self, *entry).is_some()));
            self.run = run;
            self.sort(on);
        } else {
            let middle = least + (most - least) / 2;
            self.settle_between(least, middle, mask, entries, on);
            self.settle_between(middle + 1, most, mask, entries, on);
        }
    }

    /// Calls `on` with the places of each hash that occurs more than once among those collected.
    fn sort(&mut self, on: &mut impl FnMut(&[u64])) {
        self.run.sort_unstable();
        for same in self.run.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|same| same.len() > 1) {
            self.places.clear();
            self.places.extend(same.iter().map(|(.., place)| *place));
            on(&self.places);
        }
        self.run.clear();
    }

    /// Remembers a hash that found its bit set. One that comes again and again takes no more room for that.
    fn push_twice(&mut self, hash: u64) {
        let full = self.twice.capacity();
        if self.twice.len() == full && full >= FLAT {
            self.twice.sort_unstable();
            self.twice.dedup();
            if self.twice.len() > full / 2 {
                self.twice.reserve(full);
            }
        }
        self.twice.push(hash);
    }

    /// Makes it so many bits, all of them clear.
    fn reset(&mut self, bits: usize) -> usize {
        self.bits.clear();
        self.bits.resize(bits / 64, 0);
        bits - 1
    }

    /// Sets the bit of a hash, and returns whether it was set.
    #[inline]
    fn set(&mut self, hash: u64, mask: usize) -> bool {
        let bit = bit_of(hash, mask);
        let word = &mut self.bits[bit / 64];
        let before = *word >> (bit % 64) & 1;
        *word |= 1 << (bit % 64);
        before == 1
    }

    /// Returns whether the bit of a hash is set.
    #[inline]
    fn is_set(&self, hash: u64, mask: usize) -> bool {
        let bit = bit_of(hash, mask);
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }
}

/// Returns the bits of a filter for this many entries.
fn size(entries: usize) -> usize {
    (entries * FILTER_RATIO).next_power_of_two().clamp(64, FILTER_MAX)
}

/// The top bits are the same for all of a partition, so the low ones choose.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn bit_of(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}
