//! Salvage of append-only files: what can still be read goes into new ones.
//!
//! ```text
//! each file -> survey: gaps, transactions, databases -> assemble: whole transactions, each command in its database -> Account
//! Salvage (plain data) -> describe() -> write(): a new folder with the files, a manifest, what was skipped, and this report
//! ```
//! Nothing that exists is changed. An RDB image that is damaged is mended by its checksum, or made anew of what is left of it.
//! Commands whose database cannot be told are left out, unless [`Uncertain::Keep`] is asked for.
//! Where line ends were changed they are brought back ([`LineEnds`]). Else
//! what is kept stays as it is, byte for byte, annotations too; only a SELECT is added where the
//! one that stood there is gone.
//!
//! ```text
//! OUT/<the names of the set>   the files, and a manifest in the plain form
//! OUT/salvage.report           this plan, in lines
//! OUT/salvage.quarantine       what was skipped: for each range a line, its bytes, and a line end
//!                              "skipped <file> <start> <length> <kind>" LF bytes LF
//! ```
//! A single file stays a single file under its name: every server takes that at once, 7.0 and later by moving it into a folder
//! of its own at the first start. A set stays a set: it can take the place of the folder that it came from.

mod assemble;
mod believe;
mod databases;
mod describe;
mod image;
mod joined;
mod keys;
mod line_ends;
mod names;
mod pages;
mod resync;
mod scan;
mod source;
mod survey;
#[cfg(unix)]
mod write;

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;

use assemble::Assembler;
pub use image::Image;
pub use line_ends::LineEnds;
use source::Source;
use survey::{Replay, Survey};
#[cfg(unix)]
pub use write::{EXISTS, Salvaged, check_out, write, write_if};

use super::super::plan::first_lines;
use super::super::{Seen, manifest, walk};
use crate::aof::Manifest;
use crate::aof::dir::{AofSet, Part, Role, Shape};
use crate::aof::manifest::{Entry, EntryKind};
use crate::rdb::Family;

/// What to salvage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SalvageOptions {
    /// What becomes of commands whose database cannot be told.
    pub uncertain: Uncertain,
}

/// What becomes of commands whose database cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Uncertain {
    /// They are left out, so that none lands in another database than its own.
    #[default]
    SetAside,
    /// They are kept, in the likeliest database.
    Keep,
}

/// Bytes that are kept, as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The database that a SELECT in front of them selects; none if the one in force is right.
    pub select: Option<u32>,
}

/// Bytes that are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Why.
    pub kind: SkipKind,
    /// How many commands in them can be read.
    pub commands: u64,
}

/// Why bytes are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipKind {
    /// They cannot be read as records that servers know.
    Damage,
    /// A page of 4 KiB that is a copy of another one.
    RepeatedPage,
    /// A transaction of which a part is damaged or missing.
    Transaction,
    /// An EXEC without a MULTI.
    StrayExec,
    /// Commands of which it cannot be told to which database they belong.
    Database,
    /// Commands with a value whose line ends were changed, and of which it cannot be told how they were.
    LineEnds,
}

impl SkipKind {
    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::RepeatedPage => "repeated-page",
            Self::Transaction => "transaction",
            Self::StrayExec => "stray-exec",
            Self::Database => "database",
            Self::LineEnds => "line-ends",
        }
    }
}

impl fmt::Display for SkipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damage => "cannot be read",
            Self::RepeatedPage => "a copy of another page",
            Self::Transaction => "of a torn transaction",
            Self::StrayExec => "an EXEC without a MULTI",
            Self::Database => "of an unknown database",
            Self::LineEnds => "with a value of which it cannot be told where its line ends had a CR",
        })
    }
}

/// Commands between a gap that may have held a SELECT and the next SELECT: their database is uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// How many commands it has.
    pub commands: u64,
    /// The database that they go to; none if they are set aside.
    pub db: Option<u32>,
    /// What speaks for it.
    pub certainty: Certainty,
}

/// What speaks for the database of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Certainty {
    /// The file selects no other.
    OnlyDatabase,
    /// It was in force before the gap, which is short, and SELECTs are rare.
    AsBefore,
    /// Its keys are those of the stretch.
    ByKeys,
    /// The next SELECT leaves no other.
    BySelect,
    /// Not enough.
    Unknown,
}

impl Certainty {
    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnlyDatabase => "only-database",
            Self::AsBefore => "as-before",
            Self::ByKeys => "by-keys",
            Self::BySelect => "by-select",
            Self::Unknown => "unknown",
        }
    }
}

/// What becomes of the bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// What is kept, in the order of the file.
    pub kept: Vec<Keep>,
    /// What is not, in the order of the file.
    pub skipped: Vec<Skip>,
    /// The stretches of an uncertain database.
    pub stretches: Vec<Stretch>,
    /// How many commands are kept.
    pub kept_commands: u64,
    /// How many commands go though they can be read.
    pub skipped_commands: u64,
}

