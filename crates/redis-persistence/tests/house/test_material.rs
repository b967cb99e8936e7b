//! The exported test material: every type is in it, every file has its findings, and a second run writes the same.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{fs, io};

use redis_persistence::verify::{self, Code, Options, Severity};

#[path = "../../examples/test_material.rs"]
mod example;

fn contents(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for part in ["sound", "planted", "damaged"] {
        for entry in fs::read_dir(folder.join(part))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.insert(format!("{part}/{name}"), fs::read(path)?);
        }
    }
    found.insert("index.json".to_owned(), fs::read(folder.join("index.json"))?);
    Ok(found)
}

#[test]
fn what_is_exported() -> Result<(), Box<dyn Error>> {
    let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let count = example::export(one.path())?;
    example::export(two.path())?;
    let files = contents(one.path())?;
    assert!(files == contents(two.path())?, "the same files again");
    assert_eq!(files.len(), count + 1);

    let index: serde_json::Value = serde_json::from_slice(&files["index.json"])?;
    let entries = index["files"].as_array().ok_or("no files")?;
    assert_eq!(entries.len(), count);
    let mut types = BTreeMap::new();
    for entry in entries {
        let name = entry["file"].as_str().ok_or("no name")?;
        let made = entry["made"].as_str().ok_or("no maker")?;
        let codes: Vec<&str> =
            entry["findings"].as_array().ok_or("no findings")?.iter().filter_map(|f| f["code"].as_str()).collect();
        if made == "sound" {
            assert_eq!(entry["verdict"], "sound", "{name}");
        } else if name.starts_with("planted") {
            assert!(codes.contains(&made), "{name}: {codes:?}");
        }
        if name.ends_with(".rdb") {
            types.extend(verify::slice(&files[name], &Options::default()).counts.encodings);
        }
    }
    // Types 0 to 5, 7, 9 to 21, 24 to 28, 30, 32, and the hash of Valkey.
    assert!(types.len() >= 27, "{types:?}");
    let of_files = |code: &&Code| !code.as_str().starts_with("manifest-") && **code != Code::RdbLimitExceeded;
    let unseen: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| code.severity() == Severity::Error)
        .filter(of_files)
        .map(|code| code.as_str())
        .filter(|code| !entries.iter().any(|entry| entry["made"] == **code))
        .collect();
    // These need a set of files, or are no file of a server at all.
    assert_eq!(
        unseen,
        ["dump-damaged", "aof-preamble-damaged", "aof-rdb-key-repeated", "aof-empty-base", "aof-empty-start"]
    );
    Ok(())
}
