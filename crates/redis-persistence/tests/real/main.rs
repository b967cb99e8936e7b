//! What is said of files, held against what real servers do with them.

mod aof_files;
mod campaign;
mod diff;
mod digest;
mod dumps;
mod facts;
mod modules;
mod rdb;
mod sets;
mod sets_of_files;
mod start;

#[path = "../target_support/aof.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod aof;
#[path = "../aof_support/cases.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod cases;
#[path = "../target_support/did.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod did;
#[path = "../target_support/dirs.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod dirs;
#[path = "../target_support/kept.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod kept;
#[path = "../target_support/mutants.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod mutants;
#[path = "../target_support/servers.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod servers;
#[path = "../target_support/trusting.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod trusting;
