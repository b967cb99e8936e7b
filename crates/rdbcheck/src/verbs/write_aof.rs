//! `aofcheck write`: a sound append-only file or set, as another server takes it.
//!
//! ```text
//! files -> verified -> image   -> rewrite::plan -> the image of that server, or commands
//!                      records -> as they are; without annotations before 7.0
//!       -> one file before 7.0, a folder with a manifest from 7.0 on, or commands: verified, asked of the server -> OUT
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::ReadError;
use redis_persistence::aof::dir::{self, AofSet, Disk};
use redis_persistence::aof::manifest::{Entry, EntryKind, Manifest};
use redis_persistence::aof::{Grammar, Reader};
use redis_persistence::repair::aof::salvage::{self as aof_salvage, SalvageOptions};
use redis_persistence::repair::{check_folder, check_output, write_folder, write_output};
use redis_persistence::rewrite::{self, Dialect, Lapsed, NotWritten, Plan, aof};
use redis_persistence::verify::{self, Options, Report, Verdict};

use super::write::args::{ForServer, Output};
use super::write::check::{Failed, Stop, check, commands, judged, or_anew, prover};
use super::write::show::Outcome;
use crate::console::reason;
use crate::exit::Exit;
use crate::input::archive::Archive;
use crate::progress::When;
use crate::run::target::is_read;
use crate::servers::Servers;
use crate::shell;
use crate::stores;
use crate::units::{self, now_ms, number};

const TOOL: &str = "aofcheck write";

/// Write a sound append-only file or set as another server takes it.
///
/// That is one file for servers before 7.0, and a new folder with a manifest from 7.0 on. A command or a type that the server does not
/// have is refused, and named.
#[derive(Debug, Parser)]
#[command(name = "aofcheck write", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct WriteArgs {
    /// The file or folder that is written
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// An append-only file, or a folder or a manifest of several
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    target: ForServer,
    /// Write the base as commands instead of an RDB image
    #[arg(long)]
    no_preamble: bool,
    #[command(flatten)]
    output: Output,
    /// Work on N threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = units::threads)]
    threads: Option<NonZero<usize>>,
}

const EXAMPLES: &str = "\
Examples:
  aofcheck write --for redis-6.2 appendonly.aof /var/lib/redis/appendonlydir
  aofcheck write --for valkey-newest newdir appendonly.aof
  aofcheck write --for redis-7.2 --resp - appendonlydir | redis-cli --pipe
Exit codes: 0 written   1 nothing was written   2 usage, or not readable
            3 cannot be judged";

pub(super) fn run(args: &WriteArgs) -> Exit {
    let mut outcome = Outcome::new(TOOL, args.target.server, &args.out, args.output.resp);
    let done = work(args, &mut outcome);
    outcome.end(done, args.output.json, args.output.quiet)
}

fn work(args: &WriteArgs, outcome: &mut Outcome) -> Result<(), Stop> {
    let (servers, dialect) = args.target.servers(TOOL)?;
    let form = match (args.output.resp, dialect.aof_folder) {
        (true, _) => Form::Commands,
        (false, true) => Form::Folder,
        (false, false) => Form::File,
    };
    out_refused(args, form)?;
    let verify = Options {
        now_ms: Some(now_ms()),
        functions: prover(),
        threads: args.threads,
        commands: servers.commands(),
        ..Options::default()
    };
    let unreadable = |error: io::Error| Stop::unreadable(format!("{}: {}", shell::word(&args.path), reason(&error)));
    // The names that a configuration gives are those of the other server.
    if stores::is_remote(&args.path) {
        return Err(unreadable(stores::no_file()));
    }
    let set = dir::find(&mut Disk, &args.path).map_err(unreadable)?;
    let parts = set.parts.iter().map(|part| &part.path).chain(set.old_style.iter().map(|file| &file.path));
    let read: Vec<&Path> = parts.chain([&args.path]).map(PathBuf::as_path).collect();
    is_read(&read, &args.out).map_or(Ok(()), |why| Err(Stop::unreadable(why)))?;
    let report = verify::aof_set(&mut Disk, &set, &verify).map_err(unreadable)?;
    if report.verdict != Verdict::Sound {
        return Err(not_sound(args, &set, &report));
    }
    let mut job = Job { args, servers: &servers, verify, parts: loaded(&set), image: None, commands: 0 };
    job.image(dialect, form, outcome)?;
    if form == Form::Commands {
        job.lapsed()?;
    }
    outcome.bytes = Some(job.write(form, &set)?);
    (outcome.status, outcome.commands) = ("written", Some(job.commands));
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    File,
    Folder,
    Commands,
}

