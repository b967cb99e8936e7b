//! Sound files with one fault in them: each code of error severity that an RDB can have is planted and has to be found,
//! at its place, in every way in.
//!
//! `MUTATIONS=100000` makes the run full.

use crate::three_ways;
use crate::timed;

use std::collections::BTreeSet;
use std::env;
use std::panic::catch_unwind;

use redis_persistence::Limits;
use redis_persistence::verify::{Code, Finding, Options, Severity};
use testkit::planted::{self, Plant};
use testkit::rdb::{Family, File};
use testkit::rng::Rng;
use three_ways::verify_all;
use timed::{LONGEST, timed};

/// What is wrong with one case, in words.
fn run(plant: Plant, seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let version = u32::try_from(rng.range(plant.range())).expect("small");
    let budget = rng.size(0..=60);
    let file = File::arbitrary(&mut rng, plant.family, version, budget).encode();
    let planted = plant.into(&file, &mut rng);
    let mut limits = Limits::default();
    if rng.chance(20) && plant.templates.is_none() {
        limits.inline_bytes = 64;
    }
    limits.templates = plant.templates.unwrap_or(limits.templates);
    let options = Options { limits, ..Options::default() };
    let most = rng.size(1..=300);
    let what = || format!("{}, seed {seed}, version {version}", plant.code);
    let (report, took) = timed(|| catch_unwind(|| verify_all(&planted.bytes, &options, seed, most)));
    let report = report.map_err(|_| format!("{}: panic or disagreement", what()))?;
    let named = |f: &Finding| f.code.as_str() == plant.code && f.start == planted.start;
    let mut errors = report.findings.iter().filter(|f| f.severity == Severity::Error);
    let place = |f: &Finding| format!("\n  {} at {} to {}: {}", f.code, f.start, f.failed_at, f.message);
    if !report.findings.iter().any(named) {
        let findings: String = report.findings.iter().map(place).collect();
        return Err(format!("{}: not at {}{findings}", what(), planted.start));
    }
    if let Some(other) = errors.find(|f| f.failed_at < planted.from) {
        return Err(format!("{}: an error before the plant at {}: {}", what(), planted.from, place(other)));
    }
    if took > LONGEST {
        return Err(format!("{}: took {took:?}", what()));
    }
    Ok(())
}

#[test]
fn every_planted_fault_is_named() {
    let count: u64 = env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let plants = planted::all();
    let rounds = count.div_ceil(plants.len() as u64);
    let mut wrong = Vec::new();
    for (kind, plant) in (0_u64..).zip(&plants) {
        wrong.extend((0..rounds).filter_map(|round| run(*plant, round << 8 | kind).err()).take(2));
    }
    println!("{} faults of {} kinds", rounds * plants.len() as u64, plants.len());
    assert!(wrong.is_empty(), "{} cases, of which:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

/// The codes of append-only files and their sets, each of which `mutations_set` plants, and of what DUMP answers (`dumps_real`).
fn is_of_commands(code: Code) -> bool {
    ["aof-", "manifest-", "dump-"].iter().any(|of| code.as_str().starts_with(of))
}

#[test]
fn every_error_that_an_rdb_can_have_is_planted() {
    let planted: BTreeSet<&str> = planted::all().iter().map(|plant| plant.code).collect();
    let errors = Code::ALL.iter().filter(|code| code.severity() == Severity::Error && !is_of_commands(**code));
    let wanted: BTreeSet<&str> = errors.map(|code| code.as_str()).collect();
    assert_eq!(planted, wanted);
    assert!(planted::all().iter().any(|plant| plant.family == Family::Valkey));
}
