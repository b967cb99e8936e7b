//! A verifier that is fed with chunks, and on this thread alone: the way of [`slice`](super::slice) and of short inputs.

use super::options::Options;
use super::rdb::{Places, RdbVerifier};
use crate::base::crc64::Crc64;
use crate::base::error::Error;
use crate::rdb::Event;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::reader::BLOCK;
use crate::report::Report;

/// What an RDB is the whole of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// The input: nothing may follow it.
    Input,
    /// The start of a file of this many bytes, which goes on with something else.
    Start(u64),
}

/// What a walk came to.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) verifier: RdbVerifier,
    /// Where the RDB ends, if that was found.
    pub(super) end: Option<u64>,
}

/// Verifies an RDB that the caller feeds, such as an upload while it passes.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{Options, Push, Verdict};
///
/// let mut push = Push::new(&Options::default());
/// for chunk in b"REDIS0004\xfe\x00\x00\x01k\x01v\xff".chunks(3) {
///     push.feed(chunk);
/// }
/// assert_eq!(push.finish().verdict, Verdict::Sound);
/// ```
#[derive(Debug)]
pub struct Push {
    feeder: Feeder,
    verifier: RdbVerifier,
    /// The checksum of what was fed.
    crc: Crc64,
    fed: u64,
    /// The first bytes, for what a file is that is no RDB.
    head: Vec<u8>,
    failed: Option<Error>,
}

/// As much of a file's start as tells what it is.
pub(super) const HEAD: usize = 512;

impl Push {
    /// Returns a verifier at the start of an RDB.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self::of(options, Places::Once)
    }

    /// Returns the same for something of which the caller knows whether it can be read again.
    pub(super) fn of(options: &Options, places: Places) -> Self {
        Self {
            feeder: Feeder::new(options.limits.clone()),
            verifier: RdbVerifier::new(options.clone(), places),
            crc: Crc64::new(),
            fed: 0,
            head: Vec::new(),
            failed: None,
        }
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        // In parts that stay in the cache from the checksum to the walk.
        for part in chunk.chunks(BLOCK) {
            let behind = self.part(part);
            self.verifier.trailing(behind);
        }
    }

    /// Takes bytes of the RDB, and answers those behind the end of its records.
    fn part<'p>(&mut self, part: &'p [u8]) -> &'p [u8] {
        self.head.extend_from_slice(&part[..part.len().min(HEAD - self.head.len())]);
        let (before, start) = (self.crc, self.fed);
        self.fed += part.len() as u64;
        if self.failed.is_some() {
            // Whether the checksum vouches for what could not be read.
            self.crc.update(part);
            return &[];
        }
        if !self.feeder.parser.is_done() {
            self.crc.update(part);
        }
        let mut walk = Walk { verifier: &mut self.verifier, before, part, start };
        match self.feeder.feed(part, &mut walk) {
            Ok(used) => &part[used..],
            Err(error) => {
                self.failed = Some(error);
                &[]
            }
        }
    }

    /// Says that there is no more, and gives the report.
    #[must_use]
    pub fn finish(self) -> Report {
        self.end().finish(None)
    }

    /// Takes the next bytes of a file that begins with the RDB.
    pub(super) fn start(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(BLOCK) {
            self.part(part);
        }
    }

    /// Returns whether the RDB has ended, or cannot be read any further.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.feeder.parser.is_done()
    }

    /// Returns how many bytes were taken.
    pub(super) fn fed(&self) -> u64 {
        self.fed
    }

    pub(super) fn end(self) -> RdbVerifier {
        self.walked(Whole::Input).verifier
    }

    /// Ends the walk.
    pub(super) fn walked(mut self, whole: Whole) -> Walked {
        let size = match whole {
            Whole::Input => self.fed,
            Whole::Start(size) => size,
        };
        if self.failed.is_none() {
            let mut walk = Walk { verifier: &mut self.verifier, before: self.crc, part: &[], start: self.fed };
            self.failed = self.feeder.finish(&mut walk).err();
        }
        if let Some(error) = &self.failed {
            let proven = whole == Whole::Input && self.crc.is_of_file_with_its_own();
            self.verifier.failed(error, &self.head, size, proven);
        }
        Walked { end: self.feeder.end(), verifier: self.verifier }
    }
}

/// Hands what is found in a part to the verifier.
struct Walk<'a> {
    verifier: &'a mut RdbVerifier,
    /// The checksum of everything before the part.
    before: Crc64,
    part: &'a [u8],
    start: u64,
}

impl Consumer for Walk<'_> {
    #[inline]
    fn event(&mut self, event: &Event<&[u8]>) {
        self.verifier.event(event, || self.before.with_start_of(self.part, self.start, event.end));
    }

    #[inline]
    fn ahead(&mut self, window: &[u8], offset: u64) -> usize {
        self.verifier.plain_keys(window, offset)
    }
}
