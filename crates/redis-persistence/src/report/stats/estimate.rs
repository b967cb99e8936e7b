//! What a server needs to load a file: memory and processor time, as far as sizes and counts tell.
//!
//! Measured on Redis 8.6.3, with jemalloc on x86-64: files of 60,000 to 300,000 keys or elements of one kind each, made
//! by the server, saved, and loaded by a fresh one; memory is `used_memory` less that of an empty server, time is what the
//! process used when it was up.
//!
//! | file | memory, measured and estimated | time, measured and estimated |
//! |---|---|---|
//! | strings of 32 bytes | 97.8, 99 bytes a key | 0.36, 0.36 s |
//! | the same with an expiry | 131.6, 133 bytes a key | 0.51, 0.48 s |
//! | strings of 504 bytes, partly compressed | 558, 571 bytes a key | 0.19, 0.13 s |
//! | sets as tables, members of 16 bytes | 49.8, 50 bytes a member | 0.17, 0.19 s |
//! | sorted sets as skip lists, members of 16 bytes | 84.7, 85 bytes a member | 0.16, 0.13 s |
//! | hashes as tables, fields and values of 15 bytes | 63.3, 64 bytes a field | 0.18, 0.14 s |
//!
//! The same files took 0.8 to 1.1 times the memory of the estimate in Valkey 9.1.2, and 1.0 to 1.7 times in Redis 7.0.15.
//! Module values, streams and what functions need are counted by their bytes alone, which is too little for many.

/// What a server would need to load the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Bytes of names, values and elements, decoded.
    text: u64,
    keys: u64,
    expires: u64,
    /// Elements that are allocated one by one.
    loose: u64,
    scores: u64,
    /// Bytes in the file.
    stored: u64,
}

/// What one key comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) text: u64,
    pub(crate) expires: bool,
    pub(crate) loose: u64,
    pub(crate) scores: u64,
    pub(crate) stored: u64,
}

impl Estimate {
    /// What the numbers rest on.
    pub const BASIS: &'static str = "measured on Redis 8.6.3 (x86-64, jemalloc); Valkey 9.1.2 took 0.8 to 1.1 times the memory, \
                                     Redis 7.0.15 1.0 to 1.7 times; the time is of one processor, without reading the disk";

    pub(crate) fn add(&mut self, key: Weight) {
        self.keys += 1;
        self.text = self.text.saturating_add(key.text);
        self.expires += u64::from(key.expires);
        self.loose = self.loose.saturating_add(key.loose);
        self.scores = self.scores.saturating_add(key.scores);
        self.stored = self.stored.saturating_add(key.stored);
    }

    /// Adds those of another part of the file.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.text = self.text.saturating_add(other.text);
        self.expires += other.expires;
        self.loose = self.loose.saturating_add(other.loose);
        self.scores = self.scores.saturating_add(other.scores);
        self.stored = self.stored.saturating_add(other.stored);
    }

    /// Memory in bytes, beyond what an empty server takes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let each = [(55, self.keys), (34, self.expires), (34, self.loose), (27, self.scores)];
        each.iter().fold(self.text, |sum, (bytes, n)| sum.saturating_add(n.saturating_mul(*bytes)))
    }

    /// Processor time in milliseconds.
    #[must_use]
    pub fn cpu_ms(&self) -> u64 {
        let each = [(1100, self.keys), (400, self.expires), (600, self.loose)];
        let nanoseconds = each.iter().fold(0, |sum: u128, (ns, n)| sum + u128::from(*n) * ns);
        let all = nanoseconds + u128::from(self.stored) * 5 / 2;
        u64::try_from(all / 1_000_000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table above: what one thing weighs, how many there were, and what was measured for all.
    #[test]
    fn the_measurements_are_met() {
        let weigh = |text, expires, loose, scores, stored| Weight { text, expires, loose, scores, stored };
        for (one, n, keys, memory, ms) in [
            (weigh(44, false, 0, 0, 33), 300_000, true, 29_339_840, 355),
            (weigh(44, true, 0, 0, 42), 300_000, true, 39_477_456, 509),
            (weigh(516, false, 0, 0, 458), 60_000, true, 33_496_064, 191),
            (weigh(16, false, 1, 0, 17), 300_000, false, 14_944_944, 169),
            (weigh(24, false, 1, 1, 25), 200_000, false, 16_930_080, 156),
            (weigh(30, false, 1, 0, 32), 200_000, false, 12_660_416, 179),
        ] {
            let mut estimate = Estimate::default();
            for _ in 0..n {
                estimate.add(one);
            }
            if !keys {
                estimate.keys = 1;
            }
            let (said, took) = (estimate.memory_bytes(), estimate.cpu_ms());
            assert!(said.abs_diff(memory) * 20 < memory, "{one:?}: {said} {memory}");
            assert!(took * 3 > ms * 2 - ms / 10 && took * 2 < ms * 3, "{one:?}: {took} {ms}");
        }
    }
}
