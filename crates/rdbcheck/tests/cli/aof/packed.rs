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

/// The files below a folder, by their paths in it.
fn below(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let inside = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
    Ok(files(folder)?.into_iter().map(|(path, bytes)| (inside(&path), bytes)).collect())
}

/// A damaged file or set, as backups store it, becomes the same folder as on disk; nothing stays in TMPDIR.
#[test]
fn what_is_packed_is_salvaged_as_what_it_unpacks_to() -> TestResult {
    let from = testdata().join("aof/cases/s066-garbage-middle/appendonly.aof");
    let bytes = fs::read(from)?;
    let (home, temporary) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes);
    write("appendonly.aof", &bytes)?;
    write("appendonly.aof.gz", &gzip(&bytes)?)?;
    write("appendonly.aof.zst", &zstd::encode_all(&bytes[..], 3)?)?;
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6))?;
    xz.write_all(&bytes)?;
    write("appendonly.aof.xz", &xz.finish()?)?;
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&bytes)?;
    write("appendonly.aof.lz4", &lz4.finish()?)?;
    write("file.tar", &[testkit::tar::member("appendonly.aof", &bytes), testkit::tar::END.to_vec()].concat())?;
    let salvage = |input: &str, out: &str, stdin: &[u8]| -> Result<Ran, Box<dyn std::error::Error>> {
        let mut command = aofcheck(home.path(), &["--salvage", out, input]);
        command.env("TMPDIR", temporary.path()).write_stdin(stdin);
        let found = ran(command.output())?;
        assert_eq!(fs::read_dir(temporary.path())?.count(), 0, "{input}: something stays");
        Ok(found)
    };
    let content = |out: &str| below(&home.path().join(out));
    let plain = salvage("appendonly.aof", "plain", b"")?;
    assert_eq!(plain.code, Some(4), "{plain:?}");
    let packed = ["appendonly.aof.gz", "appendonly.aof.zst", "appendonly.aof.xz", "appendonly.aof.lz4", "file.tar"];
    for input in packed {
        let found = salvage(input, &format!("{input}.out"), b"")?;
        assert_eq!(found.code, plain.code, "{input}: {found:?}");
        assert_eq!(content(&format!("{input}.out"))?, content("plain")?, "{input}");
    }
    for (n, stdin) in [bytes.clone(), gzip(&bytes)?, fs::read(home.path().join("file.tar"))?].into_iter().enumerate() {
        let found = salvage("-", &format!("piped{n}"), &stdin)?;
        assert_eq!(found.code, plain.code, "{n}: {found:?}");
        assert_eq!(content(&format!("piped{n}"))?, content("plain")?, "{n}");
    }
    Ok(())
}

#[test]
fn a_packed_set_is_salvaged_as_far_as_it_unpacks() -> TestResult {
    let folder = tempfile::tempdir()?;
    let bytes = tar(&[("redis", SET)])?;
    fs::write(folder.path().join("set.tar.gz"), gzip(&bytes)?)?;
    fs::write(folder.path().join("both.tar"), tar(&[("a", SET), ("b", OTHER)])?)?;
    let found = run(folder.path(), &["--salvage", "out", "set.tar.gz"])?;
    assert_eq!(found.code, Some(0), "{found:?}");
    let original = files(&testdata().join("aof/sets").join(SET))?;
    for (path, written) in files(&folder.path().join("out"))? {
        let name = path.file_name().ok_or("a name")?.to_owned();
        let Some((_, before)) = original.iter().find(|(path, _)| path.file_name() == Some(&name)) else { continue };
        assert!(name.to_string_lossy().ends_with(".manifest") || written == *before, "{name:?}");
    }
    // Two are no work for a salvage; nothing is written, and --dry-run writes nothing either.
    let found = run(folder.path(), &["--salvage", "none", "both.tar"])?;
    assert!(found.code == Some(2) && found.err.contains("holds 2 append-only sets"), "{found:?}");
    let found = run(folder.path(), &["--salvage", "none", "--dry-run", "set.tar.gz"])?;
    assert_eq!((found.code, folder.path().join("none").exists()), (Some(0), false), "{found:?}");
    // What a stream gave that is cut, is taken.
    let records = testkit::resp::AofWriter::new().select(0).record(&["SET", "a", "1"]).take().repeat(2000);
    let mut cut = gzip(&records)?;
    cut.truncate(cut.len() - 20);
    fs::write(folder.path().join("cut.aof.gz"), cut)?;
    let found = run(folder.path(), &["--salvage", "cut", "cut.aof.gz"])?;
    assert!(
        found.out.contains("gzip: the packed data end too early") && found.out.contains("found sound"),
        "{found:?}"
    );
    let written = fs::read(folder.path().join("cut/cut.aof"))?;
    assert!(records.starts_with(&written) && written.len() > 1000, "{} bytes", written.len());
    assert_eq!(run(folder.path(), &["cut/cut.aof"])?.code, Some(0));
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
