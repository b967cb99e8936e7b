//! Pictures of numbers: prefixes by their bytes, sizes by powers of two, an append-only file over its time. Each has its numbers beside it.

use std::ops::Range;

use maud::{Markup, html};
use redis_persistence::aof::changes::ChangeKind;
use redis_persistence::verify::Report;
use redis_persistence::verify::stats::{Estimate, Histogram, Prefix, Prefixes, Stats, TypeStats};

use super::fit;
use crate::escape;
use crate::outcome::Timeline;
use crate::style::{KEY, NAME};
use crate::units::{commas, date, duration, number, size};

const DATABASES: usize = 16;
const PREFIXES: usize = 40;
const HISTOGRAMS: usize = 12;
/// A time line has this many bars at most, and this many marks.
const BARS: usize = 200;
const EVENTS: usize = 200;
const WIDTH: f64 = 1000.0;

/// A rectangle of a picture: where, and how wide and high.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The statistics.
pub(super) fn stats(stats: &Stats, index: usize) -> Markup {
    let keys: u64 = stats.databases.values().flat_map(|types| types.values()).map(|of| of.keys).sum();
    if keys == 0 {
        return html! {};
    }
    let estimate = &stats.estimate;
    let types: Vec<(u64, &str, &TypeStats)> = stats
        .databases
        .iter()
        .take(DATABASES)
        .flat_map(|(db, types)| types.iter().map(|(name, of)| (*db, *name, of)))
        .collect();
    html! {
        h3 { "Types" }
        (types_table(&types, index))
        p.note { "Memory is estimated, as " (stats.memory.basis()) " tells it." }
        h3 { "Largest keys" }
        div.wide tabindex="0" role="region" aria-label={ "Largest keys of input " (index + 1) } {
            table {
                thead { tr { th scope="col" { "key" } th scope="col" { "db" } th scope="col" { "type" } th.n scope="col" { "elements" }
                    th.n scope="col" { "bytes in the file" } th.n scope="col" { "memory" } th.n scope="col" { "offset" } } }
                tbody { @for key in &stats.largest { tr {
                    td.text { (fit(&escape::quoted(&key.key), KEY)) } td.n { (key.db) } td { (key.value_type) " (" (key.encoding) ")" }
                    td.n { (commas(key.elements)) } td.n { (size(key.bytes)) } td.n { @if let Some(memory) = key.memory { (size(memory)) } }
                    td.n { (commas(key.offset)) }
                } } }
            }
        }
        @for (depth, prefixes) in stats.prefixes.iter().enumerate() { (treemap(depth, prefixes, index)) }
        @for spread in SPREADS { (histograms(&spread, &types)) }
        h3 { "A load" }
        p { "A server needs about " (size(estimate.memory_bytes())) " of memory and " (commas(estimate.cpu_ms() / 1000)) "."
            (estimate.cpu_ms() % 1000 / 100) " s to load it: " (Estimate::BASIS) "." }
    }
}

fn types_table(types: &[(u64, &str, &TypeStats)], index: usize) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Types of input " (index + 1) } {
            table {
                thead { tr { th scope="col" { "db" } th scope="col" { "type" }
                    @for head in ["keys", "memory", "expiring", "expired", "median time to live", "bytes", "median", "99 %", "largest", "elements"] { th.n scope="col" { (head) } } } }
                tbody { @for (db, name, of) in types { tr {
                    td { (db) } td { (name) } td.n { (commas(of.keys)) }
                    td.n { @if of.memory > 0 { (size(of.memory)) } } td.n { (commas(of.expires)) } td.n { (commas(of.expired)) }
                    td.n { @if of.ttls.count() > 0 { (duration(of.ttls.quantile(50))) } }
                    td.n { (size(of.sizes.sum())) } td.n { (size(of.sizes.quantile(50))) } td.n { (size(of.sizes.quantile(99))) }
                    td.n { (size(of.sizes.max())) } td.n { (commas(of.elements.sum())) }
                } } }
            }
        }
    }
}

