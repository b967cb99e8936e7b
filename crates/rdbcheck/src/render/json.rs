//! A report for machines: one document for all inputs, in the shape of `docs/report.schema.json` of the library's
//! package.

mod aof;
mod repair;

use std::collections::BTreeMap;
use std::io;

use redis_persistence::rdb::Family;
use redis_persistence::verify::{Counts, Finding, Format, Report, Severity};
use serde::{Serialize, Serializer};

use crate::entry::Entry;
use crate::escape;
use aof::{AofView, PartView, RowView};
use repair::RepairView;
pub(super) use repair::UndoView;

/// A number; a text from 2^53 on, where readers that know only doubles would change it.
#[derive(Debug, Clone, Copy)]
struct Number(u64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 > 1 << 53 { serializer.collect_str(&self.0) } else { serializer.serialize_u64(self.0) }
    }
}

/// A number that may be negative, likewise.
#[derive(Debug, Clone, Copy)]
struct Signed(i64);

impl Serialize for Signed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.unsigned_abs() > 1 << 53 { serializer.collect_str(&self.0) } else { serializer.serialize_i64(self.0) }
    }
}

/// A field that does not apply to what is reported here.
type Absent = Option<()>;
/// An object without members.
type Nothing = BTreeMap<&'static str, ()>;
type ByName<'a> = BTreeMap<&'a str, Number>;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    tool: &'a str,
    version: &'a str,
    files: Vec<FileView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<&'a UndoView>,
}

#[derive(Serialize)]
struct FileView<'a> {
    path: String,
    kind: &'a str,
    verdict: &'a str,
    error: Option<&'a str>,
    size: Option<Number>,
    format: Option<FormatView<'a>>,
    counts: Option<CountsView<'a>>,
    checksum: Option<&'a str>,
    duplicates: Option<&'a str>,
    aof: Option<AofView<'a>>,
    parts: Vec<PartView<'a>>,
    loads_on: Nothing,
    findings: Vec<FindingView<'a>>,
    findings_total: Number,
    cause: Absent,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<RowView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<RepairView<'a>>,
}

#[derive(Serialize)]
struct FormatView<'a> {
    family: &'a str,
    rdb_version: u32,
    writer: Option<&'a str>,
}

#[derive(Serialize)]
struct CountsView<'a> {
    keys: Number,
    expires: Number,
    expired: Number,
    functions: Number,
    databases: BTreeMap<u64, DatabaseView<'a>>,
    types: ByName<'a>,
    encodings: ByName<'a>,
}

#[derive(Serialize)]
struct DatabaseView<'a> {
    keys: Number,
    expires: Number,
    types: ByName<'a>,
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
    hint: Option<&'a str>,
}

/// The document, with a line end.
///
/// # Errors
/// None that is known: the views hold nothing that JSON cannot.
pub(super) fn render(tool: &str, entries: &[Entry], undo: Option<&UndoView>, redact: bool) -> io::Result<String> {
    let files = entries.iter().map(|entry| file(entry, redact)).collect();
    let document = Document { schema_version: 1, tool, version: env!("CARGO_PKG_VERSION"), files, undo };
    let text = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
    Ok(escape::json(&text) + "\n")
}

fn file(entry: &Entry, redact: bool) -> FileView<'_> {
    let report = entry.outcome.as_ref().ok();
    FileView {
        path: entry.path.to_string_lossy().into_owned(),
        kind: report.map_or("unknown", |r| r.kind.as_str()),
        verdict: report.map_or("unknown", |r| r.verdict.as_str()),
        error: entry.outcome.as_ref().err().map(String::as_str),
        size: report.map(|r| Number(r.size)),
        format: report.and_then(|r| r.format.as_ref()).map(format),
        counts: report.map(|r| counts(&r.counts)),
        checksum: report.and_then(|r| r.checksum).map(|c| c.as_str()),
        duplicates: report.map(|r| r.duplicates.as_str()),
        aof: report.and_then(|r| aof::facts(entry, r)),
        parts: report.map(aof::parts).unwrap_or_default(),
        loads_on: Nothing::new(),
        findings: report.map(|r| findings(r, redact)).unwrap_or_default(),
        findings_total: Number(report.map_or(0, |r| r.findings_total)),
        cause: None,
        timeline: report.and_then(|r| aof::timeline(entry, r)),
        repair: entry.repaired.as_ref().map(repair::of),
    }
}

fn format(format: &Format) -> FormatView<'_> {
    let family = match format.family {
        Family::Redis => "redis",
        Family::Valkey => "valkey",
    };
    FormatView { family, rdb_version: format.rdb_version, writer: format.writer.as_deref() }
}

fn counts(counts: &Counts) -> CountsView<'_> {
    let databases = counts.databases.iter().map(|(db, counts)| {
        let types = by_name(counts.types.iter().map(|(name, n)| (name.as_str(), *n)));
        (*db, DatabaseView { keys: Number(counts.keys), expires: Number(counts.expires), types })
    });
    CountsView {
        keys: Number(counts.keys),
        expires: Number(counts.expires),
        expired: Number(counts.expired),
        functions: Number(counts.functions),
        databases: databases.collect(),
        types: by_name(counts.types.iter().map(|(name, n)| (name.as_str(), *n))),
        encodings: by_name(counts.encodings.iter().map(|(name, n)| (*name, *n))),
    }
}

fn by_name<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> ByName<'a> {
    counts.map(|(name, n)| (name, Number(n))).collect()
}

fn findings(report: &Report, redact: bool) -> Vec<FindingView<'_>> {
    report.findings.iter().map(|found| finding(found, redact)).collect()
}

fn finding(finding: &Finding, redact: bool) -> FindingView<'_> {
    let name = finding.key.as_deref();
    let text = name
        .and_then(|name| super::stand_in(name, redact).or_else(|| std::str::from_utf8(name).ok().map(str::to_owned)));
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
        hint: finding.hint.as_deref(),
    }
}

/// Base64 of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |n, i| n << 8 | usize::from(three.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let is_padding = digit > three.len();
            out.push(if is_padding { '=' } else { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let examples =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (text, expected) in examples {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(b"\xff\xfe\xfd"), "//79");
    }

    #[test]
    fn large_numbers_are_text() -> Result<(), serde_json::Error> {
        assert_eq!(serde_json::to_string(&Number(1 << 53))?, "9007199254740992");
        assert_eq!(serde_json::to_string(&Number((1 << 53) + 1))?, "\"9007199254740993\"");
        Ok(())
    }
}
