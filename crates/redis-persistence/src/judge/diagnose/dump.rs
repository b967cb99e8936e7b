//! What DUMP and FUNCTION DUMP answer, kept in a file: what it holds, and which servers take it back.

use super::{Cause, CauseCode};
use crate::judge::servers::{Basis, Settings, Target, judge};
use crate::report::{Checksum, Kind, Report, Verdict};
use crate::verify::{self, Options};

/// Returns the cause for a file that was verified as such an answer.
pub(super) fn cause(report: &Report) -> Cause {
    let line_end = report.rdb.as_ref().and_then(|facts| facts.trailing).map(|(at, _)| at);
    let version = report.format.as_ref().map_or(0, |format| format.rdb_version);
    let (what, command) = if report.is_function_dump() {
        ("the answer of FUNCTION DUMP, not a file: libraries".to_owned(), "redis-cli -x FUNCTION RESTORE")
    } else {
        (format!("the answer of DUMP, not a file: {} without its key", value(report)), "redis-cli -x RESTORE KEY 0")
    };
    let newer = if report.verdict == Verdict::Unknown { ", which this build does not know" } else { "" };
    let mut cause = Cause::new(CauseCode::DumpPayload, format!("{what}, of RDB version {version}{newer}"));
    cause.command = Some(match line_end {
        Some(bytes) => format!("head -c {bytes} FILE | {command}"),
        None => format!("{command} < FILE"),
    });
    cause = cause.reversible_if(report.verdict == Verdict::Sound);
    cause.evidence.push(match report.checksum {
        Some(Checksum::Ok) => "its checksum is right".to_owned(),
        Some(Checksum::Disabled) => "its checksum is 0, which Redis takes for none from 8.6 on".to_owned(),
        _ => "it begins with a type and ends with a version as such an answer does, and its checksum does not match"
            .to_owned(),
    });
    if line_end.is_some() {
        cause.evidence.push("a line end stands behind it, as redis-cli adds one".to_owned());
    }
    if report.verdict == Verdict::Sound {
        cause.evidence.extend(takers(report));
    }
    cause
}

/// Returns the same for a file of which it was not known what it is, if all of it is there.
pub(super) fn of_bytes(head: &[u8], report: &Report) -> Option<Cause> {
    let dump = Some(head)
        .filter(|head| head.len() as u64 == report.size)
        .and_then(|head| verify::dump(head, &Options::default()))?;
    (dump.checksum == Some(Checksum::Ok)).then(|| cause(&dump))
}

/// `a hash (hash-listpack)`.
fn value(report: &Report) -> String {
    let first = |names: Vec<&str>| names.first().map(|name| (*name).to_owned());
    let of = first(report.counts.types.keys().map(String::as_str).collect());
    let how = first(report.counts.encodings.keys().copied().collect());
    match (of, how) {
        (Some(of), Some(how)) if of != how => format!("a {of} ({how})"),
        (Some(of), _) => format!("a {of}"),
        _ => "one value".to_owned(),
    }
}

/// Returns which servers take it, by what that is known from.
fn takers(report: &Report) -> Option<String> {
    debug_assert_eq!(report.kind, Kind::Dump);
    let takes = |target: &&Target| judge(report, **target, &Settings::default()).loads;
    let (mut measured, mut read) = (Vec::new(), Vec::new());
    for target in Target::ALL.iter().filter(takes) {
        if target.basis() == Basis::Measured { &mut measured } else { &mut read }.push(target.name());
    }
    let named = |names: &[&str], how: &str| (!names.is_empty()).then(|| format!("{} ({how})", names.join(", ")));
    let all = [named(&measured, "measured"), named(&read, "by their documents")];
    let all: Vec<_> = all.into_iter().flatten().collect();
    match (all.is_empty(), report.is_function_dump()) {
        (true, true) => None,
        (true, false) => Some("RESTORE of no server known here takes it".to_owned()),
        (false, _) => Some(format!("RESTORE takes it on {}", all.join(", and on "))),
    }
}
