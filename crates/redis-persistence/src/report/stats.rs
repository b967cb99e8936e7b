//! Numbers that people look at: how large the keys of an RDB are, which are the largest, what they are called, and what a
//! server would need to load them.
//!
//! ```text
//! events -> verify::collect_stats ┬ database and type -> TypeStats: keys, expiries, sizes, elements (histogram.rs)
//!                   ├ largest.rs        the largest keys, in a heap
//!                   ├ prefixes.rs       keys by what stands before the first colon
//!                   └ estimate.rs       memory and time of a load
//! ```
//! They are collected only if [`Options::stats`](crate::verify::Options::stats) asks for them: then every key goes through events,
//! on one thread. The memory is bounded: by the number of databases and prefixes told apart, and by the fixed buckets of
//! the histograms. Keys of damaged records, of which the end is not reached, are left out.

pub(crate) mod estimate;
pub(crate) mod histogram;

use std::collections::BTreeMap;

pub use estimate::Estimate;
pub use histogram::Histogram;
pub use histogram::LargeKey;
pub use histogram::{Prefix, Prefixes};

/// What is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsOptions {
    /// How many of the largest keys are named.
    pub largest: usize,
    /// How many prefixes are counted apart. Keys with a prefix that comes up later are counted together.
    pub prefixes: usize,
}

impl Default for StatsOptions {
    fn default() -> Self {
        Self { largest: 10, prefixes: 4096 }
    }
}

/// The numbers about an RDB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// By database, and in it by type as the TYPE command names it. Beyond 64 databases they are counted in the largest
    /// number of those.
    pub databases: BTreeMap<u64, BTreeMap<&'static str, TypeStats>>,
    /// The largest keys by their bytes in the file, the largest first.
    pub largest: Vec<LargeKey>,
    /// Keys by what stands before the first colon of their names.
    pub prefixes: Prefixes,
    /// What a server would need to load the file.
    pub estimate: Estimate,
}

/// The numbers about the keys of one type in one database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TypeStats {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys whose expiry lies before [`Options::now_ms`](crate::verify::Options::now_ms).
    pub expired: u64,
    /// What each key takes in the file, its name and attributes included, in bytes.
    pub sizes: Histogram,
    /// How many elements each key has: items, members, fields, entries of a stream. Strings and values of modules have none; vector sets do.
    pub elements: Histogram,
}
