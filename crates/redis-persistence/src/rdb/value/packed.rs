//! The elements of packed values: what a ziplist, a listpack, an intset or a zipmap holds.

use super::Element;
use crate::rdb::grammar::{Packing, Tuple};
use crate::rdb::packed::{
    IntText, Intset, Listpack, PackedEntry, PackedError, PackedErrorKind, PackedValue, Ziplist, Zipmap,
};
use crate::rdb::score::{self, Score};

/// Why the elements of a blob cannot be read.
#[derive(Debug)]
pub(super) enum BadBlob {
    /// The encoding is damaged.
    Packed(PackedError),
    /// The element at that offset is not what has to stand there.
    Wrong { at: usize, why: &'static str },
}

impl From<PackedError> for BadBlob {
    fn from(error: PackedError) -> Self {
        Self::Packed(error)
    }
}

/// Hands out the elements of a blob.
pub(super) fn elements(packing: Packing, blob: &[u8], sink: &mut impl FnMut(Element<'_>)) -> Result<(), BadBlob> {
    match packing {
        Packing::Zipmap => {
            for pair in Zipmap::new(blob)? {
                let pair = pair?;
                sink(Element::Field { name: pair.key, value: pair.value, expires_ms: None });
            }
            Ok(())
        }
        Packing::Intset => {
            let mut buffer = IntText::new();
            for entry in Intset::new(blob)? {
                sink(Element::Member(entry.value.text(&mut buffer)));
            }
            Ok(())
        }
        Packing::Ziplist(tuple) => tuples(tuple, Ziplist::new(blob)?.iter(), sink),
        Packing::Listpack(tuple) => tuples(tuple, Listpack::new(blob)?.iter(), sink),
    }
}

/// Entries of a ziplist or listpack.
trait Entries<'a>: Iterator<Item = Result<PackedEntry<'a>, PackedError>> {
    /// Returns the next one, which has to be there.
    fn wanted(&mut self, before: &PackedEntry<'a>) -> Result<PackedEntry<'a>, BadBlob> {
        match self.next() {
            // An odd number of elements may show as a wrong count first; that says less.
            None | Some(Err(PackedError { kind: PackedErrorKind::CountMismatch { .. }, .. })) => {
                Err(BadBlob::Wrong { at: before.at, why: "an element without the one that belongs to it" })
            }
            Some(entry) => Ok(entry?),
        }
    }
}

impl<'a, I: Iterator<Item = Result<PackedEntry<'a>, PackedError>>> Entries<'a> for I {}

fn tuples<'a>(tuple: Tuple, mut entries: impl Entries<'a>, sink: &mut impl FnMut(Element<'_>)) -> Result<(), BadBlob> {
    let (mut one, mut two) = (IntText::new(), IntText::new());
    while let Some(first) = entries.next() {
        let first = first?;
        let text = first.value.text(&mut one);
        match tuple {
            Tuple::Item => sink(Element::Item(text)),
            Tuple::Member => sink(Element::Member(text)),
            Tuple::Scored => {
                let second = entries.wanted(&first)?;
                let score = score(second.value).ok_or(BadBlob::Wrong { at: second.at, why: "a score is no number" })?;
                sink(Element::Scored { member: text, score });
            }
            Tuple::Pair => {
                let value = entries.wanted(&first)?.value;
                sink(Element::Field { name: text, value: value.text(&mut two), expires_ms: None });
            }
            Tuple::Triple => {
                let value = entries.wanted(&first)?;
                let expiry = entries.wanted(&value)?;
                let ms =
                    expiry.value.as_int().ok_or(BadBlob::Wrong { at: expiry.at, why: "an expiry is no number" })?;
                let expires_ms = (ms != 0).then_some(ms);
                sink(Element::Field { name: text, value: value.value.text(&mut two), expires_ms });
            }
        }
    }
    Ok(())
}

fn score(value: PackedValue<'_>) -> Option<f64> {
    match value {
        PackedValue::Int(number) => Some(number as f64),
        PackedValue::Bytes(text) => number(text),
    }
}

/// Returns a score that is stored as text, as servers read it.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    match score::parse(text) {
        Score::Plain(value) | Score::Odd(value) => Some(value),
        Score::Nan | Score::Bad => None,
    }
}
