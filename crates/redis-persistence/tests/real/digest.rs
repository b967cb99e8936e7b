//! Servers as witnesses: `DEBUG DIGEST` of each is what `digest` says of the file that it loaded, and what one server writes has
//! the digest of what another one wrote that holds the same.
//!
//! `DIGEST_SETS` is the number of data sets that each server makes, 1 without it.

use crate::servers;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use redis_persistence::digest::{self, Digests, Options};
use redis_persistence::servers::Target;
use servers::{number, target};
use testkit::dataset;
use testkit::on_each_product;
use testkit::rng::Rng;
use testkit::server::{Product, Server, StartError, require};

type TestResult = Result<(), Box<dyn Error>>;

on_each_product!(digests_are_those_of_servers);

fn digests_are_those_of_servers(product: Product) -> TestResult {
    let Some(maker) = require(product) else { return Ok(()) };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("digest-{product}-{}", std::process::id()));
    let (mut pairs, mut refused) = (0, 0);
    for seed in 0..number("DIGEST_SETS", 1) {
        fs::create_dir_all(&folder)?;
        let mut server = Server::start(&maker, &folder, &settings(product))?;
        dataset::random(&mut server, &mut Rng::new(seed * 100 + product as u64))?;
        server.save()?;
        let path = folder.join("dump.rdb");
        let bytes = fs::read(&path)?;
        let own = digest::reader(&bytes[..], &Options::default())?;
        compare(&mut server, &own, product, "its own")?;
        server.kill()?;
        for &other in Product::ALL {
            let Some(loader) = other.find() else { continue };
            fs::write(&path, &bytes)?;
            let mut server = match Server::start(&loader, &folder, &settings(other)) {
                Ok(server) => server,
                Err(StartError::Exited { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            pairs += 1;
            let between = format!("{product} to {other}, set {seed}");
            compare(&mut server, &own, other, &between)?;
            server.save()?;
            let saved = digest::reader(&fs::read(&path)?[..], &Options::default())?;
            assert_eq!(saved.digest, own.digest, "{between}");
            server.kill()?;
        }
        fs::remove_dir_all(&folder)?;
    }
    assert!(pairs > 0, "not even itself");
    eprintln!("{product}: {pairs} loaded, {refused} refused");
    Ok(())
}

/// What lets a server be asked.
fn settings(product: Product) -> Vec<&'static str> {
    if product.version() >= (7, 0) { vec!["--enable-debug-command", "yes"] } else { Vec::new() }
}

fn compare(server: &mut Server, own: &Digests, product: Product, what: &str) -> TestResult {
    let reply = server.run(&["DEBUG", "DIGEST"])?;
    let said = reply.text().ok_or("a digest")?.to_owned();
    let old = matches!(target(product), Target::Redis50 | Target::Redis60 | Target::Redis62 | Target::Redis70);
    let digest = if old { own.debug_digest_old } else { own.debug_digest };
    assert_eq!(digest.map(|digest| digest.to_string()), Some(said), "{what}");
    Ok(())
}
