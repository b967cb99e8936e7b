use super::*;
use crate::base::limits::Limits;
use crate::base::source::ReadAt;
use crate::base::source::Seekable;
use crate::report::codes::Code;
use crate::report::stats::StatsOptions;
use crate::report::{Report, Verdict};
use crate::verify::options::Duplicates;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::rdb::{Family, File, KeyMeta, ModuleOp, RdbWriter, Value, key_meta_spec};
use testkit::rng::Rng;

/// Files are verified on so many threads, and on one.
const THREADS: [usize; 4] = [2, 3, 8, 64];
/// So small that a file of a few kilobytes has many blocks and batches.
const SMALL: Sizes = Sizes { block: 512, batch: 64, least: 16, blocks: 2 };

fn report(bytes: &[u8], options: &Options, threads: usize, sizes: Sizes) -> Report {
    let mut input = Cursor::new(bytes);
    let in_order = Input::InOrder(Some(&mut input));
    let verifier =
        walk(in_order, options, threads, sizes, Whole::Input, Places::Again).expect("memory can be read").verifier;
    verifier.finish(Some(&mut Seekable { input, base: 0 }))
}

/// The report of threads that read at once.
fn report_at(bytes: &[u8], options: &Options, threads: usize, sizes: Sizes) -> Report {
    let walked = walk(Input::AtPlaces(&bytes), options, threads, sizes, Whole::Input, Places::Again)
        .expect("memory can be read");
    walked.verifier.finish(Some(&mut &*bytes))
}

/// The report, which is the same for every number of threads.
#[track_caller]
fn same(bytes: &[u8], options: &Options, sizes: Sizes) -> Report {
    // With numbers, keys go other ways: the same must come of them, and of the threads.
    let few =
        StatsOptions { largest: 5, prefixes: 3, separators: b":e1".to_vec(), depth: 3, ..StatsOptions::default() };
    let stats = (options.stats.is_none() && bytes.len() < 20_000).then_some(few);
    if stats.is_some() {
        let with = Options { stats, now_ms: options.now_ms.or(Some(1_700_000_000_000)), ..options.clone() };
        same(bytes, &with, sizes);
    }
    let alone = report(bytes, options, 1, sizes);
    // Sixty-four threads for each of thousands of small inputs would be the time of the whole test: one in 32.
    let many = bytes.len().is_multiple_of(32) || bytes.len() > 100_000;
    for threads in THREADS.into_iter().filter(|threads| many || *threads < 64) {
        let more = report(bytes, options, threads, sizes);
        assert_eq!(format!("{more:#?}"), format!("{alone:#?}"), "{threads} threads");
        let at_once = report_at(bytes, options, threads, sizes);
        assert_eq!(format!("{at_once:#?}"), format!("{alone:#?}"), "{threads} threads that read at once");
    }
    alone
}

fn arbitrary(seed: u64, budget: usize) -> File {
    let mut rng = Rng::new(seed);
    let versions =
        [(Family::Redis, 9), (Family::Redis, 11), (Family::Redis, 13), (Family::Redis, 15), (Family::Valkey, 80)];
    let (family, version) = *rng.pick(&versions);
    File::arbitrary(&mut rng, family, version, budget)
}

#[test]
fn sound_files() {
    for seed in 0..60 {
        let bytes = arbitrary(seed, 400).encode().bytes;
        let report = same(&bytes, &Options::default(), SMALL);
        assert_eq!(report.verdict, Verdict::Sound);
    }
}

/// What follows an RDB that is the start of a file is not looked at.
#[test]
fn starts_of_files() -> io::Result<()> {
    for seed in 0..60_usize {
        let mut bytes = arbitrary(seed as u64, 300).encode().bytes;
        let end = bytes.len() as u64;
        bytes.extend(testkit::resp::record(&["SET", "key", "value"]).repeat(seed % 7 * 20));
        let mut of_one = None;
        for damaged in [false, true] {
            if damaged {
                let at = bytes.len().min(9 + seed * 11);
                bytes[at - 1] ^= 0x55;
            }
            for threads in [1, 2, 3] {
                let mut input = Cursor::new(&bytes);
                let whole = Whole::Start(bytes.len() as u64);
                let walked =
                    walk(Input::InOrder(Some(&mut input)), &Options::default(), threads, SMALL, whole, Places::Again)?;
                if !damaged {
                    assert_eq!(walked.end, Some(end));
                }
                let report = walked.verifier.finish(Some(&mut Seekable { input, base: 0 }));
                assert!(damaged || report.verdict == Verdict::Sound);
                let seen = format!("{:?} {report:#?}", walked.end);
                assert_eq!(of_one.get_or_insert_with(|| seen.clone()), &seen, "seed {seed}, {threads} threads");
            }
            of_one = None;
        }
    }
    Ok(())
}

#[test]
fn damaged_files() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut bytes = arbitrary(seed, 300).encode().bytes;
        let max_findings = rng.size(0..=20);
        let duplicates = if rng.chance(20) { Duplicates::Off } else { Duplicates::On };
        let limits = Limits { inline_bytes: rng.size(8..=200), ..Limits::default() };
        let options = Options { max_findings, duplicates, limits, quick: rng.chance(10), ..Options::default() };
        for _ in 0..rng.size(1..=12) {
            let at = rng.size(9..=bytes.len() - 1);
            bytes[at] = rng.byte();
        }
        if rng.chance(30) {
            bytes.truncate(rng.size(9..=bytes.len() - 1));
        }
        if rng.chance(20) {
            bytes.extend(rng.bytes(2000));
        }
        same(&bytes, &options, SMALL);
    }
}

