//! Taking up the walk elsewhere: what a salvage needs, which tries many places of one file.

use super::{Attributes, Parser, State};

impl Parser {
    /// Goes to a place where a record may begin. The templates that were read so far stay known.
    pub(crate) fn resume_at(&mut self, offset: u64) {
        self.offset = offset;
        self.state = State::Opcode;
        self.long = None;
        self.attributes = Attributes::default();
    }

    /// Whether a template of that number was read.
    pub(crate) fn knows_template(&self, id: u64) -> bool {
        self.templates.contains_key(&id)
    }

    /// How many bytes of a long string are still to come.
    pub(crate) fn long_left(&self) -> Option<u64> {
        self.long.map(|long| long.left)
    }

    /// Passes over the rest of a long string without a look at it; answers whether the record ends with it.
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
