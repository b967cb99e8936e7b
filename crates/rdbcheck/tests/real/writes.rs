//! What one server saved, written for another: that server loads it, and holds of each key what the first one held.
//!
//! Each installed server makes data sets, each of which is written for every installed server. Compared are DEBUG DIGEST-VALUE (of sorted
//! sets and hashes the elements, which servers digest in two ways), expiries, those of fields, and groups of streams. What is refused has to be what that
//! server cannot have, counted by the server that has it; without that the rest is written.
//!
//! `WRITES=200` makes so many data sets, of which each server makes its share, instead of one each; `WRITES_FROM=100` takes other seeds.
#![cfg(all(unix, feature = "functions"))]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::dataset::{self, Dataset};
use testkit::on_each_product;
use testkit::rdb::RdbWriter;
use testkit::rng::Rng;
use testkit::server::{Product, Reply, Server, require};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

on_each_product!(others_hold_what_it_held);

/// Expiries in older servers are asked for as what is left, which takes a moment.
const MOMENT_MS: i64 = 60_000;

/// What a server holds under a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    kind: String,
    value: String,
    expires_ms: Option<i64>,
    /// When fields expire; `None` where the server cannot say.
    fields: Option<BTreeMap<Vec<u8>, i64>>,
    groups: Vec<String>,
}

pub(crate) type Keys = BTreeMap<(u32, Vec<u8>), Held>;

pub(crate) struct Contents {
    pub(crate) keys: Keys,
    pub(crate) libraries: usize,
}

pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

pub(crate) fn start(product: Product, folder: &Path, more: &[&str]) -> TestResult<Server> {
    let installed = product.find().ok_or("not installed")?;
    let settings: &[&str] = if product.version() >= (7, 0) { &["--enable-debug-command", "yes"] } else { &[] };
    Ok(Server::start(&installed, folder, &[settings, more].concat())?)
}

pub(crate) fn contents(server: &mut Server) -> TestResult<Contents> {
    let libraries = match server.knows("FUNCTION")? {
        true => server.run(&["FUNCTION", "LIST"])?.array().map_or(0, <[Reply]>::len),
        false => 0,
    };
    let (absolute, fields) = (server.knows("PEXPIRETIME")?, server.knows("HPEXPIRETIME")?);
    let mut keys = Keys::new();
    for db in server.databases()?.into_keys() {
        for name in server.names(db)? {
            let held = held(server, &name, absolute, fields)?;
            keys.insert((db, name), held);
        }
    }
    Ok(Contents { keys, libraries })
}

fn held(server: &mut Server, name: &[u8], absolute: bool, fields: bool) -> TestResult<Held> {
    let kind = server.run(&[b"TYPE", name])?.text().unwrap_or("?").to_owned();
    let value = match kind.as_str() {
        "zset" => {
            let all = server.run(&[&b"ZRANGE"[..], name, b"0", b"-1", b"WITHSCORES"])?;
            let parts: Vec<&[u8]> = all.array().unwrap_or_default().iter().filter_map(Reply::bytes).collect();
            let score = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            let one = |pair: &[&[u8]]| format!("{} {:?}", pair[0].escape_ascii(), score(pair[1]).map(f64::to_bits));
            let mut all: Vec<_> = parts.chunks(2).map(one).collect();
            all.sort_unstable();
            all.join("\n")
        }
        // Redis digests the expiries of fields too, Valkey does not.
        "hash" => {
            let all = server.run(&[b"HGETALL", name])?;
            let mut fields: Vec<_> =
                all.array().unwrap_or_default().chunks(2).map(|pair| format!("{pair:?}")).collect();
            fields.sort_unstable();
            fields.join("\n")
        }
        _ => {
            let digest = server.run(&[&b"DEBUG"[..], b"DIGEST-VALUE", name])?;
            format!("{digest:?}")
        }
    };
    let expires_ms = match absolute {
        true => server.run(&[b"PEXPIRETIME", name])?.integer().filter(|ms| *ms >= 0),
        false => {
            let left = server.run(&[b"PTTL", name])?.integer().filter(|ms| *ms >= 0);
            let now = server.run(&["TIME"])?;
            let now = now.array().and_then(|time| time.first()?.text()?.parse::<i64>().ok()).unwrap_or(0);
            left.map(|left| now * 1000 + left)
        }
    };
    let fields = match (kind.as_str(), fields) {
        ("hash", true) => Some(expiring_fields(server, name)?),
        _ => None,
    };
    let groups = if kind == "stream" { groups(server, name)? } else { Vec::new() };
    Ok(Held { kind, value, expires_ms, fields, groups })
}

