//! One node of a stream: a listpack of entries.
//!
//! ```text
//! living, deleted, fields F, F x name, 0                      the master entry
//! flags, ms, seq, F x value, F + 3                            an entry with the fields of the master entry (flag 2)
//! flags, ms, seq, N, N x (name, value), 2N + 4                an entry with fields of its own
//! ```
//!
//! `ms` and `seq` are added to the node's id, each with wraparound; flag 1 is a deleted entry; the last number of an entry
//! says how many elements it has before it. An entry that breaks this form ends the walk, as nobody knows where the next
//! one begins, but the rest of the listpack is still walked for its own faults.

pub(super) mod plain;

use std::cmp::Ordering;

use super::entries::Entries;
use super::{Id, text_of};
use crate::rdb::ValueType;
use crate::rdb::packed::listpack::{Iter, Listpack};
use crate::rdb::packed::{PackedEntry, PackedError, PackedErrorKind, PackedValue};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::report::facts::Visibility;
use crate::verify::value::blob::Blob;
use crate::verify::value::packed_error::{Encoding, report};

/// Where the first element of a listpack begins.
const FIRST_ELEMENT: usize = 6;

const DELETED: u64 = 1;
const SAME_FIELDS: u64 = 2;

/// Why a node is not walked on.
enum Stop {
    /// The listpack is damaged.
    Packed(PackedError),
    /// The listpack ends within the thing.
    Short { at: usize },
    /// The element for that is not what it must be.
    Wrong { at: usize, what: &'static str, is: &'static str },
}

struct Walk<'a, 'w> {
    blob: &'w Blob<'a>,
    iter: Iter<'a>,
    /// Where the entry at hand begins, and whether it is the master entry.
    began: usize,
    in_master: bool,
    /// Whether the id of a living entry was read, and what follows it.
    living_found: bool,
    /// The first element that no server would have stored so.
    odd: Option<usize>,
    entries: &'w mut Entries,
    findings: &'w mut Collector,
}

/// The master entry.
struct Master {
    living: i64,
    deleted: u64,
    fields: u64,
    at: usize,
    deleted_at: usize,
}

/// Checks the node of that id, as far as it is known; if `fast`, then at a glance where that is enough.
pub(super) fn check(blob: &Blob<'_>, id: Option<Id>, entries: &mut Entries, findings: &mut Collector, fast: bool) {
    if fast
        && let Some(id) = id
        && let Some(node) = plain::read(blob.wide, blob.bytes.len(), id, entries.last)
    {
        entries.add_node(node.first, node.last, node.living);
        return;
    }
    let list = match Listpack::new(blob.bytes) {
        Ok(list) => list,
        Err(error) => {
            report(&error, Encoding::Listpack, blob, None, findings);
            entries.lose_node();
            return;
        }
    };
    let mut walk =
        Walk { blob, iter: list.iter(), began: 0, in_master: true, living_found: false, odd: None, entries, findings };
    if let Err(stop) = walk.node(id) {
        walk.findings.subject.detail = walk.detail(&stop);
        walk.stopped(&stop);
        walk.findings.subject.detail = Visibility::Usual;
    }
    if let Some(at) = walk.odd {
        walk.findings.add(Code::PackedNoncanonical, blob.place(at, at), || {
            format!("an element of a stream's node is stored in a form that no server writes{}", blob.locate(at))
        });
    }
}

