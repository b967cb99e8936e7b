//! Nothing outside of a set ever changes: links, other users, names that are in the way, and races for them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use testkit::folder::files;

use super::{Copy, aofcheck};
use crate::TestResult;

/// A set whose last incremental file ends in half a command.
const CUT: &str = "cases/m005-trunc-last";
const PART: &str = "appendonlydir/appendonly.aof.2.incr.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

/// Whether this test can give files to other users; says so if not.
pub fn is_root(test: &str) -> bool {
    let folder = tempfile::tempdir();
    let can = folder.is_ok_and(|folder| chown(folder.path(), Some(12_345), Some(12_345)).is_ok());
    if !can {
        eprintln!("{test}: not run, because only root can give files to other users");
    }
    can
}

/// Moves a file of the set out of it, and leaves a link in its place.
fn lead_out(copy: &Copy, name: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let outside = copy.folder().join("outside");
    fs::create_dir_all(&outside)?;
    let real = outside.join("victim");
    fs::rename(copy.file(name), &real)?;
    symlink(&real, copy.file(name))?;
    Ok(real)
}

#[test]
fn no_link_out_of_the_set_is_written_through() -> TestResult {
    for how in [&["--fix", "--yes"][..], &["--preen"], &["--preen", "--quiet"], &["--fix", "--dry-run"]] {
        let copy = Copy::of(CUT)?;
        let real = lead_out(&copy, PART)?;
        let before = fs::read(&real)?;
        let run = copy.run(&[how, &["set"]].concat())?;
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.err.contains("nothing was changed") && run.err.contains("is a link to"), "{run:?}");
        assert!(fs::read(&real)? == before && files(&copy.folder().join("outside"))?.len() == 1);
        assert!(copy.ending(".undo").is_err(), "something was saved");
    }
    let copy = Copy::of(CUT)?;
    fs::write(copy.file(MANIFEST), fs::read_to_string(copy.file(MANIFEST))?.trim_end())?;
    let real = lead_out(&copy, MANIFEST)?;
    let before = fs::read(&real)?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!((run.code, fs::read(&real)? == before), (Some(2), true), "{run:?}");
    Ok(())
}

#[test]
fn a_link_to_a_neighbour_is_named_in_the_plan() -> TestResult {
    let copy = Copy::of(CUT)?;
    let real = copy.file("appendonlydir/real");
    fs::rename(copy.file(PART), &real)?;
    symlink("real", copy.file(PART))?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("is a link: the file that changes is"), "{run:?}");
    assert!(fs::symlink_metadata(copy.file(PART))?.is_symlink() && fs::read(&real)?.len() == 23);
    Ok(())
}

#[test]
fn a_set_whose_folder_is_a_link_is_mended() -> TestResult {
    let copy = Copy::of(CUT)?;
    fs::rename(copy.folder().join("set/appendonlydir"), copy.folder().join("real"))?;
    symlink("../real", copy.folder().join("set/appendonlydir"))?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    if is_root("a_set_whose_folder_is_a_link_is_mended") {
        let copy = Copy::of(CUT)?;
        fs::rename(copy.folder().join("set/appendonlydir"), copy.folder().join("real"))?;
        let link = copy.folder().join("set/appendonlydir");
        symlink("../real", &link)?;
        lchown(&link, Some(12_345), Some(12_345))?;
        let run = copy.run(&["--preen", "set"])?;
        assert_eq!(run.code, Some(2), "somebody else has led us there: {run:?}");
        // Nor may a link in the middle of the path lead there; one of root, or of the folder's owner, may.
        for (owner, of_folder, code) in [(12_345, 0, 2), (12_345, 54_321, 2), (0, 54_321, 0), (12_345, 12_345, 0)] {
            for input in ["link", "link/appendonlydir", "link/../link/appendonlydir/appendonly.aof.manifest"] {
                let copy = Copy::of(CUT)?;
                let link = copy.folder().join("link");
                symlink("set", &link)?;
                lchown(&link, Some(owner), Some(owner))?;
                chown(copy.folder().join("set/appendonlydir"), Some(of_folder), Some(of_folder))?;
                chown(copy.folder().join("set"), Some(of_folder), Some(of_folder))?;
                let run = copy.run(&["--fix", "--yes", input])?;
                assert_eq!((run.code, copy.is_untouched()?), (Some(code), code == 2), "{owner}, {input}: {run:?}");
            }
        }
    }
    Ok(())
}

