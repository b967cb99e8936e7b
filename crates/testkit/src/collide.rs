//! Names that are made to have one hash, for whoever knows the key of the hash.
//!
//! The verifier multiplies words of a name, each after it was combined with a word of the key. A name whose first word is the first of
//! the key makes the product zero, whatever else stands in it. Before the hash had a key, the word was a constant that all could read.
//!
//! ```
//! let names: Vec<_> = testkit::collide::names(testkit::collide::UNKEYED).take(3).collect();
//! assert!(names[0] != names[1] && names[0][..8] == names[1][..8]);
//! ```

/// The first word when the hash had no key.
pub const UNKEYED: u64 = 0x243F_6A88_85A3_08D3;

/// The first word of the key that the library's option `hash_key` stands for.
#[must_use]
pub fn first_word(hash_key: u64) -> u64 {
    let state = hash_key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// Any number of different names of 15 bytes that have one hash where `word` is the first of the key.
pub fn names(word: u64) -> impl Iterator<Item = Vec<u8>> {
    (0_u64..).map(move |n| [&word.to_le_bytes()[..], &n.to_be_bytes()[1..]].concat())
}
