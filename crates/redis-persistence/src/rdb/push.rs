//! Drives a parser with chunks that the caller has: an upload that is looked at while it passes.

use crate::base::crc64::Crc64;
use crate::base::error::{Error, Result};
use crate::base::limits::Limits;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::{Event, Payload};

/// A parser that is fed. Events borrow from the chunk itself; only what straddles two chunks is copied.
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
    feeder: Feeder,
    /// The checksum of all chunks.
    crc: Crc64,
    fed: u64,
    failed: Option<Error>,
}

impl Push {
    /// Returns a parser at the start of an RDB.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { feeder: Feeder::new(limits), ..Self::default() }
    }

    /// Takes the next chunk and calls `on` for each event that is complete with it. Beside the event `on` is given the
    /// CRC-64 of everything up to the event's end, where it is [`Payload::Eof`], and 0 elsewhere.
    ///
    /// Returns how many bytes of the chunk belong to the RDB: fewer than all behind the end of the records.
    ///
    /// # Errors
    /// If the bytes leave no way on. What is fed after that is the same error again.
    pub fn feed(&mut self, chunk: &[u8], on: impl FnMut(Event<&[u8]>, u64)) -> Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut summed = Summed { before: self.crc, chunk, start: self.fed, on };
        let result = self.feeder.feed(chunk, &mut summed);
        self.crc.update(chunk);
        self.fed += chunk.len() as u64;
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// Says that there is no more.
    ///
    /// # Errors
    /// If the records have not ended.
    pub fn finish(&mut self, on: impl FnMut(Event<&[u8]>, u64)) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.feeder.finish(&mut Summed { before: self.crc, chunk: &[], start: self.fed, on })
    }

    /// Returns the file offset behind the last event.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.feeder.parser.offset()
    }

    /// Returns whether the end of the records was reached.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.feeder.parser.is_done()
    }
}

/// Hands events on with the checksum at the end of the records.
struct Summed<'a, F> {
    /// The checksum of everything before the chunk.
    before: Crc64,
    chunk: &'a [u8],
    start: u64,
    on: F,
}

impl<F: FnMut(Event<&[u8]>, u64)> Consumer for Summed<'_, F> {
    fn event(&mut self, event: &Event<&[u8]>) {
        let crc = if matches!(event.payload, Payload::Eof) {
            self.before.with_start_of(self.chunk, self.start, event.end)
        } else {
            0
        };
        (self.on)(*event, crc);
    }
}
