//! The files of this machine, for the verifier of append-only files: opened as every input is, and watched while they are
//! read.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_persistence::aof::dir::{Disk, Files, Opened};
use redis_persistence::aof::dir::{Node, Owner, Tree};
use redis_persistence::verify::ReadAt;

use crate::escape;
use crate::input::open::{self, Input};
use crate::progress::{Watched, When};
use crate::stores;

/// Files on disk, with progress on what is read of each.
#[derive(Debug)]
pub struct WatchedDisk {
    progress: When,
    /// The last small file: it is looked at several times, for what it is, for what is in it, and for its ends.
    last: Option<(PathBuf, Arc<[u8]>)>,
    /// What lies in the folders of a store that were listed.
    listed: BTreeMap<PathBuf, Vec<(Vec<u8>, Node)>>,
}

impl WatchedDisk {
    /// Shows progress then.
    #[must_use]
    pub fn new(progress: When) -> Self {
        Self { progress, last: None, listed: BTreeMap::new() }
    }

    /// Keeps a file that was opened, if it is a small one.
    pub fn keep(&mut self, path: &Path, input: Input) {
        self.last = input.into_whole().map(|bytes| (path.to_owned(), bytes.into()));
    }
}

/// A file of the disk.
#[derive(Debug)]
pub enum DiskFile {
    /// One that is watched while it is read.
    Watched(Box<Watched<Input>>),
    /// A small one.
    Small(Cursor<Arc<[u8]>>),
}

impl Files for WatchedDisk {
    type File = DiskFile;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        let node = self.stat(path)?;
        if node == Some(Node::Directory) {
            return Ok(Opened::Directory);
        }
        // One that grew or was cut meanwhile is read anew.
        let kept = |(of, bytes): &(PathBuf, Arc<[u8]>)| *of == path && node == Some(Node::File(bytes.len() as u64));
        if !self.last.as_ref().is_some_and(kept) {
            let input = open::open(path)?;
            if input.whole().is_none() {
                let size = input.size.unwrap_or(0);
                let name = escape::plain(path.as_os_str().as_encoded_bytes());
                let file = DiskFile::Watched(Box::new(Watched::new(input, name, Some(size), self.progress)));
                return Ok(Opened::File { file, size });
            }
            self.keep(path, input);
        }
        let bytes = self.last.as_ref().map(|(_, bytes)| Arc::clone(bytes)).unwrap_or_default();
        let size = bytes.len() as u64;
        Ok(Opened::File { file: DiskFile::Small(Cursor::new(bytes)), size })
    }

    fn at_places(file: &Self::File) -> Option<&dyn ReadAt> {
        match file {
            DiskFile::Watched(input) => input.get().is_seekable().then_some(&**input as &dyn ReadAt),
            DiskFile::Small(_) => Some(file),
        }
    }
}

impl Tree for WatchedDisk {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        if !stores::is_remote(path) {
            return Disk.stat(path);
        }
        // What was listed is known.
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let listed = path.parent().and_then(|folder| self.listed.get(folder));
        match listed.and_then(|names| names.iter().find(|(of, _)| of == name)) {
            Some((_, node)) => Ok(Some(*node)),
            None => stores::stat(path),
        }
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        if !stores::is_remote(folder) {
            return Disk.list(folder);
        }
        let names = stores::list(folder)?;
        self.listed.insert(folder.to_owned(), names.clone());
        Ok(names)
    }

    fn modified(&mut self, path: &Path) -> Option<i64> {
        Disk.modified(path)
    }

    fn free(&mut self, folder: &Path) -> Option<u64> {
        Disk.free(folder)
    }

    fn owner(&mut self, path: &Path) -> Option<Owner> {
        Disk.owner(path)
    }
}

impl Read for DiskFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Watched(input) => input.read(buffer),
            Self::Small(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for DiskFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Watched(input) => input.seek(to),
            Self::Small(bytes) => bytes.seek(to),
        }
    }
}

impl ReadAt for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Watched(input) => input.read_at(buffer, offset),
            Self::Small(bytes) => ReadAt::read_at(&&**bytes.get_ref(), buffer, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(tree: &mut WatchedDisk, path: &Path) -> io::Result<(String, u64)> {
        let Opened::File { mut file, size } = tree.open(path)? else { return Err(io::ErrorKind::IsADirectory.into()) };
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok((text, size))
    }

    #[test]
    fn a_small_file_that_changed_its_size_is_read_anew() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut tree = WatchedDisk::new(When::Never);
        fs::write(&one, "first")?;
        fs::write(&other, "other")?;
        assert_eq!(read(&mut tree, &one)?, ("first".to_owned(), 5));
        assert_eq!(read(&mut tree, &other)?, ("other".to_owned(), 5));
        assert_eq!(read(&mut tree, &one)?, ("first".to_owned(), 5));
        fs::write(&one, "longer")?;
        assert_eq!(read(&mut tree, &one)?, ("longer".to_owned(), 6));
        fs::remove_file(&one)?;
        assert!(read(&mut tree, &one).is_err());
        assert!(matches!(tree.open(folder.path())?, Opened::Directory));
        Ok(())
    }
}
