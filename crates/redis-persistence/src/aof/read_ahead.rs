//! Reads an append-only file ahead of its reader, on several threads.
//!
//! ```text
//! input -- read --> block -- look for runs of plain commands --> blocks, in order --> reader
//!          any thread                                                                  one thread
//! ```
//!
//! Several threads read at once where each can have an input of its own.
//!
//! Where a block begins, no one knows whether that is inside of a record. So whoever read it looks for the first place that
//! has the looks of a command of a known kind ([`KnownHeads`]), and passes over commands from there. The reader takes such a run
//! over if it comes out where the run begins, which makes it one that the reader would have found; if not, it goes its own
//! way. The thread that reads does the same work while it has to wait.
//!
//! Long payloads are passed over by moving in the file, where blocks ahead would be read for nothing. So reading ahead begins
//! after some bytes in a row, and ends at a payload that is worth a move.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Limits;
use crate::aof::window::Window;
use crate::aof::{CommandRun, Grammar, KnownHeads, Parser, Reader, Step};
use crate::base::monitor::{Closing, Shared};
use crate::base::source::read_block;

/// After so many blocks in a row in which no run was of use, they are looked for in one of [`SELDOM`] only.
const MISSES: u32 = 4;
const SELDOM: u64 = 16;

/// How the work is divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// What is read at a time.
    pub(crate) block: usize,
    /// In front of a block there is so much room for what a reader has left of the one before. A parser leaves less than 1 KiB;
    /// commands that are cut by the end of a block are kept whole if there is room.
    pub(crate) room: usize,
    /// This many blocks' bytes are read in a row before more is read ahead.
    pub(crate) alone_blocks: u64,
    /// From this many bytes on a payload is passed over by moving in the file.
    pub(crate) worth_a_seek: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { block: 256 << 10, room: 64 << 10, alone_blocks: 4, worth_a_seek: 256 << 10 }
    }
}

impl Sizes {
    /// Of fewer bytes than this, nothing is read ahead.
    pub(crate) fn alone(&self) -> u64 {
        self.alone_blocks * self.block as u64
    }
}

/// An input, and what was read of it ahead.
pub(crate) struct ReadAhead<'i, R> {
    input: Mutex<Input<'i, R>>,
    another: fn(&R) -> Option<R>,
    state: Shared<State>,
    sizes: Sizes,
    /// This many blocks are read ahead at most.
    most: usize,
    /// How much of a command is looked at.
    looked_at: (usize, usize),
}

struct Input<'i, R> {
    input: &'i mut R,
    /// The next block: its number, and where it begins.
    number: u64,
    at: u64,
    ended: bool,
}

pub(crate) struct State {
    /// Blocks that the reader has not come to, in order.
    blocks: VecDeque<Block>,
    /// Blocks that are being read or looked into.
    under_way: usize,
    /// How many there shall be of both.
    wanted: usize,
    /// The number of the block that the reader wants next, and where that begins.
    next: u64,
    at: u64,
    /// How many bytes the reader read by itself in a row.
    alone: u64,
    ended: bool,
    error: Option<io::Error>,
    kinds: Arc<KnownHeads>,
    misses: u32,
    /// How many blocks were begun.
    begun: u64,
    free: Vec<Box<[u8]>>,
}

struct Block {
    number: u64,
    /// Its bytes stand behind the room.
    buffer: Box<[u8]>,
    len: usize,
    runs: VecDeque<(usize, CommandRun)>,
}

/// A block to be read, and what to look for in it.
struct Task {
    buffer: Box<[u8]>,
    kinds: Option<Arc<KnownHeads>>,
}

impl<'i, R: Read + Seek> ReadAhead<'i, R> {
    /// For a reader, and so many threads less one besides it. `another` gives a thread an input of its own.
    pub(crate) fn new(
        input: &'i mut R,
        another: fn(&R) -> Option<R>,
        threads: usize,
        sizes: Sizes,
        limits: &Limits,
    ) -> Self {
        let state = State {
            blocks: VecDeque::new(),
            under_way: 0,
            wanted: 0,
            next: 0,
            at: 0,
            alone: 0,
            ended: false,
            error: None,
            kinds: Arc::default(),
            misses: 0,
            begun: 0,
            free: Vec::new(),
        };
        Self {
            input: Mutex::new(Input { input, number: 0, at: 0, ended: false }),
            another,
            state: Shared::new(state),
            sizes,
            most: if threads < 2 { 0 } else { 2 * threads },
            looked_at: Parser::new(Grammar::Strict).with_limits(limits).looked_at(),
        }
    }

    /// Returns a reader that stands where a record begins. There is one at a time.
    pub(crate) fn reader(&self, grammar: Grammar, at: u64, limits: &Limits) -> io::Result<Reader<&Self>> {
        self.with_input(|input| input.seek(SeekFrom::Start(at)))?;
        self.state.lock().at = at;
        let parser = Parser::at(grammar, at).with_limits(limits);
        let mut window = Window::new(self.sizes.room + self.sizes.block, self.sizes.room);
        window.sought();
        Ok(Reader::with_window(self, parser, window, |ahead, window| ahead.refill(window))
            .passing_over(self.sizes.worth_a_seek, |ahead, bytes| ahead.pass_over(bytes)))
    }

    /// Tells which kinds of commands to look for.
    pub(crate) fn guide(&self, kinds: &KnownHeads) {
        self.state.lock().kinds = Arc::new(kinds.clone());
    }

