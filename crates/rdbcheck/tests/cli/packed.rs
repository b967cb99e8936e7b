//! Inputs as backups store them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::rdb::Envelope;

use crate::{Ran, TestResult, ran, rdbcheck, run, sound};

const DUMP: &str = "redis-7.0-multidb.rdb";

/// Writes an input to a folder of its own; gives its path.
pub fn packed(bytes: &[u8], name: &str) -> std::io::Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, bytes)?;
    Ok((folder, path.to_string_lossy().into_owned()))
}

pub fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
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

/// It is reported on as far as it unpacks, and what is wrong with the packing itself is said, also where the content is whole.
#[test]
fn damage_of_the_packing_is_named() -> TestResult {
    let dump = sound(DUMP)?;
    let mut cut = gzip(&dump)?;
    cut.truncate(cut.len() / 2);
    let (_folder, path) = packed(&cut, "dump.rdb.gz")?;
    let Ran { code, out, .. } = run(&[&path])?;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("gzip: the packed data end too early, after ") && out.contains("rdb-truncated"), "{out}");
    let mut wrong_sum = gzip(&dump)?;
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let (_folder, path) = packed(&wrong_sum, "dump.rdb.gz")?;
    let report: serde_json::Value = serde_json::from_str(&run(&["--json", &path])?.out)?;
    let file = &report["files"][0];
    assert_eq!((&file["verdict"], &file["checksum"]), (&"damaged".into(), &"ok".into()), "{file}");
    assert!(
        file["packing_damage"].as_str().is_some_and(|why| why.starts_with("gzip: the packed data are damaged")),
        "{file}"
    );
    Ok(())
}

#[test]
fn what_a_damaged_stream_gave_is_salvaged_from_standard_input_too() -> TestResult {
    let dump = sound(DUMP)?;
    let mut bytes = gzip(&dump)?;
    bytes.truncate(bytes.len() - 9);
    let (folder, path) = packed(&bytes, "dump.rdb.gz")?;
    let keys = |report: &str| -> Result<serde_json::Value, serde_json::Error> {
        let report: serde_json::Value = serde_json::from_str(report)?;
        Ok(report["files"][0]["counts"]["keys"].clone())
    };
    for (name, input) in [("a.rdb", path.as_str()), ("b.rdb", "-")] {
        let out = folder.path().join(name).to_string_lossy().into_owned();
        let ran = ran(rdbcheck(&["--salvage", &out, input]).write_stdin(bytes.clone()).output())?;
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        assert_eq!(keys(&run(&["--json", &out])?.out)?, keys(&run(&["--json", DUMP])?.out)?, "{input}");
    }
    Ok(())
}

/// What an ordinary tool makes of its standard input; nothing if it is not installed.
fn tool(command: &[&str], input: &[u8]) -> Option<(bool, Vec<u8>)> {
    let mut file = tempfile::tempfile().ok()?;
    file.write_all(input).ok()?;
    std::io::Seek::rewind(&mut file).ok()?;
    let output = std::process::Command::new(command[0]).args(&command[1..]).stdin(file).output();
    match output {
        Ok(output) => Some((output.status.success(), output.stdout)),
        Err(error) => {
            println!("not compared: {}: {error}", command[0]);
            None
        }
    }
}

