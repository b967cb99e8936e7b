//! What `rdbcheck list` prints, held against what a server says once it has loaded the file: the keys of SCAN, their types, elements,
//! expiries, and every value in full; the bytes of a record against DUMP.
//!
//! `LISTS=50` takes more random data sets of each server; `LISTS_FROM=100` others.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::dataset::{self, Dataset};
use testkit::on_each_product;
use testkit::rng::Rng;
use testkit::server::{Installed, Product, Reply, Server, require};

pub(crate) type TestResult<T = ()> = Result<T, Box<dyn Error>>;

on_each_product!(rows_are_what_it_holds);

/// Keys that expire about now may be gone, or not.
const MOMENT_MS: i64 = 120_000;

pub(crate) type Rows = BTreeMap<(u64, Vec<u8>), Value>;

fn list(file: &Path, args: &[&str]) -> TestResult<Vec<u8>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let ran = command.arg("list").args(args).arg(file).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        return Err(format!("{}: {said}", file.display()).into());
    }
    Ok(ran.stdout)
}

/// The rows as JSON, by database and name.
pub(crate) fn rows(file: &Path, args: &[&str]) -> TestResult<Rows> {
    let out = list(file, &[&["--json", "--values"], args].concat())?;
    let mut rows = Rows::new();
    for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_slice(line)?;
        let name = match &row["key"] {
            Value::String(name) => name.clone().into_bytes(),
            _ => decoded(row["key_base64"].as_str().ok_or("a name")?),
        };
        let db = row["db"].as_u64().ok_or("a database")?;
        assert!(rows.insert((db, name), row).is_none(), "a key comes twice");
    }
    Ok(rows)
}

fn decoded(base64: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for six in base64.bytes().filter_map(value) {
        (bits, held) = ((bits << 6 | u32::from(six)) & 0xffff, held + 6);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    out
}

/// A text of a value: itself, or in base64.
fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        value => decoded(value["base64"].as_str().unwrap_or("")),
    }
}

