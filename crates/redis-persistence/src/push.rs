//! Drives a parser with chunks that the caller has: an upload that is verified while it passes.
//!
//! ```text
//! chunk 1 [ events ........ | tail ]  -> the tail is carried over
//! chunk 2 [ head | events ... ]       -> tail + just enough of the head, then straight from the chunk
//! ```
//!
//! Events borrow from the chunk itself; only what straddles two chunks is copied.

use crate::crc64::Crc64;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::rdb::{Event, Parsed, Parser, Payload};

/// A parser that is fed.
///
/// # Examples
/// ```
/// use redis_persistence::push::Push;
/// use redis_persistence::rdb::Payload;
///
/// let mut push = Push::default();
/// let mut keys = 0;
/// for chunk in b"REDIS0004\xfe\x00\x00\x01k\x01v\xff".chunks(5) {
///     push.feed(chunk, |event, _| keys += usize::from(matches!(event.payload, Payload::Record(_))))?;
/// }
/// push.finish(|_, _| ())?;
/// assert_eq!(keys, 1);
/// # Ok::<(), redis_persistence::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Push {
    parser: Parser,
    /// What was fed and not consumed, and how much of it is wanted before it is looked at again.
    carry: Vec<u8>,
    need: usize,
    crc: Crc64,
    failed: Option<Error>,
}

impl Push {
    /// A parser at the start of an RDB.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { parser: Parser::new(limits), ..Self::default() }
    }

    /// Takes the next chunk and calls `on` for each event that is complete with it. Beside the event `on` is given the
    /// CRC-64 of everything up to the event's end, where it is [`Payload::Eof`], and 0 elsewhere.
    ///
    /// Answers how many bytes of the chunk belong to the RDB: fewer than all behind the end of the records.
    ///
    /// # Errors
    /// If the bytes leave no way on. What is fed after that is the same error again.
    pub fn feed(&mut self, chunk: &[u8], on: impl FnMut(Event<&[u8]>, u64)) -> Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.feed_sound(chunk, on);
        self.failed = result.as_ref().err().cloned();
        result
    }

    fn feed_sound(&mut self, chunk: &[u8], mut on: impl FnMut(Event<&[u8]>, u64)) -> Result<usize> {
        let mut at = 0;
        while !self.carry.is_empty() && !self.parser.is_done() {
            let old = self.carry.len();
            let take = self.need.saturating_sub(old).min(chunk.len() - at);
            self.carry.extend_from_slice(&chunk[at..at + take]);
            if self.carry.len() < self.need {
                return Ok(chunk.len());
            }
            match self.one(false, &mut on)? {
                None => at += take,
                // Whatever of the chunk was not consumed is read from the chunk.
                Some(consumed) if consumed >= old => {
                    at += consumed - old;
                    self.carry.clear();
                }
                Some(consumed) => {
                    self.carry.truncate(old);
                    self.carry.drain(..consumed);
                    self.need = self.carry.len();
                }
            }
        }
        let mut summed = at;
        while !self.parser.is_done() {
            match self.parser.parse(&chunk[at..], false)? {
                Parsed::Need(n) => {
                    self.crc.update(&chunk[summed..at]);
                    self.carry.extend_from_slice(&chunk[at..]);
                    self.need = n;
                    return Ok(chunk.len());
                }
                Parsed::Event { consumed, event } => {
                    at += consumed;
                    let crc = if matches!(event.payload, Payload::Eof) {
                        self.crc.update(&chunk[summed..at]);
                        summed = at;
                        self.crc.value()
                    } else {
                        0
                    };
                    on(event, crc);
                }
            }
        }
        Ok(at)
    }

    /// Says that there is no more.
    ///
    /// # Errors
    /// If the records have not ended.
    pub fn finish(&mut self, mut on: impl FnMut(Event<&[u8]>, u64)) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while !self.parser.is_done() {
            if let Some(consumed) = self.one(true, &mut on)? {
                self.carry.drain(..consumed);
            }
        }
        Ok(())
    }

    /// Parses one event out of what is carried.
    fn one(&mut self, eof: bool, on: &mut impl FnMut(Event<&[u8]>, u64)) -> Result<Option<usize>, Error> {
        match self.parser.parse(&self.carry, eof)? {
            Parsed::Need(n) => {
                self.need = n;
                Ok(None)
            }
            Parsed::Event { consumed, event } => {
                self.crc.update(&self.carry[..consumed]);
                let crc = if matches!(event.payload, Payload::Eof) { self.crc.value() } else { 0 };
                on(event, crc);
                Ok(Some(consumed))
            }
        }
    }

    /// The file offset behind the last event.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }

    /// Whether the end of the records was reached.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.parser.is_done()
    }
}
