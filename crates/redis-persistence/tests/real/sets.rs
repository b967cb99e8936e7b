//! Sets and single files of which one file is damaged: what is said of them held against what real servers do with them, key by key,
//! and what a plan makes of them against what stood before the damage.
//!
//! ```text
//! sound files -> damage -> report -> prediction ---- the same start, cut and keys? ---- a real server
//!                            |                                                            |
//!                            +----> plan -> apply -- loads, nothing more cut, the same ---+
//!                                                    keys as the records before the damage
//! ```
//! Which keys those are, `testkit::replay` says, which reads and runs the records by itself.
//!
//! `SET_CASES=500` damages so many for each server, `SET_SEED` others, `SET_KEEP=FOLDER` keeps those that differ.
#![cfg(unix)]

use crate::servers;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::repair::{ApplyOptions, Plan, Step, apply};
use redis_persistence::servers::{Loads, Outcome, Reason, Settings, judge};
use redis_persistence::verify::{self, Code, Options, Report};
use servers::{end_of, number, release, target};
use tempfile::TempDir;
use testkit::replay::{Contents, Replay, records_in_lines};
use testkit::rng::Rng;
use testkit::server::{Installed, Product, Server, StartError, require};
use testkit::sets::{AofFiles, Damage, FOLDER, NAME, Shape};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// So many sets for each server by default.
const SAMPLE: u64 = 40;

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// What a start came to.
struct Did {
    outcome: Outcome,
    contents: Contents,
    log: String,
}

fn start(installed: &Installed, folder: &Path) -> TestResult<Did> {
    let settings = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
    Ok(match Server::start(installed, folder, &settings) {
        Ok(mut server) => {
            let (contents, log) = (server.contents()?, server.log()?);
            server.kill()?;
            let cut = log.contains("Truncating the AOF") || log.contains("corrupt AOF file tail");
            Did { outcome: if cut { Outcome::LoadsAfterCut } else { Outcome::Loads }, contents, log }
        }
        Err(StartError::Exited { status, log }) => {
            let crashed = status.code().is_none() || log.contains("BUG REPORT START");
            let outcome = if crashed { Outcome::Crashes } else { Outcome::Refuses };
            Did { outcome, contents: Contents::new(), log }
        }
        Err(error) => return Err(error.into()),
    })
}

/// One damaged set and its server.
struct Case<'i> {
    installed: &'i Installed,
    sound: AofFiles,
    harmed: AofFiles,
    damage: Vec<Damage>,
    /// Where the files lie, each use in a folder of its own.
    root: TempDir,
}

/// The difference that a case shows, or the class of those that are known, or nothing to say.
enum Said {
    Same,
    Known(&'static str),
    Wrong(String),
}

impl Case<'_> {
    fn folder(&self, name: &str) -> TestResult<PathBuf> {
        let folder = self.root.path().join(name);
        self.harmed.lay(&folder)?;
        Ok(folder)
    }

    fn files_of(&self, folder: &Path) -> PathBuf {
        folder.join(if self.harmed.manifest.is_some() { FOLDER } else { NAME })
    }

    /// The size of a file of the case after a start: Redis from 7.0 on has moved a single one.
    fn size(folder: &Path, name: Option<&str>) -> Option<u64> {
        let name = name.unwrap_or(NAME);
        let size = |path: PathBuf| fs::metadata(path).ok().map(|found| found.len());
        size(folder.join(FOLDER).join(name)).or_else(|| size(folder.join(name)))
    }

    /// What a server holds, by the report: of the files that it loads, all that can be run.
    fn predicted(&self, report: &Report) -> Option<Replay> {
        let single = self.harmed.manifest.is_none();
        let loaded = report.parts.iter().filter(|part| part.role.is_loaded()).map(|part| &part.name[..]);
        if single { self.harmed.replay([NAME]) } else { self.harmed.replay(loaded) }
    }

    fn judge(&self, folder: &Path) -> TestResult<Option<(Report, Loads)>> {
        let Ok(report) = verify::aof_path(&self.files_of(folder), &Options::default()) else { return Ok(None) };
        let mut settings = Settings::default();
        settings.set("appendonly", "yes")?;
        let answer = judge(&report, release(self.installed.product), &settings);
        Ok(Some((report, answer)))
    }

