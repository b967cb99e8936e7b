//! `rdbcheck write`: what sound files hold, as a file that another server loads.
//!
//! ```text
//! inputs -> files that can be read again -> rewrite::plan -> OUT.part: written, synced, verified, asked of the server, its digest
//!                                                            compared with that of the sources -> OUT
//! ```

pub(super) mod args;
pub(super) mod check;
pub(super) mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _, Parser};
use redis_persistence::repair::rdb::salvage;
use redis_persistence::repair::write_output;
use redis_persistence::rewrite::{self, NotWritten, OnDuplicate, Plan};
use redis_persistence::verify::{self, Options, Report, Verdict};

use super::{Names, Places, Reading, selection};
use crate::console::reason;
use crate::exit::Exit;
use crate::input::packed_input;
use crate::run::target::out_refused;
use crate::servers::Servers;
use crate::shell;
use crate::units::{self, now_ms, number};
use args::{ForServer, Output};
use check::{Failed, Stop, check, commands, or_anew, prover};
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
    #[command(flatten)]
    target: ForServer,
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
    /// Write nothing: say what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
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
    let mut outcome = Outcome::new(TOOL, args.target.server, &args.out, args.output.resp);
    let done = work(args, &mut outcome);
    outcome.end(done, args.output.json, args.output.quiet)
}

fn work(args: &WriteArgs, outcome: &mut Outcome) -> Result<(), Stop> {
    let databases = renumbered(&args.db)?;
    let (servers, dialect) = args.target.servers(TOOL)?;
    if !args.dry_run {
        let inputs: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
        let refused = out_refused(&inputs, &args.out, args.output.resp, args.output.existing());
        refused.map_or(Ok(()), |why| Err(Stop::unreadable(why)))?;
    }
    let mut files = args.files.iter().map(|path| open(path, args)).collect::<Result<Vec<_>, _>>()?;
    let verify =
        Options { now_ms: Some(now_ms()), functions: prover(), threads: args.reading.threads, ..Options::default() };
    let mut options = rewrite::Options::new(dialect);
    options.selection = selection(&args.names, args.db.iter().map(|(from, _)| *from).collect(), &args.places);
    options.databases = databases;
    options.without = args.target.without.iter().copied().collect();
    options.for_commands = args.output.resp;
    options.on_duplicate = args.on_duplicate;
    options.verify = verify;
    let plan = rewrite::plan(&mut files, &options).map_err(|error| not_written(error, args, &mut files, outcome))?;
    if args.dry_run {
        outcome.plan(&plan);
        outcome.status = "planned";
        return Ok(());
    }
    let job = Job { args, servers: &servers, options: &options };
    let done = or_anew(plan, &mut files, &mut |plan| outcome.plan(plan), |plan, files| job.write(plan, files));
    let bytes = done.map_err(|error| not_written(error, args, &mut files, outcome))??;
    (outcome.status, outcome.bytes) = ("written", Some(bytes));
    Ok(())
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
    let (keys, server) = (number(plan.loss.keys, "key"), args.target.server);
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
        if args.output.resp {
            let mut whole = tempfile::tempfile()?;
            plan.write(files, &mut whole)?;
            self.check(&mut whole, plan)?;
            return self.commands(&mut whole, plan.keys, files).map_err(Failed::Other);
        }
        let (mut bytes, mut refused) = (0, None);
        let like = File::open(&args.files[0]).ok();
        let done = write_output(
            &args.out,
            args.output.existing(),
            like.as_ref(),
            &mut |_| (),
            |mut out| {
                bytes = plan.write(files, &mut out)?.bytes;
                Ok(())
            },
            |out| match self.check(out, plan) {
                Ok(()) => Ok(()),
                Err(Failed::Other(why)) => Err(io::Error::other(why)),
                Err(failed) => {
                    refused = Some(failed);
                    Err(io::Error::other("the server would not load it"))
                }
            },
        );
        match (done, refused) {
            (_, Some(failed)) => Err(failed),
            (Err(error), None) => Err(Failed::Other(error.to_string())),
            (Ok(()), None) => Ok(bytes),
        }
    }

    /// Writes the commands that restore what a checked file holds; gives their bytes.
    fn commands(&self, whole: &mut File, keys: u64, files: &[File]) -> Result<u64, String> {
        let text = |error: io::Error| reason(&error);
        let args = self.args;
        if args.output.is_stream(&args.out) {
            let to: Box<dyn Write> = match args.out.as_os_str() == "-" {
                true => Box::new(io::stdout().lock()),
                // It exists: nothing is made here.
                false => Box::new(File::options().write(true).open(&args.out).map_err(text)?),
            };
            return commands(whole, keys, to).map_err(text);
        }
        let mut bytes = 0;
        let fill = |mut out: &mut dyn Write| {
            bytes = commands(whole, keys, &mut out)?;
            Ok(())
        };
        write_output(&args.out, args.output.existing(), files.first(), &mut |_| (), fill, |_| Ok(()))
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}
