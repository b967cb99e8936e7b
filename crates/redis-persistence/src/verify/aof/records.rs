//! Walks over the records of one file and holds them against what servers make of them.
//!
//! ```text
//! strict reader --------------------------------> end of the file
//!   | first oddity          ^ after the record
//!   +-> tool's reader       |   from there to wherever the official tool stops
//!   +-> loader's reader ----+   one record: loads (lenient form), or does not (damage: the walk ends)
//! ```
//! A file that a server wrote is strict to its end, so the tolerant readers hardly ever run.

mod course;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use super::commands::Watch;
use super::commands::{self, Tally};
use super::log::Log;
use super::replies::{self, Replies, Said};
use crate::aof::changes::ChangeKind;
use crate::aof::foreign::Extra;
use crate::aof::official::Walk;
use crate::aof::{Command, CommandRun, Grammar, KnownHeads, ReadAhead, Record, Sizes, StreamState, TransactionEvent};
use crate::base::monitor::spawn;
use crate::base::source::Clamped;
use crate::rdb::Family;
use crate::report::AofFacts;
use crate::report::codes::Code;
use crate::report::facts::{Ending, Place as At, RecordFacts, Stop};
use crate::{Limits, ReadError};

/// After so many odd records the rest of the file is read as servers read it, and further odd forms are not told.
const MAX_RESTARTS: u32 = 1000;
/// Servers have this many databases unless told otherwise.
const USUAL_DATABASES: u32 = 16;
/// How many databases are counted apart.
const MAX_DATABASES: usize = 1 << 16;

/// The file that is walked over.
pub(super) struct Place<'a> {
    /// Its number in the set.
    pub(super) part: usize,
    /// Where its records begin.
    pub(super) start: u64,
    /// The official tool's line counter there, or nothing if the tool does not come that far.
    pub(super) tool_line: Option<u64>,
    /// Whether it is the last one that is loaded; only the tail of that one is cut by servers.
    pub(super) last: bool,
    /// Whose newest server decides which commands there are; none if the set does not tell.
    pub(super) family: Option<Family>,
    /// Commands beside those of a server.
    pub(super) extra: &'a Extra,
    pub(super) limits: &'a Limits,
    /// Whether commands of a known kind may be passed over.
    pub(super) fast: bool,
}

/// How the walk ended.
pub(super) struct Outcome {
    /// Up to where servers load the file.
    pub(super) loads_up_to: u64,
    /// How the official tool's walk ended.
    pub(super) tool: Option<Walk>,
}

/// One walk.
pub(super) struct Records<'a, 'o> {
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
    tally: Tally<'a>,
    kinds: KnownHeads,
    load: RecordFacts,
    /// The end of the command before the last MULTI.
    before_multi: Option<u64>,
    largest_db: Option<(u64, u64)>,
    replies: &'a mut Replies<'o>,
    /// Commands in transactions, by the number of their name: how many, and where first.
    queued: Vec<(u64, u64)>,
}

