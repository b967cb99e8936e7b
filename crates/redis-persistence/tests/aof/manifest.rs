//! The manifest parser, rule by rule.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use redis_persistence::aof::Manifest;
use redis_persistence::aof::manifest::{Dialect, Entry, EntryKind, ManifestErrorKind as Kind, looks_like_manifest};

/// An error with its line and column.
type Place = (Kind, u64, usize);

fn kinds(text: &[u8]) -> Vec<Place> {
    Manifest::parse(text).1.iter().map(|error| (error.kind(), error.line(), error.column())).collect()
}

const GOOD: &str = "file a seq 1 type i\n";

#[test]
fn each_rule_has_its_error_and_place() {
    let long = "x".repeat(1100);
    let cases: [(String, &[Place]); 26] = [
        (String::new(), &[(Kind::Empty, 0, 0)]),
        ("# only\n#comments\n".into(), &[]),
        ("file a seq 1 type i".into(), &[(Kind::NoFinalNewline, 1, 19)]),
        (format!("file a seq 1 type i {long}\n{GOOD}"), &[(Kind::LineTooLong, 1, 1024)]),
        (format!("file a\0 seq 1 type i\n{GOOD}"), &[(Kind::NulByte, 1, 6)]),
        (format!("\n{GOOD}"), &[(Kind::BlankLine, 1, 0)]),
        (format!("{GOOD} \t\r\n"), &[(Kind::BlankLine, 2, 0)]),
        (format!("#{}\n{GOOD}", "c".repeat(1023)), &[(Kind::BlankLine, 2, 0)]),
        (format!("#{long}\n{GOOD}"), &[(Kind::NotPairs, 2, 0)]),
        ("file \"a seq 1 type i\n".into(), &[(Kind::BadQuoting, 1, 5)]),
        ("file \"a\"b seq 1 type i\n".into(), &[(Kind::BadQuoting, 1, 8)]),
        ("file a seq 1\n".into(), &[(Kind::NotPairs, 1, 11)]),
        ("file a seq 1 type i x\n".into(), &[(Kind::NotPairs, 1, 20)]),
        ("  file d/a seq 1 type i\n".into(), &[(Kind::NameIsPath, 1, 8)]),
        ("file d\\a seq 1 type i\n".into(), &[(Kind::NameIsPath, 1, 6)]),
        ("x a seq 1 type i\n".into(), &[(Kind::NoName, 1, 0)]),
        ("file a seq 0 type i\n".into(), &[(Kind::NoSeq, 1, 0)]),
        ("file a seq x type i\n".into(), &[(Kind::NoSeq, 1, 0)]),
        ("file a x 1 type i\n".into(), &[(Kind::NoSeq, 1, 0)]),
        ("file a seq 1 type \"\"\n".into(), &[(Kind::NoType, 1, 0)]),
        ("file a seq 1 x i\n".into(), &[(Kind::NoType, 1, 0)]),
        ("file a seq 1 type B\n".into(), &[(Kind::UnknownType, 1, 18)]),
        ("file a seq 1 type b\nfile c seq 2 type b\n".into(), &[(Kind::SecondBase, 2, 18)]),
        (format!("{GOOD}file c seq 1 type i\n"), &[(Kind::SeqNotRising, 2, 0)]),
        ("file a seq -1 type i\n".into(), &[(Kind::SeqNotRising, 1, 0)]),
        (format!("bad\n{GOOD}worse\n"), &[(Kind::NotPairs, 1, 0), (Kind::NotPairs, 3, 0)]),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn a_line_has_room_for_1024_bytes() {
    let of = |length: usize| format!("{}{}\n", &GOOD[..19], " ".repeat(length - 20));
    assert_eq!(kinds(of(1024).as_bytes()), []);
    assert_eq!(kinds(of(1025).as_bytes()), [(Kind::LineTooLong, 1, 1024)]);
}

#[test]
fn what_servers_take_is_taken() {
    let (manifest, errors) = Manifest::parse(
        b"# comment\n\
          \t FILE \"b \\x41\" Seq -9 TYPE base extra 1\r\n\
          file h seq +2x type hist file last\n\
          type i file i seq 5 startoffset 12 endoffset x startoffset 7\n\
          file j seq 99999999999999999999 type incr startoffset -1 endoffset 4\n",
    );
    assert_eq!(errors, []);
    let of = |name: &[u8], seq, kind, start_offset, end_offset, line, range| Entry {
        name: name.to_vec(),
        seq,
        kind,
        start_offset,
        end_offset,
        line,
        range,
    };
    let expected = [
        of(b"b A", -9, EntryKind::Base, None, None, 2, 10..52),
        of(b"last", 2, EntryKind::History, None, None, 3, 52..87),
        of(b"i", 5, EntryKind::Incr, Some(7), Some(0), 4, 87..148),
        of(b"j", i64::MAX, EntryKind::Incr, None, Some(4), 5, 148..217),
    ];
    assert_eq!(manifest.entries, expected);
    let written =
        b"file \"b A\" seq -9 type b\nfile last seq 2 type h\nfile i seq 5 type i startoffset 7 endoffset 0\n\
        file j seq 9223372036854775807 type i\n";
    assert_eq!(manifest.to_bytes(), written);
}

#[test]
fn families_differ_in_two_points() {
    let text = b"file \"a\"b seq 1 type i startoffset 3\n";
    assert_eq!(kinds(text), [(Kind::BadQuoting, 1, 8)]);
    let (manifest, errors) = Manifest::parse_as(text, Dialect::Valkey);
    assert_eq!(errors, []);
    assert_eq!((&manifest.entries[0].name[..], manifest.entries[0].start_offset), (&b"ab"[..], None));
}

#[test]
fn errors_quote_what_servers_quote() {
    let (_, errors) = Manifest::parse(b"  file a/b seq 1 type i\t\n");
    assert_eq!(
        errors[0].to_string(),
        "the file name holds a slash or a backslash, in line 1, column 9 of the manifest"
    );
    assert_eq!(errors[0].offset(), 8);
    let log = errors[0].official_log().concat();
    let expected = "\n*** FATAL AOF MANIFEST FILE ERROR ***\nReading the manifest file, at line 1\n\
        >>> 'file a/b seq 1 type i'\nFile can't be a path, just a filename\n";
    assert_eq!(String::from_utf8_lossy(&log), expected);
    let (_, errors) = Manifest::parse(b"");
    assert_eq!(errors[0].official_log().len(), 2);
}

#[test]
fn a_manifest_is_known_where_the_tools_do_not_see_it() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/aof/cases");
    for case in ["m025-key-order", "m026-key-upper", "m039-long-comment", "m041-leading-space", "m001-rdb-base"] {
        let text = fs::read(cases.join(case).join("appendonlydir/appendonly.aof.manifest")).expect(case);
        assert!(looks_like_manifest(&text), "{case}");
    }
    for text in ["", "#x\n", "*1\r\n$4\r\nfile\r\n", "file a\n", "file a seq 1 kind b\n"] {
        assert!(!looks_like_manifest(text.as_bytes()), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(
        names in prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("not in a name", |b| !b"\0/\\".contains(b)), 0..40), 1..6),
        offsets in any::<(Option<u32>, Option<u32>)>(),
    ) {
        let entries: Vec<Entry> = names.into_iter().zip(1..).map(|(name, seq)| Entry {
            name, seq, kind: if seq == 1 { EntryKind::Base } else { EntryKind::Incr },
            start_offset: offsets.0.map(i64::from), end_offset: offsets.0.and(offsets.1).map(i64::from), line: 0, range: 0..0,
        }).collect();
        let written = Manifest { entries: entries.clone() }.to_bytes();
        let (mut read, errors) = Manifest::parse(&written);
        prop_assert_eq!(errors, []);
        for entry in &mut read.entries {
            prop_assert!(written[entry.range.clone()].ends_with(b"\n"));
            (entry.line, entry.range) = (0, 0..0);
        }
        prop_assert_eq!(read.entries, entries);
    }

    #[test]
    fn no_text_upsets_it(text in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"file seq type bhi\n\"'\\#0123 "[..])], 0..3000)) {
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            let (manifest, errors) = Manifest::parse_as(&text, dialect);
            prop_assert!(errors.iter().all(|error| error.offset() <= text.len()));
            prop_assert!(manifest.entries.iter().all(|entry| entry.seq != 0 && entry.range.end <= text.len()));
        }
        prop_assert!(!looks_like_manifest(&text) || text.len() > 12);
    }
}
