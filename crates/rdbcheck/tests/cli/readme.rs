//! The examples of the README and of docs/repair.md: what they show is what the commands print. And the tests that SECURITY.md names.

use std::fs;
use std::time::{Duration, SystemTime};

use regex::Regex;
use tempfile::TempDir;
use testkit::folder::copy;

use crate::aof::aofcheck;
use crate::{TestResult, ran, rdbcheck, testdata};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The block under a prompt with that command, without its indentation.
fn shown(command: &str) -> Result<String> {
    let prompt = format!("    $ {command}\n");
    let pages = ["README.md", "docs/repair.md"].map(|page| fs::read_to_string(testdata().join("..").join(page)));
    let pages = pages.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let (_, block) =
        pages.iter().find_map(|page| page.split_once(&prompt)).ok_or_else(|| format!("no {command} in the pages"))?;
    let lines = block.lines().map_while(|line| line.strip_prefix("    ").or_else(|| line.is_empty().then_some("")));
    Ok(lines.fold(String::new(), |all, line| all + line + "\n").trim_end().to_owned() + "\n")
}

/// Whether a text is what is shown, of which each line `...` stands for any lines.
fn assert_shown(printed: &str, shown: &str) {
    let parts: Vec<String> = shown.split("...\n").map(regex::escape).collect();
    let all = Regex::new(&format!("(?s)^{}$", parts.join("(?:.*\\n)?")));
    assert!(all.is_ok_and(|all| all.is_match(printed)), "{printed}\nis not what is shown:\n{shown}");
}

/// A copy of the set of these pages, as `damaged`, whose last file is changed.
fn damaged(change: fn(&mut Vec<u8>)) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble"), &folder.path().join("damaged"))?;
    let last = folder.path().join("damaged/appendonlydir/appendonly.aof.2.incr.aof");
    let mut bytes = fs::read(&last)?;
    change(&mut bytes);
    fs::write(&last, bytes)?;
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_412_956);
    fs::File::options().write(true).open(last)?.set_modified(written)?;
    Ok(folder)
}

#[test]
fn a_repair() -> TestResult {
    let folder = damaged(|bytes| bytes.truncate(bytes.len() - 110))?;
    let run = ran(aofcheck(folder.path(), &["--fix", "--yes", "damaged"]).output())?;
    // The question stands where a terminal is; that it is asked there is tested in `aof::terminal`.
    let shown = shown("aofcheck --fix damaged")?.replace("Apply this plan? [y/N] y\n", "");
    let of_now = Regex::new(r"\d{8}T\d{6}Z")?;
    let printed = run.out.replace(&fs::canonicalize(folder.path())?.display().to_string(), "/data");
    assert_shown(&of_now.replace_all(&printed, "STAMP"), &of_now.replace_all(&shown, "STAMP"));
    Ok(())
}

#[test]
fn a_salvage_of_a_set() -> TestResult {
    let folder = damaged(|bytes| bytes[980..1000].fill(b'x'))?;
    let run = ran(aofcheck(folder.path(), &["--salvage", "salvaged", "damaged"]).output())?;
    assert_shown(&run.out, &shown("aofcheck --salvage salvaged damaged")?);
    Ok(())
}

#[test]
fn the_report_of_a_damaged_dump() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::copy(testdata().join("broken/zero-page.rdb"), folder.path().join("zero-page.rdb"))?;
    let run = ran(rdbcheck(&["zero-page.rdb"]).current_dir(folder.path()).output())?;
    assert_eq!(run.out, shown("rdbcheck zero-page.rdb")?);
    Ok(())
}

#[test]
fn the_report_of_a_set() -> TestResult {
    let folder = tempfile::tempdir()?;
    copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble"), &folder.path().join("redis"))?;
    let run = ran(aofcheck(folder.path(), &["redis"]).output())?;
    assert_eq!(run.out, shown("aofcheck redis")?);
    Ok(())
}

/// The verbs that `help` lists.
fn verbs(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| !line.starts_with("Verbs (")).skip(1);
    let verbs = lines.map_while(|line| line.strip_prefix("  ")).filter_map(|line| line.split_whitespace().next());
    verbs.map(str::to_owned).collect()
}

/// The README shows each verb once, of those that both commands have the one of `rdbcheck`.
#[test]
fn each_verb_is_shown_once() -> TestResult {
    let readme = fs::read_to_string(testdata().join("../README.md"))?;
    let (_, block) = readme.split_once("## Use\n").ok_or("no use")?;
    let (block, after) = block.split_once("\n## ").ok_or("no end of it")?;
    let rdb = verbs(&ran(rdbcheck(&["--help"]).output())?.out);
    let aof = verbs(&ran(aofcheck(&testdata(), &["--help"]).output())?.out);
    assert!(rdb.len() >= 10 && aof.len() >= 10, "{rdb:?} {aof:?}");
    let shown =
        |tool: &str, verb: &str| block.lines().filter(|line| line.starts_with(&format!("    {tool} {verb} "))).count();
    for verb in rdb.iter().filter(|verb| *verb != "help") {
        assert_eq!(shown("rdbcheck", verb), 1, "rdbcheck {verb}");
        // Beyond these lines only an example has it.
        let again = after.lines().filter(|line| line.contains(&format!("`rdbcheck {verb}"))).count();
        assert!(again <= usize::from(verb == "digest"), "rdbcheck {verb}: {again} more times");
    }
    let too = block.lines().find(|line| line.contains("`aofcheck` has")).unwrap_or_default();
    for verb in aof.iter().filter(|verb| *verb != "help") {
        let times = shown("aofcheck", verb) + usize::from(rdb.contains(verb) && too.contains(verb.as_str()));
        assert_eq!(times, 1, "aofcheck {verb}");
    }
    Ok(())
}

/// All sources of tests below a folder.
fn sources(folder: &std::path::Path, text: &mut String) -> TestResult {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(())
}

#[test]
fn the_tests_that_security_promises_exist() -> TestResult {
    let root = testdata().join("..");
    let mut text = String::new();
    for package in ["rdbcheck", "redis-persistence"] {
        sources(&root.join("crates").join(package).join("tests"), &mut text)?;
    }
    let security = fs::read_to_string(root.join("SECURITY.md"))?;
    let rows: Vec<&str> = security.lines().filter_map(|line| line.strip_prefix("| ")?.rsplit(" | ").next()).collect();
    let named = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2));
    let missing: Vec<&str> = named.clone().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(named.count() > 40 && missing.is_empty(), "no test is called {missing:?}");
    Ok(())
}

#[test]
fn the_digest_of_a_dump() -> TestResult {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let run = ran(command.current_dir(testdata().join("rdb")).args(["digest", "redis-6.0-streams.rdb"]).output())?;
    assert_eq!(run.out, shown("rdbcheck digest redis-6.0-streams.rdb")?);
    Ok(())
}
