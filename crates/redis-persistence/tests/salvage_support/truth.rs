//! What a file holds, key by key, as its own bytes.

use std::collections::HashMap;
use std::ops::Range;

use redis_persistence::rdb::{Payload, events};

/// A key of a file.
#[derive(Debug, Clone)]
pub struct Held {
    pub db: u64,
    pub name: Vec<u8>,
    pub expire: Option<i64>,
    pub kind: &'static str,
    /// From its first attribute on.
    pub range: Range<usize>,
    /// Its type byte.
    pub type_at: usize,
}

impl Held {
    /// Type, name and value, as they stand in the file.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[self.type_at..self.range.end]
    }

    pub fn touches(&self, regions: &[Range<usize>]) -> bool {
        regions.iter().any(|region| region.start < self.range.end && self.range.start < region.end)
    }
}

/// The keys of a sound file, in its order, and where its SELECTDB opcodes lie.
pub fn keys(file: &[u8]) -> (Vec<Held>, Vec<Range<usize>>) {
    let usize_of = |at: u64| usize::try_from(at).expect("it lies in memory");
    let (mut keys, mut selects, mut db) = (Vec::new(), Vec::new(), 0);
    let mut open: Option<Held> = None;
    for event in events(file) {
        let event = event.expect("the file is sound");
        match &event.payload {
            Payload::SelectDb { db: selected } => {
                db = *selected;
                selects.push(usize_of(event.start)..usize_of(event.end));
            }
            Payload::Record(record) => {
                open = Some(Held {
                    db,
                    name: record.key.decode().expect("sound").into_owned(),
                    expire: record.attributes.expire.map(|expire| expire.ms),
                    kind: record.value_type.encoding_name(),
                    range: usize_of(record.attributes.start.unwrap_or(record.type_at))..0,
                    type_at: usize_of(record.type_at),
                });
            }
            _ => {}
        }
        if event.ends_record
            && let Some(mut key) = open.take()
        {
            key.range.end = usize_of(event.end);
            keys.push(key);
        }
    }
    (keys, selects)
}

/// The keys by database and name.
pub fn by_name(keys: &[Held]) -> HashMap<(u64, &[u8]), &Held> {
    keys.iter().map(|key| ((key.db, &key.name[..]), key)).collect()
}
