//! String keys about which there is nothing to say, without events: most keys of most files.
//!
//! What is odd in any way, and so might be reported, is left to the events. So this path decides only whether it may be
//! taken, and whether it is taken cannot be seen in the report.

use super::RdbVerifier;
use super::keys::is_plausible;
use super::strings::{is_number_of_server, saves_enough};
use super::{slot, tally::Strings};
use crate::lzf;
use crate::rdb::{Plain, PlainValue, ValueType};
use crate::verify::duplicates::hash;
use crate::verify::options::Duplicates;

impl RdbVerifier {
    /// Takes the string keys that `window` begins with, as long as nothing about them is odd, and answers how many bytes
    /// they have. `offset` is where the window begins.
    pub(crate) fn plain_keys(&mut self, window: &[u8], offset: u64) -> usize {
        if self.header.is_none() || self.options.quick || self.extras.has_meta() {
            return 0;
        }
        let (db, longest) = (self.databases.db, self.options.limits.inline_bytes);
        let (slot, now) = (self.databases.slot(), self.options.now_ms.unwrap_or(i64::MIN));
        let compare = self.options.duplicates != Duplicates::Off;
        let (mut at, mut strings) = (0, Strings::default());
        while let Some(plain) = Plain::read(&window[at..], longest) {
            if !self.is_sound(&plain, slot) {
                break;
            }
            if compare {
                self.keys.insert(hash(plain.key, db), offset + (at + plain.key_at) as u64);
            }
            self.facts.key(ValueType::String, db, plain.key);
            strings.keys += 1;
            if let Some(ms) = plain.expire {
                strings.expires += 1;
                strings.expired += u64::from(ms < now);
            }
            at += plain.len;
        }
        if strings.keys > 0 {
            self.took(&strings, offset + at as u64);
        }
        at
    }

    /// Whether there is nothing to report about the record.
    #[inline]
    fn is_sound(&self, plain: &Plain<'_>, slot: Option<u64>) -> bool {
        if plain.expire.is_some_and(|ms| !is_plausible(ms)) || is_number_of_server(plain.key) {
            return false;
        }
        if slot.is_some_and(|slot| slot != slot::of_key(plain.key)) {
            return false;
        }
        match plain.value {
            // A key and a value of no bytes may be part of a hole.
            PlainValue::Raw(text) => !is_number_of_server(text) && plain.len > 3,
            PlainValue::Int => true,
            PlainValue::Lzf { data, decoded } => {
                saves_enough(data.len(), decoded) && lzf::validate(data, decoded).is_ok()
            }
        }
    }

    /// Takes note of keys that were counted apart and end at `offset`.
    fn took(&mut self, strings: &Strings, offset: u64) {
        self.keys.close_hole(&mut self.findings);
        self.keys.pending = None;
        self.keys.tally.strings(strings);
        self.databases.count(strings.keys, strings.expires);
        self.offset = offset;
    }
}
