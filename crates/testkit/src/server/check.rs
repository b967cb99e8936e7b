//! The official check tools, run with a limit on their time: on some damaged files they never end.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Installed;
use super::verdict::signal;

/// Output past this many bytes is dropped, since a tool that never ends may never stop printing.
const OUTPUT_LIMIT: u64 = 16 << 20;

/// One of the two official tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckTool {
    /// `redis-check-rdb` or `valkey-check-rdb`.
    Rdb,
    /// `redis-check-aof` or `valkey-check-aof`.
    Aof,
}

/// How a check tool ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// Its exit status, if it ended by itself.
    pub exit: Option<i32>,
    /// The signal that ended it; 9 where it ran out of time.
    pub signal: Option<i32>,
    /// Whether it was killed because it ran out of time.
    pub timed_out: bool,
    /// Its standard output, at most the first 16 MiB.
    pub stdout: Vec<u8>,
    /// Its standard error, at most the first 16 MiB.
    pub stderr: Vec<u8>,
}

impl CheckRun {
    /// The standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a check tool with these arguments (options and the path), kills it after `limit`, and gives it no input: a
/// question gets no answer.
///
/// # Errors
///
/// When the tool cannot be started or watched.
pub fn check_tool<A: AsRef<OsStr>>(
    installed: &Installed,
    tool: CheckTool,
    arguments: &[A],
    limit: Duration,
) -> io::Result<CheckRun> {
    let program = match tool {
        CheckTool::Rdb => &installed.check_rdb,
        CheckTool::Aof => &installed.check_aof,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);

    let deadline = Instant::now() + limit;
    let mut timed_out = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            timed_out = true;
            child.kill()?;
            break child.wait()?;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let output = |reader: Option<thread::JoinHandle<Vec<u8>>>| reader.and_then(|reader| reader.join().ok());
    Ok(CheckRun {
        exit: status.code(),
        signal: signal(status),
        timed_out,
        stdout: output(stdout).unwrap_or_default(),
        stderr: output(stderr).unwrap_or_default(),
    })
}

fn collect(source: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut output = Vec::new();
        let mut limited = source.take(OUTPUT_LIMIT);
        // What came before an error is the output; the exit status tells the rest.
        if limited.read_to_end(&mut output).is_ok() {
            // Reading on keeps a tool that prints more from waiting on a full pipe.
            let _ = io::copy(&mut limited.into_inner(), &mut io::sink());
        }
        output
    })
}
