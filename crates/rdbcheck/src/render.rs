//! Reports on standard output.

mod aof;
mod json;
mod junit;
mod page;
mod prometheus;
mod text;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use crate::args::{Color, Common, Format};
use crate::entry::Entry;
use json::UndoView;
use page::Page;
use redis_persistence::repair::Undone;
pub(crate) use text::reason;

/// Where reports go: text as it comes, the other forms at the end as one document.
#[derive(Debug)]
pub struct Output {
    out: io::StdoutLock<'static>,
    /// Whether colours stay in what is printed.
    coloured: bool,
    /// The first failure to write; nothing is written after it.
    failed: Option<io::Error>,
    form: Form,
    /// Whether standard output is for something else.
    aside: bool,
}

#[derive(Debug)]
enum Form {
    Quiet,
    Text {
        style: text::Style,
        any: bool,
    },
    /// One document at the end.
    Document {
        format: Format,
        tool: &'static str,
        style: text::Style,
        entries: Vec<Entry>,
        undo: Option<UndoView>,
    },
}

impl Output {
    /// The output that the arguments ask for.
    #[must_use]
    pub fn new(tool: &'static str, common: &Common) -> Self {
        let choice = match common.color {
            Color::Auto => AutoStream::choice(&io::stdout()),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let style =
            text::Style { all_names: common.stats, now_ms: common.now_ms(), all: common.max_findings.is_some() };
        let form = match common.format() {
            _ if common.quiet => Form::Quiet,
            Format::Text => Form::Text { style, any: false },
            format => Form::Document { format, tool, style, entries: Vec::new(), undo: None },
        };
        let coloured = choice != ColorChoice::Never;
        Self { out: io::stdout().lock(), coloured, failed: None, form, aside: false }
    }

    /// Prints to standard error from now on: standard output is for something else.
    pub fn leave_standard_output(&mut self) {
        self.aside = true;
    }

    /// Prints what a check found.
    pub fn show(&mut self, entry: &Entry) {
        let (Form::Text { style, any }, Ok(report)) = (&mut self.form, &entry.outcome) else { return };
        let mut text = String::new();
        if std::mem::replace(any, true) {
            text.push('\n');
        }
        text.push_str(&text::render(entry, report, *style));
        self.write(&text);
    }

    /// Prints the verdict alone.
    pub fn verdict(&mut self, entry: &Entry) {
        if let (Form::Text { .. }, Ok(report)) = (&self.form, &entry.outcome) {
            let text = text::verdict_line(entry, report);
            self.write(&text);
        }
    }

    /// Prints lines, which must be fit to print, if this is text for people. Answers whether it is.
    pub fn lines(&mut self, lines: &[String]) -> bool {
        if !matches!(self.form, Form::Text { .. }) {
            return false;
        }
        let mut page = Page::default();
        for line in lines {
            let text = line.trim_start_matches(' ');
            page.plain(line.len() - text.len(), text);
        }
        self.write(&page.text);
        true
    }

    /// Whether somebody sees it at once.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Takes what came of an input, for the document at the end.
    pub fn keep(&mut self, entry: Entry) {
        if let Form::Document { entries, .. } = &mut self.form {
            entries.push(entry);
        }
    }

    /// Takes what came of taking a repair back: what was done, or how it ended and why.
    pub fn keep_undone(&mut self, record: &Path, outcome: Result<Undone, (&'static str, String)>) {
        if let Form::Document { undo, .. } = &mut self.form {
            *undo = Some(UndoView::new(record, outcome));
        }
    }

    /// Prints what is left to print.
    ///
    /// # Errors
    /// If something could not be written, but for a pipe that its reader closed: who has seen enough is free to go.
    pub fn finish(mut self) -> io::Result<()> {
        if let Form::Document { format, tool, style, entries, undo } = &self.form {
            let document = match format {
                Format::Junit => junit::render(tool, entries, *style),
                Format::Prometheus => prometheus::render(tool, entries, style.now_ms),
                Format::Json | Format::Text => json::render(tool, entries, undo.as_ref())?,
            };
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
            // At once, and not by the pieces that lie between two colours.
            let plain = if self.coloured { Cow::Borrowed(text) } else { strip_str(text).to_string().into() };
            self.failed = self.out.write_all(plain.as_bytes()).and_then(|()| self.out.flush()).err();
        }
    }
}
