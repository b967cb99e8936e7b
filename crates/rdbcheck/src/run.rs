//! From arguments to the exit code: what both commands do with their inputs.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::args::{Common, Format, RdbCheck};
use crate::brief;
use crate::entry::Entry;
use crate::escape;
use crate::exit::Exit;
use crate::explain::explain;
use crate::open::reason;
use crate::read;
use crate::render::Output;
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
    let options = args.common.options();
    inputs(TOOL, &args.common, &args.files, |path, run| {
        if args.salvage.salvage.as_deref().is_some_and(salvage::is_standard_output) {
            run.output.leave_standard_output();
        }
        let demands = args.common.demands();
        let salvages = args.salvage.salvage.is_some();
        let mut kept = None;
        let mut found = 0;
        let read = read::rdb(path, &options, args.common.how(), (args.common.hex, salvages), |one| {
            let entry = Entry::new(one.path, Ok(one.report), demands).packed(one.packing, one.damage);
            let entry = entry.diagnosed(&one.ends).judged(&servers);
            let entry = Entry { hex: one.hex, ..entry }.redacted(args.common.redact);
            checked(TOOL, &args.common, &entry, &mut run.output);
            found += 1;
            if !salvages {
                run.take(entry);
            } else if found == 1 {
                kept = Some((entry, one.file));
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
                let how = (&args.common, &servers);
                let entry = salvage::run(TOOL, &args.salvage, how, (path, file), entry, &mut run.output);
                run.take(entry);
            }
            None => {}
        }
        if let Err(error) = read {
            let entry = Entry::new(path.to_owned(), Err(reason(&error)), demands);
            checked(TOOL, &args.common, &entry, &mut run.output);
            run.take(entry);
        }
    })
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

/// What came of the inputs so far.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) output: Output,
    exit: Exit,
}

impl Run {
    /// Takes what came of an input, or of one file that lies in it, once it was shown: a tar can hold thousands.
    pub(crate) fn take(&mut self, entry: Entry) {
        self.exit = self.exit.and(entry.exit());
        self.output.keep(entry);
    }
}

/// Does with each input what `each` does, which prints and takes what came of it and of what lies in it; gives the exit of all.
pub(crate) fn inputs(
    tool: &'static str,
    common: &Common,
    paths: &[PathBuf],
    mut each: impl FnMut(&Path, &mut Run),
) -> Exit {
    let mut run = Run { output: Output::new(tool, common), exit: Exit::Sound };
    for path in paths {
        each(path, &mut run);
    }
    end(tool, run.output, run.exit)
}

/// Prints what is left to print, and gives the exit.
pub(crate) fn end(tool: &str, output: Output, exit: Exit) -> Exit {
    match output.finish() {
        Ok(()) => exit,
        Err(error) => exit.and(not_written(tool, &error)),
    }
}

/// Prints what a check found.
pub(crate) fn checked(tool: &str, common: &Common, entry: &Entry, output: &mut Output) {
    if let Err(why) = &entry.outcome {
        say(tool, &format!("{}: {why}", entry.path.display()));
    } else if common.format() != Format::Text && !entry.complaint().is_empty() {
        say(tool, &format!("{}: {}", entry.path.display(), entry.complaint().trim_start_matches("; ")));
    }
    output.show(entry);
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

fn not_written(tool: &str, error: &io::Error) -> Exit {
    say(tool, &format!("the output could not be written: {}", reason(error)));
    Exit::Unreadable
}

/// One line on standard error.
pub(crate) fn say(tool: &str, line: &str) {
    // Nobody is left to tell who closed standard error.
    let _ = writeln!(io::stderr(), "{tool}: {}", escape::plain(line.as_bytes()));
}
