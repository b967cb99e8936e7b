//! Files fed to real servers, and what is said of them held against what the servers did.
//!
//! A sample of fixed seeds runs by default; `TARGET_FILES=150` feeds so many files of each sort to each server, and
//! `TARGET_SEED` chooses others.

use crate::servers;
use crate::trusting;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use redis_persistence::servers::{Loads, Outcome, Settings, Target, judge};
use redis_persistence::verify::{self, Options};
use servers::{end_of, number, outcome, release, target};
use testkit::damage::Damage;
use testkit::rdb::{Family, File, RdbWriter, released_types};
use testkit::rng::Rng;
use testkit::server::{Installed, Product, load_verdict, require};
use trusting::trusting;

type TestResult = Result<(), Box<dyn Error>>;

/// Type 7 needs a module, which no server here has.
const MODULE: u8 = 7;

/// A file, and where it comes from.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Settings of the server, by name and value.
    settings: &'static [(&'static str, &'static str)],
}

const DEEP: &[(&str, &str)] = &[("sanitize-dump-payload", "yes")];

/// A sound file that needs no module.
fn sound(rng: &mut Rng, family: Family, version: u32) -> File {
    let mut types = released_types(family, version);
    types.retain(|byte| *byte != MODULE);
    let budget = rng.size(0..=400);
    let mut file = File::arbitrary_of(rng, family, version, budget, &types);
    file.module_aux.clear();
    // So that uncompressed blobs come to be damaged too.
    file.compression &= rng.chance(50);
    file
}

fn own_versions(target: Target) -> Vec<(Family, u32)> {
    let mut all: Vec<_> = target.rdb_versions().map(|version| (Family::Redis, version)).collect();
    if target.reads_valkey() {
        all.extend([(Family::Valkey, 80); 6]);
    }
    all
}

fn cases(target: Target, files: u64, seed: u64) -> Vec<Case> {
    let mut rng = Rng::new(seed);
    let own = own_versions(target);
    let mut cases = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| cases.push(Case { name, bytes, settings: &[] });
    for n in 0..files {
        let (family, version) = *rng.pick(&own[own.len() / 3..]);
        let file = sound(&mut rng, family, version);
        let encoded = file.encode();
        if n % 4 == 0 {
            add(format!("sound {family:?} {version}"), encoded.bytes);
            continue;
        }
        let damage = *rng.pick(&Damage::ALL);
        if let Some(done) = damage.apply(&encoded, &mut rng, true) {
            add(format!("{damage:?} {family:?} {version}"), done.bytes);
        }
    }
    for (family, version) in [(Family::Redis, 11), (Family::Redis, 13), (Family::Redis, 15), (Family::Valkey, 80)] {
        add(format!("any {family:?} {version}"), sound(&mut rng, family, version).encode().bytes);
    }
    let oldest = rng.chance(50);
    add("types of 13 under 9".to_owned(), File { version: 9, ..sound(&mut rng, Family::Redis, 13) }.encode().bytes);
    add("module".to_owned(), File::arbitrary(&mut rng, Family::Redis, if oldest { 8 } else { 9 }, 9).encode().bytes);
    made_by_hand(&mut add);
    let cluster: &[_] = &[("cluster-enabled", "yes")];
    let other_settings = [
        ("slot 2^30", cluster),
        ("database 1", cluster),
        ("database 1 without keys", cluster),
        ("database 20", &[("databases", "32")]),
        ("checksum", &[("rdbchecksum", "no")]),
        ("REDIS0079", &[("rdb-version-check", "relaxed")]),
        ("any Redis 11", &[("rdb-version-check", "relaxed")]),
        ("any Redis 13", &[("rdb-version-check", "relaxed")]),
    ];
    for (name, settings) in other_settings {
        let of_target = settings[0].0 != "rdb-version-check" || target >= Target::Valkey81;
        if let Some(case) = cases.iter().find(|case| case.name == name).filter(|_| of_target) {
            cases.push(Case { name: name.to_owned(), bytes: case.bytes.clone(), settings });
        }
    }
    // Before 6.2 there was no such setting.
    if target != Target::Valkey91 && target >= Target::Redis62 {
        for case in cases.iter_mut().filter(|case| case.name.contains("edis")).step_by(3) {
            case.settings = DEEP;
        }
    }
    cases
}

