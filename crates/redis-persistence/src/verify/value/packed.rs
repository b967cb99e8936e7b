//! Values that are packed blobs: the types 9 to 14, 16 to 18, 20, 23 and 25.
//!
//! | types | blob | elements |
//! |---|---|---|
//! | 9 | zipmap | field and value |
//! | 10, 14 | ziplist | one |
//! | 11 | intset | one, ascending |
//! | 12, 17 | ziplist, listpack | member and score, ascending by score, then by the bytes of the member |
//! | 13, 16 | ziplist, listpack | field and value |
//! | 18 | listpack | one |
//! | 20 | listpack | one, none twice |
//! | 23, 25 | listpack | field, value, expiry: those that expire first, soonest first |
//!
//! 14 and 18 are lists of such blobs; in 18 a node may also be one element as it is.

mod number_set;
mod plain;
pub(super) mod swift;
mod tuples;
mod zipmap_hash;

use super::blob::Blob;
use super::{Context, elements, expiry};
use crate::base::error::Reading;
use crate::rdb::packed::{Listpack, Ziplist};
use crate::rdb::{Event, Frame, Packing, Payload, RdbString, Role, ValueType};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::duplicates::Settled;

pub(crate) use plain::is_plain;
pub(crate) use tuples::Buffers;

#[derive(Debug)]
pub(crate) struct Checker {
    value_type: ValueType,
    packing: Packing,
    count: u64,
    /// Whether all blobs could be read, so that the count is the true one.
    complete: bool,
    /// What type 25 says is the least expiry of its fields.
    min: Option<(u64, Location)>,
}

/// What the check of a blob found out.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    elements: u64,
    /// Whether all of the blob could be read.
    complete: bool,
    settled: Settled,
    /// The least expiry of a field.
    least: Option<u64>,
    /// The greatest, if each field has one that can be read.
    last: Option<u64>,
}

impl Outcome {
    /// Of a blob whose header is wrong.
    const UNREAD: Self = Self { elements: 0, complete: false, settled: Settled::NONE, least: None, last: None };
}

impl Checker {
    pub(crate) fn new(value_type: ValueType, packing: Packing) -> Self {
        Self { value_type, packing, count: 0, complete: true, min: None }
    }

    #[inline]
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match event.payload {
            Payload::Str { role: Role::Packed | Role::ListNode, ref string } => self.blob(string, cx),
            Payload::Str { role: Role::PlainNode, ref string } => {
                if string.text_len() == 0 {
                    let place = Location::span(event.start, event.end).element(self.count).reading(Reading::ListNode);
                    cx.findings.add(Code::QuicklistPlainEmpty, place, || {
                        "a plain list node of no bytes: servers store an empty element in a packed node".to_owned()
                    });
                }
                self.count += 1;
            }
            Payload::ListNode { container } if !(1..=2).contains(&container) => {
                let place = Location::span(event.start, event.end).element(self.count).reading(Reading::ListNode);
                cx.findings.add(Code::QuicklistBadContainer, place, || {
                    format!("the container of a list node is {container}; there are 1 (plain) and 2 (packed)")
                });
            }
            Payload::MinExpire { ms } => {
                let place = Location::span(event.start, event.end).reading(Reading::FieldExpiry);
                self.min = Some((ms.cast_unsigned(), place));
            }
            _ => {}
        }
    }

    fn blob(&mut self, string: &RdbString<&[u8]>, cx: &mut Context<'_>) {
        let (limit, compare) = (cx.limits.packed_bytes, cx.duplicates);
        let Context { findings, scratch, elements, .. } = &mut *cx;
        let Some(blob) = Blob::open(string, &mut scratch.decoded, limit, findings) else {
            self.complete = false;
            return;
        };
        let buffers = Buffers { seen: &mut scratch.seen, table: elements, compare };
        let outcome = self.check(&blob, buffers, findings);
        let whole = Location::span(string.start, string.end).reading(Reading::Packed);
        self.count += outcome.elements;
        self.complete &= outcome.complete;
        elements::unchecked(outcome.settled, whole, cx);
        if outcome.complete && outcome.elements == 0 {
            self.empty(whole, cx.findings);
        }
        self.check_min(outcome.least, cx.findings);
        if let Some(last) = outcome.last.filter(|_| outcome.complete) {
            expiry::check_passed(last, outcome.elements, whole, cx);
        }
    }

    fn check(&self, blob: &Blob<'_>, buffers: Buffers<'_>, findings: &mut Collector) -> Outcome {
        let first = self.count;
        match self.packing {
            Packing::Zipmap => zipmap_hash::check(blob, buffers, findings),
            Packing::Intset => number_set::check(blob, findings),
            Packing::Ziplist(tuple) => tuples::check::<Ziplist<'_>>(blob, tuple, first, buffers, findings),
            Packing::Listpack(tuple) => tuples::check::<Listpack<'_>>(blob, tuple, first, buffers, findings),
        }
    }

    /// A blob without elements, which is an error of its own where servers do not skip it.
    fn empty(&self, place: Location, findings: &mut Collector) {
        match self.packing {
            Packing::Zipmap => findings.add(Code::ZipmapEmpty, place, || "a zipmap without pairs".to_owned()),
            Packing::Intset => findings.add(Code::IntsetEmpty, place, || "an intset without numbers".to_owned()),
            Packing::Ziplist(_) | Packing::Listpack(_) if self.has_nodes() => {
                let place = place.element(self.count).reading(Reading::ListNode);
                findings.add(Code::QuicklistEmptyNode, place, || "a list node without elements".to_owned());
            }
            Packing::Ziplist(_) | Packing::Listpack(_) => self.report_empty(place, findings),
        }
    }

    /// Returns whether it is a list of any number of blobs.
    fn has_nodes(&self) -> bool {
        matches!(self.value_type.frame(), Frame::Nodes { .. })
    }

    fn report_empty(&self, place: Location, findings: &mut Collector) {
        findings.add(Code::CollectionEmpty, place, || format!("a {} without elements", self.value_type.type_name()));
    }

    /// Servers pass over what type 25 says here. It is 0 where it is not known, and may be too early, never too late.
    fn check_min(&self, least: Option<u64>, findings: &mut Collector) {
        let (Some((stated, place)), Some(least)) = (self.min, least) else { return };
        if stated > least {
            findings.add(Code::HashMinExpireWrong, place, || {
                format!("the least expiry is said to be {} ms where it is {least} ms", stated.cast_signed())
            });
        }
    }

    pub(crate) fn end(self, start: u64, cx: &mut Context<'_>) -> u64 {
        if self.complete && self.count == 0 && self.has_nodes() {
            self.report_empty(Location::at(start).reading(Reading::Count), cx.findings);
        }
        self.count
    }
}

#[cfg(test)]
mod tests;
