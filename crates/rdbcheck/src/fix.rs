//! `--fix`, `--truncate-to-timestamp`, `--preen` and `--undo`: a plan, a question unless it is `--preen`, the changes, and
//! the check again.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use redis_persistence::diagnose::CauseCode;
use redis_persistence::repair::{self, Applied, ApplyError, ApplyOptions, Plan, Progress, Undone};
use redis_persistence::verify::Verdict;

use crate::args::AofCheck;
use crate::ask;
use crate::entry::Entry;
use crate::escape;
use crate::exit::Exit;
use crate::open::{self, reason};
use crate::progress::{Meter, When};
use crate::render::Output;
use crate::run::{end, say};
use crate::shell;
use crate::units;

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// What was to be done.
    pub plan: Plan,
    /// Whether it was.
    pub status: Status,
    /// Why not.
    pub why: Option<String>,
    /// What the changes left.
    pub applied: Option<Applied>,
}

/// How a repair ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There was nothing to change, or nothing that helps.
    Nothing,
    /// There was nothing to change, and the files hold commands of another product, of a module, or renamed ones. That is no reason
    /// to keep their server from starting.
    Foreign,
    /// It was only planned.
    Planned,
    /// It was made.
    Applied,
    /// It was not wanted; nothing was changed.
    Declined,
    /// It could not be made, or must not be; nothing was changed.
    Refused,
    /// It would write to what no repair writes to, or follow what no undo follows; nothing was changed.
    Forbidden,
    /// It stopped half way.
    Stopped,
}

impl Status {
    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing | Self::Foreign => "nothing",
            Self::Planned => "planned",
            Self::Applied => "applied",
            Self::Declined => "declined",
            Self::Refused | Self::Forbidden => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// Whether something was to be changed, and was not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Declined | Self::Refused | Self::Forbidden | Self::Stopped)
    }
}

/// A repair of what lies under one path.
#[derive(Debug)]
pub(crate) struct Fix<'a> {
    pub(crate) tool: &'static str,
    pub(crate) args: &'a AofCheck,
    pub(crate) path: &'a Path,
    pub(crate) output: &'a mut Output,
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
            return self.refused(entry, plan, Status::Refused, why.to_owned());
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
        show(self.output, &described(&plan, &entry), may_follow, self.args);
        if plan.is_empty() {
            if let Some(because) = plan.reasons.first().filter(|_| self.args.common.quiet) {
                say(self.tool, &format!("{}: nothing was changed: {because}", self.path.display()));
            }
            let foreign = facts.is_some_and(|facts| !facts.load.foreign.is_empty());
            let foreign = foreign && report.verdict == Verdict::Unknown && self.args.repair.preen;
            let status = if foreign { Status::Foreign } else { Status::Nothing };
            return Entry { repaired: Some(Repaired::without(plan, status, None)), ..entry };
        }
        if self.args.repair.dry_run {
            return Entry { repaired: Some(Repaired::without(plan, Status::Planned, None)), ..entry };
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

    /// Whether the plan may be applied, and if not, why.
    fn agreed(&self, plan: &Plan) -> Result<(), (Status, String)> {
        if !plan.within_max_loss() {
            return Err((Status::Refused, "more bytes would go than --max-loss allows".to_owned()));
        }
        if self.args.repair.unasked() {
            let option = if self.args.repair.preen { "--preen" } else { "--yes" };
            let because = plan.reasons.first().map_or_else(String::new, |reason| format!(": {reason}"));
            let why = format!("the plan is not enough, and {option} applies only one that is{because}");
            return if plan.may_be_applied_unasked() { Ok(()) } else { Err((Status::Refused, why)) };
        }
        consented("Apply this plan?")
    }

    fn refused(self, entry: Entry, plan: Plan, status: Status, why: String) -> Entry {
        let what = if status == Status::Stopped { "" } else { "nothing was changed: " };
        say(self.tool, &format!("{}: {what}{why}", self.path.display()));
        Entry { repaired: Some(Repaired::without(plan, status, Some(why))), ..entry }
    }

    fn applied(self, plan: Plan, applied: Applied, entry: Entry) -> Entry {
        let mut lines = vec![String::new(), "Applied.".to_owned()];
        lines.extend(applied.saved.iter().map(|path| format!("  saved: {}", plain(path))));
        let set = plan.steps.first().and_then(|step| step.path().parent());
        let undo = undo_command(self.tool, &applied.record, set);
        lines.push(format!("  to take it back: {undo}"));
        self.output.lines(&lines);
        if let Err(why) = &entry.outcome {
            say(self.tool, &format!("{}: {why}", self.path.display()));
        } else if entry.is_sound() {
            self.output.verdict(&entry);
        } else {
            self.output.show(&entry);
        }
        let repaired = Repaired { plan, status: Status::Applied, why: None, applied: Some(applied) };
        Entry { repaired: Some(repaired), ..entry }
    }
}

/// The command that takes a repair back. It names the set where that does not lie beside the record.
fn undo_command(tool: &str, record: &Path, set: Option<&Path>) -> String {
    let set = set.map(|set| if set.as_os_str().is_empty() { Path::new(".") } else { set });
    let set = set.and_then(|set| std::fs::canonicalize(set).ok());
    let beside = set.as_deref().zip(record.parent()).is_none_or(|(set, home)| set.starts_with(home));
    let undo = format!("{tool} --undo {}", shell::word(record));
    set.filter(|_| !beside).map_or(undo.clone(), |set| format!("{undo} {}", shell::word(&set)))
}

