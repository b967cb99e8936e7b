//! Files that went through something that changes line ends: every CR LF became LF, or every LF became CR LF, or an editor did so in
//! parts of it.
//!
//! ```text
//! written   $3 CR LF  a LF b CR LF        the length says how many bytes the value had
//! lost      $3 LF     a LF b LF           as many: no line end in it was changed
//! doubled   $3 CR CR LF  a CR LF b CR CR LF   one too many for each of its line ends: take one CR from each
//! ```
//! A value whose bytes are as many as its length says is right as it is. If those that are missing are as many as it has bare LFs,
//! each lost its CR; if those that are too many are as many as it has CR LFs, each was given one. Any other number leaves more than
//! one way: the value is lost, and its command with it.
//!
//! The file is gone through from front to back, a value by its line ends only, and nothing is held but the places of one command.

mod behind;
mod walk;

use std::io::{self, Write};

use super::assemble::Assembler;
use super::classify::{Kind, Lost};
use super::events::{Event, Gap, Item};
use super::source::Source;
use super::survey::Surveyor;
use super::{Account, Keep, SalvageOptions, SkipKind};
use crate::rdb::Family;
use walk::{Found, Undo, Walk};

/// This many odd line ends of lines are no chance; of values fewer prove as much, for they have a length each.
const ENOUGH: u64 = 3;
const ENOUGH_VALUES: u64 = 2;

/// What became of the line ends of a file, as its lines and values tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LineEnds {
    /// Lines that end with LF alone.
    pub lost: u64,
    /// Lines that end with more than one CR before the LF.
    pub doubled: u64,
    /// Values that were changed, and can be brought back.
    pub values: u64,
    /// Values that were changed, and of which it cannot be told how they were.
    pub unproven: u64,
}

impl LineEnds {
    /// Returns what happened, in a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = match (self.lost, self.doubled) {
            (0, 0) => "line ends in values were changed".to_owned(),
            (lost, 0) => format!("{lost} lines lost the CR of their line end"),
            (0, doubled) => format!("{doubled} lines have a CR too many before their line end"),
            (lost, doubled) => format!("{lost} lines lost the CR of their line end, and {doubled} have one too many"),
        };
        let values = match (self.values, self.unproven) {
            (0, 0) => String::new(),
            (changed, 0) => format!("; {changed} values were changed, and their lengths tell how they were"),
            (changed, lost) => {
                format!(
                    "; of values {changed} were changed and can be brought back, and {lost} cannot: their commands go"
                )
            }
        };
        format!("{what}{values}")
    }

    /// Returns whether this is no chance; `bare` says that some LFs in values never had a CR, so that no program gave one
    /// to all.
    fn is_enough(&self, bare: bool) -> bool {
        let of_values = self.values >= ENOUGH_VALUES && self.unproven <= self.values && !bare;
        self.lost + self.doubled >= ENOUGH || of_values
    }
}

/// Finds out whether what is wrong with a file are its line ends, and what becomes of its records then.
pub(super) fn account(
    mut open: impl FnMut() -> io::Result<Source>,
    options: SalvageOptions,
    family: Option<Family>,
) -> io::Result<Option<(LineEnds, Account)>> {
    let mut events = Events::new(open()?, &[]);
    let mut surveyor = Surveyor::default();
    while let Some(event) = events.next()? {
        surveyor.event(&event);
    }
    let (walk, size) = (&events.walk, events.walk.source.size());
    if !walk.seen.is_enough(walk.bare) || events.broken > size / 2 {
        return Ok(None);
    }
    let seen = walk.seen;
    let mut survey = surveyor.finish();
    let keys = std::mem::take(&mut survey.keys);
    let mut assembler = Assembler::new(&survey, keys, size, options.uncertain, family);
    let mut events = Events::new(open()?, &survey.gaps);
    while let Some(event) = events.next()? {
        assembler.event(&event);
    }
    Ok(Some((seen, assembler.finish())))
}

/// What comes next in a file, as every salvage takes it: where commands begin and end in the file, and what they are.
struct Events<'g> {
    walk: Walk,
    at: u64,
    /// Where records are missing without a trace.
    missing: std::slice::Iter<'g, Gap>,
    /// How many bytes cannot be read.
    broken: u64,
}

impl<'g> Events<'g> {
    fn new(source: Source, missing: &'g [Gap]) -> Self {
        Self { walk: Walk::new(source), at: 0, missing: missing.iter(), broken: 0 }
    }

    fn next(&mut self) -> io::Result<Option<Event>> {
        if let Some(gap) = self.missing.as_slice().first().filter(|gap| gap.start <= self.at) {
            self.missing.next();
            return Ok(Some(Event::Gap(*gap)));
        }
        let (start, size) = (self.at, self.walk.source.size());
        if start >= size {
            return Ok(None);
        }
        let (end, event) = match self.walk.record(start)? {
            Found::Annotation { next, .. } => {
                (next, Event::Item(Item { start, end: next, kind: Kind::Annotation, touch: None }))
            }
            Found::Command { next } => match self.walk.event(start, next)? {
                // It reads as one by chance: what it took in, or a part of that, is something else.
                Event::Gap(gap) if gap.kind == SkipKind::Damage && !self.walk.follows_well(next)? => {
                    let gap = self.walk.gap(start)?;
                    (gap.end, Event::Gap(gap))
                }
                event => (next, event),
            },
            Found::Torn => (size, Event::Gap(Gap::new(start, size, Lost::Anything))),
            Found::Broken => {
                let gap = self.walk.gap(start)?;
                self.broken += gap.end - start;
                (gap.end, Event::Gap(gap))
            }
        };
        self.at = end;
        Ok(Some(event))
    }
}

/// Writes records as they were before their line ends were changed.
pub(super) fn write(source: Source, keep: &Keep, out: &mut impl Write) -> io::Result<()> {
    let changed = || io::Error::other("the file changed while it was read");
    let mut walk = Walk::new(source);
    let mut at = keep.start;
    while at < keep.end {
        at = match walk.record(at)? {
            Found::Annotation { text, next } => {
                walk.copy(text, Undo::Nothing, out)?;
                out.write_all(b"\r\n")?;
                next
            }
            Found::Command { next } => {
                let values = std::mem::take(&mut walk.values);
                write!(out, "*{}\r\n", values.len())?;
                for value in &values {
                    write!(out, "${}\r\n", value.len)?;
                    walk.copy((value.start, value.end), value.undo.ok_or_else(changed)?, out)?;
                    out.write_all(b"\r\n")?;
                }
                next
            }
            Found::Torn | Found::Broken => return Err(changed()),
        };
    }
    Ok(())
}
