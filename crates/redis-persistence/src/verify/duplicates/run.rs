//! Entries sorted by the top byte of their hash, in little space.
//!
//! ```text
//! entry  hash but its top byte, which is the same for all of a partition (7 bytes) | place - base of the run (i32)
//! ```
//!
//! A run is made of so few entries that they are sorted within the cache, and is then only moved as a whole. Places that are
//! too far from the first one are whole and lie beside the entries, and so do second hashes where there are any.

use std::ops::Range;

/// Hash and place of one thing.
pub(super) type Entry = (u64, u64);
/// The same, and between them the second hash of the thing, which is 0 where there is none.
pub(super) type Full = (u64, u32, u64);

/// What an entry takes, and what it takes besides with a whole place, and with a second hash.
pub(super) const ENTRY_BYTES: usize = 11;
pub(super) const WHOLE_PLACE_BYTES: usize = size_of::<u64>();
pub(super) const SECOND_BYTES: usize = size_of::<u32>();
pub(super) const PARTITIONS: usize = 256;
/// Where in an entry the place begins.
const PLACE_AT: usize = 7;
/// The bytes of a hash that an entry holds.
const LOW: u64 = u64::MAX >> 8;

/// Returns which partition a hash belongs to.
#[inline]
pub(super) fn partition_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// Entries of all partitions, one after the other, which lie in some memory.
#[derive(Debug)]
pub(super) struct Run {
    base: u64,
    /// Where each partition ends.
    ends: Box<[u32; PARTITIONS]>,
    /// Where in the memory the entries begin.
    at: usize,
    /// The places, if they are whole.
    places: Option<Vec<u64>>,
    /// The second hashes; none, if entries have none.
    seconds: Vec<u32>,
}

impl Run {
    /// Puts entries into memory for just that many, each of which has a second hash, or none of them.
    pub(super) fn new(flat: &[Entry], second: &[u32], memory: &mut [u8]) -> Self {
        let base = flat.first().map_or(0, |(_, place)| *place);
        let mut ends = Box::new([0_u32; PARTITIONS]);
        let mut wide = false;
        for (hash, place) in flat {
            ends[partition_of(*hash)] += 1;
            wide |= distance(*place, base).is_none();
        }
        let mut start = 0;
        for end in ends.iter_mut() {
            start += std::mem::replace(end, start);
        }
        let mut places = wide.then(|| vec![0; flat.len()]);
        let mut seconds = vec![0; second.len()];
        let mut run = Self { base, ends, at: 0, places: None, seconds: Vec::new() };
        if seconds.is_empty() && places.is_none() {
            run.sort_in(flat, memory, |_, _| ());
        } else {
            run.sort_in(flat, memory, |from, to| {
                if let Some(places) = &mut places {
                    places[to] = flat[from].1;
                }
                if let Some(second) = second.get(from) {
                    seconds[to] = *second;
                }
            });
        }
        Self { places, seconds, ..run }
    }

    /// Puts entries where they belong, and tells from where to where. Each end is where the partition begins so far, and moves on
    /// with every entry.
    #[inline]
    fn sort_in(&mut self, flat: &[Entry], memory: &mut [u8], mut on: impl FnMut(usize, usize)) {
        let (entries, _) = memory.as_chunks_mut::<ENTRY_BYTES>();
        for (from, &(hash, place)) in flat.iter().enumerate() {
            let next = &mut self.ends[partition_of(hash)];
            let entry = &mut entries[*next as usize];
            entry[..8].copy_from_slice(&hash.to_le_bytes());
            entry[PLACE_AT..].copy_from_slice(&distance(place, self.base).unwrap_or_default().to_le_bytes());
            on(from, *next as usize);
            *next += 1;
        }
    }