/// The shapes that a packed stream can have, from the ordinary tool itself: our answer is the one on what it unpacks to, or it
/// names what is wrong.
#[test]
fn the_answer_is_that_on_what_the_ordinary_tool_unpacks() -> TestResult {
    let zeros = testkit::rdb::RdbWriter::redis(11).select_db(0).string_key(b"k", &vec![b'x'; (256 << 10) * 5]).finish();
    let dump = sound(DUMP)?;
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"hello"].concat();
    let tools: [(&[&str], &[&str]); 7] = [
        (&["gzip", "-c"], &["gzip", "-dc"]),
        (&["zstd", "-c", "--no-check"], &["zstd", "-dc"]),
        (&["zstd", "-c", "--check"], &["zstd", "-dc"]),
        (&["lz4", "-c", "-B4", "-BD"], &["lz4", "-dc"]),
        (&["lz4", "-c", "--no-frame-crc", "-B5"], &["lz4", "-dc"]),
        (&["lz4", "-c", "-l"], &["lz4", "-dc"]),
        (&["xz", "-c", "-T1", "--block-size=65536"], &["xz", "-dc"]),
    ];
    let mut compared = 0;
    for (pack, unpack) in tools {
        let pack = |bytes: &[u8]| tool(pack, bytes).map(|(_, packed)| packed);
        let (Some(whole), Some(empty), Some(front), Some(back), Some(large)) =
            (pack(&dump), pack(b""), pack(&dump[..100]), pack(&dump[100..]), pack(&zeros))
        else {
            continue;
        };
        let mut flipped = large.clone();
        let end = flipped.len() - 5;
        flipped[end] ^= 0x10;
        let mut shapes = vec![
            ("whole", whole.clone()),
            ("two", [&front[..], &back].concat()),
            ("an empty one between", [&front[..], &empty, &back].concat()),
            ("an empty one behind", [&whole[..], &empty].concat()),
            ("only the front", front.clone()),
            ("zeros behind", [&whole[..], &[0; 512]].concat()),
            ("garbage behind", [&whole[..], b"garbage"].concat()),
            ("large", large.clone()),
            ("a changed byte near the end", flipped),
        ];
        if matches!(unpack[0], "zstd" | "lz4") {
            shapes.push(("a frame to skip before", [&skippable[..], &whole].concat()));
            shapes.push(("a frame to skip between", [&front[..], &skippable, &back].concat()));
            shapes.push(("a frame to skip, cut", [&whole[..], &skippable[..10]].concat()));
        }
        let cuts =
            (1..large.len()).step_by(large.len().div_ceil(40)).chain(large.len().saturating_sub(12)..large.len());
        for cut in cuts {
            shapes.push(("cut", large[..cut].to_vec()));
        }
        for (shape, bytes) in shapes {
            let Some((took, content)) = tool(unpack, &bytes) else { continue };
            let ours = ran(rdbcheck(&["--json", "-"]).write_stdin(bytes).output())?;
            let what = format!("{} {shape}: {}{}", unpack[0], ours.out, ours.err);
            let report: serde_json::Value = serde_json::from_str(&ours.out)?;
            let file = &report["files"][0];
            if !took || !file["packing_damage"].is_null() {
                assert_ne!(ours.code, Some(0), "{what}");
                continue;
            }
            compared += 1;
            let theirs = ran(rdbcheck(&["--json", "-"]).write_stdin(content).output())?;
            let theirs: serde_json::Value = serde_json::from_str(&theirs.out)?;
            for field in ["verdict", "size", "counts", "checksum", "findings"] {
                assert_eq!(file[field], theirs["files"][0][field], "{field}: {what}");
            }
        }
    }
    println!("{compared} answers compared");
    Ok(())
}

#[test]
fn a_long_window_is_a_limit_that_can_be_raised() -> TestResult {
    let dump = sound(DUMP)?;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    encoder.window_log(27)?;
    encoder.write_all(&dump)?;
    let zstd = encoder.finish()?;
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = 128 << 20;
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options)?;
    encoder.write_all(&dump)?;
    for bytes in [zstd, encoder.finish()?] {
        let (_folder, path) = packed(&bytes, "dump")?;
        let Ran { code, err, .. } = run(&[&path])?;
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("more than 67108864 bytes of memory; --unpack-memory allows more"), "{err}");
        let Ran { code, err, .. } = run(&["--unpack-memory", "128M", &path])?;
        assert_eq!(code, Some(0), "{err}");
    }
    Ok(())
}

