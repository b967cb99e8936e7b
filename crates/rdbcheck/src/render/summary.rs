//! `--summary`: one line for each input: the verdict, keys and how they changed since a report of before, size, age, and how long the
//! check took. The first thousand come together, so that columns are as wide as they have to be, the others as they come.
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
/// The place of that which only a baseline gives.
const CHANGE: usize = 2;
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

    fn line(&self, cells: &[String; 6], columns: &[(usize, usize)]) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!("  ({})", self.why) };
        format!("{}{}{why}", aligned(cells, columns), self.path)
    }
}

/// As many lines are held as tell how wide the columns have to be. What comes behind them is printed as it comes.
pub(super) const HELD: usize = 1000;

/// The table of a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: Vec<Row>,
    /// The columns that are printed and their widths, once that is settled.
    columns: Option<Vec<(usize, usize)>>,
    verdicts: BTreeMap<&'static str, u64>,
    inputs: u64,
    keys: u64,
}

impl Table {
    /// Takes the line of an input, and returns what is to be printed of the table.
    pub(super) fn add(&mut self, row: Row, mut baseline: Option<&mut Baseline>, look: Look) -> Option<String> {
        self.inputs += 1;
        self.keys += row.keys.unwrap_or(0);
        *self.verdicts.entry(row.verdict).or_default() += 1;
        if let Some(baseline) = baseline.as_deref_mut() {
            baseline.saw(&row.path);
        }
        let baseline = baseline.as_deref();
        if let Some(columns) = &self.columns {
            let mut page = Page::new(look);
            page.plain(0, &row.line(&row.cells(baseline), columns));
            return Some(page.text);
        }
        self.held.push(row);
        // Those to come may have what none of these has.
        (self.held.len() == HELD).then(|| self.begin(baseline, true, look))
    }

    /// Settles the columns, and returns what was held.
    fn begin(&mut self, baseline: Option<&Baseline>, all: bool, look: Look) -> String {
        let mut page = Page::new(look);
        let rows = std::mem::take(&mut self.held);
        let cells: Vec<_> = rows.iter().map(|row| row.cells(baseline)).collect();
        let widest = |n: usize| cells.iter().map(|row| columns(&row[n])).max().unwrap_or(0);
        // A column that says nothing of any input is left out.
        let says = |n: usize, width: usize| width > 0 || all && (n != CHANGE || baseline.is_some());
        let columns: Vec<_> = (0..HEADS.len())
            .map(|n| (n, widest(n)))
            .filter(|(n, width)| says(*n, *width))
            .map(|(n, width)| (n, width.max(HEADS[n].len())))
            .collect();
        if !rows.is_empty() {
            page.paragraph(0, &(aligned(&HEADS.map(str::to_owned), &columns) + "file"), BOLD, "");
        }
        for (row, cells) in rows.iter().zip(&cells) {
            page.plain(0, &row.line(cells, &columns));
        }
        self.columns = Some(columns);
        page.text
    }

    /// Returns what was not printed yet, and what is to be said of all.
    pub(super) fn finish(mut self, baseline: Option<&Baseline>, look: Look) -> String {
        let mut page = Page::new(look);
        if self.columns.is_none() {
            page.text = self.begin(baseline, false, look);
        }
        let each: Vec<_> = self.verdicts.iter().map(|(verdict, n)| format!("{} {verdict}", commas(*n))).collect();
        let keys = number(self.keys, "key");
        let all = if each.is_empty() { String::new() } else { format!(": {}; {keys}", each.join(", ")) };
        page.plain(0, &format!("{}{all}", number(self.inputs, "input")));
        if let Some(baseline) = baseline {
            let (mut missing, mut named) = (0, Vec::new());
            for path in baseline.not_seen() {
                missing += 1;
                if named.len() < NAMED {
                    named.push(path);
                }
            }
            if missing > 0 {
                let more = if missing > NAMED { ", ..." } else { "" };
                let missing = commas(missing as u64);
                page.plain(0, &format!("not checked, of those before: {missing}: {}{more}", named.join(", ")));
            }
        }
        page.text
    }
}

/// Returns the cells of a line, each in its column.
fn aligned(cells: &[String; 6], columns: &[(usize, usize)]) -> String {
    let one = |(n, width): &(usize, usize)| match n {
        0 => format!("{:<width$}  ", cells[*n]),
        _ => format!("{:>width$}  ", cells[*n]),
    };
    columns.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> Row {
        let (keys, size) = (Some(n as u64), Some(1200));
        let why = if n.is_multiple_of(2) { String::new() } else { "cut".to_owned() };
        Row { path: format!("{n}.rdb"), verdict: "sound", keys, commands: None, size, age: None, took: None, why }
    }

    /// Of a long table no more is held than the lines that tell the widths, and nothing is lost or told twice.
    #[test]
    fn a_long_table_is_printed_as_it_comes() {
        for count in [0, 1, HELD - 1, HELD, HELD + 1, 3 * HELD] {
            let (mut table, mut printed) = (Table::default(), String::new());
            for n in 0..count {
                printed.push_str(&table.add(row(n), None, Look::default()).unwrap_or_default());
                assert!(table.held.len() < HELD);
                assert_eq!(printed.lines().count(), if n + 1 < HELD { 0 } else { n + 2 }, "{n}");
            }
            printed.push_str(&table.finish(None, Look::default()));
            let lines: Vec<_> = printed.lines().collect();
            assert_eq!(lines.len(), if count == 0 { 1 } else { count + 2 });
            for (n, line) in lines.iter().skip(1).take(count).enumerate() {
                let file = format!("{n}.rdb{}", if n.is_multiple_of(2) { "" } else { "  (cut)" });
                assert!(
                    line.starts_with("sound") && line.contains(&commas(n as u64)) && line.ends_with(&file),
                    "{line}"
                );
            }
            // A short table leaves out what none of its lines has.
            if count > 0 {
                assert_eq!(lines[0].contains("age"), count >= HELD, "{}", lines[0]);
                assert!(!lines[0].contains("change"));
            }
            let keys = number((0..count as u64).sum(), "key");
            let all = if count == 0 {
                "0 inputs".to_owned()
            } else {
                format!("{}: {} sound; {keys}", number(count as u64, "input"), commas(count as u64))
            };
            assert_eq!(lines.last(), Some(&all.as_str()));
        }
    }
}
