//! RDBs and append-only files that lie in something else: text around them, base64, numbers, escapes, or text in another encoding.
//!
//! ```text
//! first bytes -> the forms that they may have (forms) -> each undone while it is verified -> the one that gives a whole RDB
//! ```
//! A form is only named as one that can be undone if that was done with these very bytes, and an RDB came out; of an append-only
//! file, which has no checksum, all records. Undoing takes one pass and bounded memory; what does not fit the form ends the pass.

mod around;
mod base;
mod dump;
mod dumped;
mod forms;
mod numbers;
mod pages;
mod quoted;
mod reader;

use std::io::{self, Read};

use redis_persistence::diagnose::{Cause, CauseCode};
use redis_persistence::verify::{self, Checksum, Kind, Options, ReadAt, Report, Severity, Verdict};

use crate::units::{commas, number};
use crate::unpack;
use around::Goal;
use forms::Layer;
use pages::{Page, Units};
use reader::{Range, Skipped, Undone};

/// A few odd commands are read all the same.
const MOST_GOOD: u64 = 4096;
/// This many pages of characters are tried where no checksum chooses.
const MOST_PAGES: usize = 6;
/// This many forms and places are undone in full.
const MOST_TRIED: usize = 40;

/// An RDB, or an append-only file, in disguise.
#[derive(Debug)]
pub struct Disguise {
    goal: Goal,
    /// What was done to it, the last thing first.
    layers: Vec<Layer>,
    size: u64,
    /// The report on what it holds.
    pub report: Report,
    /// The size of that.
    pub length: u64,
}

/// Returns whether a file with these first bytes may be an RDB in disguise; not so for one that begins as an RDB does.
#[must_use]
pub fn is_suspected(head: &[u8]) -> bool {
    !around::is_signature(head) && (dump::is_suspected(head) || !forms::layers(head, Goal::Rdb).is_empty())
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
    let disguise = find(input, size, head, &report, options)?;
    let is_whole = disguise.as_ref().is_some_and(Disguise::is_whole);
    if !is_whole && report.kind == Kind::Unknown && report.verdict == Verdict::Unknown && !around::is_signature(head) {
        if let Some(report) = dump::as_it_is(input, size, head, options)? {
            return Ok(Looked { report, disguise: None, cause: None });
        }
        if let Some(cause) = dump::in_text(input, size, head, options)? {
            return Ok(Looked { report, disguise: None, cause: Some(cause) });
        }
    }
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
    for layers in forms::layers(head, Goal::Rdb).into_iter().take(MOST_TRIED) {
        for layers in with_pages(layers, input, size)? {
            let Some(found) = Disguise::undone(layers, input, size, options)? else { continue };
            if found.is_whole() {
                return Ok(Some(found));
            }
            if found.report.counts.keys > 0 && found.is_certain() {
                damaged.get_or_insert(found);
            }
        }
    }
    Ok(damaged)
}

/// Returns whether a file with these first bytes may be an append-only file in disguise. A server reads `good` bytes of it
/// as it is: what was taken for text is damaged from its first command with a byte on that is no ASCII.
pub(crate) fn may_hold_commands(head: &[u8], good: u64) -> bool {
    let first = head.iter().position(|byte| !byte.is_ascii()).unwrap_or(0) as u64;
    good < first.saturating_add(MOST_GOOD) && !forms::layers(head, Goal::Commands).is_empty()
}

/// Looks for an append-only file in an input that is damaged as one. `judge` verifies what may be one, and returns the report and
/// how many bytes that was.
///
/// # Errors
/// If the input fails, or `judge` does.
pub(crate) fn search_commands(
    input: &dyn ReadAt,
    size: u64,
    head: &[u8],
    mut judge: impl FnMut(&mut dyn Read) -> io::Result<(Report, u64)>,
) -> io::Result<Option<Disguise>> {
    let mut damaged: Option<Disguise> = None;
    for layers in forms::layers(head, Goal::Commands).into_iter().take(MOST_TRIED) {
        for layers in with_pages(layers, input, size)?.into_iter().take(MOST_PAGES) {
            let judged = opened(&layers, input, size).and_then(|mut stream| judge(&mut stream));
            let (report, length) = match judged {
                Ok(judged) => judged,
                Err(error) if is_misfit(&error) => continue,
                Err(error) => return Err(error),
            };
            let found = Disguise { goal: Goal::Commands, layers, size, report, length };
            if found.is_whole() {
                return Ok(Some(found));
            }
            if found.holds_something() && found.is_certain() {
                damaged.get_or_insert(found);
            }
        }
    }
    Ok(damaged)
}

