//! Files that lie inside one file: the members of a tar, or the one that a stream unpacked to.
//!
//! ```text
//! file around them   [ .. header | member ....... | header | member .. ]
//!                                  ^ start  size
//! ```
//! For the verifier they are a tree of files like a disk's.

#[cfg(feature = "packed")]
mod sparse;
#[cfg(feature = "packed")]
mod tar;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_persistence::aof::dir::{self, AofSet, Node, Tree};
use redis_persistence::aof::dir::{Files, Opened};
use redis_persistence::rdb::has_signature;
use redis_persistence::verify::ReadAt;

use crate::progress::{Watched, When};
use crate::unpack::Budget;

/// This many folders in a folder are listed: no more of them are looked into.
const FOLDERS: usize = 64;
/// The usual name of a folder of append-only files, which is listed in any case.
const USUAL: &[u8] = b"appendonlydir";

/// Files that lie inside one file.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    folders: BTreeMap<PathBuf, BTreeMap<Vec<u8>, Node>>,
    members: BTreeMap<PathBuf, Place>,
    name: String,
    progress: When,
    /// What is wrong with the archive itself: its members are reported on as far as they were found.
    damage: Option<String>,
    /// Whether it ends where a member does, without the mark that ends a tar.
    unended: bool,
}

/// What stands in the archive before the path by which a member is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lead {
    /// Nothing.
    #[default]
    Nothing,
    /// `./`, as where a folder was packed from within.
    Dot,
    /// Something else, or the path itself is another.
    Odd,
}

/// Where a member lies in the file around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    start: u64,
    size: u64,
    lead: Lead,
    /// What of it is stored, if it has holes.
    #[cfg(feature = "packed")]
    parts: Option<Arc<[sparse::Part]>>,
}

impl Place {
    fn whole(start: u64, size: u64) -> Self {
        Self {
            start,
            size,
            lead: Lead::Nothing,
            #[cfg(feature = "packed")]
            parts: None,
        }
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let buffer = &mut buffer[..room];
        #[cfg(feature = "packed")]
        if let Some(parts) = &self.parts {
            return sparse::read_at(parts, file, buffer, offset);
        }
        file.read_at(buffer, self.start.saturating_add(offset))
    }

    /// Returns whether it begins as an RDB does.
    fn is_rdb(&self, file: &Arc<File>) -> io::Result<bool> {
        let mut head = Vec::new();
        Member { file: Arc::clone(file), place: self.clone(), at: 0 }.take(6).read_to_end(&mut head)?;
        Ok(has_signature(&head))
    }
}

