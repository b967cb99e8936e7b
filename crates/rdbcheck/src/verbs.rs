//! Verbs: what is not a check, each with arguments and a help page of its own. The first argument names the verb; a file of that name
//! is `./list`.
//!
//! ```text
//! dispatch -> Verb ┬ list, digest, diff, seal, write, drill   arguments of their own -> library -> lines
//!                  ├ options: salvage, fix... the command line of the check, with another page
//!                  └ explain, help            pages
//! ```
//! A new verb is a file here and a row in `verbs`.

mod diff;
mod digest;
mod drill;
mod help;
mod list;
mod options;
pub(crate) mod rdbs;
mod seal;
mod write;
mod write_aof;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser};
use redis_persistence::ErrorKind as Kind;
use redis_persistence::select::{Pattern, Selection};
use redis_persistence::{Error, ReadError};

use crate::args::{AofCheck, RdbCheck};
use crate::command;
use crate::console::{reason, say, written};
use crate::exit::Exit;
use crate::input::packed_input::How;
use crate::progress::When;
use crate::units;

/// A verb of a tool.
struct Verb {
    tool: &'static str,
    name: &'static str,
    /// Its arguments, and its page.
    command: fn() -> Command,
    run: fn(&Self, Vec<OsString>) -> Exit,
}

/// Returns the verbs of both tools, in the order in which help lists them.
fn verbs() -> impl Iterator<Item = Verb> {
    let own = [
        Verb {
            tool: "rdbcheck",
            name: "list",
            command: list::ListArgs::command,
            run: |verb, rest| verb.parsed(rest, list::run),
        },
        Verb {
            tool: "rdbcheck",
            name: "digest",
            command: digest::DigestArgs::command,
            run: |verb, rest| verb.parsed(rest, digest::run),
        },
        Verb {
            tool: "aofcheck",
            name: "digest",
            command: digest::AofDigestArgs::command,
            run: |verb, rest| verb.parsed(rest, digest::aofcheck),
        },
        Verb {
            tool: "rdbcheck",
            name: "diff",
            command: diff::DiffArgs::command,
            run: |verb, rest| verb.parsed(rest, diff::run),
        },
        Verb {
            tool: "rdbcheck",
            name: "seal",
            command: seal::SealArgs::command,
            run: |verb, rest| verb.parsed(rest, seal::run),
        },
        Verb {
            tool: "rdbcheck",
            name: "write",
            command: write::command,
            run: |verb, rest| verb.parsed(rest, write::run),
        },
        Verb {
            tool: "aofcheck",
            name: "write",
            command: write_aof::WriteArgs::command,
            run: |verb, rest| verb.parsed(rest, write_aof::run),
        },
        Verb {
            tool: "aofcheck",
            name: "seal",
            command: seal::AofSealArgs::command,
            run: |verb, rest| verb.parsed(rest, seal::aofcheck),
        },
        Verb {
            tool: "rdbcheck",
            name: "drill",
            command: drill::RdbDrill::command,
            run: |verb, rest| verb.parsed(rest, drill::rdbcheck),
        },
        Verb {
            tool: "aofcheck",
            name: "drill",
            command: drill::AofDrill::command,
            run: |verb, rest| verb.parsed(rest, drill::aofcheck),
        },
    ];
    options::VERBS.into_iter().chain(own).chain(help::VERBS)
}

/// Runs a tool: the verb that the first argument names, or a check.
#[must_use]
pub fn run(tool: &str, argv: impl Iterator<Item = OsString>) -> Exit {
    let argv: Vec<OsString> = argv.collect();
    if argv.get(1).is_some_and(|word| word == crate::drill::UNDER) {
        return crate::drill::under(&argv[2..]);
    }
    let verb = argv.get(1).and_then(|word| verbs().find(|verb| verb.tool == tool && *word == *verb.name));
    match (verb, tool) {
        (Some(verb), _) => (verb.run)(&verb, argv[2..].to_vec()),
        (None, "aofcheck") => check(tool, argv, |args: &AofCheck| command::aofcheck(args, with_verbs)),
        (None, _) => check(tool, argv, |args: &RdbCheck| command::rdbcheck(args, with_verbs)),
    }
}

fn check<C: CommandFactory + FromArgMatches>(tool: &str, argv: Vec<OsString>, run: impl FnOnce(&C) -> Exit) -> Exit {
    let command = help::listed(tool, C::command());
    match command.try_get_matches_from(argv).and_then(|mut found| C::from_arg_matches_mut(&mut found)) {
        Ok(args) => run(&args),
        Err(error) => said(error),
    }
}

