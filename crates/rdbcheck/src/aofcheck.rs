//! What `aofcheck` does: checks each path, and with `--fix` and its like repairs it.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::{self, AofSet};
use redis_persistence::aof::official::{Files as _, Opened};
use redis_persistence::verify::{self, Kind, Options, Report};

use crate::args::AofCheck;
use crate::ends::Ends;
use crate::entry::Entry;
use crate::exit::Exit;
use crate::fix::{self, Fix};
use crate::open::reason;
use crate::render::Output;
use crate::run::{checked, inputs, instead_of_checking, servers};
use crate::servers::Servers;
use crate::timeline::Timeline;
use crate::tree::WatchedDisk;

const TOOL: &str = "aofcheck";

/// Runs `aofcheck`.
#[must_use]
pub fn run(args: &AofCheck) -> Exit {
    if let Some(exit) = instead_of_checking::<AofCheck>(TOOL, &args.common) {
        return exit;
    }
    if let Some(record) = &args.repair.undo {
        return fix::undo(TOOL, record, args);
    }
    let servers = match servers(TOOL, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    let how = How { args, options: args.common.options(), servers };
    inputs(TOOL, &args.common, &args.paths, |path, output| one(path, &how, output))
}

/// How to check.
struct How<'a> {
    args: &'a AofCheck,
    options: Options,
    servers: Servers,
}

/// Checks what lies under a path, and repairs it if that is asked for.
fn one(path: &Path, how: &How<'_>, output: &mut Output) -> Entry {
    let args = how.args;
    let entry = check(path, how);
    checked(TOOL, &args.common, &entry, output);
    if !args.repair.wanted() {
        return entry;
    }
    let fix = Fix { tool: TOOL, args, path, output };
    fix.run(entry, || check(path, how))
}

fn check(path: &Path, how: &How<'_>) -> Entry {
    let How { args, options, servers } = how;
    let mut tree = WatchedDisk { progress: args.common.progress };
    let found = dir::find(&mut tree, path).and_then(|set| {
        let report = verify::aof_set(&mut tree, &set, options)?;
        let timeline = if args.timeline { Some(Timeline::of(&mut tree, &set, &report, options)?) } else { None };
        let ends = ends(&mut tree, &set, &report)?;
        Ok((report, set, timeline, ends))
    });
    let path = path.to_owned();
    match found {
        Ok((report, set, timeline, ends)) => {
            let mut entry = Entry::new(path, Ok(report), args.common.demands()).diagnosed(&ends).judged(servers);
            if args.repair.wanted() {
                // The plan that follows is the advice.
                entry.advice.clear();
            }
            Entry { set: Some(set), timeline, ..entry }
        }
        Err(error) => Entry::new(path, Err(reason(&error)), args.common.demands()),
    }
}

/// The ends of a single file; a set has none.
fn ends(tree: &mut WatchedDisk, set: &AofSet, report: &Report) -> io::Result<Ends> {
    let [part] = &set.parts[..] else { return Ok(Ends::default()) };
    if report.kind != Kind::Aof {
        return Ok(Ends::default());
    }
    match tree.open(&part.path)? {
        Opened::File { file, .. } => Ends::of(file, 0),
        Opened::Directory => Ok(Ends::default()),
    }
}