impl Account {
    fn skip(&mut self, skip: Skip) {
        self.skipped_commands += skip.commands;
        match self.skipped.last_mut() {
            Some(last) if last.end == skip.start && last.kind == skip.kind => {
                last.end = skip.end;
                last.commands += skip.commands;
            }
            _ if skip.start == skip.end => {}
            _ => self.skipped.push(skip),
        }
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.kept.iter().map(|keep| keep.end - keep.start).sum()
    }

    /// How many bytes are not kept.
    #[must_use]
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped.iter().map(|skip| skip.end - skip.start).sum()
    }

    /// About how many commands lie in bytes that cannot be read: as many as there are in so many bytes elsewhere.
    #[must_use]
    pub fn unreadable_commands_estimated(&self) -> u64 {
        // Where none was found to measure by, bytes say nothing of commands.
        if self.kept_commands == 0 {
            return 0;
        }
        let each = (self.kept_bytes() / self.kept_commands).max(SHORTEST);
        let damage = self.skipped.iter().filter(|skip| matches!(skip.kind, SkipKind::Damage | SkipKind::RepeatedPage));
        damage.map(|skip| (skip.end - skip.start).div_ceil(each)).sum()
    }
}

/// The bytes of the shortest command.
const SHORTEST: u64 = 11;

/// One file, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SalvagedFile {
    /// The file as it was read.
    pub seen: Seen,
    /// Its name in the set.
    pub name: Vec<u8>,
    /// The end of the RDB image at its start; 0 if there is none.
    pub image_end: u64,
    /// What becomes of the image.
    pub image: Image,
    /// What was done to its line ends, if that is what is wrong with it: what is kept is written with those that it had.
    pub line_ends: Option<LineEnds>,
    /// What becomes of its records.
    pub account: Account,
}

/// What would be salvaged of a file or a set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Salvage {
    /// The files, in the order in which they are loaded.
    pub files: Vec<SalvagedFile>,
    /// The name and the content of the new manifest, if it is a set.
    pub manifest: Option<(Vec<u8>, Vec<u8>)>,
    /// Why nothing can be written; empty if it can.
    pub reasons: Vec<String>,
    /// What else one should know.
    pub notes: Vec<String>,
    /// Whose newest server is to load it, by its first image; none if there is none.
    pub family: Option<Family>,
}

/// Finds out what can be salvaged of a file or a set. Nothing is written.
///
/// # Errors
/// If a file cannot be read.
///
/// # Examples
/// ```no_run
/// use redis_persistence::aof::dir;
/// use redis_persistence::repair::aof::salvage::{SalvageOptions, salvage};
///
/// let set = dir::find_on_disk("appendonlydir".as_ref())?;
/// let salvage = salvage(&set, SalvageOptions::default())?;
/// println!("{}", salvage.describe().join("\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn salvage(set: &AofSet, options: SalvageOptions) -> io::Result<Salvage> {
    let mend = manifest::mend(set);
    let mut salvage = Salvage { reasons: mend.reasons, notes: mend.notes, ..Salvage::default() };
    salvage.notes.extend(mend.why.iter().map(|why| format!("the manifest: {why}")));
    let (parts, entries) = listed(set, mend.content.as_deref());
    let (mut written, mut taken) = (Vec::new(), HashSet::new());
    for (part, entry) in parts.into_iter().zip(entries) {
        let name = part.name.escape_ascii().to_string();
        if part.size().is_none() {
            let text = format!("{name} is listed, and no file of this name is there");
            match part.role {
                Role::Base => salvage.reasons.push(format!("{text}: all that it held is gone")),
                _ => salvage.notes.push(format!("{text}: its writes are missing")),
            }
            continue;
        }
        if !taken.insert(&part.name) {
            salvage.notes.push(format!("{name} is listed twice; it is taken once"));
            continue;
        }
        // In a manifest made anew a file may have another part than in the one that is there.
        let incr = entry.as_ref().map_or(part.role == Role::Incr, |entry| entry.kind == EntryKind::Incr);
        salvage.file(part, incr, options)?;
        written.extend(entry);
    }
    if salvage.files.is_empty() && salvage.reasons.is_empty() {
        salvage.reasons.push("there is no file to take anything from".to_owned());
    }
    // What holds nothing and lost nothing is as it was: an empty set is one.
    if salvage.reasons.is_empty() && !salvage.keeps_anything() && !salvage.is_whole() {
        salvage.reasons.push("nothing of it can be kept: what would be written holds no data".to_owned());
    }
    if set.shape == Shape::MultiPart {
        let prefix = if set.prefix.is_empty() { &b"appendonly.aof"[..] } else { &set.prefix };
        let name = [prefix, b".manifest"].concat();
        let name = set
            .manifest
            .as_ref()
            .and_then(|file| file.path.file_name())
            .map_or(name, |found| found.as_encoded_bytes().to_vec());
        if salvage.files.iter().any(|file| file.name == name) {
            salvage.reasons.push("the manifest lists a file of its own name".to_owned());
        }
        salvage.manifest = Some((name, Manifest { entries: written }.to_bytes()));
    }
    first_lines(&mut salvage.reasons);
    first_lines(&mut salvage.notes);
    Ok(salvage)
}

