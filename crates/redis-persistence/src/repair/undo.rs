//! Takes a repair back, from its record.
//!
//! First every file is judged: is it as the repair left it, or as it was before, or neither? With one of the last kind
//! nothing is done. Then the changes are taken back, the last one first. What was saved stays where it is.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::disk::{self, Locks};
use super::folder::{Folder, Place, folder_of};
use super::leftovers::{self, same_bytes};
use super::record::{Aside, Entry, Record};
use super::save::{self, Staged};
use super::{ApplyError, ApplyOptions, FileIdentity, Hook, Progress, Undone, identity};

/// What has to be done about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The file is as it was before.
    Former,
    /// The file is as the repair left it, or has so many bytes of the tail again. It is missing where it was set aside.
    Repaired { size: u64, file: Option<FileIdentity> },
}

/// A record that was read, and that may be followed: what it takes back can be shown first.
#[derive(Debug)]
pub struct Undo {
    record: Place,
    set: Arc<Folder>,
    entries: Vec<Entry>,
}

/// Restores what a repair changed. A run that was killed is finished by the next.
///
/// Files that are as they were before are left alone, so a repair that was stopped half way can be undone too.
///
/// # Errors
/// [`ApplyError::BadRecord`] for a record that is damaged, [`ApplyError::Refused`] for one that belongs to somebody else or that
/// names what is no file in its set, [`ApplyError::NotAsLeft`] for a file or saved copy that has another content than the record
/// says; nothing was changed then. [`ApplyError::Stopped`] if something was.
pub fn undo(record: &Path, options: &ApplyOptions, hook: &mut Hook<'_>) -> Result<Undone, ApplyError> {
    Undo::read(record, options)?.run(options, hook)
}

impl Undo {
    /// Reads a record, and changes nothing.
    ///
    /// # Errors
    /// [`ApplyError::BadRecord`] for a record that is damaged, [`ApplyError::Refused`] for one that belongs to somebody else than the
    /// caller or root, or that names a link or what is no file, or a set that lies neither beside the record nor in
    /// [`ApplyOptions::set`].
    pub fn read(record: &Path, options: &ApplyOptions) -> Result<Self, ApplyError> {
        let name = record.file_name().ok_or_else(|| ApplyError::refused(record, "it names no file"))?;
        let record = Folder::open(folder_of(record))?.at(name)?;
        let Record { folder, entries } = Record::read(&record)?;
        let set = match folder.is_absolute() {
            true => named(&folder, &record, options)?,
            false => record.folder().beneath(&folder)?,
        };
        let undo = Self { record, set, entries };
        for entry in &undo.entries {
            let saved = entry.saved().map(|(name, beside)| undo.place(name, beside)).transpose()?;
            for place in [Some(undo.set.at(entry.file())?), saved].into_iter().flatten() {
                if place.is_regular()? == Some(false) {
                    return Err(ApplyError::refused(place.path(), "it is a link, or no regular file"));
                }
            }
        }
        Ok(undo)
    }

