//! Where files come from, and what kind of file one is.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use crate::base::source::ReadAt;

/// Opens files by path, for reading.
pub trait Files {
    /// An open file.
    type File: Read + Seek + Send;

    /// Opens a file.
    ///
    /// # Errors
    /// As the system gives them; their texts are printed.
    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>>;

    /// Returns the file as one of which several threads can read any place at once, if it is one.
    #[must_use]
    fn at_places(_file: &Self::File) -> Option<&dyn ReadAt> {
        None
    }
}

/// What was opened.
#[derive(Debug)]
pub enum Opened<F> {
    /// A regular file.
    File {
        /// The file, at its first byte.
        file: F,
        /// Its size at this moment.
        size: u64,
    },
    /// A directory.
    Directory,
}

/// The files of this machine. Pipes, sockets and devices are not opened: reading one may never end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    type File = File;

    fn open(&mut self, path: &Path) -> io::Result<Opened<File>> {
        let kind = fs::metadata(path)?;
        if kind.is_dir() {
            return Ok(Opened::Directory);
        }
        if !kind.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "Not a regular file"));
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Opened::File { file, size })
    }

    fn at_places(file: &File) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

/// How much of a line the tools read in one piece here.
const PIECE: usize = 1024;

/// Returns whether a line begins with `file`: the first one that is no comment, or with `any_line` whichever.
///
/// A line here is a piece of at most 1024 bytes, so that the middle of a long line can be taken for the start of one.
pub(crate) fn has_file_line(file: impl Read, any_line: bool) -> io::Result<bool> {
    let mut input = BufReader::with_capacity(256 << 10, file);
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        input.by_ref().take(PIECE as u64).read_until(b'\n', &mut piece)?;
        match piece.first() {
            None => return Ok(false),
            Some(b'#') => {}
            Some(_) if piece.starts_with(b"file") => return Ok(true),
            Some(_) if any_line => {}
            Some(_) => return Ok(false),
        }
    }
}
