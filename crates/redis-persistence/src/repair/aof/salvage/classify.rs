//! Which records are believed: those of a command that some server knows, with as many arguments as it takes.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::aof::commands::{CommandSpec, Fit, is_container, named};
use crate::aof::{Command, Record};
use crate::rdb::Family;

/// Names of at most this many bytes are looked up; no server has a longer one.
const LONGEST: usize = 64;
/// This many names of module commands are told apart.
const MOST: usize = 1024;

/// What a record is for the stream it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// MULTI.
    Multi,
    /// EXEC.
    Exec,
    /// A SELECT that selects.
    Select(u32),
    /// Another command that is believed.
    Data,
    /// The same, which the newest servers of one family alone know: kept if the file is none of the other.
    DataOf(Family),
    /// A command with a dot in its name, as modules name theirs: believed where it is not the only one.
    Module(u64),
    /// A line that begins with `#`.
    Annotation,
    /// A command that no server knows, or not with so many arguments, and what it may have been.
    Broken(Lost),
}

/// What may have been lost with bytes that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Commands on data alone: database and transaction stay as they are.
    Data,
    /// A SELECT, whose index may still be read.
    Select(Option<u32>),
    /// Whatever there is.
    Anything,
}

/// Returns what a record is.
pub(super) fn kind(record: &Record<'_>) -> Kind {
    match record {
        Record::Annotation(annotation) if is_line(annotation.bytes()) => Kind::Annotation,
        // Where its end is damaged it takes in what follows, up to the next line end; servers would pass over that.
        Record::Annotation(_) => Kind::Broken(Lost::Anything),
        Record::Command(command) => command_kind(command),
    }
}

/// Returns whether it is a line of text, and a timestamp if it begins as one: what lost its end goes on with the rest of
/// another record.
fn is_line(bytes: &[u8]) -> bool {
    let Some(text) = bytes.strip_suffix(b"\r\n").or(bytes.strip_suffix(b"\n")) else { return false };
    match text.strip_prefix(b"#TS:") {
        Some(time) => time.iter().all(u8::is_ascii_digit),
        None => text.iter().all(|byte| matches!(byte, b' '..=b'~')),
    }
}

fn command_kind(command: &Command<'_>) -> Kind {
    let name = command.arg(0).and_then(|arg| arg.whole()).unwrap_or_default();
    let argument = command.arg(1).and_then(|arg| arg.whole()).unwrap_or_default();
    if name.is_empty() || name.len() > LONGEST {
        return Kind::Broken(lost(command.argc(), name, argument));
    }
    let mut upper = [0; 2 * LONGEST + 1];
    let upper = &mut upper[..];
    upper[..name.len()].copy_from_slice(name);
    upper[..name.len()].make_ascii_uppercase();
    let key = &upper[..name.len()];
    match key {
        b"MULTI" if command.argc() == 1 => return Kind::Multi,
        b"EXEC" if command.argc() == 1 => return Kind::Exec,
        b"SELECT" => {
            return match (command.argc(), index(argument)) {
                (2, Some(index)) => Kind::Select(index),
                _ => Kind::Broken(Lost::Select(None)),
            };
        }
        // They change no data, and make servers crash, drop a transaction, or end.
        b"DISCARD" | b"WATCH" | b"SHUTDOWN" => return Kind::Broken(Lost::Data),
        _ => {}
    }
    let rows = named(key);
    let Some(kind) = data(rows, command.argc()) else {
        if rows.is_empty() && name.contains(&b'.') && name.iter().all(u8::is_ascii_graphic) {
            return Kind::Module(xxh3_64(key));
        }
        return Kind::Broken(lost(command.argc(), name, argument));
    };
    if is_container(key) {
        let end = name.len() + 1 + argument.len();
        if argument.len() > LONGEST {
            return Kind::Broken(Lost::Data);
        }
        upper[name.len()] = b'|';
        upper[name.len() + 1..end].copy_from_slice(argument);
        upper[name.len() + 1..end].make_ascii_uppercase();
        return data(named(&upper[..end]), command.argc()).unwrap_or(Kind::Broken(Lost::Data));
    }
    kind
}

