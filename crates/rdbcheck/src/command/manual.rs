//! Manual pages, with the sections that readers of `man` look for, and completions that know servers and codes.

use std::io;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use redis_persistence::servers::Target;
use roff::{Roff, bold, roman};

/// The titles of what a help page ends with, and the sections that a manual has for them.
const SECTIONS: [(&str, &str); 3] = [("Verbs", "VERBS"), ("Examples", "EXAMPLES"), ("Exit codes", "EXIT STATUS")];

/// Returns the manual page of a command.
///
/// # Errors
/// If it cannot be rendered, which nothing known makes happen.
pub(crate) fn page(command: &Command) -> io::Result<String> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().after_help(None::<&'static str>)).render(&mut page)?;
    let mut roff = Roff::new();
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in after.lines() {
        let titled = SECTIONS.iter().find(|(title, _)| line.starts_with(title));
        match (titled, sections.last_mut()) {
            (Some((title, name)), _) => {
                // `Exit codes (several files: the first of ...):` says more than the name of the section.
                let rest = line[title.len()..].trim_start_matches(':').trim_start();
                sections.push((name, Some(rest).filter(|rest| !rest.is_empty()).into_iter().collect()));
            }
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => sections.push(("NOTES", vec![line])),
        }
    }
    // The subcommands have a section already.
    for (name, lines) in sections.into_iter().filter(|(name, _)| *name != "VERBS") {
        roff.control("SH", [name]);
        roff.control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut others: Vec<&str> = ["rdbcheck", "aofcheck"].into_iter().filter(|tool| *tool != title).collect();
    others.extend(["redis-server", "valkey-server"]);
    let last = others.len() - 1;
    for (n, other) in others.iter().enumerate() {
        roff.text([bold(*other), roman(if n == last { "(1)" } else { "(1)," })]);
    }
    let text = String::from_utf8(page).map_err(io::Error::other)?;
    Ok(text + &roff.render())
}

/// Returns the completions of a tool for a shell. The values of options that take a name are completed, though others are taken too.
/// `codes` have a page.
pub(super) fn completions(shell: Shell, command: Command, tool: &str, codes: &[&str]) -> Vec<u8> {
    let servers = || {
        let known = Target::ALL.iter().map(ToString::to_string);
        known.chain(["newest", "redis-newest", "valkey-newest"].map(str::to_owned))
    };
    let mut command = completed(command, &|id| match id {
        "servers" | "server" => Some(servers().collect()),
        "explain" | "code" => Some(codes.iter().map(|code| (*code).to_owned()).collect()),
        _ => None,
    });
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, tool, &mut script);
    script
}

fn completed(command: Command, values: &dyn Fn(&str) -> Option<Vec<String>>) -> Command {
    command
        .mut_args(|arg| match values(arg.get_id().as_str()) {
            Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
            None => arg,
        })
        .mut_subcommands(|verb| completed(verb, values))
}
