//! Takes a repair back, from its record.
//!
//! First every file is judged: is it as the repair left it, or as it was before, or neither? With one of the last kind
//! nothing is done. Then the changes are taken back, the last one first. What was saved stays where it is.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::disk::{self, Locks, folder_of};
use super::leftovers::{self, same_bytes};
use super::record::{Entry, Record};
use super::save::{self, Staged};
use super::{ApplyError, ApplyOptions, Hook, Progress, Seen, Undone, seen};

/// What has to be done about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The file is as it was before.
    Former,
    /// The file is as the repair left it, or has so many bytes of the tail again.
    Repaired { size: u64 },
}

/// Restores what a repair changed. A run that was killed is finished by the next.
///
/// Files that are as they were before are left alone, so a repair that was stopped half way can be undone too.
///
/// # Errors
/// [`ApplyError::BadRecord`] for a record that is damaged, [`ApplyError::NotAsLeft`] for a file or saved copy that has
/// another content than the record says; nothing was changed then. [`ApplyError::Stopped`] if something was.
pub fn undo(record: &Path, options: &ApplyOptions, hook: &mut Hook<'_>) -> Result<Undone, ApplyError> {
    let record = fs::canonicalize(record).map_err(ApplyError::io("find", record))?;
    let home = folder_of(&record);
    let entries = Record::read(&record)?.entries;
    let mut folders: Vec<_> = entries.iter().map(|entry| folder_of(entry.file())).chain([home]).collect();
    folders.sort_unstable();
    folders.dedup();
    let _locks = Locks::take(&folders)?;
    let names: Vec<_> = entries.iter().map(|entry| disk::name_of(entry.file())).collect();
    leftovers::sweep(&folders, &names)?;
    let stamp = leftovers::fresh_stamp(&folders)?;

    let states = entries.iter().map(|entry| judge(entry, home)).collect::<Result<Vec<_>, _>>()?;
    if !options.force_live {
        let files: Vec<Seen> =
            entries.iter().filter_map(|entry| disk::open(entry.file()).ok()).map(|(_, seen)| seen).collect();
        disk::nobody_writes(&files)?;
    }
    let mut undone = Undone::default();
    for (entry, state) in entries.iter().zip(&states).rev() {
        let file = entry.file().to_owned();
        match *state {
            State::Former => undone.untouched.push(file),
            State::Repaired { size } => {
                restore(entry, size, home, &stamp, hook).map_err(|source| ApplyError::Stopped {
                    record: record.clone(),
                    done: undone.restored.len(),
                    steps: entries.len(),
                    source: Box::new(source),
                })?;
                undone.restored.push(file);
            }
        }
    }
    Ok(undone)
}

fn judge(entry: &Entry, home: &Path) -> Result<State, ApplyError> {
    match entry {
        Entry::Cut { file, from, to, kept, saved, tail } => {
            let mut saved = checked_copy(&home.join(saved), from - to, *tail)?;
            let (mut input, seen) = disk::open(file)?;
            let size = seen.size;
            if size < *to || size > *from {
                let what = if size < *to { "it is shorter" } else { "it has grown" };
                return Err(ApplyError::not_as_left(file, what));
            }
            if seen::last_bytes(&mut input, *to).map_err(ApplyError::io("read", file))? != *kept {
                return Err(ApplyError::not_as_left(file, "the bytes before the cut are different ones"));
            }
            // The file stands at the cut: what follows is there if an undo was killed, or something was written since.
            saved.rewind().map_err(ApplyError::io("read", file))?;
            if !same_bytes(&mut input, &mut saved, size - to).map_err(ApplyError::io("read", file))? {
                return Err(ApplyError::not_as_left(file, "it was written to"));
            }
            Ok(if size == *from { State::Former } else { State::Repaired { size } })
        }
        Entry::Rewrite { file, saved, size, old, new_size, new } => {
            checked_copy(&home.join(saved), *size, *old)?;
            let (mut input, seen) = disk::open(file)?;
            let hash = seen::hash_range(&mut input, 0, seen.size).map_err(ApplyError::io("read", file))?;
            match (seen.size, hash) {
                now if now == (*size, *old) => Ok(State::Former),
                now if now == (*new_size, *new) => Ok(State::Repaired { size: seen.size }),
                _ => Err(ApplyError::not_as_left(file, "it was written to")),
            }
        }
        Entry::Create { file, new_size, new } => {
            if !exists(file)? {
                return Ok(State::Former);
            }
            checked_copy(file, *new_size, *new).map(|_| State::Repaired { size: *new_size })
        }
        Entry::Aside { file, saved, size, last } => {
            let saved = home.join(saved);
            let (here, there) = (exists(file)?, exists(&saved)?);
            if here == there {
                let what = if here { "it exists again" } else { "it is gone" };
                return Err(ApplyError::not_as_left(file, what));
            }
            let place = if here { file } else { &saved };
            let (mut input, seen) = disk::open(place)?;
            let same = seen.size == *size
                && seen::last_bytes(&mut input, *size).map_err(ApplyError::io("read", place))? == *last;
            match (same, here) {
                (false, _) => Err(ApplyError::not_as_left(place, "it was written to")),
                (true, true) => Ok(State::Former),
                (true, false) => Ok(State::Repaired { size: *size }),
            }
        }
    }
}

