//! Listpacks about which there is nothing to say, by a table instead of branches.
//!
//! Whether the next element is a number or a string, and how long it is, cannot be guessed in many values, and a wrong guess costs
//! more than the element. So what the first byte says about an element stands in a table. Two elements are equal if their bytes
//! are, as each value has one canonical form.
//!
//! All of this only accepts. `wide` is the blob and some bytes more, which mean nothing.

use std::hint::select_unpredictable as select;

use super::tuples::{Layout, follows};
use crate::rdb::packed::{Listpack, PackedValue};
use crate::verify::duplicates::HashKey;
use crate::verify::value::score::{Score, parse};
use crate::verify::value::seen::{Few, Seen};

/// So many bytes have to follow a blob.
pub(crate) const BEHIND: usize = 32;
const HEADER: usize = 6;
/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The elements that were seen, and the key of their hashes.
struct Compared<'w> {
    few: Few<'w>,
    key: HashKey,
}

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
    while byte < 0xC0 {
        kinds[byte] = if byte < 0x80 {
            Kind { size: 1, number: true, ..none }
        } else {
            let len = byte & 0x3F;
            let text = if len < 8 { (1 << (8 * len)) - 1 } else { u64::MAX };
            Kind { size: len as u8 + 1, text, ..none }
        };
        byte += 1;
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
struct List<'a> {
    wide: &'a [u8],
    list: Listpack<'a>,
    /// Where the terminator stands.
    end: usize,
    stated: usize,
}

impl<'a> List<'a> {
    fn open(wide: &'a [u8], len: usize) -> Option<Self> {
        let list = Listpack::new(wide.get(..len)?).ok()?;
        let stated = usize::from(list.stated_len()?);
        (wide.len() >= len + BEHIND).then_some(Self { wide, list, end: len - 1, stated })
    }

    /// The end of the element at `at`, whatever it is.
    #[inline]
    fn any(self, at: usize) -> Option<usize> {
        let bytes: &[u8; 9] = self.wide.get(at..)?.first_chunk()?;
        let kind = &KINDS[usize::from(bytes[0])];
        let word = word(bytes);
        let size = usize::from(kind.size);
        let back = usize::from(*self.wide.get(at + size)?);
        let number = kind.number_in(bytes[0], word);
        let sound = (back == size) & !kind.has_shorter(number) & (kind.number | is_text(word, kind.text));
        if sound { Some(at + size + 1) } else { self.odd(at) }
    }

    /// The same, where it is likely to be a string.
    #[inline]
    fn text(self, at: usize) -> Option<usize> {
        let bytes: &[u8; 2] = self.wide.get(at..)?.first_chunk()?;
        if bytes[0] & 0xC0 == 0x80 {
            let size = usize::from(bytes[0] & 0x3F) + 1;
            // Neither a digit nor a minus.
            if usize::from(*self.wide.get(at + size)?) == size && bytes[1].wrapping_sub(b'-') > 12 && size > 1 {
                return Some(at + size + 1);
            }
        }
        self.any_apart(at)
    }

    #[inline(never)]
    fn any_apart(self, at: usize) -> Option<usize> {
        self.any(at)
    }