impl Archive {
    fn new(file: Arc<File>, members: BTreeMap<PathBuf, Place>, name: String, progress: When) -> Self {
        let mut folders: BTreeMap<PathBuf, BTreeMap<Vec<u8>, Node>> = BTreeMap::new();
        for (path, place) in &members {
            let (mut path, mut node) = (path.as_path(), Node::File(place.size));
            while let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                let known = folders.contains_key(folder);
                let inside = folders.entry(folder.to_owned()).or_default();
                inside.insert(name.as_encoded_bytes().to_vec(), node);
                if known {
                    break;
                }
                (path, node) = (folder, Node::Directory);
            }
        }
        Self { file, folders, members, name, progress, damage: None, unended: false }
    }

    /// Returns what is wrong with it, or with the packing around it.
    #[must_use]
    pub fn is_damaged(&self, unpacking: Option<&String>) -> Option<String> {
        unpacking.cloned().or_else(|| self.damage.as_ref().map(|damage| format!("tar: {damage}")))
    }

    /// Returns what is to be said of an archive that may have been cut between two members.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        const WHY: &str = "a tar; it ends behind a member, without the mark of its end: more may have followed";
        (self.unended && self.damage.is_none()).then_some(WHY)
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let place = self.members.get(path).map(|place| Node::File(place.size));
        place.or_else(|| self.folders.contains_key(bare(path)).then_some(Node::Directory))
    }

    /// Returns the members of a tar that begins at `start`. Members with holes may be as large as `budget` allows for what
    /// is packed. `name` must be fit to print.
    ///
    /// # Errors
    /// If it cannot be read, or has more holes than that.
    #[cfg(feature = "packed")]
    pub fn of_tar(file: File, start: u64, budget: Budget, name: String, progress: When) -> io::Result<Self> {
        let file = Arc::new(file);
        let tar::Listed { members, damage, unended } = tar::members(&file, start, budget)?;
        Ok(Self { damage, unended, ..Self::new(file, members, name, progress) })
    }

    /// This build reads none.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "packed"))]
    pub fn of_tar(_: File, _: u64, _: Budget, _: String, _: When) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "it is a tar, which this build does not read"))
    }

    /// One member, `path`, from `start` to the end of the file. `name` must be fit to print.
    ///
    /// # Errors
    /// If the file's size cannot be told.
    pub fn of_one(file: File, start: u64, path: &Path, name: String, progress: When) -> io::Result<Self> {
        let size = file.metadata()?.len().saturating_sub(start);
        Ok(Self::new(Arc::new(file), BTreeMap::from([(path.to_owned(), Place::whole(start, size))]), name, progress))
    }

    /// Returns the members that begin as an RDB does, or are called one: it may be damaged from its first byte on. In the
    /// order of their names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn snapshots(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for (path, place) in &self.members {
            if path.extension().is_some_and(|extension| extension == "rdb") || place.is_rdb(&self.file)? {
                found.push(path.clone());
            }
        }
        Ok(found)
    }

    /// Returns the name by which an archive knows the member at a path, or all of the members below it; if there is one for
    /// all of them.
    #[must_use]
    pub fn stored_name(&self, path: &Path) -> Option<PathBuf> {
        let folder = bare(path);
        let inside = self.members.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
        let mut leads = inside.map(|(_, place)| place.lead);
        let first = leads.next()?;
        let name = match first {
            Lead::Nothing => folder.to_owned(),
            Lead::Dot => Path::new(".").join(folder),
            Lead::Odd => return None,
        };
        // All of it has no name there.
        (leads.all(|lead| lead == first) && !name.as_os_str().is_empty()).then_some(name)
    }

    /// Returns the append-only sets among the members, and the append-only files that belong to none, each with the path that
    /// leads to it.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub fn sets(&mut self) -> io::Result<Vec<(PathBuf, AofSet)>> {
        let of_set = self.members.keys().filter(|path| is_of_set(path));
        let folders: BTreeSet<PathBuf> =
            of_set.flat_map(|path| path.ancestors().skip(1).take(2)).map(or_here).collect();
        let mut sets: Vec<(PathBuf, AofSet)> = Vec::new();
        let (mut roots, mut known) = (HashSet::new(), HashSet::new());
        let mut note = |set: &AofSet, known: &mut HashSet<PathBuf>| {
            let old = set.old_style.iter().map(|old| old.path.clone());
            known.extend(set.parts.iter().map(|part| part.path.clone()).chain(old));
            roots.insert((set.root.clone(), set.prefix.clone()))
        };
        for folder in folders {
            match dir::find(self, &folder) {
                // A server's directory leads to the same set as the folder in it, and comes first.
                Ok(set) if note(&set, &mut known) => sets.push((folder, set)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let rest: Vec<PathBuf> =
            self.members.keys().filter(|path| is_aof(path) && !known.contains(*path)).cloned().collect();
        for path in rest {
            // A look at all that lies around each would take a time that grows with the square of their number.
            let set = dir::find(&mut Alone(self), &path)?;
            sets.push((path, set));
        }
        Ok(sets)
    }
}

/// Returns whether a file of that name may belong to a set.
fn is_of_set(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let has = |part: &[u8]| name.windows(part.len()).any(|at| at == part);
    has(b".aof") || has(b".manifest") || has(b".base.rdb")
}

/// Returns the path of a folder as it is listed: the one that all lies in has an empty one.
fn bare(folder: &Path) -> &Path {
    if folder == Path::new(".") { Path::new("") } else { folder }
}

fn or_here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
}

fn is_aof(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "aof")
}

/// A file inside another.
#[derive(Debug)]
pub struct Member {
    file: Arc<File>,
    place: Place,
    at: u64,
}

impl ReadAt for Member {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.place.read_at(&self.file, buffer, offset)
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = ReadAt::read_at(self, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Member {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = super::sought(to, self.at, self.place.size)?;
        Ok(self.at)
    }
}

impl Files for Archive {
    type File = Watched<Member>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if let Some(place) = self.members.get(path) {
            let member = Member { file: Arc::clone(&self.file), place: place.clone(), at: 0 };
            let name = format!("{}: {}", self.name, crate::escape::plain(path.as_os_str().as_encoded_bytes()));
            let file = Watched::new(member, name, Some(place.size), self.progress);
            return Ok(Opened::File { file, size: place.size });
        }
        match self.node(path) {
            Some(_) => Ok(Opened::Directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn at_places(file: &Self::File) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

impl Tree for Archive {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Ok(self.node(path))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        let mut folders = 0;
        let inside = self.folders.get(bare(folder)).into_iter().flatten().filter(|(name, node)| {
            folders += usize::from(**node == Node::Directory);
            **node != Node::Directory || folders <= FOLDERS || *name == USUAL
        });
        Ok(inside.map(|(name, node)| (name.clone(), *node)).collect())
    }
}

/// The files of an archive, each as if nothing lay beside it.
struct Alone<'a>(&'a mut Archive);

impl Files for Alone<'_> {
    type File = Watched<Member>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        self.0.open(path)
    }

    fn at_places(file: &Self::File) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

impl Tree for Alone<'_> {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        self.0.stat(path)
    }

    fn list(&mut self, _: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(Vec::new())
    }
}
