//! The commands: arguments in, reports out, an exit code.

mod aofcheck;
mod explain;
mod inputs;
mod pages;
mod rdbcheck;
mod short_help;
mod side;

pub use aofcheck::aofcheck;
pub use rdbcheck::rdbcheck;
