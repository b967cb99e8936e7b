//! One thing that is wrong with a file, how bad it is, and where.

use std::fmt;

use super::codes::Code;

/// How bad a finding is. The rule is one for all codes:
///
/// an error is damage of the structure (also where a default server does not look), or something that the newest server
/// of the file's own family refuses in any configuration; a warning loads, but something is wrong or unproven; a note
/// depends on the server's configuration, or is worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Loads, but something is wrong or unproven.
    Warning,
    /// Damage, or refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

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

    /// A finding about the thing that began at `start` and failed at `failed_at`, without further facts.
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
