//! Idempotent producers, from version 4 on.

use super::names::Names;
use super::{Id, text_of};
use crate::base::error::Reading;
use crate::rdb::{Event, Payload, Role};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::verify::duplicates::Hashes;
use crate::verify::value::Context;

/// What the settings may be: seconds, and entries of a producer.
const DURATIONS: std::ops::RangeInclusive<u64> = 1..=86_400;
const ENTRIES: std::ops::RangeInclusive<u64> = 1..=10_000;

/// What is known of the producers.
#[derive(Debug, Default)]
pub(super) struct Idmp {
    /// The last id of the stream.
    pub(super) last_id: Id,
    /// How many producers there were.
    producers: u64,
    /// The name of the producer at hand: hashes and place.
    name: Option<(Hashes, u64)>,
    /// Whether an id of this producer was reported.
    reported: bool,
}

impl Idmp {
    pub(super) fn settings(&mut self, duration: u64, max_entries: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        if !DURATIONS.contains(&duration) || !ENTRIES.contains(&max_entries) {
            cx.findings.add(Code::StreamIdmpInvalid, place(event), || {
                format!("producers keep {max_entries} entries (1 to 10000) for {duration} seconds (1 to 86400)")
            });
        }
    }

    pub(super) fn event(&mut self, event: &Event<&[u8]>, names: &mut Names, cx: &mut Context<'_>) {
        match &event.payload {
            Payload::Str { role: Role::Producer, string } => {
                self.producers += 1;
                self.reported = false;
                self.name = names.hashes(string, 0, cx).map(|hashes| (hashes, string.start));
            }
            Payload::Items { of: Role::ProducerEntry, count } => {
                // Servers pass over a producer whose entries have all expired, before they look at its name.
                if let Some((hashes, at)) = self.name.take().filter(|_| *count > 0) {
                    names.insert(hashes, at);
                }
                if count > ENTRIES.end() {
                    cx.findings.add(Code::StreamIdmpImplausible, place(event), || {
                        format!("a producer has {count} entries, more than any setting allows")
                    });
                }
            }
            Payload::Str { role: Role::ProducerEntry, string } => names.add(string, self.producers, cx),
            Payload::IdmpEntry { id } if *id > self.last_id && !self.reported => {
                self.reported = true;
                cx.findings.add(Code::StreamIdmpImplausible, place(event), || {
                    let (id, last) = (text_of(*id), text_of(self.last_id));
                    format!("a producer's entry became {id}, which lies above the stream's last id {last}")
                });
            }
            Payload::IdmpTotals { added: 0, duplicates } if *duplicates > 0 => {
                cx.findings.add(Code::StreamIdmpImplausible, place(event), || {
                    format!("{duplicates} duplicates of entries were refused, but no entry was ever added")
                });
            }
            _ => {}
        }
    }
}

fn place(event: &Event<&[u8]>) -> Location {
    Location::span(event.start, event.end).reading(Reading::Idmp)
}
