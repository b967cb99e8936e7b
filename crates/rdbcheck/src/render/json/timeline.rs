//! `--timeline` in the document: stretches of records, and what took much away at once.

use redis_persistence::verify::Report;
use serde::Serialize;

use super::{Number, Signed};
use crate::outcome::Entry;

#[derive(Serialize)]
pub(super) struct RowView<'a> {
    file: &'a str,
    role: &'a str,
    image: bool,
    offset: Number,
    bytes: Number,
    timestamp: Option<Signed>,
    commands: Number,
    stamps: Number,
}

#[derive(Serialize)]
pub(super) struct ChangeView<'a> {
    file: &'a str,
    role: &'a str,
    kind: &'a str,
    start: Number,
    end: Number,
    line: Number,
    db: u32,
    timestamp: Option<Signed>,
    commands: Number,
    keys: Number,
    commands_before: Number,
    keys_before_estimated: Number,
}

/// The name and the role of a part.
fn of(report: &Report, part: usize) -> (&str, &str) {
    report.parts.get(part).map_or(("", ""), |part| (&part.name, part.role.as_str()))
}

pub(super) fn rows<'a>(entry: &Entry, report: &'a Report) -> Option<Vec<RowView<'a>>> {
    let timeline = entry.timeline.as_ref()?;
    let rows = timeline.rows.iter().map(|row| {
        let (file, role) = of(report, row.part);
        RowView {
            file,
            role,
            image: row.image,
            offset: Number(row.offset),
            bytes: Number(row.bytes),
            timestamp: row.timestamp.map(Signed),
            commands: Number(row.commands),
            stamps: Number(row.stamps),
        }
    });
    Some(rows.collect())
}

pub(super) fn changes<'a>(entry: &Entry, report: &'a Report) -> Option<Vec<ChangeView<'a>>> {
    let timeline = entry.timeline.as_ref()?;
    let changes = timeline.changes.iter().map(|(part, change)| {
        let (file, role) = of(report, *part);
        ChangeView {
            file,
            role,
            kind: change.kind.as_str(),
            start: Number(change.start),
            end: Number(change.end),
            line: Number(change.line),
            db: change.db,
            timestamp: change.timestamp.map(Signed),
            commands: Number(change.commands),
            keys: Number(change.keys),
            commands_before: Number(change.commands_before),
            keys_before_estimated: Number(change.keys_before),
        }
    });
    Some(changes.collect())
}
