//! `--for`, `--set` and `--conf`.

use std::fs;

use serde_json::Value;

use crate::golden::assert_fits_the_schema;
use crate::{TestResult, run, testdata};

/// The answers of one run over all sound files, by file.
fn judged(args: &[&str], files: &[&str]) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let run = run(&[&["--json"], args, files].concat())?;
    assert_fits_the_schema(&testdata(), &run.out)?;
    let document: Value = serde_json::from_str(&run.out)?;
    Ok(document["files"].as_array().ok_or("no files")?.iter().map(|file| file["loads_on"].clone()).collect())
}

/// What three servers did with each of the files is what is said of them.
#[test]
fn the_document_says_what_servers_did() -> TestResult {
    let table = fs::read_to_string(testdata().join("rdb/load.tsv"))?;
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let files: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    let strict = judged(&["--for", "redis-7.0,redis-8.6", "--for", "valkey-9.1"], &files)?;
    let relaxed = judged(&["--for", "valkey-9.1", "--set", "rdb-version-check=relaxed"], &files)?;
    for ((line, strict), relaxed) in lines.iter().zip(strict).zip(relaxed) {
        let asked = [&strict["redis-7.0"], &strict["redis-8.6"], &strict["valkey-9.1"], &relaxed["valkey-9.1"]];
        for (did, said) in line[1..].iter().zip(asked) {
            assert_eq!(said["loads"], *did == "yes", "{line:?}: {said}");
            assert_eq!(said["because"].as_array().is_some_and(Vec::is_empty), *did == "yes", "{line:?}: {said}");
        }
    }
    Ok(())
}

/// And of append-only files, in one run over all crafted ones: as they are, and with each server's own settings.
#[test]
fn the_document_says_what_servers_did_with_append_only_files() -> TestResult {
    const SERVERS: [(&str, &str); 3] = [("7.0.15", "redis-7.0"), ("8.6.3", "redis-8.6"), ("vk9.1.2", "valkey-9.1")];
    /// What servers make of a SELECT without its argument differs from run to run.
    const BY_CHANCE: &str = "s077-arity-select";
    let folder = testdata().join("aof/cases");
    let table = fs::read_to_string(folder.join("cases.tsv"))?;
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().ok_or("no head")?;
    let cases: Vec<_> = lines.collect();
    let column = |name: &str| head.iter().position(|of| *of == name).ok_or_else(|| format!("no column {name}"));
    let (id, arg) = (column("id")?, column("arg")?);
    let paths: Vec<_> = cases.iter().map(|case| format!("{}/{}", case[id], case[arg])).collect();
    let mut args = vec!["--json", "--for", "redis-7.0,redis-8.6,valkey-9.1"];
    args.extend(paths.iter().map(String::as_str));
    let ran = crate::ran(crate::aof::aofcheck(&folder, &args).output())?;
    assert_fits_the_schema(&folder, &ran.out)?;
    let document: Value = serde_json::from_str(&ran.out)?;
    let files = document["files"].as_array().ok_or("no files")?;
    assert_eq!(files.len(), 223);
    let mut different = Vec::new();
    for (case, file) in cases.iter().zip(files).filter(|(case, _)| case[id] != BY_CHANCE) {
        for (version, server) in SERVERS {
            let said = &file["loads_on"][server];
            let did = |name: &str| Ok::<_, String>(case[column(&format!("{name}_{version}"))?]);
            let comes_up = match said["by_default"].as_str() {
                Some("loads" | "loads-but-drops" | "loads-after-cut") => true,
                Some("starts-empty") => did("load")?.starts_with("load:0;"),
                _ => false,
            };
            // A file that was cut is not loaded as it is.
            let strict = did("load_strict")?;
            let as_it_is = strict.starts_with("load:") && !strict.contains("->");
            // What was recorded is that servers came up, not what they passed over.
            let drops = said["by_default"] == "loads-but-drops";
            if (said["loads"] == true || drops) != as_it_is || comes_up != did("load")?.starts_with("load:") {
                different.push(format!("{} {server}: {} {} {said}", case[id], did("load_strict")?, did("load")?));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    Ok(())
}

#[test]
fn one_server_that_would_not_load_it_is_exit_1() -> TestResult {
    for (args, file, code, said) in [
        (&["--for", "redis-7.0"][..], "redis-7.0-streams.rdb", 0, "redis-7.0     yes      loads            measured\n"),
        (
            &["--for", "redis-6.2"],
            "redis-7.0-streams.rdb",
            1,
            "    the file says REDIS 10; redis-6.2 takes REDIS 1 to 9",
        ),
        (&["--for", "newest"], "redis-7.0-streams.rdb", 0, "valkey-9.1    yes "),
        (&["--for", "redis-8.6"], "redis-7.0-module-testrdb-aux.rdb", 1, "Give the server the modules"),
        (&["--for", "redis-8.6", "--set", "modules=test__rdb"], "redis-7.0-module-testrdb-aux.rdb", 0, "yes"),
        (
            &["--for", "redis-8.6", "--set", "databases=8"],
            "redis-7.0-multidb.rdb",
            1,
            "databases 16 in its configuration",
        ),
        (&["--for", "redis-8.6"], "../broken/dragonfly.rdb", 1, "redis-8.6     NO       refuses"),
        (&["--for", "redis-8.6"], "../broken/duplicate-key.rdb", 1, "redis-8.6     NO       crashes"),
    ] {
        let run = run(&[args, &[file]].concat())?;
        assert_eq!(run.code, Some(code), "{args:?} {file}: {run:?}");
        assert!(run.out.contains(said), "{args:?} {file}: {}", run.out);
    }
    Ok(())
}

/// What a check that looked at the frame alone cannot tell is neither loaded nor refused.
#[test]
fn what_cannot_be_told_is_exit_3() -> TestResult {
    let run = run(&["--quick", "--for", "redis-8.6", "redis-7.0-streams.rdb"])?;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.out.contains("redis-8.6     unknown  unknown"), "{}", run.out);
    Ok(())
}

#[test]
fn settings_come_from_a_configuration_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("redis.conf");
    fs::write(&conf, "save 3600 1\ndatabases 8\ninclude local.conf\n")?;
    let conf = conf.to_string_lossy().into_owned();
    let args = ["--for", "redis-8.6", "--conf", &conf, "redis-7.0-multidb.rdb"];
    let refused = run(&args)?;
    assert_eq!(refused.code, Some(1));
    assert!(refused.out.contains("the server has 8"), "{}", refused.out);
    assert_eq!(refused.err, format!("rdbcheck: {conf}: line 3: include local.conf is not followed\n"));
    assert_eq!(run(&[&["--set", "databases=16"], &args[..]].concat())?.code, Some(0));
    let missing = run(&["--for", "redis-8.6", "--conf", "no-such.conf", "redis-7.0-multidb.rdb"])?;
    assert_eq!((missing.code, missing.out.as_str()), (Some(2), ""));
    Ok(())
}

#[test]
fn what_is_no_server_and_no_setting_is_exit_2() -> TestResult {
    for (args, said) in [
        (&["--for", "redis-9"][..], "redis-5.0, redis-6.0"),
        (&["--for", "newest", "--set", "maxmemory=1gb"], "the settings that do are databases"),
        (&["--for", "newest", "--set", "databases"], "NAME=VALUE"),
        (&["--set", "databases=8"], "--for"),
    ] {
        let run = run(&[args, &["redis-7.0-multidb.rdb"]].concat())?;
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.err.contains(said), "{}", run.err);
    }
    Ok(())
}
