//! `--salvage OUT --for SERVER`: the server that was asked for loads OUT, and holds what the first one held; or it is said why not.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use testkit::dataset::{Dataset, fill};
use testkit::server::{Product, Server, require};

use crate::{Ran, TestResult, run};

/// Every so manieth key is compared.
const SAMPLE: usize = 5;

/// The key that is damaged, as its name is stored; and how many may be lost with it, for the order of keys is another each time.
const DAMAGED: &[u8] = b"\x06list:1";
const MOST_LOST: u64 = 3;

/// A server with keys of every type it has, and a damaged dump of them.
struct Source {
    folder: TempDir,
    server: Server,
    keys: u64,
}

impl Source {
    fn new(product: Product, expiries: bool) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(installed) = require(product) else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let mut server = Server::start(&installed, folder.path(), &[])?;
        fill(&mut server, &Dataset { large: false, expiries, ..Dataset::default() })?;
        server.save()?;
        let keys = server.databases()?.values().map(|database| database.keys).sum();
        let mut bytes = fs::read(folder.path().join("dump.rdb"))?;
        // From the type of a key on, so that no value is damaged without being lost.
        let at = bytes.windows(DAMAGED.len()).position(|name| name == DAMAGED).ok_or("the key is not there")?;
        bytes[at - 1..at + DAMAGED.len()].fill(0xee);
        fs::write(folder.path().join("damaged.rdb"), bytes)?;
        Ok(Some(Self { folder, server, keys }))
    }

    /// Salvages the dump to a folder of its own.
    fn salvage(&self, to: &Path, target: &str) -> Result<Ran, Box<dyn Error>> {
        let (out, damaged) = (to.join("dump.rdb"), self.folder.path().join("damaged.rdb"));
        let text = |path: &Path| path.display().to_string();
        run(&["--json", "--salvage", &text(&out), "--for", target, &text(&damaged)])
    }

    /// What is salvaged for a server is loaded by it, to the last key, and is what this one holds.
    fn is_loaded_by(&mut self, product: Product, target: &str) -> TestResult {
        let Some(installed) = require(product) else { return Ok(()) };
        let folder = tempfile::tempdir()?;
        let ran = self.salvage(folder.path(), target)?;
        assert_eq!(ran.code, Some(4), "{target}: {}", ran.err);
        let document: Value = serde_json::from_str(&ran.out)?;
        let loss = &document["files"][0]["salvage"]["loss"];
        let mut server = Server::start(&installed, folder.path(), &[])?;
        let (mut keys, mut compared) = (0, 0);
        for (db, held) in server.databases()? {
            let saved = &loss["databases"][db.to_string()];
            assert_eq!((saved["keys"].as_u64(), saved["expires"].as_u64()), (Some(held.keys), Some(held.expires)));
            keys += held.keys;
            self.server.names(db)?;
            for name in server.names(db)?.iter().step_by(SAMPLE) {
                let (was, is) = (self.server.elements(name)?, server.elements(name)?);
                assert!(was == is, "{target}: {} of database {db}: {was:?}, {is:?}", name.escape_ascii());
                let left = |server: &mut Server| server.run(&[b"PTTL", &name[..]]).map(|ms| ms.integer());
                let (was, is) = (left(&mut self.server)?.unwrap_or(0), left(&mut server)?.unwrap_or(0));
                assert!(was.signum() == is.signum() && was.abs_diff(is) < 300_000, "{target}: {was} ms, {is} ms");
                compared += 1;
            }
        }
        assert_eq!(loss["keys"].as_u64(), Some(keys), "{target}");
        assert!((self.keys - MOST_LOST..self.keys).contains(&keys), "{target}: {keys} of {}", self.keys);
        println!("{target}: {keys} of {} keys, {compared} compared", self.keys);
        Ok(())
    }

    /// What is refused for a server, and why.
    fn is_refused_by(&self, target: &str) -> Result<String, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let ran = self.salvage(folder.path(), target)?;
        assert_eq!(ran.code, Some(1), "{target}: {ran:?}");
        assert!(fs::read_dir(folder.path())?.next().is_none(), "{target}");
        println!("{}", ran.err);
        Ok(ran.err)
    }
}

#[test]
fn later_servers_load_what_an_earlier_one_wrote() -> TestResult {
    let later = [
        (Product::Redis62, "redis-6.2"),
        (Product::Redis70, "redis-7.0"),
        (Product::Redis80, "redis-8.0"),
        (Product::Redis86, "redis-8.6"),
        (Product::Valkey91, "valkey-9.1"),
    ];
    for (first, from) in [Product::Redis62, Product::Redis70].into_iter().enumerate() {
        let Some(mut source) = Source::new(from, true)? else { continue };
        for (product, target) in &later[first..] {
            source.is_loaded_by(*product, target)?;
        }
    }
    Ok(())
}

#[test]
fn a_dump_of_one_product_becomes_one_of_the_other() -> TestResult {
    let Some(mut source) = Source::new(Product::Valkey91, false)? else { return Ok(()) };
    let dump = fs::read(source.folder.path().join("damaged.rdb"))?;
    assert!(dump.starts_with(b"VALKEY080"));
    source.is_loaded_by(Product::Redis86, "redis-8.6")?;
    source.is_loaded_by(Product::Redis80, "redis-8.0")?;
    source.is_loaded_by(Product::Valkey91, "valkey-9.1")
}

#[test]
fn a_refusal_names_the_key_its_type_and_the_first_server_that_knows_it() -> TestResult {
    if let Some(source) = Source::new(Product::Redis70, true)? {
        let said = source.is_refused_by("redis-6.2")?;
        for part in
            ["redis-6.2 would not load it: ", "type 16 (hash", "; redis-7.0 is the first that does: ", "\"hash:"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    if let Some(source) = Source::new(Product::Redis80, true)? {
        let said = source.is_refused_by("valkey-9.1")?;
        for part in ["valkey-9.1 would not load it: ", "type 24 (hash", "; redis-7.4 is the first that does: "] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_sound_file_that_is_too_new_is_written_anew_or_refused_before_anything_is_written() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("dump.rdb"), b"VALKEY080\xfe\0\0\x01k\x01v\xff\0\0\0\0\0\0\0\0")?;
    let ran = run(&["--json", "--salvage", &path("out.rdb"), "--for", "redis-6.2", &path("dump.rdb")])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.out)?;
    let salvage = &document["files"][0]["salvage"];
    assert_eq!((&salvage["loss"]["keys"], &salvage["content_proven"]), (&Value::from(1), &Value::Bool(false)));
    assert_eq!(run(&["--for", "redis-6.2", &path("out.rdb")])?.code, Some(0));

    // A hash whose fields may expire is of 7.4.
    fs::write(path("dump.rdb"), b"REDIS0012\xfe\0\x18\x01h\0\0\0\0\0\0\0\0\x01\0\x01f\x01v\xff\0\0\0\0\0\0\0\0")?;
    for more in [&["--resp"][..], &[], &["--dry-run"]] {
        let ran = run(
            &[&["--force", "--salvage", &path("new.rdb"), "--for", "redis-6.2", &path("dump.rdb")], more].concat()
        )?;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("redis-6.2 would not load it: ") && !ran.err.contains(".part"), "{}", ran.err);
        assert!(!ran.out.contains("copied as it is") && !folder.path().join("new.rdb").exists(), "{}", ran.out);
    }
    Ok(())
}
