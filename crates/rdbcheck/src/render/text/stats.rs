//! `--stats` for people: tables of sizes and elements, the largest keys, keys by prefix, and what a load would need.

use redis_persistence::verify::stats::{Histogram, LargeKey, Prefix, Stats, TypeStats};

use crate::escape;
use crate::style::{BOLD, KEY, Page, shorten};
use crate::units::{commas, duration, number, size};

/// How many prefixes and databases are shown.
const FIRST_PREFIXES: usize = 20;
const FIRST_DATABASES: usize = 16;
/// Of fewer keys the table says enough.
const FEW: u64 = 20;

const TYPES: [&str; 14] = [
    "db", "type", "keys", "memory", "expiries", "expired", "bytes", "p50", "p99", "max", "elements", "p50", "p99",
    "max",
];
const LIVES: [&str; 11] =
    ["db", "type", "no expiry", "time to live p50", "p99", "max", "idle p50", "p99", "max", "frequency p50", "max"];

/// The tables.
pub(in crate::render) fn stats(page: &mut Page, stats: &Stats) {
    types(page, stats);
    if !stats.largest.is_empty() {
        page.paragraph(0, "largest keys, by their bytes in the file", BOLD, ":");
        stats.largest.iter().for_each(|key| largest(page, key));
    }
    prefixes(page, stats);
    let estimate = &stats.estimate;
    let (memory, seconds) = (size(estimate.memory_bytes()), estimate.cpu_ms() / 1000);
    let tenths = estimate.cpu_ms() % 1000 / 100;
    let needs = format!(
        ": about {memory} of memory and {seconds}.{tenths} s ({})",
        redis_persistence::verify::stats::Estimate::BASIS
    );
    page.paragraph(0, "to load it a server needs", BOLD, &needs);
}

fn types(page: &mut Page, stats: &Stats) {
    let shown = stats.databases.iter().take(FIRST_DATABASES);
    let types: Vec<_> = shown.flat_map(|(db, types)| types.iter().map(move |(name, of)| (*db, *name, of))).collect();
    let lead = |db: u64, name: &str| vec![db.to_string(), name.to_owned()];
    let rows: Vec<_> = types.iter().map(|(db, name, of)| [lead(*db, name), row(of).to_vec()].concat()).collect();
    if !rows.is_empty() {
        page.table(&TYPES, &rows, 2);
        page.plain(2, &format!("memory: estimated, as {} tells it", stats.memory.basis()));
    }
    let lives = types.iter().filter(|(.., of)| is_told(of));
    let rows: Vec<_> = lives.map(|(db, name, of)| [lead(*db, name), life(of).to_vec()].concat()).collect();
    if !rows.is_empty() {
        page.table(&LIVES, &rows, 2);
    }
    if let Some(more) = stats.databases.len().checked_sub(FIRST_DATABASES).filter(|more| *more > 0) {
        page.plain(0, &format!("and {}", number(more as u64, "more database")));
    }
    if page.look.is_seen {
        for (db, name, of) in types {
            spread(page, "sizes", (db, name), &of.sizes, size);
            spread(page, "times to live", (db, name), &of.ttls, duration);
            spread(page, "idle times", (db, name), &of.idle, duration);
        }
    }
}

/// A line with the shape of a histogram.
fn spread(page: &mut Page, what: &str, (db, name): (u64, &str), of: &Histogram, unit: fn(u64) -> String) {
    let powers: Vec<u64> = of.powers().collect();
    let from = powers.iter().position(|n| *n > 0).unwrap_or(0);
    let line = page.look.sparkline(&powers[from..]);
    if of.count() >= FEW && powers.len() > from + 1 {
        let (least, most) = (unit(1 << from), unit(of.max()));
        page.plain(2, &format!("{what} in db {db}, {name}: {least} [{line}] {most}, by powers of two"));
    }
}

/// Returns whether the second table has something to say.
fn is_told(of: &TypeStats) -> bool {
    of.expires > 0 || of.idle.count() > 0 || of.frequencies.count() > 0
}

/// When keys expire, and how they are used.
fn life(of: &TypeStats) -> [String; 9] {
    let quantile = |of: &Histogram, percent: u8, unit: fn(u64) -> String| match of.count() {
        0 => "-".to_owned(),
        _ => unit(of.quantile(percent)),
    };
    [
        commas(of.keys - of.expires),
        quantile(&of.ttls, 50, duration),
        quantile(&of.ttls, 99, duration),
        quantile(&of.ttls, 100, duration),
        quantile(&of.idle, 50, duration),
        quantile(&of.idle, 99, duration),
        quantile(&of.idle, 100, duration),
        quantile(&of.frequencies, 50, commas),
        quantile(&of.frequencies, 100, commas),
    ]
}

fn row(of: &TypeStats) -> [String; 12] {
    let sizes = |histogram: &Histogram| [50, 99].map(|percent| size(histogram.quantile(percent)));
    let [size_50, size_99] = sizes(&of.sizes);
    let element = |n: u64| if of.elements.count() == 0 { "-".to_owned() } else { commas(n) };
    [
        commas(of.keys),
        if of.memory > 0 { size(of.memory) } else { "-".to_owned() },
        commas(of.expires),
        commas(of.expired),
        size(of.sizes.sum()),
        size_50,
        size_99,
        size(of.sizes.max()),
        element(of.elements.sum()),
        element(of.elements.quantile(50)),
        element(of.elements.quantile(99)),
        element(of.elements.max()),
    ]
}

fn largest(page: &mut Page, key: &LargeKey) {
    let elements = if key.elements > 0 { format!(", {}", number(key.elements, "element")) } else { String::new() };
    let name = shorten(&escape::quoted(&key.key), KEY);
    let what = if key.encoding == key.value_type {
        key.encoding.to_owned()
    } else {
        format!("{} ({})", key.value_type, key.encoding)
    };
    let memory = key.memory.map_or_else(String::new, |bytes| format!(", {} of memory", size(bytes)));
    let (bytes, db, offset) = (size(key.bytes), key.db, key.offset);
    page.plain(2, &format!("{bytes:>10}  db {db} key {name}, {what}{elements}{memory}, at byte {offset}"));
}

fn prefixes(page: &mut Page, stats: &Stats) {
    for (depth, prefixes) in stats.prefixes.iter().enumerate() {
        if prefixes.by_prefix.is_empty() {
            return;
        }
        let what = match depth {
            0 => "keys by what stands before the first separator".to_owned(),
            depth => format!("keys by what stands before separator {}", depth + 1),
        };
        page.paragraph(0, &what, BOLD, ":");
        let mut row = |of: &Prefix, name: &str| {
            if of.keys > 0 {
                page.plain(2, &format!("{:>10}  {:>15}  {name}", size(of.bytes), number(of.keys, "key")));
            }
        };
        let (shown, rest) = prefixes.by_prefix.split_at(prefixes.by_prefix.len().min(FIRST_PREFIXES));
        for (name, of) in shown {
            row(of, &shorten(&escape::quoted(name), KEY));
        }
        let folded = rest.iter().fold(prefixes.other, |sum, (_, of)| Prefix {
            keys: sum.keys + of.keys,
            bytes: sum.bytes.saturating_add(of.bytes),
        });
        row(&folded, "under other prefixes");
        row(&prefixes.without, if depth == 0 { "without a separator" } else { "with fewer separators" });
    }
}
