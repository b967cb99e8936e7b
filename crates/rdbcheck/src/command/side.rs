//! Work side by side, of which the results are taken in order.
//!
//! ```text
//! 0 1 2 3 4 5 6 7 ..   any thread takes the next few, and does them
//! |   |       |
//! |   |       next     what comes from here on was not begun
//! |   done             waits for those before it
//! taken                this thread takes what is done, in order, and helps while there is nothing to take
//! ```
//! Only so much may be done and not taken, by number and by weight: that bounds the memory, however many there are.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A thread takes at most so many at once: to ask for each would cost more than what is small.
const AT_ONCE: usize = 8;
/// This many may be done and not taken, for each thread.
const AHEAD: usize = 8 * AT_ONCE;

/// What may be done and not taken yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// On so many threads, this one included.
    pub(crate) threads: usize,
    /// Of about so much weight.
    pub(crate) weight: usize,
}

/// Does `work` with each of the numbers below `count`, on several threads, and hands what comes of them to `take`, in order and on
/// this thread. Beside it stands its weight.
pub(crate) fn in_order<T: Send>(
    count: usize,
    bounds: Bounds,
    work: impl Fn(usize) -> (T, usize) + Sync,
    mut take: impl FnMut(usize, T),
) {
    if bounds.threads < 2 {
        for number in 0..count {
            take(number, work(number).0);
        }
        return;
    }
    let queue = Queue::new(count, bounds);
    thread::scope(|scope| {
        let closing = Closing(&queue);
        for _ in 1..bounds.threads {
            scope.spawn(|| {
                let _closing = Closing(&queue);
                while let Some(numbers) = queue.wait_for_work() {
                    queue.perform(numbers, &work);
                }
            });
        }
        queue.take_all(&work, &mut take);
        drop(closing);
    });
}

struct Queue<T> {
    state: Mutex<State<T>>,
    /// What is to be taken next is done.
    done: Condvar,
    /// There is room for more.
    room: Condvar,
    count: usize,
    bounds: Bounds,
}

struct State<T> {
    /// How many were taken.
    taken: usize,
    /// The first that was not begun.
    next: usize,
    /// What came of those between the two, once they are done.
    done: VecDeque<Option<(T, usize)>>,
    /// The weight of what is done.
    weight: usize,
    /// How many threads wait for room. To wake none is not for free.
    waiting: usize,
    /// Whether somebody has ended, for whatever reason.
    closed: bool,
}

type Numbers = std::ops::Range<usize>;

impl<T: Send> Queue<T> {
    fn new(count: usize, bounds: Bounds) -> Self {
        let state = State { taken: 0, next: 0, done: VecDeque::new(), weight: 0, waiting: 0, closed: false };
        Self { state: Mutex::new(state), done: Condvar::new(), room: Condvar::new(), count, bounds }
    }

    /// Returns the state. What a thread that panicked left is as good as any: all end soon then.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many may be begun and not taken.
    fn ahead(&self) -> usize {
        AHEAD * self.bounds.threads
    }

    /// Returns the next few that are to be done, if there is room for what comes of them.
    fn claim(&self, state: &mut State<T>) -> Option<Numbers> {
        let room = self.ahead().saturating_sub(state.next - state.taken);
        // Towards the end fewer, so that all have something to do until then.
        let few = ((self.count - state.next) / (2 * self.bounds.threads)).clamp(1, AT_ONCE);
        let first = state.next;
        // What all wait for is begun in any case.
        let may = first == state.taken || few <= room && state.weight < self.bounds.weight;
        if !may || first == self.count {
            return None;
        }
        state.next = (first + few).min(self.count);
        let numbers = first..state.next;
        state.done.extend(numbers.clone().map(|_| None));
        Some(numbers)
    }

