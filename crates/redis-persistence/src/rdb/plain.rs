//! The record that most files are made of, recognised at a glance.
//!
//! ```text
//! [FC ms] [F9 freq | F8 idle] 00 key value
//! ```
//!
//! A string key whose name is stored as it is. [`Plain::read`] answers `None` for everything else: another type, bytes
//! that are missing, a length in a longer form than it needs. The parser reads those, and says what they are.

use super::consts::opcode;

/// A string key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain<'a> {
    /// When it expires, in milliseconds.
    pub(crate) expire: Option<i64>,
    /// Where the name's string begins in the window.
    pub(crate) key_at: usize,
    pub(crate) key: &'a [u8],
    pub(crate) value: PlainValue<'a>,
    /// The length of the whole record.
    pub(crate) len: usize,
}

/// Its value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlainValue<'a> {
    Raw(&'a [u8]),
    /// A number that needs the width it is stored in.
    Int,
    Lzf {
        data: &'a [u8],
        decoded: u64,
    },
}

impl<'a> Plain<'a> {
    /// Reads the record that the window begins with, if it is one of these and strings of it are at most `longest` bytes.
    #[inline]
    pub(crate) fn read(window: &'a [u8], longest: usize) -> Option<Self> {
        let (mut at, mut expire) = (0, None);
        if let [opcode::EXPIRETIME_MS, rest @ ..] = window {
            expire = Some(i64::from_le_bytes(*rest.first_chunk()?));
            at = 9;
        }
        match window.get(at)? {
            0 => {}
            &opcode::FREQ => at += 2,
            &opcode::IDLE => at += 1 + length(window.get(at + 1..)?)?.1,
            _ => return None,
        }
        let [0, ..] = window.get(at..)? else { return None };
        let key_at = at + 1;
        let (len, head) = length(&window[key_at..])?;
        let key = window[key_at + head..].get(..len).filter(|_| len <= longest)?;
        let value_at = key_at + head + len;
        let (value, size) = value(&window[value_at..], longest)?;
        Some(Self { expire, key_at, key, value, len: value_at + size })
    }
}

#[inline]
fn value(window: &[u8], longest: usize) -> Option<(PlainValue<'_>, usize)> {
    match *window {
        [first @ ..=0xBF, ..] => {
            let (len, head) = if first <= 0x3F { (usize::from(first), 1) } else { length(window)? };
            let text = window[head..].get(..len).filter(|_| len <= longest)?;
            Some((PlainValue::Raw(text), head + len))
        }
        [0xC0, _, ..] => Some((PlainValue::Int, 2)),
        [0xC1, a, b, ..] => i8::try_from(i16::from_le_bytes([a, b])).is_err().then_some((PlainValue::Int, 3)),
        [0xC2, a, b, c, d, ..] => {
            i16::try_from(i32::from_le_bytes([a, b, c, d])).is_err().then_some((PlainValue::Int, 5))
        }
        [0xC3, ref rest @ ..] => {
            let (stored, first) = length(rest)?;
            let (decoded, second) = length(&rest[first..])?;
            let data = rest[first + second..].get(..stored).filter(|_| stored <= longest)?;
            Some((PlainValue::Lzf { data, decoded: decoded as u64 }, 1 + first + second + stored))
        }
        _ => None,
    }
}

/// A length of up to 32 bits in the shortest form that holds it, and how many bytes it takes.
#[inline]
fn length(window: &[u8]) -> Option<(usize, usize)> {
    match *window {
        [len @ ..=0x3F, ..] => Some((usize::from(len), 1)),
        [high @ 0x40..=0x7F, low, ..] => {
            let len = usize::from(high & 0x3F) << 8 | usize::from(low);
            (len > 0x3F).then_some((len, 2))
        }
        [0x80, a, b, c, d, ..] => {
            let len = u32::from_be_bytes([a, b, c, d]) as usize;
            (len > 0x3FFF).then_some((len, 5))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::rdb::{Body, Parsed, Parser, Payload};
    use testkit::rdb::RdbWriter;
    use testkit::rng::Rng;

    /// What the parser makes of the record behind a header.
    #[track_caller]
    fn agrees(record: &[u8], plain: &Plain<'_>) {
        let mut file = b"REDIS0009".to_vec();
        file.extend_from_slice(record);
        let mut parser = Parser::new(Limits::default());
        parser.parse(&file, true).expect("a header");
        let Ok(Parsed::Event { consumed, event }) = parser.parse(&file[9..], true) else { panic!("an event") };
        let Payload::Record(found) = event.payload else { panic!("a record") };
        assert_eq!((consumed, event.quirk, event.ends_record), (plain.len, None, true));
        assert_eq!(found.attributes.expire.map(|expire| expire.ms), plain.expire);
        assert_eq!((found.key.body, found.key.start), (Body::Raw(plain.key), 9 + plain.key_at as u64));
        let value = found.value.expect("a string");
        match plain.value {
            PlainValue::Raw(text) => assert_eq!(value.body, Body::Raw(text)),
            PlainValue::Int => assert!(matches!(value.body, Body::Int(_))),
            PlainValue::Lzf { data, decoded } => assert_eq!(value.body, Body::Lzf { data, decoded }),
        }
    }

    #[test]
    fn reads_what_the_parser_reads() {
        let mut rng = Rng::new(7);
        let mut plain = 0;
        for _ in 0..2000 {
            let mut w = RdbWriter::bare(9);
            if rng.chance(30) {
                w.expire_ms(1 << 40);
            }
            if rng.chance(30) {
                w.freq(7);
            } else if rng.chance(30) {
                w.idle(rng.below(100_000));
            }
            let (key, value) = (rng.size(0..=200), rng.size(0..=20_000));
            let number = rng.signed(-70_000..=70_000).to_string().into_bytes();
            let value = if rng.chance(50) { rng.bytes(value) } else { number };
            w.string_key(&rng.bytes(key), &value);
            let record = w.take();
            let Some(found) = Plain::read(&record, usize::MAX) else { continue };
            plain += 1;
            agrees(&record, &found);
            for len in 0..record.len() {
                assert!(Plain::read(&record[..len], usize::MAX).is_none());
            }
        }
        assert!(plain > 1500, "{plain}");
    }

    #[test]
    fn leaves_the_rest_to_the_parser() {
        for record in [
            &b"\x01\x01k\x01\x01v"[..],
            b"\x00\x40\x01k\x01v",
            b"\x00\xc0\x01\x01v",
            b"\x00\x01k\xc1\x01\x00",
            b"\x00\x01k\x81\0\0\0\0\0\0\0\x01v",
            b"\xfd\0\0\0\x70\x00\x01k\x01v",
            b"\xf9\x01\xf9\x01\x00\x01k\x01v",
            b"\xff",
        ] {
            assert!(Plain::read(record, usize::MAX).is_none(), "{record:02X?}");
        }
        assert!(Plain::read(b"\x00\x01k\x02vv", 1).is_none());
    }
}
