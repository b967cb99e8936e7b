//! How long a case takes, on a machine that may be busy with something else.

use std::time::{Duration, Instant};

/// A case that takes longer hangs, as far as its user can tell.
pub const LONGEST: Duration = Duration::from_secs(1);

/// What the work gives, and how long it takes. What took too long is done twice more, and the shortest time counts.
pub fn timed<T>(work: impl Fn() -> T) -> (T, Duration) {
    let measure = || {
        let begun = Instant::now();
        let done = work();
        (done, begun.elapsed())
    };
    let (done, mut took) = measure();
    for _ in 0..2 {
        if took > LONGEST {
            took = took.min(measure().1);
        }
    }
    (done, took)
}
