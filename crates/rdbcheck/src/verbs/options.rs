//! Verbs that are options of a check by another name: `rdbcheck salvage FILE OUT` is `rdbcheck --salvage OUT FILE`. Their arguments
//! are those of the check, and a page of their own shows the ones that matter.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory, FromArgMatches, value_parser};

use super::Verb;
use crate::args::{AofCheck, RdbCheck};
use crate::command;
use crate::exit::Exit;

/// What a verb makes of the command line of the check.
struct Page {
    about: &'static str,
    usage: &'static str,
    /// The option that the verb stands for, if that takes no value.
    flag: Option<&'static str>,
    /// What stands without an option, by the names of the fields, in this order.
    arguments: &'static [&'static str],
    /// The options that the page shows, by the names of the fields. The others work too.
    shown: &'static [&'static str],
    /// Examples, and exit codes.
    after: &'static str,
}

/// The last line of such a page.
const MORE: &str = "The options of a check, such as --color and --max-unpacked, work here too:";

const RDB_SALVAGE: Page = Page {
    about: "Write what can be saved of a damaged RDB to a new file, and report what is lost.\n\n\
            The damaged file is never changed. OUT gets its name once it is complete, synced and verified.",
    usage: "rdbcheck salvage [OPTIONS] FILE OUT",
    flag: None,
    arguments: &["files", "salvage"],
    shown: &[
        "partial", "doubtful", "resp", "without", "max_loss", "force", "dry_run", "proven", "servers", "conf",
        "threads", "json", "quiet", "redact",
    ],
    after: "\
Examples:
  rdbcheck salvage dump.rdb saved.rdb
  rdbcheck salvage --dry-run --json dump.rdb saved.rdb
  rdbcheck salvage --partial --for redis-7.2 --max-loss 10 dump.rdb saved.rdb
  rdbcheck salvage --resp dump.rdb - | redis-cli --pipe
Exit codes: 0 nothing is lost   4 written, and keys are lost
            1 nothing was written   2 usage, or not readable
            3 cannot be judged",
};

const RDB_MEND: Page = Page {
    about: "Write the original of an RDB in which a few bytes were changed, found by its checksum.\n\n\
            Nothing is written unless the checksum proves the result. To save what is left otherwise: rdbcheck salvage.",
    usage: "rdbcheck mend [OPTIONS] FILE OUT",
    flag: Some("proven"),
    arguments: &["files", "salvage"],
    shown: &["force", "dry_run", "servers", "conf", "threads", "json", "quiet"],
    after: "\
Examples:
  rdbcheck mend dump.rdb mended.rdb
  rdbcheck mend --dry-run dump.rdb mended.rdb
Exit codes: 0 written   1 nothing was written   2 usage, or not readable
            3 cannot be judged",
};

const AOF_FIX: Page = Page {
    about: "Show a plan that makes servers load append-only files again, ask, back up what it removes, and apply it.",
    usage: "aofcheck fix [OPTIONS] PATH...",
    flag: Some("fix"),
    arguments: &["paths"],
    shown: &[
        "truncate_to_timestamp",
        "cut_before",
        "file",
        "yes",
        "dry_run",
        "max_loss",
        "backup_dir",
        "force_live",
        "lock_wait",
        "servers",
        "conf",
        "json",
        "quiet",
    ],
    after: "\
Examples:
  aofcheck fix --dry-run /var/lib/redis/appendonlydir
  aofcheck fix --yes --max-loss 1M --backup-dir /backup appendonlydir
  aofcheck fix --to 2025-03-01T12:00:00Z appendonlydir
Exit codes: 0 the result is sound   1 declined, refused, or not enough
            2 usage, not readable, or never written to   3 cannot be judged",
};

const AOF_PREEN: Page = Page {
    about: "Repair only what a crash leaves, without asking; refuse any other damage. For every start of a server.",
    usage: "aofcheck preen [OPTIONS] PATH...",
    flag: Some("preen"),
    arguments: &["paths"],
    shown: &["if_exists", "dry_run", "max_loss", "backup_dir", "force_live", "lock_wait", "json", "quiet"],
    after: "\
Examples:
  aofcheck preen --max-loss 1M /var/lib/redis/appendonlydir && redis-server redis.conf
Exit codes: 0 the result is sound, or commands of another product   1 refused
            2 usage, not readable, or never written to   3 cannot be judged",
};

const AOF_UNDO: Page = Page {
    about: "Take a repair back, by the record that it left. PATH names the set where --backup-dir put the record elsewhere.",
    usage: "aofcheck undo [OPTIONS] RECORD [PATH]",
    flag: None,
    arguments: &["undo", "paths"],
    shown: &["yes", "dry_run", "force_live", "lock_wait", "json", "quiet"],
    after: "\
Examples:
  aofcheck undo --dry-run appendonlydir/repair.20250301T120000Z.undo
Exit codes: 0 taken back   1 declined, or refused
            2 usage, not readable, or no record of a repair",
};

