//! The order of a template's names.

use std::cmp::Ordering;

use crate::lzf;
use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};

/// Names as they come.
#[derive(Debug, Default)]
pub(super) struct NameOrder {
    count: u64,
    len: u64,
    /// The name before, unless it is too long to be held, or damaged.
    before: Option<Vec<u8>>,
}

/// Whether a name stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    Yes,
    No,
    /// It was not compared.
    TooLong,
}

impl NameOrder {
    /// Returns how many names came.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Takes the next name as it stands in the frame, whose check reports compressed bytes that are damaged.
    pub(super) fn next_string(&mut self, string: &RdbString<&[u8]>, decoded: &mut lzf::Room) -> Ordered {
        match string.body {
            Body::Raw(text) => self.next(text),
            Body::Int(value) => self.next(IntText::new().write(i64::from(value))),
            Body::Long { .. } => self.unheld(string.text_len(), Ordered::TooLong),
            Body::Lzf { data, decoded: size } => match decoded.inflate(data, size) {
                Ok(name) => self.next(name),
                Err(_) => self.unheld(size, Ordered::Yes),
            },
        }
    }

    /// Takes the next name.
    pub(super) fn next(&mut self, name: &[u8]) -> Ordered {
        let len = name.len() as u64;
        let ordered = match (self.count, len.cmp(&self.len), &self.before) {
            (0, ..) | (_, Ordering::Greater, _) => Ordered::Yes,
            (_, Ordering::Less, _) => Ordered::No,
            (_, Ordering::Equal, Some(before)) => {
                if name > &before[..] {
                    Ordered::Yes
                } else {
                    Ordered::No
                }
            }
            // The one before is damaged.
            (_, Ordering::Equal, None) => Ordered::Yes,
        };
        self.len = len;
        self.count += 1;
        let before = self.before.get_or_insert_default();
        before.clear();
        before.extend_from_slice(name);
        ordered
    }

    fn unheld(&mut self, len: u64, equal: Ordered) -> Ordered {
        let ordered = match (self.count, len.cmp(&self.len)) {
            (0, _) | (_, Ordering::Greater) => Ordered::Yes,
            (_, Ordering::Less) => Ordered::No,
            (_, Ordering::Equal) => equal,
        };
        self.len = len;
        self.count += 1;
        self.before = None;
        ordered
    }
}
