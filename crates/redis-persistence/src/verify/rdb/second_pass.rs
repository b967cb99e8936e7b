//! Walking over a file again, for the keys whose hashes did not fit into the first table.

use std::io::{self, Read};

use super::names::Names;
use crate::base::limits::Limits;
use crate::base::source::Source;
use crate::rdb::reader::Reader;
use crate::rdb::{Payload, Role};
use crate::verify::duplicates::{Settled, Table};

/// An input over a source, from its start.
struct FromStart<'a> {
    source: &'a mut (dyn Source + 'a),
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(self.offset, buffer)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// Compares the keys that an earlier table did not take, as many as this one holds, and calls `on` with the places of those of
/// one hash. Returns how many there were and where this table ended; `None` if the file cannot be walked again.
pub(super) fn compare_rest(
    source: &mut dyn Source,
    limits: &Limits,
    mut table: Table,
    on: impl FnMut(&[u64]),
) -> Option<Settled> {
    let mut names = Names::default();
    let mut reader = Reader::with_limits(FromStart { source, offset: 0 }, limits.clone());
    let mut db = 0;
    while let Some(event) = reader.next().ok()? {
        match event.payload {
            Payload::SelectDb { db: selected } => db = selected,
            Payload::Record(record) => {
                if let Ok(Some(text)) = names.text(&record.key, db, &table) {
                    table.add(text, db, record.key.start);
                }
            }
            Payload::Piece { role: Role::Key, bytes, last } => {
                if let Ok(Some((hashes, start))) = names.piece(bytes, last) {
                    table.insert(hashes, start);
                }
            }
            _ => {}
        }
    }
    Some(table.settle(on))
}
