//! The manifest, and what a start makes of it.

use std::collections::{BTreeMap, HashSet};

use super::log::Log;
use crate::aof::Manifest;
use crate::aof::dir::has_file_line;
use crate::aof::dir::{AofSet, ManifestFile, Name, NextStart, Node, Part, Role, classify};
use crate::aof::manifest::{Entry, EntryKind, ManifestErrorKind};
use crate::report::codes::Code;

/// Reports all of it, the manifest's lines first.
pub(super) fn check(set: &AofSet, log: &mut Log) {
    if let Some(file) = &set.manifest {
        log.next_file(Some(name_of(&file.path)));
        lines(file, log);
        listed(set, file, log);
        entries(set, file, log);
    }
    log.next_file(None);
    next_start(set, log);
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().as_encoded_bytes().escape_ascii().to_string()
}

pub(super) fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

/// What servers refuse, line by line.
fn lines(file: &ManifestFile, log: &mut Log) {
    for error in &file.errors {
        let (start, failed_at) = (error.range().start as u64, error.offset() as u64);
        log.add(
            code(error.kind()),
            (start, failed_at),
            || error.to_string(),
            |finding| {
                finding.line = (error.line() > 0).then_some(error.line());
                finding.end = Some(error.range().end as u64);
            },
        );
    }
    if file.size > file.bytes.len() as u64 {
        log.note(Code::ManifestTooLarge, || format!("{} bytes are no manifest; the first MiB was read", file.size));
    }
    // Reading from memory cannot fail.
    if !file.bytes.is_empty() && !has_file_line(&file.bytes[..], false).unwrap_or(true) && !comments_only(&file.bytes) {
        log.note(Code::ManifestFirstLineTripsTools, || {
            "the first line does not begin with \"file\": the check tools take the manifest for an append-only file, and \
             --fix empties it"
                .to_owned()
        });
    }
}

fn code(kind: ManifestErrorKind) -> Code {
    match kind {
        ManifestErrorKind::Empty => Code::ManifestEmpty,
        ManifestErrorKind::LineTooLong => Code::ManifestLineTooLong,
        ManifestErrorKind::NoFinalNewline => Code::ManifestNoFinalNewline,
        ManifestErrorKind::NulByte => Code::ManifestNulByte,
        ManifestErrorKind::BlankLine => Code::ManifestBlankLine,
        ManifestErrorKind::BadQuoting => Code::ManifestBadQuoting,
        ManifestErrorKind::NotPairs => Code::ManifestNotPairs,
        ManifestErrorKind::NameIsPath => Code::ManifestNameIsPath,
        ManifestErrorKind::NoName => Code::ManifestNoName,
        ManifestErrorKind::NoSeq => Code::ManifestNoSeq,
        ManifestErrorKind::NoType => Code::ManifestNoType,
        ManifestErrorKind::UnknownType => Code::ManifestUnknownType,
        ManifestErrorKind::SecondBase => Code::ManifestSecondBase,
        ManifestErrorKind::SeqNotRising => Code::ManifestSeqNotRising,
    }
}

fn comments_only(bytes: &[u8]) -> bool {
    bytes.split_inclusive(|byte| *byte == b'\n').all(|line| line.starts_with(b"#"))
}

/// What the manifest as a whole lists.
fn listed(set: &AofSet, file: &ManifestFile, log: &mut Log) {
    let manifest = &file.manifest;
    if file.errors.is_empty() && manifest.base().is_none() && manifest.incrs().next().is_none() {
        let (code, what) = if manifest.entries.is_empty() {
            (Code::ManifestCommentsOnly, "nothing but comments")
        } else {
            (Code::ManifestListsNothing, "nothing but history, which is deleted")
        };
        if set.next_start != NextStart::Migrates {
            log.note(code, || format!("the manifest lists {what}: servers start empty, without a word"));
        }
    }
    let mut before: Option<&Entry> = None;
    for incr in manifest.incrs() {
        if let Some(last) = before {
            if last.seq.checked_add(1).is_some_and(|next| next != incr.seq) {
                about(log, Code::ManifestGap, incr, || {
                    format!("incremental file {} follows number {}: those between are not loaded", incr.seq, last.seq)
                });
            }
            if let Some(message) = offsets(last, incr) {
                about(log, Code::ManifestOffsetsDoNotChain, incr, || message);
            }
        }
        if let (Some(start), Some(end)) = (incr.start_offset, incr.end_offset)
            && end < start
        {
            about(log, Code::ManifestOffsetsDoNotChain, incr, || {
                format!("the file begins at replication offset {start} and ends before it, at {end}")
            });
        }
        before = Some(incr);
    }
}

/// Returns how the replication offsets of two files that follow one another contradict each other.
fn offsets(last: &Entry, next: &Entry) -> Option<String> {
    let start = next.start_offset?;
    match (last.end_offset, last.start_offset) {
        (Some(end), _) if end != start => {
            Some(format!("the file begins at replication offset {start}, the one before it ends at {end}"))
        }
        (None, Some(before)) if start < before => {
            Some(format!("the file begins at replication offset {start}, the one before it at {before}"))
        }
        _ => None,
    }
}

