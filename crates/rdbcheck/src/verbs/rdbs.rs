//! The RDBs of an input: the file itself, unpacked, or the members of a tar.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use redis_persistence::ReadError;
use redis_persistence::aof::dir::{Files as _, Opened};

use super::Failed;
use crate::exit::Exit;
use crate::input::packed_input::{self, Content, How};

/// Reads an RDB, and says what failed.
pub(crate) type Use<'u, T> = &'u mut dyn FnMut(&mut dyn Read) -> Result<T, ReadError>;

/// Hands each RDB of an input to `with`, and the path that names it beside what comes of it.
pub(crate) fn each<T>(path: &Path, how: How, with: Use<'_, T>) -> Vec<Result<(PathBuf, T), Failed>> {
    match all(path, how, with) {
        Ok(results) => results,
        Err(error) => vec![Err(Failed::of_io(path.to_owned(), &error))],
    }
}

fn all<T>(path: &Path, how: How, with: Use<'_, T>) -> io::Result<Vec<Result<(PathBuf, T), Failed>>> {
    let stored = packed_input::open(path, how)?;
    let unpacking = stored.damage.clone();
    if !stored.is_tar {
        let mut content: Content = stored.content;
        let result = with(&mut content).map_err(|error| Failed::of_read(path.to_owned(), &error));
        // What follows the RDB is read too: the packing may be damaged there.
        let rest = io::copy(&mut content, &mut io::sink());
        return Ok(vec![match (result, rest, unpacking.get()) {
            (_, _, Some(damage)) => Err(damaged(path, damage)),
            (Ok(_), Err(error), None) => Err(Failed::of_io(path.to_owned(), &error)),
            (result, ..) => result.map(|made| (path.to_owned(), made)),
        }]);
    }
    let mut archive = stored.members()?;
    if let Some(damage) = archive.is_damaged(unpacking.get()) {
        return Ok(vec![Err(damaged(path, &damage))]);
    }
    let snapshots = archive.snapshots()?;
    if snapshots.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "a tar without an RDB"));
    }
    let mut results = Vec::new();
    for member in snapshots {
        let Opened::File { mut file, .. } = archive.open(&member)? else { continue };
        let named = packed_input::member_path(path, &member);
        results.push(match with(&mut file) {
            Ok(made) => Ok((named, made)),
            Err(error) => Err(Failed::of_read(named, &error)),
        });
    }
    Ok(results)
}

fn damaged(path: &Path, damage: &str) -> Failed {
    Failed { path: path.to_owned(), why: damage.to_owned(), exit: Exit::Damaged }
}
