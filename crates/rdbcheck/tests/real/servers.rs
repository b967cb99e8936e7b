//! What real servers save is sound, and its counts are those that the server gave before it saved.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use testkit::dataset::{self, Census, Dataset};
use testkit::server::{Installed, Product, Server, require};

type TestResult = Result<(), Box<dyn Error>>;

/// Small limits turn every collection into its plain form, large ones into one packed blob. Redis 6.2 knows the names
/// with `ziplist`, and every later server takes them too.
const LIMITS: [&str; 7] = [
    "hash-max-ziplist-entries",
    "hash-max-ziplist-value",
    "zset-max-ziplist-entries",
    "zset-max-ziplist-value",
    "set-max-intset-entries",
    "stream-node-max-entries",
    "list-max-ziplist-size",
];

/// `redis-cli` of docs/operators.md: what it asks a server that loaded the file for, and what `digest` says of the file, are the same.
#[test]
fn digests_are_asked_of_servers() -> TestResult {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md"))?;
    let asked: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    redis-cli ")).collect();
    assert_eq!(asked, ["DEBUG DIGEST"], "no test asks a server for the others");
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump.rdb");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb/redis-6.0-streams.rdb"), &dump)?;
    let mut server = Server::start(&installed, folder.path(), &["--enable-debug-command", "yes"])?;
    let reply = server.run(&asked[0].split(' ').collect::<Vec<_>>())?;
    let told = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).arg("digest").arg(&dump).output()?;
    let told = String::from_utf8(told.stdout)?;
    let line = told.lines().find_map(|line| line.trim().strip_prefix("DEBUG DIGEST")).ok_or("no such line")?;
    assert_eq!(Some(line.trim()), reply.text(), "{told}");
    Ok(())
}

/// An empty folder of one test and one product.
fn folder(test: &str, product: Product) -> std::io::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("real-servers").join(format!("{test}-{product}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The settings as arguments of the server's command line.
fn arguments(settings: &[(&str, &str)]) -> Vec<String> {
    settings.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect()
}

/// The one file of a JSON report, and the exit code.
fn report(path: &Path) -> Result<(Value, Option<i32>), Box<dyn Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).arg("--json").arg(path).output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    Ok((document["files"][0].clone(), output.status.code()))
}

/// What the report has to say of the databases that a server counted.
fn databases(census: &Census) -> Value {
    let of = |(database, counts): (&u32, &dataset::DatabaseCensus)| {
        let dataset::DatabaseCensus { keyspace, types } = counts;
        (database.to_string(), json!({ "keys": keyspace.keys, "expires": keyspace.expires, "types": types }))
    };
    census.databases.iter().map(of).collect::<serde_json::Map<_, _>>().into()
}

