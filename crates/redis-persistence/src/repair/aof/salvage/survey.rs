//! The first readings of a file: where its gaps are, and what the rest tells about databases and transactions.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use super::classify::{Kind, Lost, Modules};
use super::events::{Event, Gap, Item};
use super::keys::Keys;
use super::names::DATABASES;
use super::scan::{MOST_GAPS, Scanner};
use super::source::Source;
use crate::ReadError;
use crate::aof::Reader;

/// What a file is like.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) gaps: Vec<Gap>,
    pub(super) modules: Modules,
    /// How many SELECTs there are.
    pub(super) switches: u64,
    /// How many of them select the database that is in force already, as a server does after its start.
    pub(super) redundant: u64,
    /// The databases that are selected, each with the number of times.
    pub(super) databases: Vec<(u32, u64)>,
    /// The longest transaction, in bytes; 0 if there is none.
    pub(super) longest_transaction: u64,
    /// What is known of the keys.
    pub(super) keys: Keys,
}

impl Survey {
    /// Reads a file from its first record on.
    pub(super) fn of(source: Source, at: u64, excluded: &[(u64, u64)]) -> io::Result<Self> {
        let mut scanner = Scanner::new(source, at, excluded);
        let mut surveyor = Surveyor::default();
        while let Some(event) = scanner.next()? {
            if let Event::Gap(gap) = event {
                surveyor.survey.gaps.push(gap);
            }
            surveyor.event(&event);
        }
        Ok(surveyor.finish())
    }

    fn selected(&mut self, index: u32, in_force: bool) {
        self.switches += 1;
        // The first one of a file stands there whatever is in force.
        self.redundant += u64::from(in_force && self.switches > 1);
        self.keys.begin_segment();
        if let Some((_, times)) = self.databases.iter_mut().find(|(db, _)| *db == index) {
            *times += 1;
        } else if self.databases.len() < DATABASES {
            self.databases.push((index, 1));
        }
    }

    /// Returns the bytes from one SELECT to the next.
    pub(super) fn bytes_per_switch(&self, size: u64) -> u64 {
        size / self.switches.saturating_sub(1).max(1)
    }
}

/// Takes the events of a file in their order, in its first reading.
#[derive(Debug)]
pub(super) struct Surveyor {
    survey: Survey,
    /// The database in force.
    db: u32,
    /// Whether it is certain.
    certain: bool,
    transactions: Transactions,
}

impl Default for Surveyor {
    fn default() -> Self {
        Self { survey: Survey::default(), db: 0, certain: true, transactions: Transactions::default() }
    }
}

impl Surveyor {
    /// Of the gaps those are noted that have left no trace.
    pub(super) fn event(&mut self, event: &Event) {
        let survey = &mut self.survey;
        match event {
            Event::Gap(gap) if gap.lost == Lost::Data => {}
            Event::Gap(_) => {
                self.certain = false;
                self.transactions.gap();
                survey.keys.begin_segment();
            }
            Event::Item(item) => {
                match item.kind {
                    // Whatever made its EXEC vanish may have taken more.
                    Kind::Multi => self.certain &= self.transactions.open.is_none(),
                    Kind::Exec => self.certain &= self.transactions.open.is_some(),
                    Kind::Select(index) => {
                        survey.selected(index, self.certain && index == self.db);
                        (self.db, self.certain) = (index, true);
                    }
                    Kind::Module(name) => survey.modules.add(name),
                    Kind::Data | Kind::DataOf(_) if self.certain => {
                        if let Some(touch) = item.touch {
                            survey.keys.learn(touch, self.db);
                        }
                    }
                    _ => {}
                }
                let stray = self.transactions.item(item);
                if survey.gaps.len() < MOST_GAPS {
                    survey.gaps.extend(stray);
                }
            }
        }
    }

    /// The end of the file.
    pub(super) fn finish(self) -> Survey {
        let mut survey = self.survey;
        // An EXEC may betray one that lies before another, in which data alone was lost.
        survey.gaps.sort_by_key(|gap| gap.start);
        survey.longest_transaction = self.transactions.longest;
        survey.keys.weigh();
        survey
    }
}

/// So far before an EXEC its MULTI is looked for at least.
const NEAR: u64 = 4 << 10;
/// This many records are remembered behind the last transaction.
const MOST_BEHIND: usize = 1 << 12;

/// Follows the transactions of a file.
#[derive(Debug, Default)]
struct Transactions {
    /// Where the open one begins.
    open: Option<u64>,
    /// Whether one may be open, for bytes are missing.
    unknown: bool,
    /// The longest one, in bytes.
    longest: u64,
    /// Where the last records begin that follow the last transaction.
    behind: VecDeque<u64>,
}

impl Transactions {
    fn gap(&mut self) {
        (self.open, self.unknown) = (None, true);
        self.behind.clear();
    }

    /// Returns the gap without a trace that an EXEC without a MULTI betrays: the MULTI is the beginning or the end of some
    /// record before it, and its commands are no longer to be told from those before.
    fn item(&mut self, item: &Item) -> Option<Gap> {
        match item.kind {
            Kind::Multi => (self.open, self.unknown) = (Some(item.start), false),
            Kind::Exec => {
                let bytes = self.open.map_or(0, |start| item.end - start);
                self.longest = self.longest.max(bytes).max(1);
                let stray = self.open.take().is_none() && !std::mem::take(&mut self.unknown);
                let from = item.start.saturating_sub(self.longest.max(NEAR));
                let at = self.behind.iter().find(|at| **at >= from).copied();
                self.behind.clear();
                return at.filter(|_| stray).map(Gap::without_a_trace);
            }
            _ if self.open.is_some() || self.unknown => {}
            _ => {
                if self.behind.len() >= MOST_BEHIND {
                    self.behind.pop_front();
                }
                self.behind.push_back(item.start);
            }
        }
        None
    }
}

/// Reads a file again whose gaps are known.
#[derive(Debug)]
pub(super) struct Replay<'g> {
    source: Source,
    reader: Option<Reader<File>>,
    at: u64,
    gaps: std::slice::Iter<'g, Gap>,
}

impl<'g> Replay<'g> {
    pub(super) fn new(source: Source, at: u64, gaps: &'g [Gap]) -> Self {
        Self { source, reader: None, at, gaps: gaps.iter() }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        if let Some(gap) = self.gaps.as_slice().first().filter(|gap| gap.start <= self.at) {
            self.gaps.next();
            self.at = gap.end;
            self.reader = None;
            return Ok(Some(Event::Gap(*gap)));
        }
        if self.at >= self.source.size() {
            return Ok(None);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(self.source.reader(self.at)?),
        };
        match reader.next_record() {
            Ok(Some(record)) => {
                let item = Item::of(&record);
                self.at = item.end;
                Ok(Some(Event::Item(item)))
            }
            Ok(None) => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
            // It read well before.
            Err(ReadError::Parse(_)) => Err(io::Error::other("the file changed while it was read")),
        }
    }
}
