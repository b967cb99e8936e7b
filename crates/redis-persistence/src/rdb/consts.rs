//! The format's own numbers and names.
//!
//! Source: the type and opcode tables of Redis 8.10 and Valkey 9.1. Byte 22 means one thing after `REDIS` and another
//! after `VALKEY`, and so does opcode 243: the family decides.

use std::fmt;

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

/// The opcodes: bytes that stand where a record begins and are no value type.
pub mod opcode {
    /// Hash template (Redis 8.10).
    pub const HASH_TEMPLATE: u8 = 242;
    /// Key metadata (Redis 8.6, in a `REDIS` file).
    pub const KEY_META: u8 = 243;
    /// Slots that are being imported (Valkey 9.0, in a `VALKEY` file).
    pub const SLOT_IMPORT: u8 = 243;
    /// Cluster slot and its key counts (Redis 7.4).
    pub const SLOT_INFO: u8 = 244;
    /// Function library (Redis 7.0).
    pub const FUNCTION2: u8 = 245;
    /// Function library as release candidates of Redis 7.0 wrote it.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module outside of any key.
    pub const MODULE_AUX: u8 = 247;
    /// LRU idle time of the next key, in seconds.
    pub const IDLE: u8 = 248;
    /// LFU counter of the next key.
    pub const FREQ: u8 = 249;
    /// A named fact about the file or its writer.
    pub const AUX: u8 = 250;
    /// How many keys and expiries the database has.
    pub const RESIZEDB: u8 = 251;
    /// Expiry of the next key, in milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// Expiry of the next key, in seconds.
    pub const EXPIRETIME: u8 = 253;
    /// The database that the next keys belong to.
    pub const SELECTDB: u8 = 254;
    /// The end of the records.
    pub const EOF: u8 = 255;

    /// The name of an opcode, or `None` for a byte that is none in a file of this family.
    #[must_use]
    pub fn name(byte: u8, family: super::Family) -> Option<&'static str> {
        Some(match byte {
            HASH_TEMPLATE if family == super::Family::Redis => "HASH_TEMPLATE",
            243 if family == super::Family::Redis => "KEY_META",
            243 => "SLOT_IMPORT",
            SLOT_INFO => "SLOT_INFO",
            FUNCTION2 => "FUNCTION2",
            FUNCTION_PRE_GA => "FUNCTION_PRE_GA",
            MODULE_AUX => "MODULE_AUX",
            IDLE => "IDLE",
            FREQ => "FREQ",
            AUX => "AUX",
            RESIZEDB => "RESIZEDB",
            EXPIRETIME_MS => "EXPIRETIME_MS",
            EXPIRETIME => "EXPIRETIME",
            SELECTDB => "SELECTDB",
            EOF => "EOF",
            _ => return None,
        })
    }

    /// The first RDB version whose writers use the opcode.
    #[must_use]
    pub fn min_version(byte: u8, family: super::Family) -> u32 {
        match byte {
            HASH_TEMPLATE => 15,
            243 if family == super::Family::Valkey => 80,
            243 => 13,
            SLOT_INFO => 12,
            FUNCTION2 | FUNCTION_PRE_GA => 10,
            MODULE_AUX | IDLE | FREQ => 9,
            AUX | RESIZEDB => 7,
            EXPIRETIME_MS => 3,
            _ => 1,
        }
    }
}

/// What Dragonfly writes into an RDB besides the types of Redis.
pub(crate) mod dragonfly {
    /// How its version begins in the AUX field `redis-ver`.
    pub(crate) const VERSION: &str = "df-";

    /// Whether a type is its own, where Redis has or may have another one of that number.
    pub(crate) fn is_own(byte: u8, version: u32) -> bool {
        // Early builds wrote JSON as 20, which Redis took for sets with version 11.
        matches!(byte, 30..=35) || byte == 20 && version < 10
    }

    /// What its own type or opcode holds, as far as that is known.
    pub(crate) fn describe(byte: u8) -> Option<&'static str> {
        Some(match byte {
            20 | 30 => "JSON",
            31 => "a hash with expiries",
            32 => "a set with expiries",
            33 => "a Bloom filter",
            200 => "the end of a full sync",
            201 => "records packed by zstd",
            202 => "records packed by LZ4",
            203 => "the end of packed records",
            210 | 211 => "its journal",
            220 => "marks of a key",
            _ => return None,
        })
    }
}

macro_rules! value_types {
    ($($variant:ident = $byte:literal, $type_name:literal, $encoding:literal, $min:literal, $doc:literal;)*) => {
        /// How a value is laid out in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ValueType {
            $(#[doc = $doc] $variant,)*
        }

        impl ValueType {
            /// Every value type, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The byte in the file.
            #[must_use]
            pub const fn byte(self) -> u8 {
                match self { $(Self::$variant => $byte,)* }
            }

            /// What the TYPE command of a server would answer. For module values see [`ModuleId`](super::ModuleId).
            #[must_use]
            pub fn type_name(self) -> &'static str {
                match self { $(Self::$variant => $type_name,)* }
            }

            /// The name of the encoding, as reports use it.
            #[must_use]
            pub fn encoding_name(self) -> &'static str {
                match self { $(Self::$variant => $encoding,)* }
            }

            /// The first RDB version whose writers use it.
            #[must_use]
            pub fn min_version(self) -> u32 {
                match self { $(Self::$variant => $min,)* }
            }
        }
    };
}

