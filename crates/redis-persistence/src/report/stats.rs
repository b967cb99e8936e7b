//! Numbers that people look at: how large the keys of an RDB are, which are the largest, what they are called, and what a
//! server would need to load them.
//!
//! ```text
//! events -> verify::collect_stats ┬ database and type -> TypeStats: keys, expiries, sizes, elements (histogram.rs)
//!                                 ├ histogram.rs      the largest keys, in a heap
//!                                 ├ prefixes.rs       keys by what stands before a separator
//!                                 ├ memory.rs         what each key takes in a server
//!                                 └ estimate.rs       memory and time of a load
//! ```
//! They are collected only if [`Options::stats`](crate::verify::Options::stats) asks for them: then every key goes through its
//! events. Parts of a file are counted apart, on all threads, and put together: nothing here depends on the order in which keys
//! come. The memory is bounded: by the number of databases and prefixes told apart, and by the fixed buckets of the histograms.
//! Keys of damaged records, of which the end is not reached, are left out.

pub(crate) mod estimate;
pub(crate) mod histogram;
pub(crate) mod memory;
pub(crate) mod prefixes;

use std::collections::BTreeMap;

pub use estimate::Estimate;
pub use histogram::{Histogram, LargeKey};
pub use memory::MemoryModel;
pub use prefixes::{Prefix, Prefixes};

/// What is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsOptions {
    /// How many of the largest keys are named.
    pub largest: usize,
    /// How many prefixes of each depth are told apart: the shortest. Keys with others are counted together.
    pub prefixes: usize,
    /// The bytes of which each ends a prefix.
    pub separators: Vec<u8>,
    /// How deep prefixes are counted, up to 16: 1 stands for what lies before the first separator, 2 for what lies before the
    /// second as well.
    pub depth: usize,
    /// The server whose memory is estimated.
    pub memory: MemoryModel,
}

impl Default for StatsOptions {
    fn default() -> Self {
        Self { largest: 10, prefixes: 4096, separators: b":".to_vec(), depth: 1, memory: MemoryModel::default() }
    }
}

/// The numbers about an RDB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// By database, and in it by type as the TYPE command names it. The 64 databases of the lowest numbers are told apart;
    /// others are counted in the last of them.
    pub databases: BTreeMap<u64, BTreeMap<&'static str, TypeStats>>,
    /// The largest keys by their bytes in the file, the largest first.
    pub largest: Vec<LargeKey>,
    /// Keys by the prefixes of their names, one for each depth.
    pub prefixes: Vec<Prefixes>,
    /// What a server would need to load the file.
    pub estimate: Estimate,
    /// The server whose memory was estimated.
    pub memory: MemoryModel,
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
    /// What the keys take in a server, as MEMORY USAGE tells it, by [`StatsOptions::memory`]. Keys whose memory is not estimated
    /// count as nothing: values of modules, vector sets, arrays.
    pub memory: u64,
    /// What each key takes in the file, its name and attributes included, in bytes.
    pub sizes: Histogram,
    /// How many elements each key has: items, members, fields, entries of a stream. Strings and values of modules have none; vector sets do.
    pub elements: Histogram,
    /// The seconds that keys have from [`Options::now_ms`](crate::verify::Options::now_ms) to their expiry, of those that have
    /// not expired.
    pub ttls: Histogram,
    /// The seconds for which nobody had used a key when the file was written, of those of which it says so.
    pub idle: Histogram,
    /// How often keys were used, as the logarithmic counter of LFU, of those of which the file says so.
    pub frequencies: Histogram,
}

impl TypeStats {
    /// Adds those of another part of the file.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.expires += other.expires;
        self.expired += other.expired;
        self.memory = self.memory.saturating_add(other.memory);
        self.sizes.merge(&other.sizes);
        self.elements.merge(&other.elements);
        self.ttls.merge(&other.ttls);
        self.idle.merge(&other.idle);
        self.frequencies.merge(&other.frequencies);
    }
}
