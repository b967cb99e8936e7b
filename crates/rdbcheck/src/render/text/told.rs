//! What a run tells while it goes on, in lines: plans, what was changed, what was taken back, what a salvage leaves.

use std::path::Path;

use redis_persistence::diagnose::CauseCode;
use redis_persistence::repair::aof::salvage::Salvage;
use redis_persistence::repair::{Applied, Plan, Undone};
use redis_persistence::verify::Verdict;

use super::salvage;
use crate::escape;
use crate::outcome::{Entry, SalvagedAof, Told};
use crate::units;

/// Returns the lines, fit to print. Of losses `listed` are named.
pub(in crate::render) fn lines(told: &Told<'_>, listed: Option<usize>) -> Vec<String> {
    match told {
        Told::Plan(plan, entry) => described(plan, entry),
        Told::Applied(applied, undo) => changed(applied, undo),
        Told::Undo(steps, note) => {
            let mut lines = vec!["Takes back:".to_owned()];
            lines.extend(steps.iter().map(|line| format!("  {}", escape::plain(line.as_bytes()))));
            lines.extend(note.iter().map(|note| format!("  note: {note}")));
            lines
        }
        Told::Undone(undone) => taken_back(undone),
        Told::Disguise(disguise) => vec![String::new(), disguise.line()],
        Told::Salvage(done) => salvage::of(done, listed),
        Told::SalvageEnded(done) => salvage::ended(done),
        Told::SalvageAof(out, plan) => salvage_aof(out, plan),
        Told::SalvageAofWritten(done) => written_aof(done),
    }
}

/// Returns the plan in lines.
fn described(plan: &Plan, entry: &Entry) -> Vec<String> {
    let lost = entry.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::DataLost);
    let ours = !entry.outcome.as_ref().is_ok_and(|report| report.verdict == Verdict::Unknown);
    let heading = match (plan.is_empty(), !entry.is_sound() && ours) {
        (true, true) if lost => "Plan: none. What is lost can only come from another copy of the files.",
        (true, true) => "Plan: none. No cut and no change of the manifest mends this.",
        (true, false) => "Plan: none. There is nothing to change.",
        (false, _) => "Plan:",
    };
    let mut lines = vec![String::new(), heading.to_owned()];
    lines.extend(plan.describe_with(&units::date).iter().map(|line| format!("  {}", escape::plain(line.as_bytes()))));
    lines
}

fn changed(applied: &Applied, undo: &str) -> Vec<String> {
    let mut lines = vec![String::new(), "Applied.".to_owned()];
    lines.extend(applied.saved.iter().map(|path| format!("  saved: {}", plain(path))));
    lines.push(format!("  to take it back: {undo}"));
    lines
}

fn taken_back(undone: &Undone) -> Vec<String> {
    let mut lines = vec![String::new(), "Taken back.".to_owned()];
    lines.extend(undone.restored.iter().map(|path| format!("  as before: {}", plain(path))));
    lines.extend(undone.untouched.iter().map(|path| format!("  was so already: {}", plain(path))));
    lines
}

fn salvage_aof(out: &Path, plan: &Salvage) -> Vec<String> {
    let mut lines = vec![String::new(), format!("Salvage to {}:", plain(out))];
    lines.extend(plan.describe().iter().map(|line| format!("  {}", escape::plain(line.as_bytes()))));
    lines
}

fn written_aof(done: &SalvagedAof) -> Vec<String> {
    let mut lines = vec![String::new(), format!("Written to {}, and found sound.", plain(&done.out))];
    lines.extend(done.aside.iter().map(|aside| format!("  what was there is now {}", plain(aside))));
    lines
}

fn plain(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}