const AOF_SALVAGE: Page = Page {
    about: "Write what can still be read of append-only files to a new folder, whatever lies between, and report what is lost.\n\n\
            The damaged files are never changed.",
    usage: "aofcheck salvage [OPTIONS] PATH OUTDIR",
    flag: None,
    arguments: &["paths", "salvage"],
    shown: &[
        "uncertain",
        "leave_out",
        "file",
        "force",
        "dry_run",
        "max_loss",
        "servers",
        "conf",
        "json",
        "quiet",
        "redact",
    ],
    after: "\
Examples:
  aofcheck salvage --dry-run appendonlydir salvaged
  aofcheck salvage --max-loss 1M --for redis-7.2 appendonlydir salvaged
Exit codes: 0 nothing is lost   4 written, and commands or keys are lost
            1 nothing was written   2 usage, or not readable
            3 cannot be judged",
};

const AOF_TIMELINE: Page = Page {
    about: "List the timestamps of append-only files, how many commands follow each, and what took much away at once.",
    usage: "aofcheck timeline [OPTIONS] PATH...",
    flag: Some("timeline"),
    arguments: &["paths"],
    shown: &["json", "redact", "servers"],
    after: "\
Examples:
  aofcheck timeline /var/lib/redis/appendonlydir
Exit codes: those of a check; see aofcheck --help",
};

impl Page {
    /// Returns the command line of the verb: that of the check, with other arguments and another page.
    fn command<C: CommandFactory>(&self, name: &'static str) -> Command {
        let tool = C::command().get_name().to_owned();
        let place = |id: &str| self.arguments.iter().position(|argument| *argument == id);
        let command = C::command()
            .name(name)
            .bin_name(format!("{tool} {name}"))
            .about(self.about.split("\n\n").next().unwrap_or_default())
            .long_about(self.about)
            .override_usage(self.usage);
        let command = command.after_help(format!("{}\n{MORE} {tool} --help", self.after));
        command.mut_args(|arg| {
            let id = arg.get_id().clone();
            if let Some(n) = place(id.as_str()) {
                let is_input = ["files", "paths"].contains(&id.as_str());
                let arg = match (is_input, self.usage.ends_with("...")) {
                    // All inputs of a check are wanted unless a page is asked for.
                    (true, true) => arg,
                    // The set of a record may be left out.
                    (true, false) => one(&arg).required(n == 0),
                    (false, _) => arg.long(None::<&'static str>).required(true),
                };
                return arg.index(n + 1).display_order(n).help_heading("Arguments");
            }
            if self.flag == Some(id.as_str()) {
                return arg.overrides_with(id).hide(true);
            }
            let at = self.shown.iter().position(|shown| *shown == id.as_str());
            let arg = arg.hide(at.is_none()).display_order(at.unwrap_or(0)).help_heading("Options");
            match id.as_str() {
                // In a page of repairs that is enough, and fits.
                "truncate_to_timestamp" => arg.long("to").alias("truncate-to-timestamp"),
                "cut_before" => arg.long("before").alias("cut-before"),
                _ => arg,
            }
        })
    }

    /// Runs the check as its arguments and the verb ask for.
    fn run<C: CommandFactory + FromArgMatches>(
        &self,
        verb: &Verb,
        rest: Vec<OsString>,
        run: impl FnOnce(&C) -> Exit,
    ) -> Exit {
        let flag = self.flag.map(|flag| OsString::from(format!("--{}", flag.replace('_', "-"))));
        let words = flag.into_iter().chain(rest).collect();
        match verb.matches(words).and_then(|mut found| C::from_arg_matches_mut(&mut found).map_err(super::said)) {
            Ok(args) => run(&args),
            Err(exit) => exit,
        }
    }
}

/// Returns the same argument, given once.
fn one(many: &Arg) -> Arg {
    let arg = Arg::new(many.get_id().clone()).value_parser(value_parser!(PathBuf));
    let arg = arg.value_name(many.get_value_names().and_then(|names| names.first()).cloned().unwrap_or_default());
    arg.help(many.get_help().cloned().unwrap_or_default())
}

macro_rules! verb {
    ($tool:ident $name:literal $page:ident $args:ident) => {
        Verb {
            tool: stringify!($tool),
            name: $name,
            command: || $page.command::<$args>($name),
            run: |verb, rest| $page.run::<$args>(verb, rest, |args| command::$tool(args, super::with_verbs)),
        }
    };
}

pub(super) const VERBS: [Verb; 7] = [
    verb!(rdbcheck "salvage" RDB_SALVAGE RdbCheck),
    verb!(rdbcheck "mend" RDB_MEND RdbCheck),
    verb!(aofcheck "fix" AOF_FIX AofCheck),
    verb!(aofcheck "preen" AOF_PREEN AofCheck),
    verb!(aofcheck "undo" AOF_UNDO AofCheck),
    verb!(aofcheck "salvage" AOF_SALVAGE AofCheck),
    verb!(aofcheck "timeline" AOF_TIMELINE AofCheck),
];
