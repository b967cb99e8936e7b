//! One run of a server under a watcher: started, waited for, asked, stopped, and measured.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Knocking, Reply};
use super::folder::Folder;
use super::settings::{self, Release};
use super::watcher::{self, Bounds, Ended, Watcher};
use crate::escape;

/// The name of the socket, in the folder.
const SOCKET: &str = "s";
/// How often a server that loads is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long an answer of a server that loads is waited for between two looks at its memory.
const LOOK: Duration = Duration::from_millis(200);
/// How long a server may take to say its version, or to end.
const SOON: Duration = Duration::from_secs(20);
/// As much of what it prints is read.
const LOG: u64 = 64 << 10;
/// How many of its last lines are shown.
const LINES: usize = 12;

/// What a server may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Resident memory in bytes.
    pub(crate) memory: u64,
    /// Until it has loaded.
    pub(crate) timeout: Duration,
    /// The largest file that it may write.
    pub(crate) file: u64,
}

/// What a start took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Took {
    /// From the start to the first answer.
    pub(crate) load_ms: u64,
    /// Time of the processor until then.
    pub(crate) cpu_ms: Option<u64>,
    /// The most that was resident.
    pub(crate) resident: Option<u64>,
    /// The most that it allocated, as it says itself.
    pub(crate) used: Option<u64>,
}

/// Why a server did not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Down {
    /// It ended by itself.
    Refused(i32),
    /// A signal ended it, or it wrote a report of a crash.
    Crashed(Option<i32>),
    /// It was still loading when its time was over.
    Late,
    /// It took more memory than it may.
    TooLarge(u64),
}

/// A server that answers.
pub(crate) struct Up {
    pub(crate) client: Client,
    pid: u32,
    pub(crate) took: Took,
    socket: PathBuf,
    /// The socket is reached by way of it.
    _folder: File,
}

/// The watcher and its folder.
#[derive(Debug)]
pub(crate) struct Stage {
    // In this order: the watcher ends first.
    watcher: Watcher,
    folder: Folder,
}

impl Stage {
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let folder = Folder::new(dir)?;
        match Watcher::start(folder.path()) {
            Ok(watcher) => Ok(Self { watcher, folder }),
            Err(error) => {
                let _ = fs::remove_dir_all(folder.path());
                Err(error)
            }
        }
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Asks a server which it is.
    pub(crate) fn release(&mut self, server: &OsStr) -> io::Result<Release> {
        self.watcher.run(Bounds { address_space: None, file: LOG }, server, &["--version".into()])?;
        let ended = self.watcher.ended(SOON)?;
        if ended.is_none() {
            self.watcher.kill()?;
        }
        let text = String::from_utf8_lossy(&watcher::log(self.path(), LOG)).into_owned();
        match (ended, Release::of(&text)) {
            (Some(Ended::Exit(0)), Some(release)) => Ok(release),
            _ => {
                let said = last_lines(&text).join("; ");
                let said = if said.is_empty() { "nothing".to_owned() } else { said };
                Err(io::Error::other(format!("it is no server of Redis or Valkey: --version says {said}")))
            }
        }
    }

