//! `aofcheck`, from its arguments to its exit code.

use std::num::NonZero;

use redis_persistence::verify::Options;

use super::WithVerbs;
use super::inputs::{Paths, Run, inputs};
use super::pages::{instead_of_checking, servers};
use clap::CommandFactory as _;

use crate::args::AofCheck;
use crate::console::say;
use crate::exit::Exit;
use crate::run::aof::{self, How};
use crate::run::{fix, salvage_aof};

const TOOL: &str = "aofcheck";

/// Runs `aofcheck`.
pub(crate) fn aofcheck(args: &AofCheck, with_verbs: WithVerbs) -> Exit {
    if let Some(exit) = instead_of_checking(TOOL, &args.common, || with_verbs(TOOL, AofCheck::command())) {
        return exit;
    }
    if let Some(record) = &args.repair.undo {
        let mut run = Run::new(TOOL, &args.common);
        let exit = fix::undo(TOOL, record, args, &mut run);
        return run.end(exit);
    }
    let servers = match servers(TOOL, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    if let Some(out) = &args.salvage.salvage
        && let Some(why) = salvage_aof::refuses(out, args)
    {
        say(TOOL, &format!("{}: nothing was written: {why}", out.display()));
        return Exit::Unreadable;
    }
    if let Some(folder) = &args.repair.backup_dir
        && !folder.is_dir()
    {
        say(TOOL, &format!("{}: nothing was changed: it is no folder to save in", folder.display()));
        return Exit::Unreadable;
    }
    let options = Options { commands: servers.commands(), ..args.common.options() };
    let alone_on = Options { threads: Some(NonZero::<usize>::MIN), ..options.clone() };
    let small = How { args, options: alone_on, servers: servers.clone() };
    let how = How { args, options, servers };
    let paths = Paths { tool: TOOL, common: &args.common, paths: &args.paths, alone: !args.plans() };
    inputs(&paths, |path, limit| aof::alone(path, limit, &small), |path, show| aof::one(path, &how, show))
}
