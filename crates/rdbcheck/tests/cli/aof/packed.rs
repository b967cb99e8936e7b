//! Append-only files and sets as backups store them: in a tar, packed, from a pipe.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{aofcheck, files, run};
use crate::{Ran, TestResult, ran, testdata};

const SET: &str = "redis-8.6-timestamps-preamble";
const OTHER: &str = "redis-7.0-custom-name";

/// A tar of test sets, each in a folder of its own. The members come in the order of their names backwards, so that a
/// manifest comes behind its files.
fn tar(sets: &[(&str, &str)]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut members: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for (folder, set) in sets {
        let from = testdata().join("aof/sets").join(set);
        for (path, bytes) in files(&from)? {
            members.push((Path::new(folder).join(path.strip_prefix(&from).unwrap_or(&path)), bytes));
        }
    }
    members.sort_by_key(|(path, _)| !path.to_string_lossy().ends_with(".rdb"));
    members.sort_by_key(|(path, _)| path.to_string_lossy().ends_with(".manifest"));
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, &bytes[..])?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// What a report says, but for the path of its input.
fn entries(ran: &Ran) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let mut report: Value = serde_json::from_str(&ran.out)?;
    let files = report["files"].as_array_mut().ok_or("a list")?;
    for file in files.iter_mut() {
        let file = file.as_object_mut().ok_or("an object")?;
        file.retain(|name, _| name != "path" && name != "packing");
    }
    Ok(files.clone())
}

#[test]
fn a_set_in_a_tar_has_the_report_of_the_set() -> TestResult {
    let folder = tempfile::tempdir()?;
    let plain = run(&testdata().join("aof/sets"), &["--json", SET])?;
    let bytes = tar(&[("redis", SET)])?;
    fs::write(folder.path().join("plain"), &bytes)?;
    fs::write(folder.path().join("packed"), gzip(&bytes)?)?;
    for input in ["plain", "packed"] {
        let found = run(folder.path(), &["--json", input])?;
        assert_eq!(found.code, Some(0), "{input}: {found:?}");
        assert_eq!(entries(&found)?, entries(&plain)?, "{input}");
    }
    for bytes in [bytes.clone(), gzip(&bytes)?] {
        let found = ran(aofcheck(folder.path(), &["--json", "-"]).write_stdin(bytes).output())?;
        assert_eq!(entries(&found)?, entries(&plain)?);
    }
    Ok(())
}

#[test]
fn two_sets_in_one_tar_are_told_apart() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("both.tar"), tar(&[("a", SET), ("b", OTHER)])?)?;
    let found = run(folder.path(), &["--json", "both.tar"])?;
    let expected: Vec<Value> = [SET, OTHER]
        .iter()
        .map(|set| entries(&run(&testdata().join("aof/sets"), &["--json", set])?))
        .collect::<Result<Vec<_>, _>>()?
        .concat();
    assert_eq!(entries(&found)?, expected);
    let report: Value = serde_json::from_str(&found.out)?;
    assert_eq!(report["files"][0]["path"], "both.tar:a");
    assert_eq!(report["files"][1]["path"], "both.tar:b");
    Ok(())
}

#[test]
fn a_set_whose_manifest_is_missing_in_the_tar_is_no_sound_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    builder.append_data(&mut header, "appendonlydir/appendonly.aof.1.incr.aof", &b""[..])?;
    fs::write(folder.path().join("set.tar"), builder.into_inner()?)?;
    let found = run(folder.path(), &["--json", "set.tar"])?;
    let codes: Vec<_> = entries(&found)?[0]["findings"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .map(|finding| finding["code"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(codes.contains(&"manifest-missing".to_owned()), "{codes:?}");
    Ok(())
}

#[test]
fn a_packed_file_and_one_from_a_pipe() -> TestResult {
    let folder = tempfile::tempdir()?;
    let torn = b"*1\r\n$8\r\nLASTSAVE\r\n*1\r\n$4\r\nPI";
    fs::write(folder.path().join("appendonly.aof"), torn)?;
    fs::write(folder.path().join("appendonly.aof.gz"), gzip(torn)?)?;
    let plain = run(folder.path(), &["--json", "appendonly.aof"])?;
    let packed = run(folder.path(), &["--json", "appendonly.aof.gz"])?;
    let piped = ran(aofcheck(folder.path(), &["--json", "-"]).write_stdin(torn.to_vec()).output())?;
    assert_eq!((plain.code, packed.code, piped.code), (Some(1), Some(1), Some(1)));
    for found in [packed, piped] {
        for (found, expected) in entries(&found)?.iter().zip(entries(&plain)?) {
            assert_eq!(found["findings"][0]["code"], "aof-truncated-record");
            assert_eq!(found["aof"], expected["aof"]);
        }
    }
    Ok(())
}

#[test]
fn what_is_packed_is_not_repaired() -> TestResult {
    let folder = tempfile::tempdir()?;
    let bytes = gzip(b"*1\r\n$4\r\nPI")?;
    fs::write(folder.path().join("appendonly.aof.gz"), &bytes)?;
    for how in ["--fix", "--preen"] {
        let Ran { code, err, .. } = run(folder.path(), &[how, "appendonly.aof.gz"])?;
        assert_eq!(code, Some(2));
        assert!(err.contains("only files on disk are repaired"), "{err}");
    }
    assert_eq!(fs::read(folder.path().join("appendonly.aof.gz"))?, bytes);
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[test]
fn a_tar_that_ends_inside_a_member_is_said() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut bytes = tar(&[("redis", SET)])?;
    bytes.truncate(1000);
    fs::write(folder.path().join("cut.tar"), bytes)?;
    let Ran { code, out, err } = run(folder.path(), &["cut.tar"])?;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("tar: it ends inside the member at byte 0"), "{out}{err}");
    Ok(())
}
