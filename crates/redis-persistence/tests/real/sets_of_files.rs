//! Server's directories of every sort, with a configuration each, held against real servers: whether the next start comes up, which
//! keys it has, and which files are written over by it, by a save and by a rewrite.
//!
//! The servers run as a user of their own where the test may do that, so that owners and modes decide too. `TARGET_DIRS=500` makes
//! so many directories, `TARGET_SEED` chooses others, `TARGET_KEEP=FOLDER` keeps those that differ.
#![cfg(unix)]

use crate::dirs;
use crate::servers;
use crate::trusting;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dirs::{Made, make};
use redis_persistence::aof::dir::Disk;
use redis_persistence::aof::dir::find_as;
use redis_persistence::servers::{Loads, Moment, Outcome, Settings, judge};
use redis_persistence::verify::{self, Options};
use servers::{end_of, number, release};
use testkit::folder::{copy, files};
use testkit::rng::Rng;
use testkit::server::{Installed, Product, Server, StartError, require};
use trusting::trusting;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// So many directories by default.
const SAMPLE: u64 = 12;
/// The user that servers run as.
const USER: u32 = 999;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said of a directory.
#[derive(Debug)]
struct Said {
    outcome: Outcome,
    /// The keys that the server comes up with, or nothing if it does not.
    keys: Option<BTreeSet<String>>,
    /// The files that it reads: what is in them is kept, wherever it lies later.
    reads: Vec<String>,
    overwrites: BTreeMap<String, Moment>,
}

/// What a server did with it.
#[derive(Debug)]
struct Did {
    keys: Option<BTreeSet<String>>,
    /// The files with data that are not as they were, and whether a save and a rewrite succeeded.
    changed: BTreeSet<String>,
    saved: bool,
    rewritten: bool,
    log: String,
}

fn said(made: &Made, root: &Path, product: Product) -> TestResult<Option<Said>> {
    let (mut settings, notes) = Settings::from_conf(conf(made, product).as_bytes());
    assert!(notes.is_empty(), "{notes:?}");
    settings.functions = trusting();
    let set = match find_as(&mut Disk, root, &settings.layout()) {
        Ok(set) => set,
        // There is nothing to be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let report = verify::aof_set(&mut Disk, &set, &Options::default())?;
    let answer = judge(&report, release(product), &settings);
    assert_eq!(answer.loads, answer.because.is_empty(), "{answer:?}");
    let Loads { by_default: outcome, start, cuts, .. } = answer;
    let Some(start) = start else {
        return Ok(Some(Said { outcome, keys: None, reads: Vec::new(), overwrites: BTreeMap::new() }));
    };
    let mut keys = BTreeSet::new();
    for file in &start.reads {
        let content = made.files.get(file).ok_or_else(|| format!("it is said to read {file}"))?;
        let cut = cuts.iter().find(|cut| cut.file.as_ref().is_none_or(|name| file.ends_with(name.as_str())));
        let whole = content.keys.iter().filter(|(end, _)| cut.is_none_or(|cut| *end <= cut.to));
        keys.extend(whole.map(|(_, key)| key.clone()));
    }
    let overwrites = start.overwrites.into_iter().map(|overwrite| (overwrite.file, overwrite.at)).collect();
    Ok(Some(Said { outcome, keys: Some(keys), reads: start.reads, overwrites }))
}

/// The configuration as a server of that version takes it.
fn conf(made: &Made, product: Product) -> String {
    let known = made.conf.iter().filter(|line| product.version() >= (7, 0) || !line.starts_with("appenddirname"));
    known.map(|line| format!("{line}\n")).collect()
}

fn start(made: &Made, root: &Path, installed: &Installed, user: Option<u32>) -> TestResult<Did> {
    let before = numbered(root)?;
    let file = root.with_extension("conf");
    fs::write(&file, conf(made, installed.product))?;
    let settings = ["--include", file.to_str().ok_or("a path")?, "--save", ""];
    let started = match user {
        Some(user) => Server::start_as(user, installed, root, &settings),
        None => Server::start(installed, root, &settings),
    };
    let mut did = Did { keys: None, changed: BTreeSet::new(), saved: false, rewritten: false, log: String::new() };
    let mut server = match started {
        Ok(server) => server,
        Err(StartError::Exited { log, .. }) => return Ok(Did { log, ..did }),
        Err(error) => return Err(error.into()),
    };
    // It may end right behind its first answer, when it cannot write where it has to.
    let Ok(reply) = server.command(&["KEYS", "*"]) else { return Ok(Did { log: server.log()?, ..did }) };
    let keys = reply.array().into_iter().flatten().filter_map(|key| Some(key.text()?.to_owned())).collect();
    did.saved = server.save().is_ok();
    did.rewritten = server.rewrite_aof().is_ok();
    did.changed = settled(root, &before)?;
    server.kill()?;
    Ok(Did { keys: Some(keys), ..did })
}

/// All files, each with the number of its node: one that is replaced by the same bytes has another.
fn numbered(root: &Path) -> TestResult<BTreeMap<PathBuf, (u64, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    for (path, bytes) in files(root)? {
        // It may be gone again by now.
        let number = fs::metadata(&path).map_or(0, |data| data.ino());
        found.insert(path, (number, bytes));
    }
    Ok(found)
}

/// The files that are not as they were, once no more are being deleted.
fn settled(root: &Path, before: &BTreeMap<PathBuf, (u64, Vec<u8>)>) -> TestResult<BTreeSet<String>> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < deadline {
        let now = numbered(root)?;
        let changed = before.iter().filter(|(path, was)| !was.1.is_empty() && now.get(*path) != Some(*was));
        let names = changed.filter_map(|(path, _)| Some(path.strip_prefix(root).ok()?.to_str()?.to_owned()));
        let names: BTreeSet<String> = names.filter(|name| !name.ends_with(".manifest")).collect();
        if last.as_ref() == Some(&names) {
            return Ok(names);
        }
        last = Some(names);
        sleep(Duration::from_millis(40));
    }
    Err("files keep changing".into())
}

