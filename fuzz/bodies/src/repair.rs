//! Plans that are applied and undone on real files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::{FixOptions, plan};

use redis_persistence::repair::{ApplyOptions, Cut, FileIdentity, Loss, Plan, Rewrite, SetAside, Step, apply, undo};

use crate::aof_dir::files_of;
use crate::bytes::Choices;
use crate::salvage;

const NAMES: [&str; 4] = ["a.manifest", "a.1.incr.aof", "a.2.incr.aof", "a.3.incr.aof"];

/// A byte that chooses, and either steps for any files, a folder of append-only files to be planned for or to be salvaged, or
/// an RDB to be salvaged.
pub fn repair(data: &[u8]) {
    let mut choices = Choices(data);
    let kind = choices.byte() % 4;
    if kind == 2 {
        return salvage::rdb(choices.0);
    }
    let folder = tempfile::tempdir().expect("a folder for the files");
    match kind {
        0 => any_steps(choices, folder.path()),
        1 => planned(&written(choices.0, folder.path()), folder.path()),
        _ => salvage::aof(&written(choices.0, folder.path()), folder.path()),
    }
}

/// Four files of any content and a plan for them: for each a byte for what is done (nothing, cut, rewrite, set aside), two
/// bytes for where, and the content. Applied, every file has its new content; undone, its old one.
fn any_steps(mut choices: Choices<'_>, folder: &Path) {
    let set = folder.join("set");
    fs::create_dir(&set).expect("a folder for the set");
    let mut plan = Plan { backup_dir: folder.to_owned(), ..Plan::default() };
    let mut files: Vec<(PathBuf, Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for name in NAMES {
        let path = set.join(name);
        let (what, place) = (choices.byte(), choices.short());
        let content = choices.block().to_vec();
        fs::write(&path, &content).expect("it can be written");
        let (step, new) = step(&path, what % 4, place, &content);
        plan.steps.extend(step);
        files.push((path, content, new));
    }
    assert!(plan.loss().bytes <= files.iter().map(|(_, content, _)| content.len() as u64).sum());
    assert!(plan.describe().len() >= plan.steps.len());

    // To look who has a file open takes longer than all the rest.
    let options = ApplyOptions { force_live: true, ..ApplyOptions::default() };
    if plan.is_empty() {
        return;
    }
    let applied = apply(&plan, &options, &mut |_| ()).expect("nothing stands in the way");
    for (path, _, new) in &files {
        assert_eq!(fs::read(path).ok(), *new, "{} after the repair", path.display());
    }
    undo(&applied.record, &options, &mut |_| ()).expect("nothing stands in the way");
    for (path, old, _) in &files {
        assert_eq!(fs::read(path).ok().as_ref(), Some(old), "{} after it was undone", path.display());
    }
}

/// A step for a file, and the content that it has afterwards.
fn step(path: &Path, what: u8, place: usize, content: &[u8]) -> (Option<Step>, Option<Vec<u8>>) {
    let unchanged = (None, Some(content.to_vec()));
    let mut file = File::open(path).expect("it was just written");
    match what {
        1 if !content.is_empty() => {
            let to = place % content.len();
            let cut = Cut::new(path, &mut file, to as u64, "a test").expect("something lies behind it");
            (Some(Step::Cut(cut)), Some(content[..to].to_vec()))
        }
        2 => {
            let new: Vec<u8> = content.iter().rev().chain(b"\n").copied().collect();
            let seen = FileIdentity::of(path, &file).expect("it is there");
            let rewrite = Rewrite {
                path: path.to_owned(),
                file: Some(seen),
                content: new.clone(),
                like: None,
                why: vec!["a test".to_owned()],
            };
            (Some(Step::Rewrite(rewrite)), Some(new))
        }
        3 => {
            let seen = FileIdentity::of(path, &file).expect("it is there");
            let aside = SetAside { file: seen, loss: Loss::default(), why: "a test".to_owned() };
            (Some(Step::SetAside(aside)), None)
        }
        _ => unchanged,
    }
}

/// Writes the files of a folder; answers what each holds.
fn written(data: &[u8], root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut old = BTreeMap::new();
    for (name, content) in files_of(data) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a name in a folder")).expect("a folder");
        fs::write(&path, content).expect("it can be written");
        old.insert(path, content.to_vec());
    }
    old
}

/// Plans for each set that a folder holds. What is planned can be done, is enough if it says so, and undone leaves all as
/// it was.
fn planned(old: &BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
    // To look who has a file open takes longer than all the rest.
    let options = ApplyOptions { force_live: true, ..ApplyOptions::default() };
    for path in ["s", "s/d/a.manifest", "s/a"].map(|path| root.join(path)) {
        let Ok(set) = find_on_disk(&path) else { continue };
        for timestamp in [None, Some(1_700_000_005)] {
            let fix = FixOptions { timestamp, ..FixOptions::default() };
            let plan = plan(&set, &fix).expect("the files can be read");
            if plan.is_empty() || !plan.sufficient() {
                continue;
            }
            assert!(plan.describe().len() >= plan.steps.len());
            let applied = apply(&plan, &options, &mut |_| ()).expect("nothing stands in the way");
            let again = planned_again(&path, &fix);
            assert!(again.is_empty() && again.sufficient(), "{again:?} is left after {plan:?}");
            undo(&applied.record, &options, &mut |_| ()).expect("nothing stands in the way");
            for (path, content) in old {
                assert_eq!(fs::read(path).ok().as_ref(), Some(content), "{} after it was undone", path.display());
            }
        }
    }
}

fn planned_again(path: &Path, fix: &FixOptions) -> Plan {
    let set = find_on_disk(path).expect("it was there before");
    plan(&set, fix).expect("the files can be read")
}
