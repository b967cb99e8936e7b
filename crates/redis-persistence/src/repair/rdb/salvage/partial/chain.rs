//! What is left of a collection whose elements lie one after the other: those before the damage, and those behind it.
//!
//! ```text
//! count  e0 e1 e2 e3 [damage ...] e7 e8 e9 | next record
//!        ------------>            <-------
//!        forward                  every place from which elements lead exactly to the end
//! ```
//! Elements have no marks. From the front they are read up to the first that makes no sense, or does not end before the next record.
//! Behind, a place is believed if elements in the forms that servers write lead from it to the end without a gap, and if what lies
//! between is as long as the elements that are missing then: the count says how many those are. Of such places, the last one is
//! taken by which most is kept. Where there is none, what follows a far longer element is left out.
//!
//! Nodes of a list each prove themselves besides. Plain elements do not: some behind the damage may be read out of step, with bytes of
//! texts taken for lengths, until one ends where a true one begins.

use std::ops::Range;

use super::{Form, Kept, Once};
use crate::rdb::packed::{Listpack, Ziplist};
use crate::rdb::{Body, Frame, Packing, PlainElement as Element, RdbString, Shape, ValueType, shortest, string_at};

/// Behind damage, so much is searched.
const MOST_SEARCHED: usize = 16 << 20;
/// How often each of those bytes may be decoded.
const MOST_WORK: usize = 16;
/// By so many bytes, what is lost may differ from what is expected besides.
const SLACK: u64 = 64;
/// An element that is so many times as long as the longest before it does not belong there.
const FAR_LONGER: usize = 8;
/// This many elements tell how long they usually are.
const MANY: usize = 8;
/// This many zeros where an element should begin are a hole.
const HOLE: usize = 16;
/// The greatest time of a field.
const LATEST: u64 = 1 << 48;

/// What an element is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Entry,
    Member,
    Field,
    /// With the expiry before it, counted from the earliest.
    ExpiringField,
    /// With the time behind it (Valkey).
    TimedField,
    TextScore,
    Score,
    ZiplistNode,
    ListpackNode,
}

/// The elements of a value.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    layout: Layout,
    bytes: &'a [u8],
    /// How many bytes may still be decoded.
    work: usize,
}

impl<'a> Chain<'a> {
    /// Returns the elements of a value that lie one after the other in `bytes`, if its type has such.
    pub(super) fn of(value_type: ValueType, bytes: &'a [u8]) -> Option<Self> {
        let layout = match (value_type.frame(), value_type.packing()) {
            (Frame::Elements { element, least }, _) => match element {
                Element::One if value_type.shape() == Shape::List => Layout::Entry,
                Element::One => Layout::Member,
                Element::Pair => Layout::Field,
                Element::TtlPair if least => Layout::ExpiringField,
                // Release candidates wrote them, and no server reads them.
                Element::TtlPair => return None,
                Element::PairExpiry => Layout::TimedField,
                Element::TextScore => Layout::TextScore,
                Element::Score => Layout::Score,
            },
            (Frame::Nodes { .. }, Some(Packing::Ziplist(_))) => Layout::ZiplistNode,
            (Frame::Nodes { .. }, Some(Packing::Listpack(_))) => Layout::ListpackNode,
            (Frame::Nodes { .. }, Some(Packing::Zipmap | Packing::Intset) | None)
            | (Frame::Text | Frame::Packed { .. } | Frame::Mixed, _) => return None,
        };
        Some(Self { layout, bytes, work: bytes.len().saturating_mul(MOST_WORK) })
    }

    fn is_of_nodes(&self) -> bool {
        matches!(self.layout, Layout::ZiplistNode | Layout::ListpackNode)
    }

