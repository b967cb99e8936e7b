//! What is printed in the place of a check, and what is said before one.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Command;

use super::explain::explain;
use super::short_help;
use crate::args::Common;
use crate::console::{not_written, reason, say, written};
use crate::exit::Exit;
use crate::servers::Servers;

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
        short_help::help(command()).into_bytes()
    } else if common.man {
        let mut page = Vec::new();
        if let Err(error) = clap_mangen::Man::new(command()).render(&mut page) {
            return Some(not_written(tool, &error));
        }
        page
    } else {
        let mut script = Vec::new();
        let shell = common.completions?;
        clap_complete::generate(shell, &mut command(), tool, &mut script);
        script
    };
    let mut out = io::stdout().lock();
    let result = out.write_all(&text).and_then(|()| out.flush());
    Some(written(tool, result))
}

/// The servers to judge for; what is odd about their configuration file is said at once.
pub(crate) fn servers(tool: &str, common: &Common) -> Result<Servers, Exit> {
    let conf = || common.conf.as_deref().unwrap_or(Path::new("")).display();
    match common.judges() {
        Ok(servers) => {
            for note in &servers.notes {
                say(tool, &format!("{}: line {}: {}", conf(), note.line, note.message));
            }
            Ok(servers)
        }
        Err(error) => {
            say(tool, &format!("{}: {}", conf(), reason(&error)));
            Err(Exit::Unreadable)
        }
    }
}
