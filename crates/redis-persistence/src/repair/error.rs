//! Why a repair was not made, or not to its end.

use std::io;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

/// Why a repair was not made, or not to its end. But for [`ApplyError::Stopped`], no file was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The plan has no steps.
    #[error("there is nothing to do")]
    Nothing,
    /// A file is not as it was when the plan was made.
    #[error("{} is not as it was when it was read: {what}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is different.
        what: &'static str,
    },
    /// A process has a file open for writing.
    #[error("{} is open for writing in process {pid} ({name})", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The number of the process.
        pid: u32,
        /// The name of the process.
        name: String,
    },
    /// Another process holds the folder.
    #[error("{} is locked by {holder}: another repair is at work there, or somebody is in its way", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, as far as can be told.
        holder: String,
    },
    /// Something that no repair writes to, follows or takes for granted.
    #[error("{} is refused: {why}", path.display())]
    Refused {
        /// What is refused.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is too little room for what has to be saved first.
    #[error("{wanted} bytes have to be saved in {}, where {free} are free", folder.display())]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// How many bytes will be written.
        wanted: u64,
        /// How many are free.
        free: u64,
    },
    /// A file that has to be replaced cannot be given the owner, mode or attributes of the old one.
    #[error("the {what} of {} cannot be kept: {source}", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What would be lost.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused something.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A record that cannot be read, or is damaged.
    #[error("{} is no sound record of a repair: {what}", path.display())]
    BadRecord {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file is neither as the repair left it nor as it found it.
    #[error("{} is neither as the repair left it nor as it was before: {what}", path.display())]
    NotAsLeft {
        /// The file.
        path: PathBuf,
        /// What is different.
        what: &'static str,
    },
    /// The changes had begun. Running the same again finishes, and the record takes back what was done.
    #[error("stopped after {done} of {steps} changes: {source}")]
    Stopped {
        /// The record.
        record: PathBuf,
        /// How many changes were made.
        done: usize,
        /// How many there were to make.
        steps: usize,
        /// Why.
        source: Box<ApplyError>,
    },
    /// This system is none of those on which files can be changed safely.
    #[error("changing files is not supported on this system")]
    Unsupported,
}

#[cfg(unix)]
impl ApplyError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(super) fn refused(path: &Path, why: &str) -> Self {
        Self::Refused { path: path.to_owned(), why: why.to_owned() }
    }

    pub(super) fn changed(path: &Path, what: &'static str) -> Self {
        Self::Changed { path: path.to_owned(), what }
    }

    pub(super) fn not_as_left(path: &Path, what: &'static str) -> Self {
        Self::NotAsLeft { path: path.to_owned(), what }
    }
}
