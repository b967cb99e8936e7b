//! What values hold: their elements one by one, or all of them together.
//!
//! A value is stored in one of several layouts, which say the same in different ways: a hash is fields and values whether
//! it lies there as a table, a ziplist or a listpack. [`Element`] is what it says. [`Keys`](super::Keys) hands out keys,
//! and [`Key::for_each`](super::Key::for_each) their elements, one at a time, whatever their number;
//! [`Key::value`](super::Key::value) makes one [`Value`] of them.
//!
//! Nothing is judged here. Where a value cannot be read the answer is an error; what a server would say about elements that
//! occur twice or are out of order is for [`verify`](crate::verify) to tell.

mod decode;
mod entry;
mod packed;

use super::grammar::{Shape, ValueType};
use super::payload::{ModuleId, ModuleItem, StreamInfo};

pub(crate) use decode::{Decoder, Head, Part};
pub use entry::EntryFields;

/// The id of a stream's entry: milliseconds and sequence number.
pub type StreamId = (u64, u64);

/// One thing that a value holds.
///
/// The elements of a stream come in this order: entries, then [`Element::Stream`], then each group with its pending entries
/// and its consumers with theirs, then the idempotent producers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Element<'a> {
    /// The whole value of a string key.
    Text(&'a [u8]),
    /// An element of a list.
    Item(&'a [u8]),
    /// A member of a set.
    Member(&'a [u8]),
    /// A member of a sorted set.
    Scored {
        /// The member.
        member: &'a [u8],
        /// Its score.
        score: f64,
    },
    /// A field of a hash.
    Field {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
        /// When it expires, in milliseconds since the epoch.
        expires_ms: Option<i64>,
    },
    /// An entry of a stream that is not deleted.
    Entry {
        /// Its id.
        id: StreamId,
        /// Its fields and their values.
        fields: EntryFields<'a>,
    },
    /// The numbers of a stream, after its entries.
    Stream(StreamInfo),
    /// A consumer group.
    Group {
        /// Its name.
        name: &'a [u8],
        /// The last id that was delivered to it.
        last_id: StreamId,
        /// How many entries it read, if that is stored; `u64::MAX` is unknown.
        entries_read: Option<u64>,
    },
    /// An entry that was delivered to a consumer of the group before, and not acknowledged.
    Pending {
        /// Its id.
        id: StreamId,
        /// When it was delivered, in milliseconds since the epoch.
        time: i64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A consumer of the group before.
    Consumer {
        /// Its name.
        name: &'a [u8],
        /// When it was last seen, in milliseconds since the epoch.
        seen: i64,
        /// When it last got something, in milliseconds since the epoch, if that is stored; -1 is never.
        active: Option<i64>,
    },
    /// A pending entry of the group that belongs to the consumer before.
    Owned {
        /// Its id.
        id: StreamId,
    },
    /// A pending entry of the group that was given back (Redis 8.8).
    Nacked {
        /// Its id.
        id: StreamId,
    },
    /// An id by which a producer of a stream keeps itself from adding an entry twice (Redis 8.6).
    ProducerEntry {
        /// The name of the producer.
        producer: &'a [u8],
        /// The id that the producer gave.
        iid: &'a [u8],
        /// The entry that it stands for.
        id: StreamId,
    },
    /// An element of an array (Redis 8.8).
    Slot {
        /// Its index.
        index: u64,
        /// What it holds.
        value: SlotValue<'a>,
    },
    /// The module type of the value; what the module wrote follows.
    Module(ModuleId),
    /// A number that a module wrote.
    ModuleItem(ModuleItem),
    /// A string that a module wrote.
    ModuleString(&'a [u8]),
}

/// What an element of an array holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SlotValue<'a> {
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(&'a [u8]),
}

/// A value, with all that it holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A string.
    String(Vec<u8>),
    /// The elements of a list, first to last.
    List(Vec<Vec<u8>>),
    /// The members of a set, as they are stored.
    Set(Vec<Vec<u8>>),
    /// The fields of a hash, as they are stored.
    Hash(Vec<HashField>),
    /// The members of a sorted set and their scores, as they are stored.
    ZSet(Vec<(Vec<u8>, f64)>),
    /// A stream.
    Stream(Box<Stream>),
    /// The elements of an array, by their indexes.
    Array(Vec<(u64, ArrayItem)>),
    /// The value of a module.
    Module {
        /// Its type.
        id: ModuleId,
        /// What the module wrote.
        items: Vec<ModuleData>,
    },
}

/// A field of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashField {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// When it expires, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
}

/// What an element of an array holds.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayItem {
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(Vec<u8>),
}

/// Something that a module wrote.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleData {
    /// A number.
    Number(ModuleItem),
    /// A string.
    Text(Vec<u8>),
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stream {
    /// Its entries.
    pub entries: Vec<StreamEntry>,
    /// Its numbers.
    pub info: Option<StreamInfo>,
    /// Its consumer groups.
    pub groups: Vec<Group>,
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its id.
    pub id: StreamId,
    /// Its fields and their values, in order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Vec<u8>,
    /// The last id that was delivered to it.
    pub last_id: StreamId,
    /// How many entries it read, if that is stored; `u64::MAX` is unknown.
    pub entries_read: Option<u64>,
    /// What was delivered and not acknowledged: id, time in milliseconds, how often.
    pub pending: Vec<(StreamId, i64, u64)>,
    /// Its consumers.
    pub consumers: Vec<Consumer>,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: Vec<u8>,
    /// When it was last seen, in milliseconds since the epoch.
    pub seen: i64,
    /// When it last got something, in milliseconds since the epoch, if that is stored; -1 is never.
    pub active: Option<i64>,
    /// The ids of its pending entries.
    pub pending: Vec<StreamId>,
}

impl Value {
    /// Returns a value of that type without any element, to be filled by [`push`](Self::push).
    pub(crate) fn empty(value_type: ValueType) -> Self {
        match value_type.shape() {
            Shape::String => Self::String(Vec::new()),
            Shape::List => Self::List(Vec::new()),
            Shape::Set => Self::Set(Vec::new()),
            Shape::ZSet => Self::ZSet(Vec::new()),
            Shape::Hash | Shape::HashTtl | Shape::HashTemplate => Self::Hash(Vec::new()),
            Shape::Module => Self::Module { id: ModuleId(0), items: Vec::new() },
            Shape::Stream => Self::Stream(Box::default()),
            Shape::Array => Self::Array(Vec::new()),
        }
    }

    /// Takes one more element. One of another type is passed over; the decoder makes none.
    pub(crate) fn push(&mut self, element: &Element<'_>) {
        match (self, element) {
            (Self::String(text), Element::Text(bytes)) => *text = bytes.to_vec(),
            (Self::List(items), Element::Item(item)) => items.push(item.to_vec()),
            (Self::Set(members), Element::Member(member)) => members.push(member.to_vec()),
            (Self::ZSet(members), Element::Scored { member, score }) => members.push((member.to_vec(), *score)),
            (Self::Hash(fields), Element::Field { name, value, expires_ms }) => {
                fields.push(HashField { name: name.to_vec(), value: value.to_vec(), expires_ms: *expires_ms });
            }
            (Self::Array(slots), Element::Slot { index, value }) => slots.push((*index, (*value).into())),
            (Self::Module { id, .. }, Element::Module(module)) => *id = *module,
            (Self::Module { items, .. }, Element::ModuleItem(item)) => items.push(ModuleData::Number(*item)),
            (Self::Module { items, .. }, Element::ModuleString(text)) => items.push(ModuleData::Text(text.to_vec())),
            (Self::Stream(stream), element) => stream.push(element),
            _ => {}
        }
    }
}

impl Element<'_> {
    /// Returns whether it counts as an element of its value, as XLEN, HLEN and their like count.
    pub(crate) fn is_counted(&self) -> bool {
        match self {
            Self::Text(_)
            | Self::Item(_)
            | Self::Member(_)
            | Self::Scored { .. }
            | Self::Field { .. }
            | Self::Entry { .. }
            | Self::Slot { .. }
            // The value of a module is one thing.
            | Self::Module(_) => true,
            Self::Stream(_)
            | Self::Group { .. }
            | Self::Pending { .. }
            | Self::Consumer { .. }
            | Self::Owned { .. }
            | Self::Nacked { .. }
            | Self::ProducerEntry { .. }
            | Self::ModuleItem(_)
            | Self::ModuleString(_) => false,
        }
    }

    /// About how many bytes it takes to hold it.
    pub(crate) fn weight(&self) -> u64 {
        let texts = match self {
            Self::Text(text) | Self::Item(text) | Self::Member(text) | Self::ModuleString(text) => text.len(),
            Self::Scored { member, .. } => member.len(),
            Self::Field { name, value, .. } => name.len().saturating_add(value.len()),
            Self::Entry { fields, .. } => fields.clone().fold(0, |sum: usize, (name, value)| {
                sum.saturating_add(name.text_len()).saturating_add(value.text_len()).saturating_add(48)
            }),
            Self::Group { name, .. } | Self::Consumer { name, .. } => name.len(),
            Self::ProducerEntry { producer, iid, .. } => producer.len().saturating_add(iid.len()),
            Self::Slot { value: SlotValue::Text(text), .. } => text.len(),
            Self::Slot { .. }
            | Self::Stream(_)
            | Self::Pending { .. }
            | Self::Owned { .. }
            | Self::Nacked { .. }
            | Self::Module(_)
            | Self::ModuleItem(_) => 0,
        };
        // The vectors that hold it have heads of their own.
        (texts as u64).saturating_add(48)
    }
}

