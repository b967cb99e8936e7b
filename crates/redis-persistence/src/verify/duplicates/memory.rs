//! Runs in memory that goes back to the system as soon as it is not needed.
//!
//! ```text
//! Runs   [ run run run | ]   [ run run run run run ... | ]   [ run  |      ]
//!          first chunk         a chunk of 4 MiB                the last one
//! ```
//!
//! What a general allocator takes back it keeps for others of about the same size, by thread. Tables are of all sizes and go from
//! thread to thread: so much of a full one would be holes. A large table lies in huge pages, where the system has them at hand: it
//! takes a fraction of the time to make them, and they are found faster. But a virtual machine may have given its free ones back to its
//! host, and then they take several times as long as small pages, of which some are always at hand. So the first tells about the others.

#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

use super::run::{ENTRY_BYTES, Entry, Run, View};

/// Less than this is left to the allocator.
const LEAST: usize = 256 << 10;
/// A first chunk of no more than that is kept for what comes next.
const KEPT: usize = 1 << 20;
/// What the system calls a huge page, nearly everywhere.
const HUGE: usize = 2 << 20;
/// The largest chunk, unless one run takes more.
const MOST: usize = 2 * HUGE;
/// Where a huge page takes longer than this, as many small ones take less: 0.1 to 0.4 ms where they are at hand, 3 to 5 ms where they
/// come from the host, and 0.9 ms in small pages.
#[cfg(target_os = "linux")]
const SLOW: Duration = Duration::from_millis(1);
/// Whether this process has seen that.
#[cfg(target_os = "linux")]
static SEEN_SLOW: AtomicBool = AtomicBool::new(false);

/// Runs, one after the other.
#[derive(Debug, Default)]
pub(super) struct Runs {
    chunks: Vec<Chunk>,
}

/// Some memory, and the runs that lie in it.
#[derive(Debug)]
pub(super) struct Chunk {
    memory: Memory,
    used: usize,
    runs: Vec<Run>,
}

/// Some bytes.
#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    Heap(Vec<u8>),
}

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.runs.is_empty())
    }

    /// Adds a run of entries, each of which has a second hash, or none of them.
    pub(super) fn push(&mut self, flat: &[Entry], second: &[u32]) {
        let (chunk, at) = self.room(flat.len() * ENTRY_BYTES);
        let run = Run::new(flat, second, &mut chunk.memory.bytes_mut()[at..chunk.used]);
        chunk.runs.push(run.that_begins(at));
    }

    /// Moves a run of others to these.
    fn take(&mut self, run: Run, entries: &[u8]) {
        let (chunk, at) = self.room(entries.len());
        chunk.memory.bytes_mut()[at..chunk.used].copy_from_slice(entries);
        chunk.runs.push(run.that_begins(at));
    }

    /// Moves all runs of others to these. They keep no more than the memory for a run.
    pub(super) fn take_all(&mut self, other: &mut Self) {
        for chunk in &mut other.chunks {
            for run in std::mem::take(&mut chunk.runs) {
                let entries = &chunk.memory.bytes()[run.bytes()];
                self.take(run, entries);
            }
        }
        other.clear();
    }

    /// Drops all runs, and all memory but that for a run.
    pub(super) fn clear(&mut self) {
        self.chunks.truncate(1);
        self.chunks.retain(|chunk| chunk.memory.bytes().len() <= KEPT);
        for chunk in &mut self.chunks {
            chunk.runs.clear();
            chunk.used = 0;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = View<'_>> {
        self.chunks.iter().flat_map(Chunk::runs)
    }

    /// Returns the same in the pieces of memory in which they lie: each goes back to the system when it is dropped.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = Chunk> {
        self.chunks.into_iter()
    }

    /// Room for a run of `len` bytes: the chunk of which they are taken, and where in it they begin.
    fn room(&mut self, len: usize) -> (&mut Chunk, usize) {
        let fits = |chunk: &Chunk| chunk.memory.bytes().len() - chunk.used >= len;
        if !self.chunks.last_mut().is_some_and(|chunk| fits(chunk) || chunk.grows(len)) {
            // Half of what there is at least, so that no more than a part of a small table is unused.
            let all: usize = self.chunks.iter().map(|chunk| chunk.used).sum();
            let more = if self.chunks.is_empty() { len } else { len.max(all.next_power_of_two().min(MOST)) };
            self.chunks.push(Chunk { memory: Memory::of(more), used: 0, runs: Vec::new() });
        }
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        let at = chunk.used;
        chunk.used += len;
        (chunk, at)
    }
}

