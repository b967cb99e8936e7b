//! Finding elements of one packed value that occur twice.
//!
//! Most packed values have fewer than a hundred elements. Their hashes go into a small open-addressed table that is used
//! again from value to value, and a hit is settled at once by comparing the elements. Large ones go through the sorting
//! [`Table`] of the frame's collections instead: however their texts collide, it takes no more than a sort.

use crate::rdb::packed::{IntText, PackedEntry, PackedValue, canonical_int};
use crate::report::codes::Code;
use crate::report::collector::Collector;
use crate::report::facts::Visibility;
use crate::verify::duplicates::{HashKey, Settled, Table, repeated};

/// Values of at most this many elements use the small table.
const SMALL: usize = 1024;
/// This many pairs are collected before any is dropped.
const LEAST_ROOM: usize = 1024;
/// The half of an entry that is the offset.
const LOW: u64 = 0xFFFF_FFFF;

/// The small table: high half of the hash, offset in the value plus 1. Zero is a free place.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<u64>);

/// The elements of a small value.
pub(crate) struct Few<'w> {
    /// A power of two of them.
    slots: &'w mut [u64],
    /// How many more elements the slots take. Only a header that counts too few, an error in itself, uses them up.
    room: usize,
}

impl<'w> Few<'w> {
    /// For so many elements, if those are few.
    pub(crate) fn new(expected: usize, seen: &'w mut Seen) -> Option<Self> {
        if expected > SMALL {
            return None;
        }
        let size = (2 * expected + 1).next_power_of_two();
        if seen.0.len() < size {
            seen.0.resize(size, 0);
        }
        let slots = &mut seen.0[..size];
        slots.fill(0);
        Some(Self { slots, room: expected })
    }

    /// Adds the element at the offset `at`. Returns the offset of an equal one before; `same` tells whether the one at an
    /// offset is equal.
    #[inline]
    pub(crate) fn add(&mut self, hash: u64, at: usize, same: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let tag = hash & !LOW;
        let mut place = (hash & LOW) as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                if self.room == 0 {
                    return None;
                }
                self.room -= 1;
                self.slots[place] = tag | (at as u64 + 1);
                return None;
            }
            let before = ((slot & LOW) as usize).saturating_sub(1);
            if slot & !LOW == tag && same(before) {
                return Some(before);
            }
            place = (place + 1) & mask;
        }
    }
}

/// The elements of one packed value.
pub(super) struct Elements<'w> {
    few: Option<Few<'w>>,
    key: HashKey,
    table: &'w mut Table,
}

impl<'w> Elements<'w> {
    /// For so many elements.
    pub(super) fn new(expected: usize, seen: &'w mut Seen, table: &'w mut Table) -> Self {
        let few = Few::new(expected, seen);
        if few.is_none() {
            table.clear();
        }
        Self { few, key: table.key(), table }
    }

    /// Returns the hash of an element.
    #[inline]
    pub(super) fn hash_of(&self, entry: &PackedEntry<'_>) -> u64 {
        hash_of(entry, &self.key)
    }

    /// Returns the key of the hashes.
    pub(super) fn key(&self) -> &HashKey {
        &self.key
    }

    /// Adds the element of that number at the offset `at`. Returns the offset of an equal one before, if that is known
    /// yet; `same` tells whether the one at an offset is equal.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, at: usize, number: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(few) = &mut self.few {
            return few.add(hash, at, same);
        }
        // No encoding but the zipmap can be larger than 4 GiB, and only where the limits were raised.
        if let Ok(at) = u32::try_from(at) {
            // The value is at hand: no second hash is needed.
            self.table.insert((hash, 0), number << 32 | u64::from(at));
        }
        None
    }

    /// Compares what [`add`](Self::add) could not compare yet, by `text`, which answers what stands at an offset. The findings, as
    /// many as there is room for, are made by `report` of the offsets of both and the number of the later one, in their order.
    pub(super) fn settle<T: Eq + std::hash::Hash>(
        self,
        what: Code,
        text: impl Fn(usize) -> Option<T>,
        findings: &mut Collector,
        report: impl Fn(usize, usize, u64, &mut Collector),
    ) -> Settled {
        if self.few.is_some() {
            return Settled::NONE;
        }
        let at = |place: u64| (place & LOW) as usize;
        let most = findings.most();
        let (mut pairs, mut more, mut left_out) = (Vec::new(), 0, 0);
        let mut settled = self.table.settle(|places| {
            left_out += repeated(
                places.iter().copied(),
                |place| text(at(place)),
                |first, later| {
                    pairs.push((later, first));
                    // The hashes come in any order, and the first in the value are kept.
                    if pairs.len() > 2 * most + LEAST_ROOM {
                        pairs.select_nth_unstable(most);
                        more += (pairs.len() - most) as u64;
                        pairs.truncate(most);
                    }
                },
            );
        });
        pairs.sort_unstable();
        for (later, first) in pairs {
            report(at(first), at(later), later >> 32, findings);
        }
        let class = findings.subject.class(what, Visibility::Usual);
        findings.add_unkept(class, more);
        settled.compared -= left_out;
        settled
    }
}

/// Returns a hash of the element's text. An integer is not spelled out for it; what looks like one is taken for one.
#[inline]
pub(super) fn hash_of(entry: &PackedEntry<'_>, key: &HashKey) -> u64 {
    match entry.value {
        PackedValue::Int(value) => key.of_number(value),
        PackedValue::Bytes(bytes) if entry.canonical => key.hash(bytes, 0),
        PackedValue::Bytes(bytes) => canonical_int(bytes).map_or_else(|| key.hash(bytes, 0), |n| key.of_number(n)),
    }
}

/// Returns what stands for the text of an element: a number, if it can be one.
pub(super) fn canonical<'a>(entry: &PackedEntry<'a>) -> PackedValue<'a> {
    match entry.value {
        PackedValue::Bytes(bytes) => canonical_int(bytes).map_or(entry.value, PackedValue::Int),
        PackedValue::Int(_) => entry.value,
    }
}

/// Returns whether two elements have the same text.
pub(super) fn same_text(a: PackedValue<'_>, b: PackedValue<'_>) -> bool {
    a.text(&mut IntText::new()) == b.text(&mut IntText::new())
}