fn expiring_fields(server: &mut Server, name: &[u8]) -> TestResult<BTreeMap<Vec<u8>, i64>> {
    let names = server.run(&[b"HKEYS", name])?;
    let names: Vec<&[u8]> = names.array().unwrap_or_default().iter().filter_map(Reply::bytes).collect();
    let count = names.len().to_string();
    let mut command = vec![&b"HPEXPIRETIME"[..], name, b"FIELDS", count.as_bytes()];
    command.extend(&names);
    let times = server.run(&command)?;
    let times = times.array().unwrap_or_default().iter().map(|time| time.integer().unwrap_or(-1));
    Ok(names.iter().map(|name| name.to_vec()).zip(times).filter(|(_, time)| *time >= 0).collect())
}

/// Groups with what every server says of them, and each pending entry with its consumer and how often it was delivered.
fn groups(server: &mut Server, name: &[u8]) -> TestResult<Vec<String>> {
    let mut all = Vec::new();
    for group in server.run(&[&b"XINFO"[..], b"GROUPS", name])?.array().unwrap_or_default() {
        let pairs = group.array().unwrap_or_default().chunks(2);
        let of = |wanted: &str| {
            let found = pairs.clone().find(|pair| pair[0].text() == Some(wanted));
            found.map(|pair| format!("{:?}", pair[1])).unwrap_or_default()
        };
        let group = pairs.clone().find(|pair| pair[0].text() == Some("name"));
        let group = group.and_then(|pair| pair[1].bytes()).unwrap_or_default();
        let pending = server.run(&[&b"XPENDING"[..], name, group, b"-", b"+", b"10000"])?;
        let without_idle = pending.array().unwrap_or_default().iter().map(|entry| {
            let entry = entry.array().unwrap_or_default();
            format!("{:?} {:?} {:?}", entry.first(), entry.get(1), entry.get(3))
        });
        let without_idle: Vec<_> = without_idle.collect();
        all.push(format!("{} {} {}: {without_idle:?}", of("name"), of("last-delivered-id"), of("consumers")));
    }
    Ok(all)
}

/// How many things of a kind a server holds, by the name that `--without` has.
pub(crate) fn count(held: &Contents, kind: &str) -> usize {
    let keys = held.keys.values();
    match kind {
        "functions" => held.libraries,
        "vector-sets" => keys.filter(|held| held.kind == "vectorset").count(),
        "field-expiry" => keys.filter(|held| held.fields.as_ref().is_some_and(|fields| !fields.is_empty())).count(),
        _ => 0,
    }
}

/// The names in a refusal are those of keys of the kind, as many as there are, up to ten.
fn named(was: &Contents, of: &Value, kind: &str, what: &str) -> TestResult {
    let first = of["first"].as_array().ok_or("names")?;
    assert_eq!(first.len(), count(was, kind).min(10), "{what}: {kind}");
    for named in first.iter().filter(|_| kind != "functions") {
        // Names that are no text stand in another form.
        let Some(name) = named["name"].as_str() else { continue };
        let db = u32::try_from(named["db"].as_u64().ok_or("a database")?)?;
        let id = (db, name.as_bytes().to_vec());
        let held = was.keys.get(&id).ok_or_else(|| format!("{what}: there is no {name}"))?;
        let alone = Contents { keys: Keys::from([(id, held.clone())]), libraries: 0 };
        assert_eq!(count(&alone, kind), 1, "{what}: {name} is none of {kind}");
    }
    Ok(())
}

fn write(target: &str, out: &Path, file: &Path, without: &str) -> TestResult<(Value, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.args(["write", "--json", "--threads", "1", "--force", "--for", target]).arg(out).arg(file);
    if !without.is_empty() {
        command.args(["--without", without]);
    }
    let ran = command.stdin(Stdio::null()).output()?;
    Ok((serde_json::from_slice(&ran.stdout)?, String::from_utf8_lossy(&ran.stderr).into_owned()))
}

/// What one write came to.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) written: u32,
    pub(crate) in_part: u32,
    pub(crate) keys: u64,
}

