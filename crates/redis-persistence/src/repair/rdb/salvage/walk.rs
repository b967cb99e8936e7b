//! Walks over the whole file: plainly where it is sound, with a search where it is not.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use super::candidate::{Candidate, CandidateKind};
use super::covered::{edges, uncovered};
use super::decode::{Decoder, Start};
use super::holes::begins_in;
use super::search::{Path, Search};
use super::swallowed::swallowed_by;

/// Units before trouble that are gone over again, at most.
const MOST_DOUBTED: usize = 64;
/// Two units in a row with so much evidence each prove what is before them.
const STRONG: i32 = 16;

/// How far a look ahead goes, in units and bytes, and what it does not learn from.
const MOST_AHEAD: usize = 4096;
const MOST_BYTES_AHEAD: u64 = 64 << 20;
const DOUBTED_AHEAD: usize = 8;
/// It ends where more speaks against a unit than names of any bytes do before they are known.
const LEAST_AHEAD: i32 = -16;

/// A search of a value costs as much as so many looks ahead.
const LOOKS_OF_SEARCH: u64 = 4;

/// What the walk hands out, in the order of the file.
#[derive(Debug)]
pub(super) enum Item {
    Candidate(Candidate),
    /// Bytes that make no sense, or are not believed to be what they seem; and where the units end that follow them.
    Gap(Range<u64>, Vec<u64>),
}

/// Learns from the units at `at` and behind it what names look like, before anything is judged by that. Returns whether anything new
/// was learnt.
pub(super) fn look_ahead(decoder: &mut Decoder<'_>, at: u64) -> io::Result<bool> {
    let (mut next, before) = (at, decoder.learnt_ahead());
    let mut doubted: VecDeque<Candidate> = VecDeque::new();
    for _ in 0..MOST_AHEAD {
        if next - at > MOST_BYTES_AHEAD || next >= decoder.input.size() {
            break;
        }
        match decoder.unit(next, Start::Known)? {
            Some(unit) if unit.head >= LEAST_AHEAD && !matches!(unit.what, CandidateKind::Broken { .. }) => {
                if !decoder.reads_again(unit.end - next) || swallowed_by(&unit, decoder)?.is_some() {
                    break;
                }
                next = unit.end;
                doubted.push_back(unit);
            }
            _ => break,
        }
        // What comes shortly before the first trouble may be part of it.
        if doubted.len() > DOUBTED_AHEAD
            && let Some(unit) = doubted.pop_front()
        {
            decoder.learn_ahead(at, &unit)?;
        }
    }
    Ok(decoder.learnt_ahead() > before)
}

/// Finds the way from `from` past `trouble`, twice if the units behind the damage tell more about names than was known before it.
///
/// The first way may begin with what is none of the file's keys: fields of a hash whose head is damaged look like keys that are
/// strings, up to the first key that is none. What a first look takes for such is passed over before anything is learnt.
fn search(decoder: &mut Decoder<'_>, from: u64, trouble: u64) -> io::Result<(Search, Path)> {
    let mut search = Search::new(decoder, from, trouble)?;
    let mut path = search.go_on(decoder)?;
    let size = decoder.input.size();
    let Some(end) = path.end.filter(|end| *end < size && *end >= decoder.learnt_ahead()) else {
        return Ok((search, path));
    };
    let mut at = end;
    for _ in 0..MOST_AHEAD {
        match decoder.unit(at, Start::Known)? {
            Some(unit) if unit.is_plain_string() && decoder.may_have_fields() && decoder.reads_again(unit.end - at) => {
                at = unit.end;
            }
            _ => break,
        }
    }
    if look_ahead(decoder, at)? && decoder.reads_again(end - from) {
        decoder.look_again(from);
        search = Search::new(decoder, from, trouble)?;
        path = search.go_on(decoder)?;
    }
    Ok((search, path))
}

/// Walks from `at`, which is behind the header, to the end of the file. If it is whole, nothing is doubted.
pub(super) fn walk(
    decoder: &mut Decoder<'_>,
    at: u64,
    whole: bool,
    mut on: impl FnMut(Item, &mut Decoder<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let size = decoder.input.size();
    let mut at = at;
    // Units that what follows has not proven yet.
    let mut doubted: VecDeque<Candidate> = VecDeque::new();
    // Up to here values were searched for keys that they have swallowed.
    let mut searched = 0_u64;
    while at < size {
        match decoder.unit(at, Start::Known)? {
            Some(unit) if whole || unit.is_credible() => {
                let twice = searched.saturating_sub(unit.start);
                let is_searched = whole || unit.end <= searched || !decoder.reads_again(LOOKS_OF_SEARCH * twice);
                let swallows = if is_searched { None } else { swallowed_by(&unit, decoder)? };
                searched = searched.max(unit.end);
                if let Some(next) = swallows {
                    for unit in doubted.drain(..) {
                        decoder.learn(&unit)?;
                        on(Item::Candidate(unit), decoder)?;
                    }
                    on(Item::Gap(unit.start..next, Vec::new()), decoder)?;
                    at = next;
                    continue;
                }
                at = unit.end;
                let ends = matches!(unit.what, CandidateKind::End);
                doubted.push_back(unit);
                let proven = if ends || whole { doubted.len() } else { proven(&doubted) };
                for unit in doubted.drain(..proven) {
                    decoder.learn(&unit)?;
                    on(Item::Candidate(unit), decoder)?;
                }
                if ends {
                    break;
                }
            }
            other => {
                let from = doubted.front().map_or(at, |unit| unit.start);
                let trouble = other.map_or(at, |unit| unit.end);
                doubted.clear();
                let (mut search, mut path) = search(decoder, from, trouble)?;
                if path.end.is_some() && path.units.is_empty() && decoder.names.know_nothing() {
                    decoder.names.expect_any();
                    search = Search::new(decoder, from, trouble)?;
                    path = search.go_on(decoder)?;
                }
                let mut behind = from;
                loop {
                    let units = uncovered(&path.units, behind, decoder)?;
                    for (n, unit) in units.iter().enumerate() {
                        if unit.start > behind {
                            let edges = edges(&units[n..], decoder)?;
                            on(Item::Gap(behind..unit.start, edges), decoder)?;
                        }
                        behind = unit.end;
                        decoder.learn(unit)?;
                        let next = units.get(n + 1).map(|unit| unit.start).or(path.end).unwrap_or(behind);
                        let in_hole = begins_in(unit, next, &mut decoder.input)?;
                        on(Item::Candidate(if in_hole { unit.in_a_hole() } else { *unit }), decoder)?;
                    }
                    if let Some(end) = path.end {
                        at = end;
                        break;
                    }
                    path = search.go_on(decoder)?;
                }
                if at > behind {
                    on(Item::Gap(behind..at, Vec::new()), decoder)?;
                }
            }
        }
    }
    for unit in doubted {
        on(Item::Candidate(unit), decoder)?;
    }
    if at < size {
        on(Item::Gap(at..size, Vec::new()), decoder)?;
    }
    Ok(())
}

/// Returns how many of the units are proven by those behind them.
fn proven(doubted: &VecDeque<Candidate>) -> usize {
    let last = doubted.len().saturating_sub(2);
    if doubted.len() > 2 && doubted.range(last..).all(|unit| unit.bits >= STRONG) {
        return last;
    }
    usize::from(doubted.len() > MOST_DOUBTED)
}
