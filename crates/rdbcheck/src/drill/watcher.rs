//! Who starts the server, and sees to it that nothing is left of a drill, however the command ends.
//!
//! ```text
//! rdbcheck drill ──pipe──> watcher ──spawn──> server
//!      │                     │ stdin ends: the command is gone, or done     kill the server, remove the folder
//!      │                     └ killed itself: the server's death signal ends that; the next drill removes the folder
//!      └ killed by anything: the pipe ends
//! ```
//! The watcher is this program under the hidden verb `__under`, in a process group of its own, so that Ctrl-C at the terminal does not
//! reach it. The server is started by one more run of this program, which asks the kernel for a signal when the watcher dies, sets
//! limits, and then becomes the server: no code runs between fork and exec, so that none of it need be unsafe.
//!
//! On the pipe: a number of words, then the words, each followed by a zero byte. On the way back: lines.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group,
    set_parent_process_death_signal, setrlimit, waitid,
};

use super::folder;
use crate::console::reason;
use crate::exit::Exit;

/// The hidden verb.
pub(crate) const VERB: &str = "__under";
/// This program, whatever became of its file meanwhile.
const SELF: &str = "/proc/self/exe";
/// Where the server prints to, in the folder.
pub(crate) const LOG: &str = "log";
/// How long anything may take that takes no time.
const SOON: Duration = Duration::from_secs(20);

/// What the kernel holds a server to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Address space in bytes.
    pub(crate) address_space: Option<u64>,
    /// The largest file that it may write.
    pub(crate) file: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
}

/// The command's side of a watcher.
#[derive(Debug)]
pub(crate) struct Watcher {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Watcher {
    /// Starts the watcher of a folder, which removes that in the end.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let mut child = Command::new(SELF)
            .arg0("rdbcheck")
            .args([OsStr::new(VERB), OsStr::new("watch"), folder.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take();
        let (said, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::Builder::new().spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if said.send(line).is_err() {
                        return;
                    }
                }
            })?;
        }
        let watcher = Self { child, stdin, lines };
        match watcher.line(SOON)?.as_deref() {
            Some("ready") => Ok(watcher),
            other => {
                Err(io::Error::other(format!("the watcher did not start: {}", other.unwrap_or("it says nothing"))))
            }
        }
    }

    /// Starts a program in the folder, and returns its process id.
    pub(crate) fn run(&mut self, bounds: Bounds, program: &OsStr, args: &[OsString]) -> io::Result<u32> {
        let number = |n: u64| OsString::from(n.to_string());
        let mut words =
            vec![bounds.address_space.map_or_else(OsString::new, number), number(bounds.file), program.into()];
        words.extend_from_slice(args);
        let mut request = format!("{}\0", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(word.as_bytes());
            request.push(0);
        }
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(&request).and_then(|()| stdin.flush())?;
        let line = self.line(SOON)?.ok_or(io::ErrorKind::TimedOut)?;
        match line.split_once(' ') {
            Some(("started", pid)) => pid.parse().map_err(io::Error::other),
            Some((_, why)) => Err(io::Error::other(why.to_owned())),
            None => Err(io::Error::other(line)),
        }
    }

    /// Waits for the end of what was started, so long at most.
    pub(crate) fn ended(&mut self, within: Duration) -> io::Result<Option<Ended>> {
        let Some(line) = self.line(within)? else { return Ok(None) };
        let number = |text: &str| text.parse().map_err(io::Error::other);
        match line.split_once(' ') {
            Some(("exit", code)) => number(code).map(|code| Some(Ended::Exit(code))),
            Some(("signal", signal)) => number(signal).map(|signal| Some(Ended::Signal(signal))),
            _ => Err(io::Error::other(line)),
        }
    }

    /// Ends what was started, and waits for its end.
    pub(crate) fn kill(&mut self) -> io::Result<Option<Ended>> {
        if let Some(stdin) = &mut self.stdin {
            stdin.write_all(b"0\0").and_then(|()| stdin.flush())?;
        }
        self.ended(SOON)
    }

    fn line(&self, within: Duration) -> io::Result<Option<String>> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the watcher of the drill was ended")),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // That ends the server, if there is one, and the folder.
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// Runs the hidden verb.
pub(crate) fn main(words: &[OsString]) -> Exit {
    let done = match words {
        [role, folder] if role == "watch" => watch(Path::new(folder)),
        [role, parent, address_space, file, program, args @ ..] if role == "exec" => {
            become_server(parent, address_space, file, program, args)
        }
        _ => Err(io::Error::other("this is for the drill alone")),
    };
    match done {
        Ok(()) => Exit::Sound,
        Err(error) => {
            // This is the log of the drill.
            let _ = writeln!(io::stderr(), "{}", reason(&error));
            Exit::Unreadable
        }
    }
}

