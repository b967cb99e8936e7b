//! Keys of one RDB image that stand in another one of the same set: the server that loads the second aborts.

use std::collections::HashSet;
use std::io::{self, Read};

use crate::Limits;
use crate::base::error::ReadError;
use crate::rdb::reader::Reader;
use crate::rdb::{Body, Payload};
use crate::verify::duplicates::Digests;

/// What one digest costs in a set.
const ENTRY: usize = 48;

/// The keys of the images so far, by digests of their texts, of which nobody can make two alike.
#[derive(Debug)]
pub(crate) struct ImageKeys {
    digests: Digests,
    seen: HashSet<u128>,
}

impl Default for ImageKeys {
    fn default() -> Self {
        Self { digests: Digests::new(), seen: HashSet::new() }
    }
}

impl ImageKeys {
    /// Adds the keys of an image, as many as the limit for duplicate detection allows.
    pub(crate) fn add(&mut self, input: impl Read, limits: &Limits) -> io::Result<()> {
        let room = limits.duplicate_bytes / ENTRY;
        let Self { digests, seen } = self;
        each_key(input, limits, digests, |digest, _| {
            seen.insert(digest);
            seen.len() < room
        })
    }

    /// Returns the first key of another image that is among them: its place and name.
    pub(crate) fn first_in(&self, input: impl Read, limits: &Limits) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut found = None;
        each_key(input, limits, &self.digests, |digest, key| {
            if self.seen.contains(&digest) {
                found = Some((key.0, key.1.to_vec()));
            }
            found.is_none()
        })?;
        Ok(found)
    }
}

/// Goes over the keys with their places, until `on` says no or the image ends, well or not. Keys that are too long to be
/// held are left out.
fn each_key(
    input: impl Read,
    limits: &Limits,
    digests: &Digests,
    mut on: impl FnMut(u128, (u64, &[u8])) -> bool,
) -> io::Result<()> {
    let mut reader = Reader::with_limits(input, limits.clone());
    let mut db = 0;
    loop {
        let event = match reader.next() {
            Ok(Some(event)) => event,
            Ok(None) | Err(ReadError::Parse(_)) => return Ok(()),
            Err(ReadError::Io(error)) => return Err(error),
        };
        match &event.payload {
            Payload::SelectDb { db: selected } => db = *selected,
            Payload::Record(record) if !matches!(record.key.body, Body::Long { .. }) => {
                let Ok(key) = record.key.decode() else { continue };
                let mut digest = digests.begin();
                digest.update(&db.to_le_bytes());
                digest.update(&key);
                if !on(digest.finish(), (record.type_at, &key)) {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}
