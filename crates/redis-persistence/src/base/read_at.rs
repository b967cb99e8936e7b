//! Inputs of which any place can be read, by several threads at once.

use std::io::{self, Read, Seek, SeekFrom};

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

impl std::fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
