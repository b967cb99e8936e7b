//! What `redis-check-rdb` and `valkey-check-rdb` say of a file: their lines, their verdict, their counts.
//!
//! ```text
//! [offset 0] Checking RDB file dump.rdb
//! [offset 27] AUX FIELD redis-ver = '7.0.15'
//! [offset 82] Selecting DB ID 0
//! --- RDB ERROR DETECTED ---                       | [offset 7534] Checksum OK
//! [offset 4113] ... Invalid LZF compressed string  | [offset 7534] \o/ RDB looks OK! \o/
//! [additional info] While doing: read-object-value |
//! [additional info] Reading key 'z:40'             |
//! [additional info] Reading type 17 (zset-listpack)|
//! [info] 83 keys read, expires, already expired    | the same
//! ```
//!
//! The tools stop at the first thing that they cannot read, and look at less than the verifier: [`remark`] tells by code
//! what they see. Their offsets are the number of bytes that they have consumed when they notice. All texts and offsets
//! were measured with Redis 7.0.15 and 8.6.3 and Valkey 9.1.2. It lies here, and not with the parser, because half of what
//! the tools find is found by the checkers of values.
//!
//! What it does not follow:
//!
//! * a file that ends inside a module's data gets an answer; the tools loop for ever;
//! * a number of elements that no memory holds is read up to the end of the data, where the tools give up on the count, or
//!   never end; likewise the size of a compressed string;
//! * `function at rdb.c:` is followed by 0 where the tools name a line of their source;
//! * lines of the server's log that get into the tools' output are left out;
//! * elements of one value are compared up to the memory of [`Limits::duplicate_bytes`](crate::Limits::duplicate_bytes).

mod profile;
mod records;
mod remark;
mod streams;
mod strings;
mod texts;
mod values;

use std::io::{self, Read};
use std::path::Path;

use crate::aof::official::{Image, Preamble};
pub use crate::aof::official::{Line, Print, Tool};
use crate::base::limits::Limits;
use crate::rdb::reader::Window;
use crate::rdb::{Parsed, Parser, Payload};
pub use profile::Format;
use records::Records;
pub use remark::{Remark, remark};
use texts::Failure;
use texts::UNEXPECTED_EOF;

/// Which tool to stand in for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which tool.
    pub tool: Tool,
    /// The file's name, as it is printed.
    pub name: &'a [u8],
    /// The time to hold expiries against, in milliseconds since the epoch.
    pub now_ms: i64,
    /// What the contents of the file may make the library hold in memory.
    pub limits: Limits,
    /// How statistics are printed, if they are wanted; only the tools of Valkey make them. They come as [`Line::Statistics`].
    pub statistics: Option<Format>,
}

/// What the tool makes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the tool finds nothing wrong. Its exit code is 0 then, else 1.
    pub sane: bool,
    /// Whether the code that loads files in servers found something wrong, which ends the tool at once.
    pub ended_at_once: bool,
    /// The offset behind the image if it is sane, its checksum included; else where the tool stopped.
    pub end: u64,
    /// Keys read, the one at which it stopped among them.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys whose expiry lies before [`Request::now_ms`].
    pub expired: u64,
    /// Whether there was no memory for all of the statistics.
    pub statistics_cut: bool,
}

/// Why a walk ends early.
enum Stop {
    Io(io::Error),
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Does what the tool does with a file. What follows the image is not looked at, but may have been read.
///
/// # Errors
/// Those of the input.
///
/// # Examples
/// ```
/// use redis_persistence::Limits;
/// use redis_persistence::official::{Line, Request, Tool, check};
///
/// let request = Request { tool: Tool::Redis86, name: b"a.rdb", now_ms: 0, limits: Limits::default(), statistics: None };
/// let mut lines = Vec::new();
/// let mut print = |line: Line<'_>| if let Line::Out(text) = line { lines.push(String::from_utf8_lossy(text).into_owned()) };
/// let outcome = check(&request, &b"REDIS0009\xfe\x00\x00\x01k\x09v"[..], &mut print)?;
/// assert!(!outcome.sane);
/// assert_eq!(lines[3..6], [
///     "[offset 15] Unexpected EOF reading RDB file",
///     "[additional info] While doing: read-object-value",
///     "[additional info] Reading key 'k'",
/// ]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check(request: &Request<'_>, input: impl Read, print: &mut Print<'_>) -> io::Result<Outcome> {
    let mut run = Run {
        window: Window::new(input),
        parser: Parser::new(request.limits.clone()).without_dialects(),
        records: Records::new(request, print),
    };
    run.records.say(0, &[b"Checking RDB file ", request.name].concat());
    match run.walk() {
        Ok(()) => Ok(run.records.succeeded(run.window.offset())),
        Err(Stop::Failed(failure)) => Ok(run.records.failed(&failure)),
        Err(Stop::Io(error)) => Err(error),
    }
}

