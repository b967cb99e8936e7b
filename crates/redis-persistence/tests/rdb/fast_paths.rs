//! What is taken at a glance and what is taken by its events give one report: every finding with its words, every count and fact.
//!
//! `FAST_PATHS=50000` makes the run full; `FAST_PATHS_SEED=n` tries one case, the one that a failure names.

use std::env;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use redis_persistence::Limits;
use redis_persistence::verify::{self, Duplicates, Options, Report};
use testkit::damage::Damage;
use testkit::planted;
use testkit::rdb::{Encoded, Family, File};
use testkit::rng::Rng;

/// Both reports must be the same.
fn agree(data: &[u8], options: &Options) -> Result<Report, String> {
    let both = catch_unwind(|| {
        let fast = verify::slice(data, options);
        (fast, verify::slice(data, &Options { no_fast_paths: true, ..options.clone() }))
    });
    let (fast, slow) = both.map_err(|_| "it panics".to_owned())?;
    if fast == slow { Ok(fast) } else { Err(differs(&fast, &slow)) }
}

/// The first lines in which two reports differ.
fn differs(fast: &Report, slow: &Report) -> String {
    let [fast, slow] = [fast, slow].map(|report| format!("{report:#?}"));
    let lines = fast.lines().zip(slow.lines()).filter(|(fast, slow)| fast != slow).take(6);
    let lines: String = lines.map(|(fast, slow)| format!("\n  fast {}\n  slow {}", fast.trim(), slow.trim())).collect();
    format!("{} and {} lines{lines}", fast.lines().count(), slow.lines().count())
}

/// The default, without duplicates, and with bounds that a small file reaches.
fn all_options() -> [Options; 4] {
    let within = |inline_bytes, packed_bytes, duplicate_bytes| {
        let limits = Limits { inline_bytes, packed_bytes, duplicate_bytes, ..Limits::default() };
        Options { limits, ..fixed() }
    };
    [
        fixed(),
        Options { duplicates: Duplicates::Off, now_ms: Some(1_700_000_000_000), ..fixed() },
        within(64, 512, 8 << 10),
        within(8, 64, 128),
    ]
}