impl<'a> Walk<'a, '_> {
    fn node(&mut self, id: Option<Id>) -> Result<(), Stop> {
        let master = self.master()?;
        self.in_master = false;
        let mut first_living = None;
        let (mut living, mut deleted) = (0, 0);
        let end = loop {
            let flags = match self.iter.next() {
                None => break Ok(()),
                Some(Ok(flags)) => flags,
                Some(Err(error)) if matches!(error.kind, PackedErrorKind::CountMismatch { .. }) => {
                    report(&error, Encoding::Listpack, self.blob, None, self.findings);
                    break Ok(());
                }
                Some(Err(error)) => break Err(Stop::Packed(error)),
            };
            self.note_form(&flags);
            match self.entry(&flags, &master, id) {
                Ok((true, _)) => deleted += 1,
                Ok((false, id)) => {
                    living += 1;
                    first_living = first_living.or(id);
                }
                Err(stop) => break Err(stop),
            }
            self.entries.seen += 1;
        };
        self.entries.living += living;
        self.entries.deleted += deleted;
        self.entries.end_node(first_living);
        end?;
        let living_right = u64::try_from(master.living) == Ok(living);
        // Servers drop a node with its last living entry.
        if !living_right || master.deleted != deleted || living == 0 {
            let at = if living_right && living > 0 { master.deleted_at } else { master.at };
            let detail = if master.living <= 0 { Visibility::First } else { Visibility::Usual };
            self.findings.add(Code::StreamNodeCount, self.blob.place(master.at, at).detail(detail), || {
                format!(
                    "the node says that it has {} living and {} deleted entries; it has {living} and {deleted}{}",
                    master.living,
                    master.deleted,
                    self.blob.locate(at)
                )
            });
        }
        Ok(())
    }

    fn master(&mut self) -> Result<Master, Stop> {
        let living = self.next()?;
        self.began = living.at;
        let at = living.at;
        let living = number(&living, "the number of living entries")?;
        match u64::try_from(living) {
            Ok(count) => self.entries.stated = self.entries.stated.saturating_add(count),
            Err(_) => self.entries.unknown_nodes = true,
        }
        let deleted = self.next()?;
        let deleted_count = count_of(&deleted, "the number of deleted entries")?;
        let fields = self.next()?;
        let fields = count_of(&fields, "the number of fields")?;
        self.skip(fields)?;
        let end = self.next()?;
        if number(&end, "the end of the master entry")? != 0 {
            return Err(Stop::Wrong { at: end.at, what: "the end of the master entry", is: "not 0" });
        }
        Ok(Master { living, deleted: deleted_count, fields, at, deleted_at: deleted.at })
    }

    /// Reads an entry, and says whether it is deleted, and its id.
    #[inline]
    fn entry(
        &mut self,
        flags: &PackedEntry<'a>,
        master: &Master,
        node: Option<Id>,
    ) -> Result<(bool, Option<Id>), Stop> {
        self.began = flags.at;
        let bits = number(flags, "the flags")?.cast_unsigned();
        let ms = self.next()?;
        let id_at = ms.at;
        let ms = number(&ms, "the milliseconds")?.cast_unsigned();
        let seq = number(&self.next()?, "the sequence number")?.cast_unsigned();
        let deleted = bits & DELETED != 0;
        let elements = if bits & SAME_FIELDS != 0 {
            self.skip(master.fields.min(1))?;
            self.living_found |= !deleted;
            self.skip(master.fields.saturating_sub(1))?;
            master.fields.saturating_add(3)
        } else {
            let fields = count_of(&self.next()?, "the number of fields")?;
            self.skip(fields.min(1))?;
            self.living_found |= !deleted;
            self.skip(fields.saturating_mul(2).saturating_sub(fields.min(1)))?;
            fields.saturating_mul(2).saturating_add(4)
        };
        let stated = self.next()?;
        let stated_at = stated.at;
        let stated = number(&stated, "the number of elements")?;
        if u64::try_from(stated).ok() != Some(elements) {
            self.add(Code::StreamBadNode, stated_at, || {
                format!("the entry ends with the number of its elements, {elements}, but {stated} stands there")
            });
        }
        if bits & !(DELETED | SAME_FIELDS) != 0 {
            self.add(Code::StreamUnknownFlags, self.began, || format!("the flags of the entry are {bits:#x}"));
        }
        let id = node.map(|node| (node.0.wrapping_add(ms), node.1.wrapping_add(seq)));
        if let (Some(node), Some(id)) = (node, id) {
            self.order(node, id, deleted, id_at);
        }
        Ok((deleted, id))
    }

    #[inline]
    fn order(&mut self, node: Id, id: Id, deleted: bool, id_at: usize) {
        if id < node {
            self.add(Code::StreamEntryOrder, id_at, || {
                format!("the entry {} lies below the id of its node, {}", text_of(id), text_of(node))
            });
            self.entries.complete = false;
        } else if let Some(last) = self.entries.last.filter(|last| id <= *last) {
            self.not_above(last, id, deleted, id_at);
        }
        if deleted {
            self.entries.add_deleted(id);
        } else {
            self.entries.add_living(id);
        }
    }

    /// Entries ascend. But old servers let XSETID go back below deleted entries, which then stay between living ones.
    #[cold]
    fn not_above(&mut self, last: Id, id: Id, deleted: bool, id_at: usize) {
        let (code, before) = match self.entries.last_living.filter(|living| !deleted && id <= *living) {
            Some(living) => (Code::StreamEntryOrder, living),
            None => (Code::StreamIdRange, last),
        };
        self.add(code, id_at, || {
            format!("the entry {} does not lie above the one before it, {}", text_of(id), text_of(before))
        });
        self.entries.complete &= code != Code::StreamEntryOrder;
    }

    #[inline]
    fn next(&mut self) -> Result<PackedEntry<'a>, Stop> {
        match self.iter.next() {
            Some(Ok(entry)) => {
                self.note_form(&entry);
                Ok(entry)
            }
            Some(Err(error)) => Err(Stop::Packed(error)),
            None => Err(Stop::Short { at: self.blob.bytes.len().saturating_sub(1) }),
        }
    }

    #[inline]
    fn note_form(&mut self, entry: &PackedEntry<'a>) {
        if !entry.canonical && self.odd.is_none() {
            self.odd = Some(entry.at);
        }
    }

    /// Every step consumes an element or ends, so that the number may be anything.
    #[inline]
    fn skip(&mut self, elements: u64) -> Result<(), Stop> {
        for _ in 0..elements {
            self.next()?;
        }
        Ok(())
    }

    /// Reports something about the entry at hand.
    #[cold]
    fn add(&mut self, code: Code, at: usize, message: impl FnOnce() -> String) {
        let element = (!self.in_master).then_some(self.entries.seen);
        let detail = match (self.in_master, at.cmp(&FIRST_ELEMENT)) {
            // An empty listpack ends where its first element would begin.
            (true, Ordering::Equal) if self.blob.bytes.len() == FIRST_ELEMENT + 1 => Visibility::Header,
            (true, Ordering::Equal) => Visibility::First,
            _ => Visibility::Usual,
        };
        let place = Location { element, ..self.blob.place(self.began, at) }.detail(detail);
        let blob = self.blob;
        self.findings.add(code, place, || format!("{}{}", message(), blob.locate(at)));
    }

    /// Returns what it takes to see why the walk stops.
    fn detail(&self, stop: &Stop) -> Visibility {
        let first = match stop {
            // Servers read the first element of every node, and break down where they cannot.
            Stop::Packed(error) => error.start == FIRST_ELEMENT,
            Stop::Short { .. } | Stop::Wrong { .. } => false,
        };
        // From Redis 7.0 on they look for the first entry of an old stream, and break down where they meet damage.
        let searched = self.findings.subject.is_of(ValueType::StreamListpacks);
        match (first, searched && self.entries.living == 0 && !self.living_found) {
            (true, _) => Visibility::First,
            (false, true) => Visibility::Walked,
            (false, false) => Visibility::Usual,
        }
    }

    #[cold]
    fn stopped(&mut self, stop: &Stop) {
        self.entries.lose_order();
        // Without the master entry not even the number of living entries may be known.
        self.entries.unknown_nodes |= self.in_master;
        match stop {
            Stop::Packed(error) => {
                let element = (!self.in_master).then_some(self.entries.seen);
                report(error, Encoding::Listpack, self.blob, element, self.findings);
                return;
            }
            Stop::Short { at } => self.add(Code::StreamBadNode, *at, || "the node ends within an entry".into()),
            Stop::Wrong { at, what, is } => {
                self.add(Code::StreamBadNode, *at, || format!("the element for {what} is {is}"));
            }
        }
        for element in self.iter.by_ref() {
            if let Err(error) = element {
                report(&error, Encoding::Listpack, self.blob, None, self.findings);
            }
        }
    }
}

#[inline]
fn number(entry: &PackedEntry<'_>, what: &'static str) -> Result<i64, Stop> {
    match entry.value {
        PackedValue::Int(value) => Ok(value),
        PackedValue::Bytes(_) => entry.value.as_int().ok_or(Stop::Wrong { at: entry.at, what, is: "not a number" }),
    }
}

fn count_of(entry: &PackedEntry<'_>, what: &'static str) -> Result<u64, Stop> {
    u64::try_from(number(entry, what)?).map_err(|_| Stop::Wrong { at: entry.at, what, is: "negative" })
}
