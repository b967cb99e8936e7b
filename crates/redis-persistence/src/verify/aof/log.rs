//! Collects the findings of several files: all are counted, the first so many are kept.

use std::collections::BTreeMap;

use crate::verify::codes::{Code, Severity};
use crate::verify::finding::Finding;
use crate::verify::report::Report;

/// The findings of a set so far.
#[derive(Debug)]
pub(super) struct Log {
    /// By severity, so that a flood of warnings does not push out an error; each with the number of its file.
    kept: [Vec<(usize, Finding)>; 3],
    counts: Vec<u64>,
    max: usize,
    /// The number of the file that findings are about now, and its name in the set.
    part: usize,
    name: Option<String>,
}

impl Log {
    pub(super) fn new(max: usize) -> Self {
        Self { kept: Default::default(), counts: vec![0; Code::ALL.len()], max, part: 0, name: None }
    }

    /// From now on the findings are about the next file. A single file needs no name.
    pub(super) fn next_file(&mut self, name: Option<String>) {
        self.part += 1;
        self.name = name;
    }

    /// Adds a finding about the thing that begins at `start` and fails at `failed_at`. `rest` gives its message and sets
    /// what else is known, and is asked only if the finding is kept.
    pub(super) fn add(
        &mut self,
        code: Code,
        (start, failed_at): (u64, u64),
        message: impl FnOnce() -> String,
        rest: impl FnOnce(&mut Finding),
    ) {
        self.counts[code as usize] += 1;
        let kept = &mut self.kept[code.severity() as usize];
        if kept.len() < self.max {
            let mut finding = Finding::new(code, start, failed_at, message());
            finding.file.clone_from(&self.name);
            rest(&mut finding);
            kept.push((self.part, finding));
        }
    }

    /// Adds a finding about the set, or about the whole of a file.
    pub(super) fn note(&mut self, code: Code, message: impl FnOnce() -> String) {
        self.add(code, (0, 0), message, |_| ());
    }

    /// Takes over the findings about the RDB image of this file.
    pub(super) fn image(&mut self, image: &Report) {
        for (code, count) in &image.findings_by_code {
            self.counts[*code as usize] += count;
        }
        for finding in &image.findings {
            let kept = &mut self.kept[finding.severity as usize];
            if kept.len() < self.max {
                kept.push((self.part, Finding { file: self.name.clone(), ..finding.clone() }));
            }
        }
    }

    pub(super) fn any(&self, severity: Severity) -> bool {
        self.by_code().any(|(code, _)| code.severity() >= severity)
    }

    /// How often a code was found.
    pub(super) fn count(&self, code: Code) -> u64 {
        self.counts[code as usize]
    }

    /// What was found under one code is another one: now that all files are read, more is known.
    pub(super) fn recode(&mut self, from: Code, to: Code) {
        self.counts[to as usize] += std::mem::take(&mut self.counts[from as usize]);
        let kept = &mut self.kept[from.severity() as usize];
        let moved = kept.extract_if(.., |(_, finding)| finding.code == from);
        let moved: Vec<_> =
            moved.map(|(part, finding)| (part, Finding { code: to, severity: to.severity(), ..finding })).collect();
        let kept = &mut self.kept[to.severity() as usize];
        kept.extend(moved);
        // The sort is stable, and what came first in its file stays.
        kept.sort_by_key(|(part, finding)| (*part, finding.start));
        kept.truncate(self.max);
    }

    fn by_code(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL.iter().map(|code| (*code, self.counts[*code as usize])).filter(|(_, count)| *count > 0)
    }

    /// The findings that were kept, in the order of the files and of their places there, and the counts by code.
    pub(super) fn into_parts(self) -> (Vec<Finding>, BTreeMap<Code, u64>) {
        let counts = self.by_code().collect();
        let max = self.max;
        let [notes, warnings, errors] = self.kept;
        let mut all: Vec<_> = errors.into_iter().chain(warnings).chain(notes).take(max).collect();
        all.sort_by_key(|(part, finding)| (*part, finding.start, finding.failed_at));
        (all.into_iter().map(|(_, finding)| finding).collect(), counts)
    }
}
