//! Our verdict against that of the official `redis-check-rdb` 7.0, on thousands of damaged RDB files.
//!
//! The checksum is made to fit again, so that the structure decides. Where the two differ, the difference has to be of
//! a class that has a name and a reason here ([`Difference`]); anything else fails the test.
//!
//! `RDB_DIFFERENTIAL_CASES=20000` makes the run full, of so many files; `RDB_DIFFERENTIAL_FIRST=n` begins with that seed, and
//! with one case looks at it alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, thread};

use redis_persistence::verify::{self, Code, Finding, Options, Report, Severity, Verdict};
use testkit::damage::Damage;
use testkit::rdb::{Encoded, Family, File};
use testkit::rng::Rng;
use testkit::server::{CheckRun, CheckTool, Installed, Product, check_tool, require};

/// The newest version that the tool knows.
const NEWEST: u32 = 10;
/// The tool takes about 20 ms; a case that takes this long never ends.
const LIMIT: Duration = Duration::from_secs(3);

/// Why two verdicts differ though neither is a bug of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// The tool keeps no keys, so it cannot see one twice; servers abort.
    DuplicateKey,
    /// The tool does not compile functions, and takes those of release candidates; servers refuse the file.
    Function,
    /// The tool looks at single entries of a stream, not at their order, nor at the counters beside them.
    StreamSemantics,
    /// In a stream the tool does not hold the element count in a listpack's header against the elements.
    StreamListpackCount,
    /// The tool reads scores and the order of a sorted set without judging them.
    Scores,
    /// The tool takes an unknown opcode of a module's value for one without data.
    ModuleOpcode,
    /// The tool does not look at when a module's data was saved.
    ModuleAuxWhen,
    /// The tool does not use the sizes that RESIZEDB announces.
    Resizedb,
    /// Below version 5 the tool does not read a checksum, even if it is there.
    VersionDigit,
    /// The tool reads the version up to the first byte that is no digit, and knows the version that this gives; servers do
    /// that, or refuse the file.
    VersionBytes,
    /// Zeros are keys without name and value to the tool.
    ZeroHole,
    /// The tool reports an empty collection as "Unexpected EOF", though every server loads the file.
    EmptyCollection,
    /// The file says that it is of a later version, or holds a type or opcode of one: the tool is too old to know.
    Newer,
    /// What begins like no RDB, or like one of another product, is not damaged to us, but not judged.
    NotJudged,
    /// The tool never ends. It reads zeros, or the same error, for ever.
    ToolHangs,
    /// The tool is killed by a signal.
    ToolDies,
}

/// Whether the tool cannot see what this code says, and why.
fn unseen_by_tool(finding: &Finding, bytes: &[u8]) -> Option<Difference> {
    use Difference::*;
    Some(match finding.code {
        Code::RdbDuplicateKey => DuplicateKey,
        Code::RdbFunctionInvalid | Code::RdbFunctionDuplicate | Code::RdbFunctionPreGa => Function,
        Code::StreamNodeOrder
        | Code::StreamEntryOrder
        | Code::StreamNodeCount
        | Code::StreamLengthMismatch
        | Code::StreamEntriesAdded
        | Code::StreamEntriesReadRange
        | Code::StreamPendingShared => StreamSemantics,
        Code::ListpackBadCount if finding.value_type == Some("stream") => StreamListpackCount,
        Code::ZsetBadScore | Code::ZsetNanScore | Code::ZsetUnordered => Scores,
        Code::RdbModuleBadOpcode => ModuleOpcode,
        Code::RdbModuleAuxWhen => ModuleAuxWhen,
        Code::RdbResizedbImpossible => Resizedb,
        Code::RdbVersionDigitDamaged => VersionDigit,
        Code::RdbBadVersion if (1..=NEWEST).contains(&version_to_tool(bytes)) => VersionBytes,
        Code::RdbZeroHole => ZeroHole,
        _ => return None,
    })
}

/// The version as C's `atoi` reads it; 0 if it begins with no digit.
fn version_to_tool(bytes: &[u8]) -> u32 {
    let field = bytes.get(5..9).unwrap_or_default().trim_ascii_start();
    let field = field.strip_prefix(b"+").unwrap_or(field);
    field.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// What became of a case.
enum Outcome {
    BothSound,
    BothDamaged,
    Differs(Difference),
    Wrong(&'static str),
}

fn compare(bytes: &[u8], ours: &Report, theirs: &CheckRun) -> Outcome {
    let has = |code: Code| ours.findings_by_code.contains_key(&code);
    if theirs.timed_out || theirs.signal.is_some() {
        let difference = if theirs.timed_out { Difference::ToolHangs } else { Difference::ToolDies };
        return match ours.verdict {
            Verdict::Damaged => Outcome::Differs(difference),
            _ => Outcome::Wrong("the tool has no answer, and we see nothing wrong"),
        };
    }
    match (ours.verdict, theirs.exit == Some(0)) {
        (Verdict::Damaged, false) => Outcome::BothDamaged,
        (Verdict::Sound, true) => Outcome::BothSound,
        (Verdict::Damaged, true) => {
            let errors: Vec<_> = ours.findings.iter().filter(|f| f.severity == Severity::Error).collect();
            // One error that the tool ought to see is one too many, whatever stands beside it.
            match errors.iter().map(|f| unseen_by_tool(f, bytes)).collect::<Option<Vec<_>>>() {
                Some(reasons) => {
                    reasons.first().map_or(Outcome::Wrong("damaged without an error"), |d| Outcome::Differs(*d))
                }
                None => Outcome::Wrong("damaged to us, sound to the tool"),
            }
        }
        (Verdict::Unknown, false) => Outcome::Differs(Difference::NotJudged),
        (Verdict::Unknown, true) => Outcome::Wrong("not judged by us, sound to the tool"),
        (Verdict::Sound, false) => {
            let newer = ours.format.as_ref().is_some_and(|format| format.rdb_version > NEWEST);
            if newer || has(Code::RdbTypeNewerThanVersion) {
                Outcome::Differs(Difference::Newer)
            } else if has(Code::CollectionEmpty) && theirs.text().contains("Unexpected EOF") {
                Outcome::Differs(Difference::EmptyCollection)
            } else {
                Outcome::Wrong("sound to us, damaged to the tool")
            }
        }
    }
}

/// Real files of versions that the tool knows; where their records lie is not known.
fn real_files() -> Vec<Encoded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("testdata").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|text| text == "rdb")) {
        let bytes = fs::read(path).expect("it can be read");
        let version = bytes.get(..9).filter(|head| head.starts_with(b"REDIS"));
        let version: Option<u32> = version.and_then(|head| std::str::from_utf8(&head[5..]).ok()?.parse().ok());
        let sound = verify::slice(&bytes, &Options::default());
        if bytes.len() > 20_000
            || sound.verdict != Verdict::Sound
            || sound.findings_by_code.contains_key(&Code::RdbTrailingBytes)
        {
            continue;
        }
        let Some(5..=NEWEST) = version else { continue };
        let eof_at = bytes.len() - 9;
        files.push(Encoded { keys: Vec::new(), opcodes: Vec::new(), eof_at, checksum_at: Some(eof_at + 1), bytes });
    }
    assert!(files.len() >= 5, "{}", files.len());
    files
}

