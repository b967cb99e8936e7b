//! What a server does with the files in a folder when it starts there.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use super::Installed;
use super::process::{Keyspace, Server, StartError};

/// What became of a start on some files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadVerdict {
    /// The server loaded them and answers.
    Loaded {
        /// Every database that is not empty. Keys that had expired are not among them.
        databases: BTreeMap<u32, Keyspace>,
        /// What it logged; here it says that it cut a tail off.
        log: String,
    },
    /// The server ended of its own will.
    Refused {
        /// Its exit status; no server refuses a file with 0.
        exit: Option<i32>,
        /// What it logged, the reason included.
        log: String,
    },
    /// The server was ended by a signal, or wrote a bug report.
    Crashed {
        /// The signal, such as 6 after a failed assertion and 11 after a wild access.
        signal: Option<i32>,
        /// What it logged.
        log: String,
    },
    /// The server was still loading after a minute.
    Hung {
        /// What it logged.
        log: String,
    },
}

impl LoadVerdict {
    /// Whether the server answers with these files loaded.
    #[must_use]
    pub const fn loads(&self) -> bool {
        matches!(self, Self::Loaded { .. })
    }
}

/// Starts a server in `dir` and says whether it loads what lies there: `dump.rdb`, or with `--appendonly yes` among
/// the settings the append-only files.
///
/// A server changes files while it loads them (it cuts a damaged tail off an append-only file, and creates one that is
/// missing): give it a copy.
///
/// # Errors
///
/// When the process cannot be started or asked.
pub fn load_verdict(installed: &Installed, dir: &Path, settings: &[&str]) -> io::Result<LoadVerdict> {
    match Server::start(installed, dir, settings) {
        Ok(mut server) => Ok(LoadVerdict::Loaded { databases: server.databases()?, log: server.log()? }),
        Err(StartError::Io(error)) => Err(error),
        Err(StartError::TimedOut { log }) => Ok(LoadVerdict::Hung { log }),
        Err(StartError::Exited { status, log }) => {
            let signal = signal(status);
            if signal.is_some() || log.contains("BUG REPORT START") {
                Ok(LoadVerdict::Crashed { signal, log })
            } else {
                Ok(LoadVerdict::Refused { exit: status.code(), log })
            }
        }
    }
}

/// The signal that ended a process.
#[cfg(unix)]
pub(super) fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// The signal that ended a process: there are none here.
#[cfg(not(unix))]
pub(super) fn signal(_status: ExitStatus) -> Option<i32> {
    None
}
