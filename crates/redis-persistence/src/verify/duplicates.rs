//! Finding things that occur twice, in bounded memory.
//!
//! Keys and elements are compared by 64-bit hashes of their text, under a key that nobody knows who made the file. A [`Table`] holds
//! hash and place of each: those that came last as they came, all others in runs that are sorted by the top byte of the hash, so
//! that each such partition can be settled within the cache. It hands out all places of each hash that occurs more than once; whoever
//! takes them compares the texts ([`confirm`](super::confirm)). Where those cannot be read again, a second hash under another key
//! stands beside the first, and both have to agree.
//!
//! When the budget is used up, the entries of the highest hashes are dropped and no longer taken; of one hash, those that lie last.
//! What remains is still compared completely. It is two thirds of what the budget holds, however much there was and however the hashes
//! lie: so how much is compared depends neither on the order in which things come, and so on the threads, nor on the key.

mod filter;
mod hash;
mod memory;
mod run;
mod texts;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use filter::Filter;
pub(crate) use hash::HashKey;
pub(crate) use texts::{Digests, repeated};

use crate::base::monitor::spawn;
use memory::Runs;
use run::{ENTRY_BYTES, Entry, Full, PARTITIONS, SECOND_BYTES, View, WHOLE_PLACE_BYTES, partition_of};

/// This many entries make a run.
const FLAT: usize = 1 << 14;
/// Where a table is moved into another, so many are a run of their own.
const LEAST: usize = 1 << 11;

/// The hash of a text, and its second hash, which is 0 where there is none.
pub(crate) type Hashes = (u64, u32);

/// Hashes and places, within a budget.
#[derive(Debug)]
pub(crate) struct Table {
    flat: Vec<Entry>,
    /// The second hashes of those, if there are any.
    flat_second: Vec<u32>,
    runs: Runs,
    filter: Filter,
    len: usize,
    form: Form,
    /// The key of the second hashes.
    other_key: HashKey,
    budget: usize,
    capacity: usize,
    /// This many entries become a run.
    flat_most: usize,
    /// Entries above it are not taken.
    limit: Entry,
    /// Hashes below it were compared by an earlier table.
    low: u64,
    /// Whether another table will take the rest, so that all things of one hash are to be compared by one of them.
    goes_on: bool,
    seen: u64,
}

/// What stands in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// The key of the hashes.
    pub(crate) key: HashKey,
    /// Whether places need not lie near each other.
    pub(crate) wide: bool,
    /// Whether there are second hashes: where texts cannot be read again.
    pub(crate) second: bool,
}

impl Form {
    fn entry_bytes(self) -> usize {
        let Self { wide, second, .. } = self;
        ENTRY_BYTES + if wide { WHOLE_PLACE_BYTES } else { 0 } + if second { SECOND_BYTES } else { 0 }
    }
}

/// Returns the bits of a hash that a second hash keeps.
fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Makes the hashes of a text that comes in pieces.
#[derive(Debug)]
pub(crate) struct Hasher {
    first: hash::Hasher,
    second: Option<hash::Hasher>,
}

impl Hasher {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.first.update(piece);
        if let Some(second) = &mut self.second {
            second.update(piece);
        }
    }

    pub(crate) fn finish(&self) -> Hashes {
        (self.first.finish(), self.second.as_ref().map_or(0, |hasher| upper_half(hasher.finish())))
    }
}

/// What a settled table compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Things that were put into the table.
    pub(crate) seen: u64,
    /// Things that were compared with all others.
    pub(crate) compared: u64,
    /// From which hash on nothing was compared.
    pub(crate) rest: Option<u64>,
}

impl Settled {
    /// Nothing, all of it compared.
    pub(crate) const NONE: Self = Self { seen: 0, compared: 0, rest: None };
}

impl Table {
    pub(crate) fn new(budget: usize, form: Form) -> Self {
        let capacity = (budget / form.entry_bytes()).max(1);
        Self {
            flat: Vec::new(),
            flat_second: Vec::new(),
            runs: Runs::default(),
            filter: Filter::default(),
            len: 0,
            form,
            other_key: if form.second { form.key.other() } else { form.key },
            budget,
            capacity,
            flat_most: FLAT.min(capacity.saturating_add(1)),
            limit: ALL,
            low: 0,
            goes_on: false,
            seen: 0,
        }
    }

