//! Verifying on several threads.
//!
//! One thread walks over the frame. It does not look into records: where whole ones lie in a block, it finds their end by
//! their lengths alone ([`RecordSkipper`]) and leaves them to whichever thread is free, in batches. What is left for it (a record
//! across two blocks, opcodes, all that is odd) goes through the parser, as it does on one thread. The same checks run in
//! both, so the report is the same. Most blocks begin with the rest of a record and go on with whole ones. Where those begin
//! is guessed by whoever reads the block, who then checks them while they lie in its cache ([`SpeculativeBatch`]).
//!
//! - findings are put together in the order of the file;
//! - keys are counted by type in any order, as sums have none. What has to know all that came before (the next database)
//!   waits for the batches that are under way;
//! - which hashes the table of keys drops depends on the hashes alone, and which suspects are read again on their places.

mod pool;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::options::Options;
use super::push::{HEAD, Push, Walked, Whole};
use super::rdb::{Batch, Found, Places, RdbVerifier, SpeculativeBatch, Surroundings};
use crate::base::error::Error;
use crate::base::monitor::spawn;
use crate::base::source::Input;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::{Event, Payload, RecordSkipper};
use pool::{Block, Hand, Job, Pool};

/// How the work is divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// What is read at a time.
    pub(super) block: usize,
    /// A batch has about so many bytes.
    pub(super) batch: usize,
    /// Fewer bytes than this are no batch.
    pub(super) least: usize,
    /// This many blocks at a time for each thread, and two more.
    pub(super) blocks: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { block: 512 << 10, batch: 256 << 10, least: 4 << 10, blocks: 2 }
    }
}

/// Walks over an RDB on so many threads. Behind the end of one that something follows, some blocks may be read in vain.
pub(super) fn walk<'i>(
    mut input: Input<'i>,
    options: &'i Options,
    threads: usize,
    sizes: Sizes,
    whole: Whole,
    places: Places,
) -> io::Result<Walked> {
    let mut first = vec![0; sizes.block];
    let len = input.fill(&mut first, 0)?;
    if len < first.len() || threads < 2 {
        return rest_alone(input, options, &mut first[..], len, (whole, places));
    }
    let pool = Pool::new(input, first, 2 + sizes.blocks * threads, options, places);
    let walked = std::thread::scope(|scope| {
        let closing = pool.closing();
        for _ in 1..threads {
            spawn(scope, || pool.help());
        }
        let walked = Walker::new(&pool, options, threads, sizes).run(whole);
        drop(closing);
        walked
    });
    let (mut verifier, found, end) = walked?;
    verifier.gather(found, pool.into_table());
    Ok(Walked { verifier, end })
}

/// Returns the same on this thread, after a block of which `len` bytes were read.
fn rest_alone(
    mut input: Input<'_>,
    options: &Options,
    block: &mut [u8],
    len: usize,
    (whole, places): (Whole, Places),
) -> io::Result<Walked> {
    let mut push = Push::of(options, places);
    let mut len = len;
    loop {
        match whole {
            Whole::Input => push.feed(&block[..len]),
            Whole::Start(_) => push.start(&block[..len]),
        }
        if len < block.len() || whole != Whole::Input && push.is_over() {
            return Ok(push.walked(whole));
        }
        len = input.fill(block, push.fed())?;
    }
}

/// The thread that walks.
struct Walker<'p, 'i> {
    pool: &'p Pool<'i>,
    verifier: RdbVerifier,
    sizes: Sizes,
    /// More jobs than this do not wait.
    most_jobs: usize,
    hand: Hand,
    skipper: Option<Arc<RecordSkipper>>,
    /// What was guessed of the block at hand.
    guess: Option<SpeculativeBatch>,
    /// Whether it was right.
    guessed: bool,
    /// Up to here it is known that there is no batch.
    scanned: u64,
    order: Order,
    head: Vec<u8>,
    failed: Option<Error>,
    /// Why waiting for the others failed.
    broken: Option<io::Error>,
}

/// The parts of the result, in the order of the file.
struct Order {
    found: Found,
    /// What waits for something before it.
    waiting: BTreeMap<u64, Part>,
    /// The number of the next part to be taken over, and of the next to be made.
    next: u64,
    numbers: u64,
    /// Batches under way.
    under_way: u64,
}

enum Part {
    Own(Box<Found>),
    Batch(Box<Batch>),
}

impl<'p, 'i> Walker<'p, 'i> {
    fn new(pool: &'p Pool<'i>, options: &Options, threads: usize, sizes: Sizes) -> Self {
        Self {
            pool,
            verifier: RdbVerifier::new(options.clone(), pool.places()).of_parts(),
            sizes,
            most_jobs: 4 * threads,
            hand: Hand::default(),
            skipper: None,
            guess: None,
            guessed: false,
            scanned: 0,
            order: Order { found: Found::new(options), waiting: BTreeMap::new(), next: 0, numbers: 0, under_way: 0 },
            head: Vec::new(),
            failed: None,
            broken: None,
        }
    }

    /// Walks to the end, and returns the verifier, what was found so far, and where the RDB ends.
    fn run(mut self, whole: Whole) -> io::Result<(RdbVerifier, Found, Option<u64>)> {
        let mut feeder = Feeder::new(self.verifier.limits().clone());
        let mut size = 0;
        while whole == Whole::Input || self.failed.is_none() && !feeder.parser.is_done() {
            let Some(mut block) = self.pool.next_block(&mut self.hand)? else { break };
            size = block.start + block.len as u64;
            (self.guess, self.guessed) = (block.guess.take(), false);
            if self.head.is_empty() {
                self.head = block.data[..block.len.min(HEAD)].to_vec();
            }
            if self.failed.is_none() {
                self.block(&mut feeder, &block, whole)?;
            }
        }
        if let Whole::Start(of) = whole {
            size = of;
        }
        if self.failed.is_none() {
            self.failed = feeder.finish(&mut Front { walker: &mut self, block: None }).err();
        }
        self.settle_all();
        if let Some(error) = self.broken {
            return Err(error);
        }
        if let Some(error) = &self.failed {
            let proven = whole == Whole::Input && self.pool.checksum().is_of_file_with_its_own();
            self.verifier.failed(error, &self.head, size, proven);
        }
        Ok((self.verifier, self.order.found, feeder.end()))
    }

