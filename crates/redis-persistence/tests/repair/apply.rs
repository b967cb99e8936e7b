//! Plans that are applied, killed at every step, finished, refused and undone.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, process};

use redis_persistence::repair::{
    Applied, ApplyError, ApplyOptions, Cut, FileIdentity, Plan, Rewrite, SetAside, Step, apply, undo,
};
use tempfile::TempDir;
use testkit::folder::alone;

const KEPT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

/// A set in a folder of its own, with a damaged file, a manifest to mend and a file to leave out; backups go beside it.
struct Set {
    folder: PathBuf,
    old: [Vec<u8>; 3],
}

const NAMES: [&str; 3] = ["a.aof.manifest", "a.aof.2.incr.aof", "a.aof.1.incr.aof"];
const MANIFEST: &[u8] = b"file a.aof.1.incr.aof seq 1 type i\n";

impl Set {
    fn create(root: &Path) -> Self {
        let folder = root.join("appendonlydir");
        fs::create_dir(&folder).unwrap();
        let tail: Vec<u8> = (0..2_500_000_u32).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
        let manifest = [MANIFEST, b"file a.aof.2.incr.aof seq 2 type i"].concat();
        let set = Self { folder, old: [manifest, b"aside".to_vec(), [KEPT, &tail].concat()] };
        for (name, content) in NAMES.iter().zip(&set.old) {
            fs::write(set.path(name), content).unwrap();
        }
        set
    }

    fn at(root: &Path) -> Self {
        Self { folder: root.join("appendonlydir"), old: [const { Vec::new() }; 3] }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What is still to be done.
    fn plan(&self) -> Plan {
        let mut plan = Plan { backup_dir: self.folder.parent().unwrap().to_owned(), ..Plan::default() };
        let open = |name: &str| File::open(self.path(name));
        if fs::read(self.path(NAMES[0])).unwrap() != MANIFEST {
            let path = self.path(NAMES[0]);
            let file = Some(FileIdentity::of(&path, &open(NAMES[0]).unwrap()).unwrap());
            let rewrite = Rewrite { path, file, content: MANIFEST.to_vec(), like: None, why: Vec::new() };
            plan.steps.push(Step::Rewrite(rewrite));
        }
        if let Ok(file) = open(NAMES[1]) {
            let file = FileIdentity::of(&self.path(NAMES[1]), &file).unwrap();
            plan.steps.push(Step::SetAside(SetAside { file, loss: Default::default(), why: String::new() }));
        }
        let mut file = open(NAMES[2]).unwrap();
        if file.metadata().unwrap().len() > KEPT.len() as u64 {
            plan.steps.push(Step::Cut(Cut::new(&self.path(NAMES[2]), &mut file, KEPT.len() as u64, "test").unwrap()));
        }
        plan
    }

    /// How many files have their new state; every file has its old or its new one.
    fn progress(&self) -> usize {
        let now = NAMES.map(|name| fs::read(self.path(name)).ok());
        let new = [Some(MANIFEST.to_vec()), None, Some(KEPT.to_vec())];
        let mut changed = 0;
        for ((now, new), old) in now.into_iter().zip(new).zip(&self.old) {
            assert!(now.as_ref() == Some(old) || now == new, "a file is neither old nor new");
            changed += usize::from(now == new);
        }
        changed
    }

    /// The files beside the set, by the end of their names.
    fn beside(&self, end: &str) -> Vec<PathBuf> {
        let mut paths: Vec<_> = [self.folder.as_path(), self.folder.parent().unwrap()]
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with(end))
            .collect();
        paths.sort();
        paths
    }
}

fn run(plan: &Plan) -> Result<Applied, ApplyError> {
    apply(plan, &ApplyOptions::default(), &mut |_| {})
}

fn one_cut(folder: &Path, content: &[u8], to: u64) -> (PathBuf, Plan) {
    let path = folder.join("a.aof");
    fs::write(&path, content).unwrap();
    let cut = Cut::new(&path, &mut File::open(&path).unwrap(), to, "test").unwrap();
    (path, Plan { steps: vec![Step::Cut(cut)], backup_dir: folder.to_owned(), ..Plan::default() })
}

