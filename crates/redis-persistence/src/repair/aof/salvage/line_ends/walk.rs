//! Goes through a file whose line ends were changed, record by record.

use std::cmp::Ordering;
use std::io::{self, Write};

use super::super::classify::{Kind, Lost};
use super::super::events::{Event, Gap, Item};
use super::super::source::Source;
use super::LineEnds;
use crate::aof::resp;
use crate::aof::{Command, Record, Span};

/// A header line is no longer.
pub(super) const LONGEST_LINE: usize = 32;
/// An annotation is no longer.
const LONGEST_ANNOTATION: usize = 1024;
/// Commands of more arguments are not brought back.
const MOST_ARGUMENTS: u64 = 1 << 20;
/// So much of a name or a key is looked at.
const LONGEST_KEY: u64 = 1024;
/// So much is looked at in one piece.
const BLOCK: usize = 64 << 10;

/// What brings a value back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    Nothing,
    /// Puts a CR before each LF that has none.
    AddReturns,
    /// Puts a CR before each LF, those too that still have one: they had two.
    AddToAll,
    /// Takes a CR from before each LF.
    DropReturns,
}

/// A value in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The length that it is to have.
    pub(super) len: u64,
    /// None if more than one way leads to that length.
    pub(super) undo: Option<Undo>,
}

/// What stands at a place.
pub(super) enum Found {
    Annotation {
        text: (u64, u64),
        next: u64,
    },
    Command {
        next: u64,
    },
    /// The file ends inside of it.
    Torn,
    Broken,
}

/// Goes through a file, record by record.
pub(super) struct Walk {
    pub(super) source: Source,
    pub(super) seen: LineEnds,
    /// Whether a value whose length is right holds a bare LF, under a line that ends as usual.
    pub(super) bare: bool,
    /// The values of the command at hand, its name among them.
    pub(super) values: Vec<Value>,
    pub(super) searches: u32,
    /// How many bytes were looked at for line ends.
    pub(super) looked_at: u64,
}

impl Walk {
    pub(super) fn new(source: Source) -> Self {
        Self { source, seen: LineEnds::default(), bare: false, values: Vec::new(), searches: 0, looked_at: 0 }
    }

    /// Reads the record at a place.
    pub(super) fn record(&mut self, at: u64) -> io::Result<Found> {
        let before = self.seen;
        let found = self.read(at)?;
        if matches!(found, Found::Torn | Found::Broken) {
            self.seen = before;
        }
        Ok(found)
    }

    fn read(&mut self, at: u64) -> io::Result<Found> {
        self.values.clear();
        if self.source.bytes(at, 1)?.starts_with(b"#") {
            return self.annotation(at);
        }
        let (count, mut at) = match self.header(b'*', at)? {
            Header::Line { number, next, .. } if number > 0 && number <= MOST_ARGUMENTS => (number, next),
            Header::Torn => return Ok(Found::Torn),
            _ => return Ok(Found::Broken),
        };
        for number in 1..=count {
            match self.argument(at, number == count)? {
                Ok(next) => at = next,
                Err(found) => return Ok(found),
            }
        }
        Ok(Found::Command { next: at })
    }

    /// Reads an argument, and returns where the next thing begins; `last` says that it is the last one of its command.
    pub(super) fn argument(&mut self, at: u64, last: bool) -> io::Result<Result<u64, Found>> {
        let (len, start, returns) = match self.header(b'$', at)? {
            Header::Line { number, next, returns } => (number, next, returns),
            Header::Torn => return Ok(Err(Found::Torn)),
            Header::None => return Ok(Err(Found::Broken)),
        };
        let mut found = self.value(start, len, Some(returns), last)?;
        if found.is_err() {
            // What changed a part of the file may have begun or ended here.
            found = self.value(start, len, None, last)?;
        }
        Ok(match found {
            Ok((value, next)) => {
                self.values.push(value);
                Ok(next)
            }
            Err(torn) => Err(if torn { Found::Torn } else { Found::Broken }),
        })
    }

