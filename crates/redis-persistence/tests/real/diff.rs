//! Servers as witnesses: the keys that differ between two files are those that differ between the servers that wrote them, asked key by
//! key for type, expiry and `DEBUG DIGEST-VALUE`.
//!
//! `DIFF_PAIRS` is the number of pairs for each product, 1 without it; `DIFF_SEED` takes others.

use crate::servers;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Cursor};

use redis_persistence::diff::{self, Change, Options};
use redis_persistence::verify::SpillTo;
use servers::number;
use testkit::dataset;
use testkit::on_each_product;
use testkit::rng::Rng;
use testkit::server::{Product, Reply, Server, require};

type TestResult = Result<(), Box<dyn Error>>;

on_each_product! {
    differences_are_those_of_servers:
    redis_70 Redis70;
    redis_74 Redis74;
    redis_82 Redis82;
    redis_86 Redis86;
    valkey_81 Valkey81;
    valkey_91 Valkey91;
}

/// What a server says of a key: its type, its expiry, the digest of its value.
type Said = (String, i64, String);

/// All keys of a server, by database and name.
fn asked(server: &mut Server) -> io::Result<BTreeMap<(u64, Vec<u8>), Said>> {
    let mut all = BTreeMap::new();
    for db in server.databases()?.into_keys() {
        for name in server.names(db)? {
            let kind = server.run(&[&b"TYPE"[..], &name])?.text().unwrap_or_default().to_owned();
            let expires = server.run(&[&b"PEXPIRETIME"[..], &name])?.integer().unwrap_or_default();
            let digest = server.run(&[&b"DEBUG"[..], b"DIGEST-VALUE", &name])?;
            let digest = digest.array().and_then(|all| all.first()?.text()).unwrap_or_default().to_owned();
            all.insert((u64::from(db), name), (kind, expires, digest));
        }
    }
    Ok(all)
}

/// Changes some keys in one of many ways, and makes new ones.
fn change(server: &mut Server, rng: &mut Rng) -> io::Result<()> {
    for db in server.databases()?.into_keys() {
        for name in server.names(db)? {
            if !rng.chance(12) {
                continue;
            }
            let number = rng.below(1000).to_string();
            let number = number.as_bytes();
            let kind = server.run(&[&b"TYPE"[..], &name])?.text().unwrap_or_default().to_owned();
            let moved = [&name[..], b":moved"].concat();
            let command: Vec<&[u8]> = match (rng.below(6), kind.as_str()) {
                (0, _) => vec![b"DEL", &name],
                (1, _) => vec![b"PEXPIREAT", &name, b"4102444800123"],
                (2, _) => vec![b"RENAME", &name, &moved],
                (3, _) => vec![b"SET", &name, number],
                (_, "string") => vec![b"APPEND", &name, b"x"],
                (_, "list") => vec![b"RPUSH", &name, number],
                (_, "set") => vec![b"SADD", &name, b"a new member"],
                (_, "zset") => vec![b"ZADD", &name, number, b"a new member"],
                (_, "hash") => vec![b"HSET", &name, b"a new field", number],
                (_, "stream") => vec![b"XADD", &name, b"*", b"field", number],
                _ => vec![b"PERSIST", &name],
            };
            // A stream may be at its last number, which is no matter.
            server.command(&command)?;
        }
        for n in 0..rng.below(4) {
            server.run(&["SET", &format!("new:{n}"), "value"])?;
        }
    }
    Ok(())
}

fn differences_are_those_of_servers(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let (mut differences, mut kinds) = (0, [0; 3]);
    let from = number("DIFF_SEED", 0);
    for seed in from..from + number("DIFF_PAIRS", 1) {
        let folder = tempfile::tempdir()?;
        let mut rng = Rng::new(seed * 100 + product as u64);
        let mut server = Server::start(&installed, folder.path(), &["--enable-debug-command", "yes"])?;
        // What expires meanwhile is no difference of this test.
        server.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        dataset::random(&mut server, &mut rng)?;
        let mut sides = Vec::new();
        for _ in 0..2 {
            let before = asked(&mut server)?;
            server.save()?;
            sides.push((before, fs::read(folder.path().join("dump.rdb"))?));
            change(&mut server, &mut rng)?;
        }
        if let Reply::Error(why) = server.command(&["PING"])? {
            return Err(why.into());
        }
        server.kill()?;
        let [(one, first), (two, second)] = &sides[..] else { return Err("two sides".into()) };
        let names = one.keys().chain(two.keys().filter(|name| !one.contains_key(*name)));
        let mut expected: Vec<_> = names.filter(|name| one.get(*name) != two.get(*name)).cloned().collect();
        expected.sort();
        let open = |bytes: &Vec<u8>| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(Cursor::new(bytes.clone()))) };
        let mut found: Vec<Change> = Vec::new();
        let options = Options::new(SpillTo::new(tempfile::tempfile));
        let summary = diff::readers(&mut || open(first), &mut || open(second), &options, &mut |change| {
            found.push(change);
            Ok(())
        })?;
        let named: Vec<_> = found.iter().map(|change| (change.db, change.name.clone())).collect();
        assert_eq!(named, expected, "{product}, seed {seed}");
        for change in &found {
            let key = (change.db, change.name.clone());
            for (entry, said) in [(&change.first, one.get(&key)), (&change.second, two.get(&key))] {
                let of = entry.as_ref().map(|entry| (entry.type_name.to_owned(), entry.expires_ms.unwrap_or(-1)));
                assert_eq!(of, said.map(|said| (said.0.clone(), said.1)), "{product}, seed {seed}, {key:?}");
            }
        }
        assert_eq!((summary.first, summary.second), (one.len() as u64, two.len() as u64), "{product}, seed {seed}");
        differences += expected.len();
        for (all, n) in kinds.iter_mut().zip([summary.only_first, summary.only_second, summary.changed]) {
            *all += n;
        }
    }
    eprintln!("{product}: {differences} differences: {kinds:?}");
    assert!(kinds.iter().all(|n| *n > 0), "{kinds:?}");
    Ok(())
}
