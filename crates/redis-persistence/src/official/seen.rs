//! What occurred in one value, by 128-bit hashes of the texts.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_128;

/// A table that grew beyond this is not kept for the next value: to clear it takes as long as it is large.
const KEPT: usize = 4096;
/// What an entry takes, about.
const ENTRY: usize = 32;

/// The texts that occurred. Beyond its budget it forgets: the rest passes as new.
#[derive(Debug)]
pub(super) struct Seen {
    texts: HashSet<u128>,
    most: usize,
}

impl Seen {
    pub(super) fn new(budget: usize) -> Self {
        Self { texts: HashSet::new(), most: budget / ENTRY }
    }

    pub(super) fn clear(&mut self) {
        if self.texts.capacity() > KEPT {
            self.texts = HashSet::new();
        } else {
            self.texts.clear();
        }
    }

    /// Adds a text; returns whether it is new.
    pub(super) fn is_new(&mut self, hash: u128) -> bool {
        if self.texts.len() >= self.most { !self.texts.contains(&hash) } else { self.texts.insert(hash) }
    }
}

/// Returns the hash of a text.
pub(super) fn hash(text: &[u8]) -> u128 {
    xxh3_128(text)
}