    /// The prediction of the next start.
    fn start(&self) -> TestResult<Said> {
        let folder = self.folder("start")?;
        let Some((report, answer)) = self.judge(&folder)? else { return Ok(Said::Known("not to be judged")) };
        let did = start(self.installed, &folder)?;
        let replay = self.predicted(&report);
        let said = |what: &str| {
            let because: Vec<_> = answer.because.iter().map(|why| &why.message).collect();
            let codes: Vec<_> = report.findings_by_code.keys().collect();
            let (by_default, did, log) = (answer.by_default, did.outcome, end_of(&did.log));
            Said::Wrong(format!("{what}: said {by_default} {because:?} {codes:?}, did {did}\n    {log}"))
        };
        let came_up = |outcome: Outcome| match outcome {
            Outcome::LoadsButDrops => Outcome::Loads,
            Outcome::StartsEmpty => Outcome::Loads,
            other => other,
        };
        if came_up(answer.by_default) != did.outcome {
            let known = explained(&answer, &did).or(self.long_line());
            return Ok(known.map_or_else(|| said("start"), Said::Known));
        }
        for cut in &answer.cuts {
            // What is written over has its new size only once something is written.
            let after = Self::size(&folder, cut.file.as_deref());
            if answer.by_default == Outcome::LoadsAfterCut && after != Some(cut.to) {
                return Ok(said(&format!("cut to {after:?}, said {cut:?}")));
            }
        }
        if !matches!(did.outcome, Outcome::Loads | Outcome::LoadsAfterCut) {
            return Ok(Said::Same);
        }
        if answer.by_default == Outcome::StartsEmpty {
            return Ok(if did.contents.is_empty() { Said::Same } else { said("not empty") });
        }
        let Some(replay) = replay else { return Ok(Said::Known("an image that loads though it was changed")) };
        if replay.unknown.is_some() {
            return Ok(Said::Known("a command that is not modelled"));
        }
        let expected = replay.contents(now());
        if expected != did.contents {
            return Ok(said(&format!("keys: {}", difference(&expected, &did.contents))));
        }
        Ok(Said::Same)
    }

    /// The records before the damage, and what a server holds of them: of the file that is damaged those that end before it,
    /// without a transaction that is open there; and, where the others are kept, of those behind it.
    fn before_damage(&self, others: bool) -> Option<(Replay, Option<(String, u64)>)> {
        if self.sound.files.len() != self.harmed.files.len() {
            return Some((self.harmed.replay(self.harmed.files.iter().map(|file| &file.name[..]))?, None));
        }
        let (mut replay, mut place) = (Replay::default(), None);
        for (sound, harmed) in self.sound.files.iter().zip(&self.harmed.files) {
            if sound == harmed || place.is_some() {
                sound.replay(&mut replay)?;
                continue;
            }
            let same = sound.bytes.iter().zip(&harmed.bytes).take_while(|(a, b)| a == b).count();
            let start = sound.image.as_ref().map_or(0, |image| image.bytes.len());
            if same < start {
                return None;
            }
            let whole = testkit::replay::records(&sound.bytes, start).0;
            let mut open = None;
            let mut end = start;
            for record in whole.iter().take_while(|record| record.span.end <= same) {
                match &sound.bytes[record.arguments[0].clone()] {
                    b"MULTI" => open = Some(record.span.start),
                    b"EXEC" => open = None,
                    _ => {}
                }
                end = record.span.end;
            }
            let end = open.unwrap_or(end);
            let mut cut = sound.clone();
            cut.bytes.truncate(end);
            cut.replay(&mut replay)?;
            place = Some((sound.name.clone(), same as u64));
            if !others {
                break;
            }
        }
        Some((replay, place))
    }

