//! The grammar of RDB: one row for each value type and each opcode, with all that the bytes say by themselves.
//!
//! ```text
//! row     byte, name, family, first version, shape, packing, layout
//! layout  strings with their roles, numbers, counted repetition, choices: `layout.rs`
//! ```
//!
//! Parser, skipper, writer, salvage, statistics and the twin of the check tools derive from the rows what they do. Shapes and
//! packings are matched without a wildcard, so that the compiler names what a new one lacks.
//!
//! Source: the type and opcode tables of Redis 8.10 and Valkey 9.1. Byte 22 means one thing after `REDIS` and another
//! after `VALKEY`, and so does opcode 243: the family decides.

mod frame;
mod layout;
mod opcode;
mod place;
mod role;
mod values;

use std::fmt;

pub(crate) use frame::{Frame, PlainElement};
pub(crate) use layout::{Arm, Attribute, DEEPEST, Kind, Kinds, Numbers, Op, any};
pub(crate) use opcode::{Opcode, dragonfly};
pub(crate) use place::Place;
pub use role::Role;

/// The opcodes: bytes that stand where a record begins and are no value type.
pub mod opcodes {
    pub use super::opcode::bytes::*;
}

/// Which line of servers a file belongs to, by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `REDIS` + 4 digits: every Redis, and Valkey up to 8.1.
    Redis,
    /// `VALKEY` + 3 digits: Valkey 9.0 and later.
    Valkey,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        })
    }
}

/// The newest version with the signature `REDIS` that this build knows (Redis 8.10).
pub const NEWEST_REDIS: u32 = 15;

/// The newest version with the signature `VALKEY` that this build knows (Valkey 9.0 and 9.1).
pub const NEWEST_VALKEY: u32 = 80;

/// In the files of which families a byte has this meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Families {
    Both,
    Redis,
    Valkey,
}

impl Families {
    const fn has(self, family: Family) -> bool {
        match self {
            Self::Both => true,
            Self::Redis => matches!(family, Family::Redis),
            Self::Valkey => matches!(family, Family::Valkey),
        }
    }
}

/// What kind of value a type holds, however it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    String,
    List,
    Set,
    ZSet,
    Hash,
    /// A hash whose fields may expire.
    HashTtl,
    /// A hash whose fields are those of a template.
    HashTemplate,
    Module,
    Stream,
    Array,
}

impl Shape {
    /// Returns what the TYPE command of a server answers.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::ZSet => "zset",
            Self::Hash | Self::HashTtl | Self::HashTemplate => "hash",
            Self::Module => "module",
            Self::Stream => "stream",
            Self::Array => "array",
        }
    }

    /// Returns the number that servers have for the kind of value. That of arrays, which no server here has, follows.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::String => 0,
            Self::List => 1,
            Self::Set => 2,
            Self::ZSet => 3,
            Self::Hash | Self::HashTtl | Self::HashTemplate => 4,
            Self::Module => 5,
            Self::Stream => 6,
            Self::Array => 7,
        }
    }
}

/// How elements are packed into one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Fields and values.
    Zipmap,
    /// Numbers.
    Intset,
    Ziplist(Tuple),
    Listpack(Tuple),
}

/// What the entries of a ziplist or listpack are, in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tuple {
    /// An element of a list.
    Item,
    /// A member of a set.
    Member,
    /// Member and score.
    Scored,
    /// Field and value.
    Pair,
    /// Field, value, expiry: 0 is none.
    Triple,
}

impl Tuple {
    /// Returns how many entries make one element.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Item | Self::Member => 1,
            Self::Scored | Self::Pair => 2,
            Self::Triple => 3,
        }
    }
}

/// What is known of a value type.
#[derive(Debug, Clone, Copy)]
struct Row {
    byte: u8,
    encoding: &'static str,
    families: Families,
    since: u32,
    shape: Shape,
    /// That of the strings which are packed, where these hold elements.
    packing: Option<Packing>,
    layout: &'static [Op],
    /// The version of the layout, where there are several.
    version: u8,
    frame: Frame,
}

