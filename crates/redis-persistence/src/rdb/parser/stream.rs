//! The layout of streams, versions 1 to 5.
//!
//! ```text
//! nodes n x { node id (16 bytes), listpack }
//! length, last id, [v2: first id, greatest deleted id, entries added]
//! groups n x {
//!   name, last id, [v2: entries read]
//!   pending n x { id, delivery time, delivery count }
//!   consumers n x { name, seen time, [v3: active time], ids n x id }
//!   [v5: NACK zone n x id]
//! }
//! [v4: duration, max entries, producers n x { name, n x { iid, stream id } }, ids added, duplicates]
//! ```

use super::super::payload::{Payload, Role, StreamInfo, StreamInfo2};
use super::super::wire::fixed;
use super::{Found, Parser, State};
use crate::base::cursor::{Cursor, Outcome};
use crate::base::error::Reading;

/// Where in a stream the parser is, and what is left of the loops around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamState {
    version: u8,
    at: At,
    /// Groups, or producers, left with this one.
    outer: u64,
    /// Consumers left with this one.
    middle: u64,
    /// Nodes, pending entries, or ids left with this one.
    inner: u64,
}

#[derive(Debug, Clone, Copy)]
enum At {
    NodeCount,
    NodeId,
    Node,
    Info,
    GroupCount,
    GroupName,
    Group,
    PendingCount,
    Pending,
    ConsumerCount,
    ConsumerName,
    Consumer,
    OwnedCount,
    Owned,
    NackCount,
    Nack,
    Idmp,
    ProducerCount,
    ProducerName,
    EntryCount,
    EntryName,
    Entry,
    IdmpTotals,
}

impl StreamState {
    pub(super) fn new(version: u8) -> Self {
        Self { version, at: At::NodeCount, outer: 0, middle: 0, inner: 0 }
    }

    fn at(self, at: At) -> Option<Self> {
        Some(Self { at, ..self })
    }

    /// After a group's consumers.
    fn after_consumers(self) -> Option<Self> {
        if self.version >= 5 { self.at(At::NackCount) } else { self.after_group() }
    }

    fn after_group(mut self) -> Option<Self> {
        self.outer -= 1;
        if self.outer > 0 { self.at(At::GroupName) } else { self.after_groups() }
    }

    fn after_groups(self) -> Option<Self> {
        if self.version >= 4 { self.at(At::Idmp) } else { None }
    }

    fn after_consumer(mut self) -> Option<Self> {
        self.middle -= 1;
        if self.middle > 0 { self.at(At::ConsumerName) } else { self.after_consumers() }
    }

    fn after_producer(mut self) -> Option<Self> {
        self.outer -= 1;
        if self.outer > 0 { self.at(At::ProducerName) } else { self.at(At::IdmpTotals) }
    }

    /// One of the innermost loop is read: again at `again`, or on to `then`.
    fn next_inner(mut self, again: At, then: impl FnOnce(Self) -> Option<Self>) -> Option<Self> {
        self.inner -= 1;
        if self.inner > 0 { self.at(again) } else { then(self) }
    }
}

