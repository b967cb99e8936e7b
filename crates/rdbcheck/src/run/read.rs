//! Reads RDBs, from wherever they lie and however they are packed.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{Files as _, Opened};
use redis_persistence::diagnose::Cause;
use redis_persistence::verify::{self, Options, ReadAt, Report};

use crate::console::say;
use crate::disguise::{self, Disguise, Looked};
use crate::input::head_tail::{Ends, Kept};
use crate::input::hex::{self, Span};
use crate::input::open::{self, Input};
use crate::input::packed_input::{self, Content, How, Stored};
use crate::outcome::Unpack;
use crate::progress::Watched;
use crate::unpack::Packing;

/// As much of an input as tells what may have been done to it.
const HEAD: usize = 64 << 10;

/// One RDB that was read.
#[derive(Debug)]
pub struct Checked {
    /// Where it lies: the input, or a member of it.
    pub path: PathBuf,
    /// What the verifier says.
    pub report: Report,
    /// The ends of the RDB, unpacked.
    pub ends: Ends,
    /// The bytes around the findings, if they are wanted.
    pub hex: Vec<Vec<Span>>,
    /// How the input was packed.
    pub packing: Option<Packing>,
    /// How to get at it, if it is packed or lies in an archive.
    pub unpack: Option<Unpack>,
    /// What is wrong with the packing or the archive.
    pub damage: Option<String>,
    /// The RDB as a file, if one is to be kept.
    pub file: Option<File>,
    /// What the file holds, if that is an RDB in disguise.
    pub disguise: Option<Disguise>,
    /// The cause, if it was found by undoing what was done to the file.
    pub cause: Option<Cause>,
}

impl Checked {
    fn new(path: PathBuf, looked: Looked, ends: Ends, hex: Vec<Vec<Span>>) -> Self {
        let Looked { report, disguise, cause } = looked;
        Self { path, report, ends, hex, packing: None, unpack: None, damage: None, file: None, disguise, cause }
    }
}

/// Verifies an RDB, or every RDB that is a member of a tar, and hands each on as soon as it is done. With `keep`, each comes with
/// a file of what is in it: the input itself, or a copy of what is packed or comes of a pipe.
///
/// # Errors
/// If it cannot be read or unpacked, if there is no room for a copy, or if no RDB is in the tar.
pub fn rdb(
    path: &Path,
    options: &Options,
    how: How,
    (hex, keep): (bool, bool),
    mut each: impl FnMut(Checked),
) -> io::Result<()> {
    let stored = packed_input::open(path, how)?;
    if stored.is_tar {
        return members(path, stored, options, (hex, keep), each);
    }
    let (packing, seekable, damage) = (stored.packing, stored.seekable, stored.damage.clone());
    let (checked, file) = match stored.content {
        Content::Plain(input) if seekable && !(keep && (input.get().begins_inside() || !input.get().is_on_disk())) => {
            let file = if keep { input.get().same_file()? } else { None };
            (plain(path.to_owned(), input, options, hex)?, file)
        }
        content if keep => {
            let file = packed_input::lay_down(content)?;
            (of_file(path.to_owned(), &file, options, hex)?, Some(file))
        }
        // To look for what is in it, it is read again.
        content if stored.is_disguised => {
            (of_file(path.to_owned(), &packed_input::lay_down(content)?, options, hex)?, None)
        }
        content => (once(path.to_owned(), content, options, hex)?, None),
    };
    let unpack = packing.map(|packing| Unpack::stream(path, packing));
    each(Checked { packing, unpack, damage: damage.get().cloned(), file, ..checked });
    Ok(())
}

/// Verifies an RDB on the calling thread and without progress, if it is a plain file of at most this many bytes.
///
/// # Errors
/// If it cannot be read.
pub fn alone(path: &Path, most: u64, options: &Options, hex: bool) -> io::Result<Option<Checked>> {
    if open::is_stream(path) {
        return Ok(None);
    }
    let mut input = open::open(path)?;
    if input.size.is_none_or(|size| size > most) || !packed_input::is_plain(&input.head(packed_input::HEAD)?) {
        return Ok(None);
    }
    if input.whole().is_none() {
        let options = Options { threads: Some(NonZero::<usize>::MIN), ..options.clone() };
        return again(path.to_owned(), input, &options, hex).map(Some);
    }
    in_memory(path.to_owned(), input.into_whole().unwrap_or_default(), options, hex).map(Some)
}

/// Verifies an RDB that was laid down.
fn of_file(path: PathBuf, file: &File, options: &Options, hex: bool) -> io::Result<Checked> {
    let mut reader = file;
    reader.rewind()?;
    let report = verify::file_at(file, options)?;
    let ends = Ends::of(file, 0)?;
    let looked = disguise::look(file, file.metadata()?.len(), ends.head(), report, options)?;
    let hex = hex::of(&looked.report, hex, |_, at, len| hex::read(file, at, len))?;
    Ok(Checked::new(path, looked, ends, hex))
}

