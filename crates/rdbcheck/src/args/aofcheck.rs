//! The command line of `aofcheck`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, ValueEnum};
use redis_persistence::repair::ApplyOptions;
use redis_persistence::repair::aof::FixOptions;
use redis_persistence::repair::aof::salvage::Uncertain;

use super::Common;
use crate::units;

/// Verify and repair append-only files of Redis and Valkey: single files, and sets with their manifest.
#[derive(Debug, Parser)]
#[command(name = "aofcheck", version, max_term_width = 110, disable_help_flag = true, disable_version_flag = true)]
#[command(override_usage = "aofcheck [OPTIONS] PATH...", after_help = EXAMPLES)]
#[command(group = ArgGroup::new("repair").args(["fix", "truncate_to_timestamp", "cut_before", "preen"]).multiple(true))]
#[command(group = ArgGroup::new("of_file").args(["fix", "truncate_to_timestamp", "cut_before", "preen", "leave_out"]).multiple(true))]
#[command(group = ArgGroup::new("change").args(["fix", "truncate_to_timestamp", "cut_before", "preen", "undo", "salvage"]).multiple(true).conflicts_with_all(["against", "files_from"]))]
#[command(group = ArgGroup::new("losing").args(["fix", "truncate_to_timestamp", "cut_before", "preen", "salvage"]).multiple(true))]
pub struct AofCheck {
    /// An appendonlydir, its manifest, one append-only file, a server's directory, or a packed file or a tar of these; - is
    /// standard input; or addresses: s3://, gs://, az://, https://
    #[arg(value_name = "PATH", required_unless_present_any = ["explain", "completions", "man", "brief", "undo", "files_from"])]
    pub paths: Vec<PathBuf>,
    /// List the timestamps, also of history files, how many commands follow each, and each FLUSHALL, FLUSHDB, SWAPDB and storm of
    /// deletions with what stood before it
    #[arg(long, help_heading = "Checks", conflicts_with = "change")]
    pub timeline: bool,
    /// What is changed, and how.
    #[command(flatten)]
    pub repair: Repair,
    /// What is written anew.
    #[command(flatten)]
    pub salvage: SalvageAof,
    /// What both commands take.
    #[command(flatten)]
    pub common: Common,
}

/// What is changed, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repair")]
pub struct Repair {
    /// Show a repair plan, ask, back up what it removes, and apply it
    #[arg(long)]
    pub fix: bool,
    /// The same, and take back what was written after that time: Unix seconds, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = units::time_ms, allow_hyphen_values = true)]
    pub truncate_to_timestamp: Option<i64>,
    /// The same, and take back the record at that byte and all after it, in the last file or the one --file names
    #[arg(long, value_name = "BYTE")]
    pub cut_before: Option<u64>,
    /// Repair only what a crash leaves, without asking; refuse any other damage
    #[arg(long, conflicts_with_all = ["fix", "truncate_to_timestamp", "cut_before", "yes", "file"])]
    pub preen: bool,
    /// Pass over a PATH that is not there, as before the first start, if the folder that it would lie in is
    #[arg(long, requires = "preen")]
    pub if_exists: bool,
    /// Undo a repair, by the record that it left; PATH names the set where --backup-dir put that elsewhere
    #[arg(long, value_name = "RECORD", conflicts_with = "repair")]
    pub undo: Option<PathBuf>,
    /// Do not ask; apply only a plan that is sufficient, and within --max-loss
    #[arg(short, long, requires = "change", conflicts_with = "dry_run")]
    pub yes: bool,
    /// Print the plan, and change nothing
    #[arg(long, requires = "change")]
    pub dry_run: bool,
    /// Refuse to remove or leave out more, such as 64K or 1M
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, requires = "losing")]
    pub max_loss: Option<usize>,
    /// Allow cutting NAME even if later files exist or it becomes empty; the file of --cut-before and --leave-out
    #[arg(long, value_name = "NAME", requires = "of_file")]
    pub file: Option<PathBuf>,
    /// Back up what is removed to DIR [default: beside the set]
    #[arg(long, value_name = "DIR", requires = "repair")]
    pub backup_dir: Option<PathBuf>,
    /// Go on even if a process has a file open for writing, or wrote to one meanwhile
    #[arg(long, requires = "change")]
    pub force_live: bool,
    /// Give up when another repair still holds the folder after so many seconds [default: 1]
    #[arg(long, value_name = "SECONDS", requires = "change", conflicts_with = "salvage")]
    pub lock_wait: Option<u32>,
}

/// What is written anew.
#[derive(Debug, Args)]
#[command(next_help_heading = "Salvage")]
pub struct SalvageAof {
    /// Write all that can still be read to a new folder, whatever lies between, and report what is lost
    #[arg(long, value_name = "OUTDIR", conflicts_with_all = ["repair", "undo", "yes", "force_live"])]
    pub salvage: Option<PathBuf>,
    /// What becomes of commands whose database cannot be told, because a SELECT may have been lost before them
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, requires = "salvage")]
    pub uncertain: UncertainArg,
    /// Leave out the command that begins at that byte, in the last file or the one that --file names; may be given several times
    #[arg(long, value_name = "BYTE", requires = "salvage", conflicts_with = "repair")]
    pub leave_out: Vec<u64>,
    /// Set OUTDIR aside if it exists
    #[arg(long, requires = "salvage")]
    pub force: bool,
}

