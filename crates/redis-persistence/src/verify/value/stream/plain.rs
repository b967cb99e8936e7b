//! Streams about which there is nothing to say, without events.
//!
//! It accepts what [`Checker`](super::Checker) would be silent about, and not all of that: streams with deleted entries in their
//! nodes, groups of several consumers, and what only servers from 8.6 on write are left to it.

use super::entries::Entries;
use super::pending::END_OF_TIME;
use super::{COUNTER_MAX, Id, split};
use crate::limits::Limits;
use crate::lzf;
use crate::rdb::{Body, plain_length, plain_string};
use crate::verify::rdb::{is_number_of_server, saves_enough};
use crate::verify::value::packed::swift;

/// The size of the value of a stream of that version.
pub(crate) fn size(value: &[u8], version: u8, room: &mut lzf::Room, limits: &Limits) -> Option<usize> {
    if version > 3 {
        return None;
    }
    let mut from = From { value, at: 0, longest: limits.inline_bytes };
    let mut entries = Entries::default();
    entries.bound(limits.duplicate_bytes);
    let nodes = from.length().filter(|nodes| *nodes > 0)?;
    let mut before = None;
    for _ in 0..nodes {
        let id = from.node_id().filter(|id| before.is_none_or(|before| before < *id))?;
        before = Some(id);
        let (body, size) = plain_string(value.get(from.at..)?, from.longest)?;
        from.at += size;
        let (bytes, wide) = match body {
            Body::Raw(bytes) if !is_number_of_server(bytes) => (bytes, &value[from.at - bytes.len()..]),
            Body::Lzf { data, decoded }
                if decoded <= limits.packed_bytes as u64 && saves_enough(data.len(), decoded) =>
            {
                room.inflate_wide(data, decoded).ok()?
            }
            _ => return None,
        };
        let node = swift::node(wide, bytes.len(), id, entries.last)?;
        entries.add_node(node.first, node.last, node.living);
    }
    entries.finish();
    let (length, last_id) = (from.number()?, from.pair()?);
    let mut sound = length == entries.stated && entries.newest.is_none_or(|newest| newest <= last_id);
    let mut added = None;
    if version >= 2 {
        let (first, deleted, all) = (from.pair()?, from.pair()?, from.number()?);
        sound &= deleted <= last_id && Some(first) == entries.oldest && (length..=COUNTER_MAX).contains(&all);
        added = Some(all);
    }
    let groups = from.length()?;
    if !sound || groups > 1 {
        return None;
    }
    for _ in 0..groups {
        from.group(version, added, &entries)?;
    }
    Some(from.at)
}

/// What is left of the value.
struct From<'a> {
    value: &'a [u8],
    at: usize,
    longest: usize,
}

impl<'a> From<'a> {
    #[inline]
    fn length(&mut self) -> Option<usize> {
        let (length, size) = plain_length(self.value.get(self.at..)?)?;
        self.at += size;
        Some(length)
    }

    /// A number of up to 64 bits, in the shortest form.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        if let Some([0x81, rest @ ..]) = self.value.get(self.at..) {
            self.at += 9;
            return Some(u64::from_be_bytes(*rest.first_chunk()?)).filter(|number| *number > u64::from(u32::MAX));
        }
        self.length().map(|length| length as u64)
    }

    fn pair(&mut self) -> Option<Id> {
        Some((self.number()?, self.number()?))
    }

    #[inline]
    fn bytes<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let bytes = self.value.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    #[inline]
    fn id(&mut self) -> Option<Id> {
        self.bytes().map(|bytes| split(u128::from_be_bytes(*bytes)))
    }

    #[inline]
    fn node_id(&mut self) -> Option<Id> {
        let [16] = *self.bytes::<1>()? else { return None };
        self.id()
    }

    fn name(&mut self) -> Option<()> {
        let (body, size) = plain_string(self.value.get(self.at..)?, self.longest)?;
        self.at += size;
        matches!(body, Body::Raw(text) if !is_number_of_server(text)).then_some(())
    }

    fn time(&mut self) -> Option<()> {
        let time = i64::from_le_bytes(*self.bytes()?);
        (0..END_OF_TIME).contains(&time).then_some(())
    }

    /// A group, of which one consumer at most owns all that is pending.
    fn group(&mut self, version: u8, added: Option<u64>, entries: &Entries) -> Option<()> {
        self.name()?;
        self.pair()?;
        if let Some(added) = added {
            let read = self.number()?;
            if read != u64::MAX && (read > added || read > COUNTER_MAX) {
                return None;
            }
        }
        let pending = self.length()?;
        let (begin, mut last) = (self.at, None);
        for _ in 0..pending {
            let id = self.id()?;
            self.time()?;
            let deliveries = self.number()?;
            if deliveries > COUNTER_MAX || last.is_some_and(|last| id <= last) || entries.is_gone(id) {
                return None;
            }
            last = Some(id);
        }
        let consumers = self.length()?;
        if consumers > 1 || consumers == 0 && pending > 0 {
            return None;
        }
        for _ in 0..consumers {
            self.name()?;
            self.time()?;
            if version >= 3 {
                let active = i64::from_le_bytes(*self.bytes()?);
                if active != -1 && !(0..END_OF_TIME).contains(&active) {
                    return None;
                }
            }
            if self.length()? != pending {
                return None;
            }
            let mut group = Self { at: begin, ..*self };
            for _ in 0..pending {
                if group.bytes::<16>()? != self.bytes::<16>()? {
                    return None;
                }
                group.bytes::<8>()?;
                group.number()?;
            }
        }
        Some(())
    }
}
