//! What the parser hands out.
//!
//! One [`Event`] for each thing in the file. A plain string key with its value is one event; a collection is a
//! [`Record`] event, a [`Payload::Items`] event and one event for each string or number in it. Strings longer than
//! [`Limits::inline_bytes`](crate::Limits::inline_bytes) are announced ([`Body::Long`](super::Body::Long)) and follow
//! in pieces, cut where the input was cut.

mod module;

pub use super::grammar::Role;
pub(crate) use module::{
    BLOOM_TYPES, GRAPH_TYPES, JSON_TYPES, SEARCH_TYPES, TIME_SERIES_TYPES, VALKEY_BLOOM_TYPES, VECTOR_SET,
};
pub use module::{ModuleId, ModuleItem};

use std::borrow::Cow;

use super::grammar::{Family, ValueType};
use super::string::RdbString;
use crate::base::cursor::Quirk;

/// Something that the parser found, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<B> {
    /// The file offset where it begins. A key's [`Record`] begins with its first attribute.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// An oddity in it that no server minds, and its offset.
    pub quirk: Option<(Quirk, u64)>,
    /// Whether the key's record ends with it.
    pub ends_record: bool,
    /// What it is.
    pub payload: Payload<B>,
}

/// The things that a file is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Payload<B> {
    /// Signature and version.
    Header(Header),
    /// A fact about the writer. Without a value the name is long, and the value follows as [`Payload::Str`].
    Aux {
        /// Its name.
        name: RdbString<B>,
        /// Its value.
        value: Option<RdbString<B>>,
    },
    /// The database that the next keys belong to.
    SelectDb {
        /// Its number.
        db: u64,
    },
    /// What the writer says the database holds.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// What the writer says the cluster slot of the next keys holds.
    SlotInfo {
        /// Slot number.
        slot: u64,
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// Valkey: slots being imported. The job's name follows as a string, then the number of ranges, then the ranges.
    SlotImport,
    /// One range of imported slots, both ends included.
    SlotRange {
        /// First slot.
        first: u64,
        /// Last slot.
        last: u64,
    },
    /// A function library; its strings follow.
    Function {
        /// As release candidates of 7.0 wrote it: name, engine, optional description, code.
        pre_ga: bool,
    },
    /// A hash template; the names of its fields follow.
    Template {
        /// The number by which keys refer to it.
        id: u64,
        /// How many names follow.
        fields: u64,
    },
    /// Data of a module outside of any key; its items follow.
    ModuleAux {
        /// Which module.
        module: ModuleId,
        /// Must be 2, the opcode of an unsigned number.
        when_opcode: u64,
        /// 1: before the keys. 2: after them.
        when: u64,
    },
    /// Attributes that something other than a key follows. They stay pending.
    Attributes(Attributes),
    /// Metadata of the next key; so many classes follow.
    KeyMeta {
        /// How many.
        classes: u64,
    },
    /// One class of key metadata; its items follow.
    KeyMetaClass {
        /// Name (24 bits), version (5 bits), flags (3 bits).
        spec: u32,
    },
    /// A key.
    Record(Record<B>),
    /// The count of a collection's elements, or of a list's or stream's nodes, or of anything else that is counted.
    Items {
        /// What is counted.
        of: Role,
        /// How many.
        count: u64,
    },
    /// A string in the place that the role names.
    Str {
        /// Its place.
        role: Role,
        /// The string.
        string: RdbString<B>,
    },
    /// A piece of a long string.
    Piece {
        /// The place of the string.
        role: Role,
        /// The bytes, still compressed if the string is.
        bytes: B,
        /// Whether the string ends with it.
        last: bool,
    },
    /// A sorted set's score, after its member.
    Score(Score<B>),
    /// The smallest expiry of a hash's fields, in milliseconds (types 24 and 25).
    MinExpire {
        /// Milliseconds since the epoch.
        ms: i64,
    },
    /// A field's expiry as it stands in the file: before the field (types 22 and 24), after its value in Valkey's.
    FieldExpiry {
        /// The raw number. Its meaning depends on the type.
        raw: u64,
    },
    /// How the next list node is stored: 1 plain, 2 packed.
    ListNode {
        /// The container number.
        container: u64,
    },
    /// The numbers of a stream after its nodes.
    Stream(StreamInfo),
    /// The position of a consumer group, after its name.
    Group {
        /// The last delivered id.
        last_id: (u64, u64),
        /// From version 2 on: how many entries were read; `u64::MAX` is unknown.
        entries_read: Option<u64>,
    },
    /// An entry of a group's pending-entries list.
    Pending {
        /// Its id.
        id: (u64, u64),
        /// When it was delivered, in milliseconds.
        time: i64,
        /// How often.
        deliveries: u64,
    },
    /// A consumer, after its name.
    Consumer {
        /// When it was last seen, in milliseconds.
        seen: i64,
        /// From version 3 on: when it was last active, or -1.
        active: Option<i64>,
    },
    /// An id that a consumer owns, or that the group's NACK zone holds.
    Id {
        /// [`Role::ConsumerPending`] or [`Role::Nacked`].
        of: Role,
        /// The id.
        id: (u64, u64),
    },
    /// The idempotent-producer settings of a stream.
    Idmp {
        /// Seconds.
        duration: u64,
        /// Entries.
        max_entries: u64,
    },
    /// An id of a producer's entry, after its name.
    IdmpEntry {
        /// The stream id that it maps to.
        id: (u64, u64),
    },
    /// The last two numbers of a stream from version 4 on.
    IdmpTotals {
        /// Ids added.
        added: u64,
        /// Duplicates seen.
        duplicates: u64,
    },
    /// The number of an array's elements and its cursor.
    Array {
        /// How many elements follow.
        count: u64,
        /// Where the next insertion goes, less one.
        cursor: Option<u64>,
    },
    /// An element of an array. A string follows for the tags 0 and 3.
    ArrayElement {
        /// Its index.
        index: u64,
        /// Its kind.
        value: ArrayValue,
    },
    /// How a template hash lists its fields: 0 as a listpack, 1 as strings.
    FieldForm {
        /// The form.
        form: u64,
    },
    /// The template that a hash refers to (type 32).
    TemplateRef {
        /// Its number.
        id: u64,
    },
    /// The module that wrote a value; its items follow.
    Module(ModuleId),
    /// An item of a module's stream that is no string.
    Item(ModuleItem),
    /// The end of the records. Before version 5 the end of the file.
    Eof,
    /// The checksum after the end of the records, from version 5 on.
    Checksum {
        /// What the file states. 0: not computed.
        stored: u64,
    },
}