/// A record is refused that somebody else owns, or could have written; `--dry-run` refuses it too.
#[test]
fn a_record_of_somebody_else_is_refused() -> TestResult {
    let copy = Copy::of(CUT)?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?;
    assert_eq!(fs::metadata(&record)?.mode() & 0o7777, 0o600);
    let fixed = fs::read(copy.file(PART))?;
    let refused = |why: &str| -> TestResult {
        for how in ["--yes", "--dry-run"] {
            let run = copy.run(&["--undo", &record.to_string_lossy(), how])?;
            assert_eq!(run.code, Some(2), "{run:?}");
            assert!(run.err.contains(why), "{run:?}");
        }
        assert!(fs::read(copy.file(PART))? == fixed);
        Ok(())
    };
    fs::set_permissions(&record, fs::Permissions::from_mode(0o622))?;
    refused("others than its owner may write")?;
    fs::set_permissions(&record, fs::Permissions::from_mode(0o600))?;
    if is_root("a_record_of_somebody_else_is_refused") {
        chown(&record, Some(12_345), Some(12_345))?;
        refused("belongs to user 12345")?;
        chown(&record, Some(0), Some(0))?;
    }
    let real = copy.folder().join("set/record");
    fs::rename(&record, &real)?;
    symlink(&real, &record)?;
    refused("symbolic links")?;
    Ok(())
}

#[test]
fn an_undo_follows_no_link() -> TestResult {
    let copy = Copy::of(CUT)?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?.to_string_lossy().into_owned();
    let real = lead_out(&copy, PART)?;
    let before = fs::read(&real)?;
    for how in ["--yes", "--dry-run"] {
        let run = copy.run(&["--undo", &record, how])?;
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.err.contains("it is a link, or no regular file"), "{run:?}");
    }
    assert!(fs::read(&real)? == before);
    Ok(())
}

/// All that a record says is shown, whatever its length.
#[test]
fn a_long_record_is_shown_to_its_end() -> TestResult {
    let copy = Copy::of(CUT)?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?;
    let text = fs::read_to_string(&record)?;
    let line = text.lines().find(|line| line.starts_with("cut ")).ok_or("no cut")?;
    let body = format!("redis-persistence-undo 2\nset folder=appendonlydir\n{}", format!("{line}\n").repeat(12_000));
    let hash = xxhash_rust::xxh3::xxh3_64(body.as_bytes());
    fs::write(&record, format!("{body}end 12000 {hash:016x}\n"))?;
    assert!(body.len() > 1 << 20);
    let run = copy.run(&["--undo", &record.to_string_lossy(), "--dry-run"])?;
    assert_eq!((run.code, run.out.matches("  cut file=").count()), (Some(0), 12_000));
    Ok(())
}

#[test]
fn names_in_the_way_neither_hang_nor_block() -> TestResult {
    let copy = Copy::of(CUT)?;
    let stamp = "20240301T000000Z";
    let part = "appendonly.aof.2.incr.aof";
    for name in [format!("repair.{stamp}.undo"), format!("{part}.{stamp}.tail"), format!("{part}.{stamp}.tail.part")] {
        fifo(&copy.folder().join("set").join(name))?;
    }
    for name in [format!("{part}.{stamp}.new.part"), format!("repair.{stamp}.undo.part")] {
        fs::create_dir(copy.folder().join("set/appendonlydir").join(&name))?;
        fs::create_dir(copy.folder().join("set").join(name))?;
    }
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    Ok(())
}

pub fn fifo(path: &Path) -> TestResult {
    assert!(std::process::Command::new("mkfifo").arg(path).status()?.success());
    Ok(())
}

