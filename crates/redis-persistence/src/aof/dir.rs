//! What a path is, and which files the next server start would read.
//!
//! ```text
//! path                      set
//! one file                  that file alone, unless it is a manifest
//! <prefix>.manifest         the files that it lists
//! appendonlydir             the same, through the manifest in it
//! a server's directory      appendonlydir below it; or the old-style file in it, where a server would move that one in;
//!                           or a dump.rdb alone, which no server reads that has its append-only file switched on
//! ```
//!
//! What decides the next start lies in two folders: beside the manifest (files that no line lists, temporaries) and above
//! it (an old-style file, the temporaries of rewrites). Nothing is written, and nothing but regular files is opened.

mod access;
mod build;
mod files;
pub(crate) mod names;
mod set;
mod tree;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use access::{Access, Denied, Guarded, May, Owner};
use build::Set;
pub(crate) use files::has_file_line;
pub use files::{Disk, Files, Opened};
pub use names::Layout;
pub(crate) use names::{Name, classify};
use names::{has_parts_of, prefix_of_parts};
pub use set::{
    AofSet, ManifestFile, NextStart, OldStyle, Part, Role, SetNote, Shape, Temporary, TemporaryKind, Unread, UnreadKind,
};
pub use tree::{Memory, Names, Node, Tree};

use crate::aof::manifest::looks_like_manifest;

/// A manifest is read whole, and each of its lines takes some hundred bytes of memory. Servers write a line for each rewrite that
/// failed since the last that did not: this is room for more than ten thousand.
pub(crate) const MAX_MANIFEST: u64 = 1 << 20;
/// As much of a file as tells whether it is a manifest.
const PROBE: u64 = 4096;
/// How many folders below a server's directory are looked into.
const MAX_FOLDERS: usize = 64;

/// Finds out what a path is, on the disk of this machine.
///
/// # Errors
/// As [`find`].
pub fn find_on_disk(path: &Path) -> io::Result<AofSet> {
    find(&mut Disk, path)
}

/// Finds out what a path is.
///
/// # Errors
/// If nothing lies there, if it is neither a regular file nor a folder, if a folder holds nothing of an append-only file,
/// or if it cannot be read.
pub fn find<T: Tree>(tree: &mut T, path: &Path) -> io::Result<AofSet> {
    find_as(tree, path, &Layout::default())
}

/// Returns the same for a server with these names.
///
/// # Errors
/// As [`find`].
pub fn find_as<T: Tree>(tree: &mut T, path: &Path, layout: &Layout) -> io::Result<AofSet> {
    match tree.stat(path)? {
        None => absent(tree, path, layout),
        Some(Node::Other) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Some(Node::File(size)) => file(tree, path, size, layout),
        Some(Node::Directory) => directory(tree, path, layout),
    }
}

/// Nothing lies there. Where it would be a manifest, its folder may hold parts.
fn absent<T: Tree>(tree: &mut T, path: &Path, layout: &Layout) -> io::Result<AofSet> {
    let folder = parent(path);
    if let Name::Manifest(prefix) = classify(&file_name(path))
        && tree.stat(&folder)? == Some(Node::Directory)
    {
        let names = tree.list(&folder)?;
        if has_parts_of(&names, prefix) {
            return Set::of(tree, folder, prefix.to_vec(), layout).without_manifest();
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "no such file or directory"))
}

/// A single file without a look at what lies around it.
pub(crate) fn single(path: &Path, size: u64) -> AofSet {
    let name = file_name(path);
    let node = Some(Node::File(size));
    let part = Part { role: Role::Base, name: name.clone(), path: path.to_owned(), node, entry: None };
    AofSet { shape: Shape::Single, parts: vec![part], ..AofSet::new(parent(path), name) }
}

fn file<T: Tree>(tree: &mut T, path: &Path, size: u64, layout: &Layout) -> io::Result<AofSet> {
    let name = file_name(path);
    let named = matches!(classify(&name), Name::Manifest(_));
    if named || looks_like_manifest(&head(tree, path, PROBE)?) {
        let prefix = name.strip_suffix(names::MANIFEST).unwrap_or_default().to_vec();
        return Set::of(tree, parent(path), prefix, layout).with_manifest(path.to_owned());
    }
    Set::alone(tree, single(path, size), layout).beside()
}

