//! The RDB image at the start of a file, where it is damaged.
//!
//! ```text
//! where it ends   -> where its records say so; else behind an FF and 8 bytes, where commands begin
//! is it proven    -> the checksum tells which bytes were changed: the image as it was
//! what is left    -> `repair::rdb::salvage`: a new image
//! ```
//! The commands behind it build on it: where a key is lost they begin with none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::thread;

use super::Salvage;
use super::describe::SHOWN;
use super::proof::MOST_HELD;
use super::resync::{LONG_RUN, Resync};
use super::source::Source;
use crate::Limits;
use crate::aof::dir::Part;
use crate::base::source::Clamped;
use crate::rdb::Family;
use crate::repair::FileIdentity;
use crate::repair::plan::number;
use crate::repair::rdb::{salvage, syndrome};
use crate::repair::walk::Walk;
use crate::report::Verdict;
use crate::verify::{self, ImageKeys, Options};

/// What becomes of the RDB image at the start of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Image {
    /// It is kept as it is, if there is one.
    #[default]
    Kept,
    /// The checksum tells which bytes were changed: it is written as it was.
    Mended(syndrome::Candidate),
    /// What is left of it is written as a new one.
    Salvaged(Box<salvage::Plan>),
}

/// FF, and a checksum.
const TRAILER: u64 = 9;
/// As long as what an RDB begins with.
const MAGIC: usize = 6;

/// Returns what is wrong with the image of a file, if something is. One that begins as no RDB does is known by its name, or
/// by most of its first bytes.
pub(super) fn damage(walk: &Walk, part: &Part) -> io::Result<Option<String>> {
    if walk.bad_image.is_some() || walk.image_end > 0 {
        return Ok(walk.bad_image.clone());
    }
    let mut source = Source::new(walk.open()?, walk.seen.size);
    let head = source.bytes(0, MAGIC)?;
    let alike = |magic: &[u8]| head.iter().zip(magic).filter(|(a, b)| a == b).count() + 1 >= magic.len();
    let (redis, valkey) = (alike(b"REDIS0"), alike(b"VALKEY"));
    let named = part.name.ends_with(b".rdb") && !head.is_empty();
    let is_image = named && !Resync::new(&mut source, &[]).begins(0)? || redis || valkey;
    Ok(is_image.then(|| "its first bytes are none of an RDB".to_owned()))
}

impl Image {
    /// Returns what can be had of a damaged image, and where it ends; why not, if nothing can.
    pub(super) fn of(walk: &Walk) -> io::Result<(Result<Self, String>, u64)> {
        let end = end(walk)?;
        let mut input = Clamped::new(File::open(&walk.seen.path)?, end);
        let options = Options::default();
        let report = verify::reader(&mut input, &options)?;
        if let Some(candidate) = syndrome::search_in(&mut input, &report, &options)?.mended() {
            return Ok((Ok(Self::Mended(candidate.clone())), end));
        }
        if report.verdict == Verdict::Unknown && walk.bad_image.is_some() {
            return Ok((Err("it cannot be judged".to_owned()), end));
        }
        let plan = salvage::plan(&mut input, &salvage::Options::default())?;
        Ok((Ok(Self::Salvaged(Box::new(plan))), end))
    }

    /// Whose newest server loads it, as a verification will have it.
    pub(super) fn family(&self, walk: &Walk, end: u64) -> io::Result<Option<Family>> {
        Ok(match self {
            Self::Kept => walk.family,
            Self::Mended(candidate) => {
                let mended = candidate.over(Clamped::new(File::open(&walk.seen.path)?, end))?;
                verify::reader(mended, &Options::default())?
                    .format
                    .map(|format| format.product.unwrap_or(format.family))
            }
            Self::Salvaged(plan) => Some(plan.product()),
        })
    }

    /// Writes an image that is not kept as it is; `file` is the damaged one.
    pub(super) fn write(&self, file: &File, end: u64, out: &mut impl Write) -> io::Result<()> {
        let mut input = Clamped::new(file, end);
        match self {
            Self::Kept => Ok(()),
            Self::Mended(candidate) => io::copy(&mut candidate.over(input)?, out).map(drop),
            Self::Salvaged(plan) => plan.write(&mut input, out).map(drop),
        }
    }

    /// Hands out the image as it will be written; `file` is the one that it is in.
    fn read<T>(&self, file: File, end: u64, on: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        let mut input = Clamped::new(file, end);
        match self {
            Self::Kept => on(&mut input.take(end)),
            Self::Mended(candidate) => on(&mut candidate.over(input)?),
            // It is about as long as the damaged one.
            Self::Salvaged(plan) if end <= MOST_HELD => {
                let mut made = Vec::new();
                plan.write(&mut input, &mut made)?;
                on(&mut made.as_slice())
            }
            Self::Salvaged(plan) => {
                let (mut from, to) = io::pipe()?;
                thread::scope(|scope| {
                    let write = move || plan.write(&mut input, to).map(drop);
                    let written = thread::Builder::new().spawn_scoped(scope, write)?;
                    let read = on(&mut from);
                    // To the end, whatever was asked for: where the signal is not ignored, a closed pipe kills who writes to it.
                    let rest = io::copy(&mut from, &mut io::sink());
                    written.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                    rest?;
                    read
                })
            }
        }
    }

