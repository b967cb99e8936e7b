//! The cause, and what to do about it: the beginning and the end of a report.

use redis_persistence::diagnose::{Cause, Step};
use redis_persistence::verify::Verdict;

use crate::escape;
use crate::style::{BOLD, KEY, Page, named, shorten};

const MESSAGE: usize = 1000;
/// How many keys are named: the findings name them too.
const FIRST_KEYS: usize = 3;

/// What happened to the file, and where: first the sentence, then the place, then what it is told from.
pub(super) fn cause(page: &mut Page, cause: &Cause, verdict: Verdict) {
    // What cannot be judged has the sentence in its verdict.
    if verdict != Verdict::Unknown {
        let lead = if verdict == Verdict::Damaged { "cause" } else { "remark" };
        let message = shorten(&escape::plain(cause.message.as_bytes()), MESSAGE);
        page.paragraph(0, lead, BOLD, &format!(": {message} ({})", cause.code));
    }
    let mut place: Vec<String> = cause.offset.map(|at| format!("byte {at}")).into_iter().collect();
    if let (Some(file), Some(at)) = (&cause.file, place.last_mut()) {
        at.push_str(&format!(" of {}", shorten(&escape::plain(file.as_bytes()), KEY)));
    }
    place.extend(cause.keys.iter().take(FIRST_KEYS).map(named));
    if cause.keys.len() > FIRST_KEYS {
        place.push("and others".to_owned());
    }
    if !place.is_empty() {
        page.plain(2, &format!("at {}", place.join(", ")));
    }
    if !cause.evidence.is_empty() {
        page.plain(2, &shorten(&escape::plain(cause.evidence.join("; ").as_bytes()), MESSAGE));
    }
}

/// What to do, in the order in which it is safe.
pub(super) fn advice(page: &mut Page, steps: &[Step]) {
    let [first, rest @ ..] = steps else { return };
    if rest.is_empty() {
        page.paragraph(0, "what to do", BOLD, &format!(": {}", first.text));
        command(page, 4, first);
        return;
    }
    page.paragraph(0, "what to do", BOLD, ":");
    for (number, step) in (1..).zip(steps) {
        page.plain(2, &format!("{number}. {}", step.text));
        command(page, 7, step);
    }
}

fn command(page: &mut Page, indent: usize, step: &Step) {
    if let Some(command) = &step.command {
        page.command(indent, command);
    }
}
