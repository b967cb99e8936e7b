//! `redis-check-aof [--fix | --truncate-to-timestamp N] FILE`, where the file is one append-only file or a manifest.
//!
//! A cut is made in place, after the tool's own question, but what it takes away is saved beside the file first, or beside
//! the folder of a set. It is refused where another process has the file open for writing, or the file was written to since
//! it was read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use redis_persistence::aof::dir::Disk;
use redis_persistence::aof::official::{Cut, Request, Task, check, timestamp_argument};
use redis_persistence::official::{Images, Line};
use redis_persistence::repair::{self, Applied, ApplyOptions, Plan, Step};

use super::output::Output;
use super::{Invocation, backup_dir, is_too_long, is_version_option, limits};
use crate::escape;

/// What the command line asks for.
enum Asked<'a> {
    Do(Task, &'a OsStr),
    Version,
    BadTimestamp,
    TooLong,
    Nonsense,
}

/// Is the tool; answers its exit code.
pub(super) fn run(invocation: &Invocation) -> u8 {
    let mut output = Output::new();
    let exit = match asked(invocation) {
        Asked::Do(task, file) => work(invocation, task, Path::new(file), &mut output),
        Asked::Version => {
            output.text(&invocation.name.version());
            0
        }
        Asked::BadTimestamp => {
            output.text("Invalid timestamp, aborting...");
            1
        }
        Asked::TooLong => {
            output.text("Error: filepath is too long (exceeds PATH_MAX)");
            usage(invocation, &mut output);
            1
        }
        Asked::Nonsense => {
            usage(invocation, &mut output);
            1
        }
    };
    output.flush();
    exit
}

fn usage(invocation: &Invocation, output: &mut Output) {
    let options = b" [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";
    output.line(Line::Out(&[b"Usage: ", invocation.program.as_encoded_bytes(), options].concat()));
}

fn asked(invocation: &Invocation) -> Asked<'_> {
    let (task, file) = match &invocation.arguments[..] {
        [option] if is_version_option(option) => return Asked::Version,
        [file] => (Task::Check, file),
        [option, file] if option == "--fix" => (Task::Fix, file),
        [option, time, file] if option == "--truncate-to-timestamp" => {
            match timestamp_argument(time.as_encoded_bytes()) {
                Some(time) => (Task::TruncateToTimestamp(time), file),
                None => return Asked::BadTimestamp,
            }
        }
        _ => return Asked::Nonsense,
    };
    if is_too_long(file) { Asked::TooLong } else { Asked::Do(task, file) }
}

fn work(invocation: &Invocation, task: Task, path: &Path, output: &mut Output) -> u8 {
    let tool = invocation.name.family;
    let mut images = Images { tool, now_ms: crate::units::now_ms(), limits: limits() };
    let request = Request { tool, task, path };
    let outcome = check(&request, &mut Disk, &mut images, &mut |line| output.line(line));
    let Some(cut) = outcome.cut else { return outcome.exit };
    if let Some(question) = cut.question {
        // Who cannot see the question has not answered it.
        if !output.prompt(question) || !is_yes() {
            output.text(cut.declined);
            return 1;
        }
    }
    match make(&cut, cut.path != path) {
        Ok(applied) => {
            for line in &cut.done {
                output.line(Line::Out(line));
            }
            for saved in &applied.saved {
                let saved = escape::plain(saved.as_os_str().as_encoded_bytes());
                output.text(&format!("What was cut off is saved in {saved}"));
            }
            outcome.exit
        }
        Err(why) => {
            output.line(Line::Out(&cut.failed));
            output.say(invocation.name, &why);
            1
        }
    }
}

/// Reads the answer from standard input, as far as the tool looks at it.
fn is_yes() -> bool {
    let mut first = [0];
    io::stdin().lock().read_exact(&mut first).is_ok() && matches!(first, [b'y' | b'Y'])
}

/// Saves what a cut takes away, and makes it.
fn make(cut: &Cut, in_a_set: bool) -> Result<Applied, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut file = File::open(&cut.path).map_err(|error| text(&error))?;
    let step =
        repair::Cut::new(&cut.path, &mut file, cut.to, "as the official tool does").map_err(|error| text(&error))?;
    if step.from() != cut.from {
        return Err(format!("{} is not as it was when it was read: its size changed", cut.path.display()));
    }
    let plan = Plan { steps: vec![Step::Cut(step)], backup_dir: backup_dir(&cut.path, in_a_set), ..Plan::default() };
    repair::apply(&plan, &ApplyOptions::default(), &mut |_| {}).map_err(|error| text(&error))
}
