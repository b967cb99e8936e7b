//! From the events of a parser to keys and the elements of their values.

use std::collections::HashMap;

use super::entry::{self, BadNode};
use super::packed::{self, BadBlob};
use super::{Element, SlotValue, StreamId};
use crate::base::error::{Error, ErrorKind, Reading, Result};
use crate::base::limits::Limits;
use crate::lzf::{self, Inflater};
use crate::rdb::grammar::{Frame, PlainElement, Shape};
use crate::rdb::packed::{IntText, Listpack, PackedError};
use crate::rdb::payload::{ArrayValue, Event, Payload, Record, Role, Score};
use crate::rdb::{Body, RdbString, ValueType};

/// What a key's record says before its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where the record begins.
    pub(crate) start: u64,
    pub(crate) db: u64,
    pub(crate) value_type: ValueType,
    pub(crate) expires_ms: Option<i64>,
    /// How long it was idle, in seconds.
    pub(crate) idle: Option<u64>,
    pub(crate) freq: Option<u8>,
}

/// What comes of an event.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// A key begins: its name is known.
    Key(&'a Head, &'a [u8]),
    /// One element of its value.
    Element(Element<'a>),
    /// The record ends, with its last byte before that offset.
    End(u64),
    /// The code of a function library.
    Function(&'a [u8]),
}

/// Takes the events of a file, one after the other.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    pub(crate) db: u64,
    head: Option<Head>,
    templates: Templates,
    long: Option<Long>,
    /// Where compressed bytes are decoded to.
    decoded: Vec<u8>,
    value: Unfinished,
}

/// A string whose pieces are coming.
#[derive(Debug)]
struct Long {
    start: u64,
    text: Vec<u8>,
    inflater: Option<Inflater>,
    /// It claims to decode to nothing.
    empty: bool,
}

/// What of a value was read and makes no element yet.
#[derive(Debug, Default)]
struct Unfinished {
    /// A member, a field, or a name.
    first: Vec<u8>,
    /// A field's value.
    second: Vec<u8>,
    /// A field's expiry, as it is stored.
    expiry: Option<u64>,
    /// The least expiry of a hash's fields.
    least: i64,
    node: StreamId,
    index: u64,
    /// The field names of a template hash, and how many values came.
    names: Vec<Vec<u8>>,
    template: Option<u64>,
    values: usize,
}

/// The field names of hash templates.
#[derive(Debug, Default)]
struct Templates {
    known: HashMap<u64, Vec<Vec<u8>>>,
    /// The template whose names are coming.
    current: u64,
    /// The bytes of all names.
    bytes: usize,
}

