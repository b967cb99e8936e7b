//! What is not a check: `rdbcheck diff`, `rdbcheck digest`, `rdbcheck list`, each with arguments and a help page of its own.
//!
//! The first argument names the verb. A file of that name is `./digest`.

mod diff;
mod digest;
mod list;
mod rdbs;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser};
use redis_persistence::ReadError;
use redis_persistence::error::ErrorKind as Kind;
use redis_persistence::select::{Pattern, Selection};

use crate::console::{reason, say};
use crate::exit::Exit;
use crate::input::packed_input::How;
use crate::progress::When;
use crate::units;

/// Runs the verb that the first argument names, if it names one.
#[must_use]
pub fn dispatch(tool: &str, mut argv: impl Iterator<Item = OsString>) -> Option<Exit> {
    let verb = argv.nth(1)?;
    match (tool, verb.to_str()?) {
        ("rdbcheck", "diff") => Some(parsed("rdbcheck diff", argv, diff::run)),
        ("rdbcheck", "digest") => Some(parsed("rdbcheck digest", argv, digest::run)),
        ("rdbcheck", "list") => Some(parsed("rdbcheck list", argv, list::run)),
        _ => None,
    }
}

fn parsed<A: Parser>(name: &'static str, rest: impl Iterator<Item = OsString>, run: impl FnOnce(&A) -> Exit) -> Exit {
    match A::try_parse_from(std::iter::once(OsString::from(name)).chain(rest)) {
        Ok(args) => run(&args),
        Err(error) => {
            // Where nobody reads it, nothing is lost.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Sound,
                _ => Exit::Unreadable,
            }
        }
    }
}

/// How inputs are read.
#[derive(Debug, Args)]
struct Reading {
    /// Work on N threads [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Give up where a packed input unpacks to more, such as 500G [default: 4G, or 250 times its size]
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    max_unpacked: Option<usize>,
    /// Give up where unpacking takes more memory, for a long window [default: 64M]
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    unpack_memory: Option<usize>,
    /// Show progress on standard error
    #[arg(long, value_name = "auto|always|never", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    progress: When,
}

impl Reading {
    fn how(&self) -> How {
        How::new(self.max_unpacked, self.unpack_memory, self.progress)
    }
}

/// Which keys are meant.
#[derive(Debug, Args)]
struct Choice {
    /// Only keys whose name fits, such as 'user:*'
    #[arg(long, value_name = "PATTERN")]
    only: Vec<OsString>,
    /// No keys whose name fits
    #[arg(long, value_name = "PATTERN")]
    except: Vec<OsString>,
    /// Only keys of that type: string, list, set, zset, hash, stream, array, module
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only keys of that database
    #[arg(long, value_name = "N", value_delimiter = ',')]
    db: Vec<u64>,
    /// Only keys of these cluster slots, such as 0-5460
    #[arg(long, value_name = "A-B", value_delimiter = ',', value_parser = units::range)]
    slots: Vec<(u64, u64)>,
    /// No keys that are expired by now
    #[arg(long)]
    no_expired: bool,
}

impl Choice {
    fn selection(&self) -> Selection {
        let patterns =
            |texts: &[OsString]| texts.iter().map(|text| Pattern::new(text.as_encoded_bytes())).collect::<Vec<_>>();
        Selection {
            only: patterns(&self.only),
            except: patterns(&self.except),
            types: self.types.clone(),
            databases: self.db.clone(),
            slots: self.slots.iter().map(|(from, to)| *from..=*to).collect(),
            expired_before: self.no_expired.then(units::now_ms),
        }
    }
}

/// Why there is no answer about an input.
#[derive(Debug)]
struct Failed {
    path: PathBuf,
    why: String,
    exit: Exit,
}

impl Failed {
    fn of_read(path: PathBuf, error: &ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::of_io(path, error),
            ReadError::Parse(error) => {
                let foreign = matches!(error.kind(), Kind::BadMagic | Kind::BadVersion);
                let why = format!("{error}; rdbcheck FILE tells more");
                Self { path, why, exit: if foreign { Exit::Unknown } else { Exit::Damaged } }
            }
        }
    }

    fn of_io(path: PathBuf, error: &io::Error) -> Self {
        Self { path, why: reason(error), exit: Exit::Unreadable }
    }

    /// Says it on standard error.
    fn say(&self, tool: &str) -> Exit {
        say(tool, &self.to_string());
        self.exit
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}
