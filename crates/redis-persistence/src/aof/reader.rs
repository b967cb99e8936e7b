//! Drives a [`Parser`] from any input, with one buffer of fixed size.

use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use crate::aof::window::Window;
use crate::aof::{CommandRun, Grammar, KnownHeads, Parser, Record, Step};
use crate::rdb;
use crate::{Limits, ReadError};

const BUFFER: usize = 256 << 10;

/// From this many bytes on a payload is passed over by moving in the file and not by reading it.
const WORTH_A_SEEK: u64 = BUFFER as u64;

/// Gets more bytes into the window, and returns whether there are none.
type Refill<R> = fn(&mut R, &mut Window) -> io::Result<bool>;

/// Moves on in the input by at most this many bytes, and answers by how many.
type PassOver<R> = fn(&mut R, u64) -> io::Result<u64>;

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
    image: Option<Image>,
    parser: Parser,
    window: Window,
    /// The length of the record that was lent last, which is let go of at the next call.
    lent: usize,
    eof: bool,
    refill: Refill<R>,
    /// How payloads are passed over, from how many bytes on.
    pass_over: Option<(u64, PassOver<R>)>,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("parser", &self.parser).field("eof", &self.eof).finish_non_exhaustive()
    }
}

/// The RDB image that an append-only file may begin with, the preamble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The file offset of the first byte after it.
    pub end: u64,
    /// When it was made, in seconds since the epoch, if it says that.
    pub made: Option<i64>,
}

impl<R: Read> Reader<R> {
    /// Reads a file from its start, and passes over the RDB image that it may begin with: [`image`](Self::image) tells of it,
    /// [`rdb::Keys`] has its keys.
    ///
    /// # Errors
    /// Those of the input, and those of an image whose bytes leave no way on.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::aof::{Grammar, Reader};
    ///
    /// let file = b"REDIS0009\xfa\x05ctime\xc0\x7b\xff\0\0\0\0\0\0\0\0*1\r\n$8\r\nFLUSHALL\r\n";
    /// let mut reader = Reader::behind_image(&file[..], Grammar::Strict)?;
    /// assert_eq!(reader.image().map(|image| (image.end, image.made)), Some((27, Some(123))));
    /// assert_eq!(reader.next_record()?.map(|record| record.start()), Some(27));
    /// # Ok::<(), redis_persistence::ReadError>(())
    /// ```
    pub fn behind_image(input: R, grammar: Grammar) -> Result<Self, ReadError> {
        Self::behind_image_made(input, grammar, &mut None)
    }

    /// Does the same, and says when the image was made where its bytes leave no way on, too.
    pub(crate) fn behind_image_made(mut input: R, grammar: Grammar, made: &mut Option<i64>) -> Result<Self, ReadError> {
        let mut head = Vec::new();
        input.by_ref().take(6).read_to_end(&mut head)?;
        let mut image = None;
        if rdb::has_signature(&head) {
            let mut events = rdb::reader::Reader::new(Cursor::new(head).chain(input));
            while let Some(event) = events.next()? {
                if let Some(text) = event.payload.aux_text(b"ctime") {
                    *made = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                }
            }
            image = Some(Image { end: events.offset(), made: *made });
            let (rest, chain) = events.into_window().into_rest();
            (head, input) = (rest, chain.into_inner().1);
        }
        let parser = Parser::at(grammar, image.map_or(0, |image| image.end));
        let reader = Self::with_parser(input, parser);
        Ok(Self { image, window: reader.window.holding(head), ..reader })
    }

    /// Returns the image that was passed over.
    #[must_use]
    pub fn image(&self) -> Option<Image> {
        self.image
    }

    /// Reads an input from its start.
    #[must_use]
    pub fn new(input: R, grammar: Grammar) -> Self {
        Self::with_parser(input, Parser::new(grammar))
    }

