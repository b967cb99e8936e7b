//! Files that are made to exhaust whoever reads them, given to the commands with 512 MiB of address space: to verify, to plan a
//! repair, to salvage.
//!
//! They have to come to an end, soon, with no more memory at the peak than the design allows: 64 MiB besides the largest
//! packed value, as stored and decoded, and the tables: of the search for duplicates, and of a salvage.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Seek as _};
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

/// The peak of a process's resident memory so far, in bytes, once it runs that command: before, it has the memory of the test.
fn peak(child: &Child, command: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let name = status.lines().next()?.strip_prefix("Name:")?.trim();
    Path::new(command).file_name().filter(|file| *file == name)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Runs a command; gives its exit status, its peak, and what it printed.
fn run(command: &str, args: &[&OsStr]) -> (ExitStatus, u64, String) {
    // A pipe that nobody empties would stop it.
    let mut output = tempfile::tempfile().expect("a file");
    let stream = || Stdio::from(output.try_clone().expect("a second handle"));
    let script = format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\"");
    let tables = TABLES.to_string();
    let mut child = Command::new("sh")
        .args(["-c", &script, "sh", command, "--progress", "never", "--duplicate-memory", &tables])
        .args(args)
        .stdin(Stdio::null())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .expect("the shell starts");
    let begun = Instant::now();
    let mut most = 0;
    let status = loop {
        // The mark only rises, so what is seen last is the peak but for the last moment.
        most = most.max(peak(&child, command).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if begun.elapsed() > LONGEST {
            child.kill().expect("it can be killed");
            break child.wait().expect("it can be waited for");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut text = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut text)).expect("its output can be read");
    (status, most, String::from_utf8_lossy(&text).into_owned())
}

/// What a command is given, and what it may take.
struct Case<'a> {
    name: &'a str,
    command: &'a str,
    options: &'a [&'a str],
    path: &'a Path,
    /// In bytes.
    allowed: u64,
}

fn check(case: &Case<'_>) -> Result<(), String> {
    let begun = Instant::now();
    let args: Vec<&OsStr> = case.options.iter().map(OsStr::new).chain([case.path.as_os_str()]).collect();
    let (status, peak, text) = run(case.command, &args);
    let took = begun.elapsed();
    let what = format!("{} {}", case.name, case.options.first().unwrap_or(&""));
    println!("{what:<72} {:>4} of {:>4} MiB, {:>5} ms, {status}", peak >> 20, case.allowed >> 20, took.as_millis());
    let last: Vec<&str> = text.lines().rev().take(6).collect();
    if !matches!(status.code(), Some(0..=3)) || took > LONGEST || text.contains("panicked") {
        return Err(format!("{what}: {status} after {took:?}: {last:#?}"));
    }
    if text.lines().count() > 2000 && case.options != ["--timeline"] {
        return Err(format!("{what}: {} lines", text.lines().count()));
    }
    if peak == 0 && took > Duration::from_millis(500) {
        return Err(format!("{what}: its memory was not seen"));
    }
    if peak > case.allowed {
        return Err(format!("{what}: {} MiB, but {} are allowed", peak >> 20, case.allowed >> 20));
    }
    Ok(())
}

fn allowed(blob: u64, names: bool) -> u64 {
    RESIDENT + blob + if names { TABLES } else { 0 }
}

/// Reads, and salvages with a wrong checksum: else there is nothing to salvage in a file that is sound.
fn check_rdb(bomb: &Bomb, folder: &Path) -> Vec<String> {
    let (sound, damaged) = (folder.join("bomb.rdb"), folder.join("damaged.rdb"));
    let mut bytes = (bomb.write)();
    fs::write(&sound, &bytes).expect("a file");
    if let Some(checksum) = bytes.last_chunk_mut::<8>().filter(|last| **last == [0; 8]) {
        *checksum = [1; 8];
    }
    fs::write(&damaged, &bytes).expect("a file");
    let out = folder.join("saved.rdb");
    let salvage = ["--salvage", out.to_str().expect("a name in UTF-8"), "--force", "--partial"];
    let ways = [(&[][..], &sound), (&salvage, &damaged)];
    let wrong = ways.into_iter().filter_map(|(options, path)| {
        let command = env!("CARGO_BIN_EXE_rdbcheck");
        let allowed = allowed(bomb.blob, bomb.names);
        check(&Case { name: bomb.name, command, options, path, allowed }).err()
    });
    wrong.collect()
}

#[test]
fn no_rdb_exhausts_the_command() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let wrong: Vec<String> = bombs::rdb().iter().flat_map(|bomb| check_rdb(bomb, folder.path())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads, plans, salvages, and mends if it can: that comes last, as it may change the files.
fn check_aof(bomb: &bombs::Folder) -> Vec<String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let files = (bomb.write)();
    let path = folder.path().join(&files[0].0);
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    let out = folder.path().join("saved");
    let salvage = ["--salvage", out.to_str().expect("a name in UTF-8")];
    let ways = [&["--timeline"][..], &["--fix", "--dry-run"], &salvage, &["--preen", "--force-live"]];
    let wrong = ways.into_iter().filter_map(|options| {
        let command = env!("CARGO_BIN_EXE_aofcheck");
        let allowed = allowed(bomb.blob, bomb.names);
        check(&Case { name: bomb.name, command, options, path: &path, allowed }).err()
    });
    wrong.collect()
}

#[test]
fn no_append_only_file_exhausts_the_command() {
    let wrong: Vec<String> = bombs::aof().iter().flat_map(check_aof).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ten times as many inputs take no more memory, but for their names.
#[test]
fn many_inputs_take_no_more_than_few() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("e");
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/broken/many-duplicates.rdb");
    fs::copy(dump, &path).expect("a copy");
    for format in ["--json-lines", "--format=text"] {
        let peaks = [1500, 15_000].map(|inputs| {
            let mut args = vec![OsStr::new(format), OsStr::new("--threads=4")];
            args.extend(std::iter::repeat_n(path.as_os_str(), inputs));
            let (status, peak, text) = run(env!("CARGO_BIN_EXE_rdbcheck"), &args);
            assert_eq!(status.code(), Some(1), "{format}");
            let reports = text.lines().filter(|line| line.contains(path.to_str().expect("UTF-8"))).count();
            assert!(reports >= inputs && peak > 0, "{format}: {reports} of {inputs}");
            peak
        });
        println!("{format}: {} and {} KiB", peaks[0] >> 10, peaks[1] >> 10);
        // A name is held by the system, as an argument, and as a path.
        let names = 13_500 * 4 * (path.as_os_str().len() as u64 + 32);
        assert!(peaks[1] < peaks[0] + names + (4 << 20), "{format}: {peaks:?}");
    }
}
