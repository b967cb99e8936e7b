//! The values that are a count and elements: collections, arrays, template hashes, and the streams of modules.

use super::super::packed::Listpack;
use super::super::payload::{ArrayValue, ModuleId, ModuleItem, Payload, Role, Score};
use super::super::string::RdbString;
use super::super::wire::{LengthForm, fixed, length};
use super::{Found, Parser, State, TemplateValues};
use crate::base::cursor::{Cursor, Outcome, Quirk, Span};
use crate::base::error::{ErrorKind, Reading};

/// One place in the cycle that a collection's elements repeat.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    Str(Role),
    /// Score as a length byte and text, or a mark.
    OldScore,
    /// Score in eight bytes.
    Score,
    /// Field expiry as a length.
    Ttl,
    /// Field expiry in eight bytes.
    ExpiryMs,
    /// Kind of the list node that follows.
    Container,
}

pub(super) struct Cycles {
    pub(super) list: &'static [Slot],
    pub(super) zset: &'static [Slot],
    pub(super) zset_2: &'static [Slot],
    pub(super) hash: &'static [Slot],
    pub(super) hash_metadata: &'static [Slot],
    pub(super) hash_2: &'static [Slot],
    pub(super) quicklist: &'static [Slot],
    pub(super) quicklist_2: &'static [Slot],
}

pub(super) const CYCLES: Cycles = Cycles {
    list: &[Slot::Str(Role::Item)],
    zset: &[Slot::Str(Role::Member), Slot::OldScore],
    zset_2: &[Slot::Str(Role::Member), Slot::Score],
    hash: &[Slot::Str(Role::Field), Slot::Str(Role::FieldValue)],
    hash_metadata: &[Slot::Ttl, Slot::Str(Role::Field), Slot::Str(Role::FieldValue)],
    hash_2: &[Slot::Str(Role::Field), Slot::Str(Role::FieldValue), Slot::ExpiryMs],
    quicklist: &[Slot::Str(Role::ListNode)],
    // What the node is depends on the container read before it: see `cycle`.
    quicklist_2: &[Slot::Container, Slot::Str(Role::ListNode)],
};

/// The same as `quicklist_2`, at a node whose container says that it is one element.
const PLAIN_NODE: &[Slot] = &[Slot::Container, Slot::Str(Role::PlainNode)];

/// Whose data a module's stream is.
#[derive(Debug, Clone, Copy)]
pub(super) enum ModuleOwner {
    Value,
    Aux,
    KeyMeta { left: u64 },
}

impl Parser {
    #[inline]
    pub(super) fn cycle(&mut self, c: &mut Cursor<'_>, slots: &'static [Slot], at: usize, left: u64) -> Outcome<Found> {
        let start = c.offset();
        let mut slots = slots;
        let payload = match slots[at] {
            Slot::Str(role) => {
                let string = self.string(c, role)?;
                if role == Role::PlainNode {
                    slots = CYCLES.quicklist_2;
                }
                Payload::Str { role, string }
            }
            Slot::Score => Payload::Score(Score::Binary(f64::from_le_bytes(c.read(Reading::Score, fixed)?))),
            Slot::OldScore => match c.read(Reading::Score, fixed)? {
                [mark @ 253..=255] => Payload::Score(Score::Mark(mark)),
                [len] => Payload::Score(Score::Text(c.span_of(u64::from(len), start, Reading::Score)?)),
            },
            Slot::Ttl => Payload::FieldExpiry { raw: c.number(Reading::FieldExpiry)? },
            Slot::ExpiryMs => Payload::FieldExpiry { raw: u64::from_le_bytes(c.read(Reading::FieldExpiry, fixed)?) },
            Slot::Container => {
                let container = c.number(Reading::ListNode)?;
                // Anything but 2 is a plain node or no node of any server: its bytes are nobody's listpack.
                slots = if container == 2 { CYCLES.quicklist_2 } else { PLAIN_NODE };
                Payload::ListNode { container }
            }
        };
        let then = match (at + 1 < slots.len(), left) {
            (true, _) => Some(State::Cycle { slots, at: at + 1, left }),
            (false, 2..) => Some(State::Cycle { slots, at: 0, left: left - 1 }),
            (false, _) => None,
        };
        Ok(Found::within(start, payload, then))
    }

