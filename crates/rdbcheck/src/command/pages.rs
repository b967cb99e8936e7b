//! What is printed in the place of a check: the page of a finding code or a cause, help, manual pages, completions.

use std::io::{self, Write as _};

use clap::Command;
use redis_persistence::diagnose::CauseCode;
use redis_persistence::verify::Code;

use crate::args::Common;
use crate::console::{not_written, say, written};
use crate::exit::Exit;
use crate::style::{Look, Page};

use super::manual;

/// What is used most; those of one command only are none of the other.
const SHOWN: [&str; 11] =
    ["files", "paths", "servers", "require_checksum", "json", "salvage", "fix", "preen", "dry_run", "brief", "help"];
/// This many lines of the examples that `--help` ends with, their title among them.
const EXAMPLES: usize = 3;
const EXITS: &str =
    "Exit codes: 0 sound, 1 damaged or not as demanded, 2 not readable,\n            3 cannot be judged";

/// `--explain`, `-h`, `--man` and `--completions`, which check nothing.
pub(crate) fn instead_of_checking(tool: &str, common: &Common, command: impl FnOnce() -> Command) -> Option<Exit> {
    let text = if let Some(name) = &common.explain {
        match explain(name) {
            Ok(page) => page.into_bytes(),
            Err(line) => {
                say(tool, &line);
                return Some(Exit::Unreadable);
            }
        }
    } else if common.brief {
        short_help(command()).into_bytes()
    } else if common.man {
        match manual::page(&command()) {
            Ok(page) => page.into_bytes(),
            Err(error) => return Some(not_written(tool, &error)),
        }
    } else {
        manual::completions(common.completions?, command(), tool, &names().collect::<Vec<_>>())
    };
    let mut out = io::stdout().lock();
    let result = out.write_all(&text).and_then(|()| out.flush());
    Some(written(tool, result))
}

/// Returns the help of `-h`: what fits a screen. `--help` lists every option.
pub(crate) fn short_help(command: Command) -> String {
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

/// Returns the page of a finding code or of a cause, or names near to one that does not exist. On a terminal it is broken to its width.
///
/// # Errors
/// One line that says so, with up to five names that may have been meant.
pub(crate) fn explain(name: &str) -> Result<String, String> {
    let (head, text) = match (Code::from_name(name), CauseCode::from_name(name)) {
        (Some(code), _) => (format!("{code} ({})", code.severity()), code.explain()),
        (None, Some(cause)) => (format!("{cause} (cause)"), cause.explain()),
        (None, None) => {
            let near = near(name);
            let hint = if near.is_empty() { String::new() } else { format!("; near to it: {}", near.join(", ")) };
            return Err(format!("there is no finding code or cause {}{hint}", crate::escape::quoted(name.as_bytes())));
        }
    };
    let look = Look::of_stdout();
    if !look.is_seen {
        return Ok(format!("{head}\n\n{text}\n"));
    }
    let mut page = Page::new(look);
    page.plain(0, &head);
    for paragraph in text.split("\n\n") {
        page.text.push('\n');
        page.plain(0, &paragraph.replace('\n', " "));
    }
    Ok(page.text)
}

/// Returns the names of all pages.
fn names() -> impl Iterator<Item = &'static str> {
    Code::ALL.iter().map(|code| code.as_str()).chain(CauseCode::ALL.iter().map(|cause| cause.as_str()))
}

/// Returns the names that differ from `name` by a few letters, or hold it, or are held by it.
fn near(name: &str) -> Vec<&'static str> {
    let name = name.to_ascii_lowercase();
    let name: String = name.chars().take(64).collect();
    let mut near: Vec<_> = names()
        .filter_map(|code| {
            let away = distance(&name, code);
            let part = name.len() > 3 && (code.contains(&name) || (code.len() > 3 && name.contains(code)));
            (part || away * 3 <= code.len()).then_some((away, code))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, code)| code).collect()
}

/// Returns how many letters have to be added, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_slip_finds_its_code() {
        assert_eq!(near("rdb-duplicat-key").first(), Some(&"rdb-duplicate-key"));
        assert!(near("backlen").contains(&"listpack-bad-backlen"));
        assert!(near("something else altogether").is_empty());
    }
}
