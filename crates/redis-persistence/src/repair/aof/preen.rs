//! Repair that needs nobody to agree to it: at every start, before the server.
//!
//! What an interrupted write leaves is mended, because not a byte of it was ever whole: a torn last command, zeros at the end
//! of a file, a transaction that was not closed, a manifest without its last line end. All of a set's damage has to be of this
//! kind, else nothing of it is touched. A server with its default settings cuts the first and the third by itself, but saves
//! nothing, and refuses the other two.

use std::io;

use super::{FixOptions, plan, planned};
use crate::aof::dir::AofSet;
use crate::repair::Plan;
use crate::report::{Report, Severity, Verdict};

/// Plans what may be mended unasked; at most `max_loss` bytes may go. Apply it if [`Plan::may_be_applied_unasked`]: then the
/// result was verified, and is sound.
///
/// # Errors
/// If a file cannot be read.
///
/// # Examples
/// ```no_run
/// use redis_persistence::aof::dir;
/// use redis_persistence::repair::{ApplyOptions, aof, apply};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = dir::find_on_disk("appendonlydir".as_ref())?;
/// let plan = aof::preen(&set, Some(1 << 20))?;
/// if plan.may_be_applied_unasked() {
///     apply(&plan, &ApplyOptions::default(), &mut |_| {})?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn preen(set: &AofSet, max_loss: Option<u64>) -> io::Result<Plan> {
    let options = FixOptions { max_loss, only_interrupted: true, ..FixOptions::default() };
    let mut plan = plan(set, &options)?;
    if !plan.may_be_applied_unasked() {
        return Ok(plan);
    }
    // Commands of another product are no damage, and what is cut is what its own server would cut.
    let foreign = |report: &Report| {
        report.verdict == Verdict::Unknown && report.aof.as_ref().is_some_and(|facts| !facts.load.foreign.is_empty())
    };
    if let Some(report) = planned::verify(set, &plan)?
        && report.verdict != Verdict::Sound
        && !foreign(&report)
    {
        let error = report.findings.iter().find(|finding| finding.severity == Severity::Error);
        plan.reasons.push(error.map_or("what would be left cannot be judged".to_owned(), |finding| {
            let file = finding.file.as_ref().map_or_else(String::new, |file| format!(" of {file}"));
            format!("{} at byte {}{file} would stay: {}", finding.code, finding.start, finding.message)
        }));
    }
    Ok(plan)
}