/// What was said and did not happen, or the reverse.
fn differs(said: Option<Said>, did: &Did) -> Option<String> {
    let Some(said) = said else {
        return (did.keys.as_ref().is_some_and(|keys| !keys.is_empty())).then(|| "said to hold nothing".to_owned());
    };
    let comes_up = did.keys.is_some();
    let said_up = match said.outcome {
        Outcome::Loads | Outcome::LoadsButDrops | Outcome::LoadsAfterCut | Outcome::StartsEmpty => true,
        Outcome::Refuses | Outcome::Crashes => false,
        // It was not said.
        _ => return None,
    };
    if said_up != comes_up {
        return Some(format!("said: {}; comes up: {comes_up}", said.outcome));
    }
    let (Some(of), Some(has)) = (&said.keys, &did.keys) else { return None };
    if of != has {
        return Some(format!("said: {} with {of:?}; has {has:?}", said.outcome));
    }
    // What is opened to be appended to goes with the first rewrite.
    let done = |file: &str, at: Moment| match at {
        Moment::Start => did.rewritten || !file.ends_with(".incr.aof"),
        Moment::Save => did.saved,
        Moment::Rewrite => did.rewritten,
    };
    let expected: BTreeSet<_> =
        said.overwrites.iter().filter(|(file, at)| done(file, **at)).map(|(file, _)| file.clone()).collect();
    let begun = |file: &&String| said.overwrites.get(*file).is_none_or(|at| done(file, *at));
    let changed = did.changed.iter().filter(begun).filter(|file| !said.reads.contains(file));
    let changed: BTreeSet<_> = changed.cloned().collect();
    (expected != changed).then(|| format!("said to write over {:?}; changed {changed:?}", said.overwrites))
}

/// The user to run servers as: another one, if the test may, and that one reaches them.
fn user(installed: &Installed, root: &Path) -> TestResult<Option<u32>> {
    if fs::metadata("/proc/self").map_or(1, |data| data.uid()) != 0 {
        return Ok(None);
    }
    fs::create_dir_all(root)?;
    let reaches = Command::new(&installed.server).arg("--version").uid(USER).gid(USER).current_dir(root).output();
    Ok(reaches.is_ok_and(|output| output.status.success()).then_some(USER))
}

fn compare(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("dirs-{product}"));
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let user = user(&installed, &root)?;
    let mut rng = Rng::new(number("TARGET_SEED", 18));
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::<_, u64>::new());
    for number in 0..number("TARGET_DIRS", SAMPLE) {
        let made = make(&mut rng);
        let folder = root.join(number.to_string());
        made.lay(&folder, user)?;
        let said = said(&made, &folder, product).map_err(|error| format!("{number}: {error}"))?;
        *seen.entry(said.as_ref().map_or("nothing", |said| said.outcome.as_str())).or_default() += 1;
        let did = start(&made, &folder, &installed, user).map_err(|error| format!("{number}: {error}"))?;
        if let Some(difference) = differs(said, &did) {
            let holds: Vec<_> = made
                .files
                .iter()
                .map(|(name, content)| format!("{name} {} {}", content.bytes.len(), content.keys.len()))
                .collect();
            wrong.push(format!(
                "{number}: {difference}\n  conf {:?}\n  files {holds:?}\n  owned {:?}\n  {}",
                made.conf,
                made.owned,
                end_of(&did.log).lines().rev().take(3).collect::<Vec<_>>().join(" | ")
            ));
            if let Some(keep) = std::env::var_os("TARGET_KEEP") {
                let kept = Path::new(&keep).join(format!("{product}-{number}"));
                made.lay(&kept, None)?;
                fs::write(kept.join("test.conf"), conf(&made, product))?;
                copy(&folder, &kept.join("after"))?;
            }
        }
        fs::remove_dir_all(&folder)?;
    }
    println!("{product} as {user:?}: {seen:?}");
    assert!(wrong.is_empty(), "{product}: {} differences\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen.len() > 2, "{seen:?}");
    Ok(())
}

testkit::on_each_product! {
    compare:
    redis_62 Redis62;
    redis_70 Redis70;
    redis_86 Redis86;
    valkey_91 Valkey91;
}
