//! Rules that the sources keep, the net of whole reports, examples, causes and predictions.

mod arrows;
mod codes_tested;
mod diagnose;
mod examples;
mod net;
mod servers_aof;
mod servers_rdb;
mod test_material;

#[path = "../aof_support/cases.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod cases;
#[path = "../salvage_support/damage.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod damage;
#[path = "../salvage_support/stream.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[expect(clippy::unwrap_used, reason = "tests")]
mod stream;
#[path = "../target_support/trusting.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod trusting;
