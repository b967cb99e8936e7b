//! What a server makes of numbers that are promises: RESIZEDB, and the settings that say when it writes.
//!
//! What servers make of a RESIZEDB that promises more keys than there can be memory for.
//!
//! | server | what it does |
//! |---|---|
//! | Redis 5.0 and 6.0 | reserve 8 bytes for each key, in powers of two; of a size that overflows nothing, and the first key crashes them |
//! | Redis 6.2 to 7.2 and from 8.4 on, Valkey 7.2 | the same, but pass over a size that overflows |
//! | Redis 7.4 to 8.2, Valkey 8.0 | try to, and go on without |
//! | Valkey 8.1 and later | reserve 64 bytes for each 6.4 keys, in powers of two; pass over a size that overflows |
//!
//! A server that cannot reserve the memory aborts. How much that is depends on the allocator that it was built with: jemalloc asks
//! for addresses alone, of which there are 128 TiB; libc's asks for memory, and the system refuses what the machine does not have.
//! Measured, each on both where there are builds of both, on a machine of 24 GB.
//!
//! What a server loses when it stops at once: the settings that say when it writes, and the time between.

use super::Settings;
use super::releases::{Allocator, Server};
use super::rules::Effect;
use super::versions::{Product, Target};

/// From so many bytes on jemalloc cannot reserve them.
const ADDRESSES: u128 = 1 << 47;
/// No size is as large.
const OVERFLOW: u128 = 1 << 64;
/// To walk over this many bytes takes a while.
const LARGE: u128 = 1 << 32;
/// From so many bytes on libc's allocator could not on the machine of the measurements.
const MACHINE: u128 = 1 << 35;

/// Returns what the server does with the greatest number that a file promises.
pub(super) fn effect(server: Server, keys: u64) -> Effect {
    // That number stands for a length that could not be read.
    if keys == u64::MAX {
        return Effect::Refuses;
    }
    let bytes = bytes(*server, keys);
    let limit = if server.allocator() == Allocator::Libc { MACHINE } else { ADDRESSES };
    match bytes {
        _ if bytes < limit || tries(*server) => Effect::Loads,
        OVERFLOW.. if *server <= Target::Redis60 => Effect::Crashes,
        OVERFLOW.. => Effect::Loads,
        _ => Effect::Crashes,
    }
}

/// Returns whether another machine decides otherwise.
pub(super) fn by_machine(server: Server, keys: u64) -> bool {
    server.allocator() == Allocator::Libc && !tries(*server) && (MACHINE..ADDRESSES).contains(&bytes(*server, keys))
}

/// Returns whether a server that has loaded the file holds a table so large that to walk over it takes minutes, or years:
/// KEYS, SCAN and each save do.
pub(super) fn stalls(server: Server, keys: u64) -> bool {
    let limit = if server.allocator() == Allocator::Libc { MACHINE } else { ADDRESSES };
    (LARGE..limit).contains(&bytes(*server, keys))
}

/// Returns whether it goes on without the memory.
fn tries(target: Target) -> bool {
    (Target::Redis74..=Target::Redis82).contains(&target) || target == Target::Valkey80
}

/// Returns what a server asks for, for this many keys.
fn bytes(target: Target, keys: u64) -> u128 {
    let keys = u128::from(keys);
    if target.product() == Product::Valkey && target >= Target::Valkey81 {
        (keys * 5).div_ceil(32).next_power_of_two() * 64
    } else {
        keys.next_power_of_two() * 8
    }
}

/// When appended commands reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fsync {
    /// Before a write is answered.
    Always,
    /// Once a second.
    #[default]
    Everysec,
    /// When the system writes them.
    No,
}

/// Pairs of seconds and changes; none for an empty text.
pub(super) fn points(text: &str) -> Option<Vec<(u64, u64)>> {
    let text = if text == "\"\"" { "" } else { text };
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let pairs =
        numbers.chunks(2).map(|pair| <[u64; 2]>::try_from(pair).ok().map(|[seconds, changes]| (seconds, changes)));
    pairs.collect()
}

