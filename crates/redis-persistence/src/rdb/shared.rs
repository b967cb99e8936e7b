//! Events that share the bytes they came from, for values that outlive the walk: sent to another thread, kept in a map.

use bytes::Bytes;

use super::parser::{Events, events};
use super::payload::Event;
use crate::base::error::Result;

/// The events of an RDB in shared memory; see [`events_of`].
#[derive(Debug)]
pub struct SharedEvents<'a> {
    bytes: &'a Bytes,
    events: Events<'a>,
}

/// Walks a whole RDB in shared memory. The events hold slices of it: nothing is copied, and the memory lives as long as one
/// of them.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use redis_persistence::rdb::{Body, Payload, events_of};
///
/// let file = Bytes::from_static(b"REDIS0004\xfe\x00\x00\x03key\x05value\xff");
/// let mut values = Vec::new();
/// for event in events_of(&file) {
///     if let Payload::Record(record) = event?.payload
///         && let Some(Body::Raw(value)) = record.value.map(|value| value.body)
///     {
///         values.push(value);
///     }
/// }
/// drop(file);
/// assert_eq!(values, [Bytes::from_static(b"value")]);
/// # Ok::<(), redis_persistence::Error>(())
/// ```
#[must_use]
pub fn events_of(bytes: &Bytes) -> SharedEvents<'_> {
    SharedEvents { bytes, events: events(bytes) }
}

impl Iterator for SharedEvents<'_> {
    type Item = Result<Event<Bytes>>;

    fn next(&mut self) -> Option<Self::Item> {
        let event = self.events.next()?;
        Some(event.map(|event| event.map(&mut |piece| self.bytes.slice_ref(piece))))
    }
}
