//! A file that is looked at in places: one window of it is at hand.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::classify::{Kind, kind};
use crate::ReadError;
use crate::aof::{Grammar, Parser, Reader, Step};

/// How much is at hand.
const WINDOW: usize = 256 << 10;
/// As much of a window is left at least where it is used up to its end.
const ENOUGH: usize = 16 << 10;

/// How much may be looked at in vain, for each byte of the file and besides: bytes that were made to look like records could
/// otherwise make the search quadratic.
const WORK_PER_BYTE: u64 = 64;
const WORK: u64 = 256 << 20;

/// A file, with one window of it.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    size: u64,
    at: u64,
    window: Vec<u8>,
    work: u64,
}

/// Records that follow one another from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// How many are believed.
    pub(super) records: u32,
    /// Whether they lead to the end of the file.
    pub(super) to_end: bool,
}

impl Run {
    /// Returns whether it is long enough.
    pub(super) fn has(self, records: u32) -> bool {
        self.records >= records || self.to_end && self.records > 0
    }
}

impl Source {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file, size, at: 0, window: Vec::new(), work: size.saturating_mul(WORK_PER_BYTE).saturating_add(WORK) }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether so much was looked at in vain that it has to end.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work == 0
    }

    /// Returns a reader of the records from `at` on.
    pub(super) fn reader(&self, at: u64) -> io::Result<Reader<File>> {
        Reader::at(self.file.try_clone()?, Grammar::Strict, at)
    }

    /// Returns the bytes from `at` on, as far as they are at hand: at least `wanted`, if the file has so many and `wanted`
    /// is no more than a window.
    pub(super) fn bytes(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        crate::base::work::did(1);
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let from = at.checked_sub(self.at).and_then(|from| usize::try_from(from).ok());
        let held = from.map_or(0, |from| self.window.len().saturating_sub(from));
        if held < wanted.min(WINDOW).min(left) {
            self.window.clear();
            self.file.seek(SeekFrom::Start(at))?;
            crate::base::work::did_read(left.min(WINDOW));
            self.file.by_ref().take(left.min(WINDOW) as u64).read_to_end(&mut self.window)?;
            self.at = at;
        }
        let from = usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX);
        Ok(self.window.get(from..).unwrap_or_default())
    }

    /// Returns how many records are believed from `at` on, up to `wanted`.
    pub(super) fn run(&mut self, mut at: u64, wanted: u32) -> io::Result<Run> {
        let mut run = Run { records: 0, to_end: false };
        while run.records < wanted {
            if at >= self.size {
                run.to_end = true;
                break;
            }
            let Some((end, kind)) = self.record(at)? else { break };
            if matches!(kind, Kind::Broken(_)) {
                break;
            }
            run.records += u32::from(kind != Kind::Annotation);
            at = end;
        }
        Ok(run)
    }

    /// Returns the record at `at`, if there is one as writers make it: its end and what it is.
    pub(super) fn record(&mut self, at: u64) -> io::Result<Option<(u64, Kind)>> {
        let bytes = self.bytes(at, ENOUGH)?;
        let (data, mut parser) = (bytes, Parser::new(Grammar::Strict));
        if !matches!(data.first(), Some(b'*' | b'#')) {
            return Ok(None);
        }
        match parser.step(data, false) {
            Ok(Step::Record { consumed }) => {
                let end = at + consumed as u64;
                return Ok(parser.record(&data[..consumed]).map(|record| (end, kind(&record))));
            }
            Ok(_) => {}
            Err(error) => {
                self.work = self.work.saturating_sub(error.failed_at());
                return Ok(None);
            }
        }
        // It is longer than what is at hand.
        let mut reader = self.reader(at)?;
        match reader.next_record() {
            Ok(Some(record)) => Ok(Some((record.end(), kind(&record)))),
            Ok(None) => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
            Err(ReadError::Parse(error)) => {
                self.work = self.work.saturating_sub((error.failed_at() - at).max(WINDOW as u64));
                Ok(None)
            }
        }
    }

    /// Returns the argument at `at`: where its payload begins, and where the next thing begins behind it.
    pub(super) fn argument(&mut self, at: u64) -> io::Result<Option<(u64, u64)>> {
        let head = self.bytes(at, 24)?;
        let Ok((rest, length)) = crate::aof::resp::bulk(head) else { return Ok(None) };
        let payload = at + (head.len() - rest.len()) as u64;
        let Some(end) = payload.checked_add(length).filter(|end| *end < self.size) else { return Ok(None) };
        Ok((self.bytes(end, 2)?.starts_with(b"\r\n")).then_some((payload, end + 2)))
    }

    /// Notes that bytes were looked at in vain.
    pub(super) fn in_vain(&mut self, bytes: u64) {
        self.work = self.work.saturating_sub(bytes);
    }
}
