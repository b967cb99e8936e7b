//! One file, as the official tool goes through it.
//!
//! ```text
//! ok_up_to       where the last record begins that is not proven good; the outer MULTI inside a transaction
//! ok_up_to_line  where the tool stopped: 1 + the header lines and payloads it read, over all files
//! diff           size when opened - ok_up_to
//! ```

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::walk::{Problem, Walk};
use super::{Cut, Image, Preamble, Print, Run, Stop, Task, bytes_of, plain};
use crate::aof::dir::{Files, Opened};
use crate::aof::resp;
use crate::aof::{Annotation, Grammar, Reader};

/// A file to be checked.
#[derive(Debug)]
pub(super) struct Single {
    /// What the tool calls it.
    pub role: &'static str,
    /// Its name in the tool's lines.
    pub name: Vec<u8>,
    pub path: PathBuf,
    /// Whether it is the last one of its set: only that one is ever cut.
    pub last: bool,
    pub has_preamble: bool,
}

/// What the tool says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the tool's lines: the path of a single file, the bare name in a set.
    pub name: Vec<u8>,
    /// Its path.
    pub path: PathBuf,
    /// Its size when it was opened.
    pub size: u64,
    /// The offset at which the tool would cut.
    pub ok_up_to: u64,
    /// The line at which it stopped.
    pub ok_up_to_line: u64,
    /// The size less `ok_up_to`; negative if the file grew meanwhile.
    pub diff: i64,
    /// Where the RDB image ends that the file begins with.
    pub preamble_end: Option<u64>,
    /// The verdict.
    pub verdict: FileVerdict,
    /// What the verdict rests on, where the tool says it.
    pub problem: Option<Problem>,
}

/// The tool's verdict on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileVerdict {
    /// Valid to its end.
    Valid,
    /// It has no bytes, which is valid.
    Empty,
    /// It is not valid from `ok_up_to` on.
    Invalid,
    /// It holds a timestamp greater than the one asked for, at `ok_up_to`.
    Later,
    /// The RDB image that it begins with is not sane.
    BadPreamble,
}

impl<F: Files> Run<'_, '_, F> {
    /// Checks one file and says so; what comes after it is not looked at unless this returns.
    pub(super) fn single(&mut self, single: &Single) -> Result<(), Stop> {
        let name = &single.name[..];
        let opened = match self.files.open(&single.path) {
            Ok(Opened::File { file, size }) => Ok((file, size)),
            Ok(Opened::Directory) => Err("Is a directory".to_owned()),
            Err(error) => Err(plain(&error)),
        };
        let (mut file, size) = opened.map_err(|reason| {
            self.say_of("Cannot open file ", bytes_of(&single.path), &format!(": {reason}, aborting..."));
            Stop::Exit(1)
        })?;
        let mut report = FileReport {
            name: single.name.clone(),
            path: single.path.clone(),
            size,
            ok_up_to: 0,
            ok_up_to_line: self.line,
            diff: 0,
            preamble_end: None,
            verdict: FileVerdict::Empty,
            problem: None,
        };
        if size == 0 {
            self.outcome.files.push(report);
            self.say_of(single.role, &[b" ", name].concat(), " is empty");
            return Ok(());
        }
        if single.has_preamble {
            let image = self.preamble(&single.path, &mut file).map_err(|error| self.unreadable(name, &error))?;
            let Image::EndsAt(end) = image else {
                report.verdict = FileVerdict::BadPreamble;
                self.outcome.files.push(report);
                if image == Image::NotSane {
                    self.say("RDB preamble of AOF file is not sane, aborting.");
                }
                return Err(Stop::Exit(1));
            };
            report.preamble_end = Some(end);
            self.say("RDB preamble is OK, proceeding with AOF tail...");
        }
        let start = report.preamble_end.unwrap_or(0);
        let (walk, later) = self.records(single, file, start).map_err(|error| self.unreadable(name, &error))??;
        self.line = walk.line;
        report.ok_up_to = walk.ok_up_to;
        report.ok_up_to_line = walk.line;
        report.diff = i64::try_from(i128::from(size) - i128::from(walk.ok_up_to)).unwrap_or(i64::MAX);
        report.problem = walk.problem;
        report.verdict = match report.diff {
            _ if later => FileVerdict::Later,
            1.. => FileVerdict::Invalid,
            _ => FileVerdict::Valid,
        };
        self.outcome.files.push(report.clone());
        self.conclude(single, &report)
    }

    fn unreadable(&mut self, name: &[u8], _: &io::Error) -> Stop {
        self.say_of("Failed to read from AOF ", name, ", aborting...");
        Stop::Exit(1)
    }

    fn preamble(&mut self, path: &std::path::Path, file: &mut F::File) -> io::Result<Image> {
        let preamble: &mut dyn Preamble = self.preamble;
        let print: &mut Print<'_> = self.print;
        preamble.check(path, file, print)
    }

    /// Returns the timestamp at which to cut, if that is the task.
    fn until(&self) -> Option<i64> {
        match self.request.task {
            Task::TruncateToTimestamp(time) if time != 0 => Some(time),
            _ => None,
        }
    }

