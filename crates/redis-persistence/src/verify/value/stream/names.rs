//! Names that may not occur twice: of groups, consumers, producers, and the ids that producers give.

use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};
use crate::verify::codes::Code;
use crate::verify::duplicates::{Table, hash};
use crate::verify::sink::Place;
use crate::verify::value::Context;

/// The share of the budget for all tables that goes to one table of names.
const SHARE: usize = 16;

/// A table of names, made with the first one.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Option<Table>,
}

impl Names {
    /// Adds a name. Names of another `seed` are other names.
    pub(super) fn add(&mut self, string: &RdbString<&[u8]>, seed: u64, cx: &mut Context<'_>) {
        if let Some(hash) = Self::hash(string, seed, cx) {
            self.insert(hash, string.start, cx);
        }
    }

    /// The hash of a name. A long one is not compared.
    pub(super) fn hash(string: &RdbString<&[u8]>, seed: u64, cx: &mut Context<'_>) -> Option<u64> {
        if !cx.duplicates {
            return None;
        }
        match string.body {
            Body::Raw(text) => Some(hash(text, seed)),
            Body::Int(number) => Some(hash(IntText::new().write(i64::from(number)), seed)),
            Body::Lzf { data, decoded } => cx.scratch.decoded.inflate(data, decoded).ok().map(|text| hash(text, seed)),
            Body::Long { .. } => None,
        }
    }

    pub(super) fn insert(&mut self, hash: u64, place: u64, cx: &Context<'_>) {
        let budget = cx.limits.duplicate_bytes / SHARE;
        self.table.get_or_insert_with(|| Table::new(budget)).insert(hash, place);
    }

    /// Compares all names, hands on those that may be the same, and forgets all.
    pub(super) fn settle(&mut self, what: Code, cx: &mut Context<'_>) {
        let Some(table) = &mut self.table else { return };
        let mut last = None;
        let settled = table.settle(|first, later| {
            last = Some(later);
            cx.suspects.add(what, first, later, &cx.findings.subject);
        });
        if settled.compared < settled.seen {
            cx.findings.add(Code::RdbDuplicatesUnchecked, Place::at(last.unwrap_or(0)), || {
                format!("of {} names in a stream only {} were compared", settled.seen, settled.compared)
            });
        }
    }
}
