//! What DUMP answers, kept in a file: as it is, with the line end that redis-cli adds, or as text.
//!
//! ```text
//! 00 05 h e l l o 0b 00 ...             checked as what it is
//! "\x00\x05hello\x0b\x00..."            as redis-cli prints it for people; or base64, or hex: what comes out is checked, and said
//! ```

use std::io::{self, Read};

use redis_persistence::diagnose::{Cause, diagnose};
use redis_persistence::verify::{self, Options, ReadAt, Report};

use super::encoded::{Base64, Escaped, Hex};
use super::reader::{Range, Undo, Undone};

/// Longer answers are not looked at: each is held whole.
const MOST: u64 = 64 << 20;
/// No form makes more of a byte than `\x00`, and a line end here and there.
const MOST_TEXT: u64 = 5 * MOST;
/// The types of values that an answer may begin with, and what begins a library of functions.
const TYPES: std::ops::RangeInclusive<u8> = 0..=32;
const FUNCTIONS: [u8; 2] = [245, 246];

/// Whether a file that begins so may be such an answer.
pub(super) fn is_suspected(head: &[u8]) -> bool {
    begins(head) || forms(head).next().is_some()
}

/// Whether a type, or a library, may begin there.
fn begins(head: &[u8]) -> bool {
    let known = head.first().is_some_and(|first| TYPES.contains(first) || FUNCTIONS.contains(first));
    known && head.iter().any(|byte| *byte != 0)
}

/// The report on a file that is such an answer.
pub(super) fn as_it_is(input: &dyn ReadAt, size: u64, head: &[u8], options: &Options) -> io::Result<Option<Report>> {
    if size > MOST || !begins(head) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    Range::new(input, 0, size).read_to_end(&mut bytes)?;
    Ok(verify::dump(&bytes, options))
}

/// What a text stands for, if that is such an answer.
pub(super) fn in_text(input: &dyn ReadAt, size: u64, head: &[u8], options: &Options) -> io::Result<Option<Cause>> {
    if size > MOST_TEXT {
        return Ok(None);
    }
    for form in forms(head) {
        let mut bytes = Vec::new();
        let stream = Undone::new(Range::new(input, 0, size), form.undo());
        match stream.take(MOST + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > MOST => continue,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(error),
        }
        if let Some(report) = verify::dump(&bytes, options) {
            return Ok(diagnose(&bytes, &bytes, &report).map(|cause| form.cause(cause, &report)));
        }
    }
    Ok(None)
}

/// How an answer became text.
#[derive(Debug, Clone, Copy)]
enum Form {
    Escaped,
    Hex,
    HexDump,
    Base64,
    /// Another alphabet, other line ends, or no padding.
    OtherBase64,
}

/// The forms that a text may have.
fn forms(head: &[u8]) -> impl Iterator<Item = Form> {
    let text = head.iter().take(512);
    let all =
        |fits: fn(u8) -> bool| !head.is_empty() && text.clone().all(|byte| fits(*byte) || byte.is_ascii_whitespace());
    let base64 = all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte));
    let of = [
        (head.first() == Some(&b'"'), Form::Escaped),
        (all(|byte| byte.is_ascii_hexdigit()), Form::Hex),
        (head.starts_with(b"0000"), Form::HexDump),
        (base64, Form::Base64),
        (base64, Form::OtherBase64),
    ];
    of.into_iter().filter_map(|(fits, form)| fits.then_some(form))
}

impl Form {
    fn undo(self) -> Box<dyn Undo> {
        match self {
            Self::Escaped => Box::new(Escaped::default()),
            Self::Hex => Box::new(Hex::new(false)),
            Self::HexDump => Box::new(Hex::new(true)),
            Self::Base64 => Box::new(Base64::new(true)),
            Self::OtherBase64 => Box::new(Base64::new(false)),
        }
    }

    /// What it is, and the command of the system that undoes it.
    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Escaped => ("in quotes, as redis-cli prints it", None),
            Self::Hex => ("as hex digits", Some("xxd -r -p FILE")),
            Self::HexDump => ("as a hex dump", None),
            Self::Base64 => ("as base64 text", Some("base64 -d FILE")),
            Self::OtherBase64 => ("as base64 text, which base64 -d does not take as it is", None),
        }
    }

    /// The cause: that of the answer itself, in this form.
    fn cause(self, inside: Cause, report: &Report) -> Cause {
        let (form, undo) = self.words();
        let command = match self {
            // redis-cli reads the quotes that it writes.
            Self::Escaped if !report.is_function_dump() => {
                Some("sed 's/^/RESTORE KEY 0 /' FILE | redis-cli".to_owned())
            }
            Self::Escaped => Some("sed 's/^/FUNCTION RESTORE /' FILE | redis-cli".to_owned()),
            _ => undo.zip(inside.command.as_deref()).map(|(undo, command)| {
                format!("{undo} | {}", command.rsplit(" | ").next().unwrap_or(command).trim_end_matches(" < FILE"))
            }),
        };
        let damage = report.findings.first().map(|finding| format!("it is damaged: {}", finding.message));
        let command = command.filter(|_| inside.reversible);
        let evidence = std::iter::once("this was undone".to_owned()).chain(damage).chain(inside.evidence);
        let mut cause =
            Cause::tried(inside.code, inside.message.replacen(", not a file", &format!(" {form}"), 1), command);
        (cause.reversible, cause.evidence) = (inside.reversible, evidence.collect());
        cause
    }
}
