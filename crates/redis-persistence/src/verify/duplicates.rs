//! Finding things that occur twice, in bounded memory.
//!
//! Keys and elements are compared by 64-bit hashes of their text. A [`Table`] holds hash and place of each, at first in
//! one run, later partitioned by the top bits of the hash, so that each partition can be settled within the cache. When
//! the budget is used up, the upper half of the hash range is dropped and no longer taken: what remains is still
//! compared completely, and the table knows how much that is. What is dropped depends on the hashes alone, not on their
//! order, so that it is the same for every number of threads.

mod partition;

use std::sync::{Mutex, PoisonError};

use partition::{ENTRY_BYTES, Entry, PARTITIONS, Partition, WIDE_BYTES, partition};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The hash of a text; `seed` keeps the databases apart.
///
/// The hash function's own seed is not used: for short texts it is merely mixed into the bytes, so that keys of two
/// databases which differ in the right bits collide, and real keys do.
#[inline]
pub(crate) fn hash(text: &[u8], seed: u64) -> u64 {
    apart(xxh3_64(text), seed)
}

fn apart(hash: u64, seed: u64) -> u64 {
    hash ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The same hash of a text that comes in pieces.
pub(crate) struct Hasher {
    state: Xxh3,
    seed: u64,
}

impl Hasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Xxh3::new(), seed }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.state.update(piece);
    }

    pub(crate) fn finish(&self) -> u64 {
        apart(self.state.digest(), self.seed)
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// Above so many entries the table is partitioned.
const FLAT: usize = 1 << 14;
/// Bits of the filter for each entry, and at most: they stay in the cache of a core.
const FILTER_RATIO: usize = 32;
const FILTER_MAX: usize = 1 << 20;

/// Hashes and places, within a budget.
#[derive(Debug)]
pub(crate) struct Table {
    flat: Vec<Entry>,
    /// By the top eight bits.
    partitions: Vec<Partition>,
    filter: Filter,
    len: usize,
    budget: usize,
    capacity: usize,
    /// With more entries than this it is partitioned.
    flat_most: usize,
    /// Hashes above it are not taken.
    limit: u64,
    /// Hashes up to it were compared by an earlier table.
    floor: Option<u64>,
    /// What `limit` was when it was settled.
    reached: u64,
    seen: u64,
}

/// What a settled table compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Things that were put into the table.
    pub(crate) seen: u64,
    /// Things that were compared with all others.
    pub(crate) compared: u64,
}

