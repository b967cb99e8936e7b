//! `aofcheck`: verifies and repairs append-only files.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use rdbcheck::args::AofCheck;

fn main() -> ExitCode {
    if let Some(exit) = rdbcheck::alias::dispatch(std::env::args_os()) {
        return exit;
    }
    rdbcheck::command::aofcheck(&AofCheck::parse()).into()
}
