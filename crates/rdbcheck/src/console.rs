//! What a command says beside its reports: lines on standard error, and questions on a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write};

use crate::caller::Caller;
use crate::escape;
use crate::exit::Exit;

/// Prints one line on standard error.
pub(crate) fn say(tool: &str, line: &str) {
    let line = format!("{tool}: {}", escape::plain(line.as_bytes()));
    if let Some(caller) = Caller::of_thread() {
        return caller.hear(line);
    }
    // Nobody is left to tell who closed standard error.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says that the output could not be written.
pub(crate) fn not_written(tool: &str, error: &io::Error) -> Exit {
    say(tool, &format!("the output could not be written: {}", reason(error)));
    Exit::Unreadable
}

/// Returns the exit after writing to standard output: nothing is wrong where its reader went away.
pub(crate) fn written(tool: &str, result: io::Result<()>) -> Exit {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => not_written(tool, &error),
        _ => Exit::Sound,
    }
}

/// Returns the system's text for a failure, without its number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    without_number(error.to_string())
}

/// An error's text without the system's number at its end.
#[must_use]
pub fn without_number(mut text: String) -> String {
    if let Some(at) = text.rfind(" (os error ") {
        text.truncate(at);
    }
    text
}

/// As much of an answer as is read.
const LONGEST: u64 = 4096;

/// Who answers, and where the question can be seen.
#[must_use]
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && (io::stderr().is_terminal() || io::stdout().is_terminal())
}

/// Asks, and takes `y` and `yes` for consent. The end of the input is none.
///
/// # Errors
/// If the terminal fails.
pub fn consent(question: &str) -> io::Result<bool> {
    let mut seen: Box<dyn Write> =
        if io::stderr().is_terminal() { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    write!(seen, "{question} [y/N] ")?;
    seen.flush()?;
    let mut answer = Vec::new();
    io::stdin().lock().take(LONGEST).read_until(b'\n', &mut answer)?;
    if !answer.ends_with(b"\n") {
        writeln!(seen)?;
    }
    Ok(is_yes(&answer))
}

fn is_yes(answer: &[u8]) -> bool {
    let answer = answer.trim_ascii();
    answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_consent() {
        for yes in ["y\n", "Y\r\n", " yes \n", "YES"] {
            assert!(is_yes(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "yes please\n", "\u{ff59}\n"] {
            assert!(!is_yes(no.as_bytes()), "{no:?}");
        }
    }
}
