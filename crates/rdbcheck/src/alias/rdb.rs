//! `redis-check-rdb FILE`, and `valkey-check-rdb FILE [--format table|info|csv] [--stats] [--output FILE]`.
//!
//! With `--stats` the lines of [`Statistics`] come behind the others, or go to the file that `--output` names: see there.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;

use redis_persistence::official::{self, Format, Line, Request, Tool};

use super::output::Output;
use super::statistics::Statistics;
use super::{Invocation, is_too_long, is_version_option, limits};
use crate::console::reason;
use crate::input::open;

/// What the command line asks for.
enum Asked<'a> {
    Check(Check<'a>),
    Version,
    Nonsense,
}

/// A file to be checked, and what becomes of its statistics.
struct Check<'a> {
    file: &'a OsStr,
    stats: bool,
    format: Format,
    output: Option<&'a OsStr>,
}

impl<'a> Check<'a> {
    fn of(file: &'a OsStr) -> Self {
        Self { file, stats: false, format: Format::default(), output: None }
    }
}

/// Is the tool; answers its exit code.
pub(super) fn run(invocation: &Invocation) -> u8 {
    let mut output = Output::new();
    let exit = match asked(invocation) {
        Asked::Check(asked) => check(invocation, &asked, &mut output),
        Asked::Version => {
            output.text(&invocation.name.version());
            0
        }
        Asked::Nonsense => {
            usage(invocation);
            1
        }
    };
    output.flush();
    exit
}

fn asked(invocation: &Invocation) -> Asked<'_> {
    let valkey = invocation.name.family == Tool::Valkey91;
    match &invocation.arguments[..] {
        [] => Asked::Nonsense,
        [option] if is_version_option(option) => Asked::Version,
        [option, ..] if valkey && is_version_option(option) => Asked::Version,
        [file] => Asked::Check(Check::of(file)),
        [file, options @ ..] if valkey => with_options(file, options),
        _ => Asked::Nonsense,
    }
}

fn with_options<'a>(file: &'a OsStr, options: &'a [OsString]) -> Asked<'a> {
    let mut asked = Check::of(file);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_encoded_bytes() {
            b"--stats" => asked.stats = true,
            // The tool dies without the argument.
            b"--output" => match options.next() {
                Some(output) => asked.output = Some(output),
                None => return Asked::Nonsense,
            },
            b"--format" => {
                asked.format = match options.next().map(|format| format.as_encoded_bytes()) {
                    Some(b"table") => Format::Table,
                    Some(b"info") => Format::Info,
                    Some(b"csv") => Format::Csv,
                    _ => return Asked::Nonsense,
                }
            }
            _ => return Asked::Nonsense,
        }
    }
    Asked::Check(asked)
}

fn usage(invocation: &Invocation) {
    let options = match invocation.name.family {
        Tool::Valkey91 => " [--format table|info|csv] [--stats] [--output <file>]",
        _ => "",
    };
    eprintln!("Usage: {} <rdb-file-name>{options}", invocation.program.to_string_lossy());
}

fn check(invocation: &Invocation, asked: &Check<'_>, output: &mut Output) -> u8 {
    let tool = invocation.name.family;
    let file = asked.file;
    let opened = if is_too_long(file) {
        Err(std::io::ErrorKind::InvalidFilename.into())
    } else if file == "-" {
        // A file of this name, as it is to the tools, and not the standard input.
        open::open(Path::new("./-"))
    } else {
        open::open(Path::new(file))
    };
    let reading = match &opened {
        Ok(_) => None,
        Err(error) => Some(format!("{}: {}", file.to_string_lossy(), reason(error))),
    };
    let input: Box<dyn Read> = match opened {
        Ok(input) => Box::new(input),
        // The tools open it, and read nothing.
        Err(_) if Path::new(file).is_dir() => Box::new(std::io::empty()),
        Err(_) => {
            official::cannot_open(tool, file.as_encoded_bytes(), &mut |line| output.line(line));
            output.say(invocation.name, &reading.unwrap_or_default());
            return 1;
        }
    };
    let statistics = asked.stats.then_some(asked.format);
    let request =
        Request { tool, name: file.as_encoded_bytes(), now_ms: crate::units::now_ms(), limits: limits(), statistics };
    let mut written = Statistics::new(Path::new(file), asked.output);
    let checked = official::check(&request, input, &mut |line: Line<'_>| match line {
        Line::Statistics(line) => written.line(line, output),
        // Nothing follows a file that cannot be written.
        _ if written.has_failed() => {}
        line => output.line(line),
    });
    let finished = written.finish(output);
    if let Some(reading) = reading {
        output.say(invocation.name, &reading);
    }
    let sane = match checked {
        Ok(outcome) => {
            if outcome.statistics_cut {
                output.say(invocation.name, "the statistics are not complete: they take more memory than is allowed");
            }
            outcome.sane
        }
        Err(error) => {
            output.say(invocation.name, &format!("{}: {}", file.to_string_lossy(), reason(&error)));
            false
        }
    };
    u8::from(!sane || !finished)
}
