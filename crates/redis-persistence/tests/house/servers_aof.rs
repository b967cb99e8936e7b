//! What is said of the 223 crafted append-only files, held against what three servers did with them (`cases.tsv`): by
//! default, with `aof-load-truncated no`, and Redis 8.6 with `aof-load-corrupt-tail-max-size 1000000`.

use crate::cases;

use std::error::Error;
use std::path::Path;

use cases::{Case, cases};
use redis_persistence::servers::{Loads, Outcome, Reason, Settings, Target, judge};
use redis_persistence::verify::{self, Options};

type TestResult = Result<(), Box<dyn Error>>;

const SERVERS: [(&str, Target); 3] =
    [("7.0.15", Target::Redis70), ("8.6.3", Target::Redis86), ("vk9.1.2", Target::Valkey91)];

/// What a server did, by a column of the table: the outcome, and the sizes before and after a cut.
fn did(column: &str) -> (Outcome, Option<(u64, u64)>) {
    let (outcome, cut) = column.split_once(';').unwrap_or((column, ""));
    let cut = cut.split_once("->").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let outcome = match outcome {
        "crash" => Outcome::Crashes,
        // No set of files that is read whole comes up without a key and with a new base.
        "load:0" if matches!(cut, Some((from, to)) if from > to && to > 80) => Outcome::StartsEmpty,
        loaded if loaded.starts_with("load:") && cut.is_some() => Outcome::LoadsAfterCut,
        loaded if loaded.starts_with("load:") => Outcome::Loads,
        _ => Outcome::Refuses,
    };
    (outcome, cut)
}

/// Case, column, and why the answer is not what the server did.
const EXPLAINED: [(&str, &[&str], &str); 2] = [
    (
        "s077-arity-select",
        &["load_8.6.3", "load_strict_8.6.3", "load_tailmax_8.6.3"],
        "SELECT without its argument: the server takes what lies in memory behind the arguments. It came up in this run, \
         and crashes in others",
    ),
    (
        "s132-first-line-file",
        &["load_tailmax_8.6.3"],
        "the text of a manifest in a file that is named as an append-only file is judged as a manifest; with that setting \
         the server empties it",
    ),
];

struct Compared {
    count: usize,
    different: Vec<String>,
}

fn compare(
    columns: &str,
    settings: &Settings,
    same: impl Fn(&str, &Loads) -> bool,
) -> Result<Compared, Box<dyn Error>> {
    let mut compared = Compared { count: 0, different: Vec::new() };
    for case in cases() {
        let report = verify::aof_path(&case.path, &Options::default()).map_err(|e| format!("{}: {e}", case.id))?;
        for (server, target) in SERVERS {
            let name = format!("{columns}_{server}");
            let Some(did) = column(&case, &name) else { continue };
            compared.count += 1;
            let answer = judge(&report, target, settings);
            let explained = EXPLAINED.iter().any(|(id, of, _)| *id == case.id && of.contains(&&name[..]));
            if same(&did, &answer) == explained {
                let because: Vec<_> = answer.because.iter().map(|why| (why.reason.as_str(), &why.message)).collect();
                compared.different.push(format!(
                    "{} {server}: {did}, said {} {} {:?} {because:?}",
                    case.id, answer.loads, answer.by_default, answer.cuts
                ));
            }
        }
    }
    Ok(compared)
}

fn column(case: &Case, name: &str) -> Option<String> {
    (name != "load_tailmax_7.0.15" && name != "load_tailmax_vk9.1.2").then(|| case.column(name).to_owned())
}

/// The cut of the answer, to the size that the server left. A base that is written over has a size of its own then.
fn same_cut(answer: &Loads, cut: Option<(u64, u64)>) -> bool {
    match (&answer.cuts[..], cut) {
        ([], None) => true,
        ([ours], Some((from, to))) => ours.from == from && (ours.to == to || ours.to == 0 && to > 80),
        _ => false,
    }
}

/// What was recorded is that servers came up, not what they passed over.
fn seen(answer: &Loads) -> Outcome {
    if answer.by_default == Outcome::LoadsButDrops { Outcome::Loads } else { answer.by_default }
}

#[test]
fn by_default_as_the_servers_did() -> TestResult {
    let compared = compare("load", &Settings::default(), |column, answer| {
        let (outcome, cut) = did(column);
        seen(answer) == outcome && same_cut(answer, cut)
    })?;
    assert_eq!(compared.different, [""; 0]);
    assert_eq!(compared.count, 3 * 223);
    Ok(())
}

#[test]
fn as_they_are_as_servers_that_cut_nothing_did() -> TestResult {
    let compared = compare("load_strict", &Settings::default(), |column, answer| {
        (answer.loads || answer.by_default == Outcome::LoadsButDrops) == (did(column).0 == Outcome::Loads)
    })?;
    assert_eq!(compared.different, [""; 0]);
    assert_eq!(compared.count, 3 * 223);
    Ok(())
}

#[test]
fn a_damaged_end_is_cut_where_that_is_allowed() -> TestResult {
    let mut settings = Settings::default();
    settings.set("aof-load-corrupt-tail-max-size", "1000000")?;
    let compared = compare("load_tailmax", &settings, |column, answer| {
        let (outcome, cut) = did(column);
        seen(answer) == outcome && same_cut(answer, cut)
    })?;
    assert_eq!(compared.different, [""; 0]);
    assert_eq!(compared.count, 223);
    Ok(())
}

/// What a server that reads a set passes over, deletes or moves, of sets of real servers.
#[test]
fn what_is_not_loaded_is_named() -> TestResult {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/aof/sets");
    let skips = |path: &Path, target: Target| -> Result<Vec<(Reason, u64)>, Box<dyn Error>> {
        let answer = judge(&verify::aof_path(path, &Options::default())?, target, &Settings::default());
        Ok(answer.skips.iter().map(|why| (why.reason, why.count)).collect())
    };
    let kept = sets.join("redis-7.0-history-kept/appendonlydir");
    assert_eq!(skips(&kept, Target::Redis70)?, [(Reason::Deleted, 4)]);
    let old = sets.join("redis-6.2-rewrite-twice/appendonly.aof");
    assert_eq!(skips(&old, Target::Redis62)?, []);
    assert_eq!(skips(&old, Target::Redis70)?, [(Reason::Moved, 1)]);
    Ok(())
}
