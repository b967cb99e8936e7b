//! `--summary`: a line for each input, and how it changed since a report of before.

use std::fs;

use regex::Regex;

use crate::{TestResult, ran, rdbcheck, testdata};

/// The output with its figures of time, which differ, as `T`.
fn timeless(out: &str) -> Result<String, regex::Error> {
    Ok(Regex::new(r" +\d+\.\d\d s  ")?.replace_all(out, "  T  ").replace("   time  ", "  T  "))
}

#[test]
fn a_line_for_each_input() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::copy(testdata().join("rdb/redis-7.0-multidb.rdb"), folder.path().join("a.rdb"))?;
    fs::copy(testdata().join("broken/zero-page.rdb"), folder.path().join("b.rdb"))?;
    let report = ran(rdbcheck(&["--json", "a.rdb", "b.rdb"]).current_dir(folder.path()).output())?;
    fs::write(folder.path().join("before.json"), &report.out)?;
    let lines = ran(rdbcheck(&["--json-lines", "a.rdb", "b.rdb"]).current_dir(folder.path()).output())?;
    fs::write(folder.path().join("before.jsonl"), &lines.out)?;
    // What was whole is damaged today, and one is gone.
    fs::copy(folder.path().join("b.rdb"), folder.path().join("a.rdb"))?;
    fs::remove_file(folder.path().join("b.rdb"))?;
    fs::copy(testdata().join("rdb/redis-6.0-streams.rdb"), folder.path().join("new.rdb"))?;
    for before in ["before.json", "before.jsonl"] {
        let args = ["--summary", "--baseline", before, "a.rdb", "new.rdb", "missing.rdb"];
        let run = ran(rdbcheck(&args).current_dir(folder.path()).output())?;
        assert_eq!(run.code, Some(1), "{run:?}");
        let expected = "\
verdict     keys  change    size     age   T  file
DAMAGED       83     -72  7.5 kB  53.3 d  T  a.rdb  (zero-tail)
sound         10     new  6.2 kB  53.3 d  T  new.rdb
UNREADABLE           new  T  missing.rdb  (No such file or directory)
3 inputs: 1 DAMAGED, 1 UNREADABLE, 1 sound; 93 keys
not checked, of those before: 1: b.rdb
";
        assert_eq!(timeless(&run.out)?, expected, "{run:?}");
    }
    Ok(())
}

#[test]
fn what_is_no_report_is_refused_before_the_work() -> TestResult {
    let folder = tempfile::tempdir()?;
    for (content, why) in
        [("{}", "no report of an input"), ("[1]", "no report that --json"), ("", "no report of an input")]
    {
        fs::write(folder.path().join("before"), content)?;
        let before = folder.path().join("before").display().to_string();
        let run = ran(rdbcheck(&["--summary", "--baseline", &before, "redis-6.0-streams.rdb"]).output())?;
        assert!(run.code == Some(2) && run.out.is_empty() && run.err.contains(why), "{run:?}");
    }
    Ok(())
}

/// A day's folder with the same names, and files side by side on all threads.
#[test]
fn names_of_another_day_are_found() -> TestResult {
    let folder = tempfile::tempdir()?;
    for day in ["monday", "tuesday"] {
        fs::create_dir(folder.path().join(day))?;
        for n in 0..40 {
            fs::copy(testdata().join("rdb/redis-6.0-streams.rdb"), folder.path().join(day).join(format!("{n}.rdb")))?;
        }
    }
    let files = |day: &str| -> Vec<String> { (0..40).map(|n| format!("{day}/{n}.rdb")).collect() };
    let run = |args: &[&str], day: &str| {
        let files = files(day);
        let args: Vec<&str> = args.iter().copied().chain(files.iter().map(String::as_str)).collect();
        ran(rdbcheck(&args).current_dir(folder.path()).output())
    };
    fs::write(folder.path().join("monday.jsonl"), run(&["--json-lines"], "monday")?.out)?;
    let summary = run(&["--summary", "--baseline", "monday.jsonl"], "tuesday")?;
    assert_eq!(summary.code, Some(0), "{summary:?}");
    assert_eq!(summary.out.lines().filter(|line| line.contains("  +0  ")).count(), 40, "{summary:?}");
    assert!(summary.out.ends_with("40 inputs: 40 sound; 400 keys\n"), "{summary:?}");
    Ok(())
}
