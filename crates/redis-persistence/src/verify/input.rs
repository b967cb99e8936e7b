//! What an RDB is read from: an input that gives one byte after another, or one of which any place can be read.

use std::fmt;
use std::io::{self, Read};

use super::drive::read_block;
use super::source::Source;

/// An input of which any place can be read, by several threads at once.
///
/// # Examples
/// ```
/// use redis_persistence::verify::ReadAt;
///
/// let mut buffer = [0; 4];
/// assert_eq!(b"REDIS0011".as_slice().read_at(&mut buffer, 5)?, 4);
/// assert_eq!(&buffer, b"0011");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ReadAt: Sync {
    /// Reads what stands at `offset`, as much as there is at hand of it and fits into `buffer`. Answers how many bytes that
    /// was, which is none only at the end of the input or for an empty buffer.
    ///
    /// # Errors
    /// Those of the input.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

#[cfg(unix)]
impl ReadAt for std::fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

/// Moves the place at which the file stands.
#[cfg(windows)]
impl ReadAt for std::fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, offset)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Source::read_at(&mut { *self }, offset, buffer)
    }
}

/// An input at the start of an RDB.
pub(super) enum Input<'i> {
    /// That can be read in order; missing while somebody reads.
    InOrder(Option<&'i mut (dyn Read + Send)>),
    /// That can be read anywhere.
    AtPlaces(&'i dyn ReadAt),
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InOrder(_) => "InOrder",
            Self::AtPlaces(_) => "AtPlaces",
        })
    }
}

/// The right to read the next block.
pub(super) enum Reading<'i> {
    InOrder(&'i mut (dyn Read + Send)),
    AtPlaces(&'i dyn ReadAt),
}

impl<'i> Input<'i> {
    /// The right to read, if nobody has it who would be in the way.
    pub(super) fn take(&mut self) -> Option<Reading<'i>> {
        match self {
            Self::InOrder(input) => input.take().map(Reading::InOrder),
            Self::AtPlaces(input) => Some(Reading::AtPlaces(*input)),
        }
    }

    /// Fills a block that begins at `start`.
    pub(super) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        let Some(mut reading) = self.take() else { return Ok(0) };
        let result = reading.fill(block, start);
        self.give_back(reading);
        result
    }

    /// Takes the right back.
    pub(super) fn give_back(&mut self, reading: Reading<'i>) {
        if let (Self::InOrder(place), Reading::InOrder(input)) = (self, reading) {
            *place = Some(input);
        }
    }
}

impl Reading<'_> {
    /// Fills the block, as far as there is something, and answers how much that was. `start` is where it begins: in order, that
    /// is where the input stands.
    pub(super) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        match self {
            Self::InOrder(input) => read_block(input, block),
            Self::AtPlaces(input) => read_block(&mut From { input: *input, at: start }, block),
        }
    }
}

/// Reads on from a place, and any other place.
pub(super) struct From<'i> {
    pub(super) input: &'i dyn ReadAt,
    pub(super) at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Source for From<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_block(&mut From { input: self.input, at: offset }, buffer)
    }
}
