//! Writes what sound RDBs hold as one file that another server loads with the same data.
//!
//! ```text
//! sources ┬ verify        each has to be sound
//!         ├ duplicates    several sources, or databases put together: which keys stand twice, and who wins
//!         └ survey        on all threads: counts, what the server cannot have, the digest that the output has to have
//!         -> Plan -> write    records of types that the server knows as their bytes are, others encoded anew
//! ```
//! What a server is told, a [`Dialect`] says; [`servers`](crate::servers) makes one of each server that it knows. A type that the
//! server does not load is written in the plain form of its kind (single elements), which every server loads and packs as it
//! is set up to. Memory is bounded: of a collection that is encoded anew, about a megabyte is held; one that is larger is looked at twice,
//! for its count comes first.
//!
//! What the server cannot have at all is a [`NotWritten::Refused`] that names the keys, unless its kind is left out on
//! [request](Options::without). What the server would not store of a stream, because its version of the layout has no room for it, is
//! [named](Dropped) and dropped.

mod adapt;
mod anew;
pub mod aof;
mod dialect;
mod duplicates;
mod lapsed;
mod out;
mod pass;
mod survey;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;

pub use adapt::{Dropped, Kind};
pub use dialect::Dialect;
use dialect::Form;
pub use duplicates::{Duplicate, OnDuplicate};
pub use lapsed::Lapsed;
pub use survey::Named;
pub use write::Written;

use crate::base::error::ReadError;
use crate::digest::Digest;
use crate::functions::shebang;
use crate::rdb::{Shape, ValueType};
use crate::report::{Report, Verdict};
use crate::select::Selection;
use crate::verify;
use duplicates::{Order, Winners};
use survey::{Section, Survey};

/// This many keys are named of each kind.
const MOST_NAMED: usize = 10;

/// What is written, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the server takes.
    pub dialect: Dialect,
    /// Which keys.
    pub selection: Selection,
    /// Databases that get another number. Several may get the same one.
    pub databases: BTreeMap<u64, u64>,
    /// What is left out, whether or not the server could have it.
    pub without: BTreeSet<Kind>,
    /// Which of several keys of one name is written. Without it they are an error.
    pub on_duplicate: Option<OnDuplicate>,
    /// Whether collections are encoded anew though the server knows their type, in plain form.
    pub anew: bool,
    /// Whether the output is the base of an append-only file or set, which says so.
    pub aof_base: bool,
    /// Whether commands are made of the output, which can have nothing that modules store beside keys.
    pub for_commands: bool,
    /// How the sources are verified; its limits and threads count for all that is done.
    pub verify: verify::Options,
    /// The memory for comparing names, in bytes, and as much again for those that stand twice. Where it is not enough for the former the
    /// sources are read several times, for the latter nothing is written.
    pub memory: usize,
}

impl Options {
    /// Returns those for a server, with nothing left out.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            selection: Selection::default(),
            databases: BTreeMap::new(),
            without: BTreeSet::new(),
            on_duplicate: None,
            anew: false,
            aof_base: false,
            for_commands: false,
            verify: verify::Options::default(),
            memory: 256 << 20,
        }
    }

    /// Returns how a key of that type is written.
    fn form(&self, value_type: ValueType) -> Form {
        match value_type.shape() {
            Shape::HashTtl if self.without.contains(&Kind::FieldExpiry) => Form::Plain,
            Shape::Array if self.without.contains(&Kind::Arrays) => Form::Never(Kind::Arrays),
            _ => self.dialect.form(value_type, self.anew),
        }
    }

    fn leaves_out_module_data(&self) -> bool {
        self.without.contains(&Kind::Modules) || self.without.contains(&Kind::ModuleData)
    }

    /// Returns the number that a database gets.
    fn renumbered(&self, db: u64) -> u64 {
        self.databases.get(&db).copied().unwrap_or(db)
    }
}

