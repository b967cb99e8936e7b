//! The state machine over opcodes, keys and elements.
//!
//! [`Parser`] owns no bytes. Given a window it answers that it needs more, or one event and how many bytes that took;
//! its state moves only on success, so the same call can be repeated with a longer window. The offset moves in one
//! place, [`Parser::step`]. Nothing here decides whether a value is sound: what has a known extent is handed out as it
//! is, and only what leaves no way on is an error.
//!
//! What follows a type or an opcode is data: [`grammar`](super::grammar). `inside.rs` reads one step of a layout, `Place` knows which
//! one comes next, and `opcodes.rs` reads what stands before a key.

mod inside;
mod opcodes;

use std::collections::HashMap;

use super::grammar::{Family, Numbers, Op, Place};
use super::numbers::Values;
use super::payload::{Attributes, Event, Header, Payload, Role};
use super::string::{Body, RdbString};
use super::wire::{StringHead, signature, string_head};
use crate::base::cursor::{Cursor, Outcome, Quirk, Span, Stop};
use crate::base::error::{Error, ErrorKind, Reading, Result};
use crate::base::limits::Limits;

/// A streaming RDB parser without input of its own.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::{Parsed, Parser, Payload};
///
/// let file = b"REDIS0004\xfe\x00\x00\x01k\x01v\xff";
/// let mut parser = Parser::default();
/// let (mut at, mut keys) = (0, 0);
/// while !parser.is_done() {
///     match parser.parse(&file[at..], true)? {
///         Parsed::Need(_) => unreachable!("all bytes are there"),
///         Parsed::Event { consumed, event } => {
///             at += consumed;
///             keys += usize::from(matches!(event.payload, Payload::Record(_)));
///         }
///     }
/// }
/// assert_eq!((at, keys), (file.len(), 1));
/// # Ok::<(), redis_persistence::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parser {
    offset: u64,
    state: State,
    /// Where in the layout of a record, inside of one.
    place: Place,
    /// A long string whose pieces are being handed out.
    long: Option<Long>,
    attributes: Attributes,
    header: Header,
    /// Fields per hash template: what a type-32 key needs to be walked.
    templates: HashMap<u64, u64>,
    dialect: Dialect,
    limits: Limits,
}

/// Whose types the bytes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Those of Redis and Valkey, unless an AUX field says otherwise.
    Servers,
    /// The same, whatever an AUX field says.
    ServersAlone,
    /// Dragonfly's: some of its own have the numbers of later types of Redis.
    Dragonfly,
}

/// What [`Parser::parse`] found in its window.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "an event is answered for nearly every call, and is not kept")]
pub enum Parsed<'a> {
    /// Nothing was consumed. Call again with a window of at least this many bytes from the same position.
    Need(usize),
    /// An event, and how many bytes it took.
    Event {
        /// Bytes from the start of the window.
        consumed: usize,
        /// The event.
        event: Event<&'a [u8]>,
    },
}

/// The same, borrowing nothing: the ranges lie in the window.
#[expect(clippy::large_enum_variant, reason = "as with Parsed")]
pub(crate) enum Step {
    Need(usize),
    Event { consumed: usize, event: Event<Span> },
}

#[derive(Debug, Clone, Copy)]
struct Long {
    role: Role,
    start: u64,
    left: u64,
    ends_record: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Header,
    /// Where a record begins.
    Opcode,
    /// Somewhere in the layout of a record.
    Inside,
    Checksum,
    Done,
}

/// What one call of `next` found.
struct Found {
    start: u64,
    payload: Payload<Span>,
    advance: Advance,
}

