//! Restore drills: a server is started on a copy of the data, in a private folder, and asked whether it holds what the file holds.
//!
//! ```text
//! verify -> does it fit? -> Stage: folder, watcher -> copy -> server -> compare -> stop -> Drill
//!                              └ folder.rs  watcher.rs      server.rs   compare.rs, samples.rs, client.rs
//! ```
//! The data are read, and copied; a server never gets them themselves, nor a link to them. It has no port, no configuration but harmless
//! settings, and writes to its folder. An append-only file could have it do otherwise, for a server runs the commands of one as its own: so
//! none is started on a file with a command that acts on the server (`aof-dangerous-command`).

mod aof;
mod client;
mod compare;
mod folder;
mod samples;
mod server;
mod settings;
mod watcher;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis_persistence::verify::stats::{Estimate, StatsOptions};
use redis_persistence::verify::{self, Options, Report, Verdict};
use redis_persistence::{ReadError, seal};

pub(crate) use aof::{aof, digest_of_aof};
pub(crate) use compare::Counted;
use compare::{Compared, Comparison};
pub(crate) use server::{Down, Took};
use server::{Limits, Stage, Up};
use settings::Release;
pub(crate) use settings::harmless;
pub(crate) use watcher::{VERB as UNDER, main as under};

use crate::console::reason;
use crate::exit::Exit;
use crate::input::open;
use crate::input::packed_input::{self, How, copy_into};
use crate::stores;
use crate::units::{now_ms, size};

/// What a server itself takes, beyond its data.
const EMPTY_SERVER: u64 = 24 << 20;

/// How a drill is to be made.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) server: PathBuf,
    /// Where the private folder is made.
    pub(crate) dir: PathBuf,
    /// Settings, of those that are harmless.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    /// How much memory the server may take; otherwise nine tenths of what is available.
    pub(crate) memory: Option<u64>,
    /// How many values are compared one by one.
    pub(crate) samples: u64,
    pub(crate) threads: Option<NonZero<usize>>,
    pub(crate) how: How,
}

/// What was tested, and what came of it.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
}

/// What came of a test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Held(String),
    Failed(String),
    /// It was not made, for this reason.
    Untested(String),
}

/// What came of a drill.
#[derive(Debug)]
pub(crate) struct Drill {
    /// Which server it was.
    pub(crate) release: String,
    /// The verdict of the check on the data.
    pub(crate) verdict: Verdict,
    /// The bytes of what was copied.
    pub(crate) size: u64,
    pub(crate) estimate: Option<Estimate>,
    pub(crate) memory_limit: u64,
    pub(crate) timeout: Duration,
    /// Why it did not come up.
    pub(crate) down: Option<Down>,
    pub(crate) took: Took,
    pub(crate) databases: BTreeMap<u64, Counted>,
    pub(crate) debug_digest: Option<String>,
    pub(crate) tests: Vec<Test>,
    /// The last lines that the server printed, where it did not come up.
    pub(crate) log: Vec<String>,
}

/// What no drill tests.
pub(crate) const NEVER_TESTED: &str =
    "the configuration of your server, its modules and users, replication, a cluster, the load of clients";

impl Drill {
    /// Returns what it means for the exit code.
    pub(crate) fn exit(&self) -> Exit {
        let any = |is: fn(&Outcome) -> bool| self.tests.iter().any(|test| is(&test.outcome));
        if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            return Exit::Damaged;
        }
        // That it comes up is no comparison. What a damaged file ought to hold, nobody knows.
        let compared = self.tests.iter().filter(|test| !matches!(test.name, COMES_UP | STOPS));
        let held = compared.into_iter().any(|test| matches!(test.outcome, Outcome::Held(_)));
        if held || self.verdict == Verdict::Sound { Exit::Sound } else { Exit::Unknown }
    }
}

pub(crate) const COMES_UP: &str = "it comes up";
const STOPS: &str = "it stops when asked";

/// Why there was no drill.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDrill {
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0}")]
    Refused(String),
}

