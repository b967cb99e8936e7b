//! Reading a place of the input again.

use std::io::{self, Read, Seek, SeekFrom};

use crate::base::read_at::At;
use crate::rdb::feed::read_block;

/// An input of which any place can be read.
pub(crate) trait Source {
    /// Fills `buffer` with the bytes at `offset`, as far as there are any, and answers how many that were.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        crate::base::read_at::ReadAt::read_at(self, buffer, offset)
    }
}

impl Source for At<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_block(&mut At { input: self.input, at: offset }, buffer)
    }
}

/// A file, or whatever can seek. `base` is where the RDB begins in it.
pub(crate) struct Seekable<R> {
    pub(crate) input: R,
    pub(crate) base: u64,
}

impl<R: Read + Seek> Source for Seekable<R> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.seek(SeekFrom::Start(self.base.saturating_add(offset)))?;
        read_block(&mut self.input, buffer)
    }
}
