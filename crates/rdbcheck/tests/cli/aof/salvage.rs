//! `--salvage`: a new folder, and nothing else changes.

use std::fs;
use std::process::Command;

use testkit::resp;

use super::{Copy, files};
use crate::TestResult;

#[test]
fn what_can_be_read_goes_to_a_new_folder() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let (entry, code) = copy.json(&["--salvage", "out", "set/appendonly.aof"])?;
    let salvage = &entry["salvage_aof"];
    assert_eq!(
        (code, salvage["status"].as_str(), entry["verdict"].as_str()),
        (Some(4), Some("written"), Some("damaged"))
    );
    let file = &salvage["files"][0];
    assert_eq!(file["kept_commands"].as_u64(), Some(23), "{salvage:#}");
    assert_eq!(file["skipped"][0]["kind"].as_str(), Some("damage"));
    let out = copy.folder().join("out");
    let written: Vec<_> = files(&out)?.into_keys().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(written, ["appendonly.aof", "salvage.quarantine", "salvage.report"]);
    assert_eq!(copy.run(&["out/appendonly.aof"])?.code, Some(0));
    assert!(copy.is_untouched()?);
    Ok(())
}

#[test]
fn a_set_stays_a_set() -> TestResult {
    let copy = Copy::of("cases/m008-garbage-middle")?;
    let run = copy.run(&["--salvage", "out", "set"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(4), ""), "{run:?}");
    assert!(run.out.ends_with("\nWritten to out, and found sound.\n"), "{run:?}");
    let manifest = fs::read_to_string(copy.folder().join("out/appendonly.aof.manifest"))?;
    assert!(manifest.contains("file appendonly.aof.2.incr.aof seq 2 type i\n"), "{manifest}");
    assert_eq!(copy.run(&["out"])?.code, Some(0));
    assert!(copy.is_untouched()?);
    Ok(())
}

#[test]
fn a_folder_that_exists_is_not_written_to() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let out = copy.folder().join("out");
    fs::create_dir(&out)?;
    fs::write(out.join("precious"), "x")?;
    let run = copy.run(&["--salvage", "out", "set/appendonly.aof"])?;
    let refused = "aofcheck: out: nothing was written: it exists already; --force sets it aside\n";
    assert_eq!((run.code, run.err.as_str()), (Some(2), refused), "{run:?}");
    assert_eq!((files(&out)?.len(), run.out.as_str()), (1, ""), "it is refused before the work");

    let run = copy.run(&["--salvage", "out", "--force", "set/appendonly.aof"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(4), ""), "{run:?}");
    let kept =
        fs::read_dir(copy.folder())?.flatten().find(|entry| entry.file_name().to_string_lossy().ends_with(".aside"));
    assert!(kept.is_some_and(|kept| kept.path().join("precious").exists()), "{run:?}");
    Ok(())
}

#[test]
fn a_dry_run_writes_nothing() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let run = copy.run(&["--salvage", "out", "--dry-run", "set/appendonly.aof"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{run:?}");
    assert!(run.out.contains("with 23 commands kept"), "{run:?}");
    assert!(!copy.folder().join("out").exists());
    Ok(())
}

/// Three databases with the same keys, and a SELECT that is lost: nothing tells where the command behind it belongs.
#[test]
fn commands_of_an_unknown_database_are_set_aside_or_kept() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let mut bytes = Vec::new();
    let mut lost = 0..0;
    for number in 0..90 {
        let at = bytes.len();
        bytes.extend(resp::record(&["SELECT", &(number % 3).to_string()]));
        if number == 45 {
            lost = at..bytes.len();
        }
        bytes.extend(resp::record(&["SET", &format!("key:{}", number % 7), &number.to_string()]));
    }
    bytes[lost.clone()].fill(0xee);
    fs::write(copy.file("appendonly.aof"), bytes)?;

    let (entry, code) = copy.json(&["--salvage", "out", "set/appendonly.aof"])?;
    let file = &entry["salvage_aof"]["files"][0];
    assert_eq!(
        (code, file["kept_commands"].as_u64(), file["skipped_commands"].as_u64()),
        (Some(4), Some(178), Some(1))
    );
    assert_eq!(file["skipped"][1]["kind"].as_str(), Some("database"), "{file:#}");
    let stretch = &file["uncertain"][0];
    assert_eq!((stretch["certainty"].as_str(), stretch["db"].as_u64()), (Some("unknown"), None), "{file:#}");
    assert_eq!(stretch["start"].as_u64(), Some(lost.end as u64));
    let quarantine = fs::read(copy.folder().join("out/salvage.quarantine"))?;
    assert!(quarantine.windows(6).any(|bytes| bytes == b"$2\r\n45"), "the command lies in the quarantine");

    let run = copy.run(&["--salvage", "all", "--uncertain", "keep", "set/appendonly.aof"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(4), ""), "{run:?}");
    assert!(run.out.contains("with 179 commands kept"), "{run:?}");
    assert!(run.out.contains("the likeliest, and none is certain: a SELECT may be lost"), "{run:?}");
    Ok(())
}

