//! Keys and strings of a few bytes each, of which some files have nothing else.
//!
//! ```text
//! [FC ms] 00 length key length value        both lengths in one byte, and at least one byte of key
//! [FC ms] 00 length key C0 | C1 | C2 value  a number of one, two or four bytes
//! ```
//!
//! What takes the time is to wait for one length to know where the next one stands. So nothing else is in that chain: where
//! there may be an expiry no branch is taken, and no key is looked at twice.

use std::hint::select_unpredictable as select;

use super::{Of, STRING};
use crate::rdb::slot;
use crate::rdb::{ValueType, opcode};
use crate::verify::rdb::RdbVerifier;
use crate::verify::rdb::counts::Strings;
use crate::verify::rdb::keys::is_plausible;
use crate::verify::stored_form::is_number_of_server;

/// The highest length in one byte.
const MOST: u8 = 0x3F;
/// The forms of numbers: of one, two and four bytes.
const INT8: u8 = 0xC0;
const INT16: u8 = 0xC1;
const INT32: u8 = 0xC2;
/// The longest expiry, with its opcode.
const EXPIRE: usize = 9;
/// The longest of these records.
const RECORD: usize = EXPIRE + 3 + 2 * MOST as usize;

impl RdbVerifier {
    /// Takes such records, as long as nothing is odd about them and no other may begin within the length of the longest of
    /// them; counts them, and returns how many bytes they have.
    pub(super) fn short_strings(&mut self, window: &[u8], offset: u64, of: &Of, strings: &mut Strings) -> usize {
        let mut at = 0;
        let longest = self.options.limits.inline_bytes;
        while let Some(bytes) = window.get(at..).and_then(<[u8]>::first_chunk::<RECORD>) {
            let expires = bytes[0] == opcode::EXPIRETIME_MS;
            let head = select(expires, EXPIRE, 0);
            let (value_type, key_len) = (bytes[head], bytes[head + 1]);
            if value_type != STRING || !(1..=MOST).contains(&key_len) {
                break;
            }
            let (key_at, key_len) = (head + 2, usize::from(key_len));
            let form = bytes[key_at + key_len];
            let value_at = key_at + key_len + 1;
            // Most files have texts only, or nearly only numbers: a branch is guessed, and costs less than what would avoid it.
            let value_len = if form <= MOST {
                let text = &bytes[value_at..][..usize::from(form)];
                if is_number_of_server(text) {
                    break;
                }
                text.len()
            } else if let Some(size) = number_size(form, &bytes[value_at..]) {
                size
            } else {
                break;
            };
            let key = &bytes[key_at..][..key_len];
            let ms = bytes[1..].first_chunk().map_or(0, |ms| i64::from_le_bytes(*ms));
            if is_number_of_server(key)
                || expires && !is_plausible(ms)
                || key_len.max(value_len) > longest
                || of.slot.is_some_and(|slot| slot != slot::of_key(key))
            {
                break;
            }
            if of.compare {
                self.keys.add(key, of.db, offset + (at + head + 1) as u64);
            }
            self.facts.key(ValueType::String, of.db, key);
            strings.keys += 1;
            strings.expires += u64::from(expires);
            strings.expired += u64::from(expires & (ms < of.now));
            at += value_at + value_len;
        }
        at
    }
}

/// Returns the size of the number of that form that `bytes` begin with, unless it is none or half of it would do.
#[inline]
fn number_size(form: u8, bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [_, ..] if form == INT8 => Some(1),
        [a, b, ..] if form == INT16 => i8::try_from(i16::from_le_bytes([a, b])).is_err().then_some(2),
        [a, b, c, d, ..] if form == INT32 => i16::try_from(i32::from_le_bytes([a, b, c, d])).is_err().then_some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::plain_string;
    use crate::verify::options::Options;
    use crate::verify::rdb::Places;
    use crate::verify::rdb::plain::is_sound_form;

    /// Short texts and numbers, in the forms of servers and in others, are taken just where there is nothing to say about them.
    #[test]
    fn numbers_are_told_as_strings_are() {
        let mut taken = 0;
        let numbers =
            (-200..200_i64).chain([15, 16, 31].into_iter().flat_map(|bits| {
                [-1, 0, 1, 2].into_iter().flat_map(move |by| [(1_i64 << bits) + by, by - (1 << bits)])
            }));
        for number in numbers {
            let bytes = number.to_le_bytes();
            let text = number.to_string();
            let mut values = vec![[&[INT8], &bytes[..1]].concat(), [&[INT16], &bytes[..2]].concat()];
            values.push([&[INT32], &bytes[..4]].concat());
            for text in [text.clone(), format!("{text}x"), format!("0{text}"), format!(".{text}")] {
                values.push([&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat());
            }
            for value in values {
                let record = [b"\0\x01k", &value[..], &[b'5'; RECORD]].concat();
                let sound = plain_string(&value, 64).is_some_and(|(body, _)| is_sound_form(&body));
                let mut verifier = RdbVerifier::new(Options::default(), Places::Again);
                let of = Of { db: 0, slot: None, now: 0, compare: false };
                let took = verifier.short_strings(&record, 0, &of, &mut Strings::default());
                assert_eq!(took, if sound { 3 + value.len() } else { 0 }, "{value:02X?}");
                taken += u32::from(sound);
            }
        }
        assert!(taken > 800, "{taken}");
    }
}