#[test]
fn who_holds_a_lock_is_named_and_the_wait_is_ours() -> TestResult {
    let copy = Copy::of(CUT)?;
    let held = fs::File::open(copy.folder().join("set/appendonlydir"))?;
    held.lock()?;
    let run = copy.run(&["--fix", "--yes", "--lock-wait", "0", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    if cfg!(target_os = "linux") {
        assert!(run.err.contains(&format!("is locked by process {} (", std::process::id())), "{run:?}");
    }
    drop(held);
    assert_eq!(copy.run(&["--fix", "--yes", "--lock-wait", "0", "set"])?.code, Some(0));
    Ok(())
}

#[test]
fn quiet_says_why_nothing_was_done() -> TestResult {
    let quiet = |copy: &Copy, how: &[&str], why: &str| -> TestResult {
        let run = copy.run(&[how, &["--quiet", "set"]].concat())?;
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{run:?}");
        assert!(run.err.contains("nothing was changed: ") && run.err.contains(why), "{run:?}");
        copy.is_untouched()?.then_some(()).ok_or("it was touched")?;
        Ok(())
    };
    let copy = Copy::of(CUT)?;
    quiet(&copy, &["--fix", "--yes", "--max-loss", "1"], "more bytes would go")?;
    quiet(&copy, &["--fix"], "no terminal to ask on")?;
    // What is missing no cut mends.
    let mut copy = Copy::of(CUT)?;
    fs::remove_file(copy.file("appendonlydir/appendonly.aof.1.base.rdb"))?;
    copy.before = files(&copy.folder().join("set"))?;
    quiet(&copy, &["--preen"], "appendonly.aof.1.base.rdb")?;
    quiet(&copy, &["--fix", "--yes"], "appendonly.aof.1.base.rdb")?;
    Ok(())
}

/// A second user: a process of root is not looked into by somebody else, and the plan says so.
#[test]
fn what_cannot_be_seen_is_said() -> TestResult {
    if !is_root("what_cannot_be_seen_is_said") || !cfg!(target_os = "linux") {
        return Ok(());
    }
    let copy = Copy::of(CUT)?;
    for path in [copy.folder().to_owned(), copy.folder().join("set"), copy.folder().join("set/appendonlydir")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    // The second user must get at the command too.
    let command = copy.folder().join("aofcheck");
    fs::copy(env!("CARGO_BIN_EXE_aofcheck"), &command)?;
    use std::os::unix::process::CommandExt as _;
    let mut run = std::process::Command::new(&command);
    run.current_dir(copy.folder()).args(["--fix", "--dry-run", "set"]).uid(12_345).gid(12_345);
    // Another test that forks meanwhile holds the copy open for writing, for a moment.
    let run = loop {
        match run.output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            run => break run?,
        }
    };
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(out.contains("note: ") && out.contains("whether one of them has these files open is not known"), "{out}");
    let run = copy.run(&["--fix", "--dry-run", "set"])?;
    assert!(!run.out.contains("is not known"), "root sees all: {run:?}");
    Ok(())
}

#[test]
fn a_salvaged_folder_belongs_to_whom_its_source_belonged() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let set = copy.folder().join("set");
    fs::set_permissions(&set, fs::Permissions::from_mode(0o750))?;
    let root = is_root("a_salvaged_folder_belongs_to_whom_its_source_belonged");
    if root {
        chown(&set, Some(12_345), Some(54_321))?;
    }
    assert_eq!(copy.run(&["--salvage", "out", "set/appendonly.aof"])?.code, Some(4));
    let out = fs::metadata(copy.folder().join("out"))?;
    assert_eq!(out.mode() & 0o7777, 0o750);
    assert!(!root || (out.uid(), out.gid()) == (12_345, 54_321));
    Ok(())
}

#[test]
fn nothing_but_files_and_folders_is_set_aside() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    fs::create_dir(copy.folder().join("real"))?;
    symlink("real", copy.folder().join("link"))?;
    fifo(&copy.folder().join("fifo"))?;
    for out in ["link", "fifo", "nowhere/out", "/dev/null", "/dev/stdout", ".."] {
        let run = copy.run(&["--salvage", out, "--force", "set/appendonly.aof"])?;
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{out}: {run:?}");
        assert!(run.err.contains("nothing was written: "), "{out}: {run:?}");
    }
    assert!(fs::symlink_metadata(copy.folder().join("link"))?.is_symlink());
    Ok(())
}

