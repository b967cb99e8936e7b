//! What differs between two files: keys of only one of them, and keys that both have with another type, value or expiry.
//!
//! ```text
//! pass 1   both files: a sum for each of 65,536 shares of the keys      all sums equal: the same, and done
//! pass 2   keys of the shares that differ -> sorted by database and name -> side by side
//! ```
//!
//! Memory is bounded by [`Options::memory`], however large the files are and however much differs: what does not fit is sorted
//! in a temporary file. Values are compared by SHA-256, elements of sets and hashes in any order.

mod rows;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::num::NonZero;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::base::error::ReadError;
use crate::base::limits::{Limits, threads_of_machine};
use crate::contents::digest::own::Own;
use crate::contents::records::{self, Worker};
use crate::contents::select::Selection;
use crate::rdb::{Head, Part};
use crate::report::SpillTo;
use rows::Row;
pub use rows::Side;
use rows::Sorter;

/// How many shares the keys are divided into.
const SHARES: usize = 1 << 16;

/// How to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which keys.
    pub selection: Selection,
    /// How much memory the sorting may take, in bytes. Default: 128 MiB.
    pub memory: usize,
    /// Where what does not fit into that goes.
    pub spill: SpillTo,
    /// On how many threads at most. `None` stands for one on each processor that may be used. The result does not depend on it.
    pub threads: Option<NonZero<usize>>,
    /// What the contents of a file may make the library hold in memory: each thread holds one string at a time.
    pub limits: Limits,
}

impl Options {
    /// Returns the usual ones.
    #[must_use]
    pub fn new(spill: SpillTo) -> Self {
        Self { selection: Selection::default(), memory: 128 << 20, spill, threads: None, limits: Limits::default() }
    }
}

/// A key of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its type, as the command TYPE prints it.
    pub type_name: &'static str,
    /// How many elements it holds; 1 for a string, and for a module's value.
    pub elements: u64,
    /// When it expires, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// The SHA-256 of its type, name and value.
    pub hash: [u8; 32],
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of the database.
    pub db: u64,
    /// The name of the key.
    pub name: Vec<u8>,
    /// What the first file has.
    pub first: Option<Entry>,
    /// What the second file has.
    pub second: Option<Entry>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Keys of the first file.
    pub first: u64,
    /// Keys of the second file.
    pub second: u64,
    /// Keys that only the first file has.
    pub only_first: u64,
    /// Keys that only the second file has.
    pub only_second: u64,
    /// Keys that both have, with another type, value or expiry.
    pub changed: u64,
    /// Function libraries that only one of them has.
    pub functions: u64,
}

impl Summary {
    /// Returns whether both hold the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        (self.only_first, self.only_second, self.changed, self.functions) == (0, 0, 0, 0)
    }
}

/// Why two files could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A file cannot be read.
    #[error("{error}")]
    Read {
        /// Which one.
        side: Side,
        /// Why.
        error: ReadError,
    },
    /// The temporary file, or what takes the differences, fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens a file from its start, as often as it has to be read: at most twice.
pub type Open<'o> = &'o mut dyn FnMut() -> io::Result<Box<dyn Read>>;

