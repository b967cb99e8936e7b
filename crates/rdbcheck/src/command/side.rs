//! Work side by side, of which the results are taken in order.
//!
//! ```text
//! 0 1 2 3 4 5 6 7 ..   a thread of its own draws what is to be done from where it comes, which may take its time
//!             |   ready    was drawn; any thread takes the next few, and does them
//! |   |       next     what comes from here on was not begun
//! |   done             waits for those before it
//! taken                this thread takes what is done, in order, and helps while there is nothing to take
//! ```
//! Only so much may be ready, and done and not taken, by number and by weight: that bounds the memory, however many there are.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A thread takes at most so many at once: to ask for each would cost more than what is small.
const AT_ONCE: usize = 8;
/// This many may be ready, and as many done and not taken, for each thread.
const AHEAD: usize = 8 * AT_ONCE;

/// What may be done and not taken yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// On so many threads, this one included.
    pub(crate) threads: usize,
    /// Of about so much weight.
    pub(crate) weight: usize,
}

/// Does `work` with each of the inputs, on several threads, and hands what comes of them to `take`, in order and on this thread.
/// Beside it stands its weight.
pub(crate) fn in_order<I: Send, T: Send>(
    mut inputs: impl Iterator<Item = I> + Send,
    bounds: Bounds,
    work: impl Fn(I) -> (T, usize) + Sync,
    mut take: impl FnMut(T),
) {
    if bounds.threads < 2 {
        inputs.for_each(|input| take(work(input).0));
        return;
    }
    let queue = Queue::new(bounds);
    thread::scope(|scope| {
        let closing = Closing(&queue);
        scope.spawn(|| {
            let _closing = Closing(&queue);
            queue.draw(&mut inputs);
        });
        for _ in 1..bounds.threads {
            scope.spawn(|| {
                let _closing = Closing(&queue);
                while let Some(few) = queue.wait_for_work() {
                    queue.perform(few, &work);
                }
            });
        }
        queue.take_all(&work, &mut take);
        drop(closing);
    });
}

struct Queue<I, T> {
    state: Mutex<State<I, T>>,
    /// What is to be taken next is done, or there is something to do for whoever takes.
    done: Condvar,
    /// There is room for more to be done, or something that is ready.
    room: Condvar,
    /// There is room for more to be ready.
    wanted: Condvar,
    bounds: Bounds,
}

struct State<I, T> {
    /// What was drawn and not begun.
    ready: VecDeque<I>,
    /// Whether all was drawn.
    drawn: bool,
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
    /// Whether the thread that takes waits.
    idle: bool,
    /// Whether the thread that draws waits.
    full: bool,
    /// Whether somebody has ended, for whatever reason.
    closed: bool,
}

/// The number of the first, and some that follow one another.
type Few<I> = (usize, Vec<I>);

impl<I: Send, T: Send> Queue<I, T> {
    fn new(bounds: Bounds) -> Self {
        let state = State {
            ready: VecDeque::new(),
            drawn: false,
            taken: 0,
            next: 0,
            done: VecDeque::new(),
            weight: 0,
            waiting: 0,
            idle: false,
            full: false,
            closed: false,
        };
        let [done, room, wanted] = [const { Condvar::new() }; 3];
        Self { state: Mutex::new(state), done, room, wanted, bounds }
    }

    /// Returns the state. What a thread that panicked left is as good as any: all end soon then.
    fn lock(&self) -> MutexGuard<'_, State<I, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many may be ready, and how many begun and not taken.
    fn ahead(&self) -> usize {
        AHEAD * self.bounds.threads
    }

    /// Makes the inputs ready, one by one where nobody knows when the next one comes.
    fn draw(&self, inputs: &mut impl Iterator<Item = I>) {
        loop {
            let few = inputs.size_hint().0.clamp(1, AHEAD);
            let few: Vec<_> = inputs.by_ref().take(few).collect();
            let mut state = self.lock();
            state.drawn = few.is_empty();
            state.ready.extend(few);
            let (waiting, idle) = (state.waiting > 0, state.idle);
            while state.ready.len() >= self.ahead() && !state.closed {
                state.full = true;
                // Those who do it have to know before this one waits for them.
                self.wake(waiting, idle);
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.full = false;
            }
            let ends = state.drawn || state.closed;
            drop(state);
            self.wake(waiting, idle);
            if ends {
                return;
            }
        }
    }

    fn wake(&self, waiting: bool, idle: bool) {
        if waiting {
            self.room.notify_all();
        }
        if idle {
            self.done.notify_one();
        }
    }

    /// Returns the next few that are to be done, if some are ready and there is room for what comes of them.
    fn claim(&self, state: &mut State<I, T>) -> Option<Few<I>> {
        let room = self.ahead().saturating_sub(state.next - state.taken);
        // Towards the end fewer, so that all have something to do until then.
        let few = (state.ready.len() / (2 * self.bounds.threads)).clamp(1, AT_ONCE);
        let first = state.next;
        // What all wait for is begun in any case.
        let may = first == state.taken || few <= room && state.weight < self.bounds.weight;
        if !may || state.ready.is_empty() {
            return None;
        }
        let inputs: Vec<_> = state.ready.drain(..few).collect();
        state.next = first + few;
        state.done.extend(inputs.iter().map(|_| None));
        if state.full && state.ready.len() <= self.ahead() / 2 {
            self.wanted.notify_one();
        }
        Some((first, inputs))
    }

