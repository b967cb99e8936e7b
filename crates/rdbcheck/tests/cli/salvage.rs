//! `--salvage`: what is written, what is refused, and what is said about it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::golden::assert_fits_the_schema;
use crate::{Ran, TestResult, run, sound};

const SOURCE: &str = "redis-7.0-thresholds-100000.rdb";

/// A damaged file in a folder of its own, and the name of what is written beside it.
struct Case {
    _folder: TempDir,
    dump: String,
    out: PathBuf,
}

impl Case {
    fn new(harm: impl FnOnce(&mut Vec<u8>)) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let dump = folder.path().join("dump.rdb");
        let mut bytes = sound(SOURCE)?;
        harm(&mut bytes);
        fs::write(&dump, bytes)?;
        let out = folder.path().join("saved.rdb");
        Ok(Self { _folder: folder, dump: dump.display().to_string(), out })
    }

    /// With 4000 bytes in the middle overwritten: the end of one key and the beginning of others.
    fn damaged() -> Result<Self, Box<dyn std::error::Error>> {
        Self::new(|bytes| bytes[40_000..44_000].fill(0xee))
    }

    fn run(&self, more: &[&str]) -> Result<Ran, Box<dyn std::error::Error>> {
        let out = self.out.display().to_string();
        run(&[&["--salvage", &out, &self.dump], more].concat())
    }
}

#[test]
fn what_is_left_is_written_and_marked() -> TestResult {
    let case = Case::damaged()?;
    let ran = case.run(&[])?;
    assert_eq!((ran.code, ran.err.as_str()), (Some(4), ""), "{ran:?}");
    for part in ["Salvage: ", "The content is unproven", "database 0: ", "bytes skipped, in 1 place", "Written: "] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let check = run(&[&case.out.display().to_string()])?;
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.out.contains("rdb-content-unproven"), "{}", check.out);
    Ok(())
}

#[test]
fn what_the_checksum_mends_is_the_original() -> TestResult {
    let case = Case::new(|bytes| bytes[50_000] ^= 0x55)?;
    let ran = case.run(&[])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("the original, byte for byte"), "{}", ran.out);
    assert_eq!(fs::read(&case.out)?, sound(SOURCE)?);
    Ok(())
}

#[test]
fn a_sound_file_is_copied() -> TestResult {
    let case = Case::new(|_| ())?;
    assert_eq!(case.run(&[])?.code, Some(0));
    assert_eq!(fs::read(&case.out)?, sound(SOURCE)?);
    Ok(())
}

#[test]
fn a_file_that_exists_is_refused_without_force() -> TestResult {
    let case = Case::damaged()?;
    fs::write(&case.out, "mine")?;
    let ran = case.run(&[])?;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "it is refused before the work");
    assert!(ran.err.contains("--force"), "{}", ran.err);
    assert_eq!(fs::read(&case.out)?, b"mine");
    assert_eq!(case.run(&["--force"])?.code, Some(4));
    assert!(fs::read(&case.out)?.starts_with(b"REDIS"));
    Ok(())
}

#[test]
fn the_damaged_file_is_never_written_to() -> TestResult {
    let case = Case::damaged()?;
    let before = fs::read(&case.dump)?;
    let ran = run(&["--salvage", &case.dump, "--force", &case.dump])?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(fs::read(&case.dump)?, before);
    Ok(())
}

#[test]
fn a_dry_run_writes_nothing_and_exits_as_the_check() -> TestResult {
    let case = Case::damaged()?;
    let ran = case.run(&["--dry-run"])?;
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("Nothing was written"), "{}", ran.out);
    assert!(!case.out.exists());
    Ok(())
}

#[test]
fn more_than_one_input_is_refused() -> TestResult {
    let case = Case::damaged()?;
    let out = case.out.display().to_string();
    for args in [vec!["--salvage", &out, "/dev/null"], vec!["--salvage", &out, &case.dump, &case.dump]] {
        let ran = run(&args)?;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains("--salvage"), "{}", ran.err);
    }
    assert!(run(&["--resp", &case.dump])?.code == Some(2) && !case.out.exists());
    Ok(())
}

