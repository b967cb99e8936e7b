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
        fill(&mut server, &mut Rng::new(seed * 100 + product as u64))?;
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

/// Random data of all types that the server has, in two databases.
fn fill(server: &mut Server, rng: &mut Rng) -> TestResult {
    let fields = server.knows("hpexpireat")?;
    for db in ["0", "3"] {
        server.run(&["SELECT", db])?;
        for n in 0..rng.size(10..=40) {
            let key = format!("key:{n}");
            let many = if rng.chance(10) { rng.size(100..=700) } else { rng.size(1..=20) };
            match rng.below(7) {
                0 => drop(server.run(&[b"SET".as_slice(), key.as_bytes(), &text(rng)])?),
                1 => each(server, rng, "RPUSH", &key, many, |rng| vec![text(rng)])?,
                2 => each(server, rng, "SADD", &key, many, |rng| vec![text(rng)])?,
                3 => each(server, rng, "SADD", &key, many, |rng| vec![rng.below(1 << 20).to_string().into_bytes()])?,
                4 => each(server, rng, "ZADD", &key, many, |rng| vec![score(rng).into_bytes(), text(rng)])?,
                5 => {
                    each(server, rng, "HSET", &key, many, |rng| vec![text(rng), text(rng)])?;
                    if fields && rng.chance(50) {
                        server.run(&["HSET", &key, "expiring", "field"])?;
                        server.run(&["HPEXPIREAT", &key, "4102444800123", "FIELDS", "1", "expiring"])?;
                    }
                }
                _ => stream(server, rng, &key, many)?,
            }
            if rng.chance(30) {
                server.run(&["PEXPIREAT", &key, &(4_102_444_800_000 + rng.below(1 << 40)).to_string()])?;
            }
        }
    }
    Ok(())
}

fn each(
    server: &mut Server,
    rng: &mut Rng,
    command: &str,
    key: &str,
    count: usize,
    element: impl Fn(&mut Rng) -> Vec<Vec<u8>>,
) -> TestResult {
    let mut arguments = vec![command.as_bytes().to_vec(), key.as_bytes().to_vec()];
    (0..count).for_each(|_| arguments.extend(element(rng)));
    server.run(&arguments)?;
    Ok(())
}

fn stream(server: &mut Server, rng: &mut Rng, key: &str, count: usize) -> TestResult {
    for n in 1..=count {
        let (id, field) = (format!("{}-{}", n / 3, n + 1), if rng.chance(80) { "same" } else { "other" });
        server.run(&[b"XADD".as_slice(), key.as_bytes(), id.as_bytes(), field.as_bytes(), &text(rng), b"x", b"1"])?;
    }
    if rng.chance(30) {
        server.run(&["XDEL", key, "0-2"])?;
    }
    for group in 0..rng.below(3) {
        let group = format!("group{group}");
        server.run(&["XGROUP", "CREATE", key, &group, "0"])?;
        for consumer in 0..rng.below(3) {
            let consumer = format!("consumer{consumer}");
            server.run(&["XREADGROUP", "GROUP", &group, &consumer, "COUNT", "3", "STREAMS", key, ">"])?;
        }
    }
    Ok(())
}

fn text(rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => rng.signed(-70_000..=70_000).to_string().into_bytes(),
        1 => "repeated ".repeat(rng.size(1..=20)).into_bytes(),
        _ => {
            let len = rng.size(0..=80);
            rng.bytes(len)
        }
    }
}

fn score(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => rng.signed(-1000..=1000).to_string(),
        1 => format!("{}.{:02}", rng.below(100_000), rng.below(100)),
        2 => format!("{}e{}", rng.below(10_000), rng.signed(-300..=300)),
        3 => ["inf", "-inf", "0.1", "1e17", "123456789012345678"][rng.size(0..=4)].to_owned(),
        // Any double that is a number.
        _ => {
            let bits = f64::from_bits(rng.below(u64::MAX));
            format!("{:e}", if bits.is_finite() { bits } else { 1.5 })
        }
    }
}
