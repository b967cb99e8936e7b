//! Whole records checked apart from the walk, and their results put back in the order of the file.
//!
//! A batch is a run of records of one database, and of one slot where there are slots, with nothing pending before it.
//! It is checked by a verifier of its own, which knows the header and the database and nothing else; what it finds is
//! then taken over by the verifier of the file.

use super::counts::Tally;
use super::{Places, RdbVerifier, databases::Databases};
use crate::base::error::Error;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::{Event, Extent, Header, RecordSkipper};
use crate::report::collector::Collector;
use crate::report::facts::{FactsCollector, TypeSet};
use crate::verify::collect_stats::Sums;
use crate::verify::confirm::Suspects;
use crate::verify::duplicates::Table;
use crate::verify::options::Options;

/// What is put together in the order of the file.
#[derive(Debug)]
pub(crate) struct Found {
    findings: Collector,
    facts: FactsCollector,
}

impl Found {
    pub(crate) fn new(options: &Options) -> Self {
        Self { findings: Collector::of_report(options.max_findings, options.spill), facts: FactsCollector::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.facts.is_empty()
    }

    /// Adds what comes later in the file.
    pub(crate) fn append(&mut self, later: Self) {
        self.findings.append(later.findings);
        self.facts.append(later.facts);
    }

    /// Returns the types of which no more names are wanted.
    pub(crate) fn enough(&self) -> TypeSet {
        self.facts.enough()
    }
}

/// What a batch was found to hold.
#[derive(Debug)]
pub(crate) struct Batch {
    found: Found,
    suspects: Suspects,
    tally: Tally,
    stats: Option<Sums>,
    /// Where the parser finds no way on. That cannot be, as the batch was cut where the parser would; if it were, the walk
    /// would end here.
    pub(crate) failed: Option<Error>,
}

/// What the records of a batch belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) header: Header,
    db: u64,
    slot: Option<u64>,
    /// The types of which no more names are wanted.
    enough: TypeSet,
}

impl Surroundings {
    /// Returns whether records here and there belong to the same.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        (self.header, self.db, self.slot) == (other.header, other.db, other.slot)
    }
}

impl Batch {
    /// Its keys, and those of them that expire.
    pub(super) fn counted(&self) -> (u64, u64) {
        self.tally.counted()
    }
}

impl RdbVerifier {
    /// Returns a verifier of batches.
    pub(crate) fn for_batches(options: Options, places: Places, header: Header) -> Self {
        Self { header: Some(header), ..Self::new(options, places).of_parts() }
    }

    /// Returns the same, whose findings are handed over part by part.
    pub(crate) fn of_parts(self) -> Self {
        Self { findings: Collector::of_part(self.options.max_findings), ..self }
    }

    /// Checks the batch `bytes`, which begins at `offset`. The names of its keys wait for
    /// [`move_keys`](Self::move_keys).
    pub(crate) fn batch(&mut self, bytes: &[u8], offset: u64, around: Surroundings) -> Batch {
        self.begin_batch(around);
        let failed = self.whole_records(bytes, offset, around.header);
        self.end_batch(failed)
    }

    pub(super) fn begin_batch(&mut self, around: Surroundings) {
        self.databases = Databases::within(around.db, around.slot);
        self.facts = FactsCollector::with_enough(around.enough);
    }

    /// Checks records that end where `bytes` ends, and answers why that is not so.
    pub(super) fn whole_records(&mut self, bytes: &[u8], offset: u64, header: Header) -> Option<Error> {
        let mut feeder = Feeder::at_record(self.options.limits.clone(), header, offset);
        let mut inside = Inside(self);
        match feeder.feed(bytes, &mut inside) {
            Ok(_) if feeder.is_between_records() => None,
            Ok(_) => feeder.finish(&mut inside).err(),
            Err(error) => Some(error),
        }
    }

