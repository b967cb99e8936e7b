//! The command is killed while it writes: the input is never lost, nothing half written has its final name, and the next run
//! finishes.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use super::{Copy, files};
use crate::TestResult;

const RECORD: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
/// Enough to be seen half written.
const RECORDS: usize = 40_000;
/// As many changes can be seen, or a few more.
const CHANGES: usize = 6;

/// A single file that begins with sound records, as the only one of a folder.
fn input(behind: &[u8]) -> Result<Copy, Box<dyn Error>> {
    let mut copy = Copy::of("cases/s003-trunc-payload")?;
    fs::write(copy.file("appendonly.aof"), [&RECORD.repeat(RECORDS), behind].concat())?;
    copy.before = files(&copy.folder().join("set"))?;
    Ok(copy)
}

fn start(copy: &Copy, args: &[&str], limit: Option<usize>) -> io::Result<Child> {
    let mut command = match limit {
        None => Command::new(env!("CARGO_BIN_EXE_aofcheck")),
        Some(blocks) => {
            let mut shell = Command::new("sh");
            let script = format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_aofcheck")]);
            shell
        }
    };
    command.current_dir(copy.folder()).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// What a folder looks like from outside: the names in it, and whether a file has grown by another block.
fn look(folder: &Path, seen: &mut BTreeMap<PathBuf, u64>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // It may be gone already.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => look(&path, seen).or_else(gone)?,
            Ok(found) => drop(seen.insert(path, found.len().div_ceil(1 << 18))),
            Err(error) => gone(error)?,
        }
    }
    Ok(())
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Runs the command and kills it at its n-th change that can be seen; tells whether it was.
fn killed(copy: &Copy, args: &[&str], change: usize) -> Result<bool, Box<dyn Error>> {
    let mut child = start(copy, args, None)?;
    let (mut last, mut changes) = (None, 0);
    loop {
        let mut now = BTreeMap::new();
        look(copy.folder(), &mut now)?;
        if last.as_ref().is_some_and(|last| *last != now) {
            changes += 1;
            if changes > change {
                child.kill()?;
                return Ok(child.wait()?.signal() == Some(9));
            }
        }
        last = Some(now);
        if let Some(status) = child.try_wait()? {
            // A salvage leaves out what cannot be read.
            let done = if args.contains(&"--salvage") { 4 } else { 0 };
            assert_eq!(status.code(), Some(done), "{args:?}");
            return Ok(false);
        }
    }
}

/// Kills the command at every change that can be seen, and at every so many bytes of a file, and hands over what is left.
fn each_kill(behind: &[u8], args: &[&str], check: impl Fn(&Copy) -> TestResult) -> TestResult {
    let rounds: usize = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let mut kills = 0;
    for change in (0..CHANGES).cycle().take(CHANGES * rounds) {
        let copy = input(behind)?;
        let was_killed = killed(&copy, args, change)?;
        check(&copy).map_err(|error| format!("{args:?}, change {change}: {error}"))?;
        kills += usize::from(was_killed);
    }
    // On a busy machine it may be done before the next look.
    assert!(kills > 0, "{args:?}");
    // The system ends who writes beyond a limit: that is in the middle of a write.
    for limit in [0, 1, 100, 2000].repeat(rounds) {
        let copy = input(behind)?;
        let status = start(&copy, args, Some(limit))?.wait()?;
        assert!(!status.success(), "{args:?}, a limit of {limit}: {status}");
        check(&copy).map_err(|error| format!("{args:?}, a limit of {limit}: {error}"))?;
    }
    println!("{args:?}: {} kills", kills + 4 * rounds);
    Ok(())
}

/// After a repair that was killed: the input is as it was, or cut with the rest saved; the same again finishes, and all of it
/// can be taken back.
fn repair_is_safe(copy: &Copy, args: &[&str]) -> TestResult {
    let set = copy.folder().join("set");
    let old = copy.before.values().next().ok_or("no input")?;
    let kept = RECORD.len() * RECORDS;
    let now = fs::read(copy.file("appendonly.aof"))?;
    if now != *old {
        assert_eq!(now.len(), kept, "it is neither whole nor cut");
        assert_eq!(fs::read(copy.ending(".tail")?)?, old[kept..], "what was cut is not saved");
        copy.ending(".undo")?;
    }
    let again = copy.run(args)?;
    assert_eq!((again.code, fs::read(copy.file("appendonly.aof"))?.len()), (Some(0), kept), "{again:?}");
    let left = files(&set)?;
    assert!(!left.keys().any(|path| path.extension().is_some_and(|end| end == "part")), "{:?}", left.keys());
    let undone = copy.run(&["--undo", &copy.ending(".undo")?.to_string_lossy(), "--yes"])?;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(fs::read(copy.file("appendonly.aof"))?, *old);
    Ok(())
}

#[test]
fn a_fix_is_safe() -> TestResult {
    let args = ["--fix", "--yes", "set/appendonly.aof"];
    each_kill(&[b"garbage", &[0xAA; 3 << 20][..]].concat(), &args, |copy| repair_is_safe(copy, &args))
}

#[test]
fn a_preen_is_safe() -> TestResult {
    let args = ["--preen", "set/appendonly.aof"];
    each_kill(&[0; 3 << 20], &args, |copy| repair_is_safe(copy, &args))
}

#[test]
fn a_salvage_is_safe() -> TestResult {
    let behind = [b"garbage", &RECORD.repeat(1000)[..]].concat();
    let args = ["--salvage", "out", "set/appendonly.aof"];
    each_kill(&behind, &args, |copy| {
        assert!(copy.is_untouched()?, "the input was changed");
        let out = copy.folder().join("out");
        if !out.exists() {
            assert_eq!(copy.run(&args)?.code, Some(4));
        }
        let names: Vec<_> =
            files(&out)?.into_keys().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
        assert_eq!(names, ["appendonly.aof", "salvage.quarantine", "salvage.report"]);
        assert_eq!(fs::metadata(out.join("appendonly.aof"))?.len(), (RECORD.len() * (RECORDS + 1000)) as u64);
        // The next run has removed what this one left.
        assert_eq!(fs::read_dir(copy.folder())?.count(), 2);
        Ok(())
    })
}
