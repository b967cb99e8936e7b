//! Keys that several sources hold, or several databases that are put together.
//!
//! Names are compared by 128 bits of SHA-256. As many as the budget holds are compared at a time, by ranges of hashes: what does
//! not fit is read again.

use std::io::{Read, Seek, SeekFrom};
use std::num::NonZero;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{MOST_NAMED, NotWritten, Options};
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

/// The names that stand twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Winners {
    /// Where the one lies that is written, in the order of the hashes. Only the first few where it makes no difference.
    places: Vec<(Hash, Place)>,
    /// How many keys are not written.
    pub(super) losers: u64,
}

impl Winners {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns where the key of that name lies that is written, if there are several.
    pub(super) fn get(&self, hash: Hash) -> Option<Place> {
        let found = self.places.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        self.places.get(found).map(|(_, place)| *place)
    }
}

/// Which of several sources has the say.
#[derive(Debug)]
pub(super) struct Order {
    on_duplicate: Option<OnDuplicate>,
    /// When each source was written, if that decides.
    ages: Vec<i64>,
}

impl Order {
    pub(super) fn of(reports: &[Report], options: &Options) -> Result<Self, NotWritten> {
        let decides = options.on_duplicate == Some(OnDuplicate::NewestFile) && may_stand_twice(reports.len(), options);
        let age = |(source, report): (usize, &Report)| {
            report.format.as_ref().and_then(|format| format.created).ok_or(NotWritten::NoAge { input: source })
        };
        let ages = reports.iter().filter(|_| decides).enumerate().map(age).collect::<Result<_, _>>()?;
        Ok(Self { on_duplicate: options.on_duplicate, ages })
    }

    /// Returns whether what lies in one place is written, and not what lies in another.
    fn is_before(&self, one: Place, other: Place) -> bool {
        let rank = |place: Place| (self.ages.get(place.0 as usize), place);
        match self.on_duplicate {
            None | Some(OnDuplicate::First) => one < other,
            Some(OnDuplicate::Last | OnDuplicate::NewestFile) => rank(one) > rank(other),
        }
    }

    /// Returns whether what one source holds is written, and not what another one holds.
    pub(super) fn prefers(&self, one: usize, other: usize) -> bool {
        self.is_before(place(one, 0), place(other, 0))
    }
}

/// Returns where a key lies.
pub(super) fn place(source: usize, db: u64) -> Place {
    (u32::try_from(source).unwrap_or(u32::MAX), db)
}

fn may_stand_twice(sources: usize, options: &Options) -> bool {
    sources > 1 || !options.databases.is_empty()
}

/// Returns the number of a name in a database of the output.
pub(super) fn hash(db: u64, name: &[u8]) -> Hash {
    let digest: [u8; 32] = Sha256::new().chain_update(db.to_le_bytes()).chain_update(name).finalize().into();
    digest.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

/// What one key takes while names are compared.
const ENTRY: u64 = size_of::<(Hash, Place)>() as u64;
/// The memory that is always there.
const LEAST: u64 = 1 << 20;

/// Finds the names that stand twice.
pub(super) fn winners<R: Read + Seek + Send>(
    sources: &mut [R],
    reports: &[Report],
    order: &Order,
    options: &Options,
) -> Result<Winners, NotWritten> {
    let mut winners = Winners::default();
    if !may_stand_twice(sources.len(), options) {
        return Ok(winners);
    }
    let keys: u64 = reports.iter().map(|report| report.counts.keys).sum();
    let memory = (options.memory as u64).max(LEAST);
    let parts = u128::from((keys * ENTRY).div_ceil(memory).max(1));
    let most = memory / ENTRY;
    // The hashes of one part at a time: each pass has a range of them.
    let size = u128::MAX / parts;
    for part in 0..parts {
        let (from, to) = (part * size, if part + 1 == parts { u128::MAX } else { (part + 1) * size - 1 });
        let mut found: Vec<(Hash, Place)> = Vec::new();
        for (source, input) in sources.iter_mut().enumerate() {
            let read = |error| NotWritten::Read { input: source, error };
            input.seek(SeekFrom::Start(0)).map_err(|error| read(error.into()))?;
            let make = || Names { options, source, from, to, names: Vec::new() };
            let limits = &options.verify.limits;
            records::each(input, limits, threads(options), make, &mut |names: Vec<_>| {
                found.extend(names);
                Ok(())
            })
            .map_err(read)?;
        }
        found.sort_unstable();
        for same in found.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let (hash, first) = same[0];
            let places = same.iter().map(|(_, place)| *place);
            let winner = places.clone().fold(first, |best, one| if order.is_before(one, best) { one } else { best });
            let losers = places.filter(|place| *place != winner).count();
            if losers == 0 {
                continue;
            }
            winners.losers += losers as u64;
            if options.on_duplicate.is_some() && winners.places.len() as u64 == most {
                return Err(NotWritten::TooManyDuplicates { most });
            }
            // Without a word which one is meant nothing is written, and a few are named.
            if options.on_duplicate.is_some() || winners.places.len() < MOST_NAMED {
                winners.places.push((hash, winner));
            }
        }
    }
    Ok(winners)
}

pub(super) fn threads(options: &Options) -> usize {
    options.verify.threads.or_else(threads_of_machine).map_or(1, NonZero::get)
}

struct Names<'o> {
    options: &'o Options,
    source: usize,
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
                self.names.push((hash, place(self.source, head.db)));
            }
        }
    }

    fn take(&mut self) -> Option<Self::Out> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }
}
