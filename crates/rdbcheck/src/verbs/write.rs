//! `rdbcheck write`: what sound files hold, as a file that another server loads.
//!
//! ```text
//! inputs -> files that can be read again -> rewrite::plan -> OUT.part: written, synced, verified, asked of the server, its digest
//!                                                            compared with that of the sources -> OUT
//! ```

pub(super) mod check;
pub(super) mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _, Parser};
use redis_persistence::repair::rdb::salvage;
use redis_persistence::repair::{Existing, write_output};
use redis_persistence::rewrite::{self, Kind, NotWritten, OnDuplicate, Plan};
use redis_persistence::servers::Release;
use redis_persistence::verify::{self, Options, Report, Verdict};

use super::{Names, Places, Reading, selection};
use crate::console::{reason, say};
use crate::exit::Exit;
use crate::input::packed_input;
use crate::run::target::{out_refused, to_stream};
use crate::servers::{Asked, Servers, setting};
use crate::shell;
use crate::units::{self, now_ms, number};
use check::{Failed, Stop, check, prover};
use show::Outcome;

const TOOL: &str = "rdbcheck write";

/// Write what sound RDB files hold as a file for another server.
///
/// What the server cannot have is refused, and named. Several files are merged. OUT gets its name once it was verified, and its digest
/// is that of the files.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck write", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct WriteArgs {
    /// The file that is written
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// RDB files, also in gzip, zstd, lz4 or xz; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The server that has to load OUT, such as redis-6.2 or valkey-newest
    #[arg(long = "for", value_name = "SERVER")]
    server: Release,
    /// A setting of that server, such as databases=32
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The configuration file of that server
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Leave out what the server cannot have: functions, modules, vector-sets, arrays, field-expiry
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    without: Vec<Kind>,
    #[command(flatten)]
    names: Names,
    /// Only keys of that database; N=M: as those of database M
    #[arg(long, value_name = "N[=M]", value_delimiter = ',', value_parser = units::renumbered)]
    db: Vec<(u64, u64)>,
    #[command(flatten)]
    places: Places,
    /// Of several keys of one name take that of the first, last, or newest-file [default: refuse]
    #[arg(long, value_name = "WHICH")]
    on_duplicate: Option<OnDuplicate>,
    /// Write RESTORE commands for a live server instead; OUT may be a pipe then, and - is standard output
    #[arg(long)]
    resp: bool,
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
    /// Write nothing: say what would be written
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  rdbcheck write --for redis-6.2 old.rdb dump.rdb
  rdbcheck write --for valkey-newest --without modules new.rdb dump.rdb
  rdbcheck write --for redis-7.2 --slots 0-5460 part.rdb shard-*.rdb
  rdbcheck write --for redis-8.0 --resp - dump.rdb | redis-cli --pipe
Exit codes: 0 written   1 nothing was written   2 usage, or not readable
            3 cannot be judged";

/// Its arguments. The page shows those that matter; the others work too.
pub(super) fn command() -> Command {
    ["unpack_memory", "progress"]
        .into_iter()
        .fold(WriteArgs::command(), |all, id| all.mut_arg(id, |arg| arg.hide(true)))
}

pub(super) fn run(args: &WriteArgs) -> Exit {
    let mut outcome = Outcome::new(TOOL, args.server, &args.out, args.resp);
    let done = work(args, &mut outcome);
    outcome.end(done, args.json, args.quiet)
}

