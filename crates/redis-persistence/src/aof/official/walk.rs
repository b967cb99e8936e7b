//! The official tool's walk over the records of one file.
//!
//! ```text
//! at a boundary outside of a transaction: ok_up_to = here
//! record -> MULTI, EXEC where they belong? -> next; stops at the first thing that is wrong
//! ```

use std::io;
use std::ops::ControlFlow;

use crate::aof::{Annotation, Command, Parser, Reader, Record};
use crate::{Error, ErrorKind, ReadError, Reading};

/// What the tool found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A record begins with another byte than `*` and `#`. The tool names no offset.
    Format,
    /// Something is wrong with a record.
    Record {
        /// The offset that the tool names: the header line, payload or annotation that it began last.
        offset: u64,
        /// Its message.
        message: Vec<u8>,
    },
}

/// How far the walk came.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    /// Where the tool would cut.
    pub(crate) ok_up_to: u64,
    /// The line at which it stands.
    pub(crate) line: u64,
    /// Why it stopped before the end.
    pub(crate) problem: Option<Problem>,
    depth: Depth,
}

impl Walk {
    /// A walk from the start of the records, with the tool's line counter as it is there.
    pub(crate) fn new(start: u64, line: u64) -> Self {
        Self { ok_up_to: start, line, problem: None, depth: Depth(0) }
    }

    /// Stands at the boundary of a record that another reader found, with the line counter as it is there.
    pub(crate) fn at(&mut self, offset: u64, line: u64) {
        self.line = line;
        if self.depth.0 == 0 {
            self.ok_up_to = offset;
        }
    }

    /// Takes a command that another reader found at that boundary; returns whether the walk goes on.
    pub(crate) fn command(&mut self, command: &Command<'_>, path: &[u8]) -> bool {
        let belongs = matches!(command.name().first(), Some(b'M' | b'm' | b'E' | b'e'));
        self.problem = belongs.then(|| misplaced(command, &mut self.depth, path)).flatten();
        if self.problem.is_some() {
            self.line += 3;
        }
        self.problem.is_none()
    }

    /// Says that the file ends at the boundary where it stands.
    pub(crate) fn end(&mut self, part: u64) {
        if self.depth.0 != 0 {
            self.problem = Some(no_exec(part));
        }
    }

    /// Goes on with a reader in the tool's grammar until the tool stops, or `annotation` says so: then the cut would lie
    /// before that annotation.
    pub(crate) fn run<R, S>(
        &mut self,
        reader: &mut Reader<R>,
        path: &[u8],
        mut annotation: impl FnMut(&Annotation<'_>) -> ControlFlow<S>,
    ) -> io::Result<Option<S>> {
        let base = self.line - reader.parser().line_ends();
        loop {
            self.at(reader.parser().offset(), base + reader.parser().line_ends());
            match reader.next_record() {
                Ok(Some(Record::Annotation(line))) => {
                    if let ControlFlow::Break(stop) = annotation(&line) {
                        self.ok_up_to = line.start();
                        return Ok(Some(stop));
                    }
                }
                Ok(Some(Record::Command(command))) => {
                    if !self.command(&command, path) {
                        return Ok(None);
                    }
                }
                Ok(None) => {
                    self.end(reader.parser().part());
                    return Ok(None);
                }
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Parse(error)) => {
                    // The tool looks at a name before it reads on, so what is wrong there comes first.
                    if let Some(command) = reader.parser().unfinished()
                        && !self.command(&command, path)
                    {
                        return Ok(None);
                    }
                    self.line = base + reader.parser().line_ends();
                    self.problem = problem(&error, reader.parser());
                    if self.problem.is_none() {
                        self.end(reader.parser().part());
                    }
                    return Ok(None);
                }
            }
        }
    }
}

/// The tool's own count of MULTI less EXEC.
#[derive(Debug, Clone)]
struct Depth(i32);

impl Depth {
    /// Takes a command's name; returns what the tool says against it. The tool compares up to the first NUL.
    fn take(&mut self, name: &[u8], path: &[u8]) -> Option<Vec<u8>> {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let word = if name.eq_ignore_ascii_case(b"multi") {
            self.0 += 1;
            if self.0 == 1 { None } else { Some("MULTI") }
        } else if name.eq_ignore_ascii_case(b"exec") {
            self.0 -= 1;
            if self.0 == 0 { None } else { Some("EXEC") }
        } else {
            None
        };
        word.map(|word| [b"Unexpected ", word.as_bytes(), b" in AOF ", path].concat())
    }
}

/// Takes the name of a command, complete or not, and says what is wrong with its place.
fn misplaced(command: &Command<'_>, depth: &mut Depth, path: &[u8]) -> Option<Problem> {
    let name = command.arg(0)?;
    let mut message = depth.take(name.head, path)?;
    // The tool's buffer for a message.
    message.truncate(1023);
    Some(Problem::Record { offset: name.at, message })
}

fn no_exec(offset: u64) -> Problem {
    Problem::Record { offset, message: b"Reached EOF before reading EXEC for MULTI".to_vec() }
}

/// Returns what the tool says of an error; nothing if a header line is missing altogether.
fn problem(error: &Error, parser: &Parser) -> Option<Problem> {
    let part = parser.part();
    let message = match error.kind() {
        ErrorKind::NotARecord(_) => return Some(Problem::Format),
        ErrorKind::BadPrefix { wanted, found } => {
            let mut message = format!("Expected prefix '{}', got: '", char::from(*wanted)).into_bytes();
            message.push(*found);
            // C's string ends at a NUL.
            if *found == 0 {
                message.pop();
            } else {
                message.push(b'\'');
            }
            message
        }
        // Two bytes that C prints as signed numbers of 32 bits.
        ErrorKind::BadLineEnd([first, second]) => {
            let hex = |byte: u8| format!("{:02x}", i32::from(byte.cast_signed()));
            format!("Expected \\r\\n, got: {}{}", hex(*first), hex(*second)).into_bytes()
        }
        ErrorKind::BadArgLength(length) => {
            format!("Expected to read string of {length} bytes, which is not in the suitable range").into_bytes()
        }
        ErrorKind::UnexpectedEof { missing } if error.reading() == Reading::Arg => {
            let got = error.failed_at().saturating_sub(part);
            format!("Expected to read {} bytes, got {got} bytes", got.saturating_add(*missing)).into_bytes()
        }
        _ => return None,
    };
    Some(Problem::Record { offset: part, message })
}
