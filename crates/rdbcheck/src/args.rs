//! The command line. What both commands take is in [`Common`].

mod aofcheck;

use std::io;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, ValueEnum};
use redis_persistence::Limits;
use redis_persistence::aof::foreign::Extra;
use redis_persistence::functions::Prover;
use redis_persistence::repair::rdb::salvage::Without;
use redis_persistence::verify::stats::{MemoryModel, StatsOptions};
use redis_persistence::verify::{Duplicates, Options, SpillTo};

use crate::input::packed_input::How;
use crate::outcome::Demands;
use crate::progress::When;
use crate::servers::{Asked, Servers, setting};
use crate::units;

pub use aofcheck::{AofCheck, Repair, SalvageAof};

/// Verify Redis and Valkey RDB snapshots: structure, every value, checksum, duplicates.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck", version, max_term_width = 110, disable_help_flag = true, disable_version_flag = true)]
#[command(override_usage = "rdbcheck [OPTIONS] FILE...", after_help = EXAMPLES)]
pub struct RdbCheck {
    /// RDB files, also in gzip, zstd, lz4 or xz, and tars of them; - is standard input; or addresses: s3://, gs://, az://, https://
    #[arg(value_name = "FILE", required_unless_present_any = ["explain", "completions", "man", "brief", "fix", "files_from"])]
    pub files: Vec<PathBuf>,
    /// Getting the data back.
    #[command(flatten)]
    pub salvage: Salvage,
    /// What both commands take.
    #[command(flatten)]
    pub common: Common,
    /// What people try who know the check tool for append-only files.
    #[arg(long, hide = true)]
    pub fix: bool,
}