fn work(args: &WriteArgs, outcome: &mut Outcome) -> Result<(), Stop> {
    let databases = renumbered(&args.db)?;
    let servers = Servers::new(&[Asked::One(args.server)], args.conf.as_deref(), &args.settings, prover())
        .map_err(|error| Stop::unreadable(reason(&error)))?;
    let conf = args.conf.as_deref().map(shell::word).unwrap_or_default();
    for note in &servers.notes {
        say(TOOL, &format!("{conf}: line {}: {}", note.line, note.message));
    }
    let dialect = servers.dialects().pop().ok_or_else(|| Stop::unreadable("no server"))?;
    if !args.dry_run {
        let inputs: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
        out_refused(&inputs, &args.out, args.resp, existing(args)).map_or(Ok(()), |why| Err(Stop::unreadable(why)))?;
    }
    let mut files = args.files.iter().map(|path| open(path, args)).collect::<Result<Vec<_>, _>>()?;
    let verify =
        Options { now_ms: Some(now_ms()), functions: prover(), threads: args.reading.threads, ..Options::default() };
    let mut options = rewrite::Options::new(dialect);
    options.selection = selection(&args.names, args.db.iter().map(|(from, _)| *from).collect(), &args.places);
    options.databases = databases;
    options.without = args.without.iter().copied().collect();
    options.on_duplicate = args.on_duplicate;
    options.verify = verify;
    let plan = rewrite::plan(&mut files, &options).map_err(|error| not_written(error, args, &mut files, outcome))?;
    outcome.plan(&plan);
    if args.dry_run {
        outcome.status = "planned";
        return Ok(());
    }
    let job = Job { args, servers: &servers, options: &options };
    let result = match job.write(&plan, &mut files) {
        // What a server minds in the bytes of a packed value is not there once its elements are encoded anew.
        Err(Failed::Refused(_)) if plan.copied > 0 => {
            options.anew = true;
            let plan =
                rewrite::plan(&mut files, &options).map_err(|error| not_written(error, args, &mut files, outcome))?;
            outcome.plan(&plan);
            Job { args, servers: &servers, options: &options }.write(&plan, &mut files)
        }
        result => result,
    };
    match result {
        Ok(bytes) => {
            (outcome.status, outcome.bytes) = ("written", Some(bytes));
            Ok(())
        }
        Err(failed) => Err(failed.into()),
    }
}

/// Returns the databases that get another number, each of them one.
fn renumbered(asked: &[(u64, u64)]) -> Result<BTreeMap<u64, u64>, Stop> {
    let mut numbers = BTreeMap::new();
    for (from, to) in asked {
        if let Some(other) = numbers.insert(*from, *to).filter(|other| other != to) {
            let why = format!("--db {from}={other} and --db {from}={to}: a database gets one number");
            return Err(Stop::unreadable(why));
        }
    }
    numbers.retain(|from, to| from != to);
    Ok(numbers)
}

fn existing(args: &WriteArgs) -> Existing {
    if args.force { Existing::Replace } else { Existing::Keep }
}

/// Opens an input as a file that can be read again.
fn open(path: &Path, args: &WriteArgs) -> Result<File, Stop> {
    packed_input::open(path, args.reading.how())
        .and_then(packed_input::Stored::into_file)
        .map_err(|error| Stop::unreadable(format!("{}: {}", shell::word(path), reason(&error))))
}

/// Says why nothing is written.
fn not_written(error: NotWritten, args: &WriteArgs, files: &mut [File], outcome: &mut Outcome) -> Stop {
    let at = |input: usize| args.files.get(input).map(|path| shell::word(path)).unwrap_or_default();
    match &error {
        NotWritten::NotSound { input, report } => {
            let exit = if report.verdict == Verdict::Unknown { Exit::Unknown } else { Exit::Damaged };
            let path = args.files.get(*input).map(PathBuf::as_path).unwrap_or_else(|| Path::new(""));
            let way = files.get_mut(*input).and_then(|file| salvaged(path, file, report, args));
            let found = report
                .findings
                .iter()
                .find(|finding| exit == Exit::Unknown || finding.code.severity() == verify::Severity::Error);
            let found = found.map(|finding| format!(" ({})", finding.code.as_str())).unwrap_or_default();
            let why = format!(
                "{} is {}{found}: only sound files are written for another server",
                at(*input),
                report.verdict.as_str()
            );
            Stop { why: format!("{why}{}", way.unwrap_or_default()), exit }
        }
        NotWritten::Read { input, error } => Stop::unreadable(format!("{}: {error}", at(*input))),
        NotWritten::NoAge { input } => Stop::refused(format!("{}: {error}", at(*input))),
        NotWritten::Refused { by_kind, .. } => {
            outcome.refused(by_kind);
            Stop::refused(error.to_string())
        }
        _ => Stop::refused(error.to_string()),
    }
}

