//! The hashes by which keys and elements are compared.
//!
//! Most texts are names of at most 32 bytes, which are four words that may overlap. Two products of them say as much as
//! the general hash function does, in a third of its time.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The longest text that is hashed by its four words.
const SHORT: usize = 32;
/// Digits of pi, in which nobody has a hand.
const WORDS: [u64; 4] = [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89];

/// The hash of a text; `seed` keeps the databases apart.
///
/// The hash function's own seed is not used: for short texts it is merely mixed into the bytes, so that keys of two
/// databases which differ in the right bits collide, and real keys do.
#[inline]
pub(crate) fn hash(text: &[u8], seed: u64) -> u64 {
    apart(if text.len() <= SHORT { short(text) } else { xxh3_64(text) }, seed)
}

#[inline]
fn apart(hash: u64, seed: u64) -> u64 {
    hash ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Hashes a text of at most [`SHORT`] bytes.
#[inline]
fn short(text: &[u8]) -> u64 {
    let len = text.len() as u64;
    let (one, other) = if let (Some(start), Some(end)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        (product(halves(start), [WORDS[0], WORDS[1]]), product(halves(end), [WORDS[2], WORDS[3]]))
    } else if let (Some(start), Some(end)) = (text.first_chunk(), text.last_chunk()) {
        (product([u64::from_le_bytes(*start), u64::from_le_bytes(*end)], [WORDS[0], WORDS[1]]), 0)
    } else {
        let mut word = [0; 8];
        word[..text.len()].copy_from_slice(text);
        (u64::from_le_bytes(word), 0)
    };
    product([one ^ other.rotate_left(32), len], [WORDS[2], WORDS[1]])
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let (words, _) = bytes.as_chunks();
    [words[0], words[1]].map(u64::from_le_bytes)
}

/// The product of two words, folded, so that every bit of it depends on all of them.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn product(words: [u64; 2], with: [u64; 2]) -> u64 {
    let product = u128::from(words[0] ^ with[0]) * u128::from(words[1] ^ with[1]);
    product as u64 ^ (product >> 64) as u64
}

/// The same hash of a text that comes in pieces.
pub(crate) struct Hasher {
    state: Xxh3,
    /// What the text begins with, and its length.
    start: [u8; SHORT],
    len: usize,
    seed: u64,
}

impl Hasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Xxh3::new(), start: [0; SHORT], len: 0, seed }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.state.update(piece);
        if let Some(room) = self.start.get_mut(self.len..) {
            let len = room.len().min(piece.len());
            room[..len].copy_from_slice(&piece[..len]);
        }
        self.len = self.len.saturating_add(piece.len());
    }

    pub(crate) fn finish(&self) -> u64 {
        apart(self.start.get(..self.len).map_or_else(|| self.state.digest(), short), self.seed)
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn pieces_hash_like_the_whole() {
        let text: Vec<u8> = (0..2000u32).map(|i| i.to_le_bytes()[0]).collect();
        for len in (0..=70).chain([2000]) {
            let mut hasher = Hasher::new(7);
            text[..len].chunks(13).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), hash(&text[..len], 7), "{len}");
        }
    }

    #[test]
    fn texts_that_are_much_alike_differ_in_all_parts_of_the_hash() {
        for len in 1..=40 {
            let (mut hashes, mut low, mut high) = (BTreeSet::new(), [0_u32; 256], [0_u32; 256]);
            let mut texts = 0_u32;
            for at in 0..len {
                for other in 0..at {
                    for (a, b) in [(1, 0), (0, 1), (1, 1), (3, 7), (128, 64), (255, 255)] {
                        let mut text = vec![b'0'; len];
                        text[at] ^= a;
                        text[other] ^= b;
                        if hashes.insert(text.clone()) {
                            let hash = hash(&text, 1);
                            low[usize::from(hash.to_le_bytes()[0])] += 1;
                            high[usize::from(hash.to_be_bytes()[0])] += 1;
                            texts += 1;
                        }
                    }
                }
            }
            let hashes: BTreeSet<_> = hashes.iter().map(|text| hash(text, 1)).collect();
            assert_eq!(hashes.len(), texts as usize, "{len}");
            for counts in [low, high] {
                assert!(counts.iter().all(|count| *count <= 12 + texts / 64), "{len}: {counts:?}");
            }
        }
    }

    #[test]
    fn names_of_zeros_differ_by_their_length() {
        let hashes: BTreeSet<_> = (0..100).map(|len| hash(&vec![0; len], 0)).collect();
        assert_eq!(hashes.len(), 100);
    }
}
