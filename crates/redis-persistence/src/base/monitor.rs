//! What several threads share: a state, the news that it changed, and that it is over.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

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

    /// The state. What a thread that panicked left is as good as any: all end soon then.
    pub(crate) fn lock(&self) -> Held<'_, S> {
        Held { shared: self, guard: self.inner.lock().unwrap_or_else(PoisonError::into_inner) }
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

    /// Lets go of the state, and wakes all who wait for a change of it.
    pub(crate) fn tell(self) {
        let waiting = self.guard.waiting > 0;
        drop(self.guard);
        if waiting {
            self.shared.changed.notify_all();
        }
    }

    /// Whether it is over.
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
