//! Streams about which there is nothing to say, without events.
//!
//! It accepts what [`Checker`](super::Checker) would be silent about, and not all of that: streams with deleted entries in their
//! nodes, several groups, groups of several consumers, and what only servers from 8.6 on write are left to it. What it has to
//! judge is judged where the events are.

use super::entries::Entries;
use super::{Id, groups, info, node, pending, split};
use crate::base::limits::Limits;
use crate::lzf;
use crate::rdb::{Body, StreamInfo, StreamInfo2, plain_length, plain_string, shortest};
use crate::verify::stored_form::{is_number_of_server, saves_enough};

/// The length of a node's id.
const ID: u8 = 16;
/// The latest version whose layout is read here.
const VERSION_MAX: u8 = 3;
/// With so much memory, in bytes, for each pending entry and each name, the checks of neither are cut short.
const AMPLE: usize = 4096;

/// Returns the size of the value of a stream of that version.
pub(crate) fn size(value: &[u8], version: u8, room: &mut lzf::Room, limits: &Limits) -> Option<usize> {
    if version > VERSION_MAX {
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
        let (bytes, wide) = from.node(room, limits)?;
        let node = node::plain::read(wide, bytes.len(), id, entries.last)?;
        entries.add_node(node.first, node.last, node.living);
    }
    entries.finish();
    let info = from.info(version)?;
    let mut sound = true;
    info::judge(version, &info, &entries, |_, _, _| sound = false);
    let groups = from.length().filter(|groups| sound && *groups <= 1)?;
    for _ in 0..groups {
        from.group(version, &info, &entries, limits)?;
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

    /// Returns a number of up to 64 bits, in the shortest form.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (number, size) = shortest(self.value.get(self.at..)?)?;
        self.at += size;
        Some(number)
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

    fn time(&mut self) -> Option<i64> {
        self.bytes().map(|bytes| i64::from_le_bytes(*bytes))
    }

    #[inline]
    fn node_id(&mut self) -> Option<Id> {
        let [ID] = *self.bytes::<1>()? else { return None };
        self.id()
    }

    /// Returns a string and where it ends.
    #[inline]
    fn string(&mut self) -> Option<Body<&'a [u8]>> {
        let (body, size) = plain_string(self.value.get(self.at..)?, self.longest)?;
        self.at += size;
        Some(body)
    }

    /// Returns the bytes of a node, and the same with more behind them.
    #[inline]
    fn node<'r>(&mut self, room: &'r mut lzf::Room, limits: &Limits) -> Option<(&'r [u8], &'r [u8])>
    where
        'a: 'r,
    {
        match self.string()? {
            Body::Raw(bytes) if !is_number_of_server(bytes) => Some((bytes, &self.value[self.at - bytes.len()..])),
            Body::Lzf { data, decoded }
                if decoded <= limits.packed_bytes as u64 && saves_enough(data.len(), decoded) =>
            {
                room.inflate_wide(data, decoded).ok()
            }
            _ => None,
        }
    }

    fn info(&mut self, version: u8) -> Option<StreamInfo> {
        let (length, last_id) = (self.number()?, self.pair()?);
        let v2 = if version >= 2 {
            let (first_id, max_deleted, entries_added) = (self.pair()?, self.pair()?, self.number()?);
            Some(StreamInfo2 { first_id, max_deleted, entries_added })
        } else {
            None
        };
        Some(StreamInfo { length, last_id, v2 })
    }

    fn name(&mut self) -> Option<()> {
        matches!(self.string()?, Body::Raw(text) if !is_number_of_server(text)).then_some(())
    }

    /// Returns a group, of which one consumer at most owns all that is pending.
    fn group(&mut self, version: u8, info: &StreamInfo, entries: &Entries, limits: &Limits) -> Option<()> {
        self.name()?;
        self.pair()?;
        if let Some(v2) = info.v2
            && groups::fault_of_read(self.number()?, Some(v2.entries_added)).is_some()
        {
            return None;
        }
        let pending = self.length()?;
        if (pending + 1).saturating_mul(AMPLE) > limits.duplicate_bytes {
            return None;
        }
        let (begin, mut last) = (self.at, None);
        for _ in 0..pending {
            let (id, time, deliveries) = (self.id()?, self.time()?, self.number()?);
            let ascends = last.is_none_or(|last| last < id);
            if !ascends || !pending::is_plausible(time, deliveries) || entries.is_gone(id) {
                return None;
            }
            last = Some(id);
        }
        let consumers = self.length().filter(|consumers| *consumers <= 1 && (*consumers == 1 || pending == 0))?;
        for _ in 0..consumers {
            self.name()?;
            let seen = self.time()?;
            let active = if version >= 3 { Some(self.time()?) } else { None };
            if !groups::is_plausible(seen, active) || self.length()? != pending {
                return None;
            }
            // The ids of the group, one by one.
            let mut group = Self { at: begin, ..*self };
            for _ in 0..pending {
                if group.bytes::<16>()? != self.bytes::<16>()? {
                    return None;
                }
                group.time()?;
                group.number()?;
            }
        }
        Some(())
    }
}
