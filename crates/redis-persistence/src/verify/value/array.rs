//! Arrays: type 28.
//!
//! ```text
//! count, cursor, then elements: index, kind, value
//! kinds: 0 string, 1 integer of 8 bytes, 2 double, 3 string of at most 7 bytes
//! ```
//!
//! Servers write indexes in ascending order, and store each text in the first kind that it fits: integer, double, short
//! string, string. A machine of 32 bits has less room in an element, so what it stores is judged by the smaller limits
//! where a text could have been stored in another kind, and by the larger ones where a kind could not hold the value.

use super::Context;
use crate::base::error::Reading;
use crate::rdb::packed::canonical_int;
use crate::rdb::{ArrayValue, Body, Event, Payload, RdbString, Role};
use crate::report::codes::Code;
use crate::report::collector::Location;

/// The longest string of kind 3.
const SHORT_MAX: u64 = 7;
/// The longest string that also a server of 32 bits stores as kind 3.
const SHORT_MAX_32: u64 = 3;
/// Integers below it, and not below its negative, are stored as such.
const INT_LIMIT: i64 = 1 << 61;
/// The same on a server of 32 bits.
const INT_LIMIT_32: i64 = 1 << 29;

#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// Elements that began.
    count: u64,
    index: Option<u64>,
    odd_forms: u64,
    first_odd_form: u64,
}

impl Checker {
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match event.payload {
            Payload::Array { count, cursor } => {
                let place = Location::span(event.start, event.end).reading(Reading::Count);
                if count == 0 {
                    cx.findings.add(Code::ArrayInvalid, place, || "an array without elements".to_owned());
                }
                if cursor == Some(u64::MAX) {
                    cx.findings.add(Code::ArrayInvalid, place, || format!("the cursor is {}, no index", u64::MAX));
                }
            }
            Payload::ArrayElement { index, value } => {
                self.count += 1;
                self.index(index, event, cx);
                let odd = match value {
                    ArrayValue::Int(value) => !(-INT_LIMIT..INT_LIMIT).contains(&value),
                    ArrayValue::Float(value) => !value.is_finite() || value.to_bits() & 3 != 0,
                    ArrayValue::Short | ArrayValue::Long => false,
                };
                self.note(odd, event.start);
            }
            Payload::Str { role: Role::ArrayShort, ref string } => {
                if string.text_len() > SHORT_MAX {
                    let place = self.place(string.start, string.end);
                    let len = string.text_len();
                    cx.findings.add(Code::ArrayInvalid, place, || {
                        format!("a short string of {len} bytes, where {SHORT_MAX} are the most")
                    });
                } else {
                    self.note(is_number(string), string.start);
                }
            }
            Payload::Str { role: Role::ArrayLong, ref string } => {
                let short = string.text_len() <= SHORT_MAX_32;
                self.note(short || is_number(string), string.start);
            }
            _ => {}
        }
    }

    fn index(&mut self, index: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        let place = self.place(event.start, event.end);
        if index == u64::MAX {
            cx.findings.add(Code::ArrayInvalid, place, || format!("{index} is no index"));
        }
        if let Some(before) = self.index.replace(index)
            && index <= before
        {
            cx.findings.add(Code::ArrayIndexOrder, place, || format!("index {index} follows {before}"));
        }
    }

    /// Returns the place of the element at hand.
    fn place(&self, start: u64, end: u64) -> Location {
        Location::span(start, end).element(self.count.saturating_sub(1)).reading(Reading::ArrayElement)
    }

    fn note(&mut self, odd: bool, at: u64) {
        if odd && self.odd_forms == 0 {
            self.first_odd_form = at;
        }
        self.odd_forms += u64::from(odd);
    }

    pub(crate) fn end(self, _: u64, cx: &mut Context<'_>) -> u64 {
        if self.odd_forms > 0 {
            let place = Location::at(self.first_odd_form).reading(Reading::ArrayElement);
            let count = self.odd_forms;
            cx.findings.add(Code::ArrayNoncanonical, place, || {
                format!("{count} elements are stored as no server stores them; the first lies here")
            });
        }
        self.count
    }
}

/// Returns whether servers of 32 and of 64 bits store that text as an integer or a double.
fn is_number(string: &RdbString<&[u8]>) -> bool {
    let int = |value: i64| (-INT_LIMIT_32..INT_LIMIT_32).contains(&value);
    match string.body {
        Body::Int(value) => int(i64::from(value)),
        Body::Raw(text) => canonical_int(text).map_or_else(|| is_float(text), int),
        Body::Lzf { .. } | Body::Long { .. } => false,
    }
}

/// Returns whether the text is that of a double in plain digits that also 4 bytes hold exactly.
fn is_float(text: &[u8]) -> bool {
    let plain = text.len() <= 16 && text.iter().all(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9'));
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| plain && text.contains('.')) else { return false };
    // A double that 4 bytes hold exactly has the low 29 bits free, and so the two that servers need.
    let exact = |value: &f64| value.to_bits().trailing_zeros() >= 29;
    text.parse().ok().filter(exact).is_some_and(|value: f64| format!("{value:?}") == text)
}

#[cfg(test)]
mod tests;
