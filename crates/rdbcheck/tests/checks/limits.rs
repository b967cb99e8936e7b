//! Files that are made to exhaust whoever reads them, given to the commands with 512 MiB of address space: to verify, to plan a
//! repair, to salvage.
//!
//! They have to come to an end, soon, with no more memory at the peak than the design allows: 64 MiB besides the largest
//! packed value, as stored and decoded, and the tables: of the search for duplicates, and of a salvage.
//!
//! `LIMITS_FULL=1` gives each input to every mode, with the memory that the project promises (600,000 KiB of address space, the
//! budget for duplicates as it is by default) and ten seconds of the processor for each megabyte that was begun; it prints a table.
#![cfg(target_os = "linux")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::bombs::{self, Bomb, Share};

/// In KiB, as the shell takes it. Stacks and reserved memory count.
const ADDRESS_SPACE: u64 = 512 << 10;
/// The same of the full run.
const FULL_ADDRESS_SPACE: u64 = 600_000;
/// Time of the processor for each megabyte that was begun, in the full run.
const EACH_MEGABYTE: Duration = Duration::from_secs(10);
/// What everything but blobs and tables may take, in bytes.
const RESIDENT: u64 = 64 << 20;
/// What the tables may take, which is told to the command.
const TABLES: u64 = 128 << 20;
/// In a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// What the table of the full run holds of duplicates is the default.
const FULL_TABLES: u64 = 256 << 20;

const RDBCHECK: &str = env!("CARGO_BIN_EXE_rdbcheck");
const AOFCHECK: &str = env!("CARGO_BIN_EXE_aofcheck");

fn is_full() -> bool {
    env::var_os("LIMITS_FULL").is_some()
}

/// The time of the processor that a process took so far. The clock of the kernel ticks a hundred times a second.
fn cpu(child: &Child) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

/// The peak of a process's resident memory so far, in bytes, once it runs that command: before, it has the memory of the test.
fn peak(child: &Child, command: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let name = status.lines().next()?.strip_prefix("Name:")?.trim();
    Path::new(command).file_name().filter(|file| *file == name)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// What became of a command.
struct Ran {
    status: ExitStatus,
    /// Its peak of resident memory, in bytes.
    peak: u64,
    /// Of the processor in the full run, of the clock otherwise.
    took: Duration,
    printed: String,
}

/// Runs a command for no longer than that.
fn run(command: &str, args: &[&OsStr], longest: Duration) -> Ran {
    // A pipe that nobody empties would stop it.
    let mut output = tempfile::tempfile().expect("a file");
    let stream = || Stdio::from(output.try_clone().expect("a second handle"));
    let (space, tables) = if is_full() { (FULL_ADDRESS_SPACE, FULL_TABLES) } else { (ADDRESS_SPACE, TABLES) };
    let script = format!("ulimit -v {space}; exec \"$@\"");
    let tables = tables.to_string();
    let mut child = Command::new("sh")
        .args(["-c", &script, "sh", command, "--progress", "never", "--duplicate-memory", &tables])
        .args(args)
        .stdin(Stdio::null())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .expect("the shell starts");
    let begun = Instant::now();
    let (mut most, mut took) = (0, Duration::ZERO);
    let status = loop {
        // The mark only rises, so what is seen last is the peak but for the last moment.
        most = most.max(peak(&child, command).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        took = if is_full() { cpu(&child).unwrap_or(took) } else { begun.elapsed() };
        if took > longest {
            child.kill().expect("it can be killed");
            break child.wait().expect("it can be waited for");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut text = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut text)).expect("its output can be read");
    Ran { status, peak: most, took, printed: String::from_utf8_lossy(&text).into_owned() }
}

/// What a command is given, and what it may take.
struct Case<'a> {
    name: &'a str,
    command: &'a str,
    options: &'a [&'a str],
    path: &'a Path,
    /// In bytes.
    allowed: u64,
    /// Whether all of the folder that it lies in is read.
    of_folder: bool,
    /// What it unpacks to, if it is packed: what a salvage writes has that size too.
    unpacked: u64,
}

