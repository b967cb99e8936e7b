//! Runs one target on files: `cargo run -p fuzz-bodies --example one -- TARGET FILE...`, without libFuzzer.

use std::fs;
use std::io;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let target = fuzz_bodies::TARGETS.iter().find(|(name, _)| *name == wanted);
    let (_, body) = target.ok_or_else(|| io::Error::other("no target of that name"))?;
    for path in arguments {
        body(&fs::read(&path)?);
        println!("{path}: fine");
    }
    Ok(())
}
