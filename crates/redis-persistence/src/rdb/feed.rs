//! Drives a parser with the chunks of an input, one after the other.
//!
//! ```text
//! chunk 1 [ events ........ | tail ]  -> the tail is carried over
//! chunk 2 [ head | events ... ]       -> tail + just enough of the head, then straight from the chunk
//! ```
//!
//! Events borrow from the chunk itself; only what straddles two chunks is copied.

use crate::base::error::Result;
use crate::base::limits::Limits;
use crate::rdb::{Event, Header, Parsed, Parser};

/// What is carried over grows by at least so much at a time.
const GROWTH: usize = 256 << 10;
/// More room than this is given back once it is empty.
const KEPT: usize = 4 << 20;

/// Takes what a [`Feeder`] finds.
pub(crate) trait Consumer {
    /// The next event.
    fn event(&mut self, event: &Event<&[u8]>);

    /// Asked wherever a key's record or an opcode begins at `offset`, with nothing pending. It may take any number of
    /// whole records from the start of `window` by itself, without events, and returns how many bytes those are.
    fn ahead(&mut self, _window: &[u8], _offset: u64) -> usize {
        0
    }
}

/// A parser, and what was fed to it and not consumed.
#[derive(Debug, Default)]
pub(crate) struct Feeder {
    pub(crate) parser: Parser,
    carry: Vec<u8>,
    /// How much of it is wanted before it is looked at again.
    need: usize,
}

impl Feeder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { parser: Parser::new(limits), ..Self::default() }
    }

    /// Inside a file, at an offset where a record begins.
    pub(crate) fn at_record(limits: Limits, header: Header, offset: u64) -> Self {
        Self { parser: Parser::at_record(limits, header, offset), ..Self::default() }
    }

    /// Returns whether a record begins with the next byte, and nothing is carried over.
    pub(crate) fn is_between_records(&self) -> bool {
        self.carry.is_empty() && self.parser.is_between_records()
    }

    /// Returns where the RDB ends, once that is known.
    pub(crate) fn end(&self) -> Option<u64> {
        self.parser.is_done().then(|| self.parser.offset())
    }

    /// Takes the next chunk, and returns how much of it belongs to the RDB: less than all behind the end of the records.
    pub(crate) fn feed(&mut self, chunk: &[u8], consumer: &mut impl Consumer) -> Result<usize> {
        let mut at = 0;
        while !self.carry.is_empty() && !self.parser.is_done() {
            let old = self.carry.len();
            let take = self.need.saturating_sub(old).min(chunk.len() - at);
            self.keep(&chunk[at..at + take]);
            if self.carry.len() < self.need {
                return Ok(chunk.len());
            }
            match self.one(false, consumer)? {
                None => at += take,
                // Whatever of the chunk was not consumed is read from the chunk.
                Some(consumed) if consumed >= old => {
                    at += consumed - old;
                    self.carry.clear();
                    if self.carry.capacity() > KEPT {
                        self.carry = Vec::new();
                    }
                }
                Some(consumed) => {
                    self.carry.truncate(old);
                    self.carry.drain(..consumed);
                    self.need = self.carry.len();
                }
            }
        }
        while !self.parser.is_done() {
            if self.parser.is_between_records() {
                let passed = consumer.ahead(&chunk[at..], self.parser.offset());
                self.parser.pass(passed);
                at += passed;
            }
            match self.parser.parse(&chunk[at..], false)? {
                Parsed::Need(n) => {
                    self.need = n;
                    self.keep(&chunk[at..]);
                    return Ok(chunk.len());
                }
                Parsed::Event { consumed, event } => {
                    at += consumed;
                    consumer.event(&event);
                }
            }
        }
        Ok(at)
    }

    /// Says that there is no more.
    pub(crate) fn finish(&mut self, consumer: &mut impl Consumer) -> Result<()> {
        while !self.parser.is_done() {
            if let Some(consumed) = self.one(true, consumer)? {
                self.carry.drain(..consumed);
            }
        }
        Ok(())
    }

    /// Parses one event out of what is carried.
    fn one(&mut self, eof: bool, consumer: &mut impl Consumer) -> Result<Option<usize>> {
        match self.parser.parse(&self.carry, eof)? {
            Parsed::Need(n) => {
                self.need = n;
                Ok(None)
            }
            Parsed::Event { consumed, event } => {
                consumer.event(&event);
                Ok(Some(consumed))
            }
        }
    }

    /// Carries bytes over. Room is made twofold at the most and not beyond what is wanted: what a file claims reserves
    /// nothing.
    fn keep(&mut self, bytes: &[u8]) {
        let (len, room) = (self.carry.len(), self.carry.capacity());
        if room - len < bytes.len() {
            let wanted = self.need.min((2 * len).max(len + GROWTH)).max(len + bytes.len());
            self.carry.reserve_exact(wanted - len);
        }
        self.carry.extend_from_slice(bytes);
    }
}
