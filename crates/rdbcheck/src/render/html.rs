//! `--format html`: one page that needs nothing beside it. It has a section for each input, and never takes more than two megabytes.
//!
//! ```text
//! Pages::add(entry) -> section ┬ map       where the damage lies, and each finding
//!                              ├ charts    treemap, histograms, time line
//!                              └ tables    findings, servers, statistics, what was done
//! Pages::finish     -> page: head, list of inputs, sections
//! ```
//! Every text of an input passes `fit`, which leaves nothing that a terminal or a browser acts on, and then maud, which writes it as text.
//! The page forbids the browser any connection (Content-Security-Policy); its style and its script are named there by their hashes.

mod charts;
mod map;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use redis_persistence::verify::{Kind, Report, Severity, Verdict};
use sha2::{Digest as _, Sha256};

use super::text;
use crate::escape;
use crate::outcome::{Entry, count};
use crate::style::{NAME, shorten};
use crate::units::{commas, date, number, size};

const CSS: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// A page is no larger.
pub(super) const MOST: usize = 2_000_000;
/// What the head, the list of inputs and the end of a page take at most.
const FRAME: usize = 400_000;
/// This many inputs are listed.
const LISTED: usize = 500;
/// Longer messages are cut.
const MESSAGE: usize = 1000;

/// The sections of a page that grows.
#[derive(Debug, Default)]
pub(super) struct Pages {
    sections: Vec<String>,
    bytes: usize,
    /// The rows of the list of inputs.
    rows: Vec<Row>,
    /// How many inputs there are of each verdict: sound, damaged, cannot be judged, not readable.
    totals: [u64; 4],
}

#[derive(Debug)]
struct Row {
    path: String,
    verdict: &'static str,
    class: &'static str,
    bytes: Option<u64>,
    keys: Option<u64>,
    /// Whether it has a section.
    has_section: bool,
}

impl Pages {
    /// Adds what came of an input.
    pub(super) fn add(&mut self, entry: &Entry, style: text::Style) {
        let (verdict, class, total) = verdict(entry);
        self.totals[total] += 1;
        let number = self.rows.len();
        if number == LISTED {
            return;
        }
        let room = MOST - FRAME - self.bytes;
        let text = (room > 0).then(|| section(entry, number, style, room).into_string());
        let text = text.filter(|text| text.len() <= room);
        let report = entry.outcome.as_ref().ok();
        self.rows.push(Row {
            path: fit(&entry.path.to_string_lossy(), NAME),
            verdict,
            class,
            bytes: report.map(|report| report.size),
            keys: report.filter(|report| report.format.is_some()).map(|report| report.counts.keys),
            has_section: text.is_some(),
        });
        if let Some(text) = text {
            self.bytes += text.len();
            self.sections.push(text);
        }
    }