impl Table {
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            flat: Vec::new(),
            partitions: Vec::new(),
            filter: Filter::default(),
            len: 0,
            budget,
            capacity: (budget / ENTRY_BYTES).max(1),
            flat_most: FLAT,
            limit: u64::MAX,
            floor: None,
            reached: u64::MAX,
            seen: 0,
        }
    }

    /// A table for places that need not lie near each other.
    pub(crate) fn wide(budget: usize) -> Self {
        Self { capacity: (budget / WIDE_BYTES).max(1), ..Self::new(budget) }
    }

    /// A table for the hashes that an earlier one, which ended at `floor`, did not take.
    pub(crate) fn after(budget: usize, floor: u64) -> Self {
        Self { floor: Some(floor), ..Self::new(budget) }
    }

    /// A table whose content will be moved into another: it stays in one run.
    pub(crate) fn to_be_moved(budget: usize) -> Self {
        Self { flat_most: usize::MAX, ..Self::new(budget) }
    }

    /// The memory that it may use, in bytes.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// The highest hash that the table took before it was settled: `u64::MAX` if it took all.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// Empties the table. A large one gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.flat.clear();
        self.partitions = Vec::new();
        (self.len, self.limit, self.seen) = (0, u64::MAX, 0);
    }

    /// Adds a thing that lies at `place`. Places grow from call to call.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, place: u64) {
        self.seen += 1;
        if hash > self.limit || self.floor.is_some_and(|floor| hash <= floor) {
            return;
        }
        self.len += 1;
        if self.partitions.is_empty() && self.flat.len() < self.flat_most.min(self.capacity) {
            self.flat.push((hash, place));
        } else {
            self.insert_partitioned(hash, place);
        }
    }

    fn insert_partitioned(&mut self, hash: u64, place: u64) {
        self.split();
        self.partitions[partition(hash)].push((hash, place));
        while self.len > self.capacity && self.limit > self.floor.unwrap_or(0) {
            self.halve();
        }
    }

    /// Goes over from one run to partitions.
    fn split(&mut self) {
        if self.partitions.is_empty() {
            self.partitions = Partition::all();
            for entry in std::mem::take(&mut self.flat) {
                self.partitions[partition(entry.0)].push(entry);
            }
        }
    }

    #[cold]
    fn halve(&mut self) {
        let floor = self.floor.unwrap_or(0);
        self.limit = floor + (self.limit - floor) / 2;
        let boundary = partition(self.limit);
        for partition in &mut self.partitions[boundary + 1..] {
            partition.clear();
        }
        self.partitions[boundary].retain_up_to(self.limit);
        self.len = self.partitions.iter().map(Partition::len).sum();
    }

    /// Moves everything into another table of the same budget.
    pub(crate) fn move_into(&mut self, other: &mut Self) {
        while other.limit > self.limit {
            other.split();
            other.halve();
        }
        let dropped = self.seen - self.len as u64;
        for (hash, place) in self.flat.iter().copied().chain(self.partitions.iter().flat_map(Partition::entries)) {
            other.insert(hash, place);
        }
        other.seen += dropped;
        self.clear();
    }

    /// Compares everything and calls `on` with the places of the first and a later thing of equal hash, in the order of
    /// the later one's place within each run of hashes. Then the table is empty.
    pub(crate) fn settle(&mut self, mut on: impl FnMut(u64, u64)) -> Settled {
        let settled = Settled { seen: self.seen, compared: self.len as u64 };
        self.reached = self.limit;
        let filter = &mut self.filter;
        filter.settle(
            self.flat.len(),
            || self.flat.iter().map(|(hash, _)| *hash),
            || self.flat.iter().copied(),
            &mut on,
        );
        for partition in std::mem::take(&mut self.partitions) {
            filter.settle(partition.len(), || partition.hashes(), || partition.entries(), &mut on);
        }
        self.clear();
        settled
    }

    /// The same on so many threads, which take one partition after another. `on` is called in any order.
    pub(crate) fn settle_on(&mut self, threads: usize, on: impl FnMut(u64, u64) + Send) -> Settled {
        if threads < 2 || self.partitions.is_empty() {
            return self.settle(on);
        }
        let settled = Settled { seen: self.seen, compared: self.len as u64 };
        self.reached = self.limit;
        let partitions = Mutex::new(std::mem::take(&mut self.partitions).into_iter());
        let on = Mutex::new(on);
        let work = || {
            let mut filter = Filter::default();
            let next = || partitions.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some(partition) = next() {
                let mut on = |first, later| on.lock().unwrap_or_else(PoisonError::into_inner)(first, later);
                filter.settle(partition.len(), || partition.hashes(), || partition.entries(), &mut on);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(PARTITIONS) {
                scope.spawn(work);
            }
            work();
        });
        self.clear();
        settled
    }
}

/// Finds what is equal in a run of entries, nearly all of which are alone.
///
/// Each sets a bit that its hash chooses. Only the few whose bit somebody else has set are sorted and compared.
#[derive(Debug, Default)]
struct Filter {
    bits: Vec<u64>,
    /// Hashes that found their bit set, then all entries whose bit is one of theirs.
    twice: Vec<u64>,
    run: Vec<Entry>,
}

