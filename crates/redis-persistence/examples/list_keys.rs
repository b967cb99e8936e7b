//! Lists the keys of a dump as JSON lines: database, name, type, encoding, bytes in the file, expiry.
//!
//!     list_keys dump.rdb | jq -s 'group_by(.type)'

use std::fs::File;
use std::io::{self, BufWriter, Write};

use redis_persistence::rdb::{Body, Payload};
use redis_persistence::reader::Reader;
use serde_json::json;

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: list_keys FILE"))?;
    run(&path, &mut BufWriter::new(io::stdout().lock()))
}

/// Writes one line for each key of a dump.
pub fn run(path: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut reader = Reader::new(File::open(path)?);
    let mut db = 0;
    let mut line = None;
    // Values are passed over: nothing is decoded that is not asked for.
    while let Some(event) = reader.next().map_err(io::Error::other)? {
        match &event.payload {
            Payload::SelectDb { db: number } => db = *number,
            Payload::Record(record) => {
                // The name of a key can be longer than what is held at once; its text comes in pieces then.
                let name = match record.key.body {
                    Body::Long { stored, .. } => format!("({stored} bytes)"),
                    _ => String::from_utf8_lossy(&record.key.decode().map_err(io::Error::other)?).into_owned(),
                };
                line = Some(json!({
                    "db": db,
                    "key": name,
                    "type": record.value_type.type_name(),
                    "encoding": record.value_type.encoding_name(),
                    "start": event.start,
                    "expires_ms": record.attributes.expire.map(|expire| expire.ms),
                }));
            }
            _ => {}
        }
        if event.ends_record
            && let Some(mut line) = line.take()
        {
            line["bytes"] = json!(event.end - line["start"].as_u64().unwrap_or(event.end));
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
