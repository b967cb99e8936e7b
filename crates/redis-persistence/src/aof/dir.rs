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

pub(crate) mod names;
mod set;
mod tree;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) use names::{Name, classify};
pub use set::{AofSet, ManifestFile, NextStart, OldStyle, Part, Role, SetNote, Shape, Temporary, Unread, UnreadKind};
pub use tree::{Memory, Names, Node, Tree};

use crate::aof::Manifest;
use crate::aof::manifest::{Entry, EntryKind, looks_like_manifest};
use crate::aof::official::{Disk, Opened};

/// A manifest is read whole, and each of its lines takes some hundred bytes of memory. Servers write a line for each rewrite that
/// failed since the last that did not: this is room for more than ten thousand.
pub(crate) const MAX_MANIFEST: u64 = 1 << 20;
/// As much of a file as tells whether it is a manifest.
const PROBE: u64 = 4096;
/// How many folders below a server's directory are looked into.
const MAX_FOLDERS: usize = 64;
/// The names that servers use unless told otherwise.
const DEFAULT_FOLDER: &[u8] = b"appendonlydir";
const DEFAULT_NAME: &[u8] = b"appendonly.aof";
const DEFAULT_DUMP: &[u8] = b"dump.rdb";

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
    match tree.stat(path)? {
        None => absent(tree, path),
        Some(Node::Other) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Some(Node::File(size)) => file(tree, path, size),
        Some(Node::Directory) => directory(tree, path),
    }
}

