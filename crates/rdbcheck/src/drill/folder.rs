//! The private folder of a drill: nobody else can look into it, and it does not outlive the drill.
//!
//! ```text
//! DIR/rdbcheck-drill-XXXXXX/      mode 0700
//!       lock                      held by the command and by its watcher: whoever gets it finds a folder that nobody uses
//!       log                       what the server prints
//!       s                         its socket
//!       dump.rdb, appendonlydir   the copy
//! ```
//! The watcher removes it, also where the command was killed. Where both were, the next drill in the same DIR does.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock, statvfs};
use rustix::process::geteuid;

const PREFIX: &str = "rdbcheck-drill-";
const LOCK: &str = "lock";
/// A folder without a lock is one that is being made, unless it is older than this.
const BEING_MADE: Duration = Duration::from_secs(600);
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
        match hold(&path) {
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

/// Holds the lock of a folder, until the file is closed.
pub(crate) fn hold(folder: &Path) -> io::Result<File> {
    let lock = File::options().create(true).append(true).open(folder.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockShared)?;
    Ok(lock)
}

/// Removes the folders of drills that were killed together with what cleans up after them. Whatever cannot be removed stays.
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_left_over(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Returns whether it is a folder of our own that nobody uses.
fn is_left_over(path: &Path) -> bool {
    let Ok(data) = fs::symlink_metadata(path) else { return false };
    if !data.is_dir() || data.uid() != geteuid().as_raw() || data.mode() & 0o077 != 0 {
        return false;
    }
    match File::open(path.join(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let age = data.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age > BEING_MADE)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::DirBuilder;
    use std::os::unix::fs::DirBuilderExt as _;

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
        // Others: one that is being made, one that others may look into, a file, a link.
        let made = dir.path().join(format!("{PREFIX}new"));
        DirBuilder::new().mode(0o700).create(&made)?;
        let open = dir.path().join(format!("{PREFIX}open"));
        DirBuilder::new().mode(0o755).create(&open)?;
        fs::write(open.join(LOCK), "")?;
        fs::write(dir.path().join(format!("{PREFIX}file")), "")?;
        std::os::unix::fs::symlink(&open, dir.path().join(format!("{PREFIX}link")))?;
        let third = Folder::new(dir.path())?;
        assert!(!left_path.exists());
        assert!(used.path().exists() && third.path().exists() && made.exists() && open.exists());
        assert_eq!(fs::read_dir(dir.path())?.count(), 6);
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
