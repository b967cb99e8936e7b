//! What the findings about an RDB come from.

use super::{Cause, plural};
use crate::rdb::opcode;
use crate::repair::rdb::salvage::{Behind, behind};
use crate::report::causes::CauseCode as C;
use crate::report::{Code, Finding, Report, Severity, TrailingBytes, Verdict};

/// Sizes at which copies and disks break off.
const BLOCKS: [(u64, &str); 4] = [
    (1 << 30, "a multiple of 1 GiB"),
    (1 << 20, "a multiple of 1 MiB"),
    (4096, "a multiple of 4096"),
    (512, "a multiple of 512"),
];

pub(super) fn cause(head: &[u8], tail: &[u8], report: &Report) -> Option<Cause> {
    product(report)
        .or_else(|| zeros(tail, report))
        .or_else(|| trailing(report))
        .or_else(|| duplicates(report))
        .or_else(|| broken(head, tail, report))
        .or_else(|| cut(report))
        .or_else(|| version_digit(report))
        .or_else(|| bit_rot(report))
        .or_else(|| expired(report))
}

/// Returns the first finding of a code.
fn first(report: &Report, code: Code) -> Option<&Finding> {
    report.findings.iter().find(|finding| finding.code == code)
}

fn count(report: &Report, code: Code) -> u64 {
    report.findings_by_code.get(&code).copied().unwrap_or(0)
}

fn product(report: &Report) -> Option<Cause> {
    if report.verdict != Verdict::Unknown {
        return None;
    }
    let said = first(report, Code::RdbForeignProduct).map(|finding| finding.message.as_str());
    if let Some(said) = said {
        let known = [("Dragonfly", C::Dragonfly), ("KeyDB", C::KeyDb), ("Redis Enterprise", C::RedisEnterprise)];
        let code = known.iter().find(|(name, _)| said.contains(name)).map_or(C::OtherProduct, |(_, code)| *code);
        return Some(Cause::new(code, format!("not damaged, as far as it can be read: {said}")));
    }
    let newer = count(report, Code::RdbNewerVersion) > 0;
    let format = report.format.as_ref().filter(|_| newer)?;
    let message = format!(
        "not damaged, as far as it can be read: RDB version {} ({}) is newer than this build knows",
        format.rdb_version, format.family
    );
    let cause = Cause::new(C::NewerVersion, message);
    Some(match &format.writer {
        Some(writer) => cause.evidence(format!("{} {} wrote it", format.family, writer.escape_debug())),
        None => cause,
    })
}

fn zeros(tail: &[u8], report: &Report) -> Option<Cause> {
    let at_end = tail.iter().rev().take_while(|b| **b == 0).count() as u64;
    let hole = report.findings.iter().rfind(|finding| finding.code == Code::RdbZeroHole);
    if report.verdict != Verdict::Damaged {
        return None;
    }
    // Of the zeros at the end, the last record may have taken a few.
    let to_end = hole.is_some_and(|hole| hole.end.is_some_and(|end| end + 16 >= report.size));
    let whole_tail = at_end >= 64 && count(report, Code::RdbTruncated) + count(report, Code::RdbZeroHole) > 0;
    if to_end || whole_tail {
        let known = hole.filter(|_| to_end).map_or(report.size - at_end.min(report.size), |hole| hole.start);
        let zeros = (report.size - known).max(at_end);
        let known = report.size - zeros;
        let reaches = if at_end == tail.len() as u64 && !to_end { "at least " } else { "" };
        let message = format!(
            "from byte {known} to the end all zero, {reaches}{}: the size reached the disk, the content did not",
            plural(zeros, "byte")
        );
        return Some(Cause::new(C::ZeroTail, message).offset(known).evidence(block(report.size)));
    }
    let hole = hole?;
    let (start, end) = (hole.start, hole.end.unwrap_or(hole.start));
    let zeros = plural(end.saturating_sub(start), "zero byte");
    let message = format!("{zeros} from byte {start} on lie where records should be");
    Some(Cause::new(C::Hole, message).offset(start).evidence(block(end.saturating_sub(start))))
}

/// Returns what a size says about where it comes from.
fn block(size: u64) -> String {
    let exact = BLOCKS.iter().find(|(block, _)| size > 0 && size.is_multiple_of(*block));
    exact.map_or_else(
        || format!("{}, no multiple of a block", plural(size, "byte")),
        |(_, what)| format!("{size} bytes, {what}"),
    )
}

fn trailing(report: &Report) -> Option<Cause> {
    let (at, trail) = report.rdb.as_ref()?.trailing?;
    let rest = plural(report.size.saturating_sub(at), "byte");
    let cause = match trail {
        TrailingBytes::SecondRdb => {
            let message = format!("an RDB ends at byte {at}, and another one begins there, {rest} long");
            Cause::new(C::TwoRdbs, message)
        }
        TrailingBytes::ReplicationMark => {
            let message = format!("the last {rest} are the mark with which a diskless replication ends");
            Cause::new(C::ReplicationMark, message).evidence("servers do not look at it".to_owned())
        }
        _ => return None,
    };
    Some(cause.offset(at))
}

fn duplicates(report: &Report) -> Option<Cause> {
    let keys = count(report, Code::RdbDuplicateKey);
    let finding = first(report, Code::RdbDuplicateKey)?;
    let what = if keys == 1 { "a key occurs".to_owned() } else { format!("{keys} keys occur") };
    let message = format!("{what} twice in one database: every server aborts while it loads");
    let all = report.findings.iter().filter(|finding| finding.code == Code::RdbDuplicateKey);
    Some(Cause::new(C::DuplicateKeys, message).offset(finding.start).names(all))
}