/// Signature and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// By the signature.
    pub family: Family,
    /// The version, as servers read it: the digits up to the first byte that is none, behind blanks.
    pub version: u32,
    /// Whether all bytes of the version are digits.
    pub well_formed: bool,
    /// The bytes of the version: four after `REDIS`, `0` and three after `VALKEY`.
    pub digits: [u8; 4],
}

/// What the file says about a key besides its type, name and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Where the first of them begins.
    pub start: Option<u64>,
    /// When the key expires.
    pub expire: Option<Expire>,
    /// The first of several expiries, in milliseconds; the one above is the last.
    pub first_expire: Option<i64>,
    /// How long it was idle, in seconds.
    pub idle: Option<u64>,
    /// Its access counter.
    pub freq: Option<u8>,
    /// Whether metadata came with it.
    pub meta: bool,
    /// Whether one of them came twice.
    pub repeated: bool,
    /// Whether another opcode stood between them and the key.
    pub interrupted: bool,
}

impl Attributes {
    /// Takes an expiry; returns whether there was one already.
    pub(super) fn expires_at(&mut self, expire: Expire) -> bool {
        let before = self.expire.replace(expire);
        if let Some(before) = before {
            self.first_expire.get_or_insert(before.ms);
        }
        before.is_some()
    }
}

/// An expiry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expire {
    /// Where its opcode stands.
    pub start: u64,
    /// Milliseconds since the epoch.
    pub ms: i64,
    /// Whether the file states it in seconds.
    pub seconds: bool,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<B> {
    /// What came before it.
    pub attributes: Attributes,
    /// Where its type byte stands.
    pub type_at: u64,
    /// Its type and encoding.
    pub value_type: ValueType,
    /// Its name. If it is long, its pieces follow.
    pub key: RdbString<B>,
    /// The value of a string key, unless the key is long: then it follows as [`Payload::Str`].
    pub value: Option<RdbString<B>>,
}

/// A sorted set's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score<B> {
    /// Eight bytes (type 5).
    Binary(f64),
    /// Decimal text (type 3).
    Text(B),
    /// One of type 3's marks: 253 NaN, 254 infinity, 255 minus infinity.
    Mark(u8),
}

/// The numbers of a stream after its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// How many entries live.
    pub length: u64,
    /// The last id.
    pub last_id: (u64, u64),
    /// From version 2 on.
    pub v2: Option<StreamInfo2>,
}

/// What version 2 of the stream layout added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo2 {
    /// The first living id.
    pub first_id: (u64, u64),
    /// The greatest id that was deleted.
    pub max_deleted: (u64, u64),
    /// How many entries were ever added.
    pub entries_added: u64,
}

/// What an array's element holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArrayValue {
    /// A number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string of at most seven bytes; it follows.
    Short,
    /// A longer string; it follows.
    Long,
}

