//! The tasks of a pass, and who does them.
//!
//! ```text
//! input -- read and sum --> blocks -- walk --> jobs -- check --> results
//!            any thread               one        any thread
//! ```
//!
//! Every block is summed by itself, and the sums are put together in the order of the file. Where any place of the input can be
//! read, several threads read at once.
//!
//! There is no thread for each stage, but a few that do what is most urgent: blocks first, so that the walk never waits,
//! then jobs, then blocks ahead of need. The thread that walks does the same while it has to wait. Blocks are used again
//! once nothing refers to them, and there are only so many: that bounds the memory, whatever the speed of the stages.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::crc64::Crc64;
use crate::base::monitor::{Closing, Held, Shared};
use crate::base::source::{Input, Reading};
use crate::rdb::RecordSkipper;
use crate::verify::duplicates::Table;
use crate::verify::options::Options;
use crate::verify::rdb::{Batch, Places, RdbVerifier, SpeculativeBatch, Surroundings};

/// Blocks that the walk shall find ready.
const AHEAD: usize = 2;

/// After so many blocks in a row of which nothing was guessed right, it is tried at one of [`SELDOM`] only.
const MISSES: u64 = 4;
const SELDOM: u64 = 16;

/// What is needed to guess.
type Guide = (Surroundings, Arc<RecordSkipper>);

/// A part of the input, summed.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) data: Arc<Vec<u8>>,
    /// How much of `data` was read.
    pub(super) len: usize,
    /// Where it begins in the file.
    pub(super) start: u64,
    /// The checksum of everything before it.
    pub(super) before: Crc64,
    /// Its own.
    crc: Crc64,
    /// Records that may lie in it, checked.
    pub(super) guess: Option<SpeculativeBatch>,
}

/// Records to be checked.
#[derive(Debug)]
pub(super) struct Job {
    /// Its place among all jobs.
    pub(super) number: u64,
    pub(super) data: Arc<Vec<u8>>,
    pub(super) range: Range<usize>,
    /// Where the records begin in the file.
    pub(super) offset: u64,
    pub(super) around: Surroundings,
}

enum Task<'i> {
    Read { from: Reading<'i>, buffer: Vec<u8>, start: u64, guide: Option<Guide> },
    Check(Job),
}

/// What the threads share.
pub(super) struct Pool<'i> {
    state: Shared<State<'i>>,
    /// The names of all keys.
    table: Mutex<Table>,
    options: &'i Options,
    places: Places,
}

pub(super) struct State<'i> {
    input: Input<'i>,
    /// Read and not walked over, in order.
    blocks: VecDeque<Block>,
    /// Blocks that are being read or looked into.
    under_way: usize,
    /// Where the next block begins that is to be read, and that is to be walked over.
    read: u64,
    walked: u64,
    /// The checksum of what was walked over.
    crc: Crc64,
    /// Where the input ends, once that is known.
    end: Option<u64>,
    /// The first place that could not be read.
    error: Option<(u64, io::Error)>,
    guide: Option<Guide>,
    /// Blocks since the last in which something was guessed right.
    misses: u64,
    /// Empty tables, to be used again.
    tables: Vec<Table>,
    /// The buffers that there are. Those that nothing else refers to are free.
    buffers: Vec<Arc<Vec<u8>>>,
    /// This many more may be made, of that size.
    more: usize,
    size: usize,
    jobs: VecDeque<Job>,
    results: Vec<(u64, Batch)>,
}

/// A thread's own means of checking.
#[derive(Debug, Default)]
pub(super) struct Hand {
    verifier: Option<RdbVerifier>,
}

impl Hand {
    fn verifier(&mut self, options: &Options, places: Places, around: Surroundings) -> &mut RdbVerifier {
        self.verifier.get_or_insert_with(|| RdbVerifier::for_batches(options.clone(), places, around.header))
    }
}

