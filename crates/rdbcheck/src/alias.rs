//! The official names: `redis-check-rdb`, `redis-check-aof`, `valkey-check-rdb`, `valkey-check-aof`.
//!
//! Invoked under one of them, by link or copy, a command of ours is that tool, of Redis 8.6.3 or Valkey 9.1.2: its options,
//! lines, question, exit codes, and cuts in place. Where the tools crash, hang, or destroy what is good, it answers
//! instead, and what a cut takes away is saved first. What is said beyond the tools' lines stands behind them, on standard output.
//! `docs/operators.md` names these lines, and what else is not the same.
//!
//! ```text
//! argv[0] -> Name -> rdb::run | aof::run -> exit code 0 or 1
//! ```

mod aof;
mod output;
mod rdb;
mod statistics;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use redis_persistence::Limits;
use redis_persistence::official::Tool;

/// An official name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    text: &'static str,
    family: Tool,
    checks_rdb: bool,
}

const NAMES: [Name; 4] = [
    Name { text: "redis-check-rdb", family: Tool::Redis86, checks_rdb: true },
    Name { text: "redis-check-aof", family: Tool::Redis86, checks_rdb: false },
    Name { text: "valkey-check-rdb", family: Tool::Valkey91, checks_rdb: true },
    Name { text: "valkey-check-aof", family: Tool::Valkey91, checks_rdb: false },
];

impl Name {
    /// Returns the official name that a program was invoked under, by its file name.
    ///
    /// # Examples
    /// ```
    /// use rdbcheck::alias::Name;
    ///
    /// assert!(Name::of("/usr/bin/redis-check-aof".as_ref()).is_some());
    /// assert!(Name::of("/usr/bin/aofcheck".as_ref()).is_none());
    /// ```
    #[must_use]
    pub fn of(program: &OsStr) -> Option<Self> {
        let file = Path::new(program).file_name()?;
        NAMES.into_iter().find(|name| file == name.text)
    }

    /// Returns the line that the tool prints for `--version`.
    fn version(self) -> String {
        let version = if self.family == Tool::Valkey91 { "9.1.2" } else { "8.6.3" };
        let build = concat!("rdbcheck-", env!("CARGO_PKG_VERSION"));
        format!("{} v={version} sha=00000000:0 malloc=libc bits=64 build={build}", self.text)
    }
}

/// What a tool was invoked with.
#[derive(Debug)]
struct Invocation {
    name: Name,
    /// As it was called, for the usage.
    program: OsString,
    arguments: Vec<OsString>,
}

/// Is the tool whose name the program was invoked under, if that is one of the official ones.
#[must_use]
pub fn dispatch(mut argv: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let program = argv.next()?;
    let name = Name::of(&program)?;
    let invocation = Invocation { name, program, arguments: argv.collect() };
    let exit = if name.checks_rdb { rdb::run(&invocation) } else { aof::run(&invocation) };
    Some(ExitCode::from(exit))
}

fn limits() -> Limits {
    Limits::default()
}

/// Returns a path that no call of the system takes.
fn is_too_long(path: &OsStr) -> bool {
    const PATH_MAX: usize = 4096;
    path.len() >= PATH_MAX
}

fn is_version_option(argument: &OsStr) -> bool {
    argument == "-v" || argument == "--version"
}

/// Returns the folder that takes what a cut in this file takes away: that of the file, or, where it belongs to a set with a
/// manifest, the one above, so that no server has to look at it.
fn backup_dir(file: &Path, in_a_set: bool) -> PathBuf {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if in_a_set { folder.join("..") } else { folder.to_owned() }
}
