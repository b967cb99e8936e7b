//! Many inputs in one run: side by side they print what they print one after the other.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rdbcheck::exit::Exit;
use serde_json::{Value, json};
use testkit::rdb::{Family, File, Key, Value as Held};

use crate::aof::aofcheck;
use crate::golden::{rdb_files, schema};
use crate::{Ran, TestResult, ran, rdbcheck, run, testdata};

const FORMATS: [&str; 5] = ["text", "json", "json-lines", "junit", "prometheus"];
const THREADS: [&str; 4] = ["2", "3", "8", "64"];

/// An RDB of about so many bytes.
fn of_size(bytes: usize) -> Vec<u8> {
    let mut file = File::new(Family::Redis, 11);
    let mut noise = 1_u32;
    for number in 0..bytes / 50_000 {
        let byte = |_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        };
        let value = Held::String((0..50_000).map(byte).collect());
        file.keys.push(Key::new(format!("key:{number}").as_bytes(), value));
    }
    file.encode().bytes
}

/// Inputs of all kinds, in an order in which no two of a kind follow each other.
fn inputs(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let mut odd = Vec::new();
    for (name, bytes) in [("small", 400_000), ("middling", 900_000), ("large", 9_500_000)] {
        let path = folder.join(name);
        fs::write(&path, of_size(bytes))?;
        odd.push(path);
    }
    // Something is wrong in the midst of what has several threads.
    let damaged = folder.join("large and damaged");
    let mut bytes = of_size(9_500_000);
    bytes[5_000_000] ^= 1;
    fs::write(&damaged, bytes)?;
    let grown = folder.join("grown.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&of_size(300_000))?;
    fs::write(&grown, encoder.finish()?)?;
    odd.extend([damaged, grown, folder.join("missing"), folder.to_owned(), "-".into(), "/dev/null".into()]);
    odd.push(testdata().join("aof/cases/m001-rdb-base"));
    let mut usual = rdb_files(&testdata().join("rdb"))?;
    usual.extend(rdb_files(&testdata().join("broken"))?);
    let again: Vec<_> = usual.iter().step_by(2).cloned().collect();
    usual.extend(again);
    let gap = usual.len() / odd.len() + 1;
    let mut all = Vec::new();
    for few in usual.chunks(gap) {
        all.extend_from_slice(few);
        all.extend(odd.pop());
    }
    assert!(odd.is_empty() && all.len() > 90, "{}", all.len());
    Ok(all)
}

fn args<'a>(options: &[&'a str], paths: &'a [PathBuf]) -> Vec<&'a str> {
    options.iter().copied().chain(paths.iter().filter_map(|path| path.to_str())).collect()
}

fn check(options: &[&str], paths: &[PathBuf]) -> Result<Ran, Box<dyn std::error::Error>> {
    let dump = fs::read(testdata().join("rdb/redis-7.0-multidb.rdb"))?;
    ran(rdbcheck(&args(options, paths)).write_stdin(dump).output())
}

#[test]
fn threads_change_nothing_about_what_is_printed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let paths = inputs(folder.path())?;
    for format in FORMATS {
        let options = ["--format", format, "--for", "redis-7.2", "--threads"];
        let expected = check(&[&options[..], &["1"]].concat(), &paths)?;
        assert_eq!(expected.code, Some(1));
        for threads in THREADS {
            let found = check(&[&options[..], &[threads]].concat(), &paths)?;
            assert!(found == expected, "{format} on {threads} threads:\n{}", difference(&found, &expected));
        }
    }
    for options in [&["--quiet"][..], &["--hex"], &["--strict", "--json"], &["--duplicates", "full", "--quick"]] {
        let [one, many] = ["1", "4"].map(|threads| check(&[options, &["--threads", threads]].concat(), &paths));
        assert_eq!(one?, many?, "{options:?}");
    }
    Ok(())
}

/// The first line that is not the same.
fn difference(found: &Ran, expected: &Ran) -> String {
    let lines = |run: &Ran| [run.out.clone(), run.err.clone(), format!("{:?}", run.code)].join("\n");
    let (found, expected) = (lines(found), lines(expected));
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    differs.map_or_else(|| "one is longer".to_owned(), |(found, expected)| format!("{found}\n  instead of\n{expected}"))
}

