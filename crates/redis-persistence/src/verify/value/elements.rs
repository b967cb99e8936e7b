//! Collections whose elements are strings of the frame: the types 1 to 5, 22 of both families, and 24.
//!
//! ```text
//! 1, 2        count, then elements
//! 3, 5        count, then member, score
//! 4           count, then field, value
//! 22 Redis    count, then expiry (0 = none), field, value
//! 22 Valkey   count, then field, value, expiry (-1 = none)
//! 24          least expiry, count, then expiry - least + 1 (0 = none), field, value
//! ```
//!
//! Members and fields are compared by a hash of their text. A list has no rule but that it is not empty.

use std::sync::Arc;

use super::Context;
use super::expiry;
use super::score::{self, Score as Spelled};
use super::text::{LongText, Text, text};
use crate::base::error::Reading;
use crate::rdb::{Event, Frame, Payload, PlainElement, RdbString, Role, Score, Shape, ValueType};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::report::facts::Visibility;
use crate::verify::duplicates::Settled;

#[derive(Debug)]
pub(crate) struct Checker {
    value_type: ValueType,
    /// Whether the expiry of a field comes after its value.
    is_expiry_behind: bool,
    /// Elements that are complete, which is also the number of the one at hand.
    count: u64,
    /// The member or field whose pieces are coming.
    long: Option<Box<LongText>>,
    /// The score before.
    score: f64,
    /// Whether scores are still in the order of writing.
    descending: bool,
    min: Option<MinExpire>,
    /// The least of the fields' expiries as they are stored.
    least: Option<u64>,
    /// The greatest time at which a field expires.
    last: u64,
    /// Fields that have a time at which they expire.
    mortal: u64,
    /// Whether a server would keep the hash in a table, and not packed.
    table: bool,
}

/// A hash with more fields, or with a longer field or value, is a table by default.
const PACKED_FIELDS: u64 = 512;
const PACKED_BYTES: u64 = 64;

/// What type 24 says is the least expiry of its fields.
#[derive(Debug, Clone, Copy)]
struct MinExpire {
    ms: u64,
    place: Location,
}

impl Checker {
    pub(crate) fn new(value_type: ValueType) -> Self {
        Self {
            value_type,
            is_expiry_behind: matches!(value_type.frame(), Frame::Elements { element: PlainElement::PairExpiry, .. }),
            count: 0,
            long: None,
            score: f64::INFINITY,
            descending: true,
            min: None,
            least: None,
            last: 0,
            mortal: 0,
            table: false,
        }
    }

    /// Takes an element that somebody else has looked at.
    #[inline]
    pub(crate) fn count_one(&mut self) {
        self.count += 1;
    }

    /// Takes a field and its value that somebody else has looked at.
    #[inline]
    pub(crate) fn pair(&mut self, field_len: u64, value_len: u64) {
        self.table |= field_len.max(value_len) > PACKED_BYTES;
    }

    /// Takes a score, if there is nothing to report about it.
    #[inline]
    pub(crate) fn is_next_score(&mut self, score: f64) -> bool {
        let next = score <= self.score;
        self.score = score;
        next
    }

    /// Returns whether it decodes the strings of the role `Item`, so that nobody else has to look whether they can be.
    pub(crate) fn decodes_items(&self) -> bool {
        self.value_type.shape() == Shape::Set
    }

