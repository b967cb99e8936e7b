//! What a file consists of: commands and annotations, lent from the bytes they were read from.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Take};

/// One record of an append-only file.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// A command with its arguments.
    Command(Command<'a>),
    /// A line that begins with `#`.
    Annotation(Annotation<'a>),
}

impl Record<'_> {
    /// Returns the file offset of the record's first byte.
    #[must_use]
    pub fn start(&self) -> u64 {
        match self {
            Self::Command(command) => command.start,
            Self::Annotation(annotation) => annotation.start,
        }
    }

    /// Returns the file offset of the first byte after the record.
    #[must_use]
    pub fn end(&self) -> u64 {
        match self {
            Self::Command(command) => command.end,
            Self::Annotation(annotation) => annotation.end,
        }
    }
}

/// Where an argument's payload lies, and which of its bytes are at hand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    /// File offset of the payload.
    pub at: u64,
    /// Its length in the file.
    pub len: u64,
    /// Where the bytes at hand begin in the buffer.
    pub from: usize,
    /// How many there are.
    pub held: usize,
}

/// A command: its place, its argument count, and its first arguments.
///
/// The first [`Limits::arguments`](crate::Limits::arguments) can be looked at. Of those the bytes are at hand as long as all of
/// them together stay below [`Limits::inline_bytes`](crate::Limits::inline_bytes), and of any other the first 128 bytes:
/// [`Arg::open`] reads it.
///
/// # Examples
/// ```
/// use redis_persistence::Limits;
/// use redis_persistence::aof::{Grammar, Reader, Record};
///
/// // A command of 1,001 arguments.
/// let file = ["*1001\r\n$3\r\nDEL\r\n".to_owned(), "$1\r\nk\r\n".repeat(1000)].concat();
/// let limits = Limits { arguments: usize::MAX, inline_bytes: 1 << 30, ..Limits::default() };
/// let mut reader = Reader::new(file.as_bytes(), Grammar::Strict).with_limits(&limits);
/// let Some(Record::Command(del)) = reader.next_record()? else { unreachable!() };
/// assert_eq!(del.args().filter_map(|arg| arg.whole()).count(), 1001);
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Command<'a> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) argc: u64,
    pub(crate) spans: &'a [Span],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// Returns the file offset of the command's `*`.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns the file offset of the first byte after the command.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns how many arguments it has, the name among them. 0 where a check tool takes a count of zero or less for a
    /// record.
    #[must_use]
    pub fn argc(&self) -> u64 {
        self.argc
    }

    /// Returns the command's name as it stands in the file, or the beginning of a very long one; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.arg(0).map_or(&[], |arg| arg.head)
    }

    /// Returns whether the command's name is `name`, in any case.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        self.arg(0).and_then(|arg| arg.whole()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(name))
    }

    /// Returns an argument by its place; 0 is the name. `None` beyond the last, and beyond those that can be looked at.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<Arg<'a>> {
        let span = self.spans.get(index)?;
        let head = self.bytes.get(span.from..span.from.saturating_add(span.held)).unwrap_or_default();
        Some(Arg { at: span.at, len: span.len, head })
    }

    /// Returns the arguments that can be looked at, the name first.
    #[must_use]
    pub fn args(&self) -> Args<'a> {
        Args { command: *self, next: 0 }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("argc", &self.argc)
            .field("args", &self.args().collect::<Vec<_>>())
            .finish()
    }
}

/// An argument of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Arg<'a> {
    /// The file offset of the payload's first byte.
    pub at: u64,
    /// The length of the payload, in bytes.
    pub len: u64,
    /// The payload, or the beginning of one that is not held.
    pub head: &'a [u8],
}

impl<'a> Arg<'a> {
    /// Returns the payload, if all of it is at hand.
    #[must_use]
    pub fn whole(&self) -> Option<&'a [u8]> {
        (u64::try_from(self.head.len()) == Ok(self.len)).then_some(self.head)
    }

    /// Returns a reader of the payload, however long, from the file that the command is from. `file` is moved.
    ///
    /// # Errors
    /// Those of the file.
    ///
    /// # Examples
    /// ```
    /// use std::io::{Cursor, Read};
    ///
    /// use redis_persistence::aof::{Grammar, Reader, Record};
    ///
    /// let file = ["*2\r\n$4\r\nECHO\r\n$100000\r\n".as_bytes(), &[b'x'; 100_000], b"\r\n"].concat();
    /// let mut reader = Reader::new(&file[..], Grammar::Strict);
    /// let Some(Record::Command(echo)) = reader.next_record()? else { unreachable!() };
    /// let Some(long) = echo.arg(1) else { unreachable!() };
    /// assert_eq!((long.whole(), long.head.len()), (None, 128));
    /// let mut text = Vec::new();
    /// long.open(Cursor::new(&file))?.read_to_end(&mut text)?;
    /// assert_eq!(text.len(), 100_000);
    /// # Ok::<(), redis_persistence::ReadError>(())
    /// ```
    pub fn open<R: Read + Seek>(&self, mut file: R) -> io::Result<Take<R>> {
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file.take(self.len))
    }
}

impl fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.head.escape_ascii())?;
        if self.whole().is_none() { write!(f, "... ({} bytes)", self.len) } else { Ok(()) }
    }
}

/// Iterator over the arguments at hand, made by [`Command::args`].
#[derive(Debug, Clone)]
pub struct Args<'a> {
    command: Command<'a>,
    next: usize,
}

impl<'a> Iterator for Args<'a> {
    type Item = Arg<'a>;

    fn next(&mut self) -> Option<Arg<'a>> {
        let arg = self.command.arg(self.next)?;
        self.next += 1;
        Some(arg)
    }
}

/// How an annotation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// CR LF, as writers make it.
    CrLf,
    /// A bare LF.
    Lf,
    /// None: the file ends, or the line is longer than what is read of it in one piece (1023 bytes).
    Missing,
}

/// A line that begins with `#` where a record may begin, kept byte for byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Annotation<'a> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Annotation<'a> {
    /// Returns the file offset of the `#`.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns the file offset of the first byte after the line.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the whole line as it stands in the file, from the `#` to its end.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns how the line ends.
    #[must_use]
    pub fn line_end(&self) -> LineEnd {
        match self.bytes {
            [.., b'\r', b'\n'] => LineEnd::CrLf,
            [.., b'\n'] => LineEnd::Lf,
            _ => LineEnd::Missing,
        }
    }

    /// Returns the unix time, in seconds, of a well-formed `#TS:` line.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::aof::{Grammar, Reader, Record};
    ///
    /// let mut reader = Reader::new(&b"#TS:1700000000\r\n"[..], Grammar::Strict);
    /// let Some(Record::Annotation(stamp)) = reader.next_record()? else { unreachable!() };
    /// assert_eq!(stamp.timestamp(), Some(1_700_000_000));
    /// # Ok::<(), redis_persistence::ReadError>(())
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        let digits = self.bytes.strip_prefix(b"#TS:")?.strip_suffix(b"\r\n")?;
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if plain { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
    }

    /// Returns whether the line claims to be a timestamp, well-formed or not.
    #[must_use]
    pub fn is_timestamp(&self) -> bool {
        self.bytes.starts_with(b"#TS:")
    }
}

impl fmt::Debug for Annotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotation")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("bytes", &format_args!("\"{}\"", self.bytes.escape_ascii()))
            .finish()
    }
}
