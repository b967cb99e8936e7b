//! Reports on standard output. What is rendered does not depend on where it goes, so that any thread can do it.

mod html;
mod json;
pub(crate) mod junit;
pub(crate) mod prometheus;
mod summary;
mod text;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use crate::args::{Color, Common, Format};
use crate::outcome::baseline::Baseline;
use crate::outcome::{Entry, Told, UndoOutcome};
use crate::style::{Look, Page};
use json::UndoView;
use junit::Case;
use prometheus::Sampled;
use summary::{Row, Table};

/// Returns the hashes by which a policy names the style and the script of a page.
#[must_use]
pub fn page_hashes() -> [String; 2] {
    html::hashes()
}

/// How reports are rendered, which any thread can do.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    kind: Kind,
    tool: &'static str,
    style: text::Style,
    /// How many of each kind of loss are named.
    listed: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    Of(Format),
}

/// An input, and its cases.
type Suite = (PathBuf, Vec<Case>);

/// What an entry adds to a document, or what is needed to make that.
#[derive(Debug)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Its part of the document.
    Part(String),
    /// Its line of a table.
    Row(Box<Row>),
    /// Its suite of test results.
    Suite(Suite),
    /// What metrics say of it.
    Sampled(Box<Sampled>),
    /// It is written as its findings are read, or as all that it is.
    Entry(Box<Entry>),
}

impl Form {
    /// Returns the form that the arguments ask for.
    #[must_use]
    pub fn new(tool: &'static str, common: &Common) -> Self {
        let kind = if common.quiet { Kind::Quiet } else { Kind::Of(common.format()) };
        // Text within a document for machines is the same wherever that goes.
        let look =
            if matches!(kind, Kind::Of(Format::Text | Format::Summary)) { Look::of_stdout() } else { Look::default() };
        let style = text::Style {
            all_names: common.stats,
            now_ms: common.now_ms(),
            all: common.max_findings.is_some(),
            timeline: true,
            look,
        };
        Self { kind, tool, style, listed: common.max_findings }
    }

    /// Returns what is shown of a check at once.
    #[must_use]
    pub fn shown(&self, entry: &Entry) -> Option<String> {
        let report = entry.outcome.as_ref().ok().filter(|_| self.is_text())?;
        Some(text::render(entry, report, self.style))
    }

    /// Returns what standard error is told of a check.
    #[must_use]
    pub fn line(&self, entry: &Entry) -> Option<String> {
        if let Err(why) = &entry.outcome {
            return Some(format!("{}: {why}", entry.path.display()));
        }
        let complaint = if self.is_for_machines() { entry.complaint() } else { String::new() };
        (!complaint.is_empty()).then(|| format!("{}: {}", entry.path.display(), complaint.trim_start_matches("; ")))
    }

    /// Returns what a run tells, in lines that are fit to print.
    #[must_use]
    pub fn told(&self, told: &Told<'_>) -> Vec<String> {
        text::told(told, self.listed)
    }

    /// Returns what is kept of an entry once all was done with it.
    ///
    /// # Errors
    /// None that is known: reports hold nothing that JSON cannot.
    pub fn kept(&self, entry: Entry) -> io::Result<Kept> {
        let has_beyond = entry.has_beyond();
        Ok(match self.kind {
            Kind::Of(Format::Text | Format::Json | Format::JsonLines) if has_beyond => Kept::Entry(Box::new(entry)),
            Kind::Quiet | Kind::Of(Format::Text) => Kept::Nothing,
            Kind::Of(Format::Summary) => Kept::Row(Box::new(Row::new(&entry, self.style.now_ms))),
            Kind::Of(Format::Json) => Kept::Part(json::part(&entry)?),
            Kind::Of(Format::JsonLines) => Kept::Part(json::line(self.tool, &entry)?),
            Kind::Of(Format::Junit) => Kept::Suite(self.suite(&entry)),
            Kind::Of(Format::Prometheus) => Kept::Sampled(Box::new(Sampled::new(entry))),
            Kind::Of(Format::Html) => Kept::Entry(Box::new(entry)),
        })
    }

    fn suite(&self, entry: &Entry) -> Suite {
        (entry.path.clone(), junit::cases(entry, self.style))
    }

