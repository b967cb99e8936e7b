//! What JavaScript gives: bytes of files, and a place for new ones.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rdbcheck::page::{self, Given};
use redis_persistence::verify::ReadAt;

mod imports {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// Copies bytes of a file to an address; returns how many, or -1 if the file cannot be read any more.
        pub(super) safe fn read(file: u32, offset: f64, to: *mut u8, length: usize) -> i32;
        /// Takes bytes of the new file; returns whether there was room.
        pub(super) safe fn put(from: *const u8, length: usize) -> i32;
        /// Returns the number of the new file, and begins another one; -1 if there is no room.
        pub(super) safe fn taken() -> i32;
        /// Takes a text.
        pub(super) safe fn answer(kind: u32, from: *const u8, length: usize);
    }
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The report.
    Document = 0,
    /// What came of it, as JSON.
    Outcome = 1,
    /// Why nothing was done.
    Refusal = 2,
    /// What broke down here.
    Failure = 3,
}

/// Gives a text to JavaScript.
pub(crate) fn answer(kind: Kind, text: &str) {
    imports::answer(kind as u32, text.as_ptr(), text.len());
}

/// A file of JavaScript's.
struct File {
    number: u32,
    size: u64,
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        // A number of JavaScript's, which is exact up to sizes that no file has.
        let n = imports::read(self.number, offset as f64, buffer.as_mut_ptr(), length);
        let n = usize::try_from(n).map_err(|_| io::Error::other("the file cannot be read any more"))?;
        if n == 0 || n > length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        Ok(n)
    }
}

pub(crate) fn file(number: usize, path: &Path, size: u64, modified: Option<i64>) -> Given {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    Given { path: path.to_owned(), size, modified, bytes: Arc::new(File { number, size }) }
}

/// New files, which JavaScript keeps.
#[derive(Debug)]
pub(crate) struct Shelf {
    size: u64,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self { size: 0 }
    }
}

fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "there is no room for what is written")
}

impl page::Shelf for Shelf {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if imports::put(bytes.as_ptr(), bytes.len()) == 0 {
            return Err(no_room());
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn taken(&mut self) -> io::Result<Given> {
        let number = usize::try_from(imports::taken()).map_err(|_| no_room())?;
        Ok(file(number, &PathBuf::new(), std::mem::take(&mut self.size), None))
    }
}
