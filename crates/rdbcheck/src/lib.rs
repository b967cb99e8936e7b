//! What the commands `rdbcheck` and `aofcheck` share. Each module uses those below it, and none above (`tests/checks/arrows.rs` fails
//! otherwise):
//!
//! ```text
//! calls                    the same of inputs that a program names, which calls and stays
//! verbs, alias             where the programs begin: verbs, each with a page of its own; the official check tools by their names
//! command, page            checks: inputs in their order, reports out, exit codes; the same of files that a program gives
//! render                   outcomes as text, JSON, JUnit, Prometheus
//! run                      checks, repairs, salvages: from the command line to outcomes
//! args                     the command line, as data
//! drill seals              servers started on copies, and compared; what files were when they were sealed
//! outcome                  what came of an input, as data; and who hears of it while it runs
//! servers                  which servers are asked about
//! input                    open, unpack, archives, trees of files
//! disguise redact functions      RDBs in other clothes; hashes for names; the code of function libraries
//! stores shell             object stores and web servers; commands for people to run
//! console progress style   standard error, questions, meters; widths and colours
//! caller exit escape units
//! ```
//!
//! It is not a library for others: use `redis-persistence`. Nothing here is stable but what the commands print, and their
//! exit codes.
#![forbid(unsafe_code)]
// Elsewhere than on Unix there are no commands, but `page` alone.
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

#[cfg(unix)]
pub mod alias;
pub mod args;
pub mod caller;
#[cfg(unix)]
pub mod calls;
#[cfg(unix)]
mod command;
mod console;
pub mod disguise;
#[cfg(unix)]
mod drill;
pub mod escape;
pub mod exit;
#[cfg(feature = "functions")]
pub mod functions;
mod input;
pub mod outcome;
pub mod page;
pub mod progress;
pub mod redact;
mod render;
mod run;
mod seals;
pub mod servers;
pub mod shell;
pub mod stores;
mod style;
pub mod units;
mod unpack;
#[cfg(unix)]
pub mod verbs;
