//! Puts together what is kept: whole transactions only, and each command in its database.
//!
//! ```text
//! events -> transactions: whole units, or what goes -> databases: where each unit belongs -> Keep, Skip
//! ```
//! Behind a gap it is open whether a transaction is: that shows at the next MULTI or EXEC. Before an EXEC without a MULTI all
//! commands back to the gap belong to a torn transaction, and go.

use super::classify::{Kind, Lost};
use super::databases::{Databases, Unit};
use super::events::{Event, Gap, Item};
use super::keys::Keys;
use super::survey::Survey;
use super::{Account, SkipKind, Uncertain};
use crate::rdb::Family;

/// This many records may wait for the next MULTI or EXEC.
const MOST_WAITING: usize = 1 << 14;
/// What waits is no remainder of a transaction if it is so many times as long as the longest one.
const TOO_LONG: u64 = 8;
const TOO_LONG_AT_LEAST: u64 = 16 << 10;

#[derive(Debug)]
enum Transaction {
    /// None is open.
    None,
    /// One is open.
    Open(Unit),
    /// One is open, and lost a part: the rest of it goes.
    Torn(Unit),
    /// Whether one is open is not known; what was read since the gap.
    Unknown(Vec<Unit>),
}

/// Takes the events of a file in their order.
#[derive(Debug)]
pub(super) struct Assembler<'s> {
    survey: &'s Survey,
    /// Whose newest server is to load the file; none if nothing tells.
    family: Option<Family>,
    transaction: Transaction,
    databases: Databases<'s>,
}

impl<'s> Assembler<'s> {
    pub(super) fn new(survey: &'s Survey, keys: Keys, size: u64, uncertain: Uncertain, family: Option<Family>) -> Self {
        let databases = Databases::new(survey, keys, size, uncertain);
        Self { survey, family, transaction: Transaction::None, databases }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Gap(gap) => self.gap(gap),
            Event::Item(item) => match item.kind {
                Kind::Module(name) if !self.survey.modules.believes(name) => self.lost(item),
                Kind::DataOf(family) if self.family.is_some_and(|own| own != family) => self.lost(item),
                _ => self.item(item),
            },
        }
    }

    /// A command on data that is not kept.
    fn lost(&mut self, item: &Item) {
        self.gap(&Gap::new(item.start, item.end, Lost::Data));
    }

    /// A command that servers refuse, or answer with an error.
    pub(super) fn refused(&mut self, item: &Item) {
        self.gap(&Gap::refused(item.start, item.end));
    }

    fn item(&mut self, item: &Item) {
        let unit = Unit::of(item);
        self.transaction = match (std::mem::replace(&mut self.transaction, Transaction::None), item.kind) {
            (Transaction::None, Kind::Multi) => Transaction::Open(unit),
            (Transaction::None, Kind::Exec) => {
                self.databases.skip(SkipKind::StrayExec, &unit);
                Transaction::None
            }
            (Transaction::None, _) => {
                self.databases.unit(&unit);
                Transaction::None
            }
            (Transaction::Open(mut open), Kind::Exec) => {
                open.add(item);
                self.databases.unit(&open);
                Transaction::None
            }
            (Transaction::Open(open) | Transaction::Torn(open), Kind::Multi) => {
                // Its EXEC is gone, and what else is with it? Two records that lost an end each read as one.
                self.databases.skip(SkipKind::Transaction, &open);
                self.databases.gap(&Gap::without_a_trace(item.start));
                Transaction::Open(unit)
            }
            (Transaction::Open(mut open), _) => {
                open.add(item);
                Transaction::Open(open)
            }
            (Transaction::Torn(mut torn), kind) => {
                torn.add(item);
                if kind == Kind::Exec {
                    self.databases.skip(SkipKind::Transaction, &torn);
                    Transaction::None
                } else {
                    Transaction::Torn(torn)
                }
            }
            (Transaction::Unknown(waiting), Kind::Multi) => {
                self.release(waiting);
                Transaction::Open(unit)
            }
            (Transaction::Unknown(mut waiting), Kind::Exec) => {
                waiting.push(unit);
                self.drop(&waiting);
                Transaction::None
            }
            (Transaction::Unknown(mut waiting), _) => {
                waiting.push(unit);
                if self.is_too_long(&waiting) {
                    self.release(waiting);
                    Transaction::None
                } else {
                    Transaction::Unknown(waiting)
                }
            }
        };
    }

    fn gap(&mut self, gap: &Gap) {
        let transaction = std::mem::replace(&mut self.transaction, Transaction::None);
        let marker = gap.lost == Lost::Anything;
        self.transaction = match transaction {
            Transaction::Open(open) | Transaction::Torn(open) => {
                self.databases.skip(SkipKind::Transaction, &open);
                match marker {
                    true => Transaction::Unknown(Vec::new()),
                    false => Transaction::Torn(open.torn(gap.end)),
                }
            }
            Transaction::Unknown(waiting) if marker => {
                // They may be a part of a transaction that reaches from the gap before into this one.
                self.drop(&waiting);
                Transaction::Unknown(Vec::new())
            }
            Transaction::Unknown(waiting) => Transaction::Unknown(waiting),
            Transaction::None if marker && self.survey.longest_transaction > 0 => Transaction::Unknown(Vec::new()),
            Transaction::None => Transaction::None,
        };
        self.databases.gap(gap);
    }

    fn is_too_long(&self, waiting: &[Unit]) -> bool {
        let longest = self.survey.longest_transaction.saturating_mul(TOO_LONG).max(TOO_LONG_AT_LEAST);
        let bytes = waiting.iter().map(|unit| unit.end - unit.start).sum::<u64>();
        bytes > longest || waiting.len() >= MOST_WAITING
    }

    fn release(&mut self, waiting: Vec<Unit>) {
        waiting.into_iter().for_each(|unit| self.databases.unit(&unit));
    }

    fn drop(&mut self, waiting: &[Unit]) {
        waiting.iter().for_each(|unit| self.databases.skip(SkipKind::Transaction, unit));
    }

    /// The end of the file.
    pub(super) fn finish(mut self) -> Account {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::Open(open) | Transaction::Torn(open) => self.databases.skip(SkipKind::Transaction, &open),
            Transaction::Unknown(waiting) => self.release(waiting),
            Transaction::None => {}
        }
        self.databases.finish()
    }
}