fn treemap(depth: usize, prefixes: &Prefixes, index: usize) -> Markup {
    let by_prefix = &prefixes.by_prefix;
    if by_prefix.is_empty() {
        return html! {};
    }
    let title = match depth {
        0 => "Prefixes by bytes".to_owned(),
        depth => format!("Prefixes up to separator {}, by bytes", depth + 1),
    };
    let (shown, rest) = by_prefix.split_at(by_prefix.len().min(PREFIXES));
    let mut rows: Vec<(String, Prefix)> =
        shown.iter().map(|(name, of)| (fit(&escape::quoted(name), KEY), *of)).collect();
    let other = rest.iter().fold(prefixes.other, |sum, (_, of)| Prefix {
        keys: sum.keys + of.keys,
        bytes: sum.bytes.saturating_add(of.bytes),
    });
    for (name, of) in [("other prefixes", other), ("no prefix", prefixes.without)] {
        if of.keys > 0 {
            rows.push((name.to_owned(), of));
        }
    }
    rows.sort_by_key(|(_, of)| std::cmp::Reverse(of.bytes));
    let weights: Vec<f64> = rows.iter().map(|(_, of)| of.bytes.max(1) as f64).collect();
    let mut areas = Vec::new();
    divide(&weights, Area { x: 0.0, y: 0.0, width: WIDTH, height: 300.0 }, &mut areas);
    html! {
        h3 { (title) }
        figure.chart {
            svg viewBox="0 0 1000 300" role="img" aria-label="Areas of the prefixes in the table below, by their bytes" {
                @for ((name, of), area) in rows.iter().zip(&areas) {
                    rect.cell x=(format!("{:.1}", area.x)) y=(format!("{:.1}", area.y)) width=(format!("{:.1}", area.width))
                        height=(format!("{:.1}", area.height)) { title { (name) ": " (size(of.bytes)) ", " (number(of.keys, "key")) } }
                    @if area.width > 60.0 && area.height > 18.0 {
                        text x=(format!("{:.1}", area.x + 6.0)) y=(format!("{:.1}", area.y + 15.0)) { (letters(name, area.width)) }
                    }
                }
            }
        }
        div.wide tabindex="0" role="region" aria-label={ (title) " of input " (index + 1) } {
            table {
                thead { tr { th scope="col" { "prefix" } th.n scope="col" { "keys" } th.n scope="col" { "bytes in the file" } } }
                tbody { @for (name, of) in &rows { tr { td.text { (name) } td.n { (commas(of.keys)) } td.n { (size(of.bytes)) } } } }
            }
        }
    }
}

/// As much of a name as has room: a letter takes about 7 units.
fn letters(name: &str, width: f64) -> String {
    let room = (5..=140_u16).take_while(|letters| f64::from(letters * 7 + 12) <= width).last().unwrap_or(4);
    fit(name, room.into())
}

/// Divides an area by weights that descend: into two of about the same weight along its longer side, and so on.
fn divide(weights: &[f64], area: Area, areas: &mut Vec<Area>) {
    let [_, _, ..] = weights else {
        areas.extend(weights.iter().map(|_| area));
        return;
    };
    let all: f64 = weights.iter().sum();
    let mut first = weights[0];
    let mut at = 1;
    while at + 1 < weights.len() && first + weights[at] / 2.0 < all / 2.0 {
        first += weights[at];
        at += 1;
    }
    let share = first / all;
    let (one, other) = if area.width >= area.height {
        let width = area.width * share;
        (Area { width, ..area }, Area { x: area.x + width, width: area.width - width, ..area })
    } else {
        let height = area.height * share;
        (Area { height, ..area }, Area { y: area.y + height, height: area.height - height, ..area })
    };
    divide(&weights[..at], one, areas);
    divide(&weights[at..], other, areas);
}

/// What histograms are about.
struct Spread {
    title: &'static str,
    /// What the numbers are, in a sentence.
    what: &'static str,
    of: fn(&TypeStats) -> &Histogram,
    unit: fn(u64) -> String,
}

const SPREADS: [Spread; 4] = [
    Spread { title: "Sizes", what: "bytes in the file", of: |of| &of.sizes, unit: size },
    Spread { title: "Times to live", what: "time to expiry", of: |of| &of.ttls, unit: duration },
    Spread { title: "Idle times", what: "time without use", of: |of| &of.idle, unit: duration },
    Spread { title: "Frequencies", what: "logarithmic counter of uses", of: |of| &of.frequencies, unit: commas },
];

fn histograms(spread: &Spread, types: &[(u64, &str, &TypeStats)]) -> Markup {
    let any = || types.iter().map(|(db, name, of)| (*db, *name, (spread.of)(of))).filter(|(.., of)| of.count() > 0);
    // All of one kind have the same powers of two, so that they can be compared.
    let largest = any().map(|(.., of)| of.powers().count()).max().unwrap_or(0);
    let least = any().filter_map(|(.., of)| of.powers().position(|n| n > 0)).min().unwrap_or(0);
    html! {
        @if largest > 0 { h3 { (spread.title) } }
        @for (db, name, of) in any().take(HISTOGRAMS) { (histogram((db, name), of, &(least..largest), spread)) }
    }
}

