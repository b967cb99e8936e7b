//! Finding things that occur twice, in bounded memory.
//!
//! Keys and elements are compared by 64-bit hashes of their text. A [`Table`] holds hash and place of each: those that came
//! last as they came, all others in runs that are sorted by the top byte of the hash, so that each such partition can be
//! settled within the cache. When the budget is used up, the upper half of the hash range is dropped and no longer taken:
//! what remains is still compared completely, and the table knows how much that is. What is dropped depends on the hashes
//! alone, not on their order, so that it is the same for every number of threads.

mod filter;
mod hash;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use filter::Filter;
pub(crate) use hash::{Hasher, hash};
use run::{ENTRY_BYTES, Entry, PARTITIONS, Run, WIDE_BYTES};

/// So many entries make a run.
const FLAT: usize = 1 << 14;
/// Where a table is moved into another, so many are a run of their own.
const LEAST: usize = 1 << 11;

/// Hashes and places, within a budget.
#[derive(Debug)]
pub(crate) struct Table {
    flat: Vec<Entry>,
    runs: Vec<Run>,
    filter: Filter,
    len: usize,
    budget: usize,
    capacity: usize,
    /// So many entries become a run.
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
        Self::of_capacity(budget, budget / ENTRY_BYTES)
    }

    /// A table for places that need not lie near each other.
    pub(crate) fn wide(budget: usize) -> Self {
        Self::of_capacity(budget, budget / WIDE_BYTES)
    }

    fn of_capacity(budget: usize, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            flat: Vec::new(),
            runs: Vec::new(),
            filter: Filter::default(),
            len: 0,
            budget,
            capacity,
            flat_most: FLAT.min(capacity.saturating_add(1)),
            limit: u64::MAX,
            floor: None,
            reached: u64::MAX,
            seen: 0,
        }
    }

    /// A table for the hashes that an earlier one, which ended at `floor`, did not take.
    pub(crate) fn after(budget: usize, floor: u64) -> Self {
        Self { floor: Some(floor), ..Self::new(budget) }
    }

    /// A table whose content will be moved into another: it waits for [`pack`](Self::pack).
    pub(crate) fn to_be_moved(budget: usize) -> Self {
        Self { flat_most: usize::MAX, ..Self::new(budget) }
    }

    /// The memory that it may use, in bytes.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Lets it use no more than that from now on, in bytes.
    pub(crate) fn shrink(&mut self, budget: usize) {
        self.capacity = self.capacity.min((budget / ENTRY_BYTES).max(1));
    }

    /// The highest hash that the table took before it was settled: `u64::MAX` if it took all.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// Empties the table. A large one gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.flat.clear();
        self.runs = Vec::new();
        (self.len, self.limit, self.seen) = (0, u64::MAX, 0);
    }

    /// Adds a thing that lies at `place`.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, place: u64) {
        self.seen += 1;
        if hash > self.limit || self.floor.is_some_and(|floor| hash <= floor) {
            return;
        }
        self.len += 1;
        self.flat.push((hash, place));
        if self.flat.len() >= self.flat_most {
            self.close();
        }
    }

    /// Makes a run of what came last.
    #[cold]
    fn close(&mut self) {
        if !self.flat.is_empty() {
            self.runs.push(Run::new(&self.flat));
            self.flat.clear();
        }
        self.shed();
    }

    /// Keeps within the budget.
    fn shed(&mut self) {
        while self.len > self.capacity && self.limit > self.floor.unwrap_or(0) {
            self.halve();
        }
    }

    #[cold]
    fn halve(&mut self) {
        let floor = self.floor.unwrap_or(0);
        self.limit = floor + (self.limit - floor) / 2;
        let limit = self.limit;
        self.flat.retain(|(hash, _)| *hash <= limit);
        // Made anew, and not shortened where they are: that would leave holes into which nothing fits.
        let (mut runs, mut kept) = (Vec::new(), Vec::new());
        for run in std::mem::take(&mut self.runs) {
            kept.extend(run.entries().filter(|(hash, _)| *hash <= limit));
            drop(run);
            if kept.len() >= FLAT {
                runs.push(Run::new(&kept));
                kept.clear();
            }
        }
        if !kept.is_empty() {
            runs.push(Run::new(&kept));
        }
        self.runs = runs;
        self.len = self.flat.len() + self.runs.iter().map(Run::len).sum::<usize>();
    }

    /// Prepares to be moved into another table, so that little is left to do while nobody else can reach that one.
    pub(crate) fn pack(&mut self) {
        if self.flat.len() >= LEAST {
            self.close();
        }
    }

    /// Moves everything into another table of the same budget, which is not one that follows others.
    pub(crate) fn move_into(&mut self, other: &mut Self) {
        while other.limit > self.limit {
            other.halve();
        }
        other.seen += self.seen - self.flat.len() as u64;
        for mut run in std::mem::take(&mut self.runs) {
            if other.limit < self.limit {
                run.retain(|hash| hash <= other.limit);
            }
            other.len += run.len();
            other.runs.push(run);
        }
        self.flat.drain(..).for_each(|(hash, place)| other.insert(hash, place));
        other.shed();
        self.clear();
        // What the other one does not take need not be kept for it.
        self.limit = other.limit;
    }

    /// Compares everything and calls `on` with the places of the first and a later thing of equal hash, in the order of
    /// the later one's place within each run of hashes. Then the table is empty.
    pub(crate) fn settle(&mut self, mut on: impl FnMut(u64, u64)) -> Settled {
        let settled = self.begin_to_settle();
        if self.runs.is_empty() {
            let flat = &self.flat;
            self.filter.settle(flat.len(), || flat.iter().map(|(hash, _)| *hash), || flat.iter().copied(), &mut on);
        } else {
            (0..PARTITIONS).for_each(|partition| settle_partition(&self.runs, partition, &mut self.filter, &mut on));
        }
        self.clear();
        settled
    }

    /// The same on so many threads, which take one partition after another. `on` is called in any order.
    pub(crate) fn settle_on(&mut self, threads: usize, on: impl FnMut(u64, u64) + Send) -> Settled {
        if threads < 2 || self.runs.is_empty() {
            return self.settle(on);
        }
        let settled = self.begin_to_settle();
        let (runs, next, on) = (&self.runs, AtomicUsize::new(0), Mutex::new(on));
        let work = || {
            let mut filter = Filter::default();
            let mut on = |first, later| on.lock().unwrap_or_else(PoisonError::into_inner)(first, later);
            let take = || next.fetch_add(1, Ordering::Relaxed);
            std::iter::repeat_with(take)
                .take_while(|partition| *partition < PARTITIONS)
                .for_each(|partition| settle_partition(runs, partition, &mut filter, &mut on));
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

    fn begin_to_settle(&mut self) -> Settled {
        if !self.runs.is_empty() {
            self.close();
        }
        self.reached = self.limit;
        Settled { seen: self.seen, compared: self.len as u64 }
    }
}

/// Compares what belongs to a partition.
fn settle_partition(runs: &[Run], partition: usize, filter: &mut Filter, on: &mut impl FnMut(u64, u64)) {
    filter.settle(
        runs.iter().map(|run| run.len_of(partition)).sum(),
        || runs.iter().flat_map(|run| run.hashes_of(partition)),
        || runs.iter().flat_map(|run| run.entries_of(partition)),
        on,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A multiplier that spreads small numbers over the hash range.
    fn spread(i: u64) -> u64 {
        i.wrapping_mul(0x9E37_79B9_7F4A_7C15)
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
