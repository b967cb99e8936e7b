//! A disk that is full: a clear error, the input as it was, and nothing half written.

use std::error::Error;
use std::fs;

use super::Copy;
use crate::TestResult;
use crate::disk::on_disk;

const RECORD: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";

/// Copies the set to the disk, and runs the command there.
const SCRIPT: &str = r#"
    set -e
    cp -R set disk/
    cd disk
    set +e
    "$@"
    echo "exit $?"
    cmp -s set/appendonly.aof ../set/appendonly.aof && echo "input unchanged"
    find . -mindepth 1 ! -path ./set ! -path ./set/appendonly.aof | sort
"#;

/// What the command printed and left on a disk of its own; none where nobody may mount one.
fn run_on_disk(copy: &Copy, options: &str, args: &[&str]) -> Result<Option<String>, Box<dyn Error>> {
    on_disk(copy.folder(), options, SCRIPT, &[&[env!("CARGO_BIN_EXE_aofcheck")], args].concat())
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
        let Some(text) = run_on_disk(&input()?, "size=1200k", args)? else { return Ok(()) };
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
            let Some(text) = run_on_disk(&input()?, &format!("nr_inodes={files}"), args)? else { return Ok(()) };
            assert!(!text.contains(".part\n"), "{files} files: {text}");
            // A salvage leaves out what cannot be read.
            if text.contains("\nexit 0\n") || text.contains("\nexit 4\n") {
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
