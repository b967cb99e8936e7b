//! Under the official names, the commands and the tools themselves do the same: exit code, standard output but for the lines that
//! `docs/operators.md` names, an empty standard error where the tool's is, and the bytes that a cut leaves.
//!
//! Inputs are those of `testdata` and damaged ones, by seed. `OFFICIAL_INPUTS=300` makes the run full, `OFFICIAL_FROM=1000` begins
//! with that seed. Where a tool dies or does not end there is nothing to compare; those are counted.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::damage::Damage;
use testkit::folder::{self, alone};
use testkit::rdb::{Family, File};
use testkit::rng::Rng;
use testkit::server::{Installed, Product, require};

use super::{Links, TestResult, testdata};

const TOOLS: [(&str, Product); 2] = [("redis", Product::Redis86), ("valkey", Product::Valkey91)];
/// The tools take 20 ms, or never end.
const LIMIT: Duration = Duration::from_secs(4);

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
struct Did {
    exit: i32,
    out: Vec<String>,
    err: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// An input: the files of a folder, and the name of one of them.
struct Input {
    what: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
    name: PathBuf,
}

impl Input {
    fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, bytes)?;
        }
        Ok(folder.join(&self.name))
    }

    /// A time between those that are noted in it.
    fn time(&self, rng: &mut Rng) -> String {
        let mut times = Vec::new();
        for bytes in self.files.values() {
            let text = String::from_utf8_lossy(bytes);
            times.extend(text.split("#TS:").skip(1).filter_map(|rest| rest.split_once('\r')?.0.parse::<u32>().ok()));
        }
        if times.is_empty() { "1700000000".to_owned() } else { rng.pick(&times).to_string() }
    }
}

/// Runs a program in a folder that holds nothing but the input; `None` where it dies or does not end.
fn run(program: &Path, input: &Input, folder: &Path, mode: &[String], answer: &str) -> io::Result<Option<Did>> {
    let file = input.write(&folder.join("set"))?;
    // What is read comes last for the one tool, and first for the other.
    let (before, after): (&[String], &[String]) =
        if program.to_string_lossy().ends_with("rdb") { (&[], mode) } else { (mode, &[]) };
    let mut command = Command::new(program);
    command.args(before).arg(&file).args(after).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // A tool that asks nothing may be gone already.
    let _ = child.stdin.take().map(|mut input| input.write_all(answer.as_bytes()));
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("no pipes"));
    };
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let out = reader.join().map_err(|_| io::Error::other("the reader"))??;
    let mut err = String::new();
    stderr.read_to_string(&mut err)?;
    let Some(exit) = status.code() else { return Ok(None) };
    let text = String::from_utf8_lossy(&out);
    // It caught the signal itself.
    if text.contains("Server crash checking the specified RDB file!") {
        return Ok(None);
    }
    let files = folder::files(&folder.join("set"))?;
    Ok(Some(Did { exit, out: comparable(&text, &input.name), err, files }))
}

/// The lines without those that the documents name.
fn comparable(text: &str, name: &Path) -> Vec<String> {
    let is_ours = |line: &str| {
        line.starts_with("What was cut off is saved in ")
            || ["redis", "valkey"].iter().any(|family| line.starts_with(&format!("{family}-check-")))
    };
    // Not those about a manifest, which are printed without a date.
    let is_log = |line: &str| {
        line.split_once(':').is_some_and(|(pid, rest)| {
            let mut words = rest.split(' ');
            !pid.is_empty()
                && pid.bytes().all(|byte| byte.is_ascii_digit())
                && matches!(words.next(), Some("M" | "C" | "S" | "X"))
        })
    };
    let of_manifest = |line: &str| {
        let ends = line.ends_with("Terminating server after rdb file reading failure.");
        name.extension().is_some_and(|kind| kind == "manifest") && line.contains(" # ") && !ends
    };
    let lines = text.split('\n').filter(|line| !is_ours(line) && (!is_log(line) || of_manifest(line)));
    let lines = lines.map(|line| match line.split_once(" # ") {
        Some((head, said)) if is_log(head) => format!("# {said}"),
        _ => match (line.split_once("function at rdb.c:"), line.find("Expected \\r\\n, got: 00")) {
            (Some((head, tail)), _) => format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit())),
            (_, Some(at)) => line[..at + "Expected \\r\\n, got: 00".len()].to_owned(),
            _ => line.to_owned(),
        },
    });
    lines.collect()
}

