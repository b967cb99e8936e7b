//! Taking up the walk elsewhere: between two records, for someone who has read them, or at any place that a salvage tries.

use super::{Attributes, Parser, State};
use crate::base::limits::Limits;
use crate::rdb::Header;

impl Parser {
    /// Returns a parser inside a file, at an offset where a record begins and nothing is pending.
    pub(crate) fn at_record(limits: Limits, header: Header, offset: u64) -> Self {
        Self { offset, state: State::Opcode, header, ..Self::new(limits) }
    }

    /// Returns whether a key's record or an opcode begins with the next byte, without attributes that are pending.
    #[inline]
    pub(crate) fn is_between_records(&self) -> bool {
        matches!(self.state, State::Opcode) && self.long.is_none() && self.attributes == Attributes::default()
    }

    /// Passes over records that someone else has read.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
    }

    /// Goes to a place where a record may begin. The templates that were read so far stay known.
    pub(crate) fn resume_at(&mut self, offset: u64) {
        self.offset = offset;
        self.state = State::Opcode;
        self.long = None;
        self.attributes = Attributes::default();
    }

    /// Returns whether a template of that number was read.
    pub(crate) fn knows_template(&self, id: u64) -> bool {
        self.templates.contains_key(&id)
    }

    /// Returns how many bytes of a long string are still to come.
    pub(crate) fn long_left(&self) -> Option<u64> {
        self.long.map(|long| long.left)
    }

    /// Passes over the rest of a long string without a look at it; returns whether the record ends with it.
    pub(crate) fn pass_over_long(&mut self) -> bool {
        match self.long.take() {
            Some(long) => {
                self.offset = self.offset.saturating_add(long.left);
                long.ends_record
            }
            None => false,
        }
    }
}
