//! The damaged file: any place of it can be looked at, a part of it is held.
//!
//! ```text
//! far away:   a little before | some KiB                         a name is looked up, and no more
//! going on:   64 KiB before   | twice as much as the last time, up to 1 MiB
//! ```

use std::io;

use crate::base::source::Source;

/// What is read at a time, where reading goes on.
pub(super) const BLOCK: usize = 1 << 20;
/// What of it lies before the place that was asked for, so that a short way back costs no reading.
const BEHIND: usize = 64 << 10;
/// What is read at a place that is far from what is held, and what of it lies before.
const FAR: usize = 16 << 10;
const FAR_BEHIND: usize = 1 << 10;

/// A window over a source that can be read anywhere.
pub(super) struct SourceWindow<'a> {
    source: &'a mut dyn Source,
    size: u64,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    start: u64,
    /// How many bytes were read, for the bound on the work that a search may do.
    pub(super) read: u64,
}

impl std::fmt::Debug for SourceWindow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceWindow").field("size", &self.size).field("start", &self.start).finish_non_exhaustive()
    }
}

impl Source for SourceWindow<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes(offset, buffer.len())?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }
}

impl<'a> SourceWindow<'a> {
    pub(super) fn new(source: &'a mut dyn Source, size: u64) -> Self {
        Self { source, size, buffer: Vec::new(), start: 0, read: 0 }
    }

    /// Returns the size of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether the byte at `at` is at hand without reading.
    pub(super) fn holds(&self, at: u64) -> bool {
        (self.start..self.start + self.buffer.len() as u64).contains(&at)
    }

    /// Returns the bytes from `at` on: at least `least`, unless the file ends before.
    #[inline]
    pub(super) fn bytes(&mut self, at: u64, least: usize) -> io::Result<&[u8]> {
        let held = at.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let wanted = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX).min(least);
        match held {
            Some(from) if from <= self.buffer.len() && self.buffer.len() - from >= wanted => Ok(&self.buffer[from..]),
            _ => self.load(at, wanted),
        }
    }

    #[cold]
    fn load(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let end = self.start + self.buffer.len() as u64;
        let goes_on = (self.start..=end).contains(&at);
        let (before, ahead) =
            if goes_on { (BEHIND, (2 * self.buffer.len()).clamp(FAR, BLOCK)) } else { (FAR_BEHIND, FAR) };
        let start = at.saturating_sub(before as u64);
        let behind = usize::try_from(at - start).unwrap_or(0);
        let most = usize::try_from(self.size.saturating_sub(start)).unwrap_or(usize::MAX);
        let len = (behind + wanted.max(ahead)).min(most);
        self.buffer.clear();
        if self.buffer.capacity() > 8 * BLOCK && len < BLOCK {
            self.buffer.shrink_to(2 * BLOCK);
        }
        self.buffer.resize(len, 0);
        self.start = start;
        let n = self.source.read_at(start, &mut self.buffer)?;
        self.buffer.truncate(n);
        self.read += n as u64;
        if n < len {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        Ok(&self.buffer[behind.min(n)..])
    }
}
