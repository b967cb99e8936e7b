//! Members of tars that are stored with holes: the answer is the one on what tar unpacks, or an error.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::rdb::RdbWriter;
use testkit::tar::{END, HOLES, Holes, Sparse, extended, member};

use crate::packed::{gzip, packed};
use crate::{Ran, TestResult, ran, rdbcheck, run};

/// An RDB with so many values of zeros, and something between them.
fn dump(values: usize) -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.compression(false).select_db(0);
    for n in 0..values {
        w.string_key(format!("zeros:{n}").as_bytes(), &vec![0; 3000 + 100 * n]);
        w.string_key(format!("text:{n}").as_bytes(), "text".repeat(200).as_bytes());
    }
    w.finish()
}

/// What the commands say of the files in an input, but for where they lie.
fn said(ran: &Ran) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut report: Value = serde_json::from_str(&ran.out)?;
    let files = report["files"].as_array_mut().ok_or("a list")?;
    for file in files.iter_mut() {
        let file = file.as_object_mut().ok_or("an object")?;
        file.retain(|name, _| !matches!(name.as_str(), "path" | "packing"));
    }
    Ok(files.clone())
}

fn of_dump(bytes: &[u8]) -> Result<Vec<Value>, Box<dyn Error>> {
    let (_folder, path) = packed(bytes, "dump.rdb")?;
    said(&run(&["--json", &path])?)
}

