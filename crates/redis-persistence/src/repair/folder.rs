//! A folder that is held open, and files in it by their one name.
//!
//! All that a repair opens, makes, renames or removes, it reaches from the descriptor of a folder, by a name without a slash, and
//! never through a link. So nothing that somebody puts in the way of a path meanwhile leads out of that folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{ApplyError, FileIdentity};

/// A folder, held open.
#[derive(Debug)]
pub(super) struct Folder {
    file: File,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder at a path, which links may lead to: but none on the way that somebody else than root, the caller and the
    /// folder's owner has made.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, ApplyError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let (file, links) = open_through_links(path).map_err(|error| {
            let doing = if error.kind() == io::ErrorKind::NotFound { "find" } else { "open" };
            ApplyError::io(doing, path)(error)
        })?;
        let owner = file.metadata().map_err(ApplyError::io("ask for", path))?.uid();
        if links.iter().any(|link| !may_lead(*link, owner)) {
            let why = "it is, or lies behind, a link that belongs to somebody else than what it leads to";
            return Err(ApplyError::refused(path, why));
        }
        let found = fs::canonicalize(path).map_err(ApplyError::io("find", path))?;
        Ok(Arc::new(Self { file, path: found }))
    }

    /// Opens the folder above this one, wherever this one lies now.
    pub(super) fn above(&self) -> Result<Arc<Self>, ApplyError> {
        let path = self.path.join("..");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.file, "..", flags, Mode::empty());
        let file = File::from(opened.map_err(|error| ApplyError::io("open", &path)(error.into()))?);
        Ok(Arc::new(Self { file, path: folder_of(&self.path).to_owned() }))
    }

    /// Opens a folder below this one, without any link on the way.
    pub(super) fn beneath(self: &Arc<Self>, path: &Path) -> Result<Arc<Self>, ApplyError> {
        if path == Path::new(".") || path.as_os_str().is_empty() {
            return Ok(Arc::clone(self));
        }
        let named = self.path.join(path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = open_beneath(&self.file, path, flags, Mode::empty()).map_err(ApplyError::io("open", &named))?;
        Ok(Arc::new(Self { file, path: named }))
    }

    /// Returns where it lay when it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open folder.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the number of its file system, and its own.
    pub(super) fn identity(&self) -> Result<(u64, u64), ApplyError> {
        let data = self.file.metadata().map_err(ApplyError::io("ask for", &self.path))?;
        Ok((data.dev(), data.ino()))
    }

    /// Returns a name in it.
    pub(super) fn at(self: &Arc<Self>, name: &OsStr) -> Result<Place, ApplyError> {
        let path = self.path.join(name);
        if !is_name(name.as_bytes()) {
            return Err(ApplyError::refused(&path, "it is no name of a file in the folder"));
        }
        Ok(Place { folder: Arc::clone(self), path })
    }

    /// Returns the names that are in it.
    pub(super) fn names(&self) -> Result<Vec<OsString>, ApplyError> {
        let names = || -> Result<Vec<OsString>, Errno> {
            let mut names = Vec::new();
            for entry in Dir::read_from(&self.file)? {
                let name = entry?.file_name().to_bytes().to_vec();
                if is_name(&name) {
                    names.push(OsString::from_vec(name));
                }
            }
            Ok(names)
        };
        names().map_err(|error| ApplyError::io("list", &self.path)(error.into()))
    }

    /// Makes the names in it last.
    pub(super) fn sync(&self) -> Result<(), ApplyError> {
        self.file.sync_all().map_err(ApplyError::io("sync", &self.path))
    }

    /// Returns how many bytes may still be written there.
    pub(super) fn free_bytes(&self) -> Result<u64, ApplyError> {
        let stat = rustix::fs::fstatvfs(&self.file);
        let stat = stat.map_err(|error| ApplyError::io("ask for the space in", &self.path)(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// A name in a folder.
#[derive(Debug, Clone)]
pub(super) struct Place {
    folder: Arc<Folder>,
    path: PathBuf,
}

impl Place {
    /// Returns the folder.
    pub(super) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Returns what to call it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name.
    pub(super) fn name(&self) -> &OsStr {
        // Every place is made with a name.
        self.path.file_name().unwrap_or(OsStr::new("file"))
    }

    /// Returns the same name with `.suffix` behind it.
    pub(super) fn with_suffix(&self, suffix: &str) -> Self {
        let name = with_suffix(self.name(), suffix);
        Self { folder: Arc::clone(&self.folder), path: self.folder.path.join(name) }
    }

    /// Returns what has the name, if anything has.
    pub(super) fn stat(&self) -> Result<Option<Stat>, ApplyError> {
        match rustix::fs::statat(&self.folder.file, self.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(ApplyError::io("find", &self.path)(error.into())),
        }
    }

    /// Returns whether a regular file has the name; `None` if nothing has.
    pub(super) fn is_regular(&self) -> Result<Option<bool>, ApplyError> {
        Ok(self.stat()?.map(|stat| kind(&stat) == FileType::RegularFile))
    }

    /// Opens a regular file for reading, and notes it.
    pub(super) fn open(&self) -> Result<(File, FileIdentity), ApplyError> {
        self.open_as("open", OFlags::RDONLY)
    }

    /// Opens a regular file for reading and writing, and notes it.
    pub(super) fn open_writing(&self) -> Result<(File, FileIdentity), ApplyError> {
        self.open_as("write to", OFlags::RDWR)
    }

    fn open_as(&self, doing: &'static str, flags: OFlags) -> Result<(File, FileIdentity), ApplyError> {
        // A FIFO would otherwise wait for its other end.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open_beneath(&self.folder.file, self.name().as_ref(), flags, Mode::empty());
        let file = file.map_err(ApplyError::io(doing, &self.path))?;
        let seen = FileIdentity::of(&self.path, &file).map_err(ApplyError::io(doing, &self.path))?;
        Ok((file, seen))
    }

    /// Creates a file that did not exist, for its owner alone.
    pub(super) fn create(&self) -> Result<File, ApplyError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open_beneath(&self.folder.file, self.name().as_ref(), flags, Mode::RUSR | Mode::WUSR);
        file.map_err(ApplyError::io("create", &self.path))
    }

    /// Creates a folder that did not exist, for its owner alone, and opens it.
    pub(super) fn create_folder(&self) -> Result<Arc<Folder>, ApplyError> {
        let made = rustix::fs::mkdirat(&self.folder.file, self.name(), Mode::RWXU);
        made.map_err(|error| ApplyError::io("create", &self.path)(error.into()))?;
        self.folder.beneath(self.name().as_ref())
    }

    /// Removes the name.
    pub(super) fn remove(&self) -> Result<(), ApplyError> {
        let removed = rustix::fs::unlinkat(&self.folder.file, self.name(), AtFlags::empty());
        removed.map_err(|error| ApplyError::io("remove", &self.path)(error.into()))
    }

    /// Removes a folder with the files in it; what else is in it stays, and so does the folder then.
    pub(super) fn remove_folder(&self) -> Result<(), ApplyError> {
        let inner = self.folder.beneath(self.name().as_ref())?;
        for name in inner.names()? {
            inner.at(&name)?.remove()?;
        }
        let removed = rustix::fs::unlinkat(&self.folder.file, self.name(), AtFlags::REMOVEDIR);
        removed.map_err(|error| ApplyError::io("remove", &self.path)(error.into()))
    }

    /// Gives what has this name the name `to`, which must be free, and makes that last.
    pub(super) fn place(&self, to: &Self) -> Result<(), ApplyError> {
        rename_to_free(self, to).map_err(ApplyError::io("rename to", &to.path))?;
        to.folder.sync()
    }

    /// Replaces the regular file `to` by this one, in one moment, and makes that last.
    pub(super) fn replace(&self, to: &Self) -> Result<(), ApplyError> {
        if to.is_regular()? == Some(false) {
            return Err(ApplyError::refused(&to.path, NOT_REGULAR));
        }
        let renamed = rustix::fs::renameat(&self.folder.file, self.name(), &to.folder.file, to.name());
        renamed.map_err(|error| ApplyError::io("rename to", &to.path)(error.into()))?;
        to.folder.sync()
    }
}

/// Why what is neither a file nor missing is refused.
pub(super) const NOT_REGULAR: &str = "it is no regular file, and nothing else is replaced";

/// Returns what has a name.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Returns whether a link may lead to something: who made it could have changed that anyhow.
pub(super) fn may_lead(of_link: u32, of_target: u32) -> bool {
    let caller = rustix::process::geteuid();
    of_link == of_target || of_link == 0 || of_link == caller.as_raw()
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/')
}

/// Returns the folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `name` with `.suffix` behind it.
pub(super) fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(".");
    name.push(suffix);
    name
}

/// So many links may lie on a way, as for the system.
#[cfg(target_os = "linux")]
const MOST_LINKS: usize = 40;

/// Opens a folder, and answers who made the links on the way to it. Each part of the way is held while the next one is looked at, so
/// that a link which takes the place of a folder meanwhile is either not met or seen.
#[cfg(target_os = "linux")]
fn open_through_links(path: &Path) -> io::Result<(File, Vec<u32>)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let parts = |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
    let mut at = rustix::fs::openat(CWD, ".", flags, Mode::empty())?;
    let (mut left, mut links) = (parts(path), Vec::new());
    while let Some(name) = left.pop() {
        let next = rustix::fs::openat(&at, &name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&next)?;
        if kind(&stat) != FileType::Symlink {
            at = next;
            continue;
        }
        links.push(stat.st_uid);
        if links.len() > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = rustix::fs::readlinkat(&next, "", Vec::new())?;
        left.extend(parts(Path::new(OsStr::from_bytes(target.as_bytes()))));
    }
    let folder = rustix::fs::openat(&at, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((folder.into(), links))
}

/// The same, where a folder cannot be held without being opened: of the last link alone, and as it is afterwards.
#[cfg(not(target_os = "linux"))]
fn open_through_links(path: &Path) -> io::Result<(File, Vec<u32>)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let links = fs::symlink_metadata(path).ok().filter(|found| found.is_symlink()).map(|link| link.uid());
    Ok((folder.into(), links.into_iter().collect()))
}

/// Opens what lies below a folder, without following a link.
#[cfg(target_os = "linux")]
fn open_beneath(folder: &File, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(folder, path, flags, mode, resolve) {
        // Older kernels have no such call, and some sandboxes forbid it.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(folder, path, flags, mode),
        opened => Ok(opened?.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(folder: &File, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    step_by_step(folder, path, flags, mode)
}

/// Returns the same, one part of the path after the other.
fn step_by_step(folder: &File, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    let mut parts = path.components().peekable();
    let mut at: Option<File> = None;
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Err(Errno::XDEV.into()) };
        let last = parts.peek().is_none();
        let between = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (flags, mode) = if last { (flags, mode) } else { (between, Mode::empty()) };
        let opened = rustix::fs::openat(at.as_ref().unwrap_or(folder), name, flags | OFlags::NOFOLLOW, mode)?;
        at = Some(opened.into());
    }
    at.ok_or_else(|| Errno::NOENT.into())
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
fn rename_to_free(from: &Place, to: &Place) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    let (of, in_folder) = (&from.folder.file, &to.folder.file);
    match renameat_with(of, from.name(), in_folder, to.name(), RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_if_free(from, to),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn rename_to_free(from: &Place, to: &Place) -> io::Result<()> {
    rename_if_free(from, to)
}

fn rename_if_free(from: &Place, to: &Place) -> io::Result<()> {
    match rustix::fs::statat(&to.folder.file, to.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(rustix::fs::renameat(&from.folder.file, from.name(), &to.folder.file, to.name())?),
    }
}

/// Returns the file that a path of a plan means: in that folder, and by its own name where a link in the folder leads to it.
pub(super) fn meant(folder: &Arc<Folder>, path: &Path) -> Result<Place, ApplyError> {
    let name = path.file_name().ok_or_else(|| ApplyError::refused(path, "it names no file"))?;
    let place = folder.at(name)?;
    let Some(link) = place.stat()?.filter(|stat| kind(stat) == FileType::Symlink) else { return Ok(place) };
    let real = fs::canonicalize(place.path()).map_err(ApplyError::io("find", path))?;
    let outside = || ApplyError::refused(path, &format!("it is a link to {}, outside its folder", real.display()));
    if folder_of(&real) != folder.path() {
        return Err(outside());
    }
    let place = folder.at(real.file_name().ok_or_else(outside)?)?;
    match place.stat()? {
        Some(stat) if kind(&stat) == FileType::RegularFile && may_lead(link.st_uid, stat.st_uid) => Ok(place),
        _ => Err(ApplyError::refused(path, &format!("it is a link to {}, a file of another owner", real.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    #[expect(clippy::unwrap_used, reason = "tests")]
    fn a_folder_is_found_through_links_of_every_kind() {
        let root = tempfile::TempDir::new().unwrap();
        let inner = root.path().join("a/inner");
        fs::create_dir_all(&inner).unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        link("a", "relative");
        link(&inner.to_string_lossy(), "absolute");
        link("relative/../a/./inner", "both");
        link("circle", "circle");
        let same = |path: &Path| {
            let (file, links) = open_through_links(path).unwrap();
            assert_eq!(file.metadata().unwrap().ino(), fs::metadata(&inner).unwrap().ino(), "{}", path.display());
            links.len()
        };
        // The folder of the test may lie behind links itself.
        let none = same(&inner);
        for (path, more) in [("relative/inner", 1), ("absolute", 1), ("both", 2), ("a/../absolute/", 1)] {
            assert!(same(&root.path().join(path)) >= none + more, "{path}");
        }
        assert!(open_through_links(&root.path().join("circle")).is_err());
        assert!(open_through_links(&root.path().join("none")).is_err());
        assert!(open_through_links(Path::new(".")).is_ok() && open_through_links(Path::new("/")).is_ok());
    }

    #[test]
    #[expect(clippy::unwrap_used, reason = "tests")]
    fn no_way_leads_out_of_a_folder() {
        let root = tempfile::TempDir::new().unwrap();
        let inner = root.path().join("inner");
        fs::create_dir_all(inner.join("deep")).unwrap();
        fs::write(root.path().join("outside"), "x").unwrap();
        fs::write(inner.join("deep/file"), "x").unwrap();
        std::os::unix::fs::symlink("..", inner.join("up")).unwrap();
        std::os::unix::fs::symlink("deep/file", inner.join("link")).unwrap();
        std::os::unix::fs::symlink("deep", inner.join("side")).unwrap();
        let folder = Folder::open(&inner).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        for open in [open_beneath, step_by_step] {
            let opens = |path: &str| open(folder.file(), Path::new(path), flags, Mode::empty()).is_ok();
            assert!(opens("deep/file"));
            for path in ["../outside", "up/outside", "link", "side/file", "/etc/passwd", "deep/../../outside"] {
                assert!(!opens(path), "{path}");
            }
        }
        for name in ["..", ".", "", "../outside", "deep/file"] {
            assert!(folder.at(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
