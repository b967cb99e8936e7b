//! What most files are made of, recognised at a glance.
//!
//! ```text
//! [FC ms] [F9 freq | F8 idle] type key value
//! ```
//!
//! [`PlainKey`] is a key whose name is stored as it is, up to its value; [`plain_string`] a string in a value. They
//! answer `None` for everything else: bytes that are missing, a length in a longer form than it needs. The parser reads
//! those, and says what they are.

use super::opcode;
use super::string::Body;
use super::wire::shortest;

/// A key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainKey<'a> {
    /// When it expires, in milliseconds.
    pub(crate) expire: Option<i64>,
    /// The byte of the value's type.
    pub(crate) value_type: u8,
    /// Where the name's string begins in the window: behind the type.
    pub(crate) key_at: usize,
    pub(crate) key: &'a [u8],
    /// Where the value begins in the window.
    pub(crate) value_at: usize,
}

impl<'a> PlainKey<'a> {
    /// Reads the key that the window begins with, if its name has at most `longest` bytes.
    #[inline]
    pub(crate) fn read(window: &'a [u8], longest: usize) -> Option<Self> {
        crate::base::work::did(1);
        let (mut at, mut expire) = (0, None);
        if let [opcode::EXPIRETIME_MS, rest @ ..] = window {
            expire = Some(i64::from_le_bytes(*rest.first_chunk()?));
            at = 9;
        }
        let mut value_type = *window.get(at)?;
        if matches!(value_type, opcode::FREQ | opcode::IDLE) {
            at += if value_type == opcode::FREQ { 2 } else { 1 + plain_length(&window[at + 1..])?.1 };
            value_type = *window.get(at)?;
        }
        let key_at = at + 1;
        let (len, head) = plain_length(window.get(key_at..)?)?;
        let key = window[key_at + head..].get(..len).filter(|_| len <= longest)?;
        Some(Self { expire, value_type, key_at, key, value_at: key_at + head + len })
    }
}

/// Reads the string that the window begins with, if it is stored in at most `longest` bytes, and returns how many bytes it
/// takes.
#[inline]
pub(crate) fn plain_string(window: &[u8], longest: usize) -> Option<(Body<&[u8]>, usize)> {
    match *window {
        [first @ ..=0xBF, ..] => {
            let (len, head) = if first <= 0x3F { (usize::from(first), 1) } else { plain_length(window)? };
            let text = window[head..].get(..len).filter(|_| len <= longest)?;
            Some((Body::Raw(text), head + len))
        }
        [0xC0, a, ..] => Some((Body::Int(i32::from(a.cast_signed())), 2)),
        [0xC1, a, b, ..] => {
            let value = i16::from_le_bytes([a, b]);
            i8::try_from(value).is_err().then_some((Body::Int(i32::from(value)), 3))
        }
        [0xC2, a, b, c, d, ..] => {
            let value = i32::from_le_bytes([a, b, c, d]);
            i16::try_from(value).is_err().then_some((Body::Int(value), 5))
        }
        [0xC3, ref rest @ ..] => {
            let (stored, first) = plain_length(rest)?;
            let (decoded, second) = plain_length(&rest[first..])?;
            let data = rest[first + second..].get(..stored).filter(|_| stored <= longest)?;
            Some((Body::Lzf { data, decoded: decoded as u64 }, 1 + first + second + stored))
        }
        _ => None,
    }
}

/// Returns a length of up to 32 bits in the shortest form that holds it, and how many bytes it takes.
#[inline]
pub(crate) fn plain_length(window: &[u8]) -> Option<(usize, usize)> {
    let (length, size) = shortest(window)?;
    Some((u32::try_from(length).ok()? as usize, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::rdb::{Parsed, Parser, Payload};
    use testkit::rdb::RdbWriter;
    use testkit::rng::Rng;

    /// Returns a string key, and its length.
    fn string_key(record: &[u8], longest: usize) -> Option<(PlainKey<'_>, Body<&[u8]>, usize)> {
        let key = PlainKey::read(record, longest).filter(|key| key.value_type == 0)?;
        let (value, len) = plain_string(&record[key.value_at..], longest)?;
        Some((key, value, key.value_at + len))
    }

    /// What the parser makes of the record behind a header.
    #[track_caller]
    fn agrees(record: &[u8], key: &PlainKey<'_>, value: Body<&[u8]>, len: usize) {
        let mut file = b"REDIS0009".to_vec();
        file.extend_from_slice(record);
        let mut parser = Parser::new(Limits::default());
        parser.parse(&file, true).expect("a header");
        let Ok(Parsed::Event { consumed, event }) = parser.parse(&file[9..], true) else { panic!("an event") };
        let Payload::Record(found) = event.payload else { panic!("a record") };
        assert_eq!((consumed, event.quirk, event.ends_record), (len, None, true));
        assert_eq!(found.attributes.expire.map(|expire| expire.ms), key.expire);
        assert_eq!((found.key.body, found.key.start), (Body::Raw(key.key), 9 + key.key_at as u64));
        assert_eq!(found.value.expect("a string").body, value);
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
            let Some((key, value, len)) = string_key(&record, usize::MAX) else { continue };
            plain += 1;
            agrees(&record, &key, value, len);
            for len in 0..record.len() {
                assert!(string_key(&record[..len], usize::MAX).is_none());
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
            assert!(string_key(record, usize::MAX).is_none(), "{record:02X?}");
        }
        assert!(string_key(b"\x00\x01k\x02vv", 1).is_none());
    }
}
