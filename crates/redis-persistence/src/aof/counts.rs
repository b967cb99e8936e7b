//! How often each command occurs.

use std::collections::BTreeMap;

/// A file of nothing but new names must not fill the memory.
const MAX_NAMES: usize = 4096;
/// Slots of the table that finds a short name again; a power of two.
const SLOTS: usize = 256;

/// Counts of commands by name, in upper case.
///
/// Nearly every record is one of a few commands, so names of up to 15 bytes are found by one look into a small table; the
/// map behind it is for the rest. At most 4096 names are told apart; further ones are counted together.
///
/// # Examples
/// ```
/// use redis_persistence::aof::CommandCounts;
///
/// let mut counts = CommandCounts::default();
/// counts.add(b"set");
/// counts.add(b"SET");
/// assert_eq!(counts.iter().collect::<Vec<_>>(), [(&b"SET"[..], 2)]);
/// ```
#[derive(Debug, Clone)]
pub struct CommandCounts {
    slots: Box<[Slot; SLOTS]>,
    counts: Vec<u64>,
    names: BTreeMap<Box<[u8]>, usize>,
    other: u64,
    /// The name counted last, as it was spelt; most commands are the same as the one before.
    last: Vec<u8>,
    last_count: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The name in upper case with its length in the last byte; zero in an empty slot.
    key: u128,
    count: usize,
}

impl Default for CommandCounts {
    fn default() -> Self {
        let slots = Box::new([Slot::default(); SLOTS]);
        Self { slots, counts: Vec::new(), names: BTreeMap::new(), other: 0, last: Vec::new(), last_count: 0 }
    }
}

impl CommandCounts {
    /// Longer names are counted by their beginning; no command of any server or module comes near.
    pub(crate) const NAME: usize = 64;

    /// Counts one command. Returns the number of its name, in the order in which names came, unless there are too many.
    pub fn add(&mut self, name: &[u8]) -> Option<usize> {
        if name == self.last && !name.is_empty() {
            self.counts[self.last_count] += 1;
            return Some(self.last_count);
        }
        let key = short_key(name);
        let slot = slot_of(key);
        if key != 0 && self.slots[slot].key == key {
            self.counts[self.slots[slot].count] += 1;
            self.last.clear();
            self.last.extend_from_slice(name);
            self.last_count = self.slots[slot].count;
            return Some(self.last_count);
        }
        let mut upper = name[..name.len().min(Self::NAME)].to_vec();
        upper.make_ascii_uppercase();
        let count = match self.names.get(&upper[..]) {
            Some(&count) => count,
            None if self.names.len() >= MAX_NAMES => {
                self.other += 1;
                return None;
            }
            None => {
                self.counts.push(0);
                self.names.insert(upper.into_boxed_slice(), self.counts.len() - 1);
                self.counts.len() - 1
            }
        };
        self.counts[count] += 1;
        if key != 0 {
            self.slots[slot] = Slot { key, count };
        }
        Some(count)
    }

    /// Counts more commands of the name that has that number.
    pub(crate) fn add_again(&mut self, number: usize, n: u64) {
        self.counts[number] += n;
    }

    /// Returns the names with their numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.names.iter().map(|(name, &count)| (&name[..], count))
    }

    /// Returns the names, in upper case and in order, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.names.iter().map(|(name, &count)| (&name[..], self.counts[count]))
    }

    /// Returns how often a command occurred.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> u64 {
        self.names.get(&name.to_ascii_uppercase()[..]).map_or(0, |&count| self.counts[count])
    }

    /// Returns how many commands were counted without their names.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other
    }

    /// Returns how many commands there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.other
    }
}

fn short_key(name: &[u8]) -> u128 {
    if name.is_empty() || name.len() > 15 {
        return 0;
    }
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    u128::from_le_bytes(key) | (name.len() as u128) << 120
}

fn slot_of(key: u128) -> usize {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = key.to_le_bytes();
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let high = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    let [.., top] = (low ^ high.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    usize::from(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_whatever_their_length() {
        let mut counts = CommandCounts::default();
        let long = [b'A'; 80];
        for _ in 0..3 {
            for name in [&b"set"[..], b"SET", b"SET\0", b"", b"GEORADIUSBYMEMBER", &long] {
                counts.add(name);
            }
        }
        let seen: Vec<_> = counts.iter().collect();
        let expected: [(&[u8], u64); 5] =
            [(b"", 3), (&long[..64], 3), (b"GEORADIUSBYMEMBER", 3), (b"SET", 6), (b"SET\0", 3)];
        assert_eq!(seen, expected);
        assert_eq!((counts.get(b"Set"), counts.total(), counts.other()), (6, 18, 0));
    }

    #[test]
    fn a_flood_of_names_is_counted_without_them() {
        let mut counts = CommandCounts::default();
        for number in 0..10_000_u32 {
            counts.add(format!("name{number}").as_bytes());
        }
        counts.add(b"name1");
        assert_eq!(counts.iter().count(), MAX_NAMES);
        assert_eq!((counts.total(), counts.other(), counts.get(b"name1")), (10_001, 10_000 - 4096, 2));
    }

    #[test]
    fn no_name_is_not_the_name_before() {
        let mut counts = CommandCounts::default();
        for name in [&b"SET"[..], b"", b"SET", b"SET", b"", b"set", b""] {
            counts.add(name);
        }
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(&b""[..], 3), (b"SET", 4)]);
    }
}
