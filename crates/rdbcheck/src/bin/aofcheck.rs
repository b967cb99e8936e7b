//! `aofcheck`: verifies and repairs append-only files.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use rdbcheck::args::AofCheck;

fn main() -> ExitCode {
    rdbcheck::aofcheck::run(&AofCheck::parse()).into()
}