#[test]
fn a_dump_with_holes_has_the_report_of_the_dump() -> TestResult {
    // As many parts as fit into the header, into one block more, and into several.
    for values in [1, 4, 20, 100] {
        let mut dump = dump(values);
        for ending in [&b""[..], &[0; 5000]] {
            dump.extend(ending);
            let (plain, sparse) = (of_dump(&dump)?, Sparse::of(&dump));
            assert!(sparse.map.len() >= values && sparse.stored.len() < dump.len());
            for how in HOLES {
                let tar = [member("first.txt", b"text"), sparse.member("data/dump.rdb", how), member("last", b"text")];
                let tar = [&tar.concat()[..], &END].concat();
                let (_folder, path) = packed(&tar, "data.tar")?;
                let found = run(&["--json", &path])?;
                assert_eq!(said(&found)?, plain, "{how:?}");
                assert!(found.out.contains(&format!("{path}:data/dump.rdb")), "{how:?}: {}", found.out);
                let piped = ran(rdbcheck(&["--json", "-"]).write_stdin(gzip(&tar)?).output())?;
                assert_eq!(said(&piped)?, plain, "{how:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_set_with_holes_has_the_report_of_the_set() -> TestResult {
    let folder = tempfile::tempdir()?;
    let manifest = b"file a.1.incr.aof seq 1 type i\n";
    let records = testkit::resp::AofWriter::new().select(0).record(&[&b"SET"[..], b"k", &[0; 100_000]]).take();
    fs::create_dir(folder.path().join("set"))?;
    for (name, bytes) in [("a.manifest", &manifest[..]), ("a.1.incr.aof", &records)] {
        fs::write(folder.path().join("set").join(name), bytes)?;
    }
    let aofcheck = |input: &str| ran(crate::aof::aofcheck(folder.path(), &["--json", input]).output());
    let plain = said(&aofcheck("set")?)?;
    for how in HOLES {
        let part = Sparse::of(&records).member("set/a.1.incr.aof", how);
        fs::write(folder.path().join("set.tar"), [part, member("set/a.manifest", manifest), END.to_vec()].concat())?;
        assert_eq!(said(&aofcheck("set.tar")?)?, plain, "{how:?}");
    }
    Ok(())
}

/// Runs GNU tar, if it is there.
fn tar(folder: &Path, args: &[&str]) -> Option<bool> {
    let version = Command::new("tar").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("GNU tar") {
        return None;
    }
    let output = Command::new("tar").current_dir(folder).args(args).output().ok()?;
    Some(output.status.success())
}

#[test]
fn what_tar_itself_stores_with_holes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut compared = 0;
    // A part of zeros is a hole only where it fills blocks of the file system.
    let dump = RdbWriter::redis(11).compression(false).select_db(0).string_key(b"zeros", &[0; 400_000]).finish();
    let plain = of_dump(&dump)?;
    let mut file = fs::File::create(folder.path().join("dump.rdb"))?;
    for (at, len) in Sparse::of(&dump).map {
        use std::os::unix::fs::FileExt as _;
        file.write_all_at(&dump[usize::try_from(at)?..usize::try_from(at + len)?], at)?;
    }
    file.flush()?;
    for format in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let args = [&["--create", "--sparse", "--hole-detection=raw", "--file=data.tar"][..], format, &["dump.rdb"]];
        let Some(true) = tar(folder.path(), &args.concat()) else {
            println!("not compared: GNU tar makes none with {format:?}");
            continue;
        };
        let path = folder.path().join("data.tar");
        assert!(fs::metadata(&path)?.len() < 100_000, "{format:?}: no holes");
        let found = run(&["--json", &path.to_string_lossy()])?;
        assert_eq!(said(&found)?, plain, "{format:?}");
        compared += 1;
    }
    println!("{compared} tars compared");
    Ok(())
}

/// Maps that no tar writes: where tar unpacks something all the same, the answer is that on it or an error.
#[test]
fn maps_that_are_wrong_are_named() -> TestResult {
    let dump = dump(4);
    let good = Sparse::of(&dump);
    let changed = |change: &dyn Fn(&mut Sparse)| {
        let mut sparse = good.clone();
        change(&mut sparse);
        sparse
    };
    let cases: [(&str, Sparse); 12] = [
        ("parts that lie over each other", changed(&|of| of.map[1].0 = of.map[0].0)),
        ("parts that lead back", changed(&|of| of.map.swap(0, 1))),
        ("a part beyond the end", changed(&|of| of.map[2].0 = of.size)),
        ("a part that ends beyond all numbers", changed(&|of| of.map[2].0 = u64::MAX - 1)),
        ("a length beyond all numbers", changed(&|of| of.map[0].1 = u64::MAX)),
        ("more than is stored", changed(&|of| of.stored.truncate(512))),
        ("a size that is too small", changed(&|of| of.size = 600)),
        ("a size of a terabyte", changed(&|of| of.size = 1 << 40)),
        ("the largest size", changed(&|of| of.size = u64::MAX)),
        ("no parts", changed(&|of| of.map.clear())),
        ("a count without end", changed(&|of| of.count = Some(u64::MAX))),
        ("a count that is too small", changed(&|of| of.count = Some(1))),
    ];
    for (case, sparse) in cases {
        for how in HOLES {
            let what = format!("{case}, {how:?}");
            let tar_bytes = [sparse.member("dump.rdb", how), END.to_vec()].concat();
            let (folder, path) = packed(&tar_bytes, "data.tar")?;
            let begun = Instant::now();
            let found = run(&["--json", &path])?;
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            assert!(matches!(found.code, Some(0..=2)), "{what}: {found:?}");
            // What is said by others than the map itself may be counted wrong.
            if found.code != Some(0) {
                let why = format!("{}{}", found.out, found.err);
                let named = ["the map of the holes of dump.rdb ", "--max-unpacked", "rdb-", "ends inside the member"];
                assert!(named.iter().any(|part| why.contains(part)), "{what}: {why}");
            }
            if sparse.size >= 1 << 40 || tar(folder.path(), &["--extract", "--file=data.tar"]) != Some(true) {
                continue;
            }
            let unpacked = fs::read(folder.path().join("dump.rdb"))?;
            if said(&found)?.iter().all(|file| file["packing_damage"].is_null() && file["error"].is_null()) {
                let theirs = said(&run(&["--json", &folder.path().join("dump.rdb").to_string_lossy()])?)?;
                for field in ["verdict", "size", "counts", "checksum"] {
                    assert_eq!(said(&found)?[0][field], theirs[0][field], "{field}: {what}");
                }
                assert_eq!(found.code == Some(0), unpacked == dump, "{what}");
            } else {
                assert_ne!(found.code, Some(0), "{what}");
            }
        }
    }
    Ok(())
}

/// Holes cost neither time nor memory beyond the limit of what is packed.
#[test]
fn a_terabyte_of_nothing_is_a_limit_that_is_named() -> TestResult {
    let sparse = Sparse { size: 1 << 40, map: vec![(0, 9), (1 << 40, 0)], stored: b"REDIS0011".to_vec(), count: None };
    for how in HOLES {
        let (_folder, path) = packed(&[sparse.member("dump.rdb", how), END.to_vec()].concat(), "data.tar")?;
        let begun = Instant::now();
        let found = run(&[&path])?;
        assert_eq!((found.code, begun.elapsed() < Duration::from_secs(20)), (Some(2), true), "{how:?}: {found:?}");
        assert!(
            found.err.contains("unpack to more than 4294967296") && found.err.contains("--max-unpacked"),
            "{found:?}"
        );
        // A file of the same name that is no dump, nor called one, is nobody's business.
        let (_folder, path) = packed(
            &[Sparse { stored: vec![b'x'; 9], ..sparse.clone() }.member("disk.img", how), END.to_vec()].concat(),
            "data.tar",
        )?;
        let found = run(&[&path])?;
        assert!(found.err.contains("a tar without an RDB"), "{how:?}: {found:?}");
    }
    Ok(())
}

#[test]
fn what_is_not_read_is_said_and_left_out() -> TestResult {
    let (dump, sparse) = (dump(2), Sparse::of(&dump(2)));
    let twice = [extended(&[("size", "9".to_owned()), ("map", "0,9".to_owned())]), sparse.member("b.rdb", Holes::Gnu)];
    let newer = [extended(&[("major", "2".to_owned()), ("realsize", "9".to_owned())]), member("b.rdb", &dump)];
    let unnamed = [extended(&[("realsize", "9".to_owned())]), member("b.rdb", &dump)];
    for (bytes, why) in
        [(twice, "is said twice"), (newer, "in a way that is not read"), (unnamed, "in a way that is not")]
    {
        let tar = [member("a.rdb", &dump), bytes.concat(), END.to_vec()].concat();
        let (_folder, path) = packed(&tar, "data.tar")?;
        let found = run(&["--json", &path])?;
        let files = said(&found)?;
        assert_eq!((found.code, files.len()), (Some(1), 1), "{why}: {found:?}");
        let damage = files[0]["packing_damage"].as_str().unwrap_or_default();
        assert!(damage.contains("the map of the holes of b.rdb ") && damage.contains(why), "{damage}");
    }
    // What is cut is reported on as far as it goes.
    let whole = sparse.member("a.rdb", Holes::Gnu);
    let (_folder, path) = packed(&whole[..whole.len() - 700], "data.tar")?;
    let found = run(&["--json", &path])?;
    assert_eq!(found.code, Some(1));
    let file = &said(&found)?[0];
    assert_eq!(file["findings"][0]["code"], "rdb-truncated", "{file}");
    assert!(file["packing_damage"].as_str().is_some_and(|why| why.contains("ends inside the member")), "{file}");
    Ok(())
}
