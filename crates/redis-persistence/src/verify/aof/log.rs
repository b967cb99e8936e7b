//! Collects the findings of several files: all are counted, the first so many are kept.

use std::collections::BTreeMap;
use std::io;

use crate::report::Report;
use crate::report::codes::{Code, Severity};
use crate::report::finding::Finding;
use crate::report::spill::{KEPT, More, Spill};
use crate::verify::options::Options;

/// The findings of a set so far.
#[derive(Debug)]
pub(super) struct Log {
    /// By severity, so that a flood of warnings does not push out an error; each with the number of its file.
    kept: [Vec<(usize, Finding)>; 3],
    counts: Vec<u64>,
    max: usize,
    /// Takes what is more than that, up to so many in all.
    spill: Option<(Spill, usize)>,
    recoded: Option<(Code, Code)>,
    /// The number of the file that findings are about now, and its name in the set.
    part: usize,
    name: Option<String>,
}

impl Log {
    pub(super) fn new(options: &Options) -> Self {
        let most = options.max_findings;
        let spill = options.spill.filter(|_| most > KEPT).map(|to| (Spill::new(to, most), most));
        Self {
            kept: Default::default(),
            counts: vec![0; Code::ALL.len()],
            max: if spill.is_some() { KEPT } else { most },
            spill,
            recoded: None,
            part: 0,
            name: None,
        }
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
        let has_room = self.kept[code.severity() as usize].len() < self.max;
        if has_room || self.spill.as_ref().is_some_and(|(spill, _)| spill.wants(code.severity())) {
            let mut finding = Finding::new(code, start, failed_at, message());
            finding.file.clone_from(&self.name);
            rest(&mut finding);
            self.keep(finding);
        }
    }

    fn keep(&mut self, finding: Finding) {
        let kept = &mut self.kept[finding.severity as usize];
        if kept.len() < self.max {
            kept.push((self.part, finding));
        } else if let Some((spill, _)) = &mut self.spill {
            spill.take(&finding);
        }
    }

    /// Adds a finding about the set, or about the whole of a file.
    pub(super) fn note(&mut self, code: Code, message: impl FnOnce() -> String) {
        self.add(code, (0, 0), message, |_| ());
    }

    /// Takes over the findings about the RDB image of this file.
    pub(super) fn image(&mut self, image: &Report) -> io::Result<()> {
        for (code, count) in &image.findings_by_code {
            self.counts[*code as usize] += count;
        }
        for finding in &image.findings {
            self.keep(Finding { file: self.name.clone(), ..finding.clone() });
        }
        for finding in image.more.read()? {
            self.keep(Finding { file: self.name.clone(), ..finding? });
        }
        Ok(())
    }

    pub(super) fn any(&self, severity: Severity) -> bool {
        self.by_code().any(|(code, _)| code.severity() >= severity)
    }

    /// Returns how often a code was found.
    pub(super) fn count(&self, code: Code) -> u64 {
        self.counts[code as usize]
    }

    /// What was found under one code is another one: now that all files are read, more is known.
    pub(super) fn recode(&mut self, from: Code, to: Code) {
        self.recoded = Some((from, to));
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

    /// Returns the findings that were kept, in the order of the files and of their places there, and the counts by code.
    pub(super) fn into_parts(self) -> (Vec<Finding>, More, BTreeMap<Code, u64>) {
        let counts = self.by_code().collect();
        let [notes, warnings, errors] = self.kept;
        let mut rest = errors.into_iter().chain(warnings).chain(notes);
        let mut all: Vec<_> = rest.by_ref().take(self.max).collect();
        let recoded = self.recoded;
        let more = self.spill.map(|(mut spill, most)| {
            rest.for_each(|(_, finding)| spill.take(&finding));
            spill.finish(all.len(), most, recoded)
        });
        all.sort_by_key(|(part, finding)| (*part, finding.start, finding.failed_at));
        (all.into_iter().map(|(_, finding)| finding).collect(), more.unwrap_or_default(), counts)
    }
}
