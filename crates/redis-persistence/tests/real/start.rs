//! Server's directories with files in every place, and what is said of the next start held against what servers start with.
//!
//! `TARGET_STARTS=500` makes so many directories, `TARGET_SEED` chooses others.

use crate::servers;
use crate::trusting;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use redis_persistence::servers::{Outcome, Settings, judge};
use redis_persistence::verify::{self, Options};
use servers::{number, release, target};
use testkit::manifest::Manifest;
use testkit::rdb::RdbWriter;
use testkit::resp::record;
use testkit::rng::Rng;
use testkit::server::{Product, Server, StartError, require};
use trusting::trusting;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// So many directories by default.
const SAMPLE: u64 = 24;

/// The keys that lie in each place.
#[derive(Debug, Default)]
struct Laid {
    dump: Option<u64>,
    old_style: Option<u64>,
    in_folder: Option<u64>,
    set: Option<u64>,
}

fn image(name: &str, keys: u64) -> Vec<u8> {
    let mut w = RdbWriter::redis(9);
    if keys > 0 {
        w.select_db(0);
    }
    for key in 0..keys {
        w.string_key(format!("{name}:{key}").as_bytes(), b"v");
    }
    w.finish()
}

fn commands(name: &str, keys: u64) -> Vec<u8> {
    let sets = (0..keys).map(|key| record(&["SET", &format!("{name}:{key}"), "v"]));
    [record(&["SELECT", "0"])].into_iter().chain(sets).flatten().collect()
}

/// Lays files into a server's directory.
fn lay(rng: &mut Rng, folder: &Path) -> TestResult<Laid> {
    let parts = folder.join("appendonlydir");
    let mut laid = Laid::default();
    let keys = |rng: &mut Rng, percent| rng.chance(percent).then(|| rng.range(0..=9));
    laid.dump = keys(rng, 60);
    if let Some(keys) = laid.dump {
        fs::write(folder.join("dump.rdb"), image("d", keys))?;
    }
    laid.old_style = keys(rng, 25);
    if let Some(keys) = laid.old_style {
        fs::write(folder.join("appendonly.aof"), commands("o", keys))?;
    }
    if rng.chance(30) {
        return Ok(laid);
    }
    fs::create_dir_all(&parts)?;
    if rng.chance(25) {
        let keys = rng.range(0..=9);
        laid.in_folder = Some(keys);
        fs::write(parts.join("appendonly.aof"), commands("f", keys))?;
        return Ok(laid);
    }
    let (base, incr) = (rng.range(0..=5), rng.range(0..=5));
    let seq = rng.range(1..=3);
    let name = |kind: &str| format!("appendonly.aof.{seq}.{kind}");
    fs::write(parts.join(name("base.rdb")), image("b", base))?;
    fs::write(parts.join(name("incr.aof")), commands("i", incr))?;
    // Sometimes the manifest is lost, or lists nothing.
    let text = Manifest::new()
        .file(name("base.rdb").as_bytes(), &seq.to_string(), "b", "")
        .file(name("incr.aof").as_bytes(), &seq.to_string(), "i", "")
        .take();
    match rng.below(4) {
        0 => {}
        1 => fs::write(parts.join("appendonly.aof.manifest"), "# nothing\n")?,
        _ => {
            laid.set = Some(base + incr);
            fs::write(parts.join("appendonly.aof.manifest"), text)?;
        }
    }
    Ok(laid)
}

fn compare(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let target = target(product);
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("starts-{product}"));
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let mut rng = Rng::new(number("TARGET_SEED", 5));
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::new());
    for number in 0..number("TARGET_STARTS", SAMPLE) {
        let folder = root.join(number.to_string());
        fs::create_dir_all(&folder)?;
        let laid = lay(&mut rng, &folder)?;
        let switch = if rng.chance(75) { "yes" } else { "no" };
        let mut settings = Settings::default();
        settings.functions = trusting();
        settings.set("appendonly", switch)?;
        let said = match verify::aof_path(&folder, &Options::default()) {
            Ok(report) => {
                let single = report.kind == verify::Kind::Aof;
                let answer = judge(&report, release(product), &settings);
                // Which keys a start that loads something loads.
                let manifests = target.version() >= (7, 0);
                let from_set = if single || !manifests { laid.old_style } else { laid.set.or(laid.old_style) };
                match answer.by_default {
                    Outcome::Loads if switch == "no" => laid.dump,
                    Outcome::Loads | Outcome::LoadsButDrops => from_set.or(Some(0)),
                    // It is the append-only files that are not read.
                    Outcome::StartsEmpty if switch == "no" => laid.dump.or(Some(0)),
                    Outcome::StartsEmpty if !manifests => laid.old_style.or(Some(0)),
                    Outcome::StartsEmpty => Some(0),
                    // Two old-style files, one where the other is to be moved.
                    Outcome::Crashes => None,
                    other => {
                        wrong.push(format!("{number} {laid:?} appendonly {switch}: said {other}"));
                        None
                    }
                }
            }
            // Nothing of an append-only file, and no dump: nothing is there to be read.
            Err(_) if laid.dump.is_none() => Some(0),
            Err(error) => return Err(error.into()),
        };
        let came_up = match Server::start(&installed, &folder, &["--appendonly", switch]) {
            Ok(mut server) => {
                let keys: u64 = server.databases()?.values().map(|database| database.keys).sum();
                server.kill()?;
                Some(keys)
            }
            Err(StartError::Exited { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        *seen.entry(came_up.map(|keys| keys > 0)).or_insert(0) += 1;
        if said != came_up {
            wrong.push(format!("{number} {laid:?} appendonly {switch}: {came_up:?} keys, said {said:?}"));
        } else {
            let _ = fs::remove_dir_all(&folder);
        }
    }
    println!("{product}: {seen:?}");
    assert!(wrong.is_empty(), "{product}: {} differences\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen.contains_key(&Some(true)) && seen.contains_key(&Some(false)), "{seen:?}");
    Ok(())
}

testkit::on_each_product!(compare);
