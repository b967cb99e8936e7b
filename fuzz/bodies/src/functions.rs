//! The code of function libraries.

use std::time::{Duration, Instant};

use rdbcheck::functions::Lua51;
use redis_persistence::functions::{Api, Proof, Prove as _};

/// The first byte chooses the server, the rest is a library: it ends in time, and is known or refused by what it does.
pub fn functions(data: &[u8]) {
    let Some((choice, code)) = data.split_first() else { return };
    let api = Api::KINDS[usize::from(*choice) % Api::KINDS.len()];
    let start = Instant::now();
    let proven = Lua51.load(code, api, u64::MAX);
    assert!(start.elapsed() < Duration::from_secs(60), "{} steps", proven.steps);
    if let Proof::Loads(names) = &proven.proof {
        assert!(!names.is_empty());
        let of_letters =
            |name: &Vec<u8>| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        assert!(names.iter().all(of_letters));
    }
    // What loads once loads again: nothing is left behind.
    if !matches!(proven.proof, Proof::Unproven(_)) {
        assert_eq!(Lua51.load(code, api, u64::MAX).proof, proven.proof);
    }
    let _ = Lua51.compile(code, u64::MAX);
}
