//! Sets of append-only files with one fault in the manifest, in the files, or in the records at the end: each error that a
//! set can have is named, in the file and at the byte where it is, by every way in.
//!
//! `MUTATIONS=100000` makes the run full.

use crate::dribbling;
use crate::timed;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::Path;

use dribbling::{Dribbling, essence};
use redis_persistence::aof::dir::{Memory, find_on_disk};
use redis_persistence::verify::{self, Code, Finding, Options, Report, Severity};
use testkit::planted::set::{PlantedSet, SetPlant, sets, sound};
use testkit::rng::Rng;
use timed::{LONGEST, timed};

const FOLDER: &str = "s/appendonlydir";

/// Verifies a set as files in memory, read whole and a few bytes at a time, by its manifest and, if that is there, by its
/// folders; and the files on disk.
fn verify_all(set: &PlantedSet, rng: &mut Rng, disk: Option<&Path>) -> io::Result<Report> {
    let options = Options::default();
    let mut memory = Memory::default();
    for (name, bytes) in &set.files {
        memory.add(Path::new(FOLDER).join(name), bytes.clone());
    }
    let manifest = Path::new(FOLDER).join(&set.manifest);
    let report = verify::aof_in(&mut memory, &manifest, &options)?;
    // What has no manifest is found by the name of one only.
    let has_one = set.files.iter().any(|(name, _)| *name == set.manifest);
    let folders = ["s", FOLDER].iter().filter(|_| has_one).map(Path::new);
    let mut tree = Dribbling { tree: memory.clone(), rng: rng.clone() };
    for path in folders.chain([&*manifest]) {
        let other = verify::aof_in(&mut memory, path, &options)?;
        assert_eq!(essence(&report), essence(&other), "{}", path.display());
        let other = verify::aof_in(&mut tree, path, &options)?;
        assert_eq!(essence(&report), essence(&other), "{}, a few bytes at a time", path.display());
    }
    if let Some(root) = disk {
        let folder = tempfile::tempdir_in(root)?;
        let folder = folder.path().join("appendonlydir");
        fs::create_dir(&folder)?;
        for (name, bytes) in &set.files {
            fs::write(folder.join(name), bytes)?;
        }
        let other = verify::aof_path(&folder.join(&set.manifest), &options)?;
        assert_eq!(essence(&report), essence(&other), "on disk");
        assert_eq!(find_on_disk(&folder.join(&set.manifest))?.parts.len(), report.parts.len());
    }
    Ok(report)
}

fn run(plant: &SetPlant, seed: u64, disk: Option<&Path>) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let set = plant.make(&mut rng);
    let what = || format!("{}, seed {seed}", plant.code);
    let (report, took) = timed(|| catch_unwind(|| verify_all(&set, &mut rng.clone(), disk)));
    let report = report.map_err(|_| format!("{}: panic or disagreement", what()))?;
    let report = report.map_err(|error| format!("{}: {error}", what()))?;
    let file = set.file.as_ref().map(|name| name.as_bytes().escape_ascii().to_string());
    let named = |f: &Finding| f.code.as_str() == plant.code && f.file == file && f.start == set.start;
    if !report.findings.iter().any(named) {
        let place = |f: &Finding| format!("\n  {} at {} of {:?}: {}", f.code, f.start, f.file, f.message);
        let findings: String = report.findings.iter().map(place).collect();
        return Err(format!("{}: not at {} of {file:?}{findings}", what(), set.start));
    }
    let elsewhere = |f: &&Finding| f.severity == Severity::Error && f.file.is_some() && f.file != file;
    // One thing is wrong: no other file is blamed, but for the image that is named beside its file.
    if let Some(other) = report.findings.iter().find(elsewhere) {
        return Err(format!("{}: an error elsewhere: {other:?}", what()));
    }
    if took > LONGEST {
        return Err(format!("{}: took {took:?}", what()));
    }
    Ok(())
}

#[test]
fn faults_of_sets_are_named() -> io::Result<()> {
    let count: u64 = env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let plants = sets();
    let rounds = count.div_ceil(plants.len() as u64);
    let disk = tempfile::tempdir()?;
    let (mut wrong, mut files) = (Vec::new(), 0_u64);
    for (kind, plant) in (0_u64..).zip(&plants) {
        // Sixteen megabytes take their time.
        let rounds = if plant.large { rounds.min(2) } else { rounds };
        files += rounds;
        let disk = |round: u64| (round.is_multiple_of(10) && !plant.large).then_some(disk.path());
        wrong.extend((0..rounds).filter_map(|round| run(plant, round << 8 | kind, disk(round)).err()).take(2));
    }
    println!("{files} sets with a fault of {} kinds", plants.len());
    assert!(wrong.is_empty(), "{} cases, of which:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    Ok(())
}

#[test]
fn every_error_that_a_set_can_have_is_planted() {
    let planted: BTreeSet<&str> = sets().iter().map(|plant| plant.code).collect();
    let of_sets = |code: &&Code| code.as_str().starts_with("aof-") || code.as_str().starts_with("manifest-");
    let errors = Code::ALL.iter().filter(|code| code.severity() == Severity::Error).filter(of_sets);
    let wanted: BTreeSet<&str> = errors.map(|code| code.as_str()).collect();
    assert_eq!(planted, wanted);
}

#[test]
fn sound_sets_give_no_errors() -> io::Result<()> {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let report = verify_all(&sound(&mut rng), &mut rng, None)?;
        assert_eq!(report.verdict, verify::Verdict::Sound, "seed {seed}: {:#?}", report.findings);
    }
    Ok(())
}
