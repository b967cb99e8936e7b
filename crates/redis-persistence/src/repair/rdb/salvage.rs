//! Salvage of an RDB: what is left of a damaged one, as a new file that servers load.
//!
//! ```text
//! bytes -> walk ┬ decode     units: a key with its attributes, or an opcode, checked by itself (draft weighs them)
//!               ├ whole      whether it is damaged at all
//!               ├ holes      zeros that a value reaches into
//!               ├ names      what the names of this file look like
//!               ├ swallowed  keys that lie in a value, as a part of it is missing
//!               ├ search     the way through damage that most evidence speaks for (behind asks it for the end of a file alone)
//!               └ covered    units on it that lie in a record before them
//!       -> collect ┬ sections   which database, how many keys were lost
//!                  ├ partial    what is left of a damaged collection, if asked for
//!                  ├ doubtful   records in what is skipped, which may be keys
//!                  └ duplicates which of two keys of one name
//!       -> Plan -> write, restore
//! ```
//! An RDB has no marks between its records: where one is damaged, the next one has to be found again. Every offset behind the damage
//! is tried as the start of a record, strictly, in the forms that servers write. What speaks for a place is counted in bits: how much
//! likelier its bytes are if a record begins there than by chance. A blob that adds up, an expiry of our time, a name like the
//! others: each tells something, and records that follow each other without a gap tell the product. The way with the most evidence is
//! taken, and only what lies between its records is lost.
//!
//! Nothing is kept that is not sound by itself: no damaged value, none that a hole of zeros reaches into (but, [on request](Options::partial), the elements of a collection
//! that are), no key without its bytes, no key twice. But bytes inside a raw
//! string cannot be checked by anything. So what was salvaged is [unproven](Loss::content_proven), and the written file says so.
//!
//! What the names look like is learnt from the keys before a damage, and from those behind it: once a way past it is found, they are
//! read, and the way is looked for again. Where there are none, printable names are expected, and any names once none of those was
//! found in the whole file: then only a long row of keys is believed, and the first ones may be lost.
//!
//! Memory is bounded as for a verification: the largest packed value, and the tables, whose budget is
//! [`Limits::duplicate_bytes`]. What is remembered of a place that is damaged takes about 170 bytes of that (its range, the keys behind
//! it, what is known of their database) and may take half of it in all: by default that is enough for 800,000 places. Nothing behind
//! the last of them is saved, and [`Loss::full_from`] says so.
//!
//! What a search may read in vain, or once more, has a budget for each file, so that no file takes longer than its size allows. Only a
//! file that is made for it uses that up. Then less is found, and [`Loss::spent_from`] says from where on.

mod behind;
mod candidate;
mod collect;
mod covered;
mod decode;
mod doubtful;
mod duplicates;
mod evidence;
mod holes;
mod intact;
mod loss;
mod names;
mod partial;
mod restore;
mod search;
mod sections;
mod source_window;
mod swallowed;
mod walk;
mod without;
mod write;

use std::io::{self, Read, Seek, SeekFrom};

pub(crate) use behind::{Behind, behind};
pub use doubtful::{Doubt, DoubtfulKey};
pub use loss::{Anchor, DbLoss, Loss, LostKey, PartialKey};
pub use without::{LeftOut, LeftOutKind, Without};
pub use write::{Form, Written};

use crate::base::limits::Limits;
use crate::base::source::{Seekable, Source};
use crate::functions::{Api, Prover};
use crate::rdb::{Family, Header, NEWEST_REDIS, NEWEST_VALKEY, Parser, Payload, Step};
use collect::{Collected, Part, Run};
use decode::Decoder;
use duplicates::Ranges;
use holes::Holes;
use intact::{is_whole, leads_to};
use partial::Partial;
use source_window::SourceWindow;
use walk::{Item, look_ahead, walk};

/// Signature and version.
const HEADER: u64 = 9;