/// What becomes of commands whose database cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum UncertainArg {
    /// They go to the quarantine: none is run in another database than its own.
    #[default]
    SetAside,
    /// They are kept, in the likeliest database.
    Keep,
}

impl From<UncertainArg> for Uncertain {
    fn from(arg: UncertainArg) -> Self {
        match arg {
            UncertainArg::SetAside => Self::SetAside,
            UncertainArg::Keep => Self::Keep,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  aofcheck /var/lib/redis/appendonlydir
  aofcheck --fix --dry-run /var/lib/redis/appendonlydir
  aofcheck --fix --yes --max-loss 1M --backup-dir /backup /var/lib/redis/appendonlydir
  aofcheck --salvage /var/lib/redis/salvaged /var/lib/redis/appendonlydir
  aofcheck --preen --max-loss 1M /var/lib/redis/appendonlydir
  aofcheck --truncate-to-timestamp 2025-03-01T12:00:00Z appendonlydir
Exit codes (several paths: the first of 1, 2, 3, 4 that any has):
  0 sound (after a repair: the result is)   3 cannot be judged
  4 written by --salvage, with a loss of commands or keys
  2 usage, not readable, or what is never written to or followed: links out of the folder, records of others
  1 damaged, not as demanded, not loaded by a server named with --for, or a repair that was declined or refused";

impl AofCheck {
    /// Returns whether a plan follows the check: of a repair, or of a salvage.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.repair.wanted() || self.salvage.salvage.is_some()
    }
}

impl Repair {
    /// Returns whether a path is passed over: nothing is there yet, and the place for it is. A volume that is not mounted is none.
    #[must_use]
    pub fn passes_over(&self, path: &Path) -> bool {
        let missing = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let place = path.parent().map(|place| if place.as_os_str().is_empty() { Path::new(".") } else { place });
        self.if_exists && missing && place.is_some_and(Path::is_dir)
    }

    /// Returns whether nobody is asked.
    #[must_use]
    pub fn unasked(&self) -> bool {
        self.yes || self.preen
    }

    /// Returns whether a plan is to be made.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.fix || self.preen || self.truncate_to_timestamp.is_some() || self.cut_before.is_some()
    }

    /// Returns the file of the set that is named. The names in a manifest hold no slash; who completes a path means its
    /// last part.
    #[must_use]
    pub fn named(&self) -> Option<Vec<u8>> {
        let name = |path: &PathBuf| path.file_name().map_or_else(Vec::new, |name| name.as_encoded_bytes().to_vec());
        self.file.as_ref().map(name)
    }

    /// Returns what to plan for.
    #[must_use]
    pub fn plan_options(&self) -> FixOptions {
        FixOptions {
            max_loss: self.max_loss.map(|bytes| bytes as u64),
            file: self.named(),
            timestamp: self.timestamp(),
            before: self.cut_before,
            only_interrupted: self.preen,
        }
    }

    /// The time to go back to, in seconds: the stamps in files are whole seconds.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.truncate_to_timestamp.map(|milliseconds| milliseconds.div_euclid(1000))
    }

    /// Returns how to apply it.
    #[must_use]
    pub fn apply_options(&self) -> ApplyOptions {
        let default = ApplyOptions::default();
        ApplyOptions {
            backup_dir: self.backup_dir.clone(),
            force_live: self.force_live,
            lock_wait: self.lock_wait.map_or(default.lock_wait, |seconds| Duration::from_secs(seconds.into())),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(args: &[&str]) -> Result<AofCheck, clap::Error> {
        AofCheck::try_parse_from([&["aofcheck"], args].concat())
    }

    #[test]
    fn the_command_is_well_formed() {
        AofCheck::command().debug_assert();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            &["--yes", "dir"][..],
            &["--max-loss", "5", "dir"],
            &["--max-loss", "5", "--undo", "record"],
            &["--fix", "--undo", "record"],
            &["--lock-wait", "5", "dir"],
            &["--timeline", "--fix", "dir"],
            &["--timeline", "--preen", "dir"],
            &["--preen", "--fix", "dir"],
            &["--preen", "--yes", "dir"],
            &["--if-exists", "dir"],
            &["--salvage", "out", "--fix", "dir"],
            &["--salvage", "out", "--yes", "dir"],
            &["--force", "dir"],
            &["--preen", "--undo", "record"],
            &["--fix", "--yes", "--dry-run", "dir"],
            &["--cut-before", "5", "--preen", "dir"],
            &["--cut-before", "5", "--salvage", "out", "dir"],
            &["--leave-out", "5", "dir"],
            &["--leave-out", "5", "--fix", "dir"],
            &["--file", "a.aof", "dir"],
            &["--file", "a.aof", "--salvage", "out", "dir"],
            &["--file", "a.aof", "--undo", "record"],
            &["--fix"],
            &[],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn a_path_names_its_last_part() -> Result<(), clap::Error> {
        let args = parse(&["--fix", "--file", "appendonlydir/a.1.incr.aof", "--truncate-to-timestamp=-1", "dir"])?;
        let options = args.repair.plan_options();
        assert_eq!(options.file.as_deref(), Some(&b"a.1.incr.aof"[..]));
        assert_eq!(options.timestamp, Some(-1));
        Ok(())
    }
}
