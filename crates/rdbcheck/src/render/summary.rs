//! `--summary`: one line for each input, at the end: the verdict, keys and how they changed since a report of before, size, age, and how
//! long the check took. Of an input no more is held than its line.
//!
//! ```text
//! verdict      keys  change    size    age    time  file
//! sound       1,204     +4   1.2 MB  3.1 h  0.04 s  backup/a.rdb
//! DAMAGED        83    -72   7.5 kB  3.1 h  0.00 s  backup/b.rdb  (zero-tail)
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use redis_persistence::verify::Verdict;

use crate::escape::{self, columns};
use crate::exit::Exit;
use crate::outcome::Entry;
use crate::outcome::baseline::Baseline;
use crate::style::{BOLD, Look, Page};
use crate::units::{commas, duration, number, size};

/// The line of an input.
#[derive(Debug)]
pub struct Row {
    path: String,
    verdict: &'static str,
    /// As many keys as the RDB holds, or the RDB image of append-only files.
    keys: Option<u64>,
    commands: Option<u64>,
    size: Option<u64>,
    /// Seconds since it was written, if it says when that was.
    age: Option<u64>,
    took: Option<Duration>,
    /// Why it is not good.
    why: String,
}

const HEADS: [&str; 6] = ["verdict", "keys", "change", "size", "age", "time"];
/// The paths of a baseline that are named where they were not checked.
const NAMED: usize = 10;

impl Row {
    /// Returns the line of an input.
    pub(super) fn new(entry: &Entry, now_ms: i64) -> Self {
        let report = entry.outcome.as_ref().ok();
        let verdict = match (report.map(|report| report.verdict), entry.exit()) {
            (None, _) => "UNREADABLE",
            (Some(Verdict::Damaged), _) => "DAMAGED",
            (Some(Verdict::Unknown), _) => "unknown",
            (Some(Verdict::Sound), Exit::Sound) => "sound",
            (Some(Verdict::Sound), _) => "NOT MET",
        };
        let why = match &entry.outcome {
            Err(why) => why.clone(),
            Ok(_) => {
                let complaint = entry.complaint();
                let cause = entry.cause.as_ref().map(|cause| cause.code.to_string());
                cause.unwrap_or_else(|| complaint.trim_start_matches("; ").to_owned())
            }
        };
        let written = report.and_then(|report| report.format.as_ref()?.created);
        Self {
            path: escape::plain(entry.path.as_os_str().as_encoded_bytes()),
            verdict,
            keys: report.map(|report| report.counts.keys),
            commands: report.and_then(|report| report.aof.as_ref()).map(|facts| facts.commands),
            size: report.map(|report| report.size),
            age: written.and_then(|written| u64::try_from(now_ms / 1000 - written).ok()),
            took: entry.took,
            why,
        }
    }

    fn cells(&self, baseline: Option<&Baseline>) -> [String; 6] {
        let keys = match (self.keys, self.commands) {
            (Some(keys), None) => commas(keys),
            (Some(0), Some(commands)) => number(commands, "command"),
            (Some(keys), Some(commands)) => format!("{} + {}", commas(keys), number(commands, "command")),
            (None, _) => String::new(),
        };
        let change = baseline.map(|baseline| match (baseline.keys(&self.path), self.keys) {
            (None, _) => "new".to_owned(),
            (Some(before), Some(now)) if now >= before => format!("+{}", commas(now - before)),
            (Some(before), Some(now)) => format!("-{}", commas(before - now)),
            (Some(before), None) => format!("-{}", commas(before)),
        });
        [
            self.verdict.to_owned(),
            keys,
            change.unwrap_or_default(),
            self.size.map(size).unwrap_or_default(),
            self.age.map(duration).unwrap_or_default(),
            self.took.map(|took| format!("{:.2} s", took.as_secs_f64())).unwrap_or_default(),
        ]
    }
}

/// Returns the table, and what is to be said of all.
pub(super) fn render(rows: &[Row], baseline: Option<&Baseline>, look: Look) -> String {
    let mut page = Page::new(look);
    let cells: Vec<_> = rows.iter().map(|row| row.cells(baseline)).collect();
    let widest = |n: usize| cells.iter().map(|row| columns(&row[n])).max().unwrap_or(0);
    // A column that says nothing of any input is left out.
    let widths: Vec<_> = (0..HEADS.len()).map(|n| (n, widest(n))).filter(|(_, width)| *width > 0).collect();
    let line = |cells: &[String; 6], last: &str| {
        let one = |(n, width): &(usize, usize)| match n {
            0 => format!("{:<1$}  ", cells[*n], (*width).max(HEADS[*n].len())),
            _ => format!("{:>1$}  ", cells[*n], (*width).max(HEADS[*n].len())),
        };
        widths.iter().map(one).collect::<String>() + last
    };
    if !rows.is_empty() {
        page.paragraph(0, &line(&HEADS.map(str::to_owned), "file"), BOLD, "");
    }
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    for (row, cells) in rows.iter().zip(&cells) {
        *verdicts.entry(row.verdict).or_default() += 1;
        let why = if row.why.is_empty() { String::new() } else { format!("  ({})", row.why) };
        page.plain(0, &line(cells, &format!("{}{why}", row.path)));
    }
    let each: Vec<_> = verdicts.iter().map(|(verdict, n)| format!("{} {verdict}", commas(*n))).collect();
    let keys: u64 = rows.iter().filter_map(|row| row.keys).sum();
    let all = if each.is_empty() { String::new() } else { format!(": {}; {}", each.join(", "), number(keys, "key")) };
    page.plain(0, &format!("{}{all}", number(rows.len() as u64, "input")));
    if let Some(baseline) = baseline {
        let missing: Vec<_> = baseline.without(rows.iter().map(|row| row.path.as_str())).collect();
        if !missing.is_empty() {
            let named = missing[..missing.len().min(NAMED)].join(", ");
            let more = if missing.len() > NAMED { ", ..." } else { "" };
            page.plain(0, &format!("not checked, of those before: {}: {named}{more}", commas(missing.len() as u64)));
        }
    }
    page.text
}
