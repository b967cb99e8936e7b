//! A new file that has its name only once it is complete: written beside it, synced, judged, renamed.
//!
//! Killed at any moment, or out of space, it leaves nothing under the final name, and an old file there as it was. What a kill can
//! leave is `<name>.<time>.new.part`, which the next run for that name removes.

use std::fs::File;
#[cfg(unix)]
use std::io::Seek as _;
use std::io::{self, Write};
use std::path::Path;
#[cfg(unix)]
use std::time::{Duration, SystemTime};

#[cfg(unix)]
use super::folder::{Folder, NOT_REGULAR, Place, folder_of};
use super::{ApplyError, Hook};
#[cfg(unix)]
use super::{disk, leftovers, save::Staged};

/// This many seconds are tried for a name that is free while the file is written.
#[cfg(unix)]
const MOST_LEFT_OVER: u64 = 1000;

/// Whether a file that exists may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is left alone, and nothing is written.
    #[default]
    Keep,
    /// It is replaced, in one moment.
    Replace,
}

/// Writes a file with `fill`. It gets its name only after it was synced and `judge` agreed to it, reading from its start.
///
/// The file gets the mode and, where that is allowed, the owner of `like`.
///
/// # Errors
/// If the system refuses something, `fill` or `judge` fails, or a file exists that must not be replaced. Then nothing was changed.
#[cfg(unix)]
pub fn write_output(
    path: &Path,
    existing: Existing,
    like: Option<&File>,
    hook: &mut Hook<'_>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    judge: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ApplyError> {
    let target = free_or_regular(path, existing)?;
    leftovers::sweep_abandoned(&target)?;
    // Another run may be at work with the name of this second.
    let mut times = (0..MOST_LEFT_OVER).map(|n| disk::stamp(SystemTime::now() + Duration::from_secs(n)));
    let is_free =
        |stamp: &String| target.with_suffix(&format!("{stamp}.new.part")).stat().is_ok_and(|found| found.is_none());
    let stamp = times.find(is_free).unwrap_or_default();
    let staged = Staged::new(&target, &stamp, None, hook, |part, file, hook| {
        if let Some(like) = like {
            disk::resemble(file, like);
        }
        fill(&mut Told { part, file, hook, done: 0 }).map_err(ApplyError::io("write to", part))?;
        file.rewind().and_then(|()| judge(file)).map_err(ApplyError::io("check", part))
    })?;
    match existing {
        Existing::Keep => staged.create(hook),
        Existing::Replace => staged.replace(hook),
    }
}

/// Tells whether [`write_output`] would refuse to give a file that name, before the work is done.
///
/// # Errors
/// If the folder cannot be found or opened, a file exists that must not be replaced, or what exists is no regular file: links,
/// devices, FIFOs, sockets and folders are never replaced.
#[cfg(unix)]
pub fn check_output(path: &Path, existing: Existing) -> Result<(), ApplyError> {
    free_or_regular(path, existing).map(drop)
}

#[cfg(unix)]
fn free_or_regular(path: &Path, existing: Existing) -> Result<Place, ApplyError> {
    let name = path.file_name().ok_or_else(|| ApplyError::refused(path, "it names no file"))?;
    let target = Folder::open(folder_of(path))?.at(name)?;
    match target.is_regular()? {
        Some(false) => Err(ApplyError::refused(path, NOT_REGULAR)),
        Some(true) if existing == Existing::Keep => {
            let source = io::ErrorKind::AlreadyExists.into();
            Err(ApplyError::Io { doing: "create", path: target.path().to_owned(), source })
        }
        _ => Ok(target),
    }
}

/// A file whose writing is told.
#[cfg(unix)]
struct Told<'a, 'h> {
    part: &'a Path,
    file: &'a mut File,
    hook: &'a mut Hook<'h>,
    done: u64,
}

#[cfg(unix)]
impl Write for Told<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.done += n as u64;
        (self.hook)(super::Progress::Writing { path: self.part, done: self.done, total: 0 });
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn write_output(
    _: &Path,
    _: Existing,
    _: Option<&File>,
    _: &mut Hook<'_>,
    _: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    _: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ApplyError> {
    Err(ApplyError::Unsupported)
}

/// Tells whether a file can be written.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn check_output(_: &Path, _: Existing) -> Result<(), ApplyError> {
    Err(ApplyError::Unsupported)
}
