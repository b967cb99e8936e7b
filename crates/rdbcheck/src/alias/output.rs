//! Lines on standard output as the tools print them, and ours behind them.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use redis_persistence::official::Line;

use super::Name;
use crate::escape;

/// Standard output. What cannot be written is remembered and not tried again: a closed pipe ends no check.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    broken: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), broken: false }
    }

    /// Writes a line as the tool does.
    pub(super) fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Out(text) | Line::Statistics(text) => self.write(&[text, b"\n"].concat()),
            Line::Log(text) => {
                let head = format!("{}:C # ", std::process::id());
                self.write(&[head.as_bytes(), text, b"\n"].concat());
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.line(Line::Out(text.as_bytes()));
    }

    /// One line that the tools have none of. It goes to standard output as well: the suites of the servers take any text on standard
    /// error for a failure.
    pub(super) fn say(&mut self, name: Name, line: &str) {
        self.text(&format!("{}: {}", name.text, escape::plain(line.as_bytes())));
    }

    /// Writes without a line end, at once; returns whether all that was written so far arrived.
    pub(super) fn prompt(&mut self, text: &str) -> bool {
        self.write(text.as_bytes());
        self.flush()
    }

    pub(super) fn flush(&mut self) -> bool {
        self.broken |= self.out.flush().is_err();
        !self.broken
    }

    fn write(&mut self, bytes: &[u8]) {
        self.broken = self.broken || self.out.write_all(bytes).is_err();
    }
}