impl<'i> Pool<'i> {
    /// With a first block that was read already, and at most so many buffers of its size besides.
    pub(super) fn new(input: Input<'i>, first: Vec<u8>, buffers: usize, options: &'i Options, places: Places) -> Self {
        let (size, mut crc) = (first.len(), Crc64::new());
        crc.update(&first);
        let data = Arc::new(first);
        let all = vec![Arc::clone(&data)];
        let state = State {
            input,
            blocks: VecDeque::from([Block { data, len: size, start: 0, before: Crc64::new(), crc, guess: None }]),
            under_way: 0,
            read: size as u64,
            walked: 0,
            crc: Crc64::new(),
            end: None,
            error: None,
            guide: None,
            misses: 0,
            tables: Vec::new(),
            buffers: all,
            more: buffers,
            size,
            jobs: VecDeque::new(),
            results: Vec::new(),
        };
        Self { state: Shared::new(state), table: Mutex::new(RdbVerifier::table(options, places)), options, places }
    }

    /// Returns whether the input can be read again.
    pub(super) fn places(&self) -> Places {
        self.places
    }

    /// Does tasks until the pool is closed.
    pub(super) fn help(&self) {
        let mut hand = Hand::default();
        self.state.help(State::next_task, |task| self.perform(task, &mut hand));
    }

    /// Ends the help of all others when it is dropped, for whatever reason.
    pub(super) fn closing(&self) -> Closing<'_, State<'i>> {
        self.state.closing()
    }

    fn perform(&self, task: Task<'i>, hand: &mut Hand) {
        match task {
            Task::Read { mut from, mut buffer, start, guide } => {
                let result = from.fill(&mut buffer, start);
                let len = *result.as_ref().unwrap_or(&0);
                let (data, names) = self.was_read(start, buffer, result, from);
                let mut crc = Crc64::new();
                crc.update(&data[..len]);
                let guess = guide.and_then(|guide| self.guess(&data[..len], start, guide, names, hand));
                let mut state = self.state.lock();
                state.under_way -= 1;
                let place = state.blocks.partition_point(|block| block.start < start);
                state.blocks.insert(place, Block { data, len, start, before: Crc64::new(), crc, guess });
                state.tell();
            }
            Task::Check(job) => {
                let (number, batch) = (job.number, self.check(job, hand));
                let mut state = self.state.lock();
                state.results.push((number, batch));
                state.tell();
            }
        }
    }

    /// Takes note of what came of reading at `start`, and returns what was read and a table for names in it.
    fn was_read(
        &self,
        start: u64,
        buffer: Vec<u8>,
        result: io::Result<usize>,
        from: Reading<'i>,
    ) -> (Arc<Vec<u8>>, Option<Table>) {
        let data = Arc::new(buffer);
        let mut state = self.state.lock();
        match result {
            Ok(len) if len < data.len() => {
                let end = start + len as u64;
                state.end = Some(state.end.map_or(end, |other| other.min(end)));
            }
            Ok(_) => {}
            Err(error) if state.error.as_ref().is_none_or(|(at, _)| start < *at) => state.error = Some((start, error)),
            Err(_) => {}
        }
        state.buffers.push(Arc::clone(&data));
        state.input.give_back(from);
        let names = state.tables.pop();
        // Whoever waits can read the next block meanwhile.
        state.tell();
        (data, names)
    }

    fn guess(
        &self,
        block: &[u8],
        offset: u64,
        (around, skipper): Guide,
        names: Option<Table>,
        hand: &mut Hand,
    ) -> Option<SpeculativeBatch> {
        let names = names.unwrap_or_else(|| RdbVerifier::names_of_a_guess(self.options, self.places));
        hand.verifier(self.options, self.places, around).guess(block, offset, around, &skipper, names)
    }

    /// Tells what the next records belong to, if they can be guessed, and whether that was done for the last block.
    pub(super) fn guide(&self, guide: Option<Guide>, guessed: bool) {
        let mut state = self.state.lock();
        state.guide = guide;
        state.misses = if guessed { 0 } else { state.misses + 1 };
    }