    pub(super) fn module_id(&mut self, c: &mut Cursor<'_>) -> Outcome<Found> {
        let start = c.offset();
        let id = ModuleId(c.number(Reading::ModuleId)?);
        Ok(Found::new(start, Payload::Module(id), State::Module { owner: ModuleOwner::Value }))
    }

    pub(super) fn module_item(&mut self, c: &mut Cursor<'_>, owner: ModuleOwner) -> Outcome<Found> {
        let start = c.offset();
        let same = State::Module { owner };
        let item = match c.number(Reading::ModuleItem)? {
            0 => {
                let payload = Payload::Item(ModuleItem::End);
                return Ok(match owner {
                    ModuleOwner::Value => Found::last(start, payload),
                    ModuleOwner::KeyMeta { left: left @ 1.. } => Found::new(start, payload, State::KeyMeta { left }),
                    ModuleOwner::Aux | ModuleOwner::KeyMeta { .. } => Found::new(start, payload, State::Opcode),
                });
            }
            1 => ModuleItem::Signed(c.number(Reading::ModuleItem)?.cast_signed()),
            2 => ModuleItem::Unsigned(c.number(Reading::ModuleItem)?),
            3 => ModuleItem::Float(f32::from_le_bytes(c.read(Reading::ModuleItem, fixed)?)),
            4 => ModuleItem::Double(f64::from_le_bytes(c.read(Reading::ModuleItem, fixed)?)),
            5 => {
                let string = self.string(c, Role::ModuleString)?;
                return Ok(Found::new(start, Payload::Str { role: Role::ModuleString, string }, same));
            }
            other => {
                return c.fail(start, Reading::ModuleItem, ErrorKind::BadModuleOpcode(other));
            }
        };
        Ok(Found::new(start, Payload::Item(item), same))
    }

