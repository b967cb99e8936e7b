//! Inputs as backups store them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{Ran, TestResult, ran, rdbcheck, run, sound};

const DUMP: &str = "redis-7.0-multidb.rdb";

/// Writes an input to a folder of its own; gives its path.
fn packed(bytes: &[u8], name: &str) -> std::io::Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, bytes)?;
    Ok((folder, path.to_string_lossy().into_owned()))
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[test]
fn a_packed_dump_has_the_report_of_the_dump() -> TestResult {
    let plain = run(&["--json", DUMP])?;
    let dump = sound(DUMP)?;
    let lz4 = {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(&dump)?;
        encoder.finish()?
    };
    let xz = {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6))?;
        encoder.write_all(&dump)?;
        encoder.finish()?
    };
    for (packing, bytes) in
        [("gzip", gzip(&dump)?), ("zstd", zstd::encode_all(&dump[..], 3)?), ("lz4", lz4), ("xz", xz)]
    {
        // The name says nothing: the first bytes do.
        let (_folder, path) = packed(&bytes, "dump.rdb")?;
        for Ran { code, out, err } in
            [run(&["--json", &path])?, ran(rdbcheck(&["--json", "-"]).write_stdin(bytes).output())?]
        {
            assert_eq!(code, Some(0), "{packing}: {err}");
            let mut found: serde_json::Value = serde_json::from_str(&out)?;
            let mut expected: serde_json::Value = serde_json::from_str(&plain.out)?;
            assert_eq!(found["files"][0]["packing"], packing);
            // Duplicates can be read again in a file only.
            for file in [&mut found["files"][0], &mut expected["files"][0]] {
                let file = file.as_object_mut().ok_or("a report is an object")?;
                file.retain(|name, _| !matches!(name.as_str(), "path" | "packing" | "duplicates"));
            }
            assert_eq!(found, expected, "{packing}");
        }
    }
    Ok(())
}

#[test]
fn the_text_says_how_it_was_packed() -> TestResult {
    let (_folder, path) = packed(&gzip(&sound(DUMP)?)?, "dump.rdb.gz")?;
    let Ran { code, out, .. } = run(&[&path])?;
    assert_eq!(code, Some(0));
    assert!(out.contains("\nin gzip: RDB 10 of Redis 7.0.15, "), "{out}");
    Ok(())
}

#[test]
fn damage_inside_is_found_at_its_unpacked_place() -> TestResult {
    let mut dump = sound(DUMP)?;
    dump.truncate(dump.len() - 9);
    let (_folder, path) = packed(&gzip(&dump)?, "dump.rdb.gz")?;
    let Ran { code, out, .. } = run(&[&path])?;
    assert_eq!(code, Some(1));
    assert!(out.contains(&format!("rdb-truncated at byte {}", dump.len())), "{out}");
    Ok(())
}

#[test]
fn a_cut_archive_cannot_be_read() -> TestResult {
    let mut bytes = gzip(&sound(DUMP)?)?;
    bytes.truncate(bytes.len() / 2);
    let (_folder, path) = packed(&bytes, "dump.rdb.gz")?;
    let Ran { code, err, .. } = run(&[&path])?;
    assert_eq!(code, Some(2));
    assert!(err.contains("gzip: the packed data end too early, after "), "{err}");
    Ok(())
}

#[test]
fn a_bomb_is_given_up() -> TestResult {
    let (_folder, path) = packed(&gzip(&vec![0; 64 << 20])?, "bomb.gz")?;
    let Ran { code, err, .. } = run(&["--max-unpacked", "1M", &path])?;
    assert_eq!(code, Some(2));
    assert!(err.contains("unpack to more than 1048576"), "{err}");
    Ok(())
}

#[test]
fn every_rdb_of_a_tar_has_its_report() -> TestResult {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes)
    };
    add("data/readme.txt", b"no RDB")?;
    add("data/cut.rdb", &sound(DUMP)?[..1000])?;
    add("data/dump.rdb", &sound(DUMP)?)?;
    let bytes = tar.into_inner()?;
    for (name, bytes) in [("data.tar", bytes.clone()), ("data.tar.gz", gzip(&bytes)?)] {
        let (_folder, path) = packed(&bytes, name)?;
        let Ran { code, out, .. } = run(&["--json", &path])?;
        assert_eq!(code, Some(1));
        let report: serde_json::Value = serde_json::from_str(&out)?;
        let files = report["files"].as_array().ok_or("a list")?;
        let verdicts: Vec<_> = files.iter().map(|file| (file["path"].as_str(), file["verdict"].as_str())).collect();
        let (cut, dump) = (format!("{path}:data/cut.rdb"), format!("{path}:data/dump.rdb"));
        assert_eq!(verdicts, [(Some(&*cut), Some("damaged")), (Some(&*dump), Some("sound"))]);
        let whole: serde_json::Value = serde_json::from_str(&run(&["--json", DUMP])?.out)?;
        assert_eq!(files[1]["counts"], whole["files"][0]["counts"]);
    }
    Ok(())
}
