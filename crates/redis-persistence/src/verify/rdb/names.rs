//! What stands around a key: the text of its name, in whatever form it comes, and the metadata of modules before it (opcode 243: how
//! many classes there are, and what each of them holds). And a second walk over the file, for the names whose hashes did not fit into
//! the first table.

use crate::base::error::Reading;
use crate::base::limits::Limits;
use crate::base::source::Source;
use crate::lzf;
use crate::rdb::packed::IntText;
use crate::rdb::reader::Reader;
use crate::rdb::{Body, Event, Payload, RdbString, Record, Role};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::duplicates::{Hasher, Hashes, Settled, Table};
use std::io::{self, Read};

/// Where compressed bytes are damaged: the string's start, its content's start, and the error.
pub(super) type Damage = (u64, u64, lzf::LzfError);

/// Room for the text of one name.
#[derive(Debug, Default)]
pub(super) struct Names {
    decoded: lzf::Room,
    int: IntText,
    long: Option<LongName>,
}

/// A name that passes in pieces.
#[derive(Debug)]
struct LongName {
    start: u64,
    content: u64,
    hasher: Hasher,
    inflater: Option<lzf::Inflater>,
}

impl Names {
    /// Returns the text of a name of database `db`; `None` if it follows in pieces, which are then hashed for the table.
    #[inline]
    pub(super) fn text<'a>(
        &'a mut self,
        key: &RdbString<&'a [u8]>,
        db: u64,
        table: &Table,
    ) -> Result<Option<&'a [u8]>, Damage> {
        match key.body {
            Body::Raw(text) => Ok(Some(text)),
            Body::Int(value) => Ok(Some(self.int.write(i64::from(value)))),
            // Servers load the empty string, whatever the bytes are.
            Body::Lzf { decoded: 0, .. } | Body::Long { decoded: Some(0), .. } => Ok(Some(&[])),
            Body::Lzf { data, decoded } => {
                let text = self.decoded.inflate(data, decoded);
                Ok(Some(text.map_err(|error| (key.start, key.end - data.len() as u64, error))?))
            }
            Body::Long { stored, decoded } => {
                let inflater = decoded.map(|decoded| lzf::Inflater::new(stored, decoded)).transpose();
                let inflater = inflater.map_err(|error| (key.start, key.end, error))?;
                self.long = Some(LongName { start: key.start, content: key.end, hasher: table.hasher(db), inflater });
                Ok(None)
            }
        }
    }

    /// Takes a piece of a long name; with the last one answers its hashes and where it began.
    pub(super) fn piece(&mut self, bytes: &[u8], last: bool) -> Result<Option<(Hashes, u64)>, Damage> {
        let Some(mut long) = self.long.take() else { return Ok(None) };
        let hasher = &mut long.hasher;
        match &mut long.inflater {
            None => hasher.update(bytes),
            Some(inflater) => inflater
                .push(bytes, &mut |piece| hasher.update(piece))
                .and_then(|()| if last { inflater.finish() } else { Ok(()) })
                .map_err(|error| (long.start, long.content, error))?,
        }
        if last {
            return Ok(Some((long.hasher.finish(), long.start)));
        }
        self.long = Some(long);
        Ok(None)
    }
}

/// Classes of metadata that a key can have.
const MOST_CLASSES: u64 = 7;

/// Follows the metadata of keys, to know whether anything stands between it and its key.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// Behind that of the next key.
    end: Option<u64>,
    inside: bool,
}

impl Metadata {
    /// That of the next key begins with an event.
    pub(crate) fn begin(&mut self, classes: u64, event: &Event<&[u8]>, findings: &mut Collector) {
        if classes > MOST_CLASSES {
            findings.add(Code::RdbKeyMetaInvalid, Location::at(event.start).reading(Reading::KeyMeta), || {
                format!("{classes} classes of key metadata; servers know {MOST_CLASSES} at most")
            });
        }
        (self.end, self.inside) = (Some(event.end), classes > 0);
    }

    /// Follows the items, to know where they end.
    pub(crate) fn after(&mut self, event: &Event<&[u8]>) {
        if self.inside {
            match event.payload {
                Payload::Item(_)
                | Payload::Str { .. }
                | Payload::Piece { .. }
                | Payload::KeyMetaClass { .. }
                | Payload::KeyMeta { .. } => {
                    self.end = Some(event.end);
                }
                _ => self.inside = false,
            }
        }
    }

    /// Returns whether there is some for the next key.
    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        self.end.is_some()
    }

    /// It must be followed by the key's type byte itself.
    pub(crate) fn key_follows(&mut self, record: &Record<&[u8]>, findings: &mut Collector) {
        self.inside = false;
        let Some(end) = self.end.take() else { return };
        if record.type_at != end {
            findings.add(Code::RdbKeyMetaInvalid, Location::new(end, record.type_at).reading(Reading::KeyMeta), || {
                "something stands between a key and its metadata: Redis refuses the file".to_owned()
            });
        }
    }
}

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
