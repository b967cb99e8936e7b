//! Listpacks and ziplists of elements that belong together in ones, twos or threes.

use std::cmp::Ordering;

use super::{Outcome, expiry};
use crate::rdb::Tuple;
use crate::rdb::packed::{IntText, PackedEntry, PackedValue};
use crate::report::codes::Code;
use crate::report::collector::Collector;
use crate::report::facts::Visibility;
use crate::verify::duplicates::{Settled, Table};
use crate::verify::value::blob::Blob;
use crate::verify::value::elements::{bad_score, odd_score};
use crate::verify::value::score::{self, Score};
use crate::verify::value::seen::{Elements, Seen};
use crate::verify::value::walk::{Packed, Walk};

/// Returns how many elements a server keeps packed by default. A list is never unpacked.
fn most_packed(tuple: Tuple) -> u64 {
    match tuple {
        Tuple::Item => u64::MAX,
        Tuple::Member | Tuple::Scored => 128,
        Tuple::Pair | Tuple::Triple => 512,
    }
}

fn duplicate(tuple: Tuple) -> Code {
    match tuple {
        Tuple::Item | Tuple::Member => Code::SetDuplicateMember,
        Tuple::Scored => Code::ZsetDuplicateMember,
        Tuple::Pair | Tuple::Triple => Code::HashDuplicateField,
    }
}

/// What is needed to find duplicates.
pub(crate) struct Buffers<'w> {
    pub(crate) seen: &'w mut Seen,
    pub(crate) table: &'w mut Table,
    /// Whether duplicates are looked for.
    pub(crate) compare: bool,
}

/// Checks a blob; its first element has the number `first` in the value.
pub(super) fn check<'a, P: Packed<'a>>(
    blob: &Blob<'a>,
    tuple: Tuple,
    first: u64,
    buffers: Buffers<'_>,
    findings: &mut Collector,
) -> Outcome {
    let Some(mut walk) = Walk::<P>::new(blob, tuple.len() as u64, first, findings) else { return Outcome::UNREAD };
    let large = walk.stated_elements() > most_packed(tuple);
    // Of a hash with expiries servers look at the first one.
    if large || tuple == Tuple::Triple {
        walk.findings.subject.detail = Visibility::Walked;
    }
    let compare = buffers.compare && tuple != Tuple::Item;
    let mut elements = compare.then(|| Elements::new(walk.expected(), buffers.seen, buffers.table));
    let mut order = Order::default();
    let mut expiries = Expiries::default();
    while let Some(key) = walk.next() {
        if let Some(elements) = &mut elements {
            walk.compare(&key, duplicate(tuple), elements);
        }
        match tuple {
            Tuple::Item | Tuple::Member => {}
            Tuple::Pair => _ = walk.next(),
            Tuple::Scored => {
                let Some(score) = walk.next() else { break };
                order.next(&key, &score, &mut walk);
            }
            Tuple::Triple => {
                let Some(expiry) = walk.next().and_then(|_| walk.next()) else { break };
                expiries.next(&expiry, &mut walk);
                if !large {
                    walk.findings.subject.detail = Visibility::Usual;
                }
            }
        }
    }
    walk.finish();
    let settled = match elements {
        Some(elements) => walk.settle(duplicate(tuple), elements),
        None => Settled::NONE,
    };
    // A member without a score is no element, but the set is not empty either.
    let complete = !walk.failed && walk.read().is_multiple_of(tuple.len() as u64);
    Outcome { elements: walk.elements(), complete, settled, least: expiries.least, last: expiries.last() }
}

/// The order of a sorted set.
#[derive(Debug, Default)]
struct Order<'a> {
    before: Option<(f64, PackedValue<'a>)>,
}

