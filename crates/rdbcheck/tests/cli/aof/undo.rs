//! `--undo`: it says what it takes back, and does that only with consent.

use std::fs;

use super::{Copy, files};
use crate::TestResult;

#[test]
fn it_needs_consent() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?.to_string_lossy().into_owned();
    let fixed = files(&copy.folder().join("set"))?;

    let run = copy.run(&["--undo", &record])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.starts_with("Takes back:\n  cut file="), "{run:?}");
    assert!(run.err.contains("nothing was changed: there is no terminal to ask on"), "{run:?}");
    let run = copy.run(&["--undo", &record, "--dry-run"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    assert!(files(&copy.folder().join("set"))? == fixed);

    let run = copy.run(&["--json", "--undo", &record, "--yes"])?;
    crate::golden::assert_fits_the_schema(copy.folder(), &run.out)?;
    let document: serde_json::Value = serde_json::from_str(&run.out)?;
    assert_eq!((&document["undo"]["status"], run.code), (&"applied".into(), Some(0)));
    assert_eq!(document["undo"]["restored"].as_array().map(Vec::len), Some(1));

    let run = copy.run(&["--undo", &record, "--yes"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("\n  was so already: "), "{run:?}");
    Ok(())
}

#[test]
fn what_is_no_record_changes_nothing() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    let run = copy.run(&["--undo", "missing.undo", "--yes"])?;
    assert_eq!(
        (run.code, run.err.as_str()),
        (Some(2), "aofcheck: missing.undo: No such file or directory\n"),
        "{run:?}"
    );
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?;
    let text = fs::read_to_string(&record)?;
    fs::write(&record, text.replace("from=47", "from=48"))?;
    let fixed = files(&copy.folder().join("set"))?;
    let run = copy.run(&["--undo", &record.to_string_lossy(), "--yes"])?;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("is no sound record of a repair: its checksum does not match"), "{run:?}");
    assert!(files(&copy.folder().join("set"))? == fixed);
    Ok(())
}

/// What was written since the repair is not thrown away.
#[test]
fn a_file_that_went_on_is_left_alone() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let file = copy.file("appendonlydir/appendonly.aof.2.incr.aof");
    let mut bytes = fs::read(&file)?;
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    fs::write(&file, &bytes)?;
    let run = copy.run(&["--undo", &copy.ending(".undo")?.to_string_lossy(), "--yes"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("nothing was changed: ") && run.err.contains("it was written to"), "{run:?}");
    assert_eq!(fs::read(&file)?, bytes);
    Ok(())
}
