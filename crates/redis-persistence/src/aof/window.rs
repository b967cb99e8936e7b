//! What a reader has at hand of its input.
//!
//! ```text
//! buffer:  ... passed ... | bytes at hand | room for more
//!                         start           end
//! ```

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::aof::CommandRun;

/// So little is read behind a place that was sought: often there is but the head of the next long payload to be seen.
const AFTER_SEEK: usize = 4 << 10;

/// The bytes at hand, and what is known of them.
#[derive(Debug)]
pub(crate) struct Window {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// So much may be left when more is read.
    most_kept: usize,
    /// How much is read next, at most.
    piece: usize,
    /// Runs that were found before the reader came there, by where in the buffer they begin.
    runs: VecDeque<(usize, CommandRun)>,
    /// Whether one of them was of use.
    of_use: bool,
}

impl Window {
    /// With nothing in it yet. `most_kept` is less than its size.
    pub(crate) fn new(size: usize, most_kept: usize) -> Self {
        let buffer = vec![0; size].into_boxed_slice();
        Self { buffer, start: 0, end: 0, most_kept, piece: size, runs: VecDeque::new(), of_use: false }
    }

    /// Returns the same with bytes that were read before.
    pub(crate) fn holding(self, mut bytes: Vec<u8>) -> Self {
        let (end, size) = (bytes.len(), self.buffer.len().max(bytes.len()));
        bytes.resize(size, 0);
        Self { buffer: bytes.into_boxed_slice(), end, ..self }
    }

    /// Returns the bytes at hand.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Lets go of this many bytes.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Returns whether all that is at hand may be left, and so many bytes may be put behind it.
    pub(crate) fn may_keep(&self, missing: usize) -> bool {
        self.end - self.start <= self.most_kept && missing <= self.most_kept
    }

    /// Forgets the run that was found to begin next; returns whether there was one.
    pub(crate) fn forget_run(&mut self) -> bool {
        self.runs.pop_front().is_some()
    }

    /// Returns the run that was found to begin with the next byte, or how many bytes there are up to where one was found.
    pub(crate) fn run_here(&mut self) -> Result<CommandRun, usize> {
        while let Some((at, _)) = self.runs.front() {
            if *at > self.start {
                return Err(at - self.start);
            }
            if let Some((at, run)) = self.runs.pop_front()
                && at == self.start
            {
                self.of_use = true;
                return Ok(run);
            }
        }
        Err(self.end - self.start)
    }

    /// Says that the input was moved on: what is there is not the rest of what is at hand.
    pub(crate) fn sought(&mut self) {
        self.piece = AFTER_SEEK.min(self.buffer.len());
    }

    /// Moves what is left to the front and reads once behind it. Returns how many bytes that were.
    pub(crate) fn read_behind(&mut self, input: &mut impl Read) -> io::Result<usize> {
        self.runs.clear();
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let end = self.buffer.len().min(self.end + self.piece);
        self.piece = self.buffer.len().min(2 * self.piece);
        loop {
            match input.read(&mut self.buffer[self.end..end]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on in another buffer, which has `len` bytes behind room for what is kept. Returns the old buffer, and whether the runs
    /// that were found in it were of use.
    ///
    /// # Errors
    /// If what is left does not fit into the room.
    pub(crate) fn go_on(
        &mut self,
        mut buffer: Box<[u8]>,
        len: usize,
        runs: VecDeque<(usize, CommandRun)>,
    ) -> io::Result<(Box<[u8]>, bool)> {
        let room = self.most_kept;
        let start = room
            .checked_sub(self.end - self.start)
            .ok_or_else(|| io::Error::other("more of a block is left than a parser leaves"))?;
        buffer[start..room].copy_from_slice(self.bytes());
        (self.start, self.end, self.runs) = (start, room + len, runs);
        let of_use = std::mem::take(&mut self.of_use);
        Ok((std::mem::replace(&mut self.buffer, buffer), of_use))
    }
}
