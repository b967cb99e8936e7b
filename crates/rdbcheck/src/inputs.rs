//! What is done with the inputs of a run: those that are small are checked side by side, one on each thread; one that is large has
//! all threads, when its turn comes. What is printed is what a check of one after the other prints.

use std::io;
use std::path::{Path, PathBuf};

use crate::args::Common;
use crate::entry::Entry;
use crate::exit::Exit;
use crate::open::SMALL;
use crate::progress::{Meter, When};
use crate::render::{Form, Kept, Output};
use crate::run::{end, line, say};
use crate::side::{self, Bounds};

/// What came of the inputs so far.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) output: Output,
    exit: Exit,
}

impl Run {
    /// Takes what came of an input, or of one file that lies in it, once it was shown: a tar can hold thousands.
    pub(crate) fn take(&mut self, entry: Entry) {
        self.exit = self.exit.and(entry.exit());
        self.output.keep(entry);
    }

    /// Shows and takes what came of an input with which nothing else is to be done.
    pub(crate) fn done(&mut self, done: Done) {
        if let Some(line) = &done.line {
            say(done.tool, line);
        }
        self.output.print(done.shown);
        self.exit = self.exit.and(done.exit);
        self.output.keep_rendered(done.kept);
    }
}

/// What came of an input, rendered: what is left to do with it takes no time.
#[derive(Debug)]
pub(crate) struct Done {
    tool: &'static str,
    /// For standard error.
    line: Option<String>,
    shown: Option<String>,
    kept: io::Result<Kept>,
    exit: Exit,
    /// About how much it holds.
    weight: usize,
}

impl Done {
    pub(crate) fn of(tool: &'static str, form: Form, entry: Entry) -> Self {
        let (line, shown, exit) = (line(form, &entry), form.shown(&entry), entry.exit());
        let kept = form.kept(entry);
        let weight = match &kept {
            Ok(Kept::Part(part)) => part.len(),
            Ok(Kept::Entry(entry)) => {
                let findings = entry.outcome.as_ref().map_or(0, |report| report.findings.len());
                1024 * (1 + findings)
            }
            _ => 0,
        };
        Self { tool, weight: weight + shown.as_ref().map_or(0, String::len), line, shown, kept, exit }
    }
}

/// The inputs of a run.
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

/// Does with each input what `each` does, which prints and takes what came of it and of what lies in it; gives the exit of all.
/// What is small is checked by `alone`, which answers nothing if the input is not so: then it has all threads, when its turn comes.
pub(crate) fn inputs(
    paths: &Paths<'_>,
    alone: impl Fn(&Path, u64) -> Option<Entry> + Sync,
    mut each: impl FnMut(&Path, &mut Run),
) -> Exit {
    let Paths { tool, common, paths, alone: may } = *paths;
    let mut run = Run { output: Output::new(tool, common), exit: Exit::Sound };
    let threads = if may && paths.len() >= 2 * FEW { common.threads().min(paths.len() / FEW) } else { 1 };
    let (form, limit) = (run.output.form(), limit(common, threads));
    let mut meter =
        Meter::of_inputs(tool, paths.len(), if run.output.goes_by() { When::Never } else { common.progress });
    let check = |number: usize| {
        let done = if may { alone(&paths[number], limit) } else { None };
        let done = done.map(|entry| Done::of(tool, form, entry));
        let weight = done.as_ref().map_or(0, |done| done.weight);
        (done, weight)
    };
    side::in_order(paths.len(), Bounds { threads, weight: RENDERED }, check, |number, done| {
        match done {
            Some(done) => {
                if done.line.is_some() {
                    meter.hide();
                }
                run.done(done);
            }
            None => {
                meter.hide();
                each(&paths[number], &mut run);
            }
        }
        meter.reached(number as u64 + 1);
    });
    drop(meter);
    end(tool, run.output, run.exit)
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