    /// Uses the input for something else, while nothing is read ahead. A reader cannot go on after that.
    pub(crate) fn with_input<T>(&self, with: impl FnOnce(&mut R) -> T) -> T {
        let mut state = self.state.lock();
        state.wanted = 0;
        while state.under_way > 0 && !state.is_closed() {
            state = state.wait();
        }
        let blocks = std::mem::take(&mut state.blocks);
        state.free.extend(blocks.into_iter().map(|block| block.buffer));
        (state.alone, state.ended, state.error) = (0, false, None);
        let mut input = self.lock_input();
        (input.ended, state.next) = (false, input.number);
        with(input.input)
    }

    /// Reads ahead until the reader is done.
    pub(crate) fn help(&self) {
        self.state.help(|state| self.task(state), |task| self.perform(task));
    }

    /// Ends the help of all others when it is dropped, for whatever reason.
    pub(crate) fn closing(&self) -> Closing<'_, State> {
        self.state.closing()
    }

    /// Gets the reader more bytes. Returns whether there are none.
    fn refill(&self, window: &mut Window) -> io::Result<bool> {
        let mut state = self.state.lock();
        loop {
            if state.blocks.front().is_some_and(|block| block.number == state.next)
                && let Some(block) = state.blocks.pop_front()
            {
                // Nothing belongs behind a short one, whatever was read there.
                state.next = if block.len < self.sizes.block { u64::MAX } else { state.next + 1 };
                state.at += block.len as u64;
                let (buffer, of_use) = window.go_on(block.buffer, block.len, block.runs)?;
                state.misses = if of_use { 0 } else { state.misses.saturating_add(1) };
                state.free.push(buffer);
                state.tell();
                return Ok(false);
            }
            if state.under_way == 0 {
                if let Some(error) = state.error.take() {
                    return Err(error);
                }
                if state.ended {
                    return Ok(true);
                }
                if state.wanted == 0 {
                    drop(state);
                    return self.read_alone(window);
                }
            }
            state.check()?;
            state = state.task_or_wait(|state| self.task(state), |task| self.perform(task));
        }
    }

    fn read_alone(&self, window: &mut Window) -> io::Result<bool> {
        let read = window.read_behind(&mut self.lock_input().input)?;
        let mut state = self.state.lock();
        state.at += read as u64;
        state.alone += read as u64;
        if state.alone >= self.sizes.alone() && self.most > 0 {
            state.wanted = self.most;
            self.lock_input().at = state.at;
            state.tell();
        }
        Ok(read == 0)
    }

    /// Moves on in the file, but not beyond its end: how much of a cut payload is there must still come out right.
    fn pass_over(&self, bytes: u64) -> io::Result<u64> {
        let here = self.state.lock().at;
        let passed = self.with_input(|input| {
            let end = input.seek(SeekFrom::End(0))?;
            let passed = bytes.min(end.saturating_sub(here));
            input.seek(SeekFrom::Start(here + passed)).map(|_| passed)
        })?;
        self.state.lock().at += passed;
        Ok(passed)
    }

    fn task(&self, state: &mut State) -> Option<Task> {
        if state.ended || state.error.is_some() || state.blocks.len() + state.under_way >= state.wanted {
            return None;
        }
        state.under_way += 1;
        state.begun += 1;
        let often = state.misses < MISSES || state.begun.is_multiple_of(SELDOM);
        let buffer = state.free.pop().unwrap_or_else(|| vec![0; self.sizes.room + self.sizes.block].into_boxed_slice());
        Some(Task { buffer, kinds: often.then(|| Arc::clone(&state.kinds)) })
    }

    fn perform(&self, task: Task) {
        let Task { mut buffer, kinds } = task;
        let room = self.sizes.room;
        let (number, read) = self.read(&mut buffer[room..]);
        let len = *read.as_ref().unwrap_or(&0);
        let runs = kinds.map_or_else(VecDeque::new, |kinds| runs(&kinds, &buffer[..room + len], room, self.looked_at));
        let mut state = self.state.lock();
        state.under_way -= 1;
        state.ended |= len < self.sizes.block;
        match read {
            Ok(0) => state.free.push(buffer),
            Ok(len) => {
                let place = state.blocks.partition_point(|block| block.number < number);
                state.blocks.insert(place, Block { number, buffer, len, runs });
            }
            // What was read behind it is not come to.
            Err(error) => state.error = state.error.take().or(Some(error)),
        }
        state.tell();
    }

    /// Fills the next block, as far as there is something. Answers its number and how much that was.
    fn read(&self, block: &mut [u8]) -> (u64, io::Result<usize>) {
        let mut input = self.lock_input();
        let (number, at) = (input.number, input.at);
        input.number += 1;
        input.at += block.len() as u64;
        let read = match (self.another)(input.input) {
            Some(mut own) => {
                drop(input);
                own.seek(SeekFrom::Start(at)).and_then(|_| read_block(&mut own, block))
            }
            None if input.ended => Ok(0),
            None => {
                let read = read_block(input.input, block);
                input.ended = !read.as_ref().is_ok_and(|read| *read == block.len());
                read
            }
        };
        (number, read)
    }

    fn lock_input(&self) -> MutexGuard<'_, Input<'i, R>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs of commands of these kinds that seem to lie behind the room of a block, by where they begin.
fn runs(kinds: &KnownHeads, block: &[u8], room: usize, looked_at: (usize, usize)) -> VecDeque<(usize, CommandRun)> {
    let mut runs = VecDeque::new();
    let Some(mut at) = kinds.find(block, room) else { return runs };
    let mut parser = Parser::new(Grammar::Strict);
    loop {
        let run = kinds.take(&block[at..], looked_at);
        let (bytes, cut) = (run.bytes, run.missing.is_some());
        if run.commands > 0 {
            runs.push_back((at, run));
            at += bytes;
        }
        if cut {
            return runs;
        }
        // A command of another kind, perhaps.
        match parser.step(&block[at..], false) {
            Ok(Step::Record { consumed }) => at += consumed,
            _ => return runs,
        }
    }
}
