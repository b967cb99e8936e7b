//! Units behind damage that lie in a record which begins before them.
//!
//! ```text
//! ---skipped-----------------------[string][key][key]
//!         [hash .... its fields .........]
//!                                        \ it ends where they do
//! ```
//! The search begins no way with a key whose name is unlike the others, so it may begin one with a piece of its value that looks like a
//! key. What tells is where the record ends: by chance, few do so where units follow each other. Where its value is surely one, and little
//! speaks for the units that it covers, these are not believed. All of them are listed ([`Doubt`](super::Doubt)).

use std::io;
use std::ops::Range;

use super::candidate::Candidate;
use super::decode::{Decoder, Start};
use super::names::SURE;
use super::search::LOCKED;

/// So many units behind a gap are looked at.
const MOST: usize = 64;
/// A record that covers them is looked for in so many bytes before them.
const MOST_BEFORE: u64 = 1 << 20;

/// Returns where a record may end that begins in a gap and reaches over the units behind it: where they do, and where the first of them
/// begins without some of its attributes, which may be the last bytes of another value.
pub(super) fn edges(units: &[Candidate], decoder: &mut Decoder<'_>) -> io::Result<Vec<u64>> {
    let mut edges = Vec::new();
    let Some(first) = units.first() else { return Ok(edges) };
    if let Some(key) = first.key() {
        for at in (first.start + 1..key.type_at).take(MOST) {
            if decoder.head(at)?.is_some_and(|(other, _)| other.type_at == key.type_at) {
                edges.push(at);
            }
        }
        edges.extend(Some(key.type_at).filter(|at| *at > first.start));
    }
    let mut behind = first.start;
    let follow = units.iter().take(MOST).take_while(|unit| std::mem::replace(&mut behind, unit.end) == unit.start);
    edges.extend(follow.map(|unit| unit.end));
    Ok(edges)
}

/// Returns the units of a way from `behind` on, but for those that a record covers.
pub(super) fn uncovered(units: &[Candidate], mut behind: u64, decoder: &mut Decoder<'_>) -> io::Result<Vec<Candidate>> {
    let (mut rest, mut kept) = (units, Vec::with_capacity(units.len()));
    while let Some(unit) = rest.first() {
        if unit.start > behind {
            rest = &rest[covered(&(behind..unit.start), rest, decoder)?..];
        }
        let Some((unit, others)) = rest.split_first() else { break };
        kept.push(*unit);
        behind = unit.end;
        rest = others;
    }
    Ok(kept)
}

/// Returns how many of the units behind a gap a record covers that begins in it.
fn covered(gap: &Range<u64>, units: &[Candidate], decoder: &mut Decoder<'_>) -> io::Result<usize> {
    let (mut bits, mut behind) = (0_i32, gap.end);
    let weak = units.iter().take(MOST).take_while(|unit| {
        bits = bits.saturating_add(unit.bits);
        bits < LOCKED && std::mem::replace(&mut behind, unit.end) == unit.start
    });
    let ends: Vec<u64> = weak.map(|unit| unit.end).collect();
    let Some(last) = ends.last() else { return Ok(0) };
    let mut most = 0;
    decoder.read_until(Some(*last));
    for at in gap.start.max(gap.end.saturating_sub(MOST_BEFORE))..gap.end {
        decoder.pass();
        crate::base::work::did(1);
        if decoder.may_be_a_unit(at)?
            && let Some(unit) = decoder.unit(at, Start::Any)?
            && unit.is_key()
            && unit.bits - unit.head >= SURE
            && let Ok(index) = ends.binary_search(&unit.end)
        {
            most = most.max(index + 1);
        }
    }
    decoder.read_until(None);
    Ok(most)
}
