//! What is saved of damaged files: sound by the verifier, taken from the file, and nothing twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use redis_persistence::Limits;
use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::rdb::Family;
use redis_persistence::repair::aof::salvage::{self as aof_salvage, SalvageOptions, SalvagedFile, salvage, write};
use redis_persistence::repair::rdb::salvage::{self as rdb_salvage, plan};
use redis_persistence::repair::rdb::syndrome::{Candidate, Outcome, search};
use redis_persistence::verify::{self, Checksum, Code, Options, Report, Verdict};

use crate::bytes::seed_of;
use crate::rdb::tight;

/// An RDB: what is salvaged of it is sound, has each key once and nothing that is not in the file; and what the checksum
/// mends fits.
pub(crate) fn rdb(data: &[u8]) {
    let report = verify::slice(data, &Options::default());
    mended(data, &report);
    let mut families = [None, Some(Family::Redis), Some(Family::Valkey)];
    families.rotate_left(usize::from(seed_of(data).to_le_bytes()[2] % 3));
    let limits = [(Limits::default(), false), (Limits::default(), true), (tight(), true)];
    for ((limits, partial), family) in limits.into_iter().zip(families) {
        let now_ms = Some(1_700_000_000_000);
        let options =
            rdb_salvage::Options { limits: limits.clone(), now_ms, partial, family, ..rdb_salvage::Options::default() };
        let mut input = Cursor::new(data);
        let plan = plan(&mut input, &options).expect("memory can be read");
        let loss = &plan.loss;
        assert_eq!(loss.size, data.len() as u64);
        in_order(&loss.skipped, loss.size);
        assert!(loss.expired <= loss.expires && loss.expires <= loss.keys && loss.uncertain <= loss.keys, "{loss:?}");
        assert!(loss.damaged.len() as u64 <= loss.damaged_total);
        assert!(loss.partial_total <= loss.keys && (partial || loss.partial_total == 0), "{loss:?}");
        assert!(loss.partial.iter().all(|key| key.elements > 0 && key.range.end <= loss.size), "{loss:?}");
        assert!(loss.damaged.iter().all(|key| key.range.end <= loss.size), "{loss:?}");

        let mut out = Vec::new();
        let written = plan.write(&mut input, &mut out).expect("memory can be written");
        assert_eq!((written.bytes, written.keys), (out.len() as u64, loss.keys));
        let rules = Options { limits: limits.clone(), ..Options::default() };
        let saved = verify::slice(&out, &rules);
        // Where few names can be compared, two empty keys of one database may be left: a hole.
        if limits == Limits::default() || !saved.findings_by_code.contains_key(&Code::RdbZeroHole) {
            assert_eq!(saved.counts.keys, loss.keys, "{loss:?}");
        }
        // The file's own family is never refused, and what is in it decides about the other.
        if let (Some(own), Some(wrote)) = (family_of(&report), family_of(&saved)) {
            assert!(wrote == family.unwrap_or(own) || wrote == own, "{wrote:?} of {own:?}, asked for {family:?}");
        }
        // Under tight limits not all is looked into.
        if limits == Limits::default() {
            assert_eq!(saved.verdict, Verdict::Sound, "{:?}\n{loss:?}", saved.findings);
            assert!(saved.findings_by_code.contains_key(&Code::RdbContentUnproven), "{:?}", saved.findings);
            let again = rdb_salvage::plan(&mut Cursor::new(&out), &options).expect("memory can be read").loss;
            assert!(again.keys == loss.keys && again.skipped.is_empty(), "{again:?} of {loss:?}");
        }

        let mut commands = Vec::new();
        let restored = plan.write_commands(&mut input, &options, &mut commands).expect("memory can be written");
        assert_eq!(restored.bytes, commands.len() as u64);
        assert!(restored.keys <= loss.keys);
        let report = verify::aof_slice(&commands, &Options::default()).expect("memory can be read");
        assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
    }
}

fn family_of(report: &Report) -> Option<Family> {
    let header = report.rdb.as_ref()?.header.as_ref()?;
    Some(header.family)
}