    /// Returns the document of these entries, as it is printed.
    ///
    /// # Errors
    /// None that is known: reports hold nothing that JSON cannot.
    pub fn document(&self, entries: Vec<Entry>) -> io::Result<String> {
        let Kind::Of(format) = self.kind else { return Ok(String::new()) };
        Ok(match format {
            Format::Text => {
                let shown: Vec<_> =
                    entries.iter().map(|entry| self.shown(entry).or_else(|| self.line(entry))).collect();
                strip_str(&shown.into_iter().flatten().collect::<Vec<_>>().join("\n")).to_string()
            }
            Format::Html => {
                let mut pages = html::Pages::default();
                entries.iter().for_each(|entry| pages.add(entry, self.style));
                pages.finish(self.tool, self.style.now_ms)
            }
            Format::Json => {
                let parts = entries.iter().map(json::part).collect::<io::Result<Vec<_>>>()?;
                json::opening(self.tool)? + &parts.join(json::BETWEEN) + &json::closing(self.tool, None)?
            }
            Format::JsonLines => {
                entries.iter().map(|entry| json::line(self.tool, entry)).collect::<io::Result<Vec<_>>>()?.concat()
            }
            Format::Junit => {
                junit::document(self.tool, &entries.iter().map(|entry| self.suite(entry)).collect::<Vec<_>>())
            }
            Format::Prometheus => {
                let sampled: Vec<_> = entries.into_iter().map(Sampled::new).collect();
                prometheus::render(self.tool, &sampled, self.style.now_ms)
            }
            Format::Summary => {
                let (mut table, look) = (Table::default(), self.style.look);
                let rows = entries.iter().map(|entry| Row::new(entry, self.style.now_ms));
                let mut shown: String = rows.filter_map(|row| table.add(row, None, look)).collect();
                shown.push_str(&table.finish(None, look));
                strip_str(&shown).to_string()
            }
        })
    }

    /// Returns whether it is for machines.
    fn is_for_machines(&self) -> bool {
        self.kind != Kind::Quiet && !self.is_text()
    }

    fn is_text(&self) -> bool {
        self.kind == Kind::Of(Format::Text)
    }
}

/// Where reports go: text and lines as they come, the other forms at the end as one document.
#[derive(Debug)]
pub struct Output {
    out: io::StdoutLock<'static>,
    /// Whether colours stay in what is printed.
    coloured: bool,
    /// The first failure to write; nothing is written after it.
    failed: Option<io::Error>,
    form: Form,
    /// Whether a report was printed.
    any: bool,
    /// Whether the document has a part.
    has_part: bool,
    /// For the document at the end.
    suites: Vec<Suite>,
    sampled: Vec<Sampled>,
    table: Table,
    baseline: Option<Baseline>,
    /// The sections of a page.
    pages: html::Pages,
    undo: Option<UndoView>,
    /// Whether standard output is for something else.
    aside: bool,
}