#[test]
fn where_nothing_is_left_nothing_is_written() -> TestResult {
    let case = Case::new(|bytes| bytes.fill(0x20))?;
    let ran = case.run(&[])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("no key was found"), "{}", ran.err);
    assert!(!case.out.exists());
    Ok(())
}

#[test]
fn commands_are_written_on_request() -> TestResult {
    let case = Case::damaged()?;
    let ran = case.run(&["--resp"])?;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let commands = fs::read(&case.out)?;
    assert!(commands.starts_with(b"*2\r\n$6\r\nSELECT\r\n"), "{}", commands[..60].escape_ascii());
    Ok(())
}

#[test]
fn the_document_holds_the_loss_report() -> TestResult {
    for (case, proven) in [(Case::damaged()?, false), (Case::new(|bytes| bytes[50_000] ^= 0x55)?, true)] {
        let ran = case.run(&["--json"])?;
        assert_eq!(ran.code, Some(if proven { 0 } else { 4 }), "{ran:?}");
        assert_fits_the_schema(&case.out, &ran.out)?;
        let document: Value = serde_json::from_str(&ran.out)?;
        let salvage = &document["files"][0]["salvage"];
        assert_eq!(salvage["status"], "written");
        assert_eq!(salvage["content_proven"], proven);
        assert_eq!(salvage["loss"].is_null(), proven);
        assert_eq!(salvage["mended"].is_null(), !proven);
        if !proven {
            assert_eq!(salvage["loss"]["keys"], salvage["keys"]);
            assert_eq!(salvage["loss"]["skipped"].as_array().map(Vec::len), Some(1), "{salvage}");
        }
    }
    Ok(())
}

#[test]
fn a_sound_file_without_a_checksum_is_copied_and_stays_unproven() -> TestResult {
    let case = Case::new(|bytes| {
        let end = bytes.len() - 8;
        bytes[end..].fill(0);
    })?;
    let ran = case.run(&["--json"])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.out)?;
    let salvage = &document["files"][0]["salvage"];
    assert_eq!((&salvage["content_proven"], salvage["loss"].is_null()), (&Value::Bool(false), true), "{salvage}");
    assert_eq!(fs::read(&case.out)?, fs::read(&case.dump)?);
    Ok(())
}

#[test]
fn names_are_not_seen_under_redact() -> TestResult {
    let mut names = Vec::new();
    for more in [&["--json"][..], &["--json", "--redact"]] {
        // One byte in the middle of many values: some key is damaged whose extent is known.
        let case = Case::new(|bytes| (30_000..100_000).step_by(9_000).for_each(|at| bytes[at] ^= 0x0f))?;
        let document: Value = serde_json::from_str(&case.run(more)?.out)?;
        let damaged = document["files"][0]["salvage"]["loss"]["damaged"].clone();
        names.push(damaged[0]["key"].as_str().map(str::to_owned).ok_or("no damaged key")?);
    }
    assert_ne!(names[0], names[1]);
    Ok(())
}