    /// Returns what can be kept of a value. `framed`: it is known to end where the bytes end; `whole`: the next record
    /// begins there.
    pub(super) fn keep(mut self, value_type: ValueType, framed: bool, whole: bool) -> Option<Kept> {
        let before = if self.layout == Layout::ExpiringField { 8 } else { 0 };
        if let Some(earliest) = self.bytes.first_chunk().filter(|_| before > 0)
            && u64::from_le_bytes(*earliest) > LATEST
        {
            return None;
        }
        let (stated, first) = number(self.bytes, before)?;
        let (mut elements, stopped_at) = self.forward(first, stated, !framed);
        if !framed && (elements.len() as u64) < stated {
            // Where elements lead to the end all the same, one with a damaged length may have taken others with it.
            let to_the_end = stopped_at == self.bytes.len();
            let more = |(kept, rest): &(usize, Vec<Range<usize>>)| !to_the_end || kept + rest.len() > elements.len();
            match self.behind(&elements, first, stated).filter(|found| whole && more(found)) {
                Some((kept, rest)) => {
                    elements.truncate(kept);
                    elements.extend(rest);
                }
                None if to_the_end || self.is_of_nodes() => {}
                None => {
                    believable(&mut elements);
                    let sure = self.in_phase(&elements);
                    elements.truncate(sure);
                }
            }
        }
        let declared = match self.is_of_nodes() {
            true if framed => elements.iter().map(|element| self.stated_in(element)).sum(),
            true => None,
            false => Some(stated),
        };
        let mut once = Once::default();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let (mut count, mut kept) = (0, 0);
        for element in elements {
            let Some(holds) = self.holds(&element, &mut once) else { continue };
            (count, kept) = (count + 1, kept + holds);
            match ranges.last_mut() {
                Some(range) if range.end == element.start => range.end = element.end,
                _ => ranges.push(element),
            }
        }
        Some(Kept { elements: kept, declared, value_type, form: Form::Bytes { before: 0..before, count, ranges } })
    }

    /// Returns the elements from `at` on, and where they stop.
    fn forward(&mut self, first: usize, most: u64, strict: bool) -> (Vec<Range<usize>>, usize) {
        let mut elements = Vec::new();
        let mut at = first;
        while (elements.len() as u64) < most
            && let Some(end) = self.end_of(at, strict)
        {
            elements.push(at..end);
            at = end;
        }
        (elements, at)
    }

    /// Returns how many of the first elements to keep, and those behind the damage.
    fn behind(&mut self, elements: &[Range<usize>], first: usize, stated: u64) -> Option<(usize, Vec<Range<usize>>)> {
        let size = self.bytes.len();
        let from = first.max(size.saturating_sub(MOST_SEARCHED));
        let usual = &elements[..elements.len().min(MANY)];
        let most = if usual.len() < MANY || self.is_of_nodes() {
            size
        } else {
            far(usual.iter().map(Range::len).max().unwrap_or(size))
        };
        // How many elements lead from each place to the end.
        let mut lead: Vec<u32> = vec![0; size - from + 1];
        for at in (from..size).rev() {
            if let Some(end) = self.end_of(at, true)
                && end - at <= most
                && (end == size || lead[end - from] > 0)
            {
                lead[at - from] = lead[end - from] + 1;
            }
        }
        let (mut before, mut best) = (0, None::<(u64, usize, usize)>);
        for (at, behind) in (from..).zip(&lead).filter(|(_, behind)| **behind > 0) {
            while elements.get(before).is_some_and(|element| element.end <= at) {
                before += 1;
            }
            let end = before.checked_sub(1).map_or(first, |last| elements[last].end);
            let kept = before as u64 + u64::from(*behind);
            let kept_bytes = (end - first + size - at) as u64;
            let lost = stated.saturating_sub(kept);
            let likely = lost > 0 && is_likely((at - end) as u64, lost, kept_bytes / kept);
            if likely && best.is_none_or(|(most, ..)| kept >= most) {
                best = Some((kept, before, at));
            }
        }
        let (_, before, at) = best?;
        Some((before, self.forward(at, stated, true).0))
    }

