//! A manifest that lists files that are not there: which whole chain of files lies in the folder in their place.
//!
//! ```text
//! each rewrite      base N  ->  base N+1, which holds base N and the incremental files up to the first that belongs to it
//! numbers           a rewrite that succeeds opens one incremental file, so the first one of base N+k has at least the number of
//!                   the last one before plus k; a rewrite that failed leaves one more
//! stale manifest    lists generation N, the files of N+1 lie there: the copy took the manifest first, then the files
//! the reverse       lists generation N+1, the files of N lie there, often still as history
//! a wrong name      a line names a file that is not there, and the file of its number lies there without a line
//! ```
//! Where the numbers leave a choice, a file could be run twice. Then the plan says so and is not enough by itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Mend, without_files};
use crate::aof::Manifest;
use crate::aof::dir::names::{Name, classify};
use crate::aof::dir::{AofSet, ManifestFile, Part};
use crate::aof::manifest::{Entry, EntryKind};
use crate::repair::plan::first_lines;

/// The files that are there, by number.
struct There<'s> {
    bases: BTreeMap<i64, &'s Part>,
    incrs: BTreeMap<i64, &'s Part>,
}

/// Mends a manifest of which a file that is to be loaded is not there; nothing if all are, or no chain is whole.
pub(super) fn mend(set: &AofSet, file: &ManifestFile) -> Option<Mend> {
    let missing: Vec<&Part> = set.parts.iter().filter(|part| part.role.is_loaded() && part.node.is_none()).collect();
    if missing.is_empty() {
        return None;
    }
    if let Some(mend) = misnamed(set, file, &missing) {
        return Some(mend);
    }
    let manifest = &file.manifest;
    let there = There::of(set);
    let base = manifest.base().map_or(0, |entry| entry.seq);
    let has_base = missing.iter().all(|part| part.entry.as_ref().is_none_or(|entry| entry.kind != EntryKind::Base));
    let newer = there.bases.range(base.checked_add(1)?..).next_back();
    if let Some(mend) = newer.and_then(|(seq, part)| there.newer(manifest, *seq, part, seq - base)) {
        return Some(mend);
    }
    if has_base {
        return Some(without_missing(set, file, &missing));
    }
    let older = there.bases.range(..base).next_back();
    older.and_then(|(seq, part)| there.older(manifest, *seq, part, base - seq))
}

/// Returns the manifest with the right names, where a line of it names a file that is not there, and the file that has this
/// number by the scheme of names lies there and no line lists it.
fn misnamed(set: &AofSet, file: &ManifestFile, missing: &[&Part]) -> Option<Mend> {
    let listed: HashSet<&[u8]> = file.manifest.entries.iter().map(|entry| &entry.name[..]).collect();
    let mut lines: Vec<Entry> = Vec::new();
    let mut why = Vec::new();
    for part in missing {
        let entry = part.entry.as_ref()?;
        let is_meant = |there: &&Part| match (classify(&there.name), entry.kind) {
            (Name::Base(prefix, seq), EntryKind::Base) | (Name::Incr(prefix, seq), EntryKind::Incr) => {
                prefix == set.prefix && i64::try_from(seq) == Ok(entry.seq)
            }
            _ => false,
        };
        let unlisted = |there: &&Part| there.size().is_some() && !listed.contains(&there.name[..]);
        let mut meant = set.parts.iter().filter(unlisted).filter(is_meant);
        let (Some(there), None) = (meant.next(), meant.next()) else { return None };
        why.push(format!(
            "line {} names {}, which is not there: it is to name {}, which has its number",
            entry.line,
            name(part),
            name(there)
        ));
        lines.push(Entry { name: there.name.clone(), ..entry.clone() });
    }
    lines.sort_by_key(|entry| entry.range.start);
    let (mut content, mut at) = (Vec::new(), 0);
    for entry in lines {
        content.extend_from_slice(file.bytes.get(at..entry.range.start)?);
        at = entry.range.end;
        content.extend_from_slice(&Manifest { entries: vec![entry] }.to_bytes());
    }
    content.extend_from_slice(file.bytes.get(at..)?);
    first_lines(&mut why);
    Some(Mend { content: Some(content), why, ..Mend::default() })
}

impl<'s> There<'s> {
    fn of(set: &'s AofSet) -> Self {
        let (mut bases, mut incrs) = (BTreeMap::new(), BTreeMap::new());
        for part in set.parts.iter().filter(|part| part.size().is_some()) {
            let (Name::Base(_, seq) | Name::Incr(_, seq)) = classify(&part.name) else { continue };
            let Some(seq) = i64::try_from(seq).ok().filter(|seq| *seq > 0) else { continue };
            let of_kind = if matches!(classify(&part.name), Name::Base(..)) { &mut bases } else { &mut incrs };
            of_kind.entry(seq).or_insert(part);
        }
        Self { bases, incrs }
    }