#[test]
fn what_is_taken_away_can_be_put_back() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let set = Set::create(root.path());
    let plan = set.plan();
    let applied = run(&plan).unwrap();
    assert_eq!(set.progress(), 3);
    let saved: Vec<_> = applied.saved.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(saved[..2], set.old[..2]);
    assert_eq!([KEPT, &saved[2]].concat(), set.old[2]);

    let undone = undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((set.progress(), undone.restored.len()), (0, 3));
    let again = undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((set.progress(), again.untouched.len()), (0, 3));
    assert_eq!(set.beside(".part"), Vec::<PathBuf>::new());
}

/// Runs this test again as a process of its own, which applies or undoes and kills itself at the given step; tells whether
/// it was killed.
fn killed(test: &str, root: &Path, what: &str, step: usize) -> bool {
    let child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact"])
        .env("REPAIR_CHILD", root)
        .env("REPAIR_WHAT", what)
        .env("REPAIR_KILL_AT", step.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(child.success() || child.signal() == Some(9), "{child}");
    !child.success()
}

/// The other half of [`killed`]: true in the child, where everything is done.
fn was_child() -> bool {
    let Some(root) = env::var_os("REPAIR_CHILD") else { return false };
    let set = Set::at(Path::new(&root));
    let at: usize = env::var("REPAIR_KILL_AT").unwrap().parse().unwrap();
    let mut step = 0;
    let mut hook = |_: redis_persistence::repair::Progress<'_>| {
        if step == at {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        step += 1;
    };
    if env::var("REPAIR_WHAT").unwrap() == "apply" {
        apply(&set.plan(), &ApplyOptions::default(), &mut hook).unwrap();
    } else {
        let record = set.beside(".undo").remove(0);
        undo(&record, &ApplyOptions::default(), &mut hook).unwrap();
    }
    true
}

/// Kills a repair at every step there is, and lets `after` finish; returns the number of steps.
fn kill_loop(test: &str, linked: bool, after: impl Fn(&Set)) -> usize {
    for step in 0..100 {
        let root = TempDir::new().unwrap();
        let set = Set::create(root.path());
        let link = root.path().join("backup");
        if linked {
            fs::hard_link(set.path(NAMES[2]), &link).unwrap();
        }
        let was_killed = killed(test, root.path(), "apply", step);
        let changed = set.progress();
        if changed > 0 {
            let tail = fs::read(&set.beside(".tail")[0]).unwrap();
            assert_eq!([KEPT, &tail].concat(), set.old[2], "the tail is not complete after step {step}");
            assert_eq!(fs::read(&set.beside(".old")[0]).unwrap(), set.old[0]);
            assert_eq!(set.beside(".undo").len(), 1);
        }
        after(&set);
        if linked {
            assert_eq!(fs::read(&link).unwrap(), set.old[2], "the other link has changed");
        }
        assert_eq!(set.beside(".part"), Vec::<PathBuf>::new(), "something unfinished is left after step {step}");
        if !was_killed {
            assert_eq!(changed, 3);
            return step;
        }
    }
    panic!("a repair of more than a hundred steps");
}

fn finish(set: &Set) {
    let before = set.beside(".tail");
    if set.progress() < 3 {
        run(&set.plan()).unwrap();
    }
    assert_eq!(set.progress(), 3);
    assert_eq!(set.beside(".tail").len(), 1, "a tail that lay there was saved again");
    assert!(before.is_empty() || before == set.beside(".tail"));
    // The records of both runs, the last one first, lead back to the beginning.
    for record in set.beside(".undo").iter().rev() {
        undo(record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    }
    assert_eq!(set.progress(), 0);
}

#[test]
fn killed_at_any_step_a_rerun_finishes() {
    let _alone = alone();
    if was_child() {
        return;
    }
    assert!(kill_loop("apply::killed_at_any_step_a_rerun_finishes", false, finish) > 15);
}

#[test]
fn killed_at_any_step_with_a_hard_link_a_rerun_finishes() {
    let _alone = alone();
    if was_child() {
        return;
    }
    assert!(kill_loop("apply::killed_at_any_step_with_a_hard_link_a_rerun_finishes", true, finish) > 15);
}

#[test]
fn killed_at_any_step_it_can_be_undone() {
    let _alone = alone();
    if was_child() {
        return;
    }
    kill_loop("apply::killed_at_any_step_it_can_be_undone", false, |set| {
        for record in set.beside(".undo") {
            undo(&record, &ApplyOptions::default(), &mut |_| {}).unwrap();
        }
        assert_eq!(set.progress(), 0);
        if !set.beside(".part").is_empty() {
            // Killed before the record: a whole repair cleans up.
            run(&set.plan()).unwrap();
        }
    });
}

#[test]
fn killed_at_any_step_of_an_undo_another_finishes() {
    let _alone = alone();
    const TEST: &str = "apply::killed_at_any_step_of_an_undo_another_finishes";
    if was_child() {
        return;
    }
    for step in 0..100 {
        let root = TempDir::new().unwrap();
        let set = Set::create(root.path());
        let applied = run(&set.plan()).unwrap();
        let was_killed = killed(TEST, root.path(), "undo", step);
        let undone = undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
        assert_eq!((set.progress(), set.beside(".part")), (0, Vec::new()));
        assert!(was_killed || undone.restored.is_empty());
        if !was_killed {
            assert!(step > 5);
            return;
        }
    }
    panic!("an undo of more than a hundred steps");
}

#[test]
fn owner_mode_and_attributes_stay() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let set = Set::create(root.path());
    let is_root = rustix::process::geteuid().is_root();
    for name in NAMES {
        if is_root {
            chown(set.path(name), Some(12_345), Some(54_321)).unwrap();
        }
        fs::set_permissions(set.path(name), fs::Permissions::from_mode(0o640)).unwrap();
    }
    let flags = rustix::fs::XattrFlags::empty();
    let has_attributes = rustix::fs::setxattr(set.path(NAMES[0]), "user.purpose", b"test", flags).is_ok();
    // The cut goes through a copy too.
    fs::hard_link(set.path(NAMES[2]), root.path().join("backup")).unwrap();

    let check = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o640, "{}", path.display());
        if is_root {
            assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321), "{}", path.display());
        }
    };
    let check_attributes = || {
        let mut value = [0; 16];
        if has_attributes {
            let size = rustix::fs::getxattr(set.path(NAMES[0]), "user.purpose", &mut value).unwrap();
            assert_eq!(value[..size], *b"test");
        }
    };
    let applied = run(&set.plan()).unwrap();
    applied.saved.iter().for_each(|path| check(path));
    // The record is for who made it.
    let record = fs::metadata(&applied.record).unwrap();
    assert_eq!((record.mode() & 0o7777, record.uid()), (0o600, rustix::process::geteuid().as_raw()));
    [0, 2].iter().for_each(|which| check(&set.path(NAMES[*which])));
    check_attributes();
    undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    NAMES.iter().for_each(|name| check(&set.path(name)));
    check_attributes();
}