/// Why nothing can be written to OUT, if so.
fn out_refused(args: &WriteArgs, form: Form) -> Result<(), Stop> {
    match form {
        _ if stores::is_remote(&args.out) => return Err(Stop::unreadable(stores::NOT_WRITTEN_TO.to_owned())),
        _ if args.output.is_stream(&args.out) => return Ok(()),
        _ if args.out.as_os_str() == "-" => return Err(Stop::unreadable("only --resp goes to standard output")),
        Form::Folder => check_folder(&args.out),
        _ => check_output(&args.out, args.output.existing()),
    }
    .map_err(|error| Stop::unreadable(error.to_string()))
}

/// Returns the files that servers load, in their order.
fn loaded(set: &AofSet) -> Vec<PathBuf> {
    let parts = set.parts.iter().filter(|part| part.role.is_loaded() && part.size().is_some());
    parts.map(|part| part.path.clone()).collect()
}

/// Says what is not sound, and what saves the rest.
fn not_sound(args: &WriteArgs, set: &AofSet, report: &Report) -> Stop {
    let path = shell::word(&args.path);
    let exit = if report.verdict == Verdict::Unknown { Exit::Unknown } else { Exit::Damaged };
    let mut why = format!("{path} is {}: only sound files are written for another server", report.verdict.as_str());
    let saves = || aof_salvage::salvage(set, SalvageOptions::default()).is_ok_and(|plan| plan.reasons.is_empty());
    if report.verdict == Verdict::Damaged && saves() {
        let saved = shell::word(&shell::beside(&args.path, "salvaged"));
        let (server, out) = (args.target.server, shell::word(&args.out));
        why.push_str(&format!(
            "; aofcheck salvage {path} {saved} keeps the rest, then: aofcheck write --for {server} {out} {saved}"
        ));
    }
    Stop { why, exit }
}

struct Job<'a> {
    args: &'a WriteArgs,
    servers: &'a Servers,
    verify: Options,
    parts: Vec<PathBuf>,
    /// The RDB image of the first file, as the server takes it, and how many keys it has.
    image: Option<(File, u64)>,
    /// The commands that were copied.
    commands: u64,
}

