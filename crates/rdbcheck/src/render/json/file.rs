//! What came of one input in the document. Reports, causes, and predictions serialize themselves; here is what the commands know
//! besides: paths, packing, the commands that are advised, and the bytes around findings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use redis_persistence::aof::changes::Change;
use redis_persistence::diagnose::{Cause, hint};
use redis_persistence::servers::Loads;
use redis_persistence::verify::stats::Stats;
use redis_persistence::verify::{
    AofFacts, Checksum, Counts, DuplicateCheck, Finding, Format, Kind, Part, Report, Verdict,
};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::outcomes::{RepairView, SalvageAofView, SalvageView};
use crate::escape;
use crate::input::hex::Span;
use crate::outcome::{Entry, Row};
use crate::seals::Held;
use crate::unpack::Packing;

#[derive(Serialize)]
pub(super) struct FileView<'a> {
    path: Cow<'a, str>,
    kind: Kind,
    verdict: Verdict,
    error: Option<&'a str>,
    size: Option<u64>,
    format: Option<&'a Format>,
    counts: Option<&'a Counts>,
    checksum: Option<Checksum>,
    duplicates: Option<DuplicateCheck>,
    aof: Option<&'a AofFacts>,
    parts: &'a [Part],
    loads_on: BTreeMap<String, Loads>,
    findings: FindingsView<'a>,
    findings_total: u64,
    cause: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packing: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packing_damage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<InPart<'a, Row>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<InPart<'a, Change>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<SealView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<RepairView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage_aof: Option<SalvageAofView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage: Option<SalvageView<'a>>,
}

impl<'a> FileView<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        let report = entry.outcome.as_ref().ok();
        let timeline = report.zip(entry.timeline.as_ref());
        let rows = timeline.map(|(report, of)| of.rows.iter().map(|row| InPart::of(report, row.part, row)).collect());
        let changes = timeline
            .map(|(report, of)| of.changes.iter().map(|(part, change)| InPart::of(report, *part, change)).collect());
        Self {
            path: entry.path.to_string_lossy(),
            kind: report.map_or(Kind::Unknown, |r| r.kind),
            verdict: report.map_or(Verdict::Unknown, |r| r.verdict),
            error: entry.outcome.as_ref().err().map(String::as_str),
            size: report.map(|r| r.size),
            format: report.and_then(|r| r.format.as_ref()),
            counts: report.map(|r| &r.counts),
            checksum: report.and_then(|r| r.checksum),
            duplicates: report.map(|r| r.duplicates),
            aof: report.and_then(|r| r.aof.as_ref()),
            parts: report.map_or(&[], |r| &r.parts),
            loads_on: entry.loads.iter().map(|answer| (answer.release.to_string(), named(answer, entry))).collect(),
            findings: FindingsView(entry),
            findings_total: report.map_or(0, |r| r.findings_total),
            cause: entry.cause.clone().map(|mut cause| {
                cause.command = cause.command.map(|command| entry.command(&command));
                cause
            }),
            path_base64: entry
                .path
                .to_str()
                .is_none()
                .then(|| escape::base64(entry.path.as_os_str().as_encoded_bytes())),
            packing: entry.packing.map(Packing::as_str),
            packing_damage: entry.damage.as_deref(),
            timeline: rows,
            changes,
            seal: entry.seal.as_ref().map(SealView::of),
            stats: report.and_then(|r| r.stats.as_ref()),
            repair: entry.repaired.as_ref().map(RepairView::of),
            salvage_aof: entry.salvaged_aof.as_ref().map(SalvageAofView::of),
            salvage: entry.salvaged.as_ref().map(SalvageView::of),
        }
    }
}

/// How an input was held against a seal.
#[derive(Serialize)]
struct SealView<'a> {
    path: Cow<'a, str>,
    sealed_at: i64,
    same: bool,
    differs: &'a [String],
    grown: u64,
    signature: Option<Cow<'a, str>>,
}

impl<'a> SealView<'a> {
    fn of(held: &'a Held) -> Self {
        Self {
            path: held.seal.to_string_lossy(),
            sealed_at: held.sealed_at,
            same: held.differs.is_empty(),
            differs: &held.differs,
            grown: held.grown,
            signature: held.signature.as_ref().map(|path| path.to_string_lossy()),
        }
    }
}

/// Returns what a server does, with the path of a single file that it cuts.
fn named(answer: &Loads, entry: &Entry) -> Loads {
    let mut answer = answer.clone();
    for cut in &mut answer.cuts {
        cut.file.get_or_insert_with(|| entry.path.to_string_lossy().into_owned());
    }
    answer
}

/// Something of one part of a set, with the name of the part.
#[derive(Serialize)]
struct InPart<'a, T> {
    file: &'a str,
    role: &'a str,
    #[serde(flatten)]
    of: &'a T,
}

impl<'a, T> InPart<'a, T> {
    fn of(report: &'a Report, part: usize, of: &'a T) -> Self {
        let (file, role) = report.parts.get(part).map_or(("", ""), |part| (&part.name, part.role.as_str()));
        Self { file, role, of }
    }
}

/// All findings of an entry: those in memory, then the others, which are read one by one.
struct FindingsView<'a>(&'a Entry);

impl Serialize for FindingsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = self.0;
        let mut list = serializer.serialize_seq(None)?;
        let Ok(report) = &entry.outcome else { return list.end() };
        let bytes = |n: usize| entry.hex.get(n).map(|spans| spans.iter().map(SpanView::of).collect());
        for (n, finding) in report.findings.iter().enumerate() {
            list.serialize_element(&FindingView {
                finding: hinted(finding.clone(), report.kind, entry),
                bytes: bytes(n),
            })?;
        }
        for finding in entry.beyond().map_err(S::Error::custom)? {
            let finding = hinted(finding.map_err(S::Error::custom)?, report.kind, entry);
            list.serialize_element(&FindingView { finding, bytes: None })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct FindingView {
    #[serde(flatten)]
    finding: Finding,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<SpanView>>,
}

/// Returns the finding with the command that helps against its kind.
fn hinted(mut finding: Finding, kind: Kind, entry: &Entry) -> Finding {
    let command = hint(finding.code, kind).map(|hint| entry.command(hint));
    let hints: Vec<_> = finding.hint.take().into_iter().chain(command).collect();
    finding.hint = (!hints.is_empty()).then(|| hints.join("; "));
    finding
}

#[derive(Serialize)]
struct SpanView {
    at: u64,
    hex: String,
}

impl SpanView {
    fn of(span: &Span) -> Self {
        Self { at: span.at, hex: span.bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
    }
}
