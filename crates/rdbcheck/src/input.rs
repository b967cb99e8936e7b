//! Inputs, wherever they lie and however they are packed.
//!
//! ```text
//! path -> open -> packed_input ┬ crate::unpack -> bytes     tree: a folder, as the verifier of append-only files reads it
//!                              └ archive: a tar as a tree   laid: what is packed, put into a temporary folder for a salvage
//! ```
//! `parts` tells whether the files of a set are still the same. `head_tail` keeps the first and the last bytes of what passes, and `hex` the bytes around findings.

pub(crate) mod archive;
pub(crate) mod head_tail;
pub(crate) mod hex;
pub(crate) mod laid;
pub(crate) mod open;
pub(crate) mod packed_input;
pub(crate) mod parts;
pub(crate) mod tree;

use std::io::{self, SeekFrom};

/// Returns where a reader of so many bytes stands after a seek from `at`.
///
/// # Errors
/// If that is before the first byte.
pub(crate) fn sought(to: SeekFrom, at: u64, size: u64) -> io::Result<u64> {
    let to = match to {
        SeekFrom::Start(offset) => Some(offset),
        SeekFrom::Current(by) => at.checked_add_signed(by),
        SeekFrom::End(by) => size.checked_add_signed(by),
    };
    to.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
