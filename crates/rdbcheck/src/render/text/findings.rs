//! The findings, by severity and code.

use redis_persistence::verify::{Code, Finding, Kind, Report, Severity, Verdict};

use super::{DEFERRING, Style};
use crate::escape;
use crate::input::hex;
use crate::outcome::{Entry, count};
use crate::style::{BOLD, KEY, Page, color, shorten};
use crate::units::{commas, number};

/// How many findings of one code are shown.
const FIRST_FINDINGS: usize = 5;
const MESSAGE: usize = 1000;
const COMMAND: usize = 40;

/// The findings of one severity, by code in the order in which the codes first occur.
pub(super) fn findings(page: &mut Page, entry: &Entry, report: &Report, severity: Severity, style: Style) {
    let said: &[Code] = if report.verdict == Verdict::Unknown { &DEFERRING } else { &[] };
    let said_of = |code: &Code| severity == code.severity() && said.contains(code);
    let total = count(report, severity)
        - report.findings_by_code.iter().filter(|(code, _)| said_of(code)).map(|(_, n)| n).sum::<u64>();
    if total == 0 {
        return;
    }
    page.paragraph(0, &number(total, &severity.to_string()), color(severity), ":");
    let kept: Vec<(usize, &Finding)> = report.findings.iter().enumerate().collect();
    let kept: Vec<_> =
        kept.into_iter().filter(|(_, found)| found.severity == severity && !said_of(&found.code)).collect();
    // What is a consequence comes last, though it is about the file as a whole and so the first in its order.
    let (mut kept, consequences): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|(_, finding)| finding.code != Code::AofPreambleDamaged);
    kept.extend(consequences);
    let mut codes: Vec<Code> = Vec::new();
    let counted = report.findings_by_code.keys().filter(|code| code.severity() == severity && !said_of(code));
    for code in kept.iter().map(|(_, finding)| &finding.code).chain(counted) {
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    for code in codes {
        let most = if style.all { usize::MAX } else { FIRST_FINDINGS };
        let mut shown: u64 = 0;
        for (number, found) in kept.iter().filter(|(_, finding)| finding.code == code).take(most) {
            finding(page, found, report.kind);
            for row in
                entry.hex.get(*number).map(|spans| hex::rows(spans, found.start, found.failed_at)).unwrap_or_default()
            {
                page.plain(2, &row);
            }
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

/// One finding.
pub(super) fn finding(page: &mut Page, finding: &Finding, kind: Kind) {
    page.paragraph(2, finding.code.as_str(), BOLD, &whole_place(finding, kind));
    page.plain(6, &shorten(&escape::plain(finding.message.as_bytes()), MESSAGE));
    if let Some(hint) = &finding.hint {
        page.plain(6, &format!("hint: {}", shorten(&escape::plain(hint.as_bytes()), MESSAGE)));
    }
}

/// Returns where a finding lies in its file and in the data.
pub(in crate::render) fn whole_place(finding: &Finding, kind: Kind) -> String {
    let mut place = place(finding, kind);
    if let Some(db) = finding.db {
        place.push_str(&format!(", db {db}"));
    }
    if let Some(name) = &finding.key {
        place.push_str(&format!(", key {}", shorten(&escape::quoted(name), KEY)));
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
    place
}

/// Returns where a finding lies in its file. What is about a set, or a whole file of one, lies nowhere.
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
