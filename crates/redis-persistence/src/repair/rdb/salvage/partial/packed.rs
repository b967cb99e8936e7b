//! What is left of a damaged blob: its elements from the front up to the damage, and from the end back to it.
//!
//! ```text
//! header  e0 e1 e2 [damage] e7 e8 FF
//!         ----->              <-----       each element tells its own length a second time, so both ways are checked
//! ```
//! A hash takes two elements for a row, three if fields expire; rows are counted off from either end. Of a set of integers those
//! are kept that are in order with most others.

use super::{Form, Kept, MOST_PACKED, Once, Row};
use crate::rdb::packed::{IntText, Intset, Listpack, PackedEntry, PackedError, PackedValue, Ziplist};
use crate::rdb::{Frame, Packing, Tuple, ValueType, string_at};

/// What comes before the blob of a hash whose fields expire.
const MIN_EXPIRE: usize = 8;

/// Of more numbers than these, so many in a row have to be in order.
const FEW: usize = 8;
const LEAST_RUN: usize = 4;

/// The rows of a blob, and how many it says there are.
struct Found {
    rows: Vec<Row>,
    declared: Option<u64>,
}

/// Returns what can be kept of a value that is one blob in a string.
pub(super) fn keep(value_type: ValueType, bytes: &[u8]) -> Option<Kept> {
    let Frame::Packed { least } = value_type.frame() else { return None };
    let packing = value_type.packing()?;
    let becomes = becomes(packing, least)?;
    let before = if least { MIN_EXPIRE } else { 0 };
    let string = string_at(bytes.get(before..)?, 0).ok()?;
    if string.text_len() > MOST_PACKED as u64 {
        return None;
    }
    let blob = string.decode().ok()?;
    let Found { mut rows, declared } = rows(packing, &blob)?;
    if becomes != ValueType::List {
        let mut once = Once::default();
        rows.retain(|row| once.is_new(&row.text));
    }
    let expires = rows.iter().any(|row| row.expire.is_some());
    let value_type = if becomes == ValueType::HashMetadata && !expires { ValueType::Hash } else { becomes };
    Some(Kept { elements: rows.len() as u64, declared, value_type, form: Form::Rows(rows) })
}

/// Returns what it is written as.
fn becomes(packing: Packing, least: bool) -> Option<ValueType> {
    match packing {
        // It has no second lengths by which it could be read from its end.
        Packing::Zipmap => None,
        Packing::Intset => Some(ValueType::Set),
        Packing::Ziplist(tuple) | Packing::Listpack(tuple) => match tuple {
            Tuple::Item => Some(ValueType::List),
            Tuple::Member => Some(ValueType::Set),
            Tuple::Scored => Some(ValueType::ZSet2),
            Tuple::Pair => Some(ValueType::Hash),
            // Release candidates wrote it without the least expiry, and no server reads it.
            Tuple::Triple => least.then_some(ValueType::HashMetadata),
        },
    }
}