    /// Returns the same run, whose entries begin at `at` in their memory.
    pub(super) fn that_begins(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// Returns where in the memory the entries lie.
    pub(super) fn bytes(&self) -> Range<usize> {
        self.at..self.at + self.ends[PARTITIONS - 1] as usize * ENTRY_BYTES
    }

    /// Returns the run with the memory in which its entries lie.
    pub(super) fn within<'a>(&'a self, memory: &'a [u8]) -> View<'a> {
        View { run: self, stored: memory[self.bytes()].as_chunks().0 }
    }
}

/// A run with its entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    run: &'a Run,
    stored: &'a [[u8; ENTRY_BYTES]],
}

impl<'a> View<'a> {
    pub(super) fn len(self) -> usize {
        self.stored.len()
    }

    fn range(self, partition: usize) -> Range<usize> {
        let start = partition.checked_sub(1).map_or(0, |before| self.run.ends[before]);
        start as usize..self.run.ends[partition] as usize
    }

    pub(super) fn len_of(self, partition: usize) -> usize {
        self.range(partition).len()
    }

    /// Returns the hashes of a partition, but their top byte.
    pub(super) fn hashes_of(self, partition: usize) -> impl Iterator<Item = u64> + use<'a> {
        self.stored[self.range(partition)].iter().map(low)
    }

    pub(super) fn entries_of(self, partition: usize) -> impl Iterator<Item = Full> + use<'a> {
        self.range(partition).map(move |at| self.entry(partition, at, &self.stored[at]))
    }

    pub(super) fn entries(self) -> impl Iterator<Item = Full> + use<'a> {
        (0..PARTITIONS).flat_map(move |partition| self.entries_of(partition))
    }

    #[inline]
    fn entry(self, partition: usize, at: usize, entry: &[u8; ENTRY_BYTES]) -> Full {
        let Run { base, places, seconds, .. } = self.run;
        let distance = entry.last_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        let place = base.wrapping_add_signed(i64::from(distance));
        let place = places.as_ref().map_or(place, |places| places[at]);
        ((partition as u64) << 56 | low(entry), seconds.get(at).copied().unwrap_or(0), place)
    }
}

/// Returns how far a place is from the base, if that is not too far.
#[inline]
fn distance(place: u64, base: u64) -> Option<i32> {
    i32::try_from(place.wrapping_sub(base).cast_signed()).ok()
}

#[inline]
fn low(entry: &[u8; ENTRY_BYTES]) -> u64 {
    entry.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) & LOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let mut state = 1_u64;
        // Near each other, back and forth, and far apart.
        let places: [fn(u64) -> u64; 4] = [|i| i * 30, |i| (i ^ 0xFFF) * 30, |i| i << 32 | i, |i| u64::MAX - i];
        for place in places {
            let expected: Vec<_> = (0..20_000)
                .map(|i| {
                    state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                    (state, place(i))
                })
                .collect();
            for seconds in [vec![], (0..20_000).map(|i| i * 7).collect::<Vec<u32>>()] {
                let mut memory = vec![0; 5 + expected.len() * ENTRY_BYTES + 5];
                let end = memory.len() - 5;
                let run = Run::new(&expected, &seconds, &mut memory[5..end]).that_begins(5);
                assert_eq!(run.places.is_some(), place(2) > 1 << 32 && place(2) < 1 << 60);
                let second = |at: usize| seconds.get(at).copied().unwrap_or(0);
                let full = expected.iter().enumerate().map(|(at, (hash, place))| (*hash, second(at), *place));
                let mut full: Vec<_> = full.collect();
                full.sort_unstable();
                let run = run.within(&memory);
                let mut found = run.entries().collect::<Vec<_>>();
                found.sort_unstable();
                assert!(found == full);
                for partition in 0..PARTITIONS {
                    assert_eq!(run.len_of(partition), run.entries_of(partition).count());
                    assert!(run.hashes_of(partition).eq(run.entries_of(partition).map(|(hash, ..)| hash & LOW)));
                }
            }
        }
    }

    #[test]
    fn a_run_of_nothing() {
        let run = Run::new(&[], &[], &mut []);
        let run = run.within(&[]);
        assert_eq!((run.len(), run.entries().collect::<Vec<_>>()), (0, Vec::new()));
    }
}
