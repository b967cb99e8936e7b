//! Finds the way through damage: which bytes are units, and which are skipped.
//!
//! ```text
//!        chain          skipped            chain                  (locked)
//! from --[u][u]--. . . . . . . . . . . --[u][u][u][u][u][u][u][u]--> the walk goes on
//!                 leave: -4         open: -60    + bits of each unit
//! ```
//! A search tries every offset once, from the left to the right. Two scores are carried along: that of the best way on which the bytes
//! before an offset are skipped, and, for each offset at which some unit ends, that of the best way that ends with it. A unit is
//! read where a way arrives, and where one could be opened; then its bits are added. Ways that meet at an offset merge: the better
//! one is kept. So the work is linear in the bytes: the decoder bounds what is read in vain, and more than once.
//!
//! A way that is left is not left at any price: where the head of a key stands at its end, with a value that cannot be read, that
//! head speaks for the way, too. And where it ends with a long string, which may be damaged without a trace, the head of that key alone
//! may be what is right of it.
//!
//! Some units begin no way ([`Doubt`]). In a hash whose fields may expire, a field that does not is a zero and two strings, as is a key that is
//! a string: where such a hash is damaged, and in files that may hold any if names tell something, none begins with a string, nor with a
//! value of strings and numbers behind what may be the time of a field, unless its name begins as others do. Nor does one with a name that
//! tells too little, with such a value whose type may be the last byte of a number, or with a type that servers of the file's version no
//! longer write. They still go on where another unit ends.
//!
//! A way that was opened is believed once enough evidence follows each other without a gap, and no other way that reaches further
//! comes near its score. Up to there the search has decided, and the plain walk takes over.
//!
//! What is held is bounded. Of more ways than [`MOST_CHAINS`] the worse half is given up, and where the ways that are left have more
//! than [`MOST_NODES`] units, the best one is settled for as far as it reaches. Only crafted files come to that: in others, a search
//! ends after a few hundred units.

use std::collections::BTreeMap;
use std::io;

use super::candidate::{Candidate, CandidateKind};
use super::decode::{Decoder, Start};
use super::doubtful::Doubt;
use crate::rdb::ValueType;

/// What it costs to stop believing in a chain, and to begin a new one: the bits that chance makes up among the places that are tried.
const LEAVE: i32 = 4;
pub(super) const OPEN: i32 = 60;
/// The same where few places are tried: so much besides one bit for each time that their number doubles.
const OPEN_AMONG_FEW: i32 = 36;
/// Evidence without a gap after which a chain is believed, the same where nothing is known of names, and by how much it must surpass
/// all others.
pub(super) const LOCKED: i32 = 120;
const LOCKED_BLINDLY: i32 = 400;
const AHEAD: i32 = 40;
/// What the length of a value tells at most.
const MOST_OF_LENGTH: i32 = 8;
/// Ways that are so far behind the best one are given up.
const HOPELESS: i32 = 400;
/// No score grows past this, so that no sum overflows.
const MOST_SCORE: i32 = i32::MAX / 2;
/// This many ways are followed at a time.
const MOST_CHAINS: usize = 1 << 12;
/// This many units are kept before those are dropped that no way leads over any more; and of those that are left.
const MOST_NODES: usize = 1 << 15;

/// A part of the way that was found.
#[derive(Debug)]
pub(super) struct Path {
    /// The units on it, in the order of the file. What lies between them is skipped.
    pub(super) units: Vec<Candidate>,
    /// Where the walk goes on: behind the last unit, or at the end of the file. `None` if there is more of the way.
    pub(super) end: Option<u64>,
}

/// A unit on one of the ways.
#[derive(Debug, Clone, Copy)]
struct Node {
    unit: Candidate,
    before: Option<u32>,
}

/// A way that ends with a unit.
#[derive(Debug, Clone, Copy)]
struct Way {
    score: i32,
    node: Option<u32>,
    /// Its evidence since the last gap.
    since: i32,
    has_gap: bool,
}

