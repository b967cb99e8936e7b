//! Values that are read from a server one by one, and compared with the records of the file.
//!
//! Records and answers are held in memory, as two RDBs that are compared as files are. So they have a bound together: where more was asked
//! for, every second sample is given up, over the whole file.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use redis_persistence::diff;
use redis_persistence::list::Row;
use redis_persistence::verify::SpillTo;

use super::client::{Client, Reply};
use super::{Outcome, Test};
use crate::escape::quoted;
use crate::units::{commas, number};

/// Keys with larger records are not sampled.
const LARGEST: u64 = 1 << 20;
/// How much all samples may take.
const ALL: u64 = 64 << 20;
/// What a server stores may be larger than the record in the file, which may be compressed: from here on no more is asked for.
const ANSWERS: usize = 64 << 20;
/// How many differences are named.
const NAMED: usize = 5;

/// Keys that are compared one by one.
pub(super) struct Samples {
    asked: u64,
    /// Every key of that number is one.
    step: u64,
    at: u64,
    rows: Vec<Row>,
    /// What they take, with their records.
    bytes: u64,
}

/// Returns what a sample takes: its record is held beside it.
fn taken(row: &Row) -> u64 {
    (size_of::<Row>() + row.name.len()) as u64 + row.bytes
}

impl Samples {
    /// Takes about so many out of all keys.
    pub(super) fn new(asked: u64, keys: u64) -> Self {
        Self { asked, step: (keys / asked.max(1)).max(1), at: 0, rows: Vec::new(), bytes: 0 }
    }

    /// Takes the next key of the file, if it is its turn and it can be compared.
    pub(super) fn take(&mut self, row: Row, until: i64) {
        if self.asked > 0 && self.at.is_multiple_of(self.step) && is_sample(&row, until) {
            self.bytes += taken(&row);
            self.rows.push(row);
            while self.bytes > ALL {
                self.step = self.step.saturating_mul(2);
                let mut even = false;
                self.rows.retain(|_| {
                    even = !even;
                    even
                });
                self.bytes = self.rows.iter().map(taken).sum();
            }
        }
        self.at += 1;
    }

    /// Has values dumped, and compares them with the records of the file.
    pub(super) fn compared(
        &self,
        client: &mut Client,
        records: &File,
        threads: Option<NonZero<usize>>,
    ) -> io::Result<Test> {
        let test = |outcome| Ok(Test { name: "sampled values", outcome });
        if self.rows.is_empty() {
            let why = if self.asked == 0 { "none were asked for" } else { "no key is fit for it" };
            return test(Outcome::Untested(why.to_owned()));
        }
        let mut file = vec![0; 9];
        records.read_exact_at(&mut file, 0)?;
        // The header is known in the end: by then the server has said which version it writes.
        let (mut server, mut version) = (vec![0; 9], 0);
        let mut wrong = Vec::new();
        let mut count = 0;
        for row in &self.rows {
            if server.len() > ANSWERS {
                break;
            }
            count += 1;
            select(&mut file, row.db);
            let at = file.len();
            file.resize(at + usize::try_from(row.bytes).map_err(io::Error::other)?, 0);
            records.read_exact_at(&mut file[at..], row.start)?;
            client.run(&["SELECT", &row.db.to_string()])?;
            if let Err(why) = dump(client, row, &mut server, &mut version) {
                if client.has_failed() {
                    return Err(why);
                }
                wrong.push(format!("db {} {}: {why}", row.db, quoted(&row.name)));
            }
        }
        let header = if version >= 80 { format!("VALKEY{version:03}") } else { format!("REDIS{version:04}") };
        server.splice(..9, header.into_bytes());
        if wrong.is_empty() {
            let options = diff::Options { threads, ..diff::Options::new(SpillTo::new(tempfile::tempfile)) };
            let (file, server) = (whole(file), whole(server));
            let open = |of: &Arc<[u8]>| -> io::Result<Box<dyn Read>> { Ok(Box::new(Cursor::new(Arc::clone(of)))) };
            let result = diff::readers(&mut || open(&file), &mut || open(&server), &options, &mut |change| {
                wrong.push(format!("db {} {}: another value", change.db, quoted(&change.name)));
                Ok(())
            });
            if let Err(error) = result {
                return test(Outcome::Untested(format!("what DUMP answered could not be read: {error}")));
            }
        }
        test(if wrong.is_empty() {
            Outcome::Held(format!("{} read, dumped, and equal to those of the file", number(count, "value")))
        } else {
            let named: Vec<_> = wrong.iter().take(NAMED).cloned().collect();
            let (differ, of) = (commas(wrong.len() as u64), commas(count));
            Outcome::Failed(format!("{differ} of {of} differ: {}", named.join("; ")))
        })
    }
}

