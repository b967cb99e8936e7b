//! From events to numbers.

use std::collections::BTreeMap;

use crate::lzf::Room;
use crate::rdb::packed::{Intset, Listpack, Ziplist, Zipmap};
use crate::rdb::{Body, Event, ModuleItem, Packing, Payload, RdbString, Record, Role, Shape, ValueType};
use crate::report::finding::Finding;
use crate::report::stats::estimate::Weight;
use crate::report::stats::histogram::Table;
use crate::report::stats::histogram::{LargeKey, Largest};
use crate::report::stats::{Estimate, Stats, StatsOptions, TypeStats};
use crate::verify::value::vectorset::is_vectorset;

/// Databases that are told apart.
const MOST_DATABASES: usize = 64;

/// Numbers under way.
#[derive(Debug)]
pub(crate) struct Collect {
    databases: BTreeMap<u64, BTreeMap<&'static str, TypeStats>>,
    largest: Largest,
    prefixes: Table,
    estimate: Estimate,
    now_ms: Option<i64>,
    /// Packed values larger than this, decoded, are not looked into.
    longest: usize,
    key: Option<Key>,
    name: Vec<u8>,
}

/// The key whose record is being read.
#[derive(Debug)]
struct Key {
    start: u64,
    value_type: ValueType,
    expires: bool,
    expired: bool,
    elements: u64,
    /// Bytes of text, decoded.
    text: u64,
    /// Elements that a server allocates one by one.
    loose: u64,
    scores: u64,
    /// How many items of a vector set were met, if it is one.
    vector_items: Option<u64>,
}

impl Collect {
    pub(crate) fn new(options: StatsOptions, now_ms: Option<i64>, longest: usize) -> Self {
        Self {
            databases: BTreeMap::new(),
            largest: Largest::new(options.largest),
            prefixes: Table::new(options.prefixes),
            estimate: Estimate::default(),
            now_ms,
            longest,
            key: None,
            name: Vec::new(),
        }
    }

    /// Takes an event of that database.
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, db: u64, room: &mut Room) {
        match &event.payload {
            Payload::Record(record) if is_zeros(event, record) => {}
            Payload::Record(record) => self.record(event.start, record),
            Payload::Str { role, string } => self.string(*role, string, room),
            Payload::Piece { role: Role::Key, bytes, .. } => {
                let room = Finding::LONGEST_KEY.saturating_sub(self.name.len());
                self.name.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            payload => {
                if let Some(key) = &mut self.key {
                    key.number(payload);
                }
            }
        }
        if event.ends_record
            && let Some(key) = self.key.take()
        {
            self.end(&key, event.end, db);
        }
    }

    fn record(&mut self, start: u64, record: &Record<&[u8]>) {
        let Record { attributes, value_type, key, value, .. } = record;
        self.name.clear();
        if let Ok(name) = key.decode() {
            self.name.extend_from_slice(&name[..name.len().min(Finding::LONGEST_KEY)]);
        }
        let expired = match (attributes.expire, self.now_ms) {
            (Some(expire), Some(now)) => expire.ms < now && expire.ms != -1,
            _ => false,
        };
        let expires = attributes.expire.is_some();
        let text = key.text_len().saturating_add(value.as_ref().map_or(0, RdbString::text_len));
        let value_type = *value_type;
        self.key = Some(Key {
            start,
            value_type,
            expires,
            expired,
            elements: 0,
            text,
            loose: 0,
            scores: 0,
            vector_items: None,
        });
    }

    fn string(&mut self, role: Role, string: &RdbString<&[u8]>, room: &mut Room) {
        let Some(key) = &mut self.key else { return };
        key.text = key.text.saturating_add(string.text_len());
        match role {
            Role::Packed | Role::ListNode | Role::TemplateValues => {
                let packed = opened(string, room, self.longest);
                key.elements += packed.map_or(0, |blob| elements(key.value_type, role, blob));
            }
            Role::PlainNode => key.elements += 1,
            // A template hash names its fields elsewhere.
            Role::FieldValue if key.value_type.shape() == Shape::HashTemplate => {
                key.elements += 1;
                key.loose += 1;
            }
            Role::Item | Role::Member | Role::Field => {
                key.elements += 1;
                key.loose += 1;
            }
            // The elements of arrays, streams and vector sets are counted by their numbers.
            Role::ArrayShort
            | Role::ArrayLong
            | Role::StreamNode
            | Role::NodeId
            | Role::Group
            | Role::Pending
            | Role::Consumer
            | Role::ConsumerPending
            | Role::Nacked
            | Role::Producer
            | Role::ProducerEntry
            | Role::ModuleString => {}
            Role::Key | Role::Value | Role::FieldValue | Role::TemplateField | Role::TemplateFields => {}
            Role::AuxName
            | Role::AuxValue
            | Role::FunctionCode
            | Role::FunctionName
            | Role::FunctionEngine
            | Role::FunctionDescription
            | Role::SlotImportJob => {}
        }
    }

    fn end(&mut self, key: &Key, end: u64, db: u64) {
        let bytes = end.saturating_sub(key.start);
        let db = match self.databases.contains_key(&db) || self.databases.len() < MOST_DATABASES {
            true => db,
            false => self.databases.last_key_value().map_or(db, |(last, _)| *last),
        };
        let (name, value_type) = (&self.name, key.value_type);
        let type_name = if key.vector_items.is_some() { "vectorset" } else { value_type.type_name() };
        let stats = self.databases.entry(db).or_default().entry(type_name).or_default();
        stats.keys += 1;
        stats.expires += u64::from(key.expires);
        stats.expired += u64::from(key.expired);
        stats.sizes.add(bytes);
        if value_type != ValueType::String {
            stats.elements.add(key.elements);
        }
        self.prefixes.add(name, bytes);
        self.largest.add(bytes, key.start, || LargeKey {
            db,
            key: name.clone(),
            value_type: type_name,
            encoding: value_type.encoding_name(),
            bytes,
            elements: key.elements,
            offset: key.start,
        });
        let Key { text, expires, loose, scores, .. } = *key;
        self.estimate.add(Weight { text, expires, loose, scores, stored: bytes });
    }

    pub(crate) fn into_stats(self) -> Stats {
        Stats {
            databases: self.databases,
            largest: self.largest.into_keys(),
            prefixes: self.prefixes.into_prefixes(),
            estimate: self.estimate,
        }
    }
}

