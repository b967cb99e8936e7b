//! Records that somebody edited, links and many files: whatever a record or a name says, no file outside the set changes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use redis_persistence::repair::{
    ApplyError, ApplyOptions, Cut, Existing, FileIdentity, Plan, SetAside, Step, apply, check_output, undo,
    write_output,
};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

const VICTIM: &[u8] = b"0123";

/// A record with the hash that it needs: whoever can write one can make it fit.
fn record(folder: &str, entry: &str) -> String {
    let body = format!("redis-persistence-undo 2\nset folder={folder}\n{entry}\n");
    format!("{body}end 1 {:016x}\n", xxh3_64(body.as_bytes()))
}

/// Entries of every kind about `file`, each of which would change it: it holds [`VICTIM`], and `saved` what is put there.
fn entries(file: &str, saved: &str, saved_content: &[u8]) -> Vec<String> {
    let (victim, hash) = (xxh3_64(VICTIM), xxh3_64(saved_content));
    let size = saved_content.len();
    vec![
        format!("cut file={file} from={} to=4 kept={victim:016x} saved={saved} tail={hash:016x}", 4 + size),
        format!("rewrite file={file} saved={saved} size={size} old={hash:016x} new-size=4 new={victim:016x}"),
        format!("create file={file} new-size=4 new={victim:016x}"),
        format!("aside file=new saved={file} size=4 last={victim:016x}"),
        format!("aside file=new stays={file} size=4 last={victim:016x}"),
    ]
}

struct Scene {
    root: TempDir,
}

impl Scene {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("home/set")).unwrap();
        fs::create_dir(root.path().join("elsewhere")).unwrap();
        fs::write(root.path().join("home/saved"), b"evil").unwrap();
        fs::write(root.path().join("elsewhere/victim"), VICTIM).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.root.path()).unwrap().join(name)
    }

    fn undo(&self, text: &str) -> Result<redis_persistence::repair::Undone, ApplyError> {
        let record = self.path("home/repair.20240301T000000Z.undo");
        fs::write(&record, text).unwrap();
        undo(&record, &ApplyOptions::default(), &mut |_| {})
    }

    fn victim_is_unhurt(&self) -> bool {
        fs::read(self.path("elsewhere/victim")).unwrap() == VICTIM
            && fs::read_dir(self.path("elsewhere")).unwrap().count() == 1
    }
}

/// That the entries would do harm where they may: the same ones on a file of the set take effect.
#[test]
fn entries_of_every_kind_take_effect_in_the_set() {
    for at in 0..5 {
        let scene = Scene::new();
        let file = if at == 3 { scene.path("home/victim") } else { scene.path("home/set/victim") };
        fs::write(&file, VICTIM).unwrap();
        let undone = scene.undo(&record("set", &entries("victim", "saved", b"evil")[at])).unwrap();
        assert_eq!(undone.restored.len(), 1);
        assert!(fs::read(&file).ok().as_deref() != Some(VICTIM), "entry {at} does nothing, so this test shows nothing");
    }
}

#[test]
fn an_edited_record_leads_nowhere_else() {
    for at in 0..5 {
        let scene = Scene::new();
        let absolute = scene.path("elsewhere/victim").to_str().unwrap().to_owned();
        let folder = scene.path("elsewhere").to_str().unwrap().to_owned();
        for (set, file) in [
            ("set", absolute.as_str()),
            ("set", "../../elsewhere/victim"),
            ("set", "..%2f..%2felsewhere%2fvictim"),
            ("../elsewhere", "victim"),
            ("set/../../elsewhere", "victim"),
            (folder.as_str(), "victim"),
        ] {
            let refused = scene.undo(&record(set, &entries(file, "saved", b"evil")[at]));
            let is_refused = matches!(refused, Err(ApplyError::BadRecord { .. } | ApplyError::Refused { .. }));
            // What is set aside beside the record, is not in the set: there it is missing.
            let is_missing = at == 3 && matches!(refused, Err(ApplyError::NotAsLeft { .. }));
            assert!(is_refused || is_missing, "entry {at} of {set}, {file}: {refused:?}");
            assert!(scene.victim_is_unhurt(), "entry {at} of {set}, {file}");
        }
    }
}

