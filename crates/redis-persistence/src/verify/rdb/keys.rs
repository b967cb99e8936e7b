//! Keys: what precedes them, whether they come twice, and holes that look like keys.

use std::sync::Arc;

use super::RdbVerifier;
use super::counts::Tally;
use super::names::Names;
use super::names::compare_rest;
use super::strings::report_lzf;
use crate::base::error::Reading;
use crate::base::limits::Limits;
use crate::base::source::Source;
use crate::rdb::slot;
use crate::rdb::{Attributes, Body, Event, Expire, RdbString, Record, Role, ValueType};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location, Subject};
use crate::report::facts::Visibility;
use crate::verify::confirm::Suspects;
use crate::verify::duplicates::{Form, Settled, Table};
use crate::verify::options::Duplicates;
use crate::verify::value::ValueChecker;

/// Expiries before this are no milliseconds of our time (March 1973), and after the next no time that Redis can hold.
const FIRST_PLAUSIBLE_MS: i64 = 100_000_000_000;
const LAST_PLAUSIBLE_MS: i64 = 1 << 48;

/// Returns whether an expiry may be one that somebody set.
#[inline]
pub(super) fn is_plausible(ms: i64) -> bool {
    (FIRST_PLAUSIBLE_MS..LAST_PLAUSIBLE_MS).contains(&ms)
}

/// The keys of a file.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) tally: Tally,
    pub(super) table: Table,
    /// Attributes that no key followed yet, and where.
    pub(super) pending: Option<(Attributes, u64)>,
    names: Names,
    hole: Hole,
}

/// A run of records that are three zero bytes each.
#[derive(Debug, Default)]
struct Hole {
    start: u64,
    end: u64,
    records: u64,
}

impl Keys {
    pub(super) fn new(budget: usize, form: Form) -> Self {
        Self {
            tally: Tally::default(),
            table: Table::new(budget, form),
            pending: None,
            names: Names::default(),
            hole: Hole::default(),
        }
    }

    /// Remembers a name of a database, whose string begins at `start`.
    #[inline]
    pub(super) fn add(&mut self, name: &[u8], db: u64, start: u64) {
        self.table.add(name, db, start);
    }

    /// Reports a hole that has come to its end.
    pub(super) fn close_hole(&mut self, findings: &mut Collector) {
        let Hole { start, end, records } = std::mem::take(&mut self.hole);
        if records >= 2 {
            findings.add(Code::RdbZeroHole, Location::span(start, end), || {
                format!(
                    "{} zero bytes, which servers read as {records} empty keys: a hole in the file, of no keys",
                    end - start
                )
            });
        }
    }

    /// Compares all keys on so many threads; returns whether none was left out. With a source, those that did not fit into the table are
    /// walked over again, as often as it takes.
    pub(super) fn settle(
        &mut self,
        threads: usize,
        again: Option<(&mut dyn Source, &Limits)>,
        suspects: &mut Suspects,
        findings: &mut Collector,
    ) -> bool {
        if again.is_some() {
            self.table.goes_on();
        }
        let subject = Arc::new(Subject::default());
        let mut suspect = |places: &[u64]| suspects.add(Code::RdbDuplicateKey, places, &subject);
        let Settled { seen, mut compared, mut rest } = self.table.settle_on(threads, &mut suspect);
        if let Some((source, limits)) = again {
            while let Some(from) = rest {
                let table = self.table.after(from);
                let Some(settled) = compare_rest(source, limits, table, &mut suspect) else { break };
                compared += settled.compared;
                rest = settled.rest;
            }
        }
        if compared < seen {
            findings.add(Code::RdbDuplicatesUnchecked, Location::at(0), || {
                format!("{compared} of {seen} keys were compared with all others")
            });
        }
        compared == seen
    }
}

impl RdbVerifier {
    pub(super) fn record(&mut self, event: &Event<&[u8]>, record: &Record<&[u8]>) {
        if self.is_hole(event, record) {
            return;
        }
        let Record { attributes, type_at, value_type, key, value } = record;
        self.keys.pending = None;
        self.type_seen(*value_type, *type_at);
        let expires = attributes.expire.is_some();
        let expired = match (attributes.expire, self.options.now_ms) {
            (Some(expire), Some(now)) => expire.ms < now && expire.ms != -1,
            _ => false,
        };
        self.keys.tally.key(*value_type, expires, expired);
        self.databases.count(1, u64::from(expires));
        let slot = self.databases.slot();
        let db = self.databases.db;
        if self.options.quick {
            self.findings.subject.set(db, &[], *value_type);
            return;
        }
        self.name(key, *value_type, slot);
        if attributes.start.is_some() {
            self.attributes(attributes, *type_at);
        }
        self.form(key, Role::Key);
        match value {
            Some(value) => {
                self.form(value, Role::Value);
                self.compressed(value, Reading::StringValue);
            }
            None => self.value = Some((ValueChecker::new(*value_type), event.start)),
        }
    }

