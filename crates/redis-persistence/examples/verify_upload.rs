//! Verifies an upload while it arrives, chunk by chunk, in memory that does not depend on its size.
//!
//!     curl ... | verify_upload

use std::io::{self, Read, Write};

use redis_persistence::verify::{Options, Push, Verdict};

fn main() -> io::Result<()> {
    let sound = run(&mut io::stdin().lock(), &mut io::stdout())?;
    if sound { Ok(()) } else { Err(io::Error::other("the upload is not sound")) }
}

/// Reads the upload to its end. Answers whether it is a sound RDB.
pub fn run(upload: &mut dyn Read, out: &mut dyn Write) -> io::Result<bool> {
    let mut push = Push::new(&Options::default());
    let mut chunk = vec![0; 64 << 10];
    loop {
        match upload.read(&mut chunk)? {
            0 => break,
            // Here the chunk would also be stored, hashed, or passed on.
            n => push.feed(&chunk[..n]),
        }
    }
    let report = push.finish();
    writeln!(out, "{}: {} keys in {} bytes", report.verdict.as_str(), report.counts.keys, report.size)?;
    Ok(report.verdict == Verdict::Sound)
}
