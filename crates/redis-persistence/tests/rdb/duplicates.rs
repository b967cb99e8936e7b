//! Names that are made to have one hash: none of them hides a duplicate, and none is taken for one.

use std::io::Cursor;
use std::num::NonZero;
use std::time::Duration;

use crate::timed::Clock;

use redis_persistence::Limits;
use redis_persistence::repair::rdb::salvage;
use redis_persistence::verify::{self, Code, DuplicateCheck, Duplicates, Options, Push, Report, Verdict};
use testkit::collide::{UNKEYED, first_word, names};
use testkit::rdb::RdbWriter;

const KEY: u64 = 7;

fn options() -> Options {
    Options { hash_key: Some(KEY), ..Options::default() }
}

/// All ways in, and whether the input can be read again there.
fn all_ways(bytes: &[u8], options: &Options) -> Vec<(bool, Report)> {
    let threads = |n| Options { threads: NonZero::new(n), ..options.clone() };
    let mut push = Push::new(options);
    bytes.chunks(1000).for_each(|chunk| push.feed(chunk));
    vec![
        (true, verify::slice(bytes, options)),
        (true, verify::file(Cursor::new(bytes), &threads(1)).expect("memory")),
        (true, verify::file(Cursor::new(bytes), &threads(3)).expect("memory")),
        (true, verify::file_at(&bytes, &threads(3)).expect("memory")),
        (false, verify::reader(bytes, &threads(1)).expect("memory")),
        (false, verify::reader(bytes, &threads(3)).expect("memory")),
        (false, push.finish()),
    ]
}

/// Writes things of those names.
type Write = fn(&mut RdbWriter, &[Vec<u8>]);

/// What may not occur twice: how names of it are written, and the code of one that does.
const KINDS: [(Code, Write); 6] = [
    (Code::RdbDuplicateKey, |w, names| {
        for name in names {
            w.string_key(name, b"value");
        }
    }),
    (Code::SetDuplicateMember, |w, names| {
        w.key(2, b"set").count(names.len());
        names.iter().for_each(|name| _ = w.str(name));
    }),
    (Code::HashDuplicateField, |w, names| {
        w.key(4, b"hash").count(names.len());
        names.iter().for_each(|name| _ = w.str(name).str(b"value"));
    }),
    (Code::ZsetDuplicateMember, |w, names| {
        w.key(5, b"zset").count(names.len());
        names.iter().for_each(|name| _ = w.str(name).double(1.0));
    }),
    (Code::StreamDuplicateGroup, |w, names| {
        stream(w).count(names.len());
        names.iter().for_each(|name| _ = w.str(name).len(0).len(0).len(0).len(0).len(0));
    }),
    (Code::StreamDuplicateConsumer, |w, names| {
        stream(w).len(1).str(b"group").len(0).len(0).len(0).len(0).count(names.len());
        names.iter().for_each(|name| _ = w.str(name).i64_le(1).i64_le(1).len(0));
    }),
];

/// A stream of nothing, up to its groups.
fn stream(w: &mut RdbWriter) -> &mut RdbWriter {
    w.key(21, b"stream").len(0);
    (0..8).fold(w, |w, _| w.len(0))
}

/// A file of the names whose numbers are given.
fn file(write: Write, word: u64, numbers: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    let all: Vec<_> = names(word).take(numbers.iter().max().map_or(0, |most| most + 1)).collect();
    let names: Vec<_> = numbers.into_iter().map(|number| all[number].clone()).collect();
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    write(&mut w, &names);
    w.finish()
}

/// The pairs that are reported, by the numbers of the names' copies: `bytes` holds each name's start where it was written.
fn pairs(report: &Report, bytes: &[u8], word: u64) -> Vec<(usize, usize)> {
    let starts: Vec<u64> = bytes
        .windows(8)
        .enumerate()
        .filter(|(_, eight)| **eight == word.to_le_bytes())
        .map(|(at, _)| at as u64 - 1)
        .collect();
    let number = |at: u64| starts.binary_search(&at).expect("a name");
    let first = |message: &str| {
        let at =
            message.split("at byte ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|at| at.parse().ok());
        number(at.expect("the first place"))
    };
    report.findings.iter().map(|finding| (first(&finding.message), number(finding.start))).collect()
}

#[test]
fn all_of_one_hash_are_compared_with_each_other() {
    let word = first_word(KEY);
    type Case = (&'static [usize], &'static [(usize, usize)]);
    let cases: [Case; 6] = [
        (&[0, 1, 1], &[(1, 2)]),
        (&[0, 0, 1, 1], &[(0, 1), (2, 3)]),
        (&[0, 1, 0, 1, 2], &[(0, 2), (1, 3)]),
        (&[0, 1, 2, 1, 1], &[(1, 3), (1, 4)]),
        (&[0, 1], &[]),
        (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9, 3], &[(9, 12), (3, 13)]),
    ];
    for (code, write) in KINDS {
        for (numbers, expected) in cases {
            let bytes = file(write, word, numbers.iter().copied());
            for (way, (again, report)) in all_ways(&bytes, &options()).into_iter().enumerate() {
                let what = format!("{code}, {numbers:?}, way {way}: {:?}", report.findings);
                assert_eq!(pairs(&report, &bytes, word), expected, "{what}");
                assert!(report.findings.iter().all(|finding| finding.code == code), "{what}");
                let by_hash = !again && !expected.is_empty();
                let checked = if by_hash { DuplicateCheck::ByHash } else { DuplicateCheck::Checked };
                assert_eq!(report.duplicates, checked, "{what}");
            }
        }
    }
}