impl Repaired {
    fn without(plan: Plan, status: Status, why: Option<String>) -> Self {
        Self { plan, status, why, applied: None }
    }
}

/// Asks, where somebody is there to answer.
fn consented(question: &str) -> Result<(), (Status, String)> {
    if !ask::somebody_is_there() {
        let why = "there is no terminal to ask on; with --yes it is done without a question";
        return Err((Status::Refused, why.to_owned()));
    }
    match ask::consent(question) {
        Ok(true) => Ok(()),
        Ok(false) => Err((Status::Declined, "it was declined".to_owned())),
        Err(error) => Err((Status::Refused, format!("the question failed: {}", reason(&error)))),
    }
}

/// The plan in lines.
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

/// Whether a plan may be applied once it was shown.
fn may_follow(args: &AofCheck) -> bool {
    !args.repair.dry_run && (args.repair.unasked() || ask::somebody_is_there())
}

/// Prints a plan as text on standard output. If changes `follow` and nobody has seen it there, it goes to standard error:
/// nothing may be changed without a plan that was shown, and a question is asked about what can be seen.
fn show(output: &mut Output, lines: &[String], follow: bool, args: &AofCheck) {
    let shown = output.lines(lines);
    if follow && (!shown || !args.repair.unasked() && !output.is_terminal()) {
        // Nobody is left to show it to who closed standard error.
        let _ = lines.iter().try_for_each(|line| writeln!(io::stderr(), "{line}"));
    }
}

/// What a repair that failed comes to.
fn failure(tool: &str, error: &ApplyError) -> (Status, String) {
    let text = open::without_number(error.to_string());
    match error {
        ApplyError::Stopped { record, .. } => {
            let undo = format!("{tool} --undo {}", shell::word(record));
            (Status::Stopped, format!("{text}. Running the same again finishes; `{undo}` takes back what was done"))
        }
        ApplyError::InUse { .. } => (Status::Refused, format!("{text}; stop it first (--force-live goes on)")),
        ApplyError::Locked { .. } => (Status::Refused, format!("{text} (--lock-wait waits longer)")),
        ApplyError::Refused { .. } | ApplyError::BadRecord { .. } => (Status::Forbidden, text),
        _ => (Status::Refused, text),
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

/// Takes a repair back.
pub(crate) fn undo(tool: &'static str, record: &Path, args: &AofCheck) -> Exit {
    let mut output = Output::new(tool, &args.common);
    if args.paths.len() > 1 {
        say(tool, "--undo takes one PATH at most");
        return end(tool, output, Exit::Unreadable);
    }
    let options = ApplyOptions { set: args.paths.first().cloned(), ..args.repair.apply_options() };
    // What is shown is what was read, and what was read is what is done.
    let undo = match repair::Undo::read(record, &options) {
        Ok(undo) => undo,
        Err(ApplyError::Io { source, path, .. }) if is_of_record(&path, record) => {
            let why = reason(&source);
            say(tool, &format!("{}: {why}", record.display()));
            output.keep_undone(record, Err(("unreadable", why)));
            return end(tool, output, Exit::Unreadable);
        }
        Err(error) => {
            let (status, why) = failure(tool, &error);
            say(tool, &format!("{}: nothing was changed: {why}", record.display()));
            output.keep_undone(record, Err((status.as_str(), why)));
            return end(tool, output, Exit::Unreadable);
        }
    };
    let mut lines = vec!["Takes back:".to_owned()];
    lines.extend(undo.describe().iter().map(|line| format!("  {}", escape::plain(line.as_bytes()))));
    if !args.repair.force_live {
        lines.extend(repair::unseen_processes().map(|note| format!("  note: {note}")));
    }
    show(&mut output, &lines, may_follow(args), args);
    if args.repair.dry_run {
        output.keep_undone(record, Err(("planned", String::new())));
        return end(tool, output, Exit::Sound);
    }
    let agreed = if args.repair.yes { Ok(()) } else { consented("Take this back?") };
    let mut copying = Copying { meter: None, when: args.common.progress };
    let done = agreed.and_then(|()| {
        let undone = undo.run(&options, &mut |progress| copying.hear(progress));
        undone.map_err(|error| failure(tool, &error))
    });
    match done {
        Ok(undone) => {
            output.lines(&told(&undone));
            output.keep_undone(record, Ok(undone));
            end(tool, output, Exit::Sound)
        }
        Err((status, why)) => {
            let what = if status == Status::Stopped { "" } else { "nothing was changed: " };
            say(tool, &format!("{}: {what}{why}", record.display()));
            output.keep_undone(record, Err((status.as_str(), why)));
            end(tool, output, if status == Status::Forbidden { Exit::Unreadable } else { Exit::Damaged })
        }
    }
}

/// What was taken back, in lines.
fn told(undone: &Undone) -> Vec<String> {
    let mut lines = vec![String::new(), "Taken back.".to_owned()];
    lines.extend(undone.restored.iter().map(|path| format!("  as before: {}", plain(path))));
    lines.extend(undone.untouched.iter().map(|path| format!("  was so already: {}", plain(path))));
    lines
}

/// Whether it is the record itself that cannot be opened.
fn is_of_record(path: &Path, record: &Path) -> bool {
    path.file_name() == record.file_name() || path == record.parent().unwrap_or(path)
}

fn plain(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}
