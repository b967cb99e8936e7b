//! The net: digests of whole reports, predictions and repair plans, so that no change of the code changes one unseen.
//!
//! `testdata/net.txt` has a line for each file and set of `testdata`, for each thousand of damaged RDB files that testkit makes, and for
//! each twenty of damaged append-only files and sets, with other settings and plans too.
//! `BLESS=1` writes it anew; a commit that changes a line says why. `NET=full` runs all 50,000 seeds instead of the first 2,000
//! (`BLESS=1` does so too), and `NET_SHOW=name` prints the text behind a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use redis_persistence::aof::dir;
use redis_persistence::crc64::Crc64;
use redis_persistence::rdb::Family;
use redis_persistence::repair::aof::{self as fix, FixOptions};
use redis_persistence::repair::rdb::salvage;
use redis_persistence::servers::{Settings, Target, judge};
use redis_persistence::verify::{self, Options, Report, Verdict};
use testkit::damage::Damage;
use testkit::rdb::File;
use testkit::rng::Rng;
use testkit::sets::{AofFiles, NAME, SetFile, Shape};

use crate::{damage, stream};

/// 2026-01-01, so that what has expired does not depend on the day of the run.
const NOW_MS: i64 = 1_767_225_600_000;
const CHUNK: u64 = 1000;
const SEEDS: u64 = 50_000;
const SETS: u64 = 400;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

fn options(threads: usize) -> Options {
    Options { hash_key: Some(7), now_ms: Some(NOW_MS), threads: NonZero::new(threads), ..Options::default() }
}

fn digest(text: &str) -> u64 {
    let mut crc = Crc64::new();
    crc.update(text.as_bytes());
    crc.value()
}

/// Writes what a report says of the file, and what each server would do with it. The facts behind the answers of servers are
/// left out: a new one is no change of an answer.
fn tell(text: &mut String, report: &Report, settings: &[Settings]) {
    let Report { kind, verdict, size, format, counts, checksum, duplicates, findings, findings_by_code, .. } = report;
    writeln!(text, "{kind:?} {verdict:?} {size:?} {checksum:?} {duplicates:?}\n{format:#?}\n{counts:#?}")
        .expect("a text");
    writeln!(text, "{findings:#?}\n{findings_by_code:#?}").expect("a text");
    for settings in settings {
        for &target in Target::ALL {
            writeln!(text, "{target}: {:#?}", judge(report, target, settings)).expect("a text");
        }
    }
}

fn rdb(bytes: &[u8]) -> String {
    let report = verify::slice(bytes, &options(1));
    let two = verify::file_at(&bytes, &options(2)).expect("memory");
    assert_eq!(report, two, "one thread and two do not give the same report");
    let mut text = String::new();
    tell(&mut text, &report, &[Settings::default()]);
    if report.verdict != Verdict::Sound {
        for partial in [false, true] {
            let asked = salvage::Options { partial, now_ms: Some(NOW_MS), hash_key: Some(7), ..Default::default() };
            let plan = salvage::plan(&mut Cursor::new(bytes), &asked).expect("memory");
            let mut out = Vec::new();
            let written = plan.write(&mut Cursor::new(bytes), &mut out).map_err(|error| error.to_string());
            writeln!(text, "{:#?}\n{written:?} {:x}", plan.loss, digest(&out.escape_ascii().to_string()))
                .expect("a text");
        }
    }
    text
}

/// Copies what lies in a folder, as if all of it had been written at one moment: reports tell when a file that is not read was.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
            let written = UNIX_EPOCH + Duration::from_millis(NOW_MS.unsigned_abs());
            fs::File::options().append(true).open(&to)?.set_modified(written)?;
        }
    }
    Ok(())
}

