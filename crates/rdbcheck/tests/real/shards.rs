//! A cluster of sixteen servers: their files merged into one, that split by slots, and each shard loaded again by its server.
#![cfg(all(unix, feature = "functions"))]

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::on_each_product;
use testkit::server::{Installed, Product, Server, StartError, require};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

on_each_product! {
    sixteen_shards_are_merged_and_split:
    redis_70 Redis70;
    valkey_91 Valkey91;
}

const SHARDS: u32 = 16;
const SLOTS: u32 = 16_384;
const KEYS: u32 = 1_600;
/// How long the servers may take to agree on who has which slots.
const SOON: Duration = Duration::from_secs(60);

/// Which slots a shard has. They are of different numbers, and the first and last slots stand alone.
fn slots(shard: u32) -> RangeInclusive<u32> {
    let from = |shard: u32| if shard == 0 { 0 } else { (shard * SLOTS / SHARDS).saturating_sub(shard * 7) };
    from(shard)..=if shard + 1 == SHARDS { SLOTS - 1 } else { from(shard + 1) - 1 }
}

/// A free port of this machine.
fn port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Starts the server of a shard in its folder. It knows its slots from there, once it has some.
fn start(installed: &Installed, folder: &Path) -> Result<(Server, u16), StartError> {
    let bus = port()?;
    let ports = bus.to_string();
    let settings = ["--cluster-enabled", "yes", "--cluster-port", &ports, "--enable-debug-command", "yes"];
    Ok((Server::start(installed, folder, &settings)?, bus))
}

fn ask(server: &mut Server, words: &str) -> TestResult<String> {
    let words: Vec<_> = words.split(' ').collect();
    Ok(server.run(&words)?.text().unwrap_or_default().to_owned())
}

