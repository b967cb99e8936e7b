//! One pass over an RDB, for comparisons of whole processes: `pass read FILE` reads and sums, which nothing that
//! verifies can undercut; `pass verify FILE [threads [on|off]]` verifies, with or without the search for duplicates.

use std::io::Read;
use std::process::ExitCode;

use redis_persistence::crc64::Crc64;
use redis_persistence::verify::{self, Duplicates, Options, Verdict};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["read", path] => read(path),
        ["verify", path, ref rest @ ..] => verify_file(path, rest),
        _ => Err("usage: pass read FILE | pass verify FILE [threads [on|off]]".into()),
    };
    match result {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<String, Box<dyn std::error::Error>>;

/// Blocks of the size that the verifier reads. The checksum over a sound file with its trailer is 0.
fn read(path: &str) -> Outcome {
    let mut file = std::fs::File::open(path)?;
    let mut block = vec![0; 1 << 20];
    let mut crc = Crc64::new();
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(format!("{:016x}", crc.value()));
        }
        crc.update(&block[..n]);
    }
}

fn verify_file(path: &str, rest: &[&str]) -> Outcome {
    let duplicates = if rest.get(1) == Some(&"off") { Duplicates::Off } else { Duplicates::On };
    let threads = rest.first().and_then(|threads| threads.parse().ok());
    let options = Options { duplicates, threads, ..Options::default() };
    let report = verify::file(std::fs::File::open(path)?, &options)?;
    match report.verdict {
        Verdict::Sound => Ok(format!("sound, {} keys", report.counts.keys)),
        other => Err(format!("{other:?}").into()),
    }
}
