//! A new folder that has its name only once it is complete: filled beside it, synced, judged, renamed.
//!
//! Killed at any moment it leaves nothing under the final name. What a kill can leave is `<name>.<time>.part`, which the next run for
//! that name removes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ApplyError;
use super::disk::{self, Locks};
use super::folder::{Folder, Place, folder_of};
use super::leftovers;

/// How long to wait for another repair beside the new folder to end.
const WAIT: Duration = Duration::from_secs(1);

/// Writes a folder with `fill`, which is given the path of an empty one. It gets its name once all files in it were synced and `judge`
/// agreed to it; nothing of that name may exist.
///
/// `like` are the files that it is made of. The folder gets the mode and the owner of that in which the first of them lies, and the files
/// in it those of the first, where that is allowed and all are of one owner. Otherwise they are for their owner alone.
///
/// # Errors
/// If the system refuses something, `fill` or `judge` fails, the name is taken, or another repair is at work beside it. Then nothing was
/// changed.
pub fn write_folder(
    path: &Path,
    like: &[PathBuf],
    fill: impl FnOnce(&Path) -> io::Result<()>,
    judge: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), ApplyError> {
    let target = free_folder(path)?;
    let part = Unfinished::of(&target)?;
    let inner = part.folder();
    fill(inner.path()).map_err(ApplyError::io("write to", inner.path()))?;
    let model = model(like)?;
    for name in inner.names()? {
        let (file, _) = inner.at(&name)?.open()?;
        let its_owners = fs::Permissions::from_mode(0o600);
        file.set_permissions(its_owners).map_err(ApplyError::io("set the mode of", inner.path()))?;
        if let Some(model) = &model {
            disk::resemble(&file, model);
        }
        file.sync_all().map_err(ApplyError::io("sync", inner.path()))?;
    }
    if let Some(first) = like.first() {
        part.resemble(&*Folder::open(folder_of(first))?)?;
    }
    inner.sync()?;
    judge(inner.path()).map_err(ApplyError::io("check", inner.path()))?;
    part.becomes(&target)
}

/// Returns the first of several files, if all have one owner.
fn model(like: &[PathBuf]) -> Result<Option<File>, ApplyError> {
    let open = |path: &PathBuf| -> Result<(File, u32), ApplyError> {
        let file = File::open(path).map_err(ApplyError::io("open", path))?;
        let owner = file.metadata().map_err(ApplyError::io("ask for", path))?.uid();
        Ok((file, owner))
    };
    let mut files = like.iter().map(open);
    let Some((first, owner)) = files.next().transpose()? else { return Ok(None) };
    for file in files {
        if file?.1 != owner {
            return Ok(None);
        }
    }
    Ok(Some(first))
}

/// Tells whether [`write_folder`] would refuse that name, before the work is done.
///
/// # Errors
/// If the folder above cannot be found or opened, or something of that name exists.
pub fn check_folder(path: &Path) -> Result<(), ApplyError> {
    free_folder(path).map(drop)
}

fn free_folder(path: &Path) -> Result<Place, ApplyError> {
    let name = path.file_name().ok_or_else(|| ApplyError::refused(path, "it names no folder that could be made"))?;
    let target = Folder::open(folder_of(path))?.at(name)?;
    match target.stat()? {
        Some(_) => Err(ApplyError::Io {
            doing: "create",
            path: target.path().to_owned(),
            source: io::ErrorKind::AlreadyExists.into(),
        }),
        None => Ok(target),
    }
}

/// A folder under its temporary name, for its owner alone; removed when it is dropped. As long as it is there no other repair is at work
/// beside it.
#[derive(Debug)]
pub(super) struct Unfinished {
    place: Place,
    folder: Arc<Folder>,
    stamp: String,
    placed: bool,
    _locks: Locks,
}

impl Unfinished {
    /// Makes the folder that will be `target`, and removes what runs that were killed left of it.
    pub(super) fn of(target: &Place) -> Result<Self, ApplyError> {
        let parent = std::slice::from_ref(target.folder());
        let locks = Locks::take(parent, WAIT)?;
        leftovers::remove_unfinished(target)?;
        let stamp = leftovers::fresh_stamp(parent)?;
        let place = target.with_suffix(&format!("{stamp}.part"));
        let folder = place.create_folder()?;
        Ok(Self { place, folder, stamp, placed: false, _locks: locks })
    }

    pub(super) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Returns the time that is in its name.
    pub(super) fn stamp(&self) -> &str {
        &self.stamp
    }

    /// Gives it its name, which has to be free.
    pub(super) fn becomes(mut self, target: &Place) -> Result<(), ApplyError> {
        // Once it was tried the name may be gone, and whatever has it then is not ours.
        self.placed = true;
        self.place.place(target)
    }

    /// Gives the folder the owner, group and mode of that which the files came from, so that the server can rewrite what is in it.
    pub(super) fn resemble(&self, like: &Folder) -> Result<(), ApplyError> {
        if disk::own_as(self.folder.file(), like.file()).is_err() {
            // Then it stays for our eyes only.
            return Ok(());
        }
        let mode = like.file().metadata().map_err(ApplyError::io("ask for", like.path()))?.permissions().mode();
        // A folder where everybody may write, such as /tmp, is no model for one that a server starts on.
        let mode = fs::Permissions::from_mode(mode & 0o775);
        self.folder.file().set_permissions(mode).map_err(ApplyError::io("set the mode of", self.place.path()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.placed {
            // If it cannot be removed the next run does.
            let _ = self.place.remove_folder();
        }
    }
}
