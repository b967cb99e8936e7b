//! Type 11: a set of integers, strictly ascending.

use super::Outcome;
use crate::rdb::packed::{Intset, PackedValue};
use crate::report::codes::Code;
use crate::report::collector::Collector;
use crate::report::facts::Visibility;
use crate::verify::duplicates::Settled;
use crate::verify::value::blob::Blob;
use crate::verify::value::packed_error::{self, Encoding};

/// How many numbers a server keeps as an intset by default.
const MOST_PACKED: usize = 512;

pub(super) fn check(blob: &Blob<'_>, findings: &mut Collector) -> Outcome {
    let set = match Intset::new(blob.bytes) {
        Ok(set) => set,
        Err(error) => {
            packed_error::report(&error, Encoding::Intset, blob, None, findings);
            return Outcome::UNREAD;
        }
    };
    if set.len() > MOST_PACKED {
        findings.subject.detail = Visibility::Walked;
    }
    let mut before = None;
    for (number, entry) in set.iter().enumerate() {
        let PackedValue::Int(value) = entry.value else { continue };
        if let Some(before) = before
            && value <= before
        {
            let place = blob.place(entry.at, entry.at).element(number as u64);
            findings.add(Code::IntsetUnordered, place, || {
                format!("{value} follows {before}: the numbers have to ascend{}", blob.locate(entry.at))
            });
        }
        before = Some(value);
    }
    let settled = Settled::NONE;
    Outcome { elements: set.len() as u64, complete: true, settled, least: None, last: None }
}