/// The ways that were found so far.
#[derive(Debug)]
struct Ways {
    nodes: Vec<Node>,
    /// By the offset at which they end.
    chains: BTreeMap<u64, Way>,
    /// The best one that skips the byte at hand.
    skipping: Way,
    open: i32,
    locked: i32,
    compact_at: usize,
    /// What ends with less is given up.
    floor: i32,
}

/// A search for the best way from where the walk stood on firm ground past `trouble`, where it did not go on.
#[derive(Debug)]
pub(super) struct Search {
    ways: Ways,
    at: u64,
    trouble: u64,
    among_fields: bool,
}

impl Search {
    pub(super) fn new(decoder: &mut Decoder<'_>, from: u64, trouble: u64) -> io::Result<Self> {
        let start = Way { score: 0, node: None, since: 0, has_gap: false };
        let ways = Ways {
            nodes: Vec::new(),
            chains: BTreeMap::from([(from, start)]),
            skipping: Way { score: -LEAVE, has_gap: true, ..start },
            open: open_among(decoder.input.size().saturating_sub(from)),
            locked: if decoder.names.are_any() { LOCKED_BLINDLY } else { LOCKED },
            compact_at: MOST_NODES,
            floor: -HOPELESS,
        };
        let among_fields = decoder.head(trouble)?.is_some_and(|(key, _)| key.value_type == ValueType::HashMetadata);
        Ok(Self { ways, at: from, trouble, among_fields })
    }

    /// Finds the way, or as much of it as can be held.
    pub(super) fn go_on(&mut self, decoder: &mut Decoder<'_>) -> io::Result<Path> {
        let size = decoder.input.size();
        if let Some(path) = self.go_to(size, decoder)? {
            return Ok(path);
        }
        let ways = &mut self.ways;
        let end = ways.arrive(size).filter(|chain| chain.score > ways.skipping.score).unwrap_or(ways.skipping);
        Ok(Path { units: ways.path(end.node), end: Some(size) })
    }

    /// Tries the places before `end`; gives the way if it is found before.
    fn go_to(&mut self, end: u64, decoder: &mut Decoder<'_>) -> io::Result<Option<Path>> {
        let Self { ways, trouble, among_fields, .. } = self;
        while self.at < end {
            let at = self.at;
            decoder.pass();
            crate::base::work::did(1);
            let chain = ways.arrive(at);
            if let Some(chain) = chain.filter(|chain| ways.is_locked(chain, at > *trouble)) {
                return Ok(Some(Path { units: ways.path(chain.node), end: Some(at) }));
            }
            let unit = match chain {
                Some(_) => decoder.unit(at, Start::Reached)?,
                None if decoder.is_worth_a_try(at)? => decoder.unit(at, Start::Tried)?,
                None => None,
            };
            if let Some(chain) = chain {
                let head = match &unit {
                    // Nothing tells whether a value is whole that ends with a string of any bytes.
                    Some(unit) if unit.raw_len() > 0 => decoder.of_head(unit.head) + of_length(unit.raw_len()),
                    Some(unit) if !matches!(unit.what, CandidateKind::Broken { .. }) => 0,
                    Some(unit) => decoder.of_head(unit.head),
                    None => decoder.damaged_head(at)?,
                };
                ways.leave(chain, head);
            }
            self.at += 1;
            if let Some(unit) = unit.map(|unit| if decoder.holes.touch(&unit) { unit.unproven() } else { unit }) {
                let doubt = decoder.doubt(&unit, *among_fields)?;
                let chain = chain.filter(|chain| doubt != Some(Doubt::Field) || !ways.ends_among_fields(chain));
                let opens = doubt.is_none() && !matches!(unit.what, CandidateKind::Broken { .. });
                if !ways.add(unit, chain, opens) {
                    decoder.spend(at);
                }
                if ways.nodes.len() >= ways.compact_at && ways.compact() {
                    decoder.spend(at);
                    return Ok(Some(Path { units: ways.settle(), end: None }));
                }
            }
        }
        Ok(None)
    }
}