/// Returns the command line of a tool with its verbs, for help, the manual page and completions.
fn with_verbs(tool: &str, check: Command) -> Command {
    let subcommands = verbs()
        .filter(|verb| verb.tool == tool)
        .map(|verb| (verb.command)().name(verb.name).long_about(None::<&'static str>));
    help::listed(tool, check).disable_help_subcommand(true).subcommands(subcommands)
}

impl Verb {
    /// Returns what it is called.
    fn title(&self) -> String {
        format!("{} {}", self.tool, self.name)
    }

    /// Its arguments, with a page that fits a screen.
    fn page(&self) -> Command {
        let command = (self.command)().bin_name(self.title());
        match command.get_long_about().cloned() {
            Some(about) => command.about(about).long_about(None::<&'static str>),
            None => command,
        }
    }

    /// Parses its arguments, or prints its page.
    fn matches(&self, rest: Vec<OsString>) -> Result<ArgMatches, Exit> {
        let title = self.title();
        let words = rest.iter().take_while(|word| *word != "--");
        if let Some(word) = words.into_iter().find(|word| ["-h", "--help", "--man"].iter().any(|page| *word == page)) {
            let text = if word == "--man" {
                help::manual(&title, self.page().display_name(title.replace(' ', "-")))?
            } else {
                self.page().render_help().to_string()
            };
            return Err(help::print(&title, &text));
        }
        self.page().try_get_matches_from(std::iter::once(title.into()).chain(rest)).map_err(said)
    }

    /// Runs it on its arguments.
    fn parsed<A: Parser>(&self, rest: Vec<OsString>, run: impl FnOnce(&A) -> Exit) -> Exit {
        match self.matches(rest).and_then(|mut found| A::from_arg_matches_mut(&mut found).map_err(said)) {
            Ok(args) => run(&args),
            Err(exit) => exit,
        }
    }
}

/// Prints what is wrong with the arguments, or a page that they asked for.
fn said(error: clap::Error) -> Exit {
    // Where nobody reads it, nothing is lost.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Sound,
        _ => Exit::Unreadable,
    }
}

/// How inputs are read.
#[derive(Debug, Args)]
struct Reading {
    /// Work on N threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = units::threads)]
    threads: Option<NonZero<usize>>,
    /// Give up where a packed input unpacks to more, such as 500G [default: 4G, or 250 times its size]
    #[arg(long, value_name = "N", value_parser = units::bytes)]
    max_unpacked: Option<usize>,
    /// Give up where unpacking takes more memory, for a long window [default: 64M]
    #[arg(long, value_name = "N", value_parser = units::bytes)]
    unpack_memory: Option<usize>,
    /// Show progress on standard error: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", default_value = "auto")]
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
    #[command(flatten)]
    names: Names,
    /// Only keys of that database
    #[arg(long, value_name = "N", value_delimiter = ',')]
    db: Vec<u64>,
    #[command(flatten)]
    places: Places,
}

/// Which keys are meant, by what they are.
#[derive(Debug, Args)]
struct Names {
    /// Only keys whose name matches, such as 'user:*'
    #[arg(long, value_name = "PATTERN")]
    only: Vec<OsString>,
    /// No keys whose name matches
    #[arg(long, value_name = "PATTERN")]
    except: Vec<OsString>,
    /// Only keys of that type: string, list, set, zset, hash, stream, array, module
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
}

/// Which keys are meant, by where they belong and whether they are still there.
#[derive(Debug, Args)]
struct Places {
    /// Only keys of these cluster slots, such as 0-5460
    #[arg(long, value_name = "A-B", value_delimiter = ',', value_parser = units::range)]
    slots: Vec<(u64, u64)>,
    /// No keys that are expired by now
    #[arg(long)]
    no_expired: bool,
}

impl Choice {
    fn selection(&self) -> Selection {
        selection(&self.names, self.db.clone(), &self.places)
    }
}

fn selection(names: &Names, databases: Vec<u64>, places: &Places) -> Selection {
    let patterns =
        |texts: &[OsString]| texts.iter().map(|text| Pattern::new(text.as_encoded_bytes())).collect::<Vec<_>>();
    Selection {
        only: patterns(&names.only),
        except: patterns(&names.except),
        types: names.types.clone(),
        databases,
        slots: places.slots.iter().map(|(from, to)| *from..=*to).collect(),
        expired_before: places.no_expired.then(units::now_ms),
    }
}

/// Why there is no answer about an input.
#[derive(Debug)]
pub(crate) struct Failed {
    path: PathBuf,
    why: String,
    pub(crate) exit: Exit,
}

/// Returns what it means for the exit code that bytes could not be read.
pub(crate) fn exit_of(error: &Error) -> Exit {
    if matches!(error.kind(), Kind::BadMagic | Kind::BadVersion) { Exit::Unknown } else { Exit::Damaged }
}

impl Failed {
    fn of_read(path: PathBuf, error: &ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::of_io(path, error),
            ReadError::Parse(error) => {
                let why = format!("{error}; rdbcheck FILE tells more");
                Self { path, why, exit: exit_of(error) }
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
