//! Whether links are mutual, without remembering them.
//!
//! A link of a to b and one of b to a have the same hash; one is added, the other subtracted. What is mutual sums up to
//! nothing. Within a level of an element a link must not stand twice, so that no two can take the place of others.

use std::collections::HashSet;

use crate::verify::duplicates::HashKey;

/// The links of a vector set.
#[derive(Debug)]
pub(super) struct Links {
    key: HashKey,
    sums: (u64, u64),
    from: u64,
    level: u64,
    /// Those of the level at hand.
    here: HashSet<u64>,
    /// The first of them, so that a lone one can be named.
    kept: Vec<Link>,
    most: usize,
    all_kept: bool,
}

/// A link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    from: u64,
    pub(super) to: u64,
    pub(super) level: u64,
    /// Where it stands, and in the element of which number.
    pub(super) at: u64,
    pub(super) element: u64,
}

/// This many lone links are named.
const MOST_NAMED: usize = 16;

impl Links {
    /// Remembers links in at most this many bytes.
    pub(super) fn new(key: HashKey, budget: usize) -> Self {
        let most = budget / (2 * size_of::<Link>());
        Self { key, sums: (0, 0), from: 0, level: 0, here: HashSet::new(), kept: Vec::new(), most, all_kept: true }
    }

    /// The next links are those of that element in that level.
    pub(super) fn begin(&mut self, from: u64, level: u64) {
        (self.from, self.level) = (from, level);
        self.here.clear();
    }

    /// Takes a link, and returns whether it stands there twice.
    pub(super) fn add(&mut self, to: u64, at: u64, element: u64) -> bool {
        let Self { from, level, .. } = *self;
        // More than that in one level are too many, which is told elsewhere.
        let twice = (self.here.len() as u64) < super::MOST_LINKS_READ && !self.here.insert(to);
        let mut text = [0; 24];
        text[..8].copy_from_slice(&from.min(to).to_le_bytes());
        text[8..16].copy_from_slice(&from.max(to).to_le_bytes());
        text[16..].copy_from_slice(&level.to_le_bytes());
        let (first, second) = (self.key.hash(&text, 0), self.key.other().hash(&text, 0));
        let (a, b) = self.sums;
        self.sums = if from < to {
            (a.wrapping_add(first), b.wrapping_add(second))
        } else {
            (a.wrapping_sub(first), b.wrapping_sub(second))
        };
        if self.kept.len() < self.most {
            self.kept.push(Link { from, to, level, at, element });
        } else {
            self.all_kept = false;
        }
        twice
    }

    pub(super) fn are_mutual(&self) -> bool {
        self.sums == (0, 0)
    }

    /// Returns the first links that have none back, unless too many were met.
    pub(super) fn lone(self) -> Option<Vec<Link>> {
        if !self.all_kept {
            return None;
        }
        let all: HashSet<_> = self.kept.iter().map(|link| (link.from, link.to, link.level)).collect();
        let lone = self.kept.iter().filter(|link| !all.contains(&(link.to, link.from, link.level)));
        let lone: Vec<_> = lone.copied().take(MOST_NAMED).collect();
        (!lone.is_empty()).then_some(lone)
    }
}
