//! Streams, types 15, 19, 21, 26 and 27: nodes, numbers, groups with their pending entries, producers.
//!
//! The events come in the order of the bytes, so each part is judged by what came before it: the numbers by the nodes, the
//! groups by both. What has to be remembered is bounded: of the entries only where each node's begin and end and which
//! are deleted ([`entries`]), of a group its pending entries ([`pending`]), of names their hashes ([`names`]). Each has a
//! share of [`Limits::duplicate_bytes`](crate::Limits::duplicate_bytes).

mod entries;
mod groups;
mod idmp;
mod info;
mod names;
mod node;
mod pending;
pub(crate) mod plain;
#[cfg(test)]
mod tests;

use super::Context;
use super::blob::Blob;
use crate::base::error::Reading;
use crate::rdb::{Event, Payload, RdbString, Role, StreamInfo, ValueType};
use crate::report::codes::Code;
use crate::report::collector::Location;
use entries::Entries;
use groups::Groups;
use idmp::Idmp;
use names::Names;

/// Milliseconds and sequence number.
type Id = (u64, u64);

/// The greatest value of the counters that servers hold in a signed number.
const COUNTER_MAX: u64 = i64::MAX.cast_unsigned();

#[derive(Debug)]
pub(crate) struct Checker {
    version: u8,
    /// The id of the node at hand, and the one before it; `None` where the bytes are no id.
    node_id: Option<Id>,
    entries: Entries,
    groups: Groups,
    idmp: Idmp,
    /// For group names, which all other names come between.
    group_names: Names,
    /// For the names within one group, or the producers.
    names: Names,
}

impl Checker {
    pub(crate) fn new(value_type: ValueType) -> Self {
        Self {
            version: value_type.stream_version().unwrap_or(5),
            node_id: None,
            entries: Entries::default(),
            groups: Groups::default(),
            idmp: Idmp::default(),
            group_names: Names::default(),
            names: Names::default(),
        }
    }

    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match &event.payload {
            Payload::Str { role: Role::NodeId, string } => self.node_id(string, cx),
            Payload::Str { role: Role::StreamNode, string } => self.node(string, cx),
            Payload::Stream(info) => self.info(info, event, cx),
            Payload::Str { role: Role::Group, string } => {
                self.groups.close(&mut self.names, cx);
                self.group_names.add(string, 0, cx);
                self.groups.open();
            }
            Payload::Str { role: Role::Consumer, string } => self.names.add(string, 0, cx),
            Payload::Idmp { duration, max_entries } => {
                self.close_groups(cx);
                self.idmp.settings(*duration, *max_entries, event, cx);
            }
            Payload::Str { role: Role::Producer | Role::ProducerEntry, .. }
            | Payload::Items { of: Role::ProducerEntry, .. }
            | Payload::IdmpEntry { .. }
            | Payload::IdmpTotals { .. } => self.idmp.event(event, &mut self.names, cx),
            _ => self.groups.event(event, &self.entries, cx),
        }
    }

    pub(crate) fn end(mut self, _start: u64, cx: &mut Context<'_>) -> u64 {
        self.close_groups(cx);
        self.names.settle(Code::StreamIdmpInvalid, cx);
        self.entries.living
    }

    fn close_groups(&mut self, cx: &mut Context<'_>) {
        self.groups.close(&mut self.names, cx);
        self.group_names.settle(Code::StreamDuplicateGroup, cx);
    }

    fn node_id(&mut self, string: &RdbString<&[u8]>, cx: &mut Context<'_>) {
        let place = Location::span(string.start, string.end).reading(Reading::StreamNode);
        let len = string.text_len();
        if len != 16 {
            cx.findings.add(Code::StreamBadNodeId, place, || format!("a node id has 16 bytes, and this one {len}"));
        }
        // A string that cannot be decoded is reported as such by whoever reads the strings of all records.
        let text = string.decode().ok();
        let id = text.and_then(|text| text.first_chunk().map(|bytes| u128::from_be_bytes(*bytes)));
        let id = id.filter(|_| len == 16).map(split);
        if let (Some(before), Some(id)) = (self.node_id, id)
            && id <= before
        {
            let (code, how) = if id == before {
                (Code::StreamDuplicateNode, "is that of the node before it")
            } else {
                (Code::StreamNodeOrder, "lies below that of the node before it,")
            };
            cx.findings.add(code, place, || format!("the node id {} {how} {}", text_of(id), text_of(before)));
            self.entries.lose_order();
        }
        if id.is_none() {
            self.entries.lose_order();
        }
        self.node_id = id;
    }

    fn node(&mut self, string: &RdbString<&[u8]>, cx: &mut Context<'_>) {
        self.entries.bound(cx.limits.duplicate_bytes);
        match Blob::open(string, &mut cx.scratch.decoded, cx.limits.packed_bytes, cx.findings) {
            Some(blob) => node::check(&blob, self.node_id, &mut self.entries, cx.findings, cx.fast),
            None => self.entries.lose_node(),
        }
    }

    fn info(&mut self, info: &StreamInfo, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        let place = Location::span(event.start, event.end).reading(Reading::StreamInfo);
        self.entries.finish();
        self.groups.stream(info.v2.map(|v2| v2.entries_added));
        self.idmp.last_id = info.last_id;
        info::judge(self.version, info, &self.entries, |code, detail, message| {
            cx.findings.add(code, place.detail(detail), || message.to_string());
        });
    }
}

fn split(id: u128) -> Id {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    ((id >> 64) as u64, id as u64)
}

fn text_of((ms, seq): Id) -> String {
    format!("{ms}-{seq}")
}
