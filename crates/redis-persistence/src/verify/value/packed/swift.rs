//! Listpacks about which there is nothing to say, by a table instead of branches.
//!
//! Whether the next element is a number or a string, and how long it is, cannot be guessed in many values, and a wrong guess costs
//! more than the element. So what the first byte says about an element stands in a table, which a test holds against
//! [`Listpack`]. What the table does not know is read by that.
//!
//! All of this only accepts. `wide` is the blob and [`BEHIND`] bytes more, which mean nothing.

mod layouts;
#[cfg(test)]
mod tests;

use std::hint::select_unpredictable as select;

pub(super) use layouts::is_plain;

use crate::rdb::packed::{Listpack, PackedValue};
use crate::verify::stored_form::may_begin_number;
use crate::verify::value::stored::{BEHIND, no_digits};

/// Where the first element begins.
pub(crate) const HEADER: usize = 6;

/// What the first byte of an element says.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Kind {
    /// Of the first eight bytes of a string, those that it has.
    text: u64,
    /// A number from `-bias` up to so many more would have had a shorter form.
    bias: u64,
    short: u64,
    /// Encoding and data; 0 if it is none of the usual ones.
    size: u8,
    shift: u8,
    number: bool,
    /// 13 bits, the high ones in the first byte.
    middle: bool,
}

static KINDS: [Kind; 256] = {
    let none = Kind { text: 0, bias: 0, short: 0, size: 0, shift: 0, number: false, middle: false };
    let mut kinds = [none; 256];
    let mut byte = 0;
    while byte < 0x80 {
        kinds[byte] = Kind { size: 1, number: true, ..none };
        byte += 1;
    }
    let mut len: u8 = 0;
    while len < 0x40 {
        let text = if len < 8 { (1 << (8 * len)) - 1 } else { u64::MAX };
        kinds[byte] = Kind { size: len + 1, text, ..none };
        (byte, len) = (byte + 1, len + 1);
    }
    while byte < 0xE0 {
        kinds[byte] = Kind { size: 2, short: 128, shift: 51, number: true, middle: true, ..none };
        byte += 1;
    }
    kinds[0xF1] = Kind { size: 3, bias: 1 << 12, short: 1 << 13, shift: 48, number: true, ..none };
    kinds[0xF2] = Kind { size: 4, bias: 1 << 15, short: 1 << 16, shift: 40, number: true, ..none };
    kinds[0xF3] = Kind { size: 5, bias: 1 << 23, short: 1 << 24, shift: 32, number: true, ..none };
    kinds[0xF4] = Kind { size: 9, bias: 1 << 31, short: 1 << 32, number: true, ..none };
    kinds
};

/// A listpack whose frame is sound.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    wide: &'a [u8],
    list: Listpack<'a>,
    /// Where the terminator stands.
    pub(crate) end: usize,
    /// How many elements there are, as the header says.
    pub(crate) stated: usize,
}

impl<'a> List<'a> {
    /// Opens the blob that the first `len` bytes are.
    pub(crate) fn open(wide: &'a [u8], len: usize) -> Option<Self> {
        let list = Listpack::new(wide.get(..len)?).ok()?;
        let stated = usize::from(list.stated_len()?);
        (wide.len() >= len + BEHIND).then_some(Self { wide, list, end: len - 1, stated })
    }

    /// The end of the element at `at`, whatever it is, if it is sound and stored as a server stores it.
    #[inline]
    pub(crate) fn any(self, at: usize) -> Option<usize> {
        let bytes: &[u8; 9] = self.wide.get(at..)?.first_chunk()?;
        let kind = &KINDS[usize::from(bytes[0])];
        let word = word(bytes);
        let size = usize::from(kind.size);
        let back = usize::from(*self.wide.get(at + size)?);
        let number = kind.number_in(bytes[0], word);
        let sound = (back == size) & !kind.has_shorter(number) & (kind.number | is_text(word, kind.text));
        if sound { Some(at + size + 1) } else { self.odd(at) }
    }

    /// Returns the same, where it is likely to be a string.
    #[inline]
    fn text(self, at: usize) -> Option<usize> {
        let bytes: &[u8; 2] = self.wide.get(at..)?.first_chunk()?;
        if bytes[0] & 0xC0 == 0x80 {
            let size = usize::from(bytes[0] & 0x3F) + 1;
            if usize::from(*self.wide.get(at + size)?) == size && !may_begin_number(bytes[1]) && size > 1 {
                return Some(at + size + 1);
            }
        }
        self.any_apart(at)
    }

    #[inline(never)]
    fn any_apart(self, at: usize) -> Option<usize> {
        self.any(at)
    }

    /// Returns a number, and where its element ends.
    #[inline]
    pub(crate) fn number(self, at: usize) -> Option<(i64, usize)> {
        let bytes: &[u8; 9] = self.wide.get(at..)?.first_chunk()?;
        if bytes[0] < 0x80 && bytes[1] == 1 {
            return Some((i64::from(bytes[0]), at + 2));
        }
        let kind = &KINDS[usize::from(bytes[0])];
        let size = usize::from(kind.size);
        let number = kind.number_in(bytes[0], word(bytes));
        let sound =
            kind.number & !kind.has_shorter(number) & (usize::from(*self.wide.get(at + size)?) == size) & (size > 1);
        let number = select(kind.middle, number << 51 >> 51, number);
        sound.then_some((number, at + size + 1))
    }

    #[cold]
    fn odd(self, at: usize) -> Option<usize> {
        self.list.entry_at(at).filter(|entry| entry.canonical).map(|entry| entry.end)
    }

    fn value(self, at: usize) -> Option<PackedValue<'a>> {
        self.list.entry_at(at).map(|entry| entry.value)
    }
}

impl Kind {
    /// Returns the number; of one of 13 bits these, without the sign.
    #[inline]
    fn number_in(&self, byte: u8, word: u64) -> i64 {
        let middle = (u64::from(byte & 0x1F) << 8 | word & 0xFF).cast_signed();
        select(self.middle, middle, (word << self.shift).cast_signed() >> self.shift)
    }

    #[inline]
    fn has_shorter(&self, number: i64) -> bool {
        number.cast_unsigned().wrapping_add(self.bias) < self.short
    }
}

#[inline]
fn word(bytes: &[u8; 9]) -> u64 {
    let [_, word @ ..] = *bytes;
    u64::from_le_bytes(word)
}

/// Returns whether the bytes of `mask` show that this is the text of no number.
#[inline]
fn is_text(word: u64, mask: u64) -> bool {
    (no_digits(word) & mask != 0) & (word & 0xFF != u64::from(b'-'))
}
