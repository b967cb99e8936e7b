//! `redis-check-rdb FILE`, and `valkey-check-rdb FILE [--format table|info|csv] [--stats] [--output FILE]`.
//!
//! Statistics are not made: with `--stats` or `--output` nothing is checked, and the reason is said.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use redis_persistence::verify::official::{self, Line, Request, Tool};

use super::output::{Output, say};
use super::{Invocation, is_too_long, is_version_option, limits, now_ms};
use crate::open::{self, reason};

/// What the command line asks for.
enum Asked<'a> {
    Check(&'a OsStr),
    Version,
    Statistics,
    Nonsense,
}

/// Is the tool; answers its exit code.
pub(super) fn run(invocation: &Invocation) -> u8 {
    let name = invocation.name;
    let mut output = Output::new();
    let exit = match asked(invocation) {
        Asked::Check(file) => check(invocation, file, &mut output),
        Asked::Version => {
            output.text(&name.version());
            0
        }
        Asked::Statistics => {
            say(
                name,
                "statistics are not made here (--stats, --output): nothing was checked. rdbcheck counts keys, types and encodings",
            );
            1
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
        [file] => Asked::Check(file),
        [file, options @ ..] if valkey => with_options(file, options),
        _ => Asked::Nonsense,
    }
}

fn with_options<'a>(file: &'a OsStr, options: &[OsString]) -> Asked<'a> {
    let mut asked = Asked::Check(file);
    let mut options = options.iter().map(|option| option.as_encoded_bytes());
    while let Some(option) = options.next() {
        match option {
            b"--stats" => asked = Asked::Statistics,
            b"--output" if options.next().is_some() => asked = Asked::Statistics,
            // The format of the statistics: it says nothing without them.
            b"--format" if matches!(options.next(), Some(b"table" | b"info" | b"csv")) => {}
            _ => return Asked::Nonsense,
        }
    }
    asked
}

fn usage(invocation: &Invocation) {
    let options = match invocation.name.family {
        Tool::Valkey91 => " [--format table|info|csv] [--stats] [--output <file>]",
        _ => "",
    };
    eprintln!("Usage: {} <rdb-file-name>{options}", invocation.program.to_string_lossy());
}

fn check(invocation: &Invocation, file: &OsStr, output: &mut Output) -> u8 {
    let tool = invocation.name.family;
    let mut print = |line: Line<'_>| output.line(line);
    let opened = if is_too_long(file) {
        Err(std::io::ErrorKind::InvalidFilename.into())
    } else if file == "-" {
        // A file of this name, as it is to the tools, and not the standard input.
        open::open(Path::new("./-"))
    } else {
        open::open(Path::new(file))
    };
    let input = match opened {
        Ok(input) => input,
        Err(error) => {
            official::cannot_open(tool, file.as_encoded_bytes(), &mut print);
            say(invocation.name, &format!("{}: {}", file.to_string_lossy(), reason(&error)));
            return 1;
        }
    };
    let request = Request { tool, name: file.as_encoded_bytes(), now_ms: now_ms(), limits: limits() };
    match official::check(&request, input, &mut print) {
        Ok(outcome) => u8::from(!outcome.sane),
        Err(error) => {
            say(invocation.name, &format!("{}: {}", file.to_string_lossy(), reason(&error)));
            1
        }
    }
}
