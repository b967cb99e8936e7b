//! Salvage of append-only files that were damaged with a seed: what is lost, and whether a real server loads the rest.
//!
//! `SALVAGE_CASES=500` makes the full run, `SALVAGE_LARGE=1` takes 100 MB for the file with one bad byte; `SALVAGE_SEED` is the
//! seed of the first case, `SALVAGE_VERBOSE` shows those with losses, and `SALVAGE_UNCERTAIN=keep` keeps what is set aside.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::salvage::{Salvage, SalvageOptions, Uncertain, salvage, write};
use redis_persistence::verify::{Options, Verdict, aof_path};
use tempfile::TempDir;
use testkit::folder;
use testkit::rng::Rng;
use testkit::server::{Installed, LoadVerdict, Product, Server, load_verdict, require};

use crate::cases;
use crate::damage;
use crate::judge;
use crate::stream;

use damage::Damaged;
use judge::{Tally, judge};

/// Does something so many times, on threads: servers take most of their time to start and to end.
fn in_parallel(times: usize, one: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS.min(times) {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < times => one(number),
                        _ => break,
                    }
                }
            });
        }
    });
}

const THREADS: usize = 4;

/// Salvages a damaged file, and holds the result against the original and a server.
fn run(original: &[u8], damaged: &Damaged, uncertain: Uncertain, load: bool) -> (Salvage, Tally) {
    let root = TempDir::new().unwrap();
    let path = root.path().join("appendonly.aof");
    fs::write(&path, &damaged.bytes).unwrap();
    let plan = salvage(&find_on_disk(&path).unwrap(), SalvageOptions { uncertain }).unwrap();
    assert!(plan.reasons.is_empty(), "{:#?}", plan.describe());
    let out = root.path().join("out");
    let done = write(&plan, &out, false, &mut |_| {}).unwrap();
    assert_eq!(done.report.verdict, Verdict::Sound, "{:#?}\n{:#?}", done.report.findings.first(), plan.describe());
    assert_eq!(fs::read(&path).unwrap(), damaged.bytes, "the input was changed");
    let written = fs::read(out.join("appendonly.aof")).unwrap();
    let tally = judge(original, damaged, &plan.files[0].account, &written);
    assert_eq!(quarantined(&out), plan.files[0].account.skipped_bytes());
    if load && let Some(installed) = require(Product::Redis70) {
        let settings = ["--appendonly", "yes", "--aof-load-truncated", "no"];
        let verdict = load_verdict(&installed, &out, &settings).unwrap();
        assert!(matches!(verdict, LoadVerdict::Loaded { .. }), "{verdict:?}");
    }
    (plan, tally)
}

/// How many bytes the quarantine holds, by its own lines.
fn quarantined(out: &Path) -> u64 {
    let bytes = fs::read(out.join("salvage.quarantine")).unwrap();
    let (mut at, mut held) = (0, 0);
    while at < bytes.len() {
        let line = bytes[at..].iter().position(|byte| *byte == b'\n').unwrap();
        let words: Vec<_> = std::str::from_utf8(&bytes[at..at + line]).unwrap().split(' ').collect();
        let length: usize = words[3].parse().unwrap();
        at += line + 1 + length;
        assert_eq!((words[0], bytes[at]), ("skipped", b'\n'));
        at += 1;
        held += length as u64;
    }
    held
}

