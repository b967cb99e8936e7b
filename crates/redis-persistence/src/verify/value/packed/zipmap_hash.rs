//! Type 9: a hash as one zipmap.

use super::Outcome;
use super::tuples::Buffers;
use crate::rdb::packed::Zipmap;
use crate::report::codes::Code;
use crate::report::collector::Collector;
use crate::verify::duplicates::Settled;
use crate::verify::value::blob::Blob;
use crate::verify::value::packed_error::{self, Encoding};
use crate::verify::value::seen::Elements;
use crate::verify::value::walk::twice;

/// Writers leave at most this many bytes unused behind a value.
const MAX_FREE: u8 = 4;
/// The size of a pair of empty strings.
const MIN_PAIR: usize = 3;

pub(super) fn check(blob: &Blob<'_>, buffers: Buffers<'_>, findings: &mut Collector) -> Outcome {
    let map = match Zipmap::new(blob.bytes) {
        Ok(map) => map,
        Err(error) => {
            packed_error::report(&error, Encoding::Zipmap, blob, None, findings);
            return Outcome::UNREAD;
        }
    };
    let key_at = |at| map.pair_at(at).map(|pair| pair.key);
    let expected = map.stated_len().map_or(blob.bytes.len() / MIN_PAIR, usize::from);
    let mut fields = buffers.compare.then(|| Elements::new(expected, buffers.seen, buffers.table));
    let (mut elements, mut complete) = (0, true);
    // Where the first pair lies that has too many unused bytes, how many those are, and how many such pairs there are.
    let mut unused = None;
    let mut pairs = map.iter();
    for pair in pairs.by_ref() {
        let pair = match pair {
            Ok(pair) => pair,
            Err(error) => {
                packed_error::report(&error, Encoding::Zipmap, blob, Some(elements), findings);
                complete = false;
                break;
            }
        };
        if pair.free > MAX_FREE {
            unused.get_or_insert((pair.at, pair.free, 0_u64)).2 += 1;
        }
        if let Some(fields) = &mut fields
            && let Some(first) =
                fields.add(fields.key().hash(pair.key, 0), pair.at, elements, |at| key_at(at) == Some(pair.key))
        {
            let place = blob.place(pair.at, pair.at).element(elements);
            findings.add(Code::HashDuplicateField, place, || twice(first) + &blob.locate(pair.at));
        }
        elements += 1;
    }
    if let Some((at, free, count)) = unused {
        findings.add(Code::ZipmapHiddenBytes, blob.place(at, at), || {
            format!("{free} unused bytes behind a value, in {count} pairs more than {MAX_FREE}{}", blob.locate(at))
        });
    }
    if complete && pairs.hidden() > 0 {
        let at = pairs.offset();
        findings.add(Code::ZipmapHiddenBytes, blob.place(at, at + 1), || {
            format!("{} bytes follow the terminator{}", pairs.hidden(), blob.locate(at))
        });
    }
    let settled = fields.map_or(Settled::NONE, |fields| {
        fields.settle(Code::HashDuplicateField, key_at, findings, |first, later, number, findings| {
            let place = blob.place(later, later).element(number);
            findings.add(Code::HashDuplicateField, place, || twice(first) + &blob.locate(later));
        })
    });
    Outcome { elements, complete, settled, least: None, last: None }
}
