//! The private folder of a drill: nobody else can look into it, and it does not outlive the drill.
//!
//! ```text
//! DIR/rdbcheck-drill-XXXXXX/      mode 0700
//!       lock                      held by the command and by its watcher: whoever gets it finds a folder that nobody uses
//!       log                       what the server prints
//!       s                         its socket
//!       dump.rdb, appendonlydir   the copy
//! ```
//! The watcher removes it, also where the command was killed. Where both were, the next drill in the same DIR does: what has our name and
//! our mark in its lock, and nothing else.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};
use rustix::process::geteuid;

const PREFIX: &str = "rdbcheck-drill-";
const LOCK: &str = "lock";
/// What is in the lock.
const MARK: &[u8] = b"the lock of a private folder of a drill of rdbcheck\n";
/// So many bytes have to be left free beside a copy.
pub(crate) const SPARE: u64 = 64 << 20;

/// A folder that is in use.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held open: the lock ends with it.
    _lock: File,
}

impl Folder {
    /// Removes what killed drills left in a folder, and makes a new one there.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        sweep(dir);
        let dir = std::path::absolute(dir)?;
        let mode = Permissions::from_mode(0o700);
        let path = tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempdir_in(&dir)?.keep();
        match mark(&path) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails unless there is room for so many bytes.
    pub(crate) fn has_room_for(&self, bytes: u64) -> io::Result<()> {
        let free = free(&self.path)?;
        if free >= bytes.saturating_add(SPARE) {
            return Ok(());
        }
        let text = format!(
            "a copy of {} does not fit into {}, where {} are free (--dir says where)",
            crate::units::size(bytes),
            self.path.parent().unwrap_or(&self.path).display(),
            crate::units::size(free)
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, text))
    }
}

/// Returns how many bytes may be written to a folder.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let of = statvfs(folder)?;
    Ok(of.f_bavail.saturating_mul(of.f_frsize))
}

/// Marks a new folder as one of a drill, and holds its lock, until the file is closed.
fn mark(folder: &Path) -> io::Result<File> {
    let mut lock = File::options().create_new(true).append(true).open(folder.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockShared)?;
    // Without it nobody removes the folder: so it is held before it can be.
    lock.write_all(MARK)?;
    Ok(lock)
}

/// Holds the lock of a folder too, if it is one of a drill.
pub(crate) fn hold(folder: &Path) -> io::Result<File> {
    let lock = lock_of(folder).ok_or_else(|| io::Error::other("it is no private folder of a drill"))?;
    flock(&lock, FlockOperation::NonBlockingLockShared)?;
    Ok(lock)
}

/// Removes the folders of drills that were killed together with what cleans up after them. Whatever cannot be removed stays.
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(lock) = lock_of(&path) else { continue };
        // It is held until the folder is gone.
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Returns the lock of a folder that a drill of this user made, open.
fn lock_of(folder: &Path) -> Option<File> {
    let is_named = folder.file_name()?.to_str()?.starts_with(PREFIX);
    let data = fs::symlink_metadata(folder).ok()?;
    let is_private = data.is_dir() && data.uid() == geteuid().as_raw() && data.mode() & 0o077 == 0;
    if !is_named || !is_private {
        return None;
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).ok()?;
    let lock = File::options().read(true).custom_flags(flags).open(folder.join(LOCK)).ok()?;
    let mut bytes = Vec::new();
    let is_file = lock.metadata().ok()?.is_file();
    (&lock).take(MARK.len() as u64 + 1).read_to_end(&mut bytes).ok()?;
    (is_file && bytes == MARK).then_some(lock)
}

#[cfg(test)]
mod tests {
    use std::fs::DirBuilder;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_nobody_holds_is_removed_and_nothing_else() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let used = Folder::new(dir.path())?;
        assert_eq!(fs::metadata(used.path())?.permissions().mode() & 0o777, 0o700);
        let left = Folder::new(dir.path())?;
        let left_path = left.path().to_owned();
        fs::write(left_path.join("dump.rdb"), "data")?;
        drop(left);
        // Others: one that is being made, or that somebody made; one that others may look into, a file, a link.
        let others = ["new", "own", "odd", "open"].map(|name| dir.path().join(format!("{PREFIX}{name}")));
        let [_, own, odd, open] = &others;
        for folder in &others {
            DirBuilder::new().mode(if folder == open { 0o755 } else { 0o700 }).create(folder)?;
            fs::write(folder.join("notes"), "of somebody")?;
        }
        fs::write(own.join(LOCK), "")?;
        fs::write(open.join(LOCK), MARK)?;
        std::os::unix::fs::symlink(open.join(LOCK), odd.join(LOCK))?;
        let long_ago = SystemTime::now() - Duration::from_secs(86_400);
        for folder in &others {
            File::open(folder)?.set_modified(long_ago)?;
            assert!(hold(folder).is_err(), "{}", folder.display());
        }
        fs::write(dir.path().join(format!("{PREFIX}file")), "")?;
        std::os::unix::fs::symlink(used.path(), dir.path().join(format!("{PREFIX}link")))?;
        let renamed = dir.path().join("mine");
        let fourth = Folder::new(dir.path())?;
        fs::rename(fourth.path(), &renamed)?;
        drop(fourth);
        let third = Folder::new(dir.path())?;
        assert!(!left_path.exists());
        assert!(used.path().exists() && third.path().exists() && renamed.exists());
        assert!(others.iter().all(|folder| folder.join("notes").exists()));
        assert!(hold(used.path()).is_ok() && hold(&renamed).is_err());
        assert_eq!(fs::read_dir(dir.path())?.count(), 9);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused_with_figures() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let folder = Folder::new(dir.path())?;
        assert!(folder.has_room_for(1).is_ok());
        let error = folder.has_room_for(1 << 62).expect_err("no disk is as large");
        assert!(error.to_string().starts_with("a copy of 4.6 EB does not fit into "), "{error}");
        Ok(())
    }
}
