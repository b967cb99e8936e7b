//! The advice on damaged append-only files, followed: each command that is advised is run on a copy, and what it comes to is held
//! against what the advice said, to the byte.
//!
//! ```text
//! files -> aofcheck -> "what to do": commands, each with bytes and commands that are lost
//!            each on a copy -> exit, bytes and commands that are gone -> aofcheck: sound -> a real server: loads, the keys in them
//!            --fix and --salvage whether advised or not -> neither may lose less than the first that is advised
//! ```
//! The files: those that `testkit::sets` makes and damages in the middle, the crafted ones, and those from the field.
//!
//! `ADVISED=200` makes so many, `ADVISED_SEED` others, and takes all of the crafted ones.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;
use testkit::folder::copy;
use testkit::rng::Rng;
use testkit::server::{Product, Server, StartError, require};
use testkit::sets::{AofFiles, Damage, FOLDER, NAME, Shape};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// So many files are made by default, and each so many-th of the crafted ones is taken.
const SAMPLE: u64 = 16;
const EACH: usize = 8;

/// A SELECT of a database below ten.
const SELECT: u64 = 23;

/// What befalls the middle of a file.
const MIDDLE: [Damage; 10] = [
    Damage::Length,
    Damage::Count,
    Damage::Bit,
    Damage::LineEnd,
    Damage::ZeroPage,
    Damage::WrongPage,
    Damage::BytesLost,
    Damage::BytesAdded,
    Damage::InTransaction,
    Damage::MultiLost,
];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A step of the advice that can be run.
#[derive(Debug, Clone)]
struct Advised {
    command: String,
    bytes: u64,
    commands: u64,
    at_least: bool,
}

/// What a command came to.
struct Came {
    code: Option<i32>,
    text: String,
    /// Bytes of files that servers load, that are there no more.
    bytes: u64,
    /// Bytes that a salvage has put into its quarantine, and whether an image was among them, which is made anew then.
    quarantine: Option<(u64, bool)>,
    /// Where the result lies.
    result: PathBuf,
}

/// A folder with files, which is copied for each command.
struct Case {
    name: String,
    from: PathBuf,
    /// The file or folder below it that is checked.
    input: PathBuf,
    product: Product,
}