/// Returns the same layers with each page that the characters may be of, where that is all that was done; others as they are.
fn with_pages(layers: Vec<Layer>, input: &dyn ReadAt, size: u64) -> io::Result<Vec<Vec<Layer>>> {
    let [Layer::Text { start, units, .. }] = layers[..] else { return Ok(vec![layers]) };
    let pages = pages::fitting(units, input, start, size)?;
    Ok(pages.into_iter().map(|page| vec![Layer::Text { start, units, page }]).collect())
}

/// Returns whether what came is not of the form, and the input did not fail.
fn is_misfit(error: &io::Error) -> bool {
    let limit =
        matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::Unsupported | io::ErrorKind::StorageFull);
    error.raw_os_error().is_none() && !limit
}

/// Returns what comes out of an input.
fn opened<'i>(layers: &[Layer], input: &'i dyn ReadAt, size: u64) -> io::Result<Box<dyn Read + Send + 'i>> {
    let mut stream: Box<dyn Read + Send + 'i> = Box::new(Range::new(input, 0, size));
    for (at, layer) in layers.iter().enumerate() {
        stream = match layer.start() {
            0 => stream,
            skip if at == 0 => Box::new(Range::new(input, skip, size)),
            skip => Box::new(Skipped { input: stream, skip }),
        };
        stream = match (layer, layer.undo()) {
            (Layer::Packed(packing), _) => unpack::inline(stream, *packing)?,
            (_, Some(undo)) => Box::new(Undone::new(stream, undo)),
            (_, None) => stream,
        };
    }
    Ok(stream)
}

impl Disguise {
    /// Returns the RDB that comes out, if one does. What stands behind it is no part of it.
    fn undone(layers: Vec<Layer>, input: &dyn ReadAt, size: u64, options: &Options) -> io::Result<Option<Self>> {
        let mut length = u64::MAX;
        for _ in 0..2 {
            let mut count = 0;
            let stream = opened(&layers, input, size).and_then(|stream| {
                verify::reader(reader::Counted { input: stream.take(length), count: &mut count }, options)
            });
            let report = match stream {
                Ok(report) => report,
                Err(error) if is_misfit(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            if report.format.is_none() {
                return Ok(None);
            }
            match report.rdb.as_ref().and_then(|facts| facts.trailing) {
                Some((at, _)) if length == u64::MAX => length = at,
                _ => return Ok(Some(Self { goal: Goal::Rdb, layers, size, report, length: count })),
            }
        }
        Ok(None)
    }

    /// Returns whether nothing but this form looks as the file does.
    fn is_certain(&self) -> bool {
        !self.layers.iter().any(|layer| match layer {
            Layer::Text { .. } => true,
            Layer::Row { row, .. } => row.code == CauseCode::CrLf,
            _ => false,
        })
    }

    /// Returns whether what came out is whole: an RDB by its checksum, or all records of an append-only file.
    pub(crate) fn is_whole(&self) -> bool {
        let proven = match self.goal {
            Goal::Rdb => self.report.checksum == Some(Checksum::Ok) || self.is_certain(),
            Goal::Commands => self.holds_something(),
        };
        self.report.verdict == Verdict::Sound && proven
    }

    fn holds_something(&self) -> bool {
        let commands = self.report.aof.as_ref().map_or(0, |facts| facts.commands);
        self.report.counts.keys > 0 || commands > 0
    }

    /// Returns what it holds.
    ///
    /// # Errors
    /// If the input fails, or this build cannot unpack what lies in it.
    pub fn reader<'i>(&self, input: &'i dyn ReadAt) -> io::Result<impl Read + use<'i>> {
        Ok(opened(&self.layers, input, self.size)?.take(self.length))
    }

    /// Returns what happened to the file, and what helps. `seen` is what its ends alone say.
    #[must_use]
    pub fn cause(&self, seen: Option<Cause>) -> Cause {
        use CauseCode::{ByteOrderMark, LeadingNewlines, ReplicationCapture};
        let (code, message, command) = self.words();
        let tried = Cause::tried(code, message, if self.is_whole() { Some(command) } else { None });
        let mut cause = match seen {
            // It says the same in other words.
            Some(mut seen)
                if seen.code == tried.code
                    || !matches!(self.layers[0], Layer::Row { .. })
                        && matches!(seen.code, ByteOrderMark | LeadingNewlines | ReplicationCapture) =>
            {
                (seen.reversible, seen.command) = (tried.reversible, tried.command);
                if let [Layer::Text { page, .. }, ..] = self.layers[..] {
                    seen.evidence.push(format!("the characters are those of {page}"));
                }
                seen
            }
            _ => tried,
        };
        cause.evidence.push(self.evidence());
        cause
    }