/// The lines of the tool for a file that it cannot open. Its exit code is 1.
pub fn cannot_open(tool: Tool, name: &[u8], print: &mut Print<'_>) {
    print(Line::Out(&[b"[offset 0] Checking RDB file ", name].concat()));
    if tool == Tool::Valkey91 {
        print(Line::Out(b"[offset 0] Check RDB returned error code 1 (0 means success)"));
    }
}

/// Judges the images of append-only files as the tool does.
#[derive(Debug, Clone)]
pub struct Images {
    /// Which tool.
    pub tool: Tool,
    /// The time to hold expiries against, in milliseconds since the epoch.
    pub now_ms: i64,
    /// What the contents of a file may make the library hold in memory.
    pub limits: Limits,
}

impl Preamble for Images {
    fn check(&mut self, path: &Path, input: &mut dyn Read, print: &mut Print<'_>) -> io::Result<Image> {
        let Self { tool, now_ms, ref limits } = *self;
        let request = Request {
            tool,
            name: path.as_os_str().as_encoded_bytes(),
            now_ms,
            limits: limits.clone(),
            statistics: None,
        };
        let outcome = check(&request, input, print)?;
        Ok(match outcome {
            Outcome { sane: true, end, .. } => Image::EndsAt(end),
            Outcome { ended_at_once: true, .. } => Image::EndsRun,
            _ => Image::NotSane,
        })
    }
}

struct Run<'a, 'p, R> {
    window: Window<R>,
    parser: Parser,
    records: Records<'a, 'p>,
}

impl<R: Read> Run<'_, '_, R> {
    fn walk(&mut self) -> Result<(), Stop> {
        self.header()?;
        while !self.parser.is_done() {
            let before = self.window.offset();
            let parser_at = self.parser.offset();
            let data = self.window.data();
            match self.parser.parse(data, self.window.eof()) {
                Ok(Parsed::Need(upto)) => self.window.fill(upto)?,
                Ok(Parsed::Event { consumed, event }) => {
                    self.records.event(&event, before, &data[..consumed])?;
                    let is_end = matches!(event.payload, Payload::Eof);
                    self.window.consume(consumed);
                    if is_end {
                        self.records.crc = self.window.crc();
                    }
                }
                Err(error) => {
                    if let Some(len) = texts::unknown_module_item(&error, data) {
                        self.pass_over(len);
                        continue;
                    }
                    if texts::is_module_v1(&error) {
                        return Err(self.module_v1(usize::try_from(error.start() - parser_at).unwrap_or(0)));
                    }
                    return Err(self.records.stopped(&error, parser_at, before, data).into());
                }
            }
        }
        Ok(())
    }

    /// Signature and version, as the tool reads them. The parser, which is stricter, is given what they amount to.
    fn header(&mut self) -> Result<(), Stop> {
        self.window.fill(9)?;
        let Some(head) = self.window.data().first_chunk::<9>() else {
            return Err(Failure::new(0, UNEXPECTED_EOF).into());
        };
        let canonical = self.records.header(head)?;
        // It is one that the parser reads: the same family and a version within its digits.
        let _ = self.parser.parse(&canonical, false);
        self.window.consume(9);
        Ok(())
    }

    /// The tools take an unknown item of a module for one without content. The parser, which does not, is given a number.
    fn pass_over(&mut self, len: usize) {
        let _ = self.parser.parse(b"\x02\x00", false);
        self.window.consume(len);
    }

    /// Returns a value of the pre-release form, which lies `at` bytes into the window. The parser did not look at its key.
    fn module_v1(&mut self, at: usize) -> Stop {
        const LONGEST_KEY: usize = 1 << 20;
        let mut wanted = at + 32;
        loop {
            if let Err(error) = self.window.fill(wanted) {
                return error.into();
            }
            let data = self.window.data();
            let more = !self.window.eof() && data.len() < LONGEST_KEY;
            let base = self.window.offset() + at as u64 + 1;
            match self.records.module_v1(data.get(at + 1..).unwrap_or(&[]), base, more) {
                Some(failure) => return failure.into(),
                None => wanted = data.len() * 2,
            }
        }
    }
}
