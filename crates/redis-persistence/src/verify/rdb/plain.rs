//! Keys about which there is nothing to say, without events: most keys of most files.
//!
//! What is odd in any way, and so might be reported, is left to the events. So this path decides only whether it may be
//! taken, and whether it is taken cannot be seen in the report.

mod collections;
mod short;

use super::RdbVerifier;
use super::counts::Strings;
use super::keys::is_plausible;
use crate::lzf;
use crate::rdb::slot;
use crate::rdb::{Body, PlainKey, ValueType, plain_string};
use crate::verify::options::{Duplicates, Options};
use crate::verify::stored_form::{is_number_of_server, saves_enough};

/// The byte of the type of a string.
const STRING: u8 = ValueType::String.byte();

/// What keys are held against.
struct Of {
    db: u64,
    slot: Option<u64>,
    now: i64,
    /// Whether they are compared.
    compare: bool,
}

impl RdbVerifier {
    /// Takes the keys that `window` begins with, as long as nothing about them is odd, and returns how many bytes they have.
    /// `offset` is where the window begins.
    pub(crate) fn plain_keys(&mut self, window: &[u8], offset: u64) -> usize {
        let Options { quick, no_fast_paths, .. } = self.options;
        if self.header.is_none() || quick || no_fast_paths || self.stats.is_some() || self.extras.meta.is_pending() {
            return 0;
        }
        let longest = self.options.limits.inline_bytes;
        let of = Of {
            db: self.databases.db,
            slot: self.databases.slot(),
            now: self.options.now_ms.unwrap_or(i64::MIN),
            compare: self.options.duplicates != Duplicates::Off,
        };
        let (mut at, mut strings, mut proven) = (0, Strings::default(), Proven::default());
        loop {
            at += self.short_strings(&window[at..], offset + at as u64, &of, &mut strings);
            let Some(key) = PlainKey::read(&window[at..], longest) else { break };
            let rest = &window[at + key.value_at..];
            if !is_sound_key(&key, of.slot) {
                break;
            }
            let start = offset + at as u64;
            let size = if key.value_type == STRING {
                sound_string(&key, rest, longest, at, &mut proven)
            } else {
                self.collection(&key, rest, start)
            };
            let Some(size) = size else { break };
            if of.compare {
                self.keys.add(key.key, of.db, start + key.key_at as u64);
            }
            if key.value_type == STRING {
                self.facts.key(ValueType::String, of.db, key.key);
                strings.keys += 1;
                strings.expires += u64::from(key.expire.is_some());
                strings.expired += u64::from(key.expire.is_some_and(|ms| ms < of.now));
            }
            at += key.value_at + size;
        }
        if at > 0 {
            self.took(&strings, offset + at as u64);
        }
        at
    }

    /// Takes note of keys that were counted apart and end at `offset`.
    fn took(&mut self, strings: &Strings, offset: u64) {
        self.keys.close_hole(&mut self.findings);
        self.keys.pending = None;
        if strings.keys > 0 {
            self.keys.tally.strings(strings);
            self.databases.count(strings.keys, strings.expires);
        }
        self.offset = offset;
    }
}

/// Returns whether there is nothing to report about the key.
#[inline]
fn is_sound_key(key: &PlainKey<'_>, slot: Option<u64>) -> bool {
    key.expire.is_none_or(is_plausible)
        && !is_number_of_server(key.key)
        && slot.is_none_or(|slot| slot == slot::of_key(key.key))
}

/// Returns the size of a string value about which there is nothing to report, of a key at `at` in the window.
#[inline]
fn sound_string(key: &PlainKey<'_>, value: &[u8], longest: usize, at: usize, proven: &mut Proven) -> Option<usize> {
    let (body, size) = plain_string(value, longest)?;
    // A key and a value of no bytes may be part of a hole.
    let part_of_hole = size == 1 && key.value_at == 2;
    let sound =
        !part_of_hole && is_sound_form(&body) && proven.holds(&body, &value[size..], at + key.value_at + size, longest);
    sound.then_some(size)
}

/// This many compressed strings are proven at once.
const AT_ONCE: usize = 16;

/// Up to where in the window compressed strings were proven.
#[derive(Debug, Default)]
struct Proven {
    to: usize,
    /// Up to here each is to be proven by itself: one of them is not sound.
    apart: usize,
}

impl Proven {
    /// Returns whether a string that ends at `end` is proven, or can be: together with those of the next keys, as far as
    /// they are compressed.
    #[inline]
    fn holds(&mut self, body: &Body<&[u8]>, behind: &[u8], end: usize, longest: usize) -> bool {
        if let Body::Lzf { data, decoded } = *body
            && end > self.to.max(self.apart)
        {
            self.prove((data, decoded), behind, end, longest);
        }
        end <= self.to || is_sound_lzf(body)
    }

    /// Proves a string that ends at `end` and those of the next keys, if there are any.
    fn prove<'a>(&mut self, first: (&'a [u8], u64), behind: &'a [u8], end: usize, longest: usize) {
        let (mut inputs, mut count, mut size) = ([first; AT_ONCE], 1, 0);
        while count < AT_ONCE
            && let Some((other, len)) = next_compressed(&behind[size..], longest)
        {
            inputs[count] = other;
            count += 1;
            size += len;
        }
        if count > 1 {
            let to = if lzf::are_sound(&inputs[..count]) { &mut self.to } else { &mut self.apart };
            *to = end + size;
        }
    }
}

/// Returns the value of the key that `window` begins with, if that is a compressed string, and where it ends.
#[inline]
fn next_compressed(window: &[u8], longest: usize) -> Option<((&[u8], u64), usize)> {
    let key = PlainKey::read(window, longest).filter(|key| key.value_type == STRING)?;
    match plain_string(&window[key.value_at..], longest)? {
        (Body::Lzf { data, decoded }, size) => Some(((data, decoded), key.value_at + size)),
        _ => None,
    }
}

/// Returns whether a server would have written the string in this form.
#[inline]
fn is_sound_form(body: &Body<&[u8]>) -> bool {
    match *body {
        Body::Raw(text) => !is_number_of_server(text),
        Body::Lzf { data, decoded } => saves_enough(data.len(), decoded),
        Body::Int(_) | Body::Long { .. } => true,
    }
}

/// Returns whether compressed bytes are sound.
#[inline]
fn is_sound_lzf(body: &Body<&[u8]>) -> bool {
    match *body {
        Body::Lzf { data, decoded } => lzf::validate(data, decoded).is_ok(),
        _ => true,
    }
}
