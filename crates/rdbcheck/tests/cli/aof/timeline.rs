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
