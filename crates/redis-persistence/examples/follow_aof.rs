//! Follows an append-only file, as `tail -f` does, and prints its commands.
//!
//!     follow_aof appendonly.aof.1.incr.aof

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use redis_persistence::aof::{Grammar, Parser, Record, Step};

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: follow_aof FILE"))?;
    run(&mut File::open(path)?, &mut io::stdout(), || {
        thread::sleep(Duration::from_millis(200));
        true
    })
}

/// Prints what comes of a file. At its end `wait` waits for more, or says that it was enough.
pub fn run(file: &mut dyn Read, out: &mut dyn Write, mut wait: impl FnMut() -> bool) -> io::Result<()> {
    let mut parser = Parser::new(Grammar::Strict);
    let mut bytes = Vec::new();
    loop {
        // The file goes on: its present end means nothing to the parser.
        match parser.step(&bytes, false).map_err(io::Error::other)? {
            Step::Record { consumed } => {
                if let Some(Record::Command(command)) = parser.record(&bytes[..consumed]) {
                    let args = command.args().map(|arg| arg.whole().unwrap_or(b"...").escape_ascii().to_string());
                    writeln!(out, "{:>12}  {}", command.start(), args.collect::<Vec<_>>().join(" "))?;
                }
                bytes.drain(..consumed);
            }
            Step::Need { consumed, .. } | Step::Skip { consumed, .. } => {
                bytes.drain(..consumed);
                let mut block = [0; 8192];
                match file.read(&mut block)? {
                    0 if !wait() => return Ok(()),
                    n => bytes.extend_from_slice(&block[..n]),
                }
            }
            _ => return Ok(()),
        }
    }
}