impl<B> Payload<B> {
    /// Returns the same thing with its bytes held in another way.
    #[inline]
    pub(crate) fn map<C>(self, f: &mut impl FnMut(B) -> C) -> Payload<C> {
        match self {
            Self::Record(r) => Payload::Record(Record {
                attributes: r.attributes,
                type_at: r.type_at,
                value_type: r.value_type,
                key: r.key.map(f),
                value: r.value.map(|v| v.map(f)),
            }),
            Self::Str { role, string } => Payload::Str { role, string: string.map(f) },
            Self::Piece { role, bytes, last } => Payload::Piece { role, bytes: f(bytes), last },
            Self::Aux { name, value } => Payload::Aux { name: name.map(f), value: value.map(|v| v.map(f)) },
            Self::Score(Score::Text(text)) => Payload::Score(Score::Text(f(text))),
            Self::Score(Score::Binary(v)) => Payload::Score(Score::Binary(v)),
            Self::Score(Score::Mark(m)) => Payload::Score(Score::Mark(m)),
            Self::Header(h) => Payload::Header(h),
            Self::SelectDb { db } => Payload::SelectDb { db },
            Self::ResizeDb { keys, expires } => Payload::ResizeDb { keys, expires },
            Self::SlotInfo { slot, keys, expires } => Payload::SlotInfo { slot, keys, expires },
            Self::SlotImport => Payload::SlotImport,
            Self::SlotRange { first, last } => Payload::SlotRange { first, last },
            Self::Function { pre_ga } => Payload::Function { pre_ga },
            Self::Template { id, fields } => Payload::Template { id, fields },
            Self::ModuleAux { module, when_opcode, when } => Payload::ModuleAux { module, when_opcode, when },
            Self::Attributes(a) => Payload::Attributes(a),
            Self::KeyMeta { classes } => Payload::KeyMeta { classes },
            Self::KeyMetaClass { spec } => Payload::KeyMetaClass { spec },
            Self::Items { of, count } => Payload::Items { of, count },
            Self::MinExpire { ms } => Payload::MinExpire { ms },
            Self::FieldExpiry { raw } => Payload::FieldExpiry { raw },
            Self::ListNode { container } => Payload::ListNode { container },
            Self::Stream(info) => Payload::Stream(info),
            Self::Group { last_id, entries_read } => Payload::Group { last_id, entries_read },
            Self::Pending { id, time, deliveries } => Payload::Pending { id, time, deliveries },
            Self::Consumer { seen, active } => Payload::Consumer { seen, active },
            Self::Id { of, id } => Payload::Id { of, id },
            Self::Idmp { duration, max_entries } => Payload::Idmp { duration, max_entries },
            Self::IdmpEntry { id } => Payload::IdmpEntry { id },
            Self::IdmpTotals { added, duplicates } => Payload::IdmpTotals { added, duplicates },
            Self::Array { count, cursor } => Payload::Array { count, cursor },
            Self::ArrayElement { index, value } => Payload::ArrayElement { index, value },
            Self::FieldForm { form } => Payload::FieldForm { form },
            Self::TemplateRef { id } => Payload::TemplateRef { id },
            Self::Module(id) => Payload::Module(id),
            Self::Item(item) => Payload::Item(item),
            Self::Eof => Payload::Eof,
            Self::Checksum { stored } => Payload::Checksum { stored },
        }
    }
}

impl Payload<&[u8]> {
    /// Returns the value of the AUX field of that name, if it is one and its texts can be read.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb;
    ///
    /// let mut values = rdb::events(b"REDIS0011\xfa\x05ctime\x02\x31\x37").filter_map(Result::ok);
    /// let ctime = values.find_map(|event| event.payload.aux_text(b"ctime").map(|text| text.to_vec()));
    /// assert_eq!(ctime.as_deref(), Some(&b"17"[..]));
    /// ```
    #[must_use]
    pub fn aux_text(&self, wanted: &[u8]) -> Option<Cow<'_, [u8]>> {
        let Self::Aux { name, value: Some(value) } = self else { return None };
        name.decode().is_ok_and(|name| *name == *wanted).then(|| value.decode().ok()).flatten()
    }
}

impl<B> Event<B> {
    /// Returns the same event with its bytes held in another way.
    #[inline]
    pub(crate) fn map<C>(self, f: &mut impl FnMut(B) -> C) -> Event<C> {
        Event {
            start: self.start,
            end: self.end,
            quirk: self.quirk,
            ends_record: self.ends_record,
            payload: self.payload.map(f),
        }
    }
}

impl Event<&[u8]> {
    /// Returns the same event with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Event<Vec<u8>> {
        self.map(&mut |bytes| bytes.to_vec())
    }
}
