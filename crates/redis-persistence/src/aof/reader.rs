//! Drives a [`Parser`] from any input, with one buffer of fixed size.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::aof::{Grammar, Kinds, Parser, Record, Run, Step};
use crate::{Limits, ReadError};

const BUFFER: usize = 256 << 10;

/// From this many bytes on a payload is passed over by moving in the file and not by reading it.
const WORTH_A_SEEK: u64 = BUFFER as u64;

/// The records of an append-only file, one after another, from an input.
///
/// # Examples
/// ```
/// use redis_persistence::aof::{Grammar, Reader};
///
/// let data = b"#TS:1700000000\r\n*1\r\n$8\r\nFLUSHALL\r\n";
/// let mut reader = Reader::new(&data[..], Grammar::Strict);
/// let mut ends = Vec::new();
/// while let Some(record) = reader.next_record()? {
///     ends.push(record.end());
/// }
/// assert_eq!(ends, [16, 34]);
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
pub struct Reader<R> {
    input: R,
    parser: Parser,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The length of the record that was lent last, which is let go of at the next call.
    lent: usize,
    eof: bool,
    pass_over: Option<fn(&mut R, u64) -> io::Result<u64>>,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("parser", &self.parser).field("eof", &self.eof).finish_non_exhaustive()
    }
}

impl<R: Read> Reader<R> {
    /// Reads an input from its start.
    #[must_use]
    pub fn new(input: R, grammar: Grammar) -> Self {
        Self::with_parser(input, Parser::new(grammar))
    }

    /// Reads an input that stands where `parser` stands.
    #[must_use]
    pub fn with_parser(input: R, parser: Parser) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { input, parser, buffer, start: 0, end: 0, lent: 0, eof: false, pass_over: None }
    }

    /// Sets how many bytes of a command's arguments are at hand.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.parser = self.parser.with_limits(limits);
        self
    }

    /// The parser, for its offset, its line count, and the command it was in.
    #[must_use]
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// The input, which stands anywhere behind what was read.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next record, or `None` at the end of the file.
    ///
    /// # Errors
    /// Those of the input, and those of [`Parser::step`].
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        self.start += std::mem::take(&mut self.lent);
        loop {
            match self.parser.step(&self.buffer[self.start..self.end], self.eof)? {
                Step::Record { consumed } => {
                    self.lent = consumed;
                    break;
                }
                Step::End => return Ok(None),
                Step::Need { consumed, .. } => {
                    self.start += consumed;
                    self.fill()?;
                }
                Step::Skip { consumed, bytes } => {
                    self.start += consumed;
                    match self.pass_over {
                        Some(pass_over) if bytes >= WORTH_A_SEEK => {
                            // The step took all there was, so the input stands where the parser stands.
                            let passed = pass_over(&mut self.input, bytes)?;
                            self.parser.skipped(passed);
                        }
                        _ => {}
                    }
                    self.fill()?;
                }
            }
        }
        Ok(self.parser.record(&self.buffer[self.start..self.start + self.lent]))
    }

    /// Passes over commands of the kinds that need no more than to be counted, as far as they lie in the buffer.
    pub(crate) fn take_run(&mut self, kinds: &mut Kinds) -> Option<Run> {
        self.start += std::mem::take(&mut self.lent);
        if !self.parser.is_at_boundary() {
            return None;
        }
        let run = kinds.take(&self.buffer[self.start..self.end], self.parser.looked_at());
        if run.commands == 0 {
            return None;
        }
        self.parser.pass(&run);
        self.start += run.bytes;
        Some(run)
    }

    /// Moves what is left to the front and reads once behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.eof = read == 0;
                    self.end += read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Passes over long payloads by seeking instead of reading them.
    #[must_use]
    pub fn seeking(mut self) -> Self {
        self.pass_over = Some(|input, bytes| {
            // Never beyond the end: how much of a cut payload is there must still come out right.
            let here = input.stream_position()?;
            let end = input.seek(SeekFrom::End(0))?;
            let passed = bytes.min(end.saturating_sub(here));
            input.seek(SeekFrom::Start(here + passed))?;
            Ok(passed)
        });
        self
    }
}