fn made_by_hand(add: &mut impl FnMut(String, Vec<u8>)) {
    let mut file = |name: &str, fill: &dyn Fn(&mut RdbWriter)| {
        let mut w = RdbWriter::redis(9);
        w.select_db(0);
        fill(&mut w);
        add(name.to_owned(), w.finish());
    };
    file("database 20", &|w| _ = w.select_db(20).string_key(b"k", b"v"));
    file("database 20 without keys", &|w| _ = w.select_db(20));
    file("database 1", &|w| _ = w.select_db(1).string_key(b"k", b"v"));
    file("database 1 without keys", &|w| _ = w.select_db(1));
    file("keys twice", &|w| _ = w.string_key(b"k", b"v").string_key(b"k", b"v"));
    file("expiry -1", &|w| _ = w.expire_ms(-1).string_key(b"k", b"v"));
    for power in [20, 34, 40, 50, 62] {
        file(&format!("RESIZEDB 2^{power}"), &|w| _ = w.resize_db(1 << power, 0).string_key(b"k", b"v"));
    }
    file("release candidate's function", &|w| {
        _ = w.function_pre_ga(b"l", b"LUA", None, b"redis.register_function('f', function() return 1 end)")
    });
    file("function", &|w| _ = w.function2(b"#!lua name=l\nredis.register_function('f', function() return 1 end)"));
    file("function without first line", &|w| _ = w.function2(b"return 1"));
    file("slot 20000", &|w| _ = w.slot_info(20_000, 1, 0).string_key(b"k", b"v"));
    file("slot 2^30", &|w| _ = w.slot_info(1 << 30, 1, 0).string_key(b"k", b"v"));
    file("slot-info of Valkey", &|w| _ = w.aux(b"slot-info", b"1,2").string_key(b"k", b"v"));
    file("empty set", &|w| _ = w.key(2, b"k").len(0));
    file("set with a member twice", &|w| _ = w.key(2, b"k").len(2).str(b"a").str(b"a"));
    file("set with a number twice", &|w| _ = w.key(2, b"k").len(2).str(b"1").str(b"1"));
    file("small hash with a field twice", &|w| {
        _ = w.key(4, b"k").len(2).str(b"a").str(b"1").str(b"a").str(b"2");
    });
    file("hash with a field twice and a long value", &|w| {
        _ = w.key(4, b"k").len(2).str(b"a").str(&[b'x'; 100]).str(b"a").str(b"2");
    });
    file("hash of 600 fields with one twice", &|w| {
        w.key(4, b"k").len(600);
        for n in 0..600_u32 {
            w.str(format!("f{}", n % 599).as_bytes()).str(b"1");
        }
    });
    file("NaN", &|w| _ = w.key(5, b"k").len(1).str(b"a").double(f64::NAN));
    file("old NaN", &|w| _ = w.key(3, b"k").len(1).str(b"a").raw(&[253]));
    file("old score that is none", &|w| _ = w.key(3, b"k").len(1).str(b"a").old_double_text(b"abc"));
    file("type 6", &|w| _ = w.key(6, b"k").len(1));
    file("type 33", &|w| _ = w.key(33, b"k").len(1));
    file("opcode 240", &|w| _ = w.raw(&[240, 0]));
    let mut w = RdbWriter::redis(9);
    add("checksum".to_owned(), w.string_key(b"k", b"v").finish_with(1));
    for header in [
        "REDIS0000",
        "REDIS11zz",
        "REDIS009z",
        "REDIS1009",
        "REDIS  09",
        "REDIS0079",
        "REDIS0080",
        "VALKEY079",
        "VALKEY081",
    ] {
        let mut w = RdbWriter::with_header(header.as_bytes(), 9);
        add(header.to_owned(), w.select_db(0).string_key(b"k", b"v").finish());
    }
    for version in [10, 11, 12, 13] {
        for (name, kind) in [("hash", 16), ("zset", 17)] {
            let mut w = RdbWriter::redis(version);
            let blob = testkit::rdb::Listpack::of([&b"a"[..], b"1", b"a", b"2"]);
            add(format!("{name} listpack {version}, twice"), w.key(kind, b"k").str(&blob).finish());
        }
    }
    for (name, bytes) in
        [("no byte", &b""[..]), ("zeros", &[0; 64]), ("text", b"hello"), ("gzip", b"\x1f\x8b\x08\0\0\0\0")]
    {
        add(name.to_owned(), bytes.to_vec());
    }
}

/// What a server does with a file.
fn did(installed: &Installed, folder: &Path, case: &Case) -> Result<(Outcome, String), Box<dyn Error>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("dump.rdb"), &case.bytes)?;
    let settings: Vec<_> = case.settings.iter().map(|(name, value)| (format!("--{name}"), *value)).collect();
    let settings: Vec<_> = settings.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
    Ok(outcome(load_verdict(installed, folder, &settings)?))
}

/// Sorts of differences that are known, each with the reason.
fn explained(case: &Case, _answer: &Loads, _did: Outcome, _log: &str) -> Option<&'static str> {
    // 2^34 keys are too many for one build and 2^40 not for another one: the machine decides.
    case.name.starts_with("RESIZEDB 2^").then_some("memory reserved for RESIZEDB")
}

fn compare(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let target = target(product);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("targets-{product}"));
    let (mut wrong, mut known, mut count) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (number, case) in cases(target, number("TARGET_FILES", 40), number("TARGET_SEED", 7)).iter().enumerate() {
        let report = verify::slice(&case.bytes, &Options::default());
        let mut settings = Settings::default();
        settings.functions = trusting();
        for (name, value) in case.settings {
            settings.set(name, value)?;
        }
        let answer = judge(&report, release(product), &settings);
        let (did, log) = did(&installed, &folder, case)?;
        *count.entry(did.as_str()).or_insert(0) += 1;
        if answer.by_default == did {
            continue;
        }
        if answer.by_default == Outcome::Unknown && !answer.because.is_empty() {
            *known.entry("cannot be told").or_insert(0) += 1;
            continue;
        }
        if let Some(why) = explained(case, &answer, did, &log) {
            *known.entry(why).or_insert(0) += 1;
            continue;
        }
        // Whether a server that does not come up says so or breaks down depends on memory, too.
        if answer.by_default.comes_up() == did.comes_up() {
            *known.entry("refuses or crashes").or_insert(0) += 1;
            continue;
        }
        let codes: Vec<_> = report.rdb.iter().flat_map(|facts| facts.classes.keys()).collect();
        let because: Vec<_> = answer.because.iter().map(|why| &why.message).collect();
        let log = end_of(&log);
        fs::write(folder.with_extension(format!("{number}.rdb")), &case.bytes)?;
        wrong.push(format!(
            "{number} {} {:?}: {did}, said {} {because:?}\n  {codes:?}\n    {log}",
            case.name, case.settings, answer.by_default
        ));
    }
    println!("{product}: {count:?}, {known:?}");
    assert!(wrong.is_empty(), "{product}: {} differences\n{}", wrong.len(), wrong.join("\n"));
    assert!(count.len() >= 3, "{product}: {count:?}");
    Ok(())
}

testkit::on_each_product!(compare);