/// What will be written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Keys.
    pub keys: u64,
    /// Those of them that expire.
    pub expires: u64,
    /// Those of them whose bytes are copied.
    pub copied: u64,
    /// The databases, by their numbers in the output: keys, and those that expire.
    pub databases: BTreeMap<u64, (u64, u64)>,
    /// The digest that the output has to have.
    pub digest: Digest,
    /// The function libraries that are kept.
    pub functions: u64,
    /// What is left out on request.
    pub left_out: BTreeMap<Kind, Named>,
    /// What the server would not store of streams, and of how many.
    pub dropped: BTreeMap<Dropped, u64>,
    /// Keys and libraries that are not written because another one of their name is.
    pub duplicates: u64,
    /// The slots of a cluster without a key, where several sources were put together.
    pub empty_slots: Vec<RangeInclusive<u64>>,
    /// What the verification said of each source.
    pub reports: Vec<Report>,
    options: Options,
    libraries: Vec<Vec<u8>>,
    winners: Winners,
    sections: BTreeMap<Section, u64>,
}

/// Why nothing is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotWritten {
    /// A source is not sound, or it cannot be told.
    #[error("it is {}", .report.verdict.as_str())]
    NotSound {
        /// Which one.
        input: usize,
        /// What was found.
        report: Box<Report>,
    },
    /// A source cannot be read.
    #[error("{error}")]
    Read {
        /// Which one.
        input: usize,
        /// Why.
        error: ReadError,
    },
    /// The server cannot have some of it.
    #[error("{}", refused(.server, .by_kind))]
    Refused {
        /// The server.
        server: String,
        /// What it cannot have.
        by_kind: BTreeMap<Kind, Named>,
    },
    /// Keys or libraries stand twice.
    #[error("{}", duplicates::described(.first, *.total))]
    Duplicates {
        /// How many.
        total: u64,
        /// The first of them.
        first: Vec<Duplicate>,
    },
    /// More keys stand twice than can be held.
    #[error(
        "more than {most} keys stand twice, too many to be held at once: write the keys of a part of the slots at a time, and merge those"
    )]
    TooManyDuplicates {
        /// How many can be held.
        most: u64,
    },
    /// The newest source wins, and this one does not say when it was written.
    #[error("it does not say when it was written, so that it cannot be told which is the newest")]
    NoAge {
        /// Which one.
        input: usize,
    },
}

impl Plan {
    /// Returns the plan in which collections are [encoded anew](Options::anew). The sources, which have to be the same, are not
    /// verified again.
    ///
    /// # Errors
    /// If a source cannot be read, or holds what the server cannot have.
    pub fn anew<R: Read + Seek + Send>(self, sources: &mut [R]) -> Result<Self, NotWritten> {
        let options = Options { anew: true, ..self.options };
        let order = Order::of(&self.reports, &options)?;
        surveyed(sources, options, self.reports, &order, self.winners)
    }
}

fn refused(server: &str, by_kind: &BTreeMap<Kind, Named>) -> String {
    let each = by_kind.iter().map(|(kind, named)| format!("{} {}: {}", named.total, kind.described(), named.list()));
    let each: Vec<_> = each.collect();
    let names: Vec<_> = by_kind.keys().filter(|kind| kind.can_be_left_out()).map(|kind| kind.as_str()).collect();
    let way = match names.len() == by_kind.len() {
        true => format!("; --without {} leaves that out", names.join(",")),
        false => String::new(),
    };
    format!("{server} cannot have {}{way}", each.join("; "))
}

