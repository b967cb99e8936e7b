//! The seal of a set of append-only files: each of them up to the byte that it had.
//!
//! Commands are added to the last file while a server runs. So a file of commands may be longer than it was, and is the same as long as
//! what was sealed of it is. A base and a manifest are written once. A rewrite replaces them all: then the seal is of a set that is gone.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::{AofSet, Role};
use redis_persistence::verify::{self, Options, Verdict};
use serde::{Deserialize, Serialize};

use super::{Held, NoSeal, first_bytes_of, is_sum, read, regular};
use crate::input::parts::Parts;
use crate::units::{now_ms, number};

/// A seal of a set, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSet {
    schema_version: u32,
    tool: String,
    sealed_at: i64,
    files: Vec<StoredFile>,
    /// Commands of all files, and keys of the image at the start.
    commands: u64,
    keys: u64,
    verdict: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFile {
    /// Its name in its folder.
    name: String,
    role: String,
    size: u64,
    sha256: String,
}

/// Why a set is not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSealed {
    #[error("{}", crate::console::reason(.0))]
    Io(#[from] io::Error),
    #[error("it is {}", .0.as_str())]
    NotSound(Verdict),
    #[error("there is no append-only file")]
    Nothing,
    #[error("it was rewritten, or lost a file, while it was read")]
    Changed,
    #[error("the name of a file in it is no text")]
    Name,
}

/// Verifies a set, and returns its seal.
pub(crate) fn seal(path: &Path, options: &Options) -> Result<StoredSet, NotSealed> {
    // What is added from here on is not sealed.
    let before = Parts::find(path)?;
    if before.files.is_empty() {
        return Err(NotSealed::Nothing);
    }
    let report = verify::aof_path(path, options)?;
    if report.verdict != Verdict::Sound {
        return Err(NotSealed::NotSound(report.verdict));
    }
    let mut files = Vec::new();
    for file in &before.files {
        let bytes = first_bytes_of(&regular(&file.path)?, file.size)?;
        let name = file.path.file_name().and_then(|name| name.to_str()).ok_or(NotSealed::Name)?.to_owned();
        let (role, sha256) = (file.role.as_str().to_owned(), bytes.sha256.to_string());
        files.push(StoredFile { name, role, size: bytes.size, sha256 });
    }
    // One that became shorter is noticed here too.
    if !before.are_there()? {
        return Err(NotSealed::Changed);
    }
    Ok(StoredSet {
        schema_version: 1,
        tool: format!("aofcheck {}", env!("CARGO_PKG_VERSION")),
        sealed_at: now_ms() / 1000,
        files,
        commands: report.aof.as_ref().map_or(0, |facts| facts.commands),
        keys: report.counts.keys,
        verdict: report.verdict.as_str().to_owned(),
    })
}

impl StoredSet {
    /// Returns it in a few words.
    pub(crate) fn summary(&self) -> String {
        let size = self.files.iter().map(|file| file.size).sum();
        format!("{}, {}", number(self.files.len() as u64, "file"), crate::units::size(size))
    }
}

/// Holds a set against a seal.
pub(super) fn held(set: &AofSet, seal: &Path) -> Result<Held, NoSeal> {
    let was = read(seal, |seal: &StoredSet| seal.schema_version)?;
    if !was.files.iter().all(|file| is_sum(&file.sha256) && is_name(&file.name)) {
        return Err(NoSeal::Other("it names no files, or has sums that are none".to_owned()));
    }
    let mut differs = Vec::new();
    let mut grown = 0;
    for file in &was.files {
        let part = set.parts.iter().map(|part| &part.path).chain(set.manifest.iter().map(|of| &of.path));
        let found = part.into_iter().find(|part| part.file_name().is_some_and(|name| *name == *file.name));
        let Some(opened) = found.and_then(|part| regular(part).ok()) else {
            differs.push(format!("{} missing", file.name));
            continue;
        };
        let size = opened.metadata()?.len();
        // A base is written once; so is a manifest, until the next rewrite.
        let may_grow = file.role == Role::Incr.as_str() || was.files.len() == 1;
        if size < file.size || size > file.size && !may_grow {
            differs.push(format!("{} size", file.name));
        }
        if first_bytes_of(&opened, file.size)?.sha256.to_string() != file.sha256.to_ascii_lowercase() {
            differs.push(format!("{} sha256", file.name));
        }
        grown += size.saturating_sub(file.size);
    }
    for part in set.parts.iter().filter(|part| part.role.is_loaded()) {
        let name = part.path.file_name().unwrap_or_default();
        if !was.files.iter().any(|file| *name == *file.name) {
            differs.push(format!("{} added", name.to_string_lossy()));
        }
    }
    let grown = if differs.is_empty() { grown } else { 0 };
    Ok(Held::new(seal, was.sealed_at, differs, grown))
}

/// Returns whether it is the name of a file, and leads nowhere else.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}
