//! A report in the form of JUnit, which build servers show as tests: one suite for each file; in it one case for the
//! check, one for each demand that is not met, and one for each server that was asked for.

use std::path::Path;

use redis_persistence::servers::{Loads, Outcome};
use redis_persistence::verify::{Report, Severity, Verdict};

use super::text::{self, Style};
use crate::outcome::{Entry, count};
use crate::units::number;

/// A case of a suite.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) outcome: Result<(), Failed>,
}

/// A case that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// `failure` for what was found out, `error` for what could not be, `skipped` for what was not tried.
    pub(crate) element: &'static str,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) text: String,
}

/// Returns the document of these suites, each of which is about a path.
pub(crate) fn document(tool: &str, suites: &[(impl AsRef<Path>, Vec<Case>)]) -> String {
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" {}>\n",
        attribute(tool),
        totals(all())
    );
    for (path, cases) in suites {
        let path = attribute(&path.as_ref().to_string_lossy());
        out.push_str(&format!("  <testsuite name=\"{path}\" {}>\n", totals(cases.iter())));
        for case in cases {
            out.push_str(&format!("    <testcase classname=\"{path}\" name=\"{}\"", attribute(&case.name)));
            match &case.outcome {
                Ok(()) => out.push_str("/>\n"),
                Err(failed) => out.push_str(&format!(
                    ">\n      <{0} type=\"{1}\" message=\"{2}\">{3}</{0}>\n    </testcase>\n",
                    failed.element,
                    attribute(&failed.kind),
                    attribute(&failed.message),
                    content(&failed.text)
                )),
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn totals<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match &case.outcome {
            Err(failed) if failed.element == "error" => errors += 1,
            Err(failed) if failed.element == "skipped" => skipped += 1,
            Err(_) => failures += 1,
            Ok(()) => {}
        }
    }
    let skipped = if skipped > 0 { format!(" skipped=\"{skipped}\"") } else { String::new() };
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"{skipped}")
}

/// Returns the cases of an input.
pub(super) fn cases(entry: &Entry, style: Style) -> Vec<Case> {
    let report = match &entry.outcome {
        Ok(report) => report,
        Err(why) => {
            let failed =
                Failed { element: "error", kind: "unreadable".into(), message: why.clone(), text: why.clone() };
            return vec![Case { name: "check".to_owned(), outcome: Err(failed) }];
        }
    };
    let mut cases = vec![Case { name: "check".to_owned(), outcome: check(entry, report, style) }];
    cases.extend(entry.unmet.iter().map(|unmet| {
        let failed = Failed {
            element: "failure",
            kind: "demand".to_owned(),
            message: format!("not as demanded: {unmet}"),
            text: String::new(),
        };
        Case { name: unmet.split(" (").next().unwrap_or(unmet).to_owned(), outcome: Err(failed) }
    }));
    cases.extend(
        entry.loads.iter().map(|answer| Case { name: format!("loads on {}", answer.release), outcome: loads(answer) }),
    );
    cases
}

fn check(entry: &Entry, report: &Report, style: Style) -> Result<(), Failed> {
    let element = match report.verdict {
        Verdict::Sound => return Ok(()),
        Verdict::Damaged => "failure",
        Verdict::Unknown => "error",
    };
    let first = report.findings.iter().find(|finding| finding.severity == Severity::Error || element == "error");
    let kind = first.map_or("", |finding| finding.code.as_str());
    let cause = entry.cause.as_ref().map(|cause| cause.message.clone());
    let message = cause.unwrap_or_else(|| number(count(report, Severity::Error), "error"));
    let plain = anstream::adapter::strip_str(&text::render(entry, report, style)).to_string();
    Err(Failed { element, kind: kind.to_owned(), message, text: plain })
}

fn loads(answer: &Loads) -> Result<(), Failed> {
    let element = match (answer.loads, answer.by_default) {
        (true, _) => return Ok(()),
        (false, Outcome::Unknown) => "error",
        (false, _) => "failure",
    };
    let because: Vec<_> = answer.because.iter().map(|why| why.message.as_str()).collect();
    let kind = answer.because.first().map_or("unknown", |why| why.reason.as_str());
    let message = format!("{}: {}", answer.release, answer.by_default);
    Err(Failed { element, kind: kind.to_owned(), message, text: because.join("\n") })
}

/// Text between tags. What XML cannot hold at all does not come here: the text is fit to print.
fn content(text: &str) -> String {
    let fit: String = text.chars().filter(|c| *c == '\n' || crate::escape::is_plain(*c)).collect();
    fit.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in an attribute.
fn attribute(text: &str) -> String {
    content(&crate::escape::plain(text.as_bytes())).replace('"', "&quot;")
}