/// The best way from somewhere behind `from` up to just `end`, or over it with a unit that `crosses` it, which tells so many bits: its
/// chains, between which something is skipped, in the order of the file.
pub(super) fn chains_over(
    from: u64,
    end: u64,
    crosses: impl Fn(&Candidate) -> Option<i32>,
    decoder: &mut Decoder<'_>,
) -> io::Result<Vec<Vec<Candidate>>> {
    let mut search = Search::new(decoder, from, from)?;
    search.ways.chains.clear();
    search.ways.locked = i32::MAX;
    if search.go_to(end, decoder)?.is_some() {
        return Ok(Vec::new());
    }
    let ways = &mut search.ways;
    let last = |way: &Way| way.node.map(|node| &ways.nodes[node as usize].unit);
    let score = |to: u64, way: &Way| {
        if to == end {
            return Some(way.score);
        }
        last(way).and_then(|unit| Some(way.score - unit.bits + crosses(unit)?))
    };
    let chains = ways.chains.iter().filter(|(_, way)| way.score >= ways.floor);
    let chains = chains.filter_map(|(to, way)| Some((score(*to, way)?, way.node)));
    let Some((_, node)) = chains.max_by_key(|(score, _)| *score) else { return Ok(Vec::new()) };
    let units = ways.path(node);
    Ok(units.chunk_by(|unit, next| unit.end == next.start).map(<[Candidate]>::to_vec).collect())
}

/// Returns what it costs to begin a chain at one of this many places.
fn open_among(places: u64) -> i32 {
    i32::try_from(u64::BITS - places.leading_zeros()).map_or(OPEN, |bits| (OPEN_AMONG_FEW + bits).min(OPEN))
}

/// Returns what it tells for damage in a value that it is so long: it lies in a long one rather than at the start of a key.
fn of_length(len: u64) -> i32 {
    i32::try_from((len / 64).checked_ilog2().unwrap_or(0)).unwrap_or(0).min(MOST_OF_LENGTH)
}

impl Ways {
    /// Returns the way that ends at `at`, unless it is given up.
    fn arrive(&mut self, at: u64) -> Option<Way> {
        self.chains.remove(&at).filter(|chain| chain.score >= self.floor)
    }

    fn is_locked(&self, chain: &Way, past_trouble: bool) -> bool {
        let is_behind = |other: &Way| {
            crate::base::work::did(1);
            other.score < self.floor || other.score + AHEAD <= chain.score
        };
        (chain.has_gap || past_trouble) && chain.since >= self.locked && self.chains.values().all(is_behind)
    }

    /// Whether a way ends with a hash whose fields expire and that is damaged: more of its fields may follow.
    fn ends_among_fields(&self, way: &Way) -> bool {
        let last = way.node.map(|node| &self.nodes[node as usize].unit.what);
        matches!(last, Some(CandidateKind::Broken { key, .. }) if key.value_type == ValueType::HashMetadata)
    }

    /// Skips what follows a way: damage, or the value of a key whose head tells so much.
    fn leave(&mut self, chain: Way, head: i32) {
        let score = chain.score.saturating_add(head).min(MOST_SCORE) - LEAVE;
        if score > self.skipping.score {
            self.skipping = Way { score, since: 0, has_gap: true, ..chain };
            self.floor = self.floor.max(score + LEAVE - HOPELESS);
        }
    }

