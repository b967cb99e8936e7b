//! Reads RDBs, from wherever they lie and however they are packed.

use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use redis_persistence::aof::official::{Files as _, Opened};
use redis_persistence::verify::{self, Options, Report};

use crate::ends::{Ends, Kept};
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
    /// How the input was packed.
    pub packing: Option<Packing>,
}

/// Verifies an RDB, or every RDB that is a member of a tar.
///
/// # Errors
/// If it cannot be read or unpacked, or if no RDB is in the tar.
pub fn rdb(path: &Path, options: &Options, how: How) -> io::Result<Vec<Checked>> {
    let stored = stored::open(path, how)?;
    if stored.is_tar {
        return members(path, stored, options);
    }
    let (packing, seekable) = (stored.packing, stored.seekable);
    let (report, ends) = match stored.content {
        Content::Plain(mut input) if seekable => {
            let base = input.stream_position()?;
            let report = verify::file(&mut input, options)?;
            (report, Ends::of(input, base)?)
        }
        content => once(content, options)?,
    };
    Ok(vec![Checked { path: path.to_owned(), report, ends, packing }])
}

/// Verifies an RDB that can be read once.
fn once(input: impl Read + Send, options: &Options) -> io::Result<(Report, Ends)> {
    let mut input = Kept::new(input);
    let report = verify::reader(&mut input, options)?;
    Ok((report, input.ends()))
}

fn members(path: &Path, stored: Stored, options: &Options) -> io::Result<Vec<Checked>> {
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
        let Opened::File { mut file, .. } = archive.open(&member)? else { continue };
        let report = verify::file(&mut file, options)?;
        let path = stored::member_path(path, &member);
        checked.push(Checked { path, report, ends: Ends::of(file, 0)?, packing });
    }
    Ok(checked)
}