/// The options of `rdbcheck --salvage`.
#[derive(Debug, Args)]
pub struct Salvage {
    /// Write what can be saved of a damaged RDB to OUT, and report what is lost
    #[arg(long, help_heading = "Salvage", value_name = "OUT", conflicts_with_all = ["against", "files_from"])]
    pub salvage: Option<PathBuf>,
    /// Also save the intact part of damaged collections; such keys are named
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub partial: bool,
    /// Also save records in skipped bytes that may as well be pieces of a damaged value; they are named in any case
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub doubtful: bool,
    /// Write RESTORE commands for a live server instead of an RDB; OUT may be a pipe then, and - is standard output
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub resp: bool,
    /// Leave out what a server cannot load: modules, functions, vector-sets
    #[arg(long, help_heading = "Salvage", value_name = "KIND", value_delimiter = ',', requires = "salvage")]
    pub without: Vec<Without>,
    /// Write nothing if more than N keys would be lost, or if how many is not known
    #[arg(long, help_heading = "Salvage", value_name = "KEYS", requires = "salvage")]
    pub max_loss: Option<u64>,
    /// Write nothing unless the checksum of the file proves what is written
    #[arg(long, help_heading = "Salvage", requires = "salvage", conflicts_with_all = ["partial", "doubtful"])]
    pub proven: bool,
    /// Replace OUT if it exists
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub force: bool,
    /// Write nothing: report what would be lost
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  rdbcheck dump.rdb
  rdbcheck --for redis-7.2 --for valkey-newest --conf redis.conf dump.rdb
  rdbcheck --salvage saved.rdb dump.rdb
  rdbcheck --json --require-checksum --expect-keys 1000 backup/*.rdb > report.json
Exit codes (several files: the first of 1, 2, 3, 4 that any has):
  0 sound   2 usage, or not readable   3 cannot be judged   4 salvaged, and keys are lost
  1 damaged, not as demanded, or not loaded by a server named with --for";

/// What both commands take.
#[derive(Debug, Args)]
pub struct Common {
    /// Check what LIST names too, one name on a line; - is standard input
    #[arg(long, help_heading = "Inputs", value_name = "LIST")]
    pub files_from: Option<PathBuf>,
    /// With --files-from: names end at NUL bytes, as `find -print0` writes them
    #[arg(short = '0', long, help_heading = "Inputs", requires = "files_from")]
    pub null: bool,

    /// Only the frame and the checksum, not the values
    #[arg(long, help_heading = "Checks")]
    pub quick: bool,
    /// Look for keys and elements that occur twice; full: also beyond the memory, by reading again [default: on]
    #[arg(long, help_heading = "Checks", value_name = "on|off|full", default_value = "on", hide_default_value = true)]
    #[arg(hide_possible_values = true)]
    pub duplicates: DuplicatesArg,
    /// Memory for that search, such as 64M or 1G [default: 256M]
    #[arg(long, help_heading = "Checks", value_name = "BYTES", value_parser = units::bytes)]
    pub duplicate_memory: Option<usize>,
    /// Run the code of function libraries as servers do, in a sandbox; skip: no server is said to load them [default: run]
    #[arg(long, help_heading = "Checks", value_name = "run|skip", default_value = "run", hide_default_value = true)]
    #[arg(hide_possible_values = true)]
    pub functions: FunctionsArg,
    /// Judge expiries at this time: Unix seconds or milliseconds, or RFC 3339 [default: now]
    #[arg(long, help_heading = "Checks", value_name = "TIME", value_parser = units::time_ms, allow_hyphen_values = true)]
    pub now: Option<i64>,
    /// Work on N threads [default: one for each processor]; the report is the same for every N
    #[arg(long, help_heading = "Checks", value_name = "N", value_parser = units::threads)]
    pub threads: Option<NonZero<usize>>,
    /// Give up where a packed input unpacks to more, such as 500G [default: 4G, or 250 times its size]
    #[arg(long, help_heading = "Checks", value_name = "BYTES", value_parser = units::bytes)]
    pub max_unpacked: Option<usize>,
    /// Give up where unpacking takes more memory, for a long window [default: 64M]
    #[arg(long, help_heading = "Checks", value_name = "BYTES", value_parser = units::bytes)]
    pub unpack_memory: Option<usize>,

    /// Check whether SERVER would load it, such as redis-7.2, valkey-9.1 or newest; exit with 1 if not
    #[arg(long = "for", help_heading = "Servers", value_name = "SERVER", value_delimiter = ',')]
    pub servers: Vec<Asked>,
    /// A setting of these servers, such as databases=32
    #[arg(long = "set", help_heading = "Servers", value_name = "NAME=VALUE", value_parser = setting, requires = "servers")]
    pub settings: Vec<(String, String)>,
    /// Their configuration file, for the settings that matter; --set outranks it
    #[arg(long, help_heading = "Servers", value_name = "FILE", requires = "servers")]
    pub conf: Option<PathBuf>,

    /// Exit with 1 on warnings too
    #[arg(long, help_heading = "Demands")]
    pub strict: bool,
    /// Exit with 1 if the RDB has no checksum, or it was switched off
    #[arg(long, help_heading = "Demands")]
    pub require_checksum: bool,
    /// Exit with 1 if there are fewer keys; of an append-only file, in the RDB image at its start
    #[arg(long, help_heading = "Demands", value_name = "MIN")]
    pub expect_keys: Option<u64>,

    /// Exit with 1 unless it is as SEAL says, which `seal` wrote [default: the seal that lies beside it, if one does]
    #[arg(long, help_heading = "Demands", value_name = "SEAL", conflicts_with = "files_from")]
    pub against: Option<PathBuf>,

    /// The same as --format json
    #[arg(long, help_heading = "Output", conflicts_with = "format")]
    pub json: bool,
    /// The same as --format json-lines: a JSON document on a line for each input, as soon as it is its turn
    #[arg(long, help_heading = "Output", conflicts_with_all = ["format", "json"])]
    pub json_lines: bool,
    /// Print a line for each input: its verdict, keys, size, age, and how long the check took
    #[arg(long, help_heading = "Output", conflicts_with_all = ["format", "json", "json_lines"])]
    pub summary: bool,
    /// With --summary: how many keys more or less each has than in REPORT, which --json or --json-lines printed before
    #[arg(long, help_heading = "Output", value_name = "REPORT", requires = "summary")]
    pub baseline: Option<PathBuf>,
    /// Print text, one JSON document, one for each input, test results, metrics, or a page [default: text]
    #[arg(long, help_heading = "Output", value_name = "text|json|json-lines|junit|prometheus|html")]
    #[arg(hide_possible_values = true)]
    pub format: Option<Format>,
    /// Print no report: the exit code says it
    #[arg(short, long, help_heading = "Output", conflicts_with_all = ["json", "json_lines", "format", "summary"])]
    pub quiet: bool,
    /// List N findings at most [default: 1000, of which text shows 5 of each code]; all are counted
    #[arg(long, help_heading = "Output", value_name = "N")]
    pub max_findings: Option<usize>,
    /// Sizes, elements and expiries by type, the largest keys, keys by prefix, and what a load would need
    #[arg(long, help_heading = "Output")]
    pub stats: bool,
    /// With --stats: the characters of which each ends a prefix of keys [default: :]
    #[arg(long, help_heading = "Output", value_name = "CHARS", default_value = ":", hide_default_value = true)]
    pub separators: String,
    /// With --stats: count prefixes up to the first separator, to the second, and so on to the Nth [default: 1]
    #[arg(long, help_heading = "Output", value_name = "N", default_value = "1", hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=16))]
    pub prefix_depth: u8,
    /// With --stats: the server whose memory is estimated [default: redis-8.6]
    #[arg(
        long,
        help_heading = "Output",
        value_name = "SERVER",
        default_value = "redis-8.6",
        hide_default_value = true
    )]
    #[arg(value_parser = memory_model)]
    pub memory_of: MemoryModel,
    /// Show the bytes around where each finding begins ([) and fails (>)
    #[arg(long, help_heading = "Output")]
    pub hex: bool,
    /// Print hashes instead of keys and of all other data
    #[arg(long, help_heading = "Output", conflicts_with = "hex")]
    pub redact: bool,
    /// With --redact: make the hashes with this key, so that those of several runs can be compared. Whoever guesses it can try names
    #[arg(long, help_heading = "Output", value_name = "KEY", requires = "redact")]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub redact_key: Option<String>,
    /// Show progress on standard error [default: auto]
    #[arg(long, help_heading = "Output", value_name = "auto|always|never", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub progress: When,
    /// Colour the text [default: auto]
    #[arg(long, help_heading = "Output", value_name = "auto|always|never", default_value = "auto")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub color: Color,

    /// Print the page of a finding code or of a cause
    #[arg(long, help_heading = "Other", value_name = "CODE")]
    pub explain: Option<String>,
    /// Print the completions for a shell, such as bash or zsh
    #[arg(long, help_heading = "Other", value_name = "SHELL", hide_possible_values = true)]
    pub completions: Option<clap_complete::Shell>,
    /// Print the manual page, for man -l -
    #[arg(long, help_heading = "Other")]
    pub man: bool,
    /// Print the options that are used most
    #[arg(short = 'h', help_heading = "Other")]
    pub brief: bool,
    /// Print all options, with examples
    #[arg(long, help_heading = "Other", action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, help_heading = "Other", action = ArgAction::Version)]
    version: Option<bool>,
}

/// Returns the model of a server's memory.
fn memory_model(name: &str) -> Result<MemoryModel, String> {
    let names = MemoryModel::ALL.map(MemoryModel::as_str);
    let found = MemoryModel::ALL.into_iter().find(|model| model.as_str() == name);
    found.ok_or_else(|| format!("the memory of these is known: {}", names.join(", ")))
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
    /// For machines, a document on a line for each input.
    JsonLines,
    /// For people, a line for each input.
    #[value(skip)]
    Summary,
    /// For build servers: one suite for each input.
    Junit,
    /// For the textfile collector of Prometheus.
    Prometheus,
    /// For people with a browser: one page that loads nothing from elsewhere, with a map of each file.
    Html,
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says no.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How far the search for duplicates goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DuplicatesArg {
    /// As far as the memory reaches.
    On,
    /// Not at all.
    Off,
    /// All.
    Full,
}

/// Whether the code of function libraries is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FunctionsArg {
    /// As servers do.
    Run,
    /// Not at all.
    Skip,
}

/// How many findings are kept, unless the command line says otherwise.
const FINDINGS: usize = 1000;

impl Common {
    /// Returns the form of the report.
    #[must_use]
    pub fn format(&self) -> Format {
        match (self.json, self.json_lines, self.summary) {
            (true, ..) => Format::Json,
            (_, true, _) => Format::JsonLines,
            (.., true) => Format::Summary,
            _ => self.format.unwrap_or_default(),
        }
    }

    /// Returns whether statistics are wanted: a page shows them.
    #[must_use]
    pub fn wants_numbers(&self) -> bool {
        self.stats || self.format() == Format::Html
    }

    /// Returns whether the bytes around findings are wanted. They come from the data: a page that hides these does without.
    #[must_use]
    pub fn wants_hex(&self) -> bool {
        self.hex || (self.format() == Format::Html && !self.redact)
    }

    /// The time to hold expiries against, in milliseconds since the epoch: the one given, or the system's.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now.unwrap_or_else(units::now_ms)
    }

    /// Returns what the library is asked to do.
    #[must_use]
    pub fn options(&self) -> Options {
        let limits = Limits::default();
        let duplicate_bytes = self.duplicate_memory.unwrap_or(limits.duplicate_bytes);
        Options {
            duplicates: match self.duplicates {
                DuplicatesArg::On => Duplicates::On,
                DuplicatesArg::Off => Duplicates::Off,
                DuplicatesArg::Full => Duplicates::Full,
            },
            quick: self.quick,
            commands: Extra::default(),
            functions: self.prover(),
            stats: self.wants_numbers().then(|| StatsOptions {
                separators: self.separators.clone().into_bytes(),
                depth: self.prefix_depth.into(),
                memory: self.memory_of,
                ..StatsOptions::default()
            }),
            now_ms: Some(self.now_ms()),
            max_findings: self.max_findings.unwrap_or(FINDINGS),
            spill: Some(SpillTo::new(tempfile::tempfile)),
            threads: self.threads,
            limits: Limits { duplicate_bytes, ..limits },
            ..Options::default()
        }
    }

    /// On how many threads to work.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get)
    }

    /// Who runs the code of function libraries.
    fn prover(&self) -> Option<Prover> {
        #[cfg(feature = "functions")]
        if self.functions == FunctionsArg::Run && !self.quick {
            return Some(crate::functions::prover());
        }
        None
    }

    /// Returns the servers that files are judged for.
    ///
    /// # Errors
    /// If their configuration file cannot be read.
    pub fn judges(&self) -> io::Result<Servers> {
        Servers::new(&self.servers, self.conf.as_deref(), &self.settings, self.prover())
    }

    /// Returns how inputs are opened.
    #[must_use]
    pub fn how(&self) -> How {
        How::new(self.max_unpacked, self.unpack_memory, self.progress)
    }

    /// Returns what is asked for beyond the absence of errors.
    #[must_use]
    pub fn demands(&self) -> Demands {
        Demands { strict: self.strict, checksum: self.require_checksum, keys: self.expect_keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_is_well_formed() {
        RdbCheck::command().debug_assert();
    }

    #[test]
    fn what_is_kept_without_a_wish_is_what_the_library_keeps() {
        assert_eq!(FINDINGS, Options::default().max_findings);
    }
}
