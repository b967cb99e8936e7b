//! Copies the keys that begin with a prefix to a new dump, values as they stand, without decoding one.
//!
//!     copy_subset dump.rdb users.rdb user:

use std::fs::File;
use std::io;

use redis_persistence::rdb::{Payload, Writer};
use redis_persistence::reader::Reader;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    println!("{} keys copied", run(&args)?);
    Ok(())
}

/// Copies from the first argument to the second what begins with the third. Answers how many keys that were.
pub fn run(args: &[String]) -> io::Result<u64> {
    let [from, to, prefix] = args else { return Err(io::Error::other("usage: copy_subset FROM TO PREFIX")) };
    let mut reader = Reader::new(File::open(from)?);
    let mut out = None;
    let (mut copying, mut copied) = (false, 0);
    while let Some(event) = reader.next().map_err(io::Error::other)? {
        let writer = match (&mut out, &event.payload) {
            (None, Payload::Header(header)) => {
                let file = File::options().write(true).create_new(true).open(to)?;
                out = Some(Writer::new(file, header.family, header.version)?);
                continue;
            }
            (Some(writer), _) => writer,
            (None, _) => continue,
        };
        match &event.payload {
            // What is true of the old file only, such as its number of keys, is left out; the rest belongs to the keys.
            Payload::Aux { .. } | Payload::ResizeDb { .. } | Payload::SlotInfo { .. } => continue,
            Payload::SelectDb { db } => writer.select_db(*db)?,
            Payload::Record(record) => {
                copying = record.key.decode().map_err(io::Error::other)?.starts_with(prefix.as_bytes());
                copied += u64::from(copying);
            }
            _ => {}
        }
        if copying {
            writer.event(&event)?;
            copying = !event.ends_record;
        }
    }
    out.ok_or_else(|| io::Error::other("the dump is empty"))?.finish()?.sync_all()?;
    Ok(copied)
}