#[test]
fn many_of_one_hash_are_sound_and_take_no_time() {
    for (code, write) in KINDS {
        for word in [first_word(KEY), UNKEYED] {
            let begun = Clock::start();
            for (_, report) in all_ways(&file(write, word, 0..10_002), &options()) {
                assert_eq!((report.verdict, report.findings), (Verdict::Sound, vec![]), "{code}");
                assert_eq!(report.duplicates, DuplicateCheck::Checked, "{code}");
            }
            // One at the end that is there twice is not missed among them.
            for (_, report) in all_ways(&file(write, word, (0..10_002).chain([5000])), &options()) {
                assert_eq!(report.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [code]);
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{code} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn names_made_for_the_hash_without_a_key_are_names_like_others() {
    for (code, write) in KINDS {
        for hash_key in [None, Some(1), Some(2)] {
            let options = Options { hash_key, ..Options::default() };
            let bytes = file(write, UNKEYED, [0, 1, 1, 2]);
            for (_, report) in all_ways(&bytes, &options) {
                assert_eq!(pairs(&report, &bytes, UNKEYED), [(1, 2)], "{code}");
            }
        }
    }
}

#[test]
fn the_report_does_not_depend_on_the_key() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/broken");
    let mut files: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rdb"))
        .map(|path| std::fs::read(path).expect("a file"))
        .collect();
    assert!(files.len() > 20);
    for (_, write) in KINDS {
        files.push(file(write, UNKEYED, (0..3000).chain(1000..2000)));
    }
    for bytes in files {
        let with = |hash_key| Options { hash_key, max_findings: 30, ..Options::default() };
        let expected = all_ways(&bytes, &with(Some(1)));
        for hash_key in [Some(2), Some(3), None] {
            assert_eq!(all_ways(&bytes, &with(hash_key)), expected);
        }
    }
}

#[test]
fn one_name_again_and_again_stays_within_the_memory() {
    let write = KINDS[0].1;
    let bytes = file(write, UNKEYED, std::iter::repeat_n(0, 300_000));
    let limits = Limits { duplicate_bytes: 1 << 20, ..Limits::default() };
    for duplicates in [Duplicates::On, Duplicates::Full] {
        let options = Options { limits: limits.clone(), duplicates, max_findings: 3, ..Options::default() };
        for (again, report) in all_ways(&bytes, &options) {
            assert_eq!((report.verdict, report.duplicates), (Verdict::Damaged, DuplicateCheck::Partial));
            assert_eq!(report.findings_by_code[&Code::RdbDuplicateKey], 10_000, "{again}");
            assert!(report.findings_by_code.contains_key(&Code::RdbDuplicatesUnchecked));
        }
    }
}

#[test]
fn a_salvage_writes_each_key_once_and_drops_none_that_shares_a_hash() {
    for word in [first_word(KEY), UNKEYED] {
        for repeated in [None, Some(0), Some(69)] {
            let mut bytes = file(KINDS[0].1, word, (0..70).chain(repeated));
            bytes.truncate(bytes.len() - 9);
            let options = salvage::Options { hash_key: Some(KEY), ..salvage::Options::default() };
            let mut input = Cursor::new(bytes);
            let plan = salvage::plan(&mut input, &options).expect("memory");
            let mut saved = Vec::new();
            plan.write(&mut input, &mut saved).expect("memory");
            let report = verify::slice(&saved, &Options::default());
            assert_eq!((report.verdict, report.counts.keys), (Verdict::Sound, 70), "{repeated:?}");
        }
    }
}

#[test]
fn a_salvage_writes_long_names_once() {
    for form in ["raw", "compressed"] {
        let name = |last: u8| [&vec![b'n'; 200_000][..], &[last]].concat();
        let mut w = RdbWriter::redis(11);
        w.compression(form == "compressed").select_db(0);
        for last in [1, 2, 1, 3, 2] {
            w.string_key(&name(last), b"value");
        }
        let mut input = Cursor::new(w.finish());
        let plan = salvage::plan(&mut input, &salvage::Options::default()).expect("memory");
        let mut saved = Vec::new();
        plan.write(&mut input, &mut saved).expect("memory");
        let report = verify::slice(&saved, &Options::default());
        assert_eq!((report.verdict, report.counts.keys), (Verdict::Sound, 3), "{form}");
    }
}

/// What a salvage of a cut file saves and drops within so much memory.
fn salvaged(bytes: &[u8], duplicate_bytes: usize) -> std::io::Result<(u64, u64, Vec<u8>)> {
    let limits = Limits { duplicate_bytes, ..Limits::default() };
    let options = salvage::Options { hash_key: Some(KEY), limits, ..salvage::Options::default() };
    let mut input = Cursor::new(&bytes[..bytes.len() - 9]);
    let plan = salvage::plan(&mut input, &options)?;
    let mut saved = Vec::new();
    let written = plan.write(&mut input, &mut saved)?;
    let by_commands = plan.write_commands(&mut input, &options, std::io::sink())?;
    assert_eq!((written.keys, by_commands.keys), (plan.loss.keys, plan.loss.keys));
    Ok((plan.loss.keys, plan.loss.repeated, saved))
}

/// More copies of a key, or more keys, than memory holds: they are gone over again, and the result is that of much memory.
#[test]
fn a_salvage_writes_each_key_once_whatever_the_memory() {
    const MANY: usize = 400_000;
    type Make = (&'static str, Box<dyn Fn(&mut RdbWriter)>);
    let key = |w: &mut RdbWriter, n: usize| _ = w.string_key(format!("key:{n:06}").as_bytes(), b"v");
    let shapes: [Make; 4] = [
        ("one name", Box::new(move |w| (0..MANY).for_each(|_| key(w, 7)))),
        ("each twice", Box::new(move |w| (0..MANY).for_each(|n| key(w, n % (MANY / 2))))),
        ("one of many", Box::new(move |w| (0..MANY).chain([0, MANY - 1]).for_each(|n| key(w, n)))),
        (
            "in two databases",
            Box::new(move |w| {
                (0..MANY / 2).for_each(|n| key(w, n % 100));
                w.select_db(1);
                (0..MANY / 2).for_each(|n| key(w, n % 10));
            }),
        ),
    ];
    let saved = [(1, MANY - 1), (MANY / 2, MANY / 2), (MANY, 2), (110, MANY - 110)];
    for ((shape, write), (keys, repeated)) in shapes.into_iter().zip(saved) {
        let mut w = RdbWriter::redis(11);
        w.select_db(0);
        write(&mut w);
        let bytes = w.finish();
        let (expected, dropped, of_much) = salvaged(&bytes, Limits::default().duplicate_bytes).expect("memory");
        assert_eq!((expected, dropped), (keys as u64, repeated as u64), "{shape}");
        let report = verify::slice(&of_much, &Options::default());
        assert_eq!((report.verdict, report.duplicates), (Verdict::Sound, DuplicateCheck::Checked), "{shape}");
        for memory in [16 << 10, 1 << 20, 8 << 20] {
            match salvaged(&bytes, memory) {
                Ok((keys, dropped, of_little)) => {
                    assert_eq!((keys, dropped), (expected, repeated as u64), "{shape}, {memory} bytes");
                    assert!(of_little == of_much, "{shape}, {memory} bytes");
                }
                // Where many are left out one by one, even where they are is too much.
                Err(error) => {
                    assert!(memory <= 1 << 20 && !shape.starts_with("one"), "{shape}, {memory} bytes: {error}")
                }
            }
        }
    }
}

/// Where even what is left out is too much to be remembered, nothing is written twice: there is no plan.
#[test]
fn more_repeated_keys_than_can_be_remembered_are_an_error() {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for n in 0..30_000 {
        w.string_key(b"again", b"v").string_key(format!("key:{n}").as_bytes(), b"v");
    }
    let bytes = w.finish();
    assert_eq!(salvaged(&bytes, 16 << 20).map(|(keys, repeated, _)| (keys, repeated)).ok(), Some((30_001, 29_999)));
    let error = salvaged(&bytes, 16 << 10).expect_err("too many").to_string();
    assert!(error.contains("keys or more stand twice"), "{error}");
}