#[test]
fn a_missing_file_is_made_like_its_neighbour() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (path, like) = (root.path().join("a.manifest"), root.path().join("a.1.base.rdb"));
    fs::write(&like, "x").unwrap();
    fs::set_permissions(&like, fs::Permissions::from_mode(0o604)).unwrap();
    let rewrite =
        Rewrite { path: path.clone(), file: None, content: MANIFEST.to_vec(), like: Some(like), why: Vec::new() };
    let plan = Plan { steps: vec![Step::Rewrite(rewrite)], backup_dir: root.path().to_owned(), ..Plan::default() };
    let applied = run(&plan).unwrap();
    assert_eq!(fs::read(&path).unwrap(), MANIFEST);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
    assert!(matches!(run(&plan), Err(ApplyError::Changed { what: "it exists now", .. })));
    undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_that_changed_is_left_alone() {
    let _alone = alone();
    let what = |change: &dyn Fn(&Path)| {
        let root = TempDir::new().unwrap();
        let (path, plan) = one_cut(root.path(), b"0123456789", 4);
        change(&path);
        let before = fs::read(&path).unwrap();
        let Err(ApplyError::Changed { what, .. }) = run(&plan) else { panic!("it was not refused") };
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "something was written");
        what
    };
    let write = |path: &Path, content: &[u8]| {
        fs::write(path, content).unwrap();
        // A change within the resolution of the clock is the witness's task.
        let time = fs::metadata(path).unwrap().modified().unwrap() + std::time::Duration::from_secs(9);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    assert_eq!(what(&|path| write(path, b"0123456789ab")), "it has grown");
    assert_eq!(what(&|path| write(path, b"01234567")), "it has become shorter");
    assert_eq!(what(&|path| write(path, b"0123456789")), "it was written to");
    assert_eq!(
        what(&|path| {
            fs::rename(path, path.with_extension("x")).unwrap();
            fs::rename(path.with_extension("x"), path).unwrap();
            let time = fs::metadata(path).unwrap().modified().unwrap();
            fs::write(path, b"012X456789").unwrap();
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }),
        "the bytes at the cut are different ones"
    );
    assert_eq!(
        what(&|path| {
            let time = fs::metadata(path).unwrap().modified().unwrap();
            let other = path.with_file_name("b");
            fs::write(&other, b"0123456789").unwrap();
            File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
            fs::rename(other, path).unwrap();
        }),
        "it is another file"
    );
}