/// Returns what a command is of which the table has these rows: by the newest servers, as a verification has it. One that
/// only old servers take is none that a server writes.
fn data(rows: &[CommandSpec], argc: u64) -> Option<Kind> {
    let of = |family| rows.iter().any(|row| row.is_current(Some(family)) && row.fit(argc) == Fit::Fits);
    match (of(Family::Redis), of(Family::Valkey)) {
        (true, true) => Some(Kind::Data),
        (true, false) => Some(Kind::DataOf(Family::Redis)),
        (false, true) => Some(Kind::DataOf(Family::Valkey)),
        (false, false) => None,
    }
}

/// Returns a database number as servers write it.
pub(super) fn index(text: &[u8]) -> Option<u32> {
    let plain = text == b"0" || text.first().is_some_and(|first| *first != b'0') && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok().filter(|index| i32::try_from(*index).is_ok())
}

/// Returns what a record was whose name and number of arguments can be read, though the name may be damaged.
pub(super) fn lost(argc: u64, name: &[u8], argument: &[u8]) -> Lost {
    let like = |word: &[u8]| {
        let same = name.iter().zip(word).filter(|(a, b)| a.eq_ignore_ascii_case(b)).count();
        name.len() == word.len() && 2 * same >= word.len()
    };
    match argc {
        1 => Lost::Anything,
        2 if like(b"SELECT") => Lost::Select(index(argument)),
        // What was one of the two has one argument.
        2 if name.len() == 6 && index(argument).is_some() => Lost::Anything,
        _ => Lost::Data,
    }
}

/// How often names of module commands occur: a damaged name with a dot in it occurs once.
#[derive(Debug, Default)]
pub(super) struct Modules(HashMap<u64, u32>);

impl Modules {
    pub(super) fn add(&mut self, name: u64) {
        if self.0.len() < MOST || self.0.contains_key(&name) {
            let count = self.0.entry(name).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn believes(&self, name: u64) -> bool {
        self.0.get(&name).is_some_and(|count| *count > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Grammar, Reader};

    fn of(args: &[&str]) -> Option<Kind> {
        let data = testkit::resp::record(args);
        let mut reader = Reader::new(&data[..], Grammar::Strict);
        reader.next_record().ok().flatten().map(|record| kind(&record))
    }

    #[test]
    fn a_timestamp_is_a_number() {
        for (line, believed) in [
            (&b"#TS:1700000000\r\n"[..], true),
            (b"#a note\r\n", true),
            (b"#TS:17000rest of a value\r\n", false),
            (b"#a n\xf6te\r\n", false),
        ] {
            let mut reader = Reader::new(line, Grammar::Strict);
            let kind = reader.next_record().ok().flatten().map(|record| kind(&record));
            assert_eq!(kind == Some(Kind::Annotation), believed, "{kind:?}");
        }
    }

    #[test]
    fn what_servers_know_is_believed() {
        for (args, expected) in [
            (&["set", "k", "v"][..], Kind::Data),
            (&["SET", "k"], Kind::Broken(Lost::Data)),
            (&["SXT", "k", "v"], Kind::Broken(Lost::Data)),
            (&["XGROUP", "CREATE", "s", "g", "0"], Kind::Data),
            (&["XGROUP", "CRXATE", "s", "g", "0"], Kind::Broken(Lost::Data)),
            (&["MULTI"], Kind::Multi),
            (&["MUXTI"], Kind::Broken(Lost::Anything)),
            (&["SELECT", "7"], Kind::Select(7)),
            (&["SELECT", "x"], Kind::Broken(Lost::Select(None))),
            (&["SEL?CT", "7"], Kind::Broken(Lost::Select(Some(7)))),
            (&["JSON.SET", "k", "$", "1"], Kind::Module(xxh3_64(b"JSON.SET"))),
            (&["JSON.\0ET", "k", "$", "1"], Kind::Broken(Lost::Data)),
            (&["HOST:", "k"], Kind::Broken(Lost::Data)),
            (&["PFDEBUG", "GETREG", "k", "1"], Kind::Broken(Lost::Data)),
            (&["DELIFEQ", "k", "v"], Kind::DataOf(Family::Valkey)),
            (&["HIMPORT", "SET", "k", "t", "v"], Kind::DataOf(Family::Redis)),
        ] {
            assert_eq!(of(args), Some(expected), "{args:?}");
        }
    }
}
