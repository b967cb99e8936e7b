//! Append-only files that are packed, in a tar, or come of a pipe, laid down in a temporary folder: a salvage reads its files again
//! and again, by their names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{AofSet, Files as _, Node, Opened, Tree};
use tempfile::TempDir;

use crate::input::archive::Archive;
use crate::input::open::{self, is_stream};
use crate::input::packed_input::{self, How, Stored, copy_into, no_room};
use crate::unpack::Packing;

/// What was laid down. Its folder goes with it.
#[derive(Debug)]
pub(crate) struct Laid {
    folder: TempDir,
    /// What to salvage, below the folder.
    inside: PathBuf,
    pub(crate) packing: Option<Packing>,
    /// What is wrong with the packing or the tar.
    pub(crate) damage: Option<String>,
    /// What else is to be said of the tar.
    pub(crate) warning: Option<&'static str>,
}

impl Laid {
    /// Returns the path of the one set or file in it.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.inside)
    }
}

/// Returns a new folder. Nobody else gets at it. What lies in it has the modes that new files of the caller have, for what
/// is salvaged gets them.
fn temporary() -> io::Result<TempDir> {
    let temporary = packed_input::temporary()?;
    let folder = tempfile::Builder::new().prefix("aofcheck.").tempdir_in(&temporary);
    folder.map_err(|error| no_room(&temporary, &error))
}

/// Lays down what a path leads to, unless it lies on disk as it is.
///
/// # Errors
/// If it cannot be read or unpacked, there is no room, or it is a tar that does not hold one set.
pub(crate) fn down(path: &Path, how: How) -> io::Result<Option<Laid>> {
    let is_stream = is_stream(path);
    // What is no file is for the check to say.
    if !is_stream && !open::is_file(path) {
        return Ok(None);
    }
    let stored = packed_input::open(path, how)?;
    if !is_stream && !stored.is_tar && stored.packing.is_none() {
        return Ok(None);
    }
    let folder = temporary()?;
    let packing = stored.packing;
    let laid = if stored.is_tar { of_tar(stored, folder)? } else { of_one(path, stored, folder)? };
    Ok(Some(Laid { packing, ..laid }))
}

/// Lays the files of a set down, those of them that `undone` knows as it gives them.
///
/// # Errors
/// If they cannot be read, or there is no room.
pub(crate) fn as_they_were<T: Tree, R: io::Read>(
    tree: &mut T,
    path: &Path,
    set: &AofSet,
    undone: impl Fn(&Path) -> Option<io::Result<R>>,
) -> io::Result<Laid> {
    let folder = temporary()?;
    // A path leads to a folder, or to a file in one.
    let is_folder = tree.stat(path)? == Some(Node::Directory);
    let base = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };
    let within = |path: &Path| Path::new("input").join(path.strip_prefix(base).unwrap_or(path));
    fs::create_dir(folder.path().join("input")).map_err(|error| no_room(folder.path(), &error))?;
    for member in files(set) {
        let name = within(member);
        let laid = match undone(member) {
            Some(content) => lay(folder.path(), &name, content?),
            None => match tree.open(member)? {
                Opened::File { file, .. } => lay(folder.path(), &name, file),
                Opened::Directory => Ok(()),
            },
        };
        laid?;
    }
    Ok(Laid { inside: within(path), folder, packing: None, damage: None, warning: None })
}

fn of_one(path: &Path, stored: Stored, folder: TempDir) -> io::Result<Laid> {
    let damage = stored.damage.clone();
    let inside = PathBuf::from("input").join(name(path, stored.packing));
    fs::create_dir(folder.path().join("input")).map_err(|error| no_room(folder.path(), &error))?;
    create(folder.path(), &inside, stored.content)?;
    Ok(Laid { folder, inside, packing: None, damage: damage.get().cloned(), warning: None })
}

/// The name of what comes of a packed file: a server does not know the one behind it.
fn name(path: &Path, packing: Option<Packing>) -> PathBuf {
    let name = Path::new(path.file_name().filter(|_| !is_stream(path)).unwrap_or("appendonly.aof".as_ref()));
    let packed = packing.is_some_and(|packing| name.extension().is_some_and(|found| found == packing.extension()));
    let name = if packed { name.file_stem().map_or(name, Path::new) } else { name };
    name.to_owned()
}

fn of_tar(stored: Stored, folder: TempDir) -> io::Result<Laid> {
    let unpacking = stored.damage.clone();
    let mut archive = stored.members()?;
    let (damage, warning) = (archive.is_damaged(unpacking.get()), archive.warning());
    let mut sets = archive.sets()?;
    if sets.len() > 1 {
        let why = format!("it holds {} append-only sets or files; --salvage takes one: unpack that first", sets.len());
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let Some((inside, set)) = sets.pop() else {
        let why = "a tar without an append-only file (rdbcheck looks for RDBs)".to_owned();
        let why = damage.map_or(why.clone(), |damage| format!("{why}; {damage}"));
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    };
    for member in files(&set) {
        lay_member(&mut archive, member, folder.path())?;
    }
    Ok(Laid { folder, inside, packing: None, damage, warning })
}

/// Returns the files of a set, its manifest too.
fn files(set: &AofSet) -> impl Iterator<Item = &Path> {
    let parts = set.parts.iter().filter(|part| matches!(part.node, Some(Node::File(_))));
    let parts = parts.map(|part| part.path.as_path());
    let manifest = set.manifest.iter().map(|manifest| manifest.path.as_path());
    let old = set.old_style.iter().map(|old| old.path.as_path());
    parts.chain(manifest).chain(old)
}

fn lay_member(archive: &mut Archive, member: &Path, folder: &Path) -> io::Result<()> {
    match archive.open(member)? {
        Opened::File { file, .. } => lay(folder, member, file),
        Opened::Directory => Ok(()),
    }
}

fn lay(folder: &Path, member: &Path, content: impl io::Read) -> io::Result<()> {
    if let Some(parent) = member.parent() {
        fs::create_dir_all(folder.join(parent)).map_err(|error| no_room(folder, &error))?;
    }
    match create(folder, member, content) {
        // The manifest is one of the parts, too.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        laid => laid,
    }
}

fn create(folder: &Path, name: &Path, content: impl io::Read) -> io::Result<()> {
    let file = File::create_new(folder.join(name)).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => error,
        _ => no_room(folder, &error),
    })?;
    copy_into(file, folder, content).map(drop)
}
