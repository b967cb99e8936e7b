//! A report for people: in the first line the verdict, then the cause and the findings with their places, then what the
//! file is and holds, and last what to do.

mod aof;
mod cause;
mod contents;
mod findings;
mod salvage;
mod servers;
mod stats;
mod strip;
mod timeline;
mod told;

use anstyle::Style as Ansi;
use redis_persistence::verify::{Code, Finding, Kind, Report, Severity, Verdict};

use crate::escape::{self, columns};
use crate::outcome::{Entry, count};
use crate::style::{BOLD, Look, Page, WIDTH, color, shorten};
use crate::units::number;
use contents::{contents, remarks};
pub(super) use findings::whole_place as place;
pub(super) use told::lines as told;

/// How the report is to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// The time that expiries were held against.
    pub(super) now_ms: i64,
    /// All names of commands, not the first few.
    pub(super) all_names: bool,
    /// All findings that were kept, not the first few of each code.
    pub(super) all: bool,
    /// The timestamps in lines.
    pub(super) timeline: bool,
    /// Where it is shown.
    pub(super) look: Look,
}

/// How wide a path may become.
const PATH: usize = 100;
/// What is left to a path where the verdict has much to say.
const VERDICT_PATH: usize = 30;

/// Findings for which a file cannot be judged; the verdict says them.
const DEFERRING: [Code; 3] = [Code::RdbNewerVersion, Code::RdbForeignProduct, Code::RdbNotAnRdb];

/// Returns the report on one input.
pub(super) fn render(entry: &Entry, report: &Report, style: Style) -> String {
    let mut page = Page { text: verdict_line(entry, report, style.look), look: style.look };
    strip::strips(&mut page, report);
    if let Some(cause) = &entry.cause {
        cause::cause(&mut page, cause, report.verdict);
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        findings::findings(&mut page, entry, report, severity, style);
    }
    page.paragraph(0, &heading(entry, report), BOLD, "");
    holds(&mut page, entry, report, style);
    if let Some(numbers) = &report.stats {
        stats::stats(&mut page, numbers);
    }
    servers::servers(&mut page, &entry.loads);
    cause::advice(&mut page, &entry.steps());
    page.text
}

/// Returns what an input is.
pub(super) fn heading(entry: &Entry, report: &Report) -> String {
    let is_set = matches!(report.kind, Kind::Aof | Kind::AofDir);
    if is_set { aof::head(entry, report) } else { contents::head(report, entry.packing) }
}

/// Returns what it holds, without colours and timestamps: a page has a picture of them.
pub(super) fn held(entry: &Entry, report: &Report, style: Style) -> String {
    let mut page = Page::default();
    holds(&mut page, entry, report, Style { timeline: false, ..style });
    anstream::adapter::strip_str(&page.text).to_string()
}

fn holds(page: &mut Page, entry: &Entry, report: &Report, style: Style) {
    if matches!(report.kind, Kind::Aof | Kind::AofDir) {
        aof::contents(page, entry, report, style);
    } else if report.format.is_some() {
        contents(page, 2, report, style);
        remarks(page, 2, report);
    }
    if let Some(held) = &entry.seal {
        page.plain(2, &held.line());
    }
}

/// Returns what is said before the findings that memory did not hold.
pub(super) fn beyond_head(report: &Report, style: Style) -> String {
    let mut page = Page::new(style.look);
    page.paragraph(0, &number(report.more.count(), "further finding"), BOLD, ", as they were found:");
    page.text
}

/// One of these.
pub(super) fn one(found: &Finding, kind: Kind, style: Style) -> String {
    let mut page = Page::new(style.look);
    findings::finding(&mut page, found, kind);
    page.text
}

/// Returns the first line of a report; on a terminal that is too narrow for it, its first lines.
pub(super) fn verdict_line(entry: &Entry, report: &Report, look: Look) -> String {
    let path = shorten(&escape::plain(entry.path.as_os_str().as_encoded_bytes()), PATH);
    let (word, color, rest) = verdict(entry, report);
    let rest = shorten(&rest, WIDTH - VERDICT_PATH - 2 - word.len());
    let path = shorten(&path, WIDTH - 2 - word.len() - columns(&rest));
    let mut page = Page::new(look);
    page.pieces(0, &[(&format!("{path}: "), Ansi::new()), (word, color), (&rest, Ansi::new())]);
    page.text
}

/// Returns the verdict in a word, its colour, and what else the last line says.
fn verdict(entry: &Entry, report: &Report) -> (&'static str, Ansi, String) {
    let counted: Vec<_> = [Severity::Error, Severity::Warning]
        .into_iter()
        .map(|severity| (count(report, severity), severity))
        .filter(|(n, _)| *n > 0)
        .map(|(n, severity)| format!(", {}", number(n, &severity.to_string())))
        .collect();
    let mut rest = counted.concat();
    let complaint = entry.complaint();
    rest.push_str(&complaint);
    match report.verdict {
        Verdict::Sound if complaint.is_empty() => ("sound", color(Severity::Note), rest),
        Verdict::Sound => ("sound", color(Severity::Warning), rest),
        Verdict::Damaged => ("DAMAGED", color(Severity::Error), rest),
        Verdict::Unknown => {
            let found = report.findings.iter().find(|finding| DEFERRING.contains(&finding.code));
            let why = entry.cause.as_ref().map(|cause| &cause.message).or(found.map(|finding| &finding.message));
            let why = why.map(|why| format!(": {}", escape::plain(why.as_bytes())));
            ("cannot be judged", color(Severity::Warning), why.unwrap_or_default())
        }
    }
}
