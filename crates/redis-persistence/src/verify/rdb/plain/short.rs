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
            let value_len = bytes[key_at + key_len];
            if value_len > MOST {
                break;
            }
            let (value_at, value_len) = (key_at + key_len + 1, usize::from(value_len));
            let (key, value) = (&bytes[key_at..][..key_len], &bytes[value_at..][..value_len]);
            let ms = bytes[1..].first_chunk().map_or(0, |ms| i64::from_le_bytes(*ms));
            if is_number_of_server(key)
                || is_number_of_server(value)
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
