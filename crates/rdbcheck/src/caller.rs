//! The program that calls the commands and stays: it can stop them, and hears what they would print on standard error.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// For whom this thread works.
    static WORKS_FOR: RefCell<Option<Arc<Caller>>> = const { RefCell::new(None) };
}

/// Who calls.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use rdbcheck::caller::Caller;
///
/// let caller = Arc::new(Caller::default());
/// assert_eq!(caller.run(|| 7), 7);
/// assert!(caller.said().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Caller {
    stopped: AtomicBool,
    said: Mutex<Vec<String>>,
}

impl Caller {
    /// Runs some work for this caller: on the thread that it has, and on those that help.
    pub fn run<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        /// Gives the thread back, however the work ends.
        struct Before(Option<Arc<Caller>>);
        impl Drop for Before {
            fn drop(&mut self) {
                WORKS_FOR.replace(self.0.take());
            }
        }
        let _before = Before(WORKS_FOR.replace(Some(Arc::clone(self))));
        work()
    }

    /// Has the work end: the next read of an input fails.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Fails if it was stopped.
    ///
    /// # Errors
    /// That it was.
    pub fn go_on(&self) -> io::Result<()> {
        // Not as interrupted: who reads tries such a read again.
        if self.is_stopped() { Err(io::Error::other("it was stopped")) } else { Ok(()) }
    }

    /// Returns the lines that would have been printed on standard error.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn hear(&self, line: String) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Returns for whom this thread works, if it is not a command on its own.
    pub(crate) fn of_thread() -> Option<Arc<Self>> {
        WORKS_FOR.with_borrow(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::console;
    use crate::progress::{Watched, When};

    #[test]
    fn what_a_caller_stops_reads_no_more() {
        let (caller, other) = (Arc::new(Caller::default()), Arc::new(Caller::default()));
        let input = || Watched::new(&b"REDIS"[..], String::new(), None, When::Never);
        let mut byte = [0];
        let mut watched = caller.run(input);
        assert_eq!(watched.read(&mut byte).expect("it goes on"), 1);
        caller.stop();
        let why = watched.read(&mut byte).expect_err("it was stopped");
        assert!(why.kind() != io::ErrorKind::Interrupted && why.to_string() == "it was stopped", "{why:?}");
        for mut unasked in [other.run(input), input()] {
            assert_eq!(unasked.read(&mut byte).expect("nobody stopped it"), 1);
        }
    }

    #[test]
    fn what_is_said_is_told_to_the_caller() {
        let caller = Arc::new(Caller::default());
        caller.run(|| console::say("rdbcheck", "a tar\u{1b}"));
        assert!(Caller::of_thread().is_none());
        assert_eq!(caller.said(), ["rdbcheck: a tar\\x1b"]);
        assert!(caller.said().is_empty());
    }
}
