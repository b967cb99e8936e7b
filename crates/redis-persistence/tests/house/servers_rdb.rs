//! What servers did with files, held against what is said of them.
//!
//! The environment variable `CORPUS` names a folder with more files and their truth: `generated/index.json` and
//! `third-party/verdicts.tsv`.

use crate::trusting;

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use redis_persistence::servers::{Loads, Outcome, Settings, Target, judge};
use redis_persistence::verify::{self, Options, Report};
use trusting::trusting;

type TestResult = Result<(), Box<dyn Error>>;

/// The columns of the tables of truth.
const SERVERS: [(&str, &str, bool); 4] = [
    ("7.0.15", "redis-7.0", false),
    ("8.6.3", "redis-8.6", false),
    ("v9.1.2", "valkey-9.1", false),
    ("v9.1.2-relaxed", "valkey-9.1", true),
];

fn verify(path: &Path) -> Result<Report, Box<dyn Error>> {
    Ok(verify::file(File::open(path).map_err(|e| format!("{}: {e}", path.display()))?, &Options::default())?)
}

fn ask(report: &Report, (_, target, relaxed): (&str, &str, bool)) -> Result<Loads, Box<dyn Error>> {
    let mut settings = Settings::default();
    settings.functions = trusting();
    if relaxed {
        settings.set("rdb-version-check", "relaxed")?;
    }
    Ok(judge(report, target.parse::<Target>()?, &settings))
}

/// What is said differently from what a server did.
#[derive(Debug, Default)]
struct Differences {
    compared: usize,
    found: Vec<String>,
}

impl Differences {
    fn compare(&mut self, name: &str, server: &str, did: Outcome, answer: &Loads) {
        self.compared += 1;
        if answer.by_default.comes_up() != did.comes_up() || answer.loads != did.comes_up() {
            let because: Vec<_> = answer.because.iter().map(|why| &why.message).collect();
            self.found.push(format!("{name}: {server} {did}, said {} {because:?}", answer.by_default));
        }
    }
}

#[test]
fn files_of_servers_are_judged_as_servers_did() -> TestResult {
    let folder = PathBuf::from("../../testdata/rdb");
    let mut differences = Differences::default();
    for line in fs::read_to_string(folder.join("load.tsv"))?.lines().skip(1) {
        let mut columns = line.split('\t');
        let name = columns.next().ok_or("no name")?;
        let report = verify(&folder.join(name))?;
        for (server, did) in SERVERS.into_iter().zip(columns) {
            let did = if did == "yes" { Outcome::Loads } else { Outcome::Refuses };
            differences.compare(name, server.0, did, &ask(&report, server)?);
        }
    }
    assert_eq!(differences.found, [""; 0]);
    assert!(differences.compared >= 120, "{}", differences.compared);
    Ok(())
}

#[test]
fn all_files_of_the_corpus() -> TestResult {
    let Some(corpus) = std::env::var_os("CORPUS").map(PathBuf::from) else { return Ok(()) };
    let folder = corpus.join("generated");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let mut differences = Differences::default();
    for (name, truth) in index.as_object().ok_or("no object")? {
        if Path::new(name).extension().is_none_or(|e| e != "rdb") {
            continue;
        }
        let report = verify(&folder.join(name))?;
        for server in SERVERS {
            let Some(loaded) = truth["load"][server.0]["loaded"].as_bool() else { continue };
            let did = if loaded { Outcome::Loads } else { Outcome::Refuses };
            differences.compare(name, server.0, did, &ask(&report, server)?);
        }
    }
    assert_eq!(differences.found, [""; 0]);
    assert!(differences.compared > 400, "{}", differences.compared);
    Ok(())
}

/// Where another project's sample is judged otherwise than the server did, and why.
const EXPLAINED: &[(&str, &str, &str)] = &[];

#[test]
fn samples_of_other_projects() -> TestResult {
    let Some(corpus) = std::env::var_os("CORPUS").map(PathBuf::from) else { return Ok(()) };
    let folder = corpus.join("third-party");
    let table = fs::read_to_string(folder.join("verdicts.tsv"))?;
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().ok_or("no head")?;
    let mut differences = Differences::default();
    for line in lines {
        let report = verify(&folder.join(line[0]))?;
        for server in SERVERS {
            let column = format!("load_{}", server.0.replace('-', "_"));
            let at = head.iter().position(|name| *name == column).ok_or(column)?;
            let did = match line.get(at).copied().unwrap_or_default() {
                text if text.starts_with("LOADED") => Outcome::Loads,
                text if text.starts_with("CRASH") => Outcome::Crashes,
                "" => continue,
                _ => Outcome::Refuses,
            };
            if !EXPLAINED.iter().any(|(name, of, _)| *name == line[0] && *of == server.0) {
                differences.compare(line[0], server.0, did, &ask(&report, server)?);
            }
        }
    }
    assert_eq!(differences.found, [""; 0]);
    assert!(differences.compared > 200, "{}", differences.compared);
    Ok(())
}

/// Of two expiries of a key the last counts, and for Redis 8.6 the first.
#[test]
fn of_two_expiries_one_counts() {
    const NOW_MS: i64 = 1_767_225_600_000;
    let (past, future) = (NOW_MS - 1000, NOW_MS + 1000);
    for (first, last, by_first, by_last) in [(past, future, 1, 0), (past, past, 1, 1), (future, future, 0, 0)] {
        let mut w = testkit::rdb::RdbWriter::redis(10);
        w.select_db(0).expire_ms(first).expire_ms(last).string_key(b"k", b"v").string_key(b"other", b"v");
        let options = Options { now_ms: Some(NOW_MS), ..Options::default() };
        let report = verify::slice(&w.finish(), &options);
        let gone = |target| judge(&report, target, &Settings::default()).skips.iter().map(|why| why.count).sum::<u64>();
        let said = (gone(Target::Redis86), gone(Target::Redis70));
        assert_eq!(said, (by_first, by_last), "{} {}", first - NOW_MS, last - NOW_MS);
    }
}
