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

mod assemble;
mod walk;

use std::io::{self, Write};

use super::source::Source;
use super::{Account, Keep};
use assemble::{Assemble, Databases, What};
use walk::{Found, Undo, Walk};

/// So many odd line ends of lines are no chance; of values fewer prove as much, for they have a length each.
const ENOUGH: u64 = 3;
const ENOUGH_VALUES: u64 = 2;

/// What became of the line ends of a file, as its lines and values tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

    /// Whether this is no chance; `bare` says that some LFs in values never had a CR, so that no program gave one to all.
    fn is_enough(&self, bare: bool) -> bool {
        let of_values = self.values >= ENOUGH_VALUES && self.unproven <= self.values && !bare;
        self.lost + self.doubled >= ENOUGH || of_values
    }
}

/// Finds out whether what is wrong with a file are its line ends, and what becomes of its records then.
pub(super) fn account(mut open: impl FnMut() -> io::Result<Source>) -> io::Result<Option<(LineEnds, Account)>> {
    let mut walk = Walk::new(open()?);
    let mut broken = 0;
    let mut databases = Databases::default();
    let mut at = 0;
    while at < walk.source.size() {
        let next = match walk.record(at)? {
            Found::Annotation { next, .. } => next,
            Found::Command { next } => {
                if let Some(db) = walk.selected()? {
                    databases.select(db);
                }
                next
            }
            Found::Torn => break,
            Found::Broken => {
                let next = walk.search(at)?;
                broken += next - at;
                databases.gap();
                next
            }
        };
        at = next;
    }
    if !walk.seen.is_enough(walk.bare) || broken > walk.source.size() / 2 {
        return Ok(None);
    }
    let seen = walk.seen;
    let mut assemble = Assemble::new(databases.begin());
    let mut walk = Walk::new(open()?);
    let mut at = 0;
    while at < walk.source.size() {
        let (next, what) = match walk.record(at)? {
            Found::Annotation { next, .. } => (next, What::Other),
            Found::Command { next } => (next, walk.what()?),
            Found::Torn => (walk.source.size(), What::Damage),
            Found::Broken => (walk.search(at)?, What::Damage),
        };
        assemble.take(at, next, what);
        at = next;
    }
    Ok(Some((seen, assemble.finish())))
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
