//! The servers, and what the frame of a file may hold for each.

use std::ops::RangeInclusive;

use crate::aof::commands::{CommandSpec, named};
use crate::rdb::{Family, ValueType, opcode};

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// What the answers about a version rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    /// Runs of a server of this version.
    Measured,
    /// Runs of the versions around it, or of one from which it does not differ in what is looked at here.
    Derived,
    /// Sources and documents; no server of this version was run.
    Documents,
}

impl Basis {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Derived => "derived",
            Self::Documents => "documents",
        }
    }
}

/// A row of the table below.
struct Version {
    name: &'static str,
    product: Product,
    version: (u32, u32),
    basis: Basis,
    /// Versions after `REDIS`.
    rdb: RangeInclusive<u32>,
    /// The greatest number of a value type in a file with the signature `REDIS`.
    newest_type: u8,
    /// The least byte that is an opcode.
    first_opcode: u8,
}

macro_rules! versions {
    ($($variant:ident $name:literal $product:ident $version:tt $basis:ident, rdb $rdb:expr, types $types:literal,
       opcodes $opcodes:literal;)*) => {
        /// A server version that files can be judged for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Target {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Target {
            /// Every target: those of Redis, then those of Valkey, each from old to new.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn row(self) -> Version {
                match self {
                    $(Self::$variant => Version {
                        name: $name,
                        product: Product::$product,
                        version: $version,
                        basis: Basis::$basis,
                        rdb: $rdb,
                        newest_type: $types,
                        first_opcode: $opcodes,
                    },)*
                }
            }
        }
    };
}

// Opcodes: 247 came with 5.0, 245 and 246 with 7.0 (246 left with 7.2), 244 with 7.4, 243 with 8.6, 242 with 8.10.
versions! {
    Redis50 "redis-5.0" Redis (5, 0) Measured, rdb 1..=9, types 15, opcodes 247;
    Redis60 "redis-6.0" Redis (6, 0) Measured, rdb 1..=9, types 15, opcodes 247;
    Redis62 "redis-6.2" Redis (6, 2) Measured, rdb 1..=9, types 15, opcodes 247;
    Redis70 "redis-7.0" Redis (7, 0) Measured, rdb 1..=10, types 19, opcodes 245;
    Redis72 "redis-7.2" Redis (7, 2) Derived, rdb 1..=11, types 21, opcodes 245;
    Redis74 "redis-7.4" Redis (7, 4) Measured, rdb 1..=12, types 25, opcodes 244;
    Redis80 "redis-8.0" Redis (8, 0) Measured, rdb 1..=12, types 25, opcodes 244;
    Redis82 "redis-8.2" Redis (8, 2) Measured, rdb 1..=12, types 25, opcodes 244;
    Redis84 "redis-8.4" Redis (8, 4) Derived, rdb 1..=12, types 25, opcodes 244;
    Redis86 "redis-8.6" Redis (8, 6) Measured, rdb 1..=13, types 26, opcodes 243;
    Redis88 "redis-8.8" Redis (8, 8) Documents, rdb 1..=14, types 28, opcodes 243;
    Redis810 "redis-8.10" Redis (8, 10) Documents, rdb 1..=15, types 32, opcodes 242;
    Valkey72 "valkey-7.2" Valkey (7, 2) Derived, rdb 1..=11, types 21, opcodes 245;
    Valkey80 "valkey-8.0" Valkey (8, 0) Measured, rdb 1..=11, types 21, opcodes 245;
    Valkey81 "valkey-8.1" Valkey (8, 1) Measured, rdb 1..=11, types 21, opcodes 245;
    Valkey90 "valkey-9.0" Valkey (9, 0) Measured, rdb 1..=11, types 21, opcodes 244;
    Valkey91 "valkey-9.1" Valkey (9, 1) Measured, rdb 1..=11, types 21, opcodes 244;
}

impl Target {
    /// Its name, such as `redis-8.6`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whose server it is.
    #[must_use]
    pub fn product(self) -> Product {
        self.row().product
    }

    /// Major and minor version.
    #[must_use]
    pub fn version(self) -> (u32, u32) {
        self.row().version
    }

    /// Returns what the answers about it rest on.
    #[must_use]
    pub fn basis(self) -> Basis {
        self.row().basis
    }

    /// Returns whether it reads what files with the signature `VALKEY` hold.
    #[must_use]
    pub fn reads_valkey(self) -> bool {
        self >= Self::Valkey90
    }

    /// Returns what is known about its commands rests on: its own answer, the documents of servers around it, or published
    /// ones.
    #[must_use]
    pub fn commands_basis(self) -> Basis {
        match self {
            Self::Redis62 | Self::Redis70 | Self::Redis80 | Self::Redis86 | Self::Valkey91 => Basis::Measured,
            Self::Redis88 | Self::Redis810 => Basis::Documents,
            _ => Basis::Derived,
        }
    }