/// Waits until each of them has all others, and all slots.
fn agree(servers: &mut [Server]) -> TestResult {
    let begun = Instant::now();
    let wanted = ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:16"];
    for server in servers {
        loop {
            let info = ask(server, "CLUSTER INFO")?;
            if wanted.iter().all(|line| info.contains(line)) {
                break;
            }
            if begun.elapsed() > SOON {
                return Err(info.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Writes a key of some type to the shard that has its slot.
fn fill(servers: &mut [Server], n: u32) -> TestResult {
    let tag = if n.is_multiple_of(5) { format!("{{user:{}}}:", n / 50) } else { String::new() };
    let key = format!("{tag}key:{n}");
    let slot = servers[0].run(&["CLUSTER", "KEYSLOT", &key])?.integer().ok_or("a slot")?;
    let slot = u32::try_from(slot)?;
    let shard = (0..SHARDS).find(|shard| slots(*shard).contains(&slot)).ok_or("a shard")?;
    let server = &mut servers[usize::try_from(shard)?];
    match n % 7 {
        0 => ask(server, &format!("SET {key} value:{n}"))?,
        1 => ask(server, &format!("RPUSH {key} a {n} {n} b"))?,
        2 => ask(server, &format!("SADD {key} {n} x y"))?,
        3 => ask(server, &format!("HSET {key} field {n} other value"))?,
        4 => ask(server, &format!("ZADD {key} 1.5 a {n} b"))?,
        5 => {
            ask(server, &format!("XADD {key} 5-{n} field {n}"))?;
            ask(server, &format!("XGROUP CREATE {key} group 0"))?;
            ask(server, &format!("XREADGROUP GROUP group consumer STREAMS {key} >"))?
        }
        _ => ask(server, &format!("SET {key} value PXAT {}", 4_000_000_000_000_u64 + u64::from(n)))?,
    };
    Ok(())
}

fn rdbcheck(args: &[&str], paths: &[PathBuf]) -> TestResult<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let output = command.args(args).args(paths).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0) => Ok(text),
        code => Err(format!("{args:?}: {code:?} {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// The digests of files, ours and the one that servers print.
fn digests(files: &[PathBuf]) -> TestResult<Vec<(Value, Value)>> {
    let document: Value = serde_json::from_str(&rdbcheck(&["digest", "--json"], files)?)?;
    let files = document["files"].as_array().ok_or("files")?;
    Ok(files.iter().map(|file| (file["digest"].clone(), file["debug_digest"].clone())).collect())
}

fn sixteen_shards_are_merged_and_split(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let shard = |n: u32| folder.path().join(format!("shard-{n}"));
    let dumps: Vec<_> = (0..SHARDS).map(|n| shard(n).join("dump.rdb")).collect();
    let (mut servers, mut ports) = (Vec::new(), Vec::new());
    for n in 0..SHARDS {
        fs::create_dir(shard(n))?;
        let (mut server, bus) = start(&installed, &shard(n))?;
        let slots = slots(n);
        ask(&mut server, &format!("CLUSTER ADDSLOTSRANGE {} {}", slots.start(), slots.end()))?;
        ask(&mut server, &format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1))?;
        ports.push((server.address().port(), bus));
        servers.push(server);
    }
    for (port, bus) in &ports[1..] {
        ask(&mut servers[0], &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))?;
    }
    agree(&mut servers)?;
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    for server in &mut servers {
        server.run(&["FUNCTION", "LOAD", library])?;
    }
    (0..KEYS).try_for_each(|n| fill(&mut servers, n))?;
    let (mut of_servers, mut keys) = (Vec::new(), 0);
    for mut server in servers {
        keys += server.run(&["DBSIZE"])?.integer().unwrap_or(0);
        of_servers.push(ask(&mut server, "DEBUG DIGEST")?);
        server.save()?;
        server.shutdown()?;
    }
    assert_eq!(keys, i64::from(KEYS));
    let before = digests(&dumps)?;

    // All of them are one file, whatever their order.
    let write = |out: &Path, more: &[&str], files: &[PathBuf]| {
        let out = out.to_str().ok_or("a path")?;
        rdbcheck(&[&["write", "--for", product.name()][..], more, &[out]].concat(), files)
    };
    let (all, again) = (folder.path().join("all.rdb"), folder.path().join("again.rdb"));
    write(&all, &[], &dumps)?;
    let mut reversed = dumps.clone();
    reversed.reverse();
    write(&again, &[], &reversed)?;
    let merged = digests(&[all.clone(), again])?;
    assert_eq!(merged[0], merged[1], "{product}");
    let alone = folder.path().join("alone");
    fs::create_dir(&alone)?;
    fs::copy(&all, alone.join("dump.rdb"))?;
    let mut server = Server::start(&installed, &alone, &["--enable-debug-command", "yes"])?;
    assert_eq!(server.run(&["DBSIZE"])?.integer(), Some(keys), "{product}");
    assert_eq!(ask(&mut server, "DEBUG DIGEST")?, merged[0].1, "{product}");
    drop(server);

    // Each takes its part of that, and nothing else: a server drops keys of slots that others have.
    for (n, dump) in (0..SHARDS).zip(&dumps) {
        let slots = slots(n);
        fs::remove_file(dump)?;
        write(dump, &["--slots", &format!("{}-{}", slots.start(), slots.end())], std::slice::from_ref(&all))?;
        let (mut server, _) = start(&installed, &shard(n))?;
        assert_eq!(ask(&mut server, "DEBUG DIGEST")?, of_servers[n as usize], "{product}: shard {n}");
        assert_eq!(server.run(&["FUNCTION", "LIST"])?.array().map(<[_]>::len), Some(1), "{product}: shard {n}");
        server.kill()?;
    }
    let after = digests(&dumps)?;
    assert_eq!(after, before, "{product}");
    assert!(before.iter().zip(&of_servers).all(|((_, of_file), of_server)| of_file == of_server), "{product}");
    // And all of them are again what they were.
    let last = folder.path().join("last.rdb");
    write(&last, &[], &dumps)?;
    assert_eq!(digests(&[last])?[0], merged[0], "{product}");
    Ok(())
}
