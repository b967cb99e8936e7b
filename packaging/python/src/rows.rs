//! The keys of an input, read by a thread of its own ahead of the one that takes them, a few batches at most.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use rdbcheck::caller::Caller;
use rdbcheck::calls::rdbs::{self, Unread};
use rdbcheck::exit::Exit;
use redis_persistence::ReadError;
use redis_persistence::list::{self, Options, Row};

use crate::errors;
use crate::source::{Opened, Raised, Source};
use crate::work;

/// So many batches wait to be taken.
const AHEAD: usize = 2;

/// Makes batches of keys.
pub(crate) trait Gather: Send + 'static {
    type Batch: Send + 'static;

    /// Takes a key, and returns a batch once it is full.
    fn row(&mut self, row: Row) -> io::Result<Option<Self::Batch>>;

    /// Returns what is left.
    fn rest(&mut self) -> io::Result<Option<Self::Batch>>;
}

/// What ended the reading.
type Ended = Result<Result<(), Unread>, String>;

/// Why there are no more. It holds nothing of the interpreter's that cannot be dropped without its lock.
pub(crate) enum Failure {
    Unread(Unread),
    /// What broke down here.
    Broken(String),
    /// An exception in a file object.
    Raised(Raised),
    /// What a signal did, such as Ctrl+C.
    Signal(String),
}

impl Failure {
    /// Returns it as an exception.
    pub(crate) fn exception(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Unread(unread) => errors::of_unread(py, unread),
            Self::Broken(why) => errors::InternalError::new_err(why.clone()),
            Self::Raised(raised) => {
                raised.get(py).unwrap_or_else(|| errors::InternalError::new_err("an exception was lost"))
            }
            Self::Signal(why) => PyKeyboardInterrupt::new_err(why.clone()),
        }
    }

    /// Returns it as a text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Unread(unread) => unread.why.clone(),
            Self::Broken(why) | Self::Signal(why) => why.clone(),
            Self::Raised(_) => "the file object raised an exception".to_owned(),
        }
    }
}

/// Batches of keys. When it is dropped, the thread ends at its next read.
pub(crate) struct Rows<B> {
    batches: Mutex<Receiver<B>>,
    ended: Mutex<Option<Receiver<Ended>>>,
    caller: Arc<Caller>,
    raised: Raised,
    /// The thread that asked for it, which may look for signals.
    of: ThreadId,
}

impl<B: Send + 'static> Rows<B> {
    /// Begins to read.
    pub(crate) fn begin(
        source: &Bound<'_, PyAny>,
        name: Option<PathBuf>,
        options: Options,
        gather: impl Gather<Batch = B>,
    ) -> PyResult<Self> {
        let caller = Arc::new(Caller::default());
        let Opened { source, raised } = Opened::of(source, name, &caller)?;
        let (send, batches) = mpsc::sync_channel(AHEAD);
        let for_work = Arc::clone(&caller);
        let mut gather = gather;
        let ended = work::begin(&caller, move || {
            let gone = || io::Error::other("nobody takes them any more");
            let give = |batch: io::Result<Option<B>>| match batch? {
                Some(batch) => send.send(batch).map_err(|_| gone()),
                None => Ok(()),
            };
            let result = read(source, &for_work, &mut |input| {
                list::each(input, &options, &mut |row| {
                    for_work.go_on()?;
                    give(gather.row(row))
                })
            });
            // What was read before it failed is handed on.
            let rest = give(gather.rest());
            result.and(rest.map_err(|error| Unread { why: error.to_string(), exit: Exit::Unreadable, at: None }))
        })?;
        let of = thread::current().id();
        Ok(Self { batches: Mutex::new(batches), ended: Mutex::new(Some(ended)), caller, raised, of })
    }

    /// Returns the next batch; after the last one, why it is the last if the reading failed.
    pub(crate) fn next(&self, py: Python<'_>) -> PyResult<Option<B>> {
        match work::next(py, &self.batches, &self.caller)? {
            Some(batch) => Ok(Some(batch)),
            None => self.end().map(|()| None).map_err(|failure| failure.exception(py)),
        }
    }

    /// Returns the same to a library that may or may not hold the interpreter's lock. Only the thread that asked takes it: a library
    /// that waits with the lock for a thread of its own would wait for ever.
    pub(crate) fn next_unlocked(&self) -> Result<Option<B>, Failure> {
        let next = if thread::current().id() == self.of {
            let next = |py: Python<'_>| work::next(py, &self.batches, &self.caller).map_err(|error| error.to_string());
            Python::attach(next).map_err(Failure::Signal)?
        } else {
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
        };
        match next {
            Some(batch) => Ok(Some(batch)),
            None => self.end().map(|()| None),
        }
    }

    /// Says why no more come: the thread that read is at its end.
    fn end(&self) -> Result<(), Failure> {
        let Some(ended) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let result = ended.recv().unwrap_or_else(|_| Err("the work ended without a result".to_owned()));
        if self.raised.is_some() {
            return Err(Failure::Raised(self.raised.clone()));
        }
        result.map_err(Failure::Broken)?.map_err(Failure::Unread)
    }
}

impl<B> Drop for Rows<B> {
    fn drop(&mut self) {
        self.caller.stop();
    }
}

/// Hands each RDB of a source to `with`.
pub(crate) fn read(
    source: Source,
    caller: &Arc<Caller>,
    with: &mut dyn FnMut(&mut dyn io::Read) -> Result<(), ReadError>,
) -> Result<(), Unread> {
    let failed = |error: io::Error| Unread { why: error.to_string(), exit: Exit::Unreadable, at: None };
    match source {
        Source::Path(path) => rdbs::each(&path, caller, with),
        Source::Bytes(given) => rdbs::of_given(given, caller, with),
        Source::Once(..) => match source.laid_down().map_err(failed)? {
            Ok(given) => rdbs::of_given(given, caller, with),
            Err(path) => rdbs::each(&path, caller, with),
        },
    }
}

/// A few keys at a time.
#[derive(Default)]
pub(crate) struct Some256 {
    rows: VecDeque<Row>,
    bytes: u64,
}

impl Gather for Some256 {
    type Batch = VecDeque<Row>;

    fn row(&mut self, row: Row) -> io::Result<Option<VecDeque<Row>>> {
        /// Keys whose records take more wait for no other.
        const BYTES: u64 = 1 << 20;
        self.bytes += row.bytes;
        self.rows.push_back(row);
        if self.rows.len() < 256 && self.bytes < BYTES { Ok(None) } else { self.rest() }
    }

    fn rest(&mut self) -> io::Result<Option<VecDeque<Row>>> {
        self.bytes = 0;
        Ok(Some(std::mem::take(&mut self.rows)).filter(|rows| !rows.is_empty()))
    }
}