/// Starts a server on an RDB, and compares.
pub(crate) fn rdb(path: &Path, wish: &Wish) -> Result<Drill, NoDrill> {
    if open::is_stream(path) {
        return Err(NoDrill::Refused("it can be read once, and has to be read more than once: use a file".to_owned()));
    }
    let stored = packed_input::open(path, wish.how)?;
    if stored.is_tar {
        return Err(NoDrill::Refused("it is a tar: unpack it first".to_owned()));
    }
    if stored.packing.is_none() && !stores::is_remote(path) {
        let source = open::open(path)?.into_file()?;
        let before = seal::identity(&source)?;
        let (report, limits) = fits(&source, wish)?;
        let stage = stage(wish)?;
        let copied = copy(&source, &stage.path().join("dump.rdb"), &stage);
        let same = seal::identity(&source)? == before;
        return ended(stage, |stage| {
            copied?;
            if !same {
                return Err(NoDrill::Refused("it changed while it was read".to_owned()));
            }
            on_rdb(stage, &source, report, limits, wish)
        });
    }
    ended(stage(wish)?, |stage| {
        let to = stage.path().join("dump.rdb");
        let file = File::options().read(true).write(true).create_new(true).open(&to)?;
        let copy = copy_into(file, stage.path(), stored.content)?;
        if let Some(damage) = stored.damage.get() {
            return Err(NoDrill::Refused(damage.to_owned()));
        }
        let (report, limits) = fits(&copy, wish)?;
        on_rdb(stage, &copy, report, limits, wish)
    })
}

/// Does something on a stage, and ends that.
fn ended<T>(mut stage: Stage, with: impl FnOnce(&mut Stage) -> Result<T, NoDrill>) -> Result<T, NoDrill> {
    let result = with(&mut stage);
    let folder = stage.path().to_owned();
    if stage.end() {
        return result;
    }
    result.and_then(|_| Err(NoDrill::Refused(format!("the private folder {} could not be removed", folder.display()))))
}

fn stage(wish: &Wish) -> io::Result<Stage> {
    Stage::new(&wish.dir).map_err(|error| {
        let why = format!("no private folder in {} (--dir says where): {}", wish.dir.display(), reason(&error));
        io::Error::new(error.kind(), why)
    })
}

/// Returns the program to be run. A name without a folder is looked for where commands are, and nowhere else.
fn program(server: &Path) -> io::Result<OsString> {
    if server.components().count() == 1 && !server.is_absolute() {
        return Ok(server.as_os_str().to_owned());
    }
    Ok(std::path::absolute(server)?.into())
}

/// Verifies an RDB, and says whether a server on it fits into the limits.
fn fits(file: &File, wish: &Wish) -> Result<(Report, Limits), NoDrill> {
    let report = verify::file_at(file, &options(wish))?;
    let size = file.metadata()?.len();
    let limits = limits(report.stats.as_ref().map(|stats| &stats.estimate), 0, size, wish)?;
    Ok((report, limits))
}

fn options(wish: &Wish) -> Options {
    Options {
        stats: Some(StatsOptions::default()),
        threads: wish.threads,
        now_ms: Some(now_ms()),
        ..Options::default()
    }
}

/// Returns what the server may take, unless that is too little by the estimate.
fn limits(estimate: Option<&Estimate>, more: u64, bytes: u64, wish: &Wish) -> Result<Limits, NoDrill> {
    let available = available();
    let memory = wish.memory.or_else(|| available.map(|bytes| bytes / 10 * 9)).unwrap_or(u64::MAX);
    let needed = estimate.map_or(0, Estimate::memory_bytes).saturating_add(more).saturating_add(EMPTY_SERVER);
    if needed > memory {
        let which = if wish.memory.is_some() { "--memory allows" } else { "nine tenths of what is available are" };
        return Err(NoDrill::Refused(format!(
            "no server was started: it would take about {} of memory, and {which} {}",
            size(needed),
            size(memory)
        )));
    }
    // What it writes is a log, and what a digest has it save.
    let file = bytes.saturating_mul(2).saturating_add(256 << 20);
    Ok(Limits { memory, timeout: wish.timeout, file })
}

/// Returns how much memory can be had, where the system tells.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    // A container may have less.
    let number = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse::<u64>().ok();
    let group = number("memory.max").map(|most| most.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(group.map_or(machine, |group| machine.min(group)))
}

/// Copies a file, by sharing its blocks where the file system can do that. A link to it would be no copy: a server could write there.
fn copy(from: &File, to: &Path, stage: &Stage) -> io::Result<()> {
    let mut copy = File::options().write(true).create_new(true).open(to)?;
    if rustix::fs::ioctl_ficlone(&copy, from).is_ok() {
        return Ok(());
    }
    stage.folder().has_room_for(from.metadata()?.len())?;
    let mut from = from.try_clone()?;
    from.rewind()?;
    io::copy(&mut from, &mut copy).map(drop)
}

