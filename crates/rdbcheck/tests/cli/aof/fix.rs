//! `--fix` and `--truncate-to-timestamp`: nothing changes without consent, and what goes is kept.

use std::fs::{self, File};

use super::{Copy, files};
use crate::TestResult;

const LAST: &str = "appendonlydir/appendonly.aof.2.incr.aof";

/// The last file of three is cut short.
fn cut_short() -> Result<Copy, Box<dyn std::error::Error>> {
    Copy::of("cases/m005-trunc-last")
}

#[test]
fn without_a_terminal_and_without_yes_nothing_changes() -> TestResult {
    let copy = cut_short()?;
    let run = copy.run(&["--fix", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.out.contains("\nPlan:\n  cut set/appendonlydir/appendonly.aof.2.incr.aof from 47 to 23 bytes: "),
        "{run:?}"
    );
    assert_eq!(
        run.err,
        "aofcheck: set: nothing was changed: there is no terminal to ask on; with --yes it is done without a question\n"
    );
    assert!(copy.is_untouched()?);
    Ok(())
}

#[test]
fn yes_applies_and_undo_takes_it_back() -> TestResult {
    let copy = cut_short()?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    let (tail, record) = (copy.ending(".tail")?, copy.ending(".undo")?);
    for part in ["\nApplied.\n  saved: ", &tail.to_string_lossy(), &format!("--undo {}\n", record.display())] {
        assert!(run.out.contains(part), "{part}: {run:?}");
    }
    assert!(run.out.ends_with("\nset: sound\n"), "{run:?}");
    let whole = [fs::read(copy.file(LAST))?, fs::read(&tail)?].concat();
    assert_eq!(Some(&whole), copy.before.get(&copy.file(LAST)));

    let again = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(again.code, Some(0));
    assert!(again.out.ends_with("\nPlan: none. There is nothing to change.\n"), "{again:?}");

    let undone = copy.run(&["--undo", &record.to_string_lossy(), "--yes"])?;
    assert_eq!((undone.code, undone.err.as_str()), (Some(0), ""), "{undone:?}");
    assert_eq!(Some(&fs::read(copy.file(LAST))?), copy.before.get(&copy.file(LAST)));
    Ok(())
}

#[test]
fn a_dry_run_exits_as_the_check_does() -> TestResult {
    let copy = cut_short()?;
    let run = copy.run(&["--fix", "--dry-run", "set"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{run:?}");
    assert!(run.out.contains("\n    goes: 24 bytes, 1 command, about 1 key; "), "{run:?}");
    assert!(copy.is_untouched()?);
    let sound = Copy::of("sets/redis-7.0-history-kept")?;
    let run = sound.run(&["--fix", "--dry-run", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    Ok(())
}

#[test]
fn no_more_goes_than_may() -> TestResult {
    let copy = cut_short()?;
    let run = copy.run(&["--fix", "--yes", "--max-loss", "23", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("this is more than the 23 bytes that may go"), "{run:?}");
    assert_eq!(run.err, "aofcheck: set: nothing was changed: more bytes would go than --max-loss allows\n");
    assert!(copy.is_untouched()?);
    assert_eq!(copy.run(&["--fix", "--yes", "--max-loss", "24", "set"])?.code, Some(0));
    Ok(())
}

/// A damaged file that is not the last one is cut only if it is named, and the plan says what follows from it.
#[test]
fn a_file_in_the_middle_has_to_be_named() -> TestResult {
    let copy = Copy::of("cases/m006-trunc-middle")?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.out.contains("\nPlan: none. No cut and no change of the manifest mends this.\n  not enough: "),
        "{run:?}"
    );
    assert!(run.out.contains("to cut it all the same, name it"), "{run:?}");
    assert!(copy.is_untouched()?);

    let run = copy.run(&["--fix", "--yes", "--file", "appendonlydir/appendonly.aof.1.incr.aof", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("is not the last file: "), "{run:?}");
    assert!(run.out.ends_with("\nset: sound\n"), "{run:?}");
    Ok(())
}

#[test]
fn what_no_plan_mends_is_said() -> TestResult {
    let copy = Copy::of("cases/m051-rdb-base-crc")?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("\nPlan: none. No cut and no change of the manifest mends this.\n"), "{run:?}");
    assert!(copy.is_untouched()?);
    Ok(())
}

#[test]
fn what_goes_lies_where_it_should() -> TestResult {
    let copy = cut_short()?;
    let run = copy.run(&["--fix", "--yes", "--backup-dir", "nowhere", "set"])?;
    let refused = "aofcheck: nowhere: nothing was changed: it is no folder to save in\n";
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(2), "", refused), "{run:?}");
    assert!(copy.is_untouched()?);
    fs::create_dir(copy.folder().join("backup"))?;
    let run = copy.run(&["--fix", "--yes", "--backup-dir", "backup", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(files(&copy.folder().join("backup"))?.len(), 2);
    assert_eq!(files(&copy.folder().join("set"))?.len(), copy.before.len());
    // The record says which set, and so does the one who undoes it; the report has the whole command.
    let record =
        files(&copy.folder().join("backup"))?.into_keys().find(|name| name.to_string_lossy().ends_with(".undo"));
    let record = record.ok_or("no record")?.to_string_lossy().into_owned();
    assert!(run.out.contains("/set/appendonlydir\n") && run.out.contains(" --undo "), "{run:?}");
    for args in [&["--undo", &record, "--yes"][..], &["--undo", &record, "--yes", "backup"]] {
        let refused = copy.run(args)?;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("is refused: its set"), "{refused:?}");
    }
    assert_eq!(copy.run(&["--undo", &record, "--yes", "set"])?.code, Some(0));
    assert!(copy.is_untouched()?);
    Ok(())
}

#[test]
fn a_file_that_somebody_writes_is_left_alone() -> TestResult {
    let copy = cut_short()?;
    let held = File::options().append(true).open(copy.file(LAST))?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("is open for writing in process"), "{run:?}");
    assert!(copy.is_untouched()?);
    let run = copy.run(&["--fix", "--yes", "--force-live", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    drop(held);
    Ok(())
}

#[test]
fn a_manifest_is_mended() -> TestResult {
    let copy = Copy::of("cases/m009-manifest-no-newline")?;
    let run = copy.run(&["--fix", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("the last line gets its line end"), "{run:?}");
    assert!(fs::read(copy.file("appendonlydir/appendonly.aof.manifest"))?.ends_with(b"\n"));
    Ok(())
}

#[test]
fn the_document_says_what_was_done() -> TestResult {
    let copy = cut_short()?;
    let (file, code) = copy.json(&["--fix", "set"])?;
    assert_eq!((&file["repair"]["status"], &file["verdict"], code), (&"refused".into(), &"damaged".into(), Some(1)));
    let (file, code) = copy.json(&["--fix", "--dry-run", "set"])?;
    assert_eq!((&file["repair"]["status"], code), (&"planned".into(), Some(1)));
    assert!(copy.is_untouched()?);

    // Nothing is changed without a plan that was shown.
    let run = copy.run(&["--json", "--fix", "--yes", "set"])?;
    assert!(run.err.contains("Plan:\n  cut set/appendonlydir/"), "{run:?}");
    crate::golden::assert_fits_the_schema(copy.folder(), &run.out)?;
    let document: serde_json::Value = serde_json::from_str(&run.out)?;
    let file = &document["files"][0];
    assert_eq!((&file["repair"]["status"], &file["verdict"], run.code), (&"applied".into(), &"sound".into(), Some(0)));
    let step = &file["repair"]["steps"][0];
    assert_eq!((&step["action"], &step["from"], &step["to"]), (&"cut".into(), &47.into(), &23.into()));
    assert_eq!((&step["loss"]["bytes"], &step["loss"]["commands"]), (&24.into(), &1.into()));
    assert_eq!(file["repair"]["record"], copy.ending(".undo")?.to_string_lossy().as_ref());
    assert_eq!(file["repair"]["saved"][0], copy.ending(".tail")?.to_string_lossy().as_ref());
    Ok(())
}

/// Names of files reach the terminal through plans, too.
#[test]
fn plans_harm_no_terminal() -> TestResult {
    let copy = cut_short()?;
    let name = "set\u{1b}[2J";
    fs::rename(copy.folder().join("set"), copy.folder().join(name))?;
    let run = copy.run(&["--fix", "--yes", name])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("cut set\\x1b[2J/appendonlydir/"), "{run:?}");
    assert!(!format!("{}{}", run.out, run.err).contains('\u{1b}'), "{run:?}");
    Ok(())
}

#[test]
fn time_is_turned_back() -> TestResult {
    for time in ["1795387173", "2026-11-22T22:39:33Z", "2026-11-22T23:39:33.9+01:00"] {
        let copy = Copy::of("sets/redis-7.0-timestamps-plain")?;
        let run = copy.run(&["--truncate-to-timestamp", time, "set"])?;
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(copy.is_untouched()?);
        let run = copy.run(&["--truncate-to-timestamp", time, "--yes", "set"])?;
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
        assert!(run.out.contains(": the writes from the timestamp 1795387174 on are taken back"), "{run:?}");
        let (file, _) = copy.json(&["set"])?;
        assert_eq!((&file["aof"]["commands"], &file["aof"]["last_timestamp"]), (&43.into(), &1_795_387_172_i64.into()));
    }
    Ok(())
}

#[test]
fn time_that_is_not_written_down_cannot_be_turned_back() -> TestResult {
    let copy = Copy::of("sets/redis-7.0-history-kept")?;
    let run = copy.run(&["--truncate-to-timestamp", "1", "--yes", "set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("the files hold no timestamps"), "{run:?}");
    let copy = Copy::of("sets/redis-7.0-timestamps-plain")?;
    let run = copy.run(&["--truncate-to-timestamp", "1800000000", "--yes", "set"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.ends_with("\nPlan: none. There is nothing to change.\n"), "{run:?}");
    Ok(())
}

#[test]
fn several_paths_are_repaired_one_by_one() -> TestResult {
    let copy = cut_short()?;
    super::copy(&copy.folder().join("set"), &copy.folder().join("other"))?;
    let run = copy.run(&["--fix", "--yes", "set", "missing", "other"])?;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(run.out.matches("\nApplied.\n").count(), 2, "{run:?}");
    Ok(())
}
