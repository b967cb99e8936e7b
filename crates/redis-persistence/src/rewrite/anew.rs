//! A collection, encoded anew element by element: in the plain form of its kind, whose count comes first.
//!
//! ```text
//! elements -> held, up to a megabyte -> all of them known: head, count, elements
//!                                    -> too many: a second look counts them; head, count, the held ones, and the rest as they come
//! ```

use std::io::{self, Write};

use super::adapt::is_hash;
use super::dialect::{Dialect, plain};
use crate::rdb::{Element, KeyAttributes, Shape, ValueType, Writer};

/// So many bytes of a collection are held.
pub(super) const HELD: usize = 1 << 20;

/// What comes before the elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) count: u64,
    /// The first expiry of a field.
    pub(super) least: Option<i64>,
}

impl Facts {
    pub(super) fn add(&mut self, element: &Element<'_>) {
        self.count += 1;
        if let Element::Field { expires_ms: Some(ms), .. } = element {
            self.least = Some(self.least.map_or(*ms, |least| least.min(*ms)));
        }
    }
}

/// An element, as a row of a table.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The bytes of its first and second text.
    first: usize,
    second: usize,
    /// The bits of a score, or an expiry.
    number: Option<u64>,
}

/// A key whose value is being encoded.
#[derive(Debug)]
pub(super) struct Anew {
    attributes: KeyAttributes,
    shape: Shape,
    texts: Vec<u8>,
    held: Vec<Held>,
    facts: Facts,
    /// The type that it is written as, once its head is.
    written: Option<ValueType>,
}

impl Anew {
    pub(super) fn new(attributes: KeyAttributes, shape: Shape) -> Self {
        Self { attributes, shape, texts: Vec::new(), held: Vec::new(), facts: Facts::default(), written: None }
    }

    /// Returns how many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.texts.len() + self.held.len() * size_of::<Held>()
    }

    /// Takes the next element.
    pub(super) fn element<W: Write>(&mut self, element: &Element<'_>, writer: &mut Writer<W>) -> io::Result<()> {
        let (first, second, number): (&[u8], &[u8], Option<u64>) = match *element {
            Element::Item(text) | Element::Member(text) => (text, &[], None),
            Element::Scored { member, score } => (member, &[], Some(score.to_bits())),
            Element::Field { name, value, expires_ms } => (name, value, expires_ms.map(i64::cast_unsigned)),
            _ => return Ok(()),
        };
        if let Some(value_type) = self.written {
            return one(writer, value_type, self.facts.least, (first, second, number));
        }
        self.facts.add(element);
        self.texts.extend_from_slice(first);
        self.texts.extend_from_slice(second);
        self.held.push(Held { first: first.len(), second: second.len(), number });
        Ok(())
    }

    /// Writes what is held; what follows is written as it comes. `facts` are those of the whole value.
    pub(super) fn begin<W: Write>(
        &mut self,
        name: &[u8],
        facts: Facts,
        dialect: &Dialect,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let with_ttl = dialect.with_ttl().filter(|_| is_hash(self.shape) && facts.least.is_some());
        let value_type = with_ttl.unwrap_or(plain(self.shape));
        writer.key(&self.attributes, value_type, name)?;
        if value_type == ValueType::HashMetadata {
            writer.copy(&facts.least.unwrap_or(0).to_le_bytes())?;
        }
        writer.length(facts.count)?;
        (self.facts, self.written) = (facts, Some(value_type));
        let (texts, mut at) = (std::mem::take(&mut self.texts), 0);
        for held in std::mem::take(&mut self.held) {
            let (first, rest) = texts[at..].split_at(held.first);
            one(writer, value_type, facts.least, (first, &rest[..held.second], held.number))?;
            at += held.first + held.second;
        }
        Ok(())
    }

    /// Writes what is left; returns whether there is such a key.
    pub(super) fn end<W: Write>(mut self, name: &[u8], dialect: &Dialect, writer: &mut Writer<W>) -> io::Result<bool> {
        if self.written.is_none() && self.facts.count > 0 {
            self.begin(name, self.facts, dialect, writer)?;
        }
        Ok(self.written.is_some())
    }
}

fn one<W: Write>(
    writer: &mut Writer<W>,
    value_type: ValueType,
    least: Option<i64>,
    (first, second, number): (&[u8], &[u8], Option<u64>),
) -> io::Result<()> {
    match value_type {
        ValueType::HashMetadata => {
            // 0 is none, 1 the least.
            let ttl = number.map_or(0, |ms| ms.wrapping_sub(least.unwrap_or(0).cast_unsigned()).wrapping_add(1));
            writer.length(ttl)?;
            writer.string(first)?;
            writer.string(second)
        }
        ValueType::Hash2 => {
            writer.string(first)?;
            writer.string(second)?;
            writer.copy(&number.unwrap_or(u64::MAX).to_le_bytes())
        }
        ValueType::Hash => {
            writer.string(first)?;
            writer.string(second)
        }
        ValueType::ZSet2 => {
            writer.string(first)?;
            writer.copy(&number.unwrap_or(0).to_le_bytes())
        }
        _ => writer.string(first),
    }
}
