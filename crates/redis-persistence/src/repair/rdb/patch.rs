//! A file with a few bytes replaced, without a copy of it: judged, and searched for a key.

use std::io::Read;

use crate::Limits;
use crate::rdb::{Body, Payload, Role};
use crate::reader::Reader;
use crate::verify::{self, Checksum, Finding, Options, Verdict};

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

/// A file in which the bytes from `at` on are others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patched<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
    pub(super) new: &'a [u8],
}

impl<'a> Patched<'a> {
    fn input(self) -> impl Read + 'a {
        let Self { data, at, new } = self;
        let (head, rest) = data.split_at(at.min(data.len()));
        head.chain(new).chain(rest.get(new.len()..).unwrap_or(&[]))
    }

    /// Whether the checksum fits, and the rest is as sound as this build can tell.
    pub(super) fn is_proven(self, options: &Options) -> bool {
        verify::reader(self.input(), options)
            .is_ok_and(|report| report.checksum == Some(Checksum::Ok) && report.verdict != Verdict::Damaged)
    }

    /// The key in whose record the first replaced byte lies.
    pub(super) fn key(self, limits: &Limits) -> Option<KeyPlace> {
        let at = self.at as u64;
        let mut reader = Reader::with_limits(self.input(), limits.clone());
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
                return None;
            }
            if event.ends_record {
                if event.end > at {
                    return key.map(|(key, _)| key);
                }
                key = None;
            }
        }
        None
    }
}