    /// Returns where the element ends that begins at `at`. If `strict`, a node has to be sound.
    fn end_of(&mut self, at: usize, strict: bool) -> Option<usize> {
        let bytes = self.bytes;
        if bytes.get(at..)?.starts_with(&[0; HOLE]) {
            return None;
        }
        let text = |at| string(bytes, at).map(|(_, end)| end);
        let fixed = |at: usize, len| Some(at + len).filter(|end| *end <= bytes.len());
        match self.layout {
            Layout::Entry | Layout::Member => text(at),
            Layout::Field => text(text(at)?),
            Layout::ExpiringField => text(text(number(bytes, at)?.1)?),
            Layout::TimedField => fixed(text(text(at)?)?, 8),
            Layout::Score => fixed(text(at)?, 8),
            Layout::TextScore => {
                let score = text(at)?;
                let len = usize::from(*bytes.get(score)?);
                fixed(score + 1, if len < 253 { len } else { 0 })
            }
            Layout::ZiplistNode | Layout::ListpackNode => {
                let (is_packed, at) = self.node_at(at)?;
                let (_, end) = string(bytes, at)?;
                (!strict || !is_packed || self.entries(at).is_some()).then_some(end)
            }
        }
    }

    /// Returns whether the node at `at` is packed, and where its string begins.
    fn node_at(&self, at: usize) -> Option<(bool, usize)> {
        match self.layout {
            Layout::ListpackNode => match number(self.bytes, at)? {
                (container @ 1..=2, at) => Some((container == 2, at)),
                _ => None,
            },
            _ => Some((true, at)),
        }
    }

    /// Returns how many entries the packed string at `at` has, if it is sound.
    fn entries(&mut self, at: usize) -> Option<u64> {
        let string = string(self.bytes, at)?.0;
        self.work = self.work.checked_sub(usize::try_from(string.text_len()).ok()?)?;
        let blob = string.decode().ok()?;
        let entries = if self.layout == Layout::ZiplistNode {
            Ziplist::new(&blob).ok()?.iter().try_fold(0, |n, entry| entry.map(|_| n + 1)).ok()?
        } else {
            Listpack::new(&blob).ok()?.iter().try_fold(0, |n, entry| entry.map(|_| n + 1)).ok()?
        };
        Some(entries).filter(|entries| *entries > 0)
    }

    /// Returns how many entries a node says that it has.
    fn stated_in(&self, element: &Range<usize>) -> Option<u64> {
        let (is_packed, at) = self.node_at(element.start)?;
        if !is_packed {
            return Some(1);
        }
        let blob = string(self.bytes, at)?.0.decode().ok()?;
        let stated = match self.layout {
            Layout::ZiplistNode => Ziplist::with_any_header(&blob).ok()?.stated_len(),
            _ => Listpack::with_any_header(&blob).ok()?.stated_len(),
        };
        stated.map(u64::from)
    }

    /// Returns how many of the first elements are surely fields with their values, and not values with the next field, as
    /// they may be behind a damaged length. The lengths of both tell, if they differ: those of the first ones, and those of
    /// some in a row.
    fn in_phase(&self, elements: &[Range<usize>]) -> usize {
        let is_pair = matches!(self.layout, Layout::Field | Layout::ExpiringField | Layout::TimedField);
        if !is_pair {
            return elements.len();
        }
        let lengths = |row: &[Range<usize>]| {
            row.iter()
                .filter_map(|element| self.lengths(element))
                .fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
        };
        let mut rows = elements.chunks(MANY);
        let Some(first) = rows.next().filter(|first| first.len() == MANY).map(lengths) else { return 0 };
        if first.0.abs_diff(first.1) <= first.0.max(first.1) / 8 {
            return 0;
        }
        let of_phase = rows.take_while(|row| {
            let (field, value) = lengths(row);
            field.abs_diff(first.0) + value.abs_diff(first.1) < field.abs_diff(first.1) + value.abs_diff(first.0)
        });
        // The turn may lie in the last of these.
        (of_phase.count() * MANY).min(elements.len())
    }

