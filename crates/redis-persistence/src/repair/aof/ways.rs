//! What helps with a damaged file or set, tried on it; and the repair that needs nobody to agree to it.
//!
//! What helps with a damaged file or set, tried on it: nothing is written, and only what would work is named.
//!
//! Repair that needs nobody to agree to it: at every start, before the server.
//!
//! What an interrupted write leaves is mended, because not a byte of it was ever whole: a torn last command, zeros at the end
//! of a file, a transaction that was not closed, a manifest without its last line end. All of a set's damage has to be of this
//! kind, else nothing of it is touched. A server with its default settings cuts the first and the third by itself, but saves
//! nothing, and refuses the other two.

use super::salvage::{self, Image, Salvage, SalvageOptions};
use super::{FixOptions, plan, plan_and_names, planned};
use crate::aof::dir::AofSet;
use crate::repair::walk::Walks;
use crate::repair::{Loss, Plan};
use crate::report::{Report, Severity, Verdict};
use std::io;

/// A way to come by files that servers load.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Way {
    /// What to do.
    pub kind: WayKind,
    /// What is lost by it.
    pub loss: Loss,
    /// Whether bytes go; otherwise only the manifest changes.
    pub cuts: bool,
}

/// A repair in place, or new files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayKind {
    /// The plan of a repair.
    Fix,
    /// The same, where that file of the set has to be named because others follow it.
    FixFile(Vec<u8>),
    /// What can be read goes to a new folder.
    Salvage,
}

/// Finds the ways that lead to files that servers load, the one that loses the fewest bytes first. A salvage is only among them if
/// nothing else loses as little.
///
/// # Errors
/// If a file cannot be read.
///
/// # Examples
/// ```no_run
/// use redis_persistence::aof::dir;
/// use redis_persistence::repair::aof::ways;
///
/// let set = dir::find_on_disk("appendonlydir".as_ref())?;
/// if let Some(best) = ways(&set)?.first() {
///     println!("{:?} loses {}", best.kind, best.loss);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn ways(set: &AofSet) -> io::Result<Vec<Way>> {
    let (mut ways, mut walks) = (Vec::new(), Walks::default());
    let (mut plan, names) = plan_and_names(set, &FixOptions::default(), &mut walks)?;
    let mut kind = WayKind::Fix;
    if let ([name], false) = (&names[..], plan.sufficient()) {
        let options = FixOptions { file: Some(name.clone()), ..FixOptions::default() };
        (plan, kind) = (plan_and_names(set, &options, &mut walks)?.0, WayKind::FixFile(name.clone()));
    }
    if plan.may_be_applied_unasked() {
        let loss = plan.loss();
        ways.push(Way { kind, loss, cuts: loss.bytes > 0 });
    }
    let salvaged = salvage::salvage_with(set, SalvageOptions::default(), &mut walks)?;
    if salvaged.reasons.is_empty() && salvaged.unsound.is_none() && salvaged.keeps_anything() {
        let loss = salvaged.loss();
        if ways.first().is_none_or(|fix| loss.bytes < fix.loss.bytes) {
            ways.insert(0, Way { kind: WayKind::Salvage, loss, cuts: loss.bytes > 0 });
        }
    }
    Ok(ways)
}

impl Salvage {
    /// Returns whether something would be kept: a command, or a key of an image.
    #[must_use]
    pub fn keeps_anything(&self) -> bool {
        self.files.iter().any(|file| {
            let image = match &file.image {
                Image::Salvaged(plan) => plan.loss.keys > 0,
                _ => file.image_end > 0,
            };
            image || file.account.kept_commands > 0
        })
    }

    /// Returns what would not be kept.
    #[must_use]
    pub fn loss(&self) -> Loss {
        let mut all = Loss::default();
        for file in &self.files {
            let account = &file.account;
            let unreadable = account.unreadable_commands_estimated();
            let mut loss = Loss {
                bytes: account.skipped_bytes(),
                records: account.skipped_commands.saturating_add(unreadable),
                ..Loss::default()
            };
            if let Image::Salvaged(plan) = &file.image {
                loss.bytes = loss.bytes.saturating_add(plan.loss.bytes_skipped());
                loss.keys_estimated = plan.loss.databases.values().filter_map(|of| of.lost()).sum();
            }
            all = all.and(loss);
        }
        all
    }
}

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
