//! Keys and strings of a few bytes each, of which some files have nothing else.
//!
//! ```text
//! [FC ms] 00 length key length value        both lengths in one byte, and at least one byte of key
//! ```
//!
//! What takes the time is to wait for one length to know where the next one stands. So nothing else is in that chain: where
//! there may be an expiry no branch is taken, and no key is looked at twice.

use std::hint::select_unpredictable as select;

use super::{Of, STRING};
use crate::rdb::{ValueType, opcode};
use crate::verify::rdb::RdbVerifier;
use crate::verify::rdb::keys::is_plausible;
use crate::verify::rdb::slot;
use crate::verify::rdb::strings::is_number_of_server;
use crate::verify::rdb::tally::Strings;

/// The highest length in one byte.
const MOST: u8 = 0x3F;
/// The longest expiry, with its opcode.
const EXPIRE: usize = 9;
/// The longest of these records.
const RECORD: usize = EXPIRE + 3 + 2 * MOST as usize;

impl RdbVerifier {
    /// Takes such records, as long as nothing is odd about them and no other may begin within the length of the longest of
    /// them; counts them, and answers how many bytes they have.
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
            // A length, or a number of one, two or four bytes.
            let number = form > MOST;
            if number & (form.wrapping_sub(0xC0) > 2) {
                break;
            }
            let (value_at, value_len) = (key_at + key_len + 1, select(number, 1 << (form & 3), usize::from(form)));
            let (key, value) = (&bytes[key_at..][..key_len], &bytes[value_at..][..value_len]);
            // A number that half the bytes would hold.
            let word = bytes[value_at..].first_chunk().map_or(0, |word| i32::from_le_bytes(*word));
            let (all, half) = (8_u32 << (form & 3), 4_u32 << (form & 3));
            let signed =
                |bits: u32| word.wrapping_shl(32_u32.wrapping_sub(bits)).wrapping_shr(32_u32.wrapping_sub(bits));
            let odd = (form > 0xC0) & (signed(all) == signed(half));
            // The text of a number is a few bytes long, and begins with a digit or a minus.
            let text = (form <= 11) & (bytes[value_at].wrapping_sub(b'-') <= 12);
            let ms = bytes[1..].first_chunk().map_or(0, |ms| i64::from_le_bytes(*ms));
            if is_number_of_server(key)
                || odd | text && (odd || is_number_of_server(value))
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
