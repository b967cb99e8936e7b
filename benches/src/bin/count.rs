//! For counts of instructions: `count make SET` writes a set of data to standard output, `count verify SET FILE` verifies it as the
//! commands do, but on one thread and under one key of hashes, so that two runs do the same.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;

use benches::counted::{SETS, Set};
use redis_persistence::verify::{self, Duplicates, Options, Report, Verdict};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let set = |name: &str| SETS.iter().find(|set| set.name == name).ok_or_else(|| io::Error::other("no such set"));
    let result = match arguments[..] {
        ["make", name] => set(name).and_then(|set| io::stdout().lock().write_all(&(set.make)())),
        ["verify", name, path] => set(name).and_then(|set| verify_set(set, path.as_ref())),
        _ => Err(io::Error::other("usage: count make SET >FILE | count verify SET FILE")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn verify_set(set: &Set, path: &Path) -> io::Result<()> {
    let duplicates = if set.duplicates { Duplicates::On } else { Duplicates::Off };
    let options = Options { threads: NonZero::new(1), hash_key: Some(1), duplicates, ..Options::default() };
    let report = counted(set, path, &options)?;
    println!("{} keys, {} findings", report.counts.keys, report.findings_total);
    if report.verdict == Verdict::Sound { Ok(()) } else { Err(io::Error::other("the set is not sound")) }
}

/// What is counted: nothing outside of it.
#[inline(never)]
fn counted(set: &Set, path: &Path, options: &Options) -> io::Result<Report> {
    if set.records { verify::aof_path(path, options) } else { verify::file_at(&File::open(path)?, options) }
}
