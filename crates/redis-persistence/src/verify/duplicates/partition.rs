//! The entries of a part of the hash range, in little space.
//!
//! ```text
//! entry  hash but its top byte, which is the same for all (7 bytes) | place - base of the chunk (i32)
//! ```
//!
//! They lie in chunks, so that growing copies nothing. A place that is too far from the base of a chunk opens a new one,
//! whose places are whole and lie beside it.

/// Hash and place of one thing.
pub(super) type Entry = (u64, u64);

/// What an entry takes, and what it takes with a whole place.
pub(super) const ENTRY_BYTES: usize = 11;
pub(super) const WIDE_BYTES: usize = ENTRY_BYTES + size_of::<u64>();
pub(super) const PARTITIONS: usize = 256;
/// Entries of a chunk. With what the allocator adds they make an odd number of cache lines: all chunks fill up at the same
/// pace, and if their ends lay a power of two apart, they would fight for the same few sets of the cache.
const CHUNK: usize = 1481;
/// Where in an entry the place begins.
const PLACE_AT: usize = 7;
/// The bytes of a hash that an entry holds.
const LOW: u64 = u64::MAX >> 8;

/// Which partition a hash belongs to.
#[inline]
pub(super) fn partition(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// Entries whose hashes have the same top byte.
#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    top: u64,
    full: Vec<Chunk>,
    open: Chunk,
}

#[derive(Debug, Clone, Default)]
struct Chunk {
    base: u64,
    entries: Vec<[u8; ENTRY_BYTES]>,
    /// The places, if they are whole.
    places: Option<Vec<u64>>,
}

impl Partition {
    /// All partitions, empty.
    pub(super) fn all() -> Vec<Self> {
        (0..PARTITIONS as u64).map(|number| Self { top: number << 56, ..Self::default() }).collect()
    }

    #[inline]
    pub(super) fn push(&mut self, (hash, place): Entry) {
        let distance = i32::try_from(place.wrapping_sub(self.open.base).cast_signed());
        let has_room = self.open.entries.len() < self.open.entries.capacity();
        match distance {
            Ok(distance) if has_room && self.open.places.is_none() => self.open.entries.push(entry(hash, distance)),
            _ => self.push_at_edge(hash, place),
        }
    }

    #[cold]
    fn push_at_edge(&mut self, hash: u64, place: u64) {
        let open = &mut self.open;
        if open.places.is_none() || open.entries.len() == CHUNK {
            let last = open.places.as_ref().and_then(|places| places.last()).unwrap_or(&open.base);
            let is_far = i32::try_from(place.wrapping_sub(*last).cast_signed()).is_err();
            let places = (is_far && !open.entries.is_empty()).then(|| Vec::with_capacity(CHUNK));
            let next = Chunk { base: place, entries: Vec::with_capacity(CHUNK), places };
            let full = std::mem::replace(open, next);
            if !full.entries.is_empty() {
                self.full.push(full);
            }
        }
        self.open.entries.push(entry(hash, 0));
        if let Some(places) = &mut self.open.places {
            places.push(place);
        }
    }

    /// The hashes, but their top byte.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.full.iter().chain([&self.open]).flat_map(|chunk| &chunk.entries).map(low)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.full.iter().chain([&self.open]).flat_map(Chunk::entries).map(|(hash, place)| (self.top | hash, place))
    }

    pub(super) fn len(&self) -> usize {
        self.full.iter().chain([&self.open]).map(|chunk| chunk.entries.len()).sum()
    }

    pub(super) fn clear(&mut self) {
        *self = Self { top: self.top, ..Self::default() };
    }

    pub(super) fn retain_up_to(&mut self, limit: u64) {
        let mut kept = Self { top: self.top, ..Self::default() };
        self.entries().filter(|(hash, _)| *hash <= limit).for_each(|entry| kept.push(entry));
        *self = kept;
    }
}

impl Chunk {
    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().enumerate().map(|(number, entry)| {
            let distance = entry.last_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
            let place = self.base.wrapping_add_signed(i64::from(distance));
            (low(entry), self.places.as_ref().map_or(place, |places| places[number]))
        })
    }
}

#[inline]
fn entry(hash: u64, distance: i32) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..8].copy_from_slice(&hash.to_le_bytes());
    entry[PLACE_AT..].copy_from_slice(&distance.to_le_bytes());
    entry
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
        let (mut all, mut state) = (Partition::all(), 1_u64);
        let mut expected = Vec::new();
        for i in 0..200_000_u64 {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            // Near each other, back and forth, far apart, and near each other again.
            let place = match i {
                ..50_000 => i * 30,
                50_000..100_000 => (i ^ 0xFFF) * 30,
                100_000..150_000 => i << 32 | i,
                _ => (1 << 60) + i,
            };
            all[partition(state)].push((state, place));
            expected.push((state, place));
        }
        let mut found: Vec<_> = all.iter().flat_map(Partition::entries).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected);
        assert_eq!(all.iter().map(Partition::len).sum::<usize>(), expected.len());
        all[0].retain_up_to(LOW / 2);
        assert!(all[0].entries().eq(all[0].entries().filter(|(hash, _)| *hash <= LOW / 2)) && all[0].len() > 0);
        assert!(all[0].hashes().eq(all[0].entries().map(|(hash, _)| hash)));
    }

    #[test]
    fn chunks_of_whole_places_are_full_before_the_next() {
        let mut partition = Partition::default();
        (0..10 * CHUNK as u64).for_each(|i| partition.push((i, i << 32)));
        assert!(partition.full.len() <= 10, "{}", partition.full.len());
    }
}