    #[inline]
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match event.payload {
            Payload::Str { role: Role::Item, ref string } => {
                if self.value_type.shape() == Shape::Set {
                    self.text(string, Reading::Item, cx);
                }
                self.count += 1;
            }
            Payload::Str { role: Role::Field, ref string } => {
                self.table |= string.text_len() > PACKED_BYTES;
                self.text(string, Reading::Field, cx);
            }
            Payload::Str { role: Role::Member, ref string } => self.text(string, Reading::Member, cx),
            Payload::Str { role: Role::FieldValue, ref string } => {
                self.table |= string.text_len() > PACKED_BYTES;
                self.count += u64::from(!self.is_expiry_behind);
            }
            Payload::Score(ref score) => {
                self.score(score, self.place(event, Reading::Score), cx);
                self.count += 1;
            }
            Payload::FieldExpiry { raw } => {
                self.expiry(raw, self.place(event, Reading::FieldExpiry), cx);
                self.count += u64::from(self.is_expiry_behind);
            }
            Payload::Piece { bytes, last, .. } => self.piece(bytes, last, cx),
            Payload::MinExpire { ms } => {
                let place = Location::span(event.start, event.end).reading(Reading::FieldExpiry);
                let ms = ms.cast_unsigned();
                if ms > expiry::NONE {
                    cx.findings.add(Code::HashExpiryInvalid, place, || {
                        format!("the least expiry is {ms} ms, and the greatest possible time is {}", expiry::MAX)
                    });
                }
                self.min = Some(MinExpire { ms, place });
            }
            Payload::Items { count, .. } => {
                cx.elements.clear();
                if count == 0 {
                    let place = Location::span(event.start, event.end).reading(Reading::Count);
                    cx.findings.add(Code::CollectionEmpty, place, || {
                        format!("a {} without elements", self.value_type.type_name())
                    });
                }
            }
            _ => {}
        }
    }

    fn place(&self, event: &Event<&[u8]>, reading: Reading) -> Location {
        Location::span(event.start, event.end).element(self.count).reading(reading)
    }

    /// A member or field.
    #[inline]
    fn text(&mut self, string: &RdbString<&[u8]>, reading: Reading, cx: &mut Context<'_>) {
        let place = || Location::span(string.start, string.end).element(self.count).reading(reading);
        match text(string, place, &mut cx.scratch.decoded, cx.elements, cx.findings) {
            Text::Hash(hash) if cx.duplicates => cx.elements.insert(hash, string.start),
            Text::Long(long) => self.long = Some(long),
            Text::Hash(_) | Text::Damaged => {}
        }
    }

    fn piece(&mut self, bytes: &[u8], last: bool, cx: &mut Context<'_>) {
        let Some(long) = &mut self.long else { return };
        if let Some(hash) = long.piece(bytes, last, cx.findings)
            && cx.duplicates
        {
            cx.elements.insert(hash, long.start());
        }
        if last {
            self.long = None;
        }
    }

    #[inline]
    fn score(&mut self, score: &Score<&[u8]>, place: Location, cx: &mut Context<'_>) {
        let value = match *score {
            Score::Binary(value) => value,
            Score::Mark(254) => f64::INFINITY,
            Score::Mark(255) => f64::NEG_INFINITY,
            Score::Mark(_) => f64::NAN,
            Score::Text(text) => match score::parse(text) {
                Spelled::Plain(value) => value,
                Spelled::Nan => f64::NAN,
                Spelled::Odd(value) => {
                    cx.findings.add(Code::ZsetOddScore, place, || odd_score(text, value));
                    value
                }
                Spelled::Bad => return cx.findings.add(Code::ZsetBadScore, place, || bad_score(text)),
            },
        };
        if value.is_nan() {
            return cx.findings.add(Code::ZsetNanScore, place, || "the score is not a number (NaN)".to_owned());
        }
        if value > self.score && self.descending && self.value_type == ValueType::ZSet2 {
            self.descending = false;
            cx.findings.add(Code::ZsetWriteOrder, place, || {
                format!("score {value} follows {}: servers write the highest score first", self.score)
            });
        }
        self.score = value;
    }

    #[inline]
    fn expiry(&mut self, raw: u64, place: Location, cx: &mut Context<'_>) {
        if self.is_expiry_behind {
            let ms = raw.cast_signed();
            if let Ok(ms) = u64::try_from(ms) {
                self.dies(ms);
            }
            return expiry::check_valkey(ms, place, cx.findings);
        }
        if raw == 0 {
            return;
        }
        let ms = match self.min {
            // Stored as the distance from the least one, plus 1.
            Some(min) => min.ms.checked_add(raw - 1),
            None => Some(raw),
        };
        let Some(ms) = ms else {
            // Servers add without a look at the carry.
            let wrapped = self.min.map_or(raw, |min| min.ms.wrapping_add(raw - 1));
            let detail = if wrapped <= expiry::MAX { Visibility::Lenient } else { Visibility::Usual };
            return cx.findings.add(Code::HashExpiryInvalid, place.detail(detail), || {
                format!("the field's expiry is stored as {raw}, which overflows when the least one is added")
            });
        };
        if expiry::check_redis(ms, place, cx.findings) {
            self.least = Some(self.least.map_or(raw, |least| least.min(raw)));
            self.dies(ms);
        }
    }

    /// A field expires then.
    #[inline]
    fn dies(&mut self, ms: u64) {
        self.last = self.last.max(ms);
        self.mortal += 1;
    }

    /// A genuine writer states the least expiry exactly, so that the least stored one is 1.
    fn check_min(&self, cx: &mut Context<'_>) {
        let Some(min) = self.min.filter(|min| self.count > 0 && min.ms <= expiry::NONE) else { return };
        let stated = min.ms;
        match self.least {
            None if stated != 0 && stated != expiry::NONE => {
                cx.findings.add(Code::HashMinExpireWrong, min.place, || {
                    format!("the least expiry is said to be {stated} ms where no field expires")
                });
            }
            Some(least) if least != 1 => {
                cx.findings.add(Code::HashMinExpireWrong, min.place, || {
                    let true_one = stated.saturating_add(least - 1);
                    format!("the least expiry is said to be {stated} ms where it is {true_one} ms")
                });
            }
            _ => {}
        }
    }

    pub(crate) fn end(self, start: u64, cx: &mut Context<'_>) -> u64 {
        self.check_min(cx);
        if self.mortal > 0 && self.mortal == self.count {
            expiry::check_passed(self.last, self.count, Location::at(start), cx);
        }
        if self.table || self.count > PACKED_FIELDS {
            cx.findings.subject.detail = Visibility::Walked;
        }
        if let Some(what) = duplicate_code(self.value_type) {
            settle(what, start, cx);
        }
        self.count
    }
}

