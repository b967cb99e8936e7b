//! What a verification is asked to do.

use std::num::NonZero;

use super::duplicates::HashKey;
use crate::aof::foreign::Extra;
use crate::base::limits::{Limits, threads_of_machine};
use crate::functions::Prover;
use crate::report::spill::SpillTo;
use crate::report::stats::StatsOptions;

/// What a verification is asked to do.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{Duplicates, Options};
///
/// let options = Options { duplicates: Duplicates::Off, ..Options::default() };
/// assert!(!options.quick);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether keys and elements that occur twice are looked for.
    pub duplicates: Duplicates,
    /// Only the frame and the checksum: values are walked over, not looked into.
    pub quick: bool,
    /// The time to hold expiries against, in milliseconds since the epoch. Without it none counts as expired.
    pub now_ms: Option<i64>,
    /// How many findings are kept. All are counted.
    pub max_findings: usize,
    /// Where findings go that are more than a thousand of each severity: a temporary file, from which [`Report::more`] reads them.
    /// Without it, all that are kept are held in memory.
    ///
    /// [`Report::more`]: crate::report::Report::more
    pub spill: Option<SpillTo>,
    /// On how many threads an input is verified at most. `None` stands for one on each processor that may be used. The report
    /// does not depend on it. What the caller pushes or holds in memory is verified on the caller's thread.
    pub threads: Option<NonZero<usize>>,
    /// Runs the code of function libraries as servers do. Without one, what is wrong with it is not found.
    pub functions: Option<Prover>,
    /// Commands that the server has beside its own: its configuration tells.
    pub commands: Extra,
    /// The numbers to be collected.
    pub stats: Option<StatsOptions>,
    /// The key of the hashes by which keys and elements are compared. Without it, it is random for each run, so that nobody can make
    /// a file whose names collide. The report does not depend on it, but where [`Limits::duplicate_bytes`] is used up: it decides
    /// which keys are compared with each other.
    pub hash_key: Option<u64>,
    /// Takes no key and no record at a glance, but each by its events: for tests, which hold both ways against each other. The report
    /// does not depend on it.
    #[doc(hidden)]
    pub no_fast_paths: bool,
    /// What the contents of a file may make the library hold in memory.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            duplicates: Duplicates::On,
            quick: false,
            now_ms: None,
            max_findings: 1000,
            spill: None,
            threads: None,
            functions: None,
            commands: Extra::default(),
            stats: None,
            hash_key: None,
            no_fast_paths: false,
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// Returns the key of the hashes.
    pub(crate) fn hash_key(&self) -> HashKey {
        self.hash_key.map_or_else(HashKey::of_run, HashKey::fixed)
    }

    /// On how many threads.
    pub(crate) fn threads(&self) -> usize {
        self.threads.or_else(threads_of_machine).map_or(1, NonZero::get)
    }
}

/// How far the search for duplicates goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// Not at all.
    Off,
    /// In one pass, as far as [`Limits::duplicate_bytes`] reaches.
    #[default]
    On,
    /// All, walking over a source that can seek as often as it takes.
    Full,
}
