//! From events to numbers.

use std::collections::BTreeMap;

use crate::lzf::Room;
use crate::rdb::packed::{Intset, Listpack, Ziplist, Zipmap, canonical_int};
use crate::rdb::{Attributes, Body, Event, ModuleItem, Packing, Payload, RdbString, Record, Role, Shape, ValueType};
use crate::report::finding::Finding;
use crate::report::stats::estimate::Weight;
use crate::report::stats::histogram::{LargeKey, Largest};
use crate::report::stats::memory::Held;
use crate::report::stats::prefixes::Table;
use crate::report::stats::{Estimate, Stats, StatsOptions, TypeStats};
use crate::verify::value::vectorset::is_vectorset;

/// Databases that are told apart.
const MOST_DATABASES: usize = 64;

/// Numbers under way.
#[derive(Debug)]
pub(crate) struct Collect {
    options: StatsOptions,
    sums: Sums,
    now_ms: Option<i64>,
    /// Packed values larger than this, decoded, are not looked into.
    longest: usize,
    key: Option<Key>,
    name: Vec<u8>,
    zeros: Zeros,
}

/// The numbers of a part of the file.
#[derive(Debug)]
pub(crate) struct Sums {
    databases: Databases,
    largest: Largest,
    prefixes: Table,
    estimate: Estimate,
}

type Types = BTreeMap<&'static str, TypeStats>;

/// The databases of the lowest numbers, and what all others have.
#[derive(Debug, Default)]
struct Databases {
    lowest: BTreeMap<u64, Types>,
    beyond: Types,
}

/// The key whose record is being read.
#[derive(Debug)]
struct Key {
    start: u64,
    db: u64,
    value_type: ValueType,
    attributes: Attributes,
    elements: u64,
    /// Bytes of text, decoded.
    text: u64,
    /// Elements that a server allocates one by one.
    loose: u64,
    scores: u64,
    name_len: u64,
    /// What it takes in a server.
    held: Held,
    /// How many items of a vector set were met, if it is one.
    vector_items: Option<u64>,
}

/// Records of three zero bytes: one alone is an empty string under an empty name, several in a row are a hole in the file.
#[derive(Debug, Default)]
struct Zeros {
    /// Behind the last one.
    end: u64,
    /// One that may be a key.
    alone: Option<Key>,
}

impl Collect {
    pub(crate) fn new(options: &StatsOptions, now_ms: Option<i64>, longest: usize) -> Self {
        Self {
            sums: Sums::new(options),
            options: options.clone(),
            now_ms,
            longest,
            key: None,
            name: Vec::new(),
            zeros: Zeros::default(),
        }
    }

