//! The rows of the opcodes, and what Dragonfly adds to them.

use super::layout::{Arm, Attribute, Numbers, Op};
use super::role::Role;
use super::{Families, Family};

macro_rules! opcodes {
    ($($name:ident $variant:ident = $byte:literal, $families:ident, $since:literal, $layout:expr, $doc:literal;)*) => {
        /// An opcode in a file of one family.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Opcode {
            $($variant,)*
        }

        impl Opcode {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const ROWS: &'static [Row] = &[$(Row {
                byte: $byte,
                name: stringify!($name),
                families: Families::$families,
                since: $since,
                layout: $layout,
            },)*];
        }

        pub mod bytes {
            use super::Opcode;
            use crate::rdb::Family;

            $(#[doc = $doc] pub const $name: u8 = $byte;)*

            /// Returns the name of an opcode, or `None` for a byte that is none in a file of this family.
            #[must_use]
            pub fn name(byte: u8, family: Family) -> Option<&'static str> {
                Opcode::from_byte(byte, family).map(|opcode| opcode.row().name)
            }

            /// Returns the first RDB version whose writers use the opcode.
            #[must_use]
            pub fn min_version(byte: u8, family: Family) -> u32 {
                Opcode::from_byte(byte, family).map_or(1, |opcode| opcode.row().since)
            }
        }
    };
}

/// What is known of an opcode.
#[derive(Debug)]
struct Row {
    byte: u8,
    name: &'static str,
    families: Families,
    since: u32,
    layout: &'static [Op],
}

opcodes! {
    HASH_TEMPLATE HashTemplate = 242, Redis, 15, &[Op::Many(Numbers::Template, &[Op::Str(Role::TemplateField)])],
        "Hash template (Redis 8.10).";
    KEY_META KeyMeta = 243, Redis, 13, &[Op::Many(Numbers::KeyMeta, &[Op::Numbers(Numbers::KeyMetaClass), Op::Module])],
        "Key metadata (Redis 8.6, in a `REDIS` file).";
    SLOT_IMPORT SlotImport = 243, Valkey, 80, SLOT_IMPORT, "Slots that are being imported (Valkey 9.0, in a `VALKEY` file).";
    SLOT_INFO SlotInfo = 244, Both, 12, &[Op::Numbers(Numbers::SlotInfo)], "Cluster slot and its key counts (Redis 7.4).";
    FUNCTION2 Function2 = 245, Both, 10, &[Op::Numbers(Numbers::Function), Op::Str(Role::FunctionCode)],
        "Function library (Redis 7.0).";
    FUNCTION_PRE_GA FunctionPreGa = 246, Both, 10, FUNCTION_PRE_GA,
        "Function library as release candidates of Redis 7.0 wrote it.";
    MODULE_AUX ModuleAux = 247, Both, 9, &[Op::Numbers(Numbers::ModuleAux), Op::Module], "Data of a module outside of any key.";
    IDLE Idle = 248, Both, 9, &[Op::Numbers(Numbers::Attribute(Attribute::Idle))], "LRU idle time of the next key, in seconds.";
    FREQ Freq = 249, Both, 9, &[Op::Numbers(Numbers::Attribute(Attribute::Freq))], "LFU counter of the next key.";
    AUX Aux = 250, Both, 7, &[Op::Str(Role::AuxName), Op::Str(Role::AuxValue)], "A named fact about the file or its writer.";
    RESIZEDB ResizeDb = 251, Both, 7, &[Op::Numbers(Numbers::ResizeDb)], "How many keys and expiries the database has.";
    EXPIRETIME_MS ExpireMs = 252, Both, 3, &[Op::Numbers(Numbers::Attribute(Attribute::ExpireMs))], "Expiry of the next key, in milliseconds.";
    EXPIRETIME Expire = 253, Both, 1, &[Op::Numbers(Numbers::Attribute(Attribute::ExpireSeconds))], "Expiry of the next key, in seconds.";
    SELECTDB SelectDb = 254, Both, 1, &[Op::Numbers(Numbers::SelectDb)], "The database that the next keys belong to.";
    EOF Eof = 255, Both, 1, &[Op::Numbers(Numbers::Eof)], "The end of the records.";
}

