//! Input that cannot be read, or that changes while it is read. Nothing hangs.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};

use super::{Copy, aofcheck, run};
use crate::{Ran, TestResult, ran, testdata};

fn assert_unread(run: &Ran, reason: &str) {
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
    assert!(run.err.contains(reason) && run.err.lines().count() == 1, "{run:?}");
}

fn fifo(path: &Path) -> TestResult {
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

#[test]
fn what_is_no_append_only_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    fs::create_dir(at.join("empty"))?;
    fifo(&at.join("fifo"))?;
    assert_unread(&run(at, &["missing"])?, "aofcheck: missing: no such file or directory");
    assert_unread(&run(at, &["empty"])?, "no append-only file and no manifest in the directory");
    assert_unread(&run(at, &["fifo"])?, "not a regular file");
    assert_unread(&run(at, &["/dev/null"])?, "not a regular file");
    Ok(())
}

/// Where a part should be, a pipe: a server would wait for ever.
#[test]
fn a_pipe_in_a_set() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    let last = copy.file("appendonlydir/appendonly.aof.2.incr.aof");
    fs::remove_file(&last)?;
    fifo(&last)?;
    let run = copy.run(&["set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("manifest-not-a-file"), "{run:?}");
    Ok(())
}

/// The command as a user who may not read everything.
fn as_nobody(folder: &Path, args: &[&str]) -> Option<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aofcheck"));
    command.current_dir(folder).args(args);
    if !rustix::process::geteuid().is_root() {
        return Some(command);
    }
    // The binary may lie where nobody else can reach it.
    if let Err(error) = Command::new(command.get_program()).arg("--version").uid(65534).gid(65534).output() {
        eprintln!("not run: nobody else can start the command: {error}");
        return None;
    }
    command.uid(65534).gid(65534);
    Some(command)
}

#[test]
fn a_directory_without_permission() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    fs::set_permissions(copy.folder(), fs::Permissions::from_mode(0o755))?;
    let inside = copy.file("appendonlydir");
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o000))?;
    if let Some(mut command) = as_nobody(copy.folder(), &["set/appendonlydir"]) {
        assert_unread(&ran(command.output())?, "aofcheck: set/appendonlydir: Permission denied");
    }
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
    let part = copy.file("appendonlydir/appendonly.aof.1.incr.aof");
    fs::set_permissions(&part, fs::Permissions::from_mode(0o000))?;
    if let Some(mut command) = as_nobody(copy.folder(), &["set"]) {
        assert_unread(&ran(command.output())?, "set/appendonlydir/appendonly.aof.1.incr.aof: Permission denied");
    }
    Ok(())
}

/// A check needs no right to write; a fix that has none changes nothing and says so.
#[test]
fn a_directory_that_is_read_only() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    fs::set_permissions(copy.folder(), fs::Permissions::from_mode(0o755))?;
    for name in ["", "appendonlydir"] {
        fs::set_permissions(copy.file(name), fs::Permissions::from_mode(0o555))?;
    }
    if let Some(mut command) = as_nobody(copy.folder(), &["set"]) {
        let run = ran(command.output())?;
        assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{run:?}");
        let run = ran(command.args(["--fix", "--yes"]).output())?;
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains("nothing was changed: ") && run.err.contains("Permission denied"), "{run:?}");
    }
    assert!(copy.is_untouched()?);
    for name in ["", "appendonlydir"] {
        fs::set_permissions(copy.file(name), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// What a server appends meanwhile is not judged, and the report says that there is more.
#[test]
fn a_file_that_grows() -> TestResult {
    const RECORD: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("appendonly.aof");
    fs::write(&path, RECORD.repeat(400_000))?;
    let mut file = File::options().append(true).open(&path)?;
    let done = AtomicBool::new(false);
    let noted = thread::scope(|scope| -> Result<bool, Box<dyn std::error::Error>> {
        let writer = scope.spawn(|| -> std::io::Result<()> {
            while !done.load(Ordering::Relaxed) {
                file.write_all(RECORD)?;
                thread::sleep(Duration::from_micros(200));
            }
            Ok(())
        });
        let mut noted = false;
        for _ in 0..20 {
            let run = run(folder.path(), &["appendonly.aof"])?;
            if run.code != Some(0) {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(run.code, Some(0), "{run:?}");
            noted = run.out.contains("aof-grew-while-read");
            if noted {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer failed")??;
        Ok(noted)
    })?;
    assert!(noted);
    Ok(())
}

#[test]
fn several_paths_have_one_exit_code() -> TestResult {
    let folder = testdata().join("aof");
    let (sound, damaged) = ("sets/redis-7.0-custom-name", "cases/m005-trunc-last");
    for (inputs, code) in
        [(vec![sound, sound], 0), (vec![sound, "missing"], 2), (vec!["missing", damaged, sound], 1), (vec![damaged], 1)]
    {
        let run = run(&folder, &inputs)?;
        assert_eq!(run.code, Some(code), "{run:?}");
        let document = aofcheck(&folder, &["--json"]).args(&inputs).output()?;
        assert_eq!(document.status.code(), Some(code));
        crate::golden::assert_fits_the_schema(&folder, &String::from_utf8(document.stdout)?)?;
    }
    Ok(())
}

#[test]
fn demands_are_met_or_named() -> TestResult {
    let folder = testdata().join("aof/sets");
    for (args, code, said) in [
        (&["--require-checksum", "redis-7.0-history-kept"][..], 0, "sound"),
        (&["--require-checksum", "redis-7.0-timestamps-plain"], 1, "not as demanded: --require-checksum (it has none)"),
        (&["--expect-keys", "68", "redis-7.0-history-kept"], 0, "sound"),
        (&["--expect-keys", "69", "redis-7.0-history-kept"], 1, "--expect-keys 69 (its RDB image holds 68)"),
        (&["--quiet", "redis-7.0-history-kept"], 0, ""),
    ] {
        let run = run(&folder, args)?;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.out.lines().next().unwrap_or_default().contains(said), "{run:?}");
    }
    Ok(())
}
