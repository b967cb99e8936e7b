//! What is done with the inputs of a run: those that are small are checked side by side, one on each thread; one that is large has
//! all threads, when its turn comes. What is printed is what a check of one after the other prints.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::names::Names;
use super::side::{self, Bounds};
use crate::args::Common;
use crate::console::{not_written, reason, say};
use crate::exit::Exit;
use crate::input::open::SMALL;
use crate::outcome::baseline::Baseline;
use crate::outcome::{Entry, Show, Told, UndoOutcome};
use crate::progress::{Meter, When};
use crate::render::{Form, Kept, Output};

/// The reports of a run, and the exit so far.
#[derive(Debug)]
pub(crate) struct Run {
    tool: &'static str,
    output: Output,
    exit: Exit,
    /// Since when it works on the input that it has.
    since: Instant,
}

impl Run {
    pub(crate) fn new(tool: &'static str, common: &Common) -> Self {
        Self { tool, output: Output::new(tool, common), exit: Exit::Sound, since: Instant::now() }
    }

    /// Prints what is left to print, and returns the exit of all, and of that.
    pub(crate) fn end(self, exit: Exit) -> Exit {
        let exit = self.exit.and(exit);
        match self.output.finish() {
            Ok(()) => exit,
            Err(error) => exit.and(not_written(self.tool, &error)),
        }
    }

    /// Says that the list of inputs is of no use.
    fn list_failed(&mut self, common: &Common, why: &str) {
        let list = common.files_from.as_deref().unwrap_or(Path::new("-"));
        say(self.tool, &format!("{}: {why}", list.display()));
        self.exit = self.exit.and(Exit::Unreadable);
    }

    /// Shows and takes what was rendered of an input.
    fn rendered(&mut self, done: Done) {
        if let Some(line) = &done.line {
            say(self.tool, line);
        }
        self.output.print(done.shown);
        self.exit = self.exit.and(done.exit);
        self.output.keep_rendered(done.kept);
    }
}

impl Show for Run {
    fn checked(&mut self, entry: &Entry) {
        if let Some(line) = self.output.form().line(entry) {
            say(self.tool, &line);
        }
        self.output.show(entry);
    }

    fn checked_again(&mut self, entry: &Entry) {
        if entry.is_sound() {
            self.output.verdict(entry);
        } else {
            self.output.show(entry);
        }
    }

    fn take(&mut self, mut entry: Entry) {
        entry.took = Some(self.since.elapsed());
        // Once it was shown: a tar can hold thousands.
        self.exit = self.exit.and(entry.exit());
        self.output.keep(entry);
    }

    fn done(&mut self, mut entry: Entry) {
        entry.took = Some(self.since.elapsed());
        // A tar holds many.
        self.since = Instant::now();
        self.rendered(Done::of(self.output.form(), entry));
    }

    fn tell(&mut self, told: &Told<'_>) -> bool {
        self.output.tell(told)
    }

    fn tell_before_change(&mut self, told: &Told<'_>, asks: bool) {
        let shown = self.output.tell(told);
        if !shown || asks && !self.output.is_terminal() {
            let mut error = io::stderr();
            // Nobody is left to show it to who closed standard error.
            let _ = self.output.form().told(told).iter().try_for_each(|line| writeln!(error, "{line}"));
        }
    }

    fn undone(&mut self, record: PathBuf, outcome: UndoOutcome) {
        self.output.keep_undone(&record, outcome);
    }

    fn leave_standard_output(&mut self) {
        self.output.leave_standard_output();
    }
}

/// What came of an input, rendered: what is left to do with it takes no time.
#[derive(Debug)]
struct Done {
    /// For standard error.
    line: Option<String>,
    shown: Option<String>,
    kept: io::Result<Kept>,
    exit: Exit,
    /// About how much it holds.
    weight: usize,
}