    /// Returns the page.
    pub(super) fn finish(self, tool: &str, now_ms: i64) -> String {
        let all: u64 = self.totals.iter().sum();
        let left_out = all - self.sections.len() as u64;
        let title = match self.rows.first() {
            Some(row) if all == 1 => format!("{}: {}", row.path, row.verdict),
            _ => format!("{tool}: {}", number(all, "input")),
        };
        let [style, script] = hashes();
        let policy = format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    title { (title) }
                    style { (PreEscaped(CSS)) }
                }
                body {
                    header {
                        h1 { (tool) }
                        p { "Made " (date(now_ms.div_euclid(1000))) " by version " (env!("CARGO_PKG_VERSION")) ". "
                            "Nothing on this page is loaded from elsewhere." }
                    }
                    main {
                        @if all != 1 { (list(&self.rows, &self.totals)) }
                        @for section in &self.sections { (PreEscaped(section)) }
                        @if left_out > 0 {
                            p.note { (number(left_out, "input")) " more have no section of their own: the page is full. "
                                "Check them by themselves, or in another form." }
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string() + "\n"
    }
}

/// Returns the hashes by which a policy names the style and the script of a page.
pub(super) fn hashes() -> [String; 2] {
    [CSS, SCRIPT].map(hash)
}

/// Returns the hash by which a policy names a style or a script.
fn hash(text: &str) -> String {
    format!("sha256-{}", escape::base64(&Sha256::digest(text.as_bytes())))
}

/// Returns text that is fit to be shown, of so many columns at most.
fn fit(text: &str, most: usize) -> String {
    shorten(&escape::plain(text.as_bytes()), most)
}

/// Returns the verdict in words, its class, and its place among the totals.
fn verdict(entry: &Entry) -> (&'static str, &'static str, usize) {
    match &entry.outcome {
        Err(_) => ("not readable", "unknown", 3),
        Ok(report) => match report.verdict {
            Verdict::Sound => ("sound", "sound", 0),
            Verdict::Damaged => ("DAMAGED", "damaged", 1),
            Verdict::Unknown => ("cannot be judged", "unknown", 2),
        },
    }
}

fn list(rows: &[Row], totals: &[u64; 4]) -> Markup {
    let [sound, damaged, unknown, unreadable] = totals.map(commas);
    let more = totals.iter().sum::<u64>() - rows.len() as u64;
    html! {
        section aria-labelledby="inputs" {
            h2 #inputs { "Inputs" }
            p { (sound) " sound, " (damaged) " damaged, " (unknown) " that cannot be judged, " (unreadable) " not readable" }
            div.wide tabindex="0" role="region" aria-label="Table of inputs" {
                table {
                    thead { tr { th scope="col" { "input" } th scope="col" { "verdict" } th scope="col" { "keys" } th scope="col" { "size" } } }
                    tbody {
                        @for (number, row) in rows.iter().enumerate() {
                            tr {
                                td { @if row.has_section { a href={ "#i" (number) } { (row.path) } } @else { (row.path) } }
                                td { span.verdict.(row.class) { (row.verdict) } }
                                td.n { (row.keys.map_or_else(|| "-".to_owned(), commas)) }
                                td.n { (row.bytes.map_or_else(|| "-".to_owned(), size)) }
                            }
                        }
                    }
                }
            }
            @if more > 0 { p.note { "and " (number(more, "more input")) } }
        }
    }
}

/// Returns the section of an input, of about `room` bytes at most.
fn section(entry: &Entry, index: usize, style: text::Style, room: usize) -> Markup {
    let (word, class, _) = verdict(entry);
    let path = fit(&entry.path.to_string_lossy(), NAME);
    let complaint = entry.complaint();
    let complaint = complaint.trim_start_matches("; ");
    html! {
        article id={ "i" (index) } aria-labelledby={ "i" (index) "-name" } {
            h2 id={ "i" (index) "-name" } { span.verdict.(class) { (word) } " " span.path { (path) } }
            @match &entry.outcome {
                Err(why) => p { (fit(why, MESSAGE)) },
                Ok(report) => {
                    p { (text::heading(entry, report)) @if let Some(told) = counted(report) { "; " (told) } }
                    @if !complaint.is_empty() { p.complaint { (fit(complaint, MESSAGE)) } }
                    (happened(entry))
                    (map::maps(entry, report, index))
                    (steps(entry))
                    (tables::done(entry))
                    (tables::servers(&entry.loads, index))
                    (tables::findings(entry, report, index, room / 2))
                    (contents(entry, report, style))
                    @if let Some(numbers) = &report.stats { (charts::stats(numbers, index)) }
                    @if let Some(timeline) = &entry.timeline { (charts::timeline(timeline, report)) }
                }
            }
        }
    }
}

/// `4 errors, 1 warning`.
fn counted(report: &Report) -> Option<String> {
    let counts =
        [Severity::Error, Severity::Warning, Severity::Note].map(|severity| (count(report, severity), severity));
    let counts: Vec<_> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, severity)| number(n, &severity.to_string())).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

fn happened(entry: &Entry) -> Markup {
    let Some(cause) = &entry.cause else { return html! {} };
    let file = cause.file.as_ref().map_or_else(String::new, |file| format!(" of {}", fit(file, NAME)));
    html! {
        h3 { "What happened" }
        p.cause { (fit(&cause.message, MESSAGE)) " (" code { (cause.code) } ")"
            @if let Some(at) = cause.offset { ", at byte " (commas(at)) (file) } }
        @if !cause.evidence.is_empty() { p.evidence { "Evidence: " (fit(&cause.evidence.join("; "), MESSAGE)) } }
    }
}

fn steps(entry: &Entry) -> Markup {
    let steps = entry.steps();
    html! {
        @if !steps.is_empty() {
            h3 { "What to do" }
            ol.steps {
                @for step in &steps {
                    li { (fit(&step.text, MESSAGE))
                        @if let Some(command) = &step.command { pre tabindex="0" { code { (fit(command, MESSAGE)) } } } }
                }
            }
        }
    }
}

/// What the file holds, as the text has it.
fn contents(entry: &Entry, report: &Report, style: text::Style) -> Markup {
    let is_set = matches!(report.kind, Kind::Aof | Kind::AofDir);
    if report.format.is_none() && !is_set {
        return html! {};
    }
    html! {
        h3 { "What it holds" }
        pre.told tabindex="0" { (text::held(entry, report, style)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        let text = html! { p title=(fit("\"><script>", 80)) { (fit("<b>&\u{202e}\x1b[31m", 80)) } }.into_string();
        assert_eq!(text, "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;\\u{202e}\\x1b[31m</p>");
    }

    #[test]
    fn style_and_script_end_where_the_page_ends_them() {
        assert!(!CSS.contains("</") && !SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
    }
}