#[test]
fn parts_of_collections_are_saved_on_request_and_named() -> TestResult {
    let harm = |bytes: &mut Vec<u8>| (30_000..100_000).step_by(9_000).for_each(|at| bytes[at..at + 8].fill(0xee));
    let mut keys = Vec::new();
    for more in [&["--json"][..], &["--json", "--partial"], &["--json", "--partial", "--redact"]] {
        let case = Case::new(harm)?;
        let ran = case.run(more)?;
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert_fits_the_schema(&case.out, &ran.out)?;
        let document: Value = serde_json::from_str(&ran.out)?;
        let loss = document["files"][0]["salvage"]["loss"].clone();
        keys.push((loss["partial"].as_array().ok_or("a list")?.clone(), loss["keys"].as_u64().ok_or("a number")?));
    }
    let parts = keys[1].0.len();
    assert!(keys[0].0.is_empty() && parts > 0 && keys[1].1 == keys[0].1 + parts as u64, "{keys:?}");
    assert!(keys[1].0.iter().all(|key| key["elements"].as_u64() > Some(0)), "{keys:?}");
    assert!(keys[2].0.len() == parts && keys[2].0[0]["key"] != keys[1].0[0]["key"]);
    let ran = Case::new(harm)?.run(&["--partial"])?;
    assert!(ran.out.contains(" saved in part, ") && ran.out.contains(" elements\n"), "{}", ran.out);
    Ok(())
}

#[test]
#[cfg(feature = "packed")]
fn what_is_packed_is_laid_down_first() -> TestResult {
    let case = Case::damaged()?;
    assert_eq!(case.run(&[])?.code, Some(4));
    let expected = fs::read(&case.out)?;
    let damaged = fs::read(&case.dump)?;
    let tar = |names: &[&str]| -> std::io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(damaged.len() as u64);
            tar.append_data(&mut header, name, &damaged[..])?;
        }
        tar.into_inner()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3);
    for bytes in [zstd(&damaged)?, tar(&["data/dump.rdb"])?, zstd(&tar(&["data/dump.rdb"])?)?] {
        fs::write(&case.dump, &bytes)?;
        let ran = case.run(&["--force"])?;
        assert_eq!((ran.code, ran.err.as_str()), (Some(4), ""), "{ran:?}");
        assert!(fs::read(&case.out)? == expected && fs::read(&case.dump)? == bytes);
    }
    fs::write(&case.dump, tar(&["a.rdb", "b.rdb"])?)?;
    let ran = case.run(&["--force"])?;
    assert!(ran.code == Some(2) && ran.err.contains("several RDB files"), "{ran:?}");
    assert!(fs::read(&case.out)? == expected);
    Ok(())
}

#[test]
fn the_servers_asked_for_load_what_is_written() -> TestResult {
    let case = Case::damaged()?;
    let ran = case.run(&["--for", "redis-7.0,valkey-9.1"])?;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    fs::remove_file(&case.out)?;
    // Listpacks are of 7.0.
    let ran = case.run(&["--for", "redis-6.2"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("redis-6.2 would not load it: "), "{}", ran.err);
    assert!(!case.out.exists());
    Ok(())
}

/// A limit on the size of files is as good as a full disk.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_nothing() -> TestResult {
    let case = Case::damaged()?;
    let script = "trap '' XFSZ; ulimit -f 40; exec \"$0\" --salvage \"$1\" \"$2\"";
    let out = case.out.display().to_string();
    let command = ["-c", script, env!("CARGO_BIN_EXE_rdbcheck"), &out, &case.dump];
    let ran = crate::ran(std::process::Command::new("sh").args(command).output())?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("cannot write to ") && ran.err.contains("File too large"), "{}", ran.err);
    let left: Vec<_> = fs::read_dir(case._folder.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["dump.rdb"]);
    Ok(())
}

#[test]
fn a_loss_is_bounded_on_request() -> TestResult {
    let case = Case::damaged()?;
    let document: Value = serde_json::from_str(&case.run(&["--json", "--dry-run"])?.out)?;
    let lost = document["files"][0]["salvage"]["loss"]["keys_lost"].as_u64().ok_or("a number")?;
    assert!(lost > 0);
    let ran = case.run(&["--max-loss", &(lost - 1).to_string()])?;
    assert!(ran.code == Some(1) && ran.err.contains("--max-loss allows") && !case.out.exists(), "{ran:?}");
    assert_eq!(case.run(&["--max-loss", &lost.to_string()])?.code, Some(4));
    // Nothing says how many keys stood behind the end of a file that was cut.
    let case = Case::new(|bytes| bytes.truncate(50_000))?;
    let ran = case.run(&["--max-loss", "1000000"])?;
    assert!(ran.code == Some(1) && ran.err.contains("is not known") && !case.out.exists(), "{ran:?}");
    Ok(())
}