/// Nothing lies there. Where it would be a manifest, its folder may hold parts.
fn absent<T: Tree>(tree: &mut T, path: &Path) -> io::Result<AofSet> {
    let folder = parent(path);
    if let Name::Manifest(prefix) = classify(&file_name(path))
        && tree.stat(&folder)? == Some(Node::Directory)
    {
        let names = tree.list(&folder)?;
        if names.iter().any(|(name, _)| classify(name).prefix() == Some(prefix)) {
            return Set::of(tree, folder, prefix.to_vec()).without_manifest();
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

fn file<T: Tree>(tree: &mut T, path: &Path, size: u64) -> io::Result<AofSet> {
    let name = file_name(path);
    let named = matches!(classify(&name), Name::Manifest(_));
    if named || looks_like_manifest(&head(tree, path, PROBE)?) {
        let prefix = name.strip_suffix(names::MANIFEST).unwrap_or_default().to_vec();
        return Set::of(tree, parent(path), prefix).with_manifest(path.to_owned());
    }
    let folder = parent(path);
    let mut set = Set { tree, found: single(path, size) };
    let beside = set.listing(&folder);
    set.rewrites(&folder, &beside);
    for (other, _) in beside.iter().filter(|(other, _)| matches!(classify(other), Name::Manifest(_))) {
        let manifest = join(&folder, other);
        let lists = set.read_manifest(&manifest)?.manifest.entries.iter().any(|entry| entry.name == name);
        if lists {
            set.found.notes.push(SetNote::PartOfSet(manifest));
        }
    }
    Ok(set.found)
}

fn directory<T: Tree>(tree: &mut T, path: &Path) -> io::Result<AofSet> {
    let names = tree.list(path)?;
    if let Some((prefix, others)) = manifests(&names) {
        let mut set = Set::of(tree, path.to_owned(), prefix.clone());
        set.found.notes.extend(others.into_iter().map(SetNote::OtherManifest));
        return set.with_manifest(join(path, &[&prefix, names::MANIFEST].concat()));
    }
    if file_name(path) == DEFAULT_FOLDER
        && let Some(prefix) = misplaced(&names)
    {
        return Set::of(tree, path.to_owned(), prefix).without_manifest();
    }
    // A server's directory: the folder of its parts has the usual name, or is the one that holds a manifest.
    let mut folders: Vec<_> = names.iter().filter(|(_, node)| *node == Node::Directory).map(|(name, _)| name).collect();
    folders.sort_by_key(|name| name.as_slice() != DEFAULT_FOLDER);
    for name in folders.into_iter().take(MAX_FOLDERS) {
        let folder = join(path, name);
        let Ok(inside) = tree.list(&folder) else { continue };
        if let Some((prefix, others)) = manifests(&inside) {
            let mut set = Set::of(tree, folder.clone(), prefix.clone());
            set.found.notes.extend(others.into_iter().map(SetNote::OtherManifest));
            return set.with_manifest(join(&folder, &[&prefix, names::MANIFEST].concat()));
        }
        let parts = || prefix_of_parts(&inside).filter(|_| old_style_name(&names).is_none());
        if name == DEFAULT_FOLDER
            && let Some(prefix) = misplaced(&inside).or_else(parts)
        {
            return Set::of(tree, folder, prefix).without_manifest();
        }
    }
    if let Some(name) = old_style_name(&names) {
        let size = if let Some(Node::File(size)) = node_in(&names, &name) { size } else { 0 };
        return file(tree, &join(path, &name), size);
    }
    match prefix_of_parts(&names) {
        Some(prefix) => Set::of(tree, path.to_owned(), prefix).without_manifest(),
        None if dump_name(&names).is_some() => {
            Set::of(tree, join(path, DEFAULT_FOLDER), DEFAULT_NAME.to_vec()).without_manifest()
        }
        None => Err(io::Error::new(io::ErrorKind::NotFound, "no append-only file and no manifest in the directory")),
    }
}

/// The prefix of the manifest to take, the usual one if it is there, and the names of the others.
fn manifests(names: &[(Vec<u8>, Node)]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut prefixes: Vec<_> = names
        .iter()
        .filter_map(|(name, _)| if let Name::Manifest(prefix) = classify(name) { Some(prefix) } else { None })
        .collect();
    prefixes.sort_by_key(|prefix| *prefix != DEFAULT_NAME);
    let (first, others) = prefixes.split_first()?;
    Some((first.to_vec(), others.iter().map(|prefix| [prefix, names::MANIFEST].concat()).collect()))
}

/// The old-style file of a server's directory: by its usual name, or the only one that ends in `.aof`.
fn old_style_name(names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
    let file = |name: &[u8]| matches!(node_in(names, name), Some(Node::File(_)));
    if file(DEFAULT_NAME) {
        return Some(DEFAULT_NAME.to_vec());
    }
    let plain = |name: &Vec<u8>| name.ends_with(b".aof") && classify(name) == Name::Other && file(name);
    let mut named = names.iter().map(|(name, _)| name).filter(|name| plain(name));
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// The old-style file in a folder for the parts of a set: without a manifest no server reads it there.
fn misplaced(names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
    prefix_of_parts(names).is_none().then(|| old_style_name(names)).flatten()
}

/// The RDB of a server's directory: by its usual name, or the only one that ends in `.rdb`.
fn dump_name(names: &[(Vec<u8>, Node)]) -> Option<&Vec<u8>> {
    let file = |name: &[u8]| matches!(node_in(names, name), Some(Node::File(_)));
    if let Some((name, _)) = names.iter().find(|(name, _)| name == DEFAULT_DUMP && file(name)) {
        return Some(name);
    }
    let plain =
        |name: &&Vec<u8>| name.ends_with(b".rdb") && !name.starts_with(b"temp-") && classify(name) == Name::Other;
    let mut named = names.iter().map(|(name, _)| name).filter(plain).filter(|name| file(name));
    named.next().filter(|_| named.next().is_none())
}

/// The prefix of files that are named like parts.
fn prefix_of_parts(names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
    names.iter().find_map(|(name, _)| classify(name).prefix()).map(<[u8]>::to_vec)
}

/// A set while it is put together.
struct Set<'t, T> {
    tree: &'t mut T,
    found: AofSet,
}

impl<'t, T: Tree> Set<'t, T> {
    fn of(tree: &'t mut T, root: PathBuf, prefix: Vec<u8>) -> Self {
        Self { tree, found: AofSet::new(root, prefix) }
    }

    fn with_manifest(mut self, path: PathBuf) -> io::Result<AofSet> {
        let file = self.read_manifest(&path)?;
        let root = self.found.root.clone();
        let beside = self.listing(&root);
        let nodes: HashMap<&[u8], Node> = beside.iter().map(|(name, node)| (&name[..], *node)).collect();
        let manifest = &file.manifest;
        for entry in manifest.base().into_iter().chain(manifest.incrs()).chain(manifest.history()) {
            let part = self.part(entry, &nodes)?;
            self.found.parts.push(part);
        }
        self.found.parts.push(Part {
            role: Role::Manifest,
            name: file_name(&path),
            node: Some(Node::File(file.size)),
            path,
            entry: None,
        });
        self.found.manifest = Some(file);
        self.surroundings(&beside);
        Ok(self.found)
    }

    fn without_manifest(mut self) -> io::Result<AofSet> {
        let root = self.found.root.clone();
        let there = self.tree.stat(&root)?.is_some();
        let beside = if there { self.listing(&root) } else { Vec::new() };
        self.surroundings(&beside);
        Ok(self.found)
    }

    fn part(&mut self, entry: &Entry, beside: &HashMap<&[u8], Node>) -> io::Result<Part> {
        let role = match entry.kind {
            EntryKind::Base => Role::Base,
            EntryKind::Incr => Role::Incr,
            EntryKind::History => Role::History,
        };
        let path = join(&self.found.root, &entry.name);
        // The folder may be one that can be entered but not listed.
        let node = match beside.get(&entry.name[..]) {
            None if matches!(&entry.name[..], b"" | b"." | b"..") => Some(Node::Directory),
            None => self.tree.stat(&path)?,
            known => known.copied(),
        };
        Ok(Part { role, name: entry.name.clone(), path, node, entry: Some(entry.clone()) })
    }

    fn read_manifest(&mut self, path: &Path) -> io::Result<ManifestFile> {
        let bytes = head(self.tree, path, MAX_MANIFEST)?;
        let size = match self.tree.stat(path)? {
            Some(Node::File(size)) => size.max(bytes.len() as u64),
            _ => bytes.len() as u64,
        };
        let (manifest, errors) = Manifest::parse(&bytes);
        Ok(ManifestFile { path: path.to_owned(), size, bytes, manifest, errors })
    }

    /// The names in a folder; a folder that cannot be listed is noted, and taken for empty.
    fn listing(&mut self, folder: &Path) -> Vec<(Vec<u8>, Node)> {
        self.tree.list(folder).unwrap_or_else(|_| {
            self.found.notes.push(SetNote::Unlisted(folder.to_owned()));
            Vec::new()
        })
    }

    /// Looks at what lies beside and above the parts, and says what the next start would do.
    fn surroundings(&mut self, beside: &[(Vec<u8>, Node)]) {
        let root = self.found.root.clone();
        let listed: HashSet<Vec<u8>> = self.found.parts.iter().map(|part| part.name.clone()).collect();
        for (name, node) in beside {
            match (classify(name), node) {
                (Name::Temporary, Node::File(size)) => {
                    self.found.temporaries.push(Temporary { path: join(&root, name), size: *size });
                }
                (Name::Base(prefix, _) | Name::Incr(prefix, _), node)
                    if !listed.contains(name) && prefix == self.found.prefix =>
                {
                    let (name, path) = (name.clone(), join(&root, name));
                    self.found.parts.push(Part { role: Role::Orphan, name, path, node: Some(*node), entry: None });
                }
                _ => {}
            }
        }
        // A relative path of one name says nothing of the folder above, but that is where the process stands.
        let above =
            if root.as_os_str().is_empty() || root == Path::new(".") { PathBuf::from("..") } else { parent(&root) };
        if root != above {
            let names = self.listing(&above);
            self.rewrites(&above, &names);
            if let Some(Node::File(size)) = node_in(&names, &self.found.prefix) {
                let path = join(&above, &self.found.prefix);
                self.found.old_style = Some(OldStyle { path, size, migrates: self.migrates() });
            }
            if let Some(name) = dump_name(&names)
                && let Some(Node::File(size)) = node_in(&names, name)
            {
                self.unread(UnreadKind::Dump, name, join(&above, name), size);
            }
        }
        self.next_start();
        self.not_read(beside);
    }

    /// The files with data that the start leaves alone.
    fn not_read(&mut self, beside: &[(Vec<u8>, Node)]) {
        let (root, prefix) = (self.found.root.clone(), self.found.prefix.clone());
        if let Some(old) = self.found.old_style.clone().filter(|old| !old.migrates) {
            self.unread(UnreadKind::OldStyle, &prefix, old.path, old.size);
        }
        let listed = self.found.parts.iter().any(|part| part.name == prefix && part.entry.is_some());
        if let Some(Node::File(size)) = node_in(beside, &prefix).filter(|_| !listed) {
            self.unread(UnreadKind::OldStyleInFolder, &prefix, join(&root, &prefix), size);
        }
        let orphans = self.found.parts.iter().filter(|part| part.role == Role::Orphan);
        let orphans: Vec<_> =
            orphans.filter_map(|part| Some((part.name.clone(), part.path.clone(), part.size()?))).collect();
        for (name, path, size) in orphans {
            self.unread(UnreadKind::Orphan, &name, path, size);
        }
    }

    /// Adds such a file, if it holds a byte.
    fn unread(&mut self, kind: UnreadKind, name: &[u8], path: PathBuf, size: u64) {
        if size > 0 {
            let modified = self.tree.modified(&path);
            self.found.unread.push(Unread { kind, name: name.to_vec(), path, size, modified });
        }
    }

    /// The rewrite temporaries in a server's directory.
    fn rewrites(&mut self, folder: &Path, names: &[(Vec<u8>, Node)]) {
        for (name, node) in names {
            if let (true, Node::File(size)) = (name.starts_with(b"temp-rewriteaof-"), node) {
                self.found.temporaries.push(Temporary { path: join(folder, name), size: *size });
            }
        }
    }

    fn loaded(&self) -> impl Iterator<Item = &Part> {
        self.found.parts.iter().filter(|part| part.role.is_loaded())
    }

    /// Whether a server would take an old-style file over: the manifest lists nothing, or a move that was not finished.
    fn migrates(&self) -> bool {
        let good = self.found.manifest.as_ref().is_none_or(|manifest| manifest.errors.is_empty());
        let moving = |part: &Part| part.role == Role::Base && part.name == self.found.prefix && part.node.is_none();
        let listed = self.found.parts.iter().filter(|part| part.entry.is_some()).count();
        good && (listed == 0 || listed == 1 && self.loaded().any(moving))
    }

    fn next_start(&mut self) {
        let bad = self.found.manifest.as_ref().is_some_and(|manifest| !manifest.errors.is_empty());
        let migrates = self.found.old_style.as_ref().filter(|old| old.migrates).cloned();
        let missing = self.loaded().any(|part| !matches!(part.node, Some(Node::File(_))));
        self.found.next_start = if bad {
            NextStart::Refuses
        } else if let Some(old) = migrates {
            self.take_over(old);
            NextStart::Migrates
        } else if missing {
            NextStart::Refuses
        } else if self.loaded().next().is_some() {
            NextStart::LoadsManifest
        } else {
            let orphan = |name: Vec<u8>| self.found.parts.iter().any(|part| part.name == name).then_some(name);
            let prefix = &self.found.prefix[..];
            NextStart::Empty {
                overwrites: orphan([prefix, b".1.base.rdb"].concat()),
                appends: orphan([prefix, b".1.incr.aof"].concat()),
            }
        };
        let highest = |kind| {
            let seqs = self.found.parts.iter().filter_map(|part| part.entry.as_ref());
            seqs.filter(|entry| entry.kind == kind).map(|entry| entry.seq).max().unwrap_or(0).saturating_add(1)
        };
        let (base, incr) = (highest(EntryKind::Base), highest(EntryKind::Incr));
        let next = |name: &[u8]| match classify(name) {
            Name::Base(_, seq) => i64::try_from(seq) == Ok(base),
            Name::Incr(_, seq) => i64::try_from(seq) == Ok(incr),
            _ => false,
        };
        let orphans = self.found.parts.iter().filter(|part| part.role == Role::Orphan && next(&part.name));
        let names: Vec<_> = orphans.map(|part| SetNote::NextName(part.name.clone())).collect();
        if self.found.next_start == NextStart::LoadsManifest {
            self.found.notes.extend(names);
        }
    }

    /// Puts the old-style file in the place of the base.
    fn take_over(&mut self, old: OldStyle) {
        let node = Some(Node::File(old.size));
        match self.found.parts.iter_mut().find(|part| part.role == Role::Base) {
            Some(base) => (base.path, base.node) = (old.path, node),
            None => {
                let name = self.found.prefix.clone();
                self.found.parts.insert(0, Part { role: Role::Base, name, path: old.path, node, entry: None });
            }
        }
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

/// The file of that name in a folder. An empty name is the folder itself.
fn join(folder: &Path, name: &[u8]) -> PathBuf {
    let name = os_name(name);
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

#[cfg(unix)]
pub(crate) fn os_name(name: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name.to_vec())
}

#[cfg(not(unix))]
pub(crate) fn os_name(name: &[u8]) -> OsString {
    String::from_utf8_lossy(name).into_owned().into()
}