/// `below` is the folder of the path that is copied: all that a server would see.
fn set(path: &Path, below: &Path, settings: &[Settings], plans: &[FixOptions]) -> String {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    // Its own name is another one each time, and stands in reports.
    let place = temporary.path().join("set");
    copy(below, &place).expect("a folder of testdata");
    let path = &place.join(path.strip_prefix(below).expect("below it"));
    let mut text = String::new();
    tell(&mut text, &verify::aof_path(path, &options(1)).expect("a file of testdata"), settings);
    let found = dir::find_on_disk(path).expect("a file of testdata");
    for plan in plans {
        writeln!(text, "{:#?}", fix::plan(&found, plan).expect("a file of testdata").describe()).expect("a text");
    }
    let salvaged = fix::salvage::salvage(&found, fix::salvage::SalvageOptions::default()).expect("a file of testdata");
    writeln!(text, "{:#?}", salvaged.describe()).expect("a text");
    text.replace(place.to_str().expect("a plain path"), "")
}

/// Settings that change what becomes of append-only files.
fn settings() -> Vec<Settings> {
    let with = |all: &[(&str, &str)]| {
        let mut settings = Settings::default();
        all.iter().for_each(|(name, value)| settings.set(name, value).expect("a setting"));
        settings
    };
    vec![
        Settings::default(),
        with(&[("aof-load-truncated", "no"), ("databases", "1"), ("appendfilename", "other.aof")]),
        with(&[("aof-load-corrupt-tail-max-size", "200"), ("appenddirname", "elsewhere"), ("cluster-enabled", "yes")]),
    ]
}

/// One sound or damaged append-only file or set: small ones of every shape, and larger ones with several databases.
fn made_set(seed: u64) -> String {
    let mut rng = Rng::new(seed ^ 0x6166_0000);
    let mut files = if rng.chance(35) {
        let profile = stream::Profile::of(&mut rng);
        let size = rng.size(8_000..=60_000);
        let bytes = stream::file(&mut rng, &profile, size);
        let regions = rng.size(0..=3);
        let bytes = damage::damage(&bytes, &mut rng, regions).bytes;
        AofFiles { manifest: None, files: vec![SetFile { name: NAME.to_owned(), image: None, bytes }] }
    } else {
        let shape = Shape { set: rng.chance(70), stamps: rng.chance(60), records: rng.size(4..=30) };
        let mut files = AofFiles::sound(&mut rng, shape);
        for _ in 0..rng.below(4) {
            files.damage(&mut rng);
        }
        files
    };
    // Servers keep those of a rewrite for a while.
    if let Some(manifest) = files.manifest.as_mut().filter(|_| rng.chance(20)) {
        manifest.extend_from_slice(b"file appendonly.aof.0.base.rdb seq 0 type h\n");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = files.lay(folder.path()).expect("a folder that can be written");
    if path.is_dir() && rng.chance(20) {
        fs::write(path.join("appendonly.aof.0.base.rdb"), b"REDIS0009").expect("a folder that can be written");
    }
    let plans = [
        FixOptions::default(),
        FixOptions { only_interrupted: true, ..FixOptions::default() },
        FixOptions { timestamp: Some(1_700_000_010), ..FixOptions::default() },
        FixOptions { before: Some(rng.below(400)), ..FixOptions::default() },
    ];
    set(&path, folder.path(), &settings(), &plans)
}

/// One sound or damaged file, made from its seed.
fn made(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0x6e65_7400);
    let family = if rng.chance(20) { Family::Valkey } else { Family::Redis };
    let (family, version) = match family {
        Family::Valkey => (testkit::rdb::Family::Valkey, 80),
        _ => (testkit::rdb::Family::Redis, u32::try_from(rng.range(1..=15)).expect("small")),
    };
    let budget = rng.size(10..=60);
    let file = File::arbitrary(&mut rng, family, version, budget).encode();
    if seed.is_multiple_of(8) {
        return file.bytes;
    }
    let damage = Damage::ALL[usize::try_from(seed % Damage::ALL.len() as u64).expect("an index")];
    damage.apply(&file, &mut rng, !seed.is_multiple_of(3)).map_or(file.bytes, |damaged| damaged.bytes)
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}

/// The name of a line, and the text that its digest is of.
type Line = (String, Box<dyn Fn() -> String + Send + Sync>);

