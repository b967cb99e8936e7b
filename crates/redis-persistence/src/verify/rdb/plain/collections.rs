//! Collections that are plain strings by themselves, or packed.

use super::{RdbVerifier, is_sound_form, is_sound_lzf};
use crate::rdb::packed::IntText;
use crate::rdb::{
    Body, Frame, Packing, PlainElement as Element, PlainKey, Shape, ValueType, plain_length, plain_string,
};
use crate::verify::options::Duplicates;
use crate::verify::value::packed::{Buffers, is_plain};
use crate::verify::value::seen::Few;
use crate::verify::value::stored::{SHORT_TEXT, hash_of_short, short_text};
use crate::verify::value::stream;
use crate::verify::value::{ElementsChecker, ValueChecker};

/// The container of a list's node that is packed.
const PACKED_NODE: usize = 2;
/// With so much memory for each element, in bytes, a table of all of them is never full.
const AMPLE: usize = 128;

impl RdbVerifier {
    /// Takes a collection, whose value is what `value` begins with, and all of its key but the name's hash. Returns the
    /// value's size; `None` leaves it to the events. The record begins at `start`.
    pub(super) fn collection(&mut self, key: &PlainKey<'_>, value: &[u8], start: u64) -> Option<usize> {
        let value_type = ValueType::from_byte(key.value_type, self.family()).filter(|t| self.expects(*t))?;
        let (checker, size) = match (value_type.frame(), value_type.packing()) {
            (Frame::Packed { least: false }, Some(packing)) => (None, self.packed(packing, value)?),
            (Frame::Nodes { container }, Some(packing)) => (None, self.nodes(packing, container, value)?),
            (Frame::Elements { element, least: false }, None) if value_type.shape() != Shape::List => {
                let (elements, size) = self.elements(value_type, element, value, start + key.value_at as u64)?;
                (Some(ValueChecker::Elements(elements)), size)
            }
            (Frame::Mixed, None) if value_type.shape() == Shape::Stream => {
                let version = value_type.layout_version();
                (None, stream::plain::size(value, version, &mut self.scratch.decoded, &self.options.limits)?)
            }
            // A glance may leave anything to the events.
            (Frame::Text | Frame::Packed { .. } | Frame::Nodes { .. } | Frame::Elements { .. } | Frame::Mixed, _) => {
                return None;
            }
        };
        self.keys.close_hole(&mut self.findings);
        let expired = key.expire.zip(self.options.now_ms).is_some_and(|(ms, now)| ms < now);
        self.keys.tally.key(value_type, key.expire.is_some(), expired);
        self.databases.count(1, u64::from(key.expire.is_some()));
        self.facts.key(value_type, self.databases.db, key.key);
        if let Some(checker) = checker {
            self.findings.subject.set(self.databases.db, key.key, value_type);
            self.value = Some((checker, start));
            self.end_of_record();
        }
        Some(size)
    }

    /// Returns the size of a packed value, if there is nothing to report about it.
    fn packed(&mut self, packing: Packing, value: &[u8]) -> Option<usize> {
        let (body, size) = plain_string(value, self.options.limits.inline_bytes)?;
        if !is_sound_form(&body) {
            return None;
        }
        let (bytes, wide) = match body {
            Body::Raw(bytes) => (bytes, &value[size - bytes.len()..]),
            Body::Lzf { data, decoded } if decoded <= self.options.limits.packed_bytes as u64 => {
                self.scratch.decoded.inflate_wide(data, decoded).ok()?
            }
            _ => return None,
        };
        let compare = self.options.duplicates != Duplicates::Off;
        is_plain(packing, bytes, wide, Buffers { seen: &mut self.scratch.seen, table: &mut self.elements, compare })
            .then_some(size)
    }

