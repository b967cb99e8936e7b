//! Sets of two generations: the manifest of one moment and files of others, as a copy leaves them that was taken while a server
//! rewrote its files. What a plan makes of them unasked, a real server loads, with all writes up to some moment and none twice.
//!
//! `CHAIN_CASES=500` mixes so many for each server, `CHAIN_SEED` others.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::repair::{ApplyOptions, Step, apply};
use redis_persistence::verify::{self, Options, Verdict};
use tempfile::TempDir;
use testkit::folder::{alone, copy, files};
use testkit::resp::record;
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

use crate::servers;

use servers::number;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;
/// The files of a folder by name.
type Files = BTreeMap<PathBuf, Vec<u8>>;

const GENERATIONS: u64 = 3;
const WRITES: u64 = 5;
/// With the usual `everysec`, a server puts writes off while the disk is busy with a sync: then the files lack what it has answered.
const SETTINGS: [&str; 6] = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync", "always"];

/// The folder of the set at the end of each generation, each with five writes of its own.
fn generations(product: Product, root: &Path) -> TestResult<Option<Vec<Files>>> {
    let Some(installed) = require(product) else { return Ok(None) };
    let mut server = Server::start(&installed, root, &SETTINGS)?;
    let mut found = Vec::new();
    for generation in 0..GENERATIONS {
        if generation > 0 {
            server.rewrite_aof()?;
        }
        for write in 1..=WRITES {
            let number = (generation * WRITES + write).to_string();
            server.run(&["RPUSH", "all", &number])?;
        }
        let here = root.join("appendonlydir");
        let names = files(&here)?.into_iter();
        found
            .push(names.filter_map(|(path, bytes)| Some((path.strip_prefix(&here).ok()?.to_owned(), bytes))).collect());
    }
    server.kill()?;
    Ok(Some(found))
}