fn shell(command: &str, here: &Path) -> TestResult<Output> {
    let command = command.replacen("aofcheck", env!("CARGO_BIN_EXE_aofcheck"), 1);
    Ok(Command::new("sh").args(["-c", &command]).current_dir(here).stdin(Stdio::null()).output()?)
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// The files that a set loads, or the single one, with their sizes.
fn loaded(document: &Value) -> BTreeMap<String, u64> {
    let parts = document["parts"].as_array().into_iter().flatten();
    let is_loaded = |part: &&Value| matches!(part["role"].as_str(), Some("base" | "incr"));
    parts
        .filter(is_loaded)
        .filter_map(|part| Some((part["name"].as_str()?.to_owned(), part["size"].as_u64()?)))
        .collect()
}

/// Bytes of the SELECTs that a salvage has added.
fn selects(out: Option<&Path>) -> TestResult<u64> {
    let Some(report) = out.and_then(|out| fs::read_to_string(out.join("salvage.report")).ok()) else { return Ok(0) };
    let added = Regex::new(r"added: (\d+) SELECT")?;
    Ok(added.captures_iter(&report).filter_map(|found| found[1].parse::<u64>().ok()).sum::<u64>() * SELECT)
}

/// What a salvage has put into its quarantine: `skipped <file> <start> <length> <kind>`, and the bytes.
fn quarantine(out: Option<&Path>) -> TestResult<Option<(u64, bool)>> {
    let Some(bytes) = out.and_then(|out| fs::read(out.join("salvage.quarantine")).ok()) else { return Ok(None) };
    let (mut at, mut sum, mut image) = (0, 0, false);
    while at < bytes.len() {
        let line = bytes[at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let fields: Vec<_> = std::str::from_utf8(line)?.split(' ').collect();
        let [.., length, kind] = fields[..] else { return Err("a line of the quarantine".into()) };
        let length: u64 = length.parse()?;
        sum += length;
        image |= kind == "image";
        at += line.len() + 2 + usize::try_from(length)?;
    }
    Ok(Some((sum, image)))
}

impl Case {
    /// Copies the files; the folder of the copy and the path in it.
    fn fresh(&self, root: &Path, name: &str) -> TestResult<(PathBuf, PathBuf)> {
        let folder = root.join(name).join("f");
        copy(&self.from, &folder)?;
        let input = folder.join(&self.input);
        Ok((folder, input))
    }

    fn json(path: &Path) -> TestResult<(Value, Option<i32>)> {
        let output =
            Command::new(env!("CARGO_BIN_EXE_aofcheck")).arg("--json").arg(path).stdin(Stdio::null()).output()?;
        let document: Value = serde_json::from_slice(&output.stdout)?;
        Ok((document["files"][0].clone(), output.status.code()))
    }

    /// The steps that can be run, as the text says them.
    fn advised(&self, input: &Path) -> TestResult<(Vec<Advised>, String)> {
        let output = Command::new(env!("CARGO_BIN_EXE_aofcheck")).arg(input).stdin(Stdio::null()).output()?;
        let said = text(&output);
        let Some((_, steps)) = said.split_once("\nwhat to do:") else { return Ok((Vec::new(), said)) };
        let figure = Regex::new(r"(\d+) bytes?(?:, (at least )?(\d+) commands?)?")?;
        let mut advised = Vec::new();
        let mut figures = (0, 0, false);
        for line in steps.lines() {
            match line.trim_start().strip_prefix("aofcheck ") {
                None => {
                    // The step "Apply it" has the figures of the plan above it.
                    if let Some(found) = figure.captures(line) {
                        let number = |n| found.get(n).and_then(|digits| digits.as_str().parse().ok()).unwrap_or(0);
                        figures = (number(1), number(3), found.get(2).is_some());
                    } else if line.contains("no command goes") {
                        figures = (0, 0, false);
                    }
                }
                Some(rest) if rest.contains("--dry-run") => {}
                Some(rest) if rest.contains("--fix") || rest.contains("--salvage") => {
                    let (bytes, commands, at_least) = figures;
                    advised.push(Advised { command: format!("aofcheck {rest}"), bytes, commands, at_least });
                }
                Some(_) => {}
            }
        }
        Ok((advised, said))
    }

    /// Runs a command that was said for `said_for` on a fresh copy.
    fn run(&self, root: &Path, name: &str, command: &str, said_for: &Path) -> TestResult<Came> {
        let (folder, input) = self.fresh(root, name)?;
        let (before, _) = Self::json(&input)?;
        let (old, new) = (said_for.display().to_string(), input.display().to_string());
        let mut command = command.replace(&old, &new);
        let salvages = command.contains("--salvage");
        if !salvages {
            command = command.replacen("--fix", "--fix --yes", 1);
        }
        let output = shell(&command, &folder)?;
        let out = Regex::new(r"--salvage (\S+)")?.captures(&command).map(|found| PathBuf::from(&found[1]));
        let mut result = out.clone().unwrap_or(input);
        if out.is_some() && before["kind"] == "aof" {
            result = result.join(before["parts"][0]["name"].as_str().unwrap_or_default());
        }
        let mut bytes: u64 = loaded(&before).values().sum();
        if let Ok((after, _)) = Self::json(&result) {
            let added = selects(out.as_deref())?;
            bytes = (bytes + added).saturating_sub(loaded(&after).values().sum());
        }
        let quarantine = quarantine(out.as_deref())?;
        Ok(Came { code: output.status.code(), text: text(&output), bytes, quarantine, result })
    }

    /// Whether a server loads the result; one that knows its version.
    fn loads(&self, result: &Path) -> TestResult<Result<(), String>> {
        let (document, _) = Self::json(result)?;
        let product = match (document["format"]["family"].as_str(), document["format"]["rdb_version"].as_u64()) {
            (Some("valkey"), _) => Product::Valkey91,
            (_, Some(11..)) => Product::Redis86,
            _ => self.product,
        };
        let Some(installed) = require(product) else { return Ok(Ok(())) };
        let root = TempDir::new()?;
        let is_manifest = result.extension().is_some_and(|end| end == "manifest");
        let result = if is_manifest { result.parent().unwrap_or(result) } else { result };
        if result.is_dir() && result.join(FOLDER).is_dir() {
            copy(result, root.path())?;
        } else if result.is_dir() {
            copy(result, &root.path().join(FOLDER))?;
        } else {
            fs::copy(result, root.path().join(NAME))?;
        }
        // A set of another name is looked for under that.
        let manifests = fs::read_dir(root.path().join(FOLDER)).into_iter().flatten().flatten();
        let names =
            manifests.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".manifest")?.to_owned()));
        let name = names.into_iter().next().unwrap_or(NAME.to_owned());
        let settings = ["--appendonly", "yes", "--appendfilename", &name, "--aof-load-truncated", "no"];
        match Server::start(&installed, root.path(), &settings) {
            Ok(server) => {
                server.kill()?;
                Ok(Ok(()))
            }
            Err(StartError::Exited { log, .. }) => Ok(Err(log)),
            Err(error) => Err(error.into()),
        }
    }

    /// What is wrong with the advice, and how many commands were advised.
    fn follow(&self) -> TestResult<(usize, Vec<String>)> {
        let root = TempDir::new()?;
        let (_, input) = self.fresh(root.path(), "asked")?;
        let (advised, said) = self.advised(&input)?;
        let mut wrong = Vec::new();
        let mut say = |what: String| wrong.push(format!("{}: {what}", self.name));
        let mut least = None;
        for (number, step) in advised.iter().enumerate() {
            let came = self.run(root.path(), &number.to_string(), &step.command, &input)?;
            let lost = step.bytes > 0 && step.command.contains("--salvage");
            if !(came.code == Some(0) || lost && came.code == Some(4)) {
                say(format!("{}: exit {:?}\n{}", step.command, came.code, came.text));
                continue;
            }
            let (after, code) = Self::json(&came.result)?;
            if after["verdict"] != "sound" || code != Some(0) {
                say(format!("{}: then {} {:?}: {}", step.command, after["verdict"], code, after["findings"]));
                continue;
            }
            if let Some((bytes, _)) = came.quarantine.filter(|(bytes, _)| *bytes != step.bytes) {
                say(format!("{}: {bytes} bytes lie in the quarantine, said {}", step.command, step.bytes));
            }
            let anew = came.quarantine.is_some_and(|(_, image)| image);
            if came.bytes != step.bytes && !anew {
                say(format!("{}: takes {} bytes, said {}\n{}", step.command, came.bytes, step.bytes, came.text));
            }
            if let Err(log) = self.loads(&came.result)? {
                say(format!("{}: the server does not load the result: {log}", step.command));
            }
            least.get_or_insert((came.bytes, step.commands, step.at_least));
        }
        // What was not advised.
        for (name, command) in [("fix", "aofcheck --fix PATH"), ("salvage", "aofcheck --salvage OUT PATH")] {
            // What is no damage is nobody's to repair.
            if !said.contains(": DAMAGED") {
                break;
            }
            let out = root.path().join(name).join("out");
            let command =
                command.replace("PATH", &input.display().to_string()).replace("OUT", &out.display().to_string());
            let came = self.run(root.path(), name, &command, &input)?;
            let done = matches!(came.code, Some(0 | 4))
                && Self::json(&came.result).is_ok_and(|(after, code)| after["verdict"] == "sound" && code == Some(0));
            if done && least.is_none_or(|(bytes, ..)| came.bytes < bytes) && self.loads(&came.result)?.is_ok() {
                say(format!("{command} loses {} bytes, the first that is advised {least:?}\n{said}", came.bytes));
            }
        }
        Ok((advised.len(), wrong))
    }
}

