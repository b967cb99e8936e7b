//! Where a record begins: attributes, the key, and other opcodes.

use super::super::grammar::{Numbers, Op, Opcode, Place, ValueType, dragonfly, opcodes};
use super::super::numbers::Values;
use super::super::payload::{Attributes, Payload, Record, Role};
use super::super::string::{Body, RdbString};
use super::super::wire::fixed;
use super::{Advance, Dialect, Found, Parser, State};
use crate::base::cursor::{Cursor, Outcome, Span, Stop};
use crate::base::error::{Error, ErrorKind, Reading};

/// Nothing more belongs to it.
const TO_OPCODE: Advance = Advance::To { state: State::Opcode, ends_record: false };

/// A run of attributes longer than this is handed out without waiting for its key, so that a file of nothing but
/// attributes passes through a small window.
const LONGEST_RUN: usize = 8;

impl Parser {
    /// Reads attributes and the key they belong to, or another opcode.
    pub(super) fn opcode(&mut self, c: &mut Cursor<'_>, eof: bool) -> Outcome<Found> {
        let run_start = c.offset();
        let mut attributes = self.attributes;
        for run in 0.. {
            let start = c.offset();
            let before = c.pos();
            let [byte] = c.read(Reading::Opcode, fixed)?;
            let opcode = if byte < opcodes::HASH_TEMPLATE { None } else { Opcode::from_byte(byte, self.header.family) };
            if let Some([Op::Numbers(Numbers::Attribute(attribute))]) = opcode.map(Opcode::layout)
                && run < LONGEST_RUN
            {
                let values = Values::read(c, start, Numbers::Attribute(*attribute), 0)?;
                attributes.repeated |= values.attribute(*attribute, start, &mut attributes);
                continue;
            }
            if run > 0 && (byte >= opcodes::HASH_TEMPLATE || run >= LONGEST_RUN) {
                c.rewind(before);
                self.attributes = attributes;
                return Ok(Found { start: run_start, payload: Payload::Attributes(attributes), advance: TO_OPCODE });
            }
            if let Some(opcode) = opcode {
                return self.other_opcode(c, opcode, start);
            }
            let own = self.dialect == Dialect::Dragonfly && dragonfly::is_own(byte, self.header.version);
            return match ValueType::from_byte(byte, self.header.family).filter(|_| !own) {
                Some(value_type) => self.record(c, attributes, start, value_type, eof),
                None => fail_at(start, ErrorKind::UnknownType(byte)),
            };
        }
        c.fail(run_start, Reading::Opcode, ErrorKind::PastTheEnd)
    }

    /// Returns an opcode that says nothing about the next key alone, and what the parser itself has to remember of it.
    fn other_opcode(&mut self, c: &mut Cursor<'_>, opcode: Opcode, start: u64) -> Outcome<Found> {
        // Until something was read this has no effect: the parser is not inside of it.
        self.place = Place::new(opcode.layout(), 0, false);
        let found = match opcode {
            Opcode::Aux => self.aux(c, start)?,
            Opcode::Eof => {
                let state = if self.header.version >= 5 { State::Checksum } else { State::Done };
                return Ok(Found { start, payload: Payload::Eof, advance: Advance::To { state, ends_record: false } });
            }
            Opcode::KeyMeta => {
                let found = self.inside(c, start)?;
                self.attributes.repeated |= self.attributes.meta;
                self.attributes.meta = true;
                self.attributes.start.get_or_insert(start);
                return Ok(found);
            }
            Opcode::HashTemplate => {
                let found = self.inside(c, start)?;
                if let Payload::Template { id, fields } = found.payload {
                    if self.templates.len() >= self.limits.templates && !self.templates.contains_key(&id) {
                        let (size, limit) = (self.templates.len() as u64 + 1, self.limits.templates as u64);
                        return c.fail(start, Reading::Template, ErrorKind::LimitExceeded { size, limit });
                    }
                    self.templates.insert(id, fields);
                }
                found
            }
            Opcode::SlotImport
            | Opcode::SlotInfo
            | Opcode::Function2
            | Opcode::FunctionPreGa
            | Opcode::ModuleAux
            | Opcode::ResizeDb
            | Opcode::SelectDb
            // Attributes are read before.
            | Opcode::Idle
            | Opcode::Freq
            | Opcode::ExpireMs
            | Opcode::Expire => self.inside(c, start)?,
        };
        self.attributes.interrupted |= self.attributes.start.is_some();
        Ok(found)
    }

    /// Name and value in one, unless the name is long.
    fn aux(&mut self, c: &mut Cursor<'_>, start: u64) -> Outcome<Found> {
        let name = self.string(c, Role::AuxName)?;
        if let Body::Long { .. } = name.body {
            return Ok(Found { start, payload: Payload::Aux { name, value: None }, advance: Advance::On });
        }
        let value = self.string(c, Role::AuxValue)?;
        if self.dialect == Dialect::Servers && names_dragonfly(c, &name, &value) {
            self.dialect = Dialect::Dragonfly;
        }
        Ok(Found { start, payload: Payload::Aux { name, value: Some(value) }, advance: TO_OPCODE })
    }

    fn record(
        &mut self,
        c: &mut Cursor<'_>,
        attributes: Attributes,
        type_at: u64,
        value_type: ValueType,
        eof: bool,
    ) -> Outcome<Found> {
        // It has no frame: nobody but the module can tell where it ends.
        if value_type.layout().is_empty() {
            return fail_at(type_at, ErrorKind::ModuleV1);
        }
        let key = self.string(c, Role::Key)?;
        let value = if value_type == ValueType::String { self.fused_value(c, &key, eof)? } else { None };
        self.attributes = Attributes::default();
        let start = if attributes.interrupted { type_at } else { attributes.start.unwrap_or(type_at) };
        let payload = Payload::Record(Record { attributes, type_at, value_type, key, value });
        if value.is_some() {
            return Ok(Found { start, payload, advance: Advance::To { state: State::Opcode, ends_record: true } });
        }
        self.place = Place::new(value_type.layout(), value_type.layout_version(), true);
        Ok(Found { start, payload, advance: Advance::Begin })
    }

    /// Returns the value of a string key, in the same event as the key. Where the input ends inside the value the key goes
    /// out alone, so that the error about the value can name it.
    fn fused_value(
        &mut self,
        c: &mut Cursor<'_>,
        key: &RdbString<Span>,
        eof: bool,
    ) -> Outcome<Option<RdbString<Span>>> {
        if let Body::Long { .. } = key.body {
            return Ok(None);
        }
        let (before, quirk) = (c.pos(), c.quirk);
        match self.string(c, Role::Value) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Need { upto, start, reading }) if !eof => Err(Stop::Need { upto, start, reading }),
            Err(_) => {
                c.rewind(before);
                c.quirk = quirk;
                Ok(None)
            }
        }
    }
}

/// Returns whether an AUX field says that Dragonfly wrote the file.
fn names_dragonfly(c: &Cursor<'_>, name: &RdbString<Span>, value: &RdbString<Span>) -> bool {
    let (Body::Raw(name), Body::Raw(value)) = (&name.body, &value.body) else { return false };
    c.window(*name).eq_ignore_ascii_case(b"redis-ver") && c.window(*value).starts_with(dragonfly::VERSION.as_bytes())
}

fn fail_at<T>(start: u64, kind: ErrorKind) -> Outcome<T> {
    Err(Stop::Fail(Error::new(start, start, Reading::Opcode, kind)))
}