    fn annotation(&mut self, at: u64) -> io::Result<Found> {
        let bytes = self.source.bytes(at, LONGEST_ANNOTATION)?;
        let bytes = &bytes[..bytes.len().min(LONGEST_ANNOTATION)];
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            return Ok(if bytes.len() < LONGEST_ANNOTATION { Found::Torn } else { Found::Broken });
        };
        let text = bytes[..end].iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        self.line_end(end - text);
        Ok(Found::Annotation { text: (at, at + text as u64), next: at + end as u64 + 1 })
    }

    /// Counts the line end of a line, before whose LF so many CRs stand.
    fn line_end(&mut self, returns: usize) {
        self.seen.lost += u64::from(returns == 0);
        self.seen.doubled += u64::from(returns > 1);
    }

    pub(super) fn header(&mut self, prefix: u8, at: u64) -> io::Result<Header> {
        let (number, len, returns) = match line(prefix, self.source.bytes(at, LONGEST_LINE)?) {
            Line::Number { number, len, returns } => (number, len, returns),
            Line::Short => return Ok(Header::Torn),
            Line::None => return Ok(Header::None),
        };
        self.line_end(returns);
        Ok(Header::Line { number, next: at + len as u64, returns })
    }

    /// Finds where a value ends that had `len` bytes. Its line end has as many CRs as that of the line before it; if none are given,
    /// it may have any, and the value has to be as it was. `last` says that it is the last one of its command. Answers with
    /// whether the file ends inside of it, if no end is found.
    fn value(
        &mut self,
        start: u64,
        len: u64,
        of_header: Option<usize>,
        last: bool,
    ) -> io::Result<Result<(Value, u64), bool>> {
        let (mut at, mut bare, mut returned) = (start, 0_u64, 0_u64);
        let mut found: Option<(Value, u64, usize)> = None;
        // What fits the length where nothing follows that could; none if that is so in two ways.
        let mut before_damage: Option<Option<(Value, u64, usize)>> = None;
        while let Some(feed) = self.line_feed(at)? {
            let returns = self.returns_before(feed, start)?;
            let of_lines = of_header.map_or(0..=returns.min(2), |returns| returns..=returns);
            for of_line in of_lines.filter(|of_line| *of_line <= returns) {
                let end = feed - of_line as u64;
                let size = end - start;
                let undo = match (size.cmp(&len), of_header) {
                    (Ordering::Equal, _) => Some(Undo::Nothing),
                    (Ordering::Less, Some(0)) if size + bare == len => Some(Undo::AddReturns),
                    (Ordering::Less, Some(0)) if size + bare + returned == len => Some(Undo::AddToAll),
                    (Ordering::Less, Some(0)) if size + bare + returned > len => None,
                    (Ordering::Greater, Some(1..)) if size - returned == len => Some(Undo::DropReturns),
                    (Ordering::Greater, Some(1..)) if size - returned < len => None,
                    _ => continue,
                };
                let value = Value { start, end, len, undo };
                if !self.follows(feed + 1, last)? {
                    if undo.is_some() && last && of_header.is_some() {
                        before_damage = Some(before_damage.is_none().then_some((value, feed + 1, of_line)));
                    }
                    continue;
                }
                self.bare |= undo == Some(Undo::Nothing) && of_header == Some(1) && bare > 0;
                match &mut found {
                    // Two ways that fit prove neither; a way that is certain outdoes one that is not.
                    Some((known, ..)) if known.undo.is_some() && undo.is_some() && known.undo != undo => {
                        known.undo = None
                    }
                    Some((known, ..)) if known.undo.is_some() || undo.is_none() => {}
                    _ => found = Some((value, feed + 1, of_line)),
                }
                if undo.is_some() {
                    break;
                }
            }
            if returns == 0 {
                bare += 1;
            } else {
                returned += 1;
            }
            at = feed + 1;
            // No later one can fit: too much is too much even if a CR goes from each line end.
            if (at - start).saturating_sub(returned) > len.saturating_add(2) {
                break;
            }
            if found.as_ref().is_some_and(|(value, ..)| value.undo == Some(Undo::Nothing)) {
                break;
            }
        }
        Ok(match found.or(before_damage.flatten()) {
            Some((value, next, of_line)) => {
                self.line_end(of_line);
                self.seen.values += u64::from(!matches!(value.undo, None | Some(Undo::Nothing)));
                self.seen.unproven += u64::from(value.undo.is_none());
                Ok((value, next))
            }
            None => Err(start.saturating_add(len).saturating_sub(bare) >= self.source.size()),
        })
    }

    /// Returns the first line feed from `at` on.
    pub(super) fn line_feed(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at < self.source.size() {
            let bytes = self.source.bytes(at, 1)?;
            let bytes = &bytes[..bytes.len().min(BLOCK)];
            let feed = memchr::memchr(b'\n', bytes);
            self.looked_at += feed.unwrap_or(bytes.len()) as u64;
            if let Some(feed) = feed {
                return Ok(Some(at + feed as u64));
            }
            at += bytes.len().max(1) as u64;
        }
        Ok(None)
    }

    /// Returns how many CRs stand right before a line feed, up to three.
    fn returns_before(&mut self, feed: u64, start: u64) -> io::Result<usize> {
        let from = start.max(feed.saturating_sub(3));
        let len = usize::try_from(feed - from).unwrap_or(0);
        let bytes = &self.source.bytes(from, len)?[..len];
        Ok(bytes.iter().rev().take_while(|byte| **byte == b'\r').count())
    }

    /// Returns whether what follows a value can: the length of the next one, the next record, or the end of the file.
    fn follows(&mut self, at: u64, last: bool) -> io::Result<bool> {
        if at >= self.source.size() {
            return Ok(last);
        }
        let bytes = self.source.bytes(at, LONGEST_LINE)?;
        Ok(match (last, bytes.first()) {
            (true, Some(b'#')) => true,
            (true, _) => !matches!(line(b'*', bytes), Line::None),
            (false, _) => !matches!(line(b'$', bytes), Line::None),
        })
    }

    /// Adds a value of the command at hand as it was, as far as it is looked at, and tells where it lies in what was added.
    pub(super) fn restored(&mut self, number: usize, bytes: &mut Vec<u8>) -> io::Result<Option<Span>> {
        let Some(value) = self.values.get(number).copied() else { return Ok(None) };
        let from = bytes.len();
        let end = value.end.min(value.start.saturating_add(LONGEST_KEY));
        self.copy((value.start, end), value.undo.unwrap_or(Undo::Nothing), bytes)?;
        let held = bytes.len() - from;
        Ok(Some(Span { at: 0, len: value.len, from, held }))
    }

    /// Returns what the command at hand is, that begins and ends there.
    pub(super) fn event(&mut self, start: u64, end: u64) -> io::Result<Event> {
        let mut bytes = Vec::new();
        let (name, argument) = (self.restored(0, &mut bytes)?, self.restored(1, &mut bytes)?);
        let spans: Vec<Span> = name.into_iter().chain(argument).collect();
        let argc = self.values.len() as u64;
        let item = Item::of(&Record::Command(Command { start, end, argc, spans: &spans, bytes: &bytes }));
        // The same as elsewhere in a salvage: what no server knows is not believed.
        let (lost, broken) = match item.kind {
            Kind::Broken(lost) => (lost, true),
            _ => (Lost::Data, false),
        };
        Ok(if self.values.iter().any(|value| value.undo.is_none()) {
            Event::Gap(Gap::unproven(start, end, lost))
        } else if broken {
            Event::Gap(Gap::new(start, end, lost))
        } else {
            Event::Item(item)
        })
    }

    /// Copies bytes and brings their line ends back.
    pub(super) fn copy(&mut self, (mut at, end): (u64, u64), undo: Undo, out: &mut impl Write) -> io::Result<()> {
        // A CR that may have to go if a LF follows.
        let mut held = false;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
            let bytes = self.source.bytes(at, left)?;
            let bytes = &bytes[..bytes.len().min(left)];
            if bytes.is_empty() {
                return Err(io::Error::other("the file shrank while it was read"));
            }
            at += bytes.len() as u64;
            if undo == Undo::Nothing {
                out.write_all(bytes)?;
                continue;
            }
            for &byte in bytes {
                if byte == b'\n' && (undo == Undo::AddToAll || undo == Undo::AddReturns && !held) {
                    out.write_all(b"\r")?;
                }
                if undo == Undo::DropReturns && held && byte != b'\n' {
                    out.write_all(b"\r")?;
                }
                held = byte == b'\r';
                if !(held && undo == Undo::DropReturns) {
                    out.write_all(&[byte])?;
                }
            }
        }
        if held && undo == Undo::DropReturns {
            out.write_all(b"\r")?;
        }
        Ok(())
    }
}

