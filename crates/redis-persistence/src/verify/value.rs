//! Checks of what a key holds, fed with the events of its record.
//!
//! [`ValueChecker`] is handed the events between a [`Record`](crate::rdb::Payload::Record) and the event that ends it. One
//! file checks one kind of layout; each has a `Checker` with `event` and `end`, which answer nothing: what is wrong goes
//! into [`Context::findings`], and the walk goes on.

mod array;
mod blob;
mod elements;
mod expiry;
pub(crate) mod packed;
mod packed_error;
mod score;
pub(crate) mod seen;
pub(crate) mod stored;
pub(crate) mod stream;
pub(crate) mod template;
#[cfg(test)]
mod testing;
mod text;
pub(crate) mod vectorset;
mod walk;

pub(crate) use elements::Checker as ElementsChecker;

use super::confirm::Suspects;
use super::duplicates::Table;
use crate::base::limits::Limits;
use crate::lzf::Room;
use crate::rdb::{Event, Payload, Shape, ValueType};
use crate::report::collector::Collector;

/// What the checkers share.
pub(crate) struct Context<'a> {
    pub(crate) findings: &'a mut Collector,
    pub(crate) scratch: &'a mut Scratch,
    /// For the elements of the record at hand.
    pub(crate) elements: &'a mut Table,
    /// Elements that may occur twice, to be confirmed by reading them again.
    pub(crate) suspects: &'a mut Suspects,
    /// The hash templates that the file defined so far.
    pub(crate) templates: &'a mut template::Registry,
    /// Whether duplicates are looked for.
    pub(crate) duplicates: bool,
    /// Whether what is sound at a glance may be passed over.
    pub(crate) fast: bool,
    /// The time to hold the expiries of fields against. Without it none has expired.
    pub(crate) now_ms: Option<i64>,
    pub(crate) limits: &'a Limits,
}

/// Buffers that are used again from value to value.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Decoded bytes of a compressed string or blob.
    pub(crate) decoded: Room,
    /// What occurred in a value of few elements.
    pub(crate) seen: seen::Seen,
}

/// Checks one value.
#[derive(Debug)]
pub(crate) enum ValueChecker {
    /// Nothing beyond what the frame and the strings say.
    Plain,
    Elements(elements::Checker),
    Packed(packed::Checker),
    Stream(Box<stream::Checker>),
    Array(array::Checker),
    Template(template::Checker),
    VectorSet(Box<vectorset::Checker>),
}

impl ValueChecker {
    /// Returns a checker for a value of that type.
    pub(crate) fn new(value_type: ValueType) -> Self {
        match (value_type.shape(), value_type.packing()) {
            // What modules write is known of vector sets alone: see `event`.
            (Shape::String | Shape::Module, _) => Self::Plain,
            (Shape::Stream, _) => Self::Stream(Box::new(stream::Checker::new(value_type))),
            (Shape::Array, _) => Self::Array(array::Checker::default()),
            (Shape::HashTemplate, _) => Self::Template(template::Checker::new(value_type)),
            (Shape::List | Shape::Set | Shape::ZSet | Shape::Hash | Shape::HashTtl, Some(packing)) => {
                Self::Packed(packed::Checker::new(value_type, packing))
            }
            (Shape::List | Shape::Set | Shape::ZSet | Shape::Hash | Shape::HashTtl, None) => {
                Self::Elements(elements::Checker::new(value_type))
            }
        }
    }

    /// Looks at an event inside the record.
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match self {
            // The module's id comes first.
            Self::Plain => {
                if let Payload::Module(id) = event.payload
                    && let Some(checker) = vectorset::Checker::new(id, event, cx)
                {
                    *self = Self::VectorSet(Box::new(checker));
                }
            }
            Self::Elements(checker) => checker.event(event, cx),
            Self::Packed(checker) => checker.event(event, cx),
            Self::Stream(checker) => checker.event(event, cx),
            Self::Array(checker) => checker.event(event, cx),
            Self::Template(checker) => checker.event(event, cx),
            Self::VectorSet(checker) => checker.event(event, cx),
        }
    }

    /// Looks back at the whole value, which began at `start`, and returns how many elements it holds.
    pub(crate) fn end(self, start: u64, cx: &mut Context<'_>) -> u64 {
        match self {
            Self::Plain => 1,
            Self::Elements(checker) => checker.end(start, cx),
            Self::Packed(checker) => checker.end(start, cx),
            Self::Stream(checker) => checker.end(start, cx),
            Self::Array(checker) => checker.end(start, cx),
            Self::Template(checker) => checker.end(start, cx),
            Self::VectorSet(checker) => checker.end(start, cx),
        }
    }
}
