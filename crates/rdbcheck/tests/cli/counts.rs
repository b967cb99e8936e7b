//! Every file is sound, and its counts are those that its server gave.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{TestResult, rdbcheck};

/// The names and numbers of an object.
fn numbers(object: &Value) -> BTreeMap<&str, u64> {
    object.as_object().into_iter().flatten().filter_map(|(name, n)| Some((name.as_str(), n.as_u64()?))).collect()
}

/// Checks every RDB that `index.json` of a folder lists, and returns how many these are.
fn check_folder(folder: &Path) -> Result<usize, Box<dyn std::error::Error>> {
    let index: BTreeMap<String, Value> = serde_json::from_str(&fs::read_to_string(folder.join("index.json"))?)?;
    let index: Vec<_> = index.iter().filter(|(name, _)| name.ends_with(".rdb")).collect();
    let names: Vec<&str> = index.iter().map(|(name, _)| name.as_str()).collect();
    let output = rdbcheck(&["--json"]).args(&names).current_dir(folder).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let files = report["files"].as_array().ok_or("no files")?;
    assert_eq!(files.len(), index.len());
    let mut wrong = Vec::new();
    for ((name, facts), file) in index.iter().zip(files) {
        let expected = facts.get("expected").unwrap_or(facts);
        let counts = &file["counts"];
        let mut check = |what: &str, same: bool| {
            if !same {
                wrong.push(format!("{name}: {what}\nreport {file}\nexpected {expected}"));
            }
        };
        check("verdict", file["verdict"] == "sound");
        check("keys", counts["keys"].as_u64() == facts["keys_in_file"].as_u64());
        // A server does not count keys that are past their expiry.
        if name.contains("expired-inside") {
            continue;
        }
        let by_db: BTreeMap<&str, u64> = counts["databases"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(db, counts)| Some((db.as_str(), counts["keys"].as_u64()?)))
            .collect();
        check("databases", by_db == numbers(&expected["by_db"]));
        check("types", numbers(&counts["types"]) == numbers(&expected["by_type"]));
        if let Some(encodings) = facts.get("by_encoding") {
            check("encodings", numbers(&counts["encodings"]) == numbers(encodings));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), index.len(), wrong.join("\n"));
    assert_eq!(output.status.code(), Some(0));
    Ok(index.len())
}

#[test]
fn the_sound_files() -> TestResult {
    assert!(check_folder(&crate::testdata().join("rdb"))? >= 25);
    Ok(())
}

/// The environment variable `CORPUS` names a folder with more files, and an `index.json` of the same form.
#[test]
fn a_corpus_if_one_is_named() -> TestResult {
    match std::env::var_os("CORPUS") {
        Some(folder) => assert!(check_folder(Path::new(&folder))? > 0),
        None => eprintln!("not run: CORPUS names no folder"),
    }
    Ok(())
}
