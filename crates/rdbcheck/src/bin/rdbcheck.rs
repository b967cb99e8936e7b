//! `rdbcheck`: verifies RDB files.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use rdbcheck::args::RdbCheck;

fn main() -> ExitCode {
    rdbcheck::run::rdbcheck(&RdbCheck::parse()).into()
}