    /// Returns what came of undoing it.
    fn evidence(&self) -> String {
        let length = number(self.length, "byte");
        let keys = self.report.counts.keys;
        let commands = self.report.aof.as_ref().map_or(0, |facts| facts.commands);
        let holds = match self.goal {
            Goal::Rdb => number(keys, "key"),
            Goal::Commands if keys == 0 => number(commands, "command"),
            Goal::Commands => format!("{} and {}", number(keys, "key"), number(commands, "command")),
        };
        if !self.is_whole() {
            let errors = self.report.findings_by_code.iter().filter(|(code, _)| code.severity() == Severity::Error);
            let codes: Vec<&str> = errors.map(|(code, _)| code.as_str()).take(3).collect();
            let codes = codes.join(", ");
            return format!("this was undone: it is {} of {length} with {holds}, and damaged ({codes})", self.thing());
        }
        let proof = match (self.goal, self.report.checksum) {
            (_, Some(Checksum::Ok)) => "its checksum is right",
            (Goal::Rdb, _) => "it has no checksum",
            (Goal::Commands, _) => "every record of it can be read to the end",
        };
        let sound = self.thing().replacen("an ", "a sound ", 1);
        format!("this was undone: it is {sound} of {length} with {holds}, and {proof}")
    }

    fn thing(&self) -> &'static str {
        match self.goal {
            Goal::Rdb => "an RDB",
            Goal::Commands => "an append-only file",
        }
    }

    /// Returns what it is, in a few words.
    #[must_use]
    pub fn description(&self) -> String {
        self.words().1
    }

    /// In a few words, for the line of a salvage.
    #[must_use]
    pub fn line(&self) -> String {
        format!("what was done to the file is undone: {} bytes of {}", commas(self.length), self.thing())
    }

    /// Returns the cause, what it is in words, and the command that undoes it: one of the system where it does all, else
    /// ours.
    fn words(&self) -> (CauseCode, String, String) {
        let thing = self.thing();
        let then = match self.goal {
            Goal::Rdb => " | rdbcheck -",
            Goal::Commands => " > OUT",
        };
        let salvage = match self.goal {
            Goal::Rdb => "rdbcheck --salvage OUT FILE".to_owned(),
            Goal::Commands => "aofcheck --salvage OUT FILE".to_owned(),
        };
        let only = self.layers.len() == 1 || self.goal == Goal::Rdb;
        match self.layers[0] {
            Layer::Before { start, what } => {
                let end = start + self.length;
                let behind = self.size.saturating_sub(end);
                let till = if behind > 0 { format!("ends at byte {end}") } else { "reaches to the end".to_owned() };
                let text = format!("{thing} begins at byte {start} of the file and {till}: {what}");
                let command = match behind {
                    0 => format!("tail -c +{} FILE{then}", start + 1),
                    _ => format!("tail -c +{} FILE | head -c {}{then}", start + 1, self.length),
                };
                let code = if what == around::FRAME { CauseCode::ReplicationCapture } else { CauseCode::Surrounded };
                (code, text, command)
            }
            Layer::Row { row, .. } if row.code == CauseCode::CrLf => {
                let text =
                    "a carriage return was put before each line feed: the file went through a transfer in text mode";
                let command = row.command.map_or(salvage, |command| format!("{command}{then}"));
                (CauseCode::CrLf, text.to_owned(), command)
            }
            Layer::Row { row, start } => {
                let all = self.size > 0
                    && start == 0
                    && only
                    && self.layers[1..].iter().all(|layer| matches!(layer, Layer::Packed(_)));
                let command = row.command.filter(|_| all).map(|command| format!("{command}{then}"));
                let mut text = format!("{thing} {}", row.name);
                for layer in &self.layers[1..] {
                    match layer {
                        Layer::Packed(packing) => text.push_str(&format!(", packed by {packing}")),
                        Layer::Row { row, .. } => text.push_str(&format!(", and that {}", row.name)),
                        _ => {}
                    }
                }
                if start > 0 {
                    text.push_str(&format!(", from byte {start} on"));
                } else if row.code == CauseCode::Base64 && row.command.is_none() {
                    text.push_str("; base64 -d does not take it as it is");
                }
                (row.code, text, command.unwrap_or(salvage))
            }
            Layer::Text { start, units, page } => {
                let code = if units == Units::Utf8 { CauseCode::Utf8 } else { CauseCode::Utf16 };
                let text = match self.layers.get(1) {
                    Some(Layer::Row { row, .. }) => {
                        format!("{thing} {}, which was saved in {}", row.name, units.name())
                    }
                    _ => format!(
                        "its bytes were taken for characters of {page}, and written as text in {}",
                        units.name()
                    ),
                };
                let command = match (units, start) {
                    (Units::Utf8, 0) if page == Page::Latin1 => format!("iconv -f UTF-8 -t LATIN1 FILE{then}"),
                    _ => salvage,
                };
                (code, text, command)
            }
            Layer::Packed(packing) => (CauseCode::Surrounded, format!("{thing}, packed by {packing}"), salvage),
        }
    }
}

#[cfg(test)]
mod tests;
