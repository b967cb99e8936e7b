//! Every prefix and every single-byte change of small real files, in the three ways in.
//!
//! `RDB_CHANGES=full` tries all 255 values of each byte, as one documented run outside of CI; otherwise eight of each.

use crate::three_ways;

use std::path::Path;

use redis_persistence::verify::{Options, Verdict};
use testkit::rdb::File;
use testkit::rng::Rng;
use three_ways::verify_all;

/// Real files of at most 2 KB, of different versions, all with a checksum.
const SAMPLES: [&str; 10] = [
    "redis-2.8-thresholds-1.rdb",
    "redis-3.2-cluster.rdb",
    "redis-3.2-thresholds-1.rdb",
    "redis-6.0-expired-inside.rdb",
    "redis-6.0-lru.rdb",
    "redis-6.2-lfu.rdb",
    "redis-7.0-functions.rdb",
    "redis-8.6-cluster.rdb",
    "redis-8.6-module-datatype.rdb",
    "valkey-9.1-replica-functions-only.rdb",
];

fn samples() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb");
    let mut samples: Vec<_> = SAMPLES
        .iter()
        .map(|name| ((*name).to_owned(), std::fs::read(dir.join(name)).expect("it lies in testdata")))
        .collect();
    // No server at hand writes these versions, so testkit does.
    for version in [11, 12, 14, 15] {
        let mut file = File::arbitrary(&mut Rng::new(9), testkit::rdb::Family::Redis, version, 60);
        file.keys.retain(|key| key.value.dump(version).len() < 180);
        file.keys.truncate(8);
        samples.push((format!("testkit version {version}"), file.encode().bytes));
    }
    for (name, bytes) in &samples {
        assert!(bytes.len() <= 2048, "{name} has {} bytes", bytes.len());
    }
    samples
}

#[test]
fn samples_are_sound() {
    for (name, bytes) in samples() {
        assert_eq!(verify_all(&bytes, &Options::default(), 1, 100).verdict, Verdict::Sound, "{name}");
    }
}

#[test]
fn no_prefix_is_sound() {
    for (name, bytes) in samples() {
        for len in 0..bytes.len() {
            let report = verify_all(&bytes[..len], &Options::default(), len as u64, 64);
            assert_eq!(report.verdict, Verdict::Damaged, "{name} cut to {len}");
        }
    }
}

#[test]
fn no_changed_byte_is_sound() {
    let full = std::env::var("RDB_CHANGES").is_ok_and(|v| v == "full");
    for (name, bytes) in samples() {
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            let others: Vec<u8> = if full {
                (1..=255).map(|x| bytes[at] ^ x).collect()
            } else {
                // Single bits, and the values on which the format turns.
                let mut rng = Rng::new(at as u64);
                let picks = [1 << rng.below(8), 0x80, 0xff, 1, bytes[at], bytes[at] ^ 0xff, bytes[at] ^ 0xc3];
                picks.into_iter().chain([rng.byte()]).filter(|x| *x != 0).map(|x| bytes[at] ^ x).collect()
            };
            for other in others {
                changed[at] = other;
                let report = verify_all(&changed, &Options::default(), at as u64, 64);
                assert_ne!(report.verdict, Verdict::Sound, "{name}: byte {at} changed to {other}");
            }
            changed[at] = bytes[at];
        }
    }
}
