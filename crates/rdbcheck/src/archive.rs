//! Files that lie inside one file: the members of a tar, or the one that a stream unpacked to.
//!
//! ```text
//! file around them   [ .. header | member ....... | header | member .. ]
//!                                  ^ start  size
//! ```
//! For the verifier they are a tree of files like a disk's.

#[cfg(feature = "packed")]
mod tar;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_persistence::aof::dir::{self, AofSet, Names, Node, Tree};
use redis_persistence::aof::official::{Files, Opened};
use redis_persistence::verify::ReadAt;

use crate::progress::{Watched, When};

/// Files that lie inside one file.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    names: Names,
    members: BTreeMap<PathBuf, Place>,
    name: String,
    progress: When,
}

/// Where a member lies in the file around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u64,
    size: u64,
}

impl Archive {
    fn new(file: File, members: BTreeMap<PathBuf, Place>, name: String, progress: When) -> Self {
        let mut names = Names::default();
        for (path, place) in &members {
            names.add(path, place.size);
        }
        Self { file: Arc::new(file), names, members, name, progress }
    }

    /// The members of a tar that begins at `start`. `name` must be fit to print.
    ///
    /// # Errors
    /// If it cannot be read, is cut, or has a member that is not stored as it is.
    #[cfg(feature = "packed")]
    pub fn of_tar(file: File, start: u64, name: String, progress: When) -> io::Result<Self> {
        let members = tar::members(&file, start)?;
        Ok(Self::new(file, members, name, progress))
    }

    /// This build reads none.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "packed"))]
    pub fn of_tar(_: File, _: u64, _: String, _: When) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "it is a tar, which this build does not read"))
    }

    /// One member, `path`, from `start` to the end of the file. `name` must be fit to print.
    ///
    /// # Errors
    /// If the file's size cannot be told.
    pub fn of_one(file: File, start: u64, path: &Path, name: String, progress: When) -> io::Result<Self> {
        let size = file.metadata()?.len().saturating_sub(start);
        Ok(Self::new(file, BTreeMap::from([(path.to_owned(), Place { start, size })]), name, progress))
    }

    /// The members that begin as an RDB does, in the order of their names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn snapshots(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for (path, place) in &self.members {
            let mut head = Vec::new();
            Member { file: Arc::clone(&self.file), place: *place, at: 0 }.take(6).read_to_end(&mut head)?;
            if head.starts_with(b"REDIS") || head == b"VALKEY" {
                found.push(path.clone());
            }
        }
        Ok(found)
    }

    /// The append-only sets among the members, and the append-only files that belong to none, each with the path that
    /// leads to it.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub fn sets(&mut self) -> io::Result<Vec<(PathBuf, AofSet)>> {
        let folders: BTreeSet<PathBuf> =
            self.members.keys().flat_map(|path| path.ancestors().skip(1)).map(or_here).collect();
        let mut sets: Vec<(PathBuf, AofSet)> = Vec::new();
        for folder in folders {
            match dir::find(self, &folder) {
                // A server's directory leads to the same set as the folder in it, and comes first.
                Ok(set) if sets.iter().any(|(_, other)| other.root == set.root && other.prefix == set.prefix) => {}
                Ok(set) => sets.push((folder, set)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let rest: Vec<PathBuf> = self.members.keys().filter(|path| is_aof(path)).cloned().collect();
        for path in rest {
            let known = |set: &AofSet| {
                set.parts.iter().any(|part| part.path == path)
                    || set.old_style.as_ref().is_some_and(|old| old.path == path)
            };
            if !sets.iter().any(|(_, set)| known(set)) {
                let set = dir::find(self, &path)?;
                sets.push((path, set));
            }
        }
        Ok(sets)
    }
}

fn or_here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
}

fn is_aof(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "aof")
}

/// A file inside another.
#[derive(Debug)]
pub struct Member {
    file: Arc<File>,
    place: Place,
    at: u64,
}

impl ReadAt for Member {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.place.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        self.file.read_at(&mut buffer[..room], self.place.start.saturating_add(offset))
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = ReadAt::read_at(self, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Member {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.place.size.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Files for Archive {
    type File = Watched<Member>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if let Some(place) = self.members.get(path) {
            let member = Member { file: Arc::clone(&self.file), place: *place, at: 0 };
            let name = format!("{}: {}", self.name, crate::escape::plain(path.as_os_str().as_encoded_bytes()));
            let file = Watched::new(member, name, Some(place.size), self.progress);
            return Ok(Opened::File { file, size: place.size });
        }
        match self.names.stat(path) {
            Some(_) => Ok(Opened::Directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn at_places(file: &Self::File) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

impl Tree for Archive {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Ok(self.names.stat(path))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(self.names.list(folder))
    }
}
