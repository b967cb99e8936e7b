//! `--fix`, `--truncate-to-timestamp`, `--preen` and `--undo`: a plan, a question unless it is `--preen`, the changes, and
//! the check again.

use std::path::{Path, PathBuf};

use redis_persistence::repair::{self, Applied, ApplyError, ApplyOptions, Plan, Progress};
use redis_persistence::verify::Verdict;

use crate::args::AofCheck;
use crate::console::{self, reason, say, without_number};
use crate::escape;
use crate::exit::Exit;
use crate::outcome::{Entry, RepairStatus, Repaired, Show, Told};
use crate::progress::{Meter, When};
use crate::shell;

/// A repair of what lies under one path.
pub(crate) struct Fix<'a> {
    pub(crate) tool: &'static str,
    pub(crate) args: &'a AofCheck,
    pub(crate) path: &'a Path,
    pub(crate) show: &'a mut dyn Show,
}

impl Fix<'_> {
    /// Repairs what a check found, and gives what `again` finds then.
    pub(crate) fn run(self, entry: Entry, again: impl FnOnce() -> Entry) -> Entry {
        let (Ok(report), Some(set)) = (&entry.outcome, &entry.set) else { return entry };
        let options = self.args.repair.plan_options();
        let plan = match options.only_interrupted {
            true => repair::aof::preen(set, options.max_loss),
            false => repair::aof::plan(set, &options),
        };
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                let why = format!("no plan could be made: {}", reason(&error));
                say(self.tool, &format!("{}: {why}", self.path.display()));
                return Entry { outcome: Err(why), ..entry };
            }
        };
        let facts = report.aof.as_ref();
        let timeless = facts.is_some_and(|facts| facts.commands > 0 && facts.first_timestamp.is_none());
        if self.args.repair.truncate_to_timestamp.is_some() && timeless {
            let why =
                "the files hold no timestamps (aof-timestamp-enabled was off): which writes are later cannot be told";
            return self.refused(entry, plan, RepairStatus::Refused, why.to_owned());
        }
        if let Some(disguise) = entry.disguise.as_ref().filter(|_| !plan.is_empty()) {
            let why = format!(
                "{}: a cut would take away what it holds; --salvage OUT takes that out first",
                disguise.description()
            );
            return self.refused(entry, plan, RepairStatus::Refused, why);
        }
        match repair::files_meant(&plan) {
            Ok(links) => plan.notes.extend(links.iter().map(|(link, file)| {
                format!("{} is a link: the file that changes is {}", link.display(), file.display())
            })),
            Err(error) => {
                let (status, why) = failure(self.tool, &error);
                return self.refused(entry, plan, status, why);
            }
        }
        if !plan.is_empty() && !self.args.repair.force_live {
            plan.notes.extend(repair::unseen_processes());
        }
        let may_follow = !plan.is_empty() && may_follow(self.args);
        tell(self.show, &Told::Plan(&plan, &entry), may_follow, self.args);
        if plan.is_empty() {
            if let Some(because) = plan.reasons.first().filter(|_| self.args.common.quiet) {
                say(self.tool, &format!("{}: nothing was changed: {because}", self.path.display()));
            }
            let foreign = facts.is_some_and(|facts| !facts.load.foreign.is_empty());
            let foreign = foreign && report.verdict == Verdict::Unknown && self.args.repair.preen;
            let status = if foreign { RepairStatus::Foreign } else { RepairStatus::Nothing };
            return Entry { repaired: Some(Repaired::without(plan, status, None)), ..entry };
        }
        if self.args.repair.dry_run {
            return Entry { repaired: Some(Repaired::without(plan, RepairStatus::Planned, None)), ..entry };
        }
        if let Err((status, why)) = self.agreed(&plan) {
            return self.refused(entry, plan, status, why);
        }
        let mut copying = Copying { meter: None, when: self.args.common.progress };
        match repair::apply(&plan, &self.args.repair.apply_options(), &mut |progress| copying.hear(progress)) {
            Ok(applied) => self.applied(plan, applied, again()),
            Err(error) => {
                let (status, why) = failure(self.tool, &error);
                self.refused(entry, plan, status, why)
            }
        }
    }

    /// Returns whether the plan may be applied, and if not, why.
    fn agreed(&self, plan: &Plan) -> Result<(), (RepairStatus, String)> {
        if !plan.within_max_loss() {
            return Err((RepairStatus::Refused, "more bytes would go than --max-loss allows".to_owned()));
        }
        if self.args.repair.unasked() {
            let option = if self.args.repair.preen { "--preen" } else { "--yes" };
            let because = plan.reasons.first().map_or_else(String::new, |reason| format!(": {reason}"));
            let why = format!("the plan is not enough, and {option} applies only one that is{because}");
            return if plan.may_be_applied_unasked() { Ok(()) } else { Err((RepairStatus::Refused, why)) };
        }
        consented("Apply this plan?")
    }

    fn refused(self, entry: Entry, plan: Plan, status: RepairStatus, why: String) -> Entry {
        let what = if status == RepairStatus::Stopped { "" } else { "nothing was changed: " };
        say(self.tool, &format!("{}: {what}{why}", self.path.display()));
        Entry { repaired: Some(Repaired::without(plan, status, Some(why))), ..entry }
    }

    fn applied(self, plan: Plan, applied: Applied, entry: Entry) -> Entry {
        let set = plan.steps.first().and_then(|step| step.path().parent());
        let undo = undo_command(self.tool, &applied.record, set);
        self.show.tell(&Told::Applied(&applied, undo));
        if let Err(why) = &entry.outcome {
            say(self.tool, &format!("{}: {why}", self.path.display()));
        } else {
            self.show.checked_again(&entry);
        }
        let repaired = Repaired { plan, status: RepairStatus::Applied, why: None, applied: Some(applied) };
        Entry { repaired: Some(repaired), ..entry }
    }
}