    /// Takes an event of that database.
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, db: u64, room: &mut Room) {
        match &event.payload {
            Payload::Record(record) if is_zeros(event, record) => {
                let goes_on = self.zeros.end == event.start;
                self.zeros.end = event.end;
                if goes_on {
                    self.zeros.alone = None;
                    self.key = None;
                    return;
                }
                self.count_zeros();
                self.record(event.start, db, record);
                self.zeros.alone = self.key.take();
            }
            Payload::Record(record) => {
                self.count_zeros();
                self.record(event.start, db, record);
            }
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
            self.end(&key, event.end);
        }
    }

    /// Counts a record of zeros that turned out to be alone.
    fn count_zeros(&mut self) {
        if let Some(key) = self.zeros.alone.take() {
            self.name.clear();
            self.end(&key, key.start + ZEROS);
        }
    }

    fn record(&mut self, start: u64, db: u64, record: &Record<&[u8]>) {
        let Record { attributes, value_type, key, value, .. } = record;
        self.name.clear();
        if let Ok(name) = key.decode() {
            self.name.extend_from_slice(&name[..name.len().min(Finding::LONGEST_KEY)]);
        }
        let mut held = Held::new(self.options.memory);
        if let Some(value) = value {
            held.string(value.text_len(), number(value).is_some());
        }
        self.key = Some(Key {
            start,
            db,
            value_type: *value_type,
            attributes: *attributes,
            elements: 0,
            text: key.text_len().saturating_add(value.as_ref().map_or(0, RdbString::text_len)),
            loose: 0,
            scores: 0,
            name_len: key.text_len(),
            held,
            vector_items: None,
        });
    }

    fn string(&mut self, role: Role, string: &RdbString<&[u8]>, room: &mut Room) {
        let Some(key) = &mut self.key else { return };
        let len = string.text_len();
        key.text = key.text.saturating_add(len);
        match (role, key.value_type.shape()) {
            (Role::Item, Shape::Set) => key.held.member(len, number(string)),
            (Role::Item | Role::PlainNode, _) => key.held.item(len),
            (Role::Member, _) => key.held.scored(len),
            (Role::Field, _) => key.held.field(len),
            (Role::FieldValue, _) => key.held.field_value(len),
            (Role::Packed | Role::ListNode | Role::StreamNode | Role::TemplateValues, _) => key.held.blob(len),
            (Role::NodeId, _) => {
                if let Body::Raw(id) = string.body {
                    key.held.stream_node(id);
                }
            }
            (Role::Consumer, _) => key.held.consumer(),
            _ => {}
        }
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

    fn end(&mut self, key: &Key, end: u64) {
        let bytes = end.saturating_sub(key.start);
        let (name, value_type, attributes) = (&self.name, key.value_type, &key.attributes);
        let type_name = if key.vector_items.is_some() { "vectorset" } else { value_type.type_name() };
        let sums = &mut self.sums;
        let stats = sums.databases.of(key.db).entry(type_name).or_default();
        stats.keys += 1;
        stats.sizes.add(bytes);
        if value_type != ValueType::String {
            stats.elements.add(key.elements);
        }
        if let Some(expire) = attributes.expire {
            stats.expires += 1;
            match self.now_ms {
                // Servers do not agree whether such a key expires.
                _ if expire.ms == -1 => {}
                Some(now) if expire.ms < now => stats.expired += 1,
                Some(now) => stats.ttls.add(expire.ms.abs_diff(now) / 1000),
                None => {}
            }
        }
        attributes.idle.into_iter().for_each(|seconds| stats.idle.add(seconds));
        attributes.freq.into_iter().for_each(|freq| stats.frequencies.add(freq.into()));
        let memory = match key.vector_items {
            Some(_) => None,
            None => key.held.memory(value_type, key.name_len, attributes.expire.is_some(), key.elements),
        };
        stats.memory = stats.memory.saturating_add(memory.unwrap_or(0));
        sums.prefixes.add(name, bytes);
        sums.largest.add(bytes, key.start, || LargeKey {
            db: key.db,
            key: name.clone(),
            value_type: type_name,
            encoding: value_type.encoding_name(),
            bytes,
            elements: key.elements,
            offset: key.start,
            memory,
        });
        let Key { text, loose, scores, .. } = *key;
        let expires = attributes.expire.is_some();
        sums.estimate.add(Weight { text, expires, loose, scores, stored: bytes });
    }

    /// Returns the numbers since the last time.
    pub(crate) fn take(&mut self) -> Sums {
        self.count_zeros();
        (self.key, self.zeros) = (None, Zeros::default());
        std::mem::replace(&mut self.sums, Sums::new(&self.options))
    }

    /// Adds those of another part of the file.
    pub(crate) fn absorb(&mut self, other: Sums) {
        let Sums { databases, largest, prefixes, estimate } = other;
        self.sums.databases.merge(databases);
        self.sums.largest.merge(largest);
        self.sums.prefixes.merge(prefixes);
        self.sums.estimate.merge(&estimate);
    }

    pub(crate) fn into_stats(mut self) -> Stats {
        let Sums { databases, largest, prefixes, estimate } = self.take();
        Stats {
            databases: databases.into_map(),
            largest: largest.into_keys(),
            prefixes: prefixes.into_prefixes(),
            estimate,
            memory: self.options.memory,
        }
    }
}

impl Sums {
    fn new(options: &StatsOptions) -> Self {
        Self {
            databases: Databases::default(),
            largest: Largest::new(options.largest),
            prefixes: Table::new(&options.separators, options.depth, options.prefixes),
            estimate: Estimate::default(),
        }
    }
}

impl Databases {
    fn of(&mut self, db: u64) -> &mut Types {
        if self.lowest.len() >= MOST_DATABASES && !self.lowest.contains_key(&db) {
            match self.lowest.last_entry() {
                Some(last) if db < *last.key() => add(&mut self.beyond, last.remove()),
                _ => return &mut self.beyond,
            }
        }
        self.lowest.entry(db).or_default()
    }

    fn merge(&mut self, other: Self) {
        other.lowest.into_iter().for_each(|(db, types)| add(self.of(db), types));
        add(&mut self.beyond, other.beyond);
    }

    fn into_map(mut self) -> BTreeMap<u64, Types> {
        if let Some(mut last) = self.lowest.last_entry() {
            add(last.get_mut(), self.beyond);
        }
        self.lowest
    }
}

fn add(types: &mut Types, other: Types) {
    for (name, of) in other {
        types.entry(name).or_default().merge(&of);
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
            Payload::FieldExpiry { raw } if ![0, u64::MAX].contains(raw) => self.held.field_expiry(),
            Payload::Group { .. } => self.held.group(),
            Payload::Pending { id, .. } => self.held.pending(*id),
            Payload::Id { of: Role::ConsumerPending, id } => self.held.owned(*id),
            // A score is eight bytes in a server, whatever it is in the file.
            Payload::Score(_) => {
                self.text = self.text.saturating_add(8);
                self.scores += 1;
            }
            _ => {}
        }
    }
}

/// Returns the number that a string is stored as in a server.
fn number(string: &RdbString<&[u8]>) -> Option<i64> {
    match string.body {
        Body::Int(number) => Some(number.into()),
        Body::Raw(text) if text.len() <= 20 => canonical_int(text),
        Body::Raw(_) | Body::Lzf { .. } | Body::Long { .. } => None,
    }
}

/// How long a record of zeros is.
const ZEROS: u64 = 3;

/// Returns whether a record is an empty string under an empty name, in its shortest form.
fn is_zeros(event: &Event<&[u8]>, record: &Record<&[u8]>) -> bool {
    event.ends_record && event.end - event.start == ZEROS && record.value_type == ValueType::String
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
