//! Feeds the parser of append-only files in slices, and notes all that it says.

use std::io::{self, Read};

use redis_persistence::aof::{Grammar, Parser, Reader, Step};
use redis_persistence::{Error, Limits, ReadError};

/// The three readings of a record.
pub const GRAMMARS: [Grammar; 3] = [Grammar::Strict, Grammar::Loader, Grammar::Tool];

/// All that is said of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub records: Vec<String>,
    pub line_ends: u64,
    pub part: u64,
    pub end: Result<u64, Error>,
    pub unfinished: String,
}

/// Feeds `data` in slices that grow by the sizes given, over and over; `skip` passes over payloads where that is allowed.
pub fn feed(grammar: Grammar, data: &[u8], sizes: &[usize], limit: usize, skip: bool) -> Said {
    let limits = Limits { inline_bytes: limit, ..Limits::default() };
    let mut parser = Parser::new(grammar).with_limits(&limits);
    let mut records = Vec::new();
    let (mut start, mut end, mut turn) = (0, 0, 0);
    let result = loop {
        let eof = end == data.len();
        let window = &data[start..end];
        match parser.step(window, eof) {
            Err(error) => {
                assert_eq!(parser.step(window, eof), Err(error.clone()), "an error stays");
                break Err(error);
            }
            Ok(Step::End) => break Ok(parser.offset()),
            Ok(Step::Record { consumed }) => {
                let record = parser.record(&window[..consumed]).expect("a record");
                records.push(format!("{record:?}"));
                start += consumed;
            }
            Ok(Step::Need { consumed, more }) => {
                assert!(!eof && more > 0, "nothing can be wanted at the end");
                start += consumed;
                end = data.len().min(end + sizes[turn % sizes.len()].max(1));
                turn += 1;
            }
            Ok(Step::Skip { consumed, bytes }) => {
                assert!(!eof && bytes > 0);
                start += consumed;
                if skip {
                    let bytes = bytes.min((data.len() - start) as u64);
                    parser.skipped(bytes);
                    start += usize::try_from(bytes).expect("it fits");
                    end = end.max(start);
                }
                end = data.len().min(end.max(start) + sizes[turn % sizes.len()].max(1));
                turn += 1;
            }
        }
        assert_eq!(parser.offset(), start as u64, "the offset is what was consumed");
    };
    let unfinished = format!("{:?}", parser.unfinished());
    Said { records, line_ends: parser.line_ends(), part: parser.part(), end: result, unfinished }
}

/// The reader says what the parser says.
pub fn check_reader(grammar: Grammar, data: &[u8]) {
    let said = feed(grammar, data, &[data.len()], 64 << 10, false);
    let mut reader = Reader::new(Trickle(data), grammar);
    let mut records = Vec::new();
    let end = loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(format!("{record:?}")),
            Ok(None) => break Ok(reader.parser().offset()),
            Err(ReadError::Parse(error)) => break Err(error),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    };
    assert_eq!((records, end), (said.records, said.end));
}

/// Gives a few bytes at a time, and is interrupted now and then.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.len() % 5 == 1 {
            let length = buffer.len().min(1);
            return self.0.read(&mut buffer[..length]);
        }
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}
