//! The help of `-h`: what fits a screen. `--help` lists every option.

use clap::Command;

/// What is used most; those of one command only are none of the other.
const SHOWN: [&str; 11] =
    ["files", "paths", "servers", "require_checksum", "json", "salvage", "fix", "preen", "dry_run", "brief", "help"];
/// So many lines of the examples that `--help` ends with, their title among them.
const EXAMPLES: usize = 3;
const EXITS: &str =
    "Exit codes: 0 sound, 1 damaged or not as demanded, 2 not readable,\n            3 cannot be judged";

/// The text.
#[must_use]
pub fn help(command: Command) -> String {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let more = |line: &&str| !line.starts_with("Exit codes");
    let ends = examples.lines().position(|line| line == "Examples:").map_or(0, |title| title + EXAMPLES);
    let examples: String = examples.lines().take(ends).filter(more).map(|line| format!("{line}\n")).collect();
    let mut brief =
        command.after_help(format!("{examples}{EXITS}")).mut_subcommands(|verb| verb.hide(true)).mut_args(|arg| {
            let hidden = arg.is_hide_set() || !SHOWN.contains(&arg.get_id().as_str());
            // One list: the headings alone would take half of the screen.
            let heading = if arg.is_positional() { "Arguments" } else { "Options" };
            arg.hide(hidden).help_heading(heading)
        });
    brief.render_help().to_string()
}
