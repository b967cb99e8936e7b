//! The paragraph of `--timeline`: stretches of records, and what took much away at once.

use redis_persistence::aof::changes::{Change, ChangeKind};
use redis_persistence::aof::dir::Role;
use redis_persistence::verify::Report;

use crate::escape;
use crate::outcome::{Row, Timeline};
use crate::style::{BOLD, NAME, Page, shorten};
use crate::units::{commas, date, number, size};

pub(super) fn paragraph(page: &mut Page, timeline: &Timeline, report: &Report) {
    let stamps = timeline.rows.iter().map(|row| row.stamps).sum();
    page.paragraph(2, "timeline", BOLD, &format!(": {}", number(stamps, "timestamp")));
    if page.look.is_seen && timeline.rows.len() > 1 {
        let bytes: Vec<u64> = timeline.rows.iter().map(|row| row.bytes).collect();
        // Neighbours share a column where there are more than fit.
        let each = bytes.len().div_ceil(page.look.width - 24);
        let sums: Vec<u64> =
            bytes.chunks(each.max(1)).map(|of| of.iter().fold(0, |sum, n| n.saturating_add(sum))).collect();
        page.plain(4, &format!("bytes: [{}]", page.look.sparkline(&sums)));
    }
    let mut part = None;
    for row in &timeline.rows {
        if part.replace(row.part) != Some(row.part) {
            page.plain(4, &name(row.part, report));
        }
        page.plain(6, &stretch(row));
    }
    if timeline.changes.is_empty() {
        return;
    }
    page.plain(4, "what took much away at once");
    for (part, change) in &timeline.changes {
        page.plain(6, &happened(*part, change, report));
    }
    if timeline.more_changes > 0 {
        page.plain(6, &format!("and {} more", commas(timeline.more_changes)));
    }
}

fn name(part: usize, report: &Report) -> String {
    let Some(part) = report.parts.get(part) else { return String::new() };
    let name = shorten(&escape::plain(part.name.as_bytes()), NAME);
    if part.role == Role::History { format!("{name} (history)") } else { name }
}

fn stretch(row: &Row) -> String {
    let (time, seconds) = match row.timestamp {
        Some(time) => (date(time), time.to_string()),
        None => ("before any timestamp".to_owned(), String::new()),
    };
    let what = if row.image { "RDB image".to_owned() } else { number(row.commands, "command") };
    let mut line = format!("{time:<23}  {seconds:>10}  at byte {:>12}  {:>12}  {what}", row.offset, size(row.bytes));
    if row.stamps > 1 {
        line.push_str(&format!(" under {}", number(row.stamps, "timestamp")));
    }
    line
}

fn happened(part: usize, change: &Change, report: &Report) -> String {
    let what = match change.kind {
        ChangeKind::Deletes => {
            format!("{} of {}", number(change.commands, "deletion"), number(change.keys, "key"))
        }
        kind => kind.as_str().to_ascii_uppercase(),
    };
    let time = change.timestamp.map_or_else(String::new, |time| format!(", after {} ({time})", date(time)));
    let parts = &report.parts;
    let image = parts.iter().find(|part| part.role.is_loaded()).and_then(|part| part.rdb.as_deref()).is_some();
    let upon = if image && report.counts.keys > 0 {
        format!(", upon {} of the RDB image", number(report.counts.keys, "key"))
    } else {
        String::new()
    };
    // The image at hand is that of the base which is loaded: history stands upon others.
    let upon = if parts.get(part).is_some_and(|part| part.role == Role::History) { String::new() } else { upon };
    format!(
        "{what} at byte {} of {}, line {}, database {}{time}; before it {} on about {}{upon}",
        change.start,
        name(part, report),
        change.line,
        change.db,
        number(change.commands_before, "command"),
        number(change.keys_before, "key"),
    )
}