#[test]
fn a_file_that_grew_is_cut_by_force_and_all_of_it_saved() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (path, plan) = one_cut(root.path(), b"0123456789", 4);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"abc").unwrap();
    let options = ApplyOptions { force_live: true, ..ApplyOptions::default() };
    let applied = apply(&plan, &options, &mut |_| {}).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123");
    assert_eq!(fs::read(&applied.saved[0]).unwrap(), b"456789abc");
}

#[test]
fn a_file_that_a_process_writes_to_is_left_alone() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (path, mut plan) = one_cut(root.path(), b"0123456789", 4);
    let other = root.path().join("other.aof");
    let writer = OpenOptions::new().append(true).create(true).open(&other).unwrap();
    // The one that is written to need not be the one that changes: they are one set.
    plan.read.push(FileIdentity::of(&other, &writer).unwrap());
    let mut process = Command::new("sleep").arg("60").stdout(writer).spawn().unwrap();
    let refused = run(&plan);
    let forced = apply(&plan, &ApplyOptions { force_live: true, ..ApplyOptions::default() }, &mut |_| {});
    process.kill().unwrap();
    process.wait().unwrap();
    if cfg!(target_os = "linux") {
        let Err(ApplyError::InUse { pid, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(pid, process.id());
        assert_ne!(pid, process::id());
    }
    forced.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123");
}

#[test]
fn a_tail_without_room_is_not_cut() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let path = root.path().join("a.aof");
    let file = File::create(&path).unwrap();
    // A file with a hole: it is long and takes no room, but its copy would.
    let Some(size) = [1_u64 << 42, 1 << 40].into_iter().find(|size| file.set_len(*size).is_ok()) else { return };
    let cut = Cut::new(&path, &mut File::open(&path).unwrap(), 10, "test").unwrap();
    let plan = Plan { steps: vec![Step::Cut(cut)], backup_dir: root.path().to_owned(), ..Plan::default() };
    let Err(ApplyError::NoSpace { wanted, free, .. }) = run(&plan) else { panic!("there was room") };
    assert!(wanted >= size - 10 && free < wanted);
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

/// A plan is plain data, so it can be nonsense.
#[test]
fn a_cut_behind_the_end_is_refused() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (path, mut plan) = one_cut(root.path(), b"0123456789", 4);
    for to in [11, u64::MAX] {
        let Some(Step::Cut(cut)) = plan.steps.first_mut() else { panic!("no cut") };
        cut.to = to;
        for force_live in [false, true] {
            let refused = apply(&plan, &ApplyOptions { force_live, ..ApplyOptions::default() }, &mut |_| {});
            assert!(matches!(refused, Err(ApplyError::Changed { .. })), "{to}");
        }
    }
    assert_eq!(fs::read(&path).unwrap(), b"0123456789");
}

