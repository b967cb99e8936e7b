//! What the first bytes at a place tell: whether a key can begin there, and whether what looks like one is a piece of a collection.

use std::io;
use std::ops::Range;

use super::super::candidate::{Candidate, CandidateKind, Key};
use super::super::doubtful::Doubt;
use super::super::evidence::Draft;
use super::super::names::{self, SURE};
use super::super::source_window::BLOCK;
use super::{Decoder, LEAST_NAME_BITS, LONGEST_TEXT, Start, next};
use crate::rdb::{Frame, Payload, PlainElement, Shape, ValueType, opcode};

/// What is looked at of a key whose value cannot be read, and what its head tells at most.
const LONGEST_DAMAGED: usize = 1024;
const MOST_OF_HEAD: i32 = 40;
impl Decoder<'_> {
    /// Returns whether it is worth trying to read a unit at a place: nearly none is.
    pub(in super::super) fn is_worth_a_try(&mut self, at: u64) -> io::Result<bool> {
        let bytes = self.input.bytes(at, 16)?;
        let Some((&first, rest)) = bytes.split_first() else { return Ok(false) };
        let may_be_named =
            |start: &[u8], len: usize| self.names.bits_of(&start[..start.len().min(len)], len) >= LEAST_NAME_BITS;
        if first >= opcode::HASH_TEMPLATE {
            return Ok(first != opcode::HASH_TEMPLATE);
        }
        Ok(match (ValueType::from_byte(first, self.header.family), rest) {
            (None | Some(ValueType::Module), _) => false,
            // A key without a name, or one in a form that no name has.
            (_, [0 | 0x82..=0xbf | 0xc4..=0xff, ..]) => false,
            (_, [len @ 1..=0x3f, name @ ..]) => may_be_named(name, usize::from(*len)),
            (_, [high @ 0x40..=0x7f, low, name @ ..]) => {
                may_be_named(name, usize::from(high & 0x3f) << 8 | usize::from(*low))
            }
            _ => true,
        })
    }

    /// Returns the same where names tell nothing.
    pub(in super::super) fn may_be_a_unit(&mut self, at: u64) -> io::Result<bool> {
        let bytes = self.input.bytes(at, 2)?;
        let &[first, second, ..] = bytes else { return Ok(false) };
        if first >= opcode::HASH_TEMPLATE {
            return Ok(first != opcode::HASH_TEMPLATE);
        }
        Ok(ValueType::from_byte(first, self.header.family).is_some_and(|kind| kind != ValueType::Module)
            && matches!(second, 0..=0x81 | 0xc0..=0xc3))
    }

    /// Returns why no way begins with a unit, if none does. `among_fields`: it may follow some of a hash whose fields expire.
    pub(in super::super) fn doubt(&mut self, unit: &Candidate, among_fields: bool) -> io::Result<Option<Doubt>> {
        if self.is_like_a_field(unit, among_fields)? {
            return Ok(Some(Doubt::Field));
        }
        if unit.head < self.names.lead_of(unit.bits - unit.head) {
            return Ok(Some(Doubt::Name));
        }
        if unit.is_plain() && unit.bits - unit.head < SURE && self.may_be_in_a_number(unit.start)? {
            return Ok(Some(Doubt::Number));
        }
        Ok((self.is_no_longer_written(unit) && !self.has_known_prefix(unit)?).then_some(Doubt::OldType))
    }

    /// Returns whether a unit may be a field of a hash.
    pub(in super::super) fn is_like_a_field(&mut self, unit: &Candidate, among_fields: bool) -> io::Result<bool> {
        Ok((among_fields || self.may_hold_fields())
            && (unit.is_plain_string() || unit.is_plain() && self.may_be_in_a_time(unit.start)?)
            && !self.has_known_prefix(unit)?)
    }

    /// Returns whether the byte at `at` can be the last one of a number in a collection, stored as a string or as a score:
    /// with the strings behind it, it looks like a key with its value if that byte is a type.
    pub(in super::super) fn may_be_in_a_number(&mut self, at: u64) -> io::Result<bool> {
        let behind = at.min(7);
        let bytes = self.input.bytes(at - behind, 8)?;
        let Some((byte, before)) = bytes.get(..=usize::try_from(behind).unwrap_or(0)).and_then(<[u8]>::split_last)
        else {
            return Ok(false);
        };
        let back = |n: usize| before.len().checked_sub(n).map(|at| before[at]);
        // A score of 0. Fewer zeros end other things, such as the value of a module.
        let in_zeros = *byte == 0 && before.iter().all(|byte| *byte == 0);
        let in_text = back(1) == Some(0xc0) || back(2) == Some(0xc1) || back(4) == Some(0xc2);
        Ok(in_zeros || *byte < opcode::HASH_TEMPLATE && in_text)
    }

    /// Returns whether the byte at `at` can be the last one of the time that a field has left: it is stored as a length is.
    pub(in super::super) fn may_be_in_a_time(&mut self, at: u64) -> io::Result<bool> {
        let mut mark = |back: u64| -> io::Result<Option<u8>> {
            let Some(at) = at.checked_sub(back) else { return Ok(None) };
            Ok(self.input.bytes(at, 1)?.first().copied())
        };
        Ok(mark(4)? == Some(0x80) || mark(8)? == Some(0x81))
    }

    /// Returns the key that begins at `at` up to its value, and what speaks for it.
    pub(in super::super) fn head(&mut self, at: u64) -> io::Result<Option<(Key, i32)>> {
        self.head_within(at, LONGEST_TEXT)
    }

    /// Returns the same, if no string in it takes more than `most` bytes.
    fn head_within(&mut self, at: u64, most: usize) -> io::Result<Option<(Key, i32)>> {
        self.parser.resume_at(at);
        let mut draft = Draft::new();
        let size = self.input.size();
        while let Ok(event) = next(&mut self.parser, &mut self.input, most)? {
            let fits =
                draft.take(&event, &self.names, Start::Tried, size) && draft.fits(&event, &self.header, self.version);
            if !fits || draft.what.is_some() {
                break;
            }
            if matches!(event.payload, Payload::Record(_)) {
                return Ok(draft.head());
            }
        }
        Ok(None)
    }

    /// Returns what speaks for a key at `at` whose value cannot be read; 0 if nothing does.
    pub(in super::super) fn damaged_head(&mut self, at: u64) -> io::Result<i32> {
        let head = self.head_within(at, LONGEST_DAMAGED)?;
        Ok(head.map_or(0, |(_, bits)| self.of_head(bits)))
    }

    /// Returns what a head tells by itself.
    pub(in super::super) fn of_head(&self, bits: i32) -> i32 {
        if bits < self.names.lead() { 0 } else { bits.min(MOST_OF_HEAD) }
    }

    /// Returns whether servers of the file's version write another type instead, so that nothing begins with it: nodes of a
    /// list, one after the other, read as lists of one element.
    pub(in super::super) fn is_no_longer_written(&self, unit: &Candidate) -> bool {
        let CandidateKind::Key(key) = &unit.what else { return false };
        match key.value_type.frame() {
            Frame::Elements { element, .. } => match element {
                PlainElement::One => {
                    key.value_type.shape() == Shape::List
                        && self.header.version >= ValueType::ListQuicklist.min_version()
                }
                PlainElement::TextScore => self.header.version >= ValueType::ZSet2.min_version(),
                PlainElement::Pair | PlainElement::TtlPair | PlainElement::PairExpiry | PlainElement::Score => false,
            },
            Frame::Text | Frame::Packed { .. } | Frame::Nodes { .. } | Frame::Mixed => false,
        }
    }

    /// Returns whether the file may hold hashes whose fields expire.
    pub(in super::super) fn may_have_fields(&self) -> bool {
        let least =
            [ValueType::HashMetadata, ValueType::Hash2].into_iter().filter(|kind| kind.belongs_to(self.family()));
        least.map(ValueType::min_version).min().is_some_and(|least| self.header.version >= least)
    }

    /// Returns the same where names tell whether they are fields of one.
    pub(in super::super) fn may_hold_fields(&self) -> bool {
        self.may_have_fields() && self.names.prefixes_tell()
    }

    /// Returns whether keys may lie between two places: somewhere a type, a length and the beginning of a name that others
    /// share follow each other, or names do not begin alike.
    pub(in super::super) fn may_hold_keys(&mut self, range: Range<u64>) -> io::Result<bool> {
        const HEAD: usize = 2 + names::PREFIX;
        if !self.names.prefixes_tell() {
            return Ok(true);
        }
        let mut at = range.start;
        while range.end - at >= HEAD as u64 {
            let len = usize::try_from(range.end - at).unwrap_or(BLOCK).min(BLOCK);
            let bytes = &self.input.bytes(at, len)?[..len];
            crate::base::work::did_read(len);
            let is_head = |head: &[u8]| {
                let len = usize::from(head[1]);
                (1..0x40).contains(&len)
                    && ValueType::from_byte(head[0], self.header.family).is_some()
                    && self.names.knows_prefix_of(&head[2..HEAD.min(2 + len)])
            };
            if bytes.windows(HEAD).any(is_head) {
                return Ok(true);
            }
            at += (len - (HEAD - 1)) as u64;
        }
        Ok(false)
    }

    /// Returns whether its name begins as that of another key does.
    pub(in super::super) fn has_known_prefix(&mut self, unit: &Candidate) -> io::Result<bool> {
        Ok(self.name_of(unit)?.is_some_and(|name| self.names.knows_prefix_of(&name)))
    }
}