/// Where the parser goes from there.
#[derive(Debug, Clone, Copy)]
enum Advance {
    /// To the next step of the layout.
    On,
    /// To the same step.
    Again,
    /// Into the body of this step, that many times.
    Into(u64, &'static [Op]),
    /// To the first step of a layout that was begun.
    Begin,
    /// To another state; `ends_record`: the record of a key ends.
    To { state: State, ends_record: bool },
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Parser {
    /// Returns a parser at the start of a file.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let header = Header { family: Family::Redis, version: 0, well_formed: true, digits: *b"0000" };
        Self {
            offset: 0,
            state: State::Header,
            place: Place::new(&[], 0, false),
            long: None,
            attributes: Attributes::default(),
            header,
            templates: HashMap::new(),
            dialect: Dialect::Servers,
            limits,
        }
    }

    /// Returns the same for one that reads every file as a server does, whoever wrote it.
    pub(crate) fn without_dialects(self) -> Self {
        Self { dialect: Dialect::ServersAlone, ..self }
    }

    /// Returns the file offset of the next byte that it will look at.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Signature and version, once they were read.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        (!matches!(self.state, State::Header)).then_some(self.header)
    }

    /// Returns whether the end of the records was reached. What follows in the file is not the parser's.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Looks at `window`, which begins at [`offset`](Self::offset), and answers one event or how much it needs.
    ///
    /// `eof` says that the window reaches the end of the input.
    ///
    /// # Errors
    /// If the bytes leave no way on, or end too early with `eof` set. The parser stays where it was.
    pub fn parse<'a>(&mut self, window: &'a [u8], eof: bool) -> Result<Parsed<'a>> {
        Ok(match self.step(window, eof)? {
            Step::Need(n) => Parsed::Need(n),
            Step::Event { consumed, event } => {
                Parsed::Event { consumed, event: event.map(&mut |span| span.of(window)) }
            }
        })
    }

    /// Returns the step under [`parse`](Self::parse): it borrows nothing, so that a driver can refill its buffer in between.
    #[inline]
    pub(crate) fn step(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        crate::base::work::did(1);
        let mut cursor = Cursor::new(window, self.offset);
        let found = match self.long {
            Some(long) => self.piece(&mut cursor, long),
            None => self.next(&mut cursor, eof),
        };
        match found {
            Ok(found) => {
                let consumed = cursor.pos();
                self.offset += consumed as u64;
                let ends_record = self.advance(found.advance);
                let ends_record = match &mut self.long {
                    // The record ends with the last piece of the string that was announced.
                    Some(long) => {
                        long.ends_record |= ends_record;
                        false
                    }
                    None => ends_record,
                };
                let event = Event {
                    start: found.start,
                    end: self.offset,
                    quirk: cursor.quirk,
                    ends_record,
                    payload: found.payload,
                };
                Ok(Step::Event { consumed, event })
            }
            Err(Stop::Fail(error)) => Err(error),
            Err(Stop::Need { upto, .. }) if !eof && upto > window.len() => Ok(Step::Need(upto)),
            Err(Stop::Need { upto, start, reading }) => {
                let missing = (upto as u64).saturating_sub(window.len() as u64);
                let end = self.offset + window.len() as u64;
                Err(Error::new(start, end, reading, ErrorKind::UnexpectedEof { missing }))
            }
        }
    }

    /// Goes on, and returns whether the record of a key ends there.
    #[inline]
    fn advance(&mut self, advance: Advance) -> bool {
        match advance {
            Advance::On => self.place.advance(),
            Advance::Into(turns, body) => self.place.enter(turns, body),
            Advance::Begin => {}
            Advance::Again => {
                self.state = State::Inside;
                return false;
            }
            Advance::To { state, ends_record } => {
                self.state = state;
                return ends_record;
            }
        }
        let more = self.place.next().is_some();
        self.state = if more { State::Inside } else { State::Opcode };
        !more && self.place.in_value
    }

    #[inline]
    fn next(&mut self, c: &mut Cursor<'_>, eof: bool) -> Outcome<Found> {
        let start = c.offset();
        match self.state {
            State::Inside => self.inside(c, start),
            State::Opcode => self.opcode(c, eof),
            State::Header => self.read_header(c),
            State::Checksum => {
                let payload = Values::read(c, start, Numbers::Checksum, 0)?.payload(Numbers::Checksum, start);
                Ok(Found { start, payload, advance: Advance::To { state: State::Done, ends_record: false } })
            }
            State::Done => c.fail(start, Reading::Opcode, ErrorKind::PastTheEnd),
        }
    }

    fn read_header(&mut self, c: &mut Cursor<'_>) -> Outcome<Found> {
        let start = c.offset();
        let (family, digits) = c.read(Reading::Header, signature)?;
        // As C's atoi does: blanks, then digits up to the first byte that is none.
        let number = digits.trim_ascii_start().iter().take_while(|b| b.is_ascii_digit());
        let version = number.fold(0, |v, b| v * 10 + u32::from(b - b'0'));
        if version == 0 {
            return c.fail(start, Reading::Header, ErrorKind::BadVersion);
        }
        self.header = Header { family, version, well_formed: digits.iter().all(u8::is_ascii_digit), digits };
        let advance = Advance::To { state: State::Opcode, ends_record: false };
        Ok(Found { start, payload: Payload::Header(self.header), advance })
    }

    /// Reads a string. One that is longer than the limit for its role is announced, and its pieces come next.
    #[inline]
    fn string(&mut self, c: &mut Cursor<'_>, role: Role) -> Outcome<RdbString<Span>> {
        let start = c.offset();
        let (head, overlong) = c.read(role.reading(), string_head)?;
        if overlong {
            c.note(Quirk::OverlongLength, start);
        }
        let limit = if role.is_blob() { self.limits.packed_bytes } else { self.limits.inline_bytes } as u64;
        let (stored, decoded) = match head {
            StringHead::Int(value) => return Ok(RdbString { start, end: c.offset(), body: Body::Int(value) }),
            StringHead::Raw(len) => (len, None),
            StringHead::Lzf { stored, decoded } => (stored, Some(decoded)),
        };
        if stored > limit {
            self.long = Some(Long { role, start, left: stored, ends_record: false });
            return Ok(RdbString { start, end: c.offset(), body: Body::Long { stored, decoded } });
        }
        let data = c.span_of(stored, start, role.reading())?;
        let body = match decoded {
            None => Body::Raw(data),
            Some(decoded) => Body::Lzf { data, decoded },
        };
        Ok(RdbString { start, end: c.offset(), body })
    }

    /// Hands out what is there of a long string.
    fn piece(&mut self, c: &mut Cursor<'_>, long: Long) -> Outcome<Found> {
        let start = c.offset();
        let available = c.rest().len() as u64;
        if available == 0 {
            return Err(Stop::Need { upto: 1, start: long.start, reading: long.role.reading() });
        }
        let take = available.min(long.left);
        let bytes = c.span_of(take, long.start, long.role.reading())?;
        let left = long.left - take;
        self.long = (left > 0).then_some(Long { left, ..long });
        let payload = Payload::Piece { role: long.role, bytes, last: left == 0 };
        Ok(Found { start, payload, advance: Advance::To { state: self.state, ends_record: long.ends_record } })
    }
}

/// The events of a whole slice, up to the end of the records or the first error.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    parser: Parser,
    data: &'a [u8],
    failed: bool,
}

/// Walks a whole RDB in memory.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::{Payload, events};
///
/// let file = b"REDIS0004\xfe\x00\x00\x01k\x01v\xff";
/// let keys = events(file).filter(|e| matches!(e, Ok(e) if matches!(e.payload, Payload::Record(_)))).count();
/// assert_eq!(keys, 1);
/// ```
#[must_use]
pub fn events(data: &[u8]) -> Events<'_> {
    Events { parser: Parser::default(), data, failed: false }
}

impl<'a> Events<'a> {
    /// Returns the same with limits of one's own.
    #[must_use]
    pub fn with_limits(data: &'a [u8], limits: Limits) -> Self {
        Self { parser: Parser::new(limits), data, failed: false }
    }

    /// Returns the file offset of the next byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<&'a [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.parser.is_done() {
            return None;
        }
        let at = usize::try_from(self.parser.offset()).ok()?;
        match self.parser.parse(&self.data[at..], true) {
            Ok(Parsed::Event { event, .. }) => Some(Ok(event)),
            Ok(Parsed::Need(_)) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