    /// Returns a table for the hashes that this one did not take: those from `rest` on.
    pub(crate) fn after(&self, rest: u64) -> Self {
        Self { low: rest, goes_on: true, ..Self::new(self.budget, self.form) }
    }

    /// Says that another table will take what this one does not.
    pub(crate) fn goes_on(&mut self) {
        self.goes_on = true;
    }

    /// Returns a table for other things of the same kind, with places that lie near each other.
    pub(crate) fn alike(&self, budget: usize) -> Self {
        Self::new(budget, Form { wide: false, ..self.form })
    }

    /// A table whose content will be moved into another: it waits for [`pack`](Self::pack).
    pub(crate) fn to_be_moved(budget: usize, form: Form) -> Self {
        Self { flat_most: usize::MAX, ..Self::new(budget, form) }
    }

    /// Lets it use no more than that from now on, in bytes.
    pub(crate) fn shrink(&mut self, budget: usize) {
        self.capacity = self.capacity.min((budget / self.form.entry_bytes()).max(1));
    }

    /// Empties the table. A large one gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.flat.clear();
        self.flat_second.clear();
        self.runs.clear();
        (self.len, self.limit, self.seen) = (0, ALL, 0);
    }

    /// Returns the hashes of a text; `seed` keeps the databases apart.
    #[inline(always)]
    pub(crate) fn hashes(&self, text: &[u8], seed: u64) -> Hashes {
        (self.form.key.hash(text, seed), if self.form.second { self.second(text, seed) } else { 0 })
    }

    /// Not where most keys go by.
    #[cold]
    #[inline(never)]
    fn second(&self, text: &[u8], seed: u64) -> u32 {
        upper_half(self.other_key.hash(text, seed))
    }

    /// Returns the same for a text that comes in pieces.
    pub(crate) fn hasher(&self, seed: u64) -> Hasher {
        let second = self.form.second.then(|| hash::Hasher::new(self.other_key, seed));
        Hasher { first: hash::Hasher::new(self.form.key, seed), second }
    }

    /// Returns the key of the hashes.
    pub(crate) fn key(&self) -> HashKey {
        self.form.key
    }

    /// Adds a text that lies at `place`.
    #[inline(always)]
    pub(crate) fn add(&mut self, text: &[u8], seed: u64, place: u64) {
        if self.form.second {
            return self.add_both(text, seed, place);
        }
        self.insert((self.form.key.hash(text, seed), 0), place);
    }

    #[inline(never)]
    fn add_both(&mut self, text: &[u8], seed: u64, place: u64) {
        self.insert(self.hashes(text, seed), place);
    }

    /// Adds a thing of those hashes that lies at `place`.
    #[inline]
    pub(crate) fn insert(&mut self, (hash, second): Hashes, place: u64) {
        self.seen += 1;
        crate::base::work::did(1);
        // Neither below what is wanted nor at the limit or above it: one comparison for nearly all.
        let within = hash.wrapping_sub(self.low) < self.limit.0.wrapping_sub(self.low);
        if !within && (hash < self.low || (hash, place) > self.limit) {
            return;
        }
        self.push(hash, second, place);
        if self.flat.len() >= self.flat_most {
            self.close();
        }
    }

    #[inline]
    fn push(&mut self, hash: u64, second: u32, place: u64) {
        self.len += 1;
        self.flat.push((hash, place));
        if self.form.second {
            self.flat_second.push(second);
        }
    }

    /// Makes a run of what came last.
    #[cold]
    fn close(&mut self) {
        self.flat_into_run();
        self.shed();
    }

    fn flat_into_run(&mut self) {
        if !self.flat.is_empty() {
            self.runs.push(&self.flat, &self.flat_second);
            self.flat.clear();
            self.flat_second.clear();
        }
    }

    /// Keeps within the budget.
    fn shed(&mut self) {
        if self.len > self.capacity {
            self.limit = self.nth(self.kept());
            self.drop_beyond();
        }
    }

    /// Returns how many entries are kept of more than the budget holds.
    fn kept(&self) -> usize {
        (self.capacity / 3 * 2).max(1)
    }

    /// Returns the entry that is the `n`th by hash and place, counted from 1. It is found byte by byte.
    #[cold]
    fn nth(&self, n: usize) -> Entry {
        let (mut found, mut left) = (0, n);
        crate::base::work::did(self.len);
        for shift in (0..u128::BITS).step_by(8).rev() {
            let mut counts = [0_usize; 256];
            let mut count = |key: u128| counts[usize::from((key >> shift).to_le_bytes()[0])] += 1;
            let flat = self.flat.iter().map(|entry| as_number(*entry));
            if shift + 8 == u128::BITS {
                flat.for_each(&mut count);
                for (partition, count) in counts.iter_mut().enumerate() {
                    *count += self.runs.iter().map(|run| run.len_of(partition)).sum::<usize>();
                }
            } else {
                let partition = usize::from(u128::to_be_bytes(found)[0]);
                let runs = self.runs.iter().flat_map(|run| run.entries_of(partition));
                let all = flat.chain(runs.map(|(hash, _, place)| as_number((hash, place))));
                all.filter(|key| key >> (shift + 8) == found >> (shift + 8)).for_each(&mut count);
            }
            let mut byte = 0;
            while byte < 255 && counts[byte] < left {
                left -= counts[byte];
                byte += 1;
            }
            found |= (byte as u128) << shift;
        }
        as_entry(found)
    }

    /// Drops what lies beyond the limit.
    fn drop_beyond(&mut self) {
        crate::base::work::did(self.len);
        // Made anew, and not shortened where they are: that would leave holes into which nothing fits.
        let (flat, flat_second) = (std::mem::take(&mut self.flat), std::mem::take(&mut self.flat_second));
        let runs = std::mem::take(&mut self.runs);
        self.len = 0;
        for chunk in runs.into_chunks() {
            for run in chunk.runs() {
                run.entries().for_each(|(hash, second, place)| self.push_within(hash, second, place));
                if self.flat.len() >= FLAT {
                    self.flat_into_run();
                }
            }
        }
        self.flat_into_run();
        for (at, (hash, place)) in flat.into_iter().enumerate() {
            self.push_within(hash, flat_second.get(at).copied().unwrap_or(0), place);
        }
    }

    fn push_within(&mut self, hash: u64, second: u32, place: u64) {
        if (hash, place) <= self.limit {
            self.push(hash, second, place);
        }
    }

    /// Prepares to be moved into another table, so that little is left to do while nobody else can reach that one.
    pub(crate) fn pack(&mut self) {
        if self.flat.len() >= LEAST {
            self.close();
        }
    }

    /// Moves everything into another table of the same budget, which is not one that follows others.
    pub(crate) fn move_into(&mut self, other: &mut Self) {
        if other.limit > self.limit {
            other.limit = self.limit;
            other.drop_beyond();
        }
        other.seen += self.seen;
        if other.limit < self.limit {
            for run in self.runs.iter() {
                let kept: Vec<_> = run.entries().filter(|(hash, _, place)| (*hash, *place) <= other.limit).collect();
                let flat: Vec<_> = kept.iter().map(|(hash, _, place)| (*hash, *place)).collect();
                let second: Vec<_> = kept.iter().map(|(_, second, _)| *second).collect();
                other.len += flat.len();
                other.runs.push(&flat, if other.form.second { &second } else { &[] });
            }
        } else {
            other.len += self.runs.iter().map(View::len).sum::<usize>();
            other.runs.take_all(&mut self.runs);
        }
        for (at, (hash, place)) in self.flat.drain(..).enumerate() {
            other.push_within(hash, self.flat_second.get(at).copied().unwrap_or(0), place);
        }
        if other.flat.len() >= other.flat_most {
            other.flat_into_run();
        }
        other.shed();
        self.clear();
        // What the other one does not take need not be kept for it.
        self.limit = other.limit;
    }

    /// Calls `on` with the places of all things of one hash, in ascending order, for each hash of which there is more than one.
    /// Then the table is empty. The hashes come in any order.
    pub(crate) fn settle(&mut self, mut on: impl FnMut(&[u64])) -> Settled {
        let settled = self.begin_to_settle();
        if self.runs.is_empty() {
            let (flat, second) = (&self.flat, &self.flat_second);
            let hashes = || flat.iter().map(|(hash, _)| *hash);
            let entries = || {
                let second = |at: usize| second.get(at).copied().unwrap_or(0);
                flat.iter().enumerate().map(move |(at, (hash, place))| (*hash, second(at), *place))
            };
            self.filter.settle(flat.len(), hashes, entries, &mut on);
        } else {
            let Self { runs, filter, limit, .. } = self;
            let runs: Vec<_> = runs.iter().collect();
            (0..PARTITIONS).for_each(|partition| settle_partition(&runs, partition, *limit, filter, &mut on));
        }
        self.clear();
        settled
    }

    /// Returns the same on so many threads, which take one partition after another.
    pub(crate) fn settle_on(&mut self, threads: usize, on: impl FnMut(&[u64]) + Send) -> Settled {
        if threads < 2 || self.runs.is_empty() {
            return self.settle(on);
        }
        let settled = self.begin_to_settle();
        let runs: Vec<_> = self.runs.iter().collect();
        let (runs, limit, next, on) = (&runs[..], self.limit, AtomicUsize::new(0), Mutex::new(on));
        let work = || {
            let mut filter = Filter::default();
            let mut on = |places: &[u64]| on.lock().unwrap_or_else(PoisonError::into_inner)(places);
            let take = || next.fetch_add(1, Ordering::Relaxed);
            std::iter::repeat_with(take)
                .take_while(|partition| *partition < PARTITIONS)
                .for_each(|partition| settle_partition(runs, partition, limit, &mut filter, &mut on));
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(PARTITIONS) {
                spawn(scope, work);
            }
            work();
        });
        self.clear();
        settled
    }

    fn begin_to_settle(&mut self) -> Settled {
        if !self.runs.is_empty() || self.len > self.capacity {
            self.close();
        }
        let mut compared = self.len;
        let mut rest = None;
        if self.limit != ALL {
            compared = compared.min(self.kept());
            self.limit = self.nth(compared);
            rest = self.limit.0.checked_add(1);
            if self.goes_on && self.limit.0 > self.low {
                // Some of the last hash may be missing: the next table takes all of them.
                rest = Some(self.limit.0);
                self.limit = (self.limit.0 - 1, u64::MAX);
                compared = self.within_limit();
            }
            if self.runs.is_empty() {
                self.drop_beyond();
            }
        }
        Settled { seen: self.seen, compared: compared as u64, rest }
    }

    fn within_limit(&self) -> usize {
        let last = partition_of(self.limit.0);
        let within = |(hash, _, place): &Full| (*hash, *place) <= self.limit;
        let flat = self.flat.iter().filter(|entry| **entry <= self.limit).count();
        let of_run = |run: View<'_>| {
            (0..last).map(|partition| run.len_of(partition)).sum::<usize>()
                + run.entries_of(last).filter(within).count()
        };
        flat + self.runs.iter().map(of_run).sum::<usize>()
    }
}

/// The limit of a table that takes everything.
const ALL: Entry = (u64::MAX, u64::MAX);

fn as_number((hash, place): Entry) -> u128 {
    u128::from(hash) << 64 | u128::from(place)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn as_entry(number: u128) -> Entry {
    ((number >> 64) as u64, number as u64)
}

/// Compares what belongs to a partition, up to the limit.
fn settle_partition(
    runs: &[View<'_>],
    partition: usize,
    limit: Entry,
    filter: &mut Filter,
    on: &mut impl FnMut(&[u64]),
) {
    let last = partition_of(limit.0);
    if partition > last {
        return;
    }
    let hashes = || runs.iter().flat_map(|run| run.hashes_of(partition));
    let entries = || runs.iter().flat_map(|run| run.entries_of(partition));
    let len = runs.iter().map(|run| run.len_of(partition)).sum();
    if partition < last || limit == ALL {
        filter.settle(len, hashes, entries, on);
    } else {
        let within = move |(hash, _, place): &Full| (*hash, *place) <= limit;
        filter.settle(len, hashes, || entries().filter(within), on);
    }
}

#[cfg(test)]
mod tests;