/// Returns an RDB with its end. A checksum of zeros is one that is switched off.
fn whole(mut records: Vec<u8>) -> Arc<[u8]> {
    records.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    records.into()
}

/// Returns whether a key can be compared by itself.
fn is_sample(row: &Row, until: i64) -> bool {
    // Who is about to expire may be gone before it is read; a hash by reference to a template cannot be read alone.
    let lasts = row.expires_ms.is_none_or(|ms| ms == -1 || ms > until.saturating_add(600_000));
    let of = row.value_type;
    let alone = !of.has_field_expiries() && !of.encoding_name().starts_with("hash-template");
    // A module may store what it holds in another way each time, as vector sets do with their graph.
    lasts && row.bytes <= LARGEST && alone && row.module.is_none() && of.type_name() != "module"
}

fn select(to: &mut Vec<u8>, db: u64) {
    to.extend([0xfe, 0x81]);
    to.extend(db.to_be_bytes());
}

/// Reads a key in full, and adds what DUMP answers to an RDB.
fn dump(client: &mut Client, row: &Row, to: &mut Vec<u8>, version: &mut u16) -> io::Result<()> {
    let name = row.name.as_slice();
    let reads: &[&[u8]] = match row.value_type.type_name() {
        "string" => &[b"GET", b"."],
        "list" => &[b"LRANGE", b".", b"0", b"-1"],
        "set" => &[b"SMEMBERS", b"."],
        "zset" => &[b"ZRANGE", b".", b"0", b"-1", b"WITHSCORES"],
        "hash" => &[b"HGETALL", b"."],
        "stream" => &[b"XRANGE", b".", b"-", b"+"],
        _ => &[b"TYPE", b"."],
    };
    let command: Vec<&[u8]> = reads.iter().map(|word| if *word == b"." { name } else { word }).collect();
    client.run(&command)?;
    let Reply::Bytes(dump) = client.run(&[b"DUMP", name])? else {
        return Err(io::Error::other("it is not there"));
    };
    let Some((body, tail)) = dump.split_last_chunk::<10>().filter(|(body, _)| !body.is_empty()) else {
        return Err(io::Error::other("DUMP is answered with nothing"));
    };
    *version = (*version).max(u16::from_le_bytes([tail[0], tail[1]]));
    select(to, row.db);
    // Before 7.0 a server only says how long a key still has; then the expiry of the file stands for it, if there is one at all.
    let expires = match client.command(&[b"PEXPIRETIME", name])? {
        Reply::Integer(at) => Some(at).filter(|at| *at >= 0),
        _ => match client.run(&[b"PTTL", name])?.integer() {
            Some(left) if left >= 0 => Some(row.expires_ms.unwrap_or(left)),
            _ => None,
        },
    };
    if let Some(at) = expires {
        to.push(0xfc);
        to.extend(at.to_le_bytes());
    }
    to.push(body[0]);
    to.push(0x80);
    to.extend(u32::try_from(name.len()).map_err(io::Error::other)?.to_be_bytes());
    to.extend(name);
    to.extend(&body[1..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use redis_persistence::list;

    use super::*;

    /// Samples of an RDB of so many strings of one size.
    fn of(keys: u32, size: usize, asked: u64) -> Result<Samples, Box<dyn std::error::Error>> {
        let mut bytes = b"REDIS0009\xfe\x00".to_vec();
        for n in 0..keys {
            bytes.extend([0, 4]);
            bytes.extend(n.to_be_bytes());
            bytes.push(0x80);
            bytes.extend(u32::try_from(size)?.to_be_bytes());
            bytes.resize(bytes.len() + size, b'x');
        }
        let rdb = whole(bytes);
        let mut samples = Samples::new(asked, u64::from(keys));
        list::each(Cursor::new(rdb), &list::Options::default(), &mut |row| {
            samples.take(row, 0);
            Ok(())
        })?;
        Ok(samples)
    }

    #[test]
    fn as_many_as_were_asked_for_within_bounds() -> Result<(), Box<dyn std::error::Error>> {
        for (asked, expected) in [(0, 0), (10, 10), (1_000, 100), (u64::MAX, 100)] {
            assert_eq!(of(100, 10, asked)?.rows.len(), expected, "{asked}");
        }
        let much = of(100, 900_000, 1_000)?;
        assert!(much.bytes <= ALL && much.bytes > ALL / 4, "{}", much.bytes);
        assert_eq!(much.bytes, much.rows.iter().map(taken).sum::<u64>());
        // They are of the whole file.
        let last = much.rows.last().ok_or("a sample")?;
        assert!(last.start > 95 * 900_000, "{}", last.start);
        Ok(())
    }
}
