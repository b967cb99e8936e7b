//! Input that cannot be read gets one line and exit 2; what is no RDB gets exit 1 or 3. Nothing hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;

use rustix::fs::{CWD, FileType, Mode};

use crate::{Ran, TestResult, ran, rdbcheck, run, sound};

/// Asserts that the input was not read, for that reason.
fn assert_unread(run: &Ran, reason: &str) {
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
    assert!(run.err.contains(reason) && run.err.lines().count() == 1, "{run:?}");
}

#[test]
fn what_is_not_there() -> TestResult {
    assert_unread(&run(&["no-such.rdb"])?, "rdbcheck: no-such.rdb: No such file");
    assert_unread(&run(&["redis-2.8-empty.rdb/within"])?, "Not a directory");
    Ok(())
}

#[test]
fn what_is_not_opened() -> TestResult {
    let folder = tempfile::tempdir()?;
    let name = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    rustix::fs::mknodat(CWD, name("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let _socket = UnixListener::bind(name("socket"))?;
    assert_unread(&run(&[&name("fifo")])?, "it is a FIFO");
    assert_unread(&run(&[&name("socket")])?, "it is a socket");
    assert_unread(&run(&[&name("")])?, "it is a directory");
    assert_unread(&run(&["/dev/null"])?, "it is a device");
    Ok(())
}

#[test]
fn what_may_not_be_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("secret.rdb");
    fs::write(&file, sound("redis-2.8-empty.rdb")?)?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000))?;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.arg(&file).current_dir(folder.path());
    if fs::File::open(&file).is_ok() {
        // The superuser may read everything: then someone else has to try.
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(output) => assert_unread(&ran(Ok(output))?, "Permission denied"),
        Err(error) => eprintln!("not run: nobody else can start the command: {error}"),
    }
    Ok(())
}

#[test]
fn reading_needs_no_right_to_write() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dump.rdb");
    fs::write(&file, sound("redis-2.8-empty.rdb")?)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444))?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555))?;
    let run = run(&[&file.to_string_lossy()])?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[test]
fn unread_input_is_in_the_document_too() -> TestResult {
    let run = run(&["--json", "no-such.rdb", "redis-2.8-empty.rdb"])?;
    assert_eq!(run.code, Some(2));
    let document = serde_json::from_str(&run.out)?;
    assert!(crate::golden::schema()?.is_valid(&document), "{document}");
    let file = &document["files"][0];
    assert_eq!((&file["verdict"], &file["error"]), (&"unknown".into(), &"No such file or directory".into()));
    assert_eq!(document["files"][1]["verdict"], "sound");
    Ok(())
}

#[test]
fn what_is_no_rdb() -> TestResult {
    for (bytes, code, verdict) in [
        (b"".as_slice(), 1, "-: DAMAGED, 1 error"),
        (b"nine byte", 3, "-: cannot be judged: this is no RDB: it is text"),
        (b"REDIS00", 1, "-: DAMAGED, 1 error"),
        (b"<!DOCTYPE html><html></html>", 3, "-: cannot be judged: this is no RDB: it looks like HTML or XML"),
        (
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n",
            3,
            "-: cannot be judged: this is no RDB: it looks like an append-only file",
        ),
    ] {
        let run = ran(rdbcheck(&["-"]).write_stdin(bytes).output())?;
        assert_eq!((run.code, run.out.lines().next()), (Some(code), Some(verdict)), "{run:?}");
    }
    Ok(())
}

/// A file cut at any byte is damaged, or it was not an RDB yet; the way in makes no difference.
#[test]
fn cut_files_are_never_sound() -> TestResult {
    let whole = sound("crafted-expiretime-253-past-v9.rdb")?;
    for len in 0..whole.len() {
        let run = ran(rdbcheck(&["--quiet", "-"]).write_stdin(&whole[..len]).output())?;
        assert_eq!(run, Ran { code: Some(1), out: String::new(), err: String::new() }, "{len}");
    }
    Ok(())
}

#[test]
fn absurd_sizes_end_soon() -> TestResult {
    let head = b"REDIS0011\xfe\x00".as_slice();
    for tail in [
        // A key of 2^63 bytes, a list of 2^62 elements, and LZF that claims 2^60 bytes.
        b"\x00\x81\x80\0\0\0\0\0\0\0key".as_slice(),
        b"\x01\x03key\x81\x40\0\0\0\0\0\0\0\x01a",
        b"\x00\x03key\xc3\x04\x81\x10\0\0\0\0\0\0\0\x00a\x00b\xff",
    ] {
        let run = ran(rdbcheck(&["-"]).write_stdin([head, tail].concat()).output())?;
        assert_eq!(run.code, Some(1), "{run:?}");
    }
    Ok(())
}

#[test]
fn several_inputs_have_one_exit_code() -> TestResult {
    let (sound, unread, unknown, damaged) =
        ("redis-2.8-empty.rdb", "no-such.rdb", "../broken/newer-version.rdb", "../broken/duplicate-key.rdb");
    for (inputs, code) in [
        (vec![sound, sound], 0),
        (vec![sound, unknown], 3),
        (vec![unknown, unread, sound], 2),
        (vec![sound, damaged, unread, unknown], 1),
    ] {
        let run = run(&inputs)?;
        assert_eq!(run.code, Some(code), "{run:?}");
        let verdicts = run.out.lines().filter(|line| line.contains(".rdb: ")).count();
        assert_eq!(verdicts, inputs.iter().filter(|input| **input != unread).count(), "{run:?}");
    }
    Ok(())
}
