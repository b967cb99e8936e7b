//! Seals: made of what is sound, held against it by the verb and by every check, and of sets as far as they went.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::folder::copy;

use crate::aof::aofcheck;
use crate::verbs::{json, ran};
use crate::{Ran, TestResult, rdbcheck, testdata};

/// A check in a folder.
fn check(folder: &Path, args: &[&str]) -> Result<Ran, Box<dyn std::error::Error>> {
    crate::ran(rdbcheck(args).current_dir(folder).output())
}

/// The only file of a JSON report, which fits the schema.
fn document(folder: &Path, args: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
    let run = check(folder, &[&["--json"], args].concat())?;
    crate::golden::assert_fits_the_schema(folder, &run.out)?;
    Ok(serde_json::from_str::<Value>(&run.out)?["files"][0].clone())
}

/// A seal that lies beside a file is held against it in the check, whatever is asked for.
#[test]
fn every_check_finds_the_seal_beside_a_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump.rdb");
    fs::copy(testdata().join("rdb/redis-2.8-thresholds-1.rdb"), &dump)?;
    assert_eq!(document(folder.path(), &["dump.rdb"])?["seal"], Value::Null);
    assert_eq!(ran(&["seal", dump.to_str().ok_or("a path")?]).code, Some(0));

    let same = check(folder.path(), &["dump.rdb"])?;
    assert_eq!(same.code, Some(0), "{}", same.out);
    assert!(same.out.contains("As it was sealed on ") && same.out.contains("The seal is unsigned"), "{}", same.out);
    let seal = document(folder.path(), &["dump.rdb"])?["seal"].clone();
    assert_eq!((&seal["same"], &seal["signature"]), (&true.into(), &Value::Null), "{seal}");
    fs::write(folder.path().join("dump.rdb.seal.json.minisig"), "")?;
    let seal = document(folder.path(), &["dump.rdb"])?["seal"].clone();
    assert!(seal["signature"].to_string().contains("minisig"), "{seal}");

    // The same data in other bytes, and other data: both are not what was sealed, and it is said which.
    for (other, differs) in [
        ("redis-3.2-thresholds-1.rdb", &["size", "sha256"][..]),
        ("redis-6.0-streams.rdb", &["size", "sha256", "digest"]),
    ] {
        fs::copy(testdata().join("rdb").join(other), &dump)?;
        let run = check(folder.path(), &["dump.rdb"])?;
        let all = differs.join(", ");
        assert_eq!(run.code, Some(1), "{other}: {}", run.out);
        assert!(run.out.contains("not as demanded: as sealed on ") && run.out.contains(&all), "{other}: {}", run.out);
        assert_eq!(document(folder.path(), &["dump.rdb"])?["seal"]["differs"], serde_json::json!(differs));
        // Of many inputs too, which are checked side by side.
        assert_eq!(check(folder.path(), &["dump.rdb", "dump.rdb", "dump.rdb"])?.code, Some(1));
    }
    // What cannot be read is no seal.
    fs::write(folder.path().join("dump.rdb.seal.json"), "{}")?;
    let run = check(folder.path(), &["dump.rdb"])?;
    assert!(run.code == Some(1) && run.out.contains("it is no seal"), "{}", run.out);
    Ok(())
}

#[test]
fn a_check_against_a_seal_that_is_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let of = |name: &str| folder.path().join(name);
    fs::copy(testdata().join("rdb/redis-6.0-streams.rdb"), of("one.rdb"))?;
    fs::copy(testdata().join("rdb/redis-7.0-functions.rdb"), of("two.rdb"))?;
    assert_eq!(ran(&["seal", of("one.rdb").to_str().ok_or("a path")?]).code, Some(0));
    fs::rename(of("one.rdb.seal.json"), of("kept.json"))?;
    assert_eq!(check(folder.path(), &["--against", "kept.json", "one.rdb"])?.code, Some(0));
    assert_eq!(check(folder.path(), &["--against", "kept.json", "two.rdb"])?.code, Some(1));
    assert_eq!(check(folder.path(), &["--against", "none.json", "two.rdb"])?.code, Some(1));
    assert_eq!(check(folder.path(), &["--against", "kept.json", "one.rdb", "two.rdb"])?.code, Some(2));
    // A byte that is changed, and no more: the size is the same.
    let mut bytes = fs::read(of("one.rdb"))?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(of("one.rdb"), bytes)?;
    let run = check(folder.path(), &["--against", "kept.json", "one.rdb"])?;
    assert!(run.code == Some(1) && run.out.contains("(sha256, digest)"), "{}", run.out);
    Ok(())
}

