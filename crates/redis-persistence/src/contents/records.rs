//! Every record of an RDB, decoded on all threads, with the results in the order of the file.
//!
//! One thread walks over the frame, and leaves whole records to the others by their lengths, as the verifier's pass does
//! (`verify::parallel`). Here nothing is judged: what cannot be read ends the walk.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::base::crc64::Crc64;
use crate::base::error::{Error, ErrorKind, ReadError, Reading};
use crate::base::limits::Limits;
use crate::base::monitor::{Shared, spawn};
use crate::base::source::read_block;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::{Decoder, Event, Header, Part, Payload, RecordSkipper};

/// What is read at a time.
const BLOCK: usize = 512 << 10;
/// A batch has about so many bytes.
const BATCH: usize = 128 << 10;
/// Fewer bytes than this are no batch.
const LEAST: usize = 4 << 10;

/// Makes something of records.
pub(crate) trait Worker: Send {
    /// What it makes of a run of records.
    type Out: Send;

    /// Takes a part of a record.
    fn part(&mut self, part: Part<'_>);

    /// Returns what it made of the records since the last time; `None` if there were none.
    fn take(&mut self) -> Option<Self::Out>;
}

/// What is known of a file once it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) header: Header,
    /// The size of the RDB: anything that follows it was not looked at.
    pub(crate) end: u64,
    /// Whether a checksum vouches for the bytes.
    pub(crate) summed: bool,
}

/// Reads an RDB, and hands to `sink` what the workers make of its records, in the order of the file.
///
/// # Errors
/// If the input fails, the bytes leave no way on, a value cannot be read, or the checksum does not fit; what `sink` says.
pub(crate) fn each<W: Worker>(
    input: &mut dyn Read,
    limits: &Limits,
    threads: usize,
    make: impl Fn() -> W,
    sink: &mut dyn FnMut(W::Out) -> io::Result<()>,
) -> Result<Ended, ReadError> {
    let shared = Shared::new(State { jobs: VecDeque::new(), results: Vec::new() });
    let walk = Walk::new(limits, make(), sink);
    if threads <= 1 {
        return walk.run(input);
    }
    std::thread::scope(|scope| {
        let _closing = shared.closing();
        for _ in 1..threads {
            let (mut hand, shared) = (Hand::new(make(), limits), &shared);
            spawn(scope, move || shared.help(State::next, |job| hand.perform(job, shared)));
        }
        let hand = Hand::new(make(), limits);
        let pool =
            Pool { shared: &shared, hand, waiting: BTreeMap::new(), next: 0, handed: 0, most: 4 * threads as u64 };
        Walk { pool: Some(pool), ..walk }.run(input)
    })
}

/// Whole records to be read.
struct Job {
    number: u64,
    block: Arc<Vec<u8>>,
    range: Range<usize>,
    /// Where the range lies in the file.
    offset: u64,
    header: Header,
    db: u64,
}

/// What came of the job of a number.
type Made<T> = (u64, Result<Option<T>, Error>);

/// What the threads share.
struct State<T> {
    jobs: VecDeque<Job>,
    results: Vec<Made<T>>,
}

impl<T> State<T> {
    fn next(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }
}

/// A thread's own means of doing jobs.
struct Hand<W> {
    worker: W,
    decoder: Decoder,
    limits: Limits,
}

impl<W: Worker> Hand<W> {
    fn new(worker: W, limits: &Limits) -> Self {
        Self { worker, decoder: Decoder::new(limits), limits: limits.clone() }
    }

    fn perform(&mut self, job: Job, shared: &Shared<State<W::Out>>) {
        self.decoder.db = job.db;
        let mut feeder = Feeder::at_record(self.limits.clone(), job.header, job.offset);
        let mut batch = Batch { decoder: &mut self.decoder, worker: &mut self.worker, failed: None };
        let fed = feeder.feed(&job.block[job.range], &mut batch).map(drop);
        let result = match batch.failed.take() {
            Some(error) => Err(error),
            None => fed.map(|()| self.worker.take()),
        };
        let mut state = shared.lock();
        state.results.push((job.number, result));
        state.tell();
    }
}

/// The results in the order of the file.
struct Pool<'p, W: Worker> {
    shared: &'p Shared<State<W::Out>>,
    /// This thread helps while it waits.
    hand: Hand<W>,
    /// What came before its turn.
    waiting: BTreeMap<u64, Result<Option<W::Out>, Error>>,
    /// Whose turn it is.
    next: u64,
    /// How many numbers were given out.
    handed: u64,
    /// This many may be under way.
    most: u64,
}

