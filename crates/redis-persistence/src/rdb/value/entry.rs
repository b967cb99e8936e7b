//! The entries of a stream's node.
//!
//! ```text
//! master   living, deleted, number of fields, fields ..., 0
//! entry*   flags, ms and seq from the node's id, [number of fields, (field, value) ... | value ...], number of elements
//! ```
//!
//! An entry with the flag 2 has the fields of the master entry and gives values alone; one with the flag 1 is deleted.

use super::StreamId;
use crate::rdb::packed::{IntText, Listpack, PackedError, PackedValue, listpack};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// The fields of an entry and their values, in order.
#[derive(Debug, Clone)]
pub struct EntryFields<'a> {
    /// The names, where the entry has those of the master entry.
    names: Option<listpack::Iter<'a>>,
    /// What is left of the entry: values, or fields and values in turn.
    rest: listpack::Iter<'a>,
    left: u64,
}

impl<'a> EntryFields<'a> {
    /// Returns all of them, with bytes of their own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut buffer = IntText::new();
        let mut own = |value: PackedValue<'_>| value.text(&mut buffer).to_vec();
        self.clone().map(|(name, value)| (own(name), own(value))).collect()
    }
}

impl PartialEq for EntryFields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_vec() == other.to_vec()
    }
}

impl<'a> Iterator for EntryFields<'a> {
    type Item = (PackedValue<'a>, PackedValue<'a>);

    /// Returns the next field and its value. All of them were found readable before they were handed out.
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let names = self.names.as_mut().unwrap_or(&mut self.rest);
        let name = names.next()?.ok()?.value;
        Some((name, self.rest.next()?.ok()?.value))
    }
}

/// Why the entries of a node cannot be read.
pub(super) enum BadNode {
    /// The listpack is damaged.
    Packed(PackedError),
    /// The element at that offset is not what has to stand there.
    Wrong { at: usize, why: &'static str },
}

impl From<PackedError> for BadNode {
    fn from(error: PackedError) -> Self {
        Self::Packed(error)
    }
}

/// Hands out the living entries of a node.
pub(super) fn entries<'a>(
    blob: &'a [u8],
    node: StreamId,
    sink: &mut impl FnMut(StreamId, EntryFields<'a>),
) -> Result<(), BadNode> {
    let mut elements = Elements(Listpack::new(blob)?.iter());
    elements.number("the number of living entries")?;
    elements.number("the number of deleted entries")?;
    let fields = elements.count("the number of fields")?;
    let names = elements.0.clone();
    elements.pass(fields)?;
    elements.number("the end of the master entry")?;
    while let Some(flags) = elements.0.next() {
        let flags = flags?;
        let flags = flags.value.as_int().ok_or(BadNode::Wrong { at: flags.at, why: "the flags" })?;
        let ms = elements.number("the milliseconds")?.cast_unsigned();
        let seq = elements.number("the sequence number")?.cast_unsigned();
        let (left, same) = match flags & SAME_FIELDS {
            0 => (elements.count("the number of fields")?, false),
            _ => (fields, true),
        };
        let rest = elements.0.clone();
        elements.pass(if same { left } else { left.saturating_mul(2) })?;
        elements.number("the number of elements")?;
        if flags & DELETED == 0 {
            let id = (node.0.wrapping_add(ms), node.1.wrapping_add(seq));
            sink(id, EntryFields { names: same.then(|| names.clone()), rest, left });
        }
    }
    Ok(())
}

struct Elements<'a>(listpack::Iter<'a>);

impl Elements<'_> {
    fn number(&mut self, why: &'static str) -> Result<i64, BadNode> {
        let at = self.0.offset();
        let entry = self.0.next().ok_or(BadNode::Wrong { at, why: "the node ends within an entry" })??;
        entry.value.as_int().ok_or(BadNode::Wrong { at: entry.at, why })
    }

    fn count(&mut self, why: &'static str) -> Result<u64, BadNode> {
        let at = self.0.offset();
        u64::try_from(self.number(why)?).map_err(|_| BadNode::Wrong { at, why })
    }

    /// Every step consumes an element or ends, so that the number may be anything.
    fn pass(&mut self, elements: u64) -> Result<(), BadNode> {
        for _ in 0..elements {
            let at = self.0.offset();
            self.0.next().ok_or(BadNode::Wrong { at, why: "the node ends within an entry" })??;
        }
        Ok(())
    }
}