    /// Moves the names of keys that were guessed to those of all.
    pub(super) fn take_names(&self, mut names: Table) {
        names.move_into(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.lock().tables.push(names);
    }

    fn check(&self, job: Job, hand: &mut Hand) -> Batch {
        let around = job.around;
        let verifier = hand.verifier(self.options, self.places, around);
        let batch = verifier.batch(&job.data[job.range], job.offset, around);
        self.move_keys(verifier);
        batch
    }

    /// Moves the names of a verifier's keys to those of all.
    pub(super) fn move_keys(&self, verifier: &mut RdbVerifier) {
        verifier.pack_keys();
        verifier.move_keys(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the next block, or nothing at the end of the input.
    pub(super) fn next_block(&self, hand: &mut Hand) -> io::Result<Option<Block>> {
        let mut state = self.state.lock();
        loop {
            if state.end.is_some_and(|end| state.walked >= end) {
                return Ok(None);
            }
            if state.blocks.front().is_some_and(|block| block.start == state.walked && block.len > 0)
                && let Some(mut block) = state.blocks.pop_front()
            {
                block.before = state.crc;
                state.crc = state.crc.combine(block.crc, block.len as u64);
                state.walked += block.len as u64;
                return Ok(Some(block));
            }
            if state.under_way == 0
                && let Some((_, error)) = state.error.take()
            {
                return Err(error);
            }
            state = self.task_or_wait(state, hand)?;
        }
    }

    /// Returns the checksum of everything that was walked over.
    pub(super) fn checksum(&self) -> Crc64 {
        self.state.lock().crc
    }

    /// Adds a job. Where there are too many, does one.
    pub(super) fn add(&self, job: Job, most: usize, hand: &mut Hand) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        let task = if state.jobs.len() > most { state.jobs.pop_front().map(Task::Check) } else { None };
        match task {
            Some(task) => {
                drop(state);
                self.perform(task, hand);
            }
            None => state.tell(),
        }
    }

    /// Returns the results that there are; with `wait` at least one.
    pub(super) fn results(&self, wait: bool, hand: &mut Hand) -> io::Result<Vec<(u64, Batch)>> {
        let mut state = self.state.lock();
        while wait && state.results.is_empty() {
            state = self.task_or_wait(state, hand)?;
        }
        Ok(std::mem::take(&mut state.results))
    }

    fn task_or_wait<'g>(&'g self, state: Held<'g, State<'i>>, hand: &mut Hand) -> io::Result<Held<'g, State<'i>>> {
        state.check()?;
        Ok(state.task_or_wait(State::next_task, |task| self.perform(task, hand)))
    }

    /// Returns the names of all keys.
    pub(super) fn into_table(self) -> Table {
        self.table.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'i> State<'i> {
    fn next_task(&mut self) -> Option<Task<'i>> {
        if self.blocks.len() + self.under_way < AHEAD
            && let Some(task) = self.read_task()
        {
            return Some(task);
        }
        self.jobs.pop_front().map(Task::Check).or_else(|| self.read_task())
    }

    fn read_task(&mut self) -> Option<Task<'i>> {
        if self.end.is_some() || self.error.is_some() {
            return None;
        }
        let free = self.buffers.iter().position(|buffer| Arc::strong_count(buffer) == 1);
        // A short input, or one that is read slowly, needs few.
        let makes_one = free.is_none() && self.more > 0;
        if free.is_none() && !makes_one {
            return None;
        }
        let from = self.input.take()?;
        let buffer = match free {
            Some(free) => Arc::try_unwrap(self.buffers.swap_remove(free)).ok()?,
            None => vec![0; self.size],
        };
        self.more -= usize::from(makes_one);
        let start = self.read;
        self.read += buffer.len() as u64;
        self.under_way += 1;
        let often = self.misses < MISSES || (start / buffer.len() as u64).is_multiple_of(SELDOM);
        let guide = self.guide.clone().filter(|_| often);
        Some(Task::Read { from, buffer, start, guide })
    }
}
