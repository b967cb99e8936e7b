//! Points in time that lie before the base: the history files of a server with `aof-disable-auto-gc yes` reach back to them.
//!
//! ```text
//! manifest      b base 3 | h incr 2, h base 2, h incr 1, h base 1 (the newest first) | i incr 3
//! in time       base 1, incr 1, base 2, incr 2, base 3, incr 3       base N holds all that stands before it
//! the point lies in incr 2:  base 2, incr 2 up to the point          base 3 and incr 3 are set aside, with their lines
//! ```
//! A rewrite opens the next incremental file when it begins, so all that stands behind a base was written after that was made. A base
//! is too new if its image was made after the time that is asked for, or its first record was written then. Which file of the history
//! is a base, the names tell: those of incremental files are always made by the scheme.

use std::collections::HashMap;
use std::io;

use super::manifest::Mend;
use super::walk::{Until, Walks};
use crate::aof::Manifest;
use crate::aof::dir::names::{Name, classify};
use crate::aof::dir::{AofSet, Part, Role};
use crate::aof::manifest::{Entry, EntryKind};

/// The way back to a point before the base.
#[derive(Debug)]
pub(super) struct Back<'s> {
    /// The manifest of the older chain.
    pub(super) mend: Mend,
    /// The files that were made later: they leave the set.
    pub(super) later: Vec<&'s Part>,
}

/// The point to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Point<'a> {
    /// The end of a second, in Unix time.
    Time(i64),
    /// Somewhere in the file of this name.
    File(&'a [u8]),
}

/// Returns the chain that reaches back to a point; nothing if the base in use does, or no history does.
pub(super) fn back<'s>(set: &'s AofSet, point: Point<'_>, walks: &mut Walks) -> io::Result<Option<Back<'s>>> {
    let Some(file) = &set.manifest else { return Ok(None) };
    let manifest = &file.manifest;
    if manifest.history().next().is_none() {
        return Ok(None);
    }
    let by_name: HashMap<(&[u8], Role), &Part> =
        set.parts.iter().rev().map(|part| ((&part.name[..], part.role), part)).collect();
    let part = |entry: &Entry, role| by_name.get(&(&entry.name[..], role)).copied();
    let mut line: Vec<(&Entry, &Part)> = Vec::new();
    let history: Vec<&Entry> = manifest.history().collect();
    line.extend(history.iter().rev().filter_map(|entry| Some((*entry, part(entry, Role::History)?))));
    line.extend(manifest.base().and_then(|entry| Some((entry, part(entry, Role::Base)?))));
    line.extend(manifest.incrs().filter_map(|entry| Some((entry, part(entry, Role::Incr)?))));
    let is_base = |(entry, _): &(&Entry, &Part)| {
        entry.kind == EntryKind::Base
            || entry.kind == EntryKind::History && !matches!(classify(&entry.name), Name::Incr(..))
    };
    let end = match point {
        Point::Time(_) => line.len(),
        Point::File(name) => match line.iter().position(|(entry, _)| entry.name == name) {
            Some(at) => at + 1,
            None => return Ok(None),
        },
    };
    let bases: Vec<usize> = (0..end).filter(|at| is_base(&line[*at])).collect();
    let mut chosen = None;
    for at in bases.iter().rev() {
        if line[*at].1.size().is_some() && !is_later(line[*at].1, point, walks)? {
            chosen = Some(*at);
            break;
        }
    }
    let Some(from) = chosen.filter(|at| line[*at].0.kind == EntryKind::History) else { return Ok(None) };
    // All that stands behind the next base was written after that one was made.
    let next = (from + 1..line.len()).find(|at| is_base(&line[*at])).unwrap_or(line.len());
    let later: Vec<&Part> = line[next..].iter().map(|(_, part)| *part).collect();
    let mut entries = vec![Entry { kind: EntryKind::Base, ..line[from].0.clone() }];
    entries.extend(line[from + 1..next].iter().map(|(entry, _)| Entry { kind: EntryKind::Incr, ..(*entry).clone() }));
    if !entries[1..].windows(2).all(|pair| pair[0].seq < pair[1].seq) {
        let reason = "the numbers of the history files do not rise: which of them follows which cannot be told";
        return Ok(Some(Back {
            mend: Mend { reasons: vec![reason.to_owned()], ..Mend::default() },
            later: Vec::new(),
        }));
    }
    // What is older stays history, the newest first.
    entries.extend(line[..from].iter().rev().map(|(entry, _)| (*entry).clone()));
    let name = |part: &Part| part.name.escape_ascii().to_string();
    let mut why = vec![format!(
        "what is asked for lies before the base: the history file {} becomes the base",
        name(line[from].1)
    )];
    why.extend(line[from + 1..next].iter().map(|(_, part)| format!("{} follows it", name(part))));
    why.extend(later.iter().map(|part| format!("{} leaves the manifest: all of it was written later", name(part))));
    let mend = Mend { content: Some(Manifest { entries }.to_bytes()), why, ..Mend::default() };
    Ok(Some(Back { mend, later }))
}

/// Returns whether a base holds what was written after the point.
fn is_later(base: &Part, point: Point<'_>, walks: &mut Walks) -> io::Result<bool> {
    let Point::Time(time) = point else { return Ok(false) };
    let walk = walks.of(&base.path, &Until { time: Some(time), ..Until::default() })?;
    let by_records = walk.later.as_ref().is_some_and(|later| later.to == 0);
    Ok(walk.image_time.is_some_and(|made| made > time) || by_records)
}