impl Decoder {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            db: 0,
            head: None,
            templates: Templates::default(),
            long: None,
            decoded: Vec::new(),
            value: Unfinished::default(),
        }
    }

    /// Leaves the record, whose other events will not come.
    pub(crate) fn leave(&mut self) {
        self.head = None;
        self.long = None;
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// Where a string or a value cannot be read, or is larger than the limits allow.
    #[inline]
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        match event.payload {
            Payload::SelectDb { db } => self.db = db,
            Payload::Record(ref record) => self.record(event, record, sink)?,
            Payload::Str { role, ref string } => self.string(role, string, sink)?,
            Payload::Piece { role, bytes, last } => self.piece(role, bytes, last, sink)?,
            Payload::Template { id, .. } => {
                self.templates.current = id;
                self.templates.known.insert(id, Vec::new());
            }
            _ if self.head.is_some() => self.number(event, sink)?,
            _ => {}
        }
        if event.ends_record
            && let Some(head) = self.head.take()
        {
            self.whole(&head, event.end)?;
            sink(Part::End(event.end));
        }
        Ok(())
    }

    fn record(&mut self, event: &Event<&[u8]>, record: &Record<&[u8]>, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        self.head = Some(Head {
            start: event.start,
            db: self.db,
            value_type: record.value_type,
            expires_ms: record.attributes.expire.map(|expire| expire.ms),
            idle: record.attributes.idle,
            freq: record.attributes.freq,
        });
        (self.value.template, self.value.values, self.value.expiry, self.value.least) = (None, 0, None, 0);
        self.value.names.clear();
        self.string(Role::Key, &record.key, sink)?;
        match &record.value {
            Some(value) => self.string(Role::Value, value, sink),
            None => Ok(()),
        }
    }

    fn string(&mut self, role: Role, string: &RdbString<&[u8]>, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        match string.body {
            Body::Raw(bytes) => self.text(role, bytes, string.start, sink),
            Body::Int(number) => self.text(role, IntText::new().write(i64::from(number)), string.start, sink),
            // As in `RdbString::decode`.
            Body::Lzf { decoded: 0, .. } => self.text(role, b"", string.start, sink),
            Body::Lzf { data, decoded } => {
                let size = self.allowed(decoded, string.start, role)?;
                let mut room = std::mem::take(&mut self.decoded);
                room.clear();
                lzf::inflate_into(data, size, &mut room).map_err(|error| bad(string.start, role, error))?;
                let result = self.text(role, &room, string.start, sink);
                self.decoded = room;
                result
            }
            Body::Long { stored, decoded } => {
                self.allowed(decoded.unwrap_or(stored), string.start, role)?;
                let empty = decoded == Some(0);
                let inflater = decoded.filter(|_| !empty).map(|decoded| Inflater::new(stored, decoded)).transpose();
                let inflater = inflater.map_err(|error| bad(string.start, role, error))?;
                self.long = Some(Long { start: string.start, text: Vec::new(), inflater, empty });
                Ok(())
            }
        }
    }

    fn piece(&mut self, role: Role, bytes: &[u8], last: bool, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        let Some(mut long) = self.long.take() else { return Ok(()) };
        match &mut long.inflater {
            None if long.empty => {}
            None => long.text.extend_from_slice(bytes),
            Some(inflater) => {
                let pushed = inflater.push(bytes, &mut |piece| long.text.extend_from_slice(piece));
                let ended = pushed.and_then(|()| if last { inflater.finish() } else { Ok(()) });
                ended.map_err(|error| bad(long.start, role, error))?;
            }
        }
        if last {
            return self.text(role, &long.text, long.start, sink);
        }
        self.long = Some(long);
        Ok(())
    }

    /// Takes a whole string.
    #[inline]
    fn text(&mut self, role: Role, text: &[u8], start: u64, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        let Some(head) = &self.head else { return self.outside(role, text, start, sink) };
        let mut element = |element: Element<'_>| sink(Part::Element(element));
        let value = &mut self.value;
        match role {
            Role::Key => sink(Part::Key(head, text)),
            Role::Value => element(Element::Text(text)),
            Role::PlainNode => element(Element::Item(text)),
            Role::Item if head.value_type.shape() == Shape::Set => element(Element::Member(text)),
            Role::Item => element(Element::Item(text)),
            Role::Member | Role::Field | Role::Group | Role::Consumer | Role::Producer => value.first = text.to_vec(),
            Role::FieldValue if is_expiry_behind(head.value_type) => value.second = text.to_vec(),
            Role::FieldValue if head.value_type.shape() == Shape::HashTemplate => {
                value.templated(text, &self.templates, start, &mut element)?;
            }
            Role::FieldValue => {
                let expires_ms = value.expires(head.value_type);
                element(Element::Field { name: &value.first, value: text, expires_ms });
            }
            Role::Packed | Role::ListNode => {
                if let Some(packing) = head.value_type.packing() {
                    packed::elements(packing, text, &mut element).map_err(|error| match error {
                        BadBlob::Packed(error) => bad(start, role, error),
                        BadBlob::Wrong { at, why } => {
                            bad(start, role, format!("{why}, at byte {at} of the packed value"))
                        }
                    })?;
                }
            }
            Role::NodeId => {
                let id: [u8; 16] =
                    text.try_into().map_err(|_| bad(start, role, "the id of a node has not 16 bytes"))?;
                value.node = halves(u128::from_be_bytes(id));
            }
            Role::StreamNode => {
                entry::entries(text, value.node, &mut |id, fields| element(Element::Entry { id, fields })).map_err(
                    |error| match error {
                        BadNode::Packed(error) => bad(start, role, error),
                        BadNode::Wrong { at, why } => bad(start, role, format!("{why}, at byte {at} of the node")),
                    },
                )?;
            }
            Role::ProducerEntry => value.second = text.to_vec(),
            Role::ModuleString => element(Element::ModuleString(text)),
            Role::TemplateField => value.names.push(text.to_vec()),
            Role::TemplateFields => {
                value.names = names(text).map_err(|error| bad(start, role, error))?;
            }
            Role::TemplateValues => {
                let own_names = !head.value_type.needs_template();
                let mut buffer = IntText::new();
                let mut entries = Listpack::new(text).map_err(|error| bad(start, role, error))?.iter();
                let id = entries.next().transpose().map_err(|error| bad(start, role, error))?;
                let id = id.and_then(|id| id.value.as_int()).and_then(|id| u64::try_from(id).ok());
                value.template = id.filter(|_| !own_names);
                for entry in entries {
                    let entry = entry.map_err(|error| bad(start, role, error))?;
                    value.templated(entry.value.text(&mut buffer), &self.templates, start, &mut element)?;
                }
            }
            Role::ArrayShort | Role::ArrayLong => {
                element(Element::Slot { index: value.index, value: SlotValue::Text(text) });
            }
            Role::AuxName
            | Role::AuxValue
            | Role::Pending
            | Role::ConsumerPending
            | Role::Nacked
            | Role::FunctionCode
            | Role::FunctionName
            | Role::FunctionEngine
            | Role::FunctionDescription
            | Role::SlotImportJob => {}
        }
        Ok(())
    }

    /// Returns a string that belongs to no key.
    #[cold]
    fn outside(&mut self, role: Role, text: &[u8], start: u64, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        match role {
            Role::FunctionCode => sink(Part::Function(text)),
            Role::TemplateField => {
                let templates = &mut self.templates;
                templates.bytes = templates.bytes.saturating_add(text.len() + size_of::<Vec<u8>>());
                if templates.bytes > self.limits.packed_bytes {
                    let (size, limit) = (templates.bytes as u64, self.limits.packed_bytes as u64);
                    return Err(Error::new(start, start, role.reading(), ErrorKind::LimitExceeded { size, limit }));
                }
                templates.known.entry(templates.current).or_default().push(text.to_vec());
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes something of a value that is no string.
    #[inline]
    fn number(&mut self, event: &Event<&[u8]>, sink: &mut impl FnMut(Part<'_>)) -> Result<()> {
        let Some(head) = &self.head else { return Ok(()) };
        let mut element = |element: Element<'_>| sink(Part::Element(element));
        let value = &mut self.value;
        match event.payload {
            Payload::Score(score) => {
                let score = match score {
                    Score::Binary(score) => score,
                    Score::Mark(253) => f64::NAN,
                    Score::Mark(254) => f64::INFINITY,
                    Score::Mark(_) => f64::NEG_INFINITY,
                    Score::Text(text) => packed::number(text)
                        .ok_or_else(|| bad_at(event.start, Reading::Score, "a score is no number"))?,
                };
                element(Element::Scored { member: &value.first, score });
            }
            Payload::MinExpire { ms } => value.least = ms,
            Payload::FieldExpiry { raw } if is_expiry_behind(head.value_type) => {
                let ms = raw.cast_signed();
                let expires_ms = (ms != -1).then_some(ms);
                element(Element::Field { name: &value.first, value: &value.second, expires_ms });
            }
            Payload::FieldExpiry { raw } => value.expiry = Some(raw),
            Payload::Stream(info) => element(Element::Stream(info)),
            Payload::Group { last_id, entries_read } => {
                element(Element::Group { name: &value.first, last_id, entries_read });
            }
            Payload::Pending { id, time, deliveries } => element(Element::Pending { id, time, deliveries }),
            Payload::Consumer { seen, active } => element(Element::Consumer { name: &value.first, seen, active }),
            Payload::Id { of: Role::Nacked, id } => element(Element::Nacked { id }),
            Payload::Id { id, .. } => element(Element::Owned { id }),
            Payload::IdmpEntry { id } => {
                element(Element::ProducerEntry { producer: &value.first, iid: &value.second, id });
            }
            Payload::ArrayElement { index, value: slot } => {
                value.index = index;
                match slot {
                    ArrayValue::Int(number) => element(Element::Slot { index, value: SlotValue::Int(number) }),
                    ArrayValue::Float(number) => element(Element::Slot { index, value: SlotValue::Float(number) }),
                    // The string comes next.
                    ArrayValue::Short | ArrayValue::Long => {}
                }
            }
            Payload::TemplateRef { id } => value.template = Some(id),
            Payload::Module(id) => element(Element::Module(id)),
            Payload::Item(item) => element(Element::ModuleItem(item)),
            // Strings are taken by their roles, and counts follow from what they count.
            Payload::Record(_) | Payload::Str { .. } | Payload::Piece { .. } | Payload::Items { .. } => {}
            Payload::ListNode { .. } | Payload::Array { .. } | Payload::FieldForm { .. } => {}
            Payload::Idmp { .. } | Payload::IdmpTotals { .. } => {}
            // No part of a value.
            Payload::Header(_) | Payload::Aux { .. } | Payload::SelectDb { .. } | Payload::ResizeDb { .. } => {}
            Payload::SlotInfo { .. } | Payload::SlotImport | Payload::SlotRange { .. } | Payload::Function { .. } => {}
            Payload::Template { .. } | Payload::ModuleAux { .. } | Payload::Attributes(_) => {}
            Payload::KeyMeta { .. } | Payload::KeyMetaClass { .. } | Payload::Eof | Payload::Checksum { .. } => {}
        }
        Ok(())
    }

    /// Checks that a template hash has as many values as fields.
    fn whole(&self, head: &Head, end: u64) -> Result<()> {
        let value = &self.value;
        let names = value.names(&self.templates);
        let is_template = head.value_type.shape() == Shape::HashTemplate;
        if is_template && names.is_none_or(|names| names.len() != value.values) {
            let kind = bad_kind("the hash has not as many values as fields");
            return Err(Error::new(head.start, end, Reading::Template, kind));
        }
        Ok(())
    }

    fn allowed(&self, size: u64, start: u64, role: Role) -> Result<usize> {
        let limit = self.limits.packed_bytes;
        usize::try_from(size).ok().filter(|size| *size <= limit).ok_or_else(|| {
            Error::new(start, start, role.reading(), ErrorKind::LimitExceeded { size, limit: limit as u64 })
        })
    }
}

impl Unfinished {
    /// When the field at hand expires.
    fn expires(&mut self, value_type: ValueType) -> Option<i64> {
        let raw = self.expiry.take().filter(|raw| *raw != 0)?;
        // With the least one before them, the others count from there.
        Some(match value_type.frame() {
            Frame::Elements { least: true, .. } => self.least.wrapping_add(raw.cast_signed()).wrapping_sub(1),
            Frame::Elements { .. } | Frame::Text | Frame::Packed { .. } | Frame::Nodes { .. } | Frame::Mixed => {
                raw.cast_signed()
            }
        })
    }

    fn names<'a>(&'a self, templates: &'a Templates) -> Option<&'a Vec<Vec<u8>>> {
        match self.template {
            Some(id) => templates.known.get(&id),
            None => Some(&self.names),
        }
    }

    /// Takes the next value of a template hash.
    fn templated(
        &mut self,
        text: &[u8],
        templates: &Templates,
        start: u64,
        element: &mut impl FnMut(Element<'_>),
    ) -> Result<()> {
        let name = self.names(templates).and_then(|names| names.get(self.values));
        let name = name.ok_or_else(|| bad(start, Role::FieldValue, "the hash has more values than fields"))?;
        element(Element::Field { name, value: text, expires_ms: None });
        self.values += 1;
        Ok(())
    }
}

/// Returns whether the expiry of a field comes after its value.
fn is_expiry_behind(value_type: ValueType) -> bool {
    matches!(value_type.frame(), Frame::Elements { element: PlainElement::PairExpiry, .. })
}

fn names(blob: &[u8]) -> Result<Vec<Vec<u8>>, PackedError> {
    let mut buffer = IntText::new();
    Listpack::new(blob)?.iter().map(|entry| Ok(entry?.value.text(&mut buffer).to_vec())).collect()
}

fn halves(id: u128) -> StreamId {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    ((id >> 64) as u64, id as u64)
}

#[cold]
fn bad(start: u64, role: Role, why: impl ToString) -> Error {
    bad_at(start, role.reading(), why)
}

#[cold]
fn bad_at(start: u64, reading: Reading, why: impl ToString) -> Error {
    Error::new(start, start, reading, bad_kind(why))
}

fn bad_kind(why: impl ToString) -> ErrorKind {
    ErrorKind::BadValue(why.to_string())
}