    /// A number, and where it ends.
    #[inline]
    fn number(self, at: usize) -> Option<(i64, usize)> {
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

    /// Whether the element between these is none of those before.
    #[inline]
    fn is_new(self, Compared { few, key }: &mut Compared<'_>, at: usize, end: usize) -> Option<bool> {
        let hash = hash(self.wide, at, end, key)?;
        let same = |before| self.wide[before..].starts_with(&self.wide[at..end]);
        Some(few.add(hash, at, same).is_none())
    }
}

impl Kind {
    /// The number; of one of 13 bits these, without the sign.
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
    let [_, a, b, c, d, e, f, g, h] = *bytes;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Whether the bytes of `mask` show that this is the text of no number.
#[inline]
fn is_text(word: u64, mask: u64) -> bool {
    (no_digits(word) & mask != 0) & (word & 0xFF != u64::from(b'-'))
}

/// The high bit of each byte that is no digit.
#[inline]
fn no_digits(word: u64) -> u64 {
    let value = word ^ 0x3030_3030_3030_3030;
    ((value & !HIGH).wrapping_add(0x7676_7676_7676_7676) | value) & HIGH
}

const MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

/// A string of the frame that is no number and has at most 63 bytes: where it ends.
#[inline]
pub(crate) fn short_text(window: &[u8], at: usize) -> Option<usize> {
    let [len, first] = *window.get(at..)?.first_chunk()?;
    // Neither a digit nor a minus.
    let end = at + 1 + usize::from(len);
    (len.wrapping_sub(1) < 0x3F && first.wrapping_sub(b'-') > 12 && end <= window.len()).then_some(end)
}

/// The hash of such a string, wherever it stands in a window.
#[inline]
pub(crate) fn hash_of_short(window: &[u8], at: usize, end: usize, key: &HashKey) -> u64 {
    hash(window, at, end, key).unwrap_or_else(|| {
        let mut wide = [0; 64 + BEHIND];
        wide[..end - at].copy_from_slice(&window[at..end]);
        hash(&wide, 0, end - at, key).unwrap_or_default()
    })
}

/// The hash of an element as it is stored; what it begins with states its length.
#[inline]
fn hash(wide: &[u8], at: usize, end: usize, key: &HashKey) -> Option<u64> {
    let len = end - at;
    if len > 32 {
        return Some(key.hash(wide.get(at..end)?, 0));
    }
    let first = u128::from_le_bytes(*wide.get(at..)?.first_chunk()?) & MASKS[len.min(16)];
    if len <= 16 {
        return Some(key.of_sixteen(first));
    }
    let last = u128::from_le_bytes(*wide.get(end - 16..)?.first_chunk()?);
    Some(key.of_ends(first, last))
}

/// Whether the `len` first bytes of `wide` are a sound listpack of that layout that is not empty.
pub(super) fn is_plain(layout: Layout, wide: &[u8], len: usize, seen: Option<(&mut Seen, HashKey)>) -> Option<()> {
    let list = List::open(wide, len)?;
    let count = list.stated / layout.width();
    if count == 0 || count * layout.width() != list.stated {
        return None;
    }
    let few = match seen {
        Some((seen, key)) if layout != Layout::List => Some(Compared { few: Few::new(count, seen)?, key }),
        _ => None,
    };
    match layout {
        Layout::List => elements(list),
        Layout::Set => set(list, few),
        Layout::Hash => pairs(list, few),
        Layout::ZSet => scored(list, few),
        Layout::HashEx => None,
    }
}

#[inline(never)]
fn elements(list: List<'_>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        at = list.any(at)?;
        count += 1;
    }
    (at == list.end && count == list.stated).then_some(())
}

fn set(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        let end = list.any(at)?;
        if let Some(few) = &mut few
            && !list.is_new(few, at, end)?
        {
            return None;
        }
        at = end;
        count += 1;
    }
    (at == list.end && count == list.stated).then_some(())
}

#[inline(never)]
fn pairs(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    while at < list.end {
        let end = list.text(at)?;
        if let Some(few) = &mut few
            && !list.is_new(few, at, end)?
        {
            return None;
        }
        at = list.text(end)?;
        count += 2;
    }
    (at == list.end && count == list.stated).then_some(())
}

/// The score of the member before, where its element begins, and where the member does.
#[derive(Default)]
struct Before {
    low: f64,
    above: f64,
    score_at: usize,
    member_at: usize,
}

#[inline(never)]
fn scored(list: List<'_>, mut few: Option<Compared<'_>>) -> Option<()> {
    let (mut at, mut count) = (HEADER, 0);
    let mut before = Before { low: -1.0, above: f64::INFINITY, ..Before::default() };
    while at < list.end {
        let (member_at, score_at) = (at, list.text(at)?);
        if let Some(few) = &mut few
            && !list.is_new(few, member_at, score_at)?
        {
            return None;
        }
        let now;
        (now, at) = match rough(list.wide, score_at) {
            Some((low, above, end)) => (Before { low, above, score_at, member_at }, end),
            // Not above anything.
            None => (Before { low: f64::NEG_INFINITY, above: f64::INFINITY, score_at, member_at }, list.any(score_at)?),
        };
        if now.low <= before.above {
            is_in_order(list, &before, &now)?;
        }
        before = now;
        count += 2;
    }
    (at == list.end && count == list.stated).then_some(())
}

#[cold]
fn is_in_order(list: List<'_>, before: &Before, now: &Before) -> Option<()> {
    let score = exact(list.value(now.score_at)?)?;
    if before.member_at == 0 {
        return Some(());
    }
    let earlier = exact(list.value(before.score_at)?)?;
    let follows = || Some(follows(list.value(before.member_at)?, list.value(now.member_at)?));
    (earlier < score || earlier == score && !follows()?).then_some(())
}

