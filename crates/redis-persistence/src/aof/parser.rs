//! The state machine over the records of an append-only file.
//!
//! It owns no input: it looks at a slice and says what it found and how much of the slice that took, or that it needs more.
//! There are two ways through a command:
//!
//! * [`Parser::whole`]: all of it lies in the slice and is what a writer makes. Nothing is copied, nothing is kept.
//!   This is nearly every record, so it is the path to keep short.
//! * [`Parser::walk`]: anything else, in any grammar. It goes on piece by piece (header line, payload, line end), lets go of
//!   each piece at once, and copies only what [`Command`] promises to have at hand. So no byte is looked at a second time
//!   however small the slices are, and a payload of any length passes through a small buffer.
//!
//! Both must say the same of the same bytes; `tests/aof/parser.rs` holds them to it. A record that passes the strict grammar
//! means the same in the other two, which is why the first way can serve all three.

mod lines;

use crate::aof::record::Span;
use crate::aof::resp;
use crate::aof::{Annotation, Command, CommandRun, Record};
use crate::{Error, ErrorKind, Limits, Reading, Result};

/// So many arguments of a command can be looked at, whatever the limits.
const LEAST_ARGS: usize = 64;
/// How many bytes are kept of an argument that is too long to be held.
const HEAD: usize = 128;

/// Whose reading of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grammar {
    /// What writers make: plain numbers, CR LF everywhere.
    Strict,
    /// What servers load: `atoi` and `strtol` numbers, whatever line end, any two bytes after a payload.
    Loader,
    /// What the check tools take: `strtol` numbers, then exactly CR LF; a count of zero or less is an empty record.
    Tool,
}

/// What a [`Parser`] made of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It took `consumed` bytes and wants at least `more` after those.
    Need {
        /// How many bytes of the slice are done with.
        consumed: usize,
        /// How many bytes more it wants at least, beyond those of the slice that it did not consume.
        more: u64,
    },
    /// It took `consumed` bytes, and the `bytes` that follow are payload which it will not look at. Feed them, or pass over
    /// them in the input and say so with [`Parser::skipped`].
    Skip {
        /// How many bytes of the slice are done with.
        consumed: usize,
        /// How many bytes can be passed over.
        bytes: u64,
    },
    /// A record ends `consumed` bytes into the slice; [`Parser::record`] has it.
    Record {
        /// How many bytes of the slice are done with.
        consumed: usize,
    },
    /// The file ends here, at the boundary of a record.
    End,
}

#[derive(Debug, Clone)]
enum State {
    Boundary,
    ArgHeader,
    Payload { span: Span, left: u64 },
    PayloadEnd { span: Span },
    Failed(Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Annotation,
    /// A command whose bytes lie in the slice that was given.
    Whole,
    /// A command that came in pieces; what was kept of it lies in `held`.
    Pieces,
}

/// Parses the records of an append-only file from slices of it.
///
/// # Examples
/// ```
/// use redis_persistence::aof::{Grammar, Parser, Record, Step};
///
/// let data = b"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n";
/// let mut parser = Parser::new(Grammar::Strict);
/// let Step::Record { consumed } = parser.step(data, true)? else { unreachable!() };
/// let Some(Record::Command(select)) = parser.record(&data[..consumed]) else { unreachable!() };
/// assert!(select.is(b"select"));
/// assert_eq!(select.arg(1).and_then(|index| index.whole()), Some(&b"7"[..]));
/// # Ok::<(), redis_persistence::Error>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    grammar: Grammar,
    max_args: usize,
    max_held: usize,
    offset: u64,
    line_ends: u64,
    part: u64,
    state: State,
    found: Found,
    /// Whether a command was begun and not ended.
    open: bool,
    start: u64,
    argc: u64,
    args_left: u64,
    /// How many bytes of this command's arguments are held whole.
    used: usize,
    spans: Vec<Span>,
    held: Vec<u8>,
}

impl Parser {
    /// Returns a parser at the start of a file.
    #[must_use]
    pub fn new(grammar: Grammar) -> Self {
        Self::at(grammar, 0)
    }

    /// Returns a parser at a place in a file where a record begins: after an RDB preamble, or where another reading stopped.
    #[must_use]
    pub fn at(grammar: Grammar, offset: u64) -> Self {
        Self {
            grammar,
            max_args: LEAST_ARGS,
            max_held: Limits::default().inline_bytes,
            offset,
            line_ends: 0,
            part: offset,
            state: State::Boundary,
            found: Found::Nothing,
            open: false,
            start: offset,
            argc: 0,
            args_left: 0,
            used: 0,
            spans: Vec::with_capacity(LEAST_ARGS),
            held: Vec::new(),
        }
    }