/// A run of many prints what runs of one each print.
#[test]
fn many_are_so_many_runs_of_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let paths = inputs(folder.path())?;
    let (mut texts, mut lines, mut errors, mut files) = (Vec::new(), String::new(), String::new(), Vec::new());
    let mut exit = Exit::Sound;
    for path in &paths {
        let path = std::slice::from_ref(path);
        let one = check(&[], path)?;
        if !one.out.is_empty() {
            texts.push(one.out);
        }
        errors += &one.err;
        exit = exit.and(match one.code {
            Some(0) => Exit::Sound,
            Some(1) => Exit::Damaged,
            Some(2) => Exit::Unreadable,
            Some(3) => Exit::Unknown,
            code => panic!("{path:?} ends with {code:?}"),
        });
        lines += &check(&["--json-lines"], path)?.out;
        let document: Value = serde_json::from_str(&check(&["--json"], path)?.out)?;
        files.extend(document["files"].as_array().cloned().unwrap_or_default());
    }
    let text = check(&["--threads", "5"], &paths)?;
    assert_eq!(text, Ran { code: Some(exit.code().into()), out: texts.join("\n"), err: errors });
    assert_eq!(check(&["--threads", "5", "--json-lines"], &paths)?.out, lines);
    let document: Value = serde_json::from_str(&check(&["--threads", "5", "--json"], &paths)?.out)?;
    assert!(document["files"].as_array() == Some(&files));
    // Each line holds what the document holds.
    let of_lines = lines.lines().map(|line| Ok(serde_json::from_str::<Value>(line)?["file"].clone()));
    assert!(of_lines.collect::<Result<Vec<_>, serde_json::Error>>()? == files);
    Ok(())
}

/// The same of append-only files and their folders.
#[test]
fn sets_side_by_side() -> TestResult {
    let folder = testdata().join("aof");
    let mut paths = Vec::new();
    for among in ["cases", "sets"] {
        for entry in fs::read_dir(folder.join(among))? {
            let path = entry?.path();
            let set = path.join("appendonlydir");
            paths.extend(set.is_dir().then_some(set));
            paths.push(path);
        }
    }
    paths.sort();
    paths.retain(|path| path.to_str().is_some());
    paths.extend([folder.join("missing"), testdata().join("rdb/redis-7.0-multidb.rdb"), "-".into()]);
    assert!(paths.len() > 200);
    let check = |options: &[&str]| {
        let stdin = b"*1\r\n$4\r\nPING\r\n";
        ran(aofcheck(&folder, &args(options, &paths)).write_stdin(stdin).output())
    };
    for format in FORMATS {
        let expected = check(&["--format", format, "--threads", "1"])?;
        for threads in ["2", "8"] {
            let found = check(&["--format", format, "--threads", threads])?;
            assert!(found == expected, "{format} on {threads} threads:\n{}", difference(&found, &expected));
        }
    }
    let [one, many] = ["1", "4"].map(|threads| check(&["--timeline", "--hex", "--threads", threads]));
    assert_eq!(one?, many?);
    Ok(())
}

