//! Mends a manifest: by small changes where they are enough, else from the files that lie in the folder.

use std::collections::HashSet;
use std::ops::Range;

mod chains;

use super::{FileIdentity, Rewrite};
use crate::aof::Manifest;
use crate::aof::dir::names::{Name, classify};
use crate::aof::dir::{AofSet, NextStart, Node, Part, Role, Shape, os_name};
use crate::aof::manifest::{Entry, EntryKind, ManifestErrorKind};

/// A comment of more bytes than this is read on as a line of its own.
const MAX_COMMENT: usize = 1024;
/// How many lines that go are named.
const MOST_SAID: usize = 100;

/// A manifest as it should be.
#[derive(Debug, Default)]
pub(super) struct Mend {
    /// The new content, if the old one does not do.
    pub content: Option<Vec<u8>>,
    /// What changes.
    pub why: Vec<String>,
    /// What is still wrong.
    pub reasons: Vec<String>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// Listed files that are not there and have others behind them: the name, how many those are, and their bytes.
    pub followed: Vec<(Vec<u8>, String, u64)>,
}

impl Mend {
    fn to(content: Vec<u8>, why: Vec<String>) -> Self {
        Self { content: Some(content), why, ..Self::default() }
    }

    fn reason(text: String) -> Self {
        Self { reasons: vec![text], ..Self::default() }
    }
}

/// Looks at the manifest of a set.
pub(super) fn mend(set: &AofSet) -> Mend {
    if set.shape == Shape::Single || set.next_start == NextStart::Migrates {
        return Mend::default();
    }
    let Some(file) = &set.manifest else { return rebuild(set, "there is no manifest") };
    let bytes = &file.bytes[..];
    if bytes.len() as u64 != file.size {
        return Mend::reason("the manifest is too long for one".to_owned());
    }
    let manifest = &file.manifest;
    if let Some(error) = file.errors.first() {
        let (content, why) = tidied(bytes);
        if Manifest::parse(&content).1.is_empty() && !lists_nothing(&Manifest::parse(&content).0) {
            return Mend::to(content, why);
        }
        if error.kind() == ManifestErrorKind::Empty {
            return rebuild(set, "the manifest is empty");
        }
        return rebuild(set, &format!("line {} of the manifest cannot be read", error.line()));
    }
    if lists_nothing(manifest) {
        if manifest.history().next().is_some() {
            return Mend::reason(
                "the manifest lists nothing but files to be deleted: the next start is empty and deletes them"
                    .to_owned(),
            );
        }
        return rebuild(set, "the manifest lists no file");
    }
    let live: HashSet<&[u8]> =
        manifest.base().into_iter().chain(manifest.incrs()).map(|entry| &entry.name[..]).collect();
    let stale: Vec<&Entry> = manifest.history().filter(|entry| live.contains(&entry.name[..])).collect();
    if stale.is_empty() {
        return chains::mend(set, file).unwrap_or_default();
    }
    let say = |entry: &&Entry| {
        let name = entry.name.escape_ascii();
        format!("line {} goes: it has {name} deleted, which other lines need", entry.line)
    };
    Mend::to(without(bytes, stale.iter().map(|entry| &entry.range)), stale.iter().map(say).collect())
}

fn lists_nothing(manifest: &Manifest) -> bool {
    manifest.base().is_none() && manifest.incrs().next().is_none()
}

/// Returns the bytes without some of their lines.
fn without<'r>(bytes: &[u8], lines: impl Iterator<Item = &'r Range<usize>>) -> Vec<u8> {
    let (mut kept, mut at) = (Vec::new(), 0);
    for line in lines {
        kept.extend_from_slice(bytes.get(at..line.start).unwrap_or_default());
        at = line.end;
    }
    kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
    kept
}

/// Returns a manifest without the lines of these files.
pub(super) fn without_files(bytes: &[u8], names: &HashSet<&[u8]>) -> Vec<u8> {
    let (manifest, _) = Manifest::parse(bytes);
    let gone = |entry: &&Entry| entry.kind == EntryKind::Incr && names.contains(&entry.name[..]);
    without(bytes, manifest.entries.iter().filter(gone).map(|entry| &entry.range))
}

