//! Lists the keys of a dump as JSON lines: database, name, type, encoding, bytes in the file, expiry.
//!
//!     list_keys dump.rdb | jq -s 'group_by(.type)'

use std::fs::File;
use std::io::{self, BufWriter, Write};

use redis_persistence::list::{self, Options};
use serde_json::json;

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: list_keys FILE"))?;
    run(&path, &mut BufWriter::new(io::stdout().lock()))
}

/// Writes one line for each key of a dump.
pub fn run(path: &str, out: &mut dyn Write) -> io::Result<()> {
    // With `values: true` each row has its value too; `selection` chooses keys.
    let listed = list::each(File::open(path)?, &Options::default(), &mut |row| {
        let line = json!({
            "db": row.db,
            "key": String::from_utf8_lossy(&row.name),
            "type": row.type_name(),
            "encoding": row.value_type.encoding_name(),
            "start": row.start,
            "expires_ms": row.expires_ms,
            "bytes": row.bytes,
        });
        writeln!(out, "{line}")
    });
    listed.map_err(io::Error::other)?;
    out.flush()
}