    /// Walks over the records; the inner error is an end of the run that was announced already.
    fn records(&mut self, single: &Single, file: F::File, start: u64) -> io::Result<Result<(Walk, bool), Stop>> {
        let mut reader = Reader::at(file, Grammar::Tool, start)?;
        let mut walk = Walk::new(start, self.line);
        let mut later = false;
        let stopped =
            walk.run(&mut reader, bytes_of(&single.path), |annotation| match self.stamp(annotation, single) {
                Ok(false) => ControlFlow::Continue(()),
                Ok(true) => {
                    later = true;
                    ControlFlow::Break(None)
                }
                Err(stop) => ControlFlow::Break(Some(stop)),
            })?;
        if let Some(Some(stop)) = stopped {
            return Ok(Err(stop));
        }
        if matches!(walk.problem, Some(Problem::Format)) {
            self.say_of("AOF ", &single.name, " format error");
        }
        Ok(Ok((walk, later)))
    }

    /// Looks at an annotation if there is a time to cut at; true to cut before it.
    fn stamp(&mut self, annotation: &Annotation<'_>, single: &Single) -> Result<bool, Stop> {
        let Some(until) = self.until().filter(|_| annotation.is_timestamp()) else { return Ok(false) };
        let text = &annotation.bytes()[4..];
        let number = resp::strtol(text);
        if number.overflow || text.get(number.end) != Some(&b'\r') {
            self.say("Invalid timestamp annotation");
            return Err(Stop::Exit(1));
        }
        if number.value <= until {
            return Ok(false);
        }
        let start = annotation.start();
        if start == 0 {
            self.say_of("AOF ", bytes_of(&single.path), &format!(" has nothing before timestamp {until}, aborting..."));
            return Err(Stop::Exit(1));
        }
        if !single.last {
            let after = format!(" to timestamp {until} to offset {start} because it is not the last file.");
            self.say_of("Failed to truncate AOF ", bytes_of(&single.path), &after);
            self.say(&format!(
                "If you insist, please delete all files after this file according to the manifest file and delete the \
                 corresponding records in manifest file manually. Then re-run {}.",
                self.request.tool.name()
            ));
            return Err(Stop::Exit(1));
        }
        Ok(true)
    }

    /// Says what comes after the walk, and decides on the cut.
    fn conclude(&mut self, single: &Single, report: &FileReport) -> Result<(), Stop> {
        let name = &single.name[..];
        if report.verdict == FileVerdict::Later {
            let time = self.until().unwrap_or(0);
            return self.plan(single, report, None, &format!(" to timestamp {time}"));
        }
        if let Some(Problem::Record { offset, message }) = &report.problem {
            self.say_of(&format!("0x{offset:16x}: "), message, "");
        }
        let sound = report.verdict == FileVerdict::Valid;
        match self.until() {
            Some(time) if report.diff == 0 => {
                self.say_of("Truncate nothing in AOF ", name, &format!(" to timestamp {time}"));
            }
            _ => {
                let FileReport { size, ok_up_to, ok_up_to_line, diff, .. } = report;
                let numbers = format!(", size={size}, ok_up_to={ok_up_to}, ok_up_to_line={ok_up_to_line}, diff={diff}");
                self.say_of("AOF analyzed: filename=", name, &numbers);
            }
        }
        if sound {
            self.say_of(single.role, &[b" ", name].concat(), " is valid");
            return Ok(());
        }
        if self.request.task != Task::Fix {
            self.say_of("AOF ", name, " is not valid. Use the --fix option to try fixing it.");
            return Err(Stop::Exit(1));
        }
        if !single.last {
            self.say_of("Failed to truncate AOF ", name, " because it is not the last file");
            return Err(Stop::Exit(1));
        }
        if let Some(what) = self.precious(&single.path, report.ok_up_to) {
            self.say_of(
                "AOF ",
                name,
                &format!(" looks like {what}. Cutting it would destroy it, so it is left alone."),
            );
            return Err(Stop::Refused);
        }
        let FileReport { size, ok_up_to, diff, .. } = report;
        let numbers = format!(" from {size} bytes, with {diff} bytes, to {ok_up_to} bytes");
        self.say_of("This will shrink the AOF ", name, &numbers);
        self.plan(single, report, Some("Continue? [y/N]: "), "")
    }

    fn plan(
        &mut self,
        single: &Single,
        report: &FileReport,
        question: Option<&'static str>,
        suffix: &str,
    ) -> Result<(), Stop> {
        let name = &single.name[..];
        self.outcome.cut = Some(Cut {
            path: single.path.clone(),
            name: name.to_vec(),
            from: report.size,
            to: report.ok_up_to,
            question,
            declined: "Aborting...",
            done: vec![[b"Successfully truncated AOF ", name, suffix.as_bytes()].concat()],
            failed: [b"Failed to truncate AOF ", name, suffix.as_bytes()].concat(),
        });
        Ok(())
    }
}
