//! A second user, whatever can lie under a name that a repair would use, and more files than a process may have open.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::folder::files;
use testkit::resp::AofWriter;

use super::elsewhere::is_root;
use super::{Copy, aofcheck};
use crate::{Ran, TestResult, ran};

/// A set whose last incremental file ends in half a command.
const CUT: &str = "cases/m005-trunc-last";
const PART: &str = "appendonlydir/appendonly.aof.2.incr.aof";
/// Two users that own nothing.
const NOBODY: u32 = 65_534;
const SOMEBODY: u32 = 12_345;

/// Lets every user enter the folder, and puts the command into it.
fn open_to_all(copy: &Copy) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folders = [copy.folder().to_owned(), copy.file("."), copy.file("appendonlydir")];
    for path in folders.into_iter().filter(|path| path.is_dir()) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let command = copy.folder().join("aofcheck");
    fs::copy(env!("CARGO_BIN_EXE_aofcheck"), &command)?;
    Ok(command)
}

fn give(path: &Path, user: u32) -> TestResult {
    lchown(path, Some(user), Some(user))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// What root must not do: follow the link of somebody else to a file of its own, though both lie in the set.
#[test]
fn root_follows_no_link_of_another_user_to_its_own_file() -> TestResult {
    if !is_root("root_follows_no_link_of_another_user_to_its_own_file") {
        return Ok(());
    }
    for how in [&["--fix", "--yes"][..], &["--preen"], &["--fix", "--dry-run"]] {
        let copy = Copy::of(CUT)?;
        give(&copy.file("."), SOMEBODY)?;
        let real = copy.file("appendonlydir/real");
        fs::rename(copy.file(PART), &real)?;
        chown(&real, Some(0), Some(0))?;
        symlink("real", copy.file(PART))?;
        lchown(copy.file(PART), Some(SOMEBODY), Some(SOMEBODY))?;
        let before = fs::read(&real)?;
        let run = copy.run(&[how, &["set"]].concat())?;
        assert_eq!((run.code, fs::read(&real)? == before), (Some(2), true), "{run:?}");
        assert!(run.err.contains("a file of another owner"), "{run:?}");
        // The owner of the file may lead there.
        lchown(copy.file(PART), Some(0), Some(0))?;
        let run = copy.run(&[how, &["set"]].concat())?;
        assert_eq!(run.code, Some(if how.contains(&"--dry-run") { 1 } else { 0 }), "{run:?}");
    }
    Ok(())
}

#[test]
fn a_record_is_for_whoever_made_it() -> TestResult {
    if !is_root("a_record_is_for_whoever_made_it") {
        return Ok(());
    }
    let copy = Copy::of(CUT)?;
    let command = open_to_all(&copy)?;
    give(&copy.file("."), NOBODY)?;
    let run_as = |user: u32, args: &[&str]| -> Result<Ran, Box<dyn std::error::Error>> {
        let mut run = Command::new(&command);
        ran(run.current_dir(copy.folder()).args(args).stdin(Stdio::null()).uid(user).gid(user).output())
    };
    let torn = fs::read(copy.file(PART))?;
    let run = run_as(NOBODY, &["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    let fixed = fs::metadata(copy.file(PART))?;
    assert_eq!((fixed.uid(), fixed.len() < torn.len() as u64), (NOBODY, true));
    let record = copy.ending(".undo")?.to_string_lossy().into_owned();
    let found = fs::metadata(&record)?;
    assert_eq!((found.uid(), found.mode() & 0o7777), (NOBODY, 0o600));
    // Neither another user nor root follows it; who made it does.
    for (user, why) in [(SOMEBODY, "Permission denied"), (0, "belongs to user 65534")] {
        let run = run_as(user, &["--undo", &record, "--yes"])?;
        assert_eq!((run.code, run.err.contains(why)), (Some(2), true), "{user}: {run:?}");
        assert_eq!(fs::metadata(copy.file(PART))?.len(), fixed.len());
    }
    let run = run_as(NOBODY, &["--undo", &record, "--yes"])?;
    assert_eq!((run.code, fs::read(copy.file(PART))? == torn), (Some(0), true), "{run:?}");
    Ok(())
}

/// The server runs as another user than who salvages: it has to rewrite what it starts on, and to make files beside it.
#[test]
fn whose_server_it_is_can_rewrite_what_was_salvaged() -> TestResult {
    const TEST: &str = "whose_server_it_is_can_rewrite_what_was_salvaged";
    const GROUP: u32 = 54_321;
    if !is_root(TEST) {
        return Ok(());
    }
    for (case, input, folder_of, (folder_mode, mode)) in [
        ("cases/s066-garbage-middle", "set/appendonly.aof", "set", (0o700, 0o600)),
        ("cases/s066-garbage-middle", "set/appendonly.aof", "set", (0o750, 0o640)),
        (CUT, "set", "set/appendonlydir", (0o770, 0o660)),
        (CUT, "set/appendonlydir", "set/appendonlydir", (0o755, 0o644)),
    ] {
        let copy = Copy::of(case)?;
        open_to_all(&copy)?;
        give(&copy.file("."), SOMEBODY)?;
        let folder = copy.folder().join(folder_of);
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_file() {
                chown(&path, Some(SOMEBODY), Some(GROUP))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
        }
        chown(&folder, Some(SOMEBODY), Some(GROUP))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(folder_mode))?;
        let run = copy.run(&["--salvage", "out", input])?;
        assert_eq!(run.code, Some(4), "{input}: {run:?}");
        let out = copy.folder().join("out");
        let is =
            |path: &Path| fs::symlink_metadata(path).map(|found| (found.uid(), found.gid(), found.mode() & 0o7777));
        assert_eq!(is(&out)?, (SOMEBODY, GROUP, folder_mode), "{input}");
        let inside: Vec<PathBuf> =
            fs::read_dir(&out)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        assert!(inside.len() >= 3, "{inside:?}");
        for path in &inside {
            assert_eq!(is(path)?, (SOMEBODY, GROUP, mode), "{}", path.display());
        }
        // As that user, who is in no group of theirs.
        let script = "for file in \"$1\"/*; do : >>\"$file\" || exit; done; : >\"$1/new\" && rm \"$1/new\"";
        let mut server = Command::new("sh");
        let server = ran(server.args(["-c", script, "sh"]).arg(&out).uid(SOMEBODY).gid(NOBODY).output())?;
        assert_eq!(server.code, Some(0), "{input}: {server:?}");
    }
    Ok(())
}

#[test]
fn a_lock_of_another_user_is_waited_for_so_long_and_no_longer() -> TestResult {
    const TEST: &str = "a_lock_of_another_user_is_waited_for_so_long_and_no_longer";
    if !is_root(TEST) || Command::new("flock").arg("--version").output().is_err() {
        eprintln!("{TEST}: not run without root and flock");
        return Ok(());
    }
    let copy = Copy::of(CUT)?;
    open_to_all(&copy)?;
    // All that this user may is to read.
    let folder = copy.file("appendonlydir");
    let script = "exec 9<\"$1\"; flock -x 9; echo held; exec sleep 60";
    let mut holder = Command::new("sh");
    holder.args(["-c", script, "sh"]).arg(&folder).uid(NOBODY).gid(NOBODY).stdout(Stdio::piped());
    let mut holder = holder.spawn()?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().ok_or("a pipe")?), &mut line)?;
    let begun = Instant::now();
    let run = copy.run(&["--fix", "--yes", "--lock-wait", "1", "set"]);
    let took = begun.elapsed();
    holder.kill()?;
    holder.wait()?;
    let run = run?;
    assert_eq!((line.as_str(), run.code, copy.is_untouched()?), ("held\n", Some(1), true), "{run:?}");
    assert!(Duration::from_millis(900) < took && took < Duration::from_secs(20), "{took:?}");
    if cfg!(target_os = "linux") {
        assert!(run.err.contains(&format!("is locked by process {} (", holder.id())), "{run:?}");
    }
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    Ok(())
}

