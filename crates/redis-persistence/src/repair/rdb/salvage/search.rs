//! Finds the way through damage: which bytes are units, and which are skipped.
//!
//! ```text
//!        chain          skipped            chain                  (locked)
//! from --[u][u]--. . . . . . . . . . . --[u][u][u][u][u][u][u][u]--> the walk goes on
//!                 leave: -4         open: -60    + bits of each unit
//! ```
//! Every offset is tried once, from the left to the right. Two scores are carried along: that of the best way on which the bytes
//! before an offset are skipped, and, for each offset at which some unit ends, that of the best way that ends with it. A unit is
//! read where a way arrives, and where one could be opened; then its bits are added. Ways that meet at an offset merge: the better
//! one is kept. So the work is linear in the bytes: the decoder bounds what is read in vain, and more than once.
//!
//! In a damaged hash whose fields may expire, a field that does not is a zero and two strings, as is a key that is a string. There, no
//! way begins with such a one, unless its name begins as others do.
//!
//! A way that was opened is believed once enough evidence follows each other without a gap, and no other way that reaches further
//! comes near its score. Up to there the search has decided, and the plain walk takes over.

use std::collections::BTreeMap;
use std::io;

use super::decode::{Decoder, Start};
use super::unit::{Unit, What};
use crate::rdb::ValueType;

/// What it costs to stop believing in a chain, and to begin a new one: the bits that chance makes up among the places that are tried.
const LEAVE: i32 = 4;
const OPEN: i32 = 60;
/// Evidence without a gap after which a chain is believed, the same where nothing is known of names, and by how much it must surpass
/// all others.
const LOCKED: i32 = 120;
const LOCKED_BLINDLY: i32 = 400;
const AHEAD: i32 = 40;
/// Ways that are so far behind the best one are given up.
const HOPELESS: i32 = 400;
/// So many units are kept before those are dropped that no way leads over any more.
const MOST_NODES: usize = 1 << 15;

/// The way that was found.
#[derive(Debug)]
pub(super) struct Path {
    /// The units on it, in the order of the file. What lies between them is skipped.
    pub(super) units: Vec<Unit>,
    /// Where the walk goes on: behind the last unit, or at the end of the file.
    pub(super) end: u64,
}

/// A unit on one of the ways.
#[derive(Debug, Clone)]
struct Node {
    unit: Unit,
    before: Option<usize>,
}

/// A way that ends with a unit.
#[derive(Debug, Clone, Copy)]
struct Way {
    score: i32,
    node: Option<usize>,
    /// Its evidence since the last gap.
    since: i32,
    has_gap: bool,
}

/// The ways that were found so far.
struct Ways {
    nodes: Vec<Node>,
    /// By the offset at which they end.
    chains: BTreeMap<u64, Way>,
    /// The best one that skips the byte at hand.
    skipping: Way,
    locked: i32,
    compact_at: usize,
}

/// Finds the best way from `from`, where the walk stood on firm ground, past `trouble`, where it did not go on.
pub(super) fn search(decoder: &mut Decoder<'_>, from: u64, trouble: u64) -> io::Result<Path> {
    let start = Way { score: 0, node: None, since: 0, has_gap: false };
    let mut ways = Ways {
        nodes: Vec::new(),
        chains: BTreeMap::from([(from, start)]),
        skipping: Way { score: -LEAVE, has_gap: true, ..start },
        locked: if decoder.names.are_any() { LOCKED_BLINDLY } else { LOCKED },
        compact_at: MOST_NODES,
    };
    let size = decoder.input.size();
    let among_fields = decoder.head(trouble)?.is_some_and(|(key, ..)| key.value_type == ValueType::HashMetadata);
    for at in from..size {
        decoder.pass();
        let chain = ways.chains.remove(&at);
        if let Some(chain) = chain {
            if ways.is_locked(&chain, at > trouble) {
                return Ok(ways.path(chain.node, at));
            }
            ways.leave(chain);
        }
        let unit = match chain {
            Some(_) => decoder.unit(at, Start::Reached)?,
            None if decoder.is_worth_a_try(at)? => decoder.unit(at, Start::Tried)?,
            None => None,
        };
        if let Some(unit) = unit {
            let is_field = among_fields && unit.is_plain_string() && !decoder.has_known_prefix(&unit)?;
            let opens = unit.head >= decoder.names.lead()
                && !matches!(unit.what, What::Broken { .. })
                && !is_field
                && !decoder.may_be_in_a_number(at)?;
            ways.add(unit, chain, opens);
        }
    }
    let end = ways.chains.remove(&size).filter(|chain| chain.score > ways.skipping.score).unwrap_or(ways.skipping);
    Ok(ways.path(end.node, size))
}