macro_rules! value_types {
    ($($variant:ident = $byte:literal, $encoding:literal, $families:ident, $since:literal, $shape:ident, $packing:expr,
        $layout:ident $(. $version:literal)?, $doc:literal;)*) => {
        /// How a value is laid out in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ValueType {
            $(#[doc = $doc] $variant,)*
        }

        impl ValueType {
            /// Every value type, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const ROWS: &'static [Row] = &[$(Row {
                byte: $byte,
                encoding: $encoding,
                families: Families::$families,
                since: $since,
                shape: Shape::$shape,
                packing: $packing,
                layout: values::$layout,
                version: 0 $(+ $version)?,
                frame: Frame::of(values::$layout),
            },)*];
        }
    };
}

use Packing::{Intset, Listpack, Ziplist, Zipmap};

value_types! {
    String = 0, "string", Both, 1, String, None, STRING, "A string.";
    List = 1, "list", Both, 1, List, None, LIST, "A list as single elements (up to 3.0).";
    Set = 2, "set", Both, 1, Set, None, LIST, "A set as single members.";
    ZSet = 3, "zset", Both, 1, ZSet, None, ZSET, "A sorted set with scores as text (up to 3.2).";
    Hash = 4, "hash", Both, 1, Hash, None, HASH, "A hash as single fields.";
    ZSet2 = 5, "zset-2", Both, 8, ZSet, None, ZSET_2, "A sorted set with binary scores.";
    Module = 6, "module", Both, 8, Module, None, MODULE_1, "A module value without framing (pre-release of 4.0).";
    Module2 = 7, "module-2", Both, 8, Module, None, MODULE, "A module value.";
    HashZipmap = 9, "hash-zipmap", Both, 2, Hash, Some(Zipmap), PACKED, "A hash as one zipmap (2.4).";
    ListZiplist = 10, "list-ziplist", Both, 2, List, Some(Ziplist(Tuple::Item)), PACKED, "A list as one ziplist.";
    SetIntset = 11, "set-intset", Both, 2, Set, Some(Intset), PACKED, "A set as one intset.";
    ZSetZiplist = 12, "zset-ziplist", Both, 2, ZSet, Some(Ziplist(Tuple::Scored)), PACKED, "A sorted set as one ziplist.";
    HashZiplist = 13, "hash-ziplist", Both, 4, Hash, Some(Ziplist(Tuple::Pair)), PACKED, "A hash as one ziplist.";
    ListQuicklist = 14, "list-quicklist", Both, 7, List, Some(Ziplist(Tuple::Item)), QUICKLIST, "A list as ziplist nodes.";
    StreamListpacks = 15, "stream-listpacks", Both, 9, Stream, None, STREAM.1, "A stream, version 1 (5.0 to 6.2).";
    HashListpack = 16, "hash-listpack", Both, 10, Hash, Some(Listpack(Tuple::Pair)), PACKED, "A hash as one listpack.";
    ZSetListpack = 17, "zset-listpack", Both, 10, ZSet, Some(Listpack(Tuple::Scored)), PACKED, "A sorted set as one listpack.";
    ListQuicklist2 = 18, "list-quicklist-2", Both, 10, List, Some(Listpack(Tuple::Item)), QUICKLIST_2, "A list as listpack or plain nodes.";
    StreamListpacks2 = 19, "stream-listpacks-2", Both, 10, Stream, None, STREAM.2, "A stream, version 2 (7.0).";
    SetListpack = 20, "set-listpack", Both, 11, Set, Some(Listpack(Tuple::Member)), PACKED, "A set as one listpack.";
    StreamListpacks3 = 21, "stream-listpacks-3", Both, 11, Stream, None, STREAM.3, "A stream, version 3 (7.2 to 8.4, Valkey).";
    HashMetadataPreGa = 22, "hash-metadata-pre-ga", Redis, 12, HashTtl, None, HASH_PRE_GA, "A hash with field expiry as 7.4 release candidates wrote it.";
    HashListpackExPreGa = 23, "hash-listpack-ex-pre-ga", Redis, 12, HashTtl, Some(Listpack(Tuple::Triple)), PACKED, "A listpack hash with field expiry as 7.4 release candidates wrote it.";
    HashMetadata = 24, "hash-metadata", Redis, 12, HashTtl, None, HASH_METADATA, "A hash with field expiry (Redis 7.4).";
    HashListpackEx = 25, "hash-listpack-ex", Redis, 12, HashTtl, Some(Listpack(Tuple::Triple)), PACKED_EX, "A listpack hash with field expiry (Redis 7.4).";
    StreamListpacks4 = 26, "stream-listpacks-4", Redis, 13, Stream, None, STREAM.4, "A stream, version 4 (Redis 8.6).";
    StreamListpacks5 = 27, "stream-listpacks-5", Redis, 14, Stream, None, STREAM.5, "A stream, version 5 (Redis 8.8).";
    Array = 28, "array", Redis, 14, Array, None, ARRAY, "An array (Redis 8.8).";
    HashTmplLp = 29, "hash-template-listpack", Redis, 15, HashTemplate, None, TEMPLATE_LP, "A template hash with its fields, listpack values (Redis 8.10, DUMP).";
    HashTmplLpRef = 30, "hash-template-listpack-ref", Redis, 15, HashTemplate, None, TEMPLATE_LP_REF, "A template hash by reference, listpack values (Redis 8.10).";
    HashTmplArray = 31, "hash-template-array", Redis, 15, HashTemplate, None, TEMPLATE_ARRAY, "A template hash with its fields, single values (Redis 8.10, DUMP).";
    HashTmplArrayRef = 32, "hash-template-array-ref", Redis, 15, HashTemplate, None, TEMPLATE_ARRAY_REF, "A template hash by reference, single values (Redis 8.10).";
    Hash2 = 22, "hash-2", Valkey, 80, HashTtl, None, HASH_2, "A hash with field expiry (Valkey 9.0, byte 22 after `VALKEY`).";
}

