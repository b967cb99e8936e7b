//! The memory that `--stats` estimates, held against MEMORY USAGE of each key on the server that the model is named after.
//!
//! The server is filled, saves, and starts anew on its file, so that both speak of what was loaded. `MEMORY_SETS=20` takes more random
//! data sets; a table by type and encoding is printed.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use redis_persistence::verify::stats::{MemoryModel, StatsOptions};
use redis_persistence::verify::{self, Options};
use testkit::dataset::{self, Dataset};
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

#[test]
fn redis_62() -> TestResult {
    estimates_are_near(Product::Redis62, MemoryModel::Redis62)
}

#[test]
fn redis_70() -> TestResult {
    estimates_are_near(Product::Redis70, MemoryModel::Redis70)
}

#[test]
fn redis_86() -> TestResult {
    estimates_are_near(Product::Redis86, MemoryModel::Redis86)
}

#[test]
fn valkey_91() -> TestResult {
    estimates_are_near(Product::Valkey91, MemoryModel::Valkey91)
}

/// What the keys of one type and encoding came to.
#[derive(Default)]
struct Tally {
    keys: u64,
    said: u64,
    estimated: u64,
    /// Keys whose estimate is off by more than a tenth, and the worst of them.
    off: u64,
    worst: (f64, String),
}

/// Collections of each type from small to large, and strings of each length: what people have.
fn fill(server: &mut Server, rng: &mut Rng) -> TestResult {
    for n in 0..400_u32 {
        let name = format!("user:{n}:{}", "x".repeat(rng.size(0..=40)));
        let value = if rng.chance(20) { n.to_string().into_bytes() } else { rng.bytes(1 + n as usize * 3) };
        server.run(&[&b"SET"[..], name.as_bytes(), &value])?;
        if rng.chance(30) {
            server.run(&["PEXPIRE", &name, "90000000"])?;
        }
    }
    for (elements, len) in [(1, 5), (5, 10), (60, 20), (120, 60), (3, 100), (140, 12), (600, 8), (700, 30), (900, 200)]
    {
        let text = |n: usize| format!("{n:06}{}", "m".repeat(len));
        for kind in ["list", "set", "zset", "hash", "stream", "numbers"] {
            let name = format!("{kind}:{elements}:{len}");
            for n in 0..elements {
                let (text, number) = (text(n), (n * 1000).to_string());
                match kind {
                    "list" => server.run(&["RPUSH", &name, &text])?,
                    "set" => server.run(&["SADD", &name, &text])?,
                    "zset" => server.run(&["ZADD", &name, &format!("{n}.5"), &text])?,
                    "hash" => server.run(&["HSET", &name, &text, &text])?,
                    "stream" => server.run(&["XADD", &name, "*", "field", &text])?,
                    _ => server.run(&["SADD", &name, &number])?,
                };
            }
            if kind == "stream" {
                server.run(&["XGROUP", "CREATE", &name, "group", "0"])?;
                server.run(&["XREADGROUP", "GROUP", "group", "one", "COUNT", "100", "STREAMS", &name, ">"])?;
            }
        }
    }
    Ok(())
}

fn estimates_are_near(product: Product, memory: MemoryModel) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let settings: &[&str] = if product.version() >= (7, 0) { &["--enable-debug-command", "yes"] } else { &[] };
    let sets: u64 = std::env::var("MEMORY_SETS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut tallies = BTreeMap::<(String, String), Tally>::new();
    for set in 0..sets + 2 {
        let folder = tempfile::tempdir()?;
        let mut server = Server::start(&installed, folder.path(), settings)?;
        match set {
            0 => fill(&mut server, &mut Rng::new(20))?,
            1 => dataset::fill(&mut server, &Dataset { large: false, ..Dataset::default() })?,
            seed => dataset::random(&mut server, &mut Rng::new(seed))?,
        }
        server.save()?;
        server.kill()?;
        let file = fs::read(folder.path().join("dump.rdb"))?;
        let stats = Some(StatsOptions { largest: usize::MAX, memory, ..StatsOptions::default() });
        let report = verify::slice(&file, &Options { stats, ..Options::default() });
        let keys = report.stats.ok_or("statistics")?.largest;
        assert_eq!(keys.len() as u64, report.counts.keys);
        let mut server = Server::start(&installed, folder.path(), settings)?;
        // The report cuts longer names, which then are those of others.
        for key in keys.into_iter().filter(|key| key.key.len() < 4096) {
            server.run(&["SELECT", &key.db.to_string()])?;
            let usage = server.run(&[&b"MEMORY"[..], b"USAGE", &key.key, b"SAMPLES", b"0"])?.integer();
            // It expired meanwhile.
            let Some(usage) = usage.and_then(|usage| u64::try_from(usage).ok()) else { continue };
            let Some(estimated) = key.memory else { continue };
            let encoding = server.run(&[&b"OBJECT"[..], b"ENCODING", &key.key])?.text().unwrap_or("?").to_owned();
            let tally = tallies.entry((key.value_type.to_owned(), encoding)).or_default();
            tally.keys += 1;
            tally.said += usage;
            tally.estimated += estimated;
            let ratio = estimated as f64 / usage as f64;
            tally.off += u64::from((ratio - 1.0).abs() > 0.1);
            if (ratio - 1.0).abs() > (tally.worst.0 - 1.0).abs() || tally.worst.1.is_empty() {
                tally.worst = (
                    ratio,
                    format!(
                        "{} of set {set}: {estimated} for {usage}",
                        key.key[..key.key.len().min(60)].escape_ascii()
                    ),
                );
            }
        }
        server.kill()?;
    }
    let mut far = Vec::new();
    let (mut all, mut off) = (0, 0);
    for ((kind, encoding), tally) in &tallies {
        let ratio = tally.estimated as f64 / tally.said as f64;
        let line = format!(
            "{product} {kind} ({encoding}): {} keys, {} bytes, {ratio:.3} of them estimated, {} keys off by more than a tenth; {:.2}: {}",
            tally.keys, tally.said, tally.off, tally.worst.0, tally.worst.1
        );
        eprintln!("{line}");
        (all, off) = (all + tally.keys, off + tally.off);
        if (ratio - 1.0).abs() > 0.1 {
            far.push(line);
        }
    }
    eprintln!("{product}: {off} of {all} keys off by more than a tenth");
    assert!(far.is_empty(), "{far:#?}");
    assert!(tallies.len() >= 9, "{}", tallies.len());
    assert!(off * 20 < all, "{off} of {all} keys");
    Ok(())
}