impl From<SlotValue<'_>> for ArrayItem {
    fn from(value: SlotValue<'_>) -> Self {
        match value {
            SlotValue::Int(number) => Self::Int(number),
            SlotValue::Float(number) => Self::Float(number),
            SlotValue::Text(text) => Self::Text(text.to_vec()),
        }
    }
}

impl Stream {
    fn push(&mut self, element: &Element<'_>) {
        match element {
            Element::Entry { id, fields } => self.entries.push(StreamEntry { id: *id, fields: fields.to_vec() }),
            Element::Stream(info) => self.info = Some(*info),
            Element::Group { name, last_id, entries_read } => self.groups.push(Group {
                name: name.to_vec(),
                last_id: *last_id,
                entries_read: *entries_read,
                pending: Vec::new(),
                consumers: Vec::new(),
            }),
            element => {
                if let Some(group) = self.groups.last_mut() {
                    group.push(element);
                }
            }
        }
    }
}

impl Group {
    fn push(&mut self, element: &Element<'_>) {
        match element {
            Element::Pending { id, time, deliveries } => self.pending.push((*id, *time, *deliveries)),
            Element::Consumer { name, seen, active } => {
                self.consumers.push(Consumer {
                    name: name.to_vec(),
                    seen: *seen,
                    active: *active,
                    pending: Vec::new(),
                });
            }
            Element::Owned { id } => self.consumers.iter_mut().last().into_iter().for_each(|c| c.pending.push(*id)),
            _ => {}
        }
    }
}
