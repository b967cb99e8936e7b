//! Numbers that belong together: from bytes to what they are, and back.

#![expect(clippy::cast_possible_truncation, reason = "a number has the size of its kind")]

use super::grammar::{Attribute, Kind, Kinds, Numbers, Role};
use super::payload::{ArrayValue, Attributes, Expire, ModuleId, Payload, Score, StreamInfo, StreamInfo2};
use super::wire::{LengthForm, encode_length, fixed, length};
use crate::base::cursor::{Cursor, Outcome, Quirk, Span};
use crate::base::error::ErrorKind;

/// Numbers that were read together, in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    values: [u64; MOST],
    len: usize,
}

/// No payload has more numbers.
const MOST: usize = 8;

impl Values {
    #[inline]
    pub(crate) fn read(c: &mut Cursor<'_>, start: u64, numbers: Numbers, version: u8) -> Outcome<Self> {
        let kinds = numbers.kinds();
        let mut values = Self { values: [0; MOST], len: 0 };
        values.add(c, start, numbers, kinds.first)?;
        if version >= kinds.since {
            values.add(c, start, numbers, kinds.more)?;
        }
        Ok(values)
    }

    #[inline]
    pub(crate) fn add(
        &mut self,
        c: &mut Cursor<'_>,
        start: u64,
        numbers: Numbers,
        kinds: &'static [Kind],
    ) -> Outcome<()> {
        // The first of some is called otherwise than those behind it.
        let (mut reading, later) = (numbers.reading(self.len), numbers.reading(1));
        for kind in kinds {
            match kind {
                Kind::Len => self.push(c.number(reading)?),
                Kind::Eight => self.push(u64::from_le_bytes(c.read(reading, fixed)?)),
                Kind::Id => {
                    let id = u128::from_be_bytes(c.read(reading, fixed)?);
                    self.push((id >> 64) as u64);
                    self.push(id as u64);
                }
                Kind::Byte => {
                    let [byte] = c.read(reading, fixed)?;
                    self.push(u64::from(byte));
                }
                Kind::Four => self.push(u64::from(u32::from_le_bytes(c.read(reading, fixed)?))),
                Kind::Index => {
                    let index = c.read(reading, length)?;
                    match index.form {
                        LengthForm::Canonical => {}
                        LengthForm::Overlong => c.note(Quirk::OverlongLength, start),
                        // The one plain number of the format whose special form is refused by servers.
                        LengthForm::Special => {
                            let kind = ErrorKind::BadArray { what: "index form", value: index.value };
                            return c.fail(start, reading, kind);
                        }
                    }
                    self.push(index.value);
                }
                Kind::Optional => {
                    let flag = c.number(reading)?;
                    self.push(flag);
                    match flag {
                        0 => {}
                        1 => self.push(c.number(reading)?),
                        value => return c.fail(start, reading, ErrorKind::BadArray { what: "flag", value }),
                    }
                }
            }
            reading = later;
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, value: u64) {
        if let Some(free) = self.values.get_mut(self.len) {
            *free = value;
            self.len += 1;
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.len.checked_sub(1).map_or(0, |at| self.values[at])
    }

    pub(crate) fn first(&self) -> u64 {
        self.values[0]
    }

    /// Returns how often comes what they count.
    pub(crate) fn count(&self, numbers: Numbers) -> u64 {
        self.values[numbers.count_at()]
    }

    /// Returns what they are, at `start`.
    #[inline]
    pub(crate) fn payload(&self, numbers: Numbers, start: u64) -> Payload<Span> {
        let [a, b, c, d, ..] = self.values;
        match numbers {
            // Any number but 0 says that there is one.
            Numbers::Items(of @ Role::FunctionDescription) => Payload::Items { of, count: a.min(1) },
            Numbers::Items(of) => Payload::Items { of, count: a },
            Numbers::MinExpire => Payload::MinExpire { ms: a.cast_signed() },
            Numbers::FieldTtl | Numbers::FieldExpiry => Payload::FieldExpiry { raw: a },
            Numbers::Score => Payload::Score(Score::Binary(f64::from_bits(a))),
            Numbers::ListNode => Payload::ListNode { container: a },
            Numbers::Stream => {
                let [.., first_ms, first_seq, deleted_ms, deleted_seq, entries_added] = self.values;
                let v2 = StreamInfo2 {
                    first_id: (first_ms, first_seq),
                    max_deleted: (deleted_ms, deleted_seq),
                    entries_added,
                };
                Payload::Stream(StreamInfo { length: a, last_id: (b, c), v2: (self.len > 3).then_some(v2) })
            }
            Numbers::Group => Payload::Group { last_id: (a, b), entries_read: (self.len > 2).then_some(c) },
            Numbers::Pending => Payload::Pending { id: (a, b), time: c.cast_signed(), deliveries: d },
            Numbers::Consumer => {
                Payload::Consumer { seen: a.cast_signed(), active: (self.len > 1).then_some(b.cast_signed()) }
            }
            Numbers::Id(of) => Payload::Id { of, id: (a, b) },
            Numbers::Idmp => Payload::Idmp { duration: a, max_entries: b },
            Numbers::IdmpEntry => Payload::IdmpEntry { id: (a, b) },
            Numbers::IdmpTotals => Payload::IdmpTotals { added: a, duplicates: b },
            Numbers::Array => Payload::Array { count: a, cursor: (self.len > 2).then_some(c) },
            Numbers::ArrayElement => Payload::ArrayElement { index: a, value: ArrayValue::of(b, c) },
            Numbers::FieldForm => Payload::FieldForm { form: a },
            Numbers::TemplateRef => Payload::TemplateRef { id: a },
            Numbers::Module => Payload::Module(ModuleId(a)),
            Numbers::SelectDb => Payload::SelectDb { db: a },
            Numbers::ResizeDb => Payload::ResizeDb { keys: a, expires: b },
            Numbers::SlotInfo => Payload::SlotInfo { slot: a, keys: b, expires: c },
            Numbers::SlotImport => Payload::SlotImport,
            Numbers::SlotRange => Payload::SlotRange { first: a, last: b },
            Numbers::Function => Payload::Function { pre_ga: false },
            Numbers::FunctionPreGa => Payload::Function { pre_ga: true },
            Numbers::Template => Payload::Template { id: a, fields: b },
            Numbers::ModuleAux => Payload::ModuleAux { module: ModuleId(a), when_opcode: b, when: c },
            Numbers::KeyMeta => Payload::KeyMeta { classes: a },
            Numbers::KeyMetaClass => Payload::KeyMetaClass { spec: a as u32 },
            Numbers::Attribute(attribute) => {
                let mut attributes = Attributes::default();
                self.attribute(attribute, start, &mut attributes);
                Payload::Attributes(attributes)
            }
            Numbers::Eof => Payload::Eof,
            Numbers::Checksum => Payload::Checksum { stored: a },
        }
    }

    /// Returns the numbers that a payload was made of; `None` if it was made of something else. `expiry` is what the
    /// value's type has for the expiry of a field.
    pub(crate) fn of<B>(payload: &Payload<B>, expiry: Numbers) -> Option<(Numbers, Self)> {
        let of = |numbers, values: &[u64]| {
            let mut all = Self { values: [0; MOST], len: values.len() };
            all.values[..values.len()].copy_from_slice(values);
            Some((numbers, all))
        };
        match *payload {
            Payload::Items { of: role, count } => of(Numbers::Items(role), &[count]),
            Payload::MinExpire { ms } => of(Numbers::MinExpire, &[ms.cast_unsigned()]),
            Payload::FieldExpiry { raw } => of(expiry, &[raw]),
            Payload::Score(Score::Binary(score)) => of(Numbers::Score, &[score.to_bits()]),
            Payload::ListNode { container } => of(Numbers::ListNode, &[container]),
            Payload::Stream(StreamInfo { length, last_id: (ms, seq), v2: None }) => {
                of(Numbers::Stream, &[length, ms, seq])
            }
            Payload::Stream(StreamInfo { length, last_id: (ms, seq), v2: Some(v2) }) => {
                let (first, deleted) = (v2.first_id, v2.max_deleted);
                of(Numbers::Stream, &[length, ms, seq, first.0, first.1, deleted.0, deleted.1, v2.entries_added])
            }
            Payload::Group { last_id: (ms, seq), entries_read: None } => of(Numbers::Group, &[ms, seq]),
            Payload::Group { last_id: (ms, seq), entries_read: Some(read) } => of(Numbers::Group, &[ms, seq, read]),
            Payload::Pending { id: (ms, seq), time, deliveries } => {
                of(Numbers::Pending, &[ms, seq, time.cast_unsigned(), deliveries])
            }
            Payload::Consumer { seen, active: None } => of(Numbers::Consumer, &[seen.cast_unsigned()]),
            Payload::Consumer { seen, active: Some(active) } => {
                of(Numbers::Consumer, &[seen.cast_unsigned(), active.cast_unsigned()])
            }
            Payload::Id { of: role, id: (ms, seq) } => of(Numbers::Id(role), &[ms, seq]),
            Payload::Idmp { duration, max_entries } => of(Numbers::Idmp, &[duration, max_entries]),
            Payload::IdmpEntry { id: (ms, seq) } => of(Numbers::IdmpEntry, &[ms, seq]),
            Payload::IdmpTotals { added, duplicates } => of(Numbers::IdmpTotals, &[added, duplicates]),
            Payload::Array { count, cursor: None } => of(Numbers::Array, &[count, 0]),
            Payload::Array { count, cursor: Some(cursor) } => of(Numbers::Array, &[count, 1, cursor]),
            Payload::ArrayElement { index, value } => match value {
                ArrayValue::Long => of(Numbers::ArrayElement, &[index, 0]),
                ArrayValue::Int(number) => of(Numbers::ArrayElement, &[index, 1, number.cast_unsigned()]),
                ArrayValue::Float(number) => of(Numbers::ArrayElement, &[index, 2, number.to_bits()]),
                ArrayValue::Short => of(Numbers::ArrayElement, &[index, 3]),
            },
            Payload::FieldForm { form } => of(Numbers::FieldForm, &[form]),
            Payload::TemplateRef { id } => of(Numbers::TemplateRef, &[id]),
            Payload::Module(ModuleId(id)) => of(Numbers::Module, &[id]),
            Payload::SelectDb { db } => of(Numbers::SelectDb, &[db]),
            Payload::ResizeDb { keys, expires } => of(Numbers::ResizeDb, &[keys, expires]),
            Payload::SlotInfo { slot, keys, expires } => of(Numbers::SlotInfo, &[slot, keys, expires]),
            Payload::SlotImport => of(Numbers::SlotImport, &[]),
            Payload::SlotRange { first, last } => of(Numbers::SlotRange, &[first, last]),
            Payload::Function { pre_ga: false } => of(Numbers::Function, &[]),
            Payload::Function { pre_ga: true } => of(Numbers::FunctionPreGa, &[]),
            Payload::Template { id, fields } => of(Numbers::Template, &[id, fields]),
            Payload::ModuleAux { module, when_opcode, when } => of(Numbers::ModuleAux, &[module.0, when_opcode, when]),
            Payload::KeyMeta { classes } => of(Numbers::KeyMeta, &[classes]),
            Payload::KeyMetaClass { spec } => of(Numbers::KeyMetaClass, &[u64::from(spec)]),
            Payload::Checksum { stored } => of(Numbers::Checksum, &[stored]),
            Payload::Eof => of(Numbers::Eof, &[]),
            Payload::Header(_)
            | Payload::Aux { .. }
            | Payload::Attributes(_)
            | Payload::Record(_)
            | Payload::Str { .. }
            | Payload::Piece { .. }
            | Payload::Score(Score::Text(_) | Score::Mark(_))
            | Payload::Item(_) => None,
        }
    }

    /// The bytes that they are stored in, appended.
    pub(crate) fn write(&self, numbers: Numbers, to: &mut Vec<u8>) {
        let mut values = self.values[..self.len].iter().copied();
        let length = |value, to: &mut Vec<u8>| {
            let (bytes, len) = encode_length(value);
            to.extend_from_slice(&bytes[..len]);
        };
        let Kinds { first, more, .. } = numbers.kinds();
        // An element of an array that holds its value has eight more bytes.
        for kind in first.iter().chain(more).chain(&[Kind::Eight]) {
            let Some(value) = values.next() else { break };
            match kind {
                Kind::Len | Kind::Index => length(value, to),
                Kind::Optional => {
                    length(value, to);
                    values.by_ref().for_each(|value| length(value, to));
                }
                Kind::Byte => to.push(value as u8),
                Kind::Four => to.extend_from_slice(&(value as u32).to_le_bytes()),
                Kind::Eight => to.extend_from_slice(&value.to_le_bytes()),
                Kind::Id => {
                    to.extend_from_slice(&value.to_be_bytes());
                    to.extend(values.next().unwrap_or(0).to_be_bytes());
                }
            }
        }
    }

    /// Adds what they say of the next key; returns whether it was said already.
    pub(crate) fn attribute(&self, attribute: Attribute, start: u64, to: &mut Attributes) -> bool {
        let [value, ..] = self.values;
        to.start.get_or_insert(start);
        match attribute {
            Attribute::ExpireMs => to.expires_at(Expire { start, ms: value.cast_signed(), seconds: false }),
            Attribute::ExpireSeconds => {
                let ms = i64::from((value as u32).cast_signed()) * 1000;
                to.expires_at(Expire { start, ms, seconds: true })
            }
            Attribute::Idle => to.idle.replace(value).is_some(),
            Attribute::Freq => to.freq.replace(value as u8).is_some(),
        }
    }
}

impl ArrayValue {
    /// Returns what a tag stands for; `number` is what it holds itself.
    fn of(tag: u64, number: u64) -> Self {
        match tag {
            0 => Self::Long,
            1 => Self::Int(number.cast_signed()),
            2 => Self::Float(f64::from_bits(number)),
            // There is no arm for others.
            _ => Self::Short,
        }
    }
}
