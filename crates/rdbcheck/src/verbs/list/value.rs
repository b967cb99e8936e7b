//! Values as JSON and as text.
//!
//! | type | JSON |
//! |---|---|
//! | string | a text |
//! | list, set | an array of texts |
//! | hash | an array of `{field, value, expires_ms}`; the last is left out where there is none |
//! | zset | an array of `{member, score}` |
//! | stream | `{entries: [{id, fields: [[field, value]]}], length, last_id, groups: [{name, last_id, pending, consumers}]}` |
//! | array | an array of `{index, value}` |
//! | module | `{module, items}`: numbers and texts as the module wrote them |
//!
//! A text that is not UTF-8 is `{"base64": "..."}`. A score that is no finite number is a text: `inf`, `-inf`.

use std::io;

use redis_persistence::rdb::{
    ArrayItem, Group, HashField, ModuleData, ModuleItem, Stream, StreamEntry, StreamId, Value,
};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::escape::{base64, json};

/// A value, for a JSON document.
pub(super) struct ValueView<'a>(pub(super) &'a Value);

struct Text<'a>(&'a [u8]);
struct Number(f64);
struct Id(StreamId);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &base64(self.0))?;
        map.end()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_finite() => serializer.serialize_f64(number),
            number => serializer.collect_str(&number),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ms, seq) = self.0;
        serializer.collect_str(&format_args!("{ms}-{seq}"))
    }
}

#[derive(Serialize)]
struct FieldView<'a> {
    field: Text<'a>,
    value: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<i64>,
}

#[derive(Serialize)]
struct MemberView<'a> {
    member: Text<'a>,
    score: Number,
}

#[derive(Serialize)]
struct SlotView<'a> {
    index: u64,
    value: ItemView<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ItemView<'a> {
    Signed(i64),
    Unsigned(u64),
    Float(Number),
    Text(Text<'a>),
}

#[derive(Serialize)]
struct EntryView<'a> {
    id: Id,
    fields: Vec<(Text<'a>, Text<'a>)>,
}

#[derive(Serialize)]
struct GroupView<'a> {
    name: Text<'a>,
    last_id: Id,
    entries_read: Option<u64>,
    pending: Vec<PendingView>,
    consumers: Vec<ConsumerView<'a>>,
}

#[derive(Serialize)]
struct PendingView {
    id: Id,
    time_ms: i64,
    deliveries: u64,
}

#[derive(Serialize)]
struct ConsumerView<'a> {
    name: Text<'a>,
    seen_ms: i64,
    active_ms: Option<i64>,
    pending: Vec<Id>,
}

#[derive(Serialize)]
struct StreamView<'a> {
    entries: Vec<EntryView<'a>>,
    length: Option<u64>,
    last_id: Option<Id>,
    groups: Vec<GroupView<'a>>,
}

#[derive(Serialize)]
struct ModuleView<'a> {
    module: String,
    items: Vec<ItemView<'a>>,
}

impl Serialize for ValueView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) => Text(text).serialize(serializer),
            Value::List(items) | Value::Set(items) => each(serializer, items, |item| Text(item)),
            Value::Hash(fields) => each(serializer, fields, |HashField { name, value, expires_ms }| FieldView {
                field: Text(name),
                value: Text(value),
                expires_ms: *expires_ms,
            }),
            Value::ZSet(members) => {
                each(serializer, members, |(member, score)| MemberView { member: Text(member), score: Number(*score) })
            }
            Value::Array(slots) => {
                each(serializer, slots, |(index, value)| SlotView { index: *index, value: item(value) })
            }
            Value::Stream(stream) => stream_view(stream).serialize(serializer),
            Value::Module { id, items } => {
                ModuleView { module: id.name(), items: items.iter().filter_map(written).collect() }
                    .serialize(serializer)
            }
            // A type that a later version of the library reads.
            other => serializer.collect_str(&format_args!("{other:?}")),
        }
    }
}

fn each<'a, S: Serializer, T, V: Serialize>(
    serializer: S,
    items: &'a [T],
    view: impl Fn(&'a T) -> V,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.len()))?;
    items.iter().try_for_each(|item| sequence.serialize_element(&view(item)))?;
    sequence.end()
}

fn item(value: &ArrayItem) -> ItemView<'_> {
    match value {
        ArrayItem::Int(number) => ItemView::Signed(*number),
        ArrayItem::Float(number) => ItemView::Float(Number(*number)),
        ArrayItem::Text(text) => ItemView::Text(Text(text)),
    }
}

fn written(data: &ModuleData) -> Option<ItemView<'_>> {
    Some(match data {
        ModuleData::Text(text) => ItemView::Text(Text(text)),
        ModuleData::Number(ModuleItem::Signed(number)) => ItemView::Signed(*number),
        ModuleData::Number(ModuleItem::Unsigned(number)) => ItemView::Unsigned(*number),
        ModuleData::Number(ModuleItem::Float(number)) => ItemView::Float(Number(f64::from(*number))),
        ModuleData::Number(ModuleItem::Double(number)) => ItemView::Float(Number(*number)),
        ModuleData::Number(ModuleItem::End) => return None,
    })
}

fn stream_view(stream: &Stream) -> StreamView<'_> {
    StreamView {
        entries: stream
            .entries
            .iter()
            .map(|StreamEntry { id, fields }| EntryView {
                id: Id(*id),
                fields: fields.iter().map(|(name, value)| (Text(name), Text(value))).collect(),
            })
            .collect(),
        length: stream.info.map(|info| info.length),
        last_id: stream.info.map(|info| Id(info.last_id)),
        groups: stream.groups.iter().map(group_view).collect(),
    }
}

fn group_view(group: &Group) -> GroupView<'_> {
    GroupView {
        name: Text(&group.name),
        last_id: Id(group.last_id),
        entries_read: group.entries_read.filter(|read| *read != u64::MAX),
        pending: group
            .pending
            .iter()
            .map(|(id, time_ms, deliveries)| PendingView { id: Id(*id), time_ms: *time_ms, deliveries: *deliveries })
            .collect(),
        consumers: group
            .consumers
            .iter()
            .map(|consumer| ConsumerView {
                name: Text(&consumer.name),
                seen_ms: consumer.seen,
                active_ms: consumer.active,
                pending: consumer.pending.iter().copied().map(Id).collect(),
            })
            .collect(),
    }
}

/// Returns a value as text that a terminal shows as it is: its JSON, escaped.
pub(super) fn text(value: &Value) -> String {
    json(&serde_json::to_string(&ValueView(value)).unwrap_or_default())
}

/// Returns a value for a table: a string as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> io::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.clone()),
        value => Ok(serde_json::to_vec(&ValueView(value))?),
    }
}
