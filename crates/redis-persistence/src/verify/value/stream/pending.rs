//! The pending entries of one group, and who owns them.
//!
//! The group lists all ids with their delivery; then each consumer lists the ids that it owns, and from version 5 on the
//! group those that were given back. Every id must be in the first list once, and in one of the others once.

use super::entries::Entries;
use super::{COUNTER_MAX, Id, text_of};
use crate::base::error::Reading;
use crate::rdb::{Event, Payload, Role};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::report::facts::Visibility;
use crate::verify::value::Context;

/// Servers allow no times beyond their own, and this is the year 10000.
const END_OF_TIME: i64 = 253_402_300_800_000;

/// Returns whether a server can have had that time.
pub(super) fn is_time(ms: i64) -> bool {
    (0..END_OF_TIME).contains(&ms)
}

/// Returns whether an entry can have been delivered so often, and last at that time.
pub(super) fn is_plausible(time: i64, deliveries: u64) -> bool {
    is_time(time) && deliveries <= COUNTER_MAX
}

const NOBODY: u32 = 0;
const GIVEN_BACK: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: Id,
    /// Where it stands, from the start of the list. A list with larger offsets has more entries than any budget.
    at: u32,
    /// The number of its consumer, from 1.
    owner: u32,
}

/// The pending entries of the group at hand.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: Vec<Entry>,
    start: u64,
    /// Whether they are too many.
    unchecked: bool,
    last: Option<Id>,
    ascending: bool,
    /// How many are of entries that are gone, and the first of them.
    gone: u64,
    first_gone: Option<(Id, u64)>,
    consumer: u32,
    /// Where the last owned id was found: the next one is likely not far behind it.
    found: usize,
}

impl Pending {
    /// Takes what concerns pending entries; returns whether it did.
    pub(super) fn event(&mut self, event: &Event<&[u8]>, stream: &Entries, cx: &mut Context<'_>) -> bool {
        let place = Location::span(event.start, event.end).reading(Reading::Pel);
        match event.payload {
            Payload::Items { of: Role::Pending, .. } => self.begin(event.end),
            Payload::Pending { id, time, deliveries } => {
                if !is_plausible(time, deliveries) {
                    cx.findings.add(Code::StreamGroupImplausible, place, || {
                        format!("the entry {} was delivered {deliveries} times, last at {time} ms", text_of(id))
                    });
                }
                self.order(id, place, cx);
                if stream.is_gone(id) {
                    self.gone += 1;
                    self.first_gone.get_or_insert((id, event.start));
                }
                self.add(id, place, cx);
            }
            Payload::Items { of: Role::Consumer, .. } => self.sort(cx),
            Payload::Items { of: Role::ConsumerPending, .. } => {
                self.last = None;
                self.ascending = true;
                self.found = 0;
                self.consumer = self.consumer.saturating_add(1).min(GIVEN_BACK - 1);
            }
            Payload::Id { of: Role::ConsumerPending, id } => {
                self.order(id, place, cx);
                self.own(id, place, cx);
            }
            Payload::Id { of: Role::Nacked, id } => self.give_back(id, place, cx),
            _ => return false,
        }
        true
    }

