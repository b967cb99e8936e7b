//! `rdbcheck`, from its arguments to its exit code.

use super::WithVerbs;
use super::inputs::{Paths, inputs};
use super::pages::{instead_of_checking, servers};
use clap::CommandFactory as _;

use crate::args::RdbCheck;
use crate::console::say;
use crate::exit::Exit;
use crate::run::rdb::{self, How};
use crate::run::salvage_rdb;

const TOOL: &str = "rdbcheck";

/// Runs `rdbcheck`.
pub(crate) fn rdbcheck(args: &RdbCheck, with_verbs: WithVerbs) -> Exit {
    if let Some(exit) = instead_of_checking(TOOL, &args.common, || with_verbs(TOOL, RdbCheck::command())) {
        return exit;
    }
    if args.fix {
        say(
            TOOL,
            "an RDB is never changed in place. Did you mean --salvage OUT, which writes what can be saved to a new file? Keep the \
             damaged one before a server that may write over it starts",
        );
        return Exit::Unreadable;
    }
    let servers = match servers(TOOL, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    if args.salvage.salvage.is_some()
        && let Some(why) =
            args.files.iter().find_map(|path| salvage_rdb::refuses(path, &args.salvage, args.files.len()))
    {
        say(TOOL, &why);
        return Exit::Unreadable;
    }
    let how = How { args, options: args.common.options(), servers };
    let paths = Paths { tool: TOOL, common: &args.common, paths: &args.files, alone: args.salvage.salvage.is_none() };
    inputs(&paths, |path, limit| rdb::alone(path, limit, &how), |path, show| rdb::one(path, &how, show))
}
