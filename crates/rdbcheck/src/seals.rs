//! Seals as they are kept: `FILE.seal.json` beside an RDB, `appendonlydir.seal.json` beside a set; and how files are held against them.
//!
//! A seal says what files were, not who says so. Whoever may write to them may write a seal: a signature beside it is for other
//! programs to verify, and is only named here.

pub(crate) mod aof;
pub(crate) mod rdb;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{AofSet, Shape, UnreadKind};
use redis_persistence::digest::Digest;
use redis_persistence::seal::{Bytes, Hashed};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::escape;
use crate::input::open;
use crate::input::packed_input::How;
use crate::units::{date, number, size};

/// A seal takes less than this.
const LARGEST: u64 = 16 << 20;
/// What signatures beside a seal are called: of minisign, ssh-keygen, and gpg.
const SIGNATURES: [&str; 3] = ["minisig", "sig", "asc"];

/// What came of holding something against its seal.
#[derive(Debug, Clone)]
pub struct Held {
    /// Where the seal lies.
    pub seal: PathBuf,
    /// When it was made, in seconds since the epoch.
    pub sealed_at: i64,
    /// What is not as it was: `size`, `sha256`, `digest`; of a set with the name of the file before it. Nothing where all is.
    pub differs: Vec<String>,
    /// How many bytes were added to a set since.
    pub grown: u64,
    /// A signature that lies beside the seal. It was not verified.
    pub signature: Option<PathBuf>,
}

impl Held {
    fn new(seal: &Path, sealed_at: i64, differs: Vec<String>, grown: u64) -> Self {
        Self { seal: seal.to_owned(), sealed_at, differs, grown, signature: signature(seal) }
    }

    /// Returns what is said of it.
    #[must_use]
    pub fn line(&self) -> String {
        let at = date(self.sealed_at);
        let what = match (&self.differs[..], self.grown) {
            ([], 0) => format!("As it was sealed on {at}."),
            ([], more) => format!("As it was sealed on {at}, and {} longer.", size(more)),
            (differs, _) => format!("Not as it was sealed on {at}: {} differ.", differs.join(", ")),
        };
        let by = match &self.signature {
            None => "The seal is unsigned: nothing says who made it.".to_owned(),
            Some(path) => {
                let path = escape::plain(path.as_os_str().as_encoded_bytes());
                format!("Who made the seal, {path} can tell: it was not verified here.")
            }
        };
        format!("{what} {by}")
    }

    /// Returns the demand that is not met, if that is so.
    #[must_use]
    pub fn unmet(&self) -> Option<String> {
        (!self.differs.is_empty())
            .then(|| format!("as sealed on {} ({})", date(self.sealed_at), self.differs.join(", ")))
    }
}

/// Returns where the seal of a path lies.
pub(crate) fn beside(path: &Path) -> PathBuf {
    // `appendonlydir/` is the same as without the slash. What has no name, such as `.`, is asked for it.
    let named = path.file_name().map(|_| path.components().collect());
    let named = named.or_else(|| fs::canonicalize(path).ok()).unwrap_or_else(|| path.to_owned());
    let mut name = OsString::from(named);
    name.push(".seal.json");
    name.into()
}

/// Returns a signature that lies beside a seal.
fn signature(seal: &Path) -> Option<PathBuf> {
    SIGNATURES.into_iter().find_map(|end| {
        let mut name = OsString::from(seal);
        name.push(format!(".{end}"));
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    })
}

/// Returns the seal to hold a path against: the one that is named, or one that lies beside it.
pub(crate) fn of(path: &Path, against: Option<&Path>) -> Option<PathBuf> {
    against.map(Path::to_owned).or_else(|| Some(beside(path)).filter(|seal| seal.is_file()))
}

/// Returns the seal to hold a set against: the one that is named, or one that lies beside the path, or beside what a start reads there.
pub(crate) fn of_set(path: &Path, set: &AofSet, against: Option<&Path>) -> Option<PathBuf> {
    let mut loaded = set.parts.iter().filter(|part| part.role.is_loaded()).map(|part| &*part.path).peekable();
    let read = match (set.shape, loaded.peek()) {
        // There is nothing but the RDB, which is read with appendonly no.
        (_, None) => dump(set),
        (Shape::Single, Some(file)) => Some(*file),
        (Shape::MultiPart, Some(_)) => Some(&*set.root),
    };
    of(path, against).or_else(|| read.map(beside).filter(|seal| seal.is_file()))
}

/// Returns the RDB beside a set.
fn dump(set: &AofSet) -> Option<&Path> {
    set.unread.iter().find(|file| file.kind == UnreadKind::Dump).map(|file| &*file.path)
}

/// Holds what lies under a path against a seal: the set, or the RDB of a folder, as the seal is of the one or the other.
pub(crate) fn held(
    path: &Path,
    set: &AofSet,
    seal: &Path,
    how: How,
    threads: Option<NonZero<usize>>,
) -> Result<Held, NoSeal> {
    if read_as::<OfSet>(seal)?.files.is_some() {
        return aof::held(set, seal);
    }
    let rdb = if path.is_dir() { dump(set) } else { Some(path) };
    let none = || NoSeal::Io(io::Error::other("it is the seal of an RDB, and there is none"));
    rdb::held(rdb.ok_or_else(none)?, seal, how, threads)
}

/// Tells the seal of a set from that of an RDB.
#[derive(Deserialize)]
struct OfSet {
    files: Option<IgnoredAny>,
}

/// Opens what is a file on a disk: it is read more than once. Nothing else is opened, which could wait for ever.
pub(crate) fn regular(path: &Path) -> io::Result<File> {
    let input = if path == Path::new("-") { None } else { Some(open::open(path)?) };
    match input.filter(open::Input::is_seekable) {
        Some(input) => input.into_file(),
        None => {
            let why = "it is no regular file, which could be read more than once";
            Err(io::Error::new(io::ErrorKind::InvalidInput, why))
        }
    }
}

/// Sums all bytes of a file.
pub(crate) fn bytes_of(file: &File) -> io::Result<Bytes> {
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    Hashed::new(file).finish()
}

/// Sums the first bytes of a file, as many as there are of these.
pub(crate) fn first_bytes_of(file: &File, size: u64) -> io::Result<Bytes> {
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    Hashed::new(file.take(size)).finish()
}

/// Why a seal cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSeal {
    #[error("{}", crate::console::reason(.0))]
    Io(#[from] io::Error),
    #[error("it is no seal: {0}")]
    Other(String),
    #[error("a seal of version {0}, which this build does not know")]
    Newer(u32),
}

/// Reads a seal of any kind.
fn read<S: DeserializeOwned>(path: &Path, version: fn(&S) -> u32) -> Result<S, NoSeal> {
    let seal: S = read_as(path)?;
    match version(&seal) {
        1 => Ok(seal),
        other => Err(NoSeal::Newer(other)),
    }
}

fn read_as<S: DeserializeOwned>(path: &Path) -> Result<S, NoSeal> {
    let mut text = Vec::new();
    regular(path)?.take(LARGEST).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| NoSeal::Other(error.to_string()))
}

/// Returns what a file holds, in a few words.
pub(crate) fn summary(keys: u64, bytes: u64, digest: &str) -> String {
    format!("{}, {}, digest {}", number(keys, "key"), size(bytes), &digest[..16])
}

/// Returns whether a text is a sum.
fn is_sum(text: &str) -> bool {
    text.len() == 2 * size_of::<Digest>() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