/// A key with its module, a library, and a plain key.
#[cfg(feature = "functions")]
const OF_MODULES: &[u8] = b"REDIS0010\xf5\x2e#!lua name=lib\nredis.register_function('f', f)\
\xfe\0\xfb\x02\0\x07\x01m\x81\xb1\xc7\x5d\x81\xc7\x5c\x04\0\x02\x01\0\0\x01k\x01v\xff\0\0\0\0\0\0\0\0";

#[test]
#[cfg(feature = "functions")]
fn modules_and_functions_are_left_out_on_request_and_named() -> TestResult {
    let case = Case::new(|bytes| *bytes = OF_MODULES.to_vec())?;
    let ran = case.run(&["--for", "redis-7.0"])?;
    assert!(ran.code == Some(1) && ran.err.contains("--without modules leaves that out"), "{ran:?}");
    let ran = case.run(&["--json", "--for", "redis-7.0", "--without", "modules,functions"])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_fits_the_schema(&case.out, &ran.out)?;
    let document: Value = serde_json::from_str(&ran.out)?;
    let loss = &document["files"][0]["salvage"]["loss"];
    let named: Vec<_> =
        loss["left_out"].as_array().ok_or("a list")?.iter().map(|left| (&left["kind"], &left["name"])).collect();
    assert_eq!(named, [(&"function".into(), &"lib".into()), (&"key".into(), &"m".into())]);
    assert_eq!((&loss["keys"], &loss["keys_lost"]), (&1.into(), &0.into()));
    assert_eq!(run(&["--for", "redis-7.0", "--expect-keys", "1", &case.out.display().to_string()])?.code, Some(0));
    assert_eq!(case.run(&["--force", "--without", "everything"])?.code, Some(2));
    Ok(())
}

/// Known before the work is done: nothing is printed of a check, and what has the name stays what it is.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_as_out() -> TestResult {
    let case = Case::damaged()?;
    let folder = case.out.with_file_name("folder");
    fs::create_dir(&folder)?;
    let (fifo, link) = (folder.join("fifo"), folder.join("link"));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status()?.success());
    std::os::unix::fs::symlink(&case.dump, &link)?;
    let nowhere = folder.join("nowhere/out");
    let paths = [&fifo, &link, &folder, &nowhere].map(|path| path.display().to_string());
    let before = fs::read(&case.dump)?;
    for out in paths.iter().map(String::as_str).chain(["/dev/null", "-"]) {
        for force in [&[][..], &["--force"]] {
            let ran = run(&[&["--salvage", out, &case.dump], force].concat())?;
            assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{out}: {ran:?}");
        }
    }
    assert!(fs::symlink_metadata(&link)?.is_symlink() && fs::read(&case.dump)? == before);
    assert_eq!(fs::read_dir(&folder)?.count(), 2);
    Ok(())
}

#[cfg(unix)]
#[test]
fn commands_go_to_pipes_and_to_standard_output() -> TestResult {
    let case = Case::damaged()?;
    assert_eq!(case.run(&["--resp"])?.code, Some(4));
    let commands = fs::read(&case.out)?;
    let piped = crate::rdbcheck(&["--salvage", "-", "--resp", &case.dump]).output()?;
    assert_eq!((piped.status.code(), piped.stdout == commands), (Some(4), true));
    let fifo = case.out.with_file_name("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status()?.success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo)
    });
    let ran = run(&["--salvage", &fifo.display().to_string(), "--resp", &case.dump])?;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(reader.join().map_err(|_| "the reader failed")?? == commands);
    assert_eq!(run(&["--salvage", "/dev/null", "--resp", &case.dump])?.code, Some(4));
    Ok(())
}
