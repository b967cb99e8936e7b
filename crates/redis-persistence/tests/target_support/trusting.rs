//! Takes the code of functions as it is.

use std::sync::Arc;

use redis_persistence::functions::{Api, Proof, Prove, Proven, Prover};

/// Says that every library loads, and registers a name that no other has: the code in the files of these tests is known to load,
/// for real servers loaded it. The command crate holds the run of real code against servers.
#[derive(Debug)]
struct Trusting;

impl Prove for Trusting {
    fn load(&self, code: &[u8], _: Api, _: u64) -> Proven {
        Proven { proof: Proof::Loads(vec![code.to_vec()]), steps: 0, everywhere: true }
    }

    fn compile(&self, _: &[u8], _: u64) -> Proven {
        Proven { proof: Proof::Loads(Vec::new()), steps: 0, everywhere: true }
    }
}

pub fn trusting() -> Option<Prover> {
    Some(Prover::new(Arc::new(Trusting)))
}