/// Fills a server, lets it save, and holds the report on the file against what the server said. Gives the report.
fn saved_file_is_sound(
    installed: &Installed,
    test: &str,
    settings: &[(&str, &str)],
    dataset: &Dataset,
) -> Result<Value, Box<dyn Error>> {
    let product = installed.product;
    let dir = folder(test, product)?;
    let arguments = arguments(settings);
    let mut server = Server::start(installed, &dir, &arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    dataset::fill(&mut server, dataset)?;
    let census = dataset::census(&mut server)?;
    let keyspace = server.databases()?;
    server.save()?;
    server.kill()?;

    let (file, code) = report(&dir.join("dump.rdb"))?;
    assert_eq!((&file["verdict"], code), (&json!("sound"), Some(0)), "{product} {settings:?}: {}", file["findings"]);
    let counts = &file["counts"];
    assert_eq!(counts["databases"], databases(&census), "{product} {settings:?}");
    assert_eq!(counts["keys"], keyspace.values().map(|of| of.keys).sum::<u64>(), "{product}");
    assert_eq!(counts["expires"], keyspace.values().map(|of| of.expires).sum::<u64>(), "{product}");
    assert_eq!(counts["functions"], census.functions, "{product}");
    assert_eq!(counts["expired"], 0, "{product}");
    assert_eq!(file["duplicates"], "checked", "{product}");
    let mut types = BTreeMap::<&str, u64>::new();
    for ((name, _), n) in &census.encodings {
        *types.entry(name).or_default() += n;
    }
    assert_eq!(counts["types"], json!(types), "{product}");
    let writer = file["format"]["writer"].as_str().ok_or("no writer")?;
    assert!(installed.version.contains(writer), "{writer} {}", installed.version);
    fs::remove_dir_all(dir)?;
    Ok(file)
}

/// The names of the encodings in a report.
fn encodings(file: &Value) -> Vec<&str> {
    file["counts"]["encodings"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// The data set deletes an entry of a stream that is still pending: a note, and but for the next one nothing else is to be noted.
const PENDING_GONE: &str = "stream-pending-gone";

/// Vector sets as Redis 8.0.6 and later store them, which 8.0.2 refuses: so is each that a newer server writes.
const NEWER_INDEX: &str = "vectorset-index";

/// The codes of the findings.
fn codes(file: &Value) -> Vec<&str> {
    file["findings"].as_array().into_iter().flatten().filter_map(|finding| finding["code"].as_str()).collect()
}

#[test]
fn every_server_with_its_defaults() -> TestResult {
    for installed in Product::THOROUGH.into_iter().filter_map(require) {
        let file = saved_file_is_sound(&installed, "defaults", &[], &Dataset::default())?;
        assert_eq!(file["checksum"], "ok");
        let (newer, others): (Vec<_>, Vec<_>) = codes(&file).into_iter().partition(|code| *code == NEWER_INDEX);
        assert_eq!(others, [PENDING_GONE], "{}", file["findings"]);
        let writes_newer = installed.product == Product::Redis86;
        assert_eq!(newer.is_empty(), !writes_newer, "{}: {}", installed.product, file["findings"]);
    }
    Ok(())
}

#[test]
fn every_encoding_of_every_server() -> TestResult {
    for installed in Product::THOROUGH.into_iter().filter_map(require) {
        let mut seen = Vec::new();
        for (test, limit) in [("small-limits", "1"), ("large-limits", "100000")] {
            let settings: Vec<_> = LIMITS
                .iter()
                .map(|name| (*name, if *name == "list-max-ziplist-size" && limit != "1" { "-5" } else { limit }))
                .collect();
            let dataset = Dataset { large: limit != "1", ..Dataset::default() };
            let file = saved_file_is_sound(&installed, test, &settings, &dataset)?;
            seen.extend(encodings(&file).into_iter().map(str::to_owned));
        }
        let packed = if installed.product == Product::Redis62 { "ziplist" } else { "listpack" };
        for name in ["string", "hash", "set", "set-intset", "zset-2"] {
            assert!(seen.iter().any(|encoding| encoding == name), "{}: no {name} in {seen:?}", installed.product);
        }
        for of in ["hash", "zset"] {
            let name = format!("{of}-{packed}");
            assert!(seen.contains(&name), "{}: no {name} in {seen:?}", installed.product);
        }
        for of in ["list-quicklist", "stream-listpacks"] {
            assert!(seen.iter().any(|encoding| encoding.starts_with(of)), "{}: no {of} in {seen:?}", installed.product);
        }
    }
    Ok(())
}

#[test]
fn redis_70_with_every_way_to_save() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let dataset = Dataset { databases: vec![0, 3, 9], large: false, ..Dataset::default() };
    for compression in ["yes", "no"] {
        for checksum in ["yes", "no"] {
            for policy in ["allkeys-lru", "allkeys-lfu", "noeviction"] {
                let settings =
                    [("rdbcompression", compression), ("rdbchecksum", checksum), ("maxmemory-policy", policy)];
                let test = format!("save-{compression}-{checksum}-{policy}");
                let file = saved_file_is_sound(&installed, &test, &settings, &dataset)?;
                let (state, expected) = match checksum {
                    "yes" => ("ok", vec![PENDING_GONE]),
                    _ => ("disabled", vec![PENDING_GONE, "rdb-checksum-disabled"]),
                };
                assert_eq!(file["checksum"], state, "{settings:?}");
                assert_eq!(codes(&file), expected, "{settings:?}: {}", file["findings"]);
            }
        }
    }
    Ok(())
}

/// A server holds no key any more whose time has passed; the file does.
#[test]
fn redis_70_with_keys_past_their_expiry() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let dir = folder("expired", installed.product)?;
    let mut server = Server::start(&installed, &dir, &["--enable-debug-command", "yes"])?;
    server.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
    server.run(&["SET", "gone", "value", "PX", "1"])?;
    server.run(&["SET", "stays", "value", "EX", "1000"])?;
    std::thread::sleep(std::time::Duration::from_millis(20));
    server.save()?;
    server.kill()?;
    let (file, code) = report(&dir.join("dump.rdb"))?;
    let counts = &file["counts"];
    assert_eq!(
        (code, &counts["keys"], &counts["expires"], &counts["expired"]),
        (Some(0), &json!(2), &json!(2), &json!(1))
    );
    fs::remove_dir_all(dir)?;
    Ok(())
}