value_types! {
    String = 0, "string", "string", 1, "A string.";
    List = 1, "list", "list", 1, "A list as single elements (up to 3.0).";
    Set = 2, "set", "set", 1, "A set as single members.";
    ZSet = 3, "zset", "zset", 1, "A sorted set with scores as text (up to 3.2).";
    Hash = 4, "hash", "hash", 1, "A hash as single fields.";
    ZSet2 = 5, "zset", "zset-2", 8, "A sorted set with binary scores.";
    Module = 6, "module", "module", 8, "A module value without framing (pre-release of 4.0).";
    Module2 = 7, "module", "module-2", 8, "A module value.";
    HashZipmap = 9, "hash", "hash-zipmap", 2, "A hash as one zipmap (2.4).";
    ListZiplist = 10, "list", "list-ziplist", 2, "A list as one ziplist.";
    SetIntset = 11, "set", "set-intset", 2, "A set as one intset.";
    ZSetZiplist = 12, "zset", "zset-ziplist", 2, "A sorted set as one ziplist.";
    HashZiplist = 13, "hash", "hash-ziplist", 4, "A hash as one ziplist.";
    ListQuicklist = 14, "list", "list-quicklist", 7, "A list as ziplist nodes.";
    StreamListpacks = 15, "stream", "stream-listpacks", 9, "A stream, version 1 (5.0 to 6.2).";
    HashListpack = 16, "hash", "hash-listpack", 10, "A hash as one listpack.";
    ZSetListpack = 17, "zset", "zset-listpack", 10, "A sorted set as one listpack.";
    ListQuicklist2 = 18, "list", "list-quicklist-2", 10, "A list as listpack or plain nodes.";
    StreamListpacks2 = 19, "stream", "stream-listpacks-2", 10, "A stream, version 2 (7.0).";
    SetListpack = 20, "set", "set-listpack", 11, "A set as one listpack.";
    StreamListpacks3 = 21, "stream", "stream-listpacks-3", 11, "A stream, version 3 (7.2 to 8.4, Valkey).";
    HashMetadataPreGa = 22, "hash", "hash-metadata-pre-ga", 12, "A hash with field expiry as 7.4 release candidates wrote it.";
    HashListpackExPreGa = 23, "hash", "hash-listpack-ex-pre-ga", 12, "A listpack hash with field expiry as 7.4 release candidates wrote it.";
    HashMetadata = 24, "hash", "hash-metadata", 12, "A hash with field expiry (Redis 7.4).";
    HashListpackEx = 25, "hash", "hash-listpack-ex", 12, "A listpack hash with field expiry (Redis 7.4).";
    StreamListpacks4 = 26, "stream", "stream-listpacks-4", 13, "A stream, version 4 (Redis 8.6).";
    StreamListpacks5 = 27, "stream", "stream-listpacks-5", 14, "A stream, version 5 (Redis 8.8).";
    Array = 28, "array", "array", 14, "An array (Redis 8.8).";
    HashTmplLp = 29, "hash", "hash-template-listpack", 15, "A template hash with its fields, listpack values (Redis 8.10, DUMP).";
    HashTmplLpRef = 30, "hash", "hash-template-listpack-ref", 15, "A template hash by reference, listpack values (Redis 8.10).";
    HashTmplArray = 31, "hash", "hash-template-array", 15, "A template hash with its fields, single values (Redis 8.10, DUMP).";
    HashTmplArrayRef = 32, "hash", "hash-template-array-ref", 15, "A template hash by reference, single values (Redis 8.10).";
    Hash2 = 22, "hash", "hash-2", 80, "A hash with field expiry (Valkey 9.0, byte 22 after `VALKEY`).";
}

impl ValueType {
    /// The value type that a byte stands for in a file of the given family.
    ///
    /// In a `REDIS` file 22 is the release candidates' hash, in a `VALKEY` file it is Valkey's.
    #[must_use]
    pub fn from_byte(byte: u8, family: Family) -> Option<Self> {
        match (byte, family) {
            (22, Family::Valkey) => Some(Self::Hash2),
            _ => Self::BY_BYTE[usize::from(byte)],
        }
    }

    /// The types of the `REDIS` family.
    const BY_BYTE: [Option<Self>; 256] = {
        let mut types = [None; 256];
        let mut i = 0;
        while i < Self::ALL.len() {
            if !matches!(Self::ALL[i], Self::Hash2) {
                types[Self::ALL[i].byte() as usize] = Some(Self::ALL[i]);
            }
            i += 1;
        }
        types
    };

    /// Whether servers of the family write this type. Valkey 9 refuses the types 22 to 32 of Redis.
    #[must_use]
    pub fn belongs_to(self, family: Family) -> bool {
        match family {
            Family::Redis => self != Self::Hash2,
            Family::Valkey => self == Self::Hash2 || self.byte() <= 21,
        }
    }

    /// Which version of the stream layout the type has (1 to 5), or `None` if it is no stream.
    #[must_use]
    pub fn stream_version(self) -> Option<u8> {
        Some(match self {
            Self::StreamListpacks => 1,
            Self::StreamListpacks2 => 2,
            Self::StreamListpacks3 => 3,
            Self::StreamListpacks4 => 4,
            Self::StreamListpacks5 => 5,
            _ => return None,
        })
    }
}

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
        assert_eq!(ValueType::from_byte(8, Family::Redis), None);
        assert_eq!(ValueType::from_byte(33, Family::Redis), None);
        for t in ValueType::ALL {
            let family = if *t == ValueType::Hash2 { Family::Valkey } else { Family::Redis };
            assert_eq!(ValueType::from_byte(t.byte(), family), Some(*t));
        }
    }
}
