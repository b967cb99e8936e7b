//! A small generator of pseudo-random numbers (splitmix64): the same seed gives the same bytes on every machine, for
//! ever, so a failing seed can be written into a test.

use std::ops::RangeInclusive;

const WORDS: &[&str] = &[
    "acorn", "birch", "cedar", "dogwood", "elm", "fir", "gorse", "hazel", "ivy", "juniper", "kale", "larch", "maple",
    "nettle", "oak", "pine", "quince", "rowan", "sorrel", "thyme", "ulmus", "vetch", "willow", "xylem", "yew",
    "zinnia",
];

/// The generator. Cloning it repeats what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: u64,
    /// What is drawn before, from its end.
    script: Vec<u8>,
}

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, script: Vec::new() }
    }

    /// A generator whose first numbers are the bytes of `script`, so that a fuzzer can steer what is made of them. 255
    /// stands for a number of 64 bits that follows from its place.
    #[must_use]
    pub fn scripted(script: &[u8]) -> Self {
        Self { state: 0, script: script.iter().rev().copied().collect() }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        if let Some(number) = self.script.pop().filter(|number| *number != 255) {
            return number.into();
        }
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_u64() % n
    }

    /// A number of `range`, both ends included.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.next_u64(),
        }
    }

    /// A length or index of `range`, both ends included.
    ///
    /// # Panics
    /// Never on machines whose `usize` is at most 64 bits wide.
    pub fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        let picked = self.range(*range.start() as u64..=*range.end() as u64);
        usize::try_from(picked).expect("lies between two usize")
    }

    /// A signed number of `range`, both ends included.
    pub fn signed(&mut self, range: RangeInclusive<i64>) -> i64 {
        let (low, high) = range.into_inner();
        low.wrapping_add_unsigned(self.range(0..=high.wrapping_sub(low).cast_unsigned()))
    }

    /// True in `percent` of 100 calls.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.next_u64().to_le_bytes()[0]
    }

    /// `len` bytes of every value.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// One of `items`.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.size(0..=items.len() - 1)]
    }

    /// One of `items`.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick_mut<'a, T>(&mut self, items: &'a mut [T]) -> &'a mut T {
        &mut items[self.size(0..=items.len() - 1)]
    }

    /// A short lower-case word.
    pub fn word(&mut self) -> &'static str {
        self.pick::<&str>(WORDS)
    }

    /// Brings `items` into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.size(0..=i);
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert_eq!(a.bytes(40), b.bytes(40));
        assert_ne!(Rng::new(7).next_u64(), Rng::new(8).next_u64());
        // The published first output of splitmix64 for seed 0.
        assert_eq!(Rng::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn a_script_comes_first() {
        let mut rng = Rng::scripted(&[7, 255, 9]);
        let mut plain = Rng::new(0);
        let numbers: Vec<u64> = (0..4).map(|_| plain.next_u64()).collect();
        assert_eq!([(); 4].map(|()| rng.next_u64()), [7, numbers[1], 9, numbers[3]]);
    }

    #[test]
    fn ranges_hold_both_ends() {
        let mut rng = Rng::new(1);
        let seen: std::collections::BTreeSet<i64> = (0..200).map(|_| rng.signed(-2..=2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        assert_eq!(rng.size(9..=9), 9);
        let _whole = rng.signed(i64::MIN..=i64::MAX);
        let _whole = rng.range(0..=u64::MAX);
    }
}
