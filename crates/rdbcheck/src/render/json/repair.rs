//! Repairs in the document: what was planned, what was done, and where the removed bytes lie.

use std::path::{Path, PathBuf};

use redis_persistence::repair::{Loss, Step, Undone};
use serde::Serialize;

use super::{Number, Signed};
use crate::outcome::Repaired;

#[derive(Serialize)]
pub(super) struct RepairView<'a> {
    status: &'static str,
    why: Option<&'a str>,
    sufficient: bool,
    steps: Vec<StepView<'a>>,
    loss: LossView,
    notes: &'a [String],
    reasons: &'a [String],
    record: Option<String>,
    saved: Vec<String>,
}

#[derive(Serialize)]
struct StepView<'a> {
    action: &'static str,
    file: String,
    from: Option<Number>,
    to: Option<Number>,
    why: Vec<&'a str>,
    loss: LossView,
}

#[derive(Serialize)]
struct LossView {
    bytes: Number,
    commands: Number,
    transactions: Number,
    keys_estimated: Number,
    at_least: bool,
    since: Option<Signed>,
}

/// What came of taking a repair back.
#[derive(Debug, Serialize)]
pub(in crate::render) struct UndoView {
    record: String,
    status: &'static str,
    why: Option<String>,
    restored: Vec<String>,
    untouched: Vec<String>,
}

impl UndoView {
    pub(in crate::render) fn new(record: &Path, outcome: Result<Undone, (&'static str, String)>) -> Self {
        let record = text(record);
        match outcome {
            Ok(Undone { restored, untouched }) => {
                Self { record, status: "applied", why: None, restored: texts(&restored), untouched: texts(&untouched) }
            }
            Err((status, why)) => Self {
                record,
                status,
                why: Some(why).filter(|why| !why.is_empty()),
                restored: Vec::new(),
                untouched: Vec::new(),
            },
        }
    }
}

pub(super) fn of(repaired: &Repaired) -> RepairView<'_> {
    let plan = &repaired.plan;
    RepairView {
        status: repaired.status.as_str(),
        why: repaired.why.as_deref(),
        sufficient: plan.sufficient(),
        steps: plan.steps.iter().filter_map(step).collect(),
        loss: loss(plan.loss()),
        notes: &plan.notes,
        reasons: &plan.reasons,
        record: repaired.applied.as_ref().map(|applied| text(&applied.record)),
        saved: repaired.applied.as_ref().map(|applied| texts(&applied.saved)).unwrap_or_default(),
    }
}

fn step(step: &Step) -> Option<StepView<'_>> {
    let (action, from, to, why) = match step {
        Step::Cut(cut) => ("cut", Some(cut.from()), Some(cut.to), vec![cut.why.as_str()]),
        Step::Rewrite(rewrite) => {
            let action = if rewrite.file.is_some() { "rewrite" } else { "create" };
            let from = rewrite.file.as_ref().map(|file| file.size);
            (action, from, Some(rewrite.content.len() as u64), rewrite.why.iter().map(String::as_str).collect())
        }
        Step::SetAside(aside) => ("set-aside", Some(aside.file.size), None, vec![aside.why.as_str()]),
        // A new one is first to get its name here.
        _ => return None,
    };
    let (from, to) = (from.map(Number), to.map(Number));
    Some(StepView { action, file: text(step.path()), from, to, why, loss: loss(step.loss()) })
}

fn loss(loss: Loss) -> LossView {
    LossView {
        bytes: Number(loss.bytes),
        commands: Number(loss.records),
        transactions: Number(loss.transactions),
        keys_estimated: Number(loss.keys_estimated),
        at_least: loss.at_least,
        since: loss.since.map(Signed),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| text(path)).collect()
}
