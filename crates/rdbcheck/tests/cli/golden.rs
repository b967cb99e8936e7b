//! The expected reports beside the inputs of `testdata/rdb` and `testdata/broken`: `NAME.txt` and `NAME.json` for
//! `NAME.rdb`. To add one, drop an RDB into `testdata/rdb`, run with `BLESS=1`, and read what was written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use regex::Regex;
use serde_json::Value;

use crate::{TestResult, ran, rdbcheck, testdata};

/// Whether expected files are to be written.
pub fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// The RDB files of a folder, by name.
pub fn rdb_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rdb"));
    files.sort();
    Ok(files)
}

/// Runs a check for both forms, and compares what it prints with `NAME.txt` and `NAME.json` beside `NAME` or `NAME.rdb`.
/// Answers where they differ.
pub fn compare(
    check: impl Fn(&[&str]) -> io::Result<Output>,
    input: &Path,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut differ = Vec::new();
    let (modified, changed) = (Regex::new(r#""modified": \d+"#)?, Regex::new(r"last changed [-0-9]+ [:0-9]+ UTC")?);
    for (format, extension) in [("text", "txt"), ("json", "json")] {
        let run = ran(check(&["--format", format]))?;
        assert_eq!(run.err, "", "{}", input.display());
        assert!(matches!(run.code, Some(0 | 1 | 3)), "{}: {run:?}", input.display());
        let out = run.out.replace(concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\""), "\"version\": \"\"");
        // When a file was last changed is not the same in every working copy.
        let out = modified.replace_all(&out, "\"modified\": 0");
        let out = changed.replace_all(&out, "last changed (date)").into_owned();
        let beside = beside(input, extension);
        if blessing() {
            // At once, for other tests read it meanwhile.
            let fresh = beside.with_extension("new");
            fs::write(&fresh, &out)?;
            fs::rename(fresh, &beside)?;
        } else if fs::read_to_string(&beside).unwrap_or_default() != out {
            differ.push(format!("{}:\n{out}", beside.display()));
        }
    }
    Ok(differ)
}

/// The file of an expected report: names of folders have dots of their own.
pub fn beside(input: &Path, extension: &str) -> PathBuf {
    match input.extension() {
        Some(rdb) if rdb == "rdb" => input.with_extension(extension),
        _ => PathBuf::from(format!("{}.{extension}", input.display())),
    }
}

fn goldens(folder: &str) -> TestResult {
    let folder = testdata().join(folder);
    let files = rdb_files(&folder)?;
    assert!(!files.is_empty());
    let mut differ = Vec::new();
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not UTF-8")?;
        differ.extend(compare(|args| rdbcheck(&[args, &[name]].concat()).current_dir(&folder).output(), file)?);
    }
    assert!(differ.is_empty(), "BLESS=1 writes what is new:\n{}", differ.join("\n"));
    Ok(())
}

#[test]
fn sound_files() -> TestResult {
    goldens("rdb")
}

#[test]
fn broken_files() -> TestResult {
    goldens("broken")
}

/// Every expected report of the folder: JSON where `json`, else text.
fn expected(folder: &str, extension: &str) -> Result<Vec<(PathBuf, String)>, Box<dyn std::error::Error>> {
    rdb_files(&testdata().join(folder))?
        .into_iter()
        .map(|file| {
            let beside = file.with_extension(extension);
            let text = fs::read_to_string(&beside).map_err(|error| format!("{}: {error}", beside.display()))?;
            Ok((beside, text))
        })
        .collect()
}

/// The published schema.
pub fn schema() -> Result<jsonschema::Validator, Box<dyn std::error::Error>> {
    let path = testdata().join("../crates/redis-persistence/docs/report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok(jsonschema::validator_for(&schema)?)
}

#[test]
fn every_expected_document_fits_the_schema() -> TestResult {
    for (path, text) in expected("rdb", "json")?.into_iter().chain(expected("broken", "json")?) {
        assert_fits_the_schema(&path, &text)?;
    }
    Ok(())
}

/// Asserts that a document is what the schema says.
pub fn assert_fits_the_schema(path: &Path, text: &str) -> TestResult {
    let document: Value = serde_json::from_str(text)?;
    let errors: Vec<_> = schema()?.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    Ok(())
}

#[test]
fn the_schema_refuses_what_is_no_report() -> TestResult {
    let schema = schema()?;
    let text = fs::read_to_string(testdata().join("broken/duplicate-key.json"))?;
    let sound: Value = serde_json::from_str(&text)?;
    assert!(schema.is_valid(&sound));
    for (pointer, wrong) in [
        ("/schema_version", Value::from(2)),
        ("/files/0/verdict", Value::from("fine")),
        ("/files/0/size", Value::from(-1)),
        ("/files/0/counts/databases", Value::Null),
        ("/files/0/findings/0/start", Value::from("9007199254740991x")),
        ("/files/0/findings/0/severity", Value::from("fatal")),
    ] {
        let mut document = sound.clone();
        *document.pointer_mut(pointer).ok_or(pointer)? = wrong;
        assert!(!schema.is_valid(&document), "{pointer}");
    }
    let mut document = sound.clone();
    document["files"][0]["extra"] = Value::Null;
    assert!(!schema.is_valid(&document));
    Ok(())
}

#[test]
fn no_expected_text_is_wide_or_harms_a_terminal() -> TestResult {
    for (path, text) in expected("rdb", "txt")?.into_iter().chain(expected("broken", "txt")?) {
        let name = path.with_extension("rdb");
        assert_reads_well(&name.file_name().unwrap_or_default().to_string_lossy(), &text);
    }
    Ok(())
}

/// Asserts that no line is wide or harms a terminal, and that the first one is the verdict.
pub fn assert_reads_well(name: &str, text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 160, "{name}: {line}");
        assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
    }
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("{name}: ")), "{first}");
}
