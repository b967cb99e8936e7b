//! Puts a set together: the parts that its manifest lists, and what lies beside and above them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::access::{Guarded, access};
use super::names::Layout;
use super::names::{MANIFEST, Name, classify};
use super::{
    AofSet, MAX_MANIFEST, ManifestFile, NextStart, Node, OldStyle, Part, Role, SetNote, Shape, Temporary, Tree, Unread,
    UnreadKind, file_name, head, join, node_in, parent,
};
use crate::aof::Manifest;
use crate::aof::manifest::{Entry, EntryKind};

/// A set while it is put together.
pub(super) struct Set<'t, T> {
    tree: &'t mut T,
    layout: &'t Layout,
    found: AofSet,
    /// Whether the path that was given is the server's directory.
    whole: bool,
}

impl<'t, T: Tree> Set<'t, T> {
    pub(super) fn of(tree: &'t mut T, root: PathBuf, prefix: Vec<u8>, layout: &'t Layout) -> Self {
        let found = AofSet { appendonly: layout.appendonly, ..AofSet::new(root, prefix) };
        Self { tree, layout, found, whole: false }
    }

    /// Returns the same below a server's directory that was given.
    pub(super) fn whole(tree: &'t mut T, root: PathBuf, prefix: Vec<u8>, layout: &'t Layout) -> Self {
        Self { whole: true, ..Self::of(tree, root, prefix, layout) }
    }

    /// Returns a single file.
    pub(super) fn alone(tree: &'t mut T, found: AofSet, layout: &'t Layout) -> Self {
        let found = AofSet { appendonly: layout.appendonly, ..found };
        Self { tree, layout, found, whole: false }
    }

    /// Returns a single file that was named, with a look at what lies beside it.
    pub(super) fn beside(mut self) -> io::Result<AofSet> {
        let folder = self.found.root.clone();
        let names = self.listing(&folder);
        self.temporaries(&folder, &names);
        self.part_of(&folder, &names)?;
        Ok(self.found)
    }

    /// Returns the old-style file of a server's directory.
    pub(super) fn in_directory(mut self, names: &[(Vec<u8>, Node)]) -> io::Result<AofSet> {
        let folder = self.found.root.clone();
        self.temporaries(&folder, names);
        self.part_of(&folder, names)?;
        self.found.directory = Some(folder.clone());
        let dump = self.dump(&folder, names);
        let file = self.found.parts.first().map(|part| (Guarded::OldStyle, part.path.clone()));
        self.access(&folder, file.into_iter().chain(dump));
        Ok(self.found)
    }

    /// Returns the manifests beside a single file that list it.
    fn part_of(&mut self, folder: &Path, names: &[(Vec<u8>, Node)]) -> io::Result<()> {
        for (other, _) in names.iter().filter(|(other, _)| matches!(classify(other), Name::Manifest(_))) {
            let manifest = join(folder, other);
            let name = &self.found.prefix;
            let lists = read_manifest(self.tree, &manifest)?.manifest.entries.iter().any(|entry| entry.name == *name);
            if lists {
                self.found.notes.push(SetNote::PartOfSet(manifest));
            }
        }
        Ok(())
    }

    /// Returns what the manifest of the prefix lists, with the names of other manifests.
    pub(super) fn listed(mut self, others: Vec<Vec<u8>>) -> io::Result<AofSet> {
        self.found.notes.extend(others.into_iter().map(SetNote::OtherManifest));
        let path = join(&self.found.root, &[&self.found.prefix, MANIFEST].concat());
        self.with_manifest(path)
    }

