//! Drills with real servers: on sound, damaged, too large and hanging inputs, ended in every way, with nothing left behind.
#![cfg(target_os = "linux")]

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::dataset::{self, Dataset};
use testkit::server::{Installed, Product, Server, require};

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

/// How long what is left may take to go.
const SOON: Duration = Duration::from_secs(20);

/// A folder for the data, and an empty one for drills.
pub(crate) struct Place {
    pub(crate) data: TempDir,
    pub(crate) drills: TempDir,
}

impl Place {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { data: tempfile::tempdir()?, drills: tempfile::tempdir()? })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    pub(crate) fn command(&self, tool: &str, installed: &Installed, args: &[&str], path: &Path) -> Command {
        let mut command = Command::new(tool);
        command.arg("drill").arg("--server").arg(&installed.server).arg("--dir").arg(self.drills.path());
        command.args(args).arg(path).stdin(Stdio::null());
        command
    }

    pub(crate) fn rdbcheck(&self, installed: &Installed, args: &[&str], path: &Path) -> std::io::Result<Output> {
        self.command(env!("CARGO_BIN_EXE_rdbcheck"), installed, args, path).output()
    }

    /// What is there of drills: files in the folder, and processes that work in it or were told of it.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let dir = self.drills.path();
        left.extend(fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| format!("{:?}", entry.path())));
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).into_owned();
            let works_there = fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
            if works_there || line.contains(&*dir.to_string_lossy()) {
                left.push(format!("{:?} {line:?}", process.file_name()));
            }
        }
        left
    }

    /// Nothing may be left, as soon as everything has ended.
    pub(crate) fn assert_clean(&self, what: &str) {
        assert!(wait(|| self.left().is_empty()), "{what}: {:#?}", self.left());
    }
}

pub(crate) fn wait(mut until: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if until() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Has a server save a data set, and returns the file.
fn saved(place: &Place, installed: &Installed, dataset: &Dataset) -> Result<PathBuf, Box<dyn Error>> {
    let mut server = Server::start(installed, place.data.path(), &[])?;
    if installed.product.version() < (6, 2) {
        // The data sets have commands that it does not know.
        for n in 0..200 {
            let n = n.to_string();
            for command in
                [&["SET", &format!("string:{n}"), &n][..], &["RPUSH", "list", &n], &["HSET", "hash", &n, "v"]]
            {
                server.run(command)?;
            }
            server.run(&["ZADD", "zset", &n, &n])?;
            server.run(&["XADD", "stream", "*", "field", &n])?;
        }
    } else {
        dataset::fill(&mut server, dataset)?;
    }
    server.run(&["SET", "lasting", "value", "EX", "100000"])?;
    server.save()?;
    server.kill()?;
    Ok(place.file("dump.rdb"))
}

pub(crate) fn document(output: &Output) -> Result<Value, Box<dyn Error>> {
    let document = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redis-persistence/docs/drill.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(&fs::read_to_string(path)?)?)?;
    assert!(schema.is_valid(&document), "{document:#}");
    Ok(document)
}

/// How the tests of a drill came out, by their names.
pub(crate) fn outcomes(file: &Value) -> Vec<(&str, &str)> {
    let tests = file["tests"].as_array().into_iter().flatten();
    tests.map(|test| (test["name"].as_str().unwrap_or(""), test["outcome"].as_str().unwrap_or(""))).collect()
}

testkit::on_each_product!(what_a_server_saved_comes_up_and_is_the_same);

/// A file whose function library never ends, so that a server which loads it hangs.
pub(crate) fn hanging(place: &Place) -> std::io::Result<PathBuf> {
    let code = b"#!lua name=lib\nwhile true do end\nredis.register_function('f', function() return 1 end)\n";
    let mut bytes = b"REDIS0010\xf5\x40".to_vec();
    bytes.push(u8::try_from(code.len()).unwrap_or(0));
    bytes.extend_from_slice(code);
    bytes.extend_from_slice(b"\xfe\x00\x00\x03key\x05value\xff\0\0\0\0\0\0\0\0");
    let path = place.file("hanging.rdb");
    fs::write(&path, bytes)?;
    Ok(path)
}

