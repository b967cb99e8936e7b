//! What is left of a stream whose groups are damaged: its entries.
//!
//! ```text
//! nodes  length, ids | groups [damage ...]
//! ------------------>  0
//! ```
//! The nodes and numbers are kept as they lie if they are sound, and without groups. Version 3 is the last that ends with them.

use super::{Form, Kept};
use crate::base::limits::Limits;
use crate::rdb::{Events, NEWEST_REDIS, Payload, Role, ValueType};
use crate::verify::RecordChecker;

/// The last version of the layout that ends with the groups.
const LAST_ENDING_WITH_GROUPS: u8 = 3;
/// The name of the key that the value is read as; and how long its head is then, with the signature.
const NAME: &[u8] = b"\x01k";
const HEAD: usize = 9 + 1 + NAME.len();

/// Returns what can be kept of a stream.
pub(super) fn keep(value_type: ValueType, bytes: &[u8]) -> Option<Kept> {
    let version = value_type.stream_version()?;
    let becomes = if version <= LAST_ENDING_WITH_GROUPS { value_type } else { ValueType::StreamListpacks3 };
    let (entries, before) = up_to_groups(&file(value_type, bytes))?;
    let alone = file(becomes, &[&bytes[..before], b"\0"].concat());
    is_sound(&alone).then_some(Kept {
        elements: entries,
        declared: Some(entries),
        value_type: becomes,
        form: Form::Bytes { before: 0..before, count: 0, ranges: Vec::new() },
    })
}

/// Returns a file that holds the value alone, without an end.
fn file(value_type: ValueType, value: &[u8]) -> Vec<u8> {
    [format!("REDIS{NEWEST_REDIS:04}").as_bytes(), &[value_type.byte()], NAME, value].concat()
}

/// Returns how many entries the stream says it has, and where in the value the number of its groups stands.
fn up_to_groups(file: &[u8]) -> Option<(u64, usize)> {
    let mut entries = None;
    for event in Events::with_limits(file, Limits::default()) {
        let event = event.ok()?;
        match event.payload {
            Payload::Stream(info) => entries = Some(info.length),
            Payload::Items { of: Role::Group, .. } => {
                return entries.zip(usize::try_from(event.start).ok()?.checked_sub(HEAD));
            }
            _ => {}
        }
    }
    None
}

/// Returns whether nothing is wrong with the record that the file holds.
fn is_sound(file: &[u8]) -> bool {
    let limits = Limits::default();
    let mut checker = RecordChecker::new(&limits);
    checker.begin();
    for event in Events::with_limits(file, limits.clone()) {
        let Ok(event) = event else { return false };
        checker.event(&event);
        if event.ends_record {
            let flaws = checker.end();
            return flaws.error.is_none() && !flaws.empty;
        }
    }
    false
}