/// The members of a tar whose names and ends are odd.
#[test]
fn tars_are_read_as_far_as_they_go() -> TestResult {
    let dump = sound(DUMP)?;
    let mut tar = tar::Builder::new(Vec::new());
    let long = format!("{}/dump.rdb", ["folder"; 60].join("/"));
    for name in ["a.rdb", &long] {
        let mut header = tar::Header::new_gnu();
        header.set_size(dump.len() as u64);
        tar.append_data(&mut header, name, &dump[..])?;
    }
    let pax = "path=data/named-by-pax.rdb\n";
    let line = format!("{} {pax}", pax.len() + 3);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(line.len() as u64);
    tar.append_data(&mut header, "pax", line.as_bytes())?;
    let mut header = tar::Header::new_ustar();
    header.set_size(dump.len() as u64);
    tar.append_data(&mut header, "short", &dump[..])?;
    let bytes = tar.into_inner()?;
    let border = bytes.len() - 1024;
    let files = |bytes: &[u8]| -> Result<(Option<i32>, Vec<serde_json::Value>), Box<dyn std::error::Error>> {
        let (_folder, path) = packed(bytes, "data.tar")?;
        let Ran { code, out, .. } = run(&["--json", &path])?;
        let report: serde_json::Value = serde_json::from_str(&out)?;
        Ok((code, report["files"].as_array().cloned().unwrap_or_default()))
    };
    let (code, all) = files(&bytes)?;
    assert_eq!((code, all.len()), (Some(0), 3));
    let ends = |n: usize, end: &str| all[n]["path"].as_str().is_some_and(|path| path.ends_with(end));
    assert!(ends(0, ":a.rdb") && ends(1, "/named-by-pax.rdb") && ends(2, &long), "{all:?}");
    let (code, cut) = files(&bytes[..border - dump.len().div_ceil(512) * 512 + 20])?;
    assert_eq!((code, cut.len()), (Some(1), 3));
    let why = cut[2]["packing_damage"].as_str().unwrap_or_default();
    assert!(why.starts_with("tar: it ends inside the member at byte "), "{why}");
    let (_folder, path) = packed(&bytes[..border], "data.tar")?;
    let Ran { code, err, .. } = run(&[&path])?;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("it ends behind a member, without the mark of its end"), "{err}");
    let mut bad = bytes.clone();
    bad[512 + dump.len().div_ceil(512) * 512 + 3] ^= 1;
    let (code, bad) = files(&bad)?;
    assert_eq!((code, bad.len()), (Some(1), 1));
    assert!(bad[0]["packing_damage"].as_str().is_some_and(|why| why.contains("header at byte")), "{bad:?}");
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
    add("data/zeros.rdb", &[0; 700])?;
    let bytes = tar.into_inner()?;
    for (name, bytes) in [("data.tar", bytes.clone()), ("data.tar.gz", gzip(&bytes)?)] {
        let (_folder, path) = packed(&bytes, name)?;
        let Ran { code, out, .. } = run(&["--json", &path])?;
        assert_eq!(code, Some(1));
        let report: serde_json::Value = serde_json::from_str(&out)?;
        let files = report["files"].as_array().ok_or("a list")?;
        let verdicts: Vec<_> = files.iter().map(|file| (file["path"].as_str(), file["verdict"].as_str())).collect();
        let [cut, dump, zeros] = ["cut", "dump", "zeros"].map(|name| format!("{path}:data/{name}.rdb"));
        assert_eq!(
            verdicts,
            [(Some(&*cut), Some("damaged")), (Some(&*dump), Some("sound")), (Some(&*zeros), Some("damaged"))]
        );
        let whole: serde_json::Value = serde_json::from_str(&run(&["--json", DUMP])?.out)?;
        assert_eq!(files[1]["counts"], whole["files"][0]["counts"]);
    }
    Ok(())
}