fn exists(path: &Path) -> Result<bool, ApplyError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ApplyError::io("find", path)(error)),
    }
}

/// Opens a file that must have this size and hash.
fn checked_copy(path: &Path, size: u64, hash: u64) -> Result<File, ApplyError> {
    let (mut file, seen) = disk::open(path)?;
    if seen.size != size {
        return Err(ApplyError::not_as_left(path, "it has another size"));
    }
    let found = seen::hash_range(&mut file, 0, size).map_err(ApplyError::io("read", path))?;
    if found != hash {
        return Err(ApplyError::not_as_left(path, "it has another content"));
    }
    file.rewind().map_err(ApplyError::io("read", path))?;
    Ok(file)
}

fn restore(entry: &Entry, size: u64, home: &Path, stamp: &str, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
    match entry {
        Entry::Cut { file, from, to, saved, .. } => append(file, (*from, *to, size), &home.join(saved), stamp, hook),
        Entry::Rewrite { file, saved, size, .. } => {
            let saved = home.join(saved);
            let (mut old, _) = disk::open(&saved)?;
            let (now, _) = disk::open(file)?;
            check_room(file, *size)?;
            let staged = Staged::new(file, stamp, Some(&now), hook, |part, out, hook| {
                save::copy((&saved, &mut old), (part, out), *size, hook).map(drop)
            })?;
            staged.replace(hook)
        }
        Entry::Create { file, .. } => {
            fs::remove_file(file).map_err(ApplyError::io("remove", file))?;
            hook(Progress::Changed(file));
            disk::sync_folder(folder_of(file))?;
            hook(Progress::Done(file));
            Ok(())
        }
        Entry::Aside { file, saved, .. } => {
            let saved: PathBuf = home.join(saved);
            disk::place(&saved, file)?;
            disk::sync_folder(folder_of(&saved))?;
            hook(Progress::Done(file));
            Ok(())
        }
    }
}

/// Puts a tail back behind a file that has `size` bytes now.
fn append(
    file: &Path,
    (from, to, size): (u64, u64, u64),
    saved: &Path,
    stamp: &str,
    hook: &mut Hook<'_>,
) -> Result<(), ApplyError> {
    let (mut tail, _) = disk::open(saved)?;
    tail.seek(SeekFrom::Start(size - to)).map_err(ApplyError::io("read", saved))?;
    let links = fs::metadata(file).map_err(ApplyError::io("find", file))?.nlink();
    if links > 1 {
        // Another link is somebody's backup of the repaired file.
        let (mut now, _) = disk::open(file)?;
        check_room(file, from)?;
        let like = now.try_clone().map_err(ApplyError::io("open", file))?;
        let staged = Staged::new(file, stamp, Some(&like), hook, |part, out, hook| {
            let mut whole = now.by_ref().take(size).chain(&mut tail);
            save::copy((file, &mut whole), (part, out), from, hook).map(drop)
        })?;
        return staged.replace(hook);
    }
    check_room(file, from - size)?;
    let (mut out, _) = disk::open_writing(file)?;
    out.seek(SeekFrom::Start(size)).map_err(ApplyError::io("write to", file))?;
    save::copy((saved, &mut tail), (file, &mut out), from - size, hook)?;
    hook(Progress::Changed(file));
    out.sync_all().map_err(ApplyError::io("sync", file))?;
    hook(Progress::Done(file));
    Ok(())
}

fn check_room(file: &Path, wanted: u64) -> Result<(), ApplyError> {
    let folder = folder_of(file);
    let free = disk::free_bytes(folder)?;
    if free < wanted {
        return Err(ApplyError::NoSpace { folder: folder.to_owned(), wanted, free });
    }
    Ok(())
}
