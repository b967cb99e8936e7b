//! What a key takes in the memory of a server, as `MEMORY USAGE key SAMPLES 0` tells it there after the file was loaded.
//!
//! ```text
//! elements of a key -> Held ┬ as a listpack: their bytes, the longest one
//!                           └ as a table: what each is allocated
//!   end of the key -> Held::memory: which of both the server makes of it, by its default settings
//! ```
//! Each model was measured on the binary that it is named after, with that binary's allocator, on x86-64: keys of each type and encoding,
//! with 1 to 10,000 elements of 1 to 3,000 bytes. `tests/real/memory.rs` of the command crate holds the models against these servers.
//! Values of modules, vector sets among them, and arrays are not estimated.

mod model;
mod tree;

use crate::rdb::{Packing, Shape, ValueType};
pub use model::MemoryModel;
use model::StreamModel;
use tree::Tree;

/// Members that are all numbers are packed as such, up to this many.
const MOST_INTEGERS: u64 = 512;
/// Longer elements are not packed.
const LONGEST_PACKED: u64 = 64;
/// A node of a list has about so many bytes.
const NODE: u64 = 8192;

/// Returns the key of an id in a tree.
fn key_of((ms, number): (u64, u64)) -> u128 {
    u128::from(ms) << 64 | u128::from(number)
}

/// What an element takes in a listpack, about.
fn entry(len: u64) -> u64 {
    len.saturating_add(if len < 64 { 2 } else { 4 })
}

/// What a key holds, while it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    model: MemoryModel,
    /// Elements that stand one by one, their bytes in a listpack, what they take in a table, and the longest one.
    loose: u64,
    listpack: u64,
    table: u64,
    longest: u64,
    /// The range of members that are numbers, as long as all are.
    numbers: Option<(i64, i64)>,
    /// A field whose value follows.
    field: u64,
    field_expiries: u64,
    /// Packed values, their bytes, and what they are said to take.
    blobs: u64,
    bytes: u64,
    packed: u64,
    /// Of a string: its length, and whether it is a number.
    value: u64,
    is_number: bool,
    groups: u64,
    consumers: u64,
    pending: u64,
    /// The trees of the packed values of a stream, of the pending entries of the group at hand, and of those of its consumer at hand.
    ids: Tree,
    of_group: Tree,
    of_consumer: Tree,
    /// The nodes of all such trees before.
    pending_nodes: u64,
}

impl Held {
    pub(crate) fn new(model: MemoryModel) -> Self {
        Self { model, ..Self::default() }
    }

    pub(crate) fn string(&mut self, len: u64, is_number: bool) {
        (self.value, self.is_number) = (len, is_number);
    }

    fn element(&mut self, len: u64) {
        self.longest = self.longest.max(len);
        self.listpack = self.listpack.saturating_add(entry(len));
    }

    fn in_table(&mut self, bytes: u64) {
        self.loose += 1;
        self.table = self.table.saturating_add(bytes);
    }

    pub(crate) fn item(&mut self, len: u64) {
        self.element(len);
        self.in_table(0);
    }

    pub(crate) fn member(&mut self, len: u64, number: Option<i64>) {
        self.numbers = match (self.numbers, number) {
            (_, Some(n)) if self.loose == 0 => Some((n, n)),
            (Some((least, most)), Some(n)) => Some((least.min(n), most.max(n))),
            _ => None,
        };
        self.element(len);
        self.in_table(self.model.member(len));
    }

    pub(crate) fn scored(&mut self, len: u64) {
        self.element(len);
        // The score as a text or a number, seldom long.
        self.listpack = self.listpack.saturating_add(6);
        self.in_table(self.model.scored(len));
    }

    pub(crate) fn field(&mut self, len: u64) {
        self.element(len);
        self.field = len;
    }

    pub(crate) fn field_value(&mut self, len: u64) {
        self.element(len);
        self.in_table(self.model.field(self.field, len));
    }

    pub(crate) fn field_expiry(&mut self) {
        self.field_expiries += 1;
    }

