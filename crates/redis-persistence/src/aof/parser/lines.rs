//! The lines of records: `*<count>`, `$<length>` and annotations, in each of the grammars.

use super::{Found, Grammar, Parser, Step};
use crate::aof::resp::{self, Line};
use crate::{Error, ErrorKind, Reading, Result};

/// How much of a line the loaders read in one piece, and both they and the tools of an annotation.
const LONG_LINE: usize = 1023;
/// How much of a header line the check tools read in one piece.
const SHORT_LINE: usize = 127;

impl Parser {
    pub(super) fn annotation(&mut self, rest: &[u8], here: u64, at: &mut usize, eof: bool) -> Result<Step> {
        self.part = here;
        match resp::line(rest, LONG_LINE, eof) {
            Line::Read(line)
                if self.grammar == Grammar::Strict && line.len() == LONG_LINE && !line.ends_with(b"\n") =>
            {
                let end = here + line.len() as u64;
                Err(Error::new(here, end, Reading::Annotation, ErrorKind::LineTooLong(LONG_LINE)))
            }
            Line::Read(line) => {
                *at += line.len();
                self.found = Found::Annotation;
                Ok(Step::Record { consumed: *at })
            }
            Line::End | Line::More => Ok(Step::Need { consumed: *at, more: 1 }),
        }
    }

    /// Reads a header line in the parser's grammar: its length and its number.
    pub(super) fn header(&mut self, prefix: u8, rest: &[u8], here: u64, eof: bool) -> Result<Option<(usize, i64)>> {
        self.part = here;
        let reading = if prefix == b'*' { Reading::ArgCount } else { Reading::ArgLength };
        if self.grammar == Grammar::Strict {
            return match if prefix == b'*' { resp::multibulk(rest) } else { resp::bulk(rest) } {
                Ok((after, number)) => Ok(Some((rest.len() - after.len(), i64::try_from(number).unwrap_or(i64::MAX)))),
                Err(nom::Err::Incomplete(_)) if eof => Err(self.cut(here + rest.len() as u64, reading, 1)),
                Err(nom::Err::Incomplete(_)) => Ok(None),
                Err(nom::Err::Error(stop) | nom::Err::Failure(stop)) => {
                    let at = rest.len() - stop.input.len();
                    let kind = match at {
                        0 => ErrorKind::BadPrefix { wanted: prefix, found: rest[0] },
                        1 => ErrorKind::BadNumber,
                        // The second byte need not be there yet when the first one is wrong.
                        _ if stop.input[0] != b'\r' => bad_line_end(&stop.input[..1]),
                        _ => bad_line_end(stop.input),
                    };
                    Err(Error::new(self.start, here + at as u64, reading, kind))
                }
            };
        }
        let limit = if self.grammar == Grammar::Tool { SHORT_LINE } else { LONG_LINE };
        let line = match resp::line(rest, limit, eof) {
            Line::Read(line) => line,
            Line::End => return Err(self.cut(here, reading, 1)),
            Line::More => return Ok(None),
        };
        let (found, text) = (line[0], &line[1..]);
        if found != prefix {
            return Err(Error::new(self.start, here, reading, ErrorKind::BadPrefix { wanted: prefix, found }));
        }
        let number = resp::strtol(text);
        if self.grammar == Grammar::Tool {
            let tail = &text[number.end..];
            if !tail.starts_with(b"\r\n") {
                return Err(Error::new(self.start, here + 1 + number.end as u64, reading, bad_line_end(tail)));
            }
        } else if prefix == b'*'
            && matches!(text.first(), None | Some(0))
            && !line.ends_with(b"\n")
            && line.len() < limit
        {
            // A star and the end of the file: the loaders take it for a short read, though the line is there.
            return Err(self.cut(here + line.len() as u64, reading, 1));
        }
        let value =
            if prefix == b'*' && self.grammar == Grammar::Loader { resp::atoi(text).into() } else { number.value };
        Ok(Some((line.len(), value)))
    }

    pub(super) fn count(&self, count: i64) -> Result<u64> {
        match u64::try_from(count) {
            // The tools' loops simply do not run.
            Err(_) | Ok(0) if self.grammar == Grammar::Tool => Ok(0),
            Ok(argc) if argc > 0 && (self.grammar == Grammar::Tool || i32::try_from(count).is_ok()) => Ok(argc),
            _ => Err(Error::new(self.start, self.start, Reading::ArgCount, ErrorKind::BadArgCount(count))),
        }
    }

    pub(super) fn cut(&self, end: u64, reading: Reading, missing: u64) -> Error {
        Error::new(self.start, end, reading, ErrorKind::UnexpectedEof { missing })
    }
}

fn bad_line_end(found: &[u8]) -> ErrorKind {
    let byte = |at: usize| found.get(at).copied().unwrap_or(0);
    ErrorKind::BadLineEnd([byte(0), byte(1)])
}