/// What a salvage is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What the contents of a file may make the library hold in memory.
    pub limits: Limits,
    /// The time to hold expiries against, in milliseconds since the epoch. Without it none counts as expired.
    pub now_ms: Option<i64>,
    /// Kinds of content to be left out.
    pub without: Without,
    /// Whether the intact part of a damaged collection is saved as well.
    pub partial: bool,
    /// Whether records are saved as well that lie whole in what is skipped, and that may as well be bytes of a damaged value. They are
    /// listed in any case ([`Loss::doubtful`]).
    pub doubtful: bool,
    /// The servers to write for. Without it, or if something that is saved exists in the other family alone, it is that of the file.
    pub family: Option<Family>,
    /// The key of the hashes by which names are compared, as in `verify::Options`.
    pub hash_key: Option<u64>,
    /// Runs the code of function libraries: one that a server in `apis` does not load is left out.
    pub functions: Option<Prover>,
    /// The servers that have to load the libraries. Where it is empty, the newest of the family of the file.
    pub apis: Vec<Api>,
    /// A verification found the file sound: nothing in it is doubted, though no checksum may prove it.
    pub sound: bool,
}

/// What can be saved of a damaged RDB, and what is lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The loss report.
    pub loss: Loss,
    family: Family,
    /// Whose server wrote the file, if it says so.
    writer: Option<Family>,
    version: u32,
    /// By database, and for each in the order of the file; as are the partial ones.
    runs: Vec<Run>,
    /// Parts of the runs that are left out: keys that were found twice.
    left_out: Ranges,
    parts: Vec<Part>,
    partials: Vec<Partial>,
    /// The database of each section.
    databases: Vec<u64>,
}

/// Finds out what can be saved of an RDB. Nothing is written.
///
/// # Errors
/// If the input fails. That there is nothing to be saved is no error.
///
/// # Examples
/// ```
/// use redis_persistence::repair::rdb::salvage::{Options, plan};
/// use redis_persistence::verify;
///
/// let mut damaged = b"REDIS0011\xfe\x00".to_vec();
/// for n in 10..60 {
///     damaged.extend(format!("\x00\x06key:{n}\x08value {n}").bytes());
/// }
/// damaged[28] = 0xEE; // where a type stood
/// damaged.extend(b"\xff\0\0\0\0\0\0\0\0");
///
/// let mut input = std::io::Cursor::new(damaged);
/// let plan = plan(&mut input, &Options::default())?;
/// assert_eq!(plan.loss.keys, 49);
///
/// let mut saved = Vec::new();
/// plan.write(&mut input, &mut saved)?;
/// assert_eq!(verify::slice(&saved, &verify::Options::default()).counts.keys, 49);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn plan(input: &mut (impl Read + Seek), options: &Options) -> io::Result<Plan> {
    let size = input.seek(SeekFrom::End(0))?;
    let mut source = Seekable { input, base: 0 };
    plan_source(&mut source, size, options)
}

fn plan_source(source: &mut dyn Source, size: u64, options: &Options) -> io::Result<Plan> {
    let (header, sound, family_is_known) = header(&mut SourceWindow::new(source, size))?;
    if family_is_known {
        return plan_as(source, size, options, (header, sound));
    }
    // Nothing tells whose file it is, but that types of one family make no sense in the other: what gives more keys is right.
    let other = other_family(header);
    let (plan, other) =
        (plan_as(source, size, options, (header, sound))?, plan_as(source, size, options, (other, sound))?);
    Ok(if other.loss.keys > plan.loss.keys { other } else { plan })
}