impl<'a> Order<'a> {
    #[inline]
    fn next<P: Packed<'a>>(&mut self, member: &PackedEntry<'a>, entry: &PackedEntry<'a>, walk: &mut Walk<'_, 'a, P>) {
        let Some(score) = read_score(entry, walk) else {
            self.before = None;
            return;
        };
        let now = (score, member.value);
        if let Some((before, earlier)) = self.before
            && !in_order((before, earlier), now)
        {
            walk.report(Code::ZsetUnordered, member, || {
                if score < before {
                    format!("score {score} follows {before}: scores have to ascend")
                } else {
                    format!("of equal score ({score}), but its bytes are lower than those of the member before")
                }
            });
        }
        self.before = Some(now);
    }
}

/// Returns whether an element of a sorted set, its score and member, may stand before another one.
#[inline]
pub(super) fn in_order(before: (f64, PackedValue<'_>), now: (f64, PackedValue<'_>)) -> bool {
    before.0 < now.0 || before.0 == now.0 && !follows(before.1, now.1)
}

/// Returns whether `a` stands behind `b` in the order of their bytes.
fn follows(a: PackedValue<'_>, b: PackedValue<'_>) -> bool {
    a.text(&mut IntText::new()).cmp(b.text(&mut IntText::new())) == Ordering::Greater
}

/// Returns the score, if it is one that can be compared.
#[inline]
fn read_score<'a, P: Packed<'a>>(entry: &PackedEntry<'a>, walk: &mut Walk<'_, 'a, P>) -> Option<f64> {
    let text = match entry.value {
        // Servers make a double of it as well.
        PackedValue::Int(value) => return Some(value as f64),
        PackedValue::Bytes(text) => text,
    };
    match score::parse(text) {
        Score::Plain(value) => Some(value),
        Score::Odd(value) => {
            walk.report(Code::ZsetOddScore, entry, || odd_score(text, value));
            Some(value)
        }
        Score::Nan => {
            walk.report(Code::ZsetNanScore, entry, || "the score is not a number (NaN)".to_owned());
            None
        }
        Score::Bad => {
            walk.report(Code::ZsetBadScore, entry, || bad_score(text));
            None
        }
    }
}

/// The expiries of a hash: those that there are ascend, then come fields without.
#[derive(Debug, Default)]
struct Expiries {
    before: u64,
    /// Whether a field without expiry came.
    ended: bool,
    /// Whether a field's expiry could not be read.
    damaged: bool,
    least: Option<u64>,
}

impl Expiries {
    /// Returns the greatest, if each field has one.
    fn last(&self) -> Option<u64> {
        self.least.filter(|_| !self.ended && !self.damaged).map(|_| self.before)
    }

    #[inline]
    fn next<'a, P: Packed<'a>>(&mut self, entry: &PackedEntry<'a>, walk: &mut Walk<'_, 'a, P>) {
        let ms = match entry.value {
            PackedValue::Int(0) => {
                self.ended = true;
                return;
            }
            PackedValue::Int(ms) => ms,
            PackedValue::Bytes(text) => {
                self.damaged = true;
                if walk.number() == 0 {
                    walk.findings.subject.detail = Visibility::NoNumber;
                }
                walk.report(Code::HashExpiryInvalid, entry, || {
                    format!("the field's expiry is a string, \"{}\"", text.escape_ascii())
                });
                if walk.findings.subject.detail == Visibility::NoNumber {
                    walk.findings.subject.detail = Visibility::Usual;
                }
                return;
            }
        };
        let Ok(ms) = u64::try_from(ms) else {
            self.damaged = true;
            return walk.report(Code::HashExpiryInvalid, entry, || format!("the field expires at {ms} ms, below 0"));
        };
        let place = walk.place(entry);
        if !expiry::check_redis(ms, place, walk.findings) {
            self.damaged = true;
            return;
        }
        if self.ended || ms < self.before {
            let (ended, before) = (self.ended, self.before);
            walk.report(Code::HashExpiryOrder, entry, || {
                if ended {
                    "a field that expires stands behind one that does not".to_owned()
                } else {
                    format!("the field expires at {ms} ms, before the one in front of it ({before} ms)")
                }
            });
        }
        self.before = self.before.max(ms);
        self.least = Some(self.least.map_or(ms, |least| least.min(ms)));
    }
}
