//! What a server holds, against what the file holds.
//!
//! A server drops keys that are expired while it loads an RDB, and others later. So time is looked at before the start and behind the
//! last count: what expired before the first is not expected, and what expired between both may be there or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;

use redis_persistence::digest::{self, Digests};
use redis_persistence::list::{self, Row};
use redis_persistence::select::Selection;
use redis_persistence::verify::SpillTo;
use redis_persistence::{ReadError, diff};

use super::client::{Client, Reply};
use super::settings::Release;
use super::{Outcome, Test};
use crate::escape::quoted;
use crate::units::{commas, number};

/// Keys with larger records are not sampled: their values would have to be held.
const LARGEST: u64 = 1 << 20;
/// How many differences are named.
const NAMED: usize = 5;

/// How many keys of a database the file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// All.
    pub(crate) all: u64,
    /// Those that were expired before the server was started.
    pub(crate) expired: u64,
    /// Those that expired while it ran.
    pub(crate) expiring: u64,
    /// Those that the server has.
    pub(crate) server: u64,
}

/// What is compared.
pub(crate) struct Compared<'a> {
    pub(crate) file: &'a File,
    pub(crate) release: &'a Release,
    /// When the server was started, in milliseconds since the epoch.
    pub(crate) started: i64,
    pub(crate) samples: u64,
    pub(crate) keys: u64,
    pub(crate) functions: u64,
    pub(crate) threads: Option<NonZero<usize>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) databases: BTreeMap<u64, Counted>,
    /// What DEBUG DIGEST printed.
    pub(crate) debug_digest: Option<String>,
    pub(crate) tests: Vec<Test>,
}

/// Returns how many keys each database of a server has.
pub(crate) fn databases(client: &mut Client) -> io::Result<BTreeMap<u64, u64>> {
    let mut counts = BTreeMap::new();
    for name in client.info("keyspace")?.into_keys() {
        let Some(db) = name.strip_prefix("db").and_then(|db| db.parse::<u64>().ok()) else { continue };
        client.run(&["SELECT", &db.to_string()])?;
        let count = client.run(&["DBSIZE"])?.integer().and_then(|n| u64::try_from(n).ok());
        counts.insert(db, count.ok_or_else(|| io::Error::other("DBSIZE is answered with no number"))?);
    }
    Ok(counts)
}

/// Returns what DEBUG DIGEST prints, or why it is not known.
pub(crate) fn debug_digest(client: &mut Client) -> io::Result<Result<String, String>> {
    Ok(match client.command(&["DEBUG", "DIGEST"])? {
        Reply::Error(why) => Err(format!("the server does not answer DEBUG DIGEST: {why}")),
        reply => match reply.text() {
            Some(digest) if digest.len() == 40 => Ok(digest.to_owned()),
            _ => Err("DEBUG DIGEST is answered with no digest".to_owned()),
        },
    })
}

