//! Telling the texts of things of one hash apart.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// This many different texts of one hash are told apart. There are hardly ever two, unless somebody knows the key.
const MOST_TEXTS: usize = 1 << 16;
/// This many are held against each other one by one.
const FEW: usize = 8;

/// Of things of one hash, which lie at `places` in ascending order, calls `on` for each whose text was there before: with the
/// place of the first one of that text, and its own. `text` is what stands at a place, if it can be read. Returns how many were
/// not compared.
pub(crate) fn repeated<T: Eq + Hash>(
    places: impl IntoIterator<Item = u64>,
    mut text: impl FnMut(u64) -> Option<T>,
    mut on: impl FnMut(u64, u64),
) -> u64 {
    let mut few: Vec<(T, u64)> = Vec::new();
    let mut many: HashMap<T, u64> = HashMap::new();
    let mut left_out = 0;
    for place in places {
        let Some(text) = text(place) else {
            left_out += 1;
            continue;
        };
        let first = few.iter().find(|(known, _)| *known == text).map(|(_, first)| *first);
        match first.or_else(|| many.get(&text).copied()) {
            Some(first) => on(first, place),
            None if few.len() < FEW => few.push((text, place)),
            None if many.len() < MOST_TEXTS => _ = many.insert(text, place),
            None => left_out += 1,
        }
    }
    left_out
}

/// Stands for a text of any length: 128 bits under keys of this process.
#[derive(Debug, Clone)]
pub(crate) struct Digests([RandomState; 2]);

impl Digests {
    pub(crate) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    /// Returns a digest of a text that comes in pieces.
    pub(crate) fn begin(&self) -> Digest {
        Digest(self.0.each_ref().map(BuildHasher::build_hasher))
    }

    /// Returns the digest of a text.
    pub(crate) fn of(&self, text: &[u8]) -> u128 {
        let mut digest = self.begin();
        digest.update(text);
        digest.finish()
    }
}

/// A digest in the making.
#[derive(Debug)]
pub(crate) struct Digest([<RandomState as BuildHasher>::Hasher; 2]);

impl Digest {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.write(piece));
    }

    pub(crate) fn finish(&self) -> u128 {
        let [high, low] = self.0.each_ref().map(Hasher::finish);
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_held_against_all_others() {
        for texts in [1, 2, 5, 8, 9, 1000] {
            let mut found = Vec::new();
            let text = |place: u64| (place < 5000).then_some(place % texts);
            let left_out = repeated(0..5002, text, |first, later| found.push((first, later)));
            assert_eq!(left_out, 2);
            assert!(found.into_iter().eq((texts..5000).map(|place| (place % texts, place))), "{texts}");
        }
        // A, A, B, B and A, B, B.
        for (texts, pairs) in [("aabb", vec![(0, 1), (2, 3)]), ("abb", vec![(1, 2)]), ("abc", vec![])] {
            let mut found = Vec::new();
            let text = |place: u64| texts.as_bytes().get(usize::try_from(place).ok()?);
            let places = 0..texts.len() as u64;
            assert_eq!(repeated(places, text, |first, later| found.push((first, later))), 0);
            assert_eq!(found, pairs);
        }
    }

    #[test]
    fn more_texts_than_are_held_are_left_out() {
        let most = (MOST_TEXTS + FEW) as u64;
        let mut found = Vec::new();
        let left_out = repeated((0..most + 10).chain(0..1), Some, |first, later| found.push((first, later)));
        assert_eq!((left_out, found), (10, vec![(0, 0)]));
    }

    #[test]
    fn digests_in_pieces_are_those_of_the_whole() {
        let digests = Digests::new();
        let mut digest = digests.begin();
        [&b"some"[..], b"", b" text"].into_iter().for_each(|piece| digest.update(piece));
        assert_eq!(digest.finish(), digests.of(b"some text"));
        assert_ne!(digests.of(b"some text"), digests.of(b"some texts"));
        let halves = digests.of(b"some text");
        assert_ne!(halves, halves.rotate_left(64));
    }
}
