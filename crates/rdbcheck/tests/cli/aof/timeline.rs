//! `--timeline`: where the timestamps are, and what was written between them.

use super::Copy;
use crate::TestResult;

#[test]
fn it_covers_the_records_of_all_files() -> TestResult {
    for name in ["redis-7.0-timestamps-plain", "redis-8.6-timestamps-preamble", "valkey-9.1-timestamps-preamble"] {
        let copy = Copy::of(&format!("sets/{name}"))?;
        let (file, code) = copy.json(&["--timeline", "set"])?;
        assert_eq!(code, Some(0));
        let rows = file["timeline"].as_array().ok_or("no timeline")?;
        let sum = |field: &str| rows.iter().filter_map(|row| row[field].as_u64()).sum::<u64>();
        assert_eq!(sum("commands"), file["aof"]["commands"], "{name}");
        let of_records = |part: &serde_json::Value| {
            part["loads_up_to"].as_u64().unwrap_or(0) - part["preamble_end"].as_u64().unwrap_or(0)
        };
        let parts = file["parts"].as_array().ok_or("no parts")?;
        assert_eq!(sum("bytes"), parts.iter().map(of_records).sum::<u64>(), "{name}");
        assert_eq!(rows[0]["timestamp"], file["aof"]["first_timestamp"], "{name}");
    }
    Ok(())
}

#[test]
fn it_reads_well() -> TestResult {
    let copy = Copy::of("sets/redis-7.0-timestamps-plain")?;
    let run = copy.run(&["--timeline", "set"])?;
    let expected = [
        "  timeline: 2 timestamps",
        "    appendonly.aof.2.base.aof",
        "      2026-11-22 22:39:32 UTC  1795387172  at byte            0        2.2 kB  43 commands",
        "    appendonly.aof.2.incr.aof",
        "      2026-11-22 22:39:34 UTC  1795387174  at byte            0        2.3 kB  53 commands",
    ];
    assert!(run.out.contains(&expected.join("\n")), "{}", run.out);
    Ok(())
}

/// The base has no stamps; the incremental file ends in damage, which is not counted.
#[test]
fn what_has_no_stamp_and_what_does_not_load() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    let (file, code) = copy.json(&["--timeline", "set"])?;
    let rows = file["timeline"].as_array().ok_or("no timeline")?;
    assert_eq!((code, rows.len()), (Some(1), 2));
    assert!(rows.iter().all(|row| row["timestamp"].is_null() && row["stamps"] == 0), "{rows:?}");
    assert_eq!((&rows[1]["bytes"], &rows[1]["commands"]), (&23.into(), &1.into()));
    Ok(())
}

/// A server with `aof-disable-auto-gc yes` kept three generations; the third one has a FLUSHALL.
const KEPT: &str = "../field/aof-history-point-in-time";

#[test]
fn history_comes_first_and_changes_say_what_stood_before() -> TestResult {
    let copy = Copy::of(KEPT)?;
    let (file, code) = copy.json(&["--timeline", "set"])?;
    assert_eq!(code, Some(0));
    let rows = file["timeline"].as_array().ok_or("no timeline")?;
    let of = |row: &serde_json::Value| {
        (row["file"].as_str().unwrap_or("").replace("appendonly.aof.", ""), row["image"] == true)
    };
    let mut files: Vec<_> = rows.iter().map(of).collect();
    files.dedup();
    let expected = [
        ("1.base.rdb", true),
        ("1.incr.aof", false),
        ("2.base.rdb", true),
        ("2.incr.aof", false),
        ("3.incr.aof", false),
    ];
    assert_eq!(files, expected.map(|(name, image)| (name.to_owned(), image)));
    let times: Vec<_> = rows.iter().filter_map(|row| row["timestamp"].as_i64()).collect();
    assert!(times.len() == rows.len() && times.is_sorted(), "{times:?}");
    let changes = file["changes"].as_array().ok_or("no changes")?;
    assert_eq!(changes.len(), 1);
    let of = |name: &str| changes[0][name].clone();
    assert_eq!((of("kind"), of("start"), of("line")), ("flushall".into(), 82.into(), 13.into()));
    assert_eq!((of("commands_before"), of("keys_before_estimated")), (2.into(), 1.into()));
    assert_eq!(of("timestamp"), serde_json::json!(1_796_004_549));
    let run = copy.run(&["--timeline", "set"])?;
    assert!(
        run.out.contains("FLUSHALL at byte 82 of appendonly.aof.3.incr.aof, line 13, database 0, after 2026-"),
        "{}",
        run.out
    );
    assert!(run.out.contains("appendonly.aof.1.incr.aof (history)"), "{}", run.out);
    Ok(())
}