    pub(super) fn function_description(&mut self, c: &mut Cursor<'_>) -> Outcome<Found> {
        let start = c.offset();
        let roles: &'static [Role] = match c.number(Reading::Function)? {
            0 => &[Role::FunctionCode],
            _ => &[Role::FunctionDescription, Role::FunctionCode],
        };
        let payload = Payload::Items { of: Role::FunctionDescription, count: roles.len() as u64 - 1 };
        Ok(Found::new(start, payload, State::Strings { roles, ends_record: false }))
    }

    pub(super) fn array(&mut self, c: &mut Cursor<'_>) -> Outcome<Found> {
        let start = c.offset();
        let count = c.number(Reading::Count)?;
        let cursor = match c.number(Reading::ArrayElement)? {
            0 => None,
            1 => Some(c.number(Reading::ArrayElement)?),
            value => return c.fail(start, Reading::ArrayElement, ErrorKind::BadArray { what: "flag", value }),
        };
        let then = (count > 0).then_some(State::ArrayElements { left: count });
        Ok(Found::within(start, Payload::Array { count, cursor }, then))
    }

    pub(super) fn array_element(&mut self, c: &mut Cursor<'_>, left: u64) -> Outcome<Found> {
        let start = c.offset();
        // The one plain number of the format whose special form is refused by servers.
        let at = c.read(Reading::ArrayElement, length)?;
        if at.form == LengthForm::Special {
            return c.fail(start, Reading::ArrayElement, ErrorKind::BadArray { what: "index form", value: at.value });
        }
        if at.form == LengthForm::Overlong {
            c.note(Quirk::OverlongLength, start);
        }
        let then = State::ArrayElements { left: left - 1 };
        let (value, then) = match c.number(Reading::ArrayElement)? {
            0 => (ArrayValue::Long, State::ArrayString { role: Role::ArrayLong, left: left - 1 }),
            1 => (ArrayValue::Int(i64::from_le_bytes(c.read(Reading::ArrayElement, fixed)?)), then),
            2 => (ArrayValue::Float(f64::from_le_bytes(c.read(Reading::ArrayElement, fixed)?)), then),
            3 => (ArrayValue::Short, State::ArrayString { role: Role::ArrayShort, left: left - 1 }),
            value => return c.fail(start, Reading::ArrayElement, ErrorKind::BadArray { what: "tag", value }),
        };
        let ends = left == 1 && matches!(value, ArrayValue::Int(_) | ArrayValue::Float(_));
        let payload = Payload::ArrayElement { index: at.value, value };
        Ok(Found::within(start, payload, (!ends).then_some(then)))
    }

    pub(super) fn array_string(&mut self, c: &mut Cursor<'_>, role: Role, left: u64) -> Outcome<Found> {
        let start = c.offset();
        let string = self.string(c, role)?;
        let then = (left > 0).then_some(State::ArrayElements { left });
        Ok(Found::within(start, Payload::Str { role, string }, then))
    }

    /// The states of [`ValueType::HashTmplLp`](super::super::ValueType::HashTmplLp) and its three relatives.
    pub(super) fn template_hash(&mut self, c: &mut Cursor<'_>) -> Outcome<Found> {
        let start = c.offset();
        match self.state {
            State::FieldForm { values } => {
                let form = c.number(Reading::Template)?;
                let then = match form {
                    0 => State::FieldBlob { values },
                    1 => State::FieldCount { values },
                    _ => return c.fail(start, Reading::Template, ErrorKind::BadFieldForm(form)),
                };
                Ok(Found::new(start, Payload::FieldForm { form }, then))
            }
            State::FieldCount { values } => {
                let count = c.number(Reading::Count)?;
                let values = values.with_count(count);
                let then = if count > 0 { Some(State::FieldNames { left: count, values }) } else { values.state() };
                Ok(Found::within(start, Payload::Items { of: Role::TemplateField, count }, then))
            }
            State::FieldNames { left, values } => {
                let string = self.string(c, Role::TemplateField)?;
                let then = if left > 1 { Some(State::FieldNames { left: left - 1, values }) } else { values.state() };
                Ok(Found::within(start, Payload::Str { role: Role::TemplateField, string }, then))
            }
            State::FieldBlob { values } => {
                let string = self.string(c, Role::TemplateFields)?;
                let count = listpack_count(c, &string);
                let values = match (values, count) {
                    (TemplateValues::Strings { .. }, None) => {
                        return c.fail(start, Reading::Template, ErrorKind::UncountableFields);
                    }
                    (values, count) => values.with_count(count.unwrap_or(0)),
                };
                Ok(Found::within(start, Payload::Str { role: Role::TemplateFields, string }, values.state()))
            }
            _ => {
                let id = c.number(Reading::Template)?;
                let Some(&count) = self.templates.get(&id) else {
                    return c.fail(start, Reading::Template, ErrorKind::UnknownTemplate(id));
                };
                let then = TemplateValues::Strings { count }.state();
                Ok(Found::within(start, Payload::TemplateRef { id }, then))
            }
        }
    }
}

impl TemplateValues {
    fn with_count(self, count: u64) -> Self {
        match self {
            Self::Listpack => Self::Listpack,
            Self::Strings { .. } => Self::Strings { count },
        }
    }

    /// The state that reads the values, or `None` if there are none.
    fn state(self) -> Option<State> {
        match self {
            Self::Listpack => Some(State::Strings { roles: &[Role::TemplateValues], ends_record: true }),
            Self::Strings { count: 0 } => None,
            Self::Strings { count } => Some(State::Cycle { slots: TEMPLATE_VALUES, at: 0, left: count }),
        }
    }
}

const TEMPLATE_VALUES: &[Slot] = &[Slot::Str(Role::FieldValue)];

/// How many elements the listpack holds: without that number [`ValueType::HashTmplArray`](super::super::ValueType::HashTmplArray) cannot be walked on.
fn listpack_count(c: &Cursor<'_>, string: &RdbString<Span>) -> Option<u64> {
    let blob = string.map(&mut |span| c.window(span)).decode().ok()?;
    let listpack = Listpack::new(&blob).ok()?;
    match listpack.stated_len() {
        Some(count) => Some(u64::from(count)),
        None => Some(listpack.iter().take_while(Result::is_ok).count() as u64),
    }
}
