//! `rdbcheck drill`, `aofcheck drill`: does a server come up with the data, and does it hold what the file holds?

mod report;

use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};

use super::{Reading, units};
use crate::console::{say, written};
use crate::drill::{self, Drill, NoDrill, Wish};
use crate::exit::Exit;
use report::Done;

/// Start a server on a copy of each RDB file, in a private folder, and compare what it holds with the file.
///
/// The server has a unix socket and no port, saves nothing, and ends with the drill, however that ends. FILE is never touched. What
/// --server names is run: name none but a program that you trust. A file of that name is ./drill.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck drill", max_term_width = 110, after_help = RDB_EXAMPLES)]
pub(super) struct RdbDrill {
    /// RDB files, also in gzip, zstd, lz4 or xz
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Compare so many values one by one
    #[arg(long, value_name = "N", default_value_t = 1000)]
    samples: u64,
    #[command(flatten)]
    drill: DrillArgs,
}

/// Start a server on a copy of append-only files, in a private folder, and see whether it comes up.
///
/// The server has a unix socket and no port, and ends with the drill, however that ends. The files are never touched. What
/// --server names is run: name none but a program that you trust. A file of that name is ./drill.
#[derive(Debug, Parser)]
#[command(name = "aofcheck drill", max_term_width = 110, after_help = AOF_EXAMPLES)]
pub(super) struct AofDrill {
    /// Append-only files, manifests, appendonlydirs, or servers' directories
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    drill: DrillArgs,
}

#[derive(Debug, Args)]
struct DrillArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print text, JSON, test results, or metrics [default: text]
    #[arg(long, value_name = "text|json|junit|prometheus", hide_possible_values = true)]
    format: Option<Form>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
    /// For build servers.
    Junit,
    /// For the textfile collector.
    Prometheus,
}

/// Which server, and what it may do.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// The server to start, such as /usr/bin/redis-server
    #[arg(long, value_name = "PROGRAM")]
    pub(super) server: PathBuf,
    /// Make the private folder with the copy in DIR [default: TMPDIR]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A harmless setting of the server, such as databases=32
    #[arg(long, value_name = "KEY=VALUE", value_parser = drill::harmless)]
    conf: Vec<(String, String)>,
    /// How many seconds the server may take to load
    #[arg(long, value_name = "SECONDS", default_value_t = NonZero::<u32>::MIN.saturating_add(599))]
    timeout: NonZero<u32>,
    /// Memory that the server may take [default: 90 % of what is there]
    #[arg(long, value_name = "N", value_parser = units::bytes)]
    memory: Option<usize>,
}

const RDB_EXAMPLES: &str = "\
Examples:
  rdbcheck drill --server /usr/bin/redis-server dump.rdb
  rdbcheck drill --server valkey-server --timeout 60 --json backup/*.rdb
Exit codes: 0 it comes up, and nothing differs   1 not so
            2 usage, not readable, or no server was started
            3 it comes up, and nothing could be compared";

const AOF_EXAMPLES: &str = "\
Examples:
  aofcheck drill --server /usr/bin/redis-server /var/lib/redis/appendonlydir
Exit codes: 0 it comes up   1 it does not
            2 usage, not readable, or no server was started
            3 it comes up, and the check says that the files are not sound";

impl ServerArgs {
    /// Returns how the drill is to be made.
    pub(super) fn wish(&self, samples: u64, reading: &Reading) -> Wish {
        Wish {
            server: self.server.clone(),
            dir: self.dir.clone().unwrap_or_else(std::env::temp_dir),
            settings: self.conf.clone(),
            timeout: Duration::from_secs(u64::from(self.timeout.get())),
            memory: self.memory.map(|bytes| bytes as u64),
            samples,
            threads: reading.threads,
            how: reading.how(),
        }
    }
}

pub(super) fn rdbcheck(args: &RdbDrill) -> Exit {
    run("rdbcheck drill", &args.files, args.samples, &args.drill, drill::rdb)
}

pub(super) fn aofcheck(args: &AofDrill) -> Exit {
    run("aofcheck drill", &args.paths, 0, &args.drill, drill::aof)
}

fn run(
    tool: &'static str,
    paths: &[PathBuf],
    samples: u64,
    args: &DrillArgs,
    drill: fn(&Path, &Wish) -> Result<Drill, NoDrill>,
) -> Exit {
    let wish = args.server.wish(samples, &args.reading);
    let form = if args.json { Form::Json } else { args.format.unwrap_or_default() };
    let mut out = io::stdout().lock();
    let (mut exit, mut done) = (Exit::Sound, Vec::new());
    for path in paths {
        let of = Done { path, result: drill(path, &wish).map_err(|error| error.to_string()) };
        exit = exit.and(of.exit());
        if let Err(why) = &of.result {
            say(tool, &format!("{}: {why}", path.display()));
        } else if form == Form::Text {
            exit = exit.and(written(tool, of.text(&mut out)));
        }
        done.push(of);
    }
    let document = match form {
        Form::Text => Ok(String::new()),
        Form::Json => report::json(tool, &done),
        Form::Junit => Ok(report::junit(tool, &done)),
        Form::Prometheus => Ok(report::prometheus(&done)),
    };
    exit.and(written(tool, document.and_then(|text| out.write_all(text.as_bytes())).and_then(|()| out.flush())))
}
