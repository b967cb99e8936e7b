//! Where a record begins: opcodes, attributes, and the first state of each value type.

use super::super::grammar::{Family, ValueType, dragonfly, opcodes as opcode};
use super::super::payload::{Attributes, Expire, ModuleId, Payload, Record, Role};
use super::super::string::{Body, RdbString};
use super::super::wire::fixed;
use super::stream::StreamState;
use super::values::{CYCLES, ModuleOwner};
use super::{Dialect, Found, Parser, State, TemplateValues};
use crate::base::cursor::{Cursor, Outcome, Span, Stop};
use crate::base::error::{ErrorKind, Reading};

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
            match byte {
                opcode::EXPIRETIME_MS | opcode::EXPIRETIME | opcode::IDLE | opcode::FREQ if run < LONGEST_RUN => {
                    read_attribute(c, &mut attributes, byte, start)?;
                }
                _ if run > 0 && (byte >= opcode::HASH_TEMPLATE || run >= LONGEST_RUN) => {
                    c.rewind(before);
                    self.attributes = attributes;
                    return Ok(Found::new(run_start, Payload::Attributes(attributes), State::Opcode));
                }
                _ => {
                    let own = self.dialect == Dialect::Dragonfly && dragonfly::is_own(byte, self.header.version);
                    if let Some(value_type) = ValueType::from_byte(byte, self.header.family).filter(|_| !own) {
                        return self.record(c, attributes, start, value_type, eof);
                    }
                    return self.other_opcode(c, byte, start);
                }
            }
        }
        c.fail(run_start, Reading::Opcode, ErrorKind::PastTheEnd)
    }

    fn other_opcode(&mut self, c: &mut Cursor<'_>, byte: u8, start: u64) -> Outcome<Found> {
        let redis = self.header.family == Family::Redis;
        let found = match byte {
            opcode::EOF => {
                let then = if self.header.version >= 5 { State::Checksum } else { State::Done };
                return Ok(Found::new(start, Payload::Eof, then));
            }
            opcode::SELECTDB => {
                let db = c.number(Reading::DbNumber)?;
                Found::new(start, Payload::SelectDb { db }, State::Opcode)
            }
            opcode::RESIZEDB => {
                let (keys, expires) = (c.number(Reading::ResizeDb)?, c.number(Reading::ResizeDb)?);
                Found::new(start, Payload::ResizeDb { keys, expires }, State::Opcode)
            }
            opcode::SLOT_INFO => {
                let slot = c.number(Reading::SlotInfo)?;
                let (keys, expires) = (c.number(Reading::SlotInfo)?, c.number(Reading::SlotInfo)?);
                Found::new(start, Payload::SlotInfo { slot, keys, expires }, State::Opcode)
            }
            opcode::AUX => {
                let name = self.string(c, Role::AuxName)?;
                if let Body::Long { .. } = name.body {
                    let then = State::Strings { roles: &[Role::AuxValue], ends_record: false };
                    Found::new(start, Payload::Aux { name, value: None }, then)
                } else {
                    let value = self.string(c, Role::AuxValue)?;
                    if self.dialect == Dialect::Servers && names_dragonfly(c, &name, &value) {
                        self.dialect = Dialect::Dragonfly;
                    }
                    Found::new(start, Payload::Aux { name, value: Some(value) }, State::Opcode)
                }
            }
            opcode::FUNCTION2 => {
                let then = State::Strings { roles: &[Role::FunctionCode], ends_record: false };
                Found::new(start, Payload::Function { pre_ga: false }, then)
            }
            opcode::FUNCTION_PRE_GA => {
                let then = State::Strings { roles: &[Role::FunctionName, Role::FunctionEngine], ends_record: false };
                Found::new(start, Payload::Function { pre_ga: true }, then)
            }
            opcode::MODULE_AUX => {
                let module = ModuleId(c.number(Reading::ModuleId)?);
                let (when_opcode, when) = (c.number(Reading::ModuleItem)?, c.number(Reading::ModuleItem)?);
                let then = State::Module { owner: ModuleOwner::Aux };
                Found::new(start, Payload::ModuleAux { module, when_opcode, when }, then)
            }
            opcode::KEY_META if redis => {
                let classes = c.number(Reading::KeyMeta)?;
                self.attributes.repeated |= self.attributes.meta;
                self.attributes.meta = true;
                self.attributes.start.get_or_insert(start);
                let then = if classes > 0 { State::KeyMeta { left: classes } } else { State::Opcode };
                return Ok(Found::new(start, Payload::KeyMeta { classes }, then));
            }
            opcode::SLOT_IMPORT => {
                let then = State::Strings { roles: &[Role::SlotImportJob], ends_record: false };
                Found::new(start, Payload::SlotImport, then)
            }
            opcode::HASH_TEMPLATE if redis => {
                let (id, fields) = (c.number(Reading::Template)?, c.number(Reading::Template)?);
                if self.templates.len() >= self.limits.templates && !self.templates.contains_key(&id) {
                    let (size, limit) = (self.templates.len() as u64 + 1, self.limits.templates as u64);
                    return c.fail(start, Reading::Template, ErrorKind::LimitExceeded { size, limit });
                }
                self.templates.insert(id, fields);
                let then = if fields > 0 { State::TemplateFields { left: fields } } else { State::Opcode };
                Found::new(start, Payload::Template { id, fields }, then)
            }
            _ => return fail_at(start, ErrorKind::UnknownType(byte)),
        };
        self.attributes.interrupted |= self.attributes.start.is_some();
        Ok(found)
    }

    fn record(
        &mut self,
        c: &mut Cursor<'_>,
        attributes: Attributes,
        type_at: u64,
        value_type: ValueType,
        eof: bool,
    ) -> Outcome<Found> {
        if value_type == ValueType::Module {
            return fail_at(type_at, ErrorKind::ModuleV1);
        }
        let key = self.string(c, Role::Key)?;
        let value = if value_type == ValueType::String { self.fused_value(c, &key, eof)? } else { None };
        self.attributes = Attributes::default();
        let start = if attributes.interrupted { type_at } else { attributes.start.unwrap_or(type_at) };
        let payload = Payload::Record(Record { attributes, type_at, value_type, key, value });
        if value.is_some() {
            return Ok(Found::last(start, payload));
        }
        Ok(Found::new(start, payload, first(value_type)))
    }

    /// The value of a string key, in the same event as the key. Where the input ends inside the value the key goes out
    /// alone, so that the error about the value can name it.
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

