//! The numbers of a stream, held against its nodes.

use std::fmt::Arguments;

use super::entries::Entries;
use super::{COUNTER_MAX, text_of};
use crate::rdb::StreamInfo;
use crate::report::codes::Code;
use crate::report::facts::Visibility;

/// Hands what is wrong with the numbers of a stream of that version to `report`.
pub(super) fn judge(
    version: u8,
    info: &StreamInfo,
    entries: &Entries,
    mut report: impl FnMut(Code, Visibility, Arguments<'_>),
) {
    let (length, last_id) = (info.length, info.last_id);
    let drift = judge_length(version, length, entries, &mut report);
    let mut out_of_range = |what: Arguments<'_>| report(Code::StreamIdRange, Visibility::Usual, what);
    if let Some(newest) = entries.newest
        && newest > last_id
    {
        out_of_range(format_args!("the last id {} lies below the entry {}", text_of(last_id), text_of(newest)));
    }
    let Some(v2) = info.v2 else { return };
    if v2.max_deleted > last_id {
        let deleted = text_of(v2.max_deleted);
        out_of_range(format_args!("the greatest deleted id {deleted} lies above the last id {}", text_of(last_id)));
    }
    // Without entries servers leave 0-0 there, or the greatest id. A drifted length keeps them from setting it.
    if let Some(oldest) = entries.oldest.filter(|_| entries.complete && !drift)
        && v2.first_id != oldest
    {
        let (first, oldest) = (text_of(v2.first_id), text_of(oldest));
        out_of_range(format_args!("the first id is {first} where the first entry is {oldest}"));
    }
    let added = v2.entries_added;
    if added > COUNTER_MAX || added < length {
        let why = if added < length { "fewer than its length" } else { "more than servers can count" };
        report(
            Code::StreamEntriesAdded,
            Visibility::Usual,
            format_args!("the stream says that {added} entries were ever added, {why} ({length})"),
        );
    }
}

/// Compares the length with the nodes, and says whether it drifted.
fn judge_length(
    version: u8,
    length: u64,
    entries: &Entries,
    report: &mut impl FnMut(Code, Visibility, Arguments<'_>),
) -> bool {
    let (stated, deleted) = (entries.stated, entries.deleted);
    if entries.unknown_nodes || length == stated {
        return false;
    }
    // Files that go back to development versions of Redis 5.0 have such lengths, as if entries had been deleted
    // without counting them off, and every version up to 8.6 carries them on.
    let drift = version < 5 && length > stated && length - stated <= deleted && entries.complete;
    let code = if drift { Code::StreamLengthDrift } else { Code::StreamLengthMismatch };
    // Without any node a length is seen without deep checks.
    let detail = if stated == 0 && deleted == 0 { Visibility::Header } else { Visibility::Usual };
    report(
        code,
        detail,
        format_args!(
            "the stream says that it has {length} entries; its nodes say {stated} (and {deleted} deleted ones)"
        ),
    );
    drift
}