    /// Returns how long a field is, and its value.
    fn lengths(&self, element: &Range<usize>) -> Option<(usize, usize)> {
        let at =
            if self.layout == Layout::ExpiringField { number(self.bytes, element.start)?.1 } else { element.start };
        let field = string(self.bytes, at)?.1;
        let value = string(self.bytes, field)?.1;
        Some((field - at, value - field))
    }

    /// Returns how many elements of the collection a sound element holds; `None` if it is not kept.
    fn holds(&mut self, element: &Range<usize>, once: &mut Once) -> Option<u64> {
        let bytes = self.bytes;
        let text = |at| string(bytes, at).and_then(|(string, end)| Some((string.decode().ok()?, end)));
        match self.layout {
            Layout::Entry => text(element.start).map(|_| 1),
            Layout::ZiplistNode | Layout::ListpackNode => {
                let (is_packed, at) = self.node_at(element.start)?;
                if is_packed { self.entries(at) } else { text(at).map(|_| 1) }
            }
            layout => {
                let at = match layout {
                    Layout::ExpiringField => number(bytes, element.start)?.1,
                    _ => element.start,
                };
                let (name, end) = text(at)?;
                let rest = &bytes[end..element.end];
                let is_sound = match layout {
                    Layout::Field | Layout::ExpiringField => text(end).is_some(),
                    Layout::TimedField => {
                        let never = -1;
                        text(end).is_some() && rest.last_chunk().is_some_and(|ms| i64::from_le_bytes(*ms) >= never)
                    }
                    Layout::Score => rest.first_chunk().is_some_and(|score| !f64::from_le_bytes(*score).is_nan()),
                    Layout::TextScore => is_score(rest),
                    Layout::Entry | Layout::Member | Layout::ZiplistNode | Layout::ListpackNode => true,
                };
                (is_sound && once.is_new(&name)).then_some(1)
            }
        }
    }
}

/// Returns the greatest length of an element among others of which none is longer than that.
fn far(longest: usize) -> usize {
    FAR_LONGER * longest.max(8)
}

/// Drops what may come of the damage, where nothing proves that elements go on behind it: whatever follows one that is far longer
/// than all before it, for a wrong length leads far away as a rule; and the last one.
fn believable(elements: &mut Vec<Range<usize>>) {
    let mut longest = 0;
    let jumps = elements.iter().position(|element| {
        let is_far = longest > 0 && element.len() > far(longest);
        longest = longest.max(element.len());
        is_far
    });
    elements.truncate(jumps.unwrap_or(elements.len().saturating_sub(1)));
}

/// Returns whether so many bytes are likely to have been so many elements of such a size: but for a quarter, and for two
/// that are longer.
fn is_likely(bytes: u64, elements: u64, usual: u64) -> bool {
    let expected = elements.saturating_mul(usual);
    bytes.abs_diff(expected) <= expected / 4 + 2 * usual + SLACK
}

/// Returns whether that is a score as text: its length, and the digits; or one of the lengths that stand for what is no
/// number.
fn is_score(bytes: &[u8]) -> bool {
    match bytes {
        [254 | 255] => true,
        [0..=252, text @ ..] => {
            let score = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            score.is_some_and(|score| !score.is_nan())
        }
        _ => false,
    }
}

/// Returns the length that begins at `at` in its shortest form, and where it ends.
fn number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    shortest(bytes.get(at..)?).map(|(value, size)| (value, at + size))
}

/// Returns the string that begins at `at` in the form that servers write, and where it ends.
fn string(bytes: &[u8], at: usize) -> Option<(RdbString<&[u8]>, usize)> {
    let string = string_at(bytes.get(at..)?, 0).ok()?;
    if let Body::Raw(_) = string.body {
        number(bytes, at)?;
    }
    Some((string, at + usize::try_from(string.end).ok()?))
}
