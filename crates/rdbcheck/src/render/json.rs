//! A report for machines: one document for all inputs, in the shape of `docs/report.schema.json` of the library's
//! package; or one on a line of its own for each, in the shape of `$defs/line` there.

mod file;
mod numbers;
mod outcomes;

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::escape;
use crate::outcome::Entry;
use file::FileView;
use numbers::{to_line, to_pretty};
pub(super) use outcomes::UndoView;

const SCHEMA: u32 = 1;
const VERSION: &str = env!("CARGO_PKG_VERSION");

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

/// Returns what stands of an entry in the document.
pub(super) fn part(entry: &Entry) -> io::Result<String> {
    // What is text has no line ends of its own.
    Ok(pretty(&FileView::of(entry))?.replace('\n', "\n    "))
}

/// Writes the same, piece by piece: of an entry that has more findings than memory may hold.
pub(super) fn write_part(entry: &Entry, out: impl Write) -> io::Result<()> {
    let mut out = Escaping { out: BufWriter::new(out), indent: "    " };
    to_pretty(&mut out, &FileView::of(entry))?;
    out.flush()
}

/// Returns what stands before the first part of the document.
pub(super) fn opening(tool: &str) -> io::Result<String> {
    Ok(around(tool, None)?.0 + "[\n    ")
}

/// What stands between two parts.
pub(super) const BETWEEN: &str = ",\n    ";

/// Returns what stands behind the last part.
pub(super) fn closing(tool: &str, undo: Option<&UndoView>) -> io::Result<String> {
    Ok("\n  ]".to_owned() + &around(tool, undo)?.1)
}

/// Returns the document without any part, with a line end.
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
    let line = Line { schema_version: SCHEMA, tool, version: VERSION, file: Some(FileView::of(entry)), undo: None };
    to_line(&mut out, &line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Returns an entry as a document on one line.
pub(super) fn line(tool: &str, entry: &Entry) -> io::Result<String> {
    one_line(&Line { schema_version: SCHEMA, tool, version: VERSION, file: Some(FileView::of(entry)), undo: None })
}

/// Returns what came of taking a repair back as a document on one line.
pub(super) fn undo_line(tool: &str, undo: &UndoView) -> io::Result<String> {
    one_line(&Line { schema_version: SCHEMA, tool, version: VERSION, file: None, undo: Some(undo) })
}

fn one_line(line: &Line<'_>) -> io::Result<String> {
    let mut text = Vec::new();
    to_line(&mut text, line)?;
    escaped(text).map(|text| text + "\n")
}

fn pretty(value: &impl Serialize) -> io::Result<String> {
    let mut text = Vec::new();
    to_pretty(&mut text, value)?;
    escaped(text)
}

fn escaped(text: Vec<u8>) -> io::Result<String> {
    String::from_utf8(text).map(|text| escape::json(&text)).map_err(io::Error::other)
}