impl ValueType {
    #[inline]
    const fn row(self) -> &'static Row {
        &Self::ROWS[self as usize]
    }

    /// Returns the byte in the file.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.row().byte
    }

    /// Returns what the TYPE command of a server would answer. For module values see [`ModuleId`](super::ModuleId).
    #[must_use]
    pub fn type_name(self) -> &'static str {
        self.row().shape.type_name()
    }

    /// Returns the name of the encoding, as reports use it.
    #[must_use]
    pub fn encoding_name(self) -> &'static str {
        self.row().encoding
    }

    /// Returns the first RDB version whose writers use it.
    #[must_use]
    pub fn min_version(self) -> u32 {
        self.row().since
    }

    /// Returns the value type that a byte stands for in a file of the given family.
    ///
    /// In a `REDIS` file 22 is the release candidates' hash, in a `VALKEY` file it is Valkey's. Types that only servers of the
    /// other family write are known, where the byte has no meaning of its own.
    #[must_use]
    #[inline]
    pub fn from_byte(byte: u8, family: Family) -> Option<Self> {
        match family {
            Family::Redis => Self::IN_REDIS[usize::from(byte)],
            Family::Valkey => Self::IN_VALKEY[usize::from(byte)],
        }
    }

    const IN_REDIS: [Option<Self>; 256] = Self::by_byte(Family::Redis);
    const IN_VALKEY: [Option<Self>; 256] = Self::by_byte(Family::Valkey);

    const fn by_byte(family: Family) -> [Option<Self>; 256] {
        let mut types = [None; 256];
        let mut i = 0;
        while i < Self::ALL.len() {
            let Row { byte, families, .. } = Self::ROWS[i];
            let at = byte as usize;
            // What Redis writes keeps its meaning in a file of Valkey, not the other way round.
            if families.has(family) || matches!(families, Families::Redis) && types[at].is_none() {
                types[at] = Some(Self::ALL[i]);
            }
            i += 1;
        }
        types
    }

    /// Returns whether servers of the family write this type. Valkey 9 refuses the types 22 to 32 of Redis.
    #[must_use]
    pub fn belongs_to(self, family: Family) -> bool {
        self.row().families.has(family)
    }

    /// Returns which version of the stream layout the type has (1 to 5), or `None` if it is no stream.
    #[must_use]
    pub fn stream_version(self) -> Option<u8> {
        (self.shape() == Shape::Stream).then_some(self.row().version)
    }

    /// Returns whether it is a hash of which fields may expire one by one.
    #[must_use]
    pub fn has_field_expiries(self) -> bool {
        self.shape() == Shape::HashTtl
    }

    /// Returns what kind of value it holds.
    #[inline]
    pub(crate) const fn shape(self) -> Shape {
        self.row().shape
    }

    /// Returns how its elements are packed; `None` if they are not, or in a way of their own, as those of streams and
    /// templates.
    #[inline]
    pub(crate) const fn packing(self) -> Option<Packing> {
        self.row().packing
    }

    /// Returns what follows the key.
    #[inline]
    pub(crate) const fn layout(self) -> &'static [Op] {
        self.row().layout
    }

    /// Returns whether its fields are those of a template that is a record of its own.
    pub(crate) fn needs_template(self) -> bool {
        self.shape() == Shape::HashTemplate
            && !any(self.layout(), &|op| matches!(op, Op::Switch { on: Numbers::FieldForm, .. }))
    }

    /// Returns where its elements lie.
    #[inline]
    pub(crate) const fn frame(self) -> Frame {
        self.row().frame
    }

    /// For the steps of the layout that depend on a version.
    #[inline]
    pub(crate) const fn layout_version(self) -> u8 {
        self.row().version
    }
}

