//! The real servers themselves: each starts, takes the whole data set, and loads again what it saved.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use testkit::dataset::{self, Dataset};
use testkit::server::{CheckTool, Installed, LoadVerdict, Product, Server, check_tool, load_verdict, require};

type TestResult = Result<(), Box<dyn Error>>;

const LIMIT: Duration = Duration::from_secs(30);

/// An empty folder of one test and one product.
fn folder(test: &str, product: Product) -> std::io::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("servers").join(format!("{test}-{product}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Redis 6.2 has its debug commands always, and not this setting.
const fn settings(product: Product) -> &'static [&'static str] {
    match product {
        Product::Redis62 => &[],
        _ => &["--enable-debug-command", "yes"],
    }
}

fn saves_and_loads(installed: &Installed) -> TestResult {
    let product = installed.product;
    let dir = folder("saves-and-loads", product)?;
    let mut server = Server::start(installed, &dir, settings(product))?;
    dataset::fill(&mut server, &Dataset::default())?;
    let written = dataset::census(&mut server)?;
    let digest = server.run(&["DEBUG", "DIGEST"])?;
    server.save()?;
    server.kill()?;

    let file = dir.join("dump.rdb");
    let check = check_tool(installed, CheckTool::Rdb, &[&file], LIMIT)?;
    assert_eq!(check.exit, Some(0), "{product}: {}", check.text());

    let mut server = Server::start(installed, &dir, settings(product))?;
    let loaded = dataset::census(&mut server)?;
    assert_eq!(loaded.databases, written.databases, "{product}");
    assert_eq!(loaded.functions, written.functions, "{product}");
    assert_eq!(server.run(&["DEBUG", "DIGEST"])?, digest, "{product}");
    server.shutdown()?;

    let types: BTreeSet<_> = written.encodings.keys().map(|(kind, _)| kind.as_str()).collect();
    assert!(types.is_superset(&BTreeSet::from(["hash", "list", "set", "stream", "string", "zset"])), "{types:?}");
    assert_eq!(types.contains("vectorset"), matches!(product, Product::Redis80 | Product::Redis86), "{product}");
    assert_eq!(written.functions, if product == Product::Redis62 { 0 } else { 2 }, "{product}");
    let encodings: BTreeSet<_> = written.encodings.keys().map(|(_, encoding)| encoding.as_str()).collect();
    let packed = if product == Product::Redis62 { "ziplist" } else { "listpack" };
    for encoding in ["int", "embstr", "raw", "quicklist", "intset", "hashtable", "skiplist", "stream", packed] {
        assert!(encodings.contains(encoding), "{product} has no {encoding} among {encodings:?}");
    }
    fs::remove_dir_all(dir)?;
    Ok(())
}

fn keeps_an_append_only_file(installed: &Installed) -> TestResult {
    let product = installed.product;
    let dir = folder("append-only", product)?;
    let settings = [settings(product), &["--appendonly", "yes"]].concat();
    let small = Dataset { large: false, ..Dataset::default() };
    let mut server = Server::start(installed, &dir, &settings)?;
    dataset::fill(&mut server, &small)?;
    server.rewrite_aof()?;
    server.run(&["SET", "after", "the rewrite"])?;
    let written = server.databases()?;
    server.shutdown()?;

    let aof = match product {
        Product::Redis62 => dir.join("appendonly.aof"),
        _ => dir.join("appendonlydir").join("appendonly.aof.manifest"),
    };
    let check = check_tool(installed, CheckTool::Aof, &[&aof], LIMIT)?;
    // The tool of Valkey 9.1.2 takes a base file with the magic VALKEY for a text of commands: its verdict says nothing.
    if product == Product::Valkey91 {
        assert!(check.exit.is_some(), "{product}: {check:?}");
    } else {
        assert_eq!(check.exit, Some(0), "{product}: {}", check.text());
    }

    match load_verdict(installed, &dir, &settings)? {
        LoadVerdict::Loaded { databases, .. } => assert_eq!(databases, written, "{product}"),
        other => panic!("{product}: {other:?}"),
    }
    fs::remove_dir_all(dir)?;
    Ok(())
}

fn refuses_a_damaged_file(installed: &Installed) -> TestResult {
    let product = installed.product;
    let dir = folder("damaged", product)?;
    let file = dir.join("dump.rdb");
    fs::write(&file, b"REDIS0009\xfe\0\0\x01k\x7f")?;
    match load_verdict(installed, &dir, &[])? {
        LoadVerdict::Refused { exit, log } => {
            assert_eq!(exit, Some(1), "{product}: {log}");
            assert!(!log.is_empty(), "{product} says nothing");
        }
        other => panic!("{product}: {other:?}"),
    }
    let check = check_tool(installed, CheckTool::Rdb, &[&file], LIMIT)?;
    assert_eq!((check.exit, check.signal, check.timed_out), (Some(1), None, false), "{product}: {}", check.text());
    fs::remove_dir_all(dir)?;
    Ok(())
}

/// One test for each product, so that they run side by side and a missing one is named once for each.
macro_rules! for_each_product {
    ($($name:ident: $product:ident,)*) => {$(
        mod $name {
            use super::{Product, TestResult, require};

            #[test]
            fn saves_and_loads() -> TestResult {
                require(Product::$product).map_or(Ok(()), |installed| super::saves_and_loads(&installed))
            }

            #[test]
            fn keeps_an_append_only_file() -> TestResult {
                require(Product::$product).map_or(Ok(()), |installed| super::keeps_an_append_only_file(&installed))
            }

            #[test]
            fn refuses_a_damaged_file() -> TestResult {
                require(Product::$product).map_or(Ok(()), |installed| super::refuses_a_damaged_file(&installed))
            }
        }
    )*};
}

for_each_product! {
    redis_6_2: Redis62,
    redis_7_0: Redis70,
    redis_8_0: Redis80,
    redis_8_6: Redis86,
    valkey_9_1: Valkey91,
}

#[test]
fn a_tool_that_never_ends_is_killed() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let dir = folder("never-ends", Product::Redis70)?;
    let file = dir.join("module.rdb");
    // A module value that ends between two of its parts: the tool reads the end of the file as a part, for ever.
    fs::write(&file, b"REDIS0010\xfe\0\x07\x01k\x81\0\0\0\0\0\0\0\x01\x02\x05")?;
    let check = check_tool(&installed, CheckTool::Rdb, &[&file], Duration::from_secs(1))?;
    assert!(check.timed_out, "{check:?}");
    assert_eq!((check.exit, check.signal), (None, Some(9)));
    fs::remove_dir_all(dir)?;
    Ok(())
}

/// A macro cannot be asked for its list.
#[test]
fn every_product_is_in_the_list_of_on_each_product() {
    assert_eq!(Product::ALL.len(), 14, "add the new one to the list too");
}