/// How many writes a server has of them: all from the first one on, each once.
fn writes(product: Product, root: &Path) -> TestResult<Result<u64, String>> {
    let Some(installed) = require(product) else { return Err("it was there before".into()) };
    let mut server = match Server::start(&installed, root, &SETTINGS) {
        Ok(server) => server,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let found = server.elements(b"all")?;
    server.kill()?;
    let in_order = found.iter().zip(1_u64..).all(|(found, number)| *found == number.to_string().into_bytes());
    Ok(if in_order { Ok(found.len() as u64) } else { Err(format!("{found:?}")) })
}

fn is_manifest(name: &Path) -> bool {
    name.extension().is_some_and(|end| end == "manifest")
}

fn lay(folder: &Path, files: &Files) -> TestResult {
    fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Plans what is there, applies it if it may be applied unasked, and answers how many writes a server has then.
fn mended(product: Product, root: &Path) -> TestResult<Option<u64>> {
    let found = plan(&find_on_disk(root)?, &FixOptions::default())?;
    let text = found.describe().join("\n");
    if !found.may_be_applied_unasked() {
        let sound = verify::aof_path(root, &Options::default())?.verdict == Verdict::Sound;
        assert!(!sound || found.is_empty(), "{text}");
        return Ok(None);
    }
    let before = files(root)?;
    let applied = {
        let _alone = alone();
        apply(&found, &ApplyOptions::default(), &mut |_| {})?
    };
    let copied = TempDir::new()?;
    copy(root, copied.path())?;
    let writes = writes(product, copied.path())?.map_err(|error| format!("{text}\n{error}"))?;
    let _alone = alone();
    redis_persistence::repair::undo(&applied.record, &ApplyOptions::default(), &mut |_| {})?;
    let now = files(root)?;
    assert!(before.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "undone: {text}");
    Ok(Some(writes))
}

/// A line that names a file that is not there, where the file of its number lies there without a line: the line gets its name, and
/// nothing is lost.
#[test]
fn a_line_with_a_wrong_name_gets_the_right_one() -> TestResult {
    let write = |number: u64| record(&["RPUSH", "all", &number.to_string()]);
    let own = ["a.3.base.aof", "a.3.incr.aof", "a.4.incr.aof"];
    let right = b"file a.3.base.aof seq 3 type b\nfile a.3.incr.aof seq 3 type i\nfile a.4.incr.aof seq 4 type i\n";
    let lines = String::from_utf8(right.to_vec())?;
    for (from, to) in
        [("a.3.base", "b.3.base"), ("a.3.incr", "a.9.incr"), ("a.4.incr", "\\a.4.incr"), ("a.", "a\u{1}.")]
    {
        let root = TempDir::new()?;
        let mut files: Files = (1..).zip(own).map(|(number, name)| (name.into(), write(number))).collect();
        files.insert("a.manifest".into(), lines.replace(from, to).into_bytes());
        lay(root.path(), &files)?;
        let plan = plan(&find_on_disk(root.path())?, &FixOptions::default())?;
        let [Step::Rewrite(step)] = &plan.steps[..] else { panic!("{from}: {:?}", plan.describe()) };
        assert_eq!((step.content.as_slice(), &plan.reasons[..]), (&right[..], &[][..]), "{from}");
    }
    // A file that has another number, or of which there are two, is none of the manifest.
    for (listed, there) in [("a.3.incr.aof seq 4", "a.3.incr.aof"), ("x.aof seq 3", "b.3.incr.aof")] {
        let root = TempDir::new()?;
        let text = format!("file a.3.base.aof seq 3 type b\nfile {listed} type i\n").replace("a.3.incr", "b.3.incr");
        let files = [(own[0], write(1)), (there, write(2)), ("a.manifest", text.into_bytes())];
        lay(root.path(), &files.into_iter().map(|(name, bytes)| (name.into(), bytes)).collect())?;
        let plan = plan(&find_on_disk(root.path())?, &FixOptions::default())?;
        let kept =
            |step: &Step| matches!(step, Step::Rewrite(step) if step.content.windows(5).any(|five| five == b".incr"));
        assert!(!plan.steps.iter().any(kept), "{listed}: {:?}", plan.describe());
    }
    Ok(())
}

fn compare(product: Product) -> TestResult {
    let live = TempDir::new()?;
    let Some(generations) = generations(product, live.path())? else { return Ok(()) };
    let parts = |generation: usize| generations[generation].iter().filter(|(name, _)| !is_manifest(name));
    let manifest = |generation: usize| generations[generation].iter().filter(|(name, _)| is_manifest(name));
    let own = |files: Vec<(&PathBuf, &Vec<u8>)>| -> Files {
        files.into_iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    };
    // A manifest and the whole files of another generation.
    for (listed, there) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let root = TempDir::new()?;
        lay(&root.path().join("appendonlydir"), &own(manifest(listed).chain(parts(there)).collect()))?;
        let end = (there as u64 + 1) * WRITES;
        assert_eq!(mended(product, root.path())?, Some(end), "{product}: manifest {listed}, files {there}");
    }
    // All files of both: the older base, and everything that was written since.
    let (both, root) = (own(manifest(1).chain(parts(0)).chain(parts(1)).collect()), TempDir::new()?);
    let without: Files = both.into_iter().filter(|(name, _)| !name.to_string_lossy().contains(".2.base.")).collect();
    lay(&root.path().join("appendonlydir"), &without)?;
    assert_eq!(mended(product, root.path())?, Some(2 * WRITES), "{product}");
    // Any mix.
    let mut rng = Rng::new(number("CHAIN_SEED", 3));
    let mut seen = BTreeMap::new();
    for case in 0..number("CHAIN_CASES", 12) {
        let listed = usize::try_from(rng.below(GENERATIONS))?;
        let mut mixed = own(manifest(listed).collect());
        for generation in 0..generations.len() {
            mixed.extend(own(parts(generation).filter(|_| rng.chance(60)).collect()));
        }
        let root = TempDir::new()?;
        let names: Vec<_> = mixed.keys().map(|name| name.display().to_string()).collect();
        if mixed.len() == 1 {
            continue;
        }
        lay(&root.path().join("appendonlydir"), &mixed)?;
        let writes = mended(product, root.path()).map_err(|error| format!("{product} {case} {names:?}: {error}"))?;
        *seen.entry(writes).or_insert(0_u64) += 1;
    }
    println!("{product}: {seen:?}");
    Ok(())
}

testkit::on_each_product! {
    compare:
    redis_70_loads_whole_chains Redis70;
    redis_86_loads_whole_chains Redis86;
    valkey_91_loads_whole_chains Valkey91;
}
