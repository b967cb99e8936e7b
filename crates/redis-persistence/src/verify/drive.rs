//! The ways into the verifier: a slice, an input, a file that can seek, and chunks.

use std::io::{self, Read, Seek};

use super::options::Options;
use super::rdb::RdbVerifier;
use super::report::Report;
use super::source::{Seekable, Source};
use crate::crc64;
use crate::error::{Error, ReadError};
use crate::push;
use crate::rdb::Events;
use crate::reader::Reader;

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
    let mut verifier = RdbVerifier::new(options.clone());
    let mut events = Events::with_limits(data, options.limits.clone());
    for event in events.by_ref() {
        match event {
            Ok(event) => {
                let end = usize::try_from(event.end).unwrap_or(data.len());
                verifier.event(&event, || crc64::checksum(&data[..end]));
            }
            Err(error) => {
                verifier.failed(&error, data, data.len() as u64);
                return verifier.finish(Some(&mut &*data));
            }
        }
    }
    verifier.trailing(usize::try_from(events.offset()).ok().and_then(|at| data.get(at..)).unwrap_or(&[]));
    verifier.finish(Some(&mut &*data))
}

/// Verifies an RDB that can be read once, up to the end of the input.
///
/// # Errors
/// If the input fails. Damage is no error, but findings.
pub fn reader(input: impl Read, options: &Options) -> io::Result<Report> {
    let mut input = input;
    Ok(walk(&mut input, options)?.finish(None))
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
pub fn file(mut input: impl Read + Seek, options: &Options) -> io::Result<Report> {
    let base = input.stream_position()?;
    let verifier = walk(&mut input, options)?;
    let mut source = Seekable { input, base };
    Ok(verifier.finish(Some(&mut source as &mut dyn Source)))
}

/// Verifies the RDB image that an append-only file begins with. The report covers the image alone; beside it stands the
/// offset of the first byte after it, if its end was found.
pub(super) fn image(input: &mut (impl Read + Seek), size: u64, options: &Options) -> io::Result<(Report, Option<u64>)> {
    let mut verifier = RdbVerifier::new(options.clone());
    let mut reader = Reader::with_limits(&mut *input, options.limits.clone());
    let end = loop {
        match reader.next_with_crc() {
            Ok(Some((event, crc))) => verifier.event(&event, || crc),
            Ok(None) => break Some(reader.offset()),
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Parse(error)) => {
                verifier.failed(&error, reader.into_window().data(), size);
                break None;
            }
        }
    };
    let mut source = Seekable { input, base: 0 };
    Ok((verifier.finish(Some(&mut source as &mut dyn Source)), end))
}

fn walk(input: &mut impl Read, options: &Options) -> io::Result<RdbVerifier> {
    let mut verifier = RdbVerifier::new(options.clone());
    let mut reader = Reader::with_limits(input, options.limits.clone());
    loop {
        match reader.next_with_crc() {
            Ok(Some((event, crc))) => verifier.event(&event, || crc),
            Ok(None) => break,
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Parse(error)) => {
                let mut window = reader.into_window();
                let head = window.data().to_vec();
                let size = window.drain(|_| ())?;
                verifier.failed(&error, &head, size);
                return Ok(verifier);
            }
        }
    }
    reader.into_window().drain(|bytes| verifier.trailing(bytes))?;
    Ok(verifier)
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
    push: push::Push,
    verifier: RdbVerifier,
    fed: u64,
    /// The first bytes, for what a file is that is no RDB.
    head: Vec<u8>,
    failed: Option<Error>,
}

/// As much of a file's start as tells what it is.
const HEAD: usize = 512;

impl Push {
    /// A verifier at the start of an RDB.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            push: push::Push::new(options.limits.clone()),
            verifier: RdbVerifier::new(options.clone()),
            fed: 0,
            head: Vec::new(),
            failed: None,
        }
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.fed += chunk.len() as u64;
        self.head.extend_from_slice(&chunk[..chunk.len().min(HEAD - self.head.len())]);
        if self.failed.is_some() {
            return;
        }
        let verifier = &mut self.verifier;
        match self.push.feed(chunk, |event, crc| verifier.event(&event, || crc)) {
            Ok(used) => verifier.trailing(&chunk[used..]),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Says that there is no more, and gives the report.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let verifier = &mut self.verifier;
        if self.failed.is_none() {
            self.failed = self.push.finish(|event, crc| verifier.event(&event, || crc)).err();
        }
        if let Some(error) = &self.failed {
            verifier.failed(error, &self.head, self.fed);
        }
        self.verifier.finish(None)
    }
}
