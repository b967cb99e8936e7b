//! What `rdbcheck list` prints of use and slots, held against servers that keep these: idle times and frequencies of keys, which only a
//! file written under such a policy has, and slots, which only a server of a cluster tells.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use testkit::on_each_product;
use testkit::server::{Installed, Product, Server, require};

use crate::lists::{TestResult, rows};

on_each_product!(uses_and_slots_are_those_of_the_server);

/// A server that has loaded a file of testdata, if it can.
fn loaded(installed: &Installed, file: &Path, folder: &Path, settings: &[&str]) -> TestResult<Option<Server>> {
    fs::copy(file, folder.join("dump.rdb"))?;
    Ok(Server::start(installed, folder, settings).ok())
}

fn uses_and_slots_are_those_of_the_server(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb");
    let (mut uses, mut slots) = (0, 0);
    for (name, policy, word, field) in
        [("redis-6.2-lfu.rdb", "allkeys-lfu", "FREQ", "freq"), ("redis-6.0-lru.rdb", "allkeys-lru", "IDLETIME", "idle")]
    {
        let folder = tempfile::tempdir()?;
        let file = testdata.join(name);
        let Some(mut server) = loaded(&installed, &file, folder.path(), &["--maxmemory-policy", policy])? else {
            continue;
        };
        for ((db, key), row) in rows(&file, &["--no-expired"])? {
            let Some(listed) = row[field].as_i64() else { continue };
            server.run(&["SELECT", &db.to_string()])?;
            let said = server.run(&[b"OBJECT", word.as_bytes(), &key])?.integer();
            // A key goes unused on while the server starts, and servers count time in steps of ten seconds.
            let apart = said.map_or(i64::MAX, |said| said - listed);
            let most = if field == "idle" { 12 } else { 0 };
            assert!(
                (-most..=most).contains(&apart),
                "{product}: {field} of {} in {name}: {said:?}, not {listed}",
                key.escape_ascii()
            );
            uses += 1;
        }
        server.kill()?;
    }
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(&installed, folder.path(), &["--cluster-enabled", "yes"])?;
    for name in ["redis-3.2-cluster.rdb", "redis-7.0-multidb.rdb", "redis-8.6-cluster.rdb"] {
        for ((_, key), row) in rows(&testdata.join(name), &[])? {
            let said = server.run(&[b"CLUSTER", &b"KEYSLOT"[..], &key])?.integer();
            assert_eq!(row["slot"].as_i64(), said, "{product}: {} in {name}", key.escape_ascii());
            slots += 1;
        }
    }
    server.kill()?;
    eprintln!("{product}: {uses} uses, {slots} slots");
    assert!(slots > 100 && uses > 20, "{uses} {slots}");
    Ok(())
}