    /// Returns the chain of a base that so many rewrites after the listed one made.
    fn newer(&self, manifest: &Manifest, seq: i64, base: &'s Part, rewrites: i64) -> Option<Mend> {
        let last = manifest.incrs().map(|entry| entry.seq).max().unwrap_or(0);
        let first = last.checked_add(rewrites)?;
        let incrs: Vec<_> = self.incrs.range(first..).map(|(seq, part)| (*seq, *part)).collect();
        let mut mend = chain((seq, base), &incrs, "newer than the manifest");
        if incrs.is_empty() {
            mend.notes
                .push(format!("no incremental file of {} is there: what was written after it is missing", name(base)));
        }
        if incrs.len() > 1 {
            mend.reasons.push(which(base, &incrs));
        }
        let numbers = (first..).zip(&incrs);
        if numbers.into_iter().any(|(number, (seq, _))| number != *seq) {
            mend.reasons.push("the numbers of the incremental files have a gap".to_owned());
        }
        Some(mend)
    }

    /// Returns the chain of a base that was there so many rewrites before the listed one, with the files that are listed
    /// behind it.
    fn older(&self, manifest: &Manifest, seq: i64, base: &'s Part, rewrites: i64) -> Option<Mend> {
        let first = manifest.incrs().map(|entry| entry.seq).min();
        let end = first.unwrap_or(i64::MAX);
        let mut incrs: Vec<(i64, &Part)> = Vec::new();
        for (seq, part) in self.incrs.range(..end).rev() {
            let next = incrs.last().map_or(first.unwrap_or(seq.saturating_add(1)), |(next, _)| *next);
            if seq.checked_add(1) != Some(next) {
                break;
            }
            incrs.push((*seq, *part));
        }
        incrs.reverse();
        if (incrs.len() as i64) < rewrites {
            return None;
        }
        let unsure = (incrs.len() as i64 > rewrites).then(|| which(base, &incrs));
        let mut listed = manifest.incrs();
        for entry in listed.by_ref() {
            match self.incrs.get(&entry.seq).filter(|part| part.name == entry.name) {
                Some(part) => incrs.push((entry.seq, part)),
                None => break,
            }
        }
        let mut mend = chain((seq, base), &incrs, "older than the manifest");
        mend.reasons.extend(unsure);
        let last = manifest.incrs().last().map(|entry| entry.seq);
        if incrs.last().map(|(seq, _)| *seq) != last || last.is_none() {
            mend.notes.push(format!(
                "the files that the manifest lists are not all there: what was written after {} is missing",
                incrs.last().map_or_else(String::new, |(_, part)| name(part))
            ));
        }
        if listed.next().is_some_and(|entry| self.incrs.contains_key(&entry.seq)) {
            mend.reasons.push("the numbers of the incremental files have a gap".to_owned());
        }
        Some(mend)
    }
}

fn name(part: &Part) -> String {
    part.name.escape_ascii().to_string()
}

fn which(base: &Part, incrs: &[(i64, &Part)]) -> String {
    let names: Vec<_> = incrs.iter().map(|(_, part)| name(part)).collect();
    format!(
        "{} may hold what the first of {} hold: their numbers do not tell, and what is run twice is wrong",
        name(base),
        names.join(", ")
    )
}

/// Returns a manifest of a base and the incremental files that follow it.
fn chain((seq, base): (i64, &Part), incrs: &[(i64, &Part)], age: &str) -> Mend {
    let entry = |part: &Part, seq: i64, kind| {
        let known = part.entry.as_ref().filter(|entry| entry.kind == kind);
        Entry {
            name: part.name.clone(),
            seq,
            kind,
            start_offset: known.and_then(|entry| entry.start_offset),
            end_offset: known.and_then(|entry| entry.end_offset),
            line: 0,
            range: 0..0,
        }
    };
    let mut entries = vec![entry(base, seq, EntryKind::Base)];
    entries.extend(incrs.iter().map(|(seq, part)| entry(part, *seq, EntryKind::Incr)));
    let files: Vec<_> = [base].into_iter().chain(incrs.iter().map(|(_, part)| *part)).map(name).collect();
    let why = format!(
        "a file that is listed is not there: the chain that lies there, {age}, is listed instead: {}",
        files.join(", ")
    );
    Mend { content: Some(Manifest { entries }.to_bytes()), why: vec![why], ..Mend::default() }
}

/// Returns the manifest without the lines of incremental files that are not there.
fn without_missing(set: &AofSet, file: &ManifestFile, missing: &[&Part]) -> Mend {
    let names: HashSet<&[u8]> = missing.iter().map(|part| &part.name[..]).collect();
    let mut mend = Mend { content: Some(without_files(&file.bytes, &names)), ..Mend::default() };
    // For each file, how many are there behind it, and their bytes.
    let mut behind: HashMap<&[u8], (u64, u64)> = HashMap::new();
    let (mut files, mut bytes) = (0, 0_u64);
    for part in set.parts.iter().rev().filter(|part| part.role.is_loaded()) {
        if part.node.is_some() {
            (files, bytes) = (files + 1, bytes.saturating_add(part.size().unwrap_or(0)));
        }
        behind.insert(&part.name, (files, bytes));
    }
    for part in missing {
        let line = part.entry.as_ref().map_or(0, |entry| entry.line);
        mend.why
            .push(format!("line {line} goes: {} is not there, and the writes that it held are missing", name(part)));
        if let Some(&(files, bytes)) = behind.get(&part.name[..]).filter(|(files, _)| *files > 0) {
            mend.followed.push((part.name.clone(), crate::repair::plan::number(files, "file"), bytes));
        }
    }
    first_lines(&mut mend.why);
    mend
}