/// Verifies an RDB that is not packed, and can be read again.
fn plain(path: PathBuf, input: Watched<Input>, options: &Options, hex: bool) -> io::Result<Checked> {
    if input.get().whole().is_none() {
        return again(path, input, options, hex);
    }
    in_memory(path, input.into_inner().into_whole().unwrap_or_default(), options, hex)
}

/// Verifies an RDB of which all bytes are there.
fn in_memory(path: PathBuf, bytes: Vec<u8>, options: &Options, hex: bool) -> io::Result<Checked> {
    let report = verify::slice(&bytes, options);
    let head = &bytes[..bytes.len().min(HEAD)];
    let looked = disguise::look(&bytes.as_slice(), bytes.len() as u64, head, report, options)?;
    let hex = hex::of(&looked.report, hex, |_, at, len| hex::read(io::Cursor::new(&bytes), at, len))?;
    Ok(Checked::new(path, looked, Ends::of_all(bytes), hex))
}

/// Verifies an RDB that can be read again.
pub(crate) fn again(
    path: PathBuf,
    mut input: impl Read + Seek + ReadAt,
    options: &Options,
    hex: bool,
) -> io::Result<Checked> {
    let base = input.stream_position()?;
    let report = verify::file_at(&input, options)?;
    let ends = Ends::of(&mut input, base)?;
    let size = input.seek(io::SeekFrom::End(0))?.saturating_sub(base);
    let looked = disguise::look(&input, size, ends.head(), report, options)?;
    let hex = hex::of(&looked.report, hex, |_, at, len| hex::read(&mut input, base.saturating_add(at), len))?;
    Ok(Checked::new(path, looked, ends, hex))
}

/// Verifies an RDB that can be read once. Of its bytes the ends alone can be shown.
fn once(path: PathBuf, input: impl Read + Send, options: &Options, hex: bool) -> io::Result<Checked> {
    let mut input = Kept::new(input);
    let report = verify::reader(&mut input, options)?;
    let ends = input.ends();
    let hex = hex::of(&report, hex, |_, at, len| Ok(ends.read(report.size, at, len)))?;
    Ok(Checked::new(path, Looked { report, disguise: None, cause: None }, ends, hex))
}

fn members(
    path: &Path,
    stored: Stored,
    options: &Options,
    (hex, keep): (bool, bool),
    mut each: impl FnMut(Checked),
) -> io::Result<()> {
    let (packing, unpacking) = (stored.packing, stored.damage.clone());
    let mut archive = stored.members()?;
    let damage = archive.is_damaged(unpacking.get());
    if let Some(why) = archive.warning().filter(|_| damage.is_none()) {
        say("rdbcheck", &format!("{}: {why}", path.display()));
    }
    let mut snapshots = archive.snapshots()?.into_iter().peekable();
    if snapshots.peek().is_none() {
        let why = "a tar without an RDB (aofcheck looks for append-only files)".to_owned();
        let why = damage.map_or(why.clone(), |damage| format!("{why}; {damage}"));
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    while let Some(member) = snapshots.next() {
        let Opened::File { file, .. } = archive.open(&member)? else { continue };
        // More than one is no work for a salvage.
        let file_kept = if keep { Some(packed_input::lay_down(file)?) } else { None };
        let Opened::File { file, .. } = archive.open(&member)? else { continue };
        let one = again(packed_input::member_path(path, &member), file, options, hex)?;
        // What is missing behind the last one belongs to no other.
        let damage = if snapshots.peek().is_none() { damage.clone() } else { None };
        let unpack = Some(Unpack::member(path, packing, archive.stored_name(&member).as_deref(), &member));
        each(Checked { packing, unpack, damage, file: file_kept, ..one });
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::progress::When;
    use crate::unpack::{Budget, MEMORY};

    /// Returns how often this thread has read so far.
    fn reads() -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").expect("the kernel counts");
        let count = io.lines().find_map(|line| line.strip_prefix("syscr: ")).expect("reads are counted");
        count.parse().expect("a number")
    }

    #[test]
    fn a_small_file_is_read_once() -> io::Result<()> {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/rdb/redis-7.0-functions.rdb"));
        let how = How { budget: Budget::Usual, memory: MEMORY, progress: When::Never };
        let mut cost = Vec::new();
        for files in [0, 1, 4] {
            let before = reads();
            for _ in 0..files {
                rdb(path, &Options::default(), how, (true, false), |one| assert_eq!(one.report.size, 404))?;
            }
            cost.push(reads() - before);
        }
        assert_eq!((cost[1] - cost[0], cost[2] - cost[0]), (1, 4), "{cost:?}");
        Ok(())
    }
}
