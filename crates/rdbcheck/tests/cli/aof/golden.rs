//! The expected reports beside the folders of `testdata/aof/sets`, and beside some of `testdata/aof/cases`: `NAME.txt` and
//! `NAME.json` for `NAME`, which is given to the command as a server's directory. `BLESS=1` writes them.

use std::fs;
use std::path::PathBuf;

use super::aofcheck;
use crate::golden::{assert_fits_the_schema, assert_reads_well, beside, compare};
use crate::{TestResult, testdata};

/// The crafted inputs whose reports are kept.
const CASES: [&str; 14] = [
    "m003-missing-incr",
    "m005-trunc-last",
    "m006-trunc-middle",
    "m010-manifest-empty",
    "m013-manifest-blank",
    "m051-rdb-base-crc",
    "m060-hist-is-live",
    "m069-orphans",
    "m076-both-styles",
    "s036-bulk-len-short",
    "s063-nul-tail-4k",
    "s105-multi-discard-exec",
    "s116-multi-garbage-tail-inside",
    "s132-first-line-file",
];

/// Every folder with an expected report.
fn inputs() -> std::io::Result<Vec<PathBuf>> {
    let aof = testdata().join("aof");
    let mut inputs: Vec<_> = CASES.iter().map(|name| aof.join("cases").join(name)).collect();
    for entry in fs::read_dir(aof.join("sets"))? {
        let path = entry?.path();
        if path.is_dir() {
            inputs.push(path);
        }
    }
    inputs.sort();
    Ok(inputs)
}

#[test]
fn the_reports_are_as_expected() -> TestResult {
    let mut differ = Vec::new();
    for input in inputs()? {
        let folder = input.parent().ok_or("no folder")?;
        let name = input.file_name().and_then(|name| name.to_str()).ok_or("a name that is not UTF-8")?;
        differ.extend(compare(|args| aofcheck(folder, &[args, &[name]].concat()).output(), &input)?);
    }
    assert!(differ.is_empty(), "BLESS=1 writes what is new:\n{}", differ.join("\n"));
    Ok(())
}

#[test]
fn they_read_well_and_fit_the_schema() -> TestResult {
    for input in inputs()? {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert_reads_well(&name, &fs::read_to_string(beside(&input, "txt"))?);
        assert_fits_the_schema(&input, &fs::read_to_string(beside(&input, "json"))?)?;
    }
    Ok(())
}

/// What a path names makes no difference to the verdict: the directory, the folder in it, the manifest.
#[test]
fn every_way_in_leads_to_the_same_set() -> TestResult {
    let folder = testdata().join("aof/sets/redis-7.0-history-kept");
    let mut seen = Vec::new();
    for (at, path) in
        [("", "."), ("", "appendonlydir"), ("", "appendonlydir/appendonly.aof.manifest"), ("appendonlydir", ".")]
    {
        let output = aofcheck(&folder.join(at), &["--json", path]).output()?;
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let file = &document["files"][0];
        assert_eq!((&file["kind"], &file["verdict"]), (&"aof-dir".into(), &"sound".into()), "{path}");
        seen.push((file["parts"].clone(), file["aof"].clone()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    Ok(())
}
