//! How far servers get with one file, and where it would have to end for them to get to its end.

mod odd;
mod tail;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::FileIdentity;
use crate::aof::{Annotation, Grammar, LineEnd, Reader, Record, StreamState, Transaction, TransactionEvent};
use crate::rdb::Family;
use crate::report::Verdict;
use crate::verify::{self, Options};
use crate::{Error, ErrorKind, ReadError};
use odd::{Before, Recent};
use tail::Tail;

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Walk {
    pub seen: FileIdentity,
    /// The end of the image at its start.
    pub image_end: u64,
    /// What is wrong with the image; nothing behind it was read then.
    pub bad_image: Option<String>,
    /// Whose newest server loads it, by its image.
    pub family: Option<Family>,
    /// When the image was made.
    pub image_time: Option<i64>,
    /// Where servers stop.
    pub stop: Option<Stop>,
    /// A timestamp beyond the time that was asked for; nothing behind it was read.
    pub later: Option<Stop>,
    /// The last timestamp before the stop.
    pub since: Option<i64>,
    /// What no cut mends.
    pub reasons: Vec<String>,
    /// What is worth a word.
    pub notes: Vec<String>,
}

/// A place where a file would have to end.
#[derive(Debug)]
pub(super) struct Stop {
    /// The place: before the command that is damaged, or before its transaction.
    pub to: u64,
    /// Why, in a sentence.
    pub why: String,
    /// Whether the bytes there are none that a server was interrupted in writing.
    pub foreign: bool,
    /// Whether nothing else is behind it than an interrupted write: what goes then was never whole.
    pub interrupted: bool,
    /// Whether a transaction is open there.
    pub in_transaction: bool,
}

/// Where to stop before servers do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Until {
    /// At a timestamp beyond this one.
    pub time: Option<i64>,
    /// At the record that begins at this byte or behind it, with the reason.
    pub byte: Option<(u64, String)>,
    /// At the record that begins at this byte, to take back what was written from there on.
    pub back: Option<u64>,
}

/// The walks over the files of a set to their ends, each made once: a plan, one with another file named and a salvage share them.
#[derive(Debug, Default)]
pub(super) struct Walks(HashMap<PathBuf, Rc<Walk>>);

impl Walks {
    /// The walk over a file.
    pub fn of(&mut self, path: &Path, until: &Until) -> io::Result<Rc<Walk>> {
        if *until != Until::default() {
            return walk(path, until).map(Rc::new);
        }
        if let Some(walk) = self.0.get(path) {
            return Ok(Rc::clone(walk));
        }
        let made = Rc::new(walk(path, until)?);
        self.0.insert(path.to_owned(), Rc::clone(&made));
        Ok(made)
    }
}

/// Reads a file as servers do, up to its end, to what they stop at, or to where `until` says.
fn walk(path: &Path, until: &Until) -> io::Result<Walk> {
    let file = File::open(path)?;
    let seen = FileIdentity::of(path, &file)?;
    let mut walk = Walk {
        seen,
        image_end: 0,
        bad_image: None,
        family: None,
        image_time: None,
        stop: None,
        later: None,
        since: None,
        reasons: Vec::new(),
        notes: Vec::new(),
    };
    match Reader::behind_image_made(file, Grammar::Loader, &mut walk.image_time) {
        Ok(reader) => {
            if let Some(image) = reader.image() {
                walk.image_end = image.end;
                walk.judge_image()?;
            }
            if walk.bad_image.is_none() {
                walk.records(reader.seeking(), until)?;
            }
        }
        Err(ReadError::Io(error)) => return Err(error),
        Err(ReadError::Parse(error)) => walk.bad_image = Some(error.to_string()),
    }
    Ok(walk)
}

impl Walk {
    /// Opens the file again: a set may have more files than a process may have open.
    pub fn open(&self) -> io::Result<File> {
        let file = File::open(&self.seen.path)?;
        if !self.seen.same_file(&FileIdentity::of(&self.seen.path, &file)?) {
            return Err(io::Error::other("it is another file than it was when it was read"));
        }
        Ok(file)
    }

    fn judge_image(&mut self) -> io::Result<()> {
        let report = verify::reader(self.open()?.take(self.image_end), &Options::default())?;
        self.family = report.format.as_ref().map(|format| format.product.unwrap_or(format.family));
        if report.verdict != Verdict::Sound {
            let finding = report.findings.first().map_or("it cannot be judged", |finding| finding.code.as_str());
            self.bad_image = Some(finding.to_owned());
        }
        Ok(())
    }

