//! Proves that last night's dump would load: sound, with a checksum, and with as many keys as it should have.
//!
//!     check_backup dump.rdb 1000

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use redis_persistence::servers::{self, Settings};
use redis_persistence::verify::{self, Checksum, Options, Verdict};

fn main() -> io::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    Ok(if run(&args, &mut io::stdout())? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks the dump of the first argument, which should hold as many keys as the second says. Answers whether it is good.
pub fn run(args: &[String], out: &mut dyn Write) -> io::Result<bool> {
    let [path, least] = args else { return Err(io::Error::other("usage: check_backup FILE KEYS")) };
    let least: u64 = least.parse().map_err(io::Error::other)?;

    let report = verify::file(File::open(path)?, &Options::default())?;
    for finding in &report.findings {
        let key = finding.key.as_deref().unwrap_or_default().escape_ascii();
        writeln!(out, "{} {} at byte {} {key}: {}", finding.severity, finding.code, finding.start, finding.message)?;
    }
    let proven = report.checksum == Some(Checksum::Ok);
    let server: servers::Release = "redis-newest".parse().map_err(io::Error::other)?;
    let loads = servers::judge(&report, server, &Settings::default()).loads;
    let good = report.verdict == Verdict::Sound && proven && report.counts.keys >= least;
    writeln!(
        out,
        "{}: {} keys, checksum proven: {proven}, loads on the newest Redis: {loads}",
        if good { "good" } else { "NOT GOOD" },
        report.counts.keys,
    )?;
    Ok(good)
}
