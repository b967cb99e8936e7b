//! Collections that are plain strings by themselves.

use super::{RdbVerifier, is_sound_form, is_sound_lzf};
use crate::rdb::packed::IntText;
use crate::rdb::{Body, PlainKey, ValueType, plain_length, plain_string};
use crate::verify::duplicates::hash;
use crate::verify::options::Duplicates;
use crate::verify::value::{ElementsChecker, ValueChecker};

impl RdbVerifier {
    /// Takes a collection, whose value is what `value` begins with, and all of its key but the name's hash. Answers the
    /// value's size; `None` leaves it to the events. The record begins at `start`.
    pub(super) fn collection(&mut self, key: &PlainKey<'_>, value: &[u8], start: u64) -> Option<usize> {
        let value_type = ValueType::from_byte(key.value_type, self.family())?;
        let (elements, size) = match value_type {
            ValueType::Set | ValueType::Hash | ValueType::ZSet2 => {
                self.elements(value_type, value, start + key.value_at as u64)?
            }
            _ => return None,
        };
        self.keys.close_hole(&mut self.findings);
        self.type_seen(value_type, start + key.key_at as u64 - 1);
        let expired = key.expire.zip(self.options.now_ms).is_some_and(|(ms, now)| ms < now);
        self.keys.tally.key(value_type, key.expire.is_some(), expired);
        self.databases.count(1, u64::from(key.expire.is_some()));
        self.facts.key(value_type, self.databases.db, key.key);
        self.findings.subject.set(self.databases.db, key.key, value_type);
        self.value = Some((ValueChecker::Elements(elements), start));
        self.end_of_record();
        Some(size)
    }

    /// The elements, as far as there is nothing to report about any of them by itself. Their hashes are then in the table.
    fn elements(&mut self, value_type: ValueType, value: &[u8], start: u64) -> Option<(ElementsChecker, usize)> {
        let (count, mut at) = plain_length(value).filter(|(count, _)| *count > 0)?;
        let longest = self.options.limits.inline_bytes;
        let compare = self.options.duplicates != Duplicates::Off;
        let mut checker = ElementsChecker::new(value_type);
        self.elements.clear();
        for _ in 0..count {
            let (text, size) = plain_string(value.get(at..)?, longest)?;
            if !is_sound_form(&text) {
                return None;
            }
            let hash = match text {
                Body::Raw(text) => hash(text, 0),
                Body::Int(number) => hash(IntText::new().write(i64::from(number)), 0),
                Body::Lzf { .. } | Body::Long { .. } => return None,
            };
            if compare {
                self.elements.insert(hash, start + at as u64);
            }
            at += size;
            at += match value_type {
                ValueType::Hash => {
                    let (of_field, size) = plain_string(value.get(at..)?, longest)?;
                    if !is_sound_form(&of_field) || !is_sound_lzf(&of_field) {
                        return None;
                    }
                    checker.pair(text.text_len(), of_field.text_len());
                    size
                }
                ValueType::ZSet2 => {
                    let score = f64::from_le_bytes(*value.get(at..)?.first_chunk()?);
                    if !checker.is_next_score(score) {
                        return None;
                    }
                    8
                }
                _ => 0,
            };
            checker.count_one();
        }
        Some((checker, at))
    }
}
