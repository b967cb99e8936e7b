//! RDBs that lie in something else: text around them, base64, hex, escapes, or text in another encoding.
//!
//! ```text
//! first bytes -> the forms that it may have -> each undone while it is verified -> the one that gives a whole RDB
//! ```
//! A form is only named as one that can be undone if that was done with these very bytes, and an RDB came out. Undoing takes
//! one pass and bounded memory; what does not fit the form ends the pass.

mod around;
mod dump;
mod encoded;
mod pages;
mod reader;

use std::io;

use redis_persistence::diagnose::{Cause, CauseCode};
use redis_persistence::verify::{self, Checksum, Kind, Options, ReadAt, Report, Severity, TrailingBytes, Verdict};

use crate::units::{commas, number};
use encoded::{Base64, Escaped, Hex, LineEnds};
use pages::{Page, Units};
use reader::{Range, Undo, Undone as Stream};

/// So many first bytes are looked at for where an RDB begins in a text.
const NEAR: usize = 4096;
/// Places where an RDB may begin of which no more are tried.
const MOST_PLACES: usize = 4;

/// What was done to an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Something stands before it, or behind it.
    Around {
        start: u64,
        end: u64,
        what: &'static str,
    },
    /// It came in chunks of HTTP.
    Chunked {
        start: u64,
    },
    Base64 {
        start: u64,
        strict: bool,
    },
    Hex {
        start: u64,
        dump: bool,
    },
    Escaped {
        start: u64,
    },
    /// A carriage return was put before each line feed; `at_end` says that a last one goes, too.
    LineEnds {
        at_end: bool,
    },
    /// Its bytes were taken for characters.
    Text {
        start: u64,
        units: Units,
        page: Page,
    },
}

/// An RDB in disguise.
#[derive(Debug)]
pub struct Disguise {
    form: Form,
    size: u64,
    /// The report on the RDB itself.
    pub report: Report,
    /// The size of the RDB.
    pub length: u64,
}

/// Whether a file with these first bytes may be an RDB in disguise; not so for one that begins as an RDB does.
#[must_use]
pub fn is_suspected(head: &[u8]) -> bool {
    !around::is_signature(head) && (dump::is_suspected(head) || !forms(head, u64::MAX).is_empty())
}

/// What was found in an input beside what its first bytes say.
#[derive(Debug)]
pub struct Looked {
    /// The report: that on the input, or on the answer of DUMP that it is.
    pub report: Report,
    /// An RDB in disguise.
    pub disguise: Option<Disguise>,
    /// The cause, where it is an answer of DUMP as text.
    pub cause: Option<Cause>,
}

/// Looks for what an input of that size holds, about which a report was made as if it were an RDB.
///
/// # Errors
/// If the input fails.
pub fn look(input: &dyn ReadAt, size: u64, head: &[u8], report: Report, options: &Options) -> io::Result<Looked> {
    if report.kind == Kind::Unknown && report.verdict == Verdict::Unknown && !around::is_signature(head) {
        if let Some(report) = dump::as_it_is(input, size, head, options)? {
            return Ok(Looked { report, disguise: None, cause: None });
        }
        if let Some(cause) = dump::in_text(input, size, head, options)? {
            return Ok(Looked { report, disguise: None, cause: Some(cause) });
        }
    }
    let disguise = find(input, size, head, &report, options)?;
    Ok(Looked { report, disguise, cause: None })
}

/// Looks for an RDB in an input of that size about which a report was made.
///
/// # Errors
/// If the input fails.
fn find(
    input: &dyn ReadAt,
    size: u64,
    head: &[u8],
    report: &Report,
    options: &Options,
) -> io::Result<Option<Disguise>> {
    let whole = report.verdict == Verdict::Sound || report.checksum == Some(Checksum::Ok);
    let of_others = report.verdict == Verdict::Unknown && report.kind != Kind::Unknown;
    if whole || of_others || report.kind == Kind::Rdb && !around::is_signature(head) {
        return Ok(None);
    }
    search(input, size, head, options)
}

/// Not where sound files go by: what it keeps on the stack is some pages.
#[cold]
#[inline(never)]
fn search(input: &dyn ReadAt, size: u64, head: &[u8], options: &Options) -> io::Result<Option<Disguise>> {
    let mut damaged = None;
    for form in forms(head, size) {
        for form in pages::fitting(form, input, size)? {
            let Some(found) = form.undone(input, size, options)? else { continue };
            if found.is_whole() {
                return Ok(Some(found));
            }
            if found.report.counts.keys > 0 && form.is_certain() {
                damaged.get_or_insert(found);
            }
        }
    }
    Ok(damaged)
}

