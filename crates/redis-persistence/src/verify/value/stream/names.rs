//! Names that may not occur twice: of groups, consumers, producers, and the ids that producers give.

use std::sync::Arc;

use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::verify::duplicates::{Hashes, Table};
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
        if let Some(hashes) = self.hashes(string, seed, cx) {
            self.insert(hashes, string.start);
        }
    }

    /// Returns the hashes of a name. A long one is not compared.
    pub(super) fn hashes(&mut self, string: &RdbString<&[u8]>, seed: u64, cx: &mut Context<'_>) -> Option<Hashes> {
        if !cx.duplicates {
            return None;
        }
        let table = self.table.get_or_insert_with(|| cx.elements.alike(cx.limits.duplicate_bytes / SHARE));
        match string.body {
            Body::Raw(text) => Some(table.hashes(text, seed)),
            Body::Int(number) => Some(table.hashes(IntText::new().write(i64::from(number)), seed)),
            Body::Lzf { data, decoded } => {
                cx.scratch.decoded.inflate(data, decoded).ok().map(|text| table.hashes(text, seed))
            }
            Body::Long { .. } => None,
        }
    }

    pub(super) fn insert(&mut self, hashes: Hashes, place: u64) {
        if let Some(table) = &mut self.table {
            table.insert(hashes, place);
        }
    }

    /// Compares all names, hands on those that may be the same, and forgets all.
    pub(super) fn settle(&mut self, what: Code, cx: &mut Context<'_>) {
        let Some(table) = &mut self.table else { return };
        let (mut last, mut subject) = (None, None);
        let settled = table.settle(|places| {
            last = last.max(places.last().copied());
            cx.suspects.add(what, places, subject.get_or_insert_with(|| Arc::new(cx.findings.subject.clone())));
        });
        if settled.compared < settled.seen {
            cx.findings.add(Code::RdbDuplicatesUnchecked, Location::at(last.unwrap_or(0)), || {
                format!("of {} names in a stream only {} were compared", settled.seen, settled.compared)
            });
        }
    }
}
