//! Append-only files fed to real servers, and what is said of them held against what the servers did.
//!
//! A sample of fixed seeds runs by default; `TARGET_AOF_FILES=150` feeds so many random files to each server, and all of
//! the crafted ones, and `TARGET_SEED` chooses others.

use crate::aof;
use crate::cases;
use crate::servers;
use crate::trusting;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aof::{Damage, NEWER, ODD, damaged, image, sound};
use redis_persistence::servers::{Loads, Outcome, Reason, Settings, Target, judge};
use redis_persistence::verify::{self, Code, Options};
use servers::{end_of, number, outcome, release, target};
use testkit::folder::copy;
use testkit::rdb::Family;
use testkit::resp::RecordForm;
use testkit::rng::Rng;
use testkit::server::{Installed, Product, Server, load_verdict, require};
use trusting::trusting;

type TestResult = Result<(), Box<dyn Error>>;

/// So many random files are fed to each server by default, and each so many-th of the crafted ones.
const SAMPLE: u64 = 36;
const EACH: usize = 23;

const FILE: &str = "appendonly.aof";
const FOLDER: &str = "appendonlydir";

/// A single file, or the folder of a set; and the settings of the server.
struct Case {
    name: String,
    content: Content,
    settings: Vec<(&'static str, &'static str)>,
}

enum Content {
    File(Vec<u8>),
    Folder(PathBuf),
}

fn images(target: Target) -> Vec<(Family, u32)> {
    let mut all: Vec<_> = target.rdb_versions().filter(|version| *version > 7).map(|v| (Family::Redis, v)).collect();
    if target == Target::Valkey91 {
        all.extend([(Family::Valkey, 80); 3]);
    }
    all
}

fn random_cases(target: Target, files: u64, seed: u64) -> Vec<Case> {
    let mut rng = Rng::new(seed);
    let own = images(target);
    let stamps = target >= Target::Redis70;
    let mut cases = Vec::new();
    for n in 0..files {
        let own = rng.pick(&own);
        let before = rng.chance(30).then(|| image(&mut rng, own.0, own.1));
        let stamps = stamps || rng.chance(5);
        let made = sound(&mut rng, before, stamps);
        let with = |args: &[&str]| {
            let end = RecordForm::default().encode(&["SET", "z", "1"]);
            [made.bytes.clone(), RecordForm::default().encode(args), end].concat()
        };
        let (name, bytes) = match n % 12 {
            0 => ("sound".to_owned(), made.bytes),
            1 => {
                let args = *rng.pick(&NEWER);
                (format!("newer {}", args[0]), with(args))
            }
            2 => {
                let args = *rng.pick(&ODD);
                (format!("odd {args:?}"), with(args))
            }
            3 => {
                let (family, version) = *rng.pick(&[(Family::Redis, 9), (Family::Redis, 12), (Family::Valkey, 80)]);
                let image = image(&mut rng, family, version);
                (format!("image {family:?} {version}"), sound(&mut rng, Some(image), stamps).bytes)
            }
            _ => {
                let damage = *rng.pick(&Damage::ALL);
                (format!("{damage:?}"), damaged(&mut rng, damage, &made))
            }
        };
        let mut settings = Vec::new();
        if rng.chance(25) {
            settings.push(("aof-load-truncated", "no"));
        } else if target == Target::Redis86 && rng.chance(30) {
            settings.push(("aof-load-corrupt-tail-max-size", "30"));
        } else if rng.chance(10) {
            settings.push(("databases", "32"));
        }
        cases.push(Case { name: format!("{n} {name}"), content: Content::File(bytes), settings });
    }
    cases
}

fn crafted(target: Target, each: usize) -> Result<Vec<Case>, Box<dyn Error>> {
    let mut all = Vec::new();
    for case in cases::cases().into_iter().step_by(each) {
        let folder = case.path.parent().ok_or("a folder")?;
        let single = case.column("kind") == "single";
        // Servers before 7.0 know no folder.
        if single {
            all.push(Case { name: case.id, content: Content::File(fs::read(&case.path)?), settings: Vec::new() });
        } else if target >= Target::Redis70 {
            let folder = if folder.ends_with(FOLDER) { folder } else { &case.path };
            let server = folder.parent().ok_or("a folder")?.to_owned();
            all.push(Case { name: case.id, content: Content::Folder(server), settings: Vec::new() });
        }
    }
    Ok(all)
}

/// Lays the files where the server looks for them. Answers what is to be verified.
fn lay(case: &Case, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    match &case.content {
        Content::File(bytes) => {
            fs::write(folder.join(FILE), bytes)?;
            Ok(folder.join(FILE))
        }
        Content::Folder(from) => {
            copy(from, folder)?;
            Ok(folder.to_owned())
        }
    }
}

/// What the server did. A cut shows in its log.
fn did(installed: &Installed, folder: &Path, case: &Case) -> Result<(Outcome, String), Box<dyn Error>> {
    let settings: Vec<_> = case.settings.iter().map(|(name, value)| (format!("--{name}"), *value)).collect();
    let mut arguments = vec!["--appendonly", "yes"];
    arguments.extend(settings.iter().flat_map(|(name, value)| [name.as_str(), value]));
    let (outcome, log) = outcome(load_verdict(installed, folder, &arguments)?);
    let cut = log.contains("Truncating the AOF") || log.contains("corrupt AOF file tail");
    Ok((if outcome == Outcome::Loads && cut { Outcome::LoadsAfterCut } else { outcome }, log))
}