/// Returns the salvage that gives a file which can be written, with what it keeps, if it keeps something.
fn salvaged(path: &Path, file: &mut File, report: &Report, args: &WriteArgs) -> Option<String> {
    if report.verdict != Verdict::Damaged {
        return None;
    }
    let options = salvage::Options { now_ms: Some(now_ms()), functions: prover(), ..salvage::Options::default() };
    let plan = salvage::plan(file, &options).ok().filter(|plan| plan.loss.keys > 0)?;
    let saved = shell::beside(path, "salvaged.rdb");
    let (from, saved, out) = (shell::word(path), shell::word(&saved), shell::word(&args.out));
    let (keys, server) = (number(plan.loss.keys, "key"), args.server);
    Some(format!(
        "; rdbcheck salvage {from} {saved} keeps {keys} of it, then: rdbcheck write --for {server} {out} {saved}"
    ))
}

struct Job<'a> {
    args: &'a WriteArgs,
    servers: &'a Servers,
    options: &'a rewrite::Options,
}

impl Job<'_> {
    fn check(&self, out: &mut File, plan: &Plan) -> Result<(), Failed> {
        check(out, plan.digest, self.servers, &self.options.verify)
    }

    /// Writes OUT; gives its bytes.
    fn write(&self, plan: &Plan, files: &mut [File]) -> Result<u64, Failed> {
        let args = self.args;
        if args.resp {
            let mut whole = tempfile::tempfile()?;
            plan.write(files, &mut whole)?;
            self.check(&mut whole, plan)?;
            return self.commands(&mut whole, files).map_err(Failed::Other);
        }
        let (mut bytes, mut refused) = (0, None);
        let like = File::open(&args.files[0]).ok();
        let done = write_output(
            &args.out,
            existing(args),
            like.as_ref(),
            &mut |_| (),
            |mut out| {
                bytes = plan.write(files, &mut out)?.bytes;
                Ok(())
            },
            |out| match self.check(out, plan) {
                Ok(()) => Ok(()),
                Err(Failed::Other(why)) => Err(io::Error::other(why)),
                Err(Failed::Refused(why)) => {
                    refused = Some(why);
                    Err(io::Error::other("the server would not load it"))
                }
            },
        );
        match (done, refused) {
            (_, Some(why)) => Err(Failed::Refused(why)),
            (Err(error), None) => Err(Failed::Other(error.to_string())),
            (Ok(()), None) => Ok(bytes),
        }
    }

    /// Writes the commands that restore what a checked file holds; gives their bytes.
    fn commands(&self, whole: &mut File, files: &[File]) -> Result<u64, String> {
        let text = |error: io::Error| reason(&error);
        let args = self.args;
        let options = salvage::Options { sound: true, ..salvage::Options::default() };
        let plan = salvage::plan(whole, &options).map_err(text)?;
        if to_stream(&args.out, args.resp) {
            let to: Box<dyn Write> = match args.out.as_os_str() == "-" {
                true => Box::new(io::stdout().lock()),
                // It exists: nothing is made here.
                false => Box::new(File::options().write(true).open(&args.out).map_err(text)?),
            };
            return Ok(plan.write_commands(whole, &options, to).map_err(text)?.bytes);
        }
        let mut bytes = 0;
        let fill = |mut out: &mut dyn Write| {
            bytes = plan.write_commands(whole, &options, &mut out)?.bytes;
            Ok(())
        };
        write_output(&args.out, existing(args), files.first(), &mut |_| (), fill, |_| Ok(()))
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}