    pub(super) fn with_manifest(mut self, path: PathBuf) -> io::Result<AofSet> {
        let file = read_manifest(self.tree, &path)?;
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

    pub(super) fn without_manifest(mut self) -> io::Result<AofSet> {
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

    /// Returns the names in a folder; a folder that cannot be listed is noted, and taken for empty.
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
        self.temporaries(&root, beside);
        for (name, node) in beside {
            match (classify(name), node) {
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
        let mut guarded = Vec::new();
        let mut dump = None;
        if root != above {
            let names = self.listing(&above);
            self.temporaries(&above, &names);
            if let Some(Node::File(size)) = node_in(&names, &self.found.prefix) {
                let path = join(&above, &self.found.prefix);
                guarded.push((Guarded::OldStyle, path.clone()));
                self.found.old_style = Some(OldStyle { path, size, migrates: self.migrates() });
            }
            dump = self.dump(&above, &names);
            // Elsewhere the folder above says nothing of a server.
            if self.whole || dump.is_some() || self.found.old_style.is_some() {
                self.found.directory = Some(above.clone());
            }
        }
        self.next_start();
        self.not_read(beside);
        let last = self.found.parts.iter().rposition(|part| part.role == Role::Incr);
        let number = u64::try_from(self.found.next_numbers().1).unwrap_or(0);
        let prefix = self.found.prefix.clone();
        let next = Name::Incr(&prefix, number);
        for (number, part) in self.found.parts.iter().enumerate().filter(|(_, part)| part.size().is_some()) {
            let what = match part.role {
                Role::Manifest => Guarded::Manifest,
                Role::Base if part.path.parent() == root.parent() => continue,
                Role::Base => Guarded::Base,
                Role::Incr if Some(number) == last => Guarded::LastIncr,
                Role::Incr => Guarded::Incr,
                Role::Orphan if last.is_none() && classify(&part.name) == next => Guarded::NextIncr,
                Role::History | Role::Orphan => continue,
            };
            guarded.push((what, part.path.clone()));
        }
        self.access(&above, guarded.into_iter().chain(dump));
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

    /// Adds such a file, if it holds a byte: an RDB is none without, and where a file is to be moved, any is in the way.
    fn unread(&mut self, kind: UnreadKind, name: &[u8], path: PathBuf, size: u64) {
        let in_the_way = kind == UnreadKind::OldStyleInFolder && self.found.next_start == NextStart::Migrates;
        if size > 0 || kind == UnreadKind::Dump || in_the_way {
            let modified = self.tree.modified(&path);
            self.found.unread.push(Unread { kind, name: name.to_vec(), path, size, modified });
        }
    }

    /// Notes the RDB of a server's directory.
    fn dump(&mut self, folder: &Path, names: &[(Vec<u8>, Node)]) -> Option<(Guarded, PathBuf)> {
        let name = self.layout.dump_in(names)?;
        let path = join(folder, name);
        if let Some(Node::File(size)) = node_in(names, name) {
            self.unread(UnreadKind::Dump, name, path.clone(), size);
        }
        Some((Guarded::Dump, path))
    }

    /// What a server was writing when it was broken off, in its directory or in the folder below.
    fn temporaries(&mut self, folder: &Path, names: &[(Vec<u8>, Node)]) {
        for (name, node) in names {
            if let (Name::Temporary(kind), Node::File(size)) = (classify(name), node) {
                self.found.temporaries.push(Temporary { kind, path: join(folder, name), size: *size });
            }
        }
    }

    /// What the user of the server may not do with these, and with the folders.
    fn access(&mut self, above: &Path, files: impl Iterator<Item = (Guarded, PathBuf)>) {
        let mut things = Vec::new();
        if self.found.directory.is_some() {
            things.push((Guarded::Directory, above.to_owned()));
        }
        if self.found.shape == Shape::MultiPart && matches!(self.tree.stat(&self.found.root), Ok(Some(Node::Directory)))
        {
            self.found.has_folder = true;
            things.push((Guarded::Folder, self.found.root.clone()));
        }
        things.extend(files);
        self.found.free = self.tree.free(if self.found.has_folder { &self.found.root } else { above });
        let tree = &mut *self.tree;
        self.found.access = access(&things, |path| tree.owner(path));
    }

    fn loaded(&self) -> impl Iterator<Item = &Part> {
        self.found.parts.iter().filter(|part| part.role.is_loaded())
    }

    /// Returns whether a server would take an old-style file over: the manifest lists nothing, or a move that was not
    /// finished.
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
        let (base, incr) = self.found.next_numbers();
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

fn read_manifest<T: Tree>(tree: &mut T, path: &Path) -> io::Result<ManifestFile> {
    let bytes = head(tree, path, MAX_MANIFEST)?;
    let size = match tree.stat(path)? {
        Some(Node::File(size)) => size.max(bytes.len() as u64),
        _ => bytes.len() as u64,
    };
    let (manifest, errors) = Manifest::parse(&bytes);
    Ok(ManifestFile { path: path.to_owned(), size, bytes, manifest, errors })
}
