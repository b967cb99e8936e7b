//! Append-only files with one fault behind sound records, and with changed bytes: the fault is named at its place, and a
//! slice, a tree of files and one that gives out few bytes at a time give the same report.
//!
//! `MUTATIONS=100000` makes the run full.

use crate::dribbling;
use crate::timed;

use std::env;
use std::panic::catch_unwind;
use std::path::Path;

use dribbling::{Dribbling, essence};
use redis_persistence::aof::dir::Memory;
use redis_persistence::verify::{self, Options, Report};
use testkit::planted::aof::{AofPlant, records, sound_records};
use testkit::rng::Rng;
use timed::{LONGEST, timed};

fn verify_all(data: &[u8], seed: u64) -> Report {
    let options = Options::default();
    let by_slice = verify::aof_slice(data, &options).expect("memory can be read");
    let mut tree = Memory::default();
    tree.add("x/a.aof", data.to_vec());
    let mut tree = Dribbling { tree, rng: Rng::new(seed) };
    let by_file = verify::aof_in(&mut tree, Path::new("x/a.aof"), &options).expect("memory can be read");
    assert_eq!(essence(&by_slice), essence(&by_file), "of {}", data.escape_ascii());
    by_slice
}

/// What is wrong with one case, in words.
fn run(plant: &AofPlant, seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let count = rng.size(0..=12);
    let mut data = sound_records(&mut rng, count);
    let from = data.len() as u64;
    data.extend_from_slice(&plant.bytes);
    let report = catch_unwind(|| verify_all(&data, seed)).map_err(|_| format!("{}, seed {seed}", plant.code))?;
    let found = report.findings.iter().any(|f| f.code.as_str() == plant.code && f.start == from + plant.start);
    if !found {
        return Err(format!("{}, seed {seed}: not at {} in {:?}", plant.code, from + plant.start, report.findings));
    }
    let before = report.findings.iter().find(|f| f.failed_at < from && f.severity == verify::Severity::Error);
    if let Some(finding) = before {
        return Err(format!("{}, seed {seed}: an error before {from}: {finding:?}", plant.code));
    }
    // And with any change, whatever becomes of it.
    for _ in 0..3 {
        let at = rng.size(0..=data.len() - 1);
        data[at] = *rng.pick(b"\0\r\n*$#0123456789xREDIS\xff");
        catch_unwind(|| verify_all(&data, seed)).map_err(|_| format!("{}, seed {seed}, changed", plant.code))?;
    }
    Ok(())
}

fn in_time(plant: &AofPlant, seed: u64) -> Result<(), String> {
    let (done, took) = timed(|| run(plant, seed));
    let slow = || Err(format!("{}, seed {seed}: took {took:?}", plant.code));
    done.and_then(|()| if took > LONGEST { slow() } else { Ok(()) })
}

#[test]
fn faults_behind_sound_records_are_named() {
    let count: u64 = env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    let plants = records();
    let rounds = count.div_ceil(4 * plants.len() as u64);
    let cases =
        (0..rounds).flat_map(|round| (0_u64..).zip(&plants).map(move |(kind, plant)| (round << 8 | kind, plant)));
    let wrong: Vec<String> = cases.filter_map(|(seed, plant)| in_time(plant, seed).err()).take(10).collect();
    println!("{} files", 4 * rounds * plants.len() as u64);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sound records are sound.
#[test]
fn sound_records_give_no_errors() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let data = sound_records(&mut rng, 20);
        assert_eq!(verify_all(&data, seed).verdict, verify::Verdict::Sound);
    }
}