impl<W: Worker> Pool<'_, W> {
    /// Takes the results that have come; waits for some where more than `most` are under way.
    fn results(&mut self, most: u64) -> io::Result<bool> {
        let Self { shared, hand, .. } = self;
        let mut state = shared.lock();
        while state.results.is_empty() && self.handed - self.next > most {
            state.check()?;
            state = state.task_or_wait(State::next, |job| hand.perform(job, shared));
        }
        let any = !state.results.is_empty();
        self.waiting.extend(state.results.drain(..));
        Ok(any)
    }
}

/// Hands the records of a batch to its worker.
struct Batch<'a, W> {
    decoder: &'a mut Decoder,
    worker: &'a mut W,
    failed: Option<Error>,
}

impl<W: Worker> Consumer for Batch<'_, W> {
    #[inline]
    fn event(&mut self, event: &Event<&[u8]>) {
        if self.failed.is_none() {
            let worker = &mut *self.worker;
            self.failed = self.decoder.event(event, &mut |part| worker.part(part)).err();
        }
    }
}

struct Walk<'s, W: Worker> {
    decoder: Decoder,
    worker: W,
    limits: Limits,
    sink: &'s mut dyn FnMut(W::Out) -> io::Result<()>,
    pool: Option<Pool<'s, W>>,
    skipper: Option<RecordSkipper>,
    header: Option<Header>,
    /// The block that is being walked over.
    block: Arc<Vec<u8>>,
    stored: Option<(u64, u64)>,
    failed: Option<ReadError>,
}

impl<'s, W: Worker> Walk<'s, W> {
    fn new(limits: &Limits, worker: W, sink: &'s mut dyn FnMut(W::Out) -> io::Result<()>) -> Self {
        Self {
            decoder: Decoder::new(limits),
            worker,
            limits: limits.clone(),
            sink,
            pool: None,
            skipper: None,
            header: None,
            block: Arc::default(),
            stored: None,
            failed: None,
        }
    }

    fn run(mut self, input: &mut dyn Read) -> Result<Ended, ReadError> {
        let result = self.walk(input);
        // What the others found lies before the place where the walk ended.
        self.drain()?;
        result
    }

    fn walk(&mut self, input: &mut dyn Read) -> Result<Ended, ReadError> {
        let mut feeder = Feeder::new(self.limits.clone());
        let mut sum = Sum::default();
        while feeder.end().is_none() {
            let mut block = vec![0; BLOCK];
            let len = read_block(input, &mut block)?;
            block.truncate(len);
            let block = Arc::new(block);
            self.block = Arc::clone(&block);
            if len == 0 {
                feeder.finish(self)?;
            } else {
                let used = feeder.feed(&block, self)?;
                sum.add(&block[..used]);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            // Where nothing can be left to others, this thread makes all of it.
            self.hand_over()?;
            let most = self.pool.as_ref().map_or(0, |pool| pool.most);
            self.collect(most)?;
        }
        let header = self.header.ok_or_else(|| Error::new(0, 0, Reading::Header, ErrorKind::BadMagic))?;
        let end = feeder.end().unwrap_or_default();
        let summed = match self.stored {
            Some((at, stored)) if stored != 0 => {
                let computed = sum.value();
                if computed != stored {
                    let why = format!("the checksum is {stored:016x}, and that of the bytes {computed:016x}");
                    return Err(Error::new(at, at, Reading::Checksum, ErrorKind::BadValue(why)).into());
                }
                true
            }
            _ => false,
        };
        Ok(Ended { header, end, summed })
    }

    /// Hands over what this thread made itself.
    fn hand_over(&mut self) -> io::Result<()> {
        let Some(made) = self.worker.take() else { return Ok(()) };
        match &mut self.pool {
            None => (self.sink)(made),
            Some(pool) => {
                pool.waiting.insert(pool.handed, Ok(Some(made)));
                pool.handed += 1;
                Ok(())
            }
        }
    }

    /// Takes results, until no more than `most` are under way.
    fn collect(&mut self, most: u64) -> Result<(), ReadError> {
        let Some(pool) = &mut self.pool else { return Ok(()) };
        loop {
            while let Some(result) = pool.waiting.remove(&pool.next) {
                pool.next += 1;
                if let Some(made) = result? {
                    (self.sink)(made)?;
                }
            }
            if !pool.results(most)? {
                return Ok(());
            }
        }
    }

    /// Waits for all that is under way.
    fn drain(&mut self) -> Result<(), ReadError> {
        self.hand_over()?;
        self.collect(0)
    }

    fn leave(&mut self, window: &[u8], offset: u64) -> Result<usize, ReadError> {
        let (Some(skipper), Some(header)) = (&self.skipper, self.header) else { return Ok(0) };
        let extent = skipper.records(window, BATCH);
        if extent.len < LEAST {
            return Ok(0);
        }
        self.hand_over()?;
        let at = self.block.len() - window.len();
        let (block, db) = (Arc::clone(&self.block), self.decoder.db);
        let most = match &mut self.pool {
            Some(pool) => {
                let job = Job { number: pool.handed, block, range: at..at + extent.len, offset, header, db };
                pool.handed += 1;
                let mut state = pool.shared.lock();
                state.jobs.push_back(job);
                state.tell();
                pool.most
            }
            None => return Ok(0),
        };
        self.collect(most)?;
        Ok(extent.len)
    }
}

impl<W: Worker> Consumer for Walk<'_, W> {
    fn event(&mut self, event: &Event<&[u8]>) {
        match event.payload {
            Payload::Header(header) => {
                self.header = Some(header);
                self.skipper = self.pool.as_ref().map(|_| RecordSkipper::new(header));
            }
            Payload::Checksum { stored } => self.stored = Some((event.start, stored)),
            _ => {}
        }
        if self.failed.is_none() {
            let worker = &mut self.worker;
            self.failed = self.decoder.event(event, &mut |part| worker.part(part)).err().map(ReadError::from);
        }
    }

