//! What each measured server allocates for what keys hold.

use crate::rdb::Shape;

/// The server whose memory is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MemoryModel {
    /// Redis 6.2, with the allocator of libc.
    Redis62,
    /// Redis 7.0, with jemalloc.
    Redis70,
    /// Redis 8.6, with jemalloc.
    #[default]
    Redis86,
    /// Valkey 9.1, with the allocator of libc.
    Valkey91,
}

impl MemoryModel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Redis62, Self::Redis70, Self::Redis86, Self::Valkey91];

    /// Returns the name of the series.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis62 => "redis-6.2",
            Self::Redis70 => "redis-7.0",
            Self::Redis86 => "redis-8.6",
            Self::Valkey91 => "valkey-9.1",
        }
    }

    /// Returns on what it was measured.
    #[must_use]
    pub const fn basis(self) -> &'static str {
        match self {
            Self::Redis62 => "MEMORY USAGE of Redis 6.2.14 (x86-64, libc)",
            Self::Redis70 => "MEMORY USAGE of Redis 7.0.15 (x86-64, jemalloc)",
            Self::Redis86 => "MEMORY USAGE of Redis 8.6.3 (x86-64, jemalloc)",
            Self::Valkey91 => "MEMORY USAGE of Valkey 9.1.2 (x86-64, libc)",
        }
    }

    /// What the allocator gives for so many bytes.
    pub(super) fn given(self, bytes: u64) -> u64 {
        match self {
            Self::Redis70 | Self::Redis86 => jemalloc(bytes),
            Self::Redis62 | Self::Valkey91 => (bytes.saturating_add(8).next_multiple_of(16) - 8).max(24),
        }
    }

    /// What a packed value is said to take: two of the servers tell its own length, the others what it was given.
    pub(super) fn packed(self, bytes: u64) -> u64 {
        match self {
            Self::Redis62 | Self::Redis86 => bytes,
            Self::Redis70 | Self::Valkey91 => self.given(bytes),
        }
    }

    /// A key without its value.
    pub(super) fn key(self, name: u64, expires: bool) -> u64 {
        match self {
            Self::Redis62 | Self::Redis70 => 24 + 16 + self.given(text(name)),
            Self::Redis86 | Self::Valkey91 => self.given(17 + text(name) + 8 * u64::from(expires)),
        }
    }

    /// A key with a string that is no number.
    pub(super) fn string(self, name: u64, value: u64, expires: bool) -> u64 {
        let short = value <= 44;
        let embedded = text(name) + long_text(value) + 8 * u64::from(expires);
        match self {
            Self::Redis62 if short => 24 + self.given(text(name)) + 16 + value + 2,
            Self::Redis70 if short => 24 + self.given(text(name)) + self.given(16 + long_text(value)),
            Self::Redis86 if 17 + embedded <= 64 => self.given(17 + embedded),
            Self::Redis86 if value < 32 => self.key(name, expires) + value + 2,
            Self::Valkey91 if 9 + embedded <= 128 => self.given(9 + embedded),
            _ => self.key(name, expires) + self.given(long_text(value)),
        }
    }

    /// A member of a set as a table.
    pub(super) fn member(self, len: u64) -> u64 {
        match self {
            Self::Redis86 if len < 32 => 24 + text(len),
            Self::Redis62 | Self::Redis70 | Self::Redis86 => 24 + self.given(text(len)),
            Self::Valkey91 => self.given(text(len)),
        }
    }

    /// A member of a sorted set as a skip list. Of its nodes three of four have one level, and so on.
    pub(super) fn scored(self, len: u64) -> u64 {
        let node = |bytes: u64| {
            let levels = [(12, bytes), (3, bytes + 16), (1, bytes + 32)];
            levels.into_iter().fold(0, |sum, (of_16, bytes)| sum + of_16 * self.given(bytes)) / 16
        };
        match self {
            Self::Redis62 | Self::Redis70 => 24 + self.given(text(len)) + node(40),
            Self::Redis86 => 24 + node(32 + text(len)),
            Self::Valkey91 => node(33 + text(len)),
        }
    }

    /// A field and its value as a table.
    pub(super) fn field(self, name: u64, value: u64) -> u64 {
        let both = text(name) + long_text(value);
        match self {
            Self::Redis62 | Self::Redis70 => 24 + self.given(text(name)) + self.given(text(value)),
            Self::Redis86 if both <= 128 => 24 + both,
            Self::Redis86 => 24 + 8 + text(name) + self.given(text(value)),
            Self::Valkey91 if both <= 128 => self.given(both + 1),
            Self::Valkey91 => self.given(8 + text(name)) + self.given(text(value)),
        }
    }

    /// An empty table with room for so many.
    pub(super) fn table(self, count: u64) -> u64 {
        match self {
            Self::Redis62 => 96 + 8 * power(count.max(4)),
            Self::Redis70 | Self::Redis86 => 56 + 8 * power(count.max(4)),
            // Buckets of seven; some have another one behind.
            Self::Valkey91 => 80 + 64 * power(count.div_ceil(7)) + count * 5 / 3,
        }
    }

    /// The skip list beside the table.
    pub(super) fn skip_list(self) -> u64 {
        match self {
            Self::Redis62 | Self::Valkey91 => 570,
            Self::Redis70 | Self::Redis86 => 690,
        }
    }

    /// What a list of several nodes has, and what each node has beside its packed value.
    pub(super) fn quicklist(self) -> (u64, u64) {
        match self {
            Self::Redis62 => (40, 32),
            Self::Redis70 | Self::Valkey91 => (40, 40),
            Self::Redis86 => (48, 48),
        }
    }

    /// What so many expiries of fields have in a table. In Valkey few stand in a row, many in a tree by their times.
    pub(super) fn field_expiries(self, count: u64) -> u64 {
        count.saturating_mul(match self {
            Self::Valkey91 if count <= 127 => 16,
            Self::Valkey91 => 75,
            _ => 18,
        })
    }

    /// What streams have.
    pub(super) fn stream(self) -> StreamModel {
        match self {
            Self::Redis62 => StreamModel { empty: 66, each: 16, node: 244, group: 276, consumer: 270, pending: 56 },
            Self::Redis70 => StreamModel { empty: 80, each: 16, node: 244, group: 284, consumer: 270, pending: 56 },
            Self::Redis86 => StreamModel { empty: 192, each: 0, node: 24, group: 180, consumer: 104, pending: 62 },
            Self::Valkey91 => StreamModel { empty: 140, each: 14, node: 24, group: 104, consumer: 100, pending: 45 },
        }
    }

    /// What a node of the tree of pending entries has.
    pub(super) fn pending_node(self) -> u64 {
        match self {
            Self::Redis62 | Self::Redis70 => 244,
            Self::Redis86 => 43,
            Self::Valkey91 => 24,
        }
    }

    /// How many short elements stay packed, by the default settings.
    pub(super) fn most_packed(self, shape: Shape) -> u64 {
        match (shape, self) {
            (Shape::Set, Self::Redis62 | Self::Redis70) => 0,
            (Shape::Set | Shape::ZSet, _) => 128,
            _ => 512,
        }
    }
}