fn lines(seeds: u64) -> Vec<Line> {
    let below = testdata().canonicalize().expect("testdata");
    let mut found = Vec::new();
    files(&below, &mut found);
    found.sort();
    let mut lines: Vec<Line> = Vec::new();
    let name =
        |path: &Path| path.strip_prefix(&below).expect("below testdata").to_str().expect("a plain name").to_owned();
    for path in found {
        let text_of_tests = ["md", "json", "txt", "conf"].iter().any(|end| path.extension().is_some_and(|e| e == *end));
        let folder = path.parent().expect("a folder").to_owned();
        let (usual, unasked) = ([Settings::default()], [FixOptions::default()]);
        if text_of_tests {
        } else if path.extension().is_some_and(|end| end == "manifest") {
            let below = folder.parent().expect("a folder").to_owned();
            lines.push((format!("set {}", name(&path)), Box::new(move || set(&folder, &below, &usual, &unasked))));
        } else if path.extension().is_some_and(|end| end == "aof") {
            lines.push((format!("aof {}", name(&path)), Box::new(move || set(&path, &folder, &usual, &unasked))));
        } else {
            lines.push((format!("rdb {}", name(&path)), Box::new(move || rdb(&fs::read(&path).expect("a file")))));
        }
    }
    for from in (0..seeds).step_by(usize::try_from(CHUNK).expect("small")) {
        let text = move || {
            (from..from + CHUNK).fold(String::new(), |mut text, seed| {
                writeln!(text, "{seed} {:x}", digest(&rdb(&made(seed)))).expect("a text");
                text
            })
        };
        lines.push((format!("seeds {from} to {}", from + CHUNK - 1), Box::new(text)));
    }
    for from in (0..SETS).step_by(20) {
        let text = move || {
            (from..from + 20).fold(String::new(), |mut text, seed| {
                writeln!(text, "{seed} {:x}", digest(&made_set(seed))).expect("a text");
                text
            })
        };
        lines.push((format!("sets {from} to {}", from + 19), Box::new(text)));
    }
    lines
}

fn digests(lines: &[Line]) -> BTreeMap<String, u64> {
    let work = |first: usize| {
        let own = lines.iter().skip(first).step_by(2);
        own.map(|(name, text)| (name.clone(), digest(&text()))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..2).map(|first| scope.spawn(move || work(first))).collect();
        all.into_iter().flat_map(|handle| handle.join().expect("no panic")).collect()
    })
}

#[test]
fn reports_are_as_they_were() {
    let bless = std::env::var_os("BLESS").is_some();
    let full = bless || std::env::var("NET").is_ok_and(|value| value == "full");
    let lines = lines(if full { SEEDS } else { 2000 });
    if let Ok(wanted) = std::env::var("NET_SHOW") {
        let (_, text) = lines.iter().find(|(name, _)| *name == wanted).expect("a line of this name");
        println!("{}", text());
        return;
    }
    let now = digests(&lines);
    assert_eq!(now.len(), lines.len(), "two lines have one name");
    let path = testdata().join("net.txt");
    if bless {
        let text = now.iter().fold(String::new(), |mut text, (name, digest)| {
            writeln!(text, "{digest:016x} {name}").expect("a text");
            text
        });
        fs::write(path, text).expect("testdata can be written");
        return;
    }
    let before = fs::read_to_string(path).expect("testdata/net.txt");
    let before: BTreeMap<&str, &str> =
        before.lines().filter_map(|line| line.split_once(' ')).map(|(d, n)| (n, d)).collect();
    let changed: Vec<&str> = now
        .iter()
        .filter(|(name, digest)| before.get(name.as_str()) != Some(&format!("{digest:016x}").as_str()))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(
        changed.is_empty(),
        "{} reports changed or are new (BLESS=1 writes testdata/net.txt anew):\n{}",
        changed.len(),
        changed.join("\n")
    );
    let gone: Vec<_> = before.keys().filter(|name| !name.starts_with("seeds") && !now.contains_key(**name)).collect();
    assert!(gone.is_empty(), "lines of files that are not there: {gone:?}");
}
