//! Commands that a server answers with an error, and passes over: what they should have done is missing when it comes up.

use super::{Case, Effect};
use crate::aof::commands::named;
use crate::functions::{Runs, library_is_harmless};
use crate::judge::servers::answer::{Outcome, Reason, Why};
use crate::judge::servers::restore;
use crate::report::{Code, Failing, Fails, FunctionStep, Occurrences, Place, ReplyFacts, RestoreFacts};
use crate::verify::Replayed;
use crate::verify::replay;

impl Case<'_> {
    pub(super) fn replies(&mut self) {
        let facts = self.facts;
        let replies = &facts.load.replies;
        for (fails, failing) in &replies.fails {
            if *fails == Fails::ScriptBroken && self.settings.functions.is_none() {
                continue;
            }
            let message = format!("{} answers with an error and passes over it: {}", self.target, fails.describe());
            self.dropped(Reason::Finding(code_of(*fails)), failing, message);
        }
        for group in &replies.restores {
            self.restores(group);
        }
        if replies.unchecked > 0 {
            let message = format!("{} payloads of RESTORE are too long to be looked at", replies.unchecked);
            let why = Why { reason: Reason::Restore, count: replies.unchecked, first: Vec::new(), message };
            self.unproven.push(why);
        }
        if self.target.knows_functions() {
            self.functions();
        }
        self.scripts();
        self.permissions();
    }

    fn tallied(&self, failing: &Failing) -> Occurrences {
        let first = failing.first.iter().map(|place| self.at(*place)).collect();
        Occurrences { count: failing.count, first, at: None }
    }

    /// Commands that do nothing.
    fn dropped(&mut self, reason: Reason, failing: &Failing, message: String) {
        let tallied = self.tallied(failing);
        self.drops.push(Why::new(reason, &tallied, message));
    }

    /// Payloads of one version.
    fn restores(&mut self, group: &RestoreFacts) {
        let target = self.target;
        let restored = restore::restore(group, target, self.settings, |failing| self.tallied(failing));
        for why in restored.errors {
            let message = format!("{target} answers with an error and passes over it: {}", why.message);
            self.drops.push(Why { message, ..why });
        }
        let Some(answer) = restored.values else { return };
        let place = group.commands.first.first().copied().unwrap_or(Place { part: 0, at: 0 });
        let effect = match answer.by_default {
            Outcome::Crashes => Effect::Crashes,
            Outcome::Refuses => Effect::Refuses,
            Outcome::Unknown => Effect::Unknown,
            _ => Effect::Refuses,
        };
        for why in answer.because {
            let message =
                format!("{}, in a payload of RESTORE: it takes that for an RDB it loads, and ends", why.message);
            self.obstacle(place, effect, Why { message, ..why });
        }
        for why in answer.skips {
            let message = format!("{} (RESTORE answers with an error)", why.message);
            self.drops.push(Why { message, ..why });
        }
    }

    /// Scripts of which a command may fail: if its error is what comes of the script, servers crash from 7.0 on, and pass over it before.
    fn scripts(&mut self) {
        let facts = self.facts;
        let replies = &facts.load.replies;
        let target = self.target;
        let mut unread = replies.unread_scripts.clone();
        for (call, failing) in &replies.single_calls {
            let Some(first) = failing.first.first().copied() else { continue };
            match self.takes(&call.name, call.args) {
                Some(true) | None => unread.add_many(failing.count, first),
                Some(false) if !target.knows_functions() => {
                    let message = format!(
                        "{target} answers with an error and passes over it: a script that runs a command which it does not know, or not with so many arguments"
                    );
                    self.dropped(Reason::Script, failing, message);
                }
                Some(false) => {
                    let message = format!(
                        "{target} crashes where a script runs a command that it does not know, or not with so many arguments: {}",
                        call.name.escape_ascii()
                    );
                    let why = Why::new(Reason::Script, &self.tallied(failing), message);
                    self.obstacle(first, Effect::Crashes, why);
                }
            }
        }
        if unread.count > 0 {
            let message = if target.knows_functions() {
                format!(
                    "whether {target} loads scripts is not known: it passes over an error of the script itself, and crashes where a \
                     command that one runs fails, and its error is what comes of the script"
                )
            } else {
                format!("whether {target} runs all of each script is not known: it passes over what ends with an error")
            };
            self.unproven.push(Why::new(Reason::Script, &self.tallied(&unread), message));
        }
        let queued = &replies.queued_scripts;
        if queued.count > 0 {
            let message = format!(
                "whether {target} runs all of each script in a transaction is not known: it passes over what ends with an error"
            );
            self.unproven.push(Why::new(Reason::Script, &self.tallied(queued), message));
        }
    }

    /// What becomes of libraries and of calls of their functions.
    fn functions(&mut self) {
        let facts = self.facts;
        let replies = &facts.load.replies;
        let parts = &self.report.parts;
        let images = |part: usize| {
            parts.get(part).and_then(|part| part.rdb.as_ref()).map_or(Vec::new(), |rdb| rdb.libraries.clone())
        };
        let runs = self.settings.functions.as_ref().map(|prover| {
            let known = replies.runs.clone().filter(|runs| runs.is_by(prover));
            known.unwrap_or_else(|| Runs::new(prover.clone()))
        });
        let target = self.target;
        let mut steps = replies.clone();
        for (_, step) in &mut steps.functions {
            if let FunctionStep::Restore { version, codes, .. } = step
                && !(target.rdb_versions().contains(&u32::from(*version)) || target.reads_valkey() && *version == 80)
            {
                *codes = None;
            }
        }
        let replayed = replay(&steps, runs, target.api(), &images);
        let harmless = self.libraries_are_harmless(&steps);
        let (mut fails, mut unproven) = (Failing::default(), Failing::default());
        let (mut why_fails, mut why_unproven) = (None, None);
        for ((place, step), replayed) in steps.functions.iter().zip(replayed) {
            let count = if let FunctionStep::Call(_, count) = step { *count } else { 1 };
            match replayed {
                Replayed::Done if matches!(step, FunctionStep::Call(..)) && !harmless => {
                    unproven.add_many(count, *place);
                    why_unproven.get_or_insert_with(|| {
                        "where a command that one runs fails, and its error is what comes of the function, the server crashes"
                            .to_owned()
                    });
                }
                Replayed::Done => {}
                Replayed::Fails(why) => {
                    fails.add_many(count, *place);
                    why_fails.get_or_insert(why);
                }
                Replayed::Unproven(why) => {
                    unproven.add_many(count, *place);
                    why_unproven.get_or_insert(why);
                }
                Replayed::Crashes(why) => {
                    let message = format!("{target} crashes on a function library: {why}");
                    let first = vec![self.at(*place)];
                    self.obstacle(*place, Effect::Crashes, Why { reason: Reason::Function, count: 1, first, message });
                }
            }
        }
        if let Some(why) = why_fails {
            let message =
                format!("{target} answers with an error and passes over it: a command about functions ({why})");
            self.dropped(Reason::Function, &fails, message);
        }
        let beyond = self.load().replies.functions_beyond;
        if beyond > 0 {
            unproven.count += beyond;
            why_unproven.get_or_insert_with(|| "there are too many commands about functions".to_owned());
        }
        if let Some(why) = why_unproven {
            let tallied = self.tallied(&unproven);
            let message = format!("whether {target} runs the functions is not proven: {why}");
            self.unproven.push(Why::new(Reason::FunctionUnproven, &tallied, message));
        }
    }

    /// Returns whether no function of any library runs a command that may fail.
    fn libraries_are_harmless(&self, replies: &ReplyFacts) -> bool {
        let of_steps = replies.functions.iter().flat_map(|(_, step)| match step {
            FunctionStep::Load { code, .. } => vec![code.as_deref()],
            FunctionStep::Restore { codes: Some(codes), .. } => codes.iter().map(Option::as_deref).collect(),
            _ => Vec::new(),
        });
        let images = self.report.parts.iter().filter_map(|part| part.rdb.as_ref());
        let of_images = images.flat_map(|rdb| rdb.libraries.iter().map(|library| library.code.as_deref()));
        of_steps.chain(of_images).all(|code| code.is_some_and(library_is_harmless))
    }

    /// What the user that commands of a file run as may not do.
    fn permissions(&mut self) {
        let target = self.target;
        let Some(user) = self.settings.default_user.as_ref().filter(|_| target.has_users()) else { return };
        let facts = self.facts;
        let replies = &facts.load.replies;
        if target.asks_users_in_transactions() {
            let (mut denied, mut unknown) = (Failing::default(), Failing::default());
            let mut names = Vec::new();
            for (name, failing) in &replies.queued {
                let writes = named(name).iter().any(|row| row.writes);
                let place = failing.first.first().copied().unwrap_or(Place { part: 0, at: 0 });
                match user.may_run(name, writes) {
                    Some(true) if user.all_keys => {}
                    Some(false) => {
                        denied.add_many(failing.count, place);
                        names.push(name.escape_ascii().to_string());
                    }
                    _ => unknown.add_many(failing.count, place),
                }
            }
            if denied.count > 0 {
                names.truncate(Occurrences::MOST);
                let message = format!(
                    "{target} answers with an error and passes over commands of transactions that the user \"default\" may not \
                     run: {}",
                    names.join(", ")
                );
                self.dropped(Reason::Permission, &denied, message);
            }
            if unknown.count > 0 {
                let tallied = self.tallied(&unknown);
                let message =
                    "whether the user \"default\" may run these commands of transactions on their keys is not known"
                        .to_owned();
                self.unproven.push(Why::new(Reason::Permission, &tallied, message));
            }
        }
        let scripts = &replies.scripts;
        if scripts.count > 0 && target.asks_users_in_scripts() && !(user.all_commands() && user.all_keys) {
            let place = scripts.first.first().copied().unwrap_or(Place { part: 0, at: 0 });
            let tallied = self.tallied(scripts);
            let message = format!(
                "{target} crashes where a script runs a command that the user \"default\" may not run, or on a key of others"
            );
            let effect = if user.runs_nothing() { Effect::Crashes } else { Effect::Unknown };
            self.obstacle(place, effect, Why::new(Reason::Permission, &tallied, message));
        }
    }
}

/// Returns the finding that says so without a server.
fn code_of(fails: Fails) -> Code {
    match fails {
        Fails::PayloadChecksum => Code::AofRestoreDamaged,
        Fails::Select => Code::AofSelectInvalid,
        _ => Code::AofCommandFails,
    }
}