    /// Starts a server on what lies in the folder, and waits until it has loaded that.
    pub(crate) fn start(
        &mut self,
        server: &OsStr,
        arguments: &[OsString],
        limits: Limits,
    ) -> io::Result<Result<Up, Down>> {
        // The address space is more than what is resident, in ways that depend on the allocator: this is for what grows fast.
        let address_space = limits.memory.saturating_mul(2).saturating_add(4 << 30);
        let begun = Instant::now();
        let bounds = Bounds { address_space: Some(address_space), file: limits.file };
        let pid = self.watcher.run(bounds, server, arguments)?;
        // A path to a socket may have no more than 107 bytes.
        let handle = File::open(self.path())?;
        let socket = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()));
        let mut knocking = Knocking::at(&socket);
        let mut resident = None;
        loop {
            if let Some(ended) = self.watcher.ended(Duration::ZERO)? {
                let crashed = self.raw_log().windows(16).any(|text| text == b"BUG REPORT START");
                return Ok(Err(match ended {
                    Ended::Exit(code) if !crashed => Down::Refused(code),
                    Ended::Exit(_) => Down::Crashed(None),
                    Ended::Signal(signal) => Down::Crashed(Some(signal)),
                }));
            }
            resident = status(pid, "VmHWM").or(resident);
            if let Some(over) = status(pid, "VmRSS").filter(|now| *now > limits.memory) {
                self.watcher.kill()?;
                return Ok(Err(Down::TooLarge(over)));
            }
            let left = limits.timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                self.watcher.kill()?;
                return Ok(Err(Down::Late));
            }
            // A server that loads answers now and then. Its memory is looked at meanwhile.
            if let Some(client) = knocking.answered(left.min(LOOK))? {
                let mut up = Up { client, pid, took: Took::default(), socket, _folder: handle };
                up.took.load_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                up.took.cpu_ms = cpu_ms(pid);
                up.took.resident = status(pid, "VmHWM").or(resident);
                // What follows is no part of the load.
                up.client.wait_no_longer_than(limits.timeout);
                return Ok(Ok(up));
            }
            thread::sleep(POLL);
        }
    }

    /// Stops a server. Returns whether it ended by itself, as it was asked to.
    pub(crate) fn stop(&mut self, up: Up) -> io::Result<bool> {
        let client = if up.client.has_failed() { Knocking::at(&up.socket).answered(SOON)? } else { Some(up.client) };
        // It answers nothing where it obeys.
        let asked = client.is_some_and(|mut client| {
            client.wait_no_longer_than(SOON);
            !client.command(&["SHUTDOWN", "NOSAVE"]).is_ok_and(|reply| matches!(reply, Reply::Error(_)))
        });
        let ended = if asked { self.watcher.ended(SOON)? } else { None };
        if ended.is_none() {
            self.watcher.kill()?;
        }
        Ok(ended == Some(Ended::Exit(0)))
    }

    /// Returns the last lines that the server printed.
    pub(crate) fn log(&self) -> Vec<String> {
        last_lines(&String::from_utf8_lossy(&self.raw_log()))
    }

    fn raw_log(&self) -> Vec<u8> {
        watcher::log(self.path(), LOG)
    }

    /// Ends everything and removes the folder. Returns whether that is gone.
    pub(crate) fn end(self) -> bool {
        let Self { watcher, folder } = self;
        drop(watcher);
        let path = folder.path().to_owned();
        drop(folder);
        if path.exists() {
            let _ = fs::remove_dir_all(&path);
        }
        !path.exists()
    }
}

impl Up {
    /// Takes the measures that are only there in the end.
    pub(crate) fn measure(&mut self) {
        self.took.resident = status(self.pid, "VmHWM").or(self.took.resident);
        let used = self.client.info("memory").ok().and_then(|of| of.get("used_memory_peak")?.trim().parse().ok());
        self.took.used = used;
    }
}

/// Returns the arguments for a server that finds its data in the folder.
pub(crate) fn arguments(release: &Release, data: &[(&str, OsString)], added: &[(String, String)]) -> Vec<OsString> {
    settings::arguments(release, SOCKET, data, added)
}

/// Returns a number of bytes out of the status of a process.
fn status(pid: u32, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns how long a process used a processor, in milliseconds.
fn cpu_ms(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; user and system time stand eleven fields behind it.
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()?.checked_add(fields.get(12)?.parse().ok()?)?;
    ticks.checked_mul(1000)?.checked_div(rustix::param::clock_ticks_per_second())
}

/// Returns the last lines of a log that say something, fit to print.
fn last_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.bytes().any(|byte| byte.is_ascii_alphanumeric()));
    let mut lines: Vec<_> = lines.rev().take(LINES).map(|line| escape::plain(line.as_bytes())).collect();
    lines.reverse();
    lines
}
