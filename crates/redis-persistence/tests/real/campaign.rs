//! Mutants aware of fields, their checksum true, on every installed server: each is loaded by a process of its own and then read
//! key by key, and what is said of it is held against that.
//!
//! A sample of fixed seeds runs by default; `TARGET_FILES=4000` makes so many mutants, and `TARGET_SEED` others. With
//! `TARGET_KEEP=FOLDER` the files of differences are left there.
//! `TARGET_ONLY=redis-5.0,redis-6.0` takes these servers alone, `TARGET_EVERY=3` each mutant on every third server in turn.
//! `TARGET_DID=FILE` keeps there what servers did, a line for each run, and takes it from there for files that they were given before:
//! a run that was cut short goes on, and one that was judged wrongly is judged anew.

use crate::did;
use crate::kept;
use crate::mutants;
use crate::servers;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use did::Did;
use kept::Kept;
use mutants::Mutant;
use redis_persistence::servers::{Loads, Outcome, Reason, Release, Settings, judge};
use redis_persistence::verify::{self, Code, Options, Report};
use servers::{end_of, number, release};
use testkit::server::{Installed, Product, require};

/// The opcode of the release candidates of 7.0.
const FUNCTION_PRE_GA: u8 = 246;

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Agree,
    /// Refused or crashed, and the other was said.
    AgreeNotHow,
    /// It was said that reading can end the server, and it did not.
    ReadingSurvived,
    /// Said loads: refused or crashed.
    SaidLoads,
    /// Said loads: fewer keys than were said.
    LostKeys,
    /// Said loads and nothing of reading: it ended the server.
    DiedReading,
    /// Said refused or crashes: it loads.
    SaidNo,
    /// Said that it cannot be told, with a reason.
    CannotTell,
    /// One of those that must not be, of a known class, below.
    Known(&'static str),
}

/// Classes of differences that are known, each with its reason.
const KNOWN: [(&str, &str); 2] = [
    ("function", "whether the code of a library compiles and registers decides: see the load step in Lua"),
    (
        "memory",
        "whether libc's allocator can reserve what a RESIZEDB promises depends on the machine and its overcommit",
    ),
];

fn known(report: &Report, answer: &Loads) -> Option<&'static str> {
    let facts = report.rdb.as_ref()?;
    let has = |code: Code| facts.classes.keys().any(|class| class.code == code);
    let functions = facts.opcodes.contains_key(&FUNCTION_PRE_GA) || has(Code::RdbFunctionInvalid);
    let memory = answer.because.iter().any(|why| why.message.contains("if the machine has not as much memory"));
    let found: [bool; KNOWN.len()] = [functions, memory];
    KNOWN.iter().zip(found).find(|(_, found)| *found).map(|((name, _), _)| *name)
}

fn sort(answer: &Loads, report: &Report, did: &Did) -> Sort {
    let loads = answer.by_default.comes_up();
    match did {
        _ if answer.by_default == Outcome::Unknown && !answer.because.is_empty() => Sort::CannotTell,
        Did::Refused | Did::Crashed | Did::Hung if loads => Sort::SaidLoads,
        Did::Refused | Did::Crashed | Did::Hung if answer.by_default.as_str() == did.as_str() => Sort::Agree,
        Did::Refused | Did::Crashed | Did::Hung => Sort::AgreeNotHow,
        _ if !loads => Sort::SaidNo,
        Did::DiedAt(_) if answer.reading.is_empty() => Sort::DiedReading,
        Did::DiedAt(_) => Sort::Agree,
        Did::Read(keys) => {
            let skipped: u64 = answer.skips.iter().map(|why| why.count).sum();
            let all = report.counts.keys;
            // A key that is left out can have more than one finding.
            if *keys < all.saturating_sub(skipped) || (skipped > 0 && *keys == all && !only_expired(answer)) {
                Sort::LostKeys
            } else if answer.reading.is_empty() {
                Sort::Agree
            } else {
                Sort::ReadingSurvived
            }
        }
    }
}

/// Whether the run is for that server: for all, or for those that `TARGET_ONLY` names with commas between them.
fn wanted(product: &&Product) -> bool {
    std::env::var("TARGET_ONLY").map_or(true, |only| only.split(',').any(|name| name == product.name()))
}

/// Whether the clock decides about what is left out.
fn only_expired(answer: &Loads) -> bool {
    answer.skips.iter().all(|why| why.reason == Reason::Expired)
}

