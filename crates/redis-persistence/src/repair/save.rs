//! Saves bytes before they are taken away, and stages files before they replace others.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::{ApplyError, Hook, Progress, disk};

/// What is copied between two calls of the hook.
const BLOCK: usize = 1 << 20;

/// Bytes of a file that will be taken away.
#[derive(Debug)]
pub(super) struct Range<'a> {
    pub path: &'a Path,
    pub file: &'a File,
    pub from: u64,
    pub to: u64,
}

impl Range<'_> {
    /// The name of the file they come from.
    pub(super) fn name(&self) -> &OsStr {
        disk::name_of(self.path)
    }

    /// Copies them to a new file in `folder`, complete and synced before it has its name; returns its path and the hash of
    /// the bytes.
    pub(super) fn save(
        &mut self,
        folder: &Path,
        stamp: &str,
        kind: &str,
        hook: &mut Hook<'_>,
    ) -> Result<(PathBuf, u64), ApplyError> {
        let path = folder.join(disk::with_suffix(self.name(), &format!("{stamp}.{kind}")));
        let part = part_of(&path);
        let mut out = disk::create(&part)?;
        disk::resemble(&out, self.file);
        let read = ApplyError::io("read", self.path);
        self.file.seek(SeekFrom::Start(self.from)).map_err(read)?;
        let hash = copy((self.path, &mut self.file), (&part, &mut out), self.to - self.from, hook)?;
        finish(&part, &out, hook)?;
        disk::place(&part, &path)?;
        hook(Progress::Placed(&path));
        Ok((path, hash))
    }
}

/// The name of a file while it is being written.
pub(super) fn part_of(path: &Path) -> PathBuf {
    path.with_file_name(disk::with_suffix(disk::name_of(path), "part"))
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

/// Writes a small file of ours under a name that is still free.
pub(super) fn write_new(
    path: &Path,
    content: &[u8],
    like: Option<&File>,
    hook: &mut Hook<'_>,
) -> Result<(), ApplyError> {
    let part = part_of(path);
    let mut file = disk::create(&part)?;
    if let Some(like) = like {
        disk::resemble(&file, like);
    }
    file.write_all(content).map_err(ApplyError::io("write to", &part))?;
    hook(Progress::Writing { path: &part, done: content.len() as u64, total: content.len() as u64 });
    finish(&part, &file, hook)?;
    disk::place(&part, path)?;
    hook(Progress::Placed(path));
    Ok(())
}

/// A file that lies complete beside the one it will replace. Dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    target: &'a Path,
    part: PathBuf,
    placed: bool,
}

impl<'a> Staged<'a> {
    /// Writes a file beside `target` with `fill`, and gives it the owner, mode and attributes of `like`.
    pub(super) fn new(
        target: &'a Path,
        stamp: &str,
        like: Option<&File>,
        hook: &mut Hook<'_>,
        fill: impl FnOnce(&Path, &mut File, &mut Hook<'_>) -> Result<(), ApplyError>,
    ) -> Result<Self, ApplyError> {
        let part = target.with_file_name(disk::with_suffix(disk::name_of(target), &format!("{stamp}.new.part")));
        let mut file = disk::create(&part)?;
        let staged = Self { target, part, placed: false };
        if let Some(like) = like {
            disk::take_after(target, &file, like)?;
        }
        fill(&staged.part, &mut file, hook)?;
        finish(&staged.part, &file, hook)?;
        Ok(staged)
    }

    /// Lets it take the place of the target.
    pub(super) fn replace(mut self, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        disk::replace(&self.part, self.target)?;
        self.placed = true;
        hook(Progress::Done(self.target));
        Ok(())
    }

    /// Gives it the name of the target, which does not exist.
    pub(super) fn create(mut self, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        disk::place(&self.part, self.target)?;
        self.placed = true;
        hook(Progress::Done(self.target));
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // If it cannot be removed the next run does.
            let _ = fs::remove_file(&self.part);
        }
    }
}