/// Adds a finding about a line.
fn about(log: &mut Log, code: Code, entry: &Entry, message: impl FnOnce() -> String) {
    let start = entry.range.start as u64;
    log.add(code, (start, start), message, |finding| {
        finding.line = Some(entry.line);
        finding.end = Some(entry.range.end as u64);
    });
}

/// What each line says against what lies in the folder.
fn entries(set: &AofSet, file: &ManifestFile, log: &mut Log) {
    let mut live: BTreeMap<&[u8], &Entry> = BTreeMap::new();
    for part in set.parts.iter().filter(|part| part.role.is_loaded()) {
        let Some(entry) = &part.entry else { continue };
        absent(part, entry, log);
        if let Some(first) = live.get(&part.name[..]) {
            about(log, Code::ManifestDuplicateFile, entry, || {
                format!("{} stands in line {} already: its records are loaded twice", shown(&part.name), first.line)
            });
        } else {
            live.insert(&part.name, entry);
        }
        number(entry, log);
    }
    let history = set.parts.iter().filter(|part| part.role == Role::History && part.node.is_some());
    let there: HashSet<&[u8]> = history.map(|part| &part.name[..]).collect();
    for entry in file.manifest.history() {
        if live.contains_key(&entry.name[..]) {
            about(log, Code::ManifestHistoryNamesLive, entry, || {
                format!(
                    "{} is listed to be deleted and to be loaded: the next start loads it, deletes it, and the start \
                     after that refuses",
                    shown(&entry.name)
                )
            });
        } else if there.contains(&entry.name[..])
            && classify(&entry.name).prefix().is_none()
            && entry.name != set.prefix
        {
            about(log, Code::ManifestHistoryForeignFile, entry, || {
                format!("the next start deletes {}, which is not named like a part of the set", shown(&entry.name))
            });
        }
    }
    for entry in &file.manifest.entries {
        form(entry, file, log);
    }
}

/// A part that is not there, or is no file.
fn absent(part: &Part, entry: &Entry, log: &mut Log) {
    match part.node {
        Some(Node::File(_)) => {}
        Some(_) => about(log, Code::ManifestNotAFile, entry, || format!("{} is no regular file", shown(&part.name))),
        None => about(log, Code::ManifestMissingFile, entry, || {
            format!("{} is not there: servers refuse to start", shown(&part.name))
        }),
    }
}

/// The number in a name is only a habit of servers, but they keep it.
fn number(entry: &Entry, log: &mut Log) {
    let (Name::Base(_, seq) | Name::Incr(_, seq)) = classify(&entry.name) else { return };
    let kind = if matches!(classify(&entry.name), Name::Base(..)) { EntryKind::Base } else { EntryKind::Incr };
    if i64::try_from(seq) != Ok(entry.seq) || kind != entry.kind {
        about(log, Code::ManifestNameMismatch, entry, || {
            format!("{} is listed with number {} and type {}", shown(&entry.name), entry.seq, entry.kind.letter())
        });
    }
}

/// A line that servers take though they write it differently.
fn form(entry: &Entry, file: &ManifestFile, log: &mut Log) {
    let Some(text) = file.bytes.get(entry.range.clone()) else { return };
    let written = Manifest { entries: vec![entry.clone()] }.to_bytes();
    // Servers leave a bare ' unquoted; here it is quoted.
    if text != written && !entry.name.contains(&b'\'') {
        about(log, Code::ManifestLenientForm, entry, || {
            format!("servers take the line, and write it as \"{}\"", written.trim_ascii_end().escape_ascii())
        });
    }
}

/// A start that begins with nothing, over files that hold something.
fn next_start(set: &AofSet, log: &mut Log) {
    match &set.next_start {
        NextStart::Empty { overwrites, appends } => {
            if set.manifest.is_none() && set.parts.iter().any(|part| part.role == Role::Orphan) {
                log.note(Code::ManifestMissing, || {
                    "the folder holds files of a set but no manifest: servers start empty, without a word".to_owned()
                });
            }
            let size = |name: &Option<Vec<u8>>| {
                let orphans = set.parts.iter().filter(|part| part.role == Role::Orphan);
                let part = orphans.into_iter().find(|part| Some(&part.name) == name.as_ref());
                part.and_then(Part::size).unwrap_or(0)
            };
            for (name, what) in [(overwrites, "replaces"), (appends, "writes behind what is in")] {
                let bytes = size(name);
                if let (Some(name), 1..) = (name, bytes) {
                    log.note(Code::AofEmptyStart, || {
                        format!("the next start begins with no data, and {what} {}, {bytes} bytes", shown(name))
                    });
                }
            }
        }
        NextStart::Migrates => log.note(Code::AofOldStyleMigrates, || {
            "the next start moves the old-style file into the folder, and loads it as the base".to_owned()
        }),
        _ => {}
    }
}
