//! What the names of keys look like in this file, learnt from the part of it that is sound.
//!
//! A place in the middle of anything can be read as a key now and then. What tells a true one is that its name looks like the
//! others: their bytes, their lengths, the first bytes that many share. All of it is counted in bits: how much likelier a name is
//! among the keys of this file than among random bytes.

use std::collections::HashSet;

use super::decode::LEAST_NAME_BITS;
use crate::rdb::ModuleId;

/// This many bytes of a name are looked at.
const LOOKED_AT: usize = 64;
/// The first bytes of names, which are remembered, and how many of them.
pub(super) const PREFIX: usize = 4;
const MOST_PREFIXES: usize = 4096;
/// So many types of modules are remembered.
const MOST_MODULES: usize = 64;
/// More than this the bytes of a name do not tell: they depend on each other.
const MOST_FROM_BYTES: i32 = 20;
const LEAST_FROM_BYTES: i32 = -60;
/// As long as fewer names were seen, nothing can be said against one.
const FEW: u32 = 8;
const LEAST_FROM_FEW: i32 = -4;
/// How many bytes the first guess at their shares counts for.
const PRIOR: f64 = 4.0;
/// A name with less is unlike the others; and more than this it does not tell, in bits, that names seldom are.
const UNLIKE: i32 = -4;
const MOST_RARE: i32 = 10;
/// Lengths by their powers of two.
const LENGTHS: usize = 16;

/// The names of a file.
#[derive(Debug)]
pub(super) struct Names {
    bytes: [u32; 256],
    bytes_seen: u32,
    lengths: [u32; LENGTHS],
    seen: u32,
    expect_any: bool,
    prefixes: HashSet<[u8; PREFIX]>,
    /// How many names began as one before them did, and how many were unlike those before them.
    alike: u32,
    unlike: u32,
    /// What each byte tells, in quarters of a bit.
    weights: [i32; 256],
    weighed_at: u32,
    /// The types of modules that it certainly has.
    modules: HashSet<ModuleId>,
    /// What spoke for the heads of the keys so far, in sixteenths of a bit, as a moving mean.
    heads: i32,
}

/// What a head must have for a chain to begin with it: half of what is usual in this file, within these bounds.
const LEAST_LEAD: i32 = 3;
const MOST_LEAD: i32 = 12;
/// What speaks for a value that is certainly one.
pub(super) const SURE: i32 = 40;
const SURER: i32 = 90;
/// The same as long as no name was seen: a short printable one will do.
const BLIND_LEAD: i32 = 6;

impl Names {
    pub(super) fn new() -> Self {
        let mut names = Self {
            bytes: [0; 256],
            bytes_seen: 0,
            lengths: [0; LENGTHS],
            seen: 0,
            expect_any: false,
            prefixes: HashSet::new(),
            alike: 0,
            unlike: 0,
            weights: [0; 256],
            weighed_at: 0,
            modules: HashSet::new(),
            heads: 20 * 16,
        };
        names.weigh();
        names
    }

    /// Takes note of the name of a key that is certainly one.
    pub(super) fn learn(&mut self, name: &[u8], head: i32) {
        self.heads += head.clamp(0, 60) - self.heads / 16;
        if self.seen >= 1 << 20 {
            return;
        }
        self.unlike += u32::from(self.bits(name) < UNLIKE);
        for byte in name.iter().take(LOOKED_AT) {
            self.bytes[usize::from(*byte)] += 1;
            self.bytes_seen += 1;
        }
        self.lengths[length_class(name.len())] += 1;
        self.seen += 1;
        if self.prefixes.len() < MOST_PREFIXES {
            self.alike += u32::from(!self.prefixes.insert(prefix(name)));
        }
        if self.seen >= 8 && self.seen >= self.weighed_at * 2 {
            self.weigh();
        }
    }

    /// Takes note of a module type that was certainly read.
    pub(super) fn learn_module(&mut self, id: ModuleId) {
        if self.modules.len() < MOST_MODULES {
            self.modules.insert(id);
        }
    }

    /// Returns whether something confirms a module type: any nine characters are the name of one.
    pub(super) fn confirms(&self, id: ModuleId) -> bool {
        self.modules.contains(&id) || id.is_well_known()
    }

    /// Returns whether none was seen.
    pub(super) fn know_nothing(&self) -> bool {
        self.seen == 0
    }

    /// Forgets that printable names are the likelier ones: a whole file was searched for such in vain.
    pub(super) fn expect_any(&mut self) {
        self.weights = [0; 256];
        self.heads = 0;
        self.expect_any = true;
    }

    /// Returns whether any names are expected, for nothing else is known.
    pub(super) fn are_any(&self) -> bool {
        self.expect_any && self.know_nothing()
    }

    /// Returns how many bits must speak for the head of a unit with which a chain begins.
    pub(super) fn lead(&self) -> i32 {
        if self.know_nothing() && !self.expect_any {
            return BLIND_LEAD;
        }
        (self.heads / 32).clamp(LEAST_LEAD, MOST_LEAD)
    }

