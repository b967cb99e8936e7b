//! `explain CODE`, `help VERB`, and the pages that tools and verbs have in common.

use std::io::{self, Write as _};

use clap::{Command, CommandFactory, Parser};

use super::{AofCheck, Exit, RdbCheck, Verb, command, say, verbs, with_verbs, written};
use crate::console::not_written;

/// Print the page of a finding code or of a cause: what it means, and what to do about it
#[derive(Debug, Parser)]
#[command(name = "explain")]
struct Explain {
    /// The code or cause, such as rdb-checksum-mismatch or cut
    #[arg(value_name = "CODE")]
    code: String,
}

/// Print the page of a verb, or the options of a check that are used most
#[derive(Debug, Parser)]
#[command(name = "help")]
struct Help {
    /// The verb
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

pub(super) const VERBS: [Verb; 4] = [
    Verb {
        tool: "rdbcheck",
        name: "explain",
        command: Explain::command,
        run: |verb, rest| verb.parsed(rest, |args| explain(verb, args)),
    },
    Verb {
        tool: "aofcheck",
        name: "explain",
        command: Explain::command,
        run: |verb, rest| verb.parsed(rest, |args| explain(verb, args)),
    },
    Verb {
        tool: "rdbcheck",
        name: "help",
        command: Help::command,
        run: |verb, rest| verb.parsed(rest, |args| help(verb, args)),
    },
    Verb {
        tool: "aofcheck",
        name: "help",
        command: Help::command,
        run: |verb, rest| verb.parsed(rest, |args| help(verb, args)),
    },
];

fn explain(verb: &Verb, args: &Explain) -> Exit {
    match command::explain(&args.code) {
        Ok(page) => print(verb.tool, &page),
        Err(why) => {
            say(verb.tool, &why);
            Exit::Unreadable
        }
    }
}

fn help(verb: &Verb, args: &Help) -> Exit {
    let Some(name) = &args.verb else {
        let check = if verb.tool == "aofcheck" { AofCheck::command() } else { RdbCheck::command() };
        return print(verb.tool, &command::short_help(with_verbs(verb.tool, check)));
    };
    match verbs().find(|of| of.tool == verb.tool && of.name == name) {
        Some(of) => print(verb.tool, &of.page().render_help().to_string()),
        None => {
            let known: Vec<_> = verbs().filter(|of| of.tool == verb.tool).map(|of| of.name).collect();
            let name = crate::escape::quoted(name.as_bytes());
            say(verb.tool, &format!("there is no verb {name}; the verbs are {}", known.join(", ")));
            Exit::Unreadable
        }
    }
}

/// Returns the command line of a check, with the verbs on its pages.
pub(super) fn listed(tool: &str, check: Command) -> Command {
    let row = |verb: &Verb| {
        let about = verb.page().get_about().map(ToString::to_string).unwrap_or_default();
        let first = about.split([':', ',', '.', ';', '\n']).next().unwrap_or_default().to_owned();
        format!("  {:<10}{first}\n", verb.name)
    };
    let rows: String = verbs().filter(|verb| verb.tool == tool).map(|verb| row(&verb)).collect();
    let after = check.get_after_help().map(ToString::to_string).unwrap_or_default();
    check.after_help(format!("Verbs ({tool} help VERB tells more; a file of that name is ./VERB):\n{rows}{after}"))
}

/// Returns the manual page of a command line.
pub(super) fn manual(tool: &str, command: Command) -> Result<String, Exit> {
    command::manual(&command).map_err(|error| not_written(tool, &error))
}

/// Prints a page.
pub(super) fn print(tool: &str, text: &str) -> Exit {
    let mut out = io::stdout().lock();
    written(tool, out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}
