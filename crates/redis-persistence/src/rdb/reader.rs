//! Drives a parser from `io::Read` in bounded memory.
//!
//! ```text
//! buffer   [ consumed | resident ......... | free ]
//!            ^ checksum runs over it        ^ filled by the input
//!              when the buffer is compacted
//! ```
//!
//! `Window` is the one place where offset, checksum and buffer advance. Its buffer is one block, and grows beyond
//! that only while the bytes that a parser asked for keep arriving: what a file claims reserves nothing.

use std::io::{self, Read};

use crate::base::crc64::Crc64;
use crate::base::error::{ReadError, Result};
use crate::base::limits::Limits;
use crate::rdb::{Event, Parser, Span, Step};

/// What is read at a time.
pub(crate) const BLOCK: usize = 256 << 10;

/// A sliding window over an input, with its file offset and the running checksum of what was consumed.
#[derive(Debug)]
pub(crate) struct Window<R> {
    input: R,
    buffer: Vec<u8>,
    /// The resident bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The checksum covers what was consumed up to here.
    summed: usize,
    offset: u64,
    crc: Crc64,
    eof: bool,
}

impl<R: Read> Window<R> {
    /// Returns a window at the start of an input.
    pub fn new(input: R) -> Self {
        Self { input, buffer: vec![0; BLOCK], start: 0, end: 0, summed: 0, offset: 0, crc: Crc64::new(), eof: false }
    }

    /// Returns the resident bytes.
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the file offset of the first resident byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns whether the resident bytes reach the end of the input.
    pub fn eof(&self) -> bool {
        self.eof
    }

    /// Passes over `n` resident bytes.
    ///
    /// # Panics
    /// If fewer are resident.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.end - self.start, "only resident bytes can be consumed");
        self.start += n;
        self.offset += n as u64;
    }

    /// Returns the CRC-64 of everything before [`offset`](Self::offset).
    pub fn crc(&mut self) -> u64 {
        self.crc.update(&self.buffer[self.summed..self.start]);
        self.summed = self.start;
        self.crc.value()
    }

    /// Reads until `upto` bytes are resident, or the input ends.
    ///
    /// # Errors
    /// What the input says, but for interruptions: those are tried again.
    pub fn fill(&mut self, upto: usize) -> io::Result<()> {
        while self.data().len() < upto && !self.eof {
            self.make_room(upto);
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves the resident bytes to the front. A buffer that they fill grows, twofold at the most and not beyond what is
    /// wanted; one that has grown is given back.
    fn make_room(&mut self, upto: usize) {
        if self.end < self.buffer.len() {
            return;
        }
        self.crc();
        self.buffer.copy_within(self.start..self.end, 0);
        (self.end, self.start, self.summed) = (self.end - self.start, 0, 0);
        if self.end == self.buffer.len() {
            self.buffer.resize((self.buffer.len() * 2).min(upto.max(self.buffer.len() + BLOCK)), 0);
        } else if self.buffer.len() > 4 * BLOCK && self.end < BLOCK {
            self.buffer.truncate(BLOCK);
            self.buffer.shrink_to(BLOCK);
        }
    }

    /// Returns the resident bytes that were not consumed, and the input that stands behind them.
    pub(crate) fn into_rest(mut self) -> (Vec<u8>, R) {
        self.buffer.truncate(self.end);
        self.buffer.drain(..self.start);
        (self.buffer, self.input)
    }
}

/// The events of an RDB that comes from `io::Read`.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::Payload;
/// use redis_persistence::reader::Reader;
///
/// let mut reader = Reader::new(&b"REDIS0004\xfe\x00\x00\x01k\x01v\xff"[..]);
/// let mut keys = 0;
/// while let Some(event) = reader.next()? {
///     keys += usize::from(matches!(event.payload, Payload::Record(_)));
/// }
/// assert_eq!(keys, 1);
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    parser: Parser,
}

impl<R: Read> Reader<R> {
    /// Returns a reader at the start of an RDB.
    pub fn new(input: R) -> Self {
        Self::with_limits(input, Limits::default())
    }

    /// Returns the same with limits of one's own.
    pub fn with_limits(input: R, limits: Limits) -> Self {
        Self { window: Window::new(input), parser: Parser::new(limits) }
    }

    /// Returns the next event, which borrows from the reader's buffer; `None` behind the end of the records.
    ///
    /// # Errors
    /// If the input fails, or its bytes leave no way on.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend from itself")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Event<&[u8]>>, ReadError> {
        let Some((start, event)) = self.advance()? else { return Ok(None) };
        let resident = &self.window.buffer[start..];
        Ok(Some(event.map(&mut |span| span.of(resident))))
    }

    /// Passes over the rest of a record, behind an event that did not end it: the value of a key that nobody wants to see.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb::Payload;
    /// use redis_persistence::reader::Reader;
    ///
    /// // A list of two elements, then a string.
    /// let file = b"REDIS0004\xfe\x00\x01\x04list\x02\x01a\x01b\x00\x01k\x01v\xff";
    /// let mut reader = Reader::new(&file[..]);
    /// let mut events = 0;
    /// while let Some(event) = reader.next()? {
    ///     events += 1;
    ///     if matches!(event.payload, Payload::Record(_)) && !event.ends_record {
    ///         reader.skip_record()?;
    ///     }
    /// }
    /// // The header, the database, two keys, the end.
    /// assert_eq!(events, 5);
    /// # Ok::<(), redis_persistence::ReadError>(())
    /// ```
    pub fn skip_record(&mut self) -> Result<(), ReadError> {
        while let Some((_, event)) = self.advance()? {
            if event.ends_record {
                break;
            }
        }
        Ok(())
    }

    /// Finds the next event and passes over it; returns where in the buffer its ranges count from.
    fn advance(&mut self) -> Result<Option<(usize, Event<Span>)>, ReadError> {
        if self.parser.is_done() {
            return Ok(None);
        }
        loop {
            match self.parser.step(self.window.data(), self.window.eof())? {
                Step::Need(n) => self.window.fill(n)?,
                Step::Event { consumed, event } => {
                    let start = self.window.start;
                    self.window.consume(consumed);
                    return Ok(Some((start, event)));
                }
            }
        }
    }

    /// Returns the file offset behind the last event.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Returns the CRC-64 of everything up to [`offset`](Self::offset).
    pub fn crc(&mut self) -> u64 {
        self.window.crc()
    }

    /// Returns the window, at the first byte that the parser did not consume: after the end of the records that is what
    /// follows the RDB, such as the commands of an AOF.
    pub(crate) fn into_window(self) -> Window<R> {
        self.window
    }

    /// Returns the parser, for its offset and header.
    pub fn parser(&self) -> &Parser {
        &self.parser
    }
}
