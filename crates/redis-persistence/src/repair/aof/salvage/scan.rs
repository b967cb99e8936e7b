//! Reads the records of a damaged file, and finds where they go on behind each damage.
//!
//! A gap begins where a record does that cannot be read, or is none that a server knows. It ends at the next place from which
//! several records follow one another, or lead to the end of the file. A record before the gap is taken into it where its frame
//! holds only by chance: its length took in the heads of others, or its count left arguments behind.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use super::classify::{Kind, Lost, kind};
use super::events::{Event, Gap, Item};
use super::merged_records::is_joined;
use super::resync::Resync;
use super::source::Source;
use crate::ReadError;
use crate::aof::{Command, Reader, Record};

/// A file with more gaps is not one of records any more.
pub(super) const MOST_GAPS: usize = 1 << 16;

/// Goes through a file from its first record on.
#[derive(Debug)]
pub(super) struct Scanner<'e> {
    source: Source,
    reader: Option<Reader<File>>,
    at: u64,
    /// Bytes that must not be believed.
    excluded: &'e [(u64, u64)],
    /// The last record, until it is known what follows it.
    held: Option<Item>,
    ready: VecDeque<Event>,
    gaps: usize,
    done: bool,
}

impl<'e> Scanner<'e> {
    pub(super) fn new(source: Source, at: u64, excluded: &'e [(u64, u64)]) -> Self {
        Self { source, reader: None, at, excluded, held: None, ready: VecDeque::new(), gaps: 0, done: false }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.done {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn step(&mut self) -> io::Result<()> {
        let at = self.at;
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.source.reader(at)?,
        };
        let item = match reader.next_record() {
            Ok(None) => {
                self.done = true;
                self.release();
                return Ok(());
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Parse(_)) => None,
            Ok(Some(record)) => {
                let (swallowed, joined) = match &record {
                    Record::Command(command) => (swallowed(command), is_joined(command)),
                    Record::Annotation(_) => (false, false),
                };
                let item = Item::of(&record);
                if joined && !swallowed && matches!(item.kind, Kind::Data | Kind::DataOf(_)) && self.gaps < MOST_GAPS {
                    self.gaps += 1;
                    self.reader = Some(reader);
                    self.at = item.end;
                    self.release();
                    self.ready.push_back(Event::Gap(Gap::new(item.start, item.end, Lost::Anything)));
                    return Ok(());
                }
                Some(item).filter(|item| !swallowed && !matches!(item.kind, Kind::Broken(_)))
            }
        };
        let excluded = |item: &Item| self.excluded.iter().any(|(from, to)| item.start < *to && *from < item.end);
        match item.filter(|item| !excluded(item)) {
            Some(item) => {
                self.reader = Some(reader);
                self.at = item.end;
                self.release();
                self.held = Some(item);
                Ok(())
            }
            None => self.gap(at),
        }
    }

    fn release(&mut self) {
        self.ready.extend(self.held.take().map(Event::Item));
    }

    /// Passes over what cannot be read from `at` on.
    fn gap(&mut self, at: u64) -> io::Result<()> {
        let mut from = at;
        if let Some(held) = self.held.filter(|held| held.end == at)
            && Resync::new(&mut self.source, self.excluded).is_to_blame(held.start, at)?
        {
            self.held = None;
            from = held.start;
        }
        self.release();
        let gap = if self.gaps < MOST_GAPS && !self.source.is_exhausted() {
            Resync::new(&mut self.source, self.excluded).gap(from)?
        } else {
            Gap::new(from, self.source.size(), Lost::Anything)
        };
        self.gaps += 1;
        self.at = gap.end;
        self.ready.push_back(Event::Gap(gap));
        self.done = gap.end >= self.source.size();
        Ok(())
    }
}

/// Returns whether the last argument took in whole records up to its end, and its length is one digit away from ending
/// before them. A value may well hold records; that it ends with the last one, but for its line end, and that its length is
/// so near, is too much of a chance.
fn swallowed(command: &Command<'_>) -> bool {
    let last = command.argc().checked_sub(1).and_then(|last| usize::try_from(last).ok());
    let Some(arg) = last.and_then(|last| command.arg(last)) else { return false };
    let Some(bytes) = arg.whole().filter(|bytes| bytes.len() >= SHORTEST) else { return false };
    let heads = memchr::memmem::find_iter(bytes, b"\r\n*");
    heads.take(MOST_HEADS).any(|at| {
        one_digit_apart(arg.len, at as u64) && {
            let mut records = bytes[at + 2..].to_vec();
            records.extend_from_slice(b"\r\n");
            are_records(&records)
        }
    })
}

/// The shortest payload that can hold a record behind a line end.
const SHORTEST: usize = 16;
/// This many heads are looked at in one value.
const MOST_HEADS: usize = 64;

/// Returns whether all of it is records that are believed.
fn are_records(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes, crate::aof::Grammar::Strict);
    let mut any = false;
    loop {
        match reader.next_record() {
            Ok(Some(record)) if !matches!(kind(&record), Kind::Broken(_)) => any = true,
            Ok(None) => return any,
            _ => return false,
        }
    }
}

/// Returns whether one decimal number becomes the other by changing one digit.
fn one_digit_apart(a: u64, b: u64) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    a.len() == b.len() && a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count() == 1
}
