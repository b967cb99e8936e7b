//! One step of a layout: a string, numbers that belong together, an item of a module. And taking up the walk elsewhere: between two
//! records, for someone who has read them, or at any place that a salvage tries.

use super::super::grammar::{Numbers, Op};
use super::super::numbers::Values;
use super::super::packed::Listpack;
use super::super::payload::{ModuleItem, Payload, Role, Score};
use super::super::string::RdbString;
use super::super::wire::fixed;
use super::{Advance, Attributes, Found, Parser, State};
use crate::base::cursor::{Cursor, Outcome, Span};
use crate::base::error::{ErrorKind, Reading};
use crate::base::limits::Limits;
use crate::rdb::Header;

impl Parser {
    /// Reads the next step of the layout. What it belongs to began at `start`.
    #[inline]
    pub(super) fn inside(&mut self, c: &mut Cursor<'_>, start: u64) -> Outcome<Found> {
        let Some(op) = self.place.next() else {
            return c.fail(start, Reading::Opcode, ErrorKind::PastTheEnd);
        };
        match *op {
            Op::Str(role) => {
                let string = self.string(c, role)?;
                Ok(Found { start, payload: Payload::Str { role, string }, advance: Advance::On })
            }
            Op::Numbers(numbers) => {
                let values = Values::read(c, start, numbers, self.place.version())?;
                if numbers == Numbers::TemplateRef {
                    let id = values.first();
                    let Some(&names) = self.templates.get(&id) else {
                        return c.fail(start, Reading::Template, ErrorKind::UnknownTemplate(id));
                    };
                    self.place.count_names(names);
                }
                Ok(Found { start, payload: values.payload(numbers, start), advance: Advance::On })
            }
            Op::Many(numbers, body) => {
                let values = Values::read(c, start, numbers, self.place.version())?;
                let turns = values.count(numbers);
                if numbers == Numbers::Items(Role::TemplateField) {
                    self.place.count_names(turns);
                }
                Ok(Found { start, payload: values.payload(numbers, start), advance: Advance::Into(turns, body) })
            }
            Op::ScoreText => {
                let score = match c.read(Reading::Score, fixed)? {
                    [mark @ 253..=255] => Score::Mark(mark),
                    [len] => Score::Text(c.span_of(u64::from(len), start, Reading::Score)?),
                };
                Ok(Found { start, payload: Payload::Score(score), advance: Advance::On })
            }
            Op::Switch { on, arms, otherwise } => {
                let mut values = Values::read(c, start, on, self.place.version())?;
                let tag = values.last();
                let body = match (arms.iter().find(|arm| arm.tag == tag), otherwise) {
                    (Some(arm), _) => {
                        values.add(c, start, on, arm.numbers)?;
                        arm.then
                    }
                    (None, Some(body)) => body,
                    (None, None) => {
                        let kind = match on {
                            Numbers::FieldForm => ErrorKind::BadFieldForm(tag),
                            _ => ErrorKind::BadArray { what: "tag", value: tag },
                        };
                        return c.fail(start, on.reading(1), kind);
                    }
                };
                Ok(Found { start, payload: values.payload(on, start), advance: Advance::Into(1, body) })
            }
            Op::Names(role) => {
                let string = self.string(c, role)?;
                let Some(names) = listpack_count(c, &string) else {
                    return c.fail(start, Reading::Template, ErrorKind::UncountableFields);
                };
                self.place.count_names(names);
                Ok(Found { start, payload: Payload::Str { role, string }, advance: Advance::On })
            }
            Op::Module => self.module_item(c, start),
            // A place is never left on one of these.
            Op::Since(..) | Op::PerName(_) => c.fail(start, Reading::Opcode, ErrorKind::PastTheEnd),
        }
    }

    fn module_item(&mut self, c: &mut Cursor<'_>, start: u64) -> Outcome<Found> {
        let item = match c.number(Reading::ModuleItem)? {
            0 => {
                return Ok(Found { start, payload: Payload::Item(ModuleItem::End), advance: Advance::On });
            }
            1 => ModuleItem::Signed(c.number(Reading::ModuleItem)?.cast_signed()),
            2 => ModuleItem::Unsigned(c.number(Reading::ModuleItem)?),
            3 => ModuleItem::Float(f32::from_le_bytes(c.read(Reading::ModuleItem, fixed)?)),
            4 => ModuleItem::Double(f64::from_le_bytes(c.read(Reading::ModuleItem, fixed)?)),
            5 => {
                let string = self.string(c, Role::ModuleString)?;
                let payload = Payload::Str { role: Role::ModuleString, string };
                return Ok(Found { start, payload, advance: Advance::Again });
            }
            other => {
                return c.fail(start, Reading::ModuleItem, ErrorKind::BadModuleOpcode(other));
            }
        };
        Ok(Found { start, payload: Payload::Item(item), advance: Advance::Again })
    }
}

/// Returns how many elements the listpack holds: without that number a template hash of single values cannot be walked on.
fn listpack_count(c: &Cursor<'_>, string: &RdbString<Span>) -> Option<u64> {
    let blob = string.map(&mut |span| c.window(span)).decode().ok()?;
    let listpack = Listpack::new(&blob).ok()?;
    match listpack.stated_len() {
        Some(count) => Some(u64::from(count)),
        None => Some(listpack.iter().take_while(Result::is_ok).count() as u64),
    }
}

impl Parser {
    /// Returns a parser inside a file, at an offset where a record begins and nothing is pending.
    pub(crate) fn at_record(limits: Limits, header: Header, offset: u64) -> Self {
        Self { offset, state: State::Opcode, header, ..Self::new(limits) }
    }

    /// Returns whether a key's record or an opcode begins with the next byte, without attributes that are pending.
    #[inline]
    pub(crate) fn is_between_records(&self) -> bool {
        matches!(self.state, State::Opcode) && self.long.is_none() && self.attributes == Attributes::default()
    }

    /// Passes over records that someone else has read.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
    }

    /// Goes to a place where a record may begin. The templates that were read so far stay known.
    pub(crate) fn resume_at(&mut self, offset: u64) {
        self.offset = offset;
        self.state = State::Opcode;
        self.long = None;
        self.attributes = Attributes::default();
    }

    /// Returns whether a template of that number was read.
    pub(crate) fn knows_template(&self, id: u64) -> bool {
        self.templates.contains_key(&id)
    }

    /// Returns how many bytes of a long string are still to come.
    pub(crate) fn long_left(&self) -> Option<u64> {
        self.long.map(|long| long.left)
    }

    /// Passes over the rest of a long string without a look at it; returns whether the record ends with it.
    pub(crate) fn pass_over_long(&mut self) -> bool {
        match self.long.take() {
            Some(long) => {
                self.offset = self.offset.saturating_add(long.left);
                long.ends_record
            }
            None => false,
        }
    }
}
