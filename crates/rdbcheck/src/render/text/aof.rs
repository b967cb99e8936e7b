//! Append-only files for people: what they are, their parts, what their records hold, what the next start does with them.

use redis_persistence::aof::dir::{AofSet, NextStart, Role, Shape, UnreadKind};
use redis_persistence::verify::{AofFacts, Ending, Kind, Part, Report};

use super::Style;
use super::contents::{contents as kept, origin, remarks};
use super::timeline;
use crate::escape;
use crate::outcome::Entry;
use crate::style::{NAME, Page, shorten};
use crate::units::{commas, date, number, size};

/// How many parts, names of commands and databases are shown.
const FIRST_PARTS: usize = 24;
const FIRST_NAMES: usize = 12;
/// And how many names of commands, if numbers are asked for.
const ALL_NAMES: usize = 1000;
const FIRST_DATABASES: usize = 16;

/// Returns what it is: `append-only set "appendonly.aof" of 2 files in data/appendonlydir, 5.4 kB`.
pub(super) fn head(entry: &Entry, report: &Report) -> String {
    let set = entry.set.as_ref();
    let elsewhere = |path: &std::path::Path| {
        let same = path == entry.path;
        (!same).then(|| shorten(&escape::plain(path.as_os_str().as_encoded_bytes()), NAME))
    };
    if report.kind == Kind::Aof {
        let what = match set.and_then(|set| set.parts.first()).and_then(|part| elsewhere(&part.path)) {
            Some(name) => format!("the append-only file {name}"),
            None => "an append-only file".to_owned(),
        };
        return format!("{what}, {}", size(report.size));
    }
    let loaded = report.parts.iter().filter(|part| part.role.is_loaded()).count() as u64;
    let prefix = set.map(|set| &set.prefix[..]).filter(|prefix| !prefix.is_empty());
    let prefix = prefix.map_or_else(String::new, |prefix| format!(" {}", shorten(&escape::quoted(prefix), NAME)));
    let folder = set.and_then(|set| elsewhere(&set.root)).map_or_else(String::new, |name| format!(" in {name}"));
    format!("an append-only set{prefix} of {}{folder}, {}", number(loaded, "file"), size(report.size))
}

/// What is in it.
pub(super) fn contents(page: &mut Page, entry: &Entry, report: &Report, style: Style) {
    if report.kind == Kind::AofDir {
        parts(page, &report.parts);
    } else {
        single(page, report);
    }
    if let Some(format) = &report.format {
        let set = if report.kind == Kind::AofDir { "RDB image of the base" } else { "RDB image at its start" };
        page.plain(2, &format!("{set}: {}", origin(format)));
        kept(page, 4, report, style);
        remarks(page, 4, report);
    }
    if let Some(facts) = &report.aof {
        records(page, facts, style);
        unproven(page, facts);
        tool(page, facts);
    }
    if let Some(found) = entry.timeline.as_ref().filter(|_| style.timeline) {
        timeline::paragraph(page, found, report);
    }
    if let Some(set) = &entry.set {
        next_start(page, set, report);
        unread(page, report);
    }
}

/// The files with data that the next start leaves alone. Orphans that were not looked into stand among the parts already.
fn unread(page: &mut Page, report: &Report) {
    let files = report.aof.iter().flat_map(|facts| &facts.load.unread);
    for file in files.filter(|file| file.kind != UnreadKind::Orphan || file.content.is_some()) {
        let mut line =
            format!("not read: {}, {}", shorten(&escape::plain(file.name.as_bytes()), NAME), size(file.size));
        if let Some(content) = &file.content {
            line.push_str(&format!(", {}", content.describe()));
        }
        match (file.content.as_ref().and_then(|content| content.written), file.modified) {
            (Some(time), _) => line.push_str(&format!(", written {}", date(time))),
            (None, Some(time)) => line.push_str(&format!(", last changed {}", date(time))),
            (None, None) => {}
        }
        page.plain(4, &line);
    }
}

/// How far the only file is valid, if not to its end.
fn single(page: &mut Page, report: &Report) {
    if let Some(part) = report.parts.first().filter(|part| part.loads_up_to != part.size) {
        page.plain(2, &good(part));
    }
}

fn parts(page: &mut Page, parts: &[Part]) {
    let last = parts.iter().rposition(|part| part.role.is_loaded());
    let mut left_out: u64 = 0;
    for (number, part) in parts.iter().enumerate() {
        if number >= FIRST_PARTS && Some(number) != last {
            left_out += 1;
            continue;
        }
        let name = match part.name.as_str() {
            "" => "\"\"".to_owned(),
            name => shorten(&escape::plain(name.as_bytes()), NAME),
        };
        let mut line = part.size.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
        if part.role != Role::Manifest {
            line.push_str(&format!(": {}", good(part)));
        }
        page.paragraph(2, &format!("{:<8}  {name}", part.role.as_str()), anstyle::Style::new(), &line);
    }
    if left_out > 0 {
        page.plain(2, &format!("and {}", number(left_out, "more file")));
    }
}

