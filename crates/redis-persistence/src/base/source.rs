//! Where bytes come from.
//!
//! | | can be read | by |
//! |---|---|---|
//! | [`ReadAt`] | at any place | several threads at once |
//! | [`Source`] | at any place | one reader, who may move it: [`Seekable`], [`At`], a slice |
//! | [`Input`] | in blocks, in order or anywhere | threads in turn |
//! | [`Clamped`] | as a file that ends where it ended when it was opened | one reader; a live server may be adding to it |

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::base::work::did_read;

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
    /// Reads what stands at `offset`, as much as there is at hand of it and fits into `buffer`. Returns how many bytes that
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

/// Moves the place at which the file stands, one reader after the other.
#[cfg(not(any(unix, windows)))]
impl ReadAt for std::fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// Such an input as one that is read from a place on.
#[derive(Clone, Copy)]
pub(crate) struct At<'i> {
    pub(crate) input: &'i dyn ReadAt,
    pub(crate) at: u64,
}

impl fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("At").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Where it ends is not known.
impl Seek for At<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Fills the block, as far as there is something, and returns how much that was.
pub(crate) fn read_block(input: &mut (impl Read + ?Sized), block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// An input of which any place can be read.
pub(crate) trait Source {
    /// Fills `buffer` with the bytes at `offset`, as far as there are any, and returns how many there were.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        did_read(buffer.len());
        ReadAt::read_at(self, buffer, offset)
    }
}

impl Source for At<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        did_read(buffer.len());
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
        did_read(buffer.len());
        self.input.seek(SeekFrom::Start(self.base.saturating_add(offset)))?;
        read_block(&mut self.input, buffer)
    }
}

/// An input at the start of an RDB.
pub(crate) enum Input<'i> {
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
pub(crate) enum Reading<'i> {
    InOrder(&'i mut (dyn Read + Send)),
    AtPlaces(&'i dyn ReadAt),
}

impl<'i> Input<'i> {
    /// The right to read, if nobody has it who would be in the way.
    pub(crate) fn take(&mut self) -> Option<Reading<'i>> {
        match self {
            Self::InOrder(input) => input.take().map(Reading::InOrder),
            Self::AtPlaces(input) => Some(Reading::AtPlaces(*input)),
        }
    }

    /// Fills a block that begins at `start`.
    pub(crate) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        let Some(mut reading) = self.take() else { return Ok(0) };
        let result = reading.fill(block, start);
        self.give_back(reading);
        result
    }

    /// Takes the right back.
    pub(crate) fn give_back(&mut self, reading: Reading<'i>) {
        if let (Self::InOrder(place), Reading::InOrder(input)) = (self, reading) {
            *place = Some(input);
        }
    }
}

impl Reading<'_> {
    /// Fills the block, as far as there is something, and returns how much that was. `start` is where it begins: in order, that
    /// is where the input stands.
    pub(crate) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        match self {
            Self::InOrder(input) => read_block(input, block),
            Self::AtPlaces(input) => read_block(&mut At { input: *input, at: start }, block),
        }
    }
}

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

    pub(crate) fn file(&self) -> &F {
        &self.file
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the size that the file has now.
    pub(crate) fn size_now(&mut self) -> io::Result<u64> {
        self.file.seek(SeekFrom::End(0))
    }

    /// At most `length` bytes from a place in the file.
    pub(crate) fn peek(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.seek(SeekFrom::Start(offset))?;
        self.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns how many zero bytes there are from a place on, and whether that is all up to the end.
    pub(crate) fn zeros(&mut self, offset: u64) -> io::Result<(u64, bool)> {
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
    pub(crate) fn at_places(input: &'i dyn ReadAt, size: u64) -> Self {
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
