//! Consumer groups: positions, consumers and their times. Pending entries are in [`pending`](super::pending).
//!
//! What XGROUP, XCLAIM and XSETID let a user set is not judged: a group may stand behind the stream's end, hold pending
//! entries above its position, and count no deliveries.

use super::COUNTER_MAX;
use super::entries::Entries;
use super::names::Names;
use super::pending::{Pending, is_time};
use crate::base::error::Reading;
use crate::rdb::{Event, Payload};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::verify::value::Context;

/// What is known of the groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    entries_added: Option<u64>,
    open: bool,
    pending: Pending,
}

impl Groups {
    pub(super) fn stream(&mut self, entries_added: Option<u64>) {
        self.entries_added = entries_added;
    }

    /// A group begins.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// The group has ended, if there was one; `names` are its consumers.
    pub(super) fn close(&mut self, names: &mut Names, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.open) {
            self.pending.close(cx);
            names.settle(Code::StreamDuplicateConsumer, cx);
        }
    }

    pub(super) fn event(&mut self, event: &Event<&[u8]>, stream: &Entries, cx: &mut Context<'_>) {
        if self.pending.event(event, stream, cx) {
            return;
        }
        match event.payload {
            Payload::Group { entries_read: Some(read), .. } => self.entries_read(read, event, cx),
            Payload::Consumer { seen, active } if !is_plausible(seen, active) => {
                let active = active.filter(|active| *active != NEVER).unwrap_or(0);
                let place = Location::span(event.start, event.end).reading(Reading::Consumer);
                cx.findings.add(Code::StreamGroupImplausible, place, || {
                    format!("a consumer was seen at {seen} ms and active at {active} ms")
                });
            }
            _ => {}
        }
    }

    fn entries_read(&self, read: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        let place = Location::span(event.start, event.end).reading(Reading::StreamGroup);
        let added = self.entries_added;
        if let Some(code) = fault_of_read(read, added) {
            cx.findings.add(code, place, || match added {
                Some(added) if code == Code::StreamEntriesRead => {
                    format!("a group has read {read} entries of a stream to which {added} were ever added")
                }
                _ => format!("a group has read {read} entries, more than servers can count"),
            });
        }
    }
}

/// A consumer that was never active.
const NEVER: i64 = -1;

/// Returns whether a consumer can have been seen and active at these times.
pub(super) fn is_plausible(seen: i64, active: Option<i64>) -> bool {
    is_time(seen) && active.is_none_or(|active| active == NEVER || is_time(active))
}

/// Returns what is wrong with the number of entries that a group has read of a stream to which so many were added, if that
/// is known.
pub(super) fn fault_of_read(read: u64, added: Option<u64>) -> Option<Code> {
    // The greatest number is -1: not known.
    if read == u64::MAX {
        None
    } else if read > COUNTER_MAX {
        Some(Code::StreamEntriesReadRange)
    } else {
        added.filter(|added| read > *added).map(|_| Code::StreamEntriesRead)
    }
}