fn directory<T: Tree>(tree: &mut T, path: &Path, layout: &Layout) -> io::Result<AofSet> {
    let names = tree.list(path)?;
    if let Some((prefix, others)) = layout.manifests(&names) {
        return Set::of(tree, path.to_owned(), prefix, layout).listed(others);
    }
    if file_name(path) == layout.folder()
        && let Some(prefix) = layout.misplaced(&names)
    {
        return Set::of(tree, path.to_owned(), prefix, layout).without_manifest();
    }
    // A server's directory: the folder of its parts has its name, or is the one that holds a manifest.
    let old_style = layout.old_style(&names);
    let mut folders: Vec<_> = names.iter().filter(|(_, node)| *node == Node::Directory).map(|(name, _)| name).collect();
    folders.sort_by_key(|name| name.as_slice() != layout.folder());
    for name in folders.into_iter().take(MAX_FOLDERS) {
        let folder = join(path, name);
        let Ok(inside) = tree.list(&folder) else { continue };
        let its_own = name == layout.folder();
        // A server that is given names takes an old-style file over, whatever lies there under others.
        if layout.is_given() && old_style.as_deref() == Some(layout.prefix()) {
            let listed = layout.manifests(&inside).is_some_and(|(prefix, _)| prefix == layout.prefix());
            if !(its_own && listed) {
                let folder = join(path, layout.folder());
                return Set::whole(tree, folder, layout.prefix().to_vec(), layout).without_manifest();
            }
        }
        if let Some((prefix, others)) = layout.manifests(&inside) {
            return Set::whole(tree, folder, prefix, layout).listed(others);
        }
        let parts = || {
            let named = old_style.clone().filter(|name| has_parts_of(&inside, name));
            named.or_else(|| prefix_of_parts(&inside).filter(|_| old_style.is_none()))
        };
        if its_own && let Some(prefix) = layout.misplaced(&inside).or_else(parts) {
            return Set::whole(tree, folder, prefix, layout).without_manifest();
        }
    }
    if let Some(name) = old_style {
        let size = if let Some(Node::File(size)) = node_in(&names, &name) { size } else { 0 };
        let path = join(path, &name);
        if looks_like_manifest(&head(tree, &path, PROBE)?) {
            return file(tree, &path, size, layout);
        }
        return Set::alone(tree, single(&path, size), layout).in_directory(&names);
    }
    match prefix_of_parts(&names) {
        Some(prefix) => Set::of(tree, path.to_owned(), prefix, layout).without_manifest(),
        None if layout.dump_in(&names).is_some() => {
            let (folder, prefix) = (join(path, layout.folder()), layout.prefix().to_vec());
            Set::whole(tree, folder, prefix, layout).without_manifest()
        }
        None => Err(io::Error::new(io::ErrorKind::NotFound, "no append-only file and no manifest in the directory")),
    }
}

fn node_in(names: &[(Vec<u8>, Node)], name: &[u8]) -> Option<Node> {
    names.iter().find(|(other, _)| other == name).map(|(_, node)| *node)
}

/// At most `limit` bytes from the start of a file.
fn head<T: Tree>(tree: &mut T, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match tree.open(path)? {
        Opened::File { file, .. } => file.take(limit).read_to_end(&mut bytes)?,
        Opened::Directory => return Err(io::ErrorKind::IsADirectory.into()),
    };
    Ok(bytes)
}

fn file_name(path: &Path) -> Vec<u8> {
    path.file_name().unwrap_or_default().as_encoded_bytes().to_vec()
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

/// Returns the file of that name in a folder. An empty name is the folder itself.
fn join(folder: &Path, name: &[u8]) -> PathBuf {
    let name = os_name(name);
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

/// Returns a name of the set as the system has it.
#[must_use]
pub fn os_name(name: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(name.to_vec());
    #[cfg(not(unix))]
    String::from_utf8_lossy(name).into_owned().into()
}
