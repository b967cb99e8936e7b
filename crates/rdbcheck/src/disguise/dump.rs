//! What DUMP answers, kept in a file: as it is, with the line end that redis-cli adds, or as text.
//!
//! ```text
//! 00 05 h e l l o 0b 00 ...             checked as what it is
//! "\x00\x05hello\x0b\x00..."            as redis-cli prints it for people; or base64, or hex: what comes out is checked, and said
//! ```

use std::io::{self, Read};

use redis_persistence::diagnose::{Cause, CauseCode, diagnose};
use redis_persistence::verify::{self, Options, ReadAt, Report};

use super::forms::{Layer, for_any};
use super::opened;
use super::reader::Range;

/// Longer answers are not looked at: each is held whole.
const MOST: u64 = 64 << 20;
/// No form makes more of a byte than `\x00`, and a line end here and there.
const MOST_TEXT: u64 = 5 * MOST;
/// This many forms and places are tried.
const MOST_TRIED: usize = 16;
/// The types of values that an answer may begin with, and what begins a library of functions.
const TYPES: std::ops::RangeInclusive<u8> = 0..=32;
const FUNCTIONS: [u8; 2] = [245, 246];

/// Returns whether a file that begins so may be such an answer.
pub(super) fn is_suspected(head: &[u8]) -> bool {
    begins(head) || for_any(head).any(|layer| layer.peek(head).is_some_and(|out| begins(&out)))
}

/// Returns whether a type, or a library, may begin there.
fn begins(head: &[u8]) -> bool {
    let known = head.first().is_some_and(|first| TYPES.contains(first) || FUNCTIONS.contains(first));
    known && head.iter().any(|byte| *byte != 0)
}

/// Returns the report on a file that is such an answer.
pub(super) fn as_it_is(input: &dyn ReadAt, size: u64, head: &[u8], options: &Options) -> io::Result<Option<Report>> {
    if size > MOST || !begins(head) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    Range::new(input, 0, size).read_to_end(&mut bytes)?;
    Ok(verify::dump(&bytes, options))
}

/// Returns what a text stands for, if that is such an answer.
pub(super) fn in_text(input: &dyn ReadAt, size: u64, head: &[u8], options: &Options) -> io::Result<Option<Cause>> {
    if size > MOST_TEXT {
        return Ok(None);
    }
    let likely = |layer: &Layer| layer.peek(head).is_some_and(|out| begins(&out));
    for layer in for_any(head).filter(likely).take(MOST_TRIED) {
        let mut bytes = Vec::new();
        let stream = opened(&[layer], input, size)?;
        match stream.take(MOST + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > MOST => continue,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(error),
        }
        if let Some(report) = verify::dump(&bytes, options) {
            return Ok(diagnose(&bytes, &bytes, &report).map(|cause| named(layer, cause, &report)));
        }
    }
    Ok(None)
}

/// Returns the cause: that of the answer itself, in this form.
fn named(layer: Layer, inside: Cause, report: &Report) -> Cause {
    let Layer::Row { row, start } = layer else { return inside };
    let quoted = row.code == CauseCode::Escaped;
    let form = if quoted { "in quotes, as redis-cli prints it" } else { row.name };
    let command = match row.command.filter(|_| start == 0) {
        // redis-cli reads the quotes that it writes.
        _ if quoted && start == 0 && !report.is_function_dump() => {
            Some("sed 's/^/RESTORE KEY 0 /' FILE | redis-cli".to_owned())
        }
        _ if quoted && start == 0 => Some("sed 's/^/FUNCTION RESTORE /' FILE | redis-cli".to_owned()),
        undo => undo.zip(inside.command.as_deref()).map(|(undo, command)| {
            format!("{undo} | {}", command.rsplit(" | ").next().unwrap_or(command).trim_end_matches(" < FILE"))
        }),
    };
    let damage = report.findings.first().map(|finding| format!("it is damaged: {}", finding.message));
    let command = command.filter(|_| inside.reversible);
    let evidence = std::iter::once("this was undone".to_owned()).chain(damage).chain(inside.evidence);
    let mut cause = Cause::tried(inside.code, inside.message.replacen(", not a file", &format!(" {form}"), 1), command);
    (cause.reversible, cause.evidence) = (inside.reversible, evidence.collect());
    cause
}