impl Ways {
    fn is_locked(&self, chain: &Way, past_trouble: bool) -> bool {
        (chain.has_gap || past_trouble)
            && chain.since >= self.locked
            && self.chains.values().all(|other| other.score + AHEAD <= chain.score)
    }

    fn leave(&mut self, chain: Way) {
        if chain.score - LEAVE > self.skipping.score {
            self.skipping = Way { score: chain.score - LEAVE, since: 0, has_gap: true, ..chain };
            let least = chain.score - HOPELESS;
            self.chains.retain(|_, other| other.score >= least);
        }
    }

    /// A unit was read, where `chain` arrives or where one could be opened.
    fn add(&mut self, unit: Unit, chain: Option<Way>, opens: bool) {
        let opened = opens.then_some((self.skipping.score - OPEN, 0, self.skipping));
        let through = chain.map(|chain| (chain.score, chain.since, chain));
        let best = match (through, opened) {
            (Some(through), Some(opened)) if opened.0 > through.0 => opened,
            (Some(through), _) => through,
            (None, Some(opened)) => opened,
            (None, None) => return,
        };
        let (score, since, before) = best;
        // What is suspicious begins the proof anew.
        let since = if unit.bits < 0 { 0 } else { since + unit.bits };
        let way = Way { score: score + unit.bits, node: None, since, has_gap: before.has_gap };
        let end = unit.end;
        if self.chains.get(&end).is_some_and(|other| other.score >= way.score) {
            return;
        }
        self.nodes.push(Node { unit, before: before.node });
        self.chains.insert(end, Way { node: Some(self.nodes.len() - 1), ..way });
        if self.nodes.len() >= self.compact_at {
            self.compact();
        }
    }

    /// Drops the units that no way leads over any more.
    fn compact(&mut self) {
        let mut kept = vec![false; self.nodes.len()];
        let ends = self.chains.values().map(|way| way.node).chain([self.skipping.node]);
        for mut node in ends {
            while let Some(at) = node.filter(|at| !std::mem::replace(&mut kept[*at], true)) {
                node = self.nodes[at].before;
            }
        }
        let mut moved = vec![0; self.nodes.len()];
        let mut to = 0;
        for (from, kept) in kept.iter().enumerate() {
            moved[from] = to;
            to += usize::from(*kept);
        }
        let mut keep = kept.iter();
        self.nodes.retain(|_| *keep.next().unwrap_or(&false));
        let update = |node: &mut Option<usize>| *node = node.map(|at| moved[at]);
        self.nodes.iter_mut().for_each(|node| update(&mut node.before));
        self.chains.values_mut().for_each(|way| update(&mut way.node));
        update(&mut self.skipping.node);
        self.compact_at = MOST_NODES.max(self.nodes.len() * 2);
    }

    fn path(mut self, mut node: Option<usize>, end: u64) -> Path {
        let mut units = Vec::new();
        while let Some(at) = node {
            node = self.nodes[at].before;
            units.push(self.nodes[at].unit.clone());
        }
        self.nodes.clear();
        units.reverse();
        Path { units, end }
    }
}