    /// The key's name: its text, its hash, its slot.
    fn name(&mut self, key: &RdbString<&[u8]>, value_type: ValueType, slot: Option<u64>) {
        let db = self.databases.db;
        let text = match self.keys.names.text(key, db, &self.keys.table) {
            Ok(Some(text)) => text,
            other => {
                self.findings.subject.set(db, &[], value_type);
                if let Err((start, content, error)) = other {
                    report_lzf(start, content, &error, Reading::Key, &mut self.findings);
                }
                return;
            }
        };
        self.findings.subject.set(db, text, value_type);
        self.facts.key(value_type, db, text);
        if self.options.duplicates != Duplicates::Off {
            self.keys.table.add(text, db, key.start);
        }
        if let Some(slot) = slot {
            let own = slot::of_key(text);
            if own != slot {
                self.findings.add(Code::RdbWrongSlot, Location::span(key.start, key.end).reading(Reading::Key), || {
                    format!("the key is of slot {own}, but stands among those of slot {slot}")
                });
            }
        }
    }

    /// A piece of a long key's name.
    pub(super) fn key_piece(&mut self, role: Role, bytes: &[u8], last: bool) {
        if role != Role::Key {
            return;
        }
        match self.keys.names.piece(bytes, last) {
            Ok(Some((hashes, start))) if self.options.duplicates != Duplicates::Off => {
                self.keys.table.insert(hashes, start);
            }
            Ok(_) => {}
            Err((start, content, error)) => report_lzf(start, content, &error, Reading::Key, &mut self.findings),
        }
    }

    /// Three zero bytes are a complete record. Two of them in a row are a hole: no server holds two empty keys.
    fn is_hole(&mut self, event: &Event<&[u8]>, record: &Record<&[u8]>) -> bool {
        let empty = |s: &RdbString<&[u8]>| s.body == Body::Raw(&[]) && s.end - s.start == 1;
        let zero = record.value_type == ValueType::String
            && event.end - event.start == 3
            && empty(&record.key)
            && record.value.as_ref().is_some_and(empty);
        let hole = &mut self.keys.hole;
        if !zero {
            if hole.records > 0 {
                self.keys.close_hole(&mut self.findings);
            }
            return false;
        }
        if hole.records == 0 || hole.end != event.start {
            self.keys.close_hole(&mut self.findings);
            self.keys.hole = Hole { start: event.start, end: event.end, records: 1 };
            return false;
        }
        if hole.records == 1 {
            self.keys.tally.uncount_string();
            self.databases.uncount();
        }
        hole.end = event.end;
        hole.records += 1;
        true
    }

    fn attributes(&mut self, attributes: &Attributes, type_at: u64) {
        let start = attributes.start.unwrap_or(type_at);
        let place = Location::span(start, type_at).reading(Reading::Expire);
        if attributes.repeated {
            let place = if self.lives_by_the_last(attributes) { place.detail(Visibility::FirstExpired) } else { place };
            self.findings.add(Code::RdbAttributesRepeated, place, || {
                "an attribute of the key comes twice: the last one counts, of expiries the first for Redis 8.6"
                    .to_owned()
            });
        }
        if attributes.interrupted && self.aux.product.is_none() {
            self.findings.add(Code::RdbAttributesInterrupted, place, || {
                "another opcode stands between the key and its attributes".to_owned()
            });
        }
        if attributes.idle.is_some() && attributes.freq.is_some() {
            self.findings.add(Code::RdbIdleAndFreq, place, || {
                "the key has an idle time and an access frequency: servers write one of them".to_owned()
            });
        }
        if let Some(expire) = attributes.expire {
            self.expire(expire, attributes.first_expire.is_some());
        }
    }

    /// Returns whether the first of its expiries has passed, and the last has not. One of -1 has passed for servers for
    /// which it counts.
    fn lives_by_the_last(&self, attributes: &Attributes) -> bool {
        let (Some(first), Some(last)) = (attributes.first_expire, attributes.expire) else { return false };
        let passed = |ms: i64| self.options.now_ms.is_some_and(|now| ms < now);
        (first == -1 || passed(first)) && !(last.ms != -1 && passed(last.ms))
    }

    /// The expiry of a key, the last of those that it has.
    fn expire(&mut self, expire: Expire, repeated: bool) {
        let Expire { start, ms, seconds } = expire;
        let place = Location::span(start, start + if seconds { 5 } else { 9 }).reading(Reading::Expire);
        let swapped = if seconds {
            i32::try_from(ms / 1000).map_or(0, |s| i64::from(s.swap_bytes()) * 1000)
        } else {
            ms.swap_bytes()
        };
        let (code, message) = match ms {
            _ if is_plausible(ms) => return,
            -1 => {
                (Code::RdbExpireMinusOne, "the expiry is -1: Redis 7.0 and Valkey drop it, Redis 8.6 deletes the key")
            }
            _ if self.version() < 9 && is_plausible(swapped) => (
                Code::RdbExpireImplausible,
                "the expiry makes sense with its bytes swapped: a big-endian server wrote it",
            ),
            ..0 => (Code::RdbExpireNegative, "the expiry is negative: the key is dropped at load"),
            _ => (Code::RdbExpireImplausible, "the expiry in milliseconds is out of range"),
        };
        // Where there are more, the first decides.
        let place = if repeated { place.detail(Visibility::Lenient) } else { place };
        self.findings.add(code, place, || format!("{message} ({ms})"));
    }
}
