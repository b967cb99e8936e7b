//! The library's copy of the official tool against the tool itself, line by line.
//!
//! Valid append-only files are damaged at random and given to the installed `redis-check-aof` 7.0 and to the library:
//! exit code, `ok_up_to` and every printed line must agree. Where the tool dies by a signal there is nothing to compare;
//! those cases are counted apart. `AOF_DIFFERENTIAL_CASES=20000` makes the run full.

use crate::cases;
use crate::mutate;
use crate::tool;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use cases::cases;
use mutate::{Random, damage, valid};
use redis_persistence::aof::official::{Task, Tool};
use testkit::folder::{copy, files};
use testkit::server::{CheckTool, Installed, Product, check_tool, require};
use tool::run;

/// What a run of either said, made comparable.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    exit: i32,
    lines: Vec<String>,
}

/// Runs the official tool; `None` where a signal ended it.
fn official(tool: &Path, arguments: &[&str], path: &Path, answer: &[u8]) -> Option<Said> {
    let mut command = Command::new(tool);
    command.args(arguments).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the tool starts");
    // A tool that asks nothing may be gone already.
    let _ = child.stdin.take().map(|mut input| input.write_all(answer));
    let output = child.wait_with_output().expect("the tool ends");
    Some(Said { exit: output.status.code()?, lines: comparable(&output.stdout) })
}

/// The lines of an output without what no two runs share: the report on an RDB image, the head of a log line, and the second
/// byte of a header that the file cuts short, which the tool takes from memory that it never wrote.
fn comparable(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let of_image =
        |line: &&str| line.starts_with("[offset ") || line.starts_with("[info] ") || line.contains(" * Cleaning slot");
    let lines = text.lines().filter(|line| !of_image(line));
    let lines = lines.map(|line| match line.split_once(" # ") {
        Some((head, said)) if head.starts_with(|first: char| first.is_ascii_digit()) => said,
        _ if line.ends_with(" # ") => "",
        _ => line,
    });
    let lines = lines.map(|line| match line.find("Expected \\r\\n, got: 00") {
        Some(at) => line[..at + "Expected \\r\\n, got: 00".len()].to_owned(),
        None => line.to_owned(),
    });
    // What the loader of the server logs there says nothing about the file.
    lines
        .filter(|line| !line.is_empty() && !line.ends_with("Terminating server after rdb file reading failure."))
        .collect()
}

