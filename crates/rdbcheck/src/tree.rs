//! The files of this machine, for the verifier of append-only files: opened as every input is, and watched while they are
//! read.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::{Node, Tree};
use redis_persistence::aof::official::{Disk, Files, Opened};
use redis_persistence::verify::ReadAt;

use crate::escape;
use crate::open::{self, Input};
use crate::progress::{Watched, When};

/// Files on disk, with progress on what is read of each.
#[derive(Debug, Clone, Copy)]
pub struct WatchedDisk {
    /// When progress is shown.
    pub progress: When,
}

impl Files for WatchedDisk {
    type File = Watched<Input>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if Disk.stat(path)? == Some(Node::Directory) {
            return Ok(Opened::Directory);
        }
        let input = open::open(path)?;
        let size = input.size.unwrap_or(0);
        let name = escape::plain(path.as_os_str().as_encoded_bytes());
        Ok(Opened::File { file: Watched::new(input, name, Some(size), self.progress), size })
    }

    fn at_places(file: &Self::File) -> Option<&dyn ReadAt> {
        file.get().is_seekable().then_some(file)
    }
}

impl Tree for WatchedDisk {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Disk.stat(path)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Disk.list(folder)
    }

    fn modified(&mut self, path: &Path) -> Option<i64> {
        Disk.modified(path)
    }
}