/// The forms that a file may have, by its first bytes.
fn forms(head: &[u8], size: u64) -> Vec<Form> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let (rest, skipped) = head.strip_prefix(MARK).map_or((head, 0), |rest| (rest, MARK.len() as u64));
    let mut forms = Vec::new();
    if around::is_signature(rest) {
        if skipped > 0 {
            forms.push(Form::Around { start: skipped, end: size, what: "a byte-order mark stands before it" });
        }
        if rest.get(9..11) == Some(b"\\x") {
            forms.push(Form::Escaped { start: skipped });
        }
        if pages::may_be_utf8(rest) {
            forms.push(Form::Text { start: skipped, units: Units::Utf8, page: Page::LATIN1 });
        }
        if encoded::has_returns(rest) {
            forms.extend([true, false].map(|at_end| Form::LineEnds { at_end }));
        }
        return forms;
    }
    if let Some((units, mark)) = pages::utf16(head) {
        return vec![Form::Text { start: mark, units, page: Page::LATIN1 }];
    }
    let near = &head[..head.len().min(NEAR)];
    if let Some(start) = encoded::base64_at(near) {
        forms.push(Form::Base64 { start: 0, strict: true });
        forms.push(Form::Base64 { start, strict: false });
    }
    if let Some((start, dump)) = encoded::hex_at(near) {
        forms.push(Form::Hex { start, dump });
    }
    if let Some(start) = encoded::escaped_at(near) {
        forms.push(Form::Escaped { start });
    }
    if let Some(start) = around::chunks_at(head) {
        forms.push(Form::Chunked { start });
    }
    // A value of a command can hold a whole RDB.
    if !matches!(head.first(), Some(b'*' | b'#')) {
        let what = around::describe(head);
        let places = around::signatures(head).take(MOST_PLACES);
        forms.extend(places.map(|start| Form::Around { start, end: size, what }));
    }
    forms
}

impl Form {
    /// Whether nothing but this form looks as the file does.
    fn is_certain(self) -> bool {
        !matches!(self, Self::Text { .. } | Self::LineEnds { .. })
    }

    /// Where it begins and ends, and how it is undone.
    fn how(self, size: u64) -> (u64, u64, Box<dyn Undo>) {
        match self {
            Self::Around { start, end, .. } => (start, end.min(size), Box::new(reader::AsItIs)),
            Self::Chunked { start } => (start, size, Box::new(around::Chunks::default())),
            Self::Base64 { start, strict } => (start, size, Box::new(Base64::new(strict))),
            Self::Hex { start, dump } => (start, size, Box::new(Hex::new(dump))),
            Self::Escaped { start } => (start, size, Box::new(Escaped::default())),
            Self::LineEnds { at_end } => (0, size, Box::new(LineEnds::new(at_end))),
            Self::Text { start, units, page } => (start, size, Box::new(pages::Characters::new(units, page))),
        }
    }

    /// The RDB that comes out, if one does.
    fn undone(self, input: &dyn ReadAt, size: u64, options: &Options) -> io::Result<Option<Disguise>> {
        let mut length = 0;
        let mut form = self;
        let mut stream = form.stream(input, size);
        let report = match verify::reader(reader::Counted { input: &mut stream, count: &mut length }, options) {
            Ok(report) => report,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            Err(error) => return Err(error),
        };
        if report.format.is_none() {
            return Ok(None);
        }
        // What stands behind it is no part of it.
        if let Some((at, trail)) = report.rdb.as_ref().and_then(|facts| facts.trailing) {
            if let Self::Around { start, end, .. } = &mut form {
                (*end, length) = (*start + at, at);
                let report = verify::reader(form.stream(input, size), options)?;
                return Ok(Some(Disguise { form, size, report, length }));
            }
            // A shell adds a line end.
            if trail == TrailingBytes::LineEnd {
                length = at;
            }
        }
        Ok(Some(Disguise { form, size, report, length }))
    }

