//! `--preen`: for every start, before the server. Nothing is asked.

use std::fs;

use super::{Copy, files};
use crate::TestResult;

#[test]
fn a_torn_end_is_mended_once() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    let (entry, code) = copy.json(&["--preen", "--max-loss", "1M", "set"])?;
    assert_eq!(
        (code, entry["repair"]["status"].as_str(), entry["verdict"].as_str()),
        (Some(0), Some("applied"), Some("sound"))
    );
    let (tail, record) = (copy.ending(".tail")?, copy.ending(".undo")?);
    assert_eq!(fs::read(tail)?.len(), 24);

    let after = files(&copy.folder().join("set"))?;
    let again = copy.run(&["--preen", "--max-loss", "1M", "set"])?;
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""), "{again:?}");
    assert!(again.out.ends_with("\nPlan: none. There is nothing to change.\n"), "{again:?}");
    assert_eq!(files(&copy.folder().join("set"))?, after);

    let undone = copy.run(&["--undo", &record.to_string_lossy(), "--yes"])?;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    let restored = files(&copy.folder().join("set"))?;
    assert!(copy.before.iter().all(|(path, content)| restored.get(path) == Some(content)));
    Ok(())
}

#[test]
fn a_single_file_is_mended_too() -> TestResult {
    let copy = Copy::of("cases/s062-nul-tail")?;
    let run = copy.run(&["--preen", "set/appendonly.aof"])?;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.out.contains("there is nothing but zeros"), "{run:?}");
    Ok(())
}

#[test]
fn other_damage_and_too_much_of_it_is_left() -> TestResult {
    for (case, args, why) in [
        ("m005-trunc-last", &["--preen", "--max-loss", "23", "set"][..], "more bytes would go than --max-loss allows"),
        ("m006-trunc-middle", &["--preen", "set"], "is not the last file"),
        ("s065-garbage-tail", &["--preen", "set"], "is damaged (0xde begins neither"),
        ("m051-rdb-base-crc", &["--preen", "set"], "is damaged"),
        ("m003-missing-incr", &["--preen", "set"], "no file of this name is there"),
        ("m001-rdb-base", &["--preen", "set"], "There is nothing to change"),
    ] {
        let copy = Copy::of(&format!("cases/{case}"));
        let copy = copy.map_err(|error| format!("{case}: {error}"))?;
        let run = copy.run(args)?;
        assert_eq!(run.code, Some(i32::from(case != "m001-rdb-base")), "{case}: {run:?}");
        assert!(run.out.contains(why) || run.err.contains(why), "{case}: {run:?}");
        assert!(copy.is_untouched()?, "{case}");
    }
    Ok(())
}

/// Before the first start there is nothing; a path that cannot be there is no such case.
#[test]
fn what_is_not_there_yet_is_passed_over() -> TestResult {
    let copy = Copy::of("sets/redis-8.6-functions-plain")?;
    let none = copy.run(&["--preen", "--if-exists", "set/later"])?;
    let said = (none.code, none.out.as_str(), none.err.as_str());
    assert_eq!(said, (Some(0), "", "aofcheck: set/later: nothing is there yet\n"));
    for args in [&["--preen", "set/later"][..], &["--preen", "--if-exists", "unmounted/later"]] {
        let run = copy.run(args)?;
        assert!(run.code == Some(2) && run.err.contains("o such file or directory"), "{run:?}");
    }
    let (document, code) = copy.json(&["--preen", "--if-exists", "set"])?;
    assert_eq!((code, document["verdict"].as_str()), (Some(0), Some("sound")));
    Ok(())
}
