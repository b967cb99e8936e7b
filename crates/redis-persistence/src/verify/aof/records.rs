//! Walks over the records of one file and holds them against what servers make of them.
//!
//! ```text
//! strict reader --------------------------------> end of the file
//!   | first oddity          ^ after the record
//!   +-> tool's reader       |   from there to wherever the official tool stops
//!   +-> loader's reader ----+   one record: loads (lenient form), or does not (damage: the walk ends)
//! ```
//! A file that a server wrote is strict to its end, so the tolerant readers hardly ever run.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use super::commands::{self, Tally};
use super::damage;
use super::input::Clamped;
use super::log::Log;
use super::watch::Watch;
use crate::aof::official::Walk;
use crate::aof::{
    Annotation, Command, Grammar, Kinds, LineEnd, Parser, Reader, Record, Run, StreamState, Transaction,
    TransactionEvent,
};
use crate::rdb::Family;
use crate::verify::codes::Code;
use crate::verify::facts::{Ending, OpenTransaction, Place as At, RecordFacts, Stop};
use crate::verify::finding::Finding;
use crate::verify::report::AofFacts;
use crate::{Error, ErrorKind, Limits, ReadError, Reading};

/// After so many odd records the rest of the file is read as servers read it, and further odd forms are not told.
const MAX_RESTARTS: u32 = 1000;
/// Servers have this many databases unless told otherwise.
const USUAL_DATABASES: u32 = 16;
/// How many databases are counted apart.
const MAX_DATABASES: usize = 1 << 16;

/// The file that is walked over.
pub(super) struct Place<'a> {
    /// Where its records begin.
    pub(super) start: u64,
    /// The official tool's line counter there, or nothing if the tool does not come that far.
    pub(super) tool_line: Option<u64>,
    /// Whether it is the last one that is loaded; only the tail of that one is cut by servers.
    pub(super) last: bool,
    /// Whose newest server decides which commands there are; none if the set does not tell.
    pub(super) family: Option<Family>,
    pub(super) limits: &'a Limits,
}

/// How the walk ended.
pub(super) struct Outcome {
    /// Up to where servers load the file.
    pub(super) loads_up_to: u64,
    /// How the official tool's walk ended.
    pub(super) tool: Option<Walk>,
}

/// One walk.
pub(super) struct Records<'a> {
    place: Place<'a>,
    log: &'a mut Log,
    state: StreamState,
    watch: Watch,
    /// The record's number, and the line ends before it.
    number: u64,
    ends: u64,
    size: u64,
    /// The last command: its first byte, its number, and the line ends before it.
    previous: Option<(u64, u64, u64)>,
    /// The last record that was odd: where it began, and where it was odd.
    odd: Option<(u64, u64)>,
    databases: BTreeMap<u64, u64>,
    /// The database that is counted now, and how many commands it got.
    counted: (u64, u64),
    tally: Tally,
    kinds: Kinds,
    load: RecordFacts,
    /// The end of the command before the last MULTI.
    before_multi: Option<u64>,
    /// Whether the transaction holds a DISCARD.
    discards: bool,
    largest_db: Option<(u64, u64)>,
}

impl<'a> Records<'a> {
    pub(super) fn new(place: Place<'a>, log: &'a mut Log) -> Self {
        let (family, start) = (place.family, place.start);
        Self {
            place,
            log,
            state: StreamState::default(),
            watch: Watch::default(),
            number: 0,
            ends: 0,
            size: 0,
            previous: None,
            odd: None,
            databases: BTreeMap::new(),
            counted: (0, 0),
            tally: Tally::new(family),
            kinds: Kinds::default(),
            load: RecordFacts {
                start,
                annotation: None,
                last_end: None,
                open: None,
                ending: Ending::Clean,
                at: start,
                code: None,
                stops: Vec::new(),
            },
            before_multi: None,
            discards: false,
            largest_db: None,
        }
    }