fn texts(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn replies(reply: &Reply) -> Vec<Vec<u8>> {
    reply.array().unwrap_or_default().iter().filter_map(Reply::bytes).map(<[u8]>::to_vec).collect()
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all
}

fn pairs(all: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    all.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// All names of a database, by SCAN.
fn scan(server: &mut Server, more: &[&[u8]]) -> TestResult<BTreeSet<Vec<u8>>> {
    let (mut names, mut cursor) = (BTreeSet::new(), b"0".to_vec());
    loop {
        let reply = server.run(&[&[&b"SCAN"[..], &cursor, b"COUNT", b"500"], more].concat())?;
        let [next, found] = reply.array().unwrap_or_default() else { return Err("SCAN says something else".into()) };
        names.extend(replies(found));
        cursor = next.bytes().unwrap_or_default().to_vec();
        if cursor == b"0" {
            return Ok(names);
        }
    }
}

/// How many elements a server counts, where it has a command for that.
fn elements(server: &mut Server, kind: &str, name: &[u8]) -> TestResult<Option<i64>> {
    let command: &[u8] = match kind {
        "string" => return Ok(Some(1)),
        "list" => b"LLEN",
        "set" => b"SCARD",
        "zset" => b"ZCARD",
        "hash" => b"HLEN",
        "stream" => b"XLEN",
        _ => return Ok(None),
    };
    Ok(server.run(&[command, name])?.integer())
}

/// Holds the value of a row against full reads.
fn same_value(server: &mut Server, kind: &str, name: &[u8], value: &Value, what: &str) -> TestResult {
    match kind {
        "string" => assert_eq!(server.run(&[b"GET", name])?.bytes(), Some(&text(value)[..]), "{what}"),
        "list" => assert_eq!(replies(&server.run(&[&b"LRANGE"[..], name, b"0", b"-1"])?), texts(value), "{what}"),
        "set" => assert_eq!(sorted(replies(&server.run(&[b"SMEMBERS", name])?)), sorted(texts(value)), "{what}"),
        "zset" => {
            let held = pairs(replies(&server.run(&[&b"ZRANGE"[..], name, b"0", b"-1", b"WITHSCORES"])?));
            let score = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            let held = held.into_iter().map(|(member, text)| (member, score(&text).map(f64::to_bits)));
            let listed = value.as_array().into_iter().flatten().map(|of| {
                let listed = of["score"].as_f64().or_else(|| score(of["score"].as_str()?.as_bytes()));
                (text(&of["member"]), listed.map(f64::to_bits))
            });
            assert_eq!(sorted(held.collect()), sorted(listed.collect()), "{what}");
        }
        "hash" => {
            let held = pairs(replies(&server.run(&[b"HGETALL", name])?));
            let expires = |of: &Value| of["expires_ms"].as_i64();
            let gone = |of: &&Value| expires(of).is_none_or(|ms| ms > now_ms() + MOMENT_MS);
            let fields: Vec<_> = value.as_array().into_iter().flatten().filter(gone).collect();
            let listed = fields.iter().map(|of| (text(&of["field"]), text(&of["value"]))).collect();
            assert_eq!(sorted(held), sorted(listed), "{what}");
            for of in fields.into_iter().filter(|of| expires(of).is_some()) {
                let field = text(&of["field"]);
                let reply = server.run(&[&b"HPEXPIRETIME"[..], name, b"FIELDS", b"1", &field])?;
                let time = reply.array().and_then(|times| times.first()?.integer());
                assert_eq!(time, expires(of), "{what}: {}", field.escape_ascii());
            }
        }
        "stream" => same_stream(server, name, value, what)?,
        _ => {}
    }
    Ok(())
}

fn same_stream(server: &mut Server, name: &[u8], value: &Value, what: &str) -> TestResult {
    let reply = server.run(&[&b"XRANGE"[..], name, b"-", b"+"])?;
    let held = reply.array().unwrap_or_default().iter().map(|entry| {
        let entry = entry.array().unwrap_or_default();
        (entry.first().and_then(Reply::text).unwrap_or("?").to_owned(), entry.get(1).map(replies).unwrap_or_default())
    });
    let entries = value["entries"].as_array().into_iter().flatten().map(|entry| {
        let fields = entry["fields"].as_array().into_iter().flatten().flat_map(texts).collect();
        (entry["id"].as_str().unwrap_or("-").to_owned(), fields)
    });
    assert_eq!(held.collect::<Vec<_>>(), entries.collect::<Vec<(String, Vec<Vec<u8>>)>>(), "{what}");
    let groups = server.run(&[&b"XINFO"[..], b"GROUPS", name])?;
    let groups = groups.array().unwrap_or_default();
    let listed: Vec<_> = value["groups"].as_array().into_iter().flatten().collect();
    assert_eq!(groups.len(), listed.len(), "{what}");
    for of in listed {
        let group = text(&of["name"]);
        let held = groups.iter().find_map(|group_held| {
            let pairs: Vec<_> = group_held.array()?.chunks_exact(2).collect();
            let of = |wanted: &str| pairs.iter().find(|pair| pair[0].text() == Some(wanted)).map(|pair| &pair[1]);
            (of("name")?.bytes() == Some(&group)).then(|| {
                (
                    of("last-delivered-id").and_then(Reply::text).map(str::to_owned),
                    of("pending").and_then(Reply::integer),
                )
            })
        });
        let pending = of["pending"].as_array().map_or(0, Vec::len);
        let expected = (of["last_id"].as_str().map(str::to_owned), i64::try_from(pending).ok());
        assert_eq!(held, Some(expected), "{what}: group {}", group.escape_ascii());
    }
    Ok(())
}

/// Holds the rows against the server that has loaded the file. Returns how many keys it holds.
fn same(server: &mut Server, rows: &Rows, what: &str) -> TestResult<usize> {
    let absolute = server.knows("PEXPIRETIME")?;
    let expires = |row: &Value| row["expires_ms"].as_i64();
    let lives = |row: &Value| expires(row).is_none_or(|ms| ms > now_ms() + MOMENT_MS);
    let mut compared = 0;
    let databases: BTreeSet<u64> =
        rows.keys().map(|(db, _)| *db).chain(server.databases()?.into_keys().map(u64::from)).collect();
    for db in databases {
        server.run(&["SELECT", &db.to_string()])?;
        let held = scan(server, &[])?;
        let of_db = || rows.iter().filter(|((of, _), row)| *of == db && lives(row)).map(|((_, name), row)| (name, row));
        assert_eq!(held, of_db().map(|(name, _)| name.clone()).collect(), "{what}: names in db {db}");
        for (name, row) in of_db() {
            let what = format!("{what}: {} in db {db}", name.escape_ascii());
            let kind = server.run(&[b"TYPE", &name[..]])?.text().unwrap_or("?").to_owned();
            assert_eq!(row["type"], kind, "{what}");
            let expiring = |of: &Value| of.as_array().into_iter().flatten().any(|of| !of["expires_ms"].is_null());
            // Fields that have expired stand in the file still.
            if let Some(count) = elements(server, &kind, name)?.filter(|_| !expiring(&row["value"])) {
                assert_eq!(row["elements"], count, "{what}");
            }
            match absolute {
                true => {
                    let said = server.run(&[b"PEXPIRETIME", &name[..]])?.integer().filter(|ms| *ms >= 0);
                    assert_eq!(expires(row), said, "{what}");
                }
                false => {
                    let left = server.run(&[b"PTTL", &name[..]])?.integer().filter(|ms| *ms >= 0);
                    let apart = expires(row).zip(left).map_or(0, |(ms, left)| (ms - now_ms() - left).abs());
                    assert_eq!(expires(row).is_some(), left.is_some(), "{what}");
                    assert!(apart < 10_000, "{what}: {apart} ms");
                }
            }
            same_value(server, &kind, name, &row["value"], &what)?;
            compared += 1;
        }
    }
    Ok(compared)
}

/// The record of a key that the server would write so again ends with what DUMP says, and its length is that of all its parts.
fn same_bytes(server: &mut Server, rows: &Rows, file: &[u8], what: &str) -> TestResult<usize> {
    let (mut compared, mut db) = (0, None);
    for ((of, name), row) in rows {
        if db.replace(of) != Some(of) {
            server.run(&["SELECT", &of.to_string()])?;
        }
        let Some(dump) = server.run(&[b"DUMP", &name[..]])?.bytes().map(<[u8]>::to_vec) else { continue };
        let number = |field: &str| row[field].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (start, len) = (number("offset"), number("bytes"));
        let record = &file[start..start + len];
        let what = format!("{what}: {} in db {of}, {len} bytes at {start}", name.escape_ascii());
        let mut at = 0;
        loop {
            at += match record[at] {
                0xfd => 5,
                0xfc => 9,
                0xf9 => 2,
                0xf8 => 1 + string_head(&record[at + 1..]).0,
                _ => break,
            };
        }
        // The encoding of the file may not be the one that it has now.
        if record[at] != dump[0] {
            continue;
        }
        let (head, body) = string_head(&record[at + 1..]);
        let value = &dump[1..dump.len() - 10];
        assert_eq!(at + 1 + head + body + value.len(), len, "{what}");
        // The order of a table is another one each time.
        if ["string", "list", "stream"].contains(&row["encoding"].as_str().unwrap_or("?")) {
            assert!(record.ends_with(value), "{what}");
        }
        compared += 1;
    }
    Ok(compared)
}

/// How long the head of a stored string is, and what follows it.
fn string_head(bytes: &[u8]) -> (usize, usize) {
    let length = |at: usize| match bytes[at] >> 6 {
        0 => (1, usize::from(bytes[at] & 63)),
        1 => (2, usize::from(bytes[at] & 63) << 8 | usize::from(bytes[at + 1])),
        _ => (5, bytes[at + 1..at + 5].iter().fold(0, |n, byte| n << 8 | usize::from(*byte))),
    };
    match bytes[0] {
        0xc0 => (1, 1),
        0xc1 => (1, 2),
        0xc2 => (1, 4),
        0xc3 => {
            let (stored, len) = length(1);
            (1 + stored + length(1 + stored).0, len)
        }
        _ => length(0),
    }
}

/// Every choice of keys gives those that the server gives for it, and every form has the same rows.
fn same_choices(server: &mut Server, file: &Path, all: &Rows, what: &str) -> TestResult {
    let db = all.keys().map(|(db, _)| *db).next().unwrap_or(0);
    server.run(&["SELECT", &db.to_string()])?;
    let number = db.to_string();
    let of_db = ["--db", &number, "--no-expired"];
    let names = |rows: Rows| -> BTreeSet<Vec<u8>> { rows.into_keys().map(|(_, name)| name).collect() };
    for pattern in ["*", "s*", "*:*", "?[a-m]*", "[^s]*", "*1?", "*\\:*[0-9]"] {
        let held = scan(server, &[b"MATCH", pattern.as_bytes()])?;
        let listed = names(rows(file, &[&of_db[..], &["--only", pattern]].concat())?);
        assert_eq!(listed, held, "{what}: --only {pattern}");
        let every = names(rows(file, &of_db)?);
        let others = names(rows(file, &[&of_db[..], &["--except", pattern]].concat())?);
        assert_eq!(others, every.difference(&held).cloned().collect(), "{what}: --except {pattern}");
    }
    for kind in ["string", "list", "set", "zset", "hash", "stream"] {
        let listed = names(rows(file, &[&of_db[..], &["--type", kind]].concat())?);
        let mut held = BTreeSet::new();
        for name in scan(server, &[])? {
            if server.run(&[b"TYPE", &name[..]])?.text() == Some(kind) {
                held.insert(name);
            }
        }
        assert_eq!(listed, held, "{what}: --type {kind}");
    }
    let (table, lines) = (list(file, &["--csv"])?, list(file, &[])?);
    let mut reader = csv::Reader::from_reader(&table[..]);
    let mut read = 0;
    for record in reader.byte_records() {
        let record = record?;
        let cell = |n: usize| String::from_utf8_lossy(record.get(n).unwrap_or_default()).into_owned();
        let row = &all[&(cell(0).parse()?, record.get(1).unwrap_or_default().to_vec())];
        let shown = |field: &str| match &row[field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fields = ["type", "encoding", "elements", "bytes", "offset", "expires_ms", "idle", "freq", "slot"];
        for (n, field) in fields.into_iter().enumerate() {
            assert_eq!(cell(n + 2), shown(field), "{what}: {field} in CSV");
        }
        read += 1;
    }
    // A line of names comes first in both; no name can break a line.
    let lines = lines.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((read, lines), (all.len(), all.len() + 1), "{what}");
    Ok(())
}

/// What `--stats` counts is what the rows come to.
fn same_statistics(file: &Path, all: &Rows, what: &str) -> TestResult {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let ran = command.args(["--json", "--stats"]).arg(file).stdin(Stdio::null()).output()?;
    let document: Value = serde_json::from_slice(&ran.stdout)?;
    let of_row = |row: &Value, field: &str| row[field].as_u64().unwrap_or(0);
    let mut sums = BTreeMap::<(String, String), [u64; 4]>::new();
    for ((db, _), row) in all {
        let kind = row["type"].as_str().unwrap_or("?").to_owned();
        let sum = sums.entry((db.to_string(), kind.clone())).or_default();
        let elements = if ["string", "vectorset"].contains(&kind.as_str()) { 0 } else { of_row(row, "elements") };
        let one = [1, of_row(row, "bytes"), elements, u64::from(!row["expires_ms"].is_null())];
        sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
    }
    let mut counted = BTreeMap::new();
    for (db, types) in document["files"][0]["stats"]["databases"].as_object().into_iter().flatten() {
        for (kind, of) in types.as_object().into_iter().flatten() {
            let elements = if kind == "vectorset" { 0 } else { of["elements"]["total"].as_u64().unwrap_or(0) };
            let of = [of_row(of, "keys"), of["bytes"]["total"].as_u64().unwrap_or(0), elements, of_row(of, "expires")];
            counted.insert((db.clone(), kind.clone()), of);
        }
    }
    assert_eq!(counted, sums, "{what}: keys, bytes, elements, and expiries by database and type");
    Ok(())
}

fn load(installed: &Installed, folder: &Path, product: Product) -> Option<Server> {
    let settings: &[&str] = if product.version() >= (7, 0) { &["--enable-debug-command", "yes"] } else { &[] };
    Server::start(installed, folder, settings).ok()
}

fn rows_are_what_it_holds(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let (mut keys, mut dumps) = (0, 0);
    let number = |name: &str, otherwise| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let from: u64 = number("LISTS_FROM", 0);
    for seed in from..from + number("LISTS", 2) {
        let folder = tempfile::tempdir()?;
        let mut server = load(&installed, folder.path(), product).ok_or("no start")?;
        match seed {
            // It fills streams in ways that older servers have not.
            0 if product.version() >= (6, 2) => {
                dataset::fill(&mut server, &Dataset { large: false, ..Dataset::default() })?;
            }
            _ => dataset::random(&mut server, &mut Rng::new(seed * 1000 + product as u64))?,
        }
        server.save()?;
        server.kill()?;
        let path = folder.path().join("dump.rdb");
        let mut server = load(&installed, folder.path(), product).ok_or("no start")?;
        let what = format!("{product}, set {seed}");
        let all = rows(&path, &[])?;
        keys += same(&mut server, &all, &what)?;
        dumps += same_bytes(&mut server, &all, &fs::read(&path)?, &what)?;
        same_choices(&mut server, &path, &all, &what)?;
        same_statistics(&path, &all, &what)?;
        server.kill()?;
    }
    let (files, of_files) = testdata(&installed, product)?;
    eprintln!("{product}: {keys} keys of its own, {dumps} with DUMP; {of_files} keys of {files} files of testdata");
    assert!(keys > 20 && dumps > 10 && files > 5 && of_files > 50, "{keys} {dumps} {files} {of_files}");
    Ok(())
}

/// The files of testdata that the server loads.
fn testdata(installed: &Installed, product: Product) -> TestResult<(usize, usize)> {
    let (mut files, mut keys) = (0, 0);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "rdb") {
            continue;
        }
        let folder = tempfile::tempdir()?;
        fs::copy(&path, folder.path().join("dump.rdb"))?;
        // Some are of newer servers, of modules, or have more databases than it takes.
        let Some(mut server) = load(installed, folder.path(), product) else { continue };
        keys += same(&mut server, &rows(&path, &[])?, &format!("{product}, {}", path.display()))?;
        files += 1;
        server.kill()?;
    }
    Ok((files, keys))
}