    /// Returns the command of that name, in upper case, as it knows it; a subcommand as `XGROUP|CREATE`.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::servers::Target;
    ///
    /// assert_eq!(Target::Redis70.command(b"EXPIRE").map(|spec| spec.arity), Some(-3));
    /// assert_eq!(Target::Redis62.command(b"EXPIRE").map(|spec| spec.arity), Some(3));
    /// assert_eq!(Target::Redis62.command(b"FUNCTION"), None);
    /// ```
    #[must_use]
    pub fn command(self, name: &[u8]) -> Option<&'static CommandSpec> {
        let row = self.row();
        named(name).iter().find(|spec| {
            let versions = if row.product == Product::Redis { spec.redis } else { spec.valkey };
            versions.is_some_and(|versions| versions.contain(row.version))
        })
    }

    /// Returns whether it has functions.
    #[must_use]
    pub fn knows_functions(self) -> bool {
        self.row().first_opcode <= opcode::FUNCTION2
    }

    /// Returns whether it keeps its append-only files in a folder, under a manifest, and knows annotations and subcommands.
    pub(super) fn knows_manifests(self) -> bool {
        self >= Self::Redis70
    }

    /// Returns whether it has users.
    pub(super) fn has_users(self) -> bool {
        self >= Self::Redis60
    }

    /// Returns whether it asks at an EXEC what the user of the commands may do: Redis 7.0.15 to 8.2.3 and Valkey 8.0.1 to
    /// 9.0.0 do, Redis 6.2.14, Redis 8.6.3 and Valkey 9.1.2 do not.
    pub(super) fn asks_users_in_transactions(self) -> bool {
        (Self::Redis70..Self::Redis86).contains(&self) || (Self::Valkey72..Self::Valkey91).contains(&self)
    }

    /// Returns whether it asks while a script runs what its user may do: all but Redis 6.2.14 and Valkey 9.1.2 crash then.
    pub(super) fn asks_users_in_scripts(self) -> bool {
        (Self::Redis70..Self::Valkey91).contains(&self)
    }

    /// Returns whether it counts the arguments of the commands that it loads.
    pub(super) fn counts_arguments(self) -> bool {
        self >= Self::Valkey81
    }

    /// Returns whether it has the setting `aof-load-corrupt-tail-max-size`.
    pub(super) fn cuts_corrupt_tails(self) -> bool {
        (Self::Redis84..=Self::Redis810).contains(&self)
    }

    /// Returns whether it never cuts below the end of a good image, and cuts a broken transaction before its MULTI.
    pub(super) fn cuts_with_care(self) -> bool {
        self >= Self::Valkey91
    }

    /// Returns the RDB versions after the signature `REDIS` that it takes by default.
    #[must_use]
    pub fn rdb_versions(self) -> RangeInclusive<u32> {
        self.row().rdb
    }

    /// Returns whether it knows a value type in a file of that family.
    pub(super) fn knows_type(self, value_type: ValueType, family: Family) -> bool {
        let row = self.row();
        match value_type {
            // Only a module knows where such a value ends, and only versions before 7.2 hand it over.
            ValueType::Module => row.product == Product::Redis && row.version < (7, 2),
            _ if !value_type.belongs_to(Family::Redis) => family == Family::Valkey && self.reads_valkey(),
            // Redis from 7.4 on still loads what its release candidates wrote, which have lower numbers.
            _ => value_type.byte() <= row.newest_type,
        }
    }

    /// Returns whether it knows an opcode in a file of that family.
    pub(super) fn knows_opcode(self, byte: u8, family: Family) -> bool {
        let row = self.row();
        match byte {
            opcode::FUNCTION_PRE_GA => self == Self::Redis70,
            243 if family == Family::Valkey => self.reads_valkey(),
            _ => byte >= row.first_opcode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_ascends() {
        assert!(Target::ALL.is_sorted());
        for pair in Target::ALL.windows(2) {
            if pair[0].product() == pair[1].product() {
                assert!(pair[0].version() < pair[1].version());
                assert!(pair[0].row().newest_type <= pair[1].row().newest_type);
                assert!(pair[0].row().first_opcode >= pair[1].row().first_opcode);
            }
        }
    }

    #[test]
    fn a_server_knows_what_its_own_version_writes() {
        for target in Target::ALL {
            let newest = *target.rdb_versions().end();
            for value_type in ValueType::ALL.iter().filter(|t| t.min_version() <= newest) {
                let gone = *value_type == ValueType::Module && !target.knows_type(ValueType::Module, Family::Redis);
                assert!(gone || target.knows_type(*value_type, Family::Redis), "{target} {value_type}");
            }
            for value_type in ValueType::ALL.iter().filter(|t| t.min_version() > newest) {
                assert!(!target.knows_type(*value_type, Family::Redis), "{target} {value_type}");
            }
        }
    }
}
