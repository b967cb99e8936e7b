//! What the writer promises of databases and slots, held against what comes.

use crate::base::error::Reading;
use crate::rdb::slot::SLOTS;
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};

/// Databases that a server has unless it is told otherwise.
const DEFAULT_DATABASES: u64 = 16;

/// Selections of a database that are remembered with their place.
const MOST_BEGINS: usize = 1 << 16;

/// The database and slot at hand.
#[derive(Debug, Default)]
pub(super) struct Databases {
    pub(super) db: u64,
    selected: bool,
    beyond_reported: bool,
    resize: Option<Promise>,
    slot: Option<(u64, Promise)>,
    last_slot: Option<u64>,
    /// Where each database begins, for things that are looked at again later.
    begins: Vec<(u64, u64)>,
    /// The largest number of keys that a RESIZEDB promised, and where.
    pub(super) largest: Option<(u64, u64)>,
}

/// What was promised, and what came since.
#[derive(Debug)]
struct Promise {
    start: u64,
    keys: u64,
    expires: u64,
    seen_keys: u64,
    seen_expires: u64,
}

impl Promise {
    fn new(start: u64, keys: u64, expires: u64) -> Self {
        Self { start, keys, expires, seen_keys: 0, seen_expires: 0 }
    }

    fn kept(&self) -> bool {
        (self.keys, self.expires) == (self.seen_keys, self.seen_expires)
    }

    fn describe(&self) -> String {
        format!(
            "declares {} keys ({} expiring); found {} ({})",
            self.keys, self.expires, self.seen_keys, self.seen_expires
        )
    }
}

impl Databases {
    /// Inside a database, and a slot of it, about which nothing else is known.
    pub(super) fn within(db: u64, slot: Option<u64>) -> Self {
        Self { db, slot: slot.map(|slot| (slot, Promise::new(0, 0, 0))), ..Self::default() }
    }

    pub(super) fn select(&mut self, db: u64, at: u64, end: u64, findings: &mut Collector) {
        self.end(findings);
        if self.selected && db <= self.db {
            let before = self.db;
            findings.add(Code::RdbDbOrder, Location::span(at, end).reading(Reading::DbNumber), || {
                format!("database {db} is selected after database {before}: servers write each once, in order")
            });
        }
        if db >= DEFAULT_DATABASES && !self.beyond_reported {
            self.beyond_reported = true;
            findings.add(Code::RdbDbBeyondDefault, Location::span(at, end).reading(Reading::DbNumber), || {
                format!("database {db} exists only on a server with more than {DEFAULT_DATABASES} databases")
            });
        }
        (self.db, self.selected, self.last_slot) = (db, true, None);
        if self.begins.len() < MOST_BEGINS {
            self.begins.push((at, db));
        }
    }

    /// Returns the database of the record at that offset, as far as it is remembered.
    pub(super) fn at(&self, offset: u64) -> u64 {
        let after = self.begins.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map_or(0, |i| self.begins[i].1)
    }

    pub(super) fn resize(&mut self, keys: u64, expires: u64, at: u64, findings: &mut Collector) {
        self.end_resize(findings);
        self.resize = Some(Promise::new(at, keys, expires));
        if self.largest.is_none_or(|(most, _)| keys.max(expires) > most) {
            self.largest = Some((keys.max(expires), at));
        }
    }

    pub(super) fn begin_slot(&mut self, slot: u64, keys: u64, expires: u64, at: u64, findings: &mut Collector) {
        self.end_slot(findings);
        if slot >= SLOTS {
            findings.add(Code::RdbSlotOutOfRange, Location::at(at).reading(Reading::SlotInfo), || {
                format!("slot {slot} does not exist: Redis in cluster mode reads outside of its table there")
            });
        }
        if let Some(last) = self.last_slot.filter(|last| slot <= *last) {
            findings.add(Code::RdbSlotOrder, Location::at(at).reading(Reading::SlotInfo), || {
                format!("slot {slot} follows slot {last}: servers write each once, in order")
            });
        }
        self.last_slot = Some(slot);
        self.slot = Some((slot, Promise::new(at, keys, expires)));
    }

    /// Returns the slot that the next keys should be of.
    #[inline]
    pub(super) fn slot(&self) -> Option<u64> {
        self.slot.as_ref().map(|(slot, _)| *slot)
    }

    /// Counts keys, so many of which expire.
    #[inline]
    pub(super) fn count(&mut self, keys: u64, expires: u64) {
        let slot = self.slot.as_mut().map(|(_, promise)| promise);
        for promise in self.resize.as_mut().into_iter().chain(slot) {
            promise.seen_keys += keys;
            promise.seen_expires += expires;
        }
    }

    /// Takes back a key that turned out to be none.
    pub(super) fn uncount(&mut self) {
        let slot = self.slot.as_mut().map(|(_, promise)| promise);
        for promise in self.resize.as_mut().into_iter().chain(slot) {
            promise.seen_keys = promise.seen_keys.saturating_sub(1);
        }
    }

    /// The database ends.
    pub(super) fn end(&mut self, findings: &mut Collector) {
        self.end_resize(findings);
        self.end_slot(findings);
    }

    fn end_resize(&mut self, findings: &mut Collector) {
        let db = self.db;
        if let Some(promise) = self.resize.take().filter(|p| !p.kept()) {
            findings.add(Code::RdbResizedbMismatch, Location::at(promise.start).reading(Reading::ResizeDb), || {
                format!("RESIZEDB of database {db} {}", promise.describe())
            });
        }
    }

    fn end_slot(&mut self, findings: &mut Collector) {
        if let Some((slot, promise)) = self.slot.take().filter(|(_, p)| !p.kept()) {
            findings.add(Code::RdbSlotInfoMismatch, Location::at(promise.start).reading(Reading::SlotInfo), || {
                format!("slot-info of slot {slot} {}", promise.describe())
            });
        }
    }

    /// Whether a RESIZEDB promised more than a file of this size can hold: Redis reserves memory for it.
    pub(super) fn impossible(&self, size: u64, findings: &mut Collector) {
        if let Some((keys, at)) = self.largest.filter(|(keys, _)| *keys > size / 3 + 1) {
            findings.add(Code::RdbResizedbImpossible, Location::at(at).reading(Reading::ResizeDb), || {
                format!(
                    "RESIZEDB declares {keys} keys, more than {size} bytes can hold: Redis reserves memory for them"
                )
            });
        }
    }
}