/// The check had to stop, and records go on behind that place: the file was not cut, something at it was changed.
fn broken(head: &[u8], tail: &[u8], report: &Report) -> Option<Cause> {
    if report.verdict != Verdict::Damaged || report.kind != crate::report::Kind::Rdb || report.checksum.is_some() {
        return None;
    }
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let finding = errors.max_by_key(|finding| finding.start)?;
    let promised = report.rdb.as_ref()?.largest_resizedb.map(|(keys, _)| keys);
    let found = behind(head, tail, report.size, finding.start);
    let what = match finding.code {
        Code::RdbTruncated | Code::RdbBadLength | Code::RdbBadStringEncoding => "the length",
        Code::RdbUnknownType => "the type",
        _ => "something",
    };
    let at = finding.start;
    let cause = match found {
        Some(Behind { from, keys, ends, all }) => {
            let least = if all { "" } else { "at least " };
            let stand = if keys == 1 { "stands" } else { "stand" };
            let message = format!(
                "{what} at byte {at} was changed, or what leads to it: {least}{} {stand} behind it, from byte {from} on",
                plural(keys, "key")
            );
            let end = if ends { "the end mark and a checksum stand at the end" } else { "the end mark is missing" };
            Cause::new(C::BitRot, message).evidence(end.to_owned())
        }
        // The last key of all: nothing but the end could follow it.
        None if finding.code == Code::RdbTruncated
            && promised == Some(report.counts.keys)
            && tail.len().checked_sub(9).is_some_and(|at| tail[at] == opcode::EOF) =>
        {
            let message =
                format!("{what} at byte {at}, in the last key, was changed: it reaches over the end of the file");
            Cause::new(C::BitRot, message)
                .evidence(format!(
                    "all of the {} that a RESIZEDB declares are there",
                    plural(report.counts.keys, "key")
                ))
                .evidence("an end mark and a checksum stand at the end".to_owned())
        }
        None => return None,
    };
    let newer = report.findings.iter().rfind(|finding| finding.code == Code::RdbTypeNewerThanVersion);
    let cause = match newer {
        // A type that the writer did not know yet.
        Some(newer) if newer.key.is_some() && newer.key == finding.key || newer.start == at => cause.evidence(format!(
            "the type at byte {} is newer than the version of the file: its byte was changed",
            newer.start
        )),
        _ => cause,
    };
    Some(cause.offset(at).names([finding]))
}

fn cut(report: &Report) -> Option<Cause> {
    let finding = first(report, Code::RdbTruncated)?;
    let facts = report.rdb.as_ref()?;
    let place = match (finding.value_type, finding.reading.as_deref()) {
        _ if report.format.is_none() => "before the version".to_owned(),
        (Some(value_type), _) => format!("in the middle of a {value_type}"),
        (None, Some("an opcode or type byte") | None) => "between two records".to_owned(),
        (None, Some(reading)) => format!("in the middle of {reading}"),
    };
    let mut cause = Cause::new(C::Cut, format!("the file ends {place}, at byte {}", report.size))
        .offset(finding.start)
        .names([finding])
        .evidence("the end mark and the checksum are missing".to_owned())
        .evidence(block(report.size));
    if let Some((promised, _)) = facts.largest_resizedb
        && promised > report.counts.keys
    {
        cause = cause.evidence(format!(
            "a RESIZEDB declares {}, {} read in all",
            plural(promised, "key"),
            report.counts.keys
        ));
    }
    Some(cause)
}

fn version_digit(report: &Report) -> Option<Cause> {
    let finding = first(report, Code::RdbVersionDigitDamaged)?;
    let message = "a digit of the version is damaged: the version that is stated has no checksum, and one follows";
    Some(Cause::new(C::VersionDigit, message.to_owned()).offset(finding.start))
}

/// Everything can be read, but something in it is wrong.
fn bit_rot(report: &Report) -> Option<Cause> {
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let whole = report.checksum.is_some() && report.kind == crate::report::Kind::Rdb;
    let mismatch = count(report, Code::RdbChecksumMismatch) > 0;
    if !whole || !mismatch {
        return None;
    }
    let inside: Vec<_> = errors.into_iter().filter(|finding| finding.code != Code::RdbChecksumMismatch).collect();
    let keys = plural(report.counts.keys, "key");
    let message = if inside.is_empty() {
        format!("all of it can be read, {keys}, but a byte somewhere has changed since: the checksum does not match")
    } else {
        let mut names: Vec<_> =
            inside.iter().filter_map(|finding| finding.key.as_ref().map(|key| (finding.db, key))).collect();
        names.sort_unstable();
        names.dedup();
        let are = if names.len() == 1 { "is" } else { "are" };
        format!("bytes have changed: {} of {keys} {are} damaged, the rest can be read", names.len())
    };
    let cause = Cause::new(C::BitRot, message).names(inside.iter().copied());
    Some(match inside.first() {
        Some(finding) => cause.offset(finding.start),
        None => cause,
    })
}

/// Nothing is wrong, but a server that loads it will be almost empty.
fn expired(report: &Report) -> Option<Cause> {
    let (keys, expired) = (report.counts.keys, report.counts.expired);
    (keys > 0 && expired.saturating_mul(10) >= keys.saturating_mul(9)).then(|| {
        let left = keys - expired;
        Cause::new(
            C::AllExpired,
            format!("{expired} of {} have expired: a server started now will show {left}", plural(keys, "key")),
        )
    })
}