    /// Checks the whole records that `bytes` begins with, and returns how long they are, and why the last of them is none.
    pub(super) fn records_in(
        &mut self,
        bytes: &[u8],
        offset: u64,
        header: Header,
        skipper: &RecordSkipper,
    ) -> (usize, Option<Error>) {
        let mut feeder = Feeder::at_record(self.options.limits.clone(), header, offset);
        let mut at = 0;
        loop {
            // What is plain needs no look at its extent before.
            let plain = self.plain_keys(&bytes[at..], offset + at as u64);
            feeder.parser.pass(plain);
            at += plain;
            let len = skipper.records(&bytes[at..], 1).len;
            if len == 0 {
                return (at, None);
            }
            match feeder.feed(&bytes[at..at + len], &mut Inside(self)) {
                Ok(_) if feeder.is_between_records() => at += len,
                Ok(_) => return (at, feeder.finish(&mut Inside(self)).err()),
                Err(error) => return (at, Some(error)),
            }
        }
    }

    /// Returns what the batch was found to hold.
    pub(super) fn end_batch(&mut self, failed: Option<Error>) -> Batch {
        Batch {
            found: self.take_found(),
            suspects: std::mem::replace(&mut self.suspects, Suspects::new(&self.options.limits)),
            tally: std::mem::take(&mut self.keys.tally),
            stats: self.stats.as_mut().map(|stats| stats.take()),
            failed,
        }
    }

    /// Returns what the next records belong to, if they can be left to a batch; of the types in `enough` no names are wanted.
    pub(crate) fn surroundings(&self, enough: TypeSet) -> Option<Surroundings> {
        let header = self.header.filter(|_| !self.options.quick && !self.extras.meta.is_pending())?;
        Some(Surroundings { header, db: self.databases.db, slot: self.databases.slot(), enough })
    }

    /// Leaves records to a batch, which ends at `end`. Returns what was found since the last time: it belongs before the
    /// batch.
    pub(crate) fn leave(&mut self, extent: Extent, end: u64) -> Found {
        self.keys.close_hole(&mut self.findings);
        self.keys.pending = None;
        self.databases.count(extent.keys, extent.expires);
        self.offset = end;
        self.take_found()
    }

    fn take_found(&mut self) -> Found {
        Found { findings: self.findings.take(), facts: self.facts.take() }
    }

    /// Takes over what a batch of the current database held. What was found in it is the caller's to put in order.
    pub(crate) fn absorb(&mut self, batch: Batch) -> Found {
        self.keys.tally.absorb(&batch.tally);
        self.suspects.append(batch.suspects);
        if let (Some(stats), Some(sums)) = (&mut self.stats, batch.stats) {
            stats.absorb(sums);
        }
        batch.found
    }

    /// Moves the names of the keys so far into a table that is shared.
    pub(crate) fn move_keys(&mut self, table: &mut Table) {
        self.keys.table.move_into(table);
    }

    /// Prepares the names of the keys for that.
    pub(crate) fn pack_keys(&mut self) {
        self.keys.table.pack();
    }

    /// Returns the table for the names of all keys.
    pub(crate) fn table(options: &Options, places: Places) -> Table {
        Table::new(options.limits.duplicate_bytes / 2, places.form(options))
    }

    /// Returns a table for the names of keys that may be none.
    pub(crate) fn names_of_a_guess(options: &Options, places: Places) -> Table {
        Table::to_be_moved(options.limits.duplicate_bytes / 2, places.form(options))
    }

    /// Takes back all that was found and all keys, at the end of the walk.
    pub(crate) fn gather(&mut self, mut found: Found, mut table: Table) {
        found.append(self.take_found());
        Found { findings: self.findings, facts: self.facts } = found;
        self.move_keys(&mut table);
        self.keys.table = table;
        self.threads = self.options.threads();
    }
}

/// Hands the records of a batch to its verifier.
struct Inside<'a>(&'a mut RdbVerifier);

impl Consumer for Inside<'_> {
    #[inline]
    fn event(&mut self, event: &Event<&[u8]>) {
        self.0.event(event, || 0);
    }

    #[inline]
    fn ahead(&mut self, window: &[u8], offset: u64) -> usize {
        self.0.plain_keys(window, offset)
    }
}