    /// Returns what is taken back, a line for each file: all that was read.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.line(self.set.path(), self.record.folder().path())).collect()
    }

    fn place(&self, name: &std::ffi::OsStr, beside_record: bool) -> Result<Place, ApplyError> {
        if beside_record { self.record.folder().at(name) } else { self.set.at(name) }
    }

    /// Takes back what was read.
    ///
    /// # Errors
    /// As [`undo`] does.
    pub fn run(&self, options: &ApplyOptions, hook: &mut Hook<'_>) -> Result<Undone, ApplyError> {
        let folders = [Arc::clone(&self.set), Arc::clone(self.record.folder())];
        let _locks = Locks::take(&folders, options.lock_wait)?;
        let names: Vec<_> = self.entries.iter().map(Entry::file).collect();
        leftovers::sweep(&folders, &names)?;
        let stamp = leftovers::fresh_stamp(&folders)?;

        let states = self.entries.iter().map(|entry| self.judge(entry)).collect::<Result<Vec<_>, _>>()?;
        if !options.force_live {
            let now = |entry: &Entry| Some(self.set.at(entry.file()).ok()?.open().ok()?.1);
            let files: Vec<FileIdentity> = self.entries.iter().filter_map(now).collect();
            disk::nobody_writes(&files)?;
        }
        let mut undone = Undone::default();
        for (entry, state) in self.entries.iter().zip(&states).rev() {
            let file = self.set.path().join(entry.file());
            match state {
                State::Former => undone.untouched.push(file),
                State::Repaired { size, file: seen } => {
                    self.restore(entry, *size, seen.as_ref(), &stamp, hook).map_err(|source| ApplyError::Stopped {
                        record: self.record.path().to_owned(),
                        done: undone.restored.len(),
                        steps: self.entries.len(),
                        source: Box::new(source),
                    })?;
                    undone.restored.push(file);
                }
            }
        }
        Ok(undone)
    }

    fn judge(&self, entry: &Entry) -> Result<State, ApplyError> {
        let place = &self.set.at(entry.file())?;
        let file = place.path();
        let home = self.record.folder();
        match entry {
            Entry::Cut { from, to, kept, saved, tail, .. } => {
                let (mut saved, _) = checked_copy(&home.at(saved)?, from - to, *tail)?;
                let (mut input, seen) = place.open()?;
                let size = seen.size;
                if size < *to || size > *from {
                    let what = if size < *to { "it is shorter" } else { "it has grown" };
                    return Err(ApplyError::not_as_left(file, what));
                }
                if identity::last_bytes(&mut input, *to).map_err(ApplyError::io("read", file))? != *kept {
                    return Err(ApplyError::not_as_left(file, "the bytes before the cut are different ones"));
                }
                // The file stands at the cut: what follows is there if an undo was killed, or something was written since.
                saved.rewind().map_err(ApplyError::io("read", file))?;
                if !same_bytes(&mut input, &mut saved, size - to).map_err(ApplyError::io("read", file))? {
                    return Err(ApplyError::not_as_left(file, "it was written to"));
                }
                Ok(if size == *from { State::Former } else { State::Repaired { size, file: Some(seen) } })
            }
            Entry::Rewrite { saved, size, old, new_size, new, .. } => {
                checked_copy(&home.at(saved)?, *size, *old)?;
                let (mut input, seen) = place.open()?;
                let hash = identity::hash_range(&mut input, 0, seen.size).map_err(ApplyError::io("read", file))?;
                match (seen.size, hash) {
                    now if now == (*size, *old) => Ok(State::Former),
                    now if now == (*new_size, *new) => Ok(State::Repaired { size: seen.size, file: Some(seen) }),
                    _ => Err(ApplyError::not_as_left(file, "it was written to")),
                }
            }
            Entry::Create { new_size, new, .. } => {
                if place.stat()?.is_none() {
                    return Ok(State::Former);
                }
                let (_, seen) = checked_copy(place, *new_size, *new)?;
                Ok(State::Repaired { size: *new_size, file: Some(seen) })
            }
            Entry::Aside { saved, size, last, .. } => {
                let saved = self.aside(saved)?;
                let (here, there) = (place.stat()?.is_some(), saved.stat()?.is_some());
                if here == there {
                    let what = if here { "it exists again" } else { "it is gone" };
                    return Err(ApplyError::not_as_left(file, what));
                }
                let now = if here { place } else { &saved };
                let (mut input, seen) = now.open()?;
                let same = seen.size == *size
                    && identity::last_bytes(&mut input, *size).map_err(ApplyError::io("read", now.path()))? == *last;
                match (same, here) {
                    (false, _) => Err(ApplyError::not_as_left(now.path(), "it was written to")),
                    (true, true) => Ok(State::Former),
                    (true, false) => Ok(State::Repaired { size: *size, file: Some(seen) }),
                }
            }
        }
    }

    fn aside(&self, saved: &Aside) -> Result<Place, ApplyError> {
        match saved {
            Aside::Saved(name) => self.place(name, true),
            Aside::Stays(name) => self.place(name, false),
        }
    }

    fn restore(
        &self,
        entry: &Entry,
        size: u64,
        judged: Option<&FileIdentity>,
        stamp: &str,
        hook: &mut Hook<'_>,
    ) -> Result<(), ApplyError> {
        let place = &self.set.at(entry.file())?;
        let home = self.record.folder();
        match entry {
            Entry::Cut { from, to, saved, .. } => {
                append(place, judged, (*from, *to, size), &home.at(saved)?, stamp, hook)
            }
            Entry::Rewrite { saved, size, .. } => {
                let saved = home.at(saved)?;
                let (mut old, _) = saved.open()?;
                let (now, seen) = place.open()?;
                same(judged, &seen)?;
                check_room(place, *size)?;
                let staged = Staged::new(place, stamp, Some(&now), hook, |part, out, hook| {
                    save::copy((saved.path(), &mut old), (part, out), *size, hook).map(drop)
                })?;
                staged.replace(hook)
            }
            Entry::Create { .. } => {
                same(judged, &place.open()?.1)?;
                place.remove()?;
                hook(Progress::Changed(place.path()));
                place.folder().sync()?;
                hook(Progress::Done(place.path()));
                Ok(())
            }
            Entry::Aside { saved, .. } => {
                let saved = self.aside(saved)?;
                same(judged, &saved.open()?.1)?;
                saved.place(place)?;
                saved.folder().sync()?;
                hook(Progress::Done(place.path()));
                Ok(())
            }
        }
    }
}

