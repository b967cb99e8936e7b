//! Plans for the 223 crafted inputs: applied, put together again, undone, and loaded by a real server.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::repair::{Applied, ApplyOptions, Plan, Step, apply, undo};
use tempfile::TempDir;
use testkit::folder::{alone, copy, files};
use testkit::rdb::RdbWriter;
use testkit::resp::{AofWriter, record};
use testkit::server::{LoadVerdict, Product, load_verdict, require};

use crate::cases;

/// The inputs that servers do not load and that no plan makes loadable, with the reason.
const NOT_MENDED: &[(&str, &str)] = &[
    ("s041", "nothing of the file would stay"),
    ("s064", "nothing of the file would stay"),
    ("s068", "nothing of the file would stay"),
    ("s070", "every byte is well-formed, but the server does not know the command"),
    ("s071", "every byte is well-formed, but the server does not know the command"),
    ("s072", "every byte is well-formed, but the server does not know the command"),
    ("s073", "every byte is well-formed, but the server does not know the command"),
    ("s074", "every byte is well-formed, but arguments are missing"),
    ("s075", "every byte is well-formed, but arguments are missing"),
    ("s076", "every byte is well-formed, but the server does not know the command"),
    ("s077", "every byte is well-formed, but arguments are missing"),
    ("s088", "every byte is well-formed, but arguments are missing"),
    ("s08b", "a command that ends the server"),
    ("s105", "a DISCARD that is queued crashes the server"),
    ("s132", "a manifest whose only file is missing"),
    ("s144", "the image is damaged"),
    ("s145", "the image is damaged"),
    ("s147", "the image is damaged"),
    ("s148", "the image is damaged"),
    ("s154", "nothing of the file would stay"),
    ("m004", "a listed file is missing"),
    ("m006", "damaged in a file that is not the last"),
    ("m008", "damaged in a file that is not the last"),
    ("m028", "a listed file is missing"),
    ("m030", "a listed file is missing"),
    ("m051", "the image is damaged"),
    ("m052", "the image is damaged"),
    ("m053", "damaged in a file that is not the last"),
    ("m063", "damaged in a file that is not the last"),
    ("m065", "damaged in a file that is not the last"),
    ("m070", "an image with keys that exist already"),
    ("m078", "damaged in a file that is not the last"),
    ("m083", "a DISCARD that is queued crashes the server"),
    ("m094", "an image with keys that exist already"),
    ("m095", "a listed file is missing"),
];

fn plan_of(root: &Path, options: &FixOptions) -> Plan {
    plan(&find_on_disk(root).unwrap(), options).unwrap()
}

fn run(plan: &Plan) -> Applied {
    apply(plan, &ApplyOptions::default(), &mut |_| {}).unwrap()
}

fn check(case: &cases::Case, failures: &Mutex<Vec<String>>) {
    let fail = |text: String| failures.lock().unwrap().push(format!("{}: {text}", case.id));
    let root = TempDir::new().unwrap();
    let root = root.path();
    copy(&cases::folder().join(&case.id), root).unwrap();
    let before = files(root).unwrap();
    let product = case.judge();
    let keys_before = case.loaded_keys();
    let plan = plan_of(root, &FixOptions::default());
    let reason = NOT_MENDED.iter().find(|(id, _)| case.id.starts_with(&format!("{id}-")));
    if !plan.may_be_applied_unasked() {
        if keys_before.is_none() != reason.is_some() {
            fail(format!("loads: {keys_before:?}, listed: {reason:?}, plan: {:#?}", plan.describe()));
        }
        return;
    }
    if let Some((_, reason)) = reason {
        fail(format!("listed ({reason}), but there is a plan: {:#?}", plan.describe()));
    }
    if keys_before.is_some() && !case.is_cut_at_load() && plan.loss().bytes > 0 {
        fail(format!("the server loads it whole, the plan cuts it: {:#?}", plan.describe()));
    }

    let applied = {
        let _alone = alone();
        run(&plan)
    };
    for (step, saved) in plan.steps.iter().zip(&applied.saved) {
        let now = fs::read(step.path()).unwrap_or_default();
        let saved = fs::read(saved).unwrap_or_default();
        let original = before.get(step.path()).cloned().unwrap_or_default();
        let whole = match step {
            Step::Cut(_) => [now, saved].concat(),
            _ => saved,
        };
        if whole != original && !original.is_empty() {
            fail("what was kept and what was saved are not the original".to_owned());
        }
    }
    let server_root = TempDir::new().unwrap();
    copy(root, server_root.path()).unwrap();
    if let Some(installed) = require(product) {
        let verdict = {
            let _alone = alone();
            load_verdict(&installed, server_root.path(), &["--appendonly", "yes"]).unwrap()
        };
        match verdict {
            LoadVerdict::Loaded { databases, log } => {
                let keys: u64 = databases.values().map(|db| db.keys).sum();
                if keys < keys_before.unwrap_or(0) || log.contains("Truncating") {
                    fail(format!("{keys} keys, {keys_before:?} before: {:#?}", plan.describe()));
                }
            }
            other => fail(format!("{other:?}\n{:#?}", plan.describe())),
        }
    }
    let again = plan_of(root, &FixOptions::default());
    if !again.is_empty() || !again.sufficient() {
        fail(format!("after the fix there is another plan: {:#?}", again.describe()));
    }
    let _alone = alone();
    undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    let after = files(root).unwrap();
    let differs = before.iter().any(|(path, content)| after.get(path) != Some(content));
    let new = after.keys().filter(|path| !before.contains_key(*path) && !path.to_str().unwrap().contains("Z."));
    if differs || new.count() > 0 {
        fail("the undo did not restore it".to_owned());
    }
}