/// Damages files, and salvages them.
fn salvage_all(files: impl Fn(&mut Rng) -> (String, Vec<u8>) + Sync, cases: usize) {
    let verbose = env::var_os("SALVAGE_VERBOSE").is_some();
    let first: u64 = env::var("SALVAGE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let keep = env::var("SALVAGE_UNCERTAIN").is_ok_and(|what| what == "keep");
    let uncertain = if keep { Uncertain::Keep } else { Uncertain::SetAside };
    let done = Mutex::new((Tally::default(), Vec::new()));
    in_parallel(cases, |number| {
        let seed = first + number as u64;
        let mut rng = Rng::new(seed);
        let (what, original) = files(&mut rng);
        let regions = damage::regions(&mut rng);
        let damaged = damage::damage(&original, &mut rng, regions);
        let (plan, tally) = run(&original, &damaged, uncertain, true);
        let marked = if keep { 0 } else { tally.moved_and_marked };
        let wrong = tally.moved + marked + tally.apart + tally.out_of_order > 0;
        let notable = tally.share() < 0.998 || tally.twice + tally.hidden > 0;
        if wrong || verbose && notable {
            println!("seed {seed}: {what} {:?}\n{tally:?} {:#?}", damaged.regions, plan.describe());
        }
        let mut done = done.lock().unwrap();
        done.0.add(&tally);
        done.1.extend(wrong.then_some(seed));
    });
    let (all, wrong) = done.into_inner().unwrap();
    println!("{cases} files from seed {first}: {all:?}");
    println!("  {:.4} % kept, {:.4} % kept or set aside with a mark", 100.0 * all.share(), 100.0 * all.share_told());
    assert_eq!(wrong, [], "seeds with commands that were moved");
    assert!(all.share() >= 0.995, "{all:?}");
    assert!(all.hidden * 10_000 <= all.untouched, "{all:?}");
}

fn wanted(sample: usize) -> usize {
    env::var("SALVAGE_CASES").map_or(sample, |cases| cases.parse().unwrap())
}

#[test]
fn what_was_not_touched_is_kept() {
    let made = |rng: &mut Rng| {
        let profile = stream::Profile::of(rng);
        let bytes = rng.size(400_000..=3_000_000);
        (format!("{profile:?}"), stream::file(rng, &profile, bytes))
    };
    salvage_all(made, wanted(12));
}

/// Values that look like records are no damage.
#[test]
fn a_sound_file_is_kept_whole() {
    in_parallel(12, |seed| {
        let mut rng = Rng::new(seed as u64);
        let profile = stream::Profile::of(&mut rng);
        let bytes = stream::file(&mut rng, &profile, 300_000);
        let (plan, tally) = run(&bytes, &Damaged::none(&bytes), Uncertain::SetAside, false);
        assert!(plan.is_whole() && plan.files[0].account.stretches.is_empty(), "{profile:?} {:#?}", plan.describe());
        assert_eq!(tally.kept, tally.untouched, "{profile:?}");
    });
}

/// What real servers made of the same kind of commands.
#[test]
fn files_of_real_servers_are_salvaged() {
    let mut files = Vec::new();
    for product in [Product::Redis70, Product::Redis86, Product::Valkey91] {
        files.extend(require(product).map(|installed| (product, written_by(&installed))));
    }
    if !files.is_empty() {
        let one = |rng: &mut Rng| {
            let (product, file) = stream::pick(rng, &files);
            (product.name().to_owned(), file.clone())
        };
        salvage_all(one, wanted(40) / 10);
    }
}

/// The incremental file of a server that ran generated commands.
fn written_by(installed: &Installed) -> Vec<u8> {
    let root = TempDir::new().unwrap();
    let settings = ["--appendonly", "yes", "--aof-timestamp-enabled", "yes", "--appendfsync", "no"];
    let mut server = Server::start(installed, root.path(), &settings).unwrap();
    let mut rng = Rng::new(7);
    let profile =
        stream::Profile { databases: 3, switch: 100, same_keys: false, transaction: 10, stamps: false, big: false };
    let commands = stream::file(&mut rng, &profile, 600_000);
    for command in judge::commands(&commands) {
        server.command(&command).unwrap();
    }
    server.shutdown().unwrap();
    fs::read(root.path().join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap()
}

/// One byte is another one: that command is lost, and no other.
#[test]
fn one_bad_byte_costs_one_command() {
    let large = env::var_os("SALVAGE_LARGE").is_some();
    let profile =
        stream::Profile { databases: 1, switch: 1, same_keys: false, transaction: 0, stamps: false, big: false };
    let original = stream::file(&mut Rng::new(1), &profile, if large { 100_000_000 } else { 500_000 });
    let (start, end) = judge::command_at(&original, original.len() / 10);
    // The bytes of a value are all alike; those of the frame are not.
    let line_end = |before: usize| original[start..before].windows(2).rposition(|two| two == b"\r\n").unwrap() + start;
    let value = line_end(end - 2) + 2;
    let places = (start..value).chain((value..end - 2).step_by(9)).chain(end - 2..end);
    let (step, most) = if large { (7, 10) } else { (1, usize::MAX) };
    let places: Vec<usize> = places.step_by(step).take(most).collect();
    let bytes = if large { &b"\xfe"[..] } else { &b"\xfe1*$\r\n"[..] };
    let damages: Vec<_> = places.iter().flat_map(|at| bytes.iter().map(|byte| (*at, *byte))).collect();
    in_parallel(damages.len(), |number| {
        let (at, byte) = damages[number];
        if original[at] == byte {
            return;
        }
        let damaged = damage::one_byte(&original, at, byte);
        let (plan, tally) = run(&original, &damaged, Uncertain::SetAside, at == start + 1);
        let lost = tally.untouched - tally.kept;
        let wrong = tally.moved + tally.moved_and_marked + tally.apart + tally.out_of_order + tally.twice;
        assert_eq!((lost, wrong), (0, 0), "byte {at} is {byte:#x}: {tally:?} {:#?}", plan.describe());
    });
    if large {
        println!("{} bytes: each of {} damages costs its command, and no other", original.len(), damages.len());
    }
}

/// The inputs that nothing can be salvaged of, by the reason.
fn is_hopeless(reason: &str) -> bool {
    [
        "it cannot be judged",
        "the manifest",
        "more than one base",
        "the numbers of",
        "is listed, and no file",
        "a key of an image before it",
        "nothing of it can be kept",
        "not there",
    ]
    .iter()
    .any(|known| reason.contains(known))
}

/// The crafted inputs: what is written is sound and loads, whatever was wrong.
#[test]
fn what_is_written_of_the_crafted_inputs_loads() {
    let cases = cases::cases();
    let (written, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    in_parallel(cases.len(), |number| {
        let case = &cases[number];
        let failed = |what: String| failures.lock().unwrap().push(format!("{}: {what}", case.id));
        let root = TempDir::new().unwrap();
        let Ok(set) = find_on_disk(&cases::folder().join(&case.id)) else { return };
        let plan = salvage(&set, SalvageOptions::default()).unwrap();
        if let Some(reason) = plan.reasons.first() {
            if !is_hopeless(reason) {
                failed(reason.clone());
            }
            return;
        }
        let out = root.path().join("appendonlydir");
        let done = write(&plan, &out, false, &mut |_| {}).unwrap();
        if done.report.verdict != Verdict::Sound {
            let codes: Vec<_> = done.report.findings.iter().map(|finding| finding.code.as_str()).collect();
            failed(format!("{codes:?} {:#?}", plan.describe()));
            return;
        }
        written.fetch_add(1, Ordering::Relaxed);
        let folder = if plan.manifest.is_some() { root.path() } else { &out };
        if let Some(installed) = require(case.judge()) {
            let verdict = load_verdict(&installed, folder, &["--appendonly", "yes"]).unwrap();
            if !matches!(verdict, LoadVerdict::Loaded { .. }) {
                failed(format!("{verdict:?}"));
            }
        }
    });
    let (written, failures) = (written.into_inner(), failures.into_inner().unwrap());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(written > 180, "{written}");
}

#[test]
fn a_kill_leaves_nothing_half_written() {
    const TEST: &str = "salvage_aof::a_kill_leaves_nothing_half_written";
    if let Some(root) = env::var_os("SALVAGE_CHILD") {
        let root = Path::new(&root);
        let kill_at: usize = env::var("SALVAGE_KILL_AT").unwrap().parse().unwrap();
        let mut step = 0;
        let plan = salvage(&find_on_disk(&root.join("in")).unwrap(), SalvageOptions::default()).unwrap();
        let done = write(&plan, &root.join("out"), false, &mut |_| {
            if step == kill_at {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            }
            step += 1;
        });
        done.unwrap();
        return;
    }
    let from = cases::folder().join("m008-garbage-middle");
    for step in 0..100 {
        let root = TempDir::new().unwrap();
        folder::copy(&from, &root.path().join("in")).unwrap();
        let before = folder::files(&root.path().join("in")).unwrap();
        let status = Command::new(env::current_exe().unwrap())
            .args([TEST, "--exact"])
            .env("SALVAGE_CHILD", root.path())
            .env("SALVAGE_KILL_AT", step.to_string())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(folder::files(&root.path().join("in")).unwrap(), before);
        let out = root.path().join("out");
        let sound = || aof_path(&out, &Options::default()).unwrap().verdict == Verdict::Sound;
        assert!(!out.exists() || sound(), "step {step}");
        if status.success() {
            assert!(step > 8, "{step}");
            return;
        }
        // The next run removes what this one left.
        if !out.exists() {
            let plan = salvage(&find_on_disk(&root.path().join("in")).unwrap(), SalvageOptions::default()).unwrap();
            write(&plan, &out, false, &mut |_| {}).unwrap();
        }
        assert!(sound());
        let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "step {step}: {left:?}");
    }
    panic!("more than a hundred steps");
}