    /// Returns the same for a unit whose value has so many bits besides: one that is surely right lets its name be unlike
    /// the others.
    pub(super) fn lead_of(&self, value: i32) -> i32 {
        match value {
            ..SURE => self.lead(),
            SURE..SURER => LEAST_LEAD,
            _ => LEAST_NAME_BITS,
        }
    }

    /// As long as nothing was learnt, printable names are the likelier ones. What share of the bytes is printable is learnt first,
    /// and which of them are usual more slowly: from few names, one must not conclude that the bytes in them are the only ones.
    fn weigh(&mut self) {
        self.weighed_at = self.seen;
        let is_printable = |byte: u8| (0x20..0x7f).contains(&byte);
        let printable: u32 =
            (0..=255).filter(|byte| is_printable(*byte)).map(|byte| self.bytes[usize::from(byte)]).sum();
        let seen = f64::from(self.bytes_seen);
        for byte in 0..=255 {
            let (of_class, size, prior) = if is_printable(byte) {
                (f64::from(printable), 95.0, 0.9)
            } else {
                (seen - f64::from(printable), 161.0, 0.1)
            };
            let class = (of_class + PRIOR * prior) / (seen + PRIOR);
            let at = usize::from(byte);
            let likely = class * (f64::from(self.bytes[at]) + 0.5) / (of_class + 0.5 * size);
            #[expect(clippy::cast_possible_truncation, reason = "between -100 and 32")]
            let weight = ((likely * 256.0).log2() * 4.0) as i32;
            self.weights[at] = weight;
        }
    }

    /// Returns whether many names begin alike.
    pub(super) fn prefixes_tell(&self) -> bool {
        self.seen >= FEW && self.alike >= self.seen / 2
    }

    /// Returns whether other names begin as this one does, and not just any.
    pub(super) fn knows_prefix_of(&self, name: &[u8]) -> bool {
        self.prefixes.len() < MOST_PREFIXES && self.prefixes.contains(&prefix(name))
    }

    /// Returns what speaks against a name at most where a key is known to begin: how rarely one is unlike the others.
    pub(super) fn least(&self) -> i32 {
        let times = (self.seen + 1) / (self.unlike + 1);
        -i32::try_from(u32::BITS - times.leading_zeros()).unwrap_or(0).min(MOST_RARE)
    }

    /// Returns how much likelier this is the name of a key than any bytes, in bits.
    pub(super) fn bits(&self, name: &[u8]) -> i32 {
        self.bits_of(name, name.len())
    }

    /// Returns the same of a name of that length, of which only the start is at hand.
    pub(super) fn bits_of(&self, name: &[u8], len: usize) -> i32 {
        if name.is_empty() {
            // Two of them are a hole of zeros, and one is rare.
            return -24;
        }
        // However long a name is, what is unlikely in it is not made up for by what is usual.
        let (mut usual, mut unlikely) = (0, 0);
        let least = if self.seen < FEW { LEAST_FROM_FEW } else { LEAST_FROM_BYTES };
        for byte in &name[..name.len().min(LOOKED_AT)] {
            let weight = self.weights[usize::from(*byte)];
            *(if weight > 0 { &mut usual } else { &mut unlikely }) += weight;
        }
        let bytes = (usual / 4).min(MOST_FROM_BYTES) + (unlikely / 4).max(least);
        let class = length_class(len);
        let of_length = i32::try_from(self.lengths[class]).unwrap_or(i32::MAX);
        let seen = i32::try_from(self.seen).unwrap_or(i32::MAX);
        let length = match (of_length, seen) {
            (0, 16..) => -8,
            (0, _) if class >= 9 => -8,
            (n, seen) if n > seen / 8 => 3,
            _ => 0,
        };
        let prefix = if self.knows_prefix_of(name) { 6 } else { 0 };
        bytes + length + prefix
    }
}

fn prefix(name: &[u8]) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    let len = name.len().min(PREFIX);
    prefix[..len].copy_from_slice(&name[..len]);
    prefix
}

fn length_class(len: usize) -> usize {
    (usize::BITS - len.leading_zeros()).try_into().unwrap_or(LENGTHS).min(LENGTHS - 1)
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_few_names_of_any_bytes_make_all_bytes_usual() {
        let mut names = Names::new();
        let mut byte = 7_u8;
        let mut name = || -> Vec<u8> {
            std::iter::repeat_with(|| {
                byte = byte.wrapping_mul(141).wrapping_add(11);
                byte
            })
            .take(16)
            .collect()
        };
        (0..10).for_each(|_| names.learn(&name(), 6));
        (0..100).for_each(|_| assert!(names.bits(&name()) > -20));
    }

    #[test]
    fn what_looks_like_the_others_is_believed() {
        let mut names = Names::new();
        assert!(names.bits(b"user:1") > names.bits(b"\x80\x00\x91\x07\x02\x99"));
        (0..100).for_each(|n| names.learn(format!("user:{n}").as_bytes(), 20));
        assert!(names.bits(b"user:777") > 15, "{}", names.bits(b"user:777"));
        assert!(names.bits(b"QWERTY") < 8, "{}", names.bits(b"QWERTY"));
        assert!(names.bits(&[b'u'; 5000]) < names.bits(b"user:5"));
        assert!(names.bits(b"") < 0);
    }
}