/// Returns what is lost if the server ends at once, or its machine does, as far as the settings tell.
///
/// # Examples
/// ```
/// use redis_persistence::servers::{Settings, loss_window};
///
/// let (settings, _) = Settings::from_conf(b"appendonly yes\nappendfsync always\n");
/// assert!(loss_window(&settings)[0].contains("each write that was answered is on disk"));
/// ```
#[must_use]
pub fn loss_window(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    if settings.appendonly == Some(true) {
        lines.push(match settings.appendfsync {
            Fsync::Always => "appendfsync always: each write that was answered is on disk".to_owned(),
            Fsync::Everysec => {
                "appendfsync everysec: a machine that stops loses the writes of about the last 2 seconds, a server that is killed none"
                    .to_owned()
            }
            Fsync::No => {
                "appendfsync no: a machine that stops loses what the system had not written yet, often 30 seconds; a server that is \
                 killed none"
                    .to_owned()
            }
        });
        if !settings.aof_use_rdb_preamble {
            lines.push("aof-use-rdb-preamble no: a rewrite writes commands, which take longer to load".to_owned());
        }
        let torn = if settings.aof_load_truncated {
            "aof-load-truncated yes: a last record that is torn is cut off, and the server starts"
        } else {
            "aof-load-truncated no: with a last record that is torn the server does not start"
        };
        lines.push(torn.to_owned());
        return lines;
    }
    let often: Vec<_> =
        settings.save.iter().map(|(seconds, changes)| format!("{seconds} s after {changes} changes")).collect();
    match settings.save.iter().map(|(seconds, _)| *seconds).max() {
        None => lines.push("save \"\": nothing is saved unasked, and a stop loses all writes since the last save".to_owned()),
        Some(most) => lines.push(format!(
            "save ({}): a stop loses the writes since the last save, up to those of {most} seconds and the time that a save takes",
            often.join(", ")
        )),
    }
    if !settings.save.is_empty() && !settings.stop_writes_on_bgsave_error {
        lines.push("stop-writes-on-bgsave-error no: where saves fail, writes go on and are not saved".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::releases::columns_of;
    use super::*;

    /// The powers of two that each server does not survive, as they were measured.
    #[test]
    fn as_measured() {
        for (release, crashes) in [
            ("redis-5.0.6", 32..64),
            ("redis-6.0.16", 44..64),
            ("redis-6.2.14", 32..61),
            ("redis-7.0.15", 44..61),
            ("redis-7.4.1", 0..0),
            ("redis-8.0.2", 0..0),
            ("redis-8.0.6", 0..0),
            ("redis-8.2.3", 0..0),
            ("redis-8.6.3", 44..61),
            ("valkey-8.0.1", 0..0),
            ("valkey-8.1.1", 43..60),
            ("valkey-8.1.8", 31..60),
            ("valkey-9.0.0", 31..60),
            ("valkey-9.1.2", 31..60),
        ] {
            let servers = columns_of(release);
            assert_eq!(servers.len(), 1, "{release}");
            for power in 30..64 {
                let want = if crashes.contains(&power) { Effect::Crashes } else { Effect::Loads };
                assert_eq!(effect(servers[0], 1 << power), want, "{release} 2^{power}");
            }
            assert_eq!(effect(servers[0], u64::MAX), Effect::Refuses, "{release}");
        }
    }

    #[test]
    fn between_powers_of_two() {
        let crashes = |release, keys| effect(columns_of(release)[0], keys) == Effect::Crashes;
        assert!(crashes("redis-7.0.15", (1 << 43) + 1) && !crashes("redis-7.0.15", 1 << 43));
        assert!(crashes("redis-7.0.15", 1 << 60) && !crashes("redis-7.0.15", (1 << 60) + 1));
        assert!(crashes("redis-6.0.16", u64::MAX - 1));
        // 1.6 times a power of two.
        assert!(crashes("valkey-8.1.1", (1 << 40) * 32 / 5 + 1) && !crashes("valkey-8.1.1", (1 << 40) * 32 / 5 - 1));
    }

    #[test]
    fn a_table_that_was_reserved_is_walked_over() {
        let stalls = |release, power: u32| stalls(columns_of(release)[0], 1 << power);
        assert!(stalls("redis-7.4.1", 40) && stalls("redis-8.6.3", 40) && stalls("valkey-8.1.1", 40));
        assert!(!stalls("redis-7.4.1", 44) && !stalls("redis-7.4.1", 20) && !stalls("redis-6.2.14", 33));
    }

    #[test]
    fn the_machine_decides_for_one_allocator() {
        let by_machine = |release, power: u32| by_machine(columns_of(release)[0], 1 << power);
        assert!(by_machine("redis-6.2.14", 33) && !by_machine("redis-7.0.15", 33));
        assert!(!by_machine("redis-6.2.14", 45) && !by_machine("redis-7.4.1", 33));
    }
}