    fn stream(self, input: &dyn ReadAt, size: u64) -> Stream<Range<'_>> {
        let (start, end, undo) = self.how(size);
        Stream::new(Range::new(input, start, end), undo)
    }

    /// The cause, what it is in words, and the command that undoes it, where one of the system does.
    fn words(self, size: u64) -> (CauseCode, String, Option<String>) {
        let salvage = || Some("rdbcheck --salvage OUT FILE".to_owned());
        match self {
            Self::Around { start, end, what } => {
                let behind = size.saturating_sub(end);
                let till = if behind > 0 { format!("ends at byte {end}") } else { "reaches to the end".to_owned() };
                let text = format!("an RDB begins at byte {start} of the file and {till}: {what}");
                let length = end.saturating_sub(start);
                let command = match behind {
                    0 => format!("tail -c +{} FILE | rdbcheck -", start + 1),
                    _ => format!("tail -c +{} FILE | head -c {length} | rdbcheck -", start + 1),
                };
                let code = if what == around::FRAME { CauseCode::ReplicationCapture } else { CauseCode::Surrounded };
                (code, text, Some(command))
            }
            Self::Chunked { start } => {
                let text = format!("an RDB as HTTP sends it, in chunks from byte {start} on");
                (CauseCode::Chunked, text, salvage())
            }
            Self::Base64 { strict: true, .. } => {
                (CauseCode::Base64, "an RDB as base64 text".to_owned(), Some("base64 -d FILE | rdbcheck -".to_owned()))
            }
            Self::Base64 { start, .. } => {
                let text =
                    format!("an RDB as base64 text, which begins at byte {start}; base64 -d does not take it as it is");
                (CauseCode::Base64, text, salvage())
            }
            Self::Hex { start, dump } => {
                let what = if dump { "a hex dump" } else { "hex digits" };
                let text = format!("an RDB as {what}, from byte {start} on");
                (CauseCode::Hex, text, salvage())
            }
            Self::Escaped { start } => {
                let text = format!("an RDB as a string with escapes, as redis-cli prints it, from byte {start} on");
                (CauseCode::Escaped, text, salvage())
            }
            Self::LineEnds { at_end } => {
                let text =
                    "a carriage return was put before each line feed: the file went through a transfer in text mode";
                let sed = at_end.then(|| "sed 's/\\r$//' FILE | rdbcheck -".to_owned());
                (CauseCode::CrLf, text.to_owned(), sed.or_else(salvage))
            }
            Self::Text { start, units, page } => {
                let code = if units == Units::Utf8 { CauseCode::Utf8 } else { CauseCode::Utf16 };
                let text =
                    format!("its bytes were taken for characters of {page}, and written as text in {}", units.name());
                let command = match (units, start) {
                    (Units::Utf8, 0) if page == Page::LATIN1 => {
                        Some("iconv -f UTF-8 -t LATIN1 FILE | rdbcheck -".to_owned())
                    }
                    _ => salvage(),
                };
                (code, text, command)
            }
        }
    }
}

impl Disguise {
    /// Whether what came out is a whole RDB.
    fn is_whole(&self) -> bool {
        let proven = self.report.checksum == Some(Checksum::Ok);
        self.report.verdict == Verdict::Sound && (proven || self.form.is_certain())
    }

    /// The RDB itself.
    pub fn reader<'i>(&self, input: &'i dyn ReadAt) -> impl io::Read + 'i {
        io::Read::take(self.form.stream(input, self.size), self.length)
    }

    /// What happened to the file, and what helps. `seen` is what its ends alone say.
    #[must_use]
    pub fn cause(&self, seen: Option<Cause>) -> Cause {
        use CauseCode::{ByteOrderMark, CrLf, LeadingNewlines, ReplicationCapture, Utf8};
        let (code, message, command) = self.form.words(self.size);
        let tried = Cause::tried(code, message, if self.is_whole() { command } else { None });
        let mut cause = match seen {
            Some(mut seen)
                if matches!(seen.code, ByteOrderMark | CrLf | LeadingNewlines | ReplicationCapture | Utf8) =>
            {
                (seen.reversible, seen.command) = (tried.reversible, tried.command);
                if let Form::Text { page, .. } = self.form {
                    seen.evidence.push(format!("the characters are those of {page}"));
                }
                seen
            }
            _ => tried,
        };
        let keys = number(self.report.counts.keys, "key");
        let length = number(self.length, "byte");
        cause.evidence.push(if self.is_whole() {
            let proof = match self.report.checksum {
                Some(Checksum::Ok) => "its checksum is right",
                _ => "it has no checksum",
            };
            format!("this was undone: it is a sound RDB of {length} with {keys}, and {proof}")
        } else {
            let errors = self.report.findings_by_code.iter().filter(|(code, _)| code.severity() == Severity::Error);
            let codes: Vec<&str> = errors.map(|(code, _)| code.as_str()).take(3).collect();
            format!("this was undone: it is an RDB of {length} with {keys}, and damaged ({})", codes.join(", "))
        });
        cause
    }

    /// In a few words, for the line of a salvage.
    #[must_use]
    pub fn line(&self) -> String {
        format!("what was done to the file is undone: {} bytes of an RDB", commas(self.length))
    }
}

#[cfg(test)]
mod tests;