#[test]
fn an_edited_record_follows_no_link() {
    for at in 0..5 {
        let scene = Scene::new();
        for folder in ["home", "home/set"] {
            symlink(scene.path("elsewhere/victim"), scene.path(folder).join("link")).unwrap();
            symlink(scene.path("elsewhere"), scene.path(folder).join("folder")).unwrap();
        }
        for (set, file) in [("set", "link"), ("folder", "victim"), ("set/folder", "victim")] {
            let refused = scene.undo(&record(set, &entries(file, "saved", b"evil")[at]));
            assert!(refused.is_err(), "entry {at} of {set}, {file}: {refused:?}");
            assert!(scene.victim_is_unhurt(), "entry {at} of {set}, {file}");
            assert!(fs::symlink_metadata(scene.path("home/set/link")).unwrap().is_symlink());
        }
        // Nor is a file that is saved anywhere read through one.
        fs::write(scene.path("home/set/victim"), VICTIM).unwrap();
        let saved = scene.undo(&record("set", &entries("victim", "link", VICTIM)[at]));
        assert!(at > 1 || matches!(saved, Err(ApplyError::Refused { .. })), "entry {at}: {saved:?}");
    }
}

#[test]
fn a_record_of_a_former_release_is_refused() {
    let scene = Scene::new();
    fs::write(scene.path("home/set/victim"), VICTIM).unwrap();
    let body = format!("redis-persistence-undo 1\n{}\n", entries("/etc/hostname", "saved", b"evil")[0]);
    let text = format!("{body}end 1 {:016x}\n", xxh3_64(body.as_bytes()));
    let refused = scene.undo(&text).unwrap_err();
    assert!(refused.to_string().contains("former release"), "{refused}");
}

/// A plan of more steps than a process may have files open.
#[test]
fn many_files_need_few_descriptors() {
    const FILES: usize = 1_100;
    if let Some(root) = env::var_os("MANY_CHILD") {
        let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        let set = Path::new(&root).join("set");
        let mut plan = Plan { backup_dir: root.into(), ..Plan::default() };
        for n in 0..FILES {
            let path = set.join(format!("{n}.aof"));
            let mut file = File::open(&path).unwrap();
            let seen = FileIdentity::of(&path, &file).unwrap();
            plan.read.push(seen.clone());
            plan.steps.push(if n % 2 == 0 {
                Step::Cut(Cut::new(&path, &mut file, 4, "test").unwrap())
            } else {
                Step::SetAside(SetAside { file: seen, loss: Default::default(), why: String::new() })
            });
        }
        let applied = apply(&plan, &ApplyOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(fs::read(set.join("2.aof")).unwrap(), b"0123");
        let undone = undo(&applied.record, &ApplyOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(undone.restored.len(), FILES);
        return;
    }
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("set")).unwrap();
    for n in 0..FILES {
        fs::write(root.path().join(format!("set/{n}.aof")), "0123456789").unwrap();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["elsewhere::many_files_need_few_descriptors", "--exact"])
        .env("MANY_CHILD", root.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(child.success(), "{child}");
    assert_eq!(fs::read(root.path().join("set/2.aof")).unwrap(), b"0123456789");
}

/// Neither before nor after the work: a link that appears meanwhile is replaced itself, and what it leads to stays.
#[test]
fn an_output_replaces_regular_files_only() {
    let scene = Scene::new();
    let victim = scene.path("elsewhere/victim");
    symlink(&victim, scene.path("home/link")).unwrap();
    symlink("/dev/null", scene.path("home/null")).unwrap();
    assert!(Command::new("mkfifo").arg(scene.path("home/fifo")).status().unwrap().success());
    for name in ["home/link", "home/null", "home/fifo", "home/set"] {
        let path = scene.path(name);
        let before = fs::symlink_metadata(&path).unwrap().file_type();
        let refused = check_output(&path, Existing::Replace);
        assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{name}: {refused:?}");
        let wrote = write_output(&path, Existing::Replace, None, &mut |_| {}, |_| panic!("it was written"), |_| Ok(()));
        assert!(matches!(wrote, Err(ApplyError::Refused { .. })), "{name}: {wrote:?}");
        assert!(fs::symlink_metadata(&path).unwrap().file_type() == before);
    }
    assert!(check_output(Path::new("/dev/null"), Existing::Replace).is_err());
    assert!(check_output(&scene.path("nowhere/out"), Existing::Keep).is_err());

    let path = scene.path("home/out");
    let swapped = |out: &mut dyn io::Write| {
        symlink(&victim, &path)?;
        out.write_all(b"new")
    };
    let wrote = write_output(&path, Existing::Replace, None, &mut |_| {}, swapped, |_| Ok(()));
    assert!(matches!(wrote, Err(ApplyError::Refused { .. })), "{wrote:?}");
    assert!(scene.victim_is_unhurt());
}
