//! The files of a set that a start reads, as they lie on a disk: to tell later whether they are still the same ones.
//!
//! A server adds commands to the last file while the set is read, which changes nothing of what was there. A rewrite puts other files in
//! their place: then what was read of the old ones and of the new ones belongs to no set at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{self, AofSet, Role};

use crate::stores;

/// A file of a set, when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnDisk {
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    /// Its size; 0 if it is not there.
    pub(crate) size: u64,
    /// Device and inode.
    which: Option<(u64, u64)>,
}

/// A set, and its files when it was found.
#[derive(Debug)]
pub(crate) struct Parts {
    path: PathBuf,
    pub(crate) set: AofSet,
    /// Those that a start loads, and the manifest.
    pub(crate) files: Vec<OnDisk>,
}

impl Parts {
    /// Finds a set.
    pub(crate) fn find(path: &Path) -> io::Result<Self> {
        if stores::is_remote(path) {
            return Err(stores::no_file());
        }
        let set = dir::find_on_disk(path)?;
        let loaded = set.parts.iter().filter(|part| part.role.is_loaded()).map(|part| (&part.path, part.role));
        let manifest = set.manifest.iter().map(|manifest| (&manifest.path, Role::Manifest));
        let look = |(path, role): (&PathBuf, Role)| {
            let data = fs::metadata(path).ok();
            let size = data.as_ref().map_or(0, fs::Metadata::len);
            OnDisk { path: path.clone(), role, size, which: data.as_ref().and_then(which) }
        };
        let files = loaded.chain(manifest).map(look).collect();
        Ok(Self { path: path.to_owned(), set, files })
    }

    /// Returns whether the same files are the set now, under the same manifest. They may have grown.
    pub(crate) fn are_there(&self) -> io::Result<bool> {
        let now = Self::find(&self.path)?;
        let manifest = |of: &Self| of.set.manifest.as_ref().map(|manifest| manifest.bytes.clone());
        let same = |(then, now): (&OnDisk, &OnDisk)| {
            OnDisk { size: then.size, ..now.clone() } == *then && now.size >= then.size
        };
        Ok(manifest(self) == manifest(&now)
            && self.files.len() == now.files.len()
            && self.files.iter().zip(&now.files).all(same))
    }
}

/// Returns device and inode of a file.
#[cfg(unix)]
fn which(data: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((data.dev(), data.ino()))
}

#[cfg(not(unix))]
fn which(_: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_may_grow_and_nothing_else() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name);
        let manifest = "file a.aof.1.base.aof seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n";
        fs::write(file("a.aof.manifest"), manifest)?;
        fs::write(file("a.aof.1.base.aof"), "")?;
        fs::write(file("a.aof.1.incr.aof"), "")?;
        let parts = Parts::find(folder.path())?;
        assert_eq!(parts.files.len(), 3);
        assert!(parts.are_there()?);
        fs::File::options().append(true).open(file("a.aof.1.incr.aof"))?.write_all(b"*1\r\n")?;
        assert!(parts.are_there()?);
        // Another file of the same name, and size.
        let parts = Parts::find(folder.path())?;
        fs::write(file("new"), "*1\r\n")?;
        fs::rename(file("new"), file("a.aof.1.incr.aof"))?;
        assert!(!parts.are_there()?);
        // A file that was cut.
        let parts = Parts::find(folder.path())?;
        fs::write(file("a.aof.1.incr.aof"), "*1")?;
        assert!(!parts.are_there()?);
        // A manifest that was written over in place.
        let parts = Parts::find(folder.path())?;
        fs::write(file("a.aof.manifest"), manifest.replace("seq 1 type i", "seq 2 type i"))?;
        assert!(!parts.are_there()?);
        Ok(())
    }
}
