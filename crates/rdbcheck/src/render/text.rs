//! A report for people: what the file is, what is in it, its findings, and in the last line the verdict.

use anstyle::{AnsiColor, Style as Ansi};
use redis_persistence::rdb::Family;
use redis_persistence::verify::{
    Checksum, Code, DbCounts, DuplicateCheck, Finding, Format, Kind, Report, Severity, Verdict,
};

use super::aof;
use super::page::{Page, WIDTH, shorten};
use crate::entry::{Entry, count};
use crate::escape::{self, columns};
use crate::units::{commas, date, number, size};

/// How the report is to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Keys under another name.
    pub(super) redact: bool,
    /// The time that expiries were held against.
    pub(super) now_ms: i64,
    /// All findings that were kept, not the first few of each code.
    pub(super) all: bool,
}

/// How many findings of one code are shown, and how many databases.
const FIRST_FINDINGS: usize = 5;
const FIRST_DATABASES: usize = 16;
/// How wide a key, a path and a message may become.
const KEY: usize = 80;
const PATH: usize = 100;
/// What is left to a path where the verdict has much to say.
const VERDICT_PATH: usize = 30;
const MESSAGE: usize = 1000;
const COMMAND: usize = 40;

pub(super) const BOLD: Ansi = Ansi::new().bold();

/// The report on one input.
pub(super) fn render(entry: &Entry, report: &Report, style: Style) -> String {
    let mut page = Page::default();
    let path = shorten(&escape::plain(entry.path.as_os_str().as_encoded_bytes()), PATH);
    if matches!(report.kind, Kind::Aof | Kind::AofDir) {
        page.paragraph(0, &path, BOLD, &format!(": {}", aof::head(entry, report)));
        aof::contents(&mut page, entry, report, style);
    } else {
        page.paragraph(0, &path, BOLD, &format!(": {}", head(report)));
        if report.format.is_some() {
            contents(&mut page, 2, report, style);
            remarks(&mut page, 2, report);
        }
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        findings(&mut page, report, severity, style);
    }
    page.text.push_str(&verdict_line(entry, report));
    page.text
}

/// The last line of a report.
pub(super) fn verdict_line(entry: &Entry, report: &Report) -> String {
    let path = shorten(&escape::plain(entry.path.as_os_str().as_encoded_bytes()), PATH);
    let (word, color, rest) = verdict(entry, report);
    let rest = shorten(&rest, WIDTH - VERDICT_PATH - 2 - word.len());
    let path = shorten(&path, WIDTH - 2 - word.len() - columns(&rest));
    format!("{path}: {color}{word}{color:#}{rest}\n")
}

/// What the file is: `RDB 12 of Redis 7.4.1, written 2025-03-01 12:00:00 UTC, 12.3 MB`.
fn head(report: &Report) -> String {
    let Some(format) = &report.format else {
        return match report.kind {
            _ if report.size == 0 => "an empty file".to_owned(),
            Kind::Rdb => format!("an RDB without a readable header, {}", size(report.size)),
            _ => format!("without the signature of an RDB, {}", size(report.size)),
        };
    };
    format!("{}, {}", origin(format), size(report.size))
}

/// The version of an RDB, and what wrote it when: `RDB 12 of Redis 7.4.1, written 2025-03-01 12:00:00 UTC`.
pub(super) fn origin(format: &Format) -> String {
    let mut head = format!("RDB {}", format.rdb_version);
    match &format.writer {
        Some(writer) => {
            let product = name(format.product.unwrap_or(format.family));
            head.push_str(&format!(" of {product} {}", shorten(&escape::plain(writer.as_bytes()), 40)));
        }
        None if format.family == Family::Redis => head.push_str(" of Redis or its kin"),
        None => head.push_str(&format!(" of {}", name(format.family))),
    }
    if let Some(created) = format.created {
        head.push_str(&format!(", written {}", date(created)));
    }
    head
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Redis => "Redis",
        Family::Valkey => "Valkey",
    }
}

