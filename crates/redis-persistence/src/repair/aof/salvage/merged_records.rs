//! Two records that read as one: bytes between them were cut out, and what is left of both fits by chance.
//!
//! ```text
//! *3 .. $3 CR LF SET .. $1 CR LF k .. $55 CR LF <the value, and the rest of another record: CR LF $2 CR LF 17 CR LF $1 CR LF x> CR LF
//! *5 .. $5 CR LF RPUSH .. $9 CR LF <list:0 LF *3> CR LF $3 CR LF SET CR LF ...
//! ```
//! What the cut took with it, a SELECT or the end of a transaction, left no other trace.

use crate::aof::Command;
use crate::aof::resp;

/// This many arguments of a command are looked at.
const MOST_ARGUMENTS: u64 = 64;
/// This many places in one argument.
const MOST_PLACES: usize = 64;

/// Returns whether an argument took in the end of another record, or the head of one whose arguments are the rest.
pub(super) fn is_joined(command: &Command<'_>) -> bool {
    let argc = command.argc();
    let mut arguments = (1..argc.min(MOST_ARGUMENTS)).filter_map(|at| {
        let payload = command.arg(usize::try_from(at).ok()?)?.whole()?;
        Some((payload, argc - at - 1))
    });
    arguments.any(|(payload, behind)| ends_as_a_record(payload) || behind > 0 && ends_as_a_head(payload, behind))
}

/// Returns whether arguments, one after another, lead to its end, and no head before them says that they belong to it.
fn ends_as_a_record(payload: &[u8]) -> bool {
    let places = memchr::memmem::find_iter(payload, b"\r\n$").take(MOST_PLACES);
    let mut found = places.filter(|at| leads_to_the_end(&payload[at + 2..]));
    found.next().is_some_and(|at| {
        let line = payload[..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        arguments_of(line).is_none()
    })
}

fn leads_to_the_end(mut rest: &[u8]) -> bool {
    loop {
        let Ok((payload, length)) = resp::bulk(rest) else { return false };
        let Some(behind) = usize::try_from(length).ok().and_then(|length| payload.get(length..)) else { return false };
        match behind.strip_prefix(b"\r\n") {
            Some(next) => rest = next,
            None => return behind.is_empty(),
        }
    }
}

/// Returns whether its last line is the first one of a record with so many arguments.
fn ends_as_a_head(payload: &[u8], arguments: u64) -> bool {
    let mut lines = payload.rsplit(|byte| *byte == b'\n');
    let last = lines.next().unwrap_or_default();
    lines.next().is_some() && arguments_of(last) == Some(arguments)
}

/// Returns the number of arguments, if it is the first line of a record.
fn arguments_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"*").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Grammar, Reader, Record};

    fn joined(args: &[&str]) -> bool {
        let data = testkit::resp::record(args);
        let mut reader = Reader::new(&data[..], Grammar::Strict);
        matches!(reader.next_record(), Ok(Some(Record::Command(command))) if is_joined(&command))
    }

    #[test]
    fn the_rest_of_another_record_is_seen() {
        assert!(joined(&["SET", "k", "val\r\n$4\r\n3390\r\n$6\r\n<3390>"]));
        assert!(joined(&["SET", "string:1\r\n$5\r\nhello", "world"]));
        assert!(joined(&["RPUSH", "list:0\n*3", "SET", "k", "v"]));
        assert!(!joined(&["RPUSH", "k", "list:0\n*3", "v"]));
    }

    #[test]
    fn values_that_hold_records_are_values() {
        for value in
            ["", "text", "\r\n", "\r\n$3", "$4\r\n3390", "\r\n*3\r\n$3\r\nSET", "\r\n*2\r\n$3\r\nGET\r\n$1\r\nk", "*3"]
        {
            assert!(!joined(&["SET", "k", value]), "{value:?}");
        }
    }
}