    /// For a thread that does nothing else; nothing if all was begun.
    fn wait_for_work(&self) -> Option<Numbers> {
        let mut state = self.lock();
        while !state.closed && state.next < self.count {
            if let Some(numbers) = self.claim(&mut state) {
                return Some(numbers);
            }
            state.waiting += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        None
    }

    fn perform(&self, numbers: Numbers, work: &impl Fn(usize) -> (T, usize)) {
        for number in numbers {
            let (result, weight) = work(number);
            let mut state = self.lock();
            let place = number - state.taken;
            state.weight += weight;
            state.done[place] = Some((result, weight));
            drop(state);
            if place == 0 {
                self.done.notify_one();
            }
        }
    }

    fn take_all(&self, work: &impl Fn(usize) -> (T, usize), take: &mut impl FnMut(usize, T)) {
        let mut state = self.lock();
        while state.taken < self.count {
            let (first, results) = (state.taken, state.take());
            if !results.is_empty() {
                // Whoever waits for room is woken once for much of it, not for each that is taken.
                let much = state.next - state.taken <= self.ahead() / 2 && state.weight <= self.bounds.weight / 2;
                let wake = state.waiting > 0 && much;
                drop(state);
                if wake {
                    self.room.notify_all();
                }
                results.into_iter().enumerate().for_each(|(place, result)| take(first + place, result));
                state = self.lock();
            } else if state.closed {
                return;
            } else if let Some(numbers) = self.claim(&mut state) {
                drop(state);
                self.perform(numbers, work);
                state = self.lock();
            } else {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl<T> State<T> {
    /// Returns the next few that are done.
    fn take(&mut self) -> Vec<T> {
        let mut results = Vec::new();
        while results.len() < AT_ONCE
            && let Some((result, weight)) = self.done.front_mut().and_then(Option::take)
        {
            self.done.pop_front();
            self.taken += 1;
            self.weight -= weight;
            results.push(result);
        }
        results
    }
}

/// Says that it is over when it is dropped.
struct Closing<'a, T: Send>(&'a Queue<T>);

impl<T: Send> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // A thread that finds nothing more to begin ends in peace.
        state.closed |= thread::panicking() || state.taken == self.0.count;
        drop(state);
        self.0.done.notify_all();
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_none_is_done_twice() {
        for threads in [1, 2, 3, 8, 64] {
            for count in [0, 1, 2, 7, 1000] {
                let (begun, mut taken) = (AtomicUsize::new(0), Vec::new());
                let work = |number: usize| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    if number.is_multiple_of(97) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    (number * 3, 1)
                };
                in_order(count, Bounds { threads, weight: usize::MAX }, work, |number, result| {
                    taken.push((number, result))
                });
                assert_eq!(taken, (0..count).map(|number| (number, number * 3)).collect::<Vec<_>>(), "{threads}");
                assert_eq!(begun.into_inner(), count, "{threads}");
            }
        }
    }

    /// While the first is not taken, the others go on only so far.
    #[test]
    fn what_waits_is_bounded() {
        for (weight, most) in [(usize::MAX, AHEAD * 4 + AT_ONCE), (100, 100 / 10 + 5 * AT_ONCE)] {
            let (done, mut taken, mut furthest) = (AtomicUsize::new(0), 0, 0);
            let work = |_: usize| {
                done.fetch_add(1, Ordering::SeqCst);
                ((), 10)
            };
            in_order(2000, Bounds { threads: 4, weight }, work, |_, ()| {
                taken += 1;
                if taken < 20 {
                    thread::sleep(Duration::from_millis(3));
                }
                furthest = furthest.max(done.load(Ordering::SeqCst) - taken);
            });
            assert_eq!((taken, done.into_inner()), (2000, 2000));
            assert!(furthest > 0 && furthest <= most, "{furthest} of at most {most}");
        }
    }

    /// What is heavier than all that may wait is done all the same.
    #[test]
    fn too_heavy() {
        let mut taken = 0;
        in_order(50, Bounds { threads: 3, weight: 1 }, |_| ((), 1000), |_, ()| taken += 1);
        assert_eq!(taken, 50);
    }

    #[test]
    fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
        for at in [0, 1, 40, 399] {
            for threads in [2, 5] {
                let bounds = Bounds { threads, weight: usize::MAX };
                let work = |number: usize| (assert_ne!(number, at, "planned"), 1);
                let ended = catch_unwind(AssertUnwindSafe(|| in_order(400, bounds, work, |_, ()| {})));
                assert!(ended.is_err(), "{at} {threads}");
                let take = |number: usize, ()| assert_ne!(number, at, "planned");
                assert!(catch_unwind(AssertUnwindSafe(|| in_order(400, bounds, |_| ((), 1), take))).is_err());
            }
        }
    }
}