    pub(crate) fn blob(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.packed = self.packed.saturating_add(self.model.packed(bytes));
    }

    pub(crate) fn stream_node(&mut self, id: &[u8]) {
        if let Ok(id) = <[u8; 16]>::try_from(id) {
            self.ids.add(u128::from_be_bytes(id));
        }
    }

    pub(crate) fn group(&mut self) {
        self.groups += 1;
        self.pending_nodes += std::mem::take(&mut self.of_group).more() + std::mem::take(&mut self.of_consumer).more();
    }

    pub(crate) fn consumer(&mut self) {
        self.consumers += 1;
        self.pending_nodes += std::mem::take(&mut self.of_consumer).more();
    }

    pub(crate) fn pending(&mut self, id: (u64, u64)) {
        self.pending += 1;
        self.of_group.add(key_of(id));
    }

    pub(crate) fn owned(&mut self, id: (u64, u64)) {
        self.of_consumer.add(key_of(id));
    }

    fn stream(&self) -> u64 {
        let StreamModel { empty, each, node, group, consumer, pending } = self.model.stream();
        let pending_nodes = self.pending_nodes + self.of_group.more() + self.of_consumer.more();
        [
            (each, self.blobs),
            (node, self.ids.nodes.max(1)),
            (group, self.groups),
            (consumer, self.consumers),
            (pending, self.pending),
            (self.model.pending_node(), pending_nodes),
        ]
        .into_iter()
        .fold(empty.saturating_add(self.packed), |sum, (bytes, n)| sum.saturating_add(bytes.saturating_mul(n)))
    }

    /// Returns what the key takes, of a name of so many bytes and with so many elements; `None` where that is not known.
    pub(crate) fn memory(&self, value_type: ValueType, name: u64, expires: bool, elements: u64) -> Option<u64> {
        let key = self.model.key(name, expires);
        let value = match value_type.shape() {
            Shape::String if self.is_number => 0,
            Shape::String => return Some(self.model.string(name, self.value, expires)),
            Shape::List => self.list(),
            Shape::Set => self.set(value_type, elements),
            Shape::ZSet => self.either(Shape::ZSet, elements, |len| self.model.scored(len), self.model.skip_list()),
            Shape::Hash | Shape::HashTtl | Shape::HashTemplate => self.hash(value_type, elements),
            Shape::Stream => self.stream(),
            Shape::Module | Shape::Array => return None,
        };
        Some(key.saturating_add(value))
    }

    fn list(&self) -> u64 {
        let (nodes, packed) = match self.blobs {
            0 => {
                let nodes = self.listpack.div_ceil(NODE).max(1);
                (nodes, self.model.packed(self.listpack / nodes + 7) * nodes)
            }
            // What was one ziplist becomes nodes.
            1 => (self.bytes.div_ceil(NODE), self.packed.saturating_add(self.listpack)),
            // A value that is too large to be packed is a node by itself.
            blobs => (blobs + self.loose, self.packed.saturating_add(self.listpack)),
        };
        let (list, node) = self.model.quicklist();
        match self.model {
            MemoryModel::Redis86 | MemoryModel::Valkey91 if nodes == 1 && self.listpack.max(self.bytes) <= NODE => {
                packed
            }
            _ => packed.saturating_add(list).saturating_add(node * nodes),
        }
    }

    fn set(&self, value_type: ValueType, elements: u64) -> u64 {
        let intset = value_type.packing() == Some(Packing::Intset);
        if intset && elements <= MOST_INTEGERS {
            return self.packed;
        }
        if let Some((least, most)) = self.numbers.filter(|_| self.loose <= MOST_INTEGERS) {
            let fits = |bits: u32| least >= -(1 << (bits - 1)) && most < 1 << (bits - 1);
            let width = if fits(16) {
                2
            } else if fits(32) {
                4
            } else {
                8
            };
            return self.model.packed(8 + width * self.loose);
        }
        let digits = self.bytes.checked_div(elements).map(|width| {
            if width < 4 {
                4
            } else if width < 8 {
                7
            } else {
                14
            }
        });
        let each = |len| self.model.member(if intset { digits.unwrap_or(len) } else { len });
        self.either(Shape::Set, elements, each, 0)
    }

