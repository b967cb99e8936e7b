//! The ways into the verifier: a slice, an input, a file that can seek, and chunks.

use std::io::{self, Read, Seek};

use super::options::Options;
use super::parallel::{self, Sizes};
use super::push::{Push, Walked, Whole};
use super::rdb::{Places, RdbVerifier};
use crate::base::source::Input;
use crate::base::source::{At, ReadAt};
use crate::base::source::{Seekable, Source};
use crate::report::Report;

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

/// Returns the same for a file that several threads can read at once.
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
