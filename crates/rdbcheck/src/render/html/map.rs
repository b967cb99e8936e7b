//! The map of a file: where the damage lies in it, and each finding as a link to its row. It is told in words too.

use maud::{Markup, html};
use redis_persistence::verify::{Finding, Kind, Report};

use super::{MESSAGE, fit};
use crate::escape;
use crate::outcome::{Entry, Map, Mark};
use crate::style::{KEY, NAME};
use crate::units::{commas, size};

/// How many findings a map shows, and how many files have one.
const FINDINGS: usize = 300;
const FILES: usize = 24;
/// How wide a map is drawn. Nothing on it is narrower than `NARROWEST`.
const WIDTH: f64 = 1000.0;
const NARROWEST: f64 = 3.0;
/// This many bytes stand in the text of a finding.
const BYTES: usize = 16;

/// Returns the maps of an input: of its files with damage, or with any finding that lies somewhere.
pub(super) fn maps(entry: &Entry, report: &Report, index: usize) -> Markup {
    let mut maps = Map::of(report);
    if report.kind == Kind::AofDir {
        // Files without damage have one where a finding lies in them.
        for part in &report.parts {
            let is_named = |map: &Map| map.name.as_ref() == Some(&part.name);
            let has_finding = || report.findings.iter().any(|found| found.file.as_ref() == Some(&part.name));
            if let Some(size) = part.size.filter(|size| *size > 0 && !maps.iter().any(is_named) && has_finding()) {
                maps.push(Map { name: Some(part.name.clone()), size, marks: Vec::new() });
            }
        }
    } else if maps.is_empty() && report.size > 0 && (report.format.is_some() || report.kind == Kind::Aof) {
        maps.push(Map { name: None, size: report.size, marks: Vec::new() });
    }
    let left_out = maps.len().saturating_sub(FILES);
    html! {
        @if !maps.is_empty() { h3 { "Where" } }
        @for (number, map) in maps.iter().take(FILES).enumerate() { (one(entry, report, map, &format!("i{index}-m{number}"), index)) }
        @if left_out > 0 { p.note { "and " (commas(left_out as u64)) " more files with damage" } }
    }
}

fn one(entry: &Entry, report: &Report, map: &Map, id: &str, index: usize) -> Markup {
    let in_it = |found: &&(usize, &Finding)| map.name.is_none() || found.1.file == map.name;
    let placed = |found: &&(usize, &Finding)| found.1.start < map.size;
    let found: Vec<(usize, &Finding)> = report.findings.iter().enumerate().collect();
    let found: Vec<_> = found.iter().filter(in_it).filter(placed).take(FINDINGS).collect();
    let name = map.name.as_ref().map_or_else(|| "the file".to_owned(), |name| fit(name, NAME));
    let damaged = places(map);
    html! {
        figure.map data-size=(map.size) {
            figcaption id=(id) {
                (name) ", " (size(map.size)) ": " @if damaged == 0 { "no damage" } @else { (damaged) " damaged " @if damaged == 1 { "place" } @else { "places" } }
                @if map.marks.iter().any(|(.., mark)| *mark == Mark::Unread) { "; what lies behind the last was not read" }
            }
            div.zoom hidden role="group" aria-label={ "Zoom of the map of " (name) } {
                button type="button" data-zoom="in" { "Zoom in" }
                button type="button" data-zoom="out" { "Zoom out" }
                button type="button" data-zoom="left" { "Left" }
                button type="button" data-zoom="right" { "Right" }
                button type="button" data-zoom="all" { "Whole file" }
                span.range role="status" { "bytes 0 to " (commas(map.size)) }
            }
            svg viewBox="0 0 1000 48" preserveAspectRatio="none" aria-labelledby=(id) role="group" {
                rect.sound x="0" y="12" width="1000" height="28" {}
                @for (start, end, mark) in &map.marks {
                    @let class = if *mark == Mark::Damaged { "damaged" } else { "unread" };
                    (area(class, *start, *end, map.size, 12, 28))
                }
                @for (number, finding) in &found {
                    @let end = finding.end.unwrap_or(finding.failed_at.saturating_add(1)).max(finding.start.saturating_add(1));
                    @let told = told(entry, *number, finding);
                    a href={ "#i" (index) "-f" (number) } aria-label=(told) {
                        (area(&format!("finding {}", finding.severity), finding.start, end, map.size, 2, 44))
                        title { (told) }
                    }
                }
            }
            p.legend { span.key.sound {} " nothing wrong found " span.key.damaged {} " damaged " span.key.unread {} " not read" }
        }
    }
}

/// Returns how many stretches are damaged, those that touch taken as one.
fn places(map: &Map) -> usize {
    let mut places = 0;
    let mut end_of_last = None;
    for (start, end, _) in map.marks.iter().filter(|(.., mark)| *mark == Mark::Damaged) {
        if end_of_last.is_none_or(|last| *start > last) {
            places += 1;
        }
        end_of_last = end_of_last.max(Some(*end));
    }
    places
}

/// A stretch of bytes, with its place for whoever zooms.
fn area(class: &str, start: u64, end: u64, size: u64, y: u32, height: u32) -> Markup {
    let share = |at: u64| at.min(size) as f64 / size.max(1) as f64 * WIDTH;
    let width = (share(end) - share(start)).max(NARROWEST);
    let x = share(start).min(WIDTH - width);
    html! {
        rect class=(class) x=(format!("{x:.2}")) y=(y) width=(format!("{width:.2}")) height=(height)
            data-start=(start) data-end=(end.min(size)) {}
    }
}

/// What a finding is, where, and the bytes there.
fn told(entry: &Entry, number: usize, finding: &Finding) -> String {
    let mut told = format!("{} at byte {}", finding.code, commas(finding.start));
    if let Some(key) = &finding.key {
        told.push_str(&format!(", key {}", fit(&escape::quoted(key), KEY)));
    }
    told.push_str(&format!(": {}", fit(&finding.message, MESSAGE / 4)));
    let spans = entry.hex.get(number).into_iter().flatten();
    let mut bytes = spans.filter_map(|span| {
        let skip = usize::try_from(finding.failed_at.checked_sub(span.at)?).ok()?;
        span.bytes.get(skip..).filter(|bytes| !bytes.is_empty())
    });
    if let Some(bytes) = bytes.next() {
        let hex: Vec<_> = bytes.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
        told.push_str(&format!("; bytes from {} on: {}", commas(finding.failed_at), hex.join(" ")));
    }
    told
}