fn check(case: &Case<'_>) -> Result<(), String> {
    let args: Vec<&OsStr> = case.options.iter().map(OsStr::new).chain([case.path.as_os_str()]).collect();
    let size = tree_size(case.path.parent().filter(|_| case.of_folder).unwrap_or(case.path)).max(case.unpacked);
    let megabytes = u32::try_from(size.div_ceil(1_000_000)).unwrap_or(u32::MAX).max(1);
    let longest = if is_full() { EACH_MEGABYTE * megabytes } else { LONGEST };
    let Ran { status, peak, took, printed: text } = run(case.command, &args, longest);
    let what = format!("{} {}", case.name, mode(case.options));
    println!(
        "{what:<72} {:>6} MB {:>4} of {:>4} MiB {:>6.2} s {status}",
        size / 1_000_000,
        peak >> 20,
        case.allowed >> 20,
        took.as_secs_f64()
    );
    let last: Vec<&str> = text.lines().rev().take(6).collect();
    if !matches!(status.code(), Some(0..=4)) || took > longest || text.contains("panicked") {
        return Err(format!("{what}: {status} after {took:?}: {last:#?}"));
    }
    let is_long = case.options.iter().any(|option| ["--timeline", "--json"].contains(option));
    // A tar has a report for each of its members.
    if text.lines().count() > 2000 && !is_long && case.unpacked == 0 {
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

/// The options that tell modes apart: their values are paths.
fn mode(options: &[&str]) -> String {
    let named: Vec<_> =
        options.iter().filter(|option| !option.contains('/') && **option != "--force").copied().collect();
    if named.is_empty() { "check".to_owned() } else { named.join(" ") }
}

/// What a file takes, or all files of a folder but for what was salvaged into it.
fn tree_size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let inside: u64 =
        entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|m| m.len()).sum();
    inside + fs::metadata(path).map_or(0, |found| if found.is_file() { found.len() } else { 0 })
}

fn allowed(blob: u64, names: bool) -> u64 {
    let tables = if is_full() { FULL_TABLES } else { TABLES };
    RESIDENT + blob + if names { tables } else { 0 }
}

