//! Repairs an append-only file or a set of them: shows the plan, applies it, and says how to go back.
//!
//!     repair_aof appendonlydir --apply

use std::io::{self, Write};

use redis_persistence::aof::dir;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::repair::{ApplyOptions, apply};

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    run(&args, &mut io::stdout())
}

/// Plans the repair of the path of the first argument, and applies it if the second says so.
pub fn run(args: &[String], out: &mut dyn Write) -> io::Result<()> {
    let [path, rest @ ..] = args else { return Err(io::Error::other("usage: repair_aof PATH [--apply]")) };
    let set = dir::find_on_disk(path.as_ref())?;
    // Making a plan writes nothing.
    let plan = plan(&set, &FixOptions { max_loss: Some(1 << 20), ..FixOptions::default() })?;
    for line in plan.describe() {
        writeln!(out, "{line}")?;
    }
    if plan.is_empty() || !rest.contains(&"--apply".to_owned()) {
        return Ok(());
    }
    if !plan.may_be_applied_unasked() {
        return Err(io::Error::other("the plan is not enough, or takes too much: nothing was changed"));
    }
    // What is taken away is saved first, and a record is written from which `repair::undo` restores each byte.
    let applied = apply(&plan, &ApplyOptions::default(), &mut |_| ()).map_err(io::Error::other)?;
    writeln!(out, "done; to go back: {}", applied.record.display())
}
