//! Faults of a whole file.

use super::Plant;

pub(super) fn plants() -> Vec<Plant> {
    vec![
        Plant::whole("rdb-empty-file", |_, _| (Vec::new(), 0)),
        Plant::whole("rdb-zero-filled", |file, _| (vec![0; file.bytes.len()], 0)),
        Plant::whole("rdb-bad-magic", |file, rng| {
            let mut bytes = file.bytes.clone();
            bytes[rng.size(0..=4)] ^= 0x80;
            (bytes, 0)
        }),
        Plant::whole("rdb-bad-version", |file, rng| {
            let mut bytes = file.bytes.clone();
            bytes[rng.size(5..=8)] ^= 0x80;
            (bytes, 0)
        }),
        Plant::whole("rdb-version-digit-damaged", |file, rng| {
            let mut bytes = file.bytes.clone();
            bytes[5..9].copy_from_slice(rng.pick(&[b"0001", b"0002", b"0003", b"0004"]).as_slice());
            (bytes, 5)
        })
        .since(11),
        Plant::whole("rdb-truncated", |file, _| (file.bytes[..file.bytes.len() - 3].to_vec(), file.bytes.len() - 8)),
        Plant::whole("rdb-checksum-mismatch", |file, rng| {
            let mut bytes = file.bytes.clone();
            let at = bytes.len() - 8;
            bytes[at + rng.size(0..=7)] ^= 1 << rng.below(8);
            (bytes, at)
        }),
    ]
}
