//! `--stats` in the document.

use std::collections::BTreeMap;

use redis_persistence::verify::stats::{Estimate, Histogram, LargeKey, Prefix, Stats, TypeStats};
use serde::Serialize;

use super::Number;
use crate::escape::base64;

#[derive(Serialize)]
pub(super) struct StatsView<'a> {
    databases: BTreeMap<u64, BTreeMap<&'a str, TypeView>>,
    largest: Vec<LargeView<'a>>,
    prefixes: Vec<PrefixView>,
    without_prefix: CountView,
    other_prefixes: CountView,
    estimate: EstimateView,
}

#[derive(Serialize)]
struct TypeView {
    keys: Number,
    expires: Number,
    expired: Number,
    bytes: SpreadView,
    elements: Option<SpreadView>,
}

#[derive(Serialize)]
struct SpreadView {
    total: Number,
    p50: Number,
    p99: Number,
    max: Number,
}

#[derive(Serialize)]
struct LargeView<'a> {
    db: Number,
    key: Option<&'a str>,
    key_base64: Option<String>,
    #[serde(rename = "type")]
    value_type: &'a str,
    encoding: &'a str,
    bytes: Number,
    elements: Number,
    offset: Number,
}

#[derive(Serialize)]
struct PrefixView {
    prefix: String,
    keys: Number,
    bytes: Number,
}

#[derive(Serialize)]
struct CountView {
    keys: Number,
    bytes: Number,
}

#[derive(Serialize)]
struct EstimateView {
    memory_bytes: Number,
    cpu_ms: Number,
    basis: &'static str,
}

/// The prefixes in the document, those that take most bytes first.
const FIRST_PREFIXES: usize = 1000;

pub(super) fn stats(stats: &Stats) -> StatsView<'_> {
    let databases =
        stats.databases.iter().map(|(db, types)| (*db, types.iter().map(|(name, of)| (*name, of_type(of))).collect()));
    let all = &stats.prefixes;
    let (shown, rest) = all.by_prefix.split_at(all.by_prefix.len().min(FIRST_PREFIXES));
    let other = rest
        .iter()
        .fold(all.other, |sum, (_, of)| Prefix { keys: sum.keys + of.keys, bytes: sum.bytes.saturating_add(of.bytes) });
    StatsView {
        databases: databases.collect(),
        largest: stats.largest.iter().map(large).collect(),
        prefixes: shown.iter().map(prefix).collect(),
        without_prefix: count(all.without),
        other_prefixes: count(other),
        estimate: EstimateView {
            memory_bytes: Number(stats.estimate.memory_bytes()),
            cpu_ms: Number(stats.estimate.cpu_ms()),
            basis: Estimate::BASIS,
        },
    }
}

fn of_type(of: &TypeStats) -> TypeView {
    TypeView {
        keys: Number(of.keys),
        expires: Number(of.expires),
        expired: Number(of.expired),
        bytes: spread(&of.sizes),
        elements: (of.elements.count() > 0).then(|| spread(&of.elements)),
    }
}

fn spread(of: &Histogram) -> SpreadView {
    SpreadView {
        total: Number(of.sum()),
        p50: Number(of.quantile(50)),
        p99: Number(of.quantile(99)),
        max: Number(of.max()),
    }
}

fn large(key: &LargeKey) -> LargeView<'_> {
    let text = std::str::from_utf8(&key.key).ok();
    LargeView {
        db: Number(key.db),
        key_base64: if text.is_none() { Some(base64(&key.key)) } else { None },
        key: text,
        value_type: key.value_type,
        encoding: key.encoding,
        bytes: Number(key.bytes),
        elements: Number(key.elements),
        offset: Number(key.offset),
    }
}

fn prefix((name, of): &(Vec<u8>, Prefix)) -> PrefixView {
    let prefix = String::from_utf8(name.clone()).unwrap_or_else(|_| name.escape_ascii().to_string());
    PrefixView { prefix, keys: Number(of.keys), bytes: Number(of.bytes) }
}

fn count(of: Prefix) -> CountView {
    CountView { keys: Number(of.keys), bytes: Number(of.bytes) }
}