impl<'a, 'o> Records<'a, 'o> {
    pub(super) fn new(place: Place<'a>, log: &'a mut Log, replies: &'a mut Replies<'o>) -> Self {
        let (family, extra, start) = (place.family, place.extra, place.start);
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
            tally: Tally::new(family, extra),
            kinds: KnownHeads::default(),
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
            largest_db: None,
            replies,
            queued: Vec::new(),
        }
    }

    /// Walks to the end of the file or to where nothing leads on, on so many threads. `another` gives each of them an input of
    /// its own, where that can be had.
    pub(super) fn walk<F: Read + Seek + Send>(
        &mut self,
        input: &mut Clamped<F>,
        another: fn(&Clamped<F>) -> Option<Clamped<F>>,
        threads: usize,
        sizes: Sizes,
    ) -> io::Result<Outcome> {
        self.size = input.size();
        let few = self.size - self.place.start.min(self.size) < sizes.alone();
        let threads = if few { 1 } else { threads };
        let ahead = ReadAhead::new(input, another, threads, sizes, self.place.limits);
        std::thread::scope(|scope| {
            let _closing = ahead.closing();
            for _ in 1..threads {
                spawn(scope, || ahead.help());
            }
            self.walk_over(&ahead)
        })
    }

    fn walk_over<F: Read + Seek>(&mut self, ahead: &ReadAhead<'_, Clamped<F>>) -> io::Result<Outcome> {
        let mut tool = self.place.tool_line.map(|line| Walk::new(self.place.start, line));
        let mut tool_goes_on = tool.is_some();
        let (mut at, mut ends_before, mut restarts, mut told) = (self.place.start, 0, 0, 0);
        let mut grammar = Grammar::Strict;
        let limits = self.place.limits;
        loop {
            let mut reader = ahead.reader(grammar, at, limits)?;
            let error = loop {
                let here = reader.parser().offset();
                self.ends = ends_before + reader.parser().line_ends();
                if let (true, Some(tool), Some(line)) = (tool_goes_on, &mut tool, self.place.tool_line) {
                    tool.at(here, line + self.ends);
                }
                if grammar == Grammar::Strict
                    && self.may_run()
                    && let Some(run) = reader.take_run(&self.kinds)?
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
                        if self.kinds.learnt() > told {
                            told = self.kinds.learnt();
                            ahead.guide(&self.kinds);
                        }
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
                let damaged = ahead.with_input(|input| self.damage_of(reader.parser(), input, &error, ends_before));
                return Ok(Outcome { loads_up_to: damaged?, tool });
            }
            drop(reader);
            if let (true, Some(tool)) = (std::mem::take(&mut tool_goes_on), &mut tool) {
                let mut reader = ahead.reader(Grammar::Tool, at, limits)?;
                tool.run(&mut reader, b"", |_| ControlFlow::<()>::Continue(()))?;
            }
            let mut reader = ahead.reader(Grammar::Loader, at, limits)?;
            let end = match reader.next_record() {
                Ok(Some(record)) => {
                    self.lenient(&record, &error);
                    self.record(&record);
                    record.end()
                }
                Ok(None) => return Ok(Outcome { loads_up_to: self.end(at), tool }),
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Parse(error)) => {
                    let damaged = ahead.with_input(|input| self.damage_of(reader.parser(), input, &error, self.ends));
                    return Ok(Outcome { loads_up_to: damaged?, tool });
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

    /// Returns the facts of this file, which is that part of the set, added to those of the files before it.
    pub(super) fn add_to(mut self, part: usize, facts: &mut AofFacts) -> RecordFacts {
        self.count_database();
        self.tally.add_to(self.state.counts(), part, &mut facts.load);
        let largest = self.largest_db.map(|(db, at)| (db, At { part, at }));
        facts.load.largest_db = largest.into_iter().chain(facts.load.largest_db).max_by_key(|(db, _)| *db);
        for (name, number) in self.state.counts().numbers() {
            if let Some((count, first)) = self.queued.get(number).filter(|(count, _)| *count > 0) {
                self.replies.queued(name, *count, At { part, at: *first });
            }
        }
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
        if let Some(kind) = ChangeKind::of(command.name()) {
            self.bulk(command, kind);
        }
        let event = self.state.feed(record);
        if let Some(code) = self.tally.add(self.state.last_name(), command) {
            let message = || commands::unknown(code, command);
            self.say(code, (command.start(), command.start()), Some(command.name()), message);
        }
        if self.state.db() != db {
            self.selected(command);
        }
        if open.is_some() && !command.is(b"EXEC") {
            self.queue(command);
        }
        if replies::concerns(command.name())
            && let Some(Said { code, at, message }) =
                self.replies.command(command, open.is_some(), self.place.part, u64::from(self.state.db()))
        {
            self.say(code, (command.start(), at), Some(command.name()), || message);
        }
        if event == Some(TransactionEvent::BadSelect) {
            self.replies.bad_select(At { part: self.place.part, at: command.start() });
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

    /// Counts a command of a transaction.
    fn queue(&mut self, command: &Command<'_>) {
        let Some(number) = self.state.last_name() else { return };
        if self.queued.len() <= number {
            self.queued.resize(number + 1, (0, command.start()));
        }
        let (count, first) = &mut self.queued[number];
        if *count == 0 {
            *first = command.start();
        }
        *count += 1;
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

    /// Returns whether commands may be passed over: that is wanted, and nothing is open that they would belong to.
    fn may_run(&self) -> bool {
        self.place.fast && self.state.transaction().is_none() && self.watch.is_idle()
    }

    /// Takes commands of known kinds that were passed over, the first of them at `start`.
    fn run(&mut self, run: &CommandRun, start: u64) {
        for kind in &run.counted {
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
}

/// Returns a command's name in a report.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(128)].escape_ascii().to_string()
}
