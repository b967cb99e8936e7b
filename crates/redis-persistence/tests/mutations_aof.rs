//! Append-only files with one fault behind sound records, and with changed bytes: the fault is named at its place, and a
//! slice, a tree of files and one that gives out few bytes at a time give the same report.
//!
//! `MUTATIONS=100000` makes the run full.

use std::env;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use redis_persistence::aof::dir::{Node, Tree};
use redis_persistence::aof::official::{Files, Opened};
use redis_persistence::verify::{self, Code, Options, Report};
use testkit::planted::aof::{AofPlant, records, sound_records};
use testkit::rng::Rng;

/// A case that takes longer hangs, as far as its user can tell.
const LONGEST: Duration = Duration::from_secs(1);

/// A folder with one file, which is read a few bytes at a time, with interruptions.
struct Dribbling<'a> {
    data: &'a [u8],
    rng: Rng,
}

struct Dribble<'a> {
    data: Cursor<&'a [u8]>,
    rng: Rng,
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.chance(10) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = self.rng.size(1..=40).min(buffer.len());
        self.data.read(&mut buffer[..most])
    }
}

impl Seek for Dribble<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.data.seek(to)
    }
}

impl<'a> Files for Dribbling<'a> {
    type File = Dribble<'a>;

    fn open(&mut self, _: &Path) -> io::Result<Opened<Self::File>> {
        let file = Dribble { data: Cursor::new(self.data), rng: self.rng.clone() };
        Ok(Opened::File { file, size: self.data.len() as u64 })
    }
}

impl Tree for Dribbling<'_> {
    fn stat(&mut self, _: &Path) -> io::Result<Option<Node>> {
        Ok(Some(Node::File(self.data.len() as u64)))
    }

    fn list(&mut self, _: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(Vec::new())
    }
}

/// What must agree between reports.
fn essence(report: &Report) -> impl PartialEq + std::fmt::Debug + '_ {
    let findings: Vec<(Code, u64, u64)> = report.findings.iter().map(|f| (f.code, f.start, f.failed_at)).collect();
    (report.verdict, report.size, report.aof.as_ref().map(|facts| facts.commands), findings)
}

fn verify_all(data: &[u8], seed: u64) -> Report {
    let options = Options::default();
    let by_slice = verify::aof_slice(data, &options).expect("memory can be read");
    let mut tree = Dribbling { data, rng: Rng::new(seed) };
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
    let begun = Instant::now();
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
    if begun.elapsed() > LONGEST {
        return Err(format!("{}, seed {seed}: took {:?}", plant.code, begun.elapsed()));
    }
    Ok(())
}

#[test]
fn faults_behind_sound_records_are_named() {
    let count: u64 = env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    let plants = records();
    let rounds = count.div_ceil(4 * plants.len() as u64);
    let cases =
        (0..rounds).flat_map(|round| (0_u64..).zip(&plants).map(move |(kind, plant)| (round << 8 | kind, plant)));
    let wrong: Vec<String> = cases.filter_map(|(seed, plant)| run(plant, seed).err()).take(10).collect();
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
