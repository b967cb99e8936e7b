//! Saves bytes before they are taken away, and stages files before they replace others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::folder::{Folder, Place};
use super::{ApplyError, Hook, Progress, disk};

/// What is copied between two calls of the hook.
const BLOCK: usize = 1 << 20;

/// Bytes of a file that will be taken away.
#[derive(Debug)]
pub(super) struct Range<'a> {
    pub place: &'a Place,
    pub file: File,
    pub from: u64,
    pub to: u64,
}

impl Range<'_> {
    /// The name of the file they come from.
    pub(super) fn name(&self) -> &OsStr {
        self.place.name()
    }

    /// Copies them to a new file in `folder`, complete and synced before it has its name; returns it and the hash of the bytes.
    pub(super) fn save(
        &self,
        folder: &Arc<Folder>,
        stamp: &str,
        kind: &str,
        hook: &mut Hook<'_>,
    ) -> Result<(Place, u64), ApplyError> {
        let place = folder.at(self.name())?.with_suffix(&format!("{stamp}.{kind}"));
        let (from_path, mut from) = (self.place.path(), &self.file);
        let hash = write_new(&place, Some(&self.file), hook, |part, out, hook| {
            from.seek(SeekFrom::Start(self.from)).map_err(ApplyError::io("read", from_path))?;
            copy((from_path, &mut from), (part, out), self.to - self.from, hook)
        })?;
        Ok((place, hash))
    }
}

/// Copies the next `total` bytes, each side with its path; returns their hash.
pub(super) fn copy(
    (from_path, from): (&Path, &mut impl Read),
    (to_path, to): (&Path, &mut File),
    total: u64,
    hook: &mut Hook<'_>,
) -> Result<u64, ApplyError> {
    let mut hash = Xxh3::new();
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    while done < total {
        let size = usize::try_from(total - done).unwrap_or(usize::MAX).min(BLOCK);
        from.read_exact(&mut block[..size]).map_err(ApplyError::io("read", from_path))?;
        to.write_all(&block[..size]).map_err(ApplyError::io("write to", to_path))?;
        hash.update(&block[..size]);
        done += size as u64;
        hook(Progress::Writing { path: to_path, done, total });
    }
    Ok(hash.digest())
}

/// Makes the content of a file last that has only its temporary name yet.
pub(super) fn finish(part: &Path, file: &File, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
    file.sync_all().map_err(ApplyError::io("sync", part))?;
    hook(Progress::Synced(part));
    Ok(())
}

/// Writes a file of ours under a name that is still free: complete and synced before it has its name, else not at all.
pub(super) fn write_new<T>(
    place: &Place,
    like: Option<&File>,
    hook: &mut Hook<'_>,
    fill: impl FnOnce(&Path, &mut File, &mut Hook<'_>) -> Result<T, ApplyError>,
) -> Result<T, ApplyError> {
    let mut part = Part::create(place.with_suffix("part"))?;
    if let Some(like) = like {
        disk::resemble(&part.file, like);
    }
    let filled = fill(part.place.path(), &mut part.file, hook)?;
    finish(part.place.path(), &part.file, hook)?;
    part.becomes(|from| from.place(place))?;
    hook(Progress::Placed(place.path()));
    Ok(filled)
}

/// A file under its temporary name; removed when it is dropped.
#[derive(Debug)]
struct Part {
    place: Place,
    file: File,
    placed: bool,
}

impl Part {
    fn create(place: Place) -> Result<Self, ApplyError> {
        let file = place.create()?;
        // The lock tells a run that is at work from one that was killed. Where there are no locks, nothing is swept.
        let _ = file.try_lock();
        Ok(Self { place, file, placed: false })
    }

    fn becomes(mut self, rename: impl FnOnce(&Place) -> Result<(), ApplyError>) -> Result<(), ApplyError> {
        // Once it was tried the name may be gone, and whatever has it then is not ours.
        self.placed = true;
        rename(&self.place)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            // If it cannot be removed the next run does.
            let _ = self.place.remove();
        }
    }
}

/// A file that lies complete beside the one it will replace. Dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    target: &'a Place,
    part: Part,
}

impl<'a> Staged<'a> {
    /// Writes a file beside `target` with `fill`, and gives it the owner, mode and attributes of `like`.
    pub(super) fn new(
        target: &'a Place,
        stamp: &str,
        like: Option<&File>,
        hook: &mut Hook<'_>,
        fill: impl FnOnce(&Path, &mut File, &mut Hook<'_>) -> Result<(), ApplyError>,
    ) -> Result<Self, ApplyError> {
        let mut part = Part::create(target.with_suffix(&format!("{stamp}.new.part")))?;
        if let Some(like) = like {
            disk::take_after(target.path(), &part.file, like)?;
        }
        fill(part.place.path(), &mut part.file, hook)?;
        finish(part.place.path(), &part.file, hook)?;
        Ok(Self { target, part })
    }

    /// Lets it take the place of the target.
    pub(super) fn replace(self, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        self.part.becomes(|from| from.replace(self.target))?;
        hook(Progress::Done(self.target.path()));
        Ok(())
    }

    /// Gives it the name of the target, which does not exist.
    pub(super) fn create(self, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        self.part.becomes(|from| from.place(self.target))?;
        hook(Progress::Done(self.target.path()));
        Ok(())
    }
}
