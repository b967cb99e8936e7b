//! What a run that was killed may have left: files that were still being written, and saved bytes without a change.
//!
//! The former are worth nothing, because nothing is changed before they are complete. The latter are taken up again, so that
//! a second run needs no second copy of a long tail.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::disk;
use super::record::Record;
use super::save::Range;
use super::{ApplyError, Seen};

/// The kinds of files that are written, under `<file>.<stamp>.<kind>.part` first.
const KINDS: [&str; 5] = ["tail", "old", "undo", "new", "aside"];

/// Splits `<file>.<stamp>.<rest>`.
fn split(name: &OsStr) -> Option<(&[u8], &str)> {
    let name = name.as_bytes();
    (0..name.len().checked_sub(18)?).rev().find_map(|at| {
        let (file, rest) = name.split_at(at);
        let rest = rest.strip_prefix(b".")?;
        let (stamp, rest) = rest.split_at_checked(16)?;
        let rest = std::str::from_utf8(rest.strip_prefix(b".")?).ok()?;
        disk::is_stamp(stamp).then_some((file, rest))
    })
}

fn names_in(folder: &Path) -> Result<Vec<OsString>, ApplyError> {
    let names = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(ApplyError::io("list", folder))
}

/// Removes what an earlier run on these files did not finish writing. The caller holds the locks of the folders.
pub(super) fn sweep(folders: &[&Path], files: &[&OsStr]) -> Result<(), ApplyError> {
    for folder in folders {
        for name in names_in(folder)? {
            let Some((file, rest)) = split(&name) else { continue };
            let unfinished = rest.strip_suffix(".part").is_some_and(|kind| KINDS.contains(&kind));
            if unfinished && files.contains(&OsStr::from_bytes(file)) {
                let path = folder.join(&name);
                fs::remove_file(&path).map_err(ApplyError::io("remove", &path))?;
            }
        }
    }
    Ok(())
}

/// Removes what earlier runs did not finish writing in the place of this file, unless one of them is still at work.
pub(super) fn sweep_abandoned(target: &Path) -> Result<(), ApplyError> {
    let folder = disk::folder_of(target);
    for name in names_in(folder)? {
        let is_ours =
            split(&name).is_some_and(|(file, rest)| file == disk::name_of(target).as_bytes() && rest == "new.part");
        let path = folder.join(&name);
        if is_ours && fs::File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            fs::remove_file(&path).map_err(ApplyError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// A stamp that no file in these folders has yet.
pub(super) fn fresh_stamp(folders: &[&Path]) -> Result<String, ApplyError> {
    let mut taken = Vec::new();
    for folder in folders {
        taken.extend(names_in(folder)?);
    }
    let is_free = |stamp: &String| {
        !taken.iter().any(|name| name.as_bytes().windows(stamp.len()).any(|part| part == stamp.as_bytes()))
    };
    let now = SystemTime::now();
    let stamp = (0..=taken.len() as u64).map(|later| disk::stamp(now + Duration::from_secs(later))).find(is_free);
    Ok(stamp.unwrap_or_else(|| disk::stamp(now)))
}

/// Looks for a finished copy of these bytes among those that were saved of this file before.
pub(super) fn saved_before(folder: &Path, range: &mut Range<'_>, kind: &str) -> Result<Option<PathBuf>, ApplyError> {
    for name in names_in(folder)? {
        if !split(&name).is_some_and(|(file, rest)| file == range.name().as_bytes() && rest == kind) {
            continue;
        }
        let path = folder.join(&name);
        let Ok((mut copy, seen)) = disk::open(&path) else { continue };
        if is_copy(range, &mut copy, &seen).map_err(ApplyError::io("read", &path))? {
            // It may have been renamed just before the kill, with the folder not yet synced.
            disk::sync_folder(folder)?;
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_copy(range: &mut Range<'_>, copy: &mut impl Read, seen: &Seen) -> io::Result<bool> {
    if seen.size != range.to - range.from {
        return Ok(false);
    }
    range.file.seek(SeekFrom::Start(range.from))?;
    same_bytes(&mut range.file, copy, seen.size)
}

/// Whether the next `len` bytes of both are the same.
pub(super) fn same_bytes(one: &mut impl Read, other: &mut impl Read, len: u64) -> io::Result<bool> {
    let (mut left, mut one_block, mut other_block) = (len, vec![0; 64 << 10], vec![0; 64 << 10]);
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(one_block.len());
        one.read_exact(&mut one_block[..size])?;
        other.read_exact(&mut other_block[..size])?;
        if one_block[..size] != other_block[..size] {
            return Ok(false);
        }
        left -= size as u64;
    }
    Ok(true)
}

/// Looks for a record that says the same as `wanted`.
pub(super) fn recorded_before(folder: &Path, wanted: &Record) -> Result<Option<PathBuf>, ApplyError> {
    for name in names_in(folder)? {
        if split(&name).is_some_and(|(_, rest)| rest == "undo") {
            let path = folder.join(OsString::from_vec(name.into_vec()));
            if Record::read(&path).is_ok_and(|record| record == *wanted) {
                disk::sync_folder(folder)?;
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let of = |name: &'static str| split(OsStr::new(name));
        assert_eq!(of("a.aof.20240301T000000Z.tail"), Some((&b"a.aof"[..], "tail")));
        assert_eq!(
            of("a.20240301T000000Z.tail.20240302T000000Z.old.part"),
            Some((&b"a.20240301T000000Z.tail"[..], "old.part"))
        );
        assert_eq!(of("a.aof.2024.tail"), None);
        assert_eq!(of("short"), None);
    }
}
