//! Work beside the interpreter: it goes on in a thread of its own without the interpreter's lock, while the thread that called looks
//! for signals. Ctrl+C stops it at its next read. What breaks down in it becomes an exception.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use pyo3::prelude::*;
use rdbcheck::caller::Caller;

use crate::errors;

/// So often it is looked for signals.
const LOOK: Duration = Duration::from_millis(50);
/// As a main thread has.
const STACK: usize = 8 << 20;

/// What broke down last, with its place.
static BROKE: Mutex<Option<String>> = Mutex::new(None);

/// Keeps what breaks down from being printed.
pub(crate) fn keep_quiet() {
    std::panic::set_hook(Box::new(|why| {
        BROKE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_string());
    }));
}

fn broken(_: Box<dyn Any + Send>) -> String {
    let why = BROKE.lock().unwrap_or_else(PoisonError::into_inner).take();
    why.unwrap_or_else(|| "the work broke down".to_owned())
}

/// Who has work under way, by its number.
static UNDER_WAY: Mutex<BTreeMap<u64, Arc<Caller>>> = Mutex::new(BTreeMap::new());
static ONE_ENDED: Condvar = Condvar::new();
/// So long the end of the interpreter waits for work that was stopped: it may be in a file object, which cannot outlive it.
const LAST: Duration = Duration::from_secs(10);
/// So long a call that was interrupted waits for its work.
const SOON: Duration = Duration::from_secs(1);

fn under_way() -> MutexGuard<'static, BTreeMap<u64, Arc<Caller>>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work under way, until it is dropped.
struct UnderWay(u64);

impl UnderWay {
    fn new(caller: &Arc<Caller>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        under_way().insert(number, Arc::clone(caller));
        Self(number)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        under_way().remove(&self.0);
        ONE_ENDED.notify_all();
    }
}

/// Stops all work and waits for its end: what `atexit` calls, for no thread may want the interpreter once it is gone.
#[pyfunction]
pub(crate) fn finish(py: Python<'_>) {
    under_way().values().for_each(|caller| caller.stop());
    py.detach(|| drop(ONE_ENDED.wait_timeout_while(under_way(), LAST, |under_way| !under_way.is_empty())));
}

/// Begins some work for a caller on a thread of its own, which ends by itself. If it breaks down, it gives a text that says where.
pub(crate) fn begin<T: Send + 'static>(
    caller: &Arc<Caller>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<Receiver<Result<T, String>>> {
    let (done, finished) = mpsc::sync_channel(1);
    let caller = Arc::clone(caller);
    let this = UnderWay::new(&caller);
    Builder::new().name("redis-persistence".to_owned()).stack_size(STACK).spawn(move || {
        let _this = this;
        let result = catch_unwind(AssertUnwindSafe(|| caller.run(work))).map_err(broken);
        // Who stopped it waits no more.
        let _ = done.send(result);
    })?;
    Ok(finished)
}

/// Waits for what a channel gives next; `None` once it gives nothing more. A signal stops the caller's work.
pub(crate) fn next<T: Send>(py: Python<'_>, from: &Mutex<Receiver<T>>, caller: &Caller) -> PyResult<Option<T>> {
    py.detach(|| {
        let from = from.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match from.recv_timeout(LOOK) {
                Ok(found) => return Ok(Some(found)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(signal) = Python::attach(|py| py.check_signals()) {
                        caller.stop();
                        return Err(signal);
                    }
                }
            }
        }
    })
}

/// Does some work for a caller, and waits for it.
pub(crate) fn attended<T: Send + 'static>(
    py: Python<'_>,
    caller: &Arc<Caller>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let finished = Mutex::new(begin(caller, work)?);
    let result = next(py, &finished, caller).inspect_err(|_| {
        // It was stopped, and ends at its next read.
        py.detach(|| drop(finished.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SOON)));
    });
    let result = result?.unwrap_or_else(|| Err("the work ended without a result".to_owned()));
    result.map_err(errors::InternalError::new_err)
}