    /// Returns the same with other limits: how many of a command's arguments are at hand, and how many bytes of them.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        (self.max_args, self.max_held) = (limits.arguments.max(LEAST_ARGS), limits.inline_bytes);
        self
    }

    /// Returns the file offset of the first byte that was not consumed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns how many line ends it has passed, as the check tools count them: one per header line, one per payload, none
    /// per annotation.
    #[must_use]
    pub fn line_ends(&self) -> u64 {
        self.line_ends
    }

    /// Returns the file offset of the header line, payload or annotation that was begun last; the place the check tools name.
    #[must_use]
    pub fn part(&self) -> u64 {
        self.part
    }

    /// Returns what is known of the command that was begun and not ended: its start, its count, and the arguments that are
    /// complete.
    #[must_use]
    pub fn unfinished(&self) -> Option<Command<'_>> {
        self.open.then_some(Command {
            start: self.start,
            end: self.offset,
            argc: self.argc,
            spans: &self.spans,
            bytes: &self.held,
        })
    }

    /// Takes the next step. `data` begins at [`Parser::offset`]; `eof` says that no byte follows it.
    ///
    /// # Errors
    /// What the grammar does not allow, and an end of the file inside a command. There is no way on after an error: it is
    /// returned again.
    pub fn step(&mut self, data: &[u8], eof: bool) -> Result<Step> {
        crate::base::work::did(1);
        self.found = Found::Nothing;
        let mut at = 0;
        if matches!(self.state, State::Boundary)
            && let Some(consumed) = self.whole(data)
        {
            self.found = Found::Whole;
            crate::base::work::did_read(consumed);
            self.advance(consumed as u64);
            return Ok(Step::Record { consumed });
        }
        let step = self.walk(data, &mut at, eof);
        crate::base::work::did_read(at);
        self.advance(at as u64);
        if let Err(error) = &step {
            self.state = State::Failed(error.clone());
        }
        step
    }

    /// Says that the input was moved on by `bytes`, at most as many as [`Step::Skip`] allowed.
    pub fn skipped(&mut self, bytes: u64) {
        if let State::Payload { span, left } = self.state {
            let bytes = bytes.min(left);
            self.state = State::Payload { span, left: left - bytes };
            self.advance(bytes);
        }
    }

    /// Returns how much of a command is at hand: so many arguments, if it has at most this many bytes.
    pub(crate) fn looked_at(&self) -> (usize, usize) {
        (self.max_args, self.max_held)
    }

    /// Returns whether a record begins with the next byte.
    pub(crate) fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Boundary)
    }

    /// Passes over commands that somebody else has read.
    pub(crate) fn pass(&mut self, run: &CommandRun) {
        (self.found, self.open) = (Found::Nothing, false);
        self.line_ends += run.line_ends;
        self.part = self.offset + run.part as u64;
        self.advance(run.bytes as u64);
    }

    /// Returns the record that the last step found. `data` is the slice that was given to that step, or what it consumed of
    /// it.
    #[must_use]
    pub fn record<'a>(&'a self, data: &'a [u8]) -> Option<Record<'a>> {
        let (bytes, start) = match self.found {
            Found::Nothing => return None,
            Found::Annotation => {
                let length = usize::try_from(self.offset - self.start).unwrap_or(usize::MAX);
                let bytes = data.get(..length).unwrap_or(data);
                return Some(Record::Annotation(Annotation { start: self.start, end: self.offset, bytes }));
            }
            Found::Whole => (data, self.start),
            Found::Pieces => (&self.held[..], self.start),
        };
        Some(Record::Command(Command { start, end: self.offset, argc: self.argc, spans: &self.spans, bytes }))
    }

    /// The one place where the offset moves.
    fn advance(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    fn begin(&mut self, start: u64, argc: u64) {
        self.start = start;
        self.argc = argc;
        self.used = 0;
        self.spans.clear();
    }

    /// Returns how many bytes of a further argument of `len` bytes are at hand.
    fn hold(&mut self, len: u64) -> usize {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if self.spans.len() >= self.max_args {
            0
        } else if len <= self.max_held.saturating_sub(self.used) {
            self.used += len;
            len
        } else {
            len.min(HEAD)
        }
    }

    /// Takes a command that lies in `data` whole and is what a writer makes; returns its length.
    fn whole(&mut self, data: &[u8]) -> Option<usize> {
        let (mut rest, argc) = resp::multibulk(data).ok()?;
        let args = usize::try_from(argc).ok()?;
        // An argument takes 6 bytes at least, so a count that cannot be true is not begun.
        if args == 0 || args > rest.len() / 6 || i32::try_from(argc).is_err() {
            return None;
        }
        self.begin(self.offset, argc);
        let mut from = 0;
        for _ in 0..args {
            let (payload, len) = resp::bulk(rest).ok()?;
            from = data.len() - payload.len();
            let after = payload.get(usize::try_from(len).ok()?..)?;
            let [b'\r', b'\n', next @ ..] = after else { return None };
            rest = next;
            if self.spans.len() < self.max_args {
                let held = self.hold(len);
                self.spans.push(Span { at: self.offset + from as u64, len, from, held });
            }
        }
        self.part = self.offset + from as u64;
        self.line_ends += 1 + 2 * argc;
        Some(data.len() - rest.len())
    }

    /// Goes on piece by piece; `at` is how far into `data`.
    fn walk(&mut self, data: &[u8], at: &mut usize, eof: bool) -> Result<Step> {
        loop {
            let rest = &data[*at..];
            let here = self.offset + *at as u64;
            match self.state {
                State::Boundary => {
                    self.open = false;
                    let Some(&first) = rest.first() else {
                        return Ok(if eof { Step::End } else { Step::Need { consumed: *at, more: 1 } });
                    };
                    self.start = here;
                    match first {
                        b'#' => return self.annotation(rest, here, at, eof),
                        b'*' => {}
                        _ => {
                            self.part = here;
                            let kind = ErrorKind::NotARecord(first);
                            return Err(Error::new(here, here, Reading::AofRecord, kind));
                        }
                    }
                    let Some((length, count)) = self.header(b'*', rest, here, eof)? else {
                        return Ok(Step::Need { consumed: *at, more: 1 });
                    };
                    *at += length;
                    self.line_ends += 1;
                    self.begin(here, self.count(count)?);
                    self.held.clear();
                    self.args_left = self.argc;
                    self.open = true;
                    self.state = State::ArgHeader;
                }
                State::ArgHeader if self.args_left == 0 => {
                    self.state = State::Boundary;
                    self.open = false;
                    self.found = Found::Pieces;
                    return Ok(Step::Record { consumed: *at });
                }
                State::ArgHeader => {
                    let Some((length, len)) = self.header(b'$', rest, here, eof)? else {
                        return Ok(Step::Need { consumed: *at, more: 1 });
                    };
                    *at += length;
                    self.line_ends += 1;
                    let len = u64::try_from(len).ok().filter(|len| *len <= MAX_LENGTH).ok_or_else(|| {
                        Error::new(self.start, here, Reading::ArgLength, ErrorKind::BadArgLength(len))
                    })?;
                    self.part = here + length as u64;
                    let span = Span { at: self.part, len, from: self.held.len(), held: self.hold(len) };
                    self.state = State::Payload { span, left: len };
                }
                State::Payload { span, left } => {
                    let here_now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let wanted = span.from + span.held - self.held.len();
                    self.held.extend_from_slice(&rest[..here_now.min(wanted)]);
                    *at += here_now;
                    let left = left - here_now as u64;
                    if left == 0 {
                        self.state = State::PayloadEnd { span };
                        continue;
                    }
                    self.state = State::Payload { span, left };
                    if eof {
                        return Err(self.cut(here + here_now as u64, Reading::Arg, left + 2));
                    }
                    let passable = wanted <= here_now;
                    let consumed = *at;
                    return Ok(if passable {
                        Step::Skip { consumed, bytes: left }
                    } else {
                        Step::Need { consumed, more: left }
                    });
                }
                State::PayloadEnd { span } => {
                    let Some(&[cr, lf]) = rest.first_chunk::<2>() else {
                        let missing = 2 - rest.len() as u64;
                        if eof {
                            return Err(self.cut(here + rest.len() as u64, Reading::Arg, missing));
                        }
                        return Ok(Step::Need { consumed: *at, more: missing });
                    };
                    if self.grammar != Grammar::Loader && [cr, lf] != *b"\r\n" {
                        return Err(Error::new(self.start, here, Reading::Arg, ErrorKind::BadLineEnd([cr, lf])));
                    }
                    *at += 2;
                    self.line_ends += 1;
                    self.args_left -= 1;
                    if self.spans.len() < self.max_args {
                        self.spans.push(span);
                    }
                    self.state = State::ArgHeader;
                }
                State::Failed(ref error) => return Err(error.clone()),
            }
        }
    }
}

/// The longest argument that any reader takes; room for the CR LF must remain.
const MAX_LENGTH: u64 = i64::MAX as u64 - 2;