/// Drops what has no meaning and stops servers, and adds the last line end.
fn tidied(bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
    let (mut kept, mut why, mut more): (Vec<u8>, Vec<String>, u64) = (Vec::new(), Vec::new(), 0);
    let mut goes = |number: u64, because: &str| {
        if why.len() < MOST_SAID {
            why.push(format!("line {number} goes: {because}"));
        } else {
            more += 1;
        }
    };
    let mut lines: HashSet<&[u8]> = HashSet::new();
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1_u64..) {
        if line.trim_ascii().is_empty() {
            goes(number, "it is blank");
        } else if line.starts_with(b"#") && line.len() > MAX_COMMENT {
            goes(number, "a comment that is too long, so that its rest is read as a file");
        } else if !line.starts_with(b"#") && !lines.insert(line) {
            goes(number, "it is there twice");
        } else {
            kept.extend_from_slice(line);
        }
    }
    if more > 0 {
        why.push(format!("{more} more lines go"));
    }
    if !kept.is_empty() && !kept.ends_with(b"\n") {
        why.push("the last line gets its line end".to_owned());
        kept.push(b'\n');
    }
    (kept, why)
}

/// A file that a manifest made anew lists.
struct Found<'s> {
    part: &'s Part,
    seq: i64,
}

/// Makes a manifest from the files that are there.
fn rebuild(set: &AofSet, because: &str) -> Mend {
    let history = set.manifest.iter().flat_map(|file| file.manifest.history());
    let dead: HashSet<&[u8]> = history.map(|entry| &entry.name[..]).collect();
    let (mut bases, mut incrs): (Vec<Found<'_>>, Vec<Found<'_>>) = (Vec::new(), Vec::new());
    for part in set.parts.iter().filter(|part| matches!(part.node, Some(Node::File(_)))) {
        let seq = |seq: u64| i64::try_from(seq).ok().filter(|seq| *seq > 0);
        match classify(&part.name) {
            _ if part.role == Role::History || dead.contains(&part.name[..]) => {}
            Name::Base(_, number) => bases.extend(seq(number).map(|seq| Found { part, seq })),
            Name::Incr(_, number) => incrs.extend(seq(number).map(|seq| Found { part, seq })),
            _ => {}
        }
    }
    for found in [&mut bases, &mut incrs] {
        found.sort_by_key(|found| found.seq);
        found.dedup_by(|a, b| a.part.name == b.part.name);
    }
    if bases.is_empty() && incrs.is_empty() {
        return if set.manifest.is_some() && because != "the manifest lists no file" {
            Mend::reason(format!("{because}, and no file is there to make it from"))
        } else {
            Mend::default()
        };
    }
    let mut mend =
        Mend { why: vec![format!("{because}: it is made from the files that are there")], ..Mend::default() };
    if bases.len() > 1 {
        mend.reasons
            .push("there is more than one base file: which incremental files belong to the last one?".to_owned());
    }
    let gap = incrs.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq));
    if gap {
        mend.reasons.push("the numbers of the incremental files have a gap, or one is there twice".to_owned());
    }
    let found: HashSet<&[u8]> = bases.iter().chain(&incrs).map(|found| &found.part.name[..]).collect();
    let readable = set.manifest.iter().flat_map(|file| &file.manifest.entries);
    for entry in readable.filter(|entry| entry.kind != EntryKind::History) {
        if !found.contains(&entry.name[..]) {
            mend.reasons.push(format!("the manifest lists {}, which is not there", entry.name.escape_ascii()));
        }
    }
    if bases.is_empty() {
        mend.notes.push("no base file is there: what it held is not in the set".to_owned());
    }
    let entry = |found: &Found<'_>, kind| {
        let known = found.part.entry.as_ref();
        Entry {
            name: found.part.name.clone(),
            seq: found.seq,
            kind,
            start_offset: known.and_then(|entry| entry.start_offset),
            end_offset: known.and_then(|entry| entry.end_offset),
            line: 0,
            range: 0..0,
        }
    };
    let base = bases.last().map(|found| entry(found, EntryKind::Base));
    let entries = base.into_iter().chain(incrs.iter().map(|found| entry(found, EntryKind::Incr))).collect();
    mend.content = Some(Manifest { entries }.to_bytes());
    mend
}

/// Returns the step that gives a set this manifest. `seen` is the one that is there.
pub(super) fn rewrite(set: &AofSet, seen: Option<FileIdentity>, content: Vec<u8>, why: Vec<String>) -> Rewrite {
    let path = match &set.manifest {
        Some(file) => file.path.clone(),
        None => set.root.join(os_name(&[&set.prefix, &b".manifest"[..]].concat())),
    };
    let like = set.parts.iter().find(|part| part.size().is_some()).map(|part| part.path.clone());
    Rewrite { path, file: seen, content, like, why }
}
