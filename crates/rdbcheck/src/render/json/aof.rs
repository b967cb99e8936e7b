//! Append-only files in the document: what their records hold, their parts, their timestamps.

use std::collections::BTreeMap;

use redis_persistence::aof::dir::NextStart;
use redis_persistence::verify::{Report, UnreadFacts};
use serde::Serialize;

use super::{ByName, Number, Signed, by_name};
use crate::outcome::Entry;

#[derive(Serialize)]
pub(super) struct AofView<'a> {
    ok_up_to: Option<Number>,
    ok_up_to_line: Option<Number>,
    diff: Option<Signed>,
    commands: Number,
    commands_by_name: ByName<'a>,
    databases: BTreeMap<u64, Number>,
    transactions: Number,
    first_timestamp: Option<Signed>,
    last_timestamp: Option<Signed>,
    next_start: Option<NextStartView<'a>>,
}

#[derive(Serialize)]
struct NextStartView<'a> {
    does: &'static str,
    overwrites: Option<String>,
    appends: Option<String>,
    not_read: Vec<UnreadView<'a>>,
}

#[derive(Serialize)]
struct UnreadView<'a> {
    file: &'a str,
    kind: &'static str,
    size: Number,
    modified: Option<Signed>,
    sound: Option<bool>,
    keys: Option<Number>,
    commands: Option<Number>,
    written: Option<Signed>,
}

#[derive(Serialize)]
pub(super) struct PartView<'a> {
    name: &'a str,
    role: &'a str,
    size: Option<Number>,
    ok_up_to: Option<Number>,
    loads_up_to: Option<Number>,
    preamble_end: Option<Number>,
}

pub(super) fn facts<'a>(entry: &Entry, report: &'a Report) -> Option<AofView<'a>> {
    let facts = report.aof.as_ref()?;
    Some(AofView {
        ok_up_to: facts.ok_up_to.map(Number),
        ok_up_to_line: facts.ok_up_to_line.map(Number),
        diff: facts.diff.map(Signed),
        commands: Number(facts.commands),
        commands_by_name: by_name(facts.commands_by_name.iter().map(|(name, n)| (name.as_str(), *n))),
        databases: facts.databases.iter().map(|(db, n)| (*db, Number(*n))).collect(),
        transactions: Number(facts.transactions),
        first_timestamp: facts.first_timestamp.map(Signed),
        last_timestamp: facts.last_timestamp.map(Signed),
        next_start: entry.set.as_ref().and_then(|set| next_start(&set.next_start, &facts.load.unread)),
    })
}

fn next_start<'a>(next: &NextStart, unread: &'a [UnreadFacts]) -> Option<NextStartView<'a>> {
    let name = |name: &Option<Vec<u8>>| name.as_ref().map(|name| name.escape_ascii().to_string());
    let (does, overwrites, appends) = match next {
        NextStart::LoadsFile => ("loads-file", None, None),
        NextStart::LoadsManifest => ("loads-manifest", None, None),
        NextStart::Migrates => ("migrates", None, None),
        NextStart::Empty { overwrites, appends } => ("starts-empty", name(overwrites), name(appends)),
        NextStart::Refuses => ("refuses", None, None),
        // A new one is first to get its name here.
        _ => return None,
    };
    Some(NextStartView { does, overwrites, appends, not_read: unread.iter().map(not_read).collect() })
}

fn not_read(unread: &UnreadFacts) -> UnreadView<'_> {
    let content = unread.content.as_ref();
    UnreadView {
        file: &unread.name,
        kind: unread.kind.as_str(),
        size: Number(unread.size),
        modified: unread.modified.map(Signed),
        sound: content.map(|content| content.is_sound),
        keys: content.map(|content| Number(content.keys)),
        commands: content.map(|content| Number(content.commands)),
        written: content.and_then(|content| content.written).map(Signed),
    }
}

pub(super) fn parts(report: &Report) -> Vec<PartView<'_>> {
    let parts = report.parts.iter().map(|part| PartView {
        name: &part.name,
        role: part.role.as_str(),
        size: part.size.map(Number),
        ok_up_to: part.ok_up_to.map(Number),
        loads_up_to: part.loads_up_to.map(Number),
        preamble_end: part.preamble_end.map(Number),
    });
    parts.collect()
}
