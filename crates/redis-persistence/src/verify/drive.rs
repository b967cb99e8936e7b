//! The ways into the verifier: a slice, an input, a file that can seek, and chunks.

use std::io::{self, Read, Seek};

use super::input::Input;
use super::options::Options;
use super::parallel::{self, Sizes, Walked, Whole};
use super::rdb::{Places, RdbVerifier};
use super::report::Report;
use super::source::{Seekable, Source};
use crate::crc64::Crc64;
use crate::error::Error;
use crate::feed::{Consumer, Feeder};
use crate::rdb::Event;
use crate::read_at::{At, ReadAt};
use crate::reader::BLOCK;

/// Verifies an RDB in memory.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Options, Verdict};
///
/// let report = verify::slice(b"REDIS0004\xfe\x00\x00\x01k\x01v\xff", &Options::default());
/// assert_eq!(report.verdict, Verdict::Sound);
/// assert_eq!(report.counts.keys, 1);
/// ```
#[must_use]
pub fn slice(data: &[u8], options: &Options) -> Report {
    let mut push = Push::of(options, Places::Again);
    push.feed(data);
    push.end().finish(Some(&mut &*data))
}

/// Verifies an RDB that can be read once, up to the end of the input.
///
/// # Errors
/// If the input fails. Damage is no error, but findings.
pub fn reader(input: impl Read + Send, options: &Options) -> io::Result<Report> {
    let mut input = input;
    Ok(walk(Input::InOrder(Some(&mut input)), options, Places::Once)?.finish(None))
}

/// Verifies an RDB in something that can seek, from where it stands to its end. Duplicates are confirmed by reading them
/// again.
///
/// # Errors
/// If the input fails. Damage is no error, but findings.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Options};
///
/// let twice = b"REDIS0004\xfe\x00\x00\x01k\x01v\x00\x01k\x01v\xff";
/// let report = verify::file(std::io::Cursor::new(twice), &Options::default())?;
/// assert_eq!(report.findings[0].code.as_str(), "rdb-duplicate-key");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn file(mut input: impl Read + Seek + Send, options: &Options) -> io::Result<Report> {
    let base = input.stream_position()?;
    let verifier = walk(Input::InOrder(Some(&mut input)), options, Places::Again)?;
    let mut source = Seekable { input, base };
    Ok(verifier.finish(Some(&mut source as &mut dyn Source)))
}

/// Verifies an RDB in something that several threads can read at once, from its first byte to its end. It does what
/// [`file()`] does, and is faster where most of the time goes into reading.
///
/// # Errors
/// If the input fails. Damage is no error, but findings.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Options, Verdict};
///
/// let report = verify::file_at(&b"REDIS0004\xfe\x00\x00\x01k\x01v\xff".as_slice(), &Options::default())?;
/// assert_eq!(report.verdict, Verdict::Sound);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn file_at(input: &dyn ReadAt, options: &Options) -> io::Result<Report> {
    let verifier = walk(Input::AtPlaces(input), options, Places::Again)?;
    let mut source = At { input, at: 0 };
    Ok(verifier.finish(Some(&mut source as &mut dyn Source)))
}

/// Verifies the RDB image that an append-only file begins with. The report covers the image alone; beside it stands the
/// offset of the first byte after it, if its end was found.
pub(super) fn image(
    input: &mut (impl Read + Seek + Send),
    size: u64,
    options: &Options,
) -> io::Result<(Report, Option<u64>)> {
    let Walked { verifier, end } =
        walk_over(Input::InOrder(Some(&mut *input)), options, Whole::Start(size), Places::Again)?;
    let mut source = Seekable { input, base: 0 };
    Ok((verifier.finish(Some(&mut source as &mut dyn Source)), end))
}

/// The same for a file that several threads can read at once.
pub(super) fn image_at(input: &dyn ReadAt, size: u64, options: &Options) -> io::Result<(Report, Option<u64>)> {
    let Walked { verifier, end } = walk_over(Input::AtPlaces(input), options, Whole::Start(size), Places::Again)?;
    let mut source = At { input, at: 0 };
    Ok((verifier.finish(Some(&mut source as &mut dyn Source)), end))
}

fn walk<'i>(input: Input<'i>, options: &'i Options, places: Places) -> io::Result<RdbVerifier> {
    Ok(walk_over(input, options, Whole::Input, places)?.verifier)
}

fn walk_over<'i>(input: Input<'i>, options: &'i Options, whole: Whole, places: Places) -> io::Result<Walked> {
    parallel::walk(input, options, options.threads(), Sizes::default(), whole, places)
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
    /// A verifier at the start of an RDB.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self::of(options, Places::Once)
    }

    /// The same for something of which the caller knows whether it can be read again.
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

    /// Whether the RDB has ended, or cannot be read any further.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.feeder.parser.is_done()
    }

    /// How many bytes were taken.
    pub(super) fn fed(&self) -> u64 {
        self.fed
    }

    fn end(self) -> RdbVerifier {
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