#[test]
fn each_line_fits_the_schema() -> TestResult {
    let path = testdata().join("../crates/redis-persistence/docs/report.schema.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let line = format!("{}#/$defs/line", document["$id"].as_str().ok_or("the schema has a name")?);
    let of_line = json!({"$schema": document["$schema"], "$ref": line, "$defs": {"document": document}});
    let schema_of_line = jsonschema::validator_for(&of_line)?;
    let out = run(&["--json-lines", "redis-7.0-multidb.rdb", "missing", "../broken/duplicate-key.rdb"])?.out;
    assert_eq!(out.lines().count(), 3);
    for line in out.lines() {
        let line: Value = serde_json::from_str(line)?;
        let errors: Vec<_> = schema_of_line.iter_errors(&line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        // A line is no document.
        assert!(!schema()?.is_valid(&line));
        let mut without = line.clone();
        without.as_object_mut().ok_or("a line is an object")?.remove("file");
        assert!(!schema_of_line.is_valid(&without));
    }
    Ok(())
}

/// A report is there while the next input is still awaited.
#[cfg(unix)]
#[test]
fn a_line_comes_as_soon_as_it_is_its_turn() -> TestResult {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let dump = testdata().join("rdb/redis-7.0-multidb.rdb");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.args(["--json-lines", "--threads", "4"]).args([&dump; 40]).args(["-"]).args([&dump; 40]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("it was piped")?).lines();
    for _ in 0..40 {
        assert!(lines.next().ok_or("a line")??.contains("\"verdict\":\"sound\""));
    }
    child.stdin.take().ok_or("it was piped")?.write_all(&fs::read(&dump)?)?;
    assert_eq!(lines.count(), 41);
    assert_eq!(child.wait()?.code(), Some(0));
    Ok(())
}

/// Inputs that a list names are checked as if the command line did, those of the command line first.
#[test]
fn names_out_of_a_list() -> TestResult {
    let folder = tempfile::tempdir()?;
    let odd = folder.path().join("of two\nlines.rdb");
    fs::copy(testdata().join("rdb/redis-7.0-multidb.rdb"), &odd)?;
    let mut paths = rdb_files(&testdata().join("rdb"))?;
    paths.extend(rdb_files(&testdata().join("broken"))?);
    let first = paths.remove(0);
    let joined = |paths: &[PathBuf], end: &str| -> String {
        paths.iter().map(|path| format!("{}{end}", path.display())).collect()
    };
    let list = folder.path().join("list");
    for format in ["json-lines", "text"] {
        let form: &[&str] = &["--format", format];
        let all = [std::slice::from_ref(&first), &paths].concat();
        let expected = ran(rdbcheck(&args(form, &all)).output())?;
        assert_eq!((expected.out.lines().count() >= all.len(), expected.code), (true, Some(1)), "{format}");
        for (end, options, standard) in
            [("\n", &["--threads", "4"][..], false), ("\r\n", &["--threads", "1"], true), ("\0", &["-0"], true)]
        {
            let names = joined(&paths, end);
            fs::write(&list, &names)?;
            let from = if standard { "-" } else { list.to_str().ok_or("a name")? };
            let first = first.to_str().ok_or("a name")?;
            let args = [form, options, &["--files-from", from, first]].concat();
            let found = ran(rdbcheck(&args).write_stdin(names).output())?;
            assert!(found == expected, "{format} {options:?}: {}", difference(&found, &expected));
        }
    }
    let run = ran(rdbcheck(&["--quiet", "--null", "--files-from", "-"]).write_stdin(joined(&[odd], "\0")).output())?;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    Ok(())
}

#[test]
fn what_is_no_list_of_names() -> TestResult {
    let folder = tempfile::tempdir()?;
    let sound = testdata().join("rdb/redis-7.0-multidb.rdb");
    let sound = sound.to_str().ok_or("a name")?;
    let run = ran(rdbcheck(&["--summary", "--files-from", "missing", sound]).current_dir(&folder).output())?;
    assert_eq!(run.code, Some(2));
    assert!(run.err.starts_with("rdbcheck: missing: No such file"), "{run:?}");

    // What stands before the place where it is none is checked.
    let list = [sound.as_bytes(), b"\n", &[0; 100_000], b"\n"].concat();
    let run = ran(rdbcheck(&["--json-lines", "--files-from", "-"]).write_stdin(list).output())?;
    assert_eq!((run.code, run.out.lines().count()), (Some(2), 1), "{run:?}");
    assert!(run.err.contains("-: it is no list of names") && run.err.contains("--null"), "{run:?}");

    // A search that found no backup is no night on which all were good.
    let run = ran(rdbcheck(&["--summary", "--files-from", "-"]).write_stdin("\n\n").output())?;
    assert_eq!((run.code, run.err.as_str()), (Some(2), "rdbcheck: -: it names no input\n"));

    for with in [&["--salvage", "out"][..], &["--against", "seal"]] {
        let run = ran(rdbcheck(&[with, &["--files-from", "list"]].concat()).current_dir(&folder).output())?;
        assert_eq!(run.code, Some(2), "{run:?}");
    }
    let run = ran(aofcheck(folder.path(), &["--fix", "--files-from", "list"]).output())?;
    assert_eq!(run.code, Some(2), "{run:?}");
    Ok(())
}