    /// Walks to the end of the file or to where nothing leads on.
    pub(super) fn walk<F: Read + Seek>(&mut self, input: &mut Clamped<F>) -> io::Result<Outcome> {
        self.size = input.size();
        let mut tool = self.place.tool_line.map(|line| Walk::new(self.place.start, line));
        let mut tool_goes_on = tool.is_some();
        let (mut at, mut ends_before, mut restarts) = (self.place.start, 0, 0);
        let mut grammar = Grammar::Strict;
        loop {
            let mut reader = open(&mut *input, grammar, at, self.place.limits)?;
            let error = loop {
                let here = reader.parser().offset();
                self.ends = ends_before + reader.parser().line_ends();
                if let (true, Some(tool), Some(line)) = (tool_goes_on, &mut tool, self.place.tool_line) {
                    tool.at(here, line + self.ends);
                }
                if grammar == Grammar::Strict
                    && self.may_run()
                    && let Some(run) = reader.take_run(&mut self.kinds)
                {
                    self.run(&run, here);
                    continue;
                }
                match reader.next_record() {
                    Ok(Some(record)) => {
                        if let (true, Some(tool), Record::Command(command)) = (tool_goes_on, &mut tool, &record) {
                            tool_goes_on = tool.command(command, b"");
                        }
                        self.record(&record);
                    }
                    Ok(None) => {
                        if let (true, Some(tool)) = (tool_goes_on, &mut tool) {
                            tool.end(reader.parser().part());
                        }
                        return Ok(Outcome { loads_up_to: self.end(here), tool });
                    }
                    Err(ReadError::Io(error)) => return Err(error),
                    Err(ReadError::Parse(error)) => break error,
                }
            };
            at = error.start();
            if grammar == Grammar::Loader {
                let loads_up_to = self.damage_of(reader, &error, ends_before)?;
                return Ok(Outcome { loads_up_to, tool });
            }
            drop(reader);
            if let (true, Some(tool)) = (std::mem::take(&mut tool_goes_on), &mut tool) {
                let mut reader = open(&mut *input, Grammar::Tool, at, self.place.limits)?;
                tool.run(&mut reader, b"", |_| ControlFlow::<()>::Continue(()))?;
            }
            let mut reader = open(&mut *input, Grammar::Loader, at, self.place.limits)?;
            let end = match reader.next_record() {
                Ok(Some(record)) => {
                    self.lenient(&record, &error);
                    self.record(&record);
                    record.end()
                }
                Ok(None) => return Ok(Outcome { loads_up_to: self.end(at), tool }),
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Parse(error)) => {
                    let loads_up_to = self.damage_of(reader, &error, self.ends)?;
                    return Ok(Outcome { loads_up_to, tool });
                }
            };
            ends_before = self.ends + reader.parser().line_ends();
            at = end;
            restarts += 1;
            if restarts == MAX_RESTARTS {
                grammar = Grammar::Loader;
            }
        }
    }

    /// The facts of this file, which is that part of the set, added to those of the files before it.
    pub(super) fn add_to(mut self, part: usize, facts: &mut AofFacts) -> RecordFacts {
        self.count_database();
        self.tally.add_to(self.state.counts(), part, &mut facts.load);
        let largest = self.largest_db.map(|(db, at)| (db, At { part, at }));
        facts.load.largest_db = largest.into_iter().chain(facts.load.largest_db).max_by_key(|(db, _)| *db);
        let counts = self.state.counts();
        for (name, count) in counts.iter() {
            *facts.commands_by_name.entry(name.escape_ascii().to_string()).or_default() += count;
        }
        if counts.other() > 0 {
            *facts.commands_by_name.entry(String::new()).or_default() += counts.other();
        }
        facts.commands += self.state.commands();
        facts.transactions += self.state.transactions();
        facts.first_timestamp = facts.first_timestamp.or(self.state.first_timestamp());
        facts.last_timestamp = self.state.last_timestamp().or(facts.last_timestamp);
        for (db, count) in self.databases {
            *facts.databases.entry(db).or_default() += count;
        }
        self.load
    }

    /// Adds a finding about the record that is being looked at.
    fn say(&mut self, code: Code, places: (u64, u64), command: Option<&[u8]>, message: impl FnOnce() -> String) {
        let (line, number, db) = (self.ends + 1, self.number, u64::from(self.state.db()));
        self.log.add(code, places, message, |finding| {
            finding.line = Some(line);
            finding.record = Some(number);
            finding.db = Some(db);
            finding.command = command.map(shown);
        });
    }

    fn record(&mut self, record: &Record<'_>) {
        match record {
            Record::Command(command) => self.command(record, command),
            Record::Annotation(annotation) => {
                self.load.annotation.get_or_insert(annotation.start());
                self.annotation(record, annotation);
            }
        }
        self.number += 1;
    }

    fn command(&mut self, record: &Record<'_>, command: &Command<'_>) {
        let (open, db) = (self.state.transaction(), self.state.db());
        commands::judge(command, open.is_some(), &mut |remark| {
            if let Some(stop) = remark.stop {
                self.stop(stop, command.start());
            }
            self.say(remark.code, (command.start(), remark.at), Some(command.name()), || remark.message);
        });
        let event = self.state.feed(record);
        if let Some(code) = self.tally.add(self.state.last_name(), command) {
            let message = || commands::unknown(code, command);
            self.say(code, (command.start(), command.start()), Some(command.name()), message);
        }
        if self.state.db() != db {
            self.selected(command);
        }
        self.counted.1 += 1;
        self.previous = Some((command.start(), self.number, self.ends));
        if let Some(event) = event {
            self.event(event, open, command);
        }
        if open.is_none() {
            self.watch.command(command);
        }
        self.load.last_end = Some(command.end());
        self.learn(command);
    }

    /// Learns the kind of a command about which there was nothing to say, if none will say more about the next one.
    fn learn(&mut self, command: &Command<'_>) {
        let (name, argc) = (command.name(), command.argc());
        if let Some(number) = self.state.last_name()
            && self.tally.is_settled(number, argc)
            && commands::is_plain_name(name)
        {
            self.kinds.learn(name, number, argc);
        }
    }

    /// Whether commands may be passed over: nothing is open that they would belong to.
    fn may_run(&self) -> bool {
        self.state.transaction().is_none() && self.watch.is_idle()
    }

    /// Takes commands of known kinds that were passed over, the first of them at `start`.
    fn run(&mut self, run: &Run, start: u64) {
        for kind in self.kinds.counted() {
            self.state.feed_again(kind.number, kind.count);
            self.tally.add_again(kind.number, kind.argc, kind.count);
        }
        self.counted.1 += run.commands;
        let last = (start + run.last as u64, self.number + run.commands - 1, self.ends + run.last_line_ends);
        self.previous = Some(last);
        self.number += run.commands;
        self.load.last_end = Some(start + run.bytes as u64);
    }

    /// Notes a command that can end a server.
    fn stop(&mut self, stop: Stop, at: u64) {
        match self.load.stops.iter_mut().find(|(known, ..)| *known == stop) {
            Some((_, _, count)) => *count += 1,
            None => self.load.stops.push((stop, at, 1)),
        }
    }

    /// Another database was selected.
    fn selected(&mut self, command: &Command<'_>) {
        self.count_database();
        self.counted.0 = u64::from(self.state.db());
        if self.largest_db.is_none_or(|(db, _)| self.counted.0 > db) {
            self.largest_db = Some((self.counted.0, command.start()));
        }
        if self.state.db() >= USUAL_DATABASES {
            let db = self.state.db();
            self.say(Code::AofSelectOutOfRange, (command.start(), command.start()), Some(command.name()), || {
                format!("a server with the usual {USUAL_DATABASES} databases has no database {db}, and ignores this")
            });
        }
    }

    fn count_database(&mut self) {
        let (db, count) = std::mem::take(&mut self.counted);
        if count > 0 && (self.databases.len() < MAX_DATABASES || self.databases.contains_key(&db)) {
            *self.databases.entry(db).or_default() += count;
        }
    }

    fn event(&mut self, event: TransactionEvent, open: Option<Transaction>, command: &Command<'_>) {
        match event {
            TransactionEvent::Opened => (self.before_multi, self.discards) = (self.load.last_end, false),
            TransactionEvent::NestedMulti => self.before_multi = self.load.last_end,
            TransactionEvent::QueuedDiscard => self.discards = true,
            TransactionEvent::Closed if self.discards => self.stop(Stop::QueuedDiscard, command.start()),
            _ => {}
        }
        let (code, message) = match event {
            TransactionEvent::NestedMulti => {
                (Code::AofNestedMulti, "MULTI inside a transaction: servers ignore it, the check tools cut here")
            }
            TransactionEvent::StrayExec => {
                (Code::AofStrayExec, "EXEC without MULTI: servers ignore it, the check tools cut here")
            }
            TransactionEvent::QueuedDiscard => {
                (Code::AofDiscardInMulti, "DISCARD inside a transaction: servers crash at its EXEC")
            }
            TransactionEvent::Watch => {
                (Code::AofWatchInAof, "WATCH can make a server drop the transaction after it, or crash")
            }
            TransactionEvent::BadSelect => {
                (Code::AofSelectInvalid, "SELECT of no database: servers ignore it, and go on in the one before")
            }
            TransactionEvent::Closed => {
                let start = open.map_or(command.start(), |open| open.start);
                if self.watch.exec() {
                    self.stop(Stop::WatchedExec, command.start());
                    self.say(Code::AofWatchedTransaction, (start, command.start()), Some(command.name()), || {
                        "a key that was watched before this transaction was written to since: Redis 8.6 crashes, other \
                         servers drop the transaction"
                            .to_owned()
                    });
                }
                return;
            }
            _ => return,
        };
        self.say(code, (command.start(), command.start()), Some(command.name()), || message.to_owned());
    }

    fn annotation(&mut self, record: &Record<'_>, annotation: &Annotation<'_>) {
        let before = self.state.last_timestamp();
        let back = self.state.feed(record) == Some(TransactionEvent::TimeWentBack);
        let start = annotation.start();
        if annotation.line_end() == LineEnd::Missing {
            if annotation.end() == self.size {
                self.say(Code::AofAnnotationCut, (start, annotation.end()), None, || {
                    "the file ends inside an annotation: the next command that a server writes is glued to it, and the \
                     start after that one refuses the file"
                        .to_owned()
                });
            }
        } else if annotation.is_timestamp() && annotation.timestamp().is_none() {
            self.say(Code::AofTimestampMalformed, (start, start + 4), None, || {
                format!("\"{}\" is no timestamp", annotation.bytes().escape_ascii())
            });
        } else if !annotation.is_timestamp() {
            self.say(Code::AofUnknownAnnotation, (start, start), None, || {
                let shown = &annotation.bytes()[..annotation.bytes().len().min(100)];
                format!("an annotation that no server known here writes: \"{}\"", shown.escape_ascii())
            });
        }
        if back {
            let now = annotation.timestamp().unwrap_or_default();
            self.say(Code::AofTimestampBackwards, (start, start), None, || {
                format!("{now} comes after {}: the clock went back", before.unwrap_or_default())
            });
        }
    }

    /// A record that servers load though no writer makes it.
    fn lenient(&mut self, record: &Record<'_>, error: &Error) {
        let places = (error.start(), error.failed_at());
        self.odd = Some(places);
        match record {
            Record::Annotation(_) => self.say(Code::AofAnnotationTooLong, places, None, || {
                "an annotation of more than 1023 bytes: servers take what stands behind those for a record".to_owned()
            }),
            Record::Command(command) => self.say(Code::AofLenientForm, places, Some(command.name()), || {
                format!("{error}; servers load the record all the same")
            }),
        }
    }

    /// The file ends at the boundary of a record. Answers up to where servers load it.
    fn end(&mut self, at: u64) -> u64 {
        self.load.at = at;
        let Some(open) = self.state.transaction() else { return at };
        self.load.open = Some(OpenTransaction { start: open.start, before: self.before_multi });
        self.load.code = Some(Code::AofOpenTransaction);
        self.say(Code::AofOpenTransaction, (open.start, at), Some(b"MULTI"), || {
            format!(
                "the file ends inside a transaction of {} commands so far: servers cut it at its MULTI, or refuse",
                open.queued
            )
        });
        open.start
    }

    /// Names the damage at which a reader stopped, before which there were so many line ends. Answers up to where servers
    /// load the file.
    fn damage_of<F: Read + Seek>(
        &mut self,
        reader: Reader<&mut Clamped<F>>,
        error: &Error,
        ends: u64,
    ) -> io::Result<u64> {
        let parser = reader.parser();
        let unfinished = parser.unfinished().map(|command| command.name().to_vec()).filter(|name| !name.is_empty());
        let argument = match error.kind() {
            ErrorKind::UnexpectedEof { missing } if error.reading() == Reading::Arg => {
                Some(error.failed_at().saturating_sub(parser.part()).saturating_add(*missing).saturating_sub(2))
            }
            _ => None,
        };
        let line = 1 + ends + parser.line_ends();
        let input = reader.into_inner();
        let damage = damage::name(input, error, argument)?;
        self.load.ending = damage::ending(input, error, argument)?;
        (self.load.at, self.load.code) = (error.start(), Some(damage.code));
        let before = self.before_multi;
        self.load.open = self.state.transaction().map(|open| OpenTransaction { start: open.start, before });
        let hint = self.hint(damage.hint);
        let (number, db, size) = (self.number, u64::from(self.state.db()), self.size);
        self.log.add(
            damage.code,
            (error.start(), error.failed_at()),
            || damage.message,
            |finding: &mut Finding| {
                finding.line = Some(line);
                finding.record = Some(number);
                finding.db = Some(db);
                finding.end = Some(size);
                finding.command = unfinished.as_deref().map(shown);
                finding.reading = Some(error.reading().to_string());
                finding.hint = hint;
            },
        );
        if damage.code == Code::AofBadFormat {
            self.cause(input)?;
        }
        Ok(self.state.transaction().map_or(error.start(), |open| open.start))
    }

    /// What to know before the file is cut at a damage.
    fn hint(&self, of_damage: Option<String>) -> Option<String> {
        let mut hints = Vec::from_iter(of_damage);
        if let Some((start, at)) =
            self.odd.filter(|(start, _)| self.previous.is_some_and(|previous| previous.0 == *start))
        {
            hints.push(format!(
                "the command before it, at byte {start}, is odd at byte {at}: the damage may begin there"
            ));
        }
        if let Some(open) = self.state.transaction() {
            hints.push(format!("the transaction around it begins at byte {}: a cut belongs there", open.start));
        }
        if !self.place.last {
            hints.push("another file follows this one, so no server starts, whatever its settings".to_owned());
        }
        (!hints.is_empty()).then(|| hints.join("; "))
    }

    /// Where the records lose their step, the command before may have swallowed the head of one.
    fn cause<F: Read + Seek>(&mut self, input: &mut Clamped<F>) -> io::Result<()> {
        let Some((at, number, ends)) = self.previous else { return Ok(()) };
        let mut reader = open(input, Grammar::Loader, at, self.place.limits)?;
        if let Ok(Some(Record::Command(command))) = reader.next_record()
            && let Some(message) = commands::broken_head(&command)
        {
            (self.number, self.ends) = (number, ends);
            self.say(message.code, (at, message.at), Some(command.name()), || message.message);
        }
        Ok(())
    }
}

fn open<'f, F: Read + Seek>(
    input: &'f mut Clamped<F>,
    grammar: Grammar,
    at: u64,
    limits: &Limits,
) -> io::Result<Reader<&'f mut Clamped<F>>> {
    input.seek(SeekFrom::Start(at))?;
    Ok(Reader::with_parser(input, Parser::at(grammar, at)).with_limits(limits).seeking())
}

/// A command's name in a report.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(128)].escape_ascii().to_string()
}