    fn ahead(&mut self, window: &[u8], offset: u64) -> usize {
        let mut passed = 0;
        while self.failed.is_none() {
            match self.leave(&window[passed..], offset + passed as u64) {
                Ok(0) => break,
                Ok(len) => passed += len,
                Err(error) => self.failed = Some(error),
            }
        }
        passed
    }
}

/// The checksum of all but the last eight bytes.
#[derive(Default)]
struct Sum {
    crc: Crc64,
    held: Vec<u8>,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        if let Some(cut) = bytes.len().checked_sub(8) {
            self.crc.update(&self.held);
            self.crc.update(&bytes[..cut]);
            self.held.clear();
            self.held.extend_from_slice(&bytes[cut..]);
        } else {
            self.held.extend_from_slice(bytes);
            let cut = self.held.len().saturating_sub(8);
            self.crc.update(&self.held[..cut]);
            self.held.drain(..cut);
        }
    }

    fn value(&self) -> u64 {
        self.crc.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::{Family, File, Key, Value};

    /// Counts keys, and breaks down where it is told to.
    struct Counter {
        keys: usize,
        breaks_at: Option<Vec<u8>>,
    }

    impl Worker for Counter {
        type Out = usize;

        fn part(&mut self, part: Part<'_>) {
            match part {
                Part::Key(_, name) => assert_ne!(Some(name), self.breaks_at.as_deref(), "as it was told to"),
                Part::End(_) => self.keys += 1,
                Part::Element(_) | Part::Function(_) => {}
            }
        }

        fn take(&mut self) -> Option<usize> {
            Some(std::mem::take(&mut self.keys)).filter(|keys| *keys > 0)
        }
    }

    fn file(keys: u32) -> Vec<u8> {
        let mut file = File { compression: false, ..File::new(Family::Redis, 11) };
        file.keys = (0..keys).map(|n| Key::new(format!("key:{n}").as_bytes(), Value::String(vec![b'v'; 50]))).collect();
        file.encode().bytes
    }

    fn count(bytes: &[u8], threads: usize, breaks_at: Option<&[u8]>) -> Result<Vec<usize>, ReadError> {
        let mut runs = Vec::new();
        let make = || Counter { keys: 0, breaks_at: breaks_at.map(<[u8]>::to_vec) };
        each(&mut &*bytes, &Limits::default(), threads, make, &mut |keys| {
            runs.push(keys);
            Ok(())
        })?;
        Ok(runs)
    }

    #[test]
    fn all_records_come_in_several_runs() {
        let bytes = file(40_000);
        for threads in [1, 2, 5] {
            let runs = count(&bytes, threads, None).expect("a sound file");
            assert_eq!(runs.iter().sum::<usize>(), 40_000, "{threads}");
            assert!(runs.len() > 4, "{threads}");
        }
    }

    #[test]
    fn a_thread_that_breaks_down_is_not_waited_for() {
        let bytes = file(40_000);
        let run = || count(&bytes, 3, Some(b"key:30000"));
        assert!(std::panic::catch_unwind(run).is_err(), "its panic is passed on");
    }

    #[test]
    fn what_the_sink_says_ends_it() {
        let bytes = file(40_000);
        for threads in [1, 3] {
            let make = || Counter { keys: 0, breaks_at: None };
            let result =
                each(&mut &*bytes, &Limits::default(), threads, make, &mut |_| Err(io::ErrorKind::BrokenPipe.into()));
            assert!(matches!(result, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe));
        }
    }
}
