//! A node of a stream as the tools look at it.
//!
//! ```text
//! living, deleted, fields F, F x name, 0                      the master entry
//! flags, ms, seq, F x value, F + 3                            an entry with the fields of the master entry (flag 2)
//! flags, ms, seq, N, N x (name, value), 2N + 4                an entry with fields of its own
//! ```
//! The verifier's own look is stricter, and goes on after a fault; the tools want the numbers to be numbers, the counts to
//! lead exactly to the end, and no more. Valkey's (`strict`) counts living and deleted entries apart, wants no count below
//! zero, and holds the listpack's own count against it.

use crate::rdb::packed::{Listpack, PackedErrorKind, listpack};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Returns how many living entries a node says that it has; `None` if the tools refuse it.
pub(super) fn living(blob: &[u8], strict: bool) -> Option<u64> {
    let list = Listpack::new(blob).ok()?;
    let counted = list.iter().find_map(Result::err);
    match counted.map(|error| error.kind) {
        None => {}
        Some(PackedErrorKind::CountMismatch { .. }) if !strict => {}
        Some(_) => return None,
    }
    let mut walk = Walk(list.iter());
    let (living, deleted, fields) = (walk.number()?, walk.number()?, walk.number()?);
    if strict && [living, deleted, fields].iter().any(|count| *count < 0) {
        return None;
    }
    walk.skip(fields)?;
    if walk.number()? != 0 {
        return None;
    }
    let (mut left, mut tombstones) = (living.checked_add(deleted)?, 0_i64);
    while left > 0 {
        let flags = walk.number()?;
        let (_, _) = (walk.number()?, walk.number()?);
        let elements = if flags & SAME_FIELDS != 0 {
            walk.skip(fields)?;
            fields.checked_add(3)?
        } else {
            let fields = walk.number()?;
            if strict && fields < 0 {
                return None;
            }
            walk.skip(fields.checked_mul(2)?)?;
            fields.checked_mul(2)?.checked_add(4)?
        };
        if walk.number()? != elements {
            return None;
        }
        tombstones += i64::from(flags & DELETED != 0);
        left -= 1;
    }
    // One more is an element, or nothing but the count that is compared at the end.
    let ends = left == 0 && !matches!(walk.0.next(), Some(Ok(_)));
    if !ends || strict && tombstones != deleted {
        return None;
    }
    Some(living.unsigned_abs())
}

struct Walk<'a>(listpack::Iter<'a>);

impl Walk<'_> {
    fn number(&mut self) -> Option<i64> {
        self.0.next()?.ok()?.value.as_int()
    }

    /// Passes over this many elements; none if that is below zero.
    fn skip(&mut self, count: i64) -> Option<()> {
        for _ in 0..count {
            self.0.next()?.ok()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a listpack of numbers up to 127.
    fn blob(numbers: &[u8]) -> Vec<u8> {
        let count = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
        let size = 7 + 2 * count;
        let mut blob = vec![size, 0, 0, 0, count, 0];
        blob.extend(numbers.iter().flat_map(|number| [*number, 1]));
        blob.push(0xff);
        blob
    }

    #[test]
    fn what_was_measured() {
        let cases: [(&[u8], Option<u64>, Option<u64>); 8] = [
            (&[1, 0, 1, 9, 0, 2, 0, 0, 9, 4], Some(1), Some(1)),
            (&[0, 0, 1, 9, 0], Some(0), Some(0)),
            // A terminator that is not 0, too few entries, another number at the end of an entry, elements behind it.
            (&[1, 0, 1, 9, 1, 2, 0, 0, 9, 4], None, None),
            (&[2, 0, 1, 9, 0, 2, 0, 0, 9, 4], None, None),
            (&[1, 0, 1, 9, 0, 2, 0, 0, 9, 5], None, None),
            (&[1, 0, 1, 9, 0, 2, 0, 0, 9, 4, 9], None, None),
            // The sum is right, the split is not.
            (&[0, 1, 1, 9, 0, 2, 0, 0, 9, 4], Some(0), None),
            (&[1, 0, 1, 9, 0, 3, 0, 0, 9, 4], Some(1), None),
        ];
        for (numbers, redis, valkey) in cases {
            assert_eq!((living(&blob(numbers), false), living(&blob(numbers), true)), (redis, valkey), "{numbers:?}");
        }
    }
}
