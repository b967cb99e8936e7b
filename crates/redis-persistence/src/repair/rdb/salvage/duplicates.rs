//! Keys that were found twice: the one that damage is less likely to have made up is kept. Servers abort on both.
//!
//! ```text
//! walk -> hashes of all names, as many as fit -> same_hash ┬ places of those of one hash, as many as fit -> Rivals -> Drops
//!                                                          └ what did not fit: again reads the saved keys once more
//! ```

mod again;
mod ranges;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;

use super::candidate::{Candidate, Key};
use super::collect::{Collected, Run};
use super::decode::Decoder;
use super::loss::is_expired;
use crate::verify::duplicates::Digests;
pub(super) use ranges::Ranges;

/// What one of the units takes whose places are remembered, in bytes: its place, and what is left out.
const UNIT_BYTES: usize = 48;
/// What is left out may take one part in so many of the memory for tables, and as many bytes in any case.
const SHARE: usize = 4;
const LEAST: usize = 1 << 16;

/// Units whose names have one hash, at least two of which seem to lie in one database.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Where they begin, one group after the other, each in the order of the file.
    units: Vec<u64>,
    /// Where each of the groups ends.
    ends: Vec<usize>,
    /// From which hash on they are not complete: those are to be read again.
    rest: Option<u64>,
}

/// What is left out because it is there twice.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// The bytes of such keys.
    pub(super) ranges: Ranges,
    /// How many keys there are in them.
    pub(super) keys: u64,
    /// How many of them have expired.
    pub(super) expired: u64,
    /// What the ranges may take, in bytes.
    memory: usize,
}

impl Drops {
    fn new(memory: usize) -> Self {
        Self { memory: (memory / SHARE).max(LEAST), ..Self::default() }
    }

    fn add(&mut self, range: Range<u64>, expired: bool) -> io::Result<()> {
        self.keys += 1;
        self.expired += u64::from(expired);
        if self.ranges.add(range, self.memory) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} keys or more stand twice, and the memory for tables does not hold where all of them are",
            self.keys
        )))
    }
}

/// Finds the units to be dropped, and takes them out of the counts. `moved`: databases were told apart since the groups were made.
pub(super) fn drop_repeated(
    found: &mut Collected,
    groups: &Groups,
    moved: bool,
    decoder: &mut Decoder<'_>,
) -> io::Result<Drops> {
    let mut drops = Drops::new(found.options.limits.duplicate_bytes);
    let digests = found.digests.clone();
    let mut start = 0;
    let ends = if moved { &[] } else { &groups.ends[..] };
    for end in ends {
        let mut rivals = Rivals::default();
        for at in &groups.units[std::mem::replace(&mut start, *end)..*end] {
            rivals.offer(*at, found, decoder, &digests, &mut drops)?;
        }
    }
    if let Some(rest) = if moved { Some(0) } else { groups.rest } {
        again::drop_repeated(found, rest, decoder, &digests, &mut drops)?;
    }
    found.drop_partials();
    drops.ranges.finish();
    Ok(drops)
}

/// What is kept of units whose names have one hash: one for each name in each database.
#[derive(Debug, Default)]
struct Rivals {
    kept: HashMap<(u64, u128), Rival>,
}

/// The one that is kept so far. A part is worth less than any whole one.
#[derive(Debug, Clone, Copy)]
enum Rival {
    /// By its number.
    Part(usize),
    Whole {
        at: u64,
        trust: (bool, bool, u64),
    },
}

