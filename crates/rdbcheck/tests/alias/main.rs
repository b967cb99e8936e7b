//! The command under the official names, by link: options, lines, exit codes, and cuts in place.

mod aof;
mod rdb;
mod twins;

use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

type TestResult = Result<(), Box<dyn Error>>;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// A folder with a link to the command under each official name.
struct Links(TempDir);

impl Links {
    fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["redis-check-rdb", "redis-check-aof", "valkey-check-rdb", "valkey-check-aof"] {
            symlink(env!("CARGO_BIN_EXE_rdbcheck"), folder.path().join(name))?;
        }
        Ok(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run<A: AsRef<OsStr>>(&self, name: &str, arguments: &[A], input: &str) -> io::Result<Ran> {
        let mut command = Command::new(self.path(name));
        // A run must end by itself, whatever it is given.
        command.args(arguments).write_stdin(input).timeout(Duration::from_secs(60));
        let Output { status, stdout, stderr } = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran { code: status.code(), out: text(&stdout), err: text(&stderr) })
    }
}

/// What a run printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn has_line(&self, line: &str) -> bool {
        self.out.lines().any(|said| said == line)
    }
}

#[test]
fn versions_and_usage() -> TestResult {
    let links = Links::new()?;
    for (name, version) in [
        ("redis-check-rdb", "8.6.3"),
        ("redis-check-aof", "8.6.3"),
        ("valkey-check-rdb", "9.1.2"),
        ("valkey-check-aof", "9.1.2"),
    ] {
        for option in ["-v", "--version"] {
            let ran = links.run(name, &[option], "")?;
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert!(ran.out.starts_with(&format!("{name} v={version} ")), "{ran:?}");
        }
        // Behind it only valkey-check-rdb takes more.
        let more = links.run(name, &["--version", "x"], "")?;
        let is_taken = more.out.starts_with(&format!("{name} v={version} "));
        assert_eq!((is_taken, more.code), (name == "valkey-check-rdb", Some(i32::from(!is_taken))), "{more:?}");
        let ran = links.run::<&str>(name, &[], "")?;
        assert_eq!(ran.code, Some(1));
        let usage = format!("Usage: {} ", links.path(name).display());
        // The RDB tools say it on standard error, the AOF tools on standard output.
        let (said, silent) = if name.ends_with("rdb") { (&ran.err, &ran.out) } else { (&ran.out, &ran.err) };
        assert!(said.starts_with(&usage) && silent.is_empty(), "{ran:?}");
        // No other name is a tool.
        assert_eq!(links.run(name, &["a", "b", "c", "d"], "")?.code, Some(1));
    }
    Ok(())
}

#[test]
fn under_its_own_name_it_is_itself() -> TestResult {
    let ran = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).arg("--version").output()?;
    assert!(String::from_utf8(ran.stdout)?.starts_with("rdbcheck "));
    Ok(())
}

#[test]
fn every_command_is_every_tool() -> TestResult {
    let folder = tempfile::tempdir()?;
    let links = Links(folder);
    for name in ["redis-check-rdb", "valkey-check-aof"] {
        symlink(env!("CARGO_BIN_EXE_aofcheck"), links.path(name))?;
        let ran = links.run(name, &["--version"], "")?;
        assert!(ran.code == Some(0) && ran.out.starts_with(name), "{ran:?}");
    }
    Ok(())
}
