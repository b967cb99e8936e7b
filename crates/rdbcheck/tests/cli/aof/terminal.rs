//! The question, on a terminal.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::Copy;
use crate::TestResult;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const QUESTION: &str = "Apply this plan? [y/N] ";

/// A command whose standard input and error are a terminal.
pub(super) struct OnTerminal {
    terminal: File,
    /// What appeared on it so far, with what was typed.
    pub(super) seen: String,
    child: Child,
}

impl OnTerminal {
    /// Starts the command above the set.
    pub(super) fn start(copy: &Copy, args: &[&str]) -> Result<Self> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let name = ptsname(&terminal, Vec::new())?;
        let name = std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned();
        let side = || openat(CWD, &name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        let child = Command::new(env!("CARGO_BIN_EXE_aofcheck"))
            .current_dir(copy.folder())
            .args(args)
            .stdin(Stdio::from(side()?))
            .stderr(Stdio::from(side()?))
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { terminal: File::from(terminal), seen: String::new(), child })
    }

    /// Waits until a text appears.
    pub(super) fn wait_for(&mut self, text: &str) -> TestResult {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.terminal.read(&mut buffer)?;
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        Ok(())
    }

    pub(super) fn type_in(&mut self, text: &[u8]) -> TestResult {
        Ok(self.terminal.write_all(text)?)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and gives what it printed on standard output too.
    pub(super) fn end(mut self) -> Result<(ExitStatus, String)> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let output = self.child.wait_with_output()?;
        Ok((output.status, String::from_utf8(output.stdout)?))
    }
}

#[test]
fn yes_is_yes_and_anything_else_is_no() -> TestResult {
    for (typed, code) in [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("yes please\n", 1), ("\u{4}", 1)] {
        let copy = Copy::of("cases/m005-trunc-last")?;
        let mut run = OnTerminal::start(&copy, &["--fix", "set"])?;
        run.wait_for(QUESTION)?;
        // Standard output is no terminal here: the plan is shown where the question is.
        assert!(run.seen.contains("Plan:\r\n  cut set/appendonlydir/"), "{}", run.seen);
        run.type_in(typed.as_bytes())?;
        if code == 1 {
            run.wait_for("set: nothing was changed: it was declined")?;
        }
        let (status, out) = run.end()?;
        assert_eq!((status.code(), copy.is_untouched()?), (Some(code), code == 1), "{typed:?}: {out}");
        assert_eq!(out.ends_with("\nset: sound\n"), code == 0, "{out}");
    }
    Ok(())
}

#[test]
fn an_interrupt_changes_nothing() -> TestResult {
    #[cfg(target_os = "linux")]
    crate::interrupts_arrive()?;
    let copy = Copy::of("cases/m005-trunc-last")?;
    let mut run = OnTerminal::start(&copy, &["--fix", "set"])?;
    run.wait_for(QUESTION)?;
    kill_process(Pid::from_raw(i32::try_from(run.id())?).ok_or("no pid")?, Signal::INT)?;
    let (status, _) = run.end()?;
    // A shell shows this as 130.
    assert_eq!(status.signal(), Some(2));
    assert!(copy.is_untouched()?);
    Ok(())
}

/// What is not to be done at all is not asked about.
#[test]
fn no_needless_question() -> TestResult {
    for (name, args) in [
        ("sets/redis-7.0-custom-name", &["--fix", "set"][..]),
        ("cases/m051-rdb-base-crc", &["--fix", "set"]),
        ("cases/m005-trunc-last", &["--fix", "--max-loss", "1", "set"]),
        ("cases/m005-trunc-last", &["--fix", "--dry-run", "set"]),
    ] {
        let copy = Copy::of(name)?;
        let mut run = OnTerminal::start(&copy, args)?;
        run.type_in(b"y\n")?;
        let (_, out) = run.end()?;
        assert!(!out.contains("[y/N]") && copy.is_untouched()?, "{out}");
    }
    Ok(())
}

#[test]
fn taking_back_is_asked_about() -> TestResult {
    let copy = Copy::of("cases/m005-trunc-last")?;
    assert_eq!(copy.run(&["--fix", "--yes", "set"])?.code, Some(0));
    let record = copy.ending(".undo")?;
    for (typed, back) in [("n\n", false), ("y\n", true)] {
        let mut run = OnTerminal::start(&copy, &["--undo", &record.to_string_lossy()])?;
        run.wait_for("Take this back? [y/N] ")?;
        run.type_in(typed.as_bytes())?;
        if !back {
            run.wait_for("it was declined")?;
        }
        assert_eq!(run.end()?.0.success(), back);
        let file = copy.file("appendonlydir/appendonly.aof.2.incr.aof");
        assert_eq!(copy.before.get(&file) == Some(&fs::read(&file)?), back);
    }
    Ok(())
}
