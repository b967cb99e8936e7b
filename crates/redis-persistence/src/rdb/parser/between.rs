//! Places between two records, at which a walk can be taken up by someone else.

use super::{Parser, State};
use crate::base::limits::Limits;
use crate::rdb::{Attributes, Header};

impl Parser {
    /// A parser inside a file, at an offset where a record begins and nothing is pending.
    pub(crate) fn at_record(limits: Limits, header: Header, offset: u64) -> Self {
        Self { offset, state: State::Opcode, header, ..Self::new(limits) }
    }

    /// Whether a key's record or an opcode begins with the next byte, without attributes that are pending.
    #[inline]
    pub(crate) fn is_between_records(&self) -> bool {
        matches!(self.state, State::Opcode) && self.long.is_none() && self.attributes == Attributes::default()
    }

    /// Passes over records that someone else has read.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
    }
}
