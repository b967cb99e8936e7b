//! Damage in a file whose line ends were changed: where records go on behind it, and what it may have taken.

use std::io;

use super::super::classify::{Lost, lost};
use super::super::events::Gap;
use super::walk::{Found, Header, LONGEST_LINE, Line, Value, Walk, line};
use crate::aof::commands::named;

/// So often a record is looked for behind damage in one file.
const MOST_SEARCHES: u32 = 64;
/// So often all of the file is looked at.
const MOST_LOOKS: u64 = 8;
/// This many places are tried for one.
const MOST_TRIES: u32 = 1024;
/// This many records make a place believable.
const RUN: u32 = 3;
/// Shorter gaps are looked at to tell what they were.
const SHORT: u64 = 4 << 10;
/// So far from where a record has to begin its first argument is looked for.
const NEAR: usize = 8;
/// This many bytes that are not text may be damage alone; more may be a value.
const MOST_STRANGE: usize = 4;

impl Walk {
    /// Returns the gap of damage that begins there, which was just found to be no record.
    pub(super) fn gap(&mut self, start: u64) -> io::Result<Gap> {
        let read = std::mem::take(&mut self.values);
        let end = self.search(start)?;
        let seen = self.seen;
        let lost = self.lost(start, end, read)?;
        self.seen = seen;
        Ok(Gap::new(start, end, lost))
    }

    /// Returns whether records that are believed go on there, or the file ends.
    pub(super) fn follows_well(&mut self, at: u64) -> io::Result<bool> {
        let seen = self.seen;
        let begins = at >= self.source.size() || self.begins(at)?;
        self.seen = seen;
        Ok(begins)
    }

    /// Returns the next place behind damage from which records of known commands can be read; the end of the file if there
    /// is none.
    fn search(&mut self, from: u64) -> io::Result<u64> {
        self.searches += 1;
        let (mut at, mut tries) = (from + 1, 0);
        // Bytes that were made to look like records could make the search quadratic.
        let most = self.source.size().saturating_mul(MOST_LOOKS);
        let before = self.seen;
        while self.searches <= MOST_SEARCHES && tries < MOST_TRIES && self.looked_at <= most {
            let Some(star) = self.star(at)? else { break };
            at = star + 1;
            if !matches!(line(b'*', self.source.bytes(star, LONGEST_LINE)?), Line::Number { .. }) {
                continue;
            }
            tries += 1;
            let begins = self.begins(star)?;
            self.seen = before;
            if begins {
                return Ok(star);
            }
        }
        Ok(self.source.size())
    }

    /// Returns the first star from `at` on.
    fn star(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at < self.source.size() {
            let bytes = self.source.bytes(at, 1)?;
            let star = memchr::memchr(b'*', bytes);
            let passed = star.unwrap_or(bytes.len()) as u64;
            self.looked_at += passed;
            at += passed.max(u64::from(star.is_none()));
            if star.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Returns whether several records of known commands follow one another from there on, or lead to the end.
    fn begins(&mut self, mut at: u64) -> io::Result<bool> {
        for records in 0..RUN {
            if at >= self.source.size() {
                return Ok(records > 0);
            }
            at = match self.record(at)? {
                Found::Annotation { next, .. } => next,
                Found::Command { next } if self.is_known()? => next,
                Found::Torn => return Ok(records > 0),
                Found::Command { .. } | Found::Broken => return Ok(false),
            };
        }
        Ok(true)
    }

    /// Returns whether some server knows the command at hand.
    fn is_known(&mut self) -> io::Result<bool> {
        let mut name = Vec::new();
        self.restored(0, &mut name)?;
        name.make_ascii_uppercase();
        Ok(!named(&name).is_empty())
    }

    /// Returns what a short gap was: a record of which a byte or some are damaged in place, or whatever there is. `read` is
    /// what could be read of it.
    fn lost(&mut self, start: u64, end: u64, read: Vec<Value>) -> io::Result<Lost> {
        if end - start > SHORT || end >= self.source.size() {
            return Ok(Lost::Anything);
        }
        let head = match self.header(b'*', start)? {
            Header::Line { number, next, .. } => Some((number, read.last().map_or(next, |value| value.end + 1))),
            _ => None,
        };
        let (argc, from, to) = match head {
            // Without its name nothing tells what it was.
            Some(_) if read.is_empty() => return Ok(Lost::Anything),
            Some((argc, at)) => (Some(argc), at, end),
            None => (None, start, end.min(start + NEAR as u64)),
        };
        let mut at = from;
        while let Some(dollar) = self.dollar(at, to)? {
            at = dollar + 1;
            self.values.clear();
            if !self.leads_to(dollar, end)? {
                continue;
            }
            let (behind, strange) = (self.values.len() as u64, self.strange(from, dollar)?);
            let in_place = (1..=MOST_STRANGE).contains(&strange);
            return match argc {
                Some(argc) if in_place && read.len() as u64 + behind < argc => {
                    self.values = read;
                    self.words(argc)
                }
                None if in_place => self.words(behind),
                _ => Ok(Lost::Anything),
            };
        }
        Ok(Lost::Anything)
    }

    /// Returns what a command of these first values was.
    fn words(&mut self, argc: u64) -> io::Result<Lost> {
        let (mut name, mut argument) = (Vec::new(), Vec::new());
        self.restored(0, &mut name)?;
        self.restored(1, &mut argument)?;
        Ok(lost(argc, &name, &argument))
    }

    /// Returns whether arguments lead from one place to another.
    fn leads_to(&mut self, mut at: u64, to: u64) -> io::Result<bool> {
        while at < to {
            // The last one is followed by a record, the others by arguments.
            match self.argument(at, false)? {
                Ok(next) => at = next,
                Err(_) => match self.argument(at, true)? {
                    Ok(next) => return Ok(next == to),
                    Err(_) => return Ok(false),
                },
            }
        }
        Ok(false)
    }

    fn dollar(&mut self, at: u64, to: u64) -> io::Result<Option<u64>> {
        let left = usize::try_from(to.saturating_sub(at)).unwrap_or(0);
        let bytes = self.source.bytes(at, left)?;
        Ok(memchr::memchr(b'$', &bytes[..left.min(bytes.len())]).map(|found| at + found as u64))
    }

    /// Returns how many bytes there are none of text.
    fn strange(&mut self, from: u64, to: u64) -> io::Result<usize> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let bytes = self.source.bytes(from, length)?;
        let text = |byte: &&u8| (b' '..=b'~').contains(*byte) || matches!(byte, b'\r' | b'\n');
        Ok(bytes[..length.min(bytes.len())].iter().filter(|byte| !text(byte)).count())
    }
}