/// Compares two RDBs, and hands the differences to `sink`, sorted by database and name.
///
/// # Errors
/// If a file cannot be read as [`digest::reader`](crate::contents::digest::reader) would read it, if there is no room for a temporary file, and
/// what `sink` says.
///
/// # Examples
/// ```
/// use redis_persistence::diff::{self, Options};
/// use redis_persistence::verify::SpillTo;
///
/// let one = b"REDIS0004\xfe\x00\x00\x01a\x011\x00\x01b\x012\xff";
/// let two = b"REDIS0004\xfe\x00\x00\x01b\x013\x00\x01c\x014\xff";
/// let options = Options::new(SpillTo::new(|| Err(std::io::ErrorKind::Unsupported.into())));
/// let mut changes = Vec::new();
/// let summary = diff::readers(
///     &mut || Ok(Box::new(&one[..])),
///     &mut || Ok(Box::new(&two[..])),
///     &options,
///     &mut |change| Ok(changes.push(String::from_utf8_lossy(&change.name).into_owned())),
/// )?;
/// assert_eq!((summary.only_first, summary.only_second, summary.changed), (1, 1, 1));
/// assert_eq!(changes, ["a", "b", "c"]);
/// # Ok::<(), diff::DiffError>(())
/// ```
pub fn readers(
    first: Open<'_>,
    second: Open<'_>,
    options: &Options,
    sink: &mut dyn FnMut(Change) -> io::Result<()>,
) -> Result<Summary, DiffError> {
    let of = |side| move |error| DiffError::Read { side, error };
    let one = Sums::of(first, options).map_err(of(Side::First))?;
    let two = Sums::of(second, options).map_err(of(Side::Second))?;
    let functions = one.functions.symmetric_difference(&two.functions).count() as u64;
    let mut summary = Summary { first: one.keys, second: two.keys, functions, ..Summary::default() };
    let differ: Vec<bool> = one.shares.iter().zip(&two.shares).map(|(one, two)| one != two).collect();
    if !differ.contains(&true) {
        return Ok(summary);
    }
    let mut sorter = Sorter::new(options.memory, options.spill);
    rows(first, options, Side::First, &differ, &mut sorter).map_err(of(Side::First))?;
    rows(second, options, Side::Second, &differ, &mut sorter).map_err(of(Side::Second))?;
    let mut waiting: Option<Row> = None;
    sorter.into_sorted(&mut |row| match waiting.take() {
        Some(before) if before.is_same_key(&row) => both(before, row, &mut summary, sink),
        Some(before) => {
            waiting = Some(row);
            alone(before, &mut summary, sink)
        }
        None => {
            waiting = Some(row);
            Ok(())
        }
    })?;
    if let Some(row) = waiting {
        alone(row, &mut summary, sink)?;
    }
    Ok(summary)
}

/// Returns whether two RDBs hold the same, from their sums alone: each is read once, and nothing is sorted. The second is not read
/// where the first cannot be.
///
/// # Errors
/// If a file cannot be read, as [`readers`] says.
///
/// # Examples
/// ```
/// use redis_persistence::diff::{self, Options};
/// use redis_persistence::verify::SpillTo;
///
/// let one = b"REDIS0004\xfe\x00\x00\x01a\x011\x00\x01b\x012\xff";
/// let two = b"REDIS0004\xfe\x00\x00\x01b\x012\x00\x01a\x011\xff";
/// let options = Options::new(SpillTo::new(|| Err(std::io::ErrorKind::Unsupported.into())));
/// assert!(diff::is_same(&mut || Ok(Box::new(&one[..])), &mut || Ok(Box::new(&two[..])), &options)?);
/// # Ok::<(), diff::DiffError>(())
/// ```
pub fn is_same(first: Open<'_>, second: Open<'_>, options: &Options) -> Result<bool, DiffError> {
    let one = Sums::of(first, options).map_err(|error| DiffError::Read { side: Side::First, error })?;
    let two = Sums::of(second, options).map_err(|error| DiffError::Read { side: Side::Second, error })?;
    Ok((one.keys, one.functions, one.shares) == (two.keys, two.functions, two.shares))
}

type Sink<'s> = &'s mut dyn FnMut(Change) -> io::Result<()>;

/// Takes a key of both files. A key that one file has twice counts as one of only that file, once more.
fn both(one: Row, two: Row, summary: &mut Summary, sink: Sink<'_>) -> io::Result<()> {
    if one.side == two.side {
        alone(one, summary, sink)?;
        return alone(two, summary, sink);
    }
    if one.entry == two.entry {
        return Ok(());
    }
    summary.changed += 1;
    sink(Change { db: one.db, name: one.name, first: Some(one.entry), second: Some(two.entry) })
}