impl Output {
    /// Returns the output that the arguments ask for.
    #[must_use]
    pub fn new(tool: &'static str, common: &Common) -> Self {
        let choice = match common.color {
            Color::Auto => AutoStream::choice(&io::stdout()),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self {
            out: io::stdout().lock(),
            coloured: choice != ColorChoice::Never,
            failed: None,
            form: Form::new(tool, common),
            any: false,
            has_part: false,
            suites: Vec::new(),
            sampled: Vec::new(),
            table: Table::default(),
            baseline: None,
            pages: html::Pages::default(),
            undo: None,
            aside: false,
        }
    }

    /// Takes a report of before, for the table.
    pub fn compare(&mut self, baseline: Option<Baseline>) {
        self.baseline = baseline;
    }

    /// Returns how it renders.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Prints to standard error from now on: standard output is for something else.
    pub fn leave_standard_output(&mut self) {
        self.aside = true;
    }

    /// Prints what a check found.
    pub fn show(&mut self, entry: &Entry) {
        self.print(self.form.shown(entry));
    }

    /// Prints what was rendered of a check.
    pub fn print(&mut self, shown: Option<String>) {
        let Some(mut text) = shown else { return };
        if std::mem::replace(&mut self.any, true) {
            text.insert(0, '\n');
        }
        self.write(&text);
    }

    /// Prints the verdict alone.
    pub fn verdict(&mut self, entry: &Entry) {
        if let (true, Ok(report)) = (self.form.is_text(), &entry.outcome) {
            let text = text::verdict_line(entry, report, self.form.style.look);
            self.write(&text);
        }
    }

    /// Prints what a run tells, if this is text for people. Returns whether it is.
    pub fn tell(&mut self, told: &Told<'_>) -> bool {
        if !self.form.is_text() {
            return false;
        }
        let mut page = Page::new(self.form.style.look);
        for line in self.form.told(told) {
            let text = line.trim_start_matches(' ');
            page.plain(line.len() - text.len(), text);
        }
        self.write(&page.text);
        true
    }

    /// Returns whether somebody sees it at once.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Returns whether reports that somebody sees go by, one after the other, of so many inputs if that is known.
    #[must_use]
    pub fn goes_by(&self, count: Option<usize>) -> bool {
        let does = match self.form.kind {
            Kind::Of(Format::Text | Format::JsonLines) => true,
            Kind::Of(Format::Summary) => count.is_none_or(|count| count >= summary::HELD),
            _ => false,
        };
        does && self.is_terminal()
    }

    /// Takes what came of an input, for the document at the end, or as a line.
    pub fn keep(&mut self, entry: Entry) {
        let kept = self.form.kept(entry);
        self.keep_rendered(kept);
    }

    /// The same of what was rendered of it.
    pub fn keep_rendered(&mut self, kept: io::Result<Kept>) {
        match kept {
            Ok(Kept::Nothing) => {}
            Ok(Kept::Row(row)) => {
                if let Some(text) = self.table.add(*row, self.baseline.as_mut(), self.form.style.look) {
                    self.write(&text);
                }
            }
            Ok(Kept::Suite(suite)) => self.suites.push(suite),
            Ok(Kept::Sampled(sampled)) => self.sampled.push(*sampled),
            Ok(Kept::Part(line)) if self.form.kind == Kind::Of(Format::JsonLines) => self.write(&line),
            Ok(Kept::Part(part)) => {
                let lead = self.lead();
                self.write(&(lead + &part));
            }
            Ok(Kept::Entry(entry)) => match self.form.kind {
                Kind::Of(Format::Json) => {
                    let lead = self.lead();
                    self.write(&lead);
                    self.stream(|out| json::write_part(&entry, out));
                }
                Kind::Of(Format::JsonLines) => {
                    let tool = self.form.tool;
                    self.stream(|out| json::write_line(tool, &entry, out));
                }
                Kind::Of(Format::Text) => self.beyond(&entry),
                _ => self.pages.add(&entry, self.form.style),
            },
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }

    /// Returns what stands before the next part of the document.
    fn lead(&mut self) -> String {
        if std::mem::replace(&mut self.has_part, true) {
            return json::BETWEEN.to_owned();
        }
        json::opening(self.form.tool).unwrap_or_default()
    }

    /// Prints the findings that memory did not hold.
    fn beyond(&mut self, entry: &Entry) {
        let Ok(report) = &entry.outcome else { return };
        let style = self.form.style;
        self.write(&text::beyond_head(report, style));
        match entry.beyond() {
            Err(error) => self.failed = self.failed.take().or(Some(error)),
            Ok(findings) => {
                for finding in findings {
                    match finding {
                        Ok(finding) => self.write(&text::one(&finding, report.kind, style)),
                        Err(error) => self.failed = self.failed.take().or(Some(error)),
                    }
                }
            }
        }
    }

    /// Lets something be written piece by piece.
    fn stream(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.aside {
            let _ = write(&mut anstream::stderr());
        } else if self.failed.is_none() {
            self.failed = write(&mut self.out).err();
        }
    }

    /// Takes what came of taking a repair back: what was done, or how it ended and why.
    pub fn keep_undone(&mut self, record: &Path, outcome: UndoOutcome) {
        self.undo = Some(UndoView::new(record, outcome));
    }

    /// Prints what is left to print.
    ///
    /// # Errors
    /// If something could not be written, but for a pipe that its reader closed: who has seen enough is free to go.
    pub fn finish(mut self) -> io::Result<()> {
        let Form { kind, tool, style, .. } = self.form;
        let document = match kind {
            Kind::Quiet | Kind::Of(Format::Text) => None,
            Kind::Of(Format::Json) if self.has_part => Some(json::closing(tool, self.undo.as_ref())?),
            Kind::Of(Format::Json) => Some(json::document(tool, self.undo.as_ref())?),
            Kind::Of(Format::JsonLines) => self.undo.as_ref().map(|undo| json::undo_line(tool, undo)).transpose()?,
            Kind::Of(Format::Summary) => {
                Some(std::mem::take(&mut self.table).finish(self.baseline.as_ref(), style.look))
            }
            Kind::Of(Format::Html) => Some(std::mem::take(&mut self.pages).finish(tool, style.now_ms)),
            Kind::Of(Format::Junit) => Some(junit::document(tool, &self.suites)),
            Kind::Of(Format::Prometheus) => Some(prometheus::render(tool, &self.sampled, style.now_ms)),
        };
        if let Some(document) = document {
            self.write(&document);
        }
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&mut self, text: &str) {
        if self.aside {
            // Nobody is left to tell who closed standard error.
            let _ = anstream::stderr().write_all(text.as_bytes());
        } else if self.failed.is_none() {
            // At once, and not by the pieces that lie between two colours. Whatever else is no text was escaped.
            let stays = self.coloured || !text.contains('\x1b');
            let plain = if stays { Cow::Borrowed(text) } else { strip_str(text).to_string().into() };
            self.failed = self.out.write_all(plain.as_bytes()).and_then(|()| self.out.flush()).err();
        }
    }
}
