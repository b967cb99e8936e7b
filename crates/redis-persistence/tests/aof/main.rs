//! Append-only files and sets of them: records, manifests, verification.

mod access;
mod codes;
mod differential;
mod dir;
mod manifest;
mod mutations;
mod mutations_set;
mod official;
mod parser;
mod verify;

#[path = "../support/aof_slices.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod aof_slices;
#[path = "../aof_support/cases.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod cases;
#[path = "../support/dribbling.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod dribbling;
#[path = "../aof_support/mutate.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod mutate;
#[path = "../support/timed.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod timed;
#[path = "../aof_support/tool.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod tool;