/// What an RDB holds.
pub(super) fn contents(page: &mut Page, indent: usize, report: &Report, style: Style) {
    let counts = &report.counts;
    for (db, counts) in counts.databases.iter().take(FIRST_DATABASES) {
        page.plain(indent, &database(*db, counts));
    }
    if counts.databases.len() > FIRST_DATABASES {
        let rest = counts.databases.values().skip(FIRST_DATABASES);
        let (databases, keys) = rest.fold((0, 0), |(n, keys), db| (n + 1, keys + db.keys));
        page.plain(indent, &format!("and {} with {}", number(databases, "more database"), number(keys, "key")));
    }
    let mut total = number(counts.keys, "key");
    if counts.databases.len() > 1 {
        total.push_str(&format!(" in {} databases", commas(counts.databases.len() as u64)));
    }
    if counts.expires > 0 {
        let now = date(style.now_ms.div_euclid(1000));
        total.push_str(&format!(
            "; {} with an expiry, {} of them past at {now}",
            commas(counts.expires),
            commas(counts.expired)
        ));
    }
    if counts.functions > 0 {
        let libraries = if counts.functions == 1 { "library" } else { "libraries" };
        total.push_str(&format!("; {} {libraries} of functions", commas(counts.functions)));
    }
    page.plain(indent, &total);
}

/// `db 0: 10 keys: 3 hash, 7 string`.
fn database(db: u64, counts: &DbCounts) -> String {
    let types: Vec<_> =
        counts.types.iter().map(|(name, n)| format!("{} {}", commas(*n), escape::plain(name.as_bytes()))).collect();
    format!("db {db}: {}: {}", number(counts.keys, "key"), types.join(", "))
}

/// What is remarkable about the check itself.
pub(super) fn remarks(page: &mut Page, indent: usize, report: &Report) {
    match report.checksum {
        Some(Checksum::Ok) => {}
        Some(Checksum::Mismatch) => page.plain(indent, "checksum: does not fit"),
        Some(Checksum::Disabled) => page.plain(indent, "checksum: switched off by the writer"),
        Some(Checksum::Absent) => page.plain(indent, "checksum: none in this version"),
        None => page.plain(indent, "checksum: not reached"),
    }
    match report.duplicates {
        DuplicateCheck::Checked => {}
        DuplicateCheck::ByHash => {
            page.plain(indent, "duplicates: compared by 64-bit hashes, for the input can be read only once")
        }
        DuplicateCheck::Partial => page.plain(indent, "duplicates: not everything was compared"),
        DuplicateCheck::Off => page.plain(indent, "duplicates: not looked for"),
    }
}

/// The findings of one severity, by code in the order in which the codes first occur.
fn findings(page: &mut Page, report: &Report, severity: Severity, style: Style) {
    let total = count(report, severity);
    if total == 0 {
        return;
    }
    page.paragraph(0, &number(total, &severity.to_string()), color(severity), ":");
    let kept: Vec<&Finding> = report.findings.iter().filter(|finding| finding.severity == severity).collect();
    // What is a consequence comes last, though it is about the file as a whole and so the first in its order.
    let (mut kept, consequences): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|finding| finding.code != Code::AofPreambleDamaged);
    kept.extend(consequences);
    let mut codes: Vec<Code> = Vec::new();
    let counted = report.findings_by_code.keys().filter(|code| code.severity() == severity);
    for code in kept.iter().map(|finding| &finding.code).chain(counted) {
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    for code in codes {
        let most = if style.all { usize::MAX } else { FIRST_FINDINGS };
        let mut shown: u64 = 0;
        for found in kept.iter().filter(|finding| finding.code == code).take(most) {
            finding(page, found, report.kind, style);
            shown += 1;
        }
        let more = report.findings_by_code.get(&code).copied().unwrap_or(0).saturating_sub(shown);
        if more > 0 {
            let lead = if shown == 0 { "" } else { "and " };
            let word = if shown == 0 { "not listed" } else { "more" };
            page.paragraph(2, code.as_str(), BOLD, &format!(": {lead}{} {word}", commas(more)));
        }
    }
}