fn follow(cases: impl IntoIterator<Item = TestResult<Case>>) -> TestResult {
    let (mut wrong, mut advised, mut count) = (Vec::new(), BTreeMap::new(), 0);
    for case in cases {
        let case = case?;
        let (steps, found) = case.follow().map_err(|error| format!("{}: {error}", case.name))?;
        *advised.entry(steps).or_insert(0_u64) += 1;
        wrong.extend(found);
        count += 1;
    }
    println!("{count} files, by the number of commands that were advised: {advised:?}");
    assert!(wrong.is_empty(), "{} differences of {count}\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn advice_on_damage_in_the_middle_keeps_its_word() -> TestResult {
    let root = TempDir::new()?;
    let seeds = number("ADVISED_SEED", 0)..number("ADVISED_SEED", 0) + number("ADVISED", SAMPLE);
    follow(seeds.map(|seed| {
        let mut rng = Rng::new(seed);
        let shape = Shape { set: rng.chance(50), stamps: true, records: 60 };
        let mut files = AofFiles::sound(&mut rng, shape);
        let damage = *rng.pick(&MIDDLE);
        files.damage_by(&mut rng, damage);
        let from = root.path().join(seed.to_string());
        let input = files.lay(&from)?.strip_prefix(&from)?.to_owned();
        let product = *rng.pick(&[Product::Redis70, Product::Redis86, Product::Valkey91]);
        Ok(Case { name: format!("seed {seed} {damage:?}"), from, input, product })
    }))
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

#[test]
fn advice_on_crafted_files_keeps_its_word() -> TestResult {
    let root = testdata("aof/cases");
    let table = fs::read_to_string(root.join("cases.tsv"))?;
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().unwrap_or_default().split('\t').collect();
    let arg = head.iter().position(|name| *name == "arg").ok_or("a column arg")?;
    let each = if std::env::var_os("ADVISED").is_some() { 1 } else { EACH };
    follow(lines.step_by(each).map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        Ok(Case {
            name: fields[0].to_owned(),
            from: root.join(fields[0]),
            input: fields[arg].into(),
            product: Product::Redis70,
        })
    }))
}

#[test]
fn advice_on_files_from_the_field_keeps_its_word() -> TestResult {
    let root = testdata("field");
    let cases: Value = serde_json::from_slice(&fs::read(root.join("cases.json"))?)?;
    let cases = cases.as_array().ok_or("a list of cases")?.iter();
    let of_aof = cases.filter(|case| case["id"].as_str().is_some_and(|id| id.starts_with("aof-")));
    let unpacked = TempDir::new()?;
    follow(of_aof.map(|case| {
        let (id, input) = (case["id"].as_str().unwrap_or_default(), case["input"].as_str().unwrap_or_default());
        let from = unpacked.path().join(id);
        copy(&root.join(id), &from)?;
        for packed in
            fs::read_dir(&from)?.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "gz"))
        {
            Command::new("gunzip").arg(packed.path()).status()?;
        }
        Ok(Case { name: id.to_owned(), from, input: input.into(), product: Product::Redis70 })
    }))
}
