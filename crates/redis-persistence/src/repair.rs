//! Repair: a plan that is plain data first, and then, if one agrees, the changes.
//!
//! ```text
//! files -> plan -> describe() -> (a question) -> apply() -> a record -> undo()
//! ```
//!
//! Making a plan writes nothing. [`apply`] is the only thing here that changes a file, and its order is fixed: what is taken
//! away is saved and synced first, then the record is written and synced, and only then is the first file changed. Killed
//! at any moment it leaves each file whole, old or new, and running it again finishes.
//!
//! ```text
//! in the backup folder    <file>.<stamp>.tail      the bytes that a cut took off
//!                         <file>.<stamp>.old       the former content of a file that was rewritten
//!                         <file>.<stamp>.aside     a file that left the set
//!                         repair.<stamp>.undo      the record, from which `undo` restores the former state; it belongs to
//!                                                  who made the repair, and is refused if it belongs to somebody else
//! anywhere                <file>.<stamp>.<kind>.part   a file that was being written when the run was killed; the next run
//!                                                     removes it
//! ```
//! The stamp is the time of the repair, `20260131T235959Z`.
//!
//! Changes need a Unix: elsewhere [`apply`] and [`undo`] answer [`ApplyError::Unsupported`].

pub mod aof;
#[cfg(unix)]
mod apply;
mod cut_loss;
#[cfg(unix)]
mod disk;
mod error;
#[cfg(unix)]
mod folder;
mod history;
mod identity;
#[cfg(unix)]
mod leftovers;
mod manifest;
#[cfg(unix)]
mod new_folder;
mod output;
mod plan;
pub mod rdb;
#[cfg(unix)]
mod record;
#[cfg(unix)]
mod save;
#[cfg(unix)]
mod undo;
mod walk;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
pub use apply::{apply, files_meant};
pub use error::ApplyError;
pub use identity::FileIdentity;
#[cfg(unix)]
pub use new_folder::{check_folder, write_folder};
pub use output::{Existing, check_output, write_output};
pub use plan::{Cut, Loss, Plan, Rewrite, SetAside, Step};
#[cfg(unix)]
pub use undo::{Undo, undo};

/// How to apply a plan, or to undo one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Where what is taken away is saved; the plan's own folder if none is named.
    pub backup_dir: Option<PathBuf>,
    /// Go on although a process has a file open for writing, or a file was written to since it was read. What the plan looked
    /// at must still be there.
    pub force_live: bool,
    /// How long to wait for another repair of the same folders to end.
    pub lock_wait: Duration,
    /// The set that an undo may change, where it does not lie beside its record: its folder, one above it, or a file in it.
    pub set: Option<PathBuf>,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self { backup_dir: None, force_live: false, lock_wait: Duration::from_secs(1), set: None }
    }
}

/// Returns what the check whether another process has a file open cannot see here, in a sentence; nothing if it sees all.
#[must_use]
pub fn unseen_processes() -> Option<String> {
    #[cfg(unix)]
    return disk::unseen();
    #[cfg(not(unix))]
    return None;
}

/// What a repair has just done. Every one of these is also a moment at which a kill must do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// So much of a file was written.
    Writing {
        /// The file that is being written.
        path: &'a std::path::Path,
        /// How many bytes of it.
        done: u64,
        /// How many there will be; 0 where that is not known.
        total: u64,
    },
    /// A file is complete and synced, under its temporary name.
    Synced(&'a std::path::Path),
    /// A file has its final name, and the folder is synced.
    Placed(&'a std::path::Path),
    /// Everything is saved and recorded; the changes begin.
    Recorded(&'a std::path::Path),
    /// A file was changed, and is not yet synced.
    Changed(&'a std::path::Path),
    /// A file was changed and synced.
    Done(&'a std::path::Path),
}

/// Takes the progress as it comes.
pub type Hook<'a> = dyn FnMut(Progress<'_>) + 'a;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The record: give it to [`undo`] to go back.
    pub record: PathBuf,
    /// Where the bytes are that were taken away.
    pub saved: Vec<PathBuf>,
}

/// What undoing a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undone {
    /// The files that have their former content again.
    pub restored: Vec<PathBuf>,
    /// The files that had it already.
    pub untouched: Vec<PathBuf>,
}

/// Applies a plan.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn apply(_: &Plan, _: &ApplyOptions, _: &mut Hook<'_>) -> Result<Applied, ApplyError> {
    Err(ApplyError::Unsupported)
}

/// Undoes a repair.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn undo(_: &std::path::Path, _: &ApplyOptions, _: &mut Hook<'_>) -> Result<Undone, ApplyError> {
    Err(ApplyError::Unsupported)
}

/// Writes a folder.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn write_folder(
    _: &std::path::Path,
    _: &[PathBuf],
    _: impl FnOnce(&std::path::Path) -> std::io::Result<()>,
    _: impl FnOnce(&std::path::Path) -> std::io::Result<()>,
) -> Result<(), ApplyError> {
    Err(ApplyError::Unsupported)
}

/// Tells whether a folder can be written.
///
/// # Errors
/// Always [`ApplyError::Unsupported`] on this system.
#[cfg(not(unix))]
pub fn check_folder(_: &std::path::Path) -> Result<(), ApplyError> {
    Err(ApplyError::Unsupported)
}