/// Each point of time by the generation that reaches it, and how many keys stand there: 5 a second.
#[test]
fn a_point_before_the_base_is_reached_through_history() -> TestResult {
    for (time, base, cut, keys) in [
        ("1796004548", 3, Some(66), 21),
        ("1796004547", 3, Some(0), 20),
        ("1796004546", 2, None, 20),
        ("1796004545", 2, Some(189), 15),
        ("1796004543", 2, Some(0), 10),
        ("1796004542", 1, None, 10),
        ("1796004541", 1, Some(189), 5),
    ] {
        let copy = Copy::of(KEPT)?;
        let dry = copy.run(&["--truncate-to-timestamp", time, "--dry-run", "set"])?;
        assert!(copy.is_untouched()? && dry.code == Some(0), "{time}: {dry:?}");
        let run = copy.run(&["--truncate-to-timestamp", time, "--yes", "set"])?;
        assert_eq!(run.code, Some(0), "{time}: {run:?}");
        let folder = copy.file("appendonlydir");
        let manifest = std::fs::read_to_string(folder.join("appendonly.aof.manifest"))?;
        assert!(
            manifest.starts_with(&format!("file appendonly.aof.{base}.base.rdb seq {base} type b\n")),
            "{manifest}"
        );
        assert_eq!(manifest.contains("3.base"), base == 3, "{manifest}");
        assert!(manifest.ends_with(&format!("file appendonly.aof.{base}.incr.aof seq {base} type i\n")), "{manifest}");
        let size = std::fs::metadata(folder.join(format!("appendonly.aof.{base}.incr.aof")))?.len();
        assert_eq!(size, cut.unwrap_or(375), "{time}");
        let (file, code) = copy.json(&["set"])?;
        assert_eq!(code, Some(0));
        let sets = file["aof"]["commands_by_name"]["SET"].as_u64().unwrap_or(0);
        assert_eq!(file["counts"]["keys"].as_u64().unwrap_or(0) + sets, keys, "{time}: {file}");
        let undo = copy.ending(".undo")?;
        let run = copy.run(&["--undo", undo.to_str().ok_or("text")?, "--yes"])?;
        assert_eq!(run.code, Some(0), "{run:?}");
        let after = testkit::folder::files(&copy.file(""))?;
        assert!(copy.before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "{time}");
    }
    let copy = Copy::of(KEPT)?;
    let run = copy.run(&["--truncate-to-timestamp", "1796004540", "--yes", "set"])?;
    assert!(run.code == Some(1) && copy.is_untouched()? && run.err.contains("nothing from before is left"), "{run:?}");
    Ok(())
}

#[test]
fn a_byte_of_a_history_file_is_a_point_too() -> TestResult {
    let copy = Copy::of(KEPT)?;
    let args = ["--cut-before", "189", "--file", "appendonly.aof.2.incr.aof", "--yes", "set"];
    let run = copy.run(&args)?;
    assert_eq!(run.code, Some(0), "{run:?}");
    let manifest = std::fs::read_to_string(copy.file("appendonlydir/appendonly.aof.manifest"))?;
    assert!(
        manifest.starts_with("file appendonly.aof.2.base.rdb seq 2 type b\n") && !manifest.contains(".3."),
        "{manifest}"
    );
    assert_eq!(std::fs::metadata(copy.file("appendonlydir/appendonly.aof.2.incr.aof"))?.len(), 189);
    Ok(())
}

#[test]
fn one_command_is_left_out_of_a_salvage() -> TestResult {
    let copy = Copy::of("../field/aof-flushall")?;
    let (file, _) = copy.json(&["--timeline", "set"])?;
    let at = file["changes"][0]["start"].as_u64().ok_or("no change")?;
    assert_eq!(file["changes"][0]["keys_before_estimated"], 50);
    let run = copy.run(&["--salvage", "out", "--leave-out", &at.to_string(), "set"])?;
    // As after any salvage that leaves commands out.
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.out.contains("left out, as asked for, 1 command"), "{}", run.out);
    let was = std::fs::read(copy.file("appendonlydir/appendonly.aof.1.incr.aof"))?;
    let is = std::fs::read(copy.folder().join("out/appendonly.aof.1.incr.aof"))?;
    let flush = b"*1\r\n$8\r\nFLUSHALL\r\n".len();
    let at = usize::try_from(at)?;
    assert_eq!(is, [&was[..at], &was[at + flush..]].concat());
    for (byte, why) in [((at + 1).to_string(), "no record"), ("0".to_owned(), "SELECT begins at byte 0")] {
        let run = copy.run(&["--salvage", "other", "--leave-out", &byte, "set"])?;
        assert!(run.code == Some(1) && run.err.contains(why), "{run:?}");
        assert!(!copy.folder().join("other").exists());
    }
    Ok(())
}
