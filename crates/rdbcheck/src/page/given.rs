//! Files by their bytes, and the shelf for new ones.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_persistence::aof::dir::{self, Node, Opened, Tree};
use redis_persistence::verify::ReadAt;

use crate::input::sought;
use crate::run::salvage_rdb::Onto;

/// A file that somebody gives.
#[derive(Clone)]
pub struct Given {
    /// Its path.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last written to, in Unix seconds.
    pub modified: Option<i64>,
    /// Its bytes.
    pub bytes: Arc<dyn ReadAt + Send>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

/// Where a new file is put, piece by piece.
pub trait Shelf {
    /// Puts bytes behind those that are there.
    ///
    /// # Errors
    /// If there is no room.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns what was put there as a file, and begins another one.
    ///
    /// # Errors
    /// If there was no room.
    fn taken(&mut self) -> io::Result<Given>;
}

/// What a salvage writes, on the shelf.
pub(super) struct Laying<'a>(pub(super) &'a mut dyn Shelf);

impl Write for Laying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Onto for Laying<'_> {
    type Written = Reader;

    fn written(&mut self) -> io::Result<Reader> {
        self.0.taken().map(Reader::new)
    }
}

/// A file that is read.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    given: Given,
    at: u64,
}

impl Reader {
    pub(super) fn new(given: Given) -> Self {
        Self { given, at: 0 }
    }

    /// Returns the first bytes, at most `most` of them, which stay to be read.
    pub(super) fn head(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let at = self.at;
        self.by_ref().take(most as u64).read_to_end(&mut head)?;
        self.at = at;
        Ok(head)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl ReadAt for Reader {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.given.bytes.read_at(buffer, offset)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = sought(to, self.at, self.given.size)?;
        Ok(self.at)
    }
}

/// Files in their folders.
#[derive(Debug)]
pub(super) struct Files(BTreeMap<PathBuf, Given>);

impl Files {
    pub(super) fn new(files: Vec<Given>) -> Self {
        Self(files.into_iter().map(|given| (given.path.clone(), given)).collect())
    }

    /// Returns the node at a path, which may be a folder on the way to a file.
    fn node(&self, path: &Path) -> Option<Node> {
        if let Some(given) = self.0.get(path) {
            return Some(Node::File(given.size));
        }
        let inside = |file: &PathBuf| path == Path::new(".") || file.starts_with(path);
        self.0.keys().any(inside).then_some(Node::Directory)
    }
}

impl dir::Files for Files {
    type File = Reader;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Reader>> {
        match self.0.get(path) {
            Some(given) => Ok(Opened::File { file: Reader::new(given.clone()), size: given.size }),
            None if self.node(path).is_some() => Ok(Opened::Directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn at_places(file: &Reader) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

impl Tree for Files {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Ok(self.node(path))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        let mut names = BTreeMap::new();
        for (path, given) in &self.0 {
            let Ok(below) = path.strip_prefix(folder) else { continue };
            let mut parts = below.components();
            let Some(name) = parts.next() else { continue };
            let node = if parts.next().is_none() { Node::File(given.size) } else { Node::Directory };
            names.insert(name.as_os_str().as_encoded_bytes().to_vec(), node);
        }
        Ok(names.into_iter().collect())
    }

    fn modified(&mut self, path: &Path) -> Option<i64> {
        self.0.get(path)?.modified
    }
}