    /// Reads an input that stands where `parser` stands.
    #[must_use]
    pub fn with_parser(input: R, parser: Parser) -> Self {
        Self::with_window(input, parser, Window::new(BUFFER, BUFFER / 2), |input, window| {
            Ok(window.read_behind(input)? == 0)
        })
    }

    /// Sets how many bytes of a command's arguments are at hand.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.parser = self.parser.with_limits(limits);
        self
    }
}

impl<R> Reader<R> {
    pub(crate) fn with_window(input: R, parser: Parser, window: Window, refill: Refill<R>) -> Self {
        Self { input, image: None, parser, window, lent: 0, eof: false, refill, pass_over: None }
    }

    /// Payloads of this many bytes are passed over in this way.
    pub(crate) fn passing_over(mut self, least: u64, pass_over: PassOver<R>) -> Self {
        self.pass_over = Some((least, pass_over));
        self
    }

    /// Returns the parser, for its offset, its line count, and the command it was in.
    #[must_use]
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Returns the input, which stands anywhere behind what was read.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Returns the next record, or `None` at the end of the file.
    ///
    /// # Errors
    /// Those of the input, and those of [`Parser::step`].
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        self.window.pass(std::mem::take(&mut self.lent));
        loop {
            match self.parser.step(self.window.bytes(), self.eof)? {
                Step::Record { consumed } => {
                    self.lent = consumed;
                    break;
                }
                Step::End => return Ok(None),
                Step::Need { consumed, .. } => {
                    self.window.pass(consumed);
                    self.eof = (self.refill)(&mut self.input, &mut self.window)?;
                }
                Step::Skip { consumed, bytes } => {
                    self.window.pass(consumed);
                    match self.pass_over {
                        Some((least, pass_over)) if bytes >= least => {
                            // The step took all there was, so the input stands where the parser stands.
                            let passed = pass_over(&mut self.input, bytes)?;
                            self.window.sought();
                            self.parser.skipped(passed);
                        }
                        _ => {}
                    }
                    self.eof = (self.refill)(&mut self.input, &mut self.window)?;
                }
            }
        }
        Ok(self.parser.record(&self.window.bytes()[..self.lent]))
    }

    /// Passes over commands of the kinds that need no more than to be counted, as far as they lie in the buffer.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn take_run(&mut self, kinds: &KnownHeads) -> io::Result<Option<CommandRun>> {
        self.window.pass(std::mem::take(&mut self.lent));
        while self.parser.is_at_boundary() {
            let run = match self.window.run_here() {
                Ok(run) => run,
                Err(bytes) => kinds.take(&self.window.bytes()[..bytes], self.parser.looked_at()),
            };
            if run.commands > 0 {
                self.parser.pass(&run);
                self.window.pass(run.bytes);
                return Ok(Some(run));
            }
            match run.missing {
                // It is cut by a run that was found to begin inside of it.
                Some(_) if self.window.forget_run() => {}
                // By the end of the buffer: it is as plain as others.
                Some(missing) if self.window.may_keep(missing) && !self.eof => {
                    self.eof = (self.refill)(&mut self.input, &mut self.window)?;
                }
                _ => break,
            }
        }
        Ok(None)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads an input from a place on at which a record begins, [`seeking`](Self::seeking).
    ///
    /// # Errors
    /// Those of the input.
    pub fn at(mut input: R, grammar: Grammar, offset: u64) -> io::Result<Self> {
        input.seek(SeekFrom::Start(offset))?;
        Ok(Self::with_parser(input, Parser::at(grammar, offset)).seeking())
    }

    /// Passes over long payloads by seeking instead of reading them.
    #[must_use]
    pub fn seeking(self) -> Self {
        self.passing_over(WORTH_A_SEEK, |input, bytes| {
            // Never beyond the end: how much of a cut payload is there must still come out right.
            let here = input.stream_position()?;
            let end = input.seek(SeekFrom::End(0))?;
            let passed = bytes.min(end.saturating_sub(here));
            input.seek(SeekFrom::Start(here + passed))?;
            Ok(passed)
        })
    }
}
