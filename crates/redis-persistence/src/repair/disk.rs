//! What a repair needs of a Unix: new files that take over an old one's owner and mode, locks, and who else has a file open.

use std::ffi::CString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::XattrFlags;

use super::folder::Folder;
use super::{ApplyError, FileIdentity};

/// Notes a file that is only compared, through links too.
pub(super) fn look(path: &Path) -> Result<FileIdentity, ApplyError> {
    // A FIFO would otherwise wait for its other end.
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::openat(rustix::fs::CWD, path, flags, rustix::fs::Mode::empty());
    let file = File::from(file.map_err(|error| ApplyError::io("open", path)(error.into()))?);
    FileIdentity::of(path, &file).map_err(ApplyError::io("open", path))
}

/// Gives a new file the owner, group, mode and extended attributes of `like`.
pub(super) fn take_after(path: &Path, new: &File, like: &File) -> Result<(), ApplyError> {
    let keep = |what: &str| {
        let what = what.to_owned();
        move |source| ApplyError::NotKept { path: path.to_owned(), what, source }
    };
    own_as(new, like).map_err(keep("owner and group"))?;
    let mode = like.metadata().map_err(ApplyError::io("ask for", path))?.permissions().mode();
    // No file of the kind runs as its owner.
    new.set_permissions(fs::Permissions::from_mode(mode & 0o777)).map_err(keep("mode"))?;
    for (name, value) in attributes(like).map_err(keep("extended attributes"))? {
        // A security module may have set the same one already and not allow anybody to set it.
        if attribute(new, &name).ok().as_ref() != Some(&value) {
            let what = format!("attribute {}", name.to_string_lossy());
            rustix::fs::fsetxattr(new, &name, &value, XattrFlags::empty())
                .map_err(|error| keep(&what)(io::Error::from(error)))?;
        }
    }
    Ok(())
}

/// Gives a saved copy the owner and mode of its source, as far as we may; else it stays for our eyes only.
pub(super) fn resemble(new: &File, like: &File) {
    if own_as(new, like).is_ok()
        && let Ok(metadata) = like.metadata()
    {
        let mode = metadata.permissions().mode() & 0o666;
        // A narrower mode does no harm.
        let _ = new.set_permissions(fs::Permissions::from_mode(mode));
    }
}

pub(super) fn own_as(new: &File, like: &File) -> io::Result<()> {
    let (new_is, like_is) = (new.metadata()?, like.metadata()?);
    let uid = Some(like_is.uid()).filter(|uid| *uid != new_is.uid());
    let gid = Some(like_is.gid()).filter(|gid| *gid != new_is.gid());
    if uid.is_none() && gid.is_none() { Ok(()) } else { fchown(new, uid, gid) }
}

fn attributes(file: &File) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut names = Vec::new();
    let size = match rustix::fs::flistxattr_query(file) {
        Ok(size) => size,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    if size > 0 {
        names = vec![0_u8; size];
        let size = rustix::fs::flistxattr(file, &mut names[..])?;
        names.truncate(size);
    }
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let with_value = |name: &[u8]| {
        let name = CString::new(name)?;
        let value = attribute(file, &name)?;
        Ok((name, value))
    };
    names.map(with_value).collect()
}

fn attribute(file: &File, name: &CString) -> io::Result<Vec<u8>> {
    let size = rustix::fs::fgetxattr_query(file, name)?;
    let mut value = vec![0; size];
    let size = if size == 0 { 0 } else { rustix::fs::fgetxattr(file, name, &mut value[..])? };
    value.truncate(size);
    Ok(value)
}

/// Keeps other repairs out of folders as long as it lives.
#[derive(Debug)]
pub(super) struct Locks {
    held: Vec<Arc<Folder>>,
}

impl Locks {
    /// Locks folders; waits that long for one that somebody else holds.
    pub(super) fn take(folders: &[Arc<Folder>], wait: Duration) -> Result<Self, ApplyError> {
        let mut locks = Self { held: Vec::new() };
        let mut seen = Vec::new();
        let end = Instant::now().checked_add(wait);
        for folder in folders {
            let identity = folder.identity()?;
            if seen.contains(&identity) {
                continue;
            }
            seen.push(identity);
            loop {
                match folder.file().try_lock() {
                    // A process that is just being started can hold a lock for the one that had it.
                    Err(TryLockError::WouldBlock) if end.is_none_or(|end| Instant::now() < end) => {
                        thread::sleep(Duration::from_millis(20));
                    }
                    Err(TryLockError::WouldBlock) => {
                        let holder = holder(identity.1);
                        return Err(ApplyError::Locked { folder: folder.path().to_owned(), holder });
                    }
                    // Network file systems may have no locks: then there is nothing to be learnt.
                    Ok(()) | Err(TryLockError::Error(_)) => break,
                }
            }
            locks.held.push(Arc::clone(folder));
        }
        Ok(locks)
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        for folder in &self.held {
            // Closing it does the same.
            let _ = folder.file().unlock();
        }
    }
}