    /// A unit was read, where `chain` arrives or where one could be opened. Returns whether all ways could be held.
    fn add(&mut self, unit: Candidate, chain: Option<Way>, opens: bool) -> bool {
        let opened = opens.then_some((self.skipping.score - self.open, 0, self.skipping));
        let through = chain.map(|chain| (chain.score, chain.since, chain));
        let best = match (through, opened) {
            (Some(through), Some(opened)) if opened.0 > through.0 => opened,
            (Some(through), _) => through,
            (None, Some(opened)) => opened,
            (None, None) => return true,
        };
        let (score, since, before) = best;
        // What is suspicious begins the proof anew.
        let since = if unit.bits < 0 { 0 } else { since.saturating_add(unit.bits) };
        let way =
            Way { score: score.saturating_add(unit.bits).min(MOST_SCORE), node: None, since, has_gap: before.has_gap };
        let end = unit.end;
        if way.score < self.floor || self.chains.get(&end).is_some_and(|other| other.score >= way.score) {
            return true;
        }
        let number = u32::try_from(self.nodes.len()).ok();
        self.nodes.push(Node { unit, before: before.node });
        self.chains.insert(end, Way { node: number, ..way });
        let holds = self.chains.len() <= MOST_CHAINS;
        if !holds {
            self.give_up();
        }
        holds
    }

    /// Gives up the worse half of the ways.
    #[cold]
    fn give_up(&mut self) {
        crate::base::work::did(self.chains.len());
        let mut scores: Vec<i32> = self.chains.values().map(|way| way.score).collect();
        let (_, middle, _) = scores.select_nth_unstable(MOST_CHAINS / 2);
        let middle = *middle;
        let mut equal = MOST_CHAINS / 4;
        self.chains.retain(|_, way| {
            equal = equal.saturating_sub(usize::from(way.score == middle));
            way.score > middle || way.score == middle && equal > 0
        });
    }

    /// Drops the units that no way leads over any more; returns whether too many are left.
    fn compact(&mut self) -> bool {
        crate::base::work::did(self.chains.len() + self.nodes.len());
        self.chains.retain(|_, way| way.score >= self.floor);
        let mut kept = vec![false; self.nodes.len()];
        let ends = self.chains.values().map(|way| way.node).chain([self.skipping.node]);
        for mut node in ends {
            while let Some(at) = node.filter(|at| !std::mem::replace(&mut kept[*at as usize], true)) {
                node = self.nodes[at as usize].before;
            }
        }
        let mut moved = vec![0; self.nodes.len()];
        let mut to = 0;
        for (from, kept) in kept.iter().enumerate() {
            moved[from] = to;
            to += u32::from(*kept);
        }
        let mut keep = kept.iter();
        self.nodes.retain(|_| *keep.next().unwrap_or(&false));
        let update = |node: &mut Option<u32>| *node = node.map(|at| moved[at as usize]);
        self.nodes.iter_mut().for_each(|node| update(&mut node.before));
        self.chains.values_mut().for_each(|way| update(&mut way.node));
        update(&mut self.skipping.node);
        self.compact_at = MOST_NODES.max(self.nodes.len() * 2);
        self.nodes.len() > MOST_NODES
    }

    /// Settles for the best way up to now, and gives up all others.
    fn settle(&mut self) -> Vec<Candidate> {
        let best = self.chains.iter().max_by_key(|(_, way)| way.score).map(|(end, way)| (*end, *way));
        let best = best.filter(|(_, way)| way.score > self.skipping.score);
        let units = self.path(best.map_or(self.skipping.node, |(_, way)| way.node));
        self.chains.clear();
        self.skipping.node = None;
        if let Some((end, way)) = best {
            // Nothing begins before that way ends, and it is left with its own score.
            self.skipping.score = i32::MIN / 2;
            self.chains.insert(end, Way { node: None, ..way });
        }
        self.compact_at = MOST_NODES;
        units
    }

    /// Returns the units up to that one; all are forgotten.
    fn path(&mut self, mut node: Option<u32>) -> Vec<Candidate> {
        let mut units = Vec::new();
        while let Some(at) = node {
            node = self.nodes[at as usize].before;
            units.push(self.nodes[at as usize].unit);
        }
        self.nodes.clear();
        units.reverse();
        units
    }
}