fn histogram((db, name): (u64, &str), of: &Histogram, powers: &Range<usize>, spread: &Spread) -> Markup {
    let mut bars: Vec<u64> = of.powers().skip(powers.start).collect();
    bars.resize(powers.len(), 0);
    let most = bars.iter().copied().max().unwrap_or(1).max(1);
    let step = WIDTH / bars.len().max(1) as f64;
    // Below two is one power, from nothing on.
    let lower = |n: usize| (spread.unit)(if powers.start + n == 0 { 0 } else { 1 << (powers.start + n).min(63) });
    let told: Vec<_> = bars
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(n, keys)| format!("{} from {}", number(*keys, "key"), lower(n)))
        .collect();
    html! {
        figure.chart {
            figcaption { (name) " in db " (db) ", " (spread.what) " by powers of two: " (told.join(", ")) }
            svg viewBox="0 0 1000 64" role="img" aria-label={ (spread.title) " of " (name) " in db " (db) } {
                @for (n, keys) in bars.iter().enumerate() {
                    @let height = *keys as f64 / most as f64 * 60.0;
                    @let height = if *keys > 0 { height.max(1.0) } else { 0.0 };
                    rect.bar x=(format!("{:.1}", n as f64 * step + 1.0)) y=(format!("{:.1}", 62.0 - height))
                        width=(format!("{:.1}", step - 2.0)) height=(format!("{height:.1}")) {
                        title { (number(*keys, "key")) " from " (lower(n)) }
                    }
                }
            }
        }
    }
}

/// The bytes of an append-only file over its stretches of time, and what took much away at once.
pub(super) fn timeline(timeline: &Timeline, report: &Report) -> Markup {
    if timeline.rows.is_empty() {
        return html! {};
    }
    let each = timeline.rows.len().div_ceil(BARS).max(1);
    let bars: Vec<(u64, Option<i64>)> = timeline
        .rows
        .chunks(each)
        .map(|rows| {
            let bytes = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.bytes));
            (bytes, rows.iter().find_map(|row| row.timestamp))
        })
        .collect();
    let most = bars.iter().map(|(bytes, _)| *bytes).max().unwrap_or(1).max(1);
    let step = WIDTH / bars.len() as f64;
    // A change lies in the last stretch of its file that begins before it.
    let column = |part: usize, at: u64| {
        let row = timeline.rows.iter().rposition(|row| row.part == part && row.offset <= at).unwrap_or(0);
        (row / each) as f64 * step
    };
    let times = || bars.iter().filter_map(|(_, time)| *time);
    let span = match (times().min(), times().max()) {
        (Some(first), Some(last)) => format!("from {} to {}", date(first), date(last)),
        _ => "without timestamps".to_owned(),
    };
    let more = timeline.more_changes + timeline.changes.len().saturating_sub(EVENTS) as u64;
    html! {
        h3 { "Over time" }
        figure.chart {
            figcaption { "Bytes of " (number(timeline.rows.len() as u64, "stretch").replace("stretchs", "stretches")) ", " (span) }
            svg viewBox="0 0 1000 100" role="img" aria-label={ "Bytes written over time, " (span) } {
                @for (n, (bytes, time)) in bars.iter().enumerate() {
                    @let height = (*bytes as f64 / most as f64 * 90.0).max(1.0);
                    rect.bar x=(format!("{:.1}", n as f64 * step)) y=(format!("{:.1}", 100.0 - height)) width=(format!("{:.2}", (step * 0.9).max(0.5)))
                        height=(format!("{height:.1}")) { title { (time.map_or_else(|| "before any timestamp".to_owned(), date)) ": " (size(*bytes)) } }
                }
                @for (part, change) in timeline.changes.iter().take(EVENTS) {
                    rect.event x=(format!("{:.1}", column(*part, change.start))) y="0" width="3" height="100" { title { (told(change.kind, change.commands)) } }
                }
            }
        }
        @if !timeline.changes.is_empty() {
            p { "What took much away at once:" }
            ul { @for (part, change) in timeline.changes.iter().take(EVENTS) {
                li { (told(change.kind, change.commands)) " at byte " (commas(change.start)) " of "
                    (report.parts.get(*part).map_or_else(String::new, |part| fit(&part.name, NAME)))
                    @if let Some(time) = change.timestamp { ", after " (date(time)) }
                    "; before it " (number(change.commands_before, "command")) }
            } }
            @if more > 0 { p.note { "and " (commas(more)) " more" } }
        }
    }
}

fn told(kind: ChangeKind, commands: u64) -> String {
    match kind {
        ChangeKind::Deletes => number(commands, "deletion"),
        kind => kind.as_str().to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_treemap_fills_its_area_by_weight() {
        let weights = [50.0, 25.0, 12.5, 6.25, 6.25];
        let mut areas = Vec::new();
        let whole = Area { x: 0.0, y: 0.0, width: 100.0, height: 10.0 };
        divide(&weights, whole, &mut areas);
        assert_eq!(areas.len(), weights.len());
        for (weight, area) in weights.iter().zip(&areas) {
            assert!((area.width * area.height - weight * 10.0).abs() < 0.01, "{weight}: {area:?}");
            assert!(area.x >= 0.0 && area.x + area.width <= 100.01 && area.y + area.height <= 10.01);
        }
        let mut areas = Vec::new();
        divide(&[], whole, &mut areas);
        divide(&[1.0], whole, &mut areas);
        assert_eq!(areas, [whole]);
    }
}
