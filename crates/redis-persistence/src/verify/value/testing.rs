//! For tests: feeds the values of a whole file to their checkers, without the rest of the verifier.

use super::template::Registry;
use super::{Context, Scratch, ValueChecker};
use crate::base::limits::Limits;
use crate::rdb::{Events, Payload, Role};
use crate::report::codes::Code;
use crate::report::codes::Severity;
use crate::report::collector::Collector;
use crate::report::finding::Finding;
use crate::verify::confirm::{Suspect, Suspects};
use crate::verify::duplicates::{Form, HashKey, Table};

/// What the checkers said.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// How many elements each key holds.
    pub(crate) elements: Vec<u64>,
    pub(crate) suspects: Vec<Suspect>,
}

impl Checked {
    /// Returns the code, start and failing offset of each finding, in file order.
    pub(crate) fn places(&self) -> Vec<(Code, u64, u64)> {
        self.findings.iter().map(|finding| (finding.code, finding.start, finding.failed_at)).collect()
    }

    /// Returns the codes, in file order.
    pub(crate) fn codes(&self) -> Vec<Code> {
        self.findings.iter().map(|finding| finding.code).collect()
    }

    /// Returns the findings that are more than notes.
    pub(crate) fn serious(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.severity > Severity::Note).collect()
    }
}

/// Returns what stands in the table of elements.
pub(crate) fn form() -> Form {
    Form { key: HashKey::fixed(1), wide: true, second: false }
}

/// Checks every value of a file.
#[track_caller]
pub(crate) fn check(file: &[u8]) -> Checked {
    check_within(file, &Limits::default())
}

/// Returns the same with limits of one's own.
#[track_caller]
pub(crate) fn check_within(file: &[u8], limits: &Limits) -> Checked {
    let (fast, slow) = (check_once(file, limits, true), check_once(file, limits, false));
    assert_eq!((&fast.findings, &fast.elements), (&slow.findings, &slow.elements), "at a glance, and step by step");
    assert_eq!(fast.suspects.len(), slow.suspects.len());
    fast
}

#[track_caller]
fn check_once(file: &[u8], limits: &Limits, fast: bool) -> Checked {
    let mut findings = Collector::new(10_000);
    let (mut scratch, mut elements, mut suspects) =
        (Scratch::default(), Table::new(limits.duplicate_bytes, form()), Suspects::new(limits));
    let mut counts = Vec::new();
    let mut db = 0;
    let mut templates = Registry::new(limits.templates);
    let mut open: Option<(ValueChecker, u64)> = None;
    for event in Events::with_limits(file, limits.clone()) {
        let event = event.expect("the frame is sound");
        match &event.payload {
            Payload::SelectDb { db: number } => db = *number,
            Payload::Template { id, fields } => {
                templates.begin(*id, *fields, event.start, &mut findings);
            }
            Payload::Str { role: Role::TemplateField, string } if open.is_none() => {
                templates.field(string, &mut scratch, &mut findings);
            }
            _ => {}
        }
        let mut cx = Context {
            findings: &mut findings,
            scratch: &mut scratch,
            elements: &mut elements,
            suspects: &mut suspects,
            duplicates: true,
            templates: &mut templates,
            fast,
            now_ms: None,
            limits,
        };
        if let Payload::Record(record) = &event.payload {
            let key = record.key.decode().ok().map(std::borrow::Cow::into_owned);
            cx.findings.subject.set_key(db, key.as_deref(), Some(record.value_type));
            open = Some((ValueChecker::new(record.value_type), event.end));
        } else if let Some((checker, _)) = &mut open {
            checker.event(&event, &mut cx);
        }
        if event.ends_record
            && let Some((checker, start)) = open.take()
        {
            counts.push(checker.end(start, &mut cx));
        }
    }
    assert!(open.is_none(), "the last record is whole");
    findings.subject.clear();
    templates.end(&mut findings);
    Checked { findings: findings.into_kept(), elements: counts, suspects: suspects.take().0 }
}