impl Done {
    fn of(form: Form, entry: Entry) -> Self {
        let (line, shown, exit) = (form.line(&entry), form.shown(&entry), entry.exit());
        let kept = form.kept(entry);
        let weight = match &kept {
            Ok(Kept::Part(part)) => part.len(),
            Ok(Kept::Entry(entry)) => {
                let findings = entry.outcome.as_ref().map_or(0, |report| report.findings.len());
                1024 * (1 + findings)
            }
            _ => 0,
        };
        Self { weight: weight + shown.as_ref().map_or(0, String::len), line, shown, kept, exit }
    }
}

/// The inputs of a run, beside those of a list.
pub(crate) struct Paths<'a> {
    pub(crate) tool: &'static str,
    pub(crate) common: &'a Common,
    pub(crate) paths: &'a [PathBuf],
    /// Whether those that are small may be checked side by side: nothing else is to be done with them.
    pub(crate) alone: bool,
}

/// Fewer inputs are not worth another thread.
const FEW: usize = 8;
/// The most that may have been rendered of inputs whose turn has not come.
const RENDERED: usize = 16 << 20;

/// Runs `each` on every input, which tells what came of it and of what lies in it, and returns the combined exit. What is small is
/// checked by `alone`, which returns `None` if the input is not small: then it has all threads, when its turn comes.
pub(crate) fn inputs(
    paths: &Paths<'_>,
    alone: impl Fn(&Path, u64) -> Option<Entry> + Sync,
    mut each: impl FnMut(&Path, &mut dyn Show),
) -> Exit {
    let Paths { tool, common, paths, alone: may } = *paths;
    let mut run = Run::new(tool, common);
    match common.baseline.as_deref().map(|path| Baseline::read(path).map_err(|error| (path, error))).transpose() {
        Ok(baseline) => run.output.compare(baseline),
        Err((path, error)) => {
            say(tool, &format!("{}: {}", path.display(), reason(&error)));
            return Exit::Unreadable;
        }
    }
    let names = match Names::new(paths, common.files_from.as_deref(), common.null) {
        Ok(names) => names,
        Err(error) => {
            run.list_failed(common, &reason(&error));
            return run.end(Exit::Sound);
        }
    };
    let count = names.known();
    let most = count.map_or(usize::MAX, |count| count / FEW);
    let threads = if may && most >= 2 { common.threads().min(most) } else { 1 };
    let (form, limit) = (run.output.form(), limit(common, threads));
    let mut meter =
        Meter::of_inputs(tool, count, if run.output.goes_by(count) { When::Never } else { common.progress });
    let check = |path: io::Result<PathBuf>| {
        let since = Instant::now();
        let done = path.as_deref().ok().filter(|_| may).and_then(|path| alone(path, limit));
        let done = done.map(|entry| Done::of(form, Entry { took: Some(since.elapsed()), ..entry }));
        let weight = done.as_ref().map_or(0, |done| done.weight);
        ((path, done), weight)
    };
    let mut number = 0;
    side::in_order(names, Bounds { threads, weight: RENDERED }, check, |(path, done)| {
        match (path, done) {
            (_, Some(done)) => {
                if done.line.is_some() {
                    meter.hide();
                }
                run.rendered(done);
            }
            (Ok(path), None) => {
                meter.hide();
                run.since = Instant::now();
                each(&path, &mut run);
            }
            (Err(error), None) => {
                meter.hide();
                run.list_failed(common, &reason(&error));
            }
        }
        number += 1;
        meter.reached(number);
    });
    drop(meter);
    if number == 0 && common.files_from.is_some() {
        // A search that found no backup is no night on which all were good.
        run.list_failed(common, "it names no input");
    }
    run.end(Exit::Sound)
}

/// Up to which size an input is checked on one thread: then all that go side by side take no more memory than one that has all.
fn limit(common: &Common, threads: usize) -> u64 {
    /// The tables of a file take less than so many times its size.
    const TABLES: usize = 4;
    /// Beyond that the other threads have more to give than to take.
    const MOST: u64 = 8 << 20;
    if threads < 2 {
        return SMALL;
    }
    let each = common.options().limits.duplicate_bytes / (TABLES * threads);
    (each as u64).clamp(SMALL, MOST)
}
