//! The commands: arguments in, reports out, an exit code.

use clap::Command;

mod aofcheck;
mod explain;
mod inputs;
mod pages;
mod rdbcheck;
mod short_help;
mod side;

pub(crate) use aofcheck::aofcheck;

/// Adds the verbs of a tool to its command line, for its pages.
pub(crate) type WithVerbs = fn(&str, Command) -> Command;

pub(crate) use explain::explain;
pub(crate) use rdbcheck::rdbcheck;
pub(crate) use short_help::help as short_help;
