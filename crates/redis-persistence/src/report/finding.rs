//! One thing that is wrong with a file, and where.

use super::codes::{Code, Severity};

/// One thing that is wrong with a file, or worth knowing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// The file of a set that it lies in.
    pub file: Option<String>,
    /// The byte offset where the thing began.
    pub start: u64,
    /// The byte offset where it failed.
    pub failed_at: u64,
    /// One past the last byte of the thing, if its extent is known.
    pub end: Option<u64>,
    /// The line of a text file, from 1.
    pub line: Option<u64>,
    /// The number of the record in an append-only file, from 0.
    pub record: Option<u64>,
    /// The name of the command in an append-only file.
    pub command: Option<String>,
    /// The database.
    pub db: Option<u64>,
    /// The key. Longer names are cut at [`Finding::LONGEST_KEY`] bytes.
    pub key: Option<Vec<u8>>,
    /// The type of the key's value, as the TYPE command names it.
    pub value_type: Option<&'static str>,
    /// The encoding of the key's value.
    pub encoding: Option<&'static str>,
    /// The number of the element in the value, from 0.
    pub element: Option<u64>,
    /// What was being read.
    pub reading: Option<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// Longer key names are cut here.
    pub const LONGEST_KEY: usize = 4096;

    /// Returns a finding about the thing that began at `start` and failed at `failed_at`, without further facts.
    #[must_use]
    pub fn new(code: Code, start: u64, failed_at: u64, message: String) -> Self {
        Self {
            code,
            severity: code.severity(),
            file: None,
            start,
            failed_at,
            end: None,
            line: None,
            record: None,
            command: None,
            db: None,
            key: None,
            value_type: None,
            encoding: None,
            element: None,
            reading: None,
            message,
            hint: None,
        }
    }
}
