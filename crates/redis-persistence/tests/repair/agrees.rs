//! The plan, the advice and the prediction of one damaged set, held against each other: they are made of the same facts and may not
//! contradict one another. No server runs here.
//!
//! `AGREE_CASES=5000` damages so many sets, `AGREE_SEED` others.
#![cfg(unix)]

use crate::cases;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::salvage::{SalvageOptions, salvage};
use redis_persistence::repair::aof::{FixOptions, WayKind, plan, ways};
use redis_persistence::repair::{Cut, Step};
use redis_persistence::servers::{Loads, Outcome, Reason, Settings, Target, judge};
use redis_persistence::verify::{self, Code, Options, Report, Verdict};
use tempfile::TempDir;
use testkit::rng::Rng;
use testkit::sets::{AofFiles, Shape};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What no plan mends: whole records or images that only another server knows.
fn is_foreign(report: &Report, answer: &Loads) -> bool {
    let foreign = report.aof.as_ref().is_some_and(|facts| !facts.load.foreign.is_empty());
    let of_command = |reason| matches!(reason, Reason::Command | Reason::Finding(Code::AofUnknownCommand));
    let other = |reason| of_command(reason) || reason == Reason::Version;
    foreign || answer.because.iter().any(|why| other(why.reason))
}

/// Whether nothing but annotations, or the image of which a server forgets where it ended, lies between the two cuts.
fn annotations(planned: &Cut, to: u64) -> TestResult<bool> {
    let bytes = fs::read(&planned.file.path)?;
    let between = &bytes[usize::try_from(to)?..usize::try_from(planned.to)?];
    let lines = between.split_inclusive(|byte| *byte == b'\n').all(|line| line.starts_with(b"#"));
    Ok(lines || to == 0)
}

/// Where the plan, the advice and the prediction contradict one another.
fn contradictions(path: &Path) -> TestResult<Option<Vec<String>>> {
    let (Ok(set), Ok(report)) = (find_on_disk(path), verify::aof_path(path, &Options::default())) else {
        return Ok(None);
    };
    let mut settings = Settings::default();
    settings.set("appendonly", "yes")?;
    let answer = judge(&report, Target::Redis86, &settings);
    let (plan, ways) = (plan(&set, &FixOptions::default())?, ways(&set)?);
    let mut wrong = Vec::new();
    let comes_up = matches!(answer.by_default, Outcome::Loads | Outcome::LoadsButDrops);
    let has_plan = !plan.is_empty() || !plan.reasons.is_empty() || ways.iter().any(|way| way.kind == WayKind::Salvage);
    let stops = matches!(answer.by_default, Outcome::Refuses | Outcome::Crashes | Outcome::LoadsAfterCut);
    if stops && !has_plan && !is_foreign(&report, &answer) {
        wrong.push(format!("{} and nothing to do: {:?}", answer.by_default, answer.because));
    }
    if comes_up && plan.steps.iter().any(|step| matches!(step, Step::Cut(_))) {
        wrong.push(format!("it {} and a cut: {:?}", answer.by_default, plan.describe()));
    }
    // A server cuts where the damage begins, or behind; a plan never behind that.
    for cut in &answer.cuts {
        let planned = plan.steps.iter().find_map(|step| match step {
            Step::Cut(planned) => Some(planned),
            _ => None,
        });
        if let Some(planned) = planned.filter(|_| answer.by_default == Outcome::LoadsAfterCut)
            && (planned.from() != cut.from || planned.to > cut.to && !annotations(planned, cut.to)?)
        {
            wrong.push(format!("the server cuts {cut:?}, the plan to {}", planned.to));
        }
    }
    // The figures of the advice are those of what it advises.
    let salvaged = salvage(&set, SalvageOptions::default())?;
    for way in &ways {
        let loss = match &way.kind {
            WayKind::Fix => plan.loss(),
            WayKind::FixFile(name) => {
                let options = FixOptions { file: Some(name.clone()), ..FixOptions::default() };
                redis_persistence::repair::aof::plan(&set, &options)?.loss()
            }
            _ => salvaged.loss(),
        };
        if way.loss != loss {
            wrong.push(format!("{:?}: advised with {}, it is {loss}", way.kind, way.loss));
        }
    }
    if ways.windows(2).any(|pair| pair[0].loss.bytes > pair[1].loss.bytes) {
        wrong.push(format!("the smaller loss is not the first: {ways:?}"));
    }
    if ways.iter().any(|way| way.kind == WayKind::Fix) != plan.may_be_applied_unasked() {
        wrong.push(format!("{ways:?}, and the plan {:?}", plan.describe()));
    }
    if report.verdict == Verdict::Sound && plan.steps.iter().any(|step| matches!(step, Step::Cut(_))) {
        wrong.push(format!("sound, and a cut: {:?}", plan.describe()));
    }
    Ok(Some(wrong))
}

#[test]
fn they_agree_on_damaged_sets() -> TestResult {
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::new());
    for seed in 0..number("AGREE_CASES", 300) {
        let seed = number("AGREE_SEED", 0) + seed;
        let mut rng = Rng::new(seed);
        let shape = Shape { set: rng.chance(60), stamps: true, records: 14 };
        let mut files = AofFiles::sound(&mut rng, shape);
        let damage = files.damage(&mut rng);
        let root = TempDir::new()?;
        let path = files.lay(root.path())?;
        let found = contradictions(&path).map_err(|error| format!("seed {seed} {damage:?}: {error}"))?;
        *seen.entry(found.is_some()).or_insert(0_u64) += 1;
        wrong.extend(found.into_iter().flatten().map(|what| format!("seed {seed} {damage:?}: {what}")));
    }
    println!("{seen:?}");
    assert!(wrong.is_empty(), "{} contradictions\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen.get(&true).is_some_and(|count| *count > 100), "{seen:?}");
    Ok(())
}

#[test]
fn they_agree_on_the_crafted_files() -> TestResult {
    let mut wrong = Vec::new();
    for case in cases::cases() {
        let found = contradictions(&case.path).map_err(|error| format!("{}: {error}", case.id))?;
        wrong.extend(found.into_iter().flatten().map(|what| format!("{}: {what}", case.id)));
    }
    assert!(wrong.is_empty(), "{} contradictions\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
