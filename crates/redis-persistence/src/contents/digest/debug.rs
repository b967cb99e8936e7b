//! The digest that the command `DEBUG DIGEST` prints.
//!
//! Measured on servers, which a test asks. It is made of two steps: `xor` a SHA-1 of something into a digest of 20 bytes, and
//! `mix`, which is `xor` and then the SHA-1 of the digest itself.
//!
//! ```text
//! key       mix name, mix type (32 bits, big-endian), then the value, then xor "!!expire!!" if it expires
//! string    mix text                     list     mix each element
//! set       xor each member              hash     xor, of each field: mix name, mix value [, xor "!!hexpire!!"]
//! zset      xor, of each member: mix member, mix score as text
//! stream    of each entry: mix id ("ms.seq"), mix each field and each value
//! databases in order: mix number (32 bits, big-endian), then xor the digest of each key
//! ```
//!
//! Up to Redis 7.0 the text of a score is another one than later, and so is the digest of a file with such scores. Valkey marks no
//! field that expires; its files have types of their own for hashes with such fields.

use sha1::{Digest as _, Sha1};

use super::DebugDigest;
use super::score::{seventeen, shortest_form};
use crate::rdb::packed::IntText;
use crate::rdb::{Element, Head, ValueType};

type Bytes = [u8; 20];

/// The digest of new servers, and that of old ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Both {
    /// Redis from 7.4 on, Valkey; 7.2 was not measured.
    pub(super) new: Bytes,
    /// Redis up to 7.0.
    pub(super) old: Bytes,
}

impl Both {
    pub(super) fn xor(&mut self, other: &Self) {
        xor(&mut self.new, &other.new);
        xor(&mut self.old, &other.old);
    }
}

#[inline]
fn xor(to: &mut Bytes, from: &Bytes) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}

#[inline]
fn xor_hash(to: &mut Bytes, text: &[u8]) {
    xor(to, &Sha1::digest(text).into());
}

#[inline]
fn mix(to: &mut Bytes, text: &[u8]) {
    xor_hash(to, text);
    *to = Sha1::digest(*to).into();
}

/// Puts the databases together, each with the digests of its keys.
pub(super) fn finish(databases: impl Iterator<Item = (u64, Bytes)>) -> DebugDigest {
    let mut digest = Bytes::default();
    for (db, keys) in databases {
        #[expect(clippy::cast_possible_truncation, reason = "servers have no more databases than that")]
        mix(&mut digest, &(db as u32).to_be_bytes());
        xor(&mut digest, &keys);
    }
    DebugDigest(digest)
}

/// The digest of one key after the other.
#[derive(Debug, Default)]
pub(super) struct KeyDigest {
    digest: Bytes,
    /// That of old servers, once it is another one.
    old: Option<Bytes>,
    expires: bool,
    /// Whether a field that expires is marked.
    marks: bool,
}

impl KeyDigest {
    pub(super) fn begin(&mut self, head: &Head, name: &[u8]) {
        (self.digest, self.old) = (Bytes::default(), None);
        self.marks = head.value_type != ValueType::Hash2;
        self.expires = head.expires_ms.is_some_and(|ms| ms != -1);
        mix(&mut self.digest, name);
        mix(&mut self.digest, &u32::from(head.value_type.shape().number()).to_be_bytes());
    }

    #[inline]
    pub(super) fn element(&mut self, element: &Element<'_>) {
        let digest = &mut self.digest;
        match element {
            Element::Text(text) | Element::Item(text) => mix(digest, text),
            Element::Member(member) => xor_hash(digest, member),
            Element::Scored { member, score } => {
                let mut own = Bytes::default();
                mix(&mut own, member);
                let (new, old) = (shortest_form(*score), seventeen(*score));
                if new != old || self.old.is_some() {
                    let mut own = own;
                    mix(&mut own, old.as_bytes());
                    xor_hash(self.old.get_or_insert(*digest), &own);
                }
                mix(&mut own, new.as_bytes());
                xor_hash(digest, &own);
            }
            Element::Field { name, value, expires_ms } => {
                let mut own = Bytes::default();
                mix(&mut own, name);
                mix(&mut own, value);
                if expires_ms.is_some() && self.marks {
                    xor_hash(&mut own, b"!!hexpire!!");
                }
                xor_hash(digest, &own);
            }
            Element::Entry { id, fields } => {
                mix(digest, format!("{}.{}", id.0, id.1).as_bytes());
                let mut text = IntText::new();
                for (name, value) in fields.clone() {
                    mix(digest, name.text(&mut text));
                    mix(digest, value.text(&mut text));
                }
            }
            Element::Stream(_)
            | Element::Group { .. }
            | Element::Pending { .. }
            | Element::Consumer { .. }
            | Element::Owned { .. }
            | Element::Nacked { .. }
            | Element::ProducerEntry { .. }
            | Element::Slot { .. }
            | Element::Module(_)
            | Element::ModuleItem(_)
            | Element::ModuleString(_) => {}
        }
    }

    /// Returns what the key that began last adds to its database.
    pub(super) fn end(&mut self) -> Both {
        let end = |mut digest: Bytes| {
            if self.expires {
                xor_hash(&mut digest, b"!!expire!!");
            }
            Sha1::digest(digest).into()
        };
        let new = end(self.digest);
        Both { new, old: self.old.map_or(new, end) }
    }
}
