//! What came of drills, as text, JSON, test results and metrics.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::drill::{Drill, NEVER_TESTED, Outcome};
use crate::escape;
use crate::exit::Exit;
use crate::render::junit::{self, Case, Failed};
use crate::render::prometheus::{self, Labels, Metric};
use crate::units::size;

/// A path, and what came of its drill, or why there was none.
pub(super) struct Done<'a> {
    pub(super) path: &'a Path,
    pub(super) result: Result<Drill, String>,
}

impl Done<'_> {
    pub(super) fn exit(&self) -> Exit {
        self.result.as_ref().map_or(Exit::Unreadable, Drill::exit)
    }

    /// Writes it for people.
    pub(super) fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let Ok(drill) = &self.result else { return Ok(()) };
        let name = escape::plain(self.path.as_os_str().as_encoded_bytes());
        let verdict = match (self.exit(), &drill.down) {
            (_, Some(down)) => format!("does not come up ({})", down.as_str()),
            (Exit::Damaged, None) => "comes up, and is not as it should be".to_owned(),
            (Exit::Unknown, None) => "comes up; nothing could be compared".to_owned(),
            (_, None) => "comes up".to_owned(),
        };
        writeln!(out, "{name}: {} {verdict}", drill.release)?;
        if drill.down.is_none() {
            let cpu = drill.took.cpu_ms.map(|ms| format!(", {} of a processor", seconds(ms))).unwrap_or_default();
            let estimate = drill.estimate.as_ref();
            let about = estimate.map(|of| format!(" (the estimate: {})", seconds(of.cpu_ms()))).unwrap_or_default();
            writeln!(out, "  load      {}{cpu}{about}", seconds(drill.took.load_ms))?;
            let about = estimate.map(|of| format!(" (the estimate for the data: {})", size(of.memory_bytes())));
            let peak = |bytes: Option<u64>| bytes.map_or_else(|| "not known".to_owned(), size);
            let (used, resident) = (peak(drill.took.used), peak(drill.took.resident));
            writeln!(out, "  memory    {used} at most, {resident} resident{}", about.unwrap_or_default())?;
        }
        let tested = drill.tests.iter().filter_map(|test| match &test.outcome {
            Outcome::Held(what) => Some(format!("{}: {what}", test.name)),
            Outcome::Failed(what) => Some(format!("FAILED {}: {what}", test.name)),
            Outcome::Untested(_) => None,
        });
        list(out, "tested", tested)?;
        let untested = drill.tests.iter().filter_map(|test| match &test.outcome {
            Outcome::Untested(why) => Some(format!("{}: {why}", test.name)),
            _ => None,
        });
        list(out, "untested", untested.chain([NEVER_TESTED.to_owned()]))?;
        list(out, "log", drill.log.iter().cloned())
    }
}

/// Writes lines under one word.
fn list(out: &mut impl Write, word: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
    for (n, line) in lines.enumerate() {
        writeln!(out, "  {:<9} {}", if n == 0 { word } else { "" }, escape::plain(line.as_bytes()))?;
    }
    Ok(())
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    tool: &'a str,
    version: &'static str,
    never_tested: &'static str,
    files: Vec<View<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum View<'a> {
    Drill(Box<DrillView<'a>>),
    Error { path: String, path_base64: Option<String>, error: &'a str, exit_code: u8 },
}

#[derive(Serialize)]
struct DrillView<'a> {
    path: String,
    path_base64: Option<String>,
    server: &'a str,
    comes_up: bool,
    /// How it ended, where it did not come up.
    ended: Option<&'static str>,
    verdict: &'static str,
    size: u64,
    load_ms: Option<u64>,
    cpu_ms: Option<u64>,
    estimated_cpu_ms: Option<u64>,
    used_memory_peak: Option<u64>,
    resident_peak: Option<u64>,
    estimated_memory: Option<u64>,
    memory_limit: u64,
    timeout_ms: u64,
    databases: BTreeMap<u64, DatabaseView>,
    debug_digest: Option<&'a str>,
    tests: Vec<TestView<'a>>,
    log: &'a [String],
    exit_code: u8,
}

#[derive(Serialize)]
struct DatabaseView {
    server_keys: u64,
    file_keys: u64,
    expired_before: u64,
    expired_meanwhile: u64,
}

#[derive(Serialize)]
struct TestView<'a> {
    name: &'static str,
    outcome: &'static str,
    detail: &'a str,
}

