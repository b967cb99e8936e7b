//! From arguments to the exit code: what both commands do with their inputs.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory;
use redis_persistence::verify::Options;

use crate::args::{Common, RdbCheck};
use crate::around;
use crate::brief;
use crate::entry::Entry;
use crate::escape;
use crate::exit::Exit;
use crate::explain::explain;
use crate::inputs::{Done, Paths, Run, inputs};
use crate::open::reason;
use crate::read;
use crate::render::{Form, Output};
use crate::salvage;
use crate::servers::Servers;

/// Runs `rdbcheck`.
#[must_use]
pub fn rdbcheck(args: &RdbCheck) -> Exit {
    const TOOL: &str = "rdbcheck";
    if let Some(exit) = instead_of_checking::<RdbCheck>(TOOL, &args.common) {
        return exit;
    }
    if args.fix {
        say(
            TOOL,
            "an RDB is never changed in place. Did you mean --salvage OUT, which writes what can be saved to a new file? Keep the \
             damaged one before a server that may write over it starts",
        );
        return Exit::Unreadable;
    }
    let servers = match servers(TOOL, &args.common) {
        Ok(servers) => servers,
        Err(exit) => return exit,
    };
    if args.salvage.salvage.is_some()
        && let Some(why) = args.files.iter().find_map(|path| salvage::refuses(path, &args.salvage, args.files.len()))
    {
        say(TOOL, &why);
        return Exit::Unreadable;
    }
    let how = How { args, options: args.common.options(), servers };
    let paths = Paths { tool: TOOL, common: &args.common, paths: &args.files, alone: args.salvage.salvage.is_none() };
    inputs(&paths, |path, limit| alone(path, limit, &how), |path, run| one(path, &how, run))
}

/// How to check.
struct How<'a> {
    args: &'a RdbCheck,
    options: Options,
    servers: Servers,
}

impl How<'_> {
    fn entry(&self, checked: read::Checked) -> (Entry, Option<File>) {
        let common = &self.args.common;
        let beside = around::beside(&checked.path, &self.servers, &self.options);
        let entry = Entry::new(checked.path, Ok(checked.report), common.demands());
        let entry = Entry { disguise: checked.disguise, cause: checked.cause, ..entry };
        let entry = entry.packed(checked.packing, checked.damage).diagnosed(&checked.ends).judged(&self.servers);
        let entry = beside.said_of(entry);
        (Entry { hex: checked.hex, ..entry }.redacted(common.redact), checked.file)
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Entry {
        Entry::new(path.to_owned(), Err(reason(error)), self.args.common.demands())
    }
}

/// Checks an input on the calling thread alone, if it is a plain file of at most so many bytes.
fn alone(path: &Path, limit: u64, how: &How<'_>) -> Option<Entry> {
    if path.is_dir() {
        return None;
    }
    match read::alone(path, limit, &how.options, how.args.common.hex).transpose()? {
        Ok(checked) => Some(how.entry(checked).0),
        Err(error) => Some(how.unreadable(path, &error)),
    }
}

