//! Finding what is equal among entries of which nearly all are alone.
//!
//! Each sets a bit that its hash chooses. Only the few whose bit somebody else has set are sorted and compared.

use super::FLAT;
use super::run::Entry;

/// Bits of the filter for each entry, and at most: they stay in the cache of a core.
const FILTER_RATIO: usize = 32;
const FILTER_MAX: usize = 1 << 20;

/// The filter, and what waits to be compared; both are used again.
#[derive(Debug, Default)]
pub(super) struct Filter {
    bits: Vec<u64>,
    /// Hashes that found their bit set, then all entries whose bit is one of theirs.
    twice: Vec<u64>,
    run: Vec<Entry>,
}

impl Filter {
    /// Goes over so many hashes, then over the entries that belong to them, both as often as they are asked for, and calls
    /// `on` as [`Table::settle`](super::Table::settle) does. Of the hashes no more than the low bits matter.
    pub(super) fn settle<H: Iterator<Item = u64>, E: Iterator<Item = Entry>>(
        &mut self,
        len: usize,
        hashes: impl Fn() -> H,
        entries: impl Fn() -> E,
        on: &mut impl FnMut(u64, u64),
    ) {
        if len < 2 {
            return;
        }
        let mask = self.reset(size(len));
        for hash in hashes() {
            if self.set(hash, mask) {
                self.twice.push(hash);
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
            let bit = bit_of(entry.0, mask);
            if self.bits[bit / 64] >> (bit % 64) & 1 == 1 {
                self.run.push(entry);
            }
        }
        self.run.sort_unstable();
        for same in self.run.chunk_by(|a, b| a.0 == b.0) {
            for (_, later) in &same[1..] {
                on(same[0].1, *later);
            }
        }
        self.run.clear();
        self.run.shrink_to(FLAT);
    }

    /// Makes it so many bits, all of them clear.
    fn reset(&mut self, bits: usize) -> usize {
        self.bits.clear();
        self.bits.resize(bits / 64, 0);
        bits - 1
    }

    /// Sets the bit of a hash, and answers whether it was set.
    #[inline]
    fn set(&mut self, hash: u64, mask: usize) -> bool {
        let bit = bit_of(hash, mask);
        let word = &mut self.bits[bit / 64];
        let before = *word >> (bit % 64) & 1;
        *word |= 1 << (bit % 64);
        before == 1
    }
}

/// The bits of a filter for so many entries.
fn size(entries: usize) -> usize {
    (entries * FILTER_RATIO).next_power_of_two().clamp(64, FILTER_MAX)
}

/// The top bits are the same for all of a partition, so the low ones choose.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn bit_of(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}