/// Puts something under a name that neither can be opened, nor ends.
fn put(path: &Path, kind: usize) -> TestResult {
    match kind {
        0 => super::elsewhere::fifo(path)?,
        1 => drop(UnixListener::bind(path)?),
        2 => fs::create_dir(path)?,
        3 => symlink("/dev/zero", path)?,
        _ => {
            let made = Command::new("mknod").arg(path).args(["c", "1", "5"]).output()?;
            if !made.status.success() {
                eprintln!("names_in_the_way: no device is made: {}", String::from_utf8_lossy(&made.stderr).trim());
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_under_a_name_of_ours_hangs_or_blocks_it() -> TestResult {
    let part = "appendonly.aof.2.incr.aof";
    let stamp = "20240301T000000Z";
    let beside = [format!("repair.{stamp}.undo"), format!("repair.{stamp}.undo.part"), format!("{part}.{stamp}.tail")];
    let inside = [format!("{part}.{stamp}.new.part"), format!("{part}.{stamp}.tail.part"), format!("x.{stamp}.aside")];
    for kind in 0..5 {
        for (args, code) in [
            (&["--fix", "--yes", "set"][..], 0),
            (&["--preen", "set"], 0),
            (&["--fix", "--dry-run", "set"], 1),
            (&["--salvage", "out", "set"], 4),
            (&["set"], 1),
        ] {
            let copy = Copy::of(CUT)?;
            for name in &beside {
                put(&copy.file(name), kind)?;
            }
            for name in &inside {
                put(&copy.file("appendonlydir").join(name), kind)?;
            }
            put(&copy.folder().join(format!("out.{stamp}.part")), kind)?;
            let run = copy.run(args)?;
            assert_eq!(run.code, Some(code), "kind {kind}, {args:?}: {run:?}");
        }
    }
    Ok(())
}

#[test]
fn more_parts_than_files_may_be_open() -> TestResult {
    const PARTS: usize = 1_100;
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("set");
    fs::create_dir(&set)?;
    let record = AofWriter::new().select(0).record(&["SET", "k", "v"]).take();
    let mut manifest = Vec::new();
    for n in 1..=PARTS {
        writeln!(manifest, "file a.{n}.incr.aof seq {n} type i")?;
        fs::write(set.join(format!("a.{n}.incr.aof")), &record)?;
    }
    fs::write(set.join("a.manifest"), manifest)?;
    let last = set.join(format!("a.{PARTS}.incr.aof"));
    fs::write(&last, [&record[..], b"*1\r\n$4\r\nPI"].concat())?;
    let limited = |args: &[&str]| -> Result<Ran, Box<dyn std::error::Error>> {
        let mut run = Command::new("sh");
        run.args(["-c", "ulimit -n 1024; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_aofcheck")]).args(args);
        ran(run.current_dir(folder.path()).stdin(Stdio::null()).output())
    };
    let before = files(folder.path())?;
    let run = limited(&["--salvage", "out", "set"])?;
    assert_eq!(run.code, Some(4), "{}", run.err);
    fs::remove_dir_all(folder.path().join("out"))?;
    let run = limited(&["--fix", "--yes", "set"])?;
    assert_eq!((run.code, fs::read(&last)? == record), (Some(0), true), "{}", run.err);
    let records = files(folder.path())?.into_keys().find(|path| path.extension().is_some_and(|e| e == "undo"));
    let undo = records.ok_or("a record")?.to_string_lossy().into_owned();
    let run = limited(&["--undo", &undo, "--yes"])?;
    assert_eq!(run.code, Some(0), "{}", run.err);
    let after = files(folder.path())?;
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
    Ok(())
}

#[test]
fn a_quiet_undo_and_a_quiet_salvage_say_why_they_did_nothing() -> TestResult {
    let copy = Copy::of(CUT)?;
    fs::write(copy.folder().join("bad.undo"), "redis-persistence-undo 2\n")?;
    for args in [&["--quiet", "--undo", "bad.undo", "--yes"][..], &["--quiet", "--salvage", "set", "set"]] {
        let run = ran(aofcheck(copy.folder(), args).output())?;
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.err.contains("bad.undo") || run.err.contains("nothing was written: "), "{run:?}");
        assert!(copy.is_untouched()?);
    }
    Ok(())
}
