//! Verification: every finding of a file in one run, and a verdict.

mod codes;
mod duplicates;
mod finding;
mod sink;
mod value;

pub use codes::Code;
pub use finding::{Finding, Severity};