impl Compared<'_> {
    /// Compares everything.
    pub(crate) fn run(&self, client: &mut Client) -> Result<Comparison, ReadError> {
        // From here on nothing expires by itself, where that can be asked for.
        let _ = client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        let server = databases(client)?;
        let debug = debug_digest(client)?;
        let until = crate::units::now_ms();
        let mut found = Comparison { debug_digest: debug.as_ref().ok().cloned(), ..Comparison::default() };
        let mut samples = Vec::new();
        let mut fields_expire = 0;
        let step = (self.keys / self.samples.max(1)).max(1);
        let mut at = 0;
        let options = list::Options { threads: self.threads, ..list::Options::default() };
        list::each(self.whole()?, &options, &mut |row| {
            let of: &mut Counted = found.databases.entry(row.db).or_default();
            of.all += 1;
            let expires = row.expires_ms.filter(|ms| *ms != -1);
            of.expired += u64::from(expires.is_some_and(|ms| ms < self.started));
            of.expiring += u64::from(expires.is_some_and(|ms| (self.started..=until).contains(&ms)));
            fields_expire += u64::from(row.value_type.has_field_expiries());
            if self.samples > 0 && at % step == 0 && is_sample(&row, until) {
                samples.push(row);
            }
            at += 1;
            Ok(())
        })?;
        for (db, count) in &server {
            found.databases.entry(*db).or_default().server = *count;
        }
        found.tests.push(counts(&found.databases));
        if self.functions > 0 {
            found.tests.push(functions(client, self.functions)?);
        }
        found.tests.push(self.digest(debug, &found.databases, until, fields_expire)?);
        found.tests.push(self.sampled(client, &samples)?);
        Ok(found)
    }

    /// Returns the file, from its start.
    fn whole(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    fn digests(&self, at: i64) -> Result<Digests, ReadError> {
        let selection = Selection { expired_before: Some(at), ..Selection::default() };
        let options = digest::Options { selection, threads: self.threads, ..digest::Options::default() };
        digest::reader(self.whole()?, &options)
    }

    fn digest(
        &self,
        server: Result<String, String>,
        databases: &BTreeMap<u64, Counted>,
        until: i64,
        fields_expire: u64,
    ) -> Result<Test, ReadError> {
        const NAME: &str = "DEBUG DIGEST";
        let test = |outcome| Ok(Test { name: NAME, outcome });
        let server = match server {
            Ok(digest) => digest,
            Err(why) => return test(Outcome::Untested(why)),
        };
        let mine = |digests: &Digests| {
            let of = if self.release.has_old_digest() { digests.debug_digest_old } else { digests.debug_digest };
            of.map(|digest| digest.to_string())
        };
        let digests = self.digests(self.started)?;
        let Some(own) = mine(&digests) else {
            let types: Vec<_> = digests.undigested.keys().map(String::as_str).collect();
            let why = format!("a server digests values of these types in a way of its own: {}", types.join(", "));
            return test(Outcome::Untested(why));
        };
        let expiring: u64 = databases.values().map(|of| of.expiring).sum();
        if own == server {
            return test(Outcome::Held(format!("that of the file, {server}")));
        }
        if expiring > 0 {
            if mine(&self.digests(until + 1)?).as_ref() == Some(&server) {
                return test(Outcome::Held(format!("that of the file without what expired meanwhile, {server}")));
            }
            let why = format!("{} expired while the server ran", number(expiring, "key"));
            return test(Outcome::Untested(why));
        }
        if fields_expire > 0 {
            let why = format!("{} with fields that expire, and the digests differ", number(fields_expire, "hash"));
            return test(Outcome::Untested(why.replace("hashs", "hashes")));
        }
        test(Outcome::Failed(format!("{server}, and of the file {own}")))
    }

    /// Has values dumped, and compares them with the records of the file.
    fn sampled(&self, client: &mut Client, rows: &[Row]) -> Result<Test, ReadError> {
        const NAME: &str = "sampled values";
        if rows.is_empty() {
            let why = if self.samples == 0 { "none were asked for" } else { "no key is fit for it" };
            return Ok(Test { name: NAME, outcome: Outcome::Untested(why.to_owned()) });
        }
        let mut head = vec![0; 9];
        self.whole()?.read_exact(&mut head)?;
        let (mut file, mut server, mut version) = (head, Vec::new(), 0);
        let mut wrong = Vec::new();
        for row in rows {
            select(&mut file, row.db);
            let at = file.len();
            file.resize(at + usize::try_from(row.bytes).map_err(io::Error::other)?, 0);
            self.file.read_exact_at(&mut file[at..], row.start)?;
            client.run(&["SELECT", &row.db.to_string()])?;
            if let Err(why) = dump(client, row, &mut server, &mut version) {
                wrong.push(format!("db {} {}: {why}", row.db, quoted(&row.name)));
            }
        }
        let header = if version >= 80 { format!("VALKEY{version:03}") } else { format!("REDIS{version:04}") };
        let mut server = [header.into_bytes(), server].concat();
        // A checksum of zeros is one that is switched off.
        for mini in [&mut file, &mut server] {
            mini.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        if wrong.is_empty() {
            let options =
                diff::Options { threads: self.threads, ..diff::Options::new(SpillTo::new(tempfile::tempfile)) };
            let open =
                |bytes: &Vec<u8>| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(io::Cursor::new(bytes.clone()))) };
            let result = diff::readers(&mut || open(&file), &mut || open(&server), &options, &mut |change| {
                wrong.push(format!("db {} {}: another value", change.db, quoted(&change.name)));
                Ok(())
            });
            if let Err(error) = result {
                let why = format!("what DUMP answered could not be read: {error}");
                return Ok(Test { name: NAME, outcome: Outcome::Untested(why) });
            }
        }
        let outcome = if wrong.is_empty() {
            Outcome::Held(format!(
                "{} read, dumped, and equal to those of the file",
                number(rows.len() as u64, "value")
            ))
        } else {
            let named: Vec<_> = wrong.iter().take(NAMED).cloned().collect();
            Outcome::Failed(format!(
                "{} of {} differ: {}",
                commas(wrong.len() as u64),
                commas(rows.len() as u64),
                named.join("; ")
            ))
        };
        Ok(Test { name: NAME, outcome })
    }
}

/// Holds the number of function libraries against that of the file.
fn functions(client: &mut Client, expected: u64) -> io::Result<Test> {
    let outcome = match client.command(&["FUNCTION", "LIST"])? {
        Reply::Array(libraries) if libraries.len() as u64 == expected => Outcome::Held(commas(expected)),
        Reply::Array(libraries) => {
            let found = commas(libraries.len() as u64);
            Outcome::Failed(format!("the server has {found}, and the file {}", commas(expected)))
        }
        other => Outcome::Untested(format!("FUNCTION LIST is answered with {}", other.text().unwrap_or("an error"))),
    };
    Ok(Test { name: "function libraries", outcome })
}

/// Holds the counts of the server against those of the file.
fn counts(databases: &BTreeMap<u64, Counted>) -> Test {
    let mut wrong = Vec::new();
    for (db, of) in databases {
        let most = of.all - of.expired;
        let expected = most - of.expiring..=most;
        if !expected.contains(&of.server) {
            let range = match of.expiring {
                0 => commas(most),
                _ => format!("{} to {}", commas(*expected.start()), commas(most)),
            };
            wrong.push(format!("db {db} has {}, where the file has {range}", number(of.server, "key")));
        }
    }
    let sum = |count: fn(&Counted) -> u64| databases.values().map(count).sum::<u64>();
    let (all, expired, expiring) = (sum(|of| of.server), sum(|of| of.expired), sum(|of| of.expiring));
    let mut text = format!("{} in {}, as in the file", number(all, "key"), number(databases.len() as u64, "database"));
    if expired > 0 {
        text.push_str(&format!(" without {} that had expired", number(expired, "key")));
    }
    if expiring > 0 {
        text.push_str(&format!("; {} expired while the server ran, and may be there or not", number(expiring, "key")));
    }
    let outcome = if wrong.is_empty() { Outcome::Held(text) } else { Outcome::Failed(wrong.join("; ")) };
    Test { name: "keys of each database", outcome }
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
