//! A new file that is killed while it is written, or runs out of space, never stands half under its name.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends there")]

use std::io::{self, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, panic};

use redis_persistence::repair::{ApplyError, Existing, Hook, write_folder, write_output};
use tempfile::TempDir;

const OLD: &[u8] = b"what was there";

fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// Writes in pieces.
fn write(path: &Path, existing: Existing, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
    let fill = |out: &mut dyn Write| content().chunks(100_000).try_for_each(|piece| out.write_all(piece));
    write_output(path, existing, None, hook, fill, |file| {
        let mut read = Vec::new();
        file.read_to_end(&mut read)?;
        if read == content() { Ok(()) } else { Err(io::Error::other("it is not what was written")) }
    })
}

fn beside(path: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|other| other != path).collect()
}

#[test]
fn killed_at_any_step_the_name_holds_the_old_or_the_new() {
    if let Some(path) = env::var_os("OUTPUT_CHILD") {
        let at: usize = env::var("OUTPUT_KILL_AT").unwrap().parse().unwrap();
        let mut step = 0;
        let mut hook = |_: redis_persistence::repair::Progress<'_>| {
            if step == at {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            }
            step += 1;
        };
        let existing = if Path::new(&path).exists() { Existing::Replace } else { Existing::Keep };
        write(Path::new(&path), existing, &mut hook).unwrap();
        return;
    }
    for there_before in [false, true] {
        for step in 0.. {
            let root = TempDir::new().unwrap();
            let path = root.path().join("out.rdb");
            if there_before {
                fs::write(&path, OLD).unwrap();
            }
            let child = Command::new(env::current_exe().unwrap())
                .args(["output::killed_at_any_step_the_name_holds_the_old_or_the_new", "--exact"])
                .env("OUTPUT_CHILD", &path)
                .env("OUTPUT_KILL_AT", step.to_string())
                .stdout(Stdio::null())
                .status()
                .unwrap();
            let held = fs::read(&path).ok();
            let whole = held.as_deref() == Some(&content()[..]);
            let untouched = held.as_deref() == there_before.then_some(OLD);
            assert!(whole || untouched, "step {step}: {} bytes", held.map_or(0, |held| held.len()));
            if child.success() {
                assert!(whole && step > 8, "step {step}");
                break;
            }
            assert_eq!(child.signal(), Some(9));
            // What a kill left is in nobody's way, and does not stay.
            write(&path, Existing::Replace, &mut |_| {}).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content());
            assert_eq!(beside(&path), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn without_space_nothing_is_left_and_the_error_says_so() {
    for existing in [Existing::Keep, Existing::Replace] {
        let root = TempDir::new().unwrap();
        let path = root.path().join("out.rdb");
        if existing == Existing::Replace {
            fs::write(&path, OLD).unwrap();
        }
        let fill = |out: &mut dyn Write| {
            out.write_all(&content()[..1000])?;
            Err(rustix::io::Errno::NOSPC.into())
        };
        let error = write_output(&path, existing, None, &mut |_| {}, fill, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert_eq!(fs::read(&path).ok().as_deref(), (existing == Existing::Replace).then_some(OLD));
        assert_eq!(beside(&path), Vec::<PathBuf>::new());
    }
}

/// A real one: the process may write no more than so many bytes to a file.
#[test]
fn at_a_limit_of_the_system_nothing_is_left() {
    if let Some(path) = env::var_os("LIMIT_CHILD") {
        let limit = rustix::process::Rlimit { current: Some(300_000), maximum: Some(300_000) };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
        let error = write(Path::new(&path), Existing::Keep, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
        return;
    }
    let root = TempDir::new().unwrap();
    let path = root.path().join("out.rdb");
    // The signal that goes with the limit is ignored by a shell that says so, and what it starts inherits that.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" output::at_a_limit_of_the_system_nothing_is_left --exact"])
        .arg(env::current_exe().unwrap())
        .env("LIMIT_CHILD", &path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(child.success(), "{child}");
    assert!(!path.exists() && beside(&path).is_empty());
}

#[test]
fn what_another_run_is_writing_is_left_alone() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("out.rdb");
    let fill = |out: &mut dyn Write| {
        out.write_all(b"one of two")?;
        write(&path, Existing::Keep, &mut |_| {}).map_err(io::Error::other)?;
        out.write_all(b" at a time")
    };
    write_output(&path, Existing::Replace, None, &mut |_| {}, fill, |_| Ok(())).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one of two at a time");
    assert_eq!(beside(&path), Vec::<PathBuf>::new());
}

#[test]
fn a_file_that_exists_is_kept_unless_it_may_be_replaced() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("out.rdb");
    fs::write(&path, OLD).unwrap();
    let mut written = false;
    let fill = |_: &mut dyn Write| {
        written = true;
        Ok(())
    };
    write_output(&path, Existing::Keep, None, &mut |_| {}, fill, |_| Ok(())).unwrap_err();
    assert!(!written && fs::read(&path).unwrap() == OLD && beside(&path).is_empty());
    write(&path, Existing::Replace, &mut |_| {}).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn what_is_judged_unsound_gets_no_name() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("out.rdb");
    let judge = |_: &mut fs::File| Err(io::Error::other("not sound"));
    let error = write_output(&path, Existing::Keep, None, &mut |_| {}, |out| out.write_all(OLD), judge).unwrap_err();
    assert!(error.to_string().contains("not sound"), "{error}");
    assert!(!path.exists() && beside(&path).is_empty());
}

#[test]
fn it_has_the_mode_of_the_damaged_file() {
    let root = TempDir::new().unwrap();
    let (damaged, path) = (root.path().join("dump.rdb"), root.path().join("out.rdb"));
    fs::write(&damaged, OLD).unwrap();
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o640)).unwrap();
    let like = fs::File::open(&damaged).unwrap();
    write_output(&path, Existing::Keep, Some(&like), &mut |_| {}, |out| out.write_all(OLD), |_| Ok(())).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

/// Writes a folder of one file, made of those.
fn folder(path: &Path, like: &[PathBuf], judge: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), ApplyError> {
    write_folder(path, like, |folder| fs::write(folder.join("file"), OLD), judge)
}

#[test]
fn a_folder_is_one_that_the_server_can_use_which_wrote_the_source() {
    let root = TempDir::new().unwrap();
    let (source, out) = (root.path().join("source"), root.path().join("out"));
    fs::create_dir(&source).unwrap();
    let files = ["one", "two"].map(|name| source.join(name));
    files.iter().for_each(|file| fs::write(file, OLD).unwrap());
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&source, 0o2757);
    mode(&files[0], 0o640);
    // Only the first user of a machine gives files away.
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        [&source, &files[0], &files[1]]
            .into_iter()
            .for_each(|path| std::os::unix::fs::chown(path, Some(1234), Some(56)).unwrap());
    }
    let seen = |path: &Path| {
        let data = fs::metadata(path).unwrap();
        (data.uid(), data.gid(), data.permissions().mode() & 0o7777)
    };
    let (user, group) = (seen(&files[0]).0, seen(&files[0]).1);
    folder(&out, &files, |_| Ok(())).unwrap();
    assert_eq!(seen(&out), (user, group, 0o755), "nobody else writes there");
    assert_eq!(seen(&out.join("file")), (user, group, 0o640));
    if is_root {
        // What is put together of files of several owners is for none of them.
        std::os::unix::fs::chown(&files[1], Some(1235), None).unwrap();
        let mixed = root.path().join("mixed");
        folder(&mixed, &files, |_| Ok(())).unwrap();
        assert_eq!(seen(&mixed.join("file")), (0, 0, 0o600));
    }
}

#[test]
fn a_folder_that_is_not_finished_is_gone_and_none_is_made_beside_another() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("out");
    let refused = folder(&path, &[], |_| Err(io::Error::other("not sound"))).unwrap_err();
    assert!(refused.to_string().contains("not sound"), "{refused}");
    let panicked = panic::catch_unwind(|| folder(&path, &[], |_| panic!("in the middle")));
    assert!(panicked.is_err());
    assert!(!path.exists() && beside(&path).is_empty(), "{:?}", beside(&path));
    // A second one for that name would take the first for what a killed run left.
    let beside_it = folder(&path, &[], |part| {
        let error = folder(&path, &[], |_| Ok(())).unwrap_err();
        assert!(matches!(error, ApplyError::Locked { .. }), "{error}");
        assert!(part.exists());
        Ok(())
    });
    beside_it.unwrap();
    assert!(path.join("file").exists() && beside(&path).is_empty());
    // What a kill leaves the next run removes.
    fs::create_dir(root.path().join("new.20240301T000000Z.part")).unwrap();
    folder(&root.path().join("new"), &[], |_| Ok(())).unwrap();
    assert!(!root.path().join("new.20240301T000000Z.part").exists());
}