/// Every file or set of the test data that takes no minute.
fn inputs() -> io::Result<(Vec<Input>, Vec<Input>)> {
    let (mut rdb, mut aof) = (Vec::new(), Vec::new());
    for (path, bytes) in folder::files(&testdata())? {
        let is_rdb = path.extension().is_some_and(|kind| kind == "rdb");
        // Ten thousands of databases take the tool minutes.
        let skipped = bytes.len() > 2 << 20 || path.ends_with("redis-2.8-db20000.rdb");
        let Some(name) = path.file_name().filter(|_| is_rdb && !skipped) else { continue };
        let files = BTreeMap::from([(PathBuf::from(name), bytes)]);
        rdb.push(Input { what: path.display().to_string(), files, name: name.into() });
    }
    for cases in ["aof/cases", "aof/sets", "field"] {
        for entry in fs::read_dir(testdata().join(cases))? {
            let root = entry?.path();
            if !root.is_dir() {
                continue;
            }
            let files: BTreeMap<PathBuf, Vec<u8>> = folder::files(&root)?
                .into_iter()
                .filter_map(|(path, bytes)| Some((path.strip_prefix(&root).ok()?.to_owned(), bytes)))
                .collect();
            let named = |kind: &str| files.keys().find(|path| path.to_string_lossy().ends_with(kind)).cloned();
            let Some(name) = named(".manifest").or_else(|| named(".aof")) else { continue };
            if files.values().map(Vec::len).sum::<usize>() < 2 << 20 {
                aof.push(Input { what: root.display().to_string(), files, name });
            }
        }
    }
    Ok((rdb, aof))
}

/// An RDB with one named damage.
fn damaged_rdb(seed: u64, rng: &mut Rng) -> Input {
    let versions = [(Family::Redis, 9), (Family::Redis, 10), (Family::Redis, 13), (Family::Valkey, 80)];
    let (family, version) = *rng.pick(&versions);
    let file = File::arbitrary(rng, family, version, 2000).encode();
    let damage = *rng.pick(&Damage::ALL);
    let damaged = damage.apply(&file, rng, true).map_or(file.bytes, |damaged| damaged.bytes);
    let name = PathBuf::from("dump.rdb");
    Input { what: format!("seed {seed}, {damage:?}"), files: BTreeMap::from([(name.clone(), damaged)]), name }
}

/// The input with a few bytes of one of its files changed.
fn damaged_aof(seed: u64, rng: &mut Rng, of: &Input) -> Input {
    const TOKENS: [&[u8]; 8] =
        [b"*", b"$", b"\r\n", b"#TS:1700000009\r\n", b"*1\r\n$4\r\nEXEC\r\n", b"*1\r\n$5\r\nMULTI\r\n", b"\0", b"9999"];
    let mut files = of.files.clone();
    let names: Vec<PathBuf> = files.keys().cloned().collect();
    let chosen = rng.pick(&names).clone();
    let bytes = files.entry(chosen).or_default();
    for _ in 0..rng.range(1..=3) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.size(0..=bytes.len() - 1);
        let end = (at + rng.size(1..=12)).min(bytes.len());
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            _ => drop(bytes.splice(at..end, rng.pick(&TOKENS).to_vec())),
        }
    }
    Input { what: format!("seed {seed} of {}", of.what), files, name: of.name.clone() }
}

