//! Would this server load the file?
//!
//! ```text
//! Report ── facts.rs in verify ─┐
//! Target ── versions.rs         ├─ judge ── Loads { loads, by_default, cuts, skips, reading, because }
//! Release ─ releases.rs, rules.rs │
//! Settings ─────────────────────┘
//! ```
//!
//! Each [`Target`] has its row in `versions.rs`: the RDB versions, types and opcodes that it takes. What it makes of each
//! finding stands in `rules.rs`, one line for a code, one column for a group of versions. [`judge`] holds both against
//! the report of a file, so nothing is read again. What a server makes of the commands and the ends of append-only files
//! stands in `aof.rs`; which commands it knows, in [`crate::aof::commands`].
//!
//! Sources: runs of the fourteen binaries in `releases.rs` on made files; for other versions their documents and sources.
//! [`Release::basis`] says which.

mod answer;
mod aof;
mod dialect;
mod modules;
mod promise;
mod rdb;
mod releases;
mod restore;
mod rules;
mod settings;
mod signature;
mod users;
mod versions;

use std::fmt;
use std::str::FromStr;

use crate::report::{Kind, Report};

pub use answer::{Cut, Loads, Moment, Outcome, Overwrite, Reason, StartFiles, Why};
pub use promise::{Fsync, loss_window};
pub use releases::{Release, ReleaseAnswer};
pub use settings::{ConfNote, SettingError, Settings, VersionCheck};
pub use users::User;
pub use versions::{Basis, Product, Target};

/// Says what a server of that version, with those settings, would do with the file that the report is about.
///
/// # Examples
/// ```
/// use redis_persistence::servers::{Release, Settings, judge};
/// use redis_persistence::verify::{self, Options};
///
/// let report = verify::slice(b"REDIS0011\xfe\x10\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0", &Options::default());
/// let redis: Release = "redis-7.2".parse()?;
/// let answer = judge(&report, redis, &Settings::default());
/// assert!(!answer.loads);
/// assert_eq!(answer.because[0].reason.as_str(), "target-databases");
///
/// let mut settings = Settings::default();
/// settings.set("databases", "32")?;
/// assert!(judge(&report, redis, &settings).loads);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn judge(report: &Report, server: impl Into<Release>, settings: &Settings) -> Loads {
    server.into().judge(|server| match (report.kind, &report.rdb) {
        (Kind::Rdb | Kind::Unknown, Some(facts)) => rdb::judge(facts, server, settings),
        (Kind::Aof | Kind::AofDir, _) if report.aof.is_some() => aof::judge(report, server, settings),
        (Kind::Dump, _) => restore::judge(report, server, settings),
        _ => Loads::unknown(*server),
    })
}

/// A text that names no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is no server known here: one of {}", Known)]
pub struct UnknownTarget {
    given: String,
}

/// Lists what can be asked for.
struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for target in Target::ALL {
            write!(f, "{target}, ")?;
        }
        f.write_str("redis-newest, valkey-newest")
    }
}

impl FromStr for Release {
    type Err = UnknownTarget;

    /// Reads `redis-8.6`, `redis-8.6.3` and the like; `redis-newest` and `valkey-newest` are the newest series known.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownTarget { given: text.chars().take(80).collect() };
        let (product, version) = text.split_once(['-', ':', ' ']).ok_or_else(unknown)?;
        let product = match product.to_ascii_lowercase().as_str() {
            "redis" => Product::Redis,
            "valkey" => Product::Valkey,
            _ => return Err(unknown()),
        };
        let of_product = || Target::ALL.iter().copied().filter(|target| target.product() == product);
        if version.eq_ignore_ascii_case("newest") {
            return of_product().next_back().map(Self::from).ok_or_else(unknown);
        }
        let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
        let (wanted, patch) = match numbers.as_deref() {
            Some(&[major, minor]) => ((major, minor), None),
            // A fourth number and more is a packager's.
            Some(&[major, minor, patch, ..]) => ((major, minor), Some(patch)),
            _ => return Err(unknown()),
        };
        let series = of_product().find(|target| target.version() == wanted).ok_or_else(unknown)?;
        Ok(Self { series, patch })
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    /// Reads what [`Release`] reads, and takes its series.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Release::series)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_reads_its_own_name() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(*target));
            assert_eq!(format!("{target}.7").parse(), Ok(*target));
            let release: Release = format!("{target}.7").parse().expect("a release of a series");
            assert_eq!((release.to_string(), release.patch()), (format!("{target}.7"), Some(7)));
        }
        assert_eq!("redis-newest".parse(), Ok(Target::Redis810));
        assert_eq!("Valkey:newest".parse(), Ok(Target::Valkey91));
    }

    #[test]
    fn other_texts_are_named_in_the_error() {
        for text in ["", "redis", "redis-", "redis-9", "redis-6.1", "keydb-6.3", "redis-7.0.x", "redis-7.0-rc1"] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.to_string().contains("redis-5.0, redis-6.0"), "{error}");
        }
    }
}
