//! Keys under another name, for reports that leave the house.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// What stands for a key: `key#` and the first 64 bits of its SHA-256, in 16 hexadecimal digits. The same key has the
/// same stand-in in every report. Who can guess the name can confirm the guess.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::redact::key(b"user:1"), "key#abc3a47b8ad18b85");
/// ```
#[must_use]
pub fn key(name: &[u8]) -> String {
    Sha256::digest(name).iter().take(8).fold("key#".to_owned(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