impl Rivals {
    /// Takes the unit that begins at `at`, behind those of that hash that lie before it, and drops it or the one that was kept.
    fn offer(
        &mut self,
        at: u64,
        found: &mut Collected,
        decoder: &mut Decoder<'_>,
        digests: &Digests,
        drops: &mut Drops,
    ) -> io::Result<()> {
        let part = found.partial_at(at);
        let (key, rival) = match part {
            Some(index) => (found.partials[index].key, Rival::Part(index)),
            None => {
                let (unit, key) = key_at(at, decoder)?;
                (key, Rival::Whole { at, trust: trust(found, &unit) })
            }
        };
        let (Some(section), Some(name)) = (section_of(found, at), decoder.digest_of_name(&key, digests)) else {
            return Err(changed(at));
        };
        let mut kept = match self.kept.entry((found.sections.get(section).db, name)) {
            Entry::Vacant(entry) => {
                entry.insert(rival);
                return Ok(());
            }
            Entry::Occupied(entry) => entry,
        };
        let better = match (*kept.get(), rival) {
            (Rival::Whole { trust: kept, .. }, Rival::Whole { trust, .. }) => trust > kept,
            (Rival::Part(_), Rival::Whole { .. }) => true,
            (_, Rival::Part(_)) => false,
        };
        match if better { kept.insert(rival) } else { rival } {
            Rival::Part(index) => {
                found.partials_dropped.push(index);
                Ok(())
            }
            Rival::Whole { at, .. } => {
                let (unit, key) = key_at(at, decoder)?;
                drop_unit(found, &unit, &key, drops)
            }
        }
    }
}

/// Returns the key that begins at a place where one was read before.
fn key_at(at: u64, decoder: &mut Decoder<'_>) -> io::Result<(Candidate, Key)> {
    let unit = decoder.kept_unit(at)?;
    unit.and_then(|unit| Some((unit, unit.key()?))).ok_or_else(|| changed(at))
}

fn changed(at: u64) -> io::Error {
    io::Error::other(format!("the key at byte {at} could not be read again: the file was changed meanwhile"))
}

/// Returns the section of the unit that begins at `at`.
fn section_of(found: &Collected, at: u64) -> Option<usize> {
    let part = found.partial_at(at).map(|index| found.partials[index].section);
    part.or_else(|| Some(run_at(&found.runs, at)?.section))
}

fn drop_unit(found: &mut Collected, unit: &Candidate, key: &Key, drops: &mut Drops) -> io::Result<()> {
    let Some(run) = run_at(&found.runs, unit.start) else { return Ok(()) };
    let expires = key.expire.is_some() && !key.expire_lost;
    found.sections.get_mut(run.section).without(expires);
    drops.add(unit.kept_from()..unit.end, is_expired(key, &found.options))
}

/// Compares all names by their hashes, as far as they fit into memory. What occurs a second time is noted in its section: it counts
/// for nothing there.
pub(super) fn same_hash(found: &mut Collected) -> Groups {
    let most = found.options.limits.duplicate_bytes / UNIT_BYTES;
    let Collected { hashes, runs, sections, partials, .. } = found;
    let mut groups = Groups::default();
    let mut fits = true;
    let settled = hashes.settle(|units| {
        let mut seen = HashSet::new();
        let mut any = false;
        for at in units {
            let partial = partials.binary_search_by_key(at, |partial| partial.range.start).ok();
            let partial = partial.map(|index| partials[index].section);
            let Some(section) = partial.or_else(|| Some(run_at(runs, *at)?.section)) else { continue };
            if !seen.insert(sections.get(section).db) {
                sections.repeated(section);
                any = true;
            }
        }
        fits &= !any || groups.units.len() + units.len() <= most;
        if any && fits {
            groups.units.extend_from_slice(units);
            groups.ends.push(groups.units.len());
        }
    });
    if fits { Groups { rest: settled.rest, ..groups } } else { Groups { rest: Some(0), ..Groups::default() } }
}

/// Returns the run that holds the unit that begins at `at`, whose first bytes may have been left out.
fn run_at(runs: &[Run], at: u64) -> Option<&Run> {
    runs.get(runs.partition_point(|run| run.range.end <= at))
}

/// Returns how far a key can be trusted: that it was believed to be one, that its database is known, and how far the next gap is.
fn trust(found: &Collected, unit: &Candidate) -> (bool, bool, u64) {
    let certain = run_at(&found.runs, unit.start).is_some_and(|run| found.sections.get(run.section).certain);
    let next = found.gaps.partition_point(|gap| gap.start < unit.end);
    let behind = found.gaps.get(next).map_or(u64::MAX, |gap| gap.start - unit.end);
    let before = next.checked_sub(1).and_then(|at| found.gaps.get(at));
    let before = before.map_or(u64::MAX, |gap: &Range<u64>| unit.start.saturating_sub(gap.end));
    (!found.is_doubtful(unit.start), certain, behind.min(before))
}
