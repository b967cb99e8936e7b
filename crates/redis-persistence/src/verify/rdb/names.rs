//! What stands around a key: the text of its name, and the metadata of modules before it.
//!
//! The text of a key's name, in whatever form it comes.
//!
//! Metadata of a key: opcode 243 before it, how many classes there are, and what each of them holds.

use crate::base::error::Reading;
use crate::lzf;
use crate::rdb::packed::IntText;
use crate::rdb::{Body, Event, Payload, RdbString, Record};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::duplicates::{Hasher, Hashes, Table};

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
