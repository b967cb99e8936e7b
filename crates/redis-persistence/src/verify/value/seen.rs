//! Finding elements of one packed value that occur twice.
//!
//! Most packed values have fewer than a hundred elements. Their hashes go into a small open-addressed table that is used
//! again from value to value, and a hit is settled at once by comparing the elements. Large ones go through the sorting
//! [`Table`] of the frame's collections instead: however their texts collide, it takes no more than a sort.

use crate::rdb::packed::{IntText, PackedEntry, PackedValue, canonical_int};
use crate::verify::duplicates::{Settled, Table, hash};

/// Values of at most so many elements use the small table.
const SMALL: usize = 1024;
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

    /// Adds the element at the offset `at`. Answers the offset of an equal one before; `same` tells whether the one at an
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
    table: &'w mut Table,
}

impl<'w> Elements<'w> {
    /// For so many elements.
    pub(super) fn new(expected: usize, seen: &'w mut Seen, table: &'w mut Table) -> Self {
        let few = Few::new(expected, seen);
        if few.is_none() {
            table.clear();
        }
        Self { few, table }
    }

    /// Adds the element of that number at the offset `at`. Answers the offset of an equal one before, if that is known
    /// yet; `same` tells whether the one at an offset is equal.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, at: usize, number: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(few) = &mut self.few {
            return few.add(hash, at, same);
        }
        // No encoding but the zipmap can be larger than 4 GiB, and only where the limits were raised.
        if let Ok(at) = u32::try_from(at) {
            self.table.insert(hash, number << 32 | u64::from(at));
        }
        None
    }

    /// Compares what [`add`](Self::add) could not compare yet: `on` is given offset pairs of equal hash, and the number of
    /// the later one.
    pub(super) fn settle(self, mut on: impl FnMut(usize, usize, u64)) -> Settled {
        if self.few.is_some() {
            return Settled { seen: 0, compared: 0 };
        }
        let at = |place: u64| (place & LOW) as usize;
        self.table.settle(|first, later| on(at(first), at(later), later >> 32))
    }
}

/// A hash of the element's text. An integer is not spelled out for it; what looks like one is taken for one.
#[inline]
pub(super) fn hash_of(entry: &PackedEntry<'_>) -> u64 {
    match entry.value {
        PackedValue::Int(value) => mix(value),
        PackedValue::Bytes(bytes) if entry.canonical => hash_of_text(bytes),
        PackedValue::Bytes(bytes) => canonical_int(bytes).map_or_else(|| hash_of_text(bytes), mix),
    }
}

/// A hash of a text for [`Few`], where every hit is settled at once: most names are so short that three words hold them.
#[inline]
pub(crate) fn hash_of_text(text: &[u8]) -> u64 {
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) if text.len() <= 24 => {
            let middle = text.get(8..16).and_then(|middle| middle.first_chunk()).unwrap_or(first);
            let [first, middle, last] = [first, middle, last].map(|bytes| u64::from_le_bytes(*bytes));
            let product = u128::from(first ^ 0x9E37_79B9_7F4A_7C15) * u128::from(last ^ 0xD6E8_FEB8_6659_FD93);
            mix((folded(product) ^ middle).cast_signed())
        }
        _ => hash(text, 0),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn folded(product: u128) -> u64 {
    product as u64 ^ (product >> 64) as u64
}

/// Spreads numbers over the hash range.
fn mix(value: i64) -> u64 {
    let mixed = value.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ mixed >> 32
}

/// Whether two elements have the same text.
pub(super) fn same_text(a: PackedValue<'_>, b: PackedValue<'_>) -> bool {
    a.text(&mut IntText::new()) == b.text(&mut IntText::new())
}