/// Returns the set that a record of another folder names, if the caller names it too.
fn named(folder: &Path, record: &Place, options: &ApplyOptions) -> Result<Arc<Folder>, ApplyError> {
    let refused = |why: &str| Err(ApplyError::refused(record.path(), why));
    let Some(given) = &options.set else {
        let set = folder.display();
        return refused(&format!("its set lies elsewhere, in {set}: name that too if it is the set that you mean"));
    };
    let is_folder = fs::metadata(given).map_err(ApplyError::io("find", given))?.is_dir();
    let given = Folder::open(if is_folder { given } else { folder_of(given) })?;
    match folder.strip_prefix(given.path()) {
        Ok(below) => given.beneath(below),
        Err(_) => refused(&format!("its set {} does not lie in {}", folder.display(), given.path().display())),
    }
}

/// Opens a file that must have this size and hash.
fn checked_copy(place: &Place, size: u64, hash: u64) -> Result<(File, FileIdentity), ApplyError> {
    let path = place.path();
    let (mut file, seen) = place.open()?;
    if seen.size != size {
        return Err(ApplyError::not_as_left(path, "it has another size"));
    }
    let found = identity::hash_range(&mut file, 0, size).map_err(ApplyError::io("read", path))?;
    if found != hash {
        return Err(ApplyError::not_as_left(path, "it has another content"));
    }
    file.rewind().map_err(ApplyError::io("read", path))?;
    Ok((file, seen))
}

/// Fails if another file has that name than the one that was judged.
fn same(judged: Option<&FileIdentity>, now: &FileIdentity) -> Result<(), ApplyError> {
    match judged {
        Some(judged) if judged.unchanged(now) => Ok(()),
        _ => Err(ApplyError::not_as_left(&now.path, "it was changed meanwhile")),
    }
}

/// Puts a tail back behind a file that has `size` bytes now.
fn append(
    place: &Place,
    judged: Option<&FileIdentity>,
    (from, to, size): (u64, u64, u64),
    saved: &Place,
    stamp: &str,
    hook: &mut Hook<'_>,
) -> Result<(), ApplyError> {
    let file = place.path();
    let (mut tail, _) = saved.open()?;
    tail.seek(SeekFrom::Start(size - to)).map_err(ApplyError::io("read", saved.path()))?;
    let (mut now, seen) = place.open()?;
    same(judged, &seen)?;
    if links(&now, file)? > 1 {
        // Another link is somebody's backup of the repaired file.
        check_room(place, from)?;
        let like = now.try_clone().map_err(ApplyError::io("open", file))?;
        let staged = Staged::new(place, stamp, Some(&like), hook, |part, out, hook| {
            let mut whole = now.by_ref().take(size).chain(&mut tail);
            save::copy((file, &mut whole), (part, out), from, hook).map(drop)
        })?;
        return staged.replace(hook);
    }
    check_room(place, from - size)?;
    let (mut out, seen) = place.open_writing()?;
    same(judged, &seen)?;
    if links(&out, file)? > 1 {
        return Err(ApplyError::not_as_left(file, "it has another name now"));
    }
    out.seek(SeekFrom::Start(size)).map_err(ApplyError::io("write to", file))?;
    save::copy((saved.path(), &mut tail), (file, &mut out), from - size, hook)?;
    hook(Progress::Changed(file));
    out.sync_all().map_err(ApplyError::io("sync", file))?;
    hook(Progress::Done(file));
    Ok(())
}

fn links(file: &File, path: &Path) -> Result<u64, ApplyError> {
    Ok(file.metadata().map_err(ApplyError::io("ask for", path))?.nlink())
}

fn check_room(place: &Place, wanted: u64) -> Result<(), ApplyError> {
    let folder = place.folder();
    let free = folder.free_bytes()?;
    if free < wanted {
        return Err(ApplyError::NoSpace { folder: folder.path().to_owned(), wanted, free });
    }
    Ok(())
}