/// Returns the code of something that occurs twice in a value of that type; a list may hold anything twice.
pub(super) fn duplicate_code(value_type: ValueType) -> Option<Code> {
    match value_type.shape() {
        Shape::Set => Some(Code::SetDuplicateMember),
        Shape::ZSet => Some(Code::ZsetDuplicateMember),
        Shape::Hash | Shape::HashTtl | Shape::HashTemplate => Some(Code::HashDuplicateField),
        Shape::String | Shape::List | Shape::Module | Shape::Stream | Shape::Array => None,
    }
}

/// Compares the elements of a value that began at `start`.
fn settle(what: Code, start: u64, cx: &mut Context<'_>) {
    let Context { elements, suspects, findings, .. } = cx;
    let mut subject = None;
    let settled = elements.settle(|places| {
        suspects.add(what, places, subject.get_or_insert_with(|| Arc::new(findings.subject.clone())));
    });
    unchecked(settled, Location::at(start), cx);
}

/// Says that not all elements were compared, if that is so.
pub(super) fn unchecked(settled: Settled, place: Location, cx: &mut Context<'_>) {
    let Settled { seen, compared, .. } = settled;
    if compared == seen {
        return;
    }
    cx.findings.add(Code::ElementsUnchecked, place, || {
        format!("of {seen} elements only {compared} were compared with each other: the memory for it is used up")
    });
}

pub(super) fn odd_score(text: &[u8], value: f64) -> String {
    format!("the score \"{}\", which servers read as {value}", text.escape_ascii())
}

pub(super) fn bad_score(text: &[u8]) -> String {
    format!("the score \"{}\" is no number", text.escape_ascii())
}

#[cfg(test)]
mod tests;
