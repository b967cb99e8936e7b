//! Append-only files as servers write them, made from a seed. Every command is unlike every other one, so that it can be found
//! again in what was salvaged. A DEL or a PEXPIREAT stands there only if the key exists, for servers write no other.

use std::collections::HashSet;

use testkit::resp::AofWriter;
use testkit::rng::Rng;

/// What a file is like.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// How many databases it uses.
    pub databases: u64,
    /// One in so many commands selects another one.
    pub switch: u64,
    /// Whether the same keys are in all of them.
    pub same_keys: bool,
    /// One in so many commands begins a transaction; 0 for none.
    pub transaction: u64,
    /// Whether there are timestamps.
    pub stamps: bool,
    /// Whether there are values of up to 200 kB.
    pub big: bool,
}

impl Profile {
    pub fn of(rng: &mut Rng) -> Self {
        let (databases, switch) = *pick(rng, &[(1, 1), (1, 1), (2, 3000), (3, 2000), (4, 12), (2, 40)]);
        Self {
            databases,
            switch,
            same_keys: rng.below(4) == 0,
            transaction: *pick(rng, &[0, 8, 200]),
            stamps: rng.below(2) == 0,
            big: rng.below(3) == 0,
        }
    }
}

pub fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.size(0..=of.len() - 1)]
}

/// A file of about so many bytes.
pub fn file(rng: &mut Rng, profile: &Profile, bytes: usize) -> Vec<u8> {
    let mut writer = AofWriter::new();
    let (mut db, mut serial, mut time) = (rng.below(profile.databases), 0_u64, 1_700_000_000);
    let mut strings = vec![HashSet::new(); usize::try_from(profile.databases).unwrap()];
    writer.select(db);
    while writer.pos() < bytes {
        if profile.stamps && rng.below(20) == 0 {
            time += 1 + i64::try_from(rng.below(3)).unwrap();
            writer.timestamp(time);
        }
        if profile.databases > 1 && rng.below(profile.switch) == 0 {
            db = (db + 1 + rng.below(profile.databases - 1)) % profile.databases;
            writer.select(db);
        }
        let transaction = profile.transaction > 0 && rng.below(profile.transaction) == 0;
        let commands = if transaction { rng.range(1..=6) } else { 1 };
        if transaction {
            writer.multi();
        }
        for _ in 0..commands {
            serial += 1;
            let strings = &mut strings[usize::try_from(db).unwrap()];
            writer.record(&command(rng, profile, db, strings, serial));
        }
        if transaction {
            writer.exec();
        }
    }
    writer.take()
}

/// A command on a database that holds these strings.
fn command(rng: &mut Rng, profile: &Profile, db: u64, strings: &mut HashSet<u64>, serial: u64) -> Vec<Vec<u8>> {
    let named = |what: &str, number: u64| {
        let owner = if profile.same_keys { 0 } else { db };
        format!("{what}:{owner}:{number}").into_bytes()
    };
    let key = |rng: &mut Rng, what: &str| named(what, rng.below(400));
    let unique = format!("<{serial}>").into_bytes();
    let word = |name: &str| name.as_bytes().to_vec();
    let string = rng.below(400);
    match rng.below(12) {
        0 => vec![word("HSET"), key(rng, "hash"), unique, value(rng, profile)],
        1 => vec![word("RPUSH"), key(rng, "list"), unique, value(rng, profile), b"x".to_vec()],
        2 => vec![word("SADD"), key(rng, "set"), unique],
        3 => vec![word("ZADD"), key(rng, "zset"), serial.to_string().into_bytes(), unique],
        4 => vec![word("INCRBY"), key(rng, "count"), serial.to_string().into_bytes()],
        5 if strings.remove(&string) => vec![word("DEL"), named("string", string), unique],
        6 if strings.contains(&string) => {
            let time = (4_000_000_000_000 + serial).to_string().into_bytes();
            vec![word("PEXPIREAT"), named("string", string), time]
        }
        7 => vec![
            word("XADD"),
            key(rng, "stream"),
            format!("{serial}-1").into_bytes(),
            b"f".to_vec(),
            value(rng, profile),
        ],
        _ => {
            strings.insert(string);
            vec![word("SET"), named("string", string), [unique, value(rng, profile)].concat()]
        }
    }
}

fn value(rng: &mut Rng, profile: &Profile) -> Vec<u8> {
    let length = match rng.below(200) {
        0 if profile.big => rng.size(20_000..=200_000),
        0..10 => rng.size(100..=3000),
        _ => rng.size(0..=60),
    };
    match rng.below(8) {
        0 => (0..length).map(|_| rng.next_u64().to_le_bytes()[0]).collect(),
        // Text that looks like records.
        1 => b"\r\n*3\r\n$3\r\nSET\r\n$4\r\nfake\r\n$2\r\nno\r\n".iter().copied().cycle().take(length).collect(),
        _ => (0..length).map(|_| b'a' + rng.next_u64().to_le_bytes()[0] % 26).collect(),
    }
}