/// What is added to a sealed set is no difference; what is changed, lost or rewritten is.
#[test]
fn a_set_is_sealed_as_far_as_it_went() -> TestResult {
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("appendonlydir");
    copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble/appendonlydir"), &set)?;
    let sealed = crate::ran(aofcheck_verb(folder.path(), &["seal", "appendonlydir"]).output())?;
    assert_eq!((sealed.code, sealed.err.as_str()), (Some(0), ""), "{}", sealed.out);
    assert_eq!(crate::ran(aofcheck_verb(folder.path(), &["seal", "appendonlydir/"]).output())?.code, Some(2));
    let run = |args: &[&str]| crate::ran(aofcheck(folder.path(), args).output());
    let same = run(&["appendonlydir"])?;
    assert_eq!(same.code, Some(0), "{}", same.out);
    assert!(same.out.contains("As it was sealed on "), "{}", same.out);

    let incr = fs::read_dir(&set)?.flatten().map(|entry| entry.path());
    let incr = incr.filter(|path| path.to_string_lossy().contains(".incr.")).max().ok_or("an incremental file")?;
    let whole = fs::read(&incr)?;
    fs::write(&incr, [&whole[..], b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"].concat())?;
    let grown = run(&["appendonlydir"])?;
    assert!(grown.code == Some(0) && grown.out.contains("and 23 bytes longer"), "{}", grown.out);

    let name = incr.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
    fs::write(&incr, &whole[..whole.len() - 1])?;
    let cut = run(&["appendonlydir"])?;
    assert!(cut.code == Some(1) && cut.out.contains(&format!("{name} size")), "{}", cut.out);
    fs::remove_file(&incr)?;
    let lost = run(&["--against", "appendonlydir.seal.json", "appendonlydir"])?;
    assert!(lost.code == Some(1) && lost.out.contains(&format!("{name} missing")), "{}", lost.out);
    // Only what is sound is sealed.
    let damaged = crate::ran(aofcheck_verb(folder.path(), &["seal", "--force", "appendonlydir"]).output())?;
    assert!(damaged.code == Some(1) && damaged.err.contains("not sealed: it is damaged"), "{}", damaged.err);
    Ok(())
}

/// A folder is checked as what a start reads there: so its seal lies beside that, or beside the folder.
#[test]
fn the_seal_of_a_folder_is_that_of_what_is_read_there() -> TestResult {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let both = |args: &[&str]| -> Result<[Ran; 2], Box<dyn std::error::Error>> {
        Ok([check(folder.path(), args)?, crate::ran(aofcheck(folder.path(), args).output())?])
    };
    let seal = |program: &str, path: &str| crate::ran(verb(program, folder.path(), &["seal", path]).output());
    let (rdb, aof) = (env!("CARGO_BIN_EXE_rdbcheck"), env!("CARGO_BIN_EXE_aofcheck"));
    // An RDB alone.
    fs::create_dir(at("one"))?;
    fs::copy(testdata().join("rdb/redis-6.0-streams.rdb"), at("one/dump.rdb"))?;
    assert_eq!(seal(aof, "one")?.err.lines().filter(|line| line.contains("no append-only file")).count(), 1);
    assert_eq!(seal(rdb, "one/dump.rdb")?.code, Some(0));
    for run in both(&["one"])? {
        assert!(run.code == Some(0) && run.out.contains("As it was sealed on "), "{}", run.out);
    }
    assert_eq!(document(folder.path(), &["one"])?["seal"]["same"], Value::Bool(true));
    fs::rename(at("one/dump.rdb.seal.json"), at("rdb.json"))?;
    fs::copy(testdata().join("rdb/redis-7.0-functions.rdb"), at("one/dump.rdb"))?;
    for run in both(&["--against", "rdb.json", "one"])? {
        assert!(run.code == Some(1) && run.out.contains("(size, sha256, digest)"), "{}", run.out);
    }
    // A set.
    copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble/appendonlydir"), &at("two/appendonlydir"))?;
    assert_eq!(seal(aof, "two/appendonlydir")?.code, Some(0));
    for run in both(&["two"])? {
        assert!(run.code == Some(0) && run.out.contains("As it was sealed on "), "{}", run.out);
    }
    for run in both(&["--against", "rdb.json", "two"])? {
        assert!(run.code == Some(1) && run.out.contains("the seal of an RDB, and there is none"), "{}", run.out);
    }
    fs::rename(at("two/appendonlydir.seal.json"), at("set.json"))?;
    fs::write(at("two/appendonlydir/appendonly.aof.2.incr.aof"), "")?;
    for run in both(&["--against", "set.json", "two"])? {
        assert!(run.code == Some(1) && run.out.contains("incr.aof sha256"), "{}", run.out);
    }
    // One of its files is not all of it.
    assert_eq!(seal(aof, "two/appendonlydir/appendonly.aof.2.base.rdb")?.code, Some(0));
    let part = "two/appendonlydir/appendonly.aof.2.base.rdb.seal.json";
    let run = crate::ran(aofcheck(folder.path(), &["--against", part, "two"]).output())?;
    assert!(run.code == Some(1) && run.out.contains("2.incr.aof added"), "{}", run.out);
    Ok(())
}

/// The seal of the folder where one stands lies beside it.
#[test]
fn a_folder_without_a_name_is_sealed_by_its_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("appendonlydir");
    copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble/appendonlydir"), &set)?;
    let files = fs::read_dir(&set)?.count();
    assert_eq!(crate::ran(aofcheck_verb(&set, &["seal", "."]).output())?.code, Some(0));
    assert!(folder.path().join("appendonlydir.seal.json").is_file());
    assert_eq!(fs::read_dir(&set)?.count(), files);
    for (at, path) in
        [(&*set, "."), (folder.path(), "appendonlydir/../appendonlydir/."), (folder.path(), "appendonlydir")]
    {
        let run = crate::ran(aofcheck(at, &[path]).output())?;
        assert!(run.out.contains("As it was sealed on "), "{path}: {}", run.out);
    }
    Ok(())
}

/// What changes a file does not hold it against a seal: so it is not taken together, instead of being left out.
#[test]
fn no_change_takes_a_seal() -> TestResult {
    let folder = tempfile::tempdir()?;
    for change in [&["--fix", "--dry-run"][..], &["--preen"], &["--salvage", "out"], &["--undo", "record"]] {
        let run = crate::ran(aofcheck(folder.path(), &[change, &["--against", "seal", "set"]].concat()).output())?;
        assert!(run.code == Some(2) && run.err.contains("cannot be used with"), "{change:?}: {}", run.err);
    }
    let run = check(folder.path(), &["--salvage", "out", "--against", "seal", "dump.rdb"])?;
    assert!(run.code == Some(2) && run.err.contains("cannot be used with"), "{}", run.err);
    Ok(())
}

/// What could wait for ever is not opened.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_neither_sealed_nor_a_seal() -> TestResult {
    let folder = tempfile::tempdir()?;
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status()?;
    assert!(made.success());
    fs::copy(testdata().join("rdb/redis-6.0-streams.rdb"), folder.path().join("dump.rdb"))?;
    let run = |program: &str, args: &[&str]| crate::ran(verb(program, folder.path(), args).output());
    let (rdb, aof) = (env!("CARGO_BIN_EXE_rdbcheck"), env!("CARGO_BIN_EXE_aofcheck"));
    assert_eq!(run(rdb, &["seal", "dump.rdb"])?.code, Some(0));
    let of_dump = ["seal", "--against", "dump.rdb.seal.json", "fifo"];
    for args in [&["seal", "fifo"][..], &of_dump, &["seal", "--against", "fifo", "dump.rdb"]] {
        let run = run(rdb, args)?;
        assert!(run.code == Some(2) && run.err.contains("it is a FIFO"), "{args:?}: {}", run.err);
    }
    assert_eq!(run(aof, &["seal", "fifo"])?.code, Some(2));
    let against = run(rdb, &["--against", "fifo", "dump.rdb"])?;
    assert!(against.code == Some(1) && against.out.contains("it is a FIFO"), "{}", against.out);
    assert_eq!(fs::read_dir(folder.path())?.count(), 3);
    Ok(())
}

