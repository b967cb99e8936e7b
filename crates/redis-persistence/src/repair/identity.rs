//! A file as it was when it was read, and hashes of parts of it: they tell whether it is the same before it is changed.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::Xxh3;

/// How much of a file next to a cut is compared before the cut is made, on either side.
const WITNESS: u64 = 64 << 10;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    /// Where it lies.
    pub path: PathBuf,
    /// The number of its file system; 0 where there is no such thing.
    pub device: u64,
    /// Its number in the file system; 0 where there is no such thing.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written to.
    pub modified: SystemTime,
}

impl FileIdentity {
    /// Notes an open file.
    ///
    /// # Errors
    /// If the file cannot be asked, or is no regular file.
    pub fn of(path: &Path, file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let (device, inode) = identity(&metadata);
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self { path: path.to_owned(), device, inode, size: metadata.len(), modified })
    }

    /// Returns whether `other` is the same file, whatever its size now.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Returns whether `other` is the same file and was not written to meanwhile.
    #[must_use]
    pub fn unchanged(&self, other: &Self) -> bool {
        self.same_file(other) && self.size == other.size && self.modified == other.modified
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Returns the hash of [`Cut::witness`](super::Cut::witness): up to 64 KiB before `at` and up to 64 KiB from there, of a
/// file that had `size` bytes.
pub(super) fn witness(file: &mut (impl Read + Seek), at: u64, size: u64) -> io::Result<u64> {
    let end = size.min(at.saturating_add(WITNESS));
    hash_range(file, at.saturating_sub(WITNESS), end)
}

/// Returns the hash of the last bytes of a file of `size` bytes.
#[cfg(unix)]
pub(super) fn last_bytes(file: &mut (impl Read + Seek), size: u64) -> io::Result<u64> {
    hash_range(file, size.saturating_sub(WITNESS), size)
}

/// Returns the 64-bit XXH3 of the bytes from `from` to `to`.
pub(super) fn hash_range(file: &mut (impl Read + Seek), from: u64, to: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 64 << 10];
    let mut left = to.saturating_sub(from);
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = match file.read(&mut buffer[..want]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        left -= read as u64;
    }
    Ok(hash.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_to_is_not_the_same() {
        let modified = SystemTime::UNIX_EPOCH;
        let one = FileIdentity { path: "a.aof".into(), device: 1, inode: 2, size: 5, modified };
        assert!(one.unchanged(&one));
        assert!(
            !one.unchanged(&FileIdentity { size: 6, ..one.clone() })
                && one.same_file(&FileIdentity { size: 6, ..one.clone() })
        );
        assert!(!one.unchanged(&FileIdentity { inode: 3, ..one.clone() }));
    }
}
