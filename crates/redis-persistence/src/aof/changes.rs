//! Commands that take much away at once: somebody may want the state before them.
//!
//! ```text
//! FLUSHALL, FLUSHDB, SWAPDB                          one change each
//! DEL and UNLINK in a row that name 100 keys         one change, a storm; MULTI, EXEC, SELECT and annotations may stand between
//! ```
//! What stood before is told as far as it is known: how many commands, and about how many keys they named.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::{Command, Record, StreamState};

/// Deletions in a row of fewer keys than this are no storm.
const STORM: u64 = 100;
/// More keys than this are not told apart.
const MOST_KEYS: usize = 1 << 20;

/// Commands that change whole databases, and what they do.
const WHOLE: [(&str, &str, ChangeKind); 3] = [
    ("FLUSHALL", "removes the keys of all databases", ChangeKind::FlushAll),
    ("FLUSHDB", "removes all keys of its database", ChangeKind::FlushDb),
    ("SWAPDB", "swaps two databases", ChangeKind::SwapDb),
];

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// FLUSHALL.
    FlushAll,
    /// FLUSHDB.
    FlushDb,
    /// SWAPDB.
    SwapDb,
    /// DEL and UNLINK in a row.
    Deletes,
}

impl ChangeKind {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlushAll => "flushall",
            Self::FlushDb => "flushdb",
            Self::SwapDb => "swapdb",
            Self::Deletes => "deletes",
        }
    }

    /// Returns the kind of a command that changes whole databases, by its name.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        if !matches!(name.len(), 6..=8) {
            return None;
        }
        WHOLE.iter().find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(.., kind)| *kind)
    }

    /// Returns what such a command does, in words.
    #[must_use]
    pub fn does(self) -> &'static str {
        WHOLE.iter().find(|(.., kind)| *kind == self).map_or("removes keys", |(_, does, _)| does)
    }
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Change {
    /// What it is.
    pub kind: ChangeKind,
    /// The offset of its first command.
    pub start: u64,
    /// One past its last command.
    pub end: u64,
    /// The line of its first command, counted from 1 where the records begin.
    pub line: u64,
    /// The database that was selected.
    pub db: u32,
    /// The last timestamp before it, in seconds since the epoch.
    pub timestamp: Option<i64>,
    /// How many commands it is.
    pub commands: u64,
    /// How many keys it names; 0 for one of whole databases.
    pub keys: u64,
    /// How many commands stand before it in the file.
    pub commands_before: u64,
    /// How many keys were named before it, since the file began or the last FLUSHALL: about what was there.
    #[cfg_attr(feature = "serde", serde(rename = "keys_before_estimated"))]
    pub keys_before: u64,
}

/// Finds the changes of a file from its records, in their order.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    state: StreamState,
    keys: HashSet<u64>,
    /// Deletions so far, if one came last.
    run: Option<Change>,
}

impl Changes {
    /// Takes a record, and the line it begins at; returns the change that ended, if one did: first the deletions before the
    /// record, then the record itself.
    pub fn feed(&mut self, record: &Record<'_>, line: u64) -> [Option<Change>; 2] {
        let Record::Command(command) = record else {
            self.state.feed(record);
            return [None, None];
        };
        let deletes = command.is(b"DEL") || command.is(b"UNLINK");
        let between = ["MULTI", "EXEC", "SELECT"].iter().any(|name| command.is(name.as_bytes()));
        let ended = if deletes || between { None } else { self.end() };
        let mut change = None;
        if deletes {
            let keys = command.argc().saturating_sub(1);
            let one = self.change(ChangeKind::Deletes, command, line);
            let run = self.run.get_or_insert(one);
            (run.end, run.commands, run.keys) = (command.end(), run.commands + 1, run.keys.saturating_add(keys));
        } else if let Some(kind) = ChangeKind::of(command.name()) {
            change = Some(Change { commands: 1, ..self.change(kind, command, line) });
            if kind == ChangeKind::FlushAll {
                self.keys.clear();
            }
        } else if let Some(key) = command.arg(1).filter(|_| !between && self.keys.len() < MOST_KEYS) {
            self.keys.insert(xxh3_64(key.head) ^ u64::from(self.state.db()).rotate_left(32));
        }
        self.state.feed(record);
        [ended, change]
    }

    /// Ends with the file, or before something that is no deletion.
    pub fn end(&mut self) -> Option<Change> {
        self.run.take().filter(|run| run.keys >= STORM)
    }

    fn change(&self, kind: ChangeKind, command: &Command<'_>, line: u64) -> Change {
        Change {
            kind,
            start: command.start(),
            end: command.end(),
            line,
            db: self.state.db(),
            timestamp: self.state.last_timestamp(),
            commands: 0,
            keys: 0,
            commands_before: self.state.commands(),
            keys_before: self.keys.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Grammar, Reader};

    fn found(data: &[u8]) -> Vec<(&'static str, u64, u64, u64, u64)> {
        let (mut changes, mut found) = (Changes::default(), Vec::new());
        let mut reader = Reader::new(data, Grammar::Strict);
        while let Ok(Some(record)) = reader.next_record() {
            found.extend(changes.feed(&record, 1).into_iter().flatten());
        }
        found.extend(changes.end());
        found
            .iter()
            .map(|change| (change.kind.as_str(), change.start, change.keys, change.commands_before, change.keys_before))
            .collect()
    }

    fn set(key: u32) -> String {
        format!("*3\r\n$3\r\nSET\r\n$4\r\n{key:04}\r\n$1\r\nv\r\n")
    }

    fn del(key: u32) -> String {
        format!("*2\r\n$3\r\nDEL\r\n$4\r\n{key:04}\r\n")
    }

    #[test]
    fn flushes_and_storms() {
        let sets: String = (0..150).map(set).collect();
        let flush = "*1\r\n$8\r\nflushall\r\n";
        let dels = |n: u32| (0..n).map(del).collect::<String>();
        let data = [&sets[..], flush, &sets, &dels(99), &set(1), &dels(100)].concat();
        let storm = (data.len() - dels(100).len()) as u64;
        assert_eq!(
            found(data.as_bytes()),
            [("flushall", sets.len() as u64, 0, 150, 150), ("deletes", storm, 100, 150 + 1 + 150 + 99 + 1, 150)]
        );
    }

    #[test]
    fn one_command_can_be_a_storm() {
        let keys: String = (0..100).map(|key| format!("$4\r\n{key:04}\r\n")).collect();
        let data = format!("*101\r\n$6\r\nUNLINK\r\n{keys}{}", set(1));
        assert_eq!(found(data.as_bytes()), [("deletes", 0, 100, 0, 0)]);
        assert_eq!(found(data.replace("*101", "*100").as_bytes()), []);
    }
}