/// The base of the set, damaged in one byte: its checksum tells which. With more damage a new one is made of what is left.
#[test]
fn a_damaged_image_is_mended_or_salvaged() -> TestResult {
    let copy = Copy::of("sets/redis-7.0-history-kept/appendonlydir")?;
    let base = copy.file("appendonly.aof.3.base.rdb");
    let sound = fs::read(&base)?;
    let middle = sound.len() / 2;
    let mut bytes = sound.clone();
    bytes[middle] ^= 0x10;
    fs::write(&base, &bytes)?;
    let (entry, code) = copy.json(&["--salvage", "out", "set"])?;
    let image = &entry["salvage_aof"]["files"][0]["image"];
    assert_eq!((code, image["mended"]["offset"].as_u64()), (Some(0), Some(middle as u64)), "{image:#}");
    assert!(fs::read(copy.folder().join("out/appendonly.aof.3.base.rdb"))? == sound, "it is as it was");

    bytes[middle..middle + 16].fill(0xee);
    fs::write(&base, &bytes)?;
    let (entry, code) = copy.json(&["--salvage", "less", "set"])?;
    let file = &entry["salvage_aof"]["files"][0];
    assert_eq!((code, file["image"]["loss"]["header_is_sound"].as_bool()), (Some(4), Some(true)), "{file:#}");
    assert!(file["image"]["loss"]["bytes_skipped"].as_u64() > Some(0), "{file:#}");
    let report = fs::read_to_string(copy.folder().join("less/salvage.report"))?;
    assert!(report.contains("\n  of the damaged image: "), "{report}");
    assert!(report.contains("are lost: commands that change them begin with none\n"), "{report}");
    assert_eq!(copy.run(&["less"])?.code, Some(0));
    Ok(())
}

/// A limit on the size of files is as good as a full disk.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_nothing() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let record = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    fs::write(copy.file("appendonly.aof"), [&record.repeat(20_000)[..], b"garbage"].concat())?;
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" --salvage out set/appendonly.aof";
    let run =
        Command::new("sh").current_dir(copy.folder()).args(["-c", script, env!("CARGO_BIN_EXE_aofcheck")]).output()?;
    let err = String::from_utf8(run.stderr)?;
    assert_eq!(run.status.code(), Some(1), "{err}");
    assert!(err.contains("nothing was written: cannot write to ") && err.contains("File too large"), "{err}");
    let left: Vec<_> = fs::read_dir(copy.folder())?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["set"]);
    Ok(())
}

/// What is written for a server is loaded by it, or nothing is written.
#[test]
fn a_salvage_for_a_server_keeps_its_word() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    let set = copy.folder().join("set/appendonly.aof");
    let mut data = fs::read(&set)?;
    data.extend(resp::record(&["HGETEX", "h", "FIELDS", "1", "f"]));
    fs::write(&set, data)?;
    let run = copy.run(&["--salvage", "out", "--for", "redis-7.0", "set/appendonly.aof"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("nothing was written: redis-7.0 would not load it"), "{run:?}");
    assert!(!copy.folder().join("out").exists());
    let run = copy.run(&["--salvage", "out", "--for", "redis-8.6", "set/appendonly.aof"])?;
    assert_eq!((run.code, copy.folder().join("out").exists()), (Some(4), true), "{run:?}");
    Ok(())
}

/// Where nothing can be kept, nothing is written, and bytes are not counted as commands.
#[test]
fn a_salvage_of_nothing_writes_nothing() -> TestResult {
    let copy = Copy::of("cases/s066-garbage-middle")?;
    fs::write(copy.folder().join("set/appendonly.aof"), "no command at all\r\n".repeat(1000))?;
    let run = copy.run(&["--salvage", "out", "set/appendonly.aof"])?;
    assert_eq!((run.code, run.err.contains("holds no data")), (Some(1), true), "{run:?}");
    assert!(run.out.contains("and about 0 that cannot"), "{run:?}");
    assert!(!copy.folder().join("out").exists());
    Ok(())
}

/// A dry run is asked the same question as a run: would that server load it?
#[test]
fn a_dry_run_is_judged_for_the_servers_too() -> TestResult {
    let copy = Copy::of("../field/aof-module-aux")?;
    for dry_run in [true, false] {
        let mut args = vec!["--salvage", "out", "--for", "redis-7.0", "set"];
        args.extend(dry_run.then_some("--dry-run"));
        let run = copy.run(&args)?;
        assert!(run.code == Some(1) && run.err.contains("redis-7.0 would not load it"), "{dry_run}: {run:?}");
        assert!(!copy.folder().join("out").exists());
    }
    Ok(())
}
