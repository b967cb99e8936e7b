//! The commands: arguments in, reports out, an exit code.

mod inputs;
mod manual;
mod names;
mod pages;
mod side;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use redis_persistence::verify::Options;

use crate::args::{AofCheck, Common, RdbCheck};
use crate::console::{reason, say};
use crate::exit::Exit;
use crate::page::{AOFCHECK, RDBCHECK};
use crate::redact;
use crate::run::{aof, fix, rdb, salvage_aof, salvage_rdb};
use crate::servers::Servers;
use crate::stores;
use inputs::{Paths, Run, inputs};
pub(crate) use manual::page as manual;
use pages::instead_of_checking;
pub(crate) use pages::{explain, short_help};

/// Adds the verbs of a tool to its command line, for its pages.
pub(crate) type WithVerbs = fn(&str, Command) -> Command;

/// Runs `rdbcheck`.
pub(crate) fn rdbcheck(args: &RdbCheck, with_verbs: WithVerbs) -> Exit {
    if let Some(exit) = instead_of_checking(RDBCHECK, &args.common, || with_verbs(RDBCHECK, RdbCheck::command())) {
        return exit;
    }
    if let Some(exit) = one_seal(RDBCHECK, &args.common, args.files.len()) {
        return exit;
    }
    args.common.redact_key.as_deref().into_iter().for_each(redact::use_key);
    if args.fix {
        say(
            RDBCHECK,
            "an RDB is never changed in place. Did you mean --salvage OUT, which writes what can be saved to a new file? Keep the \
             damaged one before a server that may write over it starts",
        );
        return Exit::Unreadable;
    }
    let servers = match servers(RDBCHECK, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    if args.salvage.salvage.is_some()
        && let Some(why) =
            args.files.iter().find_map(|path| salvage_rdb::refuses(path, &args.salvage, args.files.len()))
    {
        say(RDBCHECK, &why);
        return Exit::Unreadable;
    }
    let how = rdb::How { args, options: args.common.options(), servers };
    let files = stores::expand(&args.files);
    let paths = Paths { tool: RDBCHECK, common: &args.common, paths: &files, alone: args.salvage.salvage.is_none() };
    inputs(&paths, |path, limit| rdb::alone(path, limit, &how), |path, show| rdb::one(path, &how, show))
}

/// Runs `aofcheck`.
pub(crate) fn aofcheck(args: &AofCheck, with_verbs: WithVerbs) -> Exit {
    if let Some(exit) = instead_of_checking(AOFCHECK, &args.common, || with_verbs(AOFCHECK, AofCheck::command())) {
        return exit;
    }
    if let Some(exit) = one_seal(AOFCHECK, &args.common, args.paths.len()) {
        return exit;
    }
    args.common.redact_key.as_deref().into_iter().for_each(redact::use_key);
    if let Some(record) = &args.repair.undo {
        let mut run = Run::new(AOFCHECK, &args.common);
        let exit = fix::undo(AOFCHECK, record, args, &mut run);
        return run.end(exit);
    }
    let servers = match servers(AOFCHECK, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    if let Some(out) = &args.salvage.salvage
        && let Some(why) = salvage_aof::refuses(out, args)
    {
        say(AOFCHECK, &format!("{}: nothing was written: {why}", out.display()));
        return Exit::Unreadable;
    }
    if let Some(folder) = &args.repair.backup_dir
        && !folder.is_dir()
    {
        say(AOFCHECK, &format!("{}: nothing was changed: it is no folder to save in", folder.display()));
        return Exit::Unreadable;
    }
    let options = Options { commands: servers.commands(), ..args.common.options() };
    let alone_on = Options { threads: Some(NonZero::<usize>::MIN), ..options.clone() };
    let small = aof::How { args, options: alone_on, servers: servers.clone() };
    let how = aof::How { args, options, servers };
    // It goes with a repair, which takes no list.
    let (missing, there): (Vec<PathBuf>, Vec<PathBuf>) =
        stores::expand_patterns(&args.paths).into_iter().partition(|path| args.repair.passes_over(path));
    for path in missing.iter().filter(|_| !args.common.quiet) {
        say(AOFCHECK, &format!("{}: nothing is there yet", path.display()));
    }
    let paths = Paths { tool: AOFCHECK, common: &args.common, paths: &there, alone: !args.plans() };
    inputs(&paths, |path, limit| aof::alone(path, limit, &small), |path, show| aof::one(path, &how, show))
}

/// Refuses a seal that is named for more than one input.
fn one_seal(tool: &str, common: &Common, inputs: usize) -> Option<Exit> {
    (common.against.is_some() && inputs > 1).then(|| {
        say(tool, "--against SEAL takes one input; the seals that lie beside files are found without it");
        Exit::Unreadable
    })
}

/// Returns the servers to judge for; what is odd about their configuration file is said at once.
fn servers(tool: &str, common: &Common) -> Result<Servers, Exit> {
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