#[derive(Debug, Default)]
struct Tally {
    same: usize,
    no_answer: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Gives an input to the tool, and to the command under its name.
    fn compare(&mut self, (theirs, ours): (&Path, &Path), input: &Input, mode: &[String], answer: &str) -> TestResult {
        let folder = tempfile::tempdir()?;
        let official = run(theirs, input, folder.path(), mode, answer)?;
        let did = run(ours, input, folder.path(), mode, answer)?;
        let Some(official) = official else {
            self.no_answer += usize::from(did.is_some());
            assert!(did.is_some(), "{mode:?} {}: no answer of ours", input.what);
            return Ok(());
        };
        let Some(mut did) = did else { return Err(format!("{mode:?} {}: no answer of ours", input.what).into()) };
        if did.out.iter().any(|line| line.contains("Cutting it would destroy it")) {
            self.refused += 1;
            return Ok(());
        }
        // What is saved lies beside a single file.
        did.files.retain(|path, _| official.files.contains_key(path));
        if did == official {
            self.same += 1;
        } else {
            let line = official.out.iter().zip(&did.out).find(|(theirs, ours)| theirs != ours);
            let changed = did.files != official.files;
            self.wrong.push(format!(
                "{} {mode:?} {answer:?} {}: exit {} and {}, files differ: {changed}, {line:?}, {} and {} lines, {:?} and {:?}",
                theirs.display(),
                input.what,
                official.exit,
                did.exit,
                official.out.len(),
                did.out.len(),
                official.err,
                did.err,
            ));
        }
        Ok(())
    }

    fn every_mode(
        &mut self,
        family: &str,
        tool: &Installed,
        links: &Links,
        input: &Input,
        rng: &mut Rng,
    ) -> TestResult {
        let options = |options: &[&str]| options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>();
        if input.name.extension().is_some_and(|kind| kind == "rdb") {
            let ours = links.path(&format!("{family}-check-rdb"));
            let programs = (tool.check_rdb.as_path(), ours.as_path());
            self.compare(programs, input, &[], "")?;
            if family == "valkey" {
                for format in ["table", "csv", "info"] {
                    self.compare(programs, input, &options(&["--stats", "--format", format]), "")?;
                }
            }
        } else {
            let ours = links.path(&format!("{family}-check-aof"));
            let programs = (tool.check_aof.as_path(), ours.as_path());
            self.compare(programs, input, &[], "")?;
            for answer in ["y\n", "n\n", ""] {
                self.compare(programs, input, &options(&["--fix"]), answer)?;
            }
            self.compare(programs, input, &options(&["--truncate-to-timestamp", &input.time(rng)]), "")?;
        }
        Ok(())
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_tools_and_their_twins_do_the_same() -> TestResult {
    let _alone = alone();
    let links = Links::new()?;
    let (rdb, aof) = inputs()?;
    let count = number("OFFICIAL_INPUTS").unwrap_or(16);
    let first = number("OFFICIAL_FROM").unwrap_or(0);
    let mut tally = Tally::default();
    for (family, product) in TOOLS {
        let Some(tool) = require(product) else { continue };
        for seed in first..first + count {
            let mut rng = Rng::new(seed);
            let made;
            let input = match seed % 4 {
                0 => rng.pick(&rdb),
                1 => rng.pick(&aof),
                2 => {
                    made = damaged_rdb(seed, &mut rng);
                    &made
                }
                _ => {
                    let of = rng.pick(&aof);
                    made = damaged_aof(seed, &mut rng, of);
                    &made
                }
            };
            tally.every_mode(family, &tool, &links, input, &mut rng)?;
        }
    }
    println!(
        "{} the same, {} without an answer of the tool, {} cuts refused",
        tally.same, tally.no_answer, tally.refused
    );
    assert!(tally.wrong.is_empty(), "{} differ:\n{}", tally.wrong.len(), tally.wrong.join("\n"));
    assert!(tally.same > 5 * (tally.no_answer + tally.refused), "{tally:?}");
    Ok(())
}
