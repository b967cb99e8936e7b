//! What an RDB is read from: an input that gives one byte after another, or one of which any place can be read.

use std::fmt;
use std::io::{self, Read};

use crate::base::read_at::{At, ReadAt};
use crate::rdb::feed::read_block;

/// An input at the start of an RDB.
pub(super) enum Input<'i> {
    /// That can be read in order; missing while somebody reads.
    InOrder(Option<&'i mut (dyn Read + Send)>),
    /// That can be read anywhere.
    AtPlaces(&'i dyn ReadAt),
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InOrder(_) => "InOrder",
            Self::AtPlaces(_) => "AtPlaces",
        })
    }
}

/// The right to read the next block.
pub(super) enum Reading<'i> {
    InOrder(&'i mut (dyn Read + Send)),
    AtPlaces(&'i dyn ReadAt),
}

impl<'i> Input<'i> {
    /// The right to read, if nobody has it who would be in the way.
    pub(super) fn take(&mut self) -> Option<Reading<'i>> {
        match self {
            Self::InOrder(input) => input.take().map(Reading::InOrder),
            Self::AtPlaces(input) => Some(Reading::AtPlaces(*input)),
        }
    }

    /// Fills a block that begins at `start`.
    pub(super) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        let Some(mut reading) = self.take() else { return Ok(0) };
        let result = reading.fill(block, start);
        self.give_back(reading);
        result
    }

    /// Takes the right back.
    pub(super) fn give_back(&mut self, reading: Reading<'i>) {
        if let (Self::InOrder(place), Reading::InOrder(input)) = (self, reading) {
            *place = Some(input);
        }
    }
}

impl Reading<'_> {
    /// Fills the block, as far as there is something, and answers how much that was. `start` is where it begins: in order, that
    /// is where the input stands.
    pub(super) fn fill(&mut self, block: &mut [u8], start: u64) -> io::Result<usize> {
        match self {
            Self::InOrder(input) => read_block(input, block),
            Self::AtPlaces(input) => read_block(&mut At { input: *input, at: start }, block),
        }
    }
}
