//! RDB files: parser, verifier, writer, values, and the checks against the official tool.

mod big_file;
mod changes;
mod crc64;
mod diff;
mod differential;
mod digest;
mod duplicates;
mod fast_paths;
mod faults;
mod findings;
mod grammar;
mod laws;
mod lzf;
mod mutations;
mod official;
mod packed;
mod planted;
mod values;
mod writer;

#[path = "../support/lzf_twin.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod lzf_twin;
#[path = "../support/packed_twins.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod packed_twins;
#[path = "../support/rewrite.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod rewrite;
#[path = "../support/three_ways.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod three_ways;
#[path = "../support/timed.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod timed;