/// Whether an AUX field says that Dragonfly wrote the file.
fn names_dragonfly(c: &Cursor<'_>, name: &RdbString<Span>, value: &RdbString<Span>) -> bool {
    let (Body::Raw(name), Body::Raw(value)) = (&name.body, &value.body) else { return false };
    c.window(*name).eq_ignore_ascii_case(b"redis-ver") && c.window(*value).starts_with(dragonfly::VERSION.as_bytes())
}

fn fail_at<T>(start: u64, kind: ErrorKind) -> Outcome<T> {
    Err(Stop::Fail(crate::base::error::Error::new(start, start, Reading::Opcode, kind)))
}

fn read_attribute(c: &mut Cursor<'_>, attributes: &mut Attributes, byte: u8, start: u64) -> Outcome<()> {
    attributes.start.get_or_insert(start);
    let repeated = match byte {
        opcode::EXPIRETIME_MS => {
            let ms = i64::from_le_bytes(c.read(Reading::Expire, fixed)?);
            attributes.expires_at(Expire { start, ms, seconds: false })
        }
        opcode::EXPIRETIME => {
            let seconds = i32::from_le_bytes(c.read(Reading::Expire, fixed)?);
            attributes.expires_at(Expire { start, ms: i64::from(seconds) * 1000, seconds: true })
        }
        opcode::IDLE => attributes.idle.replace(c.number(Reading::Eviction)?).is_some(),
        _ => {
            let [freq] = c.read(Reading::Eviction, fixed)?;
            attributes.freq.replace(freq).is_some()
        }
    };
    attributes.repeated |= repeated;
    Ok(())
}

/// The state after the key, by value type.
fn first(value_type: ValueType) -> State {
    const PACKED: State = State::Strings { roles: &[Role::Packed], ends_record: true };
    match value_type {
        ValueType::String => State::Strings { roles: &[Role::Value], ends_record: true },
        ValueType::List => State::Count { of: Role::Item, slots: CYCLES.list },
        ValueType::Set => State::Count { of: Role::Item, slots: CYCLES.list },
        ValueType::ZSet => State::Count { of: Role::Member, slots: CYCLES.zset },
        ValueType::ZSet2 => State::Count { of: Role::Member, slots: CYCLES.zset_2 },
        ValueType::Hash => State::Count { of: Role::Field, slots: CYCLES.hash },
        ValueType::HashMetadataPreGa => State::Count { of: Role::Field, slots: CYCLES.hash_metadata },
        ValueType::HashMetadata => State::MinExpire { slots: Some(CYCLES.hash_metadata) },
        ValueType::HashListpackEx => State::MinExpire { slots: None },
        ValueType::Hash2 => State::Count { of: Role::Field, slots: CYCLES.hash_2 },
        ValueType::ListQuicklist => State::Count { of: Role::ListNode, slots: CYCLES.quicklist },
        ValueType::ListQuicklist2 => State::Count { of: Role::ListNode, slots: CYCLES.quicklist_2 },
        ValueType::Module | ValueType::Module2 => State::ModuleId,
        ValueType::StreamListpacks
        | ValueType::StreamListpacks2
        | ValueType::StreamListpacks3
        | ValueType::StreamListpacks4
        | ValueType::StreamListpacks5 => State::Stream(StreamState::new(value_type.stream_version().unwrap_or(1))),
        ValueType::Array => State::Array,
        ValueType::HashTmplLp => State::FieldForm { values: TemplateValues::Listpack },
        ValueType::HashTmplArray => State::FieldForm { values: TemplateValues::Strings { count: 0 } },
        ValueType::HashTmplLpRef => State::Strings { roles: &[Role::TemplateValues], ends_record: true },
        ValueType::HashTmplArrayRef => State::TemplateRef,
        ValueType::HashZipmap
        | ValueType::ListZiplist
        | ValueType::SetIntset
        | ValueType::ZSetZiplist
        | ValueType::HashZiplist
        | ValueType::HashListpack
        | ValueType::ZSetListpack
        | ValueType::SetListpack
        | ValueType::HashListpackExPreGa => PACKED,
    }
}