pub(super) enum Header {
    /// Before its line feed so many CRs stand.
    Line {
        number: u64,
        next: u64,
        returns: usize,
    },
    Torn,
    None,
}

/// A line of a count or a length, with any line end.
pub(super) enum Line {
    Number {
        number: u64,
        len: usize,
        returns: usize,
    },
    /// The bytes end inside of it.
    Short,
    None,
}

pub(super) fn line(prefix: u8, bytes: &[u8]) -> Line {
    let bytes = &bytes[..bytes.len().min(LONGEST_LINE)];
    let short = |at: usize| if at == bytes.len() && at < LONGEST_LINE { Line::Short } else { Line::None };
    if bytes.first() != Some(&prefix) {
        return short(if bytes.is_empty() { 0 } else { LONGEST_LINE });
    }
    let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let returns = bytes[1 + digits..].iter().take_while(|byte| **byte == b'\r').count();
    let at = 1 + digits + returns;
    if at == bytes.len() {
        return short(at);
    }
    let number = resp::strtol(&bytes[1..1 + digits]).value;
    match (bytes[at], u64::try_from(number)) {
        (b'\n', Ok(number)) if digits > 0 && digits <= 18 && returns <= 2 => {
            Line::Number { number, len: at + 1, returns }
        }
        _ => Line::None,
    }
}
