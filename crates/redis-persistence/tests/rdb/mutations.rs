//! Sound files that are damaged in one named way: the verifier has to name the damage, at its place, in every way in.
//!
//! `MUTATIONS=500000` makes the run full; `MUTATION_SEED=n` tries one case, the one that a failure names.

use crate::three_ways;
use crate::timed;

use std::collections::BTreeMap;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use redis_persistence::Limits;
use redis_persistence::verify::{Code, Finding, Options, Report, Severity, Verdict};
use testkit::damage::{Damage, Damaged};
use testkit::rdb::{Encoded, Family, File};
use testkit::rng::Rng;
use three_ways::verify_all;
use timed::{LONGEST, timed};

/// One case follows from its seed: the file, the damage, whether the checksum is made to fit, and the limits.
fn case(seed: u64) -> Option<(Encoded, Damaged, Options)> {
    let mut rng = Rng::new(seed);
    // In turn, so that no kind is rare.
    let damage = Damage::ALL[usize::try_from(seed % Damage::ALL.len() as u64).expect("an index")];
    let family = if rng.chance(15) { Family::Valkey } else { Family::Redis };
    let version = match (family, damage) {
        (Family::Valkey, _) => 80,
        // Later versions have other encodings.
        (_, Damage::Prevlen) => u32::try_from(rng.range(2..=9)).expect("small"),
        _ => u32::try_from(rng.range(1..=15)).expect("small"),
    };
    let budget = rng.size(10..=80);
    let file = File::arbitrary(&mut rng, family, version, budget);
    // What is damaged inside a blob has to lie there as it is.
    let compression = file.compression && rng.chance(50);
    let file = File { compression, ..file }.encode();
    let damaged = damage.apply(&file, &mut rng, seed % 5 != 4)?;
    let inline_bytes = if rng.chance(20) { 8 } else { Limits::default().inline_bytes };
    let options = Options { limits: Limits { inline_bytes, ..Limits::default() }, ..Options::default() };
    Some((file, damaged, options))
}

/// The codes of which one has to name this damage.
fn names(damage: Damage) -> &'static [Code] {
    use Code::*;
    match damage {
        Damage::Backlen => &[ListpackBadBacklen],
        // The first byte of this size also says how many bytes it has, or that there is no more.
        Damage::Prevlen => &[ZiplistBadPrevlen, ZiplistOverrun, ZiplistBadEnd],
        Damage::BlobHeader => &[
            ListpackBadHeader,
            ListpackBadCount,
            ZiplistBadHeader,
            ZiplistBadTail,
            ZiplistBadCount,
            IntsetBadHeader,
            IntsetEmpty,
        ],
        Damage::Terminator => &[ListpackBadEnd, ZiplistBadEnd],
        Damage::Order => &[IntsetUnordered],
        Damage::DuplicateElement => &[SetDuplicateMember, ZsetDuplicateMember, HashDuplicateField],
        Damage::DuplicateKey => &[RdbDuplicateKey],
        Damage::PendingOwner => &[StreamPendingUnknown],
        Damage::Checksum => &[RdbChecksumMismatch],
        Damage::Cut => &[RdbTruncated, RdbEmptyFile, RdbBadMagic],
        Damage::Trailing => &[RdbTrailingBytes, RdbVersionDigitDamaged],
        _ => &[],
    }
}

/// The record, opcode, header or trailer that the damage lies in, in offsets of the damaged file.
fn thing(file: &Encoded, damaged: &Damaged) -> Range<u64> {
    let at = damaged.was.start;
    let keys = file.keys.iter().map(|key| key.start..key.end);
    let opcodes = file.opcodes.iter().map(|opcode| opcode.range.clone());
    let header = 0..9;
    let found = keys.chain(opcodes).chain([header]).find(|range| range.contains(&at));
    let range = found.unwrap_or(file.eof_at.min(at)..file.bytes.len());
    let end = (range.end + damaged.now.len()).saturating_sub(damaged.was.len());
    range.start as u64..end.max(damaged.now.end) as u64
}

