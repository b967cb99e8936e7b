//! A set as it was found: its files and their roles, what lies about, and what the next start would do.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Node;
use super::access::Access;
use crate::aof::Manifest;
use crate::aof::manifest::{Entry, EntryKind, ManifestError};

/// Everything that lies around one append-only file or one set of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AofSet {
    /// The folder of the parts.
    pub root: PathBuf,
    /// One file, or several under a manifest.
    pub shape: Shape,
    /// The `appendfilename` of the server, as the names tell; empty where they do not.
    pub prefix: Vec<u8>,
    /// The manifest.
    pub manifest: Option<ManifestFile>,
    /// The files: base, incremental files in the order of loading, then history, the manifest itself, orphans. The only
    /// one of a single file is a base.
    pub parts: Vec<Part>,
    /// A file of the prefix's name in the server's directory, as servers before 7.0 wrote it.
    pub old_style: Option<OldStyle>,
    /// Files with data that a start on this set does not read.
    pub unread: Vec<Unread>,
    /// What an interrupted rewrite, or one that is going on, left.
    pub temporaries: Vec<Temporary>,
    /// What the next server start would do.
    pub next_start: NextStart,
    /// What else is worth a word.
    pub notes: Vec<SetNote>,
    /// The server's directory, where the path tells it.
    pub directory: Option<PathBuf>,
    /// Whether the folder of the parts is there.
    pub has_folder: bool,
    /// What the user of the server may not do there; `None` where that is not known, or it may do everything.
    pub access: Option<Access>,
    /// How many bytes can be written where the set lies.
    pub free: Option<u64>,
    /// Whether the server reads append-only files, as its configuration says.
    pub appendonly: Option<bool>,
}

impl AofSet {
    pub(super) fn new(root: PathBuf, prefix: Vec<u8>) -> Self {
        Self {
            root,
            shape: Shape::MultiPart,
            prefix,
            manifest: None,
            parts: Vec::new(),
            old_style: None,
            unread: Vec::new(),
            temporaries: Vec::new(),
            next_start: NextStart::LoadsFile,
            notes: Vec::new(),
            directory: None,
            has_folder: false,
            access: None,
            free: None,
            appendonly: None,
        }
    }

    /// Returns the numbers that a server gives to the next base and to the next incremental file.
    pub(crate) fn next_numbers(&self) -> (i64, i64) {
        let next = |kind| {
            let entries = self.parts.iter().filter_map(|part| part.entry.as_ref());
            entries.filter(|entry| entry.kind == kind).map(|entry| entry.seq).max().unwrap_or(0).saturating_add(1)
        };
        (next(EntryKind::Base), next(EntryKind::Incr))
    }

    /// Returns the parts by their names: of those with one name the first.
    pub(crate) fn parts_by_name(&self) -> HashMap<&[u8], &Part> {
        self.parts.iter().rev().map(|part| (&part.name[..], part)).collect()
    }
}

/// The shape of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One file, old-style, or one part of a set by itself.
    Single,
    /// Files under a manifest, or a folder for them.
    MultiPart,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
    /// Its bytes, at most 1 MiB of them.
    pub bytes: Vec<u8>,
    /// The lines that a server would take.
    pub manifest: Manifest,
    /// The lines that a server would not; with one of these it does not start.
    pub errors: Vec<ManifestError>,
}

/// What a file is in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// What the rest builds on; also a single file.
    Base,
    /// Commands since the base or the file before.
    Incr,
    /// Waits to be deleted.
    History,
    /// The manifest.
    Manifest,
    /// Named like a part, but no line lists it.
    Orphan,
}

impl Role {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Incr => "incr",
            Self::History => "history",
            Self::Manifest => "manifest",
            Self::Orphan => "orphan",
        }
    }

    /// Returns whether servers load it.
    #[must_use]
    pub fn is_loaded(self) -> bool {
        matches!(self, Self::Base | Self::Incr)
    }
}

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub role: Role,
    /// Its name in the set; of a single file, its file name.
    pub name: Vec<u8>,
    /// Where it lies.
    pub path: PathBuf,
    /// What lies there; `None` for nothing.
    pub node: Option<Node>,
    /// Its line in the manifest.
    pub entry: Option<Entry>,
}

impl Part {
    /// Its size, if it is a regular file.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        if let Some(Node::File(size)) = self.node { Some(size) } else { None }
    }
}

/// An old-style file beside a folder of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldStyle {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
    /// Whether the next start moves it into the folder and loads it. Otherwise it is ignored.
    pub migrates: bool,
}

/// A file with data that a start on the set does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// What it is.
    pub kind: UnreadKind,
    /// Its name.
    pub name: Vec<u8>,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
    /// When it was last written to, in Unix seconds.
    pub modified: Option<i64>,
}

/// What a file is that a start on a set does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnreadKind {
    /// An RDB in the server's directory: it is read only with `appendonly no`.
    Dump,
    /// An old-style file in the server's directory, beside a set that is in use.
    OldStyle,
    /// An old-style file in the folder of the set, where no server looks for one.
    OldStyleInFolder,
    /// Named like a part of the set, but no line of a manifest lists it.
    Orphan,
}

impl UnreadKind {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::OldStyle => "old-style",
            Self::OldStyleInFolder => "old-style-in-folder",
            Self::Orphan => "orphan",
        }
    }
}

/// A temporary file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Temporary {
    /// What was being written.
    pub kind: TemporaryKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
}

/// What a server was writing into a temporary file. It gets its own name when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemporaryKind {
    /// The base of a rewrite.
    Rewrite,
    /// A manifest.
    Manifest,
    /// The commands since the append-only file was switched on.
    Incr,
    /// An RDB.
    Save,
    /// An RDB that came from a master.
    Transfer,
}

impl TemporaryKind {
    /// Returns what it is, in a few words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Rewrite => "the new base of a rewrite",
            Self::Manifest => "a new manifest",
            Self::Incr => "the commands since the append-only file was switched on",
            Self::Save => "an RDB that was being saved",
            Self::Transfer => "an RDB that was being received from a master",
        }
    }
}

/// What a server would do at its next start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStart {
    /// Loads the single file. As the old-style file of its server, Redis from 7.0 on moves it into a folder first.
    LoadsFile,
    /// Loads what the manifest lists.
    LoadsManifest,
    /// Moves the old-style file into the folder, as the base, and loads it.
    Migrates,
    /// Starts empty, without a word, and writes new files: a new base over a file of that name, commands behind whatever a
    /// file of that name holds.
    Empty {
        /// The base that is replaced, if there is one of that name.
        overwrites: Option<Vec<u8>>,
        /// The incremental file that is appended to, if there is one of that name.
        appends: Option<Vec<u8>>,
    },
    /// Refuses, for the manifest or for a file that is not there.
    Refuses,
}

/// What else was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetNote {
    /// More than one manifest lies in the folder; this one was not looked at.
    OtherManifest(Vec<u8>),
    /// The single file is listed by a manifest beside it.
    PartOfSet(PathBuf),
    /// A folder could not be listed, so orphans and temporaries in it are not known.
    Unlisted(PathBuf),
    /// An orphan of the name that the next rewrite gives to a file: it is emptied then.
    NextName(Vec<u8>),
}
