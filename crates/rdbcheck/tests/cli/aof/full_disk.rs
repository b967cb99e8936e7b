//! A disk that is full: a clear error, the input as it was, and nothing half written. The disk is a small one in memory, which
//! only this process and its children see.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::Copy;
use crate::TestResult;

const RECORD: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";

/// Mounts a disk with these options, copies the set to it, and runs the command there.
const ON_DISK: &str = r#"
    set -e
    mount -t tmpfs -o "$1" none disk
    cp -R set disk/
    cd disk
    shift
    set +e
    "$@"
    echo "exit $?"
    cmp -s set/appendonly.aof ../set/appendonly.aof && echo "input unchanged"
    find . -mindepth 1 ! -path ./set ! -path ./set/appendonly.aof | sort
"#;

/// What the command printed and left on a disk of its own; none where nobody may mount one.
fn on_disk(copy: &Copy, options: &str, args: &[&str]) -> Result<Option<String>, Box<dyn Error>> {
    let disk = copy.folder().join("disk");
    fs::create_dir_all(&disk)?;
    let run = |flags: &str, script: &str, more: &[&str]| {
        let mut command = Command::new("unshare");
        command.current_dir(copy.folder()).args([flags, "sh", "-c", script, "sh"]).args(more).output()
    };
    for flags in ["-m", "-rm"] {
        let may = run(flags, "mount -t tmpfs none disk", &[]);
        if may.is_ok_and(|output| output.status.success()) {
            let output = run(flags, ON_DISK, &[&[options, env!("CARGO_BIN_EXE_aofcheck")], args].concat())?;
            let text = [output.stderr, output.stdout].concat();
            return Ok(Some(String::from_utf8(text)?));
        }
    }
    writeln!(std::io::stderr(), "not run: no right to mount a disk")?;
    Ok(None)
}

/// A file of 1 MiB, most of it behind damage.
fn input() -> Result<Copy, Box<dyn Error>> {
    let copy = Copy::of("cases/s003-trunc-payload")?;
    fs::write(copy.file("appendonly.aof"), [RECORD, b"garbage", &RECORD.repeat(30_000)].concat())?;
    Ok(copy)
}

#[test]
fn too_small_a_disk_is_said_beforehand() -> TestResult {
    for args in [&["--fix", "--yes", "set/appendonly.aof"][..], &["--salvage", "out", "set/appendonly.aof"]] {
        let Some(text) = on_disk(&input()?, "size=1200k", args)? else { return Ok(()) };
        let said = text.contains("nothing was changed: ") || text.contains("nothing was written: ");
        assert!(said && text.contains(" bytes have to be saved in ") && text.contains(" are free\n"), "{text}");
        assert!(text.ends_with("\nexit 1\ninput unchanged\n"), "{text}");
    }
    Ok(())
}

/// A disk on which no more than so many files can be made: each step meets its end.
#[test]
fn a_disk_that_fills_meanwhile_leaves_nothing_half_written() -> TestResult {
    for args in [&["--fix", "--yes", "set/appendonly.aof"][..], &["--salvage", "out", "set/appendonly.aof"]] {
        let mut refused = 0;
        // The root, `set` and the file in it have three.
        for files in 3..20 {
            let Some(text) = on_disk(&input()?, &format!("nr_inodes={files}"), args)? else { return Ok(()) };
            assert!(!text.contains(".part\n"), "{files} files: {text}");
            if text.contains("\nexit 0\n") {
                break;
            }
            refused += 1;
            assert!(text.contains("No space left on device") && !text.contains("panicked"), "{files} files: {text}");
            assert!(text.contains("\nexit 1\ninput unchanged\n"), "{files} files: {text}");
            assert!(!text.contains("./out"), "{files} files: {text}");
        }
        assert!((1..16).contains(&refused), "{args:?}: {refused}");
    }
    Ok(())
}
