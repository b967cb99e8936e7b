//! Finds the keys that take the most bytes in a dump.
//!
//!     biggest_keys dump.rdb 10

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Write};

use redis_persistence::rdb::Payload;
use redis_persistence::reader::Reader;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    run(&args, &mut io::stdout())
}

/// Prints the largest keys of the dump of the first argument, as many as the second says.
pub fn run(args: &[String], out: &mut dyn Write) -> io::Result<()> {
    let [path, most] = args else { return Err(io::Error::other("usage: biggest_keys FILE N")) };
    let most: usize = most.parse().map_err(io::Error::other)?;

    let mut reader = Reader::new(File::open(path)?);
    let mut largest = BinaryHeap::new();
    let (mut db, mut key) = (0, None);
    while let Some(event) = reader.next().map_err(io::Error::other)? {
        match &event.payload {
            Payload::SelectDb { db: number } => db = *number,
            Payload::Record(record) => {
                key =
                    Some((event.start, record.value_type, record.key.decode().map_err(io::Error::other)?.into_owned()));
            }
            _ => {}
        }
        if event.ends_record
            && let Some((start, value_type, name)) = key.take()
        {
            // The smallest of those kept lies on top.
            largest.push(Reverse((event.end - start, db, name, value_type.type_name())));
            if largest.len() > most {
                largest.pop();
            }
        }
    }
    for Reverse((bytes, db, name, type_name)) in largest.into_sorted_vec() {
        writeln!(out, "{bytes:>12}  db {db}  {type_name:<8} {}", name.escape_ascii())?;
    }
    Ok(())
}
