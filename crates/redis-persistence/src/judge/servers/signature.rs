//! Which signatures and versions a server takes at the head of an RDB.
//!
//! | server | `REDIS` | `VALKEY` |
//! |---|---|---|
//! | Redis, Valkey 7.2 and 8.0 | its own and older ones | none |
//! | Valkey 8.1 | 1 to 11 | 1 to 11; relaxed also all later ones |
//! | Valkey 9.0 and later | 1 to 11; relaxed 1 to 79 | 80; relaxed 80 and later |
//!
//! Measured on the binaries of `releases.rs`. Only Valkey 8.1 and later know the setting `rdb-version-check`: the others do not
//! start where their configuration has it.

use std::ops::RangeInclusive;

use super::releases::Server;
use super::versions::Target;
use super::{Settings, VersionCheck};
use crate::rdb::Family;
use crate::report::HeaderFacts;

/// The versions that a server takes behind each signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Takes {
    redis: RangeInclusive<u32>,
    valkey: Option<RangeInclusive<u32>>,
    /// Whether the first digit is part of the signature `REDIS`.
    digit: bool,
}

/// The last version that Valkey takes with three digits, and the last of those that Redis counts on its own.
const LAST: u32 = 999;
const LAST_OF_REDIS: u32 = 79;

impl Takes {
    pub(super) fn of(target: Target, settings: &Settings) -> Self {
        let relaxed = settings.rdb_version_check == VersionCheck::Relaxed;
        let own = target.rdb_versions();
        let valkey = match target {
            Target::Valkey81 if relaxed => Some(1..=LAST),
            Target::Valkey81 => Some(own.clone()),
            _ if target.reads_valkey() && relaxed => Some(80..=LAST),
            _ if target.reads_valkey() => Some(80..=80),
            _ => None,
        };
        let redis = if target.reads_valkey() && relaxed { 1..=LAST_OF_REDIS } else { own };
        Self { redis, digit: valkey.is_some(), valkey }
    }

    /// Returns whether it takes a file with that head.
    pub(super) fn takes(&self, header: HeaderFacts) -> bool {
        let versions = match header.family {
            Family::Valkey => self.valkey.as_ref(),
            Family::Redis => (!self.digit || header.digits[0] == b'0').then_some(&self.redis),
        };
        versions.is_some_and(|versions| versions.contains(&header.version))
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let range = |versions: &RangeInclusive<u32>| match (*versions.start(), *versions.end()) {
            (first, LAST) => format!("from {first} on"),
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let valkey = self.valkey.as_ref().map(|versions| format!(" and VALKEY {}", range(versions)));
        format!("REDIS {}{}", range(&self.redis), valkey.unwrap_or_default())
    }
}

/// Returns whether the server takes the head of an append-only file for an RDB at all: if not, it takes it for damage.
pub(super) fn of_image(server: Server, header: HeaderFacts) -> bool {
    match header.family {
        Family::Redis => !server.reads_valkey() || header.digits[0] == b'0',
        // Valkey 8.1.1 did not look for it there.
        Family::Valkey => server.reads_valkey() || *server == Target::Valkey81 && server.ran() > Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(target: Target, check: VersionCheck, family: Family, version: u32) -> bool {
        let settings = Settings { rdb_version_check: check, ..Settings::default() };
        let text = if family == Family::Redis { format!("{version:04}") } else { format!("{version:03}0") };
        let mut digits = [0; 4];
        digits.copy_from_slice(text.as_bytes());
        Takes::of(target, &settings).takes(HeaderFacts { family, version, digits })
    }

    #[test]
    fn as_measured() {
        use Family::{Redis, Valkey};
        use VersionCheck::{Relaxed, Strict};
        // Redis 12, 79 and 80, Valkey 1, 11, 12, 79, 80, 81 and 999.
        let asked: [(Family, u32); 10] = [
            (Redis, 12),
            (Redis, 79),
            (Redis, 80),
            (Valkey, 1),
            (Valkey, 11),
            (Valkey, 12),
            (Valkey, 79),
            (Valkey, 80),
            (Valkey, 81),
            (Valkey, 999),
        ];
        for (target, check, want) in [
            (Target::Redis86, Strict, b"y........."),
            (Target::Redis86, Relaxed, b"y........."),
            (Target::Valkey80, Strict, b".........."),
            (Target::Valkey80, Relaxed, b".........."),
            (Target::Valkey81, Strict, b"...yy....."),
            (Target::Valkey81, Relaxed, b"...yyyyyyy"),
            (Target::Valkey90, Strict, b".......y.."),
            (Target::Valkey90, Relaxed, b"yy.....yyy"),
            (Target::Valkey91, Strict, b".......y.."),
            (Target::Valkey91, Relaxed, b"yy.....yyy"),
        ] {
            let got = asked.map(|(family, version)| if takes(target, check, family, version) { b'y' } else { b'.' });
            assert_eq!(got.escape_ascii().to_string(), want.escape_ascii().to_string(), "{target} {check:?}");
        }
    }

    #[test]
    fn in_words() {
        let words = |target, rdb_version_check| {
            Takes::of(target, &Settings { rdb_version_check, ..Settings::default() }).words()
        };
        assert_eq!(words(Target::Redis70, VersionCheck::Strict), "REDIS 1 to 10");
        assert_eq!(words(Target::Valkey81, VersionCheck::Relaxed), "REDIS 1 to 11 and VALKEY from 1 on");
        assert_eq!(words(Target::Valkey91, VersionCheck::Strict), "REDIS 1 to 11 and VALKEY 80");
    }
}
