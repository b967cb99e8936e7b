//! The members of a tar, and where they lie in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::Place;

/// How many members are listed.
const MOST: usize = 1 << 20;

/// Lists the regular files of a tar that begins at `start`. Of several under one name the last one counts, as for who unpacks
/// it.
pub(super) fn members(mut file: &File, start: u64) -> io::Result<BTreeMap<PathBuf, Place>> {
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(start))?;
    let mut archive = tar::Archive::new(file);
    let mut members = BTreeMap::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry.map_err(|error| damaged(&error.to_string()))?;
        let kind = entry.header().entry_type();
        let path = plain(Path::new(OsStr::from_bytes(&entry.path_bytes())));
        if kind.is_gnu_sparse() {
            return Err(damaged(&format!("{} is stored with holes; unpack it first", path.display())));
        }
        if !kind.is_file() && !kind.is_contiguous() {
            continue;
        }
        let place = Place { start: start.saturating_add(entry.raw_file_position()), size: entry.size() };
        if place.start.checked_add(place.size).is_none_or(|after| after > end) {
            return Err(damaged(&format!("it ends inside {}", path.display())));
        }
        members.insert(path, place);
        if members.len() == MOST {
            return Err(damaged("it has more than a million members"));
        }
    }
    Ok(members)
}

/// The path as files of the tar refer to each other: `./data/dump.rdb` is `data/dump.rdb`. Nothing is ever written there.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("tar: {what}"))
}
