//! Files that are made to exhaust whoever reads them, given to the command with 512 MiB of address space.
//!
//! It has to come to a verdict, soon, with no more memory at its peak than the design allows: 64 MiB besides the largest
//! packed value, as stored and decoded, and the tables of the search for duplicates.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::bombs::{self, Bomb};

/// In KiB, as the shell takes it. Stacks and reserved memory count.
const ADDRESS_SPACE: u64 = 512 << 10;
/// What everything but blobs and tables may take, in bytes.
const RESIDENT: u64 = 64 << 20;
/// What the tables may take, which is told to the command.
const TABLES: u64 = 128 << 20;
/// In a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// The peak of a process's resident memory so far, in bytes.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Runs the command on a file; gives its exit status, its peak, and what it printed.
fn run(path: &Path) -> (ExitStatus, u64, String) {
    let script = format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_rdbcheck"), "--progress", "never", "--duplicate-memory"])
        .arg(TABLES.to_string())
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let begun = Instant::now();
    let mut most = 0;
    let status = loop {
        // The mark only rises, so what is seen last is the peak but for the last moment.
        most = most.max(peak(&child).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if begun.elapsed() > LONGEST {
            child.kill().expect("it can be killed");
            break child.wait().expect("it can be waited for");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let output = child.wait_with_output().expect("its output can be read");
    let text = [output.stdout, output.stderr].concat();
    (status, most, String::from_utf8_lossy(&text).into_owned())
}

fn check(bomb: &Bomb, folder: &Path) -> Result<(), String> {
    let path = folder.join("bomb.rdb");
    let bytes = (bomb.write)();
    fs::write(&path, &bytes).expect("a file");
    let size = bytes.len();
    drop(bytes);
    let begun = Instant::now();
    let (status, peak, text) = run(&path);
    let took = begun.elapsed();
    let allowed = RESIDENT + bomb.blob + if bomb.names { TABLES } else { 0 };
    println!(
        "{:<60} {:>5} MiB file, {:>4} of {:>4} MiB, {:>5} ms, {status}",
        bomb.name,
        size >> 20,
        peak >> 20,
        allowed >> 20,
        took.as_millis()
    );
    let last: Vec<&str> = text.lines().rev().take(6).collect();
    if !matches!(status.code(), Some(0 | 1)) || took > LONGEST {
        return Err(format!("{}: {status} after {took:?}: {last:#?}", bomb.name));
    }
    if text.lines().count() > 2000 {
        return Err(format!("{}: {} lines", bomb.name, text.lines().count()));
    }
    if peak > allowed {
        return Err(format!("{}: {} MiB, but {} are allowed", bomb.name, peak >> 20, allowed >> 20));
    }
    Ok(())
}

#[test]
fn no_rdb_exhausts_the_command() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let wrong: Vec<String> = bombs::rdb().iter().filter_map(|bomb| check(bomb, folder.path()).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
