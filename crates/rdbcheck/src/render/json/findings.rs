//! The cause and the findings in the document.

use std::path::Path;

use redis_persistence::diagnose::{Cause, hint};
use redis_persistence::verify::{Finding, Kind, Severity};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::Number;
use crate::escape::base64;
use crate::input::hex::Span;
use crate::outcome::Entry;
use crate::shell::fill;

#[derive(Serialize)]
pub(super) struct CauseView<'a> {
    code: &'a str,
    message: &'a str,
    reversible: bool,
    command: Option<String>,
    file: Option<&'a str>,
    offset: Option<Number>,
    keys: Vec<String>,
    evidence: &'a [String],
}

#[derive(Serialize)]
struct FindingView<'a> {
    code: &'a str,
    severity: &'a str,
    file: Option<&'a str>,
    start: Number,
    failed_at: Number,
    end: Option<Number>,
    line: Option<Number>,
    record: Option<Number>,
    command: Option<&'a str>,
    db: Option<Number>,
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(rename = "type")]
    value_type: Option<&'a str>,
    encoding: Option<&'a str>,
    element: Option<Number>,
    reading: Option<&'a str>,
    message: &'a str,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<SpanView>>,
}

#[derive(Serialize)]
struct SpanView {
    at: Number,
    hex: String,
}

pub(super) fn cause<'a>(cause: &'a Cause, path: &Path) -> CauseView<'a> {
    CauseView {
        code: cause.code.as_str(),
        message: &cause.message,
        reversible: cause.reversible,
        command: cause.command.as_ref().map(|command| fill(command, path)),
        file: cause.file.as_deref(),
        offset: cause.offset.map(Number),
        keys: cause.keys.iter().map(ToString::to_string).collect(),
        evidence: &cause.evidence,
    }
}

/// All findings of an entry: those in memory, then the others, which are read one by one.
pub(super) struct FindingsView<'a>(pub(super) &'a Entry);

impl Serialize for FindingsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = self.0;
        let mut list = serializer.serialize_seq(None)?;
        let Ok(report) = &entry.outcome else { return list.end() };
        let bytes = |n: usize| entry.hex.get(n).map(|spans| spans.iter().map(span).collect());
        for (n, found) in report.findings.iter().enumerate() {
            list.serialize_element(&FindingView { bytes: bytes(n), ..finding(found, report.kind, &entry.path) })?;
        }
        for found in entry.beyond().map_err(S::Error::custom)? {
            list.serialize_element(&finding(&found.map_err(S::Error::custom)?, report.kind, &entry.path))?;
        }
        list.end()
    }
}

fn span(span: &Span) -> SpanView {
    SpanView { at: Number(span.at), hex: span.bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

fn finding<'a>(finding: &'a Finding, kind: Kind, path: &Path) -> FindingView<'a> {
    let name = finding.key.as_deref();
    let text = name.and_then(|name| std::str::from_utf8(name).ok().map(str::to_owned));
    let hints: Vec<_> =
        finding.hint.iter().cloned().chain(hint(finding.code, kind).map(|hint| fill(hint, path))).collect();
    FindingView {
        code: finding.code.as_str(),
        severity: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        file: finding.file.as_deref(),
        start: Number(finding.start),
        failed_at: Number(finding.failed_at),
        end: finding.end.map(Number),
        line: finding.line.map(Number),
        record: finding.record.map(Number),
        command: finding.command.as_deref(),
        db: finding.db.map(Number),
        key_base64: if text.is_none() { name.map(base64) } else { None },
        key: text,
        value_type: finding.value_type,
        encoding: finding.encoding,
        element: finding.element.map(Number),
        reading: finding.reading.as_deref(),
        message: &finding.message,
        hint: (!hints.is_empty()).then(|| hints.join("; ")),
        bytes: None,
    }
}
