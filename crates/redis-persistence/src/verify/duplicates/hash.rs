//! The hashes by which keys and elements are compared.
//!
//! Most texts are names of at most 32 bytes, which are four words that may overlap: two products of them, and the length times a word
//! of the key. Of a longer text, each 32 bytes are multiplied into two words one after the other. Each factor is a word of the text and
//! a word of the key. So whoever does not know the key cannot tell which texts collide, nor which words make a product zero; but the
//! hash must not be shown, because the key could be computed from some of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// The longest text that is hashed by its four words, and what is taken of a longer one at a time.
const SHORT: usize = 32;
/// The words of a key.
const WORDS: usize = 8;

/// What the hashes depend on besides the texts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashKey {
    words: [u64; WORDS],
}

impl HashKey {
    /// Returns the key of this process, which is random.
    pub(crate) fn of_run() -> Self {
        static OF_RUN: OnceLock<HashKey> = OnceLock::new();
        *OF_RUN.get_or_init(|| {
            // The standard library keys its hash function with random bytes of the system.
            let random = RandomState::new();
            Self { words: std::array::from_fn(|at| random.hash_one(at)) }
        })
    }

    /// Returns a key that is always the same.
    pub(crate) fn fixed(seed: u64) -> Self {
        let mut state = seed;
        let words = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ mixed >> 31
        });
        Self { words }
    }

    /// Another key, of which nobody knows anything who does not know this one.
    pub(crate) fn other(&self) -> Self {
        let words: [u64; WORDS] = std::array::from_fn(|at| self.hash(&[b"other", &at.to_le_bytes()[..]].concat(), 0));
        Self { words }
    }

    /// Returns the hash of a text; `seed` keeps the databases apart.
    #[inline(always)]
    pub(crate) fn hash(&self, text: &[u8], seed: u64) -> u64 {
        apart(if text.len() <= SHORT { self.short(text) } else { self.long(text) }, seed)
    }

    /// Returns the hash of a number that stands for its text.
    #[inline]
    pub(crate) fn of_number(&self, number: i64) -> u64 {
        let [.., a, b] = self.words;
        product([number.cast_unsigned(), 0], [a, b])
    }

    /// Hashes a text of at most [`SHORT`] bytes.
    #[inline(always)]
    fn short(&self, text: &[u8]) -> u64 {
        let [a, b, c, d, e, f, ..] = self.words;
        let len = text.len() as u64;
        // Texts of other lengths can be of the same words: how far that moves the hash, nobody knows either.
        let by_length = len.wrapping_mul(e);
        if let (Some(start), Some(end)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            let (one, other) = (product(halves(start), [a, b]), product(halves(end), [c, d]));
            (one ^ other.rotate_left(32)).wrapping_add(by_length)
        } else if let (Some(start), Some(end)) = (text.first_chunk(), text.last_chunk()) {
            product([u64::from_le_bytes(*start), u64::from_le_bytes(*end)], [a, b]).wrapping_add(by_length)
        } else {
            product([few_bytes(text), len], [e, f])
        }
    }

    /// Hashes sixteen bytes of a text that states its own length.
    #[inline(always)]
    pub(crate) fn of_sixteen(&self, text: u128) -> u64 {
        let [a, b, ..] = self.words;
        product(halves(&text.to_le_bytes()), [a, b])
    }

    /// Hashes the first and the last sixteen bytes of a text of 17 to 32 that states its own length.
    #[inline(always)]
    pub(crate) fn of_ends(&self, first: u128, last: u128) -> u64 {
        let [_, _, c, d, ..] = self.words;
        self.of_sixteen(first) ^ product(halves(&last.to_le_bytes()), [c, d]).rotate_left(32)
    }

    #[inline(never)]
    fn long(&self, text: &[u8]) -> u64 {
        let mut long = Long::new(self);
        let (blocks, rest) = text.as_chunks();
        blocks.iter().for_each(|block| long.block(self, block));
        long.end(self, rest, text.len())
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey")
    }
}

#[inline]
fn apart(hash: u64, seed: u64) -> u64 {
    hash ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Less than eight bytes as a word, with zeros behind them. To copy them into one and read that waits for the copy.
#[inline]
fn few_bytes(text: &[u8]) -> u64 {
    if let (Some(start), Some(end)) = (text.first_chunk(), text.last_chunk()) {
        let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
        return u64::from(start) | u64::from(end) << (8 * (text.len() - 4));
    }
    match *text {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, ..] => u64::from(u32::from_le_bytes([a, b, c, 0])),
    }
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let (words, _) = bytes.as_chunks();
    [words[0], words[1]].map(u64::from_le_bytes)
}

/// Returns the product of two words, folded, so that every bit of it depends on all of them.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn product(words: [u64; 2], with: [u64; 2]) -> u64 {
    let product = u128::from(words[0] ^ with[0]) * u128::from(words[1] ^ with[1]);
    product as u64 ^ (product >> 64) as u64
}

/// What is known of a long text so far.
#[derive(Clone, Copy)]
struct Long([u64; 2]);

impl Long {
    fn new(key: &HashKey) -> Self {
        Self([key.words[6], key.words[7]])
    }

    #[inline]
    fn block(&mut self, key: &HashKey, block: &[u8; SHORT]) {
        let [a, b, c, d, ..] = key.words;
        let (words, _) = block.as_chunks();
        let [w, x, y, z] = [0, 1, 2, 3].map(|at| u64::from_le_bytes(words[at]));
        let Self([one, other]) = *self;
        // The state stands beside the product, so that no factor can wipe it out.
        self.0 = [
            product([one ^ w, x], [a, b]) ^ one.rotate_left(23),
            product([other ^ y, z], [c, d]) ^ other.rotate_left(23),
        ];
    }

