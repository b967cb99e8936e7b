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

mod account;
mod assemble;
mod classify;
mod databases;
mod describe;
mod events;
mod image;
mod keys;
mod leave;
mod line_ends;
mod lost_page;
mod merged_records;
mod names;
mod proof;
mod resync;
mod scan;
mod source;
mod survey;
#[cfg(unix)]
mod write;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;

pub use account::{Account, Certainty, Keep, Skip, SkipKind, Stretch};
use assemble::Assembler;
use events::Event;
pub use image::Image;
pub use line_ends::LineEnds;
use proof::Proof;
use source::Source;
use survey::{Replay, Survey};
#[cfg(unix)]
pub use write::{EXISTS, Salvaged, check_out, write, write_if};

use super::super::plan::first_lines;
use super::super::walk::{Until, Walk, Walks};
use super::super::{FileIdentity, manifest};
use crate::aof::Manifest;
use crate::aof::dir::{AofSet, Part, Role, Shape};
use crate::aof::manifest::{Entry, EntryKind};
use crate::rdb::Family;
use crate::report::Report;

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

/// One file, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SalvagedFile {
    /// The file as it was read.
    pub seen: FileIdentity,
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
    /// What would still be wrong with the new files; none if they are sound, or too large to tell before they are written.
    pub unsound: Option<String>,
}

/// Whole records that are not kept, by the name of their file: where each begins.
type Refused = HashMap<Vec<u8>, HashSet<u64>>;

/// So often what is left is verified anew.
const MOST_PROOFS: usize = 100;

/// Finds out what can be salvaged of a file or a set, and verifies what would be written. Nothing is written.
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
    salvage_with(set, options, &mut Walks::default())
}

/// Returns the same, with walks that may have been made before.
pub(super) fn salvage_with(set: &AofSet, options: SalvageOptions, walks: &mut Walks) -> io::Result<Salvage> {
    let mut refused = Refused::new();
    let mut proofs = 0;
    loop {
        proofs += 1;
        let mut salvage = without(set, options, &refused, walks)?;
        if !salvage.reasons.is_empty() {
            return Ok(salvage);
        }
        match proof::prove(&salvage)? {
            Proof::Sound | Proof::Unknown => return Ok(salvage),
            Proof::Unsound(what) => salvage.unsound = Some(what),
            Proof::Records(records) => {
                let before: usize = refused.values().map(HashSet::len).sum();
                for (name, starts) in records {
                    refused.entry(name).or_default().extend(starts);
                }
                if proofs < MOST_PROOFS && refused.values().map(HashSet::len).sum::<usize>() > before {
                    continue;
                }
                salvage.unsound = Some("commands that servers refuse would stay".to_owned());
            }
        }
        return Ok(salvage);
    }
}

/// Returns what can be salvaged, but for these records.
fn without(set: &AofSet, options: SalvageOptions, refused: &Refused, walks: &mut Walks) -> io::Result<Salvage> {
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
        let walk = walks.of(&part.path, &Until::default())?;
        salvage.file((part, &walk), incr, options, refused.get(&part.name).unwrap_or(&HashSet::new()))?;
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

/// Returns the files that servers would load, each with its line of the new manifest. Replication offsets count bytes that
/// may be gone, so they are left out.
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
    /// Verifies what would be written, without writing it; nothing if an image made anew is too large to be held for that.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub fn verify(&self) -> io::Result<Option<Report>> {
        proof::report(self)
    }

    fn file(
        &mut self,
        (part, walk): (&Part, &Walk),
        incr: bool,
        options: SalvageOptions,
        refused: &HashSet<u64>,
    ) -> io::Result<()> {
        let name = part.name.escape_ascii().to_string();
        let (mut image, mut image_end) = (Image::Kept, walk.image_end);
        if let Some(what) = image::damage(walk, part)? {
            let found;
            (found, image_end) = Image::of(walk)?;
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
            self.family = image.family(walk, image_end)?;
        }
        let open = || -> io::Result<Source> { Ok(Source::new(File::open(&walk.seen.path)?, walk.seen.size)) };
        // What explains the damage as a whole is tried before what lies behind it is looked for.
        let changed =
            if image_end == 0 && walk.stop.is_some() { line_ends::account(open, options, self.family)? } else { None };
        let (line_ends, mut account) = match changed {
            Some((seen, account)) => (Some(seen), account),
            None => (None, account(&walk.seen, image_end, options, self.family, refused)?),
        };
        account.estimate(&mut File::open(&walk.seen.path)?)?;
        let name = part.name.clone();
        self.files.push(SalvagedFile { seen: walk.seen.clone(), name, image_end, image, line_ends, account });
        Ok(())
    }

    /// Returns whether nothing is lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.files
            .iter()
            .all(|file| file.image == Image::Kept && file.line_ends.is_none() && file.account.skipped.is_empty())
    }
}

/// Finds out what becomes of the records of a file.
fn account(
    seen: &FileIdentity,
    at: u64,
    options: SalvageOptions,
    family: Option<Family>,
    refused: &HashSet<u64>,
) -> io::Result<Account> {
    // Each reading has a file of its own: two that share one would move each other's place.
    let open = || -> io::Result<Source> { Ok(Source::new(File::open(&seen.path)?, seen.size)) };
    let mut survey = Survey::of(open()?, at, &[])?;
    let repeated = lost_page::repeated(&mut File::open(&seen.path)?, seen.size, &survey.gaps)?;
    if !repeated.is_empty() {
        survey = Survey::of(open()?, at, &repeated)?;
    }
    let keys = std::mem::take(&mut survey.keys);
    let mut assembler = Assembler::new(&survey, keys, seen.size, options.uncertain, family);
    let mut replay = Replay::new(open()?, at, &survey.gaps);
    while let Some(event) = replay.next()? {
        match event {
            Event::Item(item) if refused.contains(&item.start) => assembler.refused(&item),
            event => assembler.event(&event),
        }
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

/// Returns the record that selects a database.
fn select(db: u32) -> Vec<u8> {
    let db = db.to_string();
    format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{db}\r\n", db.len()).into_bytes()
}
