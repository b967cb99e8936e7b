//! A cursor over the bytes at hand: the one place where results of nom become our errors and in-memory positions become
//! file offsets.

use nom::error::ParseError;
use nom::{IResult, Needed};

use crate::base::error::{Error, ErrorKind, Reading};

/// Why a leaf parser refused its input.
#[derive(Debug)]
pub(crate) struct LeafError(pub(crate) ErrorKind);

impl<'a> ParseError<&'a [u8]> for LeafError {
    fn from_error_kind(_: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Self(ErrorKind::BadMagic)
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// What a leaf parser answers: nom's streaming result.
pub(crate) type Leaf<'a, T> = IResult<&'a [u8], T, LeafError>;

/// Legal for every server, yet written by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// A length in a longer form than it needs.
    OverlongLength,
    /// A special string form where a plain number is read: servers take its low six bits.
    SpecialAsNumber,
}

/// Why reading stopped: more bytes are wanted, or the bytes are wrong.
pub(crate) enum Stop {
    /// This many bytes, counted from the start of the window, are wanted at least, to read the thing that began at
    /// `start`.
    Need { upto: usize, start: u64, reading: Reading },
    /// The bytes are wrong.
    Fail(Error),
}

pub(crate) type Outcome<T> = Result<T, Stop>;

/// A window of bytes, a position in it, and the file offset of its start.
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    pos: usize,
    base: u64,
    /// The first oddity met that is no error, and its offset.
    pub(crate) quirk: Option<(Quirk, u64)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8], base: u64) -> Self {
        Self { data, pos: 0, base, quirk: None }
    }

    /// Returns how far it has come in the window.
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// Returns the file offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// Returns the bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.data[self.pos..]
    }

    /// Returns the bytes of a range of the window.
    pub(crate) fn window(&self, span: Span) -> &'a [u8] {
        &self.data[span.start..span.end]
    }

    /// Goes back to an earlier position.
    pub(crate) fn rewind(&mut self, pos: usize) {
        self.pos = pos;
    }

    /// Runs a leaf parser on what is left.
    #[inline]
    pub(crate) fn read<T>(&mut self, reading: Reading, leaf: impl FnOnce(&'a [u8]) -> Leaf<'a, T>) -> Outcome<T> {
        let rest = self.rest();
        match leaf(rest) {
            Ok((left, value)) => {
                self.pos = self.data.len() - left.len();
                Ok(value)
            }
            Err(stop) => Err(self.stop(reading, stop)),
        }
    }

    #[cold]
    fn stop(&self, reading: Reading, stop: nom::Err<LeafError>) -> Stop {
        match stop {
            nom::Err::Incomplete(needed) => {
                let missing = if let Needed::Size(n) = needed { n.get() } else { 1 };
                Stop::Need { upto: self.data.len().saturating_add(missing), start: self.offset(), reading }
            }
            nom::Err::Error(LeafError(kind)) | nom::Err::Failure(LeafError(kind)) => {
                Stop::Fail(Error::new(self.offset(), self.offset(), reading, kind))
            }
        }
    }

    /// Remembers an oddity, unless there is one already.
    pub(crate) fn note(&mut self, quirk: Quirk, at: u64) {
        self.quirk.get_or_insert((quirk, at));
    }

    /// Takes `len` bytes of the thing that began at `start`, and returns where they lie in the window.
    #[inline]
    pub(crate) fn span_of(&mut self, len: u64, start: u64, reading: Reading) -> Outcome<Span> {
        match usize::try_from(len) {
            Ok(len) if len <= self.data.len() - self.pos => {
                let span = Span { start: self.pos, end: self.pos + len };
                self.pos += len;
                Ok(span)
            }
            len => Err(Stop::Need { upto: self.pos.saturating_add(len.unwrap_or(usize::MAX)), start, reading }),
        }
    }

    /// Returns an error about the thing that began at `start`, found at the cursor.
    pub(crate) fn fail<T>(&self, start: u64, reading: Reading, kind: ErrorKind) -> Outcome<T> {
        Err(Stop::Fail(Error::new(start, self.offset(), reading, kind)))
    }
}

/// A range of bytes in the window that a parser was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Returns the bytes of the range, out of the window that it was made from.
    ///
    /// # Panics
    /// If the window is shorter than the one that the range came from.
    #[must_use]
    pub fn of(self, window: &[u8]) -> &[u8] {
        &window[self.start..self.end]
    }
}