fn exact(score: PackedValue<'_>) -> Option<f64> {
    match score {
        PackedValue::Int(score) => Some(score as f64),
        PackedValue::Bytes(text) => match parse(text) {
            Score::Plain(score) => Some(score),
            _ => None,
        },
    }
}

/// The powers of ten from 10^-8 on.
const POWERS: [f64; 17] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// A score that is a decimal without a sign: what it is at least, what it is certainly not above, and where it ends.
#[inline]
fn rough(wide: &[u8], at: usize) -> Option<(f64, f64, usize)> {
    let bytes: &[u8; 17] = wide.get(at..)?.first_chunk()?;
    let first = bytes[0];
    if first < 0x80 {
        let value = f64::from(first);
        return (bytes[1] == 1).then_some((value, value, at + 2));
    }
    let len = usize::from(first & 0x3F);
    if first >= 0xC0 || !(2..=20).contains(&len) || usize::from(*wide.get(at + len + 1)?) != len + 1 {
        return None;
    }
    let text = u128::from_le_bytes(*bytes.last_chunk()?);
    let (low, high) = (text as u64, (text >> 64) as u64);
    let no = u128::from(no_digits(low)) | u128::from(no_digits(high)) << 64;
    let no = no & MASKS[len.min(16)];
    // Just one is no digit, and that is a point, and not the first.
    let point = no.trailing_zeros() as usize / 8;
    if no & no.wrapping_sub(1) != 0 || !(1..16).contains(&point) || (text >> (8 * point)) as u8 != b'.' {
        return None;
    }
    if len > 16 {
        let tail = u64::from_le_bytes(*wide.get(at + len - 7..)?.first_chunk()?);
        // Of the last eight, those beyond the first sixteen.
        if no_digits(tail) >> (8 * (24 - len)) != 0 {
            return None;
        }
    }
    // The digits without the point, and zeros behind them.
    let digits = (text & 0x0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F) & MASKS[len.min(16)];
    let digits = (digits & MASKS[point] | (digits >> 8) & !MASKS[point]) as u64;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let value = (pairs & 0x0000_00FF_0000_00FF)
        .wrapping_mul(0x000F_4240_0000_0064)
        .wrapping_add((pairs >> 16 & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001))
        >> 32;
    let value = f64::from(value as u32);
    let unit = POWERS[point];
    Some((value * unit, (value + 1.0001) * unit, at + len + 2))
}

/// A node of a stream about which there is nothing to say: its ids, and how many living entries it has.
pub(crate) struct Node {
    pub(crate) first: (u64, u64),
    pub(crate) last: (u64, u64),
    pub(crate) living: u64,
}

/// Reads a node of that id whose entries all live, ascend, and lie above `last`.
#[inline(never)]
pub(crate) fn node(wide: &[u8], len: usize, id: (u64, u64), mut last: Option<(u64, u64)>) -> Option<Node> {
    let list = List::open(wide, len)?;
    let (living, at) = list.number(HEADER)?;
    let (deleted, at) = list.number(at)?;
    let (fields, mut at) = list.number(at)?;
    if deleted != 0 || !(0..0x7FFF).contains(&fields) {
        return None;
    }
    for _ in 0..fields {
        at = list.any(at)?;
    }
    let (end, mut at) = list.number(at)?;
    let mut elements = 4 + fields;
    let (mut first, mut count) = (None, 0);
    while at < list.end {
        let (flags, ms, seq);
        (flags, at) = list.number(at)?;
        (ms, at) = list.number(at)?;
        (seq, at) = list.number(at)?;
        let mut own = fields;
        if flags == 0 {
            (own, at) = list.number(at)?;
            if !(0..0x7FFF).contains(&own) {
                return None;
            }
            own = 2 * own + 1;
        } else if flags != 2 {
            return None;
        }
        for _ in 0..own - i64::from(flags == 0) {
            at = list.any(at)?;
        }
        let stated;
        (stated, at) = list.number(at)?;
        let entry = (id.0.wrapping_add(ms.cast_unsigned()), id.1.wrapping_add(seq.cast_unsigned()));
        if stated != own + 3 || entry < id || last.is_some_and(|last| entry <= last) {
            return None;
        }
        first = first.or(Some(entry));
        last = Some(entry);
        count += 1;
        elements += own + 4;
    }
    let sound = end == 0 && at == list.end && elements == list.stated as i64 && count == living;
    if sound { Some(Node { first: first?, last: last?, living: living.cast_unsigned() }) } else { None }
}