    fn hash(&self, value_type: ValueType, elements: u64) -> u64 {
        let expire = self.field_expiries > 0 || value_type.shape() == Shape::HashTtl;
        match self.model {
            MemoryModel::Valkey91 if self.field_expiries > 0 => {
                let expiries = self.model.field_expiries(self.field_expiries);
                self.table(self.loose).saturating_add(self.table).saturating_add(expiries)
            }
            _ => {
                let more = if self.is_packed(Shape::Hash, elements) {
                    // The expiries of fields stand in the listpack; a packed value has them already.
                    32 * u64::from(expire) + if expire { 2 * self.loose + 8 * self.field_expiries } else { 0 }
                } else {
                    self.model.field_expiries(self.field_expiries)
                };
                self.either(Shape::Hash, elements, |len| self.model.field(len, len), 0).saturating_add(more)
            }
        }
    }

    fn table(&self, elements: u64) -> u64 {
        self.model.table(elements)
    }

    fn is_packed(&self, shape: Shape, elements: u64) -> bool {
        elements <= self.model.most_packed(shape) && self.longest <= LONGEST_PACKED
    }

    /// What the server makes of the elements: a packed value, or a table of them, with `more` beside it. `each` tells what one of so many
    /// bytes takes.
    fn either(&self, shape: Shape, elements: u64, each: impl Fn(u64) -> u64, more: u64) -> u64 {
        let packed = self.is_packed(shape, elements);
        match (packed, self.blobs) {
            (true, 0) => self.model.packed(self.listpack + 7),
            (true, _) => self.packed,
            (false, 0) => self.table(self.loose).saturating_add(self.table).saturating_add(more),
            (false, _) => {
                let texts = if shape == Shape::Hash { 2 * elements } else { elements };
                let scores = if shape == Shape::ZSet { 6 } else { 0 };
                let len = self.bytes.checked_div(texts).unwrap_or(0).saturating_sub(2 + scores);
                let all = each(len).saturating_mul(elements);
                self.table(elements).saturating_add(all).saturating_add(more)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of so many elements of so many bytes, loaded from a file.
    #[test]
    fn tables_take_what_servers_said() {
        type Add = fn(&mut Held, u64);
        let set: Add = |held, len| held.member(len, None);
        let zset: Add = Held::scored;
        let hash: Add = |held, len| {
            held.field(len);
            held.field_value(len);
        };
        for (value_type, add, n, len, said) in [
            (ValueType::Set, set, 600, 16, [37_152, 41_904, 33_480, 23_720]),
            (ValueType::Set, set, 5000, 30, [385_696, 345_648, 345_624, 273_848]),
            (ValueType::Set, set, 100, 1000, [105_184, 105_936, 105_912, 102_936]),
            (ValueType::Hash, hash, 600, 16, [51_552, 61_104, 45_480, 33_280]),
            (ValueType::Hash, hash, 600, 100, [147_552, 157_104, 157_080, 143_808]),
            (ValueType::Hash, hash, 5000, 30, [585_728, 505_648, 515_624, 437_472]),
            (ValueType::ZSet2, zset, 600, 16, [64_856, 74_656, 64_696, 46_472]),
            (ValueType::ZSet2, zset, 5000, 30, [612_248, 612_896, 532_040, 461_143]),
        ] {
            for (model, said) in MemoryModel::ALL.into_iter().zip(said) {
                let mut held = Held::new(model);
                (0..n).for_each(|_| add(&mut held, len));
                let memory = held.memory(value_type, 10, false, n).unwrap_or(0);
                assert!(memory.abs_diff(said) * 33 < said, "{model:?} {value_type} {n} {len}: {memory}, not {said}");
            }
        }
    }
}
