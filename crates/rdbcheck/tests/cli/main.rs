//! The commands as a whole: their reports, their exit codes, what they do with bad input; in `aof` those of `aofcheck`.

mod aof;
mod bad_input;
#[cfg(all(unix, feature = "packed", feature = "stores"))]
mod blocks;
mod broken;
mod counts;
#[cfg(unix)]
mod disguises;
mod disk;
#[cfg(all(unix, feature = "packed"))]
mod docs;
mod dumps;
mod forms;
mod golden;
#[cfg(feature = "packed")]
mod holes;
mod html;
#[cfg(feature = "packed")]
mod many;
mod options;
#[cfg(feature = "packed")]
mod packed;
#[cfg(unix)]
mod picture;
mod pipes;
mod planted;
mod readme;
mod salvage;
mod salvage_for;
#[cfg(unix)]
mod salvage_killed;
mod seals;
mod servers;
mod starts;
mod stats;
#[cfg(feature = "stores")]
mod stores;
mod summary;
mod users;
mod verbs;
#[cfg(feature = "stores")]
mod web;
#[cfg(unix)]
mod widths;
mod write;
mod written;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

type TestResult = Result<(), Box<dyn Error>>;

/// The time that every test runs at.
const NOW: &str = "1800000000";

/// The folder of the test data.
fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// The command in the folder of the sound files, at a fixed time.
fn rdbcheck(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.current_dir(testdata().join("rdb")).args(["--now", NOW]).args(args);
    // A run must end by itself, whatever it is given.
    command.timeout(std::time::Duration::from_secs(60));
    command
}

/// What a run printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(args: &[&str]) -> Result<Ran, Box<dyn Error>> {
    ran(rdbcheck(args).output())
}

fn ran(output: io::Result<Output>) -> Result<Ran, Box<dyn Error>> {
    let output = output?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    Ok(Ran { code: output.status.code(), out, err })
}

/// Fails where a child would not get an interrupt: who starts the tests may ignore it, as a shell does for what runs in the background, and
/// children inherit that.
#[cfg(target_os = "linux")]
fn interrupts_arrive() -> TestResult {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).ok_or("no SigIgn")?;
    let interrupt = 1 << (rustix::process::Signal::INT.as_raw() - 1);
    match u64::from_str_radix(ignored.trim(), 16)? & interrupt {
        0 => Ok(()),
        _ => Err("SIGINT is ignored here, so that it cannot be tested: start the tests in the foreground".into()),
    }
}

/// The bytes of one of the sound files.
fn sound(name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(testdata().join("rdb").join(name))
}