fn what_a_server_saved_comes_up_and_is_the_same(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let place = Place::new()?;
    let file = saved(&place, &installed, &Dataset { databases: vec![0, 3], ..Dataset::default() })?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400))?;
    let before = (fs::read(&file)?, fs::metadata(&file)?.modified()?);
    let output = place.rdbcheck(&installed, &["--json"], &file)?;
    let document = document(&output)?;
    let of = &document["files"][0];
    assert_eq!(output.status.code(), Some(0), "{product}: {of:#}");
    let outcomes = outcomes(of);
    for name in ["it comes up", "keys of each database", "sampled values", "it stops when asked"] {
        assert!(outcomes.contains(&(name, "held")), "{product}: {name}: {of:#}");
    }
    assert!(!outcomes.iter().any(|(_, outcome)| *outcome == "failed"), "{product}: {of:#}");
    // Where there are vector sets, nobody knows how a server digests them.
    let has_vector_sets = product.family() == "redis" && product.version() >= (8, 0);
    let digest = if has_vector_sets { "untested" } else { "held" };
    assert!(outcomes.contains(&("DEBUG DIGEST", digest)), "{product}: {of:#}");
    assert!(
        of["used_memory_peak"].as_u64() > Some(500_000) && of["resident_peak"].as_u64() > Some(1_000_000),
        "{of:#}"
    );
    assert_eq!((fs::read(&file)?, fs::metadata(&file)?.modified()?), before, "{product}");
    place.assert_clean(product.name());
    Ok(())
}

#[test]
fn every_form_of_the_report() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let file = saved(&place, &installed, &Dataset { databases: vec![0], ..Dataset::default() })?;
    let printed = |format: &str| -> Result<String, Box<dyn Error>> {
        let output = place.rdbcheck(&installed, &["--format", format], &file)?;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let text = printed("text")?;
    for part in ["Redis 7.0.15 comes up\n", "  load  ", "the estimate", "DEBUG DIGEST: that of the file", "  untested "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let junit = printed("junit")?;
    let suites = roxmltree::Document::parse(&junit)?;
    assert!(suites.descendants().filter(|node| node.has_tag_name("testcase")).count() >= 5, "{junit}");
    let metrics = printed("prometheus")?;
    for line in ["drill_comes_up{path=", "drill_test{path=", "drill_load_milliseconds{path="] {
        assert!(metrics.lines().any(|of| of.starts_with(line)), "{line}: {metrics}");
    }
    // A packed one is the same.
    #[cfg(feature = "packed")]
    {
        let packed = place.file("dump.rdb.zst");
        fs::write(&packed, zstd::encode_all(&fs::read(&file)?[..], 1)?)?;
        let output = place.rdbcheck(&installed, &[], &packed)?;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    place.assert_clean("forms");
    Ok(())
}

/// What the load took stands beside what `--stats` estimates.
#[test]
fn the_load_is_held_against_the_estimate() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let mut server = Server::start(&installed, place.data.path(), &["--enable-debug-command", "yes"])?;
    server.run(&["DEBUG", "POPULATE", "200000", "key", "40"])?;
    server.save()?;
    server.kill()?;
    let file = place.file("dump.rdb");
    let stats = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).args(["--stats", "--json"]).arg(&file).output()?;
    let estimate = serde_json::from_slice::<Value>(&stats.stdout)?["files"][0]["stats"]["estimate"].clone();
    let of = document(&place.rdbcheck(&installed, &["--json"], &file)?)?["files"][0].clone();
    assert_eq!((&of["estimated_cpu_ms"], &of["estimated_memory"]), (&estimate["cpu_ms"], &estimate["memory_bytes"]));
    let number = |name: &str| of[name].as_u64().unwrap_or(0);
    for name in ["estimated_cpu_ms", "load_ms", "cpu_ms", "estimated_memory", "used_memory_peak", "resident_peak"] {
        assert!(number(name) > 0, "{name}: {of:#}");
    }
    let text = String::from_utf8(place.rdbcheck(&installed, &[], &file)?.stdout)?;
    let load = text.lines().find(|line| line.starts_with("  load ")).ok_or("a line")?;
    let ms = number("estimated_cpu_ms");
    let said = format!("s of a processor (the estimate: {}.{:02} s)", ms / 1000, ms % 1000 / 10);
    assert!(load.ends_with(&said), "{said}: {load}");
    Ok(())
}

