//! Runs the same bytes through the three ways in, and holds the results against each other.

use std::io::Read;

use redis_persistence::Limits;
use redis_persistence::push::Push;
use redis_persistence::rdb::{Event, Events, Payload};
use redis_persistence::reader::Reader;
use redis_persistence::verify::{self, Code, Options, Report};
use testkit::rng::Rng;

/// An input that gives out few bytes at a time.
pub struct Dribble<'a> {
    data: &'a [u8],
    rng: Rng,
    most: usize,
}

impl<'a> Dribble<'a> {
    /// Reads of 1 to `most` bytes.
    pub fn new(data: &'a [u8], seed: u64, most: usize) -> Self {
        Self { data, rng: Rng::new(seed), most: most.max(1) }
    }
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.rng.size(1..=self.most).min(buffer.len()).min(self.data.len());
        buffer[..n].copy_from_slice(&self.data[..n]);
        self.data = &self.data[n..];
        Ok(n)
    }
}

/// The events of an RDB, with the pieces of long strings joined, and the error with which they end.
pub type Walk = (Vec<Event<Vec<u8>>>, Option<redis_persistence::Error>);

fn add(walk: &mut Walk, event: &Event<&[u8]>) {
    let event = event.into_owned();
    if let (Payload::Piece { bytes: more, last, .. }, Some(before)) = (&event.payload, walk.0.last_mut())
        && let Payload::Piece { bytes, last: was_last @ false, .. } = &mut before.payload
    {
        bytes.extend_from_slice(more);
        *was_last = *last;
        before.end = event.end;
        before.ends_record = event.ends_record;
        return;
    }
    walk.0.push(event);
}

/// The walks must be the same. A score that is not a number is the same as another one.
#[track_caller]
pub fn assert_same(one: &Walk, other: &Walk) {
    assert!(one == other || format!("{one:?}") == format!("{other:?}"), "{one:?}\nis not\n{other:?}");
}

/// Walks a slice.
pub fn walk_slice(data: &[u8], limits: &Limits) -> Walk {
    let mut walk = (Vec::new(), None);
    for event in Events::with_limits(data, limits.clone()) {
        match event {
            Ok(event) => add(&mut walk, &event),
            Err(error) => walk.1 = Some(error),
        }
    }
    walk
}

/// Walks an input.
pub fn walk_reader(input: impl Read, limits: &Limits) -> Walk {
    let mut walk = (Vec::new(), None);
    let mut reader = Reader::with_limits(input, limits.clone());
    loop {
        match reader.next() {
            Ok(Some(event)) => add(&mut walk, &event),
            Ok(None) => return walk,
            Err(redis_persistence::ReadError::Parse(error)) => {
                walk.1 = Some(error);
                return walk;
            }
            Err(redis_persistence::ReadError::Io(error)) => panic!("{error}"),
        }
    }
}

/// Walks chunks.
pub fn walk_push(data: &[u8], limits: &Limits, seed: u64, most: usize) -> Walk {
    let mut walk = (Vec::new(), None);
    let mut push = Push::new(limits.clone());
    let mut rng = Rng::new(seed);
    let mut rest = data;
    while !rest.is_empty() {
        let (chunk, then) = rest.split_at(rng.size(1..=most.max(1)).min(rest.len()));
        rest = then;
        if let Err(error) = push.feed(chunk, |event, _| add(&mut walk, &event)) {
            walk.1 = Some(error);
            return walk;
        }
    }
    walk.1 = push.finish(|event, _| add(&mut walk, &event)).err();
    walk
}

/// Whether the memory for duplicates did not suffice. How far it reaches depends on the key of the run, and on the way in: what
/// cannot be read again takes a second hash for each thing.
fn ran_out(report: &Report) -> bool {
    [Code::RdbDuplicatesUnchecked, Code::ElementsUnchecked]
        .iter()
        .any(|code| report.findings_by_code.contains_key(code))
}

/// What must agree between reports: everything but the words, and how duplicates were confirmed.
fn essence(report: &Report) -> impl PartialEq + std::fmt::Debug + '_ {
    let findings: Vec<(Code, u64, u64, Option<u64>)> =
        report.findings.iter().map(|f| (f.code, f.start, f.failed_at, f.element)).collect();
    (report.verdict, report.size, &report.format, &report.counts, report.checksum, &report.findings_by_code, findings)
}

/// Asserts that two reports agree.
fn assert_agree(one: &Report, other: &Report, what: &str, data: &[u8]) {
    if ran_out(one) || ran_out(other) {
        let frame = |report: &Report| (report.size, report.format.clone(), report.counts.clone(), report.checksum);
        assert_eq!(frame(one), frame(other), "{what} of {}", data.escape_ascii());
    } else {
        assert_eq!(essence(one), essence(other), "{what} of {}", data.escape_ascii());
    }
}

/// Verifies in all three ways, with reads and chunks of up to `most` bytes; they must agree.
pub fn verify_all(data: &[u8], options: &Options, seed: u64, most: usize) -> Report {
    let by_slice = verify::slice(data, options);
    let by_reader = verify::reader(Dribble::new(data, seed, most), options).expect("memory can be read");
    let mut push = verify::Push::new(options);
    let mut rng = Rng::new(seed ^ 1);
    let mut rest = data;
    while !rest.is_empty() {
        let (chunk, then) = rest.split_at(rng.size(1..=most.max(1)).min(rest.len()));
        rest = then;
        push.feed(chunk);
    }
    let by_push = push.finish();
    assert_agree(&by_slice, &by_reader, "slice and reader", data);
    assert_agree(&by_slice, &by_push, "slice and push", data);
    by_slice
}