#[test]
fn every_input_that_can_be_mended_is_mended() {
    let cases = cases::cases();
    assert_eq!(cases.len(), 223);
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(case, &failures);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// With its name a damaged file is cut though others follow, or though nothing of it stays.
#[test]
fn a_named_file_is_cut() {
    for (id, name, keys) in [
        ("m006-trunc-middle", "appendonly.aof.1.incr.aof", 6),
        ("m008-garbage-middle", "appendonly.aof.1.incr.aof", 6),
        ("m053-rdb-base-garbage", "appendonly.aof.1.base.rdb", 5),
        ("m063-multi-across", "appendonly.aof.1.incr.aof", 6),
        ("m065-multi-open-middle", "appendonly.aof.1.incr.aof", 6),
        ("m078-upgraded-trunc-tail", "appendonly.aof", 6),
        ("s064-nul-start", "appendonly.aof", 0),
    ] {
        let root = TempDir::new().unwrap();
        copy(&cases::folder().join(id), root.path()).unwrap();
        let options = FixOptions { file: Some(name.into()), ..FixOptions::default() };
        let plan = plan_of(root.path(), &options);
        assert!(plan.may_be_applied_unasked(), "{id}: {:#?}", plan.describe());
        let _alone = alone();
        run(&plan);
        let Some(installed) = require(Product::Redis70) else { continue };
        let verdict = load_verdict(&installed, root.path(), &["--appendonly", "yes"]).unwrap();
        let LoadVerdict::Loaded { databases, .. } = verdict else { panic!("{id}: {verdict:?}") };
        assert_eq!(databases.values().map(|db| db.keys).sum::<u64>(), keys, "{id}");
    }
}

#[test]
fn limits_and_wrong_names_are_kept() {
    let root = TempDir::new().unwrap();
    copy(&cases::folder().join("m005-trunc-last"), root.path()).unwrap();
    let with = |max_loss, file: Option<&str>| {
        let file = file.map(|name| name.as_bytes().to_vec());
        plan_of(root.path(), &FixOptions { max_loss, file, ..FixOptions::default() })
    };
    assert!(with(Some(24), None).may_be_applied_unasked());
    assert!(!with(Some(23), None).may_be_applied_unasked());
    assert!(!with(None, Some("other")).may_be_applied_unasked());
    assert_eq!(with(None, None).loss().records, 1);
}

/// A base and three incremental files with stamps; one write each, `k<time>`.
fn stamped(root: &Path) -> PathBuf {
    let folder = root.join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    let mut writer = AofWriter::new();
    let set = |writer: &mut AofWriter, time: i64| {
        writer.timestamp(time).select(0).record(&["SET", &format!("k{time}"), "v"]);
    };
    set(&mut writer, 100);
    fs::write(folder.join("a.1.base.aof"), writer.take()).unwrap();
    set(&mut writer, 200);
    writer.multi().record(&["SET", "in", "v"]).timestamp(250).record(&["SET", "in2", "v"]).exec();
    set(&mut writer, 300);
    fs::write(folder.join("a.1.incr.aof"), writer.take()).unwrap();
    set(&mut writer, 400);
    fs::write(folder.join("a.2.incr.aof"), writer.take()).unwrap();
    set(&mut writer, 500);
    fs::write(folder.join("a.3.incr.aof"), writer.take()).unwrap();
    let manifest = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n\
                    file a.2.incr.aof seq 2 type i\nfile a.3.incr.aof seq 3 type i\n";
    fs::write(folder.join("a.manifest"), manifest).unwrap();
    folder
}

#[test]
fn a_set_goes_back_in_time() {
    for (time, steps, keys) in [
        (99, None, 5),
        (100, Some(4), 1),
        (220, Some(4), 2),
        (250, Some(4), 4),
        (300, Some(3), 5),
        (420, Some(1), 6),
        (500, Some(0), 7),
    ] {
        let root = TempDir::new().unwrap();
        let folder = stamped(root.path());
        let before = files(root.path()).unwrap();
        let options = FixOptions { timestamp: Some(time), ..FixOptions::default() };
        let plan = plan_of(root.path(), &options);
        let Some(steps) = steps else {
            assert!(!plan.sufficient(), "{time}");
            continue;
        };
        assert!(plan.sufficient(), "{time}: {:#?}", plan.describe());
        assert_eq!(plan.steps.len(), steps, "{time}: {:#?}", plan.describe());
        if steps == 0 {
            continue;
        }
        let _alone = alone();
        let applied = run(&plan);
        let again = plan_of(root.path(), &options);
        assert!(again.is_empty() && again.sufficient(), "{time}: {:#?}", again.describe());
        if let Some(installed) = require(Product::Redis70) {
            let copied = TempDir::new().unwrap();
            copy(root.path(), copied.path()).unwrap();
            let settings = ["--appendonly", "yes", "--appendfilename", "a"];
            let verdict = load_verdict(&installed, copied.path(), &settings).unwrap();
            let LoadVerdict::Loaded { databases, .. } = verdict else { panic!("{time}: {verdict:?}") };
            assert_eq!(databases.values().map(|db| db.keys).sum::<u64>(), keys, "{time}");
        }
        undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
        let after = files(root.path()).unwrap();
        assert!(before.iter().all(|(path, content)| after.get(path) == Some(content)), "{time}");
        assert!(folder.join("a.3.incr.aof").exists());
    }
}

/// Killed behind the manifest, a rerun takes the files along that the first run had left out.
#[test]
fn files_that_left_the_manifest_are_still_set_aside() {
    let root = TempDir::new().unwrap();
    stamped(root.path());
    let options = FixOptions { timestamp: Some(220), ..FixOptions::default() };
    let mut plan = plan_of(root.path(), &options);
    plan.steps.truncate(1);
    let _alone = alone();
    run(&plan);
    let rest = plan_of(root.path(), &options);
    assert_eq!(rest.steps.len(), 3, "{:#?}", rest.describe());
    run(&rest);
    assert!(!root.path().join("appendonlydir/a.3.incr.aof").exists());
}

/// A manifest that cannot be read is made anew: what it lists then is no orphan, whatever the old one listed.
#[test]
fn files_of_a_manifest_made_anew_stay_in_the_set() {
    let root = TempDir::new().unwrap();
    let folder = stamped(root.path());
    fs::write(
        folder.join("a.manifest"),
        "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\nfile a.2.\0\n",
    )
    .unwrap();
    let plan = plan_of(root.path(), &FixOptions { timestamp: Some(420), ..FixOptions::default() });
    assert!(plan.sufficient(), "{:#?}", plan.describe());
    let steps: Vec<_> = plan.steps.iter().map(|step| matches!(step, Step::SetAside(_))).collect();
    assert_eq!(steps, [false, false], "the manifest and a cut: {:#?}", plan.describe());
    let _alone = alone();
    run(&plan);
    assert!(folder.join("a.2.incr.aof").exists() && folder.join("a.3.incr.aof").exists());
}

/// A part by itself does not show what follows it.
#[test]
fn a_part_of_a_set_is_not_cut_by_itself() {
    let root = TempDir::new().unwrap();
    copy(&cases::folder().join("m006-trunc-middle"), root.path()).unwrap();
    let part = root.path().join("appendonlydir/appendonly.aof.1.incr.aof");
    let plan = plan_of(&part, &FixOptions::default());
    assert!(!plan.is_empty() && !plan.sufficient());
}

#[test]
fn manifests_that_could_mean_two_things_are_not_mended_unasked() {
    let mended = |manifest: &str, names: &[&str]| {
        let root = TempDir::new().unwrap();
        fs::write(root.path().join("a.manifest"), manifest).unwrap();
        for name in names {
            // No server leaves a base without a byte.
            let content = if name.ends_with(".rdb") { RdbWriter::redis(9).finish() } else { Vec::new() };
            fs::write(root.path().join(name), content).unwrap();
        }
        let plan = plan_of(root.path(), &FixOptions::default());
        let content = plan.steps.iter().find_map(|step| match step {
            Step::Rewrite(rewrite) => Some(String::from_utf8(rewrite.content.clone()).unwrap()),
            _ => None,
        });
        (content, plan.sufficient())
    };
    let base = "file a.1.base.rdb seq 1 type b\n";
    let whole = format!("{base}file a.1.incr.aof seq 1 type i\n");
    let both = ["a.1.base.rdb", "a.1.incr.aof"];
    assert_eq!(mended("", &both), (Some(whole.clone()), true));
    assert_eq!(mended(&format!("{base}???\n"), &both), (Some(whole.clone()), true));
    assert_eq!(mended(whole.trim_end(), &both), (Some(whole.clone()), true));
    assert_eq!(mended(&format!("{base}\n\n{whole}"), &both), (Some(whole.clone()), true));
    // Two bases, a gap, a file that is listed and missing.
    let two = mended("", &["a.1.base.rdb", "a.2.base.rdb"]);
    assert_eq!(two, (Some("file a.2.base.rdb seq 2 type b\n".to_owned()), false));
    assert!(!mended("", &["a.1.base.rdb", "a.1.incr.aof", "a.3.incr.aof"]).1);
    assert!(!mended(&format!("{whole}???\n"), &["a.1.base.rdb"]).1);
    assert!(!mended(whole.trim_end(), &["a.1.base.rdb"]).1);
    // What a line calls history stays dead.
    let history = "file a.1.incr.aof seq 1 type h\n";
    assert_eq!(mended(&format!("{history}{base}???\n"), &both), (Some(base.to_owned()), true));
    assert_eq!(mended("", &[]), (None, false));
    assert_eq!(mended(&whole, &both), (None, true));
}

/// A record that was read with a wrong value, because its length or its end is damaged, goes with the one that shows it.
#[test]
fn an_odd_record_goes_with_the_damage_behind_it() {
    let set = |key: &str| record(&["SET", key, "value"]);
    let odd = |change: fn(&mut Vec<u8>)| {
        let mut bytes = set("odd");
        change(&mut bytes);
        bytes
    };
    let lost = odd(|bytes| drop(bytes.drain(bytes.len() - 4..bytes.len() - 2)));
    let longer = odd(|bytes| {
        let at = bytes.len() - 10;
        assert_eq!(bytes[at], b'5');
        bytes[at] = b'9';
    });
    let zeroed = odd(|bytes| {
        let at = bytes.len() - 2;
        bytes[at..].fill(0);
    });
    let multi = [record(&["MULTI"]), set("a"), longer.clone()].concat();
    for (name, bad, behind) in [
        ("bytes lost at its end", &lost, set("b")),
        ("a length that takes in the next one's head", &longer, [set("b"), set("c")].concat()),
        ("zeros over its end and beyond", &zeroed, [vec![0; 9], set("b")].concat()),
        ("inside a transaction", &multi, [set("b"), record(&["EXEC"])].concat()),
        ("and the file ends in a record", &zeroed, set("b")[..9].to_vec()),
    ] {
        let root = TempDir::new().unwrap();
        let path = root.path().join("appendonly.aof");
        let before = [set("x"), set("y")].concat();
        fs::write(&path, [before.clone(), bad.clone(), behind].concat()).unwrap();
        let plan = plan_of(&path, &FixOptions::default());
        let [Step::Cut(cut)] = &plan.steps[..] else { panic!("{name}: {:#?}", plan.describe()) };
        assert_eq!(cut.to, before.len() as u64, "{name}: {:#?}", plan.describe());
        assert!(plan.sufficient(), "{name}: {:#?}", plan.describe());
    }
    // What is odd further back is loaded as it is: nothing behind it says that it is wrong.
    let root = TempDir::new().unwrap();
    let path = root.path().join("appendonly.aof");
    let before = [zeroed, set("x")].concat();
    fs::write(&path, [before.clone(), b"???\r\n".to_vec()].concat()).unwrap();
    let plan = plan_of(&path, &FixOptions::default());
    assert!(matches!(&plan.steps[..], [Step::Cut(cut)] if cut.to == before.len() as u64), "{:#?}", plan.describe());
}

/// A cut that leaves a record at which every server ends is none: it goes to that record.
#[test]
fn a_cut_goes_to_the_first_record_that_servers_refuse() {
    let set = |key: &str| record(&["SET", key, "value"]);
    let torn = &set("z")[..9];
    let plan = |bytes: &[Vec<u8>]| {
        let root = TempDir::new().unwrap();
        let path = root.path().join("appendonly.aof");
        fs::write(&path, [bytes.concat(), torn.to_vec()].concat()).unwrap();
        let plan = plan_of(&path, &FixOptions::default());
        let to = plan.steps.iter().find_map(|step| if let Step::Cut(cut) = step { Some(cut.to) } else { None });
        (to, plan.sufficient())
    };
    let one = set("a").len() as u64;
    assert_eq!(plan(&[set("a"), record(&["GET"]), set("b")]), (Some(one), true));
    assert_eq!(plan(&[set("a"), record(&["S\0T", "k", "v"]), set("b")]), (Some(one), true));
    assert_eq!(plan(&[set("a"), record(&["MULTI"]), set("b"), record(&["GET"]), record(&["EXEC"])]), (Some(one), true));
    assert_eq!(plan(&[set("a"), set("b")]), (Some(2 * one), true));
}

/// The state before a command, by its byte: it and all behind it go, files that follow too, and an undo brings them back.
#[test]
fn what_was_written_from_a_byte_on_is_taken_back() {
    let set = |key: &str| record(&["SET", key, "value"]);
    let one = set("a").len() as u64;
    let root = TempDir::new().unwrap();
    let name = |number: u64| root.path().join(format!("a.{number}.incr.aof"));
    fs::write(root.path().join("a.1.base.rdb"), RdbWriter::redis(9).finish()).unwrap();
    fs::write(name(1), [set("a"), record(&["FLUSHALL"]), set("b")].concat()).unwrap();
    fs::write(name(2), [set("c"), record(&["MULTI"]), set("d"), record(&["EXEC"])].concat()).unwrap();
    let lines = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n";
    fs::write(root.path().join("a.manifest"), lines).unwrap();
    let before = files(root.path()).unwrap();
    let options = |at: u64, file: Option<&str>| FixOptions {
        before: Some(at),
        file: file.map(|name| name.as_bytes().to_vec()),
        ..FixOptions::default()
    };
    let cut =
        |plan: &Plan| plan.steps.iter().find_map(|step| if let Step::Cut(cut) = step { Some(cut.to) } else { None });

    // In the last file, and there never inside of a transaction.
    let multi = record(&["MULTI"]).len() as u64;
    let plan = plan_of(root.path(), &options(one + multi, None));
    assert_eq!((cut(&plan), plan.sufficient()), (Some(one), true), "{:#?}", plan.describe());
    // No record begins there.
    let plan = plan_of(root.path(), &options(one + 1, None));
    assert_eq!((cut(&plan), plan.sufficient()), (None, false), "{:#?}", plan.describe());
    // In an earlier file: the one behind it leaves the set.
    let plan = plan_of(root.path(), &options(one, Some("a.1.incr.aof")));
    assert!(plan.sufficient(), "{:#?}", plan.describe());
    let _alone = alone();
    let applied = run(&plan);
    assert_eq!(fs::read(name(1)).unwrap(), set("a"));
    assert!(!name(2).exists());
    assert!(!fs::read_to_string(root.path().join("a.manifest")).unwrap().contains("a.2"));
    undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    let now = files(root.path()).unwrap();
    assert!(before.iter().all(|(path, bytes)| now.get(path) == Some(bytes)));
}
