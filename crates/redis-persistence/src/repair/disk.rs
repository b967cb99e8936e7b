//! What a repair needs of a Unix: new files that take over an old one's owner and mode, folders synced, free space, and who
//! else has a file open.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::XattrFlags;

use super::{ApplyError, Seen};

/// Opens a regular file for reading, and notes it.
pub(super) fn open(path: &Path) -> Result<(File, Seen), ApplyError> {
    open_as(path, false)
}

/// Opens a regular file for reading and writing, and notes it.
pub(super) fn open_writing(path: &Path) -> Result<(File, Seen), ApplyError> {
    open_as(path, true)
}

fn open_as(path: &Path, write: bool) -> Result<(File, Seen), ApplyError> {
    let doing = if write { "write to" } else { "open" };
    // A FIFO would otherwise wait for its other end.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path);
    let file = file.map_err(ApplyError::io(doing, path))?;
    let seen = Seen::of(path, &file).map_err(ApplyError::io(doing, path))?;
    Ok((file, seen))
}

/// The path with every link resolved, so that a link to a file is never replaced by a file. The file need not exist.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, ApplyError> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error).map_err(ApplyError::io("find", path))?;
            let folder = folder_of(path);
            Ok(fs::canonicalize(folder).map_err(ApplyError::io("find", folder))?.join(name))
        }
        found => found.map_err(ApplyError::io("find", path)),
    }
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `name` with `.suffix` behind it.
pub(super) fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(".");
    name.push(suffix);
    name
}

/// Creates a file that did not exist, for its owner alone.
pub(super) fn create(path: &Path) -> Result<File, ApplyError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    file.map_err(ApplyError::io("create", path))
}

/// Gives a new file the owner, group, mode and extended attributes of `like`.
pub(super) fn take_after(path: &Path, new: &File, like: &File) -> Result<(), ApplyError> {
    let keep = |what: &str| {
        let what = what.to_owned();
        move |source| ApplyError::NotKept { path: path.to_owned(), what, source }
    };
    own_as(new, like).map_err(keep("owner and group"))?;
    let mode = like.metadata().map_err(ApplyError::io("ask for", path))?.permissions();
    new.set_permissions(mode).map_err(keep("mode"))?;
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

fn own_as(new: &File, like: &File) -> io::Result<()> {
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

/// Makes the names in a folder last.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ApplyError> {
    let synced = File::open(folder).and_then(|file| file.sync_all());
    synced.map_err(ApplyError::io("sync", folder))
}

/// Gives `from` the name `to`, which must be free, and makes that last.
pub(super) fn place(from: &Path, to: &Path) -> Result<(), ApplyError> {
    rename_to_free(from, to).map_err(ApplyError::io("rename to", to))?;
    sync_folder(folder_of(to))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_if_free(from, to),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    rename_if_free(from, to)
}

fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Replaces `to` by `from`, in one moment, and makes that last.
pub(super) fn replace(from: &Path, to: &Path) -> Result<(), ApplyError> {
    fs::rename(from, to).map_err(ApplyError::io("rename to", to))?;
    sync_folder(folder_of(to))
}

/// How many bytes may still be written in a folder.
pub(super) fn free_bytes(folder: &Path) -> Result<u64, ApplyError> {
    let stat =
        rustix::fs::statvfs(folder).map_err(|error| ApplyError::io("ask for the space in", folder)(error.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The number of the file system that a folder lies on.
pub(super) fn device(folder: &Path) -> Result<u64, ApplyError> {
    Ok(fs::metadata(folder).map_err(ApplyError::io("find", folder))?.dev())
}

/// How often a lock is tried for.
const PATIENCE: u32 = 50;

/// Keeps other repairs out of folders as long as it lives.
#[derive(Debug)]
pub(super) struct Locks {
    _held: Vec<File>,
}

impl Locks {
    pub(super) fn take(folders: &[&Path]) -> Result<Self, ApplyError> {
        let mut held = Vec::new();
        let mut seen = Vec::new();
        for folder in folders {
            let file = File::open(folder).map_err(ApplyError::io("open", folder))?;
            let metadata = file.metadata().map_err(ApplyError::io("open", folder))?;
            let identity = (metadata.dev(), metadata.ino());
            if seen.contains(&identity) {
                continue;
            }
            seen.push(identity);
            let mut patience = PATIENCE;
            loop {
                match file.try_lock() {
                    // A process that is just being started can hold a lock for the one that had it.
                    Err(TryLockError::WouldBlock) if patience > 0 => thread::sleep(Duration::from_millis(20)),
                    Err(TryLockError::WouldBlock) => return Err(ApplyError::Locked { folder: folder.to_path_buf() }),
                    // Network file systems may have no locks: then there is nothing to be learnt.
                    Ok(()) | Err(TryLockError::Error(_)) => break,
                }
                patience -= 1;
            }
            held.push(file);
        }
        Ok(Self { _held: held })
    }
}

/// Fails if another process that can be seen has one of the files open for writing.
pub(super) fn nobody_writes<'a>(files: impl IntoIterator<Item = &'a Seen>) -> Result<(), ApplyError> {
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
                let name = fs::read(process.path().join("comm")).unwrap_or_default();
                let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
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

/// A time as a part of a file name: `20260131T235959Z`.
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

/// Whether a part of a file name is such a time.
pub(super) fn is_stamp(text: &[u8]) -> bool {
    text.len() == 16
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> &OsStr {
    path.file_name().unwrap_or(OsStr::from_bytes(b"file"))
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
    fn the_flags_tell_who_writes() {
        assert!(is_for_writing("pos:\t0\nflags:\t0102001\nmnt_id:\t29\n"));
        assert!(is_for_writing("flags:\t02"));
        assert!(!is_for_writing("pos:\t0\nflags:\t0100000\n"));
        assert!(!is_for_writing("pos:\t0\n"));
    }
}
