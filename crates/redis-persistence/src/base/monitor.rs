//! Threads that help, where the system gives them, and what they share: a state, the news that it changed, and that it is over.
//!
//! ```text
//! state --- next task ---> perform, without the state ---> its result into the state, and tell
//!              none: wait for a change
//! ```
//! Every helper does that until it is over, and so does the thread that wants the results while it has to wait. Where the system
//! gives no threads, it does all by itself.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Lets a thread of its own do some work; `None` where the system gives none: then the caller does all by itself.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    #[cfg(test)]
    if tests::REFUSED.get() {
        return None;
    }
    Builder::new().spawn_scoped(scope, work).ok()
}

/// A state that one thread at a time has.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    inner: Mutex<Inner<S>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner<S> {
    state: S,
    /// How many threads wait for a change. To wake none is not for free.
    waiting: usize,
    closed: bool,
}

/// The state while one has it.
pub(crate) struct Held<'a, S> {
    shared: &'a Shared<S>,
    guard: MutexGuard<'a, Inner<S>>,
}

impl<S> Shared<S> {
    pub(crate) fn new(state: S) -> Self {
        Self { inner: Mutex::new(Inner { state, waiting: 0, closed: false }), changed: Condvar::new() }
    }

    /// Returns the state. What a thread that panicked left is as good as any: all end soon then.
    pub(crate) fn lock(&self) -> Held<'_, S> {
        Held { shared: self, guard: self.inner.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Helps until it is over: `next` takes a task out of the state, and `perform` does it. A helper that breaks down ends it
    /// for all.
    pub(crate) fn help<T>(&self, mut next: impl FnMut(&mut S) -> Option<T>, mut perform: impl FnMut(T)) {
        let _closing = self.closing();
        let mut held = self.lock();
        while !held.is_closed() {
            held = held.task_or_wait(&mut next, &mut perform);
        }
    }

    /// Says that it is over, and wakes all who wait, when it is dropped, for whatever reason.
    pub(crate) fn closing(&self) -> Closing<'_, S> {
        Closing(self)
    }
}

impl<'a, S> Held<'a, S> {
    /// Waits until somebody [tells of](Self::tell) a change.
    pub(crate) fn wait(mut self) -> Self {
        self.guard.waiting += 1;
        let mut guard = self.shared.changed.wait(self.guard).unwrap_or_else(PoisonError::into_inner);
        guard.waiting -= 1;
        Held { shared: self.shared, guard }
    }

    /// Does the next task, or waits for a change where there is none.
    pub(crate) fn task_or_wait<T>(mut self, next: impl FnOnce(&mut S) -> Option<T>, perform: impl FnOnce(T)) -> Self {
        let shared = self.shared;
        match next(&mut self) {
            Some(task) => {
                drop(self);
                perform(task);
                shared.lock()
            }
            None => self.wait(),
        }
    }

    /// Returns an error if it is over: a helper broke down, since whoever wants results ends it last.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.guard.closed { Err(io::Error::other("a thread that helped has ended")) } else { Ok(()) }
    }

    /// Lets go of the state, and wakes all who wait for a change of it.
    pub(crate) fn tell(self) {
        let waiting = self.guard.waiting > 0;
        drop(self.guard);
        if waiting {
            self.shared.changed.notify_all();
        }
    }

    /// Returns whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.guard.closed
    }
}

impl<S> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.guard.state
    }
}

impl<S> DerefMut for Held<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.guard.state
    }
}

/// See [`Shared::closing`].
pub(crate) struct Closing<'a, S>(&'a Shared<S>);

impl<S> Drop for Closing<'_, S> {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        held.guard.closed = true;
        held.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::num::NonZero;

    use testkit::rdb::RdbWriter;

    use crate::digest;
    use crate::repair::rdb::syndrome;
    use crate::verify::{self, Options};

    thread_local! {
        /// Whether the system gives no threads.
        pub(super) static REFUSED: Cell<bool> = const { Cell::new(false) };
    }

    /// Returns what comes of an RDB and of commands on three threads, whether or not there are any.
    fn results(rdb: &[u8], commands: &[u8]) -> (verify::Report, verify::Report, digest::Digests, String) {
        let options = Options { threads: NonZero::new(3), hash_key: Some(7), ..Options::default() };
        let report = verify::slice(rdb, &options);
        let mut changed = rdb.to_vec();
        changed[rdb.len() - 100] ^= 0x10;
        let damaged = verify::slice(&changed, &options);
        let mended = syndrome::search(&changed, &damaged, &options);
        let digest = digest::Options { threads: options.threads, ..digest::Options::default() };
        let digests = digest::reader(rdb, &digest).expect("a sound RDB");
        let of_commands = verify::aof_slice(commands, &options).expect("memory");
        (report, of_commands, digests, format!("{mended:?}"))
    }

    #[test]
    fn without_threads_the_caller_does_all() {
        let mut rdb = RdbWriter::redis(11);
        rdb.compression(false).select_db(0);
        for n in 0..60_000_u32 {
            rdb.string_key(format!("key:{n}").as_bytes(), &[b'v'; 90]);
        }
        let rdb = rdb.finish();
        let commands = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n".repeat(100_000);
        let with = results(&rdb, &commands);
        REFUSED.set(true);
        let without = results(&rdb, &commands);
        REFUSED.set(false);
        assert_eq!(with, without);
        assert!(with.3.contains("offset"), "{}", with.3);
        assert!(with.0.checksum == Some(verify::Checksum::Ok) && with.0.counts.keys == 60_000);
    }
}