impl Parser {
    pub(super) fn stream(&mut self, c: &mut Cursor<'_>, mut s: StreamState) -> Outcome<Found> {
        let start = c.offset();
        let (payload, then) = match s.at {
            At::NodeCount => {
                s.inner = c.number(Reading::Count)?;
                let then = s.at(if s.inner > 0 { At::NodeId } else { At::Info });
                (Payload::Items { of: Role::StreamNode, count: s.inner }, then)
            }
            At::NodeId => (self.stream_string(c, Role::NodeId)?, s.at(At::Node)),
            At::Node => (self.stream_string(c, Role::StreamNode)?, s.next_inner(At::NodeId, |s| s.at(At::Info))),
            At::Info => {
                let length = c.number(Reading::StreamInfo)?;
                let last_id = number_pair(c, Reading::StreamInfo)?;
                let v2 = if s.version >= 2 {
                    Some(StreamInfo2 {
                        first_id: number_pair(c, Reading::StreamInfo)?,
                        max_deleted: number_pair(c, Reading::StreamInfo)?,
                        entries_added: c.number(Reading::StreamInfo)?,
                    })
                } else {
                    None
                };
                (Payload::Stream(StreamInfo { length, last_id, v2 }), s.at(At::GroupCount))
            }
            At::GroupCount => {
                s.outer = c.number(Reading::Count)?;
                let then = if s.outer > 0 { s.at(At::GroupName) } else { s.after_groups() };
                (Payload::Items { of: Role::Group, count: s.outer }, then)
            }
            At::GroupName => (self.stream_string(c, Role::Group)?, s.at(At::Group)),
            At::Group => {
                let last_id = number_pair(c, Reading::StreamGroup)?;
                let entries_read = if s.version >= 2 { Some(c.number(Reading::StreamGroup)?) } else { None };
                (Payload::Group { last_id, entries_read }, s.at(At::PendingCount))
            }
            At::PendingCount => {
                s.inner = c.number(Reading::Count)?;
                let then = s.at(if s.inner > 0 { At::Pending } else { At::ConsumerCount });
                (Payload::Items { of: Role::Pending, count: s.inner }, then)
            }
            At::Pending => {
                let id = id(c)?;
                let time = i64::from_le_bytes(c.read(Reading::Pel, fixed)?);
                let deliveries = c.number(Reading::Pel)?;
                let then = s.next_inner(At::Pending, |s| s.at(At::ConsumerCount));
                (Payload::Pending { id, time, deliveries }, then)
            }
            At::ConsumerCount => {
                s.middle = c.number(Reading::Count)?;
                let then = if s.middle > 0 { s.at(At::ConsumerName) } else { s.after_consumers() };
                (Payload::Items { of: Role::Consumer, count: s.middle }, then)
            }
            At::ConsumerName => (self.stream_string(c, Role::Consumer)?, s.at(At::Consumer)),
            At::Consumer => {
                let seen = i64::from_le_bytes(c.read(Reading::Consumer, fixed)?);
                let active =
                    if s.version >= 3 { Some(i64::from_le_bytes(c.read(Reading::Consumer, fixed)?)) } else { None };
                (Payload::Consumer { seen, active }, s.at(At::OwnedCount))
            }
            At::OwnedCount => {
                s.inner = c.number(Reading::Count)?;
                let then = if s.inner > 0 { s.at(At::Owned) } else { s.after_consumer() };
                (Payload::Items { of: Role::ConsumerPending, count: s.inner }, then)
            }
            At::Owned => {
                let payload = Payload::Id { of: Role::ConsumerPending, id: id(c)? };
                (payload, s.next_inner(At::Owned, StreamState::after_consumer))
            }
            At::NackCount => {
                s.inner = c.number(Reading::Count)?;
                let then = if s.inner > 0 { s.at(At::Nack) } else { s.after_group() };
                (Payload::Items { of: Role::Nacked, count: s.inner }, then)
            }
            At::Nack => {
                let payload = Payload::Id { of: Role::Nacked, id: id(c)? };
                (payload, s.next_inner(At::Nack, StreamState::after_group))
            }
            At::Idmp => {
                let (duration, max_entries) = number_pair(c, Reading::Idmp)?;
                (Payload::Idmp { duration, max_entries }, s.at(At::ProducerCount))
            }
            At::ProducerCount => {
                s.outer = c.number(Reading::Count)?;
                let then = s.at(if s.outer > 0 { At::ProducerName } else { At::IdmpTotals });
                (Payload::Items { of: Role::Producer, count: s.outer }, then)
            }
            At::ProducerName => (self.stream_string(c, Role::Producer)?, s.at(At::EntryCount)),
            At::EntryCount => {
                s.inner = c.number(Reading::Count)?;
                let then = if s.inner > 0 { s.at(At::EntryName) } else { s.after_producer() };
                (Payload::Items { of: Role::ProducerEntry, count: s.inner }, then)
            }
            At::EntryName => (self.stream_string(c, Role::ProducerEntry)?, s.at(At::Entry)),
            At::Entry => {
                let payload = Payload::IdmpEntry { id: number_pair(c, Reading::Idmp)? };
                (payload, s.next_inner(At::EntryName, StreamState::after_producer))
            }
            At::IdmpTotals => {
                let (added, duplicates) = number_pair(c, Reading::Idmp)?;
                (Payload::IdmpTotals { added, duplicates }, None)
            }
        };
        Ok(Found::within(start, payload, then.map(State::Stream)))
    }

    fn stream_string(&mut self, c: &mut Cursor<'_>, role: Role) -> Outcome<Payload<crate::base::cursor::Span>> {
        Ok(Payload::Str { role, string: self.string(c, role)? })
    }
}

fn number_pair(c: &mut Cursor<'_>, reading: Reading) -> Outcome<(u64, u64)> {
    Ok((c.number(reading)?, c.number(reading)?))
}

/// A stream id as 16 big-endian bytes.
fn id(c: &mut Cursor<'_>) -> Outcome<(u64, u64)> {
    let bytes: [u8; 16] = c.read(Reading::Pel, fixed)?;
    let id = u128::from_be_bytes(bytes);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    Ok(((id >> 64) as u64, id as u64))
}