const SLOT_IMPORT: &[Op] = &[
    Op::Numbers(Numbers::SlotImport),
    Op::Str(Role::SlotImportJob),
    Op::Many(Numbers::Items(Role::SlotImportJob), &[Op::Numbers(Numbers::SlotRange)]),
];

const FUNCTION_PRE_GA: &[Op] = &[
    Op::Numbers(Numbers::FunctionPreGa),
    Op::Str(Role::FunctionName),
    Op::Str(Role::FunctionEngine),
    Op::Switch {
        on: Numbers::Items(Role::FunctionDescription),
        arms: &[Arm { tag: 0, numbers: &[], then: &[] }],
        otherwise: Some(&[Op::Str(Role::FunctionDescription)]),
    },
    Op::Str(Role::FunctionCode),
];

impl Opcode {
    const fn row(self) -> &'static Row {
        &Self::ROWS[self as usize]
    }

    /// Returns the opcode that a byte stands for in a file of that family.
    #[inline]
    pub(crate) fn from_byte(byte: u8, family: Family) -> Option<Self> {
        // They are the highest bytes, and all of these are some.
        const FIRST: u8 = Opcode::ROWS[0].byte;
        let table = match family {
            Family::Redis => &Self::IN_REDIS,
            Family::Valkey => &Self::IN_VALKEY,
        };
        table[usize::from(byte.checked_sub(FIRST)?)]
    }

    const IN_REDIS: [Option<Self>; 14] = Self::by_byte(Family::Redis);
    const IN_VALKEY: [Option<Self>; 14] = Self::by_byte(Family::Valkey);

    const fn by_byte(family: Family) -> [Option<Self>; 14] {
        let mut opcodes = [None; 14];
        let mut i = 0;
        while i < Self::ALL.len() {
            if Self::ROWS[i].families.has(family) {
                opcodes[(Self::ROWS[i].byte - Self::ROWS[0].byte) as usize] = Some(Self::ALL[i]);
            }
            i += 1;
        }
        opcodes
    }

    /// The one whose record begins with those numbers.
    pub(crate) fn beginning_with(numbers: Numbers) -> Option<Self> {
        let begins = |opcode: &&Self| match opcode.layout() {
            [Op::Numbers(first) | Op::Many(first, _), ..] => *first == numbers,
            [..] => false,
        };
        Self::ALL.iter().find(begins).copied()
    }

    /// Returns what follows its byte.
    #[inline]
    pub(crate) const fn layout(self) -> &'static [Op] {
        self.row().layout
    }

    pub(crate) const fn byte(self) -> u8 {
        self.row().byte
    }
}

const _: () = {
    let mut i = 0;
    while i < Opcode::ALL.len() {
        assert!(super::layout::depth(Opcode::ALL[i].layout()) <= super::DEEPEST, "make DEEPEST larger");
        i += 1;
    }
};

/// What Dragonfly writes into an RDB besides the types of Redis.
pub(crate) mod dragonfly {
    /// How its version begins in the AUX field `redis-ver`.
    pub(crate) const VERSION: &str = "df-";

    /// Returns whether a type is its own, where Redis has or may have another one of that number.
    pub(crate) fn is_own(byte: u8, version: u32) -> bool {
        // Early builds wrote JSON as 20, which Redis took for sets with version 11.
        matches!(byte, 30..=35) || byte == 20 && version < 10
    }

    /// Returns what its own type or opcode holds, as far as that is known.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcode_243_depends_on_the_family() {
        assert_eq!(bytes::name(243, Family::Redis), Some("KEY_META"));
        assert_eq!(bytes::name(243, Family::Valkey), Some("SLOT_IMPORT"));
        assert_eq!(bytes::name(242, Family::Valkey), None);
        assert_eq!(bytes::name(241, Family::Redis), None);
        assert_eq!((bytes::min_version(243, Family::Redis), bytes::min_version(243, Family::Valkey)), (13, 80));
        assert_eq!((bytes::name(255, Family::Redis), bytes::min_version(255, Family::Redis)), (Some("EOF"), 1));
        let is_listed = |byte| Opcode::ALL.iter().any(|opcode| opcode.byte() == byte);
        assert!((242..=255).all(is_listed));
    }
}