impl Job<'_> {
    /// Makes the image of the server out of that which the first file begins with.
    fn image(&mut self, dialect: Dialect, form: Form, outcome: &mut Outcome) -> Result<(), Stop> {
        let mut ends = Vec::new();
        for path in &self.parts {
            let failed = |why: String| Stop::unreadable(format!("{}: {why}", shell::word(path)));
            let file = File::open(path).map_err(|error| failed(reason(&error)))?;
            let reader = Reader::behind_image(file, Grammar::Loader).map_err(|error| failed(error.to_string()))?;
            ends.push(reader.image().map(|image| image.end));
        }
        if ends.iter().skip(1).any(Option::is_some) {
            return Err(Stop::refused("a file behind the first one begins with an RDB image"));
        }
        let (Some(Some(end)), Some(first)) = (ends.first(), self.parts.first()) else { return Ok(()) };
        let text = |error: io::Error| Stop::unreadable(reason(&error));
        let mut source = tempfile::tempfile().map_err(text)?;
        aof::copy(&mut File::open(first).map_err(text)?, 0, *end, &mut source).map_err(text)?;
        let mut options = rewrite::Options::new(dialect);
        options.without = self.args.target.without.iter().copied().collect();
        options.aof_base = true;
        options.for_commands = form == Form::Commands || self.args.no_preamble;
        options.verify = self.verify.clone();
        let mut sources = [source];
        let made = rewrite::plan(&mut sources, &options).and_then(|plan| {
            or_anew(plan, &mut sources, &mut |plan| outcome.plan(plan), |plan, sources| self.written(sources, plan))
        });
        let made = made.map_err(|error| {
            if let NotWritten::Refused { by_kind, .. } = &error {
                outcome.refused(by_kind);
            }
            Stop::refused(format!("its RDB image: {error}"))
        })?;
        self.image = Some(made?);
        Ok(())
    }

    fn written(&self, sources: &mut [File], plan: &Plan) -> Result<(File, u64), Failed> {
        let mut whole = tempfile::tempfile()?;
        plan.write(sources, &mut whole)?;
        check(&mut whole, plan.digest, self.servers, &self.verify)?;
        Ok((whole, plan.keys))
    }

    /// A live server drops keys whose expiry has passed, and what comes later would not find them.
    fn lapsed(&mut self) -> Result<(), Stop> {
        let text = |error: ReadError| Stop::unreadable(error.to_string());
        let mut lapsed = Lapsed::new(now_ms());
        if let Some((image, _)) = &mut self.image {
            lapsed.image(image).map_err(text)?;
        }
        for path in &self.parts {
            lapsed.commands(File::open(path).map_err(|error| text(error.into()))?).map_err(text)?;
        }
        let differ = lapsed.differ();
        if differ.total == 0 {
            return Ok(());
        }
        let (keys, names) = (number(differ.total, "key"), differ.list());
        Err(Stop::refused(format!(
            "{keys} whose expiry has passed would be dropped by a live server before later commands change or renew them: \
             {names}; without --resp a server loads them as they are"
        )))
    }

    /// Writes OUT; gives its bytes.
    fn write(&mut self, form: Form, set: &AofSet) -> Result<u64, Failed> {
        let args = self.args;
        let like = self.parts.first().and_then(|path| File::open(path).ok());
        let mut failed = None;
        let mut bytes = 0;
        // What is refused is told in its own words.
        let told = |result: Result<u64, Failed>, bytes: &mut u64, failed: &mut Option<Failed>| match result {
            Ok(size) => {
                *bytes = size;
                Ok(())
            }
            Err(error) => {
                *failed = Some(error);
                Err(io::Error::other("the server would not load it"))
            }
        };
        let done = match form {
            Form::Folder => {
                let given = self.servers.layout().appendfilename.map(String::into_bytes);
                let prefix = given.as_ref().unwrap_or(&set.prefix);
                let prefix = if prefix.is_empty() { &b"appendonly.aof"[..] } else { prefix };
                let (servers, verify) = (self.servers, self.verify.clone());
                let manifest = dir::os_name(&[prefix, b".manifest"].concat());
                let like_of = self.parts.clone();
                let fill = |folder: &Path| self.folder(folder, prefix);
                write_folder(&args.out, &like_of, fill, |folder| {
                    let judge = || -> Result<u64, Failed> {
                        let report = verify::aof_path(&folder.join(&manifest), &verify)?;
                        judged(&report, servers)?;
                        Ok(report.size)
                    };
                    told(judge(), &mut bytes, &mut failed)
                })
            }
            Form::File | Form::Commands if !args.output.is_stream(&args.out) => {
                let (servers, verify) = (self.servers, self.verify.clone());
                let fill = |out: &mut dyn Write| self.one(form, out);
                write_output(&args.out, args.output.existing(), like.as_ref(), &mut |_| (), fill, |out| {
                    told(judged_file(out, &args.out, servers, &verify), &mut bytes, &mut failed)
                })
            }
            Form::File | Form::Commands => {
                let mut whole = tempfile::tempfile()?;
                self.one(form, &mut whole)?;
                bytes = judged_file(&mut whole, Path::new("commands"), self.servers, &self.verify)?;
                whole.rewind()?;
                let mut out: Box<dyn Write> = match args.out.as_os_str() == "-" {
                    true => Box::new(io::stdout().lock()),
                    // It exists: nothing is made here.
                    false => Box::new(File::options().write(true).open(&args.out)?),
                };
                io::copy(&mut whole, &mut out)?;
                out.flush()?;
                Ok(())
            }
        };
        match (done, failed) {
            (Ok(()), _) => Ok(bytes),
            (Err(_), Some(failed)) => Err(failed),
            (Err(error), None) => Err(Failed::Other(error.to_string())),
        }
    }

    /// Writes all into one file: the image or its commands, then the commands of each file.
    fn one(&mut self, form: Form, out: &mut dyn Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        let as_commands = form == Form::Commands || self.args.no_preamble;
        self.base(as_commands, &mut out)?;
        let parts = self.parts.clone();
        self.records(&parts, as_commands && self.image.is_some(), false, &mut out)?;
        out.flush()
    }

    /// Writes a base, an incremental file and a manifest.
    fn folder(&mut self, folder: &Path, prefix: &[u8]) -> io::Result<()> {
        let as_commands = self.image.is_none() || self.args.no_preamble;
        let end = if as_commands { &b".1.base.aof"[..] } else { b".1.base.rdb" };
        let (base, incr) = ([prefix, end].concat(), [prefix, b".1.incr.aof"].concat());
        let create = |name: &[u8]| File::create_new(folder.join(dir::os_name(name))).map(BufWriter::new);
        let mut out = create(&base)?;
        let mut parts = self.parts.clone();
        if self.image.is_some() {
            self.base(as_commands, &mut out)?;
        } else if !parts.is_empty() {
            let first = parts.remove(0);
            self.records(&[first], false, true, &mut out)?;
        }
        out.flush()?;
        let mut out = create(&incr)?;
        self.records(&parts, false, true, &mut out)?;
        out.flush()?;
        let entry = |name: Vec<u8>, kind| Entry {
            name,
            seq: 1,
            kind,
            start_offset: None,
            end_offset: None,
            line: 0,
            range: 0..0,
        };
        let manifest = Manifest { entries: vec![entry(base, EntryKind::Base), entry(incr, EntryKind::Incr)] };
        let mut out = create(&[prefix, b".manifest"].concat())?;
        out.write_all(&manifest.to_bytes())?;
        out.flush()
    }

    /// Writes the image, or the commands that restore what it holds.
    fn base(&mut self, as_commands: bool, out: &mut impl Write) -> io::Result<()> {
        let Some((image, keys)) = &mut self.image else { return Ok(()) };
        image.rewind()?;
        if as_commands { commands(image, *keys, out).map(drop) } else { io::copy(image, out).map(drop) }
    }

    /// Writes the commands of files, each of which begins in database 0.
    fn records(
        &mut self,
        parts: &[PathBuf],
        behind_commands: bool,
        annotations: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for (n, path) in parts.iter().enumerate() {
            if n > 0 || behind_commands {
                out.write_all(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")?;
            }
            let copied = aof::commands(File::open(path)?, File::open(path)?, annotations, out);
            self.commands += copied.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Whether one written file is sound, and the server would load it; gives its bytes.
fn judged_file(out: &mut File, path: &Path, servers: &Servers, options: &Options) -> Result<u64, Failed> {
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    let mut archive = Archive::of_one(out.try_clone()?, 0, &name, String::new(), When::Never)?;
    let report = verify::aof_in(&mut archive, &name, options)?;
    judged(&report, servers)?;
    Ok(report.size)
}