fn library(tool: Tool, task: Task, path: &Path) -> Said {
    let (outcome, lines) = run(tool, task, path);
    let mut output = Vec::new();
    for line in lines {
        output.extend_from_slice(&line);
        output.push(b'\n');
    }
    let mut exit = outcome.exit;
    if let Some(cut) = outcome.cut {
        match cut.question {
            // The tool is given no answer, and asks on the same line.
            Some(question) => {
                output.extend_from_slice(format!("{question}{}\n", cut.declined).as_bytes());
                exit = 1;
            }
            None => output.extend(cut.done.join(&b'\n')),
        }
    }
    Said { exit: exit.into(), lines: comparable(&output) }
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn random_files(installed: &Installed, seed: u64, count: usize, folder: &Path) -> usize {
    let mut random = Random::new(seed);
    let path = folder.join(format!("{seed}.aof"));
    let mut died = 0;
    for case in 0..count {
        let mut data = valid(&mut random);
        damage(&mut data, &mut random);
        fs::write(&path, &data).expect("write");
        let (arguments, task): (&[&str], _) = match random.below(4) {
            0 => (&["--fix"], Task::Fix),
            1 => (&["--truncate-to-timestamp", "1700000005"], Task::TruncateToTimestamp(1_700_000_005)),
            _ => (&[], Task::Check),
        };
        let ours = library(Tool::Redis70, task, &path);
        match official(&installed.check_aof, arguments, &path, b"") {
            Some(theirs) => {
                assert_eq!(ours, theirs, "seed {seed}, case {case}, {task:?}: \"{}\"", data.escape_ascii());
            }
            None => died += 1,
        }
    }
    died
}

#[test]
fn damaged_files_are_judged_as_the_tool_judges_them() {
    let Some(installed) = require(Product::Redis70) else { return };
    let count: usize = env::var("AOF_DIFFERENTIAL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let folder = scratch("differential");
    let threads = 2;
    let died: usize = thread::scope(|scope| {
        let each = |seed| {
            scope.spawn({
                let (installed, folder) = (&installed, &folder);
                move || random_files(installed, seed, count.div_ceil(threads), folder)
            })
        };
        let all: Vec<_> = (1..=threads as u64).map(each).collect();
        all.into_iter().map(|thread| thread.join().expect("no case differs")).sum()
    });
    println!("{count} cases; the tool died by a signal in {died} of them");
    assert!(died * 10 < count, "the tool died in {died} of {count} cases: too few are left to compare");
    fs::remove_dir_all(&folder).expect("clean up");
}

/// Every line of every tool on every crafted input, but for the lines about an RDB image that is not sane.
#[test]
fn crafted_inputs_get_the_lines_of_the_tool() {
    for (product, tool) in
        [(Product::Redis70, Tool::Redis70), (Product::Redis86, Tool::Redis86), (Product::Valkey91, Tool::Valkey91)]
    {
        let Some(installed) = require(product) else { continue };
        let mut compared = 0;
        for case in cases() {
            for (arguments, task) in [
                (&[][..], Task::Check),
                // The inputs stay as they are: there is no stamp beyond this time, so nothing is cut.
                (&["--truncate-to-timestamp", "9999999999"], Task::TruncateToTimestamp(9_999_999_999)),
            ] {
                let arguments: Vec<&str> = arguments.iter().copied().chain(case.path.to_str()).collect();
                let ran = check_tool(&installed, CheckTool::Aof, &arguments, Duration::from_secs(20))
                    .expect("the tool starts");
                let Some(exit) = ran.exit else {
                    assert!(case.column("check_verdict_8.6.3").starts_with("crash"), "{product} {}", case.id);
                    continue;
                };
                let theirs = Said { exit, lines: comparable(&ran.stdout) };
                let mut ours = library(tool, task, &case.path);
                if ours.lines.iter().any(|line| line.starts_with("RDB preamble of AOF file is not sane")) {
                    // What comes before that line is the RDB checker's.
                    assert_eq!(ours.exit, theirs.exit, "{product} {}", case.id);
                    continue;
                }
                if let Some(at) = theirs.lines.iter().position(|line| line.contains("Out Of Memory")) {
                    ours.lines.truncate(at);
                }
                assert_eq!(ours, theirs, "{product} {} {task:?}", case.id);
                compared += 1;
            }
        }
        assert!(compared > 400, "{compared}");
    }
}

/// The cut that the library plans is the one that the tool makes when it is told yes, with the same lines around it.
#[test]
fn cuts_leave_the_bytes_that_the_tool_leaves() {
    let Some(installed) = require(Product::Redis86) else { return };
    let folder = scratch("cuts");
    let mut cuts = 0;
    for case in cases() {
        let origin = cases::folder().join(&case.id);
        let has_stamp =
            files(&origin).expect("a folder").values().any(|bytes| bytes.windows(4).any(|four| four == b"#TS:"));
        let mut tasks = vec![Task::Fix];
        if has_stamp {
            tasks.extend([-1, 1, 50, 99, 100, 150, 200, 250, 300].map(Task::TruncateToTimestamp));
        }
        for (number, task) in tasks.into_iter().enumerate() {
            let copied = folder.join(format!("{}-{number}", case.id));
            copy(&origin, &copied).expect("a copy");
            let path = copied.join(case.path.strip_prefix(&origin).expect("below it"));
            let (outcome, mut lines) = run(Tool::Redis86, task, &path);
            let mut expected = files(&copied).expect("a folder");
            if let Some(cut) = &outcome.cut {
                // The tool asks on the line of what it prints next.
                let question = cut.question.unwrap_or_default().as_bytes();
                let mut done = cut.done.clone();
                done[0].splice(0..0, question.iter().copied());
                lines.extend(done);
                let size = usize::try_from(cut.to).expect("a size");
                expected.get_mut(&cut.path).expect("the file").truncate(size);
                cuts += 1;
            }
            let time = if let Task::TruncateToTimestamp(time) = task { time.to_string() } else { String::new() };
            let arguments = if time.is_empty() { vec!["--fix"] } else { vec!["--truncate-to-timestamp", &time[..]] };
            let Some(theirs) = official(&installed.check_aof, &arguments, &path, b"y\n") else {
                assert!(case.column("fix_8.6.3").contains("SIG"), "{}", case.id);
                continue;
            };
            assert_eq!(i32::from(outcome.exit) == 0, theirs.exit == 0 && !outcome.refused, "{} {task:?}", case.id);
            if !outcome.refused {
                assert_eq!(files(&copied).expect("a folder"), expected, "{} {task:?}", case.id);
            }
            if !outcome.refused && !case.column("check_verdict_8.6.3").starts_with("bad-rdb") {
                assert_eq!(comparable(&lines.join(&b'\n')), theirs.lines, "{} {task:?}", case.id);
            }
        }
    }
    assert!(cuts > 80, "only {cuts} cuts were compared");
    fs::remove_dir_all(&folder).expect("clean up");
}
