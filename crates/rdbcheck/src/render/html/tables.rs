//! Tables of a page: findings, servers, and what a repair or a salvage did.

use maud::{Markup, html};
use redis_persistence::servers::{Loads, Outcome};
use redis_persistence::verify::{Report, Severity};

use super::{MESSAGE, fit};
use crate::input::hex;
use crate::outcome::{Entry, Told};
use crate::render::text;
use crate::style::because;
use crate::units::{commas, number};

/// How many servers, reasons for an answer, and lines of what was done are shown.
const SERVERS: usize = 40;
const REASONS: usize = 10;
const LINES: usize = 400;
/// Rows of bytes of a finding.
const HEX: usize = 8;

/// The findings, as long as they fit `room` bytes: errors first, each kind in the order of the file.
pub(super) fn findings(entry: &Entry, report: &Report, index: usize, room: usize) -> Markup {
    if report.findings.is_empty() {
        return html! {};
    }
    let mut rows = String::new();
    let mut shown: u64 = 0;
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for (n, found) in report.findings.iter().enumerate().filter(|(_, found)| found.severity == severity) {
            let bytes =
                entry.hex.get(n).map(|spans| hex::rows(spans, found.start, found.failed_at)).unwrap_or_default();
            let row = html! {
                tr id={ "i" (index) "-f" (n) } {
                    td { span class=(severity.to_string()) { (severity) } }
                    td { code { (found.code) } }
                    td.text { (fit(text::place(found, report.kind).trim_start_matches(" at "), MESSAGE)) }
                    td.text {
                        (fit(&found.message, MESSAGE))
                        @if let Some(hint) = &found.hint { br; "Hint: " (fit(hint, MESSAGE)) }
                        @if !bytes.is_empty() {
                            details { summary { "bytes" }
                                pre.told tabindex="0" { @for line in bytes.iter().take(HEX) { (line) "\n" } } }
                        }
                    }
                }
            };
            let row = row.into_string();
            if rows.len() + row.len() > room {
                break;
            }
            rows.push_str(&row);
            shown += 1;
        }
    }
    let more = report.findings_total.saturating_sub(shown);
    html! {
        h3 { "Findings" }
        div.wide tabindex="0" role="region" aria-label={ "Findings of input " (index + 1) } {
            table {
                thead { tr { th scope="col" { "severity" } th scope="col" { "code" } th scope="col" { "place" } th scope="col" { "what is wrong" } } }
                tbody { (maud::PreEscaped(rows)) }
            }
        }
        @if more > 0 { p.note { "and " (number(more, "more finding")) "; another form of the report lists them" } }
    }
}

/// What the servers that were asked about would do.
pub(super) fn servers(answers: &[Loads], index: usize) -> Markup {
    if answers.is_empty() {
        return html! {};
    }
    html! {
        h3 { "Servers" }
        div.wide tabindex="0" role="region" aria-label={ "What servers do with input " (index + 1) } {
            table {
                thead { tr { th scope="col" { "server" } th scope="col" { "loads" } th scope="col" { "by default" }
                    th scope="col" { "known from" } th scope="col" { "because" } } }
                tbody {
                    @for answer in answers.iter().take(SERVERS) {
                        @let (word, class) = match (answer.loads, answer.by_default) {
                            (true, _) => ("yes", "sound"),
                            (false, Outcome::Unknown) => ("unknown", "unknown"),
                            (false, _) => ("NO", "damaged"),
                        };
                        tr {
                            td { (answer.release.to_string()) }
                            td { span.verdict.(class) { (word) } }
                            td { (answer.by_default.as_str()) }
                            td { (answer.release.basis().as_str()) }
                            td.text {
                                @for why in answer.because.iter().take(REASONS) { p { (fit(&because(why), MESSAGE)) } }
                                @for why in answer.skips.iter().chain(&answer.reading).take(REASONS) {
                                    p { "but: " (fit(&because(why), MESSAGE)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(more) = answers.len().checked_sub(SERVERS).filter(|more| *more > 0) {
            p.note { "and " (commas(more as u64)) " more servers" }
        }
    }
}

/// What a repair or a salvage did, in the lines of the text.
pub(super) fn done(entry: &Entry) -> Markup {
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    if let Some(repaired) = &entry.repaired {
        let mut lines = text::told(&Told::Plan(&repaired.plan, entry), None);
        lines.push(format!("Status: {}", repaired.status.as_str()));
        lines.extend(repaired.why.clone());
        if let Some(applied) = &repaired.applied {
            lines.extend(applied.saved.iter().map(|path| format!("Saved: {}", path.display())));
        }
        told.push(("The repair", lines));
    }
    if let Some(done) = &entry.salvaged {
        let mut lines = text::told(&Told::Salvage(done), None);
        lines.extend(text::told(&Told::SalvageEnded(done), None));
        told.push(("The salvage: what is kept, lost and set aside", lines));
    }
    if let Some(done) = &entry.salvaged_aof {
        let mut lines: Vec<String> =
            done.plan.iter().flat_map(|plan| text::told(&Told::SalvageAof(&done.out, plan), None)).collect();
        lines.push(format!("Status: {}", done.status.as_str()));
        lines.extend(done.why.clone());
        told.push(("The salvage: what is kept, lost and set aside", lines));
    }
    html! {
        @for (title, lines) in &told {
            h3 { (title) }
            pre.told tabindex="0" {
                @for line in lines.iter().take(LINES).skip_while(|line| line.is_empty()) { (fit(line, MESSAGE)) "\n" }
                @if lines.len() > LINES { "...\n" }
            }
        }
    }
}
