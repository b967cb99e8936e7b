//! `preen` over the 223 crafted inputs: it mends what an interrupted write leaves, and touches nothing else.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::{ApplyOptions, Plan, Step, aof, apply, undo};
use redis_persistence::verify::{Options, Verdict, aof_path};
use tempfile::TempDir;
use testkit::folder::{alone, copy, files};
use testkit::resp::AofWriter;
use testkit::server::{LoadVerdict, load_verdict, require};

use crate::cases;

fn preen(root: &Path, max_loss: Option<u64>) -> Plan {
    let set = find_on_disk(root).unwrap();
    aof::preen(&set, max_loss).unwrap()
}

/// What is mended of an input: the kind of damage, by the words of the plan.
fn kind(plan: &Plan) -> String {
    let kinds = plan.steps.iter().map(|step| match step {
        Step::Cut(cut) if cut.why.contains("has no EXEC") => "open",
        Step::Cut(cut) if cut.why.contains("nothing but zeros") => "zeros",
        Step::Cut(cut) if cut.why.contains("goes over into zeros") => "torn, zeros",
        Step::Cut(cut) if cut.why.contains("ends inside the command") => "torn",
        Step::Rewrite(rewrite) if rewrite.why == ["the last line gets its line end"] => "line end",
        _ => panic!("{:#?}", plan.describe()),
    });
    kinds.collect::<Vec<_>>().join(" + ")
}

#[test]
fn only_interrupted_writes_are_mended() {
    let mut mended = Vec::new();
    for case in cases::cases() {
        let root = TempDir::new().unwrap();
        let root = root.path();
        copy(&cases::folder().join(&case.id), root).unwrap();
        let before = files(root).unwrap();
        let plan = preen(root, None);
        assert_eq!(files(root).unwrap(), before);
        if !plan.may_be_applied_unasked() {
            continue;
        }
        mended.push(format!("{} {}", &case.id[..4], kind(&plan)));
        assert!(case.loaded_keys().is_none() || case.is_cut_at_load(), "{} loads as it is", case.id);
        let _alone = alone();
        let applied = apply(&plan, &ApplyOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(aof_path(root, &Options::default()).unwrap().verdict, Verdict::Sound, "{}", case.id);
        let again = preen(root, None);
        assert!(again.is_empty() && again.sufficient(), "{}: {:#?}", case.id, again.describe());
        if let Some(installed) = require(case.judge()) {
            let copied = TempDir::new().unwrap();
            copy(root, copied.path()).unwrap();
            let settings = ["--appendonly", "yes", "--aof-load-truncated", "no"];
            let verdict = load_verdict(&installed, copied.path(), &settings).unwrap();
            let LoadVerdict::Loaded { databases, .. } = verdict else { panic!("{}: {verdict:?}", case.id) };
            let keys: u64 = databases.values().map(|db| db.keys).sum();
            assert!(keys >= case.loaded_keys().unwrap_or(0), "{}: {keys}", case.id);
        }
        undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
        let after = files(root).unwrap();
        assert!(before.iter().all(|(path, content)| after.get(path) == Some(content)), "{}", case.id);
    }
    assert_eq!(mended, MENDED, "{mended:#?}");
}

/// Everything else is left as it is, byte for byte.
const MENDED: [&str; 26] = [
    "s003 torn",
    "s004 torn",
    "s005 torn",
    "s006 torn",
    "s007 torn",
    "s008 torn",
    "s009 torn",
    "s010 torn",
    "s011 torn",
    "s062 zeros",
    "s063 zeros",
    "s101 open",
    "s104 open",
    "s106 torn",
    "s107 torn",
    "s114 open",
    "s116 zeros",
    "s117 open",
    "s142 torn",
    "s143 torn",
    "s152 zeros",
    "m005 torn",
    "m009 line end",
    "m064 open",
    "m088 torn",
    "m089 zeros",
];

/// An `appendonlydir` with one file of records, whose manifest lacks its line end.
fn set_of(root: &Path, records: &[u8]) -> PathBuf {
    let folder = root.join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("appendonly.aof.1.incr.aof"), records).unwrap();
    fs::write(folder.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i").unwrap();
    folder
}

fn set(key: &str, value: &str) -> Vec<u8> {
    let mut writer = AofWriter::new();
    writer.record(&["SET", key, value]);
    writer.take()
}

#[test]
fn every_tear_of_the_last_record_is_mended() {
    let (first, last) = (set("first", "v"), set("last", "0123456789"));
    for end in 0..last.len() {
        for zeros in [0, 1, 5000] {
            if zeros == 1 && end + zeros == last.len() {
                // Servers take any two bytes behind a value, and this one is whole.
                continue;
            }
            let root = TempDir::new().unwrap();
            let folder = set_of(root.path(), &[&first[..], &last[..end], &vec![0; zeros]].concat());
            let plan = preen(&folder, None);
            assert!(plan.may_be_applied_unasked(), "{end} {zeros}: {:#?}", plan.describe());
            let _alone = alone();
            apply(&plan, &ApplyOptions::default(), &mut |_| {}).unwrap();
            assert_eq!(fs::read(folder.join("appendonly.aof.1.incr.aof")).unwrap(), first, "{end} {zeros}");
            assert_eq!(aof_path(&folder, &Options::default()).unwrap().verdict, Verdict::Sound);
        }
    }
}

#[test]
fn what_may_be_damage_is_left_to_people() {
    let (first, last) = (set("first", "v"), set("last", "0123456789"));
    let multi = |between: &[u8]| [b"*1\r\n$5\r\nMULTI\r\n", between, &first[..]].concat();
    for (what, records) in [
        ("a length that takes in the rest", [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$91\r\nv\r\n"[..], &last[..]].concat()),
        ("a transaction in which another begins", multi(&multi(&first))),
        ("damage elsewhere too", [b"*1\r\n$0\r\n\r\n", &first[..], &last[..20]].concat()),
        ("text", [&first[..], b"text"].concat()),
        ("zeros in the middle", [&first[..], &[0; 40], &last[..]].concat()),
    ] {
        let root = TempDir::new().unwrap();
        let folder = set_of(root.path(), &records);
        let plan = preen(&folder, None);
        assert!(!plan.may_be_applied_unasked() && !plan.sufficient(), "{what}: {:#?}", plan.describe());
    }
}

#[test]
fn no_more_goes_than_may() {
    let root = TempDir::new().unwrap();
    let folder = set_of(root.path(), &[set("first", "v"), b"*3\r\n".to_vec()].concat());
    assert!(!preen(&folder, Some(3)).may_be_applied_unasked());
    assert!(preen(&folder, Some(4)).may_be_applied_unasked());
}