    /// Returns the size of a list's nodes, if there is nothing to report about them.
    fn nodes(&mut self, packing: Packing, container: bool, value: &[u8]) -> Option<usize> {
        let (count, mut at) = plain_length(value).filter(|(count, _)| *count > 0)?;
        for _ in 0..count {
            if container {
                let (_, size) = plain_length(value.get(at..)?).filter(|(container, _)| *container == PACKED_NODE)?;
                at += size;
            }
            at += self.packed(packing, value.get(at..)?)?;
        }
        Some(at)
    }

    /// Returns the elements, as far as there is nothing to report about any of them by itself. Where they are many, their
    /// hashes are then in the table; few are compared at once.
    fn elements(
        &mut self,
        value_type: ValueType,
        element: Element,
        value: &[u8],
        start: u64,
    ) -> Option<(ElementsChecker, usize)> {
        let (count, mut at) = plain_length(value).filter(|(count, _)| *count > 0)?;
        let longest = self.options.limits.inline_bytes;
        let compare = self.options.duplicates != Duplicates::Off;
        let mut checker = ElementsChecker::new(value_type);
        self.elements.clear();
        let key = self.elements.key();
        // Where memory is so short that the table could not hold them, the table has to say so, as it does for events.
        let fits = count.saturating_mul(AMPLE) <= self.options.limits.duplicate_bytes;
        let mut few = if compare && fits { Few::new(count, &mut self.scratch.seen) } else { None };
        for _ in 0..count {
            if let Some(few) = &mut few
                && longest >= SHORT_TEXT
                && let Some(end) = short_text(value, at)
            {
                let same = |before: usize| value[before..].starts_with(&value[at..end]);
                if few.add(hash_of_short(value, at, end, &key), at, same).is_some() {
                    return None;
                }
                at = end;
                at += match element {
                    Element::Score => {
                        if !checker.is_next_score(f64::from_le_bytes(*value.get(at..)?.first_chunk()?)) {
                            return None;
                        }
                        8
                    }
                    Element::Pair => match short_text(value, at) {
                        Some(end) => end - at,
                        None => of_field(value.get(at..)?, longest, &mut checker)?,
                    },
                    Element::One => 0,
                    Element::TtlPair | Element::PairExpiry | Element::TextScore => return None,
                };
                checker.count_one();
                continue;
            }
            let (text, size) = plain_string(value.get(at..)?, longest)?;
            if !is_sound_form(&text) {
                return None;
            }
            let mut number = IntText::new();
            let bytes = match text {
                Body::Raw(text) => text,
                Body::Int(value) => number.write(i64::from(value)),
                Body::Lzf { .. } | Body::Long { .. } => return None,
            };
            if let Some(few) = &mut few {
                let same = |before| plain_string(&value[before..], longest).is_some_and(|(before, _)| before == text);
                if few.add(key.hash(bytes, 0), at, same).is_some() {
                    return None;
                }
            } else if compare {
                self.elements.add(bytes, 0, start + at as u64);
            }
            at += size;
            at += match element {
                Element::Pair => {
                    let (of_field, size) = plain_string(value.get(at..)?, longest)?;
                    if !is_sound_form(&of_field) || !is_sound_lzf(&of_field) {
                        return None;
                    }
                    checker.pair(text.text_len(), of_field.text_len());
                    size
                }
                Element::Score => {
                    let score = f64::from_le_bytes(*value.get(at..)?.first_chunk()?);
                    if !checker.is_next_score(score) {
                        return None;
                    }
                    8
                }
                Element::One => 0,
                Element::TtlPair | Element::PairExpiry | Element::TextScore => return None,
            };
            checker.count_one();
        }
        Some((checker, at))
    }
}

/// Returns the size of a field's value.
fn of_field(value: &[u8], longest: usize, checker: &mut ElementsChecker) -> Option<usize> {
    let (text, size) = plain_string(value, longest)?;
    if !is_sound_form(&text) || !is_sound_lzf(&text) {
        return None;
    }
    checker.pair(0, text.text_len());
    Some(size)
}