/// What is wrong with the report on a case; and whether the damage showed.
fn judge(file: &Encoded, damaged: &Damaged, report: &Report) -> Result<bool, String> {
    let errors = || report.findings.iter().filter(|f| f.severity == Severity::Error);
    let thing = thing(file, damaged);
    // All that comes before it is as sound as it was. What is wrong with a whole begins where the whole does.
    let whole = |f: &Finding| f.end.is_some_and(|end| end >= thing.start);
    if let Some(f) = errors().find(|f| f.failed_at < thing.start && !whole(f)) {
        return Err(format!("an error before the damage in {thing:?}: {f:?}"));
    }
    if damaged.damage.always_shows() {
        let codes = names(damaged.damage);
        let to = match damaged.damage {
            // Of two that are equal the second one may stand behind the damage.
            Damage::DuplicateElement => thing.end,
            // The fields of a header contradict each other: no one knows which of them is the wrong one.
            Damage::BlobHeader => damaged.now.end as u64 + 10,
            _ => damaged.now.end as u64,
        };
        let from = thing.start;
        let named = |f: &&Finding| codes.contains(&f.code) && f.start <= to && f.failed_at >= from;
        if !report.findings.iter().any(|f| named(&f)) {
            return Err(format!("none of {codes:?} between {from} and {to}"));
        }
    }
    // The old checksum shows what nothing else shows, from the version on that has one.
    let has_checksum = file.checksum_at.is_some();
    let kept = !damaged.checksum_fixed && !matches!(damaged.damage, Damage::Trailing);
    if kept && has_checksum && report.verdict == Verdict::Sound {
        return Err("the checksum does not match, and the verdict is sound".to_owned());
    }
    Ok(report.verdict != Verdict::Sound || report.findings.iter().any(|f| f.severity == Severity::Warning))
}

/// What became of one case.
enum Done {
    NoSuchPlace,
    Shown,
    Hidden,
}

fn run(seed: u64) -> Result<(Damage, Done, Duration), String> {
    let damage = Damage::ALL[usize::try_from(seed % Damage::ALL.len() as u64).expect("an index")];
    let Some((file, damaged, options)) = case(seed) else { return Ok((damage, Done::NoSuchPlace, Duration::ZERO)) };
    let most = 1 + usize::from(seed.to_le_bytes()[0]);
    let (report, took) = timed(|| catch_unwind(AssertUnwindSafe(|| verify_all(&damaged.bytes, &options, seed, most))));
    let what = || format!("seed {seed}, {damage:?}, {:?} became {:?}", damaged.was, damaged.now);
    let report = report.map_err(|_| format!("{}: panic or disagreement", what()))?;
    if took > LONGEST {
        return Err(format!("{}: took {took:?}", what()));
    }
    match judge(&file, &damaged, &report) {
        Ok(shown) => Ok((damage, if shown { Done::Shown } else { Done::Hidden }, took)),
        Err(wrong) => {
            let place = |f: &Finding| format!("  {} at {} to {}: {}\n", f.code, f.start, f.failed_at, f.message);
            let findings: String = report.findings.iter().map(place).collect();
            Err(format!("{}: {wrong}\n{findings}", what()))
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    shown: u64,
    hidden: u64,
}

type Table = BTreeMap<String, Tally>;

#[test]
fn named_damage_is_named() {
    if let Some(seed) = env::var("MUTATION_SEED").ok().and_then(|text| text.parse().ok()) {
        run(seed).unwrap_or_else(|wrong| panic!("{wrong}"));
        return;
    }
    let count: u64 = env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000);
    let threads = 2;
    let work = |first: u64| {
        let mut table = Table::new();
        let (mut wrong, mut slowest) = (Vec::new(), Duration::ZERO);
        for seed in (first..count).step_by(2) {
            match run(seed) {
                Ok((damage, done, took)) => {
                    slowest = slowest.max(took);
                    let tally = table.entry(format!("{damage:?}")).or_default();
                    match done {
                        Done::NoSuchPlace => {}
                        Done::Shown => tally.shown += 1,
                        Done::Hidden => tally.hidden += 1,
                    }
                }
                Err(text) => wrong.push(text),
            }
        }
        (table, wrong, slowest)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        handles.into_iter().map(|handle| handle.join().expect("cases catch their panics")).collect()
    });
    let mut table = Table::new();
    let (mut wrong, mut slowest) = (Vec::new(), Duration::ZERO);
    for (some, texts, took) in results {
        for (damage, tally) in some {
            let sum = table.entry(damage).or_default();
            sum.shown += tally.shown;
            sum.hidden += tally.hidden;
        }
        wrong.extend(texts);
        slowest = slowest.max(took);
    }
    for (damage, Tally { shown, hidden }) in &table {
        println!("{damage:<18} {shown:>7} show, {hidden:>6} end in another sound file");
    }
    let all: u64 = table.values().map(|tally| tally.shown + tally.hidden).sum();
    println!("{all} files; the slowest took {slowest:?} in all ways together");
    assert!(wrong.is_empty(), "{} cases, of which:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert_eq!(table.len(), Damage::ALL.len());
    let rare: Vec<_> = table.iter().filter(|(_, tally)| (tally.shown + tally.hidden) * 200 < count).collect();
    assert!(rare.is_empty(), "hardly ever tried: {rare:?}");
}
