//! The largest keys, in a heap of as many as are wanted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A key that is among the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LargeKey {
    /// Its database.
    pub db: u64,
    /// Its name, cut at [`Finding::LONGEST_KEY`](crate::report::Finding::LONGEST_KEY) bytes.
    pub key: Vec<u8>,
    /// Its type, as the TYPE command names it.
    pub value_type: &'static str,
    /// Its encoding.
    pub encoding: &'static str,
    /// What it takes in the file, in bytes.
    pub bytes: u64,
    /// How many elements it has.
    pub elements: u64,
    /// Where its record begins.
    pub offset: u64,
}

/// The largest so far. Of two of one size the one that comes first in the file counts as the larger.
#[derive(Debug, Default)]
pub(crate) struct Largest {
    most: usize,
    heap: BinaryHeap<Reverse<(u64, Reverse<u64>, usize)>>,
    keys: Vec<LargeKey>,
}

impl Largest {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Adds a key of so many bytes, if it is among the largest; only then it is made.
    pub(crate) fn add(&mut self, bytes: u64, offset: u64, key: impl FnOnce() -> LargeKey) {
        let rank = (bytes, Reverse(offset));
        if self.keys.len() < self.most {
            self.heap.push(Reverse((rank.0, rank.1, self.keys.len())));
            self.keys.push(key());
            return;
        }
        let Some(Reverse((least, at, place))) = self.heap.peek().copied() else { return };
        if rank > (least, at) {
            self.heap.pop();
            self.heap.push(Reverse((rank.0, rank.1, place)));
            self.keys[place] = key();
        }
    }

    /// The largest first.
    pub(crate) fn into_keys(mut self) -> Vec<LargeKey> {
        self.keys.sort_by_key(|key| (Reverse(key.bytes), key.offset));
        self.keys
    }
}
