//! A file with a few bytes replaced, without a copy of it: read, judged, and searched for a key.

use std::io::{self, Read, Seek, SeekFrom};

use crate::Limits;
use crate::rdb::reader::Reader;
use crate::rdb::{Body, Payload, Role};
use crate::report::{Checksum, Finding, Verdict};
use crate::verify::{self, Options};

/// A key of an RDB, and where its record lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The database.
    pub db: u64,
    /// The name, cut at [`Finding::LONGEST_KEY`] bytes. Empty if it is compressed and too long to be decoded.
    pub name: Vec<u8>,
    /// The byte offset of its first attribute, or of its type byte if it has none.
    pub start: u64,
}

/// An input in which a few bytes are replaced by others, as many. Its own bytes stay as they are.
#[derive(Debug)]
pub struct Patched<'a, R> {
    input: R,
    at: u64,
    new: &'a [u8],
    pos: u64,
}

impl<R: Read> Read for Patched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        let (start, end) = (self.pos.max(self.at), (self.pos + n as u64).min(self.at + self.new.len() as u64));
        let within = |at: u64, from: u64| usize::try_from(at - from).unwrap_or(usize::MAX);
        if start < end {
            let new = &self.new[within(start, self.at)..within(end, self.at)];
            buffer[within(start, self.pos)..within(end, self.pos)].copy_from_slice(new);
        }
        self.pos += n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Patched<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.pos = self.input.seek(to)?;
        Ok(self.pos)
    }
}

impl<'a, R: Read + Seek + Send> Patched<'a, R> {
    /// The bytes from `at` on are `new`; the input is rewound.
    pub(super) fn new(mut input: R, at: u64, new: &'a [u8]) -> io::Result<Self> {
        input.rewind()?;
        Ok(Self { input, at, new, pos: 0 })
    }

    fn rewound(&mut self) -> io::Result<&mut Self> {
        self.rewind()?;
        Ok(self)
    }

    /// Returns whether the checksum fits, and the rest is as sound as this build can tell.
    pub(super) fn is_proven(&mut self, options: &Options) -> io::Result<bool> {
        let report = verify::reader(self.rewound()?, options)?;
        Ok(report.checksum == Some(Checksum::Ok) && report.verdict != Verdict::Damaged)
    }

    /// The key in whose record the first replaced byte lies.
    pub(super) fn key(&mut self, limits: &Limits) -> io::Result<Option<KeyPlace>> {
        let at = self.at;
        let mut reader = Reader::with_limits(self.rewound()?, limits.clone());
        let (mut db, mut key) = (0, None);
        while let Ok(Some(event)) = reader.next() {
            match &event.payload {
                Payload::SelectDb { db: selected } => db = *selected,
                Payload::Record(record) => {
                    let start = record.attributes.start.unwrap_or(record.type_at);
                    let name = record.key.decode().unwrap_or_default();
                    let name = name[..name.len().min(Finding::LONGEST_KEY)].to_vec();
                    let plain = matches!(record.key.body, Body::Long { decoded: None, .. });
                    key = Some((KeyPlace { db, name, start }, plain));
                }
                Payload::Piece { role: Role::Key, bytes, .. } => {
                    if let Some((key, true)) = &mut key {
                        let room = Finding::LONGEST_KEY.saturating_sub(key.name.len());
                        key.name.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    }
                }
                _ => {}
            }
            if key.as_ref().is_some_and(|(key, _)| key.start > at) {
                return Ok(None);
            }
            if event.ends_record {
                if event.end > at {
                    return Ok(key.map(|(key, _)| key));
                }
                key = None;
            }
        }
        Ok(None)
    }
}
