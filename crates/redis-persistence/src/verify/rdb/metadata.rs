//! Metadata of a key: opcode 243 before it, how many classes there are, and what each of them holds.

use crate::base::error::Reading;
use crate::rdb::{Event, Payload, Record};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};

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

    /// Whether there is some for the next key.
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
