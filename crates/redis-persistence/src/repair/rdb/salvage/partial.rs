//! What is left of a damaged collection, as a key of its own.
//!
//! ```text
//! head of the key | count | e e e e [damage] e e e e        plain: elements as they lie, count anew
//! head of the key | blob: e e e e [damage] e e e end        packed: read from both ends, written as plain elements
//! ```
//! [`chain`] reads plain collections and lists of nodes, [`packed`] reads blobs, [`stream`] leaves out groups. Each element is kept
//! once, and a collection of which none is left is not kept. Damaged bytes that read as an element are kept as one all the same, for nothing checks the bytes
//! of a string; and behind them, a few may be pieces of others.
//!
//! Of arrays, modules, templates and strings nothing is kept in part, nor of a stream whose entries are damaged.

mod chain;
mod packed;
mod stream;

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;

use super::candidate::Key;
use super::source_window::SourceWindow;
use crate::rdb::{Shape, ValueType, Writer};
use crate::report::Code;
use crate::verify::duplicates::Digests;
use chain::Chain;

/// So much of a value is looked at, in bytes, and so much of a packed one, decoded.
const MOST_HELD: usize = 64 << 20;
const MOST_PACKED: usize = 4 << 20;

/// A collection of which a part is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partial {
    /// The first 1024 bytes of its name, if it is one of those that are listed.
    pub(super) name: Option<Vec<u8>>,
    pub(super) key: Key,
    /// From its first attribute to the end of its value, or else to the next believed record.
    pub(super) range: Range<u64>,
    /// Where its value begins.
    pub(super) value_at: u64,
    /// What is wrong with it; if that is known, its value is known to end where the range does.
    pub(super) code: Option<Code>,
    pub(super) section: usize,
    /// How many elements are kept, and how many there were.
    pub(super) elements: u64,
    pub(super) declared: Option<u64>,
}

/// What is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// How many elements: entries of a list, members of a set, fields of a hash.
    pub(super) elements: u64,
    /// How many the value says that it has.
    pub(super) declared: Option<u64>,
    /// The type that it is written as.
    pub(super) value_type: ValueType,
    form: Form,
}

/// How it is written.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// Bytes of the value as they are: what stands before the count, the count, and the elements.
    Bytes { before: Range<usize>, count: u64, ranges: Vec<Range<usize>> },
    /// Rows of what was packed.
    Rows(Vec<Row>),
}

/// An element: an entry, a member and its score, a field with its value and expiry.
#[derive(Debug, Clone, PartialEq, Default)]
struct Row {
    text: Vec<u8>,
    value: Vec<u8>,
    score: f64,
    expire: Option<i64>,
}

impl Partial {
    /// Returns the bytes of the value, as far as they are looked at.
    fn held<'a>(&self, input: &'a mut SourceWindow<'_>) -> io::Result<&'a [u8]> {
        let len = usize::try_from(self.range.end - self.value_at).unwrap_or(usize::MAX).min(MOST_HELD);
        Ok(&input.bytes(self.value_at, len)?[..len])
    }

    /// Returns what can be kept; `None` if that is nothing.
    pub(super) fn kept(&self, input: &mut SourceWindow<'_>) -> io::Result<Option<Kept>> {
        let whole = self.range.end - self.value_at <= MOST_HELD as u64;
        let bytes = self.held(input)?;
        let value_type = self.key.value_type;
        let kept = match Chain::of(value_type, bytes) {
            Some(chain) => chain.keep(value_type, self.code.is_some() && whole, whole),
            None if value_type.shape() == Shape::Stream => stream::keep(value_type, bytes),
            None => packed::keep(value_type, bytes),
        };
        Ok(kept.filter(|kept| kept.elements > 0))
    }

    /// Returns whether its key expires.
    pub(super) fn expires(&self) -> bool {
        self.key.expire.is_some() && !self.key.expire_lost
    }

    /// Writes the key and what is kept of its value.
    pub(super) fn write_key<W: Write>(&self, input: &mut SourceWindow<'_>, to: &mut Writer<W>) -> io::Result<()> {
        let Some(kept) = self.kept(input)? else { return Ok(()) };
        let from = self.key.kept_from(self.range.start);
        let head = usize::try_from(self.value_at - from).unwrap_or(usize::MAX);
        let (attributes, name) =
            input.bytes(from, head)?[..head].split_at(usize::try_from(self.key.type_at - from).unwrap_or(0));
        to.copy(attributes)?;
        to.copy(&[kept.value_type.byte()])?;
        to.copy(&name[1..])?;
        self.write(&kept, input, to)
    }

    /// Writes the value.
    pub(super) fn write<W: Write>(
        &self,
        kept: &Kept,
        input: &mut SourceWindow<'_>,
        to: &mut Writer<W>,
    ) -> io::Result<()> {
        match &kept.form {
            Form::Bytes { before, count, ranges } => {
                let bytes = self.held(input)?;
                to.copy(&bytes[before.clone()])?;
                to.length(*count)?;
                ranges.iter().try_for_each(|range| to.copy(&bytes[range.clone()]))
            }
            Form::Rows(rows) => write_rows(kept.value_type, rows, to),
        }
    }
}

/// Writes rows as a collection of plain elements.
fn write_rows<W: Write>(value_type: ValueType, rows: &[Row], to: &mut Writer<W>) -> io::Result<()> {
    let earliest = rows.iter().filter_map(|row| row.expire).min();
    if let (ValueType::HashMetadata, Some(earliest)) = (value_type, earliest) {
        to.copy(&earliest.to_le_bytes())?;
    }
    to.length(rows.len() as u64)?;
    for row in rows {
        if value_type == ValueType::HashMetadata {
            let after = row.expire.zip(earliest).and_then(|(at, first)| u64::try_from(at - first).ok());
            to.length(after.map_or(0, |after| after + 1))?;
        }
        to.string(&row.text)?;
        match value_type.shape() {
            Shape::Hash | Shape::HashTtl => to.string(&row.value)?,
            Shape::ZSet => to.copy(&row.score.to_le_bytes())?,
            Shape::List | Shape::Set => {}
            // No row becomes one of these.
            Shape::String | Shape::HashTemplate | Shape::Module | Shape::Stream | Shape::Array => {}
        }
    }
    Ok(())
}

/// Tells which members of a collection were there before.
#[derive(Debug)]
struct Once {
    digests: Digests,
    seen: HashSet<u128>,
}

impl Default for Once {
    fn default() -> Self {
        Self { digests: Digests::new(), seen: HashSet::new() }
    }
}

impl Once {
    /// Returns whether this one is new. Nobody can make two that are taken for each other.
    fn is_new(&mut self, text: &[u8]) -> bool {
        self.seen.insert(self.digests.of(text))
    }
}
