//! A report for the textfile collector of Prometheus: one sample for each file, and for each of its codes and servers.
//!
//! ```text
//! # HELP rdbcheck_sound Whether no finding is an error.
//! # TYPE rdbcheck_sound gauge
//! rdbcheck_sound{path="dump.rdb"} 1
//! ```
//! A metric is written only if a file has a sample of it. There are no timestamps: the collector refuses them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use redis_persistence::servers::Loads;
use redis_persistence::verify::{Code, Report, Severity, Verdict};

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

/// What the metrics say of an input: its report is not held until all were read.
#[derive(Debug)]
pub struct Sampled {
    path: PathBuf,
    /// One for each of `VALUES`, where it has one.
    values: [Option<f64>; VALUES.len()],
    findings: Vec<(Code, u64)>,
    cause: Option<&'static str>,
    loads: Vec<Loads>,
}

/// A metric of which an input has one sample: its name, its help, and the value.
type Value = (&'static str, &'static str, fn(&Entry) -> Option<f64>);

#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
const VALUES: [Value; 12] = [
    ("exit_code", "What the file alone would make the exit code.", |entry| Some(f64::from(entry.exit().code()))),
    ("readable", "Whether the file could be read.", |entry| Some(flag(entry.outcome.is_ok()))),
    ("sound", "Whether no finding is an error and the file can be judged.", |entry| {
        Some(flag(report(entry)?.verdict == Verdict::Sound))
    }),
    ("size_bytes", "The size of the file, or of all files of a set.", |entry| Some(report(entry)?.size as f64)),
    ("keys", "Keys in the RDB, or in the RDB image of an append-only file.", |entry| {
        image(entry).map(|report| report.counts.keys as f64)
    }),
    ("keys_with_expiry", "Keys with an expiry.", |entry| image(entry).map(|report| report.counts.expires as f64)),
    ("keys_expired", "Keys whose expiry is past.", |entry| image(entry).map(|report| report.counts.expired as f64)),
    ("commands", "Commands in append-only files.", |entry| Some(report(entry)?.aof.as_ref()?.commands as f64)),
    ("written_timestamp_seconds", "When the RDB says that it was written.", |entry| {
        Some(report(entry)?.format.as_ref()?.created? as f64)
    }),
    ("errors", "Findings that are errors.", |entry| Some(count(report(entry)?, Severity::Error) as f64)),
    ("warnings", "Findings that are warnings.", |entry| Some(count(report(entry)?, Severity::Warning) as f64)),
    ("unmet_demands", "Demands of the command line that the file does not meet.", |entry| {
        report(entry).map(|_| entry.unmet.len() as f64)
    }),
];

fn report(entry: &Entry) -> Option<&Report> {
    entry.outcome.as_ref().ok()
}

/// Returns the report of what has an RDB, or begins with one.
fn image(entry: &Entry) -> Option<&Report> {
    report(entry).filter(|report| report.format.is_some())
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

impl Sampled {
    /// Returns what the metrics say of an input.
    pub(super) fn new(entry: Entry) -> Self {
        let values = VALUES.map(|(_, _, value)| value(&entry));
        let findings =
            report(&entry).map(|report| report.findings_by_code.iter().map(|(code, n)| (*code, *n)).collect());
        let cause = entry.cause.as_ref().map(|cause| cause.code.as_str());
        Self { path: entry.path, values, findings: findings.unwrap_or_default(), cause, loads: entry.loads }
    }
}

/// Returns the whole text.
pub(super) fn render(tool: &str, inputs: &[Sampled], now_ms: i64) -> String {
    text(tool, &metrics(inputs, now_ms))
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
fn metrics(inputs: &[Sampled], now_ms: i64) -> Vec<Metric> {
    let names = names(inputs.iter().map(|input| input.path.as_path()));
    let inputs = || inputs.iter().zip(&names);
    let with = |name: &Labels, labels: Labels| [&name[..], &labels[..]].concat();
    let each = |n: usize| {
        let (name, help, _) = VALUES[n];
        let samples = inputs().filter_map(|(input, name)| Some((name.clone(), input.values[n]?))).collect();
        Metric { name, help, samples }
    };
    let findings = inputs().flat_map(|(input, name)| {
        input.findings.iter().map(move |(code, n)| {
            let labels = vec![("code", code.to_string()), ("severity", code.severity().to_string())];
            (with(name, labels), *n as f64)
        })
    });
    let loads = inputs().flat_map(|(input, name)| {
        input.loads.iter().map(move |answer| {
            let labels = vec![("server", answer.release.to_string()), ("by_default", answer.by_default.to_string())];
            (with(name, labels), flag(answer.loads))
        })
    });
    let causes = inputs().filter_map(|(input, name)| Some((with(name, vec![("cause", input.cause?.to_owned())]), 1.0)));
    let run = [
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
    ];
    let of_files = [
        Metric { name: "findings", help: "Findings by code.", samples: findings.collect() },
        Metric { name: "cause_info", help: "What happened to the file.", samples: causes.collect() },
        Metric { name: "loads", help: "Whether a server loads the file as it is.", samples: loads.collect() },
    ];
    let last = VALUES.len() - 1;
    run.into_iter().chain((0..last).map(each)).chain(of_files).chain([each(last)]).collect()
}