/// One case follows from its seed.
fn case(seed: u64, real: &[Encoded]) -> Option<(Damage, Vec<u8>)> {
    let mut rng = Rng::new(seed);
    let damage = Damage::ALL[usize::try_from(seed % Damage::ALL.len() as u64).expect("an index")];
    if damage == Damage::Checksum {
        return None;
    }
    let file = if rng.chance(15) {
        rng.pick(real).clone()
    } else {
        let version = u32::try_from(rng.range(1..=NEWEST.into())).expect("small");
        let budget = rng.size(10..=60);
        let file = File::arbitrary(&mut rng, Family::Redis, version, budget);
        let compression = file.compression && rng.chance(50);
        File { compression, ..file }.encode()
    };
    Some((damage, damage.apply(&file, &mut rng, true)?.bytes))
}

/// The last words of the tool.
fn words(theirs: &CheckRun) -> String {
    let text = theirs.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("AUX FIELD")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n    ")
}

#[derive(Default)]
struct Table {
    both_sound: u64,
    both_damaged: u64,
    differences: BTreeMap<Difference, u64>,
    wrong: Vec<String>,
}

/// Looks at so many files, from every other seed.
fn run(first: u64, count: usize, tool: &Installed, path: &Path, real: &[Encoded]) -> Table {
    let mut table = Table::default();
    let cases = (first..).step_by(2).filter_map(|seed| Some((seed, case(seed, real)?)));
    for (seed, (damage, bytes)) in cases.take(count) {
        let ours = verify::slice(&bytes, &Options::default());
        fs::write(path, &bytes).expect("write");
        let theirs = check_tool(tool, CheckTool::Rdb, &[path], LIMIT).expect("the tool starts");
        match compare(&bytes, &ours, &theirs) {
            Outcome::BothSound => table.both_sound += 1,
            Outcome::BothDamaged => table.both_damaged += 1,
            Outcome::Differs(difference) => *table.differences.entry(difference).or_default() += 1,
            Outcome::Wrong(what) => {
                let place = |f: &Finding| {
                    format!("\n  {} {} at {} to {}: {}", f.severity, f.code, f.start, f.failed_at, f.message)
                };
                let findings: String = ours.findings.iter().map(place).collect();
                table.wrong.push(format!("seed {seed}, {damage:?}: {what}{findings}\n    {}", words(&theirs)));
            }
        }
    }
    table
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn verdicts_differ_for_named_reasons_only() {
    let Some(tool) = require(Product::Redis70) else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rdb-differential-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let real = real_files();
    let count = number("RDB_DIFFERENTIAL_CASES").unwrap_or(300);
    let first = number("RDB_DIFFERENTIAL_FIRST").unwrap_or(0);
    let tables: Vec<Table> = thread::scope(|scope| {
        let start = |thread: u64| {
            let (tool, real, path) = (&tool, &real, folder.join(format!("{thread}.rdb")));
            let half = usize::try_from((count + 1 - thread) / 2).expect("small");
            scope.spawn(move || run(first + thread, half, tool, &path, real))
        };
        let threads: Vec<_> = [0, 1].map(start).into_iter().collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut sum = Table::default();
    for table in tables {
        sum.both_sound += table.both_sound;
        sum.both_damaged += table.both_damaged;
        for (difference, count) in table.differences {
            *sum.differences.entry(difference).or_default() += count;
        }
        sum.wrong.extend(table.wrong);
    }
    let different: u64 = sum.differences.values().sum();
    println!("{:>7} files", sum.both_sound + sum.both_damaged + different + sum.wrong.len() as u64);
    println!("{:>7} sound to both\n{:>7} damaged to both", sum.both_sound, sum.both_damaged);
    for (difference, count) in &sum.differences {
        println!("{count:>7} {difference:?}");
    }
    assert!(
        sum.wrong.is_empty(),
        "{} without a reason, of which:\n{}",
        sum.wrong.len(),
        sum.wrong[..sum.wrong.len().min(12)].join("\n")
    );
    fs::remove_dir_all(&folder).expect("clean up");
    if count >= 100 {
        assert!(sum.both_sound * 100 > count && sum.both_damaged * 4 > count, "too few of either verdict");
    }
}