/// The compressed stream of Valkey 9.2, in both forms that documents have: checked, judged and taken out like other packings.
/// What is advised for a file that lies packed can be typed as it stands: nothing has to be known of archives.
#[test]
fn what_is_advised_for_a_packed_file_can_be_run() -> TestResult {
    let behind_text = [b"abc", &sound(DUMP)?[..]].concat();
    let mut cut = sound(DUMP)?;
    cut.truncate(cut.len() - 20);
    let shell = |folder: &std::path::Path, command: &str| -> Result<Ran, Box<dyn std::error::Error>> {
        let commands = std::path::Path::new(env!("CARGO_BIN_EXE_rdbcheck")).parent().ok_or("a folder")?;
        let path = format!("{}:{}", commands.display(), std::env::var("PATH")?);
        ran(std::process::Command::new("sh").args(["-ec", command]).env("PATH", path).current_dir(folder).output())
    };
    for (name, make) in [
        ("a.tar", "tar -cf a.tar data *FILE*"),
        ("a b:c.tar", "tar --force-local -cf 'a b:c.tar' data *FILE*"),
        ("a.tgz", "tar -czf a.tgz ./data ./*FILE*"),
        ("from within.tar", "tar -cf 'from within.tar' -C data ."),
        ("dump.rdb.gz", "gzip -c data/dump.rdb > dump.rdb.gz"),
    ] {
        for (bytes, expected) in [(&behind_text, 0), (&cut, 4)] {
            let folder = tempfile::tempdir()?;
            let at = |name: &str| folder.path().join(name);
            for inside in ["data", "of it's FILE OUT"] {
                std::fs::create_dir(at(inside))?;
                std::fs::write(at(inside).join("dump.rdb"), bytes)?;
            }
            assert_eq!(shell(folder.path(), make)?.code, Some(0), "{make}");
            let check = |args: &[&str]| ran(rdbcheck(args).current_dir(folder.path()).output());
            let document: serde_json::Value = serde_json::from_str(&check(&["--json", name])?.out)?;
            let files = document["files"].as_array().ok_or("files")?;
            assert!(!files.is_empty(), "{name}");
            for file in files {
                let command = file["cause"]["command"].as_str().ok_or(format!("{name}: no command"))?;
                let run = shell(folder.path(), command)?;
                assert_eq!(run.code, Some(expected), "{command}: {run:?}");
            }
            // The same from the text, one after the other, but for the check of a cut file that was written before.
            let text = check(&[name])?.out;
            let steps: Vec<_> = text
                .lines()
                .map(str::trim)
                .filter(|line| {
                    ["mkdir ", "gzip ", "tail ", "rdbcheck --salvage"].iter().any(|lead| line.starts_with(lead))
                })
                .collect();
            assert!(!steps.is_empty(), "{text}");
            for step in steps {
                let step = step.replace("--salvage ", "--force --salvage ");
                let run = shell(folder.path(), &step)?;
                let fits = run.code == Some(0) || step.contains("--salvage ") && run.code == Some(expected);
                assert!(fits, "{step}: {run:?}");
            }
        }
    }
    // What has no name is none in a command.
    let mut writer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(behind_text.len() as u64);
    writer.append_data(&mut header, "dump.rdb", &behind_text[..])?;
    let whole = writer.into_inner()?;
    let piped = ran(rdbcheck(&["-"]).write_stdin(whole.clone()).output())?;
    assert!(piped.out.contains("FILE stands for dump.rdb") && piped.out.contains("tail -c +4 FILE"), "{}", piped.out);
    Ok(())
}

#[test]
fn a_compressed_stream_of_valkey_is_checked() -> TestResult {
    let dump = sound(DUMP)?;
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(&dump)?;
    let frame = encoder.finish()?;
    for form in [Envelope::Merged, Envelope::Draft] {
        let stream = testkit::rdb::compressed_stream(form, &frame);
        let (folder, path) = packed(&stream, "dump.rdb")?;
        let Ran { code, out, .. } = run(&["--json", "--for", "valkey-9.1", &path])?;
        let report: serde_json::Value = serde_json::from_str(&out)?;
        let file = &report["files"][0];
        assert_eq!((&file["verdict"], &file["packing"]), (&"sound".into(), &"valkey".into()));
        assert_eq!(file["cause"]["code"], "valkey-envelope");
        assert_eq!((code, &file["loads_on"]["valkey-9.1"]["by_default"]), (Some(1), &"refuses".into()));
        assert_eq!(run(&[&path])?.code, Some(0));
        let saved = folder.path().join("saved.rdb");
        let ran = run(&["--salvage", &saved.to_string_lossy(), &path])?;
        assert!(ran.code == Some(0) && std::fs::read(&saved)? == dump, "{ran:?}");
        // Cut within what is packed.
        let (_folder, cut) = packed(&stream[..stream.len() - 30], "dump.rdb")?;
        let Ran { code, err, .. } = run(&[&cut])?;
        assert!(code != Some(0) && err.contains("valkey: the packed data end too early"), "{err}");
    }
    let (_folder, other) = packed(b"VCS\x01\x02\0\x01\x28\xb5\x2f\xfd", "dump.rdb")?;
    let Ran { code, err, .. } = run(&[&other])?;
    assert!(code == Some(2) && err.contains("codec 2"), "{err}");
    Ok(())
}