/// The size of a single file after the start: Redis from 7.0 on has moved it.
fn size_after(folder: &Path) -> Option<u64> {
    let size = |path: PathBuf| fs::metadata(path).ok().map(|found| found.len());
    size(folder.join(FOLDER).join(FILE)).or_else(|| size(folder.join(FILE)))
}

/// Sorts of differences that are known, each with the reason.
fn explained(case: &Case, answer: &Loads, did: Outcome) -> Option<&'static str> {
    let because = |reason| answer.because.iter().any(|why| why.reason == reason);
    if because(Reason::Arity) && answer.by_default == Outcome::Crashes && did != Outcome::Refuses {
        return Some("what lies behind the arguments in memory");
    }
    // Whether the child that it starts lives to see the end of the load.
    if because(Reason::Finding(Code::AofDangerousCommand)) && case.name.contains("SYNC") {
        return Some("SYNC is a matter of time");
    }
    if case.name == "s053-bulk-100TB" {
        return Some("how much memory a server is promised depends on the machine");
    }
    if answer.target <= Target::Redis62 && case.name == "s039-long-argc-zeros" {
        return Some("Redis before 7.0 reads 127 bytes of a header line");
    }
    if answer.target <= Target::Redis62 && case.name == "s132-first-line-file" {
        return Some("the text of a manifest, in the place of an append-only file");
    }
    if case.name == "m011-manifest-comments-only" || case.name == "m073-arg-missing" {
        return Some("the log does not tell what is written over");
    }
    if answer.by_default == Outcome::Crashes && did == Outcome::Refuses {
        return Some("whether a server that does not come up says so or breaks down depends on memory, too");
    }
    None
}

fn compare(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let target = target(product);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("targets-aof-{product}"));
    let files = number("TARGET_AOF_FILES", SAMPLE);
    let mut cases = random_cases(target, files, number("TARGET_SEED", 7));
    cases.extend(crafted(target, if files == SAMPLE { EACH } else { 1 })?);
    let (mut wrong, mut known, mut count) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for (number, case) in cases.iter().enumerate() {
        // A child of the server, such as a rewrite, may still write there when the server is gone: so each has its own.
        let folder = folder.join(number.to_string());
        let path = lay(case, &folder)?;
        let report = verify::aof_path(&path, &Options::default())?;
        let mut settings = Settings::default();
        settings.functions = trusting();
        for (name, value) in &case.settings {
            settings.set(name, value)?;
        }
        let answer = judge(&report, release(product), &settings);
        let (did, log) = did(&installed, &folder, case)?;
        *count.entry(did.as_str()).or_insert(0) += 1;
        let single = matches!(case.content, Content::File(_)) && did == Outcome::LoadsAfterCut;
        let left = answer.cuts.first().map(|cut| cut.to).filter(|_| single);
        let after = size_after(&folder).filter(|_| single);
        let up = answer.by_default == Outcome::LoadsButDrops && did == Outcome::Loads;
        if (up || answer.by_default == did) && left == after {
            let _ = fs::remove_dir_all(&folder);
            continue;
        }
        if let Some(why) = explained(case, &answer, did) {
            *known.entry(why).or_insert(0) += 1;
            continue;
        }
        let because: Vec<_> = answer.because.iter().map(|why| &why.message).collect();
        let codes: Vec<_> = report.findings_by_code.keys().collect();
        if let Content::File(bytes) = &case.content {
            fs::write(folder.join("fed.aof"), bytes)?;
        }
        wrong.push(format!(
            "{} {:?}: {did} {after:?}, said {} {left:?} {because:?}\n  {codes:?}\n    {}",
            case.name,
            case.settings,
            answer.by_default,
            end_of(&log)
        ));
    }
    println!("{product}: {count:?}, {known:?}");
    assert!(wrong.is_empty(), "{product}: {} differences of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(count.len() >= 3, "{product}: {count:?}");
    Ok(())
}

/// The table of commands says what the server says of itself.
fn commands(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let target = target(product);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("targets-commands-{product}"));
    fs::create_dir_all(&folder)?;
    let theirs = Server::start(&installed, &folder, &[])?.commands()?;
    let mut wrong = Vec::new();
    for (name, entry) in &theirs {
        let ours = target.command(name.to_ascii_uppercase().as_bytes());
        let writes = entry.flags.iter().any(|flag| flag == "write");
        if ours.map(|spec| (i64::from(spec.arity), spec.writes)) != Some((entry.arity, writes)) {
            wrong.push(format!("{name}: {entry:?}, not {ours:?}"));
        }
    }
    for spec in redis_persistence::aof::commands::all() {
        if target.command(spec.name.as_bytes()).is_some() && !theirs.contains_key(&spec.name.to_ascii_lowercase()) {
            wrong.push(format!("{} is unknown to the server", spec.name));
        }
    }
    assert_eq!(wrong, [""; 0], "{product}: run the example command_table of testkit");
    assert!(theirs.len() > 200);
    Ok(())
}

mod does_as_is_said {
    use super::compare;

    testkit::on_each_product!(compare);
}

mod knows_the_commands_of_the_table {
    use super::commands;

    testkit::on_each_product! {
        commands:
        redis_62 Redis62;
        redis_70 Redis70;
        redis_80 Redis80;
        redis_86 Redis86;
        valkey_91 Valkey91;
    }
}
