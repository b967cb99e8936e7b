//! A file, up to the size it had when it was opened: what a live server adds meanwhile is not judged.

use std::io::{self, Read, Seek, SeekFrom};

use crate::base::read_at::{At, ReadAt};

/// The input of one file.
#[derive(Debug, Clone)]
pub(crate) struct Clamped<F> {
    file: F,
    at: u64,
    size: u64,
}

impl<F: Read + Seek> Clamped<F> {
    pub(crate) fn new(file: F, size: u64) -> Self {
        Self { file, at: 0, size }
    }

    pub(super) fn file(&self) -> &F {
        &self.file
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The size that the file has now.
    pub(super) fn size_now(&mut self) -> io::Result<u64> {
        self.file.seek(SeekFrom::End(0))
    }

    /// At most `length` bytes from a place in the file.
    pub(super) fn peek(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.seek(SeekFrom::Start(offset))?;
        self.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// How many zero bytes there are from a place on, and whether that is all up to the end.
    pub(super) fn zeros(&mut self, offset: u64) -> io::Result<(u64, bool)> {
        self.seek(SeekFrom::Start(offset))?;
        let mut buffer = vec![0; 64 << 10];
        let mut zeros = 0;
        loop {
            let read = match self.read(&mut buffer) {
                Ok(0) => return Ok((zeros, true)),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match buffer[..read].iter().position(|byte| *byte != 0) {
                None => zeros += read as u64,
                Some(other) => return Ok((zeros + other as u64, false)),
            }
        }
    }
}

impl<'i> Clamped<At<'i>> {
    /// Of a file of which any place can be read.
    pub(super) fn at_places(input: &'i dyn ReadAt, size: u64) -> Self {
        Self { file: At { input, at: 0 }, at: 0, size }
    }
}

impl ReadAt for Clamped<At<'_>> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        self.file.input.read_at(&mut buffer[..room], offset)
    }
}

impl<F: Read + Seek> Read for Clamped<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let read = self.file.read(&mut buffer[..room])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<F: Read + Seek> Seek for Clamped<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| base.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput);
        let to = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(by) => from(self.at, by)?,
            SeekFrom::End(by) => from(self.size, by)?,
        };
        self.at = self.file.seek(SeekFrom::Start(to))?;
        Ok(self.at)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.at)
    }
}
