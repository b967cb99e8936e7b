//! A report for machines: one document for all inputs, in the shape of `docs/report.schema.json` of the library's
//! package; or one on a line of its own for each, in the shape of `$defs/line` there.

mod aof;
mod findings;
mod repair;
mod salvage;
mod salvage_aof;
mod servers;
mod stats;
mod timeline;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use redis_persistence::rdb::Family;
use redis_persistence::verify::{Counts, Format};
use serde::{Serialize, Serializer};

use crate::escape;
use crate::input::unpack::Packing;
use crate::outcome::Entry;
use aof::{AofView, PartView};
use findings::{CauseView, FindingsView};
use repair::RepairView;
pub(super) use repair::UndoView;
use salvage_aof::SalvageAofView;
use servers::LoadsView;
use stats::StatsView;

const SCHEMA: u32 = 1;
const VERSION: &str = env!("CARGO_PKG_VERSION");

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

type ByName<'a> = BTreeMap<&'a str, Number>;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    tool: &'a str,
    version: &'a str,
    files: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<&'a UndoView>,
}

/// A document of one entry: the same but that it has one file, not a list of them.
#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    tool: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileView<'a>>,
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
    loads_on: BTreeMap<String, LoadsView<'a>>,
    findings: FindingsView<'a>,
    findings_total: Number,
    cause: Option<CauseView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packing: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packing_damage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<timeline::RowView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<timeline::ChangeView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<StatsView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<RepairView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage_aof: Option<SalvageAofView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage: Option<salvage::SalvageView<'a>>,
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

/// What stands of an entry in the document.
pub(super) fn part(entry: &Entry) -> io::Result<String> {
    // What is text has no line ends of its own.
    Ok(pretty(&file(entry))?.replace('\n', "\n    "))
}

/// Writes the same, piece by piece: of an entry that has more findings than memory may hold.
pub(super) fn write_part(entry: &Entry, out: impl Write) -> io::Result<()> {
    let mut out = Escaping { out: BufWriter::new(out), indent: "    " };
    serde_json::to_writer_pretty(&mut out, &file(entry))?;
    out.flush()
}

/// What stands before the first part of the document.
pub(super) fn opening(tool: &str) -> io::Result<String> {
    Ok(around(tool, None)?.0 + "[\n    ")
}

/// What stands between two parts.
pub(super) const BETWEEN: &str = ",\n    ";

/// What stands behind the last part.
pub(super) fn closing(tool: &str, undo: Option<&UndoView>) -> io::Result<String> {
    Ok("\n  ]".to_owned() + &around(tool, undo)?.1)
}

/// The document without any part, with a line end.
pub(super) fn document(tool: &str, undo: Option<&UndoView>) -> io::Result<String> {
    let (before, behind) = around(tool, undo)?;
    Ok(before + "[]" + &behind)
}

fn around(tool: &str, undo: Option<&UndoView>) -> io::Result<(String, String)> {
    let document = Document { schema_version: SCHEMA, tool, version: VERSION, files: [], undo };
    let text = pretty(&document)? + "\n";
    let (before, behind) = text.split_once("[]").unwrap_or((&text, ""));
    Ok((before.to_owned(), behind.to_owned()))
}

/// Writes JSON with what a terminal might act on escaped, and its lines indented. It is given whole characters at a time.
struct Escaping<W> {
    out: W,
    indent: &'static str,
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let mut text = escape::json(text);
        if !self.indent.is_empty() && text.contains('\n') {
            text = text.replace('\n', &format!("\n{}", self.indent));
        }
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a document on one line, piece by piece.
pub(super) fn write_line(tool: &str, entry: &Entry, out: impl Write) -> io::Result<()> {
    let mut out = Escaping { out: BufWriter::new(out), indent: "" };
    let line = Line { schema_version: SCHEMA, tool, version: VERSION, file: Some(file(entry)), undo: None };
    serde_json::to_writer(&mut out, &line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// An entry as a document on one line.
pub(super) fn line(tool: &str, entry: &Entry) -> io::Result<String> {
    one_line(&Line { schema_version: SCHEMA, tool, version: VERSION, file: Some(file(entry)), undo: None })
}

/// What came of taking a repair back as a document on one line.
pub(super) fn undo_line(tool: &str, undo: &UndoView) -> io::Result<String> {
    one_line(&Line { schema_version: SCHEMA, tool, version: VERSION, file: None, undo: Some(undo) })
}

fn one_line(line: &Line<'_>) -> io::Result<String> {
    let text = serde_json::to_string(line).map_err(io::Error::other)?;
    Ok(escape::json(&text) + "\n")
}

fn pretty(value: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    Ok(escape::json(&text))
}

fn file(entry: &Entry) -> FileView<'_> {
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
        loads_on: servers::all(&entry.loads, &entry.path),
        findings: FindingsView(entry),
        findings_total: Number(report.map_or(0, |r| r.findings_total)),
        cause: entry.cause.as_ref().map(|c| findings::cause(c, &entry.path)),
        path_base64: entry.path.to_str().is_none().then(|| escape::base64(entry.path.as_os_str().as_encoded_bytes())),
        packing: entry.packing.map(Packing::as_str),
        packing_damage: entry.damage.as_deref(),
        timeline: report.and_then(|r| timeline::rows(entry, r)),
        changes: report.and_then(|r| timeline::changes(entry, r)),
        stats: report.and_then(|r| r.stats.as_ref()).map(stats::stats),
        repair: entry.repaired.as_ref().map(repair::of),
        salvage_aof: entry.salvaged_aof.as_ref().map(salvage_aof::of),
        salvage: entry.salvaged.as_ref().map(salvage::of),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_text() -> Result<(), serde_json::Error> {
        assert_eq!(serde_json::to_string(&Number(1 << 53))?, "9007199254740992");
        assert_eq!(serde_json::to_string(&Number((1 << 53) + 1))?, "\"9007199254740993\"");
        Ok(())
    }
}
