//! The options of `rdbcheck --salvage`.

use std::path::PathBuf;

use clap::Args;
use redis_persistence::repair::rdb::salvage::Without;

/// What `rdbcheck` takes besides files to check.
#[derive(Debug, Args)]
pub struct Salvage {
    /// Write what can be saved of a damaged RDB to OUT, and report what is lost
    #[arg(long, help_heading = "Salvage", value_name = "OUT")]
    pub salvage: Option<PathBuf>,
    /// Also save the intact part of damaged collections: such keys are named, and are not what they were
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub partial: bool,
    /// Write RESTORE commands for a live server instead of an RDB; OUT may be a pipe then, and - is standard output
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub resp: bool,
    /// Leave out what a server cannot load: modules, functions, vector-sets; it is named
    #[arg(long, help_heading = "Salvage", value_name = "KIND", value_delimiter = ',', requires = "salvage")]
    pub without: Vec<Without>,
    /// Write nothing if more than N keys would be lost, or if how many is not known
    #[arg(long, help_heading = "Salvage", value_name = "KEYS", requires = "salvage")]
    pub max_loss: Option<u64>,
    /// Write nothing unless the checksum of the file proves what is written
    #[arg(long, help_heading = "Salvage", requires = "salvage", conflicts_with = "partial")]
    pub proven: bool,
    /// Replace OUT if it exists
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub force: bool,
    /// Write nothing: report what would be lost
    #[arg(long, help_heading = "Salvage", requires = "salvage")]
    pub dry_run: bool,
}