    /// For a thread that does nothing else; nothing if all was begun.
    fn wait_for_work(&self) -> Option<Few<I>> {
        let mut state = self.lock();
        while !(state.closed || state.drawn && state.ready.is_empty()) {
            if let Some(few) = self.claim(&mut state) {
                return Some(few);
            }
            state.waiting += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        None
    }

    fn perform(&self, (first, inputs): Few<I>, work: &impl Fn(I) -> (T, usize)) {
        for (number, input) in (first..).zip(inputs) {
            let (result, weight) = work(input);
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

    fn take_all(&self, work: &impl Fn(I) -> (T, usize), take: &mut impl FnMut(T)) {
        let mut state = self.lock();
        loop {
            let results = state.take();
            if !results.is_empty() {
                // Whoever waits for room is woken once for much of it, not for each that is taken.
                let much = state.next - state.taken <= self.ahead() / 2 && state.weight <= self.bounds.weight / 2;
                let wake = state.waiting > 0 && much;
                drop(state);
                if wake {
                    self.room.notify_all();
                }
                results.into_iter().for_each(&mut *take);
                state = self.lock();
            } else if state.closed || state.is_over() {
                return;
            } else if let Some(few) = self.claim(&mut state) {
                drop(state);
                self.perform(few, work);
                state = self.lock();
            } else {
                state.idle = true;
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle = false;
            }
        }
    }
}

impl<I, T> State<I, T> {
    /// Returns whether all was taken.
    fn is_over(&self) -> bool {
        self.drawn && self.ready.is_empty() && self.taken == self.next
    }

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
struct Closing<'a, I: Send, T: Send>(&'a Queue<I, T>);

impl<I: Send, T: Send> Drop for Closing<'_, I, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // A thread that finds nothing more to begin ends in peace.
        state.closed |= thread::panicking() || state.is_over();
        drop(state);
        self.0.done.notify_all();
        self.0.room.notify_all();
        self.0.wanted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
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
                in_order(0..count, Bounds { threads, weight: usize::MAX }, work, |result| taken.push(result));
                assert_eq!(taken, (0..count).map(|number| number * 3).collect::<Vec<_>>(), "{threads}");
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
            in_order(0..2000, Bounds { threads: 4, weight }, work, |()| {
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

    /// Nor is what waits to be begun: of a long list only so much is read ahead.
    #[test]
    fn what_is_ready_is_bounded() {
        for threads in [1, 2, 4] {
            let (drawn, mut taken, mut furthest) = (AtomicUsize::new(0), 0, 0);
            let inputs = (0..5000).inspect(|_| {
                drawn.fetch_add(1, Ordering::SeqCst);
            });
            in_order(
                inputs,
                Bounds { threads, weight: usize::MAX },
                |_| ((), 1),
                |()| {
                    taken += 1;
                    if taken < 20 {
                        thread::sleep(Duration::from_millis(3));
                    }
                    furthest = furthest.max(drawn.load(Ordering::SeqCst) - taken);
                },
            );
            assert_eq!(taken, 5000);
            let most = if threads == 1 { 1 } else { 2 * AHEAD * threads + AHEAD + AT_ONCE };
            assert!(furthest <= most, "{furthest} of at most {most}");
        }
    }

    /// What is done is taken while nobody knows when the next input comes.
    #[test]
    fn results_do_not_wait_for_a_slow_list() {
        for threads in [1, 2, 4] {
            let (send, inputs) = mpsc::channel();
            let mut left: Vec<usize> = vec![3, 2, 1];
            send.send(0).expect("somebody listens");
            let mut taken = Vec::new();
            // The next one comes only once this one was taken; after the last one the list ends.
            let mut send = Some(send);
            in_order(
                inputs.into_iter(),
                Bounds { threads, weight: usize::MAX },
                |number| (number, 1),
                |number| {
                    taken.push(number);
                    match left.pop() {
                        Some(next) => send.as_ref().expect("not ended").send(next).expect("somebody listens"),
                        None => send = None,
                    }
                },
            );
            assert_eq!(taken, [0, 1, 2, 3]);
        }
    }

    /// What is heavier than all that may wait is done all the same.
    #[test]
    fn too_heavy() {
        let mut taken = 0;
        in_order(0..50, Bounds { threads: 3, weight: 1 }, |_| ((), 1000), |()| taken += 1);
        assert_eq!(taken, 50);
    }

    #[test]
    fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
        for at in [0, 1, 40, 399] {
            for threads in [2, 5] {
                let bounds = Bounds { threads, weight: usize::MAX };
                let planned = |number: usize| assert_ne!(number, at, "planned");
                let work = |number: usize| (planned(number), 1);
                let ended = catch_unwind(AssertUnwindSafe(|| in_order(0..400, bounds, work, |()| {})));
                assert!(ended.is_err(), "{at} {threads}");
                let ended = catch_unwind(AssertUnwindSafe(|| in_order(0..400, bounds, |number| (number, 1), planned)));
                assert!(ended.is_err(), "{at} {threads}");
                let inputs = (0..400).inspect(|number| planned(*number));
                assert!(catch_unwind(AssertUnwindSafe(|| in_order(inputs, bounds, |_| ((), 1), |()| {}))).is_err());
            }
        }
    }
}
