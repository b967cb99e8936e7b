//! `rdbcheck`: verifies RDB files.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use rdbcheck::args::RdbCheck;

fn main() -> ExitCode {
    if let Some(exit) = rdbcheck::alias::dispatch(std::env::args_os()) {
        return exit;
    }
    if let Some(exit) = rdbcheck::verbs::dispatch("rdbcheck", std::env::args_os()) {
        return exit.into();
    }
    rdbcheck::command::rdbcheck(&RdbCheck::parse()).into()
}