/// Who holds a lock on the file of that number, by what the system lists.
fn holder(inode: u64) -> String {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let Some(pid) = lock_of(&locks, inode) else { return "a process that cannot be seen".to_owned() };
    let process = |pid: u32| Path::new("/proc").join(pid.to_string());
    if process(pid).exists() {
        return format!("process {pid} ({})", name_of_process(&process(pid)));
    }
    match heir(inode) {
        Some(heir) => format!("process {heir} ({})", name_of_process(&process(heir))),
        None => format!("what process {pid} left, which is gone"),
    }
}

/// Finds a process that can be seen and has a lock from one that is gone: it has its descriptor.
fn heir(inode: u64) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fdinfo")).ok()?.flatten();
        let holds = descriptors.any(|descriptor| {
            let text = fs::read_to_string(descriptor.path()).unwrap_or_default();
            text.lines().filter_map(|line| line.strip_prefix("lock:")).any(|line| lock_of(line, inode).is_some())
        });
        holds.then_some(pid)
    })
}

/// Finds who has locked a file in `/proc/locks`: `7: FLOCK  ADVISORY  WRITE 4711 fd:01:123456 0 EOF`.
fn lock_of(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (pid, file) = (words.get(4)?, words.get(5)?);
        // Who only waits has an arrow more in his line.
        (*words.get(1)? == "FLOCK" && file.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok())?
    })
}

fn name_of_process(process: &Path) -> String {
    let name = fs::read(process.join("comm")).unwrap_or_default();
    String::from_utf8_lossy(name.trim_ascii()).into_owned()
}

/// Returns what [`nobody_writes`] cannot see here, in a sentence; `None` if it sees all.
pub(super) fn unseen() -> Option<String> {
    const UNKNOWN: &str = "whether one of them has these files open is not known";
    let Ok(processes) = fs::read_dir("/proc") else {
        return Some("which process has these files open cannot be told on this system".to_owned());
    };
    let pids = processes.flatten().filter(|entry| entry.file_name().as_bytes().iter().all(u8::is_ascii_digit));
    let (mut closed, mut first) = (0_u64, false);
    for process in pids {
        first |= process.file_name() == "1";
        let denied =
            fs::read_dir(process.path().join("fd")).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        closed += u64::from(denied);
    }
    if closed > 0 {
        let what = super::plan::number(closed, "process").replace("processs", "processes");
        return Some(format!("{what} of other users cannot be looked into: {UNKNOWN}"));
    }
    (!first).then(|| format!("processes of other users are hidden: {UNKNOWN}"))
}

/// Fails if another process that can be seen has one of the files open for writing.
pub(super) fn nobody_writes<'a>(files: impl IntoIterator<Item = &'a FileIdentity>) -> Result<(), ApplyError> {
    let files: Vec<_> = files.into_iter().collect();
    // Without /proc nothing can be seen.
    let Ok(processes) = fs::read_dir("/proc") else { return Ok(()) };
    let ours = std::process::id();
    for process in processes.flatten() {
        let pid: Option<u32> = process.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid != ours) else { continue };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(metadata) = fs::metadata(descriptor.path()) else { continue };
            let open = files.iter().find(|file| (file.device, file.inode) == (metadata.dev(), metadata.ino()));
            let Some(open) = open else { continue };
            let info = process.path().join("fdinfo").join(descriptor.file_name());
            if fs::read_to_string(info).is_ok_and(|info| is_for_writing(&info)) {
                let name = name_of_process(&process.path());
                return Err(ApplyError::InUse { path: open.path.clone(), pid, name });
            }
        }
    }
    Ok(())
}

/// Reads the `flags:` line of `/proc/PID/fdinfo/FD`: octal, and its last two bits are 0 for reading only.
fn is_for_writing(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// Returns a time as a part of a file name: `20260131T235959Z`.
pub(super) fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their odd day at the end; 400 of them have 146097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Returns whether a part of a file name is such a time.
pub(super) fn is_stamp(text: &[u8]) -> bool {
    text.len() == 16
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_dates() {
        let at = |seconds| stamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(951_782_399), "20000228T235959Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_709_251_200), "20240301T000000Z");
        assert_eq!(at(4_102_444_799), "20991231T235959Z");
        assert!(is_stamp(at(1_700_000_000).as_bytes()));
        assert!(!is_stamp(b"20240301T00000Z0"));
    }

    #[test]
    fn locks_tell_who_holds_them() {
        let locks = "1: POSIX  ADVISORY  WRITE 5 fd:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 42 fd:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 43 fd:01:77 0 EOF\n";
        assert_eq!((lock_of(locks, 77), lock_of(locks, 7)), (Some(42), None));
    }

    #[test]
    fn the_flags_tell_who_writes() {
        assert!(is_for_writing("pos:\t0\nflags:\t0102001\nmnt_id:\t29\n"));
        assert!(is_for_writing("flags:\t02"));
        assert!(!is_for_writing("pos:\t0\nflags:\t0100000\n"));
        assert!(!is_for_writing("pos:\t0\n"));
    }
}
