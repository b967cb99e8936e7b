//! The commands on files of real servers, and their advice and salvages loaded by real servers.

mod advised;
mod aof;
mod drill;
mod drill_aof;
mod drill_ends;
mod list_uses;
mod lists;
mod memory;
mod replies;
mod salvages;
mod servers;
mod shards;
#[cfg(feature = "stores")]
mod stores;
mod writes;
mod writes_aof;

#[cfg(feature = "functions")]
#[path = "../../../redis-persistence/tests/salvage_support/harm.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod harm;
#[cfg(feature = "functions")]
#[path = "../../../redis-persistence/tests/salvage_support/truth.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod truth;