/// Reads, and salvages with a wrong checksum: else there is nothing to salvage in a file that is sound.
fn check_rdb(bomb: &Bomb, folder: &Path) -> Vec<String> {
    let (sound, damaged) = (folder.join("bomb.rdb"), folder.join("damaged.rdb"));
    let mut bytes = (bomb.write)(Share::WHOLE);
    fs::write(&sound, &bytes).expect("a file");
    if let Some(checksum) = bytes.last_chunk_mut::<8>().filter(|last| **last == [0; 8]) {
        *checksum = [1; 8];
    }
    fs::write(&damaged, &bytes).expect("a file");
    let out = folder.join("saved.rdb");
    let out = out.to_str().expect("a name in UTF-8");
    let salvage = ["--salvage", out, "--force", "--partial"];
    let whole = ["--salvage", out, "--force"];
    let resp = ["--salvage", out, "--force", "--resp"];
    let mut ways = vec![(&[][..], &sound), (&salvage, &damaged)];
    if is_full() {
        let checks = [&["--for", "redis-newest"][..], &["--for", "valkey-newest"], &["--stats"], &["--json"]];
        ways.extend(checks.map(|options| (options, &sound)));
        ways.extend([(&whole[..], &damaged), (&resp, &damaged)]);
    }
    let wrong = ways.into_iter().filter_map(|(options, path)| {
        let command = RDBCHECK;
        let allowed = allowed(bomb.blob, bomb.names);
        let of_folder = false;
        check(&Case { name: bomb.name, command, options, path, allowed, of_folder, unpacked: 0 }).err()
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
    let files = (bomb.write)(Share::WHOLE);
    let path = folder.path().join(&files[0].0);
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    let out = folder.path().join("saved");
    let salvage = ["--salvage", out.to_str().expect("a name in UTF-8")];
    let mut ways = vec![&["--timeline"][..], &["--fix", "--dry-run"], &salvage, &["--preen", "--force-live"]];
    if is_full() {
        let checks = [&[][..], &["--for", "redis-newest"], &["--for", "valkey-newest"], &["--stats"], &["--json"]];
        ways.splice(0..0, checks);
    }
    let wrong = ways.into_iter().filter_map(|options| {
        let command = AOFCHECK;
        let allowed = allowed(bomb.blob, bomb.names);
        let of_folder = true;
        check(&Case { name: bomb.name, command, options, path: &path, allowed, of_folder, unpacked: 0 }).err()
    });
    wrong.collect()
}

#[test]
fn no_append_only_file_exhausts_the_command() {
    let wrong: Vec<String> = bombs::aof().iter().flat_map(check_aof).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is more than a thousand findings is listed too, and not held.
#[test]
fn findings_without_number_are_written_as_they_come() {
    const FINDINGS: u64 = 60_000;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("bomb.rdb");
    let mut writer = testkit::rdb::RdbWriter::redis(11);
    writer.select_db(0);
    for n in 0..FINDINGS {
        writer.key(16, &n.to_be_bytes()).str(b"no listpack");
    }
    fs::write(&path, writer.finish_with(0)).expect("a file");
    for format in ["--json", "--json-lines", "--format=text"] {
        let args = [format, "--max-findings=10000000"].map(OsStr::new);
        let Ran { status, peak, printed, .. } = run(RDBCHECK, &[&args[..], &[path.as_os_str()]].concat(), LONGEST);
        assert_eq!(status.code(), Some(1), "{format}");
        println!("{format}: {} MiB", peak >> 20);
        // What 60,000 of them would take in memory is as much again.
        assert!(peak < RESIDENT, "{format}: {peak} bytes");
        if format.starts_with("--json") {
            let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
            let file = if format == "--json" { &document["files"][0] } else { &document["file"] };
            let findings = file["findings"].as_array().map_or(0, Vec::len) as u64;
            assert_eq!((Some(findings), findings > FINDINGS), (file["findings_total"].as_u64(), true), "{format}");
        }
        if format == "--format=text" {
            assert!(printed.lines().count() as u64 > 2 * FINDINGS);
        }
    }
}

/// How many bytes an input unpacks to, as far as the command reads it.
fn unpacked(command: &str, input: &Path) -> u64 {
    let output = Command::new(command).arg("--json").arg(input).output().expect("it runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    report["files"].as_array().into_iter().flatten().filter_map(|file| file["size"].as_u64()).sum()
}

/// What was packed to exhaust the commands: in the full run, for it takes a while.
#[test]
fn no_packed_input_exhausts_the_commands() {
    if !is_full() {
        println!("LIMITS_FULL is not set: not run");
        return;
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/field");
    let out = tempfile::tempdir().expect("a folder");
    let [file, folder] = ["saved.rdb", "saved"].map(|name| out.path().join(name));
    let [file, folder] = [&file, &folder].map(|path| path.to_str().expect("a name in UTF-8"));
    let mut wrong = Vec::new();
    for case in fs::read_dir(cases).expect("cases").flatten() {
        let name = case.file_name().to_string_lossy().into_owned();
        // What lies beside the cases is no folder.
        if !name.starts_with("hostile-") {
            continue;
        }
        let input = fs::read_dir(case.path()).expect("files").flatten().next().expect("a file").path();
        let of_rdb = [&["--salvage", file, "--force", "--partial"][..], &["--salvage", file, "--force", "--resp"]];
        let of_aof = [&["--salvage", folder, "--force"][..], &["--fix", "--dry-run"], &["--timeline"]];
        for (command, own) in [(RDBCHECK, &of_rdb[..]), (AOFCHECK, &of_aof)] {
            let checks = [&[][..], &["--for", "redis-newest"], &["--json"]];
            let unpacked = unpacked(command, &input);
            for options in checks.iter().chain(own) {
                // Each holds names of many members, or windows of its packing.
                let allowed = allowed(64 << 20, true);
                let case = Case { name: &name, command, options, path: &input, allowed, of_folder: false, unpacked };
                wrong.extend(check(&case).err());
            }
        }
    }
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
            let Ran { status, peak, printed: text, .. } = run(RDBCHECK, &args, LONGEST);
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