/// Starts a server on an RDB that lies in the folder.
fn on_rdb(stage: &mut Stage, file: &File, report: Report, limits: Limits, wish: &Wish) -> Result<Drill, NoDrill> {
    let data = [("appendonly", OsString::from("no")), ("dbfilename", "dump.rdb".into())];
    let started = now_ms();
    let keys = report.counts.keys;
    let release = &release(stage, wish)?;
    drilled(stage, &data, &report, limits, wish, release, |up| {
        let (samples, threads, functions) = (wish.samples, wish.threads, report.counts.functions);
        let compared = Compared { file, release, started, samples, keys, functions, threads };
        compared.run(&mut up.client).or_else(|error| match error {
            // What we cannot read ourselves cannot be compared.
            ReadError::Parse(error) => {
                let why = format!("the check cannot read it to its end: {error}");
                let databases = compare::databases(&mut up.client)?;
                Ok(uncompared(databases, compare::debug_digest(&mut up.client)?, &why))
            }
            ReadError::Io(error) => Err(error.into()),
        })
    })
}

/// What is known of a server whose data cannot be compared with anything.
fn uncompared(databases: BTreeMap<u64, u64>, digest: Result<String, String>, why: &str) -> Comparison {
    let databases = databases.into_iter().map(|(db, server)| (db, Counted { server, ..Counted::default() })).collect();
    let tests = ["keys of each database", "DEBUG DIGEST", "sampled values"]
        .map(|name| Test { name, outcome: Outcome::Untested(why.to_owned()) });
    Comparison { databases, debug_digest: digest.ok(), tests: tests.into() }
}

fn drilled(
    stage: &mut Stage,
    data: &[(&str, OsString)],
    report: &Report,
    limits: Limits,
    wish: &Wish,
    release: &Release,
    compare: impl FnOnce(&mut Up) -> Result<Comparison, ReadError>,
) -> Result<Drill, NoDrill> {
    let arguments = server::arguments(release, data, &wish.settings);
    let mut drill = Drill {
        release: release.name.clone(),
        verdict: report.verdict,
        size: report.size,
        estimate: report.stats.as_ref().map(|stats| stats.estimate),
        memory_limit: limits.memory,
        timeout: limits.timeout,
        down: None,
        took: Took::default(),
        databases: BTreeMap::new(),
        debug_digest: None,
        tests: Vec::new(),
        log: Vec::new(),
    };
    let mut up = match stage.start(&program(&wish.server)?, &arguments, limits)? {
        Ok(up) => up,
        Err(down) => {
            let outcome = Outcome::Failed(down.text(limits));
            drill.tests.push(Test { name: COMES_UP, outcome });
            drill.log = stage.log();
            drill.down = Some(down);
            return Ok(drill);
        }
    };
    drill.tests.push(Test { name: COMES_UP, outcome: Outcome::Held("it answers, and has loaded".to_owned()) });
    match compare(&mut up) {
        Ok(compared) => {
            drill.databases = compared.databases;
            drill.debug_digest = compared.debug_digest;
            drill.tests.extend(compared.tests);
        }
        Err(error) => {
            let outcome = Outcome::Failed(format!("the server did not answer: {}", reason(&io::Error::other(error))));
            drill.tests.push(Test { name: "it answers", outcome });
            drill.log = stage.log();
        }
    }
    up.measure();
    drill.took = up.took;
    let outcome = match stage.stop(up)? {
        true => Outcome::Held("by SHUTDOWN NOSAVE".to_owned()),
        false => Outcome::Failed("it did not end by SHUTDOWN NOSAVE, and was killed".to_owned()),
    };
    drill.tests.push(Test { name: STOPS, outcome });
    Ok(drill)
}

fn release(stage: &mut Stage, wish: &Wish) -> Result<Release, NoDrill> {
    let program = program(&wish.server)?;
    stage.release(&program).map_err(|error| NoDrill::Refused(format!("{}: {}", wish.server.display(), reason(&error))))
}

impl Down {
    fn text(&self, limits: Limits) -> String {
        match self {
            Self::Refused(code) => format!("the server refused it, with exit code {code}"),
            Self::Crashed(Some(signal)) => format!("the server crashed, by signal {signal}"),
            Self::Crashed(None) => "the server crashed".to_owned(),
            Self::Late => format!("the server was still loading after {} s, and was killed", limits.timeout.as_secs()),
            Self::TooLarge(bytes) => {
                format!(
                    "the server took {} of memory, and was killed: {} are allowed",
                    size(*bytes),
                    size(limits.memory)
                )
            }
        }
    }

    /// Returns the name that reports use.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Crashed(_) => "crashed",
            Self::Late => "timed-out",
            Self::TooLarge(_) => "out-of-memory",
        }
    }
}
