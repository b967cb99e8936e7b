//! The commands for a program that calls them: an input of this machine is checked, and the document is handed back that the command
//! would print. What a program has by its bytes alone goes through [`crate::page`].
//!
//! ```text
//! arguments, path -> check -> Answer      as `rdbcheck` and `aofcheck`, with `--format json` if that is among the arguments
//! path            -> rdbs  -> each RDB    as the verbs of `rdbcheck` read them
//! ```
//! Nothing is printed: see [`crate::caller`].

pub mod rdbs;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis_persistence::aof::dir;
use redis_persistence::verify::Options;

use crate::args::{AofCheck, Common, RdbCheck};
use crate::caller::Caller;
use crate::console::reason;
use crate::input::open::{self, SMALL};
use crate::input::packed_input::{self, How};
use crate::input::tree::WatchedDisk;
use crate::outcome::{Entry, Show, Told, UndoOutcome};
use crate::page::{self, AOFCHECK, Answer, RDBCHECK};
use crate::progress::When;
use crate::run::{aof, rdb};
use crate::servers::Servers;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `rdbcheck`.
    Rdb,
    /// `aofcheck`.
    Aof,
}

/// Checks what lies under a path, as a command does, or the one of both that it is for. Nothing is changed: arguments that ask for
/// that are refused.
///
/// # Errors
/// If the arguments make no sense.
pub fn check(tool: Option<Tool>, arguments: &[String], path: &Path, caller: &Arc<Caller>) -> Result<Answer, String> {
    let path = named(path);
    caller.run(|| match tool.unwrap_or_else(|| tool_for(&path)) {
        Tool::Rdb => rdb_entries(arguments, &path, caller),
        Tool::Aof => aof_entries(arguments, &path, caller),
    })
}

fn rdb_entries(arguments: &[String], path: &Path, caller: &Caller) -> Result<Answer, String> {
    let args: RdbCheck = page::parsed(RDBCHECK, arguments, path)?;
    if args.salvage.salvage.is_some() || args.fix {
        return Err("nothing is written here".to_owned());
    }
    let servers = servers(&args.common, caller)?;
    let how = rdb::How { args: &args, options: args.common.options(), servers };
    let mut entries = Entries::default();
    match rdb::alone(path, SMALL, &how) {
        Some(entry) => entries.done(entry),
        None => rdb::one(path, &how, &mut entries),
    }
    page::answer(RDBCHECK, &args.common, entries.0)
}

fn aof_entries(arguments: &[String], path: &Path, caller: &Caller) -> Result<Answer, String> {
    let args: AofCheck = page::parsed(AOFCHECK, arguments, path)?;
    if args.plans() || args.repair.undo.is_some() {
        return Err("nothing is written here".to_owned());
    }
    let servers = servers(&args.common, caller)?;
    let options = Options { commands: servers.commands(), ..args.common.options() };
    let how = aof::How { args: &args, options, servers };
    let mut entries = Entries::default();
    match aof::alone(path, SMALL, &how) {
        Some(entry) => entries.done(entry),
        None => aof::one(path, &how, &mut entries),
    }
    page::answer(AOFCHECK, &args.common, entries.0)
}

/// Returns the servers to judge for; what is odd about their configuration file is told.
fn servers(common: &Common, caller: &Caller) -> Result<Servers, String> {
    let conf = || common.conf.as_deref().unwrap_or(Path::new("")).display();
    let servers = common.judges().map_err(|error| format!("{}: {}", conf(), reason(&error)))?;
    for note in &servers.notes {
        caller.hear(format!("{}: line {}: {}", conf(), note.line, note.message));
    }
    Ok(servers)
}

/// Returns the same path. What is called `-` is a file here: standard input is the program's own.
fn named(path: &Path) -> PathBuf {
    if path == Path::new("-") { Path::new(".").join(path) } else { path.to_owned() }
}

/// Returns the command for what lies under a path: by the name, or what is in it. Why that cannot be read, the check says.
fn tool_for(path: &Path) -> Tool {
    let is_for_aof = if path.is_dir() { holds_files_of_commands(path) } else { begins_with_commands(path) };
    if is_for_aof.unwrap_or(false) { Tool::Aof } else { Tool::Rdb }
}

/// Returns whether a folder holds a set of append-only files, or the old single one.
fn holds_files_of_commands(path: &Path) -> io::Result<bool> {
    let set = dir::find(&mut WatchedDisk::new(When::Never), path)?;
    Ok(set.parts.iter().any(|part| part.size().is_some()))
}

/// Returns whether a file has the name of an append-only file or a manifest, begins with commands, or is a tar of append-only sets alone.
fn begins_with_commands(path: &Path) -> io::Result<bool> {
    if page::is_called_append_only(path) {
        return Ok(true);
    }
    if !open::is_stream(path) && path.metadata().is_ok_and(|data| data.is_file()) {
        let mut head = Vec::new();
        File::open(path)?.take(packed_input::HEAD as u64).read_to_end(&mut head)?;
        if packed_input::is_plain(&head) {
            return Ok(page::begins_with_commands(&head));
        }
        let mut stored = packed_input::open(path, How::new(None, None, When::Never))?;
        if stored.is_tar {
            let mut archive = stored.members()?;
            let (snapshots, sets) = (archive.snapshots()?, archive.sets()?);
            let of_sets: HashSet<_> =
                sets.iter().flat_map(|(_, set)| set.parts.iter().map(|part| &part.path)).collect();
            return Ok(!sets.is_empty() && snapshots.iter().all(|path| of_sets.contains(path)));
        }
        let mut head = Vec::new();
        stored.content.by_ref().take(packed_input::HEAD as u64).read_to_end(&mut head)?;
        return Ok(page::begins_with_commands(&head));
    }
    Ok(false)
}

/// What came of an input.
#[derive(Debug, Default)]
struct Entries(Vec<Entry>);

impl Show for Entries {
    fn checked(&mut self, _: &Entry) {}

    fn checked_again(&mut self, _: &Entry) {}

    fn take(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    fn done(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    fn tell(&mut self, _: &Told<'_>) -> bool {
        false
    }

    fn tell_before_change(&mut self, _: &Told<'_>, _: bool) {}

    fn undone(&mut self, _: PathBuf, _: UndoOutcome) {}

    fn leave_standard_output(&mut self) {}
}