    fn end(mut self, key: &HashKey, rest: &[u8], len: usize) -> u64 {
        if !rest.is_empty() {
            let mut block = [0; SHORT];
            block[..rest.len()].copy_from_slice(rest);
            self.block(key, &block);
        }
        let Self([one, other]) = self;
        let both = product([one, other], [key.words[4], key.words[5]]);
        product([both, len as u64], [key.words[7], key.words[6]])
    }
}

/// The same hash of a text that comes in pieces.
pub(crate) struct Hasher {
    key: HashKey,
    long: Long,
    /// What does not fill a block yet, or the whole text as long as that is short.
    waiting: [u8; SHORT],
    waits: usize,
    len: usize,
    seed: u64,
}

impl Hasher {
    pub(crate) fn new(key: HashKey, seed: u64) -> Self {
        Self { key, long: Long::new(&key), waiting: [0; SHORT], waits: 0, len: 0, seed }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.len = self.len.saturating_add(piece.len());
        let mut piece = piece;
        while !piece.is_empty() {
            // A full block waits for what follows: a text of one block is a short one.
            if self.waits == SHORT {
                self.long.block(&self.key, &self.waiting);
                self.waits = 0;
                let (blocks, rest) = piece.as_chunks();
                let (last, before) = match blocks.split_last() {
                    Some((last, before)) if rest.is_empty() => (last.as_slice(), before),
                    _ => (rest, blocks),
                };
                before.iter().for_each(|block| self.long.block(&self.key, block));
                piece = last;
            }
            let taken = piece.len().min(SHORT - self.waits);
            self.waiting[self.waits..self.waits + taken].copy_from_slice(&piece[..taken]);
            self.waits += taken;
            piece = &piece[taken..];
        }
    }

    pub(crate) fn finish(&self) -> u64 {
        let waiting = &self.waiting[..self.waits];
        let hash =
            if self.len <= SHORT { self.key.short(waiting) } else { self.long.end(&self.key, waiting, self.len) };
        apart(hash, self.seed)
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

    fn key() -> HashKey {
        HashKey::fixed(1)
    }

    #[test]
    fn keys_differ_and_so_do_their_hashes() {
        assert_eq!(HashKey::of_run(), HashKey::of_run());
        assert_eq!(HashKey::fixed(7), HashKey::fixed(7));
        let keys = [HashKey::of_run(), HashKey::fixed(0), HashKey::fixed(1), HashKey::fixed(0).other()];
        for len in [0, 5, 8, 12, 20, 32, 33, 100] {
            let hashes: BTreeSet<_> = keys.iter().map(|key| key.hash(&vec![b'x'; len], 0)).collect();
            assert_eq!(hashes.len(), keys.len(), "{len}");
        }
    }

    /// Texts that are made to collide where one word of the key is known collide there, and nowhere else.
    #[test]
    fn whoever_does_not_know_the_key_makes_no_collisions() {
        let known = HashKey::fixed(42);
        let names: Vec<_> = (0..100_u64)
            .map(|i| [known.words[0].to_le_bytes(), (i << 20 | 0xABCD).to_le_bytes()].concat()[..15].to_vec())
            .collect();
        let distinct = |key: HashKey| names.iter().map(|name| key.hash(name, 0)).collect::<BTreeSet<_>>().len();
        assert_eq!([known, HashKey::fixed(43), known.other()].map(distinct), [1, 100, 100]);
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let text: Vec<u8> = (0..2000u32).map(|i| i.to_le_bytes()[0]).collect();
        for len in (0..=130).chain([2000]) {
            for piece in [1, 13, 32, 64, 100] {
                let mut hasher = Hasher::new(key(), 7);
                text[..len].chunks(piece).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.finish(), key().hash(&text[..len], 7), "{len}");
            }
        }
    }

    #[test]
    fn texts_that_are_much_alike_differ_in_all_parts_of_the_hash() {
        for len in (1..=40).chain([64, 65, 96]) {
            let (mut hashes, mut low, mut high) = (BTreeSet::new(), [0_u32; 256], [0_u32; 256]);
            let mut texts = 0_u32;
            for at in 0..len {
                for other in 0..at {
                    for (a, b) in [(1, 0), (0, 1), (1, 1), (3, 7), (128, 64), (255, 255)] {
                        let mut text = vec![b'0'; len];
                        text[at] ^= a;
                        text[other] ^= b;
                        if hashes.insert(text.clone()) {
                            let hash = key().hash(&text, 1);
                            low[usize::from(hash.to_le_bytes()[0])] += 1;
                            high[usize::from(hash.to_be_bytes()[0])] += 1;
                            texts += 1;
                        }
                    }
                }
            }
            let hashes: BTreeSet<_> = hashes.iter().map(|text| key().hash(text, 1)).collect();
            assert_eq!(hashes.len(), texts as usize, "{len}");
            for counts in [low, high] {
                assert!(counts.iter().all(|count| *count <= 12 + texts / 64), "{len}: {counts:?}");
            }
        }
    }

    #[test]
    fn names_of_zeros_differ_by_their_length() {
        let hashes: BTreeSet<_> = (0..100).map(|len| key().hash(&vec![0; len], 0)).collect();
        assert_eq!(hashes.len(), 100);
    }
}