/// Strings of which every seventh comes twice, sets with a member twice, and findings in between.
fn duplicates(keys: u32) -> Vec<u8> {
    let mut w = RdbWriter::redis(9);
    for db in 0..3 {
        w.select_db(db);
        for i in 0..keys {
            w.string_key(format!("key:{}", if i % 7 == 0 { i / 2 } else { i }).as_bytes(), b"some value");
            w.key(2, format!("set:{i}").as_bytes()).len(3).str(b"a").str(b"b").str(if i % 5 == 0 {
                b"a"
            } else {
                b"c"
            });
            if i % 11 == 0 {
                w.expire_ms(-7).string_key(format!("odd:{i}").as_bytes(), b"12");
                w.aux(b"note", b"text");
            }
        }
    }
    w.eof().finish()
}

#[test]
fn things_that_come_twice() {
    let bytes = duplicates(400);
    let report = same(&bytes, &Options::default(), SMALL);
    assert_eq!(report.verdict, Verdict::Damaged);
    for budget in [0, 2000, 20_000] {
        let limits = Limits { duplicate_bytes: budget, ..Limits::default() };
        for duplicates in [Duplicates::On, Duplicates::Full] {
            let options = Options { limits: limits.clone(), max_findings: 30, duplicates, ..Options::default() };
            same(&bytes, &options, SMALL);
        }
    }
}

#[test]
fn real_sizes() {
    let bytes = duplicates(30_000);
    assert!(bytes.len() > 3 << 20);
    same(&bytes, &Options::default(), Sizes::default());
}

/// An input that fails after a while.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(self.0);
        self.0 -= n;
        if n == 0 { Err(io::Error::other("gone")) } else { Ok(n) }
    }
}

/// An input that fails from a place on.
struct FailingAt(u64);

impl ReadAt for FailingAt {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match usize::try_from(self.0.saturating_sub(offset)) {
            Ok(0) | Err(_) => Err(io::Error::other("gone")),
            Ok(left) => Ok(left.min(buffer.len())),
        }
    }
}

/// An input that is longer at every look: what stands behind its first end is not of it.
struct Growing<'a> {
    bytes: &'a [u8],
    looks: AtomicU64,
}

impl ReadAt for Growing<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = self.looks.fetch_add(1, Ordering::Relaxed) * 700;
        let len = self.bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        ReadAt::read_at(&&self.bytes[..len], buffer, offset)
    }
}

#[test]
fn an_input_that_grows() {
    let bytes = duplicates(2000);
    for _ in 0..20 {
        let growing = Growing { bytes: &bytes, looks: AtomicU64::new(2) };
        let walked = walk(Input::AtPlaces(&growing), &Options::default(), 3, SMALL, Whole::Input, Places::Again);
        let report = walked.expect("it can be read").verifier.finish(None);
        let expected = report_of_start(&bytes, report.size);
        assert_eq!((report.verdict, &report.counts), (expected.verdict, &expected.counts));
    }
}

fn report_of_start(bytes: &[u8], size: u64) -> Report {
    crate::verify::slice(&bytes[..usize::try_from(size).expect("of memory")], &Options::default())
}

#[test]
fn an_input_that_fails() {
    for threads in [1, 2, 4] {
        for len in [0, 300, 512, 5000] {
            let (mut failing, options) = (Failing(len), Options::default());
            for input in [Input::AtPlaces(&FailingAt(len as u64)), Input::InOrder(Some(&mut failing))] {
                let walked = walk(input, &options, threads, SMALL, Whole::Input, Places::Again);
                assert_eq!(walked.expect_err("it fails").to_string(), "gone");
            }
        }
    }
}

/// Metadata belongs to the key that follows at once: that key is nothing for the short way.
#[test]
fn metadata_of_a_key() {
    let meta = [KeyMeta { spec: key_meta_spec("test", 1, 1), ops: vec![ModuleOp::Uint(3)] }];
    for between in [false, true] {
        let mut w = RdbWriter::redis(14);
        for i in 0..200 {
            w.key_meta(&meta);
            if between && i == 100 {
                w.aux(b"note", b"text");
            }
            w.string_key(format!("key:{i}").as_bytes(), b"some value")
                .string_key(format!("other:{i}").as_bytes(), b"v");
        }
        let report = same(&w.eof().finish(), &Options::default(), SMALL);
        let found: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found.contains(&Code::RdbKeyMetaInvalid), between, "{found:?}");
    }
}

#[test]
fn slots_and_holes() {
    let mut file = File::new(Family::Redis, 11);
    for i in 0..300 {
        file.keys.push(testkit::rdb::Key::new(format!("{{t}}:{i}").as_bytes(), Value::String(b"v".to_vec())));
    }
    let bytes = file.encode().bytes;
    let mut holed = bytes.clone();
    let middle = file.encode().keys[150].type_at;
    holed.splice(middle..middle, [0; 30]);
    assert_eq!(same(&bytes, &Options::default(), SMALL).verdict, Verdict::Sound);
    same(&holed, &Options::default(), SMALL);
}