/// Returns the command that takes a repair back. It names the set where that does not lie beside the record.
fn undo_command(tool: &str, record: &Path, set: Option<&Path>) -> String {
    let set = set.map(|set| if set.as_os_str().is_empty() { Path::new(".") } else { set });
    let set = set.and_then(|set| std::fs::canonicalize(set).ok());
    let beside = set.as_deref().zip(record.parent()).is_none_or(|(set, home)| set.starts_with(home));
    let undo = format!("{tool} --undo {}", shell::word(record));
    set.filter(|_| !beside).map_or(undo.clone(), |set| format!("{undo} {}", shell::word(&set)))
}

/// Asks, where somebody is there to answer.
fn consented(question: &str) -> Result<(), (RepairStatus, String)> {
    if !console::somebody_is_there() {
        let why = "there is no terminal to ask on; with --yes it is done without a question";
        return Err((RepairStatus::Refused, why.to_owned()));
    }
    match console::consent(question) {
        Ok(true) => Ok(()),
        Ok(false) => Err((RepairStatus::Declined, "it was declined".to_owned())),
        Err(error) => Err((RepairStatus::Refused, format!("the question failed: {}", reason(&error)))),
    }
}

/// Returns whether a plan may be applied once it was shown.
fn may_follow(args: &AofCheck) -> bool {
    !args.repair.dry_run && (args.repair.unasked() || console::somebody_is_there())
}

/// Returns what a repair that failed comes to.
fn failure(tool: &str, error: &ApplyError) -> (RepairStatus, String) {
    let text = without_number(error.to_string());
    match error {
        ApplyError::Stopped { record, .. } => {
            let undo = format!("{tool} --undo {}", shell::word(record));
            (
                RepairStatus::Stopped,
                format!("{text}. Running the same again finishes; `{undo}` takes back what was done"),
            )
        }
        ApplyError::InUse { .. } => (RepairStatus::Refused, format!("{text}; stop it first (--force-live goes on)")),
        ApplyError::Locked { .. } => (RepairStatus::Refused, format!("{text} (--lock-wait waits longer)")),
        ApplyError::Refused { .. } | ApplyError::BadRecord { .. } => (RepairStatus::Forbidden, text),
        _ => (RepairStatus::Refused, text),
    }
}

/// Shows how far long copies are.
struct Copying {
    meter: Option<(PathBuf, Meter)>,
    when: When,
}

impl Copying {
    fn hear(&mut self, progress: Progress<'_>) {
        let Progress::Writing { path, done, total } = progress else {
            self.meter = None;
            return;
        };
        if self.meter.as_ref().is_none_or(|(of, _)| of != path) {
            self.meter = Some((path.to_owned(), Meter::new(plain(path), Some(total), self.when)));
        }
        if let Some((_, meter)) = &mut self.meter {
            meter.reached(done);
        }
    }
}

/// Takes a repair back, by its record.
pub(crate) fn undo(tool: &'static str, record: &Path, args: &AofCheck, show: &mut dyn Show) -> Exit {
    if args.paths.len() > 1 {
        say(tool, "--undo takes one PATH at most");
        return Exit::Unreadable;
    }
    let options = ApplyOptions { set: args.paths.first().cloned(), ..args.repair.apply_options() };
    // What is shown is what was read, and what was read is what is done.
    let undo = match repair::Undo::read(record, &options) {
        Ok(undo) => undo,
        Err(ApplyError::Io { source, path, .. }) if is_of_record(&path, record) => {
            let why = reason(&source);
            say(tool, &format!("{}: {why}", record.display()));
            show.undone(record.to_owned(), Err(("unreadable", why)));
            return Exit::Unreadable;
        }
        Err(error) => {
            let (status, why) = failure(tool, &error);
            say(tool, &format!("{}: nothing was changed: {why}", record.display()));
            show.undone(record.to_owned(), Err((status.as_str(), why)));
            return Exit::Unreadable;
        }
    };
    let note = if args.repair.force_live { None } else { repair::unseen_processes() };
    tell(show, &Told::Undo(undo.describe(), note), may_follow(args), args);
    if args.repair.dry_run {
        show.undone(record.to_owned(), Err(("planned", String::new())));
        return Exit::Sound;
    }
    let agreed = if args.repair.yes { Ok(()) } else { consented("Take this back?") };
    let mut copying = Copying { meter: None, when: args.common.progress };
    let done = agreed.and_then(|()| {
        let undone = undo.run(&options, &mut |progress| copying.hear(progress));
        undone.map_err(|error| failure(tool, &error))
    });
    match done {
        Ok(undone) => {
            show.tell(&Told::Undone(&undone));
            show.undone(record.to_owned(), Ok(undone));
            Exit::Sound
        }
        Err((status, why)) => {
            let what = if status == RepairStatus::Stopped { "" } else { "nothing was changed: " };
            say(tool, &format!("{}: {what}{why}", record.display()));
            show.undone(record.to_owned(), Err((status.as_str(), why)));
            if status == RepairStatus::Forbidden { Exit::Unreadable } else { Exit::Damaged }
        }
    }
}

/// Tells of a plan. If changes follow, it is shown in any case.
fn tell(show: &mut dyn Show, told: &Told<'_>, follows: bool, args: &AofCheck) {
    if follows {
        show.tell_before_change(told, !args.repair.unasked());
    } else {
        show.tell(told);
    }
}

/// Returns whether it is the record itself that cannot be opened.
fn is_of_record(path: &Path, record: &Path) -> bool {
    path.file_name() == record.file_name() || path == record.parent().unwrap_or(path)
}

fn plain(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}
