//! Keys that were found twice: the one that damage is less likely to have made up is kept. Servers abort on both.

use std::io;
use std::ops::Range;

use super::collect::{Collected, Run};
use super::decode::{Decoder, LONGEST_TEXT};
use super::unit::{Unit, What};

/// Names found twice that are looked into. More of them are left for the check of the written file to find.
const MOST: usize = 1 << 20;

/// Groups of units whose names have one hash, by where they begin; at least two of each seem to lie in one database.
pub(super) type Groups = Vec<Vec<u64>>;

/// Finds the units to be dropped, in the order of the file, and takes them out of the counts.
pub(super) fn drop_repeated(found: &mut Collected, groups: Groups, decoder: &mut Decoder<'_>) -> io::Result<Vec<Unit>> {
    let mut drops = Vec::new();
    for group in groups {
        let mut kept: Vec<(Unit, Vec<u8>, u64)> = Vec::new();
        let (parts, whole): (Vec<u64>, Vec<u64>) = group.into_iter().partition(|at| found.partial_at(*at).is_some());
        for at in whole {
            let Some(unit) = decoder.kept_unit(at)? else { continue };
            let (Some(name), Some(run)) = (decoder.name_of(&unit)?, run_at(&found.runs, at)) else { continue };
            let db = found.sections.get(run.section).db;
            let rival = kept.iter_mut().find(|(_, known, of)| *known == name && *of == db);
            let Some((best, ..)) = rival else {
                kept.push((unit, name, db));
                continue;
            };
            let worse = if trust(found, &unit) > trust(found, best) { std::mem::replace(best, unit) } else { unit };
            drops.push(worse);
        }
        // A part is worth less than any whole one.
        let mut held: Vec<(Vec<u8>, u64)> = kept.into_iter().map(|(_, name, db)| (name, db)).collect();
        for at in parts {
            let Some(index) = found.partial_at(at) else { continue };
            let partial = &found.partials[index];
            let db = found.sections.get(partial.section).db;
            let Some((name, _)) = decoder.name_and_value(&partial.key, LONGEST_TEXT)? else { continue };
            if held.contains(&(name.clone(), db)) {
                found.partials_dropped.push(index);
            }
            held.push((name, db));
        }
    }
    found.drop_partials();
    drops.sort_by_key(|unit| unit.start);
    for unit in &drops {
        let Some(section) = run_at(&found.runs, unit.start).map(|run| run.section) else { continue };
        let expires = matches!(unit.what, What::Key(key) if key.expire.is_some() && !key.expire_lost);
        found.sections.get_mut(section).without(expires);
    }
    Ok(drops)
}

/// Compares all names by their hashes. What occurs a second time is noted in its section: it counts for nothing there.
pub(super) fn same_hash(found: &mut Collected) -> Groups {
    let Collected { hashes, runs, sections, partials, .. } = found;
    let mut groups: Groups = Vec::new();
    let mut group: Vec<u64> = Vec::new();
    let mut close = |group: &mut Vec<u64>| {
        let mut seen: Vec<u64> = Vec::new();
        let mut any = false;
        for at in group.iter() {
            let partial = partials.binary_search_by_key(at, |partial| partial.range.start).ok();
            let partial = partial.map(|index| partials[index].section);
            let Some(section) = partial.or_else(|| Some(run_at(runs, *at)?.section)) else { continue };
            let db = sections.named(section);
            if seen.contains(&db) {
                sections.repeated(section);
                any = true;
            } else {
                seen.push(db);
            }
        }
        if any && groups.len() < MOST {
            groups.push(std::mem::take(group));
        }
        group.clear();
    };
    hashes.settle(|first, later| {
        if group.first() != Some(&first) {
            close(&mut group);
            group.push(first);
        }
        group.push(later);
    });
    close(&mut group);
    groups
}

/// The run that holds the unit that begins at `at`, whose first bytes may have been left out.
fn run_at(runs: &[Run], at: u64) -> Option<&Run> {
    runs.get(runs.partition_point(|run| run.range.end <= at))
}

/// How far a key can be trusted: that its database is known, and how far the next gap is.
fn trust(found: &Collected, unit: &Unit) -> (bool, u64) {
    let certain = run_at(&found.runs, unit.start).is_some_and(|run| found.sections.get(run.section).certain);
    let next = found.gaps.partition_point(|gap| gap.start < unit.end);
    let behind = found.gaps.get(next).map_or(u64::MAX, |gap| gap.start - unit.end);
    let before = next.checked_sub(1).and_then(|at| found.gaps.get(at));
    let before = before.map_or(u64::MAX, |gap: &Range<u64>| unit.start.saturating_sub(gap.end));
    (certain, behind.min(before))
}