/// Ranges of a file of that size follow each other.
fn in_order(ranges: &[Range<u64>], size: u64) {
    let mut at = 0;
    for range in ranges {
        assert!(at <= range.start && range.start < range.end && range.end <= size, "{range:?} in {ranges:?}");
        at = range.end;
    }
}

/// What the checksum mends is sound. And a byte that is changed in a file with a checksum that fits is found again.
fn mended(data: &[u8], report: &Report) {
    let options = Options::default();
    let judge = |damaged: &[u8], report: &Report| {
        let found = search(damaged, report, &options);
        let candidates: &[Candidate] = match &found.outcome {
            Outcome::Mended(candidate) => std::slice::from_ref(candidate),
            Outcome::Ambiguous { candidates, .. } => candidates,
            _ => &[],
        };
        let mended = candidates.iter().map(|candidate| {
            let mut mended = damaged.to_vec();
            assert!(candidate.apply_to(&mut mended), "{candidate:?}");
            let report = verify::slice(&mended, &options);
            assert_eq!(report.checksum, Some(Checksum::Ok), "{candidate:?}");
            assert_ne!(report.verdict, Verdict::Damaged, "{candidate:?}");
            mended
        });
        let mended: Vec<Vec<u8>> = mended.collect();
        (found, mended)
    };
    judge(data, report);
    if report.checksum != Some(Checksum::Ok) || report.verdict != Verdict::Sound {
        return;
    }
    let seed = seed_of(data);
    let mut damaged = data.to_vec();
    let at = usize::try_from(seed >> 8).unwrap_or_default() % data.len();
    damaged[at] ^= seed.to_le_bytes()[0].max(1);
    let (found, mended) = judge(&damaged, &verify::slice(&damaged, &options));
    if found.mended().is_some() || matches!(found.outcome, Outcome::Ambiguous { others: 0, .. }) {
        assert!(mended.iter().any(|mended| mended == data), "byte {at} of {}: {found:?}", data.escape_ascii());
    }
}

/// A folder of append-only files. All bytes are kept or skipped, what is written is sound, and there is nothing in it to
/// salvage; the files are as they were.
pub(crate) fn aof(old: &BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
    for (number, path) in ["s", "s/d/a.manifest", "s/a"].map(|path| root.join(path)).iter().enumerate() {
        let Ok(set) = find_on_disk(path) else { continue };
        let plan = salvage(&set, SalvageOptions::default()).expect("the files can be read");
        assert!(plan.describe().len() >= plan.files.len());
        plan.files.iter().for_each(accounted);
        if !plan.reasons.is_empty() {
            continue;
        }
        let out = root.join(format!("out{number}"));
        let written = write(&plan, &out, false, &mut |_| ()).expect("nothing stands in the way");
        assert!(written.report.verdict == Verdict::Sound, "{:?} of {plan:?}", written.report.findings);
        let again = match &plan.manifest {
            Some(_) => find_on_disk(&out),
            None => find_on_disk(&out.join("a")),
        };
        let again =
            salvage(&again.expect("it was just written"), SalvageOptions::default()).expect("the files can be read");
        assert!(again.is_whole(), "{again:?} of {plan:?}");
        let commands = |salvage: &aof_salvage::Salvage| -> u64 {
            salvage.files.iter().map(|file| file.account.kept_commands).sum()
        };
        assert!(commands(&again) >= commands(&plan), "{again:?} of {plan:?}");
        for (path, content) in old {
            assert_eq!(fs::read(path).ok().as_ref(), Some(content), "{} was changed", path.display());
        }
    }
}

/// Each byte behind the image is kept or skipped, and none both.
fn accounted(file: &SalvagedFile) {
    let kept = file.account.kept.iter().map(|keep| keep.start..keep.end);
    let mut all: Vec<Range<u64>> = kept.chain(file.account.skipped.iter().map(|skip| skip.start..skip.end)).collect();
    all.sort_by_key(|range| range.start);
    in_order(&all, file.seen.size);
    let sum: u64 = all.iter().map(|range| range.end - range.start).sum();
    assert!(sum + file.image_end == file.seen.size || all.is_empty(), "{file:?}");
}