    /// A header line that is longer than servers before 7.0 read at once.
    fn long_line(&self) -> Option<&'static str> {
        let old = self.installed.product.version() < (7, 0);
        let file = self.harmed.files.first().filter(|_| old)?;
        let start = file.image.as_ref().map_or(0, |image| image.bytes.len());
        let ends = [127, 1023].map(|longest| records_in_lines(&file.bytes, start, longest).1);
        (ends[0] != ends[1]).then_some("Redis before 7.0 reads 127 bytes of a header line")
    }

    /// What the files that a server loads hold once the plan has cut them.
    fn after(&self, plan: &Plan, report: &Report) -> Option<Replay> {
        let mut mended = self.harmed.clone();
        for step in &plan.steps {
            let Step::Cut(cut) = step else { continue };
            let name = cut.file.path.file_name()?;
            let file = mended.files.iter_mut().find(|file| name == file.name.as_str())?;
            file.bytes.truncate(usize::try_from(cut.to).ok()?);
        }
        let loaded = report.parts.iter().filter(|part| part.role.is_loaded()).map(|part| &part.name[..]);
        if mended.manifest.is_some() { mended.replay(loaded) } else { mended.replay([NAME]) }
    }

    /// A repair that may be applied unasked, or with the name of the file that is damaged.
    fn fix(&self, named: bool) -> TestResult<Said> {
        let folder = self.folder(if named { "fix-file" } else { "fix" })?;
        let Some((report, answer)) = self.judge(&folder)? else { return Ok(Said::Known("not to be judged")) };
        let harmed =
            self.sound.files.iter().zip(&self.harmed.files).find(|(sound, harmed)| sound.bytes != harmed.bytes);
        let file = harmed.map(|(_, harmed)| harmed.name.clone().into_bytes()).filter(|_| named);
        let found = plan(&find_on_disk(&self.files_of(&folder))?, &FixOptions { file, ..FixOptions::default() })?;
        let wrong = |what: String| {
            let (steps, codes) = (found.describe().join("\n  "), report.findings_by_code.keys().collect::<Vec<_>>());
            Said::Wrong(format!("{what}: {} {codes:?}\n  {steps}", answer.by_default))
        };
        if found.is_empty() && found.reasons.is_empty() {
            // Nothing is to be mended: then there is nothing that a server minds.
            let fine = matches!(answer.by_default, Outcome::Loads | Outcome::LoadsButDrops);
            let known = || explained_plan(&answer).map_or_else(|| wrong("nothing to do".into()), Said::Known);
            return Ok(if fine { Said::Same } else { known() });
        }
        if !found.may_be_applied_unasked() {
            return if named { Ok(Said::Known("not mended at all")) } else { self.fix(true) };
        }
        // Servers that other tests of this process are starting have the files open for a moment.
        apply(&found, &ApplyOptions { force_live: true, ..ApplyOptions::default() }, &mut |_| {})?;
        let Some((left, answer)) = self.judge(&folder)? else { return Ok(wrong("the result cannot be judged".into())) };
        if !matches!(answer.by_default, Outcome::Loads | Outcome::LoadsButDrops) {
            return Ok(explained_plan(&answer).map_or_else(|| wrong(format!("left: {answer:?}")), Said::Known));
        }
        let did = start(self.installed, &folder)?;
        if did.outcome != Outcome::Loads {
            let why = format!("then {}: {}", did.outcome, end_of(&did.log));
            return Ok(explained(&answer, &did).map_or_else(|| wrong(why), Said::Known));
        }
        self.compare_mended(&found, (&report, &left), &did, (named, &wrong))
    }

    /// Holds the keys after a repair against those of the records before the damage.
    fn compare_mended(
        &self,
        found: &Plan,
        (report, left): (&Report, &Report),
        did: &Did,
        (others, wrong): (bool, &dyn Fn(String) -> Said),
    ) -> TestResult<Said> {
        let Some((replay, place)) = self.before_damage(others) else { return Ok(Said::Known("an image is damaged")) };
        let expected = replay.contents(now());
        if expected == did.contents {
            return Ok(Said::Same);
        }
        if self.damage.len() > 1 && self.after(found, left).is_some_and(|replay| replay.contents(now()) == did.contents)
        {
            return Ok(Said::Known("of two damages one leaves records that servers load"));
        }
        let differs = difference(&expected, &did.contents);
        let Some((name, same)) = place else { return Ok(wrong(format!("the manifest was damaged: {differs}"))) };
        let cut = found.steps.iter().find_map(|step| if let Step::Cut(cut) = step { Some(cut) } else { None });
        let tool = report.aof.as_ref().and_then(|facts| facts.ok_up_to);
        if cut.is_some_and(|cut| cut.to > same && tool.is_none_or(|tool| tool >= cut.to)) {
            return Ok(Said::Known("kept behind a damage that is well framed, as the check tools keep it"));
        }
        Ok(wrong(format!("{name} is damaged at {same}, the tool cuts at {tool:?}: {differs}")))
    }
}

