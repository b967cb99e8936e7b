//! The laws of the design: chunking does not matter, nothing panics, every offset is true.

use crate::three_ways;

use proptest::prelude::*;
use redis_persistence::Limits;
use redis_persistence::rdb::{Family, Payload};
use redis_persistence::verify::{Code, Finding, Options, Severity, Verdict};
use testkit::rdb::File;
use testkit::rng::Rng;
use three_ways::{Dribble, assert_same, verify_all, walk_push, walk_reader, walk_slice};

/// The versions of which testkit makes whole files.
const VERSIONS: [(testkit::rdb::Family, u32); 16] = {
    use testkit::rdb::Family::{Redis, Valkey};
    [
        (Redis, 1),
        (Redis, 2),
        (Redis, 3),
        (Redis, 4),
        (Redis, 5),
        (Redis, 6),
        (Redis, 7),
        (Redis, 8),
        (Redis, 9),
        (Redis, 10),
        (Redis, 11),
        (Redis, 12),
        (Redis, 13),
        (Redis, 14),
        (Redis, 15),
        (Valkey, 80),
    ]
};

fn some_file(seed: u64, budget: usize) -> testkit::rdb::Encoded {
    let mut rng = Rng::new(seed);
    let (family, version) = *rng.pick(&VERSIONS);
    File::arbitrary(&mut rng, family, version, budget).encode()
}

/// Limits that make strings of more than a few bytes long ones.
fn tight() -> Limits {
    Limits { inline_bytes: 8, ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn events_do_not_depend_on_chunks(seed: u64, most in 1usize..5000, long: bool) {
        let file = some_file(seed, 60);
        let limits = if long { tight() } else { Limits::default() };
        let whole = walk_slice(&file.bytes, &limits);
        prop_assert_eq!(&whole.1, &None);
        assert_same(&walk_reader(Dribble::new(&file.bytes, seed, most), &limits), &whole);
        assert_same(&walk_push(&file.bytes, &limits, seed, most), &whole);
    }

    #[test]
    fn errors_do_not_depend_on_chunks(seed: u64, most in 1usize..200, at: prop::sample::Index, byte: u8, long: bool) {
        let mut bytes = some_file(seed, 12).bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let limits = if long { tight() } else { Limits::default() };
        let whole = walk_slice(&bytes, &limits);
        assert_same(&walk_reader(Dribble::new(&bytes, seed, most), &limits), &whole);
        assert_same(&walk_push(&bytes, &limits, seed, most), &whole);
    }

    #[test]
    fn sound_files_are_sound_in_every_way(seed: u64, most in 1usize..5000, long: bool) {
        let file = some_file(seed, 80);
        let limits = if long { tight() } else { Limits::default() };
        let report = verify_all(&file.bytes, &Options { limits, ..Options::default() }, seed, most);
        // Names of a template that come in pieces are compared by their length alone, which is said.
        let unproven = |f: &Finding| long && f.code == Code::ElementsUnchecked;
        let bad: Vec<_> = report.findings.iter().filter(|f| f.severity > Severity::Note && !unproven(f)).collect();
        prop_assert!(bad.is_empty(), "{bad:#?}");
        prop_assert_eq!(report.verdict, Verdict::Sound);
        prop_assert_eq!(report.counts.keys, file.keys.len() as u64);
    }

    #[test]
    fn records_lie_where_testkit_put_them(seed: u64) {
        let file = some_file(seed, 60);
        let walk = walk_slice(&file.bytes, &Limits::default()).0;
        let mut spans = file.keys.iter();
        let mut open = None;
        for event in &walk {
            if let Payload::Record(record) = &event.payload {
                let span = spans.next().expect("no more keys than testkit wrote");
                prop_assert_eq!(record.type_at, span.type_at as u64);
                prop_assert_eq!(record.key.start, span.name_at as u64);
                open = Some(span);
            }
            if event.ends_record {
                let span = open.take().expect("a record ends that began");
                prop_assert_eq!(event.end, span.end as u64);
            }
        }
        prop_assert!(spans.next().is_none());
    }

    #[test]
    fn any_bytes_after_a_signature_give_a_report(version in 1u32..16, valkey: bool, tail: Vec<u8>) {
        let mut bytes = if valkey { b"VALKEY080".to_vec() } else { format!("REDIS{version:04}").into_bytes() };
        bytes.extend(tail);
        verify_all(&bytes, &Options::default(), 1, 7);
    }

    #[test]
    fn any_bytes_give_a_report(bytes: Vec<u8>) {
        let report = verify_all(&bytes, &Options::default(), 1, 7);
        prop_assert_ne!(report.verdict, Verdict::Sound);
    }
}

#[test]
fn what_a_file_is_does_not_depend_on_chunks() {
    let mut tar = vec![b'r'; 300];
    tar[257..262].copy_from_slice(b"ustar");
    let zeros_and_more = [&[0; 100][..], b"REDIS"].concat();
    for bytes in [&tar[..], b"REDIse.t-S0redis\xe7\xff and more", b"some words and then \xff", &zeros_and_more] {
        for most in 1..12 {
            verify_all(bytes, &Options::default(), most as u64, most);
        }
    }
}

#[test]
fn families_are_told_apart() {
    for (family, version) in VERSIONS {
        let file = File::arbitrary(&mut Rng::new(3), family, version, 500).encode();
        let format = verify_all(&file.bytes, &Options::default(), 1, 50).format.expect("it has a header");
        let valkey = matches!(family, testkit::rdb::Family::Valkey);
        assert_eq!(format.family, if valkey { Family::Valkey } else { Family::Redis });
        assert_eq!(format.rdb_version, version);
    }
}
