//! The help of `-h`: what fits a screen. `--help` lists every option.

use clap::CommandFactory;

/// What is used most; those of one command only are none of the other.
const SHOWN: [&str; 12] = [
    "files",
    "paths",
    "servers",
    "require_checksum",
    "json",
    "salvage",
    "fix",
    "preen",
    "dry_run",
    "explain",
    "brief",
    "help",
];
/// So many lines of the examples that `--help` ends with, their title among them.
const EXAMPLES: usize = 4;
const EXITS: &str =
    "Exit codes: 0 sound, 1 damaged or not as demanded, 2 not readable,\n            3 cannot be judged";

/// The text.
#[must_use]
pub fn help<C: CommandFactory>() -> String {
    let command = C::command();
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: String = examples.lines().take(EXAMPLES).map(|line| format!("{line}\n")).collect();
    let mut brief = command.after_help(format!("{examples}{EXITS}")).mut_args(|arg| {
        let hidden = arg.is_hide_set() || !SHOWN.contains(&arg.get_id().as_str());
        // One list: the headings alone would take half of the screen.
        let heading = if arg.is_positional() { "Arguments" } else { "Options" };
        arg.hide(hidden).help_heading(heading)
    });
    brief.render_help().to_string()
}