/// Returns how far a file is valid.
fn good(part: &Part) -> String {
    match (part.role, part.size, part.loads_up_to) {
        (Role::History, Some(_), _) => "waits to be deleted".to_owned(),
        (Role::History, None, _) => "deleted".to_owned(),
        (Role::Orphan, _, _) => "not loaded".to_owned(),
        (_, None, _) => "not there".to_owned(),
        (_, Some(0), _) => "empty".to_owned(),
        (_, Some(_), None) => "no server loads it, for its RDB image is damaged".to_owned(),
        (_, Some(size), Some(end)) if end >= size => "valid to its end".to_owned(),
        (_, Some(size), Some(0)) => {
            format!("not valid from its first byte on; none of its {} load", number(size, "byte"))
        }
        (_, Some(size), Some(end)) => match size - end {
            1 => format!("valid up to byte {end}; the last byte is damaged"),
            n => format!("valid up to byte {end}; the last {} bytes are damaged", commas(n)),
        },
    }
}

fn records(page: &mut Page, facts: &AofFacts, style: Style) {
    let mut line = number(facts.commands, "command");
    let databases: Vec<_> = facts.databases.iter().take(FIRST_DATABASES).collect();
    match (databases.as_slice(), facts.databases.len()) {
        ([], _) => {}
        ([(db, _)], _) => line.push_str(&format!(" in db {db}")),
        (some, all) => {
            let some: Vec<_> = some.iter().map(|(db, n)| format!("{} in db {db}", commas(**n))).collect();
            line.push_str(&format!(" in {all} databases: {}", some.join(", ")));
            if all > FIRST_DATABASES {
                line.push_str(", ...");
            }
        }
    }
    if facts.transactions > 0 {
        line.push_str(&format!("; {}", number(facts.transactions, "transaction")));
    }
    page.plain(2, &line);
    let mut names: Vec<_> = facts.commands_by_name.iter().collect();
    names.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    // "And 1 other name" would take as much room as that name.
    let most = if style.all_names { ALL_NAMES } else { FIRST_NAMES };
    let shown = if names.len() == most + 1 { names.len() } else { most };
    let more = names.len().saturating_sub(shown) as u64;
    let names: Vec<_> = names.iter().take(shown).map(|(name, n)| command(name, **n)).collect();
    if !names.is_empty() {
        let more = if more > 0 { format!(" and {}", number(more, "other name")) } else { String::new() };
        page.plain(4, &format!("{}{more}", names.join(", ")));
    }
    match (facts.first_timestamp, facts.last_timestamp) {
        (Some(first), Some(last)) if first == last => page.plain(2, &format!("timestamps: all {}", date(first))),
        (Some(first), Some(last)) => page.plain(2, &format!("timestamps: from {} to {}", date(first), date(last))),
        _ => {}
    }
}

fn command(name: &str, n: u64) -> String {
    let name = if name.is_empty() { "others".to_owned() } else { shorten(&escape::plain(name.as_bytes()), 40) };
    format!("{} {name}", commas(n))
}

/// What can be said of the values: nothing guards them.
fn unproven(page: &mut Page, facts: &AofFacts) {
    if facts.commands > 0 {
        page.plain(2, "no checksum: the framing is proven, a changed value cannot be seen");
    }
}

/// The three numbers that people know from the official tool.
fn tool(page: &mut Page, facts: &AofFacts) {
    let (Some(ok_up_to), Some(line), Some(diff)) = (facts.ok_up_to, facts.ok_up_to_line, facts.diff) else { return };
    page.plain(2, &format!("as redis-check-aof counts: ok_up_to={ok_up_to}, ok_up_to_line={line}, diff={diff}"));
}

/// Returns where the start ends before the end of the files, as far as the first file tells that is damaged.
fn stops(report: &Report) -> Option<String> {
    let last = report.parts.iter().rposition(|part| part.role.is_loaded());
    let loaded = report.parts.iter().enumerate().filter(|(_, part)| part.role.is_loaded());
    let (number, part) = loaded.into_iter().find(|(_, part)| part.loads_up_to != part.size)?;
    let name = shorten(&escape::plain(part.name.as_bytes()), NAME);
    let Some(records) = part.records.as_ref().filter(|_| part.loads_up_to.is_some()) else {
        return Some(format!("refuses, for the RDB image in {name}"));
    };
    let is_short = records.ending == Ending::ShortRead || records.ending == Ending::Clean && records.open.is_some();
    Some(match (is_short, Some(number) == last) {
        (true, true) => {
            format!(
                "reads what the manifest lists, and cuts what is torn off the end of {name} (aof-load-truncated yes, the default)"
            )
        }
        (true, false) => format!(
            "stops at byte {} of {name}: the server cuts that file, and refuses all the same, because others follow it",
            records.at
        ),
        (false, _) => format!("refuses, for what stands at byte {} of {name}", records.at),
    })
}

fn next_start(page: &mut Page, set: &AofSet, report: &Report) {
    let name = |name: &[u8]| shorten(&escape::quoted(name), NAME);
    let text = match &set.next_start {
        // That goes without saying.
        NextStart::LoadsFile => return,
        NextStart::LoadsManifest if set.shape == Shape::MultiPart => {
            stops(report).unwrap_or_else(|| "reads what the manifest lists".to_owned())
        }
        NextStart::Migrates => "moves the old-style file into the folder, and loads it as the base".to_owned(),
        NextStart::Empty { overwrites, appends } => {
            let mut text = "begins with no data".to_owned();
            for (verb, file) in [("writes over", overwrites), ("appends to", appends)] {
                if let Some(file) = file {
                    text.push_str(&format!(", {verb} {}", name(file)));
                }
            }
            text
        }
        NextStart::Refuses => "refuses, for the manifest or for a file that is not there".to_owned(),
        _ => return,
    };
    page.plain(2, &format!("next start: {text}"));
}