impl<'a> View<'a> {
    fn of(done: &'a Done<'_>) -> Self {
        let path = done.path.to_string_lossy().into_owned();
        let odd = done.path.to_str().is_none();
        let path_base64 = odd.then(|| escape::base64(done.path.as_os_str().as_encoded_bytes()));
        let exit_code = done.exit().code();
        let drill = match &done.result {
            Ok(drill) => drill,
            Err(error) => return Self::Error { path, path_base64, error, exit_code },
        };
        let up = drill.down.is_none();
        let databases = drill.databases.iter().map(|(db, of)| {
            let view = DatabaseView {
                server_keys: of.server,
                file_keys: of.all,
                expired_before: of.expired,
                expired_meanwhile: of.expiring,
            };
            (*db, view)
        });
        let tests = drill.tests.iter().map(|test| {
            let (outcome, detail) = match &test.outcome {
                Outcome::Held(what) => ("held", what),
                Outcome::Failed(what) => ("failed", what),
                Outcome::Untested(why) => ("untested", why),
            };
            TestView { name: test.name, outcome, detail }
        });
        Self::Drill(Box::new(DrillView {
            path,
            path_base64,
            server: &drill.release,
            comes_up: up,
            ended: drill.down.as_ref().map(|down| down.as_str()),
            verdict: drill.verdict.as_str(),
            size: drill.size,
            load_ms: up.then_some(drill.took.load_ms),
            cpu_ms: drill.took.cpu_ms,
            estimated_cpu_ms: drill.estimate.as_ref().map(|of| of.cpu_ms()),
            used_memory_peak: drill.took.used,
            resident_peak: drill.took.resident,
            estimated_memory: drill.estimate.as_ref().map(|of| of.memory_bytes()),
            memory_limit: drill.memory_limit,
            timeout_ms: u64::try_from(drill.timeout.as_millis()).unwrap_or(u64::MAX),
            databases: databases.collect(),
            debug_digest: drill.debug_digest.as_deref(),
            tests: tests.collect(),
            log: &drill.log,
            exit_code,
        }))
    }
}

/// Returns one document, in the shape of `docs/drill.schema.json` of the library's package.
pub(super) fn json(tool: &str, done: &[Done<'_>]) -> io::Result<String> {
    let files = done.iter().map(View::of).collect();
    let version = env!("CARGO_PKG_VERSION");
    let document = Document { schema_version: 1, tool, version, never_tested: NEVER_TESTED, files };
    let text = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
    Ok(escape::json(&text) + "\n")
}

/// Returns test results: a suite for each path, in it a case for each test.
pub(super) fn junit(tool: &str, done: &[Done<'_>]) -> String {
    let failed = |element, message: &str, text: &str| {
        Err(Failed { element, kind: "drill".to_owned(), message: message.to_owned(), text: text.to_owned() })
    };
    let suites = done.iter().map(|of| {
        let cases = match &of.result {
            Err(why) => vec![Case { name: "drill".to_owned(), outcome: failed("error", why, why) }],
            Ok(drill) => drill
                .tests
                .iter()
                .map(|test| {
                    let outcome = match &test.outcome {
                        Outcome::Held(_) => Ok(()),
                        Outcome::Failed(why) => failed("failure", why, &drill.log.join("\n")),
                        Outcome::Untested(why) => failed("skipped", why, ""),
                    };
                    Case { name: test.name.to_owned(), outcome }
                })
                .collect(),
        };
        (of.path, cases)
    });
    junit::document(tool, &suites.collect::<Vec<_>>())
}

/// Returns metrics, for the textfile collector.
#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
pub(super) fn prometheus(done: &[Done<'_>]) -> String {
    let names = prometheus::names(done.iter().map(|of| of.path));
    let rows = || done.iter().zip(&names);
    let each = |name, help, value: &dyn Fn(&Done<'_>) -> Option<f64>| Metric {
        name,
        help,
        samples: rows().filter_map(|(of, labels)| Some((labels.clone(), value(of)?))).collect(),
    };
    let drilled = |name, help, value: &dyn Fn(&Drill) -> Option<f64>| {
        each(name, help, &|of: &Done<'_>| of.result.as_ref().ok().and_then(value))
    };
    let flag = |holds: bool| f64::from(u8::from(holds));
    let tests = rows().flat_map(|(of, labels)| {
        let tests = of.result.as_ref().map(|drill| drill.tests.as_slice()).unwrap_or_default();
        tests.iter().filter_map(|test| {
            let held = match test.outcome {
                Outcome::Held(_) => true,
                Outcome::Failed(_) => false,
                Outcome::Untested(_) => return None,
            };
            let labels: Labels = [labels.as_slice(), &[("test", test.name.to_owned())]].concat();
            Some((labels, flag(held)))
        })
    });
    let tests =
        Metric { name: "test", help: "Whether a test held; none where it was not made.", samples: tests.collect() };
    let took = |value: fn(&Drill) -> Option<u64>| {
        move |drill: &Drill| drill.down.is_none().then(|| value(drill)).flatten().map(|n| n as f64)
    };
    let metrics = [
        each("exit_code", "What the file alone would make the exit code.", &|of| Some(f64::from(of.exit().code()))),
        drilled("comes_up", "Whether the server came up.", &|drill| Some(flag(drill.down.is_none()))),
        tests,
        drilled(
            "load_milliseconds",
            "From the start of the server to its first answer.",
            &took(|of| Some(of.took.load_ms)),
        ),
        drilled("cpu_milliseconds", "Time of the processor until then.", &took(|of| of.took.cpu_ms)),
        drilled("memory_peak_bytes", "The most memory that the server allocated.", &took(|of| of.took.used)),
        drilled("resident_peak_bytes", "The most memory that was resident.", &took(|of| of.took.resident)),
        drilled("keys", "Keys of the server.", &took(|of| Some(of.databases.values().map(|db| db.server).sum()))),
    ];
    prometheus::text("drill", &metrics)
}