    fn records(&mut self, mut reader: Reader<File>, until: &Until) -> io::Result<()> {
        let mut state = StreamState::default();
        let mut recent = Recent::default();
        loop {
            let before = state.last_timestamp();
            let open = state.transaction();
            match reader.next_record() {
                Ok(Some(record)) => {
                    if let Some((at, why)) = until.byte.as_ref().filter(|(at, _)| record.start() >= *at) {
                        let to = open.map_or(*at, |open| open.start);
                        let (foreign, interrupted, in_transaction) = (true, false, open.is_some());
                        self.stop = Some(Stop { to, why: why.clone(), foreign, interrupted, in_transaction });
                        break;
                    }
                    if until.back == Some(record.start()) {
                        let to = open.map_or(record.start(), |open| open.start);
                        let why = format!("the writes from byte {} on are taken back", record.start());
                        let (foreign, interrupted, in_transaction) = (false, false, open.is_some());
                        self.later = Some(Stop { to, why, foreign, interrupted, in_transaction });
                        self.since = before;
                        return Ok(());
                    }
                    let later = until.time.and_then(|until| beyond(&record, until));
                    if let Some(time) = later {
                        let to = open.map_or(record.start(), |open| open.start);
                        let why = format!("the writes from the timestamp {time} on are taken back");
                        self.later =
                            Some(Stop { to, why, foreign: false, interrupted: false, in_transaction: open.is_some() });
                        self.since = before;
                        return Ok(());
                    }
                    match &record {
                        Record::Command(command) => recent.push(Before { start: command.start(), open }),
                        Record::Annotation(_) => recent.interrupt(),
                    }
                    if state.feed(&record) == Some(TransactionEvent::Closed)
                        && let Some(at) = open.and_then(|open| open.discard)
                    {
                        let name = self.seen.path.display();
                        self.reasons
                            .push(format!("servers crash on the DISCARD inside a transaction at byte {at} of {name}"));
                    }
                    if let Record::Annotation(annotation) = record {
                        self.torn(&annotation);
                        if until.time.is_some() && annotation.is_timestamp() && annotation.timestamp().is_none() {
                            self.notes.push(format!(
                                "the timestamp at byte {} of {} cannot be read and was passed over",
                                annotation.start(),
                                self.seen.path.display()
                            ));
                        }
                    }
                }
                Ok(None) => {
                    if let Some(open) = open {
                        let why = format!("the transaction at byte {} has no EXEC", open.start);
                        let (to, interrupted) = (open.start, !open.nested);
                        self.stop = Some(Stop { to, why, foreign: false, interrupted, in_transaction: true });
                    }
                    break;
                }
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Parse(error)) => {
                    self.stop = Some(self.stop_at(&error, open, &recent)?);
                    break;
                }
            }
        }
        self.since = state.last_timestamp();
        if let Some(at) = until.back {
            self.reasons.push(format!(
                "no record begins at byte {at} of {}, as far as it can be read",
                self.seen.path.display()
            ));
        }
        Ok(())
    }

    /// An annotation that the end of the file cuts short is loaded, but what a server appends to it is not.
    fn torn(&mut self, annotation: &Annotation<'_>) {
        if annotation.line_end() == LineEnd::Missing && annotation.end() == self.seen.size {
            self.notes.push(format!(
                "{} ends inside the annotation at byte {}: it loads, but a command that a server appends to it may not",
                self.seen.path.display(),
                annotation.start()
            ));
        }
    }

    /// Returns where servers stop at an error, with the transaction that is open there, and the commands before it.
    fn stop_at(&mut self, error: &Error, mut open: Option<Transaction>, recent: &Recent) -> io::Result<Stop> {
        let mut at = error.start();
        let tail = tail::classify(&mut self.open()?, at, self.seen.size)?;
        let mut why = match (tail, error.kind()) {
            (Tail::Zeros, _) => format!("from byte {at} on there is nothing but zeros"),
            (Tail::TornThenZeros, _) => format!("the command at byte {at} goes over into zeros that last to the end"),
            (_, ErrorKind::UnexpectedEof { .. }) => format!("the file ends inside the command at byte {at}"),
            _ => error.to_string(),
        };
        let mut foreign = tail == Tail::Foreign && !matches!(error.kind(), ErrorKind::UnexpectedEof { .. });
        let mut interrupted = matches!(tail, Tail::Torn | Tail::Zeros | Tail::TornThenZeros);
        if let Some(last) = recent.last().filter(|_| tail == Tail::Zeros)
            && tail::zeros_from(&mut self.open()?, last.start, self.seen.size)? < at
        {
            // Servers do not look at the two bytes behind a value, and take a few zeros into one that was torn.
            (at, open) = (last.start, last.open);
            why = format!("the command at byte {at} goes over into zeros that last to the end");
        } else if let Some(odd) = recent.first_odd(&mut self.open()?)? {
            (at, open) = (odd.start, odd.open);
            why =
                format!("the damage begins in the command at byte {at}, which servers read with a wrong value; {why}");
            (foreign, interrupted) = (true, false);
        }
        Ok(Stop {
            to: open.map_or(at, |open| open.start),
            why,
            foreign,
            interrupted: interrupted && !open.is_some_and(|open| open.nested),
            in_transaction: open.is_some(),
        })
    }
}

/// Returns the time of a record that is a timestamp beyond `until`.
fn beyond(record: &Record<'_>, until: i64) -> Option<i64> {
    let Record::Annotation(annotation) = record else { return None };
    annotation.timestamp().filter(|time| *time > until)
}