/// Finds out what can be written. Nothing is changed, and nothing written.
///
/// # Errors
/// If a source cannot be read or is not sound, holds what the server cannot have, or keys stand twice; see [`NotWritten`].
///
/// # Examples
/// ```
/// use redis_persistence::rewrite::{Options, plan};
/// use redis_persistence::servers::{Release, Settings};
/// use redis_persistence::verify::{self, Verdict};
///
/// // A set as one listpack, which Redis has from 7.2 on.
/// let file = b"REDIS0011\xfe\x00\x14\x03set\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff\xff\0\0\0\0\0\0\0\0";
/// let old: Release = "redis-6.2".parse()?;
/// let mut sources = [std::io::Cursor::new(&file[..])];
/// let plan = plan(&mut sources, &Options::new(old.dialect(&Settings::default())))?;
/// let mut out = Vec::new();
/// plan.write(&mut sources, &mut out)?;
/// assert!(out.starts_with(b"REDIS0009"));
/// assert_eq!(verify::slice(&out, &verify::Options::default()).verdict, Verdict::Sound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan<R: Read + Seek + Send>(sources: &mut [R], options: &Options) -> Result<Plan, NotWritten> {
    let mut reports = Vec::new();
    for (source, input) in sources.iter_mut().enumerate() {
        let read = |error: io::Error| NotWritten::Read { input: source, error: error.into() };
        input.seek(SeekFrom::Start(0)).map_err(read)?;
        let report = verify::file(&mut *input, &options.verify).map_err(read)?;
        if report.verdict != Verdict::Sound || report.rdb.is_none() {
            return Err(NotWritten::NotSound { input: source, report: Box::new(report) });
        }
        reports.push(report);
    }
    let order = Order::of(&reports, options)?;
    let winners = duplicates::winners(sources, &reports, &order, options)?;
    surveyed(sources, options.clone(), reports, &order, winners)
}

/// Plans for sources that were verified, and whose duplicates are known.
fn surveyed<R: Read + Seek + Send>(
    sources: &mut [R],
    options: Options,
    reports: Vec<Report>,
    order: &Order,
    winners: Winners,
) -> Result<Plan, NotWritten> {
    let mut survey = Survey::default();
    for (source, input) in sources.iter_mut().enumerate() {
        survey.beside_keys(&reports[source], reports.len(), &options);
        survey::source(input, (source, reports.len()), &options, &winners, &mut survey)
            .map_err(|error| NotWritten::Read { input: source, error })?;
    }
    let (libraries, lost) = libraries(&mut survey, order, &options);
    let duplicates = winners.losers + lost;
    if duplicates > 0 && options.on_duplicate.is_none() {
        return Err(NotWritten::Duplicates { total: duplicates, first: survey.duplicates });
    }
    if !survey.refused.is_empty() {
        return Err(NotWritten::Refused { server: options.dialect.server, by_kind: survey.refused });
    }
    let digest = survey.digest(&libraries);
    let databases = survey.databases.iter().map(|(db, of)| (*db, (of.keys, of.expires))).collect();
    Ok(Plan {
        keys: survey.databases.values().map(|of| of.keys).sum(),
        expires: survey.databases.values().map(|of| of.expires).sum(),
        copied: survey.copied,
        databases,
        digest,
        functions: libraries.len() as u64,
        empty_slots: if sources.len() > 1 { survey.slots.empty() } else { Vec::new() },
        left_out: survey.left_out,
        dropped: survey.dropped,
        duplicates,
        reports,
        options,
        libraries,
        winners,
        sections: survey.sections,
    })
}

/// Returns the libraries that are written, each once, and how many give way to another one of their name.
fn libraries(survey: &mut Survey, order: &Order, options: &Options) -> (Vec<Vec<u8>>, u64) {
    let mut kept: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut lost = 0;
    for (source, code) in std::mem::take(&mut survey.libraries) {
        let name = shebang(&code).map(|line| line.name.to_vec()).unwrap_or_default();
        if options.without.contains(&Kind::Functions) {
            survey.left_out.entry(Kind::Functions).or_default().add(None, &name);
        } else if !options.dialect.functions {
            survey.refused.entry(Kind::Functions).or_default().add(None, &name);
        } else if let Some(same) = kept.iter_mut().find(|(_, kept)| shebang(kept).map(|line| line.name) == Ok(&name)) {
            let is_another = same.1 != code;
            if order.prefers(source, same.0) {
                *same = (source, code);
            }
            if is_another {
                lost += 1;
                survey.name_duplicate(Duplicate { db: None, name, sources: vec![source] });
            }
        } else {
            kept.push((source, code));
        }
    }
    (kept.into_iter().map(|(_, code)| code).collect(), lost)
}