    /// Returns the bytes of it that are skipped.
    #[cfg(unix)]
    pub(super) fn skipped(&self) -> &[std::ops::Range<u64>] {
        match self {
            Self::Salvaged(plan) => &plan.loss.skipped,
            Self::Kept | Self::Mended(_) => &[],
        }
    }

    pub(super) fn describe(&self, lines: &mut Vec<String>) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        match self {
            Self::Kept => {}
            Self::Mended(change) => {
                let (offset, old, new) = (change.offset, hex(&change.old), hex(&change.new));
                lines.push(format!("  the image as it was, by its checksum: at byte {offset} {new} instead of {old}"));
            }
            Self::Salvaged(plan) => {
                let loss = &plan.loss;
                lines.push(format!(
                    "  of the damaged image: {}; {} skipped in {}",
                    number(loss.keys, "key"),
                    number(loss.bytes_skipped(), "byte"),
                    number(loss.skipped.len() as u64, "range")
                ));
                for (db, of) in &loss.databases {
                    let lost = match (of.stated, of.lost()) {
                        (Some(stated), Some(lost)) => format!("{lost} of {stated} lost"),
                        _ => "how many there were is not known".to_owned(),
                    };
                    lines.push(format!("    database {db}: {} saved, {lost}", number(of.keys, "key")));
                }
                for range in loss.skipped.iter().take(SHOWN) {
                    let (start, end) = (range.start, range.end);
                    lines.push(format!("    bytes {start} to {end} ({}): cannot be read", end - start));
                }
                if loss.skipped.len() > SHOWN {
                    lines.push(format!("    and {} more", loss.skipped.len() - SHOWN));
                }
                if let Some(from) = loss.full_from {
                    let keys = number(loss.unsaved, "key");
                    lines.push(format!(
                        "    there are too many of them: behind byte {from} nothing is saved, with {keys} there"
                    ));
                }
                for (count, what) in [
                    (loss.damaged_total, "left out, whose values are damaged"),
                    (loss.repeated, "found twice, left out"),
                    (loss.uncertain, "may belong to another database"),
                ] {
                    if count > 0 {
                        lines.push(format!("    {} {what}", number(count, "key")));
                    }
                }
                if loss.doubtful_total > 0 {
                    let records = number(loss.doubtful_total, "record");
                    lines.push(format!("    {records} in skipped bytes may be keys, or pieces of a damaged value"));
                }
            }
        }
    }
}

/// Returns where a damaged image ends: commands begin there, or nothing does.
fn end(walk: &Walk) -> io::Result<u64> {
    let size = walk.seen.size;
    let mut source = Source::new(walk.open()?, size);
    let mut resync = Resync::new(&mut source, &[]);
    if walk.image_end > 0 && (walk.image_end == size || resync.begins(walk.image_end)?) {
        return Ok(walk.image_end);
    }
    let mut first = None;
    let mut at = TRAILER;
    while let Some(star) = resync.find(at, size, b"*")? {
        at = star + 1;
        if !resync.begins(star)? {
            continue;
        }
        if resync.byte(star - TRAILER)? == Some(crate::rdb::opcode::EOF) {
            return Ok(star);
        }
        if first.is_none() && resync.runs(star, LONG_RUN)? {
            first = Some(star);
        }
    }
    Ok(first.unwrap_or(size))
}

impl Salvage {
    /// Returns whether servers abort at the image of the next file, whose keys would stand in an earlier one as well.
    /// Commands in between may have deleted them.
    pub(super) fn repeats(&self, seen: &FileIdentity, end: u64, image: &Image) -> io::Result<bool> {
        let images: Vec<_> = self.files.iter().filter(|file| file.image_end > 0).collect();
        if images.is_empty() || self.files.iter().any(|file| file.account.kept_commands > 0) {
            return Ok(false);
        }
        let limits = Limits::default();
        let mut keys = ImageKeys::default();
        for file in images {
            file.image.read(File::open(&file.seen.path)?, file.image_end, |image| keys.add(image, &limits))?;
        }
        Ok(image.read(File::open(&seen.path)?, end, |image| keys.first_in(image, &limits))?.is_some())
    }

    /// Says what a damaged image means for the commands behind it.
    pub(super) fn note_image(&mut self, name: &str, image: &Image) {
        let Image::Salvaged(plan) = image else { return };
        if !plan.loss.skipped.is_empty() || plan.loss.damaged_total > 0 {
            self.notes.push(format!("keys of the image in {name} are lost: commands that change them begin with none"));
        }
    }
}