fn rows(packing: Packing, blob: &[u8]) -> Option<Found> {
    let (tuple, front, back, stated) = match packing {
        Packing::Zipmap => return None,
        Packing::Intset => {
            let set = Intset::new(blob).ok()?;
            let numbers: Vec<i64> = set.iter().filter_map(|entry| entry.value.as_int()).collect();
            let rows = ascending(&numbers).into_iter().map(|n| Row { text: n.to_string().into(), ..Row::default() });
            return Some(Found { rows: rows.collect(), declared: Some(set.len() as u64) });
        }
        Packing::Ziplist(tuple) => {
            let list = Ziplist::with_any_header(blob).ok()?;
            let (front, back) = both_ways(list.iter(), || list.rev_from_end());
            (tuple, front, back, list.stated_len())
        }
        Packing::Listpack(tuple) => {
            let list = Listpack::with_any_header(blob).ok()?;
            let (front, back) = both_ways(list.iter(), || list.rev_from_end());
            (tuple, front, back, list.stated_len())
        }
    };
    let (row, is_sorted) = (tuple.len(), tuple == Tuple::Scored);
    let to_row = |entries: &[PackedEntry<'_>]| row_of(entries, row, is_sorted);
    let mut rows: Vec<Row> = front.chunks_exact(row).filter_map(to_row).collect();
    let skipped = back.len() % row;
    let behind = back[skipped..].chunks_exact(row).filter_map(to_row);
    let greatest = rows.iter().map(|row| row.score).fold(f64::NEG_INFINITY, f64::max);
    rows.extend(behind.filter(|row| !is_sorted || row.score >= greatest));
    Some(Found { rows, declared: stated.map(|stated| u64::from(stated) / row as u64) })
}

/// Returns the elements from the front up to the first fault, and those from the end back to it, in their order.
fn both_ways<'a, B: Iterator<Item = Result<PackedEntry<'a>, PackedError>>>(
    front: impl Iterator<Item = Result<PackedEntry<'a>, PackedError>>,
    back: impl FnOnce() -> B,
) -> (Vec<PackedEntry<'a>>, Vec<PackedEntry<'a>>) {
    let mut before = Vec::new();
    let mut is_whole = true;
    for entry in front {
        match entry {
            Ok(entry) => before.push(entry),
            // Only the count may be wrong, where all elements were met.
            Err(error) => is_whole = matches!(error.kind, crate::rdb::packed::PackedErrorKind::CountMismatch { .. }),
        }
    }
    if is_whole {
        return (before, Vec::new());
    }
    let end = before.last().map_or(0, |entry| entry.end);
    let mut behind: Vec<_> = back().map_while(Result::ok).take_while(|entry| entry.at >= end).collect();
    behind.reverse();
    (before, behind)
}

fn row_of(entries: &[PackedEntry<'_>], row: usize, is_sorted: bool) -> Option<Row> {
    let text = |value: &PackedValue<'_>| value.text(&mut IntText::new()).to_vec();
    let mut made = Row { text: text(&entries[0].value), ..Row::default() };
    if is_sorted {
        made.score =
            std::str::from_utf8(&text(&entries[1].value)).ok()?.parse().ok().filter(|score: &f64| !score.is_nan())?;
    } else if row > 1 {
        made.value = text(&entries[1].value);
    }
    if row == 3 {
        let ms = entries[2].value.as_int().filter(|ms| (0..1 << 48).contains(ms))?;
        made.expire = Some(ms).filter(|ms| *ms > 0);
    }
    Some(made)
}

/// Returns the longest ascending choice of numbers, in their order, without those that stand alone in it: in a long set,
/// some are in order by chance.
fn ascending(numbers: &[i64]) -> Vec<i64> {
    // Of each length, the choice that ends lowest; and what stands before each number in its choice.
    let mut lowest: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    for (at, number) in numbers.iter().enumerate() {
        let len = lowest.partition_point(|end| numbers[*end] < *number);
        before[at] = len.checked_sub(1).map(|shorter| lowest[shorter]);
        if len == lowest.len() {
            lowest.push(at);
        } else {
            lowest[len] = at;
        }
    }
    let mut chosen = Vec::with_capacity(lowest.len());
    let mut at = lowest.last().copied();
    while let Some(number) = at {
        chosen.push(number);
        at = before[number];
    }
    chosen.reverse();
    let runs = chosen.chunk_by(|a, b| a + 1 == *b).filter(|run| numbers.len() <= FEW || run.len() >= LEAST_RUN);
    runs.flatten().map(|at| numbers[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::ascending;

    #[test]
    fn numbers_out_of_order_are_left_out() {
        assert_eq!(ascending(&[1, 2, 900, 3, 4, -7, 5]), [1, 2, 3, 4, 5]);
        assert_eq!(ascending(&[i64::MAX, 1, 1, 2]), [1, 2]);
        assert!(ascending(&[]).is_empty());
    }
}