fn alone(row: Row, summary: &mut Summary, sink: Sink<'_>) -> io::Result<()> {
    let Row { db, name, side, entry } = row;
    let (first, second) = match side {
        Side::First => {
            summary.only_first += 1;
            (Some(entry), None)
        }
        Side::Second => {
            summary.only_second += 1;
            (None, Some(entry))
        }
    };
    sink(Change { db, name, first, second })
}

/// The sums of one file.
struct Sums {
    shares: Vec<u128>,
    keys: u64,
    functions: BTreeSet<[u8; 16]>,
}

impl Sums {
    fn of(open: Open<'_>, options: &Options) -> Result<Self, ReadError> {
        let mut sums = Self { shares: vec![0; SHARES], keys: 0, functions: BTreeSet::new() };
        let make =
            || Rows { options, side: Side::First, differ: None, own: Own::default(), row: None, made: Made::default() };
        each(open, options, make, &mut |made: Made| {
            for row in &made.rows {
                let share = &mut sums.shares[share(row.db, &row.name)];
                *share = share.wrapping_add(row.sum());
                sums.keys += 1;
            }
            sums.functions.extend(made.functions);
            Ok(())
        })?;
        Ok(sums)
    }
}

fn rows(open: Open<'_>, options: &Options, side: Side, differ: &[bool], to: &mut Sorter) -> Result<(), ReadError> {
    let make = || Rows { options, side, differ: Some(differ), own: Own::default(), row: None, made: Made::default() };
    each(open, options, make, &mut |made: Made| made.rows.into_iter().try_for_each(|row| to.add(row)))
}

fn each<'o>(
    open: Open<'_>,
    options: &Options,
    make: impl Fn() -> Rows<'o>,
    sink: &mut dyn FnMut(Made) -> io::Result<()>,
) -> Result<(), ReadError> {
    let threads = options.threads.or_else(threads_of_machine).map_or(1, NonZero::get);
    let mut input = open()?;
    records::each(&mut input, &options.limits, threads, make, sink).map(drop)
}

/// Returns the share that a key belongs to.
fn share(db: u64, name: &[u8]) -> usize {
    let [low, high, ..] = xxh3_64_with_seed(name, db).to_le_bytes();
    usize::from(u16::from_le_bytes([low, high]))
}

#[derive(Default)]
struct Made {
    rows: Vec<Row>,
    functions: Vec<[u8; 16]>,
}

struct Rows<'o> {
    options: &'o Options,
    side: Side,
    /// The shares that are wanted, if not all are.
    differ: Option<&'o [bool]>,
    own: Own,
    row: Option<Row>,
    made: Made,
}

impl Worker for Rows<'_> {
    type Out = Made;

    #[inline]
    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Key(head, name) => {
                let wanted = self.options.selection.takes(head, name)
                    && self.differ.is_none_or(|differ| differ[share(head.db, name)]);
                self.row = wanted.then(|| self.begin(head, name));
            }
            Part::Element(element) => {
                let Some(row) = &mut self.row else { return };
                self.own.element(&element);
                row.entry.elements += u64::from(element.is_counted());
            }
            Part::End(_) => {
                if let Some(mut row) = self.row.take() {
                    row.entry.hash = self.own.end().bytes();
                    self.made.rows.push(row);
                }
            }
            Part::Function(code) => self.made.functions.push(xxh3_128(code).to_le_bytes()),
        }
    }

    fn take(&mut self) -> Option<Made> {
        let made = std::mem::take(&mut self.made);
        (!made.rows.is_empty() || !made.functions.is_empty()).then_some(made)
    }
}

impl Rows<'_> {
    fn begin(&mut self, head: &Head, name: &[u8]) -> Row {
        // The expiry is compared by itself.
        self.own.begin(&Head { expires_ms: None, ..*head }, name);
        let entry =
            Entry { type_name: head.value_type.type_name(), elements: 0, expires_ms: head.expires_ms, hash: [0; 32] };
        Row { db: head.db, name: name.to_vec(), side: self.side, entry }
    }
}