impl Key {
    /// A number of the value.
    fn number(&mut self, payload: &Payload<&[u8]>) {
        match payload {
            Payload::Stream(info) => self.elements = info.length,
            Payload::ArrayElement { .. } => {
                self.elements += 1;
                self.loose += 1;
            }
            Payload::Module(id) => self.vector_items = is_vectorset(*id).then_some(0),
            // The second number of a vector set counts its elements.
            Payload::Item(item) => {
                let Some(items) = &mut self.vector_items else { return };
                *items += 1;
                if let (2, ModuleItem::Unsigned(elements)) = (*items, item) {
                    self.elements = *elements;
                }
            }
            // A score is eight bytes in a server, whatever it is in the file.
            Payload::Score(_) => {
                self.text = self.text.saturating_add(8);
                self.scores += 1;
            }
            _ => {}
        }
    }
}

/// Three zero bytes are an empty string under an empty name, but in truth part of a hole.
fn is_zeros(event: &Event<&[u8]>, record: &Record<&[u8]>) -> bool {
    event.ends_record && event.end - event.start == 3 && record.value_type == ValueType::String
}

/// Returns the bytes of a packed value, decoded if they are compressed: into the room that the verifier has for that.
fn opened<'a>(string: &RdbString<&'a [u8]>, room: &'a mut Room, longest: usize) -> Option<&'a [u8]> {
    match string.body {
        Body::Raw(bytes) => Some(bytes),
        Body::Lzf { data, decoded: size } => {
            usize::try_from(size).ok().filter(|size| *size <= longest)?;
            room.inflate(data, size).ok()
        }
        Body::Int(_) | Body::Long { .. } => None,
    }
}

/// Returns how many elements a packed value has, by its header, or by a walk where the header cannot hold the number.
fn elements(value_type: ValueType, role: Role, blob: &[u8]) -> u64 {
    let listpack = || {
        let list = Listpack::with_any_header(blob).ok()?;
        Some(list.stated_len().map_or_else(|| list.iter().map_while(Result::ok).count() as u64, u64::from))
    };
    let ziplist = || {
        let list = Ziplist::with_any_header(blob).ok()?;
        Some(list.stated_len().map_or_else(|| list.iter().map_while(Result::ok).count() as u64, u64::from))
    };
    let zipmap = || {
        let map = Zipmap::new(blob).ok()?;
        Some(map.stated_len().map_or_else(|| map.iter().map_while(Result::ok).count() as u64, u64::from))
    };
    // The number of the template comes before the values.
    if role == Role::TemplateValues {
        return listpack().unwrap_or(0).saturating_sub(1);
    }
    let (entries, each) = match value_type.packing() {
        Some(Packing::Ziplist(tuple)) => (ziplist(), tuple.len()),
        Some(Packing::Listpack(tuple)) => (listpack(), tuple.len()),
        Some(Packing::Zipmap) => (zipmap(), 1),
        Some(Packing::Intset) => (Intset::new(blob).ok().map(|set| set.len() as u64), 1),
        None => (None, 1),
    };
    entries.unwrap_or(0) / each as u64
}