/// Kinds of differences that are known, each with its reason.
fn explained(answer: &Loads, did: &Did) -> Option<&'static str> {
    // A command whose last arguments are missing reads what lies behind them in memory.
    let arity = answer.because.iter().any(|why| why.reason == Reason::Arity);
    (arity && answer.by_default == Outcome::Crashes && did.outcome == Outcome::Refuses)
        .then_some("a crash over missing arguments depends on what lies in memory")
}

/// Kinds of files that no plan mends, and that no server loads.
fn explained_plan(answer: &Loads) -> Option<&'static str> {
    let all = |reason: &dyn Fn(Reason) -> bool| {
        !answer.because.is_empty() && answer.because.iter().all(|why| reason(why.reason))
    };
    let foreign = |reason| matches!(reason, Reason::Command | Reason::Finding(Code::AofUnknownCommand));
    if all(&|reason| foreign(reason) || reason == Reason::Annotation)
        && answer.because.iter().any(|why| foreign(why.reason))
    {
        return Some("a whole record with a command that no server knows is another product's");
    }
    // Servers from 7.0 on pass over it.
    all(&|reason| reason == Reason::Annotation).then_some("a server before 7.0 knows no annotations")
}

/// The first keys that differ.
fn difference(expected: &Contents, found: &Contents) -> String {
    let shown = |held: Option<&Vec<Vec<u8>>>| {
        held.map_or("nothing".to_owned(), |held| {
            let all: Vec<String> = held.iter().map(|one| one[..one.len().min(60)].escape_ascii().to_string()).collect();
            all.join(" | ")
        })
    };
    let mut lines = Vec::new();
    let empty = BTreeMap::new();
    for database in expected.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (a, b) = (expected.get(database).unwrap_or(&empty), found.get(database).unwrap_or(&empty));
        for key in a.keys().chain(b.keys()).collect::<std::collections::BTreeSet<_>>() {
            if a.get(key) != b.get(key) {
                let (a, b) = (shown(a.get(key)), shown(b.get(key)));
                lines.push(format!("\n    db {database} {}: expected {a}, found {b}", key.escape_ascii()));
            }
        }
    }
    lines.truncate(4);
    lines.concat()
}

fn compare(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let sets = target(product).version() >= (7, 0);
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::new());
    let cases = number("SET_CASES", SAMPLE);
    for seed in 0..cases {
        let seed = number("SET_SEED", 0) + seed;
        let mut rng = Rng::new(seed * 4 + u64::from(product.version().0 % 4));
        let shape = Shape { set: sets && rng.chance(70), stamps: sets, records: 14 };
        let sound = AofFiles::sound(&mut rng, shape);
        let mut harmed = sound.clone();
        let Some(first) = harmed.damage(&mut rng) else { continue };
        let second = rng.chance(20).then(|| harmed.damage(&mut rng)).flatten();
        let damage = [Some(first), second].into_iter().flatten().collect();
        let case = Case { installed: &installed, sound, harmed, damage, root: TempDir::new()? };
        for (what, said) in [("start", case.start()), ("fix", case.fix(false))] {
            let said = said.map_err(|error| format!("seed {seed} {:?}: {error}", case.damage))?;
            match said {
                Said::Same => *seen.entry(format!("{what}: the same")).or_insert(0_u64) += 1,
                Said::Known(why) => {
                    if env::var("SET_SHOW").is_ok_and(|wanted| why.contains(&wanted)) {
                        println!("{product} seed {seed} {:?}: {what}: {why}", case.damage);
                    }
                    *seen.entry(format!("{what}: {why}")).or_insert(0) += 1;
                }
                Said::Wrong(text) => {
                    if let Some(folder) = env::var_os("SET_KEEP") {
                        let folder = Path::new(&folder).join(format!("{product}-{seed}"));
                        case.harmed.lay(&folder)?;
                    }
                    wrong.push(format!("seed {seed} {:?}: {text}", case.damage));
                }
            }
        }
    }
    println!("{product}: {seen:#?}");
    assert!(wrong.is_empty(), "{product}: {} differences of {cases}\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

testkit::on_each_product! {
    compare:
    redis_62 Redis62;
    redis_70 Redis70;
    redis_86 Redis86;
    valkey_91 Valkey91;
}
