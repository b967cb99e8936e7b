//! How far a check or a copy is, on standard error: a bar with rate and time left on a terminal, once the work takes over
//! a second; with `--progress always` plain lines where there is no terminal.

mod bar;

use std::io::{self, IsTerminal as _, Read, Seek, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use redis_persistence::verify::ReadAt;

use bar::Bar;

use crate::caller::Caller;
use crate::units;

/// Work that takes less is not shown, and plain lines come no more often.
const SECOND: Duration = Duration::from_secs(1);

/// When progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum When {
    /// Where standard error is a terminal.
    #[default]
    Auto,
    /// On a terminal as a bar, elsewhere as lines.
    Always,
    /// Nowhere.
    Never,
}

/// How far some work is, shown where that is asked for.
#[derive(Debug)]
pub struct Meter {
    name: String,
    unit: Unit,
    total: Option<u64>,
    /// How far it came.
    far: u64,
    /// Unless nothing is shown: not every machine has a clock.
    started: Option<Instant>,
    next: Duration,
    shown: Shown,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Inputs,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Lines,
    BarLater,
    Bar(Bar),
}

impl Meter {
    /// Work of which `total` bytes are expected. `name` must be fit to print.
    #[must_use]
    pub fn new(name: String, total: Option<u64>, when: When) -> Self {
        Self::of(name, Unit::Bytes, total, when)
    }

    /// Returns the inputs of a run, of which there are so many if that is known. Of one there is nothing to say.
    #[must_use]
    pub fn of_inputs(tool: &str, total: Option<usize>, when: When) -> Self {
        let when = if total.is_some_and(|total| total < 2) { When::Never } else { when };
        Self::of(tool.to_owned(), Unit::Inputs, total.map(|total| total as u64), when)
    }

    fn of(name: String, unit: Unit, total: Option<u64>, when: When) -> Self {
        let shown = match (when, when != When::Never && on_terminal()) {
            (When::Auto | When::Always, true) => Shown::BarLater,
            (When::Always, false) => Shown::Lines,
            _ => Shown::Nothing,
        };
        let started = (!matches!(shown, Shown::Nothing)).then(Instant::now);
        Self { name, unit, total, far: 0, started, next: SECOND, shown }
    }

    fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// Takes the bar away until there is progress again: something else will be written there.
    pub fn hide(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.clear();
            self.shown = Shown::BarLater;
        }
    }

    /// This many bytes or inputs are done. What is done a second time is not counted again.
    pub fn reached(&mut self, at: u64) {
        if at <= self.far {
            return;
        }
        self.far = at;
        if self.unit == Unit::Inputs && self.total == Some(at) {
            return;
        }
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.reached(self.far),
            Shown::BarLater if self.elapsed() >= SECOND => self.shown = Shown::Bar(Bar::of(self)),
            Shown::Lines if self.elapsed() >= self.next => self.line(),
            Shown::BarLater | Shown::Lines => {}
        }
    }

    fn line(&mut self) {
        let elapsed = self.elapsed();
        self.next = elapsed + SECOND;
        let rate = rate(self.far, elapsed);
        let total = self.total.filter(|total| *total > 0);
        let left = total.map(|total| total.saturating_sub(self.far) / rate.max(1));
        let done = match (self.unit, total, left) {
            (Unit::Inputs, Some(total), Some(left)) => format!("{} of {total} inputs, {left} s left", self.far),
            (Unit::Inputs, ..) => format!("{} inputs", self.far),
            (_, Some(total), Some(left)) => {
                let percent = u128::from(self.far) * 100 / u128::from(total);
                format!("{percent} %, {}/s, {left} s left", units::size(rate))
            }
            _ => format!("{}, {}/s", units::size(self.far), units::size(rate)),
        };
        // Who closed standard error wants no progress.
        let _ = writeln!(io::stderr(), "{}: {done}", self.name);
    }
}

/// Returns whether standard error is a terminal; it is asked once, however many inputs there are.
fn on_terminal() -> bool {
    static ON_TERMINAL: OnceLock<bool> = OnceLock::new();
    *ON_TERMINAL.get_or_init(|| io::stderr().is_terminal())
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.clear();
        }
    }
}

/// Bytes in a second.
fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let milliseconds = elapsed.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / milliseconds).unwrap_or(u64::MAX)
}

/// An input that is watched while it is read.
#[derive(Debug)]
pub struct Watched<R> {
    input: R,
    at: u64,
    meter: Mutex<Meter>,
    /// Who may stop it.
    caller: Option<Arc<Caller>>,
}

impl<R> Watched<R> {
    /// Watches an input of which `total` bytes are expected. `name` must be fit to print.
    pub fn new(input: R, name: String, total: Option<u64>, when: When) -> Self {
        let meter = Mutex::new(Meter::new(name, total, when));
        Self { input, at: 0, meter, caller: Caller::of_thread() }
    }

    /// Returns the input.
    pub fn get(&self) -> &R {
        &self.input
    }

    /// Returns the input, to be read unwatched.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Returns the input itself.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn go_on(&self) -> io::Result<()> {
        self.caller.as_ref().map_or(Ok(()), |caller| caller.go_on())
    }

    fn reached(&self, at: u64) {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).reached(at);
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        let n = self.input.read(buf)?;
        self.at += n as u64;
        self.reached(self.at);
        Ok(n)
    }
}

impl<R: ReadAt> ReadAt for Watched<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.go_on()?;
        let n = self.input.read_at(buffer, offset)?;
        self.reached(offset.saturating_add(n as u64));
        Ok(n)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Only differences count: where an input stands at first is its own matter.
        let before = self.input.stream_position()?;
        let after = self.input.seek(to)?;
        self.at = self.at.saturating_add(after).saturating_sub(before);
        Ok(after)
    }
}
