//! `aofcheck`: verifies and repairs append-only files.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = rdbcheck::alias::dispatch(std::env::args_os()) {
        return exit;
    }
    rdbcheck::verbs::run("aofcheck", std::env::args_os()).into()
}
