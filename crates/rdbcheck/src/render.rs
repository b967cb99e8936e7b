//! Reports on standard output.

mod json;
mod page;
mod text;

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};

use crate::args::{Color, Common, Format};
use crate::entry::Entry;
use crate::redact;

/// Where reports go: text as it comes, JSON at the end as one document.
#[derive(Debug)]
pub struct Output {
    out: AutoStream<io::StdoutLock<'static>>,
    /// The first failure to write; nothing is written after it.
    failed: Option<io::Error>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Quiet,
    Text { style: text::Style, any: bool },
    Json { tool: &'static str, redact: bool, entries: Vec<Entry> },
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
        let style = text::Style { redact: common.redact, now_ms: common.now_ms(), all: common.max_findings.is_some() };
        let form = match common.format() {
            _ if common.quiet => Form::Quiet,
            Format::Text => Form::Text { style, any: false },
            Format::Json => Form::Json { tool, redact: common.redact, entries: Vec::new() },
        };
        Self { out: AutoStream::new(io::stdout().lock(), choice), failed: None, form }
    }

    /// Takes what came of the next input.
    pub fn entry(&mut self, entry: Entry) {
        match &mut self.form {
            Form::Quiet => {}
            Form::Json { entries, .. } => entries.push(entry),
            Form::Text { style, any } => {
                let Ok(report) = &entry.outcome else { return };
                let mut text = String::new();
                if std::mem::replace(any, true) {
                    text.push('\n');
                }
                text.push_str(&text::render(&entry, report, *style));
                self.write(&text);
            }
        }
    }

    /// Prints what is left to print.
    ///
    /// # Errors
    /// If something could not be written, but for a pipe that its reader closed: who has seen enough is free to go.
    pub fn finish(mut self) -> io::Result<()> {
        if let Form::Json { tool, redact, entries } = &self.form {
            let document = json::render(tool, entries, *redact)?;
            self.write(&document);
        }
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).err();
        }
    }
}

/// A key as it is printed in place of its name, if names are not to be seen.
fn stand_in(name: &[u8], redacted: bool) -> Option<String> {
    redacted.then(|| redact::key(name))
}