/// Holds what one server holds against what another one held, but for what was left out.
pub(crate) fn same(was: &Contents, is: &Contents, without: &[String], what: &str, tally: &mut Tally) -> TestResult {
    let has = |kind: &str| !without.iter().any(|left| left == kind);
    assert_eq!(is.libraries, if has("functions") { was.libraries } else { 0 }, "{what}");
    let expected: Vec<_> = was.keys.iter().filter(|(_, held)| held.kind != "vectorset" || has("vector-sets")).collect();
    assert_eq!(is.keys.len(), expected.len(), "{what}");
    for (id, was) in expected {
        let is = is.keys.get(id).ok_or_else(|| format!("{what}: {id:?} is missing"))?;
        let named = format!("{what}: {} of db {} ({})", id.1.escape_ascii(), id.0, was.kind);
        assert_eq!((&is.kind, &is.groups), (&was.kind, &was.groups), "{named}");
        assert_eq!(is.value, was.value, "{named}");
        let apart = is.expires_ms.zip(was.expires_ms).map_or(0, |(is, was)| (is - was).abs());
        assert_eq!(is.expires_ms.is_some(), was.expires_ms.is_some(), "{named}");
        assert!(apart < MOMENT_MS, "{named}: {apart} ms");
        if let (Some(is), Some(was), true) = (&is.fields, &was.fields, has("field-expiry")) {
            assert_eq!(is, was, "{named}");
        }
        tally.keys += 1;
    }
    Ok(())
}

/// Writes a file for a server, has it loaded, and compares.
fn compare(was: &Contents, file: &Path, other: Product, what: &str, tally: &mut Tally) -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("dump.rdb");
    let (mut document, mut said) = write(other.name(), &out, file, "")?;
    let mut without = Vec::new();
    if document["status"] == "refused" {
        for of in document["refused"].as_array().into_iter().flatten() {
            let kind = of["kind"].as_str().ok_or("a kind")?.to_owned();
            assert_eq!(of["total"], count(was, &kind), "{what}: {kind}");
            named(was, of, &kind, what)?;
            without.push(kind);
        }
        if without.is_empty() {
            // The same module, which a newer server writes in a form that this one refuses.
            assert!(said.contains("vectorset-") && said.contains("--without vector-sets"), "{what}: {said}");
            without.push("vector-sets".to_owned());
        }
        (document, said) = write(other.name(), &out, file, &without.join(","))?;
        tally.in_part += 1;
    } else {
        tally.written += 1;
    }
    assert_eq!(document["status"], "written", "{what}: {said}");
    let mut server = start(other, folder.path(), &[]).map_err(|error| format!("{what}: {error}"))?;
    let is = contents(&mut server)?;
    same(was, &is, &without, what, tally)?;
    server.kill()?;
    Ok(())
}

fn others_hold_what_it_held(product: Product) -> TestResult {
    if require(product).is_none() {
        return Ok(());
    }
    let mut tally = Tally::default();
    let sets = number("WRITES", 0).div_ceil(Product::ALL.len() as u64).max(1);
    let from = number("WRITES_FROM", 0);
    for seed in from..from + sets {
        let folder = tempfile::tempdir()?;
        let mut server = start(product, folder.path(), &[])?;
        match seed {
            // It fills streams in ways that older servers have not.
            0 if product.version() >= (6, 2) => {
                dataset::fill(&mut server, &Dataset { large: false, ..Dataset::default() })?
            }
            _ => dataset::random(&mut server, &mut Rng::new(seed * 1000 + product as u64))?,
        }
        let was = contents(&mut server)?;
        server.save()?;
        server.kill()?;
        for other in Product::ALL.iter().copied().filter(|other| other.find().is_some()) {
            let what = format!("{product} to {other}, set {seed}");
            compare(&was, &folder.path().join("dump.rdb"), other, &what, &mut tally)?;
        }
    }
    let Tally { written, in_part, keys } = tally;
    eprintln!("{product}: {written} written, {in_part} without what the server cannot have, {keys} keys the same");
    assert!(written + in_part > 0, "not even for itself");
    Ok(())
}

/// Redis 8.6 takes an expiry of -1 for one that has passed, older ones for none: it is not written.
#[test]
fn an_expiry_of_minus_one_is_none() -> TestResult {
    let product = Product::Redis86;
    if require(product).is_none() {
        return Ok(());
    }
    let mut file = RdbWriter::redis(9);
    file.select_db(0).resize_db(1, 1).expire_ms(-1).string_key(b"for good", b"value");
    let file = file.finish();
    let source = tempfile::tempdir()?;
    fs::write(source.path().join("dump.rdb"), &file)?;
    for is_written in [false, true] {
        let folder = tempfile::tempdir()?;
        let dump = folder.path().join("dump.rdb");
        if is_written {
            let (document, said) = write(product.name(), &dump, &source.path().join("dump.rdb"), "")?;
            assert_eq!(document["status"], "written", "{said}");
        } else {
            fs::write(&dump, &file)?;
        }
        let mut server = start(product, folder.path(), &[])?;
        let there = server.run(&["EXISTS", "for good"])?;
        assert_eq!(there.integer(), Some(i64::from(is_written)));
        server.kill()?;
    }
    Ok(())
}
