//! What a run that was killed may have left: files that were still being written, and saved bytes without a change.
//!
//! The former are worth nothing, because nothing is changed before they are complete. The latter are taken up again, so that
//! a second run needs no second copy of a long tail.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::disk;
use super::folder::{Folder, Place};
use super::record::Record;
use super::save::Range;
use super::{ApplyError, FileIdentity};

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

/// Removes what an earlier run on these files did not finish writing. The caller holds the locks of the folders. What is no
/// regular file no run has left.
pub(super) fn sweep(folders: &[Arc<Folder>], files: &[&OsStr]) -> Result<(), ApplyError> {
    for folder in folders {
        for name in folder.names()? {
            let Some((file, rest)) = split(&name) else { continue };
            let unfinished = rest.strip_suffix(".part").is_some_and(|kind| KINDS.contains(&kind));
            if unfinished && files.contains(&OsStr::from_bytes(file)) {
                let place = folder.at(&name)?;
                if place.is_regular()? == Some(true) {
                    place.remove()?;
                }
            }
        }
    }
    Ok(())
}

/// Removes what earlier runs did not finish writing in the place of this file, unless one of them is still at work.
pub(super) fn sweep_abandoned(target: &Place) -> Result<(), ApplyError> {
    for name in target.folder().names()? {
        let is_ours = split(&name).is_some_and(|(file, rest)| file == target.name().as_bytes() && rest == "new.part");
        let place = target.folder().at(&name)?;
        if is_ours && place.open().is_ok_and(|(file, _)| file.try_lock().is_ok()) {
            place.remove()?;
        }
    }
    Ok(())
}

/// Returns a stamp that no file in these folders has yet.
pub(super) fn fresh_stamp(folders: &[Arc<Folder>]) -> Result<String, ApplyError> {
    let mut taken = Vec::new();
    for folder in folders {
        taken.extend(folder.names()?);
    }
    let is_free = |stamp: &String| {
        !taken.iter().any(|name| name.as_bytes().windows(stamp.len()).any(|part| part == stamp.as_bytes()))
    };
    let now = SystemTime::now();
    let stamp = (0..=taken.len() as u64).map(|later| disk::stamp(now + Duration::from_secs(later))).find(is_free);
    Ok(stamp.unwrap_or_else(|| disk::stamp(now)))
}

/// Removes what a run that was killed left of this folder. What cannot be removed is in nobody's way.
pub(super) fn remove_unfinished(out: &Place) -> Result<(), ApplyError> {
    for found in out.folder().names()? {
        let rest = found.as_bytes().strip_prefix(out.name().as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
        let stamp = rest.and_then(|rest| rest.strip_suffix(b".part"));
        if stamp.is_some_and(disk::is_stamp) {
            let _ = out.folder().at(&found)?.remove_folder();
        }
    }
    Ok(())
}

/// Looks for a finished copy of these bytes among those that were saved of this file before.
pub(super) fn saved_before(
    folder: &Arc<Folder>,
    range: &mut Range<'_>,
    kind: &str,
) -> Result<Option<Place>, ApplyError> {
    for name in folder.names()? {
        if !split(&name).is_some_and(|(file, rest)| file == range.name().as_bytes() && rest == kind) {
            continue;
        }
        let place = folder.at(&name)?;
        let Ok((mut copy, seen)) = place.open() else { continue };
        if is_copy(range, &mut copy, &seen).map_err(ApplyError::io("read", place.path()))? {
            // It may have been renamed just before the kill, with the folder not yet synced.
            folder.sync()?;
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn is_copy(range: &mut Range<'_>, copy: &mut impl Read, seen: &FileIdentity) -> io::Result<bool> {
    if seen.size != range.to - range.from {
        return Ok(false);
    }
    range.file.seek(SeekFrom::Start(range.from))?;
    same_bytes(&mut range.file, copy, seen.size)
}

/// Returns whether the next `len` bytes of both are the same.
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

/// Looks for a record of ours that says the same as `wanted`.
pub(super) fn recorded_before(folder: &Arc<Folder>, wanted: &Record) -> Result<Option<Place>, ApplyError> {
    for name in folder.names()? {
        if split(&name).is_some_and(|(_, rest)| rest == "undo") {
            let place = folder.at(&name)?;
            if Record::read(&place).is_ok_and(|record| record == *wanted) {
                folder.sync()?;
                return Ok(Some(place));
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
