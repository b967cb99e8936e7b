//! What the elements of a sound listpack make: a list, a set, pairs, a sorted set.

use super::super::tuples::in_order;
use super::{HEADER, List};
use crate::rdb::Tuple;
use crate::verify::duplicates::HashKey;
use crate::verify::value::score::{exact, stored_roughly};
use crate::verify::value::seen::{Few, Seen};
use crate::verify::value::stored::hash;

/// The elements that were seen, and the key of their hashes.
struct Compared<'w> {
    few: Few<'w>,
    key: HashKey,
}

impl Compared<'_> {
    /// Returns whether the element between these is none of those before.
    #[inline]
    fn is_new(&mut self, list: List<'_>, at: usize, end: usize) -> Option<bool> {
        let hash = hash(list.wide, at, end, &self.key)?;
        let same = |before| list.wide[before..].starts_with(&list.wide[at..end]);
        Some(self.few.add(hash, at, same).is_none())
    }
}

/// Returns whether the `len` first bytes of `wide` are a sound listpack of that tuple that is not empty.
pub(in super::super) fn is_plain(
    tuple: Tuple,
    wide: &[u8],
    len: usize,
    seen: Option<(&mut Seen, HashKey)>,
) -> Option<()> {
    let list = List::open(wide, len)?;
    let count = list.stated / tuple.len();
    if count == 0 || count * tuple.len() != list.stated {
        return None;
    }
    let few = match seen {
        Some((seen, key)) if tuple != Tuple::Item => Some(Compared { few: Few::new(count, seen)?, key }),
        _ => None,
    };
    match tuple {
        Tuple::Item => elements(list),
        Tuple::Member => set(list, few),
        Tuple::Pair => pairs(list, few),
        Tuple::Scored => scored(list, few),
        Tuple::Triple => None,
    }
}

#[inline(never)]
fn elements(list: List<'_>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        at = list.any(at)?;
        count += 1;
    }
    (at == list.end && count == list.stated).then_some(())
}

#[inline(never)]
fn set(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        let end = list.any(at)?;
        if let Some(few) = &mut few
            && !few.is_new(list, at, end)?
        {
            return None;
        }
        at = end;
        count += 1;
    }
    (at == list.end && count == list.stated).then_some(())
}

#[inline(never)]
fn pairs(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        let end = list.text(at)?;
        if let Some(few) = &mut few
            && !few.is_new(list, at, end)?
        {
            return None;
        }
        at = list.text(end)?;
        count += 2;
    }
    (at == list.end && count == list.stated).then_some(())
}

/// A score within bounds, where its element begins, and where that of its member does.
#[derive(Default)]
struct Scored {
    low: f64,
    above: f64,
    score_at: usize,
    member_at: usize,
}

#[inline(never)]
fn scored(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    // Any score that is roughly known lies above the one before the first.
    let mut before = Scored { low: -1.0, above: -1.0, ..Scored::default() };
    while at < list.end {
        let (member_at, score_at) = (at, list.text(at)?);
        if let Some(few) = &mut few
            && !few.is_new(list, member_at, score_at)?
        {
            return None;
        }
        let now;
        (now, at) = match stored_roughly(list.wide, score_at) {
            Some((low, above, end)) => (Scored { low, above, score_at, member_at }, end),
            // Not above anything, and nothing is above it.
            None => (Scored { low: f64::NEG_INFINITY, above: f64::INFINITY, score_at, member_at }, list.any(score_at)?),
        };
        if now.low <= before.above {
            goes_on(list, &before, &now)?;
        }
        before = now;
        count += 2;
    }
    (at == list.end && count == list.stated).then_some(())
}

/// Returns whether an element may follow the one before, if there is one.
#[cold]
fn goes_on(list: List<'_>, before: &Scored, now: &Scored) -> Option<()> {
    let element = |of: &Scored| Some((exact(list.value(of.score_at)?)?, list.value(of.member_at)?));
    let score = element(now)?;
    (before.member_at == 0 || in_order(element(before)?, score)).then_some(())
}