/// A verb takes no time.
fn aofcheck_verb(folder: &Path, args: &[&str]) -> assert_cmd::Command {
    verb(env!("CARGO_BIN_EXE_aofcheck"), folder, args)
}

fn verb(program: &str, folder: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(program);
    command.current_dir(folder).args(args).timeout(std::time::Duration::from_secs(60));
    command
}

#[test]
fn a_seal_tells_whether_it_is_the_same_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (dump, seal) = (file("dump.rdb"), file("dump.rdb.seal.json"));
    fs::copy(testdata().join("rdb/redis-3.2-thresholds-1.rdb"), &dump)?;
    let made = ran(&["seal", &dump]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{}", made.out);
    let kept: Value = serde_json::from_str(&fs::read_to_string(&seal)?)?;
    assert_eq!((&kept["keys"], &kept["checked"]["verdict"]), (&20.into(), &"sound".into()));
    assert_eq!(kept["digest"], json(&["digest", "--json", &dump])["files"][0]["digest"]);
    // It is not written over unasked, before anything is read.
    assert_eq!(ran(&["seal", &dump]).code, Some(2));
    assert_eq!(ran(&["seal", "--force", &dump]).code, Some(0));
    let same = ran(&["seal", "--check", &dump]);
    assert!(same.code == Some(0) && same.out.contains("the bytes that were sealed"), "{}", same.out);
    // The same data as another server stores it, then other data.
    fs::copy(testdata().join("rdb/redis-2.8-thresholds-1.rdb"), &dump)?;
    let data = ran(&["seal", "--check", &dump]);
    assert!(data.code == Some(1) && data.out.contains("with the same data"), "{}", data.out);
    let other = testdata().join("rdb/redis-6.0-streams.rdb").to_string_lossy().into_owned();
    let differs = ran(&["seal", "--against", &seal, &other]);
    assert!(differs.code == Some(1) && differs.out.contains("not what was sealed"), "{}", differs.out);
    Ok(())
}

#[test]
fn only_what_is_sound_is_sealed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cut.rdb");
    let whole = fs::read(testdata().join("rdb/redis-6.0-streams.rdb"))?;
    fs::write(&path, &whole[..whole.len() - 9])?;
    let name = path.to_str().ok_or("a path")?;
    let cut = ran(&["seal", name]);
    assert!(cut.code == Some(1) && cut.err.contains("not sealed: it is damaged"), "{}", cut.err);
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    fs::write(folder.path().join("cut.rdb.seal.json"), "{}")?;
    let none = ran(&["seal", "--check", name]);
    assert!(none.code == Some(2) && none.err.contains("it is no seal"), "{}", none.err);
    assert_eq!(ran(&["seal", "--check", "redis-6.0-streams.rdb"]).code, Some(2));
    assert_eq!(ran(&["seal", "-"]).code, Some(2));
    Ok(())
}