impl Chunk {
    pub(super) fn runs(&self) -> impl Iterator<Item = View<'_>> {
        let bytes = self.memory.bytes();
        self.runs.iter().map(|run| run.within(bytes))
    }

    /// Makes it `len` bytes, if nothing lies in it.
    fn grows(&mut self, len: usize) -> bool {
        let empty = self.used == 0;
        if empty {
            self.memory = Memory::of(len);
        }
        empty
    }
}

impl Memory {
    /// This many bytes, zero at first.
    fn of(len: usize) -> Self {
        // A system can have too many mappings, or none at all.
        let mapped = if len < LEAST { None } else { MmapMut::map_anon(len).ok() };
        let Some(mapped) = mapped else { return Self::Heap(vec![0; len]) };
        #[cfg(target_os = "linux")]
        populate(&mapped);
        Self::Mapped(mapped)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }
}

/// Has the pages made at once: all of them will be written, and that is one call instead of a fault for each. Kernels before 5.14 do not
/// know it, and not all have huge pages.
#[cfg(target_os = "linux")]
fn populate(mapped: &MmapMut) {
    let huge = mapped.len() / HUGE;
    if huge == 0 || SEEN_SLOW.load(Ordering::Relaxed) {
        let _ = mapped.advise(Advice::PopulateWrite);
        return;
    }
    let start = Instant::now();
    let _ = mapped.advise(Advice::HugePage);
    let _ = mapped.advise(Advice::PopulateWrite);
    if start.elapsed().as_nanos() > SLOW.as_nanos() * huge as u128 {
        SEEN_SLOW.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(len: u64, from: u64) -> Vec<Entry> {
        (from..from + len).map(|place| (place.wrapping_mul(0x9E37_79B9_7F4A_7C15), place)).collect()
    }

    fn places(runs: &Runs) -> Vec<u64> {
        let mut places: Vec<_> = runs.iter().flat_map(View::entries).map(|(.., place)| place).collect();
        places.sort_unstable();
        places
    }

    fn bytes(runs: &Runs) -> usize {
        runs.chunks.iter().map(|chunk| chunk.memory.bytes().len()).sum()
    }

    #[test]
    fn runs_of_all_sizes_lie_in_little_more_than_they_take() {
        let (mut runs, mut len) = (Runs::default(), 0);
        for size in [3, 16_384, 1, 2048, 100_000, 16_384, 700_000].into_iter().chain([16_384; 40]) {
            let before = bytes(&runs);
            runs.push(&flat(size, len), &[]);
            len += size;
            let used = usize::try_from(len).expect("few") * ENTRY_BYTES;
            assert!(bytes(&runs) == before || bytes(&runs) < 3 * used && bytes(&runs) < used + 2 * MOST, "{size}");
        }
        assert!(places(&runs).into_iter().eq(0..len));
        // A chunk after the other goes back.
        assert!(runs.chunks.len() > 3);
        assert_eq!(runs.into_chunks().map(|chunk| chunk.runs().map(View::len).sum::<usize>() as u64).sum::<u64>(), len);
    }

    #[test]
    fn what_is_moved_keeps_the_memory_for_a_run_and_no_more() {
        let (mut all, mut part) = (Runs::default(), Runs::default());
        for round in 0..60 {
            part.push(&flat(10_000, round * 10_000), &[]);
            all.take_all(&mut part);
            assert!(part.is_empty() && bytes(&part) == 10_000 * ENTRY_BYTES);
        }
        assert!(places(&all).into_iter().eq(0..600_000));
        part.push(&flat(20_000, 600_000), &[]);
        assert_eq!(bytes(&part), 20_000 * ENTRY_BYTES);
        (0..5).for_each(|_| part.push(&flat(100_000, 0), &[]));
        part.clear();
        assert!(part.is_empty() && bytes(&part) <= KEPT);
        all.clear();
        all.push(&flat(200_000, 0), &[]);
        all.clear();
        assert_eq!(bytes(&all), 0);
    }
}