/// Swaps names of a set for links to files outside, at random moments of all that writes: nothing outside ever changes.
#[test]
fn no_race_leads_out_of_the_set() -> TestResult {
    let runs: u64 = env::var("RACE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(40);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut swaps = 0;
    for run in 0..runs {
        let copy = Copy::of(CUT)?;
        let outside = copy.folder().join("outside");
        fs::create_dir(&outside)?;
        // The victims hold what the files hold: no comparison of contents keeps a change from them.
        let names = [PART, MANIFEST];
        for name in names {
            fs::copy(copy.file(name), outside.join(Path::new(name).file_name().unwrap_or_default()))?;
        }
        fs::copy(copy.file(MANIFEST), outside.join("out"))?;
        let undo = run % 4 == 3;
        let record = match undo {
            true => {
                assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
                Some(copy.ending(".undo")?.to_string_lossy().into_owned())
            }
            false => None,
        };
        let before = states(&outside)?;
        let args = match (run % 4, &record) {
            (0, _) => vec!["--fix", "--yes", "set"],
            (1, _) => vec!["--preen", "set"],
            (2, _) => vec!["--salvage", "out", "--force", "set"],
            (_, Some(record)) => vec!["--undo", record, "--yes"],
            (_, None) => return Err("no record".into()),
        };
        let over = AtomicBool::new(false);
        let seed = random;
        let ran = thread::scope(|scope| {
            let swapping = scope.spawn(|| swap(&copy, &outside, seed, &over));
            let ran = aofcheck(copy.folder(), &args).output();
            over.store(true, Ordering::Relaxed);
            (ran, swapping.join())
        });
        let code = ran.0?.status.code();
        assert!(matches!(code, Some(0..=4)), "run {run}, seed {seed:#x}: {code:?}");
        swaps += ran.1.map_err(|_| "the swapping thread failed")?;
        assert!(states(&outside)? == before, "run {run}, seed {seed:#x}: something outside was changed");
        random = next(random);
    }
    eprintln!("{runs} runs, {swaps} swaps");
    assert!(swaps > runs, "too few swaps to mean anything: {swaps}");
    Ok(())
}

fn next(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ random << 17
}

/// Lets a name of the set be a link to its victim, and the file again, until it is over.
fn swap(copy: &Copy, outside: &Path, mut random: u64, over: &AtomicBool) -> u64 {
    let mut swaps = 0;
    while !over.load(Ordering::Relaxed) {
        random = next(random);
        thread::sleep(Duration::from_micros(random % 3000));
        let (path, victim) = match random >> 32 & 3 {
            0 | 1 => (copy.file(PART), outside.join("appendonly.aof.2.incr.aof")),
            2 => (copy.file(MANIFEST), outside.join("appendonly.aof.manifest")),
            _ => (copy.folder().join("out"), outside.join("out")),
        };
        let away = copy.folder().join("away");
        let had = fs::rename(&path, &away).is_ok();
        if symlink(&victim, &path).is_ok() {
            swaps += 1;
            thread::sleep(Duration::from_micros(random >> 20 & 1023));
            // Only a link is taken away: it may be something else by now.
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
                let _ = fs::remove_file(&path);
            }
        }
        if had {
            let _ = fs::rename(&away, &path);
            let _ = fs::remove_dir_all(&away).or_else(|_| fs::remove_file(&away));
        }
    }
    swaps
}

/// Name, content, mode and owner.
type State = (PathBuf, Vec<u8>, u32, u32);

/// The files that are outside.
fn states(outside: &Path) -> std::io::Result<Vec<State>> {
    let mut all = Vec::new();
    for (name, content) in files(outside)? {
        let data = fs::metadata(outside.join(&name))?;
        all.push((name, content, data.mode(), data.uid()));
    }
    Ok(all)
}