const _: () = {
    let mut i = 0;
    while i < ValueType::ALL.len() {
        assert!(layout::depth(ValueType::ALL[i].layout()) <= DEEPEST, "make DEEPEST larger");
        i += 1;
    }
};

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoding_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_22_depends_on_the_family() {
        assert_eq!(ValueType::from_byte(22, Family::Redis), Some(ValueType::HashMetadataPreGa));
        assert_eq!(ValueType::from_byte(22, Family::Valkey), Some(ValueType::Hash2));
        assert_eq!(ValueType::from_byte(23, Family::Valkey), Some(ValueType::HashListpackExPreGa));
        assert_eq!(ValueType::from_byte(8, Family::Redis), None);
        assert_eq!(ValueType::from_byte(33, Family::Redis), None);
        for t in ValueType::ALL {
            let family = if *t == ValueType::Hash2 { Family::Valkey } else { Family::Redis };
            assert_eq!(ValueType::from_byte(t.byte(), family), Some(*t));
        }
    }

    /// A new way to lay out elements needs a frame, for the fast ways, the reading of values and what salvage keeps of a part.
    #[test]
    fn every_collection_has_a_frame() {
        for value_type in ValueType::ALL {
            let is_collection = match value_type.shape() {
                Shape::List | Shape::Set | Shape::ZSet | Shape::Hash | Shape::HashTtl => true,
                Shape::String | Shape::HashTemplate | Shape::Module | Shape::Stream | Shape::Array => false,
            };
            assert_eq!(is_collection, !matches!(value_type.frame(), Frame::Mixed | Frame::Text), "{value_type}");
        }
    }

    /// A count beyond the end of the file has to end the walk, so that a loop reads at least a byte each time.
    #[test]
    fn every_body_reads_something() {
        fn reads(ops: &[Op]) -> bool {
            ops.iter().any(|op| match op {
                Op::Numbers(numbers) | Op::Many(numbers, _) | Op::Switch { on: numbers, .. } => {
                    !numbers.kinds().first.is_empty()
                }
                Op::Str(_) | Op::Names(_) | Op::ScoreText | Op::Module => true,
                Op::PerName(_) | Op::Since(..) => false,
            })
        }
        for value_type in ValueType::ALL {
            let empty = |op| matches!(op, Op::Many(_, body) | Op::PerName(body) if !reads(body));
            assert!(!any(value_type.layout(), &empty), "{value_type}");
        }
    }
}
