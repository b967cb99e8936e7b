//! Faults of append-only files: what stands behind sound records, and of manifests: what stands in for one.

use crate::Bytes;
use crate::resp::AofWriter;
use crate::rng::Rng;

/// A way in which the records of an append-only file can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AofPlant {
    /// The finding code that names it.
    pub code: &'static str,
    /// What stands behind the sound records.
    pub bytes: Bytes,
    /// Where in it the thing begins that is wrong.
    pub start: u64,
}

/// Records that every server runs and no checker minds.
#[must_use]
pub fn sound_records(rng: &mut Rng, count: usize) -> Bytes {
    let mut w = AofWriter::new();
    w.select(rng.below(4));
    for _ in 0..count {
        let len = rng.size(0..=90);
        let value = rng.bytes(len);
        let key = rng.word().as_bytes();
        match rng.below(5) {
            0 => w.record(&[b"RPUSH", key, &value]),
            1 => w.record(&[b"DEL", key]),
            2 => w.multi().record(&[b"SET", key, &value]).record(&["INCR", "n"]).exec(),
            3 => w.timestamp(1_700_000_000),
            _ => w.record(&[b"SET", key, &value]),
        };
    }
    w.take()
}

fn words(lines: &[&str]) -> Bytes {
    let mut w = AofWriter::new();
    for line in lines {
        w.record(&line.split(' ').collect::<Vec<_>>());
    }
    w.take()
}

/// Every fault that a single file can have.
#[must_use]
pub fn records() -> Vec<AofPlant> {
    let plant = |code, bytes: &[u8], start| AofPlant { code, bytes: bytes.to_vec(), start };
    let multi = words(&["MULTI"]).len() as u64;
    let watch = words(&["WATCH a", "SET a 1"]).len() as u64;
    // A payload of which the sum is another one.
    let mut restore = AofWriter::new();
    let restore =
        restore.record(&[&b"RESTORE"[..], b"key", b"0", b"\0\x05hello\x06\0\xf5\x9f\xb7\xf6\x90\x61\x1c\x98"]).take();
    vec![
        plant("aof-truncated-record", b"*2\r\n$3\r\nGET\r\n$5\r\nab", 0),
        plant("aof-truncated-record", b"*3", 0),
        plant("aof-bad-format", b"PING\r\n", 0),
        plant("aof-bad-format", b"*1\r\n+4\r\nPING\r\n", 0),
        plant("aof-bad-format", b"*1\r\n$109951162777600\r\nPING", 0),
        plant("aof-zero-tail", &[0; 40], 0),
        plant("aof-second-rdb", b"REDIS0011\xff", 0),
        plant("aof-tool-only-form", b"*-1\r\n", 0),
        plant("aof-open-transaction", &words(&["MULTI", "SET a 1"]), 0),
        plant("aof-discard-in-multi", &words(&["MULTI", "DISCARD", "EXEC"]), multi),
        plant("aof-watched-transaction", &words(&["WATCH a", "SET a 1", "MULTI", "DEL b", "EXEC"]), watch),
        plant("aof-empty-command-name", b"*1\r\n$0\r\n\r\n", 0),
        plant("aof-nul-in-command-name", b"*1\r\n$3\r\nG\0T\r\n", 0),
        plant("aof-unknown-command", &words(&["HGEU a b"]), 0),
        plant("aof-restore-damaged", &restore, 0),
        plant("aof-script-damaged", b"*3\r\n$4\r\nEVAL\r\n$16\r\nreturn\0\0\0\0\0\0\0\0 1\r\n$1\r\n0\r\n", 0),
        plant("aof-wrong-arity", &words(&["SET a"]), 0),
        plant("aof-shutdown", &words(&["SHUTDOWN NOSAVE NOW"]), 0),
    ]
}
