//! What the fuzz targets do with their input: one function each, which panics where a law of the library is broken.
//!
//! `fuzz/fuzz_targets` holds one line for each of them. They lie here, apart from libFuzzer, so that `cargo test` can
//! replay the corpus and `testdata/` through the same code (`tests/replay.rs`). What they hold the library against is
//! shared with its own tests.
#![forbid(unsafe_code)]

#[path = "../../../crates/redis-persistence/tests/support/aof_slices.rs"]
mod aof_slices;
#[path = "../../../crates/redis-persistence/tests/support/lzf_twin.rs"]
mod lzf_twin;
#[path = "../../../crates/redis-persistence/tests/support/packed_twins.rs"]
mod packed_twins;
#[path = "../../../crates/redis-persistence/tests/support/rewrite.rs"]
mod rewrite;
#[path = "../../../crates/redis-persistence/tests/support/three_ways.rs"]
mod three_ways;

mod aof;
mod aof_dir;
mod bytes;
mod disguise;
mod functions;
mod parts;
mod rdb;
#[cfg(unix)]
mod repair;
mod report;
#[cfg(unix)]
mod salvage;
mod values;
mod write_for;
mod writer;

pub use aof::{manifest, resp};
pub use aof_dir::aof_dir;
pub use disguise::disguise;
pub use functions::functions;
pub use parts::{lzf, packed};
pub use rdb::{fast_paths, rdb_push, rdb_slice};
#[cfg(unix)]
pub use repair::repair;
pub use values::values;
pub use write_for::write_for;
pub use writer::writer;

/// What a target does with its input.
pub type Body = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Body)] = &[
    ("aof_dir", aof_dir),
    ("disguise", disguise),
    ("fast_paths", fast_paths),
    ("functions", functions),
    ("lzf", lzf),
    ("manifest", manifest),
    ("packed", packed),
    ("rdb_push", rdb_push),
    ("rdb_slice", rdb_slice),
    #[cfg(unix)]
    ("repair", repair),
    ("resp", resp),
    ("values", values),
    ("write_for", write_for),
    ("writer", writer),
];