/// Checks an input, and salvages it if that is asked for.
fn one(path: &Path, how: &How<'_>, run: &mut Run) {
    const TOOL: &str = "rdbcheck";
    let (args, common) = (how.args, &how.args.common);
    if args.salvage.salvage.as_deref().is_some_and(salvage::is_standard_output) {
        run.output.leave_standard_output();
    }
    let salvages = args.salvage.salvage.is_some();
    if !salvages && path.is_dir() {
        match around::folder(path, common, &how.servers, &how.options) {
            // It is the directory of no server.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entry => {
                let entry = entry.unwrap_or_else(|error| how.unreadable(path, &error));
                return run.done(Done::of(TOOL, run.output.form(), entry));
            }
        }
    }
    let mut kept = None;
    let mut found = 0;
    let read = read::rdb(path, &how.options, common.how(), (common.hex, salvages), |one| {
        let (entry, file) = how.entry(one);
        found += 1;
        if !salvages {
            run.done(Done::of(TOOL, run.output.form(), entry));
            return;
        }
        checked(TOOL, &entry, &mut run.output);
        if found == 1 {
            kept = Some((entry, file));
        } else {
            run.take(Entry { outcome: Err("not salvaged".to_owned()), ..entry });
        }
    });
    match kept {
        Some((entry, _)) if found > 1 => {
            let why = "it holds several RDB files; --salvage takes one: unpack that first";
            say(TOOL, &format!("{}: {why}", path.display()));
            run.take(Entry { outcome: Err("not salvaged".to_owned()), ..entry });
        }
        Some((entry, file)) => {
            let so = (common, &how.servers);
            let entry = salvage::run(TOOL, &args.salvage, so, (path, file), entry, &mut run.output);
            run.take(entry);
        }
        None => {}
    }
    if let Err(error) = read {
        run.done(Done::of(TOOL, run.output.form(), how.unreadable(path, &error)));
    }
}

/// The servers to judge for; what is odd about their configuration file is said at once.
pub(crate) fn servers(tool: &str, common: &Common) -> Result<Servers, Exit> {
    let conf = || common.conf.as_deref().unwrap_or(Path::new("")).display();
    match common.judges() {
        Ok(servers) => {
            for note in &servers.notes {
                say(tool, &format!("{}: line {}: {}", conf(), note.line, note.message));
            }
            Ok(servers)
        }
        Err(error) => {
            say(tool, &format!("{}: {}", conf(), reason(&error)));
            Err(Exit::Unreadable)
        }
    }
}

/// Prints what is left to print, and gives the exit.
pub(crate) fn end(tool: &str, output: Output, exit: Exit) -> Exit {
    match output.finish() {
        Ok(()) => exit,
        Err(error) => exit.and(not_written(tool, &error)),
    }
}

/// Prints what a check found.
pub(crate) fn checked(tool: &str, entry: &Entry, output: &mut Output) {
    if let Some(line) = line(output.form(), entry) {
        say(tool, &line);
    }
    output.show(entry);
}

/// What standard error is told of a check.
pub(crate) fn line(form: Form, entry: &Entry) -> Option<String> {
    if let Err(why) = &entry.outcome {
        return Some(format!("{}: {why}", entry.path.display()));
    }
    let complaint = if form.is_for_machines() { entry.complaint() } else { String::new() };
    (!complaint.is_empty()).then(|| format!("{}: {}", entry.path.display(), complaint.trim_start_matches("; ")))
}

/// `--explain`, `-h`, `--man` and `--completions`, which check nothing.
pub(crate) fn instead_of_checking<C: CommandFactory>(tool: &str, common: &Common) -> Option<Exit> {
    let text = if let Some(name) = &common.explain {
        match explain(name) {
            Ok(page) => page.into_bytes(),
            Err(line) => {
                say(tool, &line);
                return Some(Exit::Unreadable);
            }
        }
    } else if common.brief {
        brief::help::<C>().into_bytes()
    } else if common.man {
        let mut page = Vec::new();
        if let Err(error) = clap_mangen::Man::new(C::command()).render(&mut page) {
            return Some(not_written(tool, &error));
        }
        page
    } else {
        let mut script = Vec::new();
        clap_complete::generate(common.completions?, &mut C::command(), tool, &mut script);
        script
    };
    let mut out = io::stdout().lock();
    let written = out.write_all(&text).and_then(|()| out.flush());
    Some(match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => not_written(tool, &error),
        _ => Exit::Sound,
    })
}

pub(crate) fn not_written(tool: &str, error: &io::Error) -> Exit {
    say(tool, &format!("the output could not be written: {}", reason(error)));
    Exit::Unreadable
}

/// One line on standard error.
pub(crate) fn say(tool: &str, line: &str) {
    // Nobody is left to tell who closed standard error.
    let _ = writeln!(io::stderr(), "{tool}: {}", escape::plain(line.as_bytes()));
}