    fn begin(&mut self, start: u64) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        *self = Self { entries, start, ascending: true, ..Self::default() };
    }

    /// Servers write every list but that of the NACK zone in ascending order. One finding is enough for a list.
    fn order(&mut self, id: Id, place: Location, cx: &mut Context<'_>) {
        if let Some(last) = self.last.replace(id)
            && id < last
            && self.ascending
        {
            self.ascending = false;
            cx.findings.add(Code::StreamPendingOrder, place, || {
                format!("the pending entry {} stands behind {}", text_of(id), text_of(last))
            });
        }
    }

    fn add(&mut self, id: Id, place: Location, cx: &mut Context<'_>) {
        if self.unchecked {
            return;
        }
        let most = cx.limits.duplicate_bytes / 4 * 3 / size_of::<Entry>();
        if let Ok(at) = u32::try_from(place.start - self.start)
            && self.entries.len() < most
        {
            if self.entries.len() == self.entries.capacity() {
                // Doubling would go beyond the budget.
                let len = self.entries.len();
                self.entries.reserve_exact(len.max(16).min(most - len));
            }
            self.entries.push(Entry { id, at, owner: NOBODY });
        } else {
            self.unchecked = true;
            self.entries = Vec::new();
            cx.findings.add(Code::StreamPendingUnchecked, place, || {
                format!("a group has more than {most} pending entries; who owns them was not checked")
            });
        }
    }

    fn sort(&mut self, cx: &mut Context<'_>) {
        if !self.ascending {
            self.entries.sort_unstable_by_key(|entry| (entry.id, entry.at));
        }
        for pair in self.entries.windows(2) {
            if let [first, second] = pair
                && first.id == second.id
            {
                let place = self.place(second);
                cx.findings.add(Code::StreamDuplicatePending, place, || {
                    format!("the entry {} is pending twice in its group", text_of(second.id))
                });
            }
        }
        self.entries.dedup_by_key(|entry| entry.id);
    }

    fn place(&self, entry: &Entry) -> Location {
        Location::at(self.start + u64::from(entry.at)).reading(Reading::Pel)
    }

    /// Returns the place of that id in the list.
    fn find(&mut self, id: Id) -> Option<usize> {
        let near = |at: usize| self.entries.get(at).is_none_or(|entry| entry.id >= id);
        let (mut low, mut step) = (self.found, 1);
        if near(low) {
            low = 0;
        }
        // Now the id is not before `low`, unless `low` is 0; steps that double find the end of where it can be.
        let mut high = self.found.max(low);
        while !near(high) {
            low = high;
            high = high.saturating_add(step);
            step *= 2;
        }
        let high = high.saturating_add(1).min(self.entries.len());
        let within = self.entries.get(low..high)?.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.found = low + within;
        Some(self.found)
    }

    fn own(&mut self, id: Id, place: Location, cx: &mut Context<'_>) {
        if self.unchecked {
            return;
        }
        let found = self.find(id);
        let consumer = self.consumer;
        let Some(entry) = found.and_then(|at| self.entries.get_mut(at)) else {
            cx.findings.add(Code::StreamPendingUnknown, place, || {
                format!("a consumer owns the pending entry {}, which its group does not know", text_of(id))
            });
            return;
        };
        match entry.owner {
            NOBODY => entry.owner = consumer,
            owner if owner == consumer => cx.findings.add(Code::StreamDuplicatePending, place, || {
                format!("a consumer owns the pending entry {} twice", text_of(id))
            }),
            _ => cx.findings.add(Code::StreamPendingShared, place, || {
                format!("the pending entry {} is owned by two consumers", text_of(id))
            }),
        }
    }

    fn give_back(&mut self, id: Id, place: Location, cx: &mut Context<'_>) {
        if self.unchecked {
            return;
        }
        let found = self.find(id);
        let mut detail = Visibility::Usual;
        let why = match found.and_then(|at| self.entries.get_mut(at)) {
            None => "its group does not know it",
            Some(entry) => match std::mem::replace(&mut entry.owner, GIVEN_BACK) {
                NOBODY => return,
                GIVEN_BACK => {
                    detail = Visibility::Lenient;
                    "it was given back before"
                }
                _ => "a consumer owns it",
            },
        };
        cx.findings.add(Code::StreamNackInvalid, place.detail(detail), || {
            format!("the entry {} cannot have been given back: {why}", text_of(id))
        });
    }

    /// The group has ended.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) {
        let mut unowned = self.entries.iter().filter(|entry| entry.owner == NOBODY);
        if let Some(first) = unowned.next() {
            let all = unowned.count() + 1;
            cx.findings.add(Code::StreamPendingUnowned, self.place(first), || {
                format!("pending entries of a group that have no consumer: {all}; the first is {}", text_of(first.id))
            });
        }
        if let Some((first, at)) = self.first_gone {
            let gone = self.gone;
            cx.findings.add(Code::StreamPendingGone, Location::at(at).reading(Reading::Pel), || {
                format!(
                    "pending entries of a group that are no longer in the stream: {gone}; the first is {}",
                    text_of(first)
                )
            });
        }
        self.begin(0);
    }
}
