//! What a server did with a file.

// Each test that includes this file uses a part of it.
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::server::{Installed, ReadVerdict, Server, StartError};

/// Files this small take no time: a server that needs longer has lost its way.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a server did with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// It loaded the file, and so many keys could be read.
    Read(u64),
    /// It loaded the file, and ended at that command.
    DiedAt(String),
    /// It said why not, and ended.
    Refused,
    Crashed,
    /// It neither came up nor ended.
    Hung,
}

impl Did {
    /// How an answer calls it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::DiedAt(_) => "loads",
            Self::Refused => "refuses",
            Self::Crashed => "crashes",
            Self::Hung => "hangs",
        }
    }
}

/// Starts the server in a folder of its own on the file, and reads every key; answers its log too.
pub fn did(
    installed: &Installed,
    folder: &Path,
    bytes: &[u8],
    settings: &[&str],
    patience: Duration,
) -> Result<(Did, String), Box<dyn Error>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("dump.rdb"), bytes)?;
    // While it writes its report a crashed server is still there.
    let crashed = |log: &str| log.contains("BUG REPORT START") || log.contains("crashed by signal");
    match Server::start_within(installed, folder, settings, patience) {
        Ok(mut server) => {
            let did = match server.read_all() {
                ReadVerdict::Read { keys } => Did::Read(keys),
                ReadVerdict::Died { command } => Did::DiedAt(command),
            };
            Ok((did, server.log()?))
        }
        Err(StartError::Io(error)) => Err(error.into()),
        Err(StartError::TimedOut { log }) => Ok((if crashed(&log) { Did::Crashed } else { Did::Hung }, log)),
        Err(StartError::Exited { status, log }) => {
            let did = if status.code().is_none() || crashed(&log) { Did::Crashed } else { Did::Refused };
            Ok((did, log))
        }
    }
}
