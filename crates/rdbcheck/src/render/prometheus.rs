//! A report for the textfile collector of Prometheus: one sample for each file, and for each of its codes and servers.
//!
//! ```text
//! # HELP rdbcheck_sound Whether no finding is an error.
//! # TYPE rdbcheck_sound gauge
//! rdbcheck_sound{path="dump.rdb"} 1
//! ```
//! A metric is written only if a file has a sample of it. There are no timestamps: the collector refuses them.

use std::collections::HashMap;
use std::path::Path;

use redis_persistence::verify::{Report, Severity, Verdict};

use crate::escape;
use crate::outcome::{Entry, count};

/// A metric under way: its name without the tool's, its help, and its samples.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) samples: Vec<(Labels, f64)>,
}

/// Names and values.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Returns the whole text.
pub(super) fn render(tool: &str, entries: &[Entry], now_ms: i64) -> String {
    text(tool, &metrics(entries, now_ms))
}

/// Returns the text of these metrics.
pub(crate) fn text(tool: &str, metrics: &[Metric]) -> String {
    let mut out = String::new();
    for metric in metrics {
        if metric.samples.is_empty() {
            continue;
        }
        let name = format!("{tool}_{}", metric.name);
        out.push_str(&format!("# HELP {name} {}\n# TYPE {name} gauge\n", metric.help));
        for (labels, value) in &metric.samples {
            let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            out.push_str(&format!("{name}{labels} {value}\n"));
        }
    }
    out
}

/// Returns how each input is named: by its path, and by a number where another one before it has the same. A series that
/// occurs twice makes the collector refuse the whole text.
pub(crate) fn names<'p>(paths: impl Iterator<Item = &'p Path>) -> Vec<Labels> {
    let mut seen: HashMap<String, u64> = HashMap::new();
    let named = paths.map(|path| {
        let path = escape::plain(path.as_os_str().as_encoded_bytes());
        let n = seen.entry(path.clone()).or_default();
        *n += 1;
        let again = (*n > 1).then(|| ("copy", n.to_string()));
        std::iter::once(("path", path)).chain(again).collect()
    });
    named.collect()
}

/// Returns the value of a label: backslashes, quotes and line ends are escaped, as the format has it.
fn label(text: &str) -> String {
    escape::plain(text.as_bytes()).replace('\\', r"\\").replace('"', "\\\"")
}

#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
fn metrics(entries: &[Entry], now_ms: i64) -> Vec<Metric> {
    let names = names(entries.iter().map(|entry| entry.path.as_path()));
    let entries = || entries.iter().zip(&names);
    let each = |name, help, value: &dyn Fn(&Entry) -> Option<f64>| Metric {
        name,
        help,
        samples: entries().filter_map(|(entry, name)| Some((name.clone(), value(entry)?))).collect(),
    };
    let of_report = |name, help, value: &dyn Fn(&Report) -> Option<f64>| {
        each(name, help, &|entry: &Entry| entry.outcome.as_ref().ok().and_then(value))
    };
    let flag = |holds: bool| f64::from(u8::from(holds));
    let with = |name: &[(&'static str, String)], labels: Vec<(&'static str, String)>| [name, &labels[..]].concat();
    let findings = |(entry, name): (&Entry, &Vec<(&'static str, String)>)| -> Vec<_> {
        let counts = entry.outcome.as_ref().map(|report| &report.findings_by_code).into_iter().flatten();
        let sample = |code: &redis_persistence::verify::Code, n: &u64| {
            let labels = vec![("code", code.to_string()), ("severity", code.severity().to_string())];
            (with(name, labels), *n as f64)
        };
        counts.map(|(code, n)| sample(code, n)).collect()
    };
    let loads = |(entry, name): (&Entry, &Vec<(&'static str, String)>)| -> Vec<_> {
        let sample = |answer: &redis_persistence::servers::Loads| {
            let labels = vec![("server", answer.release.to_string()), ("by_default", answer.by_default.to_string())];
            (with(name, labels), flag(answer.loads))
        };
        entry.loads.iter().map(sample).collect()
    };
    let causes = entries().filter_map(|(entry, name)| {
        let cause = entry.cause.as_ref()?;
        Some((with(name, vec![("cause", cause.code.to_string())]), 1.0))
    });
    vec![
        Metric {
            name: "run_timestamp_seconds",
            help: "The time that expiries were held against: of the run, unless another was given.",
            samples: vec![(Vec::new(), now_ms.div_euclid(1000) as f64)],
        },
        Metric {
            name: "build_info",
            help: "The version of the tool.",
            samples: vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
        },
        each("exit_code", "What the file alone would make the exit code.", &|entry| {
            Some(f64::from(entry.exit().code()))
        }),
        each("readable", "Whether the file could be read.", &|entry| Some(flag(entry.outcome.is_ok()))),
        of_report("sound", "Whether no finding is an error and the file can be judged.", &|report| {
            Some(flag(report.verdict == Verdict::Sound))
        }),
        of_report("size_bytes", "The size of the file, or of all files of a set.", &|report| Some(report.size as f64)),
        of_report("keys", "Keys in the RDB, or in the RDB image of an append-only file.", &|report| {
            report.format.as_ref().map(|_| report.counts.keys as f64)
        }),
        of_report("keys_with_expiry", "Keys with an expiry.", &|report| {
            report.format.as_ref().map(|_| report.counts.expires as f64)
        }),
        of_report("keys_expired", "Keys whose expiry is past.", &|report| {
            report.format.as_ref().map(|_| report.counts.expired as f64)
        }),
        of_report("commands", "Commands in append-only files.", &|report| {
            report.aof.as_ref().map(|facts| facts.commands as f64)
        }),
        of_report("written_timestamp_seconds", "When the RDB says that it was written.", &|report| {
            report.format.as_ref().and_then(|format| format.created).map(|time| time as f64)
        }),
        of_report("errors", "Findings that are errors.", &|report| Some(count(report, Severity::Error) as f64)),
        of_report("warnings", "Findings that are warnings.", &|report| Some(count(report, Severity::Warning) as f64)),
        Metric { name: "findings", help: "Findings by code.", samples: entries().flat_map(findings).collect() },
        Metric { name: "cause_info", help: "What happened to the file.", samples: causes.collect() },
        Metric {
            name: "loads",
            help: "Whether a server loads the file as it is.",
            samples: entries().flat_map(loads).collect(),
        },
        each("unmet_demands", "Demands of the command line that the file does not meet.", &|entry| {
            entry.outcome.is_ok().then_some(entry.unmet.len() as f64)
        }),
    ]
}
