//! Keys that were found twice: the one that damage is less likely to have made up is kept. Servers abort on both.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;

use super::candidate::{Candidate, CandidateKind};
use super::collect::{Collected, Run};
use super::decode::Decoder;
use super::loss::is_expired;
use crate::verify::duplicates::Digests;

/// What one of the units takes that are looked into, in bytes: its place, and what is left out. More of them than half of the memory
/// for duplicates holds are left for the check of the written file to find.
const UNIT_BYTES: usize = 48;

/// Groups of units whose names have one hash, by where they begin; at least two of each seem to lie in one database.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The groups one after the other.
    units: Vec<u64>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Groups {
    /// Goes over the groups, whose units `on` may put in another order.
    fn for_each(&mut self, mut on: impl FnMut(&mut [u64]) -> io::Result<()>) -> io::Result<()> {
        let mut start = 0;
        self.ends.iter().try_for_each(|end| on(&mut self.units[std::mem::replace(&mut start, *end)..*end]))
    }
}

/// What is left out because it is there twice.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// The bytes of such keys, in the order of the file.
    pub(super) ranges: Vec<Range<u64>>,
    /// How many of them have expired.
    pub(super) expired: u64,
}

/// Finds the units to be dropped, and takes them out of the counts.
pub(super) fn drop_repeated(found: &mut Collected, mut groups: Groups, decoder: &mut Decoder<'_>) -> io::Result<Drops> {
    let (mut drops, digests) = (Drops::default(), Digests::new());
    groups.for_each(|group| {
        // A part is worth less than any whole one, and comes behind them.
        group.sort_unstable_by_key(|at| (database(found, *at), found.partial_at(*at).is_some(), *at));
        let mut rest = &*group;
        while let Some(first) = rest.first() {
            let db = database(found, *first);
            let (rivals, others) = rest.split_at(rest.partition_point(|at| database(found, *at) == db));
            drop_rivals(found, rivals, &digests, decoder, &mut drops)?;
            rest = others;
        }
        Ok(())
    })?;
    found.drop_partials();
    drops.ranges.sort_unstable_by_key(|range| range.start);
    Ok(drops)
}

/// The database of the unit that begins at `at`.
fn database(found: &Collected, at: u64) -> Option<u64> {
    let part = found.partial_at(at).map(|index| found.partials[index].section);
    let section = part.or_else(|| Some(run_at(&found.runs, at)?.section))?;
    Some(found.sections.get(section).db)
}

/// Of units in one database, keeps one for each name.
fn drop_rivals(
    found: &mut Collected,
    rivals: &[u64],
    digests: &Digests,
    decoder: &mut Decoder<'_>,
    drops: &mut Drops,
) -> io::Result<()> {
    if rivals.len() < 2 {
        return Ok(());
    }
    let mut kept: HashMap<u128, Option<Candidate>> = HashMap::new();
    for &at in rivals {
        let (key, rival) = if let Some(index) = found.partial_at(at) {
            (found.partials[index].key, Rival::Part(index))
        } else {
            let Some(unit) = decoder.kept_unit(at)? else { continue };
            let CandidateKind::Key(key) = unit.what else { continue };
            (key, Rival::Whole(unit))
        };
        // It was read before; if that fails now, the input does.
        let Some(name) = decoder.digest_of_name(&key, digests) else { continue };
        match (kept.entry(name), rival) {
            (Entry::Vacant(entry), Rival::Whole(unit)) => _ = entry.insert(Some(unit)),
            (Entry::Vacant(entry), Rival::Part(_)) => _ = entry.insert(None),
            (Entry::Occupied(_), Rival::Part(index)) => found.partials_dropped.push(index),
            (Entry::Occupied(mut entry), Rival::Whole(unit)) => {
                let Some(best) = entry.get_mut() else { continue };
                let better = trust(found, &unit) > trust(found, best);
                let worse = if better { std::mem::replace(best, unit) } else { unit };
                drop_unit(found, &worse, drops);
            }
        }
    }
    Ok(())
}

/// One of several that may have one name: a part, by its number, or a whole key.
enum Rival {
    Part(usize),
    Whole(Candidate),
}

fn drop_unit(found: &mut Collected, unit: &Candidate, drops: &mut Drops) {
    let (CandidateKind::Key(key), Some(run)) = (&unit.what, run_at(&found.runs, unit.start)) else { return };
    let expires = key.expire.is_some() && !key.expire_lost;
    found.sections.get_mut(run.section).without(expires);
    drops.expired += u64::from(is_expired(key, &found.options));
    drops.ranges.push(unit.kept_from()..unit.end);
}

/// Compares all names by their hashes. What occurs a second time is noted in its section: it counts for nothing there.
pub(super) fn same_hash(found: &mut Collected) -> Groups {
    let most = found.options.limits.duplicate_bytes / UNIT_BYTES;
    let Collected { hashes, runs, sections, partials, .. } = found;
    let mut groups = Groups::default();
    let mut group: Vec<u64> = Vec::new();
    let mut close = |group: &mut Vec<u64>| {
        let mut seen = HashSet::new();
        let mut any = false;
        for at in group.iter() {
            let partial = partials.binary_search_by_key(at, |partial| partial.range.start).ok();
            let partial = partial.map(|index| partials[index].section);
            let Some(section) = partial.or_else(|| Some(run_at(runs, *at)?.section)) else { continue };
            if !seen.insert(sections.get(section).db) {
                sections.repeated(section);
                any = true;
            }
        }
        if any && groups.units.len() + group.len() <= most {
            groups.units.append(group);
            groups.ends.push(groups.units.len());
        }
        group.clear();
    };
    hashes.settle(|units| {
        group.extend(units.iter().take(most));
        close(&mut group);
    });
    groups
}

/// The run that holds the unit that begins at `at`, whose first bytes may have been left out.
fn run_at(runs: &[Run], at: u64) -> Option<&Run> {
    runs.get(runs.partition_point(|run| run.range.end <= at))
}

/// How far a key can be trusted: that its database is known, and how far the next gap is.
fn trust(found: &Collected, unit: &Candidate) -> (bool, u64) {
    let certain = run_at(&found.runs, unit.start).is_some_and(|run| found.sections.get(run.section).certain);
    let next = found.gaps.partition_point(|gap| gap.start < unit.end);
    let behind = found.gaps.get(next).map_or(u64::MAX, |gap| gap.start - unit.end);
    let before = next.checked_sub(1).and_then(|at| found.gaps.get(at));
    let before = before.map_or(u64::MAX, |gap: &Range<u64>| unit.start.saturating_sub(gap.end));
    (certain, behind.min(before))
}
