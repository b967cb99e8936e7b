//! The tests: which there are, what each reaches, and runs of some of them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{Fault, tree::Binary};

/// KiB of address space, and blocks of 512 bytes in a file: a mutant may want more than there is.
const MEMORY: &str = "12000000";
const FILE: &str = "8000000";

/// A test, and what it did while no mutant was chosen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Test {
    /// Name of its executable.
    pub binary: String,
    /// Its own name.
    pub name: String,
    /// How long it took.
    pub millis: u64,
    /// It passed; what does not is of no use here.
    pub passed: bool,
    /// Mutants that it comes by.
    pub reached: BTreeSet<u32>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All passed.
    Passed,
    /// These failed.
    Failed(Vec<String>),
    /// The process ended before it could say which.
    Died,
    /// It took too long.
    Hung,
}

/// What to switch on.
#[derive(Clone, Copy, Debug)]
pub enum Switch<'a> {
    /// Nothing.
    Off,
    /// A mutant.
    On(u32),
    /// The record of what is reached.
    Record(&'a Path),
}

/// Runs tests, one process at a time, with a folder of its own for what they write.
#[derive(Debug)]
pub struct Runner {
    folder: PathBuf,
}

impl Runner {
    /// Makes the folder.
    pub fn new(number: usize) -> Result<Self, Fault> {
        let folder = std::env::temp_dir().join(format!("mutants-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Runs these tests, one after the other; all, when there are none. `skip` are left out.
    pub fn run(
        &self,
        binary: &Binary,
        tests: &[&str],
        skip: &[&str],
        switch: Switch<'_>,
        limit: Duration,
    ) -> Result<Ended, Fault> {
        let (own, output) = (self.folder.join("t"), self.folder.join("output"));
        fs::create_dir_all(&own)?;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MEMORY}; ulimit -f {FILE}; exec \"$0\" \"$@\"")]).arg(&binary.path);
        command.args(["--test-threads=1", "--exact"]).args(tests);
        command.args(skip.iter().flat_map(|name| ["--skip", name]));
        command.current_dir(&binary.folder).env("TMPDIR", &own).env("CARGO_MANIFEST_DIR", &binary.folder);
        command.env_remove("MUTANT").env_remove("MUTANT_REACHED");
        match switch {
            Switch::Off => {}
            Switch::On(id) => drop(command.env("MUTANT", id.to_string())),
            Switch::Record(path) => drop(command.env("MUTANT_REACHED", path)),
        }
        command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(Stdio::null()).process_group(0);
        let start = Instant::now();
        let mut child = command.spawn()?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if start.elapsed() > limit {
                break None;
            }
            std::thread::sleep((start.elapsed() / 20).clamp(Duration::from_millis(1), Duration::from_millis(50)));
        };
        // Servers and commands that it left behind are of its group.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        child.wait()?;
        let ended = match status {
            None => Ended::Hung,
            Some(status) if status.success() => Ended::Passed,
            Some(status) => {
                let mut failed = vec![];
                for line in BufReader::new(File::open(&output)?).split(b'\n') {
                    let line = String::from_utf8_lossy(&line?).into_owned();
                    if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
                        failed.push(name.trim_end_matches(" - should panic").to_string());
                    }
                }
                if failed.is_empty() || status.signal().is_some() { Ended::Died } else { Ended::Failed(failed) }
            }
        };
        let _ = fs::remove_dir_all(&own);
        Ok(ended)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the names of the tests in an executable.
pub fn names(binary: &Binary) -> Result<Vec<String>, Fault> {
    let list = Command::new(&binary.path)
        .args(["--list", "--format", "terse"])
        .current_dir(&binary.folder)
        .stdin(Stdio::null())
        .output()?;
    Ok(String::from_utf8(list.stdout)?
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(String::from)
        .collect())
}

/// Runs each test of these executables once by itself, to see what it reaches. What `log` holds already is not run again.
pub fn survey(binaries: &[Binary], log: &Path, filter: &str) -> Result<Vec<Test>, Fault> {
    let mut all: Vec<Test> = crate::lines(log)?;
    let runner = Runner::new(0)?;
    let reached = runner.folder.join("reached");
    let mut file = File::options().create(true).append(true).open(log)?;
    for binary in binaries {
        let names = names(binary)?;
        eprintln!("{}: what do its {} tests reach?", binary.name, names.len());
        for name in names {
            if !name.contains(filter) || all.iter().any(|test| test.binary == binary.name && test.name == name) {
                continue;
            }
            fs::write(&reached, [])?;
            let start = Instant::now();
            let limit = Duration::from_secs(600);
            let ended = runner.run(binary, &[&name], &[], Switch::Record(&reached), limit)?;
            let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let ids = fs::read(&reached)?;
            let test = Test {
                binary: binary.name.clone(),
                passed: ended == Ended::Passed,
                millis,
                reached: ids.chunks_exact(4).map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]])).collect(),
                name,
            };
            if !test.passed {
                eprintln!("  not used, it fails without a mutant: {}", test.name);
            }
            writeln!(file, "{}", serde_json::to_string(&test)?)?;
            all.push(test);
        }
    }
    Ok(all)
}