/// What runs.
#[derive(Debug, Default)]
struct Running {
    /// The process group, if there is one.
    group: Option<Pid>,
    /// Whether the command is gone, so that nothing may run any more.
    over: bool,
}

impl Running {
    fn of(shared: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts what the command asks for, until that is gone; then removes the folder.
fn watch(folder: &Path) -> io::Result<()> {
    let _lock = folder::hold(folder)?;
    // Who ends a service ends all its processes: this one has still to clean up. The pipe tells it when.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    say("ready");
    let running = Arc::new(Mutex::new(Running::default()));
    let (asked, requests) = channel();
    let listener = {
        let running = Arc::clone(&running);
        thread::Builder::new().spawn(move || {
            let mut stdin = BufReader::new(io::stdin());
            while let Ok(Some(words)) = request(&mut stdin) {
                if words.is_empty() {
                    Running::of(&running).kill();
                } else if asked.send(words).is_err() {
                    break;
                }
            }
            // Nothing may be started any more: the requests end with this.
            drop(asked);
            let mut running = Running::of(&running);
            running.over = true;
            running.kill();
        })?
    };
    // The death signal is tied to this thread, so that this one starts what it guards.
    for words in requests {
        match run(folder, &words, &running) {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => say(&format!("exit {code}")),
                (None, signal) => say(&format!("signal {}", signal.unwrap_or_default())),
            },
            Err(error) => say(&format!("failed {}", reason(&error))),
        }
    }
    let _ = listener.join();
    fs::remove_dir_all(folder)
}

/// Tells the command. Where that is gone, nobody has to be told.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Reads a request: its words, none for an end; `None` where the pipe ends.
fn request(from: &mut impl io::BufRead) -> io::Result<Option<Vec<OsString>>> {
    let mut word = || {
        let mut bytes = Vec::new();
        from.read_until(0, &mut bytes)?;
        Ok::<_, io::Error>(bytes.pop().filter(|last| *last == 0).map(|_| bytes))
    };
    let Some(count) = word()? else { return Ok(None) };
    let count: usize = String::from_utf8_lossy(&count).parse().map_err(io::Error::other)?;
    (0..count).map(|_| Ok(word()?.map(OsString::from_vec))).collect()
}

/// Runs a program to its end.
fn run(folder: &Path, words: &[OsString], running: &Mutex<Running>) -> io::Result<ExitStatus> {
    let log = File::create(folder.join(LOG))?;
    let own = getpid().as_raw_pid().to_string();
    let mut child = Command::new(SELF)
        .arg0("rdbcheck")
        .args([OsStr::new(VERB), OsStr::new("exec"), OsStr::new(&own)])
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    {
        let mut running = Running::of(running);
        running.group = Some(pid);
        if running.over {
            running.kill();
        }
    }
    say(&format!("started {}", pid.as_raw_pid()));
    // Until it is reaped its number is its own: only then can it be killed by that.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    // Whatever it started itself goes with it.
    let mut running = Running::of(running);
    running.kill();
    running.group = None;
    child.wait()
}

/// Becomes a program, which ends with the process that asked for it.
fn become_server(
    parent: &OsStr,
    address_space: &OsStr,
    file: &OsStr,
    program: &OsStr,
    args: &[OsString],
) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    let is_there = getppid().is_some_and(|pid| OsStr::new(&pid.as_raw_pid().to_string()) == parent);
    if !is_there {
        return Err(io::Error::other("nobody is there to watch"));
    }
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
    for (resource, most) in
        [(Resource::As, number(address_space)), (Resource::Fsize, number(file)), (Resource::Core, Some(0))]
    {
        if most.is_some() {
            setrlimit(resource, Rlimit { current: most, maximum: most })?;
        }
    }
    // Where memory runs out, this is what the kernel should end first. It is a wish.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    Err(Command::new(program).args(args).exec())
}

/// Returns the end of what the server printed.
pub(crate) fn log(folder: &Path, most: u64) -> Vec<u8> {
    let read = || {
        let mut file = File::open(folder.join(LOG))?;
        let size = file.metadata()?.len();
        io::Seek::seek(&mut file, io::SeekFrom::Start(size.saturating_sub(most)))?;
        let mut text = Vec::new();
        file.take(most).read_to_end(&mut text)?;
        Ok::<_, io::Error>(text)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_to_the_end_of_the_pipe() -> io::Result<()> {
        let mut pipe = &b"2\x00a b\x00\x000\x001\x00x"[..];
        assert_eq!(request(&mut pipe)?, Some(vec!["a b".into(), "".into()]));
        assert_eq!(request(&mut pipe)?, Some(Vec::new()));
        // A word without its end is none: whoever wrote it was killed.
        assert_eq!(request(&mut pipe)?, None);
        assert_eq!(request(&mut pipe)?, None);
        Ok(())
    }
}
