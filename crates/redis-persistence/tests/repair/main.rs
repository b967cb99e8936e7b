//! Plans, repairs, undo, and salvages.

mod agrees;
mod aof;
mod apply;
mod chains;
mod cuts;
mod elsewhere;
mod for_servers;
mod for_servers_refused;
mod output;
mod preen;
mod salvage_aof;
mod salvage_doubtful;
mod salvage_image;
mod salvage_line_ends;
mod salvage_named;
mod salvage_partial;
mod salvage_rdb;
mod salvage_sound;
mod salvage_swallowed;
mod syndrome;
mod undo_damaged;

#[path = "../aof_support/cases.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod cases;
#[path = "../salvage_support/damage.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod damage;
#[path = "../salvage_support/harm.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod harm;
#[path = "../salvage_support/judge.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[expect(clippy::unwrap_used, reason = "tests")]
mod judge;
#[path = "../aof_support/load.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[expect(clippy::unwrap_used, reason = "tests")]
mod load;
#[path = "../target_support/servers.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod servers;
#[path = "../salvage_support/sources.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod sources;
#[path = "../salvage_support/stream.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[expect(clippy::unwrap_used, reason = "tests")]
mod stream;
#[path = "../support/timed.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod timed;
#[path = "../salvage_support/truth.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod truth;