/// The files that servers would load, each with its line of the new manifest. Replication offsets count bytes that may be gone,
/// so they are left out.
fn listed<'s>(set: &'s AofSet, content: Option<&[u8]>) -> (Vec<&'s Part>, Vec<Option<Entry>>) {
    let parsed = content.map(|content| Manifest::parse(content).0);
    let Some(manifest) = parsed.as_ref().or(set.manifest.as_ref().map(|file| &file.manifest)) else {
        let parts: Vec<_> = set.parts.iter().filter(|part| part.role.is_loaded()).collect();
        // An old-style file that the next start moves into the folder becomes the base of a set.
        let moved = |part: &&Part| Entry {
            name: part.name.clone(),
            seq: 1,
            kind: EntryKind::Base,
            start_offset: None,
            end_offset: None,
            line: 0,
            range: 0..0,
        };
        let entries = parts.iter().map(|part| (set.shape == Shape::MultiPart).then(|| moved(part))).collect();
        return (parts, entries);
    };
    let by_name = set.parts_by_name();
    let entries = manifest.base().into_iter().chain(manifest.incrs());
    let found = entries.filter_map(|entry| {
        let part = *by_name.get(&entry.name[..])?;
        let kind = if entry.kind == EntryKind::Base { EntryKind::Base } else { EntryKind::Incr };
        Some((part, Some(Entry { start_offset: None, end_offset: None, kind, ..entry.clone() })))
    });
    found.unzip()
}

impl Salvage {
    fn file(&mut self, part: &Part, incr: bool, options: SalvageOptions) -> io::Result<()> {
        let walk = walk::walk(&part.path, &walk::Until::default())?;
        let name = part.name.escape_ascii().to_string();
        let (mut image, mut image_end) = (Image::Kept, walk.image_end);
        if let Some(what) = image::damage(&walk, part)? {
            let found;
            (found, image_end) = Image::of(&walk)?;
            match found {
                Ok(found) => {
                    self.notes.push(format!("the RDB image in {name} is damaged: {what}"));
                    self.note_image(&name, &found);
                    image = found;
                }
                Err(why) => self.reasons.push(format!("the RDB image in {name} is damaged ({what}), and {why}")),
            }
        }
        if incr && image_end > 0 {
            if self.repeats(&walk.seen, image_end, &image)? {
                self.reasons.push(format!("{name} holds an RDB image with a key of an image before it: servers abort"));
            } else {
                self.notes.push(format!("{name} holds an RDB image: servers abort if one of its keys exists already"));
            }
        }
        if self.files.iter().all(|file| file.image_end == 0) {
            self.family = image.family(&walk, image_end)?;
        }
        let open = || -> io::Result<Source> { Ok(Source::new(File::open(&walk.seen.path)?, walk.seen.size)) };
        // What explains the damage as a whole is tried before what lies behind it is looked for.
        let changed =
            if image_end == 0 && walk.stop.is_some() { line_ends::account(open, options, self.family)? } else { None };
        let (line_ends, account) = match changed {
            Some((seen, account)) => (Some(seen), account),
            None => (None, account(&walk.seen, image_end, options, self.family)?),
        };
        let name = part.name.clone();
        self.files.push(SalvagedFile { seen: walk.seen, name, image_end, image, line_ends, account });
        Ok(())
    }

    /// Whether nothing is lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.files
            .iter()
            .all(|file| file.image == Image::Kept && file.line_ends.is_none() && file.account.skipped.is_empty())
    }
}

/// Finds out what becomes of the records of a file.
fn account(seen: &Seen, at: u64, options: SalvageOptions, family: Option<Family>) -> io::Result<Account> {
    // Each reading has a file of its own: two that share one would move each other's place.
    let open = || -> io::Result<Source> { Ok(Source::new(File::open(&seen.path)?, seen.size)) };
    let mut survey = Survey::of(open()?, at, &[])?;
    let repeated = pages::repeated(&mut File::open(&seen.path)?, seen.size, &survey.gaps)?;
    if !repeated.is_empty() {
        survey = Survey::of(open()?, at, &repeated)?;
    }
    let keys = std::mem::take(&mut survey.keys);
    let mut assembler = Assembler::new(&survey, keys, seen.size, options.uncertain, family);
    let mut replay = Replay::new(open()?, at, &survey.gaps);
    while let Some(event) = replay.next()? {
        assembler.event(&event);
    }
    let mut account = assembler.finish();
    for skip in account.skipped.iter_mut().filter(|skip| skip.kind == SkipKind::Damage) {
        let inside = repeated.iter().any(|(from, to)| skip.start < *to && *from < skip.end);
        if inside {
            skip.kind = SkipKind::RepeatedPage;
        }
    }
    Ok(account)
}