/// Where memory runs out, the key decides what is compared.
fn fixed() -> Options {
    Options { hash_key: Some(7), ..Options::default() }
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn reports_of_testdata_are_the_same() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let mut paths = Vec::new();
    files(&testdata, &mut paths);
    paths.sort();
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in paths {
        let data = fs::read(&path).expect("it can be read");
        // What is no RDB gives a report all the same, and commands have short cuts of their own.
        let is_aof = path.extension().is_some_and(|extension| extension == "aof");
        for options in all_options() {
            if let Err(how) = agree(&data, &options) {
                wrong.push(format!("{}: {how}", path.display()));
            }
            if is_aof {
                let slow = Options { no_fast_paths: true, ..options.clone() };
                let report = |options| verify::aof_slice(&data, options).expect("memory can be read");
                let (fast, slow) = (report(&options), report(&slow));
                if fast != slow {
                    wrong.push(format!("{}: {}", path.display(), differs(&fast, &slow)));
                }
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}, of which:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(compared > 1000, "{compared}");
}

/// One sound file, as it follows from its seed.
fn file(rng: &mut Rng, version: Option<u32>) -> Encoded {
    let family = if version.is_none() && rng.chance(15) { Family::Valkey } else { Family::Redis };
    let version = version.unwrap_or_else(|| u32::try_from(rng.range(1..=15)).expect("small"));
    let budget = rng.size(5..=80);
    let file = File::arbitrary(rng, family, if family == Family::Valkey { 80 } else { version }, budget);
    File { compression: file.compression && rng.chance(60), ..file }.encode()
}

/// Changes a few bytes of values, or damages the file in a named way, or plants an error that an RDB can have.
fn damaged(rng: &mut Rng, seed: u64) -> Vec<u8> {
    match seed % 4 {
        0 => {
            let plants = planted::all();
            let plant = *rng.pick(&plants);
            let version = u32::try_from(rng.range(plant.range())).expect("small");
            let budget = rng.size(0..=60);
            let file = File::arbitrary(rng, plant.family, version, budget).encode();
            plant.into(&file, rng).bytes
        }
        1 => {
            let file = file(rng, None);
            let damage = rng.pick(&Damage::ALL);
            damage.apply(&file, rng, true).map_or(file.bytes, |damaged| damaged.bytes)
        }
        _ => {
            let mut file = file(rng, None);
            for _ in 0..rng.size(1..=3) {
                let Some(span) = (!file.keys.is_empty()).then(|| rng.pick(&file.keys).clone()) else { break };
                let at = rng.size(span.start..=span.end.saturating_sub(1).max(span.start));
                let byte = rng.bytes(1)[0];
                let now = *rng.pick(&[byte, file.bytes[at] ^ 1, file.bytes[at].wrapping_add(1), b'0', 0x80, 0, 1, 2]);
                file.bytes[at] = now;
            }
            file.fix_checksum();
            file.bytes
        }
    }
}

fn run(seed: u64) -> Result<bool, String> {
    let mut rng = Rng::new(seed ^ 0xFA57_0000_0000);
    let data = damaged(&mut rng, seed);
    let options = all_options();
    let first = agree(&data, &options[0]).map_err(|how| format!("seed {seed}: {how}"))?;
    let other = rng.pick(&options[1..]);
    agree(&data, other).map_err(|how| format!("seed {seed} with {other:?}: {how}"))?;
    Ok(!first.findings.is_empty())
}

#[test]
fn reports_of_damaged_files_are_the_same() {
    if let Some(seed) = env::var("FAST_PATHS_SEED").ok().and_then(|text| text.parse().ok()) {
        run(seed).unwrap_or_else(|wrong| panic!("{wrong}"));
        return;
    }
    let count: u64 = env::var("FAST_PATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(4000);
    let (mut wrong, mut found) = (Vec::new(), 0);
    for seed in 0..count {
        match run(seed) {
            Ok(any) => found += u64::from(any),
            Err(how) => wrong.push(how),
        }
    }
    println!("{count} files, of which {found} have findings");
    assert!(wrong.is_empty(), "{} cases, of which:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(found * 2 > count && found < count, "{found} of {count}");
}

/// Every type that testkit writes, in each version that has it.
#[test]
fn reports_of_every_type_are_the_same() {
    let mut rng = Rng::new(0x7E57);
    let mut types = std::collections::BTreeSet::new();
    for version in 1..=15 {
        for round in 0..40 {
            let (mut of_values, budget) = (Rng::new(round), [3, 30, 300][usize::try_from(round % 3).expect("small")]);
            let written = File::arbitrary(&mut of_values, Family::Redis, version, budget);
            for compression in [false, true] {
                let data = File { compression, ..written.clone() }.encode();
                let options = &all_options()[rng.size(0..=3)];
                let report = agree(&data.bytes, options).unwrap_or_else(|how| panic!("{version} {round}: {how}"));
                types.extend(report.counts.encodings.keys().map(ToString::to_string));
            }
        }
    }
    assert!(types.len() >= 24, "{types:?}");
}

/// Every byte of a packed value and of a stream by turns, so that each rule of each layout is broken in some way.
#[test]
fn reports_of_each_changed_byte_are_the_same() {
    let mut rng = Rng::new(0xB17E);
    let mut changed = 0;
    for (version, types) in [(9, &[10, 11, 12, 13, 14, 15][..]), (11, &[0, 2, 4, 5, 16, 17, 18, 20, 19, 21])] {
        for value_type in types {
            let file = File::arbitrary_of(&mut rng, Family::Redis, version, 60, &[*value_type]);
            let mut file = File { compression: false, ..file }.encode();
            let spans: Vec<_> = file.keys.iter().take(3).map(|key| key.start..key.end).collect();
            for at in spans.into_iter().flatten().take(1500) {
                let was = file.bytes[at];
                for byte in [was ^ 1, was ^ 0x40, was ^ 0x80, was.wrapping_add(1), b'0', 0xFF] {
                    file.bytes[at] = byte;
                    agree(&file.bytes, &fixed())
                        .unwrap_or_else(|how| panic!("type {value_type}, {at} to {byte}: {how}"));
                    changed += 1;
                }
                file.bytes[at] = was;
            }
        }
    }
    assert!(changed > 5000, "{changed}");
}
