//! Memory for many entries, which goes back to the system as soon as it is not needed.
//!
//! What a general allocator takes back it keeps for others of about the same size, by thread. Runs are of all sizes and go from
//! thread to thread: so much of a full table would be holes.

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

/// Less than this is left to the allocator.
const LEAST: usize = 16 << 10;

/// Some bytes, zero at first.
#[derive(Debug)]
pub(super) enum Memory {
    Mapped(MmapMut),
    Heap(Vec<u8>),
}

impl Memory {
    pub(super) fn zeroed(len: usize) -> Self {
        // A system can have too many mappings, or none at all.
        let mapped = if len < LEAST { None } else { MmapMut::map_anon(len).ok() };
        let Some(mapped) = mapped else { return Self::Heap(vec![0; len]) };
        // All of it is written at once: one call instead of a fault for each page. Kernels before 5.14 do not know it.
        #[cfg(target_os = "linux")]
        let _ = mapped.advise(Advice::PopulateWrite);
        Self::Mapped(mapped)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }
}
