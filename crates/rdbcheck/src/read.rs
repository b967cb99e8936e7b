//! Reads RDBs, from wherever they lie and however they are packed.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use redis_persistence::aof::official::{Files as _, Opened};
use redis_persistence::verify::{self, Options, ReadAt, Report};

use crate::ends::{Ends, Kept};
use crate::hex::{self, Span};
use crate::stored::{self, Content, How, Stored};
use crate::unpack::Packing;

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
}

/// Verifies an RDB, or every RDB that is a member of a tar.
///
/// # Errors
/// If it cannot be read or unpacked, or if no RDB is in the tar.
pub fn rdb(path: &Path, options: &Options, how: How, hex: bool) -> io::Result<Vec<Checked>> {
    let stored = stored::open(path, how)?;
    if stored.is_tar {
        return members(path, stored, options, hex);
    }
    let (packing, seekable) = (stored.packing, stored.seekable);
    let checked = match stored.content {
        Content::Plain(input) if seekable => again(path.to_owned(), input, options, hex)?,
        content => once(path.to_owned(), content, options, hex)?,
    };
    Ok(vec![Checked { packing, ..checked }])
}

/// An RDB that was read at `path`, or in it, as a file: the input itself, or a copy of what is packed.
///
/// # Errors
/// If it cannot be read or unpacked any more, or there is no room for the copy.
pub fn as_file(path: &Path, member: &Path, how: How) -> io::Result<File> {
    let stored = stored::open(path, how)?;
    if !stored.is_tar {
        return stored.laid_down();
    }
    let mut archive = stored.members()?;
    let name = archive.snapshots()?.into_iter().find(|name| stored::member_path(path, name) == member);
    match archive.open(&name.ok_or(io::ErrorKind::NotFound)?)? {
        Opened::File { file, .. } => stored::lay_down(file),
        Opened::Directory => Err(io::ErrorKind::IsADirectory.into()),
    }
}

/// Verifies an RDB that can be read again.
fn again(path: PathBuf, mut input: impl Read + Seek + ReadAt, options: &Options, hex: bool) -> io::Result<Checked> {
    let base = input.stream_position()?;
    let report = verify::file_at(&input, options)?;
    let ends = Ends::of(&mut input, base)?;
    let hex = hex::of(&report, hex, |_, at, len| hex::read(&mut input, base.saturating_add(at), len))?;
    Ok(Checked { path, report, ends, hex, packing: None })
}

/// Verifies an RDB that can be read once. Of its bytes the ends alone can be shown.
fn once(path: PathBuf, input: impl Read + Send, options: &Options, hex: bool) -> io::Result<Checked> {
    let mut input = Kept::new(input);
    let report = verify::reader(&mut input, options)?;
    let ends = input.ends();
    let hex = hex::of(&report, hex, |_, at, len| Ok(ends.read(report.size, at, len)))?;
    Ok(Checked { path, report, ends, hex, packing: None })
}

fn members(path: &Path, stored: Stored, options: &Options, hex: bool) -> io::Result<Vec<Checked>> {
    let packing = stored.packing;
    let mut archive = stored.members()?;
    let snapshots = archive.snapshots()?;
    if snapshots.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "a tar without an RDB (aofcheck looks for append-only files)",
        ));
    }
    let mut checked = Vec::new();
    for member in snapshots {
        let Opened::File { file, .. } = archive.open(&member)? else { continue };
        let one = again(stored::member_path(path, &member), file, options, hex)?;
        checked.push(Checked { packing, ..one });
    }
    Ok(checked)
}