impl Filter {
    /// Goes over so many hashes, then over the entries that belong to them, both as often as they are asked for, and calls
    /// `on` as [`Table::settle`] does. Of the hashes no more than the low bits matter.
    fn settle<H: Iterator<Item = u64>, E: Iterator<Item = Entry>>(
        &mut self,
        len: usize,
        hashes: impl Fn() -> H,
        entries: impl Fn() -> E,
        on: &mut impl FnMut(u64, u64),
    ) {
        if len < 2 {
            return;
        }
        let mask = self.reset((len * FILTER_RATIO).next_power_of_two().clamp(64, FILTER_MAX));
        for hash in hashes() {
            if self.set(hash, mask) {
                self.twice.push(hash);
            }
        }
        if self.twice.is_empty() {
            return;
        }
        self.bits.fill(0);
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

/// The top bits are the same for all of a partition, so the low ones choose.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn bit_of(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A multiplier that spreads small numbers over the hash range.
    fn spread(i: u64) -> u64 {
        i.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let text: Vec<u8> = (0..2000u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut hasher = Hasher::new(7);
        text.chunks(13).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), hash(&text, 7));
    }

    #[test]
    fn finds_pairs_in_small_and_large_tables() {
        for n in [10, 100_000] {
            let mut table = Table::new(64 << 20);
            for i in 0..n {
                table.insert(spread(i), i);
            }
            table.insert(spread(3), n);
            table.insert(spread(3), n + 1);
            let mut pairs = Vec::new();
            let settled = table.settle(|a, b| pairs.push((a, b)));
            assert_eq!(pairs, [(3, n), (3, n + 1)]);
            assert_eq!((settled.seen, settled.compared, table.reached()), (n + 2, n + 2, u64::MAX));
            assert_eq!(table.settle(|_, _| ()).seen, 0);
        }
    }

    #[test]
    fn past_the_budget_the_same_half_is_kept_in_any_order() {
        let budget = 50_000 * ENTRY_BYTES;
        let compared = |order: &mut dyn Iterator<Item = u64>| {
            let mut table = Table::new(budget);
            let mut low = 0;
            for i in order {
                table.insert(spread(i), i);
                low += u64::from(spread(i) <= u64::MAX >> 2);
            }
            let settled = table.settle(|_, _| ());
            assert_eq!(settled.compared, low);
            settled
        };
        let there = compared(&mut (0..150_000));
        let back = compared(&mut (0..150_000).rev());
        assert_eq!(there, back);
        assert!(there.compared * ENTRY_BYTES as u64 <= budget as u64);
    }

    #[test]
    fn tables_after_one_another_compare_everything_once() {
        let budget = 20_000 * ENTRY_BYTES;
        let (mut table, mut compared, mut pairs) = (Table::new(budget), 0, 0);
        loop {
            (0..100_000).chain(0..10).for_each(|i| table.insert(spread(i), i));
            let settled = table.settle(|_, _| pairs += 1);
            compared += settled.compared;
            if table.reached() == u64::MAX {
                break;
            }
            table = Table::after(budget, table.reached());
        }
        assert_eq!((compared, pairs), (100_010, 10));
    }

    #[test]
    fn parts_moved_together_drop_what_one_table_drops() {
        for budget in [1000, 20_000, 200_000] {
            let budget = budget * ENTRY_BYTES;
            let (mut one, mut shared) = (Table::new(budget), Table::new(budget));
            for part in 0..10 {
                let mut table = Table::new(budget);
                for i in (0..100_000).filter(|i| i % 10 == part).chain([5]) {
                    one.insert(spread(i), i);
                    table.insert(spread(i), i);
                }
                table.move_into(&mut shared);
                assert_eq!(table.settle(|_, _| ()).seen, 0);
            }
            let mut pairs = (Vec::new(), Vec::new());
            assert_eq!(one.settle(|a, b| pairs.0.push((a, b))), shared.settle_on(3, |a, b| pairs.1.push((a, b))));
            pairs.0.sort_unstable();
            pairs.1.sort_unstable();
            assert_eq!((pairs.0, one.reached()), (pairs.1, shared.reached()));
        }
    }

    #[test]
    fn one_hash_for_all_does_not_grow_past_the_budget() {
        let mut table = Table::new(1000 * ENTRY_BYTES);
        for i in 0..100_000 {
            table.insert(0, i);
        }
        assert!(table.len <= 100_000);
        assert_eq!(table.settle(|_, _| ()).seen, 100_000);
    }
}
