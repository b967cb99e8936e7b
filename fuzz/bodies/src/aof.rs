//! Append-only files and manifests, each by itself.

use std::path::Path;

use redis_persistence::Limits;
use redis_persistence::aof::dir::Memory;
use redis_persistence::aof::manifest::{Dialect, looks_like_manifest};
use redis_persistence::aof::official::{FileVerdict, Line, Request, Task, Tool, check};
use redis_persistence::aof::{Grammar, Manifest};
use redis_persistence::official::Images;
use redis_persistence::verify::{self, Options};

use crate::aof_slices::{GRAMMARS, check_reader, feed};
use crate::bytes::seed_of;
use crate::report::{check_answers, check_report};

/// An append-only file: its records, what the official tool says, and the verifier.
pub fn resp(data: &[u8]) {
    records(data);
    official(data);
    verified(data);
}

/// The records of a file, in three readings, however it is cut into slices.
fn records(data: &[u8]) {
    let [a, b, c, limit, ..] = seed_of(data).to_le_bytes().map(usize::from);
    let sizes = [a, b % 16, c % 4];
    let strict = feed(Grammar::Strict, data, &[data.len()], limit, false);
    for grammar in GRAMMARS {
        let whole = feed(grammar, data, &[data.len()], limit, false);
        for (sizes, skip) in [(&sizes[..], false), (&sizes[..], true), (&[1][..], true)] {
            assert_eq!(feed(grammar, data, sizes, limit, skip), whole, "{grammar:?}, slices of {sizes:?}");
        }
        assert_eq!(whole.records.get(..strict.records.len()), Some(&strict.records[..]), "{grammar:?}");
        check_reader(grammar, data);
    }
}

/// A manifest, in both dialects: what is read can be written, and reads back.
pub fn manifest(data: &[u8]) {
    let meant = looks_like_manifest(data);
    assert!(!meant || data.len() > 12, "file, seq and type have to fit");
    for dialect in [Dialect::Redis, Dialect::Valkey] {
        let (manifest, errors) = Manifest::parse_as(data, dialect);
        assert!(errors.iter().all(|error| error.offset() <= data.len()));
        assert!(errors.is_sorted_by_key(|error| error.line()));
        for entry in &manifest.entries {
            assert!(entry.range.end <= data.len() && entry.seq != 0);
        }
        if errors.is_empty() {
            reads_back(&manifest, dialect);
        }
    }
}

fn reads_back(manifest: &Manifest, dialect: Dialect) {
    let written = manifest.to_bytes();
    // Lines have a limit, and a name can become longer when it is quoted.
    if manifest.entries.is_empty() || written.split(|byte| *byte == b'\n').any(|line| line.len() > 1000) {
        return;
    }
    let (again, errors) = Manifest::parse_as(&written, dialect);
    assert!(errors.is_empty(), "{errors:?} in what was written: {}", written.escape_ascii());
    assert_eq!(again.to_bytes(), written);
    assert_eq!(again.entries.len(), manifest.entries.len());
}

/// Judges images as the tool does.
pub(crate) fn images(tool: Tool) -> Images {
    Images { tool, now_ms: 0, limits: Limits::default() }
}

pub(crate) const TOOLS: [Tool; 3] = [Tool::Redis70, Tool::Redis86, Tool::Valkey91];
const TASKS: [Task; 3] = [Task::Check, Task::Fix, Task::TruncateToTimestamp(1_700_000_005)];

/// Runs the copy of the official tool; a cut lies inside its file.
pub(crate) fn run_tools(files: &mut Memory, path: &str, check_cut: impl Fn(&Path, u64, u64)) {
    for tool in TOOLS {
        for task in TASKS {
            let mut lines = 0;
            let mut print = |_: Line<'_>| lines += 1;
            let outcome = check(&Request { tool, task, path: Path::new(path) }, files, &mut images(tool), &mut print);
            assert!(outcome.exit <= 1);
            for file in &outcome.files {
                assert!(file.ok_up_to <= file.size, "{file:?}");
                assert!(file.preamble_end.is_none_or(|end| end <= file.size), "{file:?}");
            }
            if let Some(cut) = outcome.cut {
                assert_ne!(task, Task::Check);
                assert!(cut.to < cut.from, "{cut:?}");
                check_cut(&cut.path, cut.from, cut.to);
            }
        }
    }
}

/// One file, to the copy of the official tool; and what it would cut is valid after the cut.
fn official(data: &[u8]) {
    let mut files = Memory::default();
    files.add("a.aof", data.to_vec());
    run_tools(&mut files, "a.aof", |_, from, to| {
        assert_eq!(from, data.len() as u64);
        assert!(to < from);
    });
    for tool in TOOLS {
        let request = Request { tool, task: Task::Fix, path: Path::new("a.aof") };
        let Some(cut) = check(&request, &mut files, &mut images(tool), &mut |_| ()).cut else { continue };
        let kept = usize::try_from(cut.to).ok().and_then(|to| data.get(..to)).expect("a cut makes a file shorter");
        let mut mended = Memory::default();
        mended.add("a.aof", kept.to_vec());
        let again = check(&Request { task: Task::Check, ..request }, &mut mended, &mut images(tool), &mut |_| ());
        assert_eq!(again.exit, 0, "{tool:?}: {:?}", again.files);
    }
}

/// One file, to the verifier: its report holds together, and beside the findings it says what the official tool says.
fn verified(data: &[u8]) {
    let options = Options::default();
    let report = verify::aof_slice(data, &options).expect("memory can be read");
    assert_eq!(report.size, data.len() as u64);
    assert_eq!(report.parts.len(), 1);
    check_report(&report, data.len() as u64);
    check_answers(&report, data);
    let few = verify::aof_slice(data, &Options { max_findings: 1, ..options }).expect("memory can be read");
    assert_eq!((few.findings_total, few.verdict), (report.findings_total, report.verdict));

    // What the tool makes of an image is another matter, and so is what it takes for a manifest.
    let mut files = Memory::default();
    files.add("a.aof", data.to_vec());
    let request = Request { tool: Tool::Redis86, task: Task::Check, path: Path::new("a.aof") };
    let official = check(&request, &mut files, &mut images(Tool::Redis86), &mut |_| ());
    let judged = |verdict| matches!(verdict, FileVerdict::Valid | FileVerdict::Invalid);
    if let Some(file) = official.files.last().filter(|file| file.preamble_end.is_none() && judged(file.verdict)) {
        let facts = report.aof.as_ref().expect("it is an append-only file");
        let said = (facts.ok_up_to, facts.ok_up_to_line, facts.diff);
        assert_eq!(said, (Some(file.ok_up_to), Some(file.ok_up_to_line), Some(file.diff)));
    }
}
