//! A node about which there is nothing to say, by the table of elements.
//!
//! It accepts what [`check`](super::check) is silent about, and not all of that: nodes with deleted entries are left to it.

use super::super::Id;
use super::{DELETED, SAME_FIELDS};
use crate::verify::value::packed::swift::{HEADER, List};

/// A node with more fields is left to the other walk.
const FIELDS_MAX: i64 = 0x7FFF;

/// The entries of such a node.
pub(in super::super) struct Node {
    pub(in super::super) first: Id,
    pub(in super::super) last: Id,
    pub(in super::super) living: u64,
}

/// Reads a node of that id whose entries all live, ascend, and lie above `last`. `wide` is the blob of `len` bytes and some more,
/// which mean nothing.
#[inline(never)]
pub(in super::super) fn read(wide: &[u8], len: usize, id: Id, mut last: Option<Id>) -> Option<Node> {
    let list = List::open(wide, len)?;
    let (living, at) = list.number(HEADER)?;
    let (deleted, at) = list.number(at)?;
    let (fields, mut at) = list.number(at).filter(|(fields, _)| (0..FIELDS_MAX).contains(fields))?;
    for _ in 0..fields {
        at = list.any(at)?;
    }
    let (end, mut at) = list.number(at)?;
    let mut elements = 4 + fields;
    let (mut first, mut count) = (None, 0);
    while at < list.end {
        let (flags, ms, seq);
        (flags, at) = list.number(at)?;
        (ms, at) = list.number(at)?;
        (seq, at) = list.number(at)?;
        // The elements between the ids and the last number.
        let own = match flags.cast_unsigned() {
            0 => {
                let own;
                (own, at) = list.number(at).filter(|(own, _)| (0..FIELDS_MAX).contains(own))?;
                for _ in 0..2 * own {
                    at = list.any(at)?;
                }
                2 * own + 1
            }
            SAME_FIELDS => {
                for _ in 0..fields {
                    at = list.any(at)?;
                }
                fields
            }
            _ => return None,
        };
        let stated;
        (stated, at) = list.number(at)?;
        let entry = (id.0.wrapping_add(ms.cast_unsigned()), id.1.wrapping_add(seq.cast_unsigned()));
        if stated != own + 3 || entry < id || last.is_some_and(|last| entry <= last) {
            return None;
        }
        first = first.or(Some(entry));
        last = Some(entry);
        count += 1;
        elements += own + 4;
    }
    let counted = i64::try_from(list.stated) == Ok(elements) && count == living && deleted == 0;
    let sound = counted && end == 0 && at == list.end;
    if sound { Some(Node { first: first?, last: last?, living: living.cast_unsigned() }) } else { None }
}

const _: () = assert!(SAME_FIELDS & DELETED == 0, "only living entries are taken");
