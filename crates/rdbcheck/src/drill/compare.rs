//! What a server holds, against what the file holds.
//!
//! A server drops keys that are expired while it loads an RDB, and others later. So time is looked at before the start and behind the
//! last count: what expired before the first is not expected, and what expired between both may be there or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _};
use std::num::NonZero;

use redis_persistence::ReadError;
use redis_persistence::digest::{self, Digests};
use redis_persistence::list;
use redis_persistence::select::Selection;

use super::client::{Client, Reply};
use super::samples::Samples;
use super::settings::Release;
use super::{Outcome, Test};
use crate::units::{commas, number};

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
        let mut samples = Samples::new(self.samples, self.keys);
        let mut fields_expire = 0;
        let options = list::Options { threads: self.threads, ..list::Options::default() };
        list::each(self.whole()?, &options, &mut |row| {
            let of: &mut Counted = found.databases.entry(row.db).or_default();
            of.all += 1;
            let expires = row.expires_ms.filter(|ms| *ms != -1);
            of.expired += u64::from(expires.is_some_and(|ms| ms < self.started));
            of.expiring += u64::from(expires.is_some_and(|ms| (self.started..=until).contains(&ms)));
            fields_expire += u64::from(row.value_type.has_field_expiries());
            samples.take(row, until);
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
        found.tests.push(samples.compared(client, self.file, self.threads)?);
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
