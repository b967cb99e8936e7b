//! Whole RDB files. The input is the file; what else is chosen hangs on its bytes.

use std::io::Cursor;
use std::num::NonZero;

use redis_persistence::Limits;
use redis_persistence::crc64::{Crc64, checksum};
use redis_persistence::official::{self, Request};
use redis_persistence::rdb::{Events, Payload};
use redis_persistence::verify::{self, Duplicates, Options, Report};

use crate::aof::TOOLS;
use crate::bytes::seed_of;
use crate::report::{check_answers, check_report};
use crate::three_ways::{Dribble, assert_same, verify_all, walk_push, walk_reader, walk_slice};

/// Limits that a small file can reach.
pub(crate) fn tight() -> Limits {
    Limits { inline_bytes: 8, packed_bytes: 64, templates: 2, arguments: 0, duplicate_bytes: 128 }
}

/// The default limits, and tight ones.
fn limits() -> [Limits; 2] {
    [Limits::default(), tight()]
}

fn piece_size(seed: u64) -> usize {
    1 + usize::from(seed.to_le_bytes()[1])
}

/// An RDB file: its events, the verifier, and what the official tools say.
pub fn rdb_slice(data: &[u8]) {
    walked(data);
    verified(data);
    // Statistics list all databases up to the last one, which takes long where its number is large.
    let is_large = data.windows(2).any(|pair| pair[0] == 0xfe && pair[1] >= 0x40);
    let statistics = (!is_large).then_some(official::Format::Csv);
    for tool in TOOLS {
        let request = Request { tool, name: b"a.rdb", now_ms: 0, limits: tight(), statistics };
        let outcome = official::check(&request, data, &mut |_| ()).expect("memory can be read");
        assert!(outcome.expired <= outcome.expires && outcome.expires <= outcome.keys, "{outcome:?}");
    }
}

/// Walks a slice: offsets never run backwards or beyond the file, and keys begin and end by turns.
fn walked(data: &[u8]) {
    for limits in limits() {
        let mut events = Events::with_limits(data, limits);
        let (mut at, mut open) = (0, false);
        for event in events.by_ref() {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    assert!(error.start() <= error.failed_at(), "{error}");
                    assert!(error.failed_at() <= data.len() as u64, "{error}");
                    continue;
                }
            };
            assert!(event.start <= event.end, "{event:?}");
            if let Payload::Record(record) = &event.payload {
                assert!(!open, "a record in a record");
                open = true;
                // It begins with its attributes, and opcodes can lie between those and its type: then it begins with that.
                let begins =
                    if record.attributes.interrupted { event.start == record.type_at } else { event.start <= at };
                assert!(begins && at <= record.type_at, "after {at} came {event:?}");
            } else {
                assert_eq!(event.start, at, "an event begins where the last one ended: {event:?}");
            }
            at = event.end;
            if event.ends_record {
                assert!(open, "a record ends that did not begin");
                open = false;
            }
        }
        assert!(at <= data.len() as u64);
    }
}

/// Chunks and reads of any size give the events of the slice, and its checksum.
pub fn rdb_push(data: &[u8]) {
    let seed = seed_of(data);
    for limits in limits() {
        let whole = walk_slice(data, &limits);
        assert_same(&walk_push(data, &limits, seed, piece_size(seed)), &whole);
        assert_same(&walk_reader(Dribble::new(data, !seed, piece_size(seed)), &limits), &whole);
    }
    let (mut sum, mut combined) = (Crc64::default(), Crc64::default());
    for piece in data.chunks(piece_size(seed)) {
        sum.update(piece);
        combined = combined.combine(Crc64::from_value(checksum(piece)), piece.len() as u64);
    }
    assert_eq!(sum, combined);
    assert_eq!(sum.value(), checksum(data));
    assert_eq!(sum.value(), testkit::crc64::crc64(data));
}

/// Verifies in every way. What holds of every report is held.
fn verified(data: &[u8]) {
    let seed = seed_of(data);
    for limits in limits() {
        // Threads cost more than all the rest: now and then is enough.
        let threads = NonZero::new(if seed.is_multiple_of(16) { 3 } else { 1 });
        let options = Options { limits, threads, ..Options::default() };
        let report = verify_all(data, &options, seed, piece_size(seed));
        check(&report, data);
        let seekable = verify::file(Cursor::new(data), &options).expect("memory can be read");
        assert_eq!(seekable, report, "what can seek is as good as a slice");
        let at_once = verify::file_at(&data, &options).expect("memory can be read");
        assert_eq!(at_once, report, "several threads read the same");

        let full = verify::slice(data, &Options { duplicates: Duplicates::Full, ..options.clone() });
        check(&full, data);
        assert_eq!(full.counts, report.counts);
        let quick = verify::slice(data, &Options { quick: true, ..options.clone() });
        check(&quick, data);
        assert!(quick.findings_total <= report.findings_total, "a quick look finds no more");
        let few = verify::slice(data, &Options { max_findings: 2, ..options });
        assert_eq!(few.findings_total, report.findings_total);
        assert_eq!(few.findings_by_code, report.findings_by_code);
        assert!(few.findings.len() <= 2);
    }
}

/// A file, and as records one too: what is taken at a glance gives the report of what is taken step by step.
pub fn fast_paths(data: &[u8]) {
    for limits in limits() {
        // Where memory runs out, the key of the hashes decides what is compared.
        let fast = Options { limits, hash_key: Some(1), ..Options::default() };
        let slow = Options { no_fast_paths: true, ..fast.clone() };
        assert_eq!(verify::slice(data, &fast), verify::slice(data, &slow));
        let records = |options| verify::aof_slice(data, options).expect("memory can be read");
        assert_eq!(records(&fast), records(&slow));
    }
}

fn check(report: &Report, data: &[u8]) {
    let size = data.len() as u64;
    assert_eq!(report.size, size);
    check_report(report, size);
    check_answers(report, data);
    assert_eq!(report.counts.types.values().sum::<u64>(), report.counts.keys);
    assert_eq!(report.counts.encodings.values().sum::<u64>(), report.counts.keys);
}