fn plan_as(
    source: &mut dyn Source,
    size: u64,
    options: &Options,
    (header, header_is_sound): (Header, bool),
) -> io::Result<Plan> {
    let input = SourceWindow::new(source, size);
    let mut decoder = Decoder::new(input, header, &options.limits);
    let mut found = Collected::new(options, header.family);
    if !header_is_sound && size > 0 {
        found.gaps.push(0..HEADER.min(size));
    }
    let proven = header_is_sound && is_whole(&mut decoder, HEADER)?;
    let whole = proven || header_is_sound && options.sound && leads_to(&mut decoder, HEADER)?;
    if !whole {
        look_ahead(&mut decoder, HEADER.min(size))?;
        let (holes, full_at) = Holes::find(&mut decoder.input)?;
        decoder.holes = holes;
        full_at.into_iter().for_each(|at| decoder.spend(at));
    }
    walk(&mut decoder, HEADER.min(size), whole, |item, decoder| match item {
        Item::Candidate(unit) => {
            let unit = decoder.among_kept(unit)?;
            let unit = if decoder.holes.touch(&unit) { unit.in_a_hole() } else { unit };
            found.unit(&unit, decoder)
        }
        Item::Gap(range, edges) => found.gap(range, &edges, decoder),
    })?;
    found.end(size);
    found.sections.disbelieve(&found.gaps);
    let groups = duplicates::same_hash(&mut found);
    let before = found.sections.databases();
    found.sections.settle();
    let moved = before != found.sections.databases();
    let drops = duplicates::drop_repeated(&mut found, &groups, moved, &mut decoder)?;
    let spent_from = decoder.spent_from();
    drop(decoder);
    let family = options.family.filter(|family| !found.foreign_to.contains(family)).unwrap_or(header.family);
    let stated = header_is_sound.then_some(header.version);
    let mut loss = Loss::new(&mut found, &drops, size, header_is_sound.then_some(header));
    loss.spent_from = spent_from;
    loss.content_proven = proven && loss.is_nothing();
    let version = found.version(stated, family);
    let Collected { mut runs, mut partials, parts, sections, writer, .. } = found;
    let databases = sections.databases();
    drop(sections);
    // So that those of a database are together. They are in the order of the file.
    runs.sort_by_key(|run| databases[run.section]);
    partials.sort_by_key(|partial| databases[partial.section]);
    Ok(Plan { loss, family, writer, version, databases, left_out: drops.ranges, runs, parts, partials })
}

impl Plan {
    /// Whose servers the written file is for.
    pub(crate) fn product(&self) -> Family {
        self.writer.unwrap_or(self.family)
    }
}

/// Returns what the file begins with, whether that is a sound header, and whether it tells the family. One that is damaged
/// is replaced by what it most likely was.
fn header(input: &mut SourceWindow<'_>) -> io::Result<(Header, bool, bool)> {
    let bytes = input.bytes(0, 9)?;
    let read = match Parser::default().step(bytes, true) {
        Ok(Step::Event { event, .. }) => match event.payload {
            Payload::Header(header) => Some(header),
            _ => None,
        },
        _ => None,
    };
    let known = |header: &Header| match header.family {
        Family::Redis => (1..=NEWEST_REDIS).contains(&header.version),
        Family::Valkey => header.version == NEWEST_VALKEY,
    };
    if let Some(header) = read.filter(|header| header.well_formed && known(header)) {
        return Ok((header, true, true));
    }
    let alike = |with: &[u8]| bytes.iter().zip(with).filter(|(a, b)| a == b).count();
    let (redis, valkey) = (alike(b"REDIS0011"), alike(b"VALKEY080"));
    let guessed = guessed(if valkey > redis { Family::Valkey } else { Family::Redis });
    Ok((guessed, false, redis.abs_diff(valkey) >= TELLING))
}

/// This many bytes more that are those of one family tell it.
const TELLING: usize = 3;

/// Returns the newest header of a family.
fn guessed(family: Family) -> Header {
    let version = if family == Family::Valkey { NEWEST_VALKEY } else { NEWEST_REDIS };
    Header { family, version, well_formed: false, digits: *b"0000" }
}

fn other_family(header: Header) -> Header {
    guessed(if header.family == Family::Valkey { Family::Redis } else { Family::Valkey })
}