/// What a stream takes beside its packed values.
pub(super) struct StreamModel {
    pub(super) empty: u64,
    /// For each packed value, and for each node of the tree that they hang on.
    pub(super) each: u64,
    pub(super) node: u64,
    pub(super) group: u64,
    pub(super) consumer: u64,
    /// For each entry that is pending, in both trees that it hangs on, beside their nodes.
    pub(super) pending: u64,
}

/// What a text takes before it is allocated.
fn text(len: u64) -> u64 {
    if len < 32 { len + 2 } else { long_text(len) }
}

/// The same of one that may grow.
fn long_text(len: u64) -> u64 {
    len.saturating_add(match len {
        ..256 => 4,
        256..65_536 => 6,
        65_536..4_294_967_296 => 10,
        _ => 18,
    })
}

fn power(n: u64) -> u64 {
    n.checked_next_power_of_two().unwrap_or(n)
}

/// The classes of sizes: four between a power of two and the next.
fn jemalloc(bytes: u64) -> u64 {
    match bytes {
        ..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.checked_next_multiple_of((1 << (bytes - 1).ilog2()) / 4).unwrap_or(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_allocators() {
        for (bytes, given) in [(1, 8), (9, 16), (17, 32), (128, 128), (129, 160), (161, 192), (257, 320), (4097, 5120)]
        {
            assert_eq!(jemalloc(bytes), given, "{bytes}");
        }
        for (bytes, given) in [(1, 24), (24, 24), (25, 40), (40, 40), (41, 56)] {
            assert_eq!(MemoryModel::Redis62.given(bytes), given, "{bytes}");
        }
    }

    /// Of names and strings of so many bytes, what each server said, in the order of the models.
    #[test]
    fn strings_take_what_servers_said() {
        for (name, value, said) in [
            (1, 1, [67, 64, 32, 24]),
            (1, 44, [110, 96, 80, 72]),
            (1, 45, [120, 112, 96, 72]),
            (10, 20, [86, 88, 64, 56]),
            (30, 20, [102, 104, 86, 72]),
            (60, 60, [184, 168, 160, 160]),
            (100, 1000, [1160, 1176, 1152, 1152]),
        ] {
            for (model, said) in MemoryModel::ALL.into_iter().zip(said) {
                let memory = model.string(name, value, false);
                // Valkey rounds one of them up further.
                assert!(memory.abs_diff(said) <= 16, "{model:?} {name} {value}: {memory}, not {said}");
            }
        }
    }
}
