//! Cases from the field: files of which the truth is known from public reports, real servers and an attack.
//!
//! `testdata/field/cases.json` says for each case what is true, and what the commands must answer. `testdata/field/open.txt` names
//! those that do not hold yet: the test fails when one of them begins to hold, so that the list cannot rot.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Case {
    id: String,
    /// What is checked, below the folder of the case; `.` is the folder.
    input: String,
    runs: Vec<Run>,
}

/// One call of a command. In arguments and patterns `{in}` is the input, `{dir}` the folder of the case, `{out}` a path that is free.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    tool: String,
    args: String,
    /// Runs before it: arguments of the same command, or a shell command.
    first: Option<String>,
    #[serde(default)]
    stdin: String,
    /// An exit code, or several that will do.
    exit: Option<Value>,
    exit_not: Option<i32>,
    /// A limit of address space, in MiB.
    as_mb: Option<u64>,
    /// A limit of wall time.
    seconds: Option<u64>,
    /// Values in the report of the first file: a name with `!` must differ, one with `#>` must be a list of more elements.
    #[serde(default)]
    json: Map<String, Value>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    /// Nothing may stand on standard error.
    #[serde(default)]
    silent: bool,
    /// The number of keys that `rdbcheck` counts in `{out}`.
    out_keys: Option<u64>,
}

fn field() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/field")
}

fn binary(tool: &str) -> &'static str {
    if tool.ends_with("aof") || tool == "aofcheck" {
        env!("CARGO_BIN_EXE_aofcheck")
    } else {
        env!("CARGO_BIN_EXE_rdbcheck")
    }
}

fn copy(from: &Path, to: &Path) -> TestResult {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

/// Runs `program` under the limits of `run`. A run that takes too long is ended by a signal.
fn call(program: &Path, args: &str, run: &Run) -> TestResult<Output> {
    let limit = run.as_mb.map_or(String::from("unlimited"), |mb| (mb << 10).to_string());
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\"; shift; exec timeout --signal=KILL \"$@\"", "sh", &limit])
        .arg(run.seconds.unwrap_or(60).to_string())
        .arg(program)
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that asks nothing may have ended.
        let _ = stdin.write_all(run.stdin.as_bytes());
    }
    Ok(child.wait_with_output()?)
}

/// Finds `path`, whose parts are divided by dots. Names of servers hold dots, so the longest key that is there counts.
fn value<'a>(report: &'a Value, path: &str) -> &'a Value {
    if path.is_empty() {
        return report;
    }
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    for end in ends.collect::<Vec<_>>().into_iter().rev() {
        if let Some(inner) = report.get(&path[..end]) {
            return value(inner, path[end..].trim_start_matches('.'));
        }
    }
    &Value::Null
}

/// Returns what falls short in one run; empty where it holds.
fn short_of(case: &Case, run: &Run) -> TestResult<Vec<String>> {
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().join("case");
    copy(&field().join(&case.id), &folder)?;
    let input = if case.input == "." { folder.clone() } else { folder.join(&case.input) };
    let out = temporary.path().join("out");
    let fill = |text: &str| {
        let text = text.replace("{in}", &input.to_string_lossy()).replace("{dir}", &folder.to_string_lossy());
        text.replace("{out}", &out.to_string_lossy())
    };
    if let Some(first) = &run.first {
        if first.starts_with("gunzip") {
            Command::new("sh").args(["-c", &fill(first)]).status()?;
        } else {
            Command::new(binary(&run.tool)).args(fill(first).split_whitespace()).output()?;
        }
    }
    let mut program = PathBuf::from(binary(&run.tool));
    if run.tool.contains("-check-") {
        program = temporary.path().join(&run.tool);
        std::os::unix::fs::symlink(binary(&run.tool), &program)?;
    }
    let output = call(&program, &fill(&run.args), run)?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{stdout}\n{stderr}").split_whitespace().collect::<Vec<_>>().join(" ");

    let mut short = Vec::new();
    if run.silent && !stderr.is_empty() {
        short.push(format!("on standard error: {stderr:?}"));
    }
    match output.status.code() {
        // `timeout` and `sh` hand a signal of the command on as 128 and more.
        None | Some(128..) => {
            short.push(format!("ended by signal {:?}, {:?}", output.status.signal(), output.status.code()))
        }
        Some(code) => {
            let wanted = match &run.exit {
                None => None,
                Some(Value::Array(codes)) => Some(codes.clone()),
                Some(code) => Some(vec![code.clone()]),
            };
            if wanted.is_some_and(|codes| !codes.contains(&code.into())) || run.exit_not == Some(code) {
                short.push(format!("exit {code}"));
            }
        }
    }
    if !run.json.is_empty() {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let report = document.pointer("/files/0").unwrap_or(&Value::Null);
        for (path, want) in &run.json {
            let got = value(report, path.trim_end_matches('!').trim_end_matches("#>"));
            let holds = if path.ends_with('!') {
                got != want
            } else if path.ends_with("#>") {
                got.as_array().is_some_and(|list| list.len() as u64 > want.as_u64().unwrap_or(0))
            } else {
                got == want
            };
            if !holds {
                short.push(format!("{path} is {got}, not {want}"));
            }
        }
    }
    for pattern in &run.has {
        if !Regex::new(pattern)?.is_match(&text) {
            short.push(format!("does not show /{pattern}/"));
        }
    }
    for pattern in &run.lacks {
        if Regex::new(pattern)?.is_match(&text) {
            short.push(format!("shows /{pattern}/"));
        }
    }
    if let Some(keys) = run.out_keys {
        let counted = Command::new(binary("rdbcheck")).arg("--json").arg(&out).output()?;
        let document: Value = serde_json::from_slice(&counted.stdout).unwrap_or_default();
        let got = document.pointer("/files/0/counts/keys").unwrap_or(&Value::Null);
        if *got != keys {
            short.push(format!("{got} keys in the output, not {keys}"));
        }
    }
    Ok(short)
}

#[test]
fn cases_hold_but_for_the_open_ones() -> TestResult {
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(field().join("cases.json"))?)?;
    let open = fs::read_to_string(field().join("open.txt"))?;
    let open: BTreeSet<&str> = open.lines().filter(|line| !line.starts_with('#')).collect();
    let mut wrong = Vec::new();
    for id in &open {
        if !cases.iter().any(|case| case.id == *id) {
            wrong.push(format!("open.txt names {id}, which is no case"));
        }
    }
    for case in &cases {
        let mut short = Vec::new();
        for run in &case.runs {
            let falls = short_of(case, run)?;
            if !falls.is_empty() {
                short.push(format!("{}: {} {}: {}", case.id, run.tool, run.args, falls.join("; ")));
            }
        }
        match (short.is_empty(), open.contains(case.id.as_str())) {
            (false, false) => wrong.append(&mut short),
            (true, true) => wrong.push(format!("{} holds now: take it off open.txt", case.id)),
            _ => {}
        }
    }
    println!("{} cases, {} of them open", cases.len(), open.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
