//! Reading a place of the input again.

use std::io::{self, Read, Seek, SeekFrom};

/// An input of which any place can be read.
pub(crate) trait Source {
    /// Fills `buffer` with the bytes at `offset`, as far as there are any, and answers how many that were.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
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
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
