//! Reads the saved keys again, to find those that stand twice: where there are more of them than fit into memory at once, for one
//! range of hashes after the other.

use std::io;

use super::{Drops, Rivals, changed};
use crate::repair::rdb::salvage::collect::Collected;
use crate::repair::rdb::salvage::decode::Decoder;
use crate::verify::duplicates::{Digests, Table};

/// A table has as much memory in any case, so that no little budget makes it many readings.
const LEAST: usize = 4 << 20;
/// The table takes one part in so many of the memory for tables: the places of one hash are as much again.
const SHARE: usize = 2;

/// Drops what stands twice of the keys whose hashes are not less than `from`.
pub(super) fn drop_repeated(
    found: &mut Collected,
    from: u64,
    decoder: &mut Decoder<'_>,
    digests: &Digests,
    drops: &mut Drops,
) -> io::Result<()> {
    let room = found.options.limits.duplicate_bytes.saturating_sub(found.held()) / SHARE;
    let (mut low, mut table) = (from, found.hashes.alike(room.max(LEAST)).after(from));
    loop {
        let mut keys = Kept::default();
        while let Some((hash, at)) = keys.next(found, decoder, digests, &table)? {
            table.insert((hash, 0), at);
        }
        let (mut rivals, mut last, mut dropped) = (Rivals::default(), None, Ok(()));
        let settled = table.settle(|places| {
            if dropped.is_ok() {
                (rivals, last) = (Rivals::default(), places.last().copied());
                dropped = places.iter().try_for_each(|at| rivals.offer(*at, found, decoder, digests, drops));
            }
        });
        dropped?;
        let Some(rest) = settled.rest else { return Ok(()) };
        if rest == low.saturating_add(1) {
            // The table holds no more than a part of those of this one hash, the first ones in the file.
            let mut keys = Kept::default();
            while let Some((hash, at)) = keys.next(found, decoder, digests, &table)? {
                if hash == low && last.is_none_or(|last| last < at) {
                    rivals.offer(at, found, decoder, digests, drops)?;
                }
            }
        }
        table = table.after(rest);
        low = rest;
    }
}

/// Goes over what is saved, in the order of the file, the parts of collections between the others.
#[derive(Debug, Default)]
struct Kept {
    run: usize,
    /// In the run, once it was begun.
    at: Option<u64>,
    partial: usize,
}

impl Kept {
    /// Returns the hash of the name of the next key, and where its unit begins.
    fn next(
        &mut self,
        found: &Collected,
        decoder: &mut Decoder<'_>,
        digests: &Digests,
        table: &Table,
    ) -> io::Result<Option<(u64, u64)>> {
        loop {
            let run = found.runs.get(self.run).map(|run| run.range.clone());
            let at = run.as_ref().map(|run| self.at.unwrap_or(run.start));
            let partial = found.partials.get(self.partial).map(|partial| (partial.range.start, partial.key));
            if let Some((start, key)) = partial.filter(|(start, _)| at.is_none_or(|at| *start < at)) {
                self.partial += 1;
                let name = decoder.hash_of_name(&key, table, digests)?.ok_or_else(|| changed(start))?;
                return Ok(Some((name, start)));
            }
            let (Some(run), Some(at)) = (run, at) else { return Ok(None) };
            let unit = decoder.kept_unit(at)?.filter(|unit| unit.end > at && unit.end <= run.end);
            let unit = unit.ok_or_else(|| changed(at))?;
            self.at = Some(unit.end);
            if unit.end == run.end {
                (self.run, self.at) = (self.run + 1, None);
            }
            // A field that belongs to a key stands between them.
            let Some(key) = unit.key() else { continue };
            let name = decoder.hash_of_name(&key, table, digests)?.ok_or_else(|| changed(at))?;
            return Ok(Some((name, at)));
        }
    }
}
