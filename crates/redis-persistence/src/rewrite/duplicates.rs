//! Keys that several sources hold, or several databases that are put together.
//!
//! Names are compared by 128 bits of SHA-256. As many as the budget holds are compared at a time, by ranges of hashes: what does
//! not fit is read again.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::num::NonZero;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{NotWritten, Options};
use crate::base::limits::threads_of_machine;
use crate::contents::records::{self, Worker};
use crate::rdb::Part;
use crate::report::Report;

/// Which of several keys of one name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// That of the first source.
    First,
    /// That of the last source.
    Last,
    /// That of the source that was written last, as it says itself.
    NewestFile,
}

impl OnDuplicate {
    /// The names.
    pub const NAMES: [&str; 3] = ["first", "last", "newest-file"];
}

impl FromStr for OnDuplicate {
    type Err = String;

    /// Reads one of [`Self::NAMES`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "first" => Ok(Self::First),
            "last" => Ok(Self::Last),
            "newest-file" => Ok(Self::NewestFile),
            _ => Err(format!("one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// A key or a function library that stands twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The database in the output; `None` of a library.
    pub db: Option<u64>,
    /// Its name.
    pub name: Vec<u8>,
    /// A source that holds it, and is not the winner.
    pub sources: Vec<usize>,
}

pub(super) fn described(first: &[Duplicate], total: u64) -> String {
    let name = |of: &Duplicate| match of.db {
        None => format!("the library {}", of.name.escape_ascii()),
        Some(0) => of.name.escape_ascii().to_string(),
        Some(db) => format!("{} (db {db})", of.name.escape_ascii()),
    };
    let names: Vec<_> = first.iter().map(name).collect();
    let more = if total > names.len() as u64 { ", ..." } else { "" };
    format!(
        "{total} keys or libraries stand twice: {}{more}; --on-duplicate says which one is written",
        names.join(", ")
    )
}

/// A number that stands for a name.
pub(super) type Hash = u128;

/// Where a key lies: its source, and its database there.
pub(super) type Place = (u32, u64);

/// The names that stand twice, and where the one lies that is written.
pub(super) type Winners = HashMap<Hash, Place>;

/// Returns the number of a name in a database of the output.
pub(super) fn hash(db: u64, name: &[u8]) -> Hash {
    let digest: [u8; 32] = Sha256::new().chain_update(db.to_le_bytes()).chain_update(name).finalize().into();
    digest.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

/// What one key takes while names are compared.
const ENTRY: u64 = size_of::<(Hash, Place)>() as u64;

/// Finds the names that stand twice.
pub(super) fn winners<R: Read + Seek + Send>(
    sources: &mut [R],
    reports: &[Report],
    options: &Options,
) -> Result<Winners, NotWritten> {
    let mut winners = Winners::new();
    if sources.len() < 2 && options.databases.is_empty() {
        return Ok(winners);
    }
    let ages = ages(reports, options)?;
    let rank = |place: &Place| match options.on_duplicate {
        Some(OnDuplicate::NewestFile) => (ages[place.0 as usize], *place),
        _ => (0, *place),
    };
    let keys: u64 = reports.iter().map(|report| report.counts.keys).sum();
    let parts = u128::from((keys * ENTRY).div_ceil((options.memory as u64).max(1 << 20)).max(1));
    // The hashes of one part at a time: each pass has a range of them.
    let size = u128::MAX / parts;
    for part in 0..parts {
        let (from, to) = (part * size, if part + 1 == parts { u128::MAX } else { (part + 1) * size - 1 });
        let mut found: Vec<(Hash, Place)> = Vec::new();
        for (source, input) in sources.iter_mut().enumerate() {
            let read = |error| NotWritten::Read { input: source, error };
            input.seek(SeekFrom::Start(0)).map_err(|error| read(error.into()))?;
            let make =
                || Names { options, source: u32::try_from(source).unwrap_or(u32::MAX), from, to, names: Vec::new() };
            let limits = &options.verify.limits;
            records::each(input, limits, threads(options), make, &mut |names: Vec<_>| {
                found.extend(names);
                Ok(())
            })
            .map_err(read)?;
        }
        found.sort_unstable();
        for same in found.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let places = same.iter().map(|(_, place)| *place);
            let winner = match options.on_duplicate {
                None | Some(OnDuplicate::First) => places.min(),
                Some(OnDuplicate::Last | OnDuplicate::NewestFile) => places.max_by_key(rank),
            };
            winners.extend(winner.map(|place| (same[0].0, place)));
        }
    }
    Ok(winners)
}

pub(super) fn threads(options: &Options) -> usize {
    options.verify.threads.or_else(threads_of_machine).map_or(1, NonZero::get)
}

/// Returns when each source was written.
fn ages(reports: &[Report], options: &Options) -> Result<Vec<i64>, NotWritten> {
    if options.on_duplicate != Some(OnDuplicate::NewestFile) {
        return Ok(Vec::new());
    }
    let age = |(source, report): (usize, &Report)| {
        report.format.as_ref().and_then(|format| format.created).ok_or(NotWritten::NoAge { input: source })
    };
    reports.iter().enumerate().map(age).collect()
}

struct Names<'o> {
    options: &'o Options,
    source: u32,
    from: Hash,
    to: Hash,
    names: Vec<(Hash, Place)>,
}

impl Worker for Names<'_> {
    type Out = Vec<(Hash, Place)>;

    fn part(&mut self, part: Part<'_>) {
        if let Part::Key(head, name) = part
            && self.options.selection.takes(head, name)
        {
            let hash = hash(self.options.renumbered(head.db), name);
            if (self.from..=self.to).contains(&hash) {
                self.names.push((hash, (self.source, head.db)));
            }
        }
    }

    fn take(&mut self) -> Option<Self::Out> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }
}
