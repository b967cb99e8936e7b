//! `aofcheck --salvage`: what can still be read of append-only files, in a new folder. Nothing that exists is changed, so
//! nothing is asked.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use redis_persistence::repair::aof::salvage::{self, Image, Salvage, SalvageOptions};
use redis_persistence::repair::{ApplyError, Progress};
use redis_persistence::servers::{Loads, Reason};
use redis_persistence::verify::{Report, Verdict};

use crate::args::AofCheck;
use crate::console::{reason, say, without_number};
use crate::escape;
use crate::outcome::{Entry, SalvageStatus, SalvagedAof, Show, Told, is_refused};
use crate::progress::Meter;
use crate::redact;
use crate::servers::Servers;
use crate::stores;
use crate::units::commas;

/// Why a loss is more than so many bytes, if it is.
fn too_much(plan: &Salvage, most: usize) -> Option<String> {
    let loss = plan.loss();
    (loss.bytes > most as u64)
        .then(|| format!("it leaves out {loss}, and --max-loss allows {} bytes", commas(most as u64)))
}

/// Why a salvage cannot even begin, if so.
pub(crate) fn refuses(out: &Path, args: &AofCheck) -> Option<String> {
    if args.paths.len() != 1 {
        return Some("--salvage takes one PATH".to_owned());
    }
    if args.repair.dry_run {
        return None;
    }
    if stores::is_remote(out) {
        return Some(stores::NOT_WRITTEN_TO.to_owned());
    }
    salvage::check_out(out, args.salvage.force).err().map(why_not)
}

fn why_not(error: ApplyError) -> String {
    match error {
        ApplyError::Changed { what, .. } if what == salvage::EXISTS => format!("{what}; --force sets it aside"),
        error => without_number(error.to_string()),
    }
}

/// Salvages what lies under a path that was checked.
///
/// What is written is loaded by the `servers` that were asked for, or nothing is.
pub(crate) fn run(
    tool: &'static str,
    args: &AofCheck,
    servers: &Servers,
    path: &Path,
    entry: Entry,
    show: &mut dyn Show,
) -> Entry {
    let (Some(out), Some(set)) = (&args.salvage.salvage, &entry.set) else { return entry };
    let mut done = SalvagedAof {
        out: out.clone(),
        plan: None,
        status: SalvageStatus::Planned,
        why: None,
        aside: None,
        cut: entry.damage.is_some(),
    };
    if args.paths.len() != 1 {
        done.refuse("--salvage takes one PATH".to_owned());
    } else {
        let salvaged = salvage::salvage(set, SalvageOptions { uncertain: args.salvage.uncertain.into() });
        let named = args.repair.named();
        let salvaged = salvaged.and_then(|mut plan| {
            plan.leave_out(named.as_deref(), &args.salvage.leave_out)?;
            Ok(plan)
        });
        match salvaged {
            Ok(plan) => {
                let shown = args.common.redact.then(|| redacted(plan.clone()));
                show.tell(&Told::SalvageAof(out, shown.as_ref().unwrap_or(&plan)));
                let shown_reason = shown.as_ref().unwrap_or(&plan).reasons.first().cloned();
                let too_much = args.repair.max_loss.and_then(|most| too_much(&plan, most));
                if let Some(why) = shown_reason.or(too_much) {
                    done.refuse(why);
                } else if !args.repair.dry_run {
                    done.write(&plan, args, servers);
                } else if !servers.judges_none() {
                    done.judge(&plan, args, servers);
                }
                done.plan = Some(shown.unwrap_or(plan));
            }
            Err(error) => done.refuse(format!("{}: {}", path.display(), reason(&error))),
        }
    }
    match (&done.why, done.status) {
        (Some(why), SalvageStatus::Refused) => say(tool, &format!("{}: nothing was written: {why}", out.display())),
        (Some(why), _) => say(tool, &format!("{}: it was written, and is not sound: {why}", out.display())),
        (None, SalvageStatus::Written) => drop(show.tell(&Told::SalvageAofWritten(&done))),
        (None, _) => {}
    }
    Entry { salvaged_aof: Some(done), ..entry }
}

impl SalvagedAof {
    /// Says before anything is written whether the servers that were asked for would load it.
    fn judge(&mut self, plan: &Salvage, args: &AofCheck, servers: &Servers) {
        match plan.verify() {
            Ok(report) => {
                if let Some(why) = report.and_then(|report| not_loaded(&report, servers, args.common.redact)) {
                    self.refuse(why);
                }
            }
            Err(error) => self.refuse(reason(&error)),
        }
    }

    fn write(&mut self, plan: &Salvage, args: &AofCheck, servers: &Servers) {
        let mut meter: Option<(PathBuf, Meter)> = None;
        let mut hook = |progress: Progress<'_>| {
            let Progress::Writing { path, done, total } = progress else {
                meter = None;
                return;
            };
            if meter.as_ref().is_none_or(|(of, _)| of != path) {
                meter = Some((path.to_owned(), Meter::new(plain(path), Some(total), args.common.progress)));
            }
            if let Some((_, meter)) = &mut meter {
                meter.reached(done);
            }
        };
        let refused = Cell::new(None);
        let accept = |report: &Report| match not_loaded(report, servers, args.common.redact) {
            Some(why) => {
                refused.set(Some(why.clone()));
                Err(why)
            }
            None => Ok(()),
        };
        match salvage::write_if(plan, &self.out, args.salvage.force, &accept, &mut hook) {
            Ok(mut written) => {
                self.aside = written.aside;
                if args.common.redact {
                    redact::report(&mut written.report);
                }
                let error = written.report.findings.first();
                let sound = written.report.verdict == Verdict::Sound;
                self.status = if sound { SalvageStatus::Written } else { SalvageStatus::Unsound };
                self.why = error.filter(|_| !sound).map(|finding| format!("{}: {}", finding.code, finding.message));
            }
            Err(error) => self.refuse(refused.take().unwrap_or_else(|| why_not(error))),
        }
    }
}

/// Why a server that was asked for would not load the new files, if one would not.
fn not_loaded(report: &Report, servers: &Servers, redacts: bool) -> Option<String> {
    // That a server's configuration switches the files off says nothing of what is in them.
    let switched_off = |answer: &Loads| answer.because.iter().any(|why| why.reason == Reason::Appendonly);
    let mut answers = servers.judge(report);
    if redacts {
        answers.iter_mut().for_each(redact::loads);
    }
    let refused: Vec<_> = answers.iter().filter(|answer| is_refused(answer) && !switched_off(answer)).collect();
    if refused.is_empty() {
        return None;
    }
    let of = |answer: &&Loads| {
        let why: Vec<_> = answer.because.iter().map(|why| why.message.as_str()).collect();
        format!("{} would not load it ({})", answer.release, why.join("; "))
    };
    Some(refused.iter().map(of).collect::<Vec<_>>().join("; "))
}

/// Returns the same plan without names of keys and texts of the data.
fn redacted(mut plan: Salvage) -> Salvage {
    plan.notes.iter_mut().chain(&mut plan.reasons).for_each(|line| *line = redact::text(line));
    for file in &mut plan.files {
        if let Image::Salvaged(of) = &mut file.image {
            redact::loss(&mut of.loss);
        }
    }
    plan
}

fn plain(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}
