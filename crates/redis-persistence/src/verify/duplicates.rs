//! Finding things that occur twice, in bounded memory.
//!
//! Keys and elements are compared by 64-bit hashes of their text. A [`Table`] holds hash and place of each, at first in
//! one run, later partitioned by the top bits of the hash, so that each partition can be settled within the cache. When
//! the budget is used up, the upper half of the hash range is dropped and no longer taken: what remains is still
//! compared completely, and the table knows how much that is. What is dropped depends on the hashes alone, not on their
//! order, so that it is the same for every number of threads.

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

/// Hash and place of one thing.
type Entry = (u64, u64);

const ENTRY_BYTES: usize = size_of::<Entry>();
/// Above so many entries the table is partitioned.
const FLAT: usize = 1 << 14;
const PARTITIONS: usize = 256;
const CHUNK: usize = 1 << 10;

/// Hashes and places, within a budget.
#[derive(Debug)]
pub(crate) struct Table {
    flat: Vec<Entry>,
    /// By the top eight bits; each a list of chunks, so that growing copies nothing.
    partitions: Vec<Vec<Vec<Entry>>>,
    len: usize,
    capacity: usize,
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
            len: 0,
            capacity: (budget / ENTRY_BYTES).max(1),
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

    /// The memory that it may use, in bytes.
    pub(crate) fn budget(&self) -> usize {
        self.capacity * ENTRY_BYTES
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
        if self.partitions.is_empty() && self.flat.len() < FLAT.min(self.capacity) {
            self.flat.push((hash, place));
        } else {
            self.insert_partitioned(hash, place);
        }
    }

    fn insert_partitioned(&mut self, hash: u64, place: u64) {
        if self.partitions.is_empty() {
            self.partitions = vec![Vec::new(); PARTITIONS];
            for (hash, place) in std::mem::take(&mut self.flat) {
                push(&mut self.partitions, hash, place);
            }
        }
        push(&mut self.partitions, hash, place);
        while self.len > self.capacity && self.limit > self.floor.unwrap_or(0) {
            self.halve();
        }
    }

    #[cold]
    fn halve(&mut self) {
        let floor = self.floor.unwrap_or(0);
        self.limit = floor + (self.limit - floor) / 2;
        let boundary = partition(self.limit);
        for partition in &mut self.partitions[boundary + 1..] {
            *partition = Vec::new();
        }
        let limit = self.limit;
        for chunk in &mut self.partitions[boundary] {
            chunk.retain(|(hash, _)| *hash <= limit);
        }
        self.len = self.partitions.iter().flatten().map(Vec::len).sum();
    }

    /// Compares everything and calls `on` with the places of the first and a later thing of equal hash, in the order of
    /// the later one's place within each run of hashes. Then the table is empty.
    pub(crate) fn settle(&mut self, mut on: impl FnMut(u64, u64)) -> Settled {
        let settled = Settled { seen: self.seen, compared: self.len as u64 };
        self.reached = self.limit;
        let mut run = std::mem::take(&mut self.flat);
        settle_run(&mut run, &mut on);
        run.clear();
        for chunks in std::mem::take(&mut self.partitions) {
            run.clear();
            for chunk in chunks {
                run.extend_from_slice(&chunk);
            }
            settle_run(&mut run, &mut on);
        }
        run.clear();
        run.shrink_to(FLAT);
        self.flat = run;
        self.clear();
        settled
    }
}

fn partition(hash: u64) -> usize {
    (hash >> 56) as usize
}

fn push(partitions: &mut [Vec<Vec<Entry>>], hash: u64, place: u64) {
    let chunks = &mut partitions[partition(hash)];
    match chunks.last_mut() {
        Some(chunk) if chunk.len() < CHUNK => chunk.push((hash, place)),
        _ => {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push((hash, place));
            chunks.push(chunk);
        }
    }
}

fn settle_run(run: &mut [Entry], on: &mut impl FnMut(u64, u64)) {
    run.sort_unstable();
    for same in run.chunk_by(|a, b| a.0 == b.0) {
        for (_, later) in &same[1..] {
            on(same[0].1, *later);
        }
    }
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
    fn one_hash_for_all_does_not_grow_past_the_budget() {
        let mut table = Table::new(1000 * ENTRY_BYTES);
        for i in 0..100_000 {
            table.insert(0, i);
        }
        assert!(table.len <= 100_000);
        assert_eq!(table.settle(|_, _| ()).seen, 100_000);
    }
}