    fn block(&mut self, feeder: &mut Feeder, block: &Block, whole: Whole) -> io::Result<()> {
        let bytes = &block.data[..block.len];
        match feeder.feed(bytes, &mut Front { walker: self, block: Some(block) }) {
            Ok(used) if whole == Whole::Input => self.verifier.trailing(&bytes[used..]),
            Ok(_) => {}
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
        self.pool.move_keys(&mut self.verifier);
        let around = self.verifier.surroundings(self.order.found.enough());
        self.pool.guide(around.zip(self.skipper.clone()), self.guessed);
        self.collect(false);
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Takes over what was guessed to begin at `offset`, if it does, and answers its length.
    fn take_over(&mut self, guess: SpeculativeBatch, offset: u64, around: &Surroundings) -> usize {
        let extent = guess.extent;
        if guess.start != offset || !guess.is_within(around) {
            return 0;
        }
        let found = self.verifier.leave(extent, offset + extent.len as u64);
        let number = self.order.next_number(found);
        self.order.under_way -= 1;
        self.order.waiting.insert(number, Part::Batch(Box::new(guess.batch)));
        self.pool.take_names(guess.names);
        self.guessed = true;
        extent.len
    }

    /// Takes over the results that have come; with `wait` at least one.
    fn collect(&mut self, wait: bool) {
        match self.pool.results(wait, &mut self.hand) {
            Ok(results) => {
                self.order.under_way -= results.len() as u64;
                for (number, batch) in results {
                    self.order.waiting.insert(number, Part::Batch(Box::new(batch)));
                }
            }
            Err(error) => {
                self.order.under_way = 0;
                self.broken.get_or_insert(error);
            }
        }
        while let Some(part) = self.order.waiting.remove(&self.order.next) {
            self.order.next += 1;
            match part {
                Part::Own(found) => self.order.found.append(*found),
                Part::Batch(mut batch) => {
                    let failed = batch.failed.take();
                    self.order.found.append(self.verifier.absorb(*batch));
                    debug_assert!(failed.is_none(), "a batch ends where its records do");
                    self.failed = self.failed.take().or(failed);
                }
            }
        }
    }

    /// Waits for all batches.
    fn settle_all(&mut self) {
        while self.order.under_way > 0 {
            self.collect(true);
        }
        self.collect(false);
    }
}

/// What a feeder finds in a block.
struct Front<'w, 'p, 'i> {
    walker: &'w mut Walker<'p, 'i>,
    /// `None` at the end of the input, where no more bytes come.
    block: Option<&'w Block>,
}

impl Consumer for Front<'_, '_, '_> {
    fn event(&mut self, event: &Event<&[u8]>) {
        let walker = &mut *self.walker;
        match &event.payload {
            Payload::Header(header) => walker.skipper = Some(Arc::new(RecordSkipper::new(*header))),
            // Batches are counted for the database at hand.
            Payload::SelectDb { .. } => walker.settle_all(),
            _ => {}
        }
        let block = self.block;
        walker.verifier.event(event, || {
            block.map_or(0, |block| block.before.with_start_of(&block.data[..block.len], block.start, event.end))
        });
    }

    fn ahead(&mut self, window: &[u8], offset: u64) -> usize {
        let walker = &mut *self.walker;
        let enough = walker.order.found.enough();
        let (Some(block), Some(skipper), Some(around)) =
            (self.block, walker.skipper.clone(), walker.verifier.surroundings(enough))
        else {
            return 0;
        };
        let mut at = 0;
        // What is not taken over is walked up to where the guess begins, in case that the walk comes out there.
        if let Some(guess) = walker.guess.take_if(|guess| guess.start <= offset) {
            at += walker.take_over(guess, offset, &around);
        }
        let window = match &walker.guess {
            Some(guess) => {
                &window[..usize::try_from(guess.start - offset).map_or(window.len(), |n| n.min(window.len()))]
            }
            None => window,
        };
        while offset + at as u64 >= walker.scanned {
            let extent = skipper.records(&window[at..], walker.sizes.batch);
            if extent.len < walker.sizes.least {
                walker.scanned = offset + (at + extent.len) as u64;
                break;
            }
            let begin = usize::try_from(offset - block.start).unwrap_or(block.len) + at;
            let start = offset + at as u64;
            at += extent.len;
            let found = walker.verifier.leave(extent, offset + at as u64);
            let number = walker.order.next_number(found);
            let job =
                Job { number, data: Arc::clone(&block.data), range: begin..begin + extent.len, offset: start, around };
            walker.pool.add(job, walker.most_jobs, &mut walker.hand);
        }
        at + walker.verifier.plain_keys(&window[at..], offset + at as u64)
    }
}

impl Order {
    /// Returns the number of a batch, before which this was found.
    fn next_number(&mut self, found: Found) -> u64 {
        if !found.is_empty() {
            self.waiting.insert(self.numbers, Part::Own(Box::new(found)));
            self.numbers += 1;
        }
        self.under_way += 1;
        self.numbers += 1;
        self.numbers - 1
    }
}

#[cfg(test)]
mod tests;
