//! Where the files of a set lie: on disk, or in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::access::Owner;
use super::{Disk, Files, Opened};

/// What lies under a name. Symbolic links are followed, as servers follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// A regular file, of this many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A pipe, a socket, a device: never opened here. Or a link that leads nowhere.
    Other,
}

/// Files that can be listed as well as opened.
pub trait Tree: Files {
    /// Returns what lies under a path; `None` for nothing.
    ///
    /// # Errors
    /// As the system gives them, but for "no such file".
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>>;

    /// The names in a folder and what lies under each, in the order of the names.
    ///
    /// # Errors
    /// As the system gives them.
    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>>;

    /// When a file was last written to, in Unix seconds; `None` where that is not known.
    fn modified(&mut self, path: &Path) -> Option<i64> {
        let _ = path;
        None
    }

    /// Returns how many bytes can be written to the disk on which a folder lies; `None` where that is not known.
    fn free(&mut self, folder: &Path) -> Option<u64> {
        let _ = folder;
        None
    }

    /// Whose a file or folder is; `None` where that is not known.
    fn owner(&mut self, path: &Path) -> Option<Owner> {
        let _ = path;
        None
    }
}

impl Tree for Disk {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        match fs::metadata(path) {
            Ok(data) => Ok(Some(node(&data))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A file may be gone again by now, and a link may lead nowhere.
            let node = fs::metadata(entry.path()).map_or(Node::Other, |data| node(&data));
            names.push((entry.file_name().into_encoded_bytes(), node));
        }
        names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(names)
    }

    fn modified(&mut self, path: &Path) -> Option<i64> {
        let modified = fs::metadata(path).and_then(|data| data.modified()).ok()?;
        i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
    }

    #[cfg(unix)]
    fn free(&mut self, folder: &Path) -> Option<u64> {
        let disk = rustix::fs::statvfs(folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    #[cfg(unix)]
    fn owner(&mut self, path: &Path) -> Option<Owner> {
        use std::os::unix::fs::MetadataExt as _;
        let data = fs::metadata(path).ok()?;
        Some(Owner { uid: data.uid(), gid: data.gid(), mode: data.mode() & 0o7777 })
    }
}

fn node(data: &fs::Metadata) -> Node {
    if data.is_dir() {
        Node::Directory
    } else if data.is_file() {
        Node::File(data.len())
    } else {
        Node::Other
    }
}

/// The names and sizes of files that lie in something other than a disk. A folder exists as soon as a file lies in it.
///
/// # Examples
/// ```
/// use redis_persistence::aof::dir::{Names, Node};
///
/// let mut names = Names::default();
/// names.add("appendonlydir/a.manifest", 31);
/// assert_eq!(names.stat("appendonlydir".as_ref()), Some(Node::Directory));
/// assert_eq!(names.list("appendonlydir".as_ref()), [(b"a.manifest".to_vec(), Node::File(31))]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    files: BTreeMap<PathBuf, u64>,
}

impl Names {
    /// Adds a file of this many bytes, in the place of one of that name.
    pub fn add(&mut self, path: impl Into<PathBuf>, size: u64) {
        self.files.insert(path.into(), size);
    }

    /// Returns what lies under a path, as [`Tree::stat`] says it.
    #[must_use]
    pub fn stat(&self, path: &Path) -> Option<Node> {
        if let Some(size) = self.files.get(path) {
            return Some(Node::File(*size));
        }
        let folder = path == Path::new(".") || self.files.keys().any(|file| file.starts_with(path));
        folder.then_some(Node::Directory)
    }

    /// Returns what lies in a folder, as [`Tree::list`] says it.
    #[must_use]
    pub fn list(&self, folder: &Path) -> Vec<(Vec<u8>, Node)> {
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        let mut names = BTreeMap::new();
        for (path, size) in &self.files {
            let Some(first) = path.strip_prefix(folder).ok().and_then(|rest| rest.components().next()) else {
                continue;
            };
            let direct = folder.join(first) == *path;
            let node = if direct { Node::File(*size) } else { Node::Directory };
            names.insert(first.as_os_str().as_encoded_bytes().to_vec(), node);
        }
        names.into_iter().collect()
    }
}

/// Files in memory.
///
/// # Examples
/// ```
/// use redis_persistence::aof::dir::{self, Memory, Shape};
///
/// let mut files = Memory::default();
/// files.add("appendonlydir/a.manifest", &b"file a.1.incr.aof seq 1 type i\n"[..]);
/// files.add("appendonlydir/a.1.incr.aof", &b""[..]);
/// let set = dir::find(&mut files, "appendonlydir".as_ref())?;
/// assert_eq!(set.shape, Shape::MultiPart);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Bytes>,
    names: Names,
}

impl Memory {
    /// Puts a file there, in the place of one of that name.
    pub fn add(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Bytes>) {
        let (path, bytes) = (path.into(), bytes.into());
        self.names.add(path.clone(), bytes.len() as u64);
        self.files.insert(path, bytes);
    }
}

impl Files for Memory {
    type File = Cursor<Bytes>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if let Some(bytes) = self.files.get(path) {
            return Ok(Opened::File { size: bytes.len() as u64, file: Cursor::new(bytes.clone()) });
        }
        match self.stat(path)? {
            Some(_) => Ok(Opened::Directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Tree for Memory {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Ok(self.names.stat(path))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(self.names.list(folder))
    }
}
