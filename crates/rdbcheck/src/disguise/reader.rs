//! Reading something while what was done to it is undone.

use std::io::{self, Read};

use redis_persistence::verify::ReadAt;

/// How much is read at a time.
const BLOCK: usize = 64 << 10;

/// How bytes are turned back.
pub(super) trait Undo: Send {
    /// Takes the next bytes, and adds what they stand for; `false` once the form has ended and the rest is something else.
    ///
    /// # Errors
    /// If they do not have the form.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit>;

    /// Takes note that there is no more.
    ///
    /// # Errors
    /// If something is missing.
    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), Misfit> {
        Ok(())
    }
}

/// The bytes do not have the form.
#[derive(Debug)]
pub(super) struct Misfit;

impl From<Misfit> for io::Error {
    fn from(_: Misfit) -> Self {
        io::ErrorKind::InvalidData.into()
    }
}

/// What comes out of an input.
pub(super) struct Undone<R> {
    input: R,
    undo: Box<dyn Undo>,
    block: Vec<u8>,
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R> Undone<R> {
    pub(super) fn new(input: R, undo: Box<dyn Undo>) -> Self {
        Self { input, undo, block: vec![0; BLOCK], out: Vec::new(), at: 0, ended: false }
    }
}

impl<R: Read> Read for Undone<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.ended {
            self.out.clear();
            self.at = 0;
            let n = self.input.read(&mut self.block)?;
            if n == 0 {
                self.ended = true;
                self.undo.end(&mut self.out)?;
            } else if !self.undo.take(&self.block[..n], &mut self.out)? {
                self.ended = true;
            }
        }
        let rest = &self.out[self.at..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
}

/// A stretch of an input, in order.
pub(super) struct Range<'i> {
    input: &'i dyn ReadAt,
    at: u64,
    end: u64,
}

impl<'i> Range<'i> {
    pub(super) fn new(input: &'i dyn ReadAt, start: u64, end: u64) -> Self {
        Self { input, at: start, end }
    }
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let n = self.input.read_at(&mut buffer[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Counts what is read.
pub(super) struct Counted<'a, R> {
    pub(super) input: R,
    pub(super) count: &'a mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        *self.count += n as u64;
        Ok(n)
    }
}

/// Leaves out so many bytes before the first read.
pub(super) struct Skipped<R> {
    pub(super) input: R,
    pub(super) skip: u64,
}

impl<R: Read> Read for Skipped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.skip > 0 {
            let skip = std::mem::take(&mut self.skip);
            io::copy(&mut self.input.by_ref().take(skip), &mut io::sink())?;
        }
        self.input.read(buffer)
    }
}
