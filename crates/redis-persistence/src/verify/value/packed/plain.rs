//! Packed values about which there is nothing to report, told by a walk that can say nothing else.
//!
//! It accepts what [`Checker`](super::Checker) would be silent about, and not all of that: large values, fields with
//! expiries and zipmaps are left to it.

use super::swift;
use super::tuples::{Buffers, in_order};
use crate::rdb::packed::{Intset, Listpack, PackedEntry, PackedError, PackedValue, Ziplist};
use crate::rdb::{Packing, Tuple};
use crate::verify::value::score::{Rough, exact, rough};
use crate::verify::value::seen::{Few, hash_of};
use crate::verify::value::walk::Packed;

/// Returns whether a blob of that packing is sound and not empty. `wide` is the blob and what more may be read with it,
/// which means nothing.
pub(crate) fn is_plain(packing: Packing, bytes: &[u8], wide: &[u8], mut buffers: Buffers<'_>) -> bool {
    match packing {
        Packing::Zipmap | Packing::Ziplist(Tuple::Triple) | Packing::Listpack(Tuple::Triple) => false,
        Packing::Intset => ascends(bytes),
        Packing::Ziplist(tuple) => tuples::<Ziplist<'_>>(bytes, tuple, buffers).is_some(),
        Packing::Listpack(tuple) => {
            let Buffers { seen, compare, table } = &mut buffers;
            let seen = compare.then_some((&mut **seen, table.key()));
            swift::is_plain(tuple, wide, bytes.len(), seen).is_some()
                || tuples::<Listpack<'_>>(bytes, tuple, buffers).is_some()
        }
    }
}

fn ascends(bytes: &[u8]) -> bool {
    Intset::new(bytes).is_ok_and(|set| {
        !set.is_empty() && set.iter().map(|entry| entry.value.as_int()).is_sorted_by(|before, value| before < value)
    })
}

fn tuples<'a, P: Packed<'a>>(bytes: &'a [u8], tuple: Tuple, buffers: Buffers<'_>) -> Option<()> {
    let list = P::open(bytes).ok()?;
    let (stated, width) = (usize::from(list.stated_len()?), tuple.len());
    let count = stated / width;
    if count == 0 || count * width != stated {
        return None;
    }
    let mut entries = list.entries();
    if tuple == Tuple::Item {
        (0..count).try_for_each(|_| P::pass(&mut entries))?;
        return entries.next().is_none().then_some(());
    }
    let mut seen = if buffers.compare { Some(Few::new(count, buffers.seen)?) } else { None };
    let key_of_hashes = buffers.table.key();
    let mut order = Order::default();
    for _ in 0..count {
        let key = plain(entries.next())?;
        if let Some(seen) = &mut seen {
            let same = |before| list.reread(before).is_some_and(|before| before.value == key.value);
            if seen.add(hash_of(&key, &key_of_hashes), key.at, same).is_some() {
                return None;
            }
        }
        match tuple {
            Tuple::Item | Tuple::Member => {}
            Tuple::Pair => P::pass(&mut entries)?,
            Tuple::Scored => {
                if !order.goes_on(key.value, plain(entries.next())?.value) {
                    return None;
                }
            }
            // Its expiries are judged where the events are.
            Tuple::Triple => return None,
        }
    }
    entries.next().is_none().then_some(())
}

/// Returns an element that is sound and stored as a server stores it.
#[inline]
fn plain<'a>(entry: Option<Result<PackedEntry<'a>, PackedError>>) -> Option<PackedEntry<'a>> {
    entry?.ok().filter(|entry| entry.canonical)
}

/// The order of a sorted set: the member before, its score, and that roughly.
#[derive(Default)]
struct Order<'a>(Option<(PackedValue<'a>, PackedValue<'a>, Option<Rough>)>);

impl<'a> Order<'a> {
    /// Returns whether an element may follow those before.
    #[inline]
    fn goes_on(&mut self, member: PackedValue<'a>, score: PackedValue<'a>) -> bool {
        let now = rough(score);
        let Some((earlier, earlier_score, before)) = self.0.replace((member, score, now)) else {
            return exact(score).is_some();
        };
        if let (Some(before), Some(now)) = (before, now)
            && before.is_clearly_below(now)
        {
            return true;
        }
        let (Some(before), Some(now)) = (exact(earlier_score), exact(score)) else { return false };
        in_order((before, earlier), (now, member))
    }
}