/// What could not be saved is not left half saved.
#[test]
fn a_copy_that_cannot_be_written_leaves_nothing() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let set = Set::create(root.path());
    let plan = set.plan();
    // The file changes under the copy: what is there to be read ends too early.
    let short = set.path(NAMES[2]);
    let mut hook = |progress: redis_persistence::repair::Progress<'_>| {
        if let redis_persistence::repair::Progress::Writing { done, total, .. } = progress
            && done < total
        {
            File::options().write(true).open(&short).unwrap().set_len(1_500_000).unwrap();
        }
    };
    let stopped = apply(&plan, &ApplyOptions::default(), &mut hook);
    assert!(matches!(stopped, Err(ApplyError::Io { doing: "read", .. })), "{stopped:?}");
    assert_eq!((set.beside(".part"), set.beside(".undo")), (Vec::new(), Vec::new()));
    assert_eq!(fs::read(set.path(NAMES[0])).unwrap(), set.old[0]);
}

#[test]
fn two_repairs_do_not_meet() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (_, plan) = one_cut(root.path(), b"0123456789", 4);
    let held = File::open(root.path()).unwrap();
    held.lock().unwrap();
    assert!(matches!(run(&plan), Err(ApplyError::Locked { .. })));
    drop(held);
    run(&plan).unwrap();
    assert!(matches!(run(&Plan::default()), Err(ApplyError::Nothing)));
}

#[test]
fn what_was_written_since_is_never_undone() {
    let _alone = alone();
    let root = TempDir::new().unwrap();
    let (path, plan) = one_cut(root.path(), b"0123456789", 4);
    let applied = run(&plan).unwrap();
    let undone = || undo(&applied.record, &ApplyOptions::default(), &mut |_| {});
    for content in [&b"012"[..], b"0X23", b"0123new", b"0123456789new"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(undone(), Err(ApplyError::NotAsLeft { .. })), "{}", content.escape_ascii());
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    // Half of an undo is not foreign.
    fs::write(&path, b"012345").unwrap();
    fs::write(&applied.saved[0], b"45678X").unwrap();
    assert!(matches!(undone(), Err(ApplyError::NotAsLeft { .. })), "a saved tail that was damaged");
    fs::write(&applied.saved[0], b"456789").unwrap();
    undone().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123456789");

    let mut record = fs::read(&applied.record).unwrap();
    record[30] ^= 1;
    fs::write(&applied.record, record).unwrap();
    assert!(matches!(undone(), Err(ApplyError::BadRecord { .. })));
}

#[test]
fn a_link_beside_its_file_stays_and_backups_go_where_they_are_told() {
    let _alone = alone();
    let (root, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let set = Set::create(root.path());
    let real = set.path("real.manifest");
    fs::rename(set.path(NAMES[0]), &real).unwrap();
    std::os::unix::fs::symlink("real.manifest", set.path(NAMES[0])).unwrap();
    let options = ApplyOptions { backup_dir: Some(elsewhere.path().to_owned()), ..ApplyOptions::default() };
    let applied = apply(&set.plan(), &options, &mut |_| {}).unwrap();
    assert!(fs::symlink_metadata(set.path(NAMES[0])).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), MANIFEST);
    assert!(applied.saved.iter().all(|path| path.starts_with(fs::canonicalize(elsewhere.path()).unwrap())));
    // The set is not beside the record: whoever undoes it says which set is meant.
    for set in [None, Some(elsewhere.path().to_owned())] {
        let refused = undo(&applied.record, &ApplyOptions { set, ..ApplyOptions::default() }, &mut |_| {});
        assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
    }
    assert_eq!(set.progress(), 3);
    undo(&applied.record, &ApplyOptions { set: Some(set.folder.clone()), ..ApplyOptions::default() }, &mut |_| {})
        .unwrap();
    assert_eq!(set.progress(), 0);
}