/// Keys that had expired are none of the server's, and none of those that are expected.
#[test]
fn keys_that_expire_are_accounted_for() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let mut server = Server::start(&installed, place.data.path(), &["--enable-debug-command", "yes"])?;
    server.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
    for n in 0..50 {
        server.run(&["SET", &format!("gone:{n}"), "value", "PX", "1"])?;
        server.run(&["SET", &format!("stays:{n}"), "value"])?;
    }
    thread::sleep(Duration::from_millis(20));
    server.save()?;
    server.kill()?;
    let output = place.rdbcheck(&installed, &["--json"], &place.file("dump.rdb"))?;
    let document = document(&output)?;
    let of = &document["files"][0];
    let db = &of["databases"]["0"];
    let counts = ["server_keys", "file_keys", "expired_before", "expired_meanwhile"].map(|name| db[name].as_u64());
    assert_eq!(counts, [Some(50), Some(100), Some(50), Some(0)], "{of:#}");
    assert_eq!(output.status.code(), Some(0), "{of:#}");
    place.assert_clean("expired");
    Ok(())
}

#[test]
fn what_does_not_come_up_says_how_it_ended() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let file = saved(&place, &installed, &Dataset { databases: vec![0], ..Dataset::default() })?;
    let whole = fs::read(&file)?;
    let cut = place.file("cut.rdb");
    fs::write(&cut, &whole[..whole.len() / 2])?;
    let ended = |args: &[&str], path: &Path| -> Result<(Option<i32>, Value), Box<dyn Error>> {
        let output = place.rdbcheck(&installed, &[args, &["--json"]].concat(), path)?;
        Ok((output.status.code(), document(&output)?["files"][0].clone()))
    };
    let (code, of) = ended(&[], &cut)?;
    assert_eq!((code, &of["ended"], &of["verdict"]), (Some(1), &"refused".into(), &"damaged".into()), "{of:#}");
    assert!(of["log"].to_string().contains("Unexpected EOF"), "{of:#}");
    place.assert_clean("cut");
    // More databases than a server has by default, and the setting that helps.
    let mut server = Server::start(&installed, place.data.path(), &["--databases", "40"])?;
    server.run(&["SELECT", "33"])?;
    server.run(&["SET", "key", "value"])?;
    server.save()?;
    server.kill()?;
    let far = file;
    let (code, of) = ended(&[], &far)?;
    assert_eq!((code, &of["ended"]), (Some(1), &"refused".into()), "{of:#}");
    let (code, of) = ended(&["--conf", "databases=40"], &far)?;
    assert_eq!(code, Some(0), "{of:#}");
    place.assert_clean("databases");
    Ok(())
}

#[test]
fn what_is_too_large_is_refused_with_the_figure() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let file = saved(&place, &installed, &Dataset { databases: vec![0], ..Dataset::default() })?;
    let output = place.rdbcheck(&installed, &["--memory", "1M"], &file)?;
    let text = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no server was started: it would take about ") && text.contains("1.0 MB"), "{text}");
    place.assert_clean("too large");
    Ok(())
}

/// A server that takes more memory than the estimate said is ended, and so is one that hangs.
#[test]
fn what_is_no_server_is_refused() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let file = hanging(&place)?;
    for (server, says) in [("/bin/cat", "no server of Redis or Valkey"), ("/no/such/program", "o such file")] {
        let other = Installed { server: server.into(), ..installed.clone() };
        let output = place.rdbcheck(&other, &[], &file)?;
        let text = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(says), "{text}");
        place.assert_clean(server);
    }
    let output = place.rdbcheck(&installed, &["--conf", "loadmodule=/tmp/x.so"], &file)?;
    let text = String::from_utf8(output.stderr)?;
    assert!(output.status.code() == Some(2) && text.contains("harmless settings: "), "{text}");
    Ok(())
}

/// The example of the guide, but for its figures of time and memory.
#[test]
fn the_guide_shows_a_drill() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let place = Place::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = "redis-6.0-streams.rdb";
    fs::copy(root.join("testdata/rdb").join(name), place.file(name))?;
    let output = place
        .command(env!("CARGO_BIN_EXE_rdbcheck"), &installed, &[], Path::new(name))
        .current_dir(place.data.path())
        .output()?;
    let guide = fs::read_to_string(root.join("docs/operators.md"))?;
    let (_, block) = guide.split_once("    $ rdbcheck drill --server /usr/bin/redis-server ").ok_or("no example")?;
    let shown = block.lines().skip(1).map_while(|line| line.strip_prefix("    "));
    let without_figures = |line: &str| {
        let measured = line.starts_with("  load") || line.starts_with("  memory");
        if measured { line.replace(|c: char| c.is_ascii_digit(), "") } else { line.to_owned() }
    };
    let printed = String::from_utf8(output.stdout)?;
    let printed: Vec<_> = printed.lines().map(without_figures).collect();
    assert_eq!(printed, shown.map(without_figures).collect::<Vec<_>>());
    Ok(())
}