fn finding(page: &mut Page, finding: &Finding, kind: Kind, style: Style) {
    let mut place = place(finding, kind);
    if let Some(db) = finding.db {
        place.push_str(&format!(", db {db}"));
    }
    if let Some(name) = &finding.key {
        let name = super::stand_in(name, style.redact).unwrap_or_else(|| escape::quoted(name));
        place.push_str(&format!(", key {}", shorten(&name, KEY)));
    }
    match (finding.value_type, finding.encoding) {
        (Some(value_type), Some(encoding)) if value_type != encoding => {
            place.push_str(&format!(", {value_type} ({encoding})"));
        }
        (Some(name), _) | (None, Some(name)) => place.push_str(&format!(", {name}")),
        (None, None) => {}
    }
    if let Some(element) = finding.element {
        place.push_str(&format!(", element {element}"));
    }
    page.paragraph(2, finding.code.as_str(), BOLD, &place);
    page.plain(6, &shorten(&escape::plain(finding.message.as_bytes()), MESSAGE));
    if let Some(hint) = &finding.hint {
        page.plain(6, &format!("hint: {}", shorten(&escape::plain(hint.as_bytes()), MESSAGE)));
    }
}

/// Where a finding lies in its file. What is about a set, or a whole file of one, lies nowhere.
fn place(finding: &Finding, kind: Kind) -> String {
    let mut place = finding.file.as_ref().map_or_else(String::new, |file| format!(" in {}", shorten(file, KEY)));
    let of_whole = finding.failed_at == 0 && finding.end.is_none() && finding.record.is_none();
    if matches!(kind, Kind::Aof | Kind::AofDir) && of_whole {
        return place;
    }
    place.push_str(&format!(" at byte {}", finding.start));
    if finding.failed_at != finding.start {
        place.push_str(&format!(", failed at {}", finding.failed_at));
    }
    for (what, number) in [("line", finding.line), ("record", finding.record)] {
        if let Some(number) = number {
            place.push_str(&format!(", {what} {number}"));
        }
    }
    if let Some(command) = &finding.command {
        place.push_str(&format!(", {}", shorten(&escape::plain(command.as_bytes()), COMMAND)));
    }
    place
}

/// The verdict in a word, its colour, and what else the last line says.
fn verdict(entry: &Entry, report: &Report) -> (&'static str, Ansi, String) {
    let counted: Vec<_> = [Severity::Error, Severity::Warning]
        .into_iter()
        .map(|severity| (count(report, severity), severity))
        .filter(|(n, _)| *n > 0)
        .map(|(n, severity)| format!(", {}", number(n, &severity.to_string())))
        .collect();
    let mut rest = counted.concat();
    if !entry.unmet.is_empty() {
        rest.push_str(&format!("; not as demanded: {}", entry.unmet.join(", ")));
    }
    match report.verdict {
        Verdict::Sound if entry.unmet.is_empty() => ("sound", color(Severity::Note), rest),
        Verdict::Sound => ("sound", color(Severity::Warning), rest),
        Verdict::Damaged => ("DAMAGED", color(Severity::Error), rest),
        Verdict::Unknown => {
            let why = report.findings.iter().find(|finding| {
                matches!(finding.code, Code::RdbNewerVersion | Code::RdbForeignProduct | Code::RdbNotAnRdb)
            });
            let why = why.map(|finding| format!(": {}", escape::plain(finding.message.as_bytes())));
            ("cannot be judged", color(Severity::Warning), why.unwrap_or_default())
        }
    }
}

pub(super) fn color(severity: Severity) -> Ansi {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Green,
    };
    Ansi::new().bold().fg_color(Some(color.into()))
}