#[test]
fn mutants_on_all_servers() -> Result<(), Box<dyn Error>> {
    let installed: Vec<(Installed, Release)> = Product::ALL
        .iter()
        .filter(wanted)
        .filter_map(|product| Some((require(*product)?, release(*product))))
        .collect();
    let (files, seed) = (number("TARGET_FILES", 60), number("TARGET_SEED", 17));
    let every = number("TARGET_EVERY", 1).max(1);
    let keep = std::env::var_os("TARGET_KEEP").map(PathBuf::from);
    let kept = Kept::open(std::env::var_os("TARGET_DID").map(PathBuf::from).as_deref())?;
    let mutants = mutants::mutants(files, seed);
    let table: Mutex<BTreeMap<(Sort, String), (u64, String)>> = Mutex::default();
    let counts: Mutex<BTreeMap<Sort, u64>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (next, mutants, installed, table, counts, keep, kept) =
                    (&next, &mutants, &installed, &table, &counts, &keep, &kept);
                scope.spawn(move || {
                    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                        .join(format!("campaign-{}-{worker}", std::process::id()));
                    while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let turn = |n: &usize| (*n as u64 + mutant.number).is_multiple_of(every);
                        let servers = installed.iter().enumerate().filter(|(n, _)| turn(n)).map(|(_, server)| server);
                        run(mutant, servers, &folder, (table, counts), keep.as_deref(), kept)
                            .map_err(|error| error.to_string())?;
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        Ok(())
    })?;
    let (table, counts) = (table.into_inner()?, counts.into_inner()?);
    let runs: u64 = counts.values().sum();
    println!("{} mutants, {runs} runs: {counts:?}", mutants.len());
    let mut wrong = String::new();
    for ((sort, class), (count, first)) in &table {
        wrong.push_str(&format!("{count} x {sort:?}: {class}\n    first: {first}\n"));
    }
    println!("{wrong}");
    let count = |sort| counts.get(&sort).copied().unwrap_or(0);
    for sort in [Sort::SaidLoads, Sort::LostKeys, Sort::DiedReading] {
        assert_eq!(count(sort), 0, "{sort:?}");
    }
    assert!(count(Sort::SaidNo) * 200 <= runs, "more than one half of a percent were said not to load, and do");
    Ok(())
}

type Table = Mutex<BTreeMap<(Sort, String), (u64, String)>>;

fn run<'a>(
    mutant: &Mutant,
    installed: impl Iterator<Item = &'a (Installed, Release)>,
    folder: &Path,
    (table, counts): (&Table, &Mutex<BTreeMap<Sort, u64>>),
    keep: Option<&Path>,
    kept: &Kept,
) -> Result<(), Box<dyn Error>> {
    // Servers drop what has expired by their clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let options = Options { now_ms: Some(i64::try_from(now)?), ..Options::default() };
    let report = verify::slice(&mutant.bytes, &options);
    let header = report.rdb.as_ref().and_then(|facts| facts.header);
    for (installed, release) in installed {
        let answer = judge(&report, *release, &Settings::default());
        // A version that the server does not take ends the load before anything that is of interest here.
        if answer.because.iter().any(|why| why.reason == Reason::Version)
            && header.is_some_and(|header| header.version >= 10)
        {
            continue;
        }
        let (did, log) = match kept.did(&mutant.bytes, *release) {
            Some(did) => (did, String::new()),
            None => {
                let (did, log) = did::did(installed, folder, &mutant.bytes, &[], did::PATIENCE)?;
                kept.keep(&mutant.bytes, *release, &did)?;
                (did, log)
            }
        };
        let sort = match sort(&answer, &report, &did) {
            sort @ (Sort::SaidLoads | Sort::LostKeys | Sort::DiedReading | Sort::SaidNo) => {
                known(&report, &answer).map_or(sort, Sort::Known)
            }
            sort => sort,
        };
        *counts.lock().map_err(|_| "poisoned")?.entry(sort).or_insert(0) += 1;
        if matches!(sort, Sort::Agree | Sort::ReadingSurvived) {
            continue;
        }
        let classes: Vec<_> = report.rdb.iter().flat_map(|facts| facts.classes.keys()).collect();
        let classes: Vec<_> = classes
            .iter()
            .map(|class| {
                let kind = class.value_type.map_or_else(String::new, |t| format!("/{}", t.byte()));
                format!("{}{kind}/{:?}", class.code, class.detail)
            })
            .collect();
        let because: Vec<_> = answer.because.iter().chain(&answer.skips).map(|why| why.reason.as_str()).collect();
        let class = format!("{release} {}: {did:?}, said {} {because:?}", classes.join(" "), answer.by_default);
        if let Some(keep) = keep {
            fs::create_dir_all(keep)?;
            fs::write(keep.join(format!("{sort:?}-{release}-{}.rdb", mutant.number)), &mutant.bytes)?;
        }
        let log = end_of(&log)
            .lines()
            .filter(|line| {
                line.contains(" # ")
                    && ![
                        "overcommit",
                        "just started",
                        "onfiguration loaded",
                        "Server initialized",
                        "THP",
                        "Warning:",
                        "TCP backlog",
                    ]
                    .iter()
                    .any(|noise| line.contains(noise))
            })
            .take(3)
            .collect::<Vec<_>>()
            .join("\n      ");
        let mut table = table.lock().map_err(|_| "poisoned")?;
        let entry = table
            .entry((sort, class))
            .or_insert_with(|| (0, format!("{} {}\n      {log}", mutant.number, mutant.name)));
        entry.0 += 1;
    }
    Ok(())
}
