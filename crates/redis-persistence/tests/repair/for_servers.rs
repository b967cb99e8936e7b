//! Files written for another server: sound, with the data of the source, and loaded by that server as far as its rules tell.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Cursor;

use redis_persistence::digest;
use redis_persistence::rdb::{self, KeyAttributes, ValueType, Writer};
use redis_persistence::rewrite::{Dropped, Kind, NotWritten, OnDuplicate, Options, Plan, plan};
use redis_persistence::select::{Pattern, Selection};
use redis_persistence::servers::{Reason, Release, Settings, Target, judge};
use redis_persistence::verify::{self, Verdict};
use testkit::rdb::{Family, File, RdbWriter, Value};
use testkit::rng::Rng;

pub(crate) type TestResult<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) fn options(server: Target) -> Options {
    Options::new(Release::from(server).dialect(&Settings::default()))
}

/// Writes, and holds what was written against the plan.
pub(crate) fn written(files: &[&[u8]], options: &Options) -> Result<(Plan, Vec<u8>), NotWritten> {
    let mut sources: Vec<_> = files.iter().map(Cursor::new).collect();
    let plan = plan(&mut sources, options)?;
    let mut out = Vec::new();
    let written = plan.write(&mut sources, &mut out).expect("memory can be written");
    assert_eq!((written.bytes, written.keys), (out.len() as u64, plan.keys));
    let report = verify::slice(&out, &verify::Options::default());
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
    let found = digest::reader(&out[..], &digest::Options::default()).expect("it is sound");
    assert_eq!((found.digest, found.keys, found.expires), (plan.digest, plan.keys, plan.expires));
    Ok((plan, out))
}

/// What such a refusal would take to be none.
pub(crate) fn kinds(error: &NotWritten) -> BTreeSet<Kind> {
    match error {
        NotWritten::Refused { by_kind, .. } => by_kind.keys().copied().collect(),
        other => panic!("{other}"),
    }
}

/// Random files of every version, for every server. What is left out is what it cannot have, and no more.
#[test]
fn every_server_gets_what_it_can_have_of_any_file() -> TestResult {
    let versions = [(Family::Valkey, 80)].into_iter().chain((9..=15).map(|version| (Family::Redis, version)));
    let (mut pairs, mut whole) = (0, 0);
    for (seed, (family, version)) in (0..).zip(versions.cycle().take(64)) {
        let mut rng = Rng::new(seed);
        let mut file = File::arbitrary(&mut rng, family, version, 120);
        if seed % 16 >= 8 {
            // What every server can have, in the encodings of that version.
            file.module_aux.clear();
            file.functions.clear();
            file.keys.retain(|key| !matches!(key.value, Value::Module2 { .. } | Value::Array { .. }));
            file.keys.iter_mut().for_each(|key| key.key_meta.clear());
            file.keys.retain(|_| rng.chance(30));
        }
        let file = file.encode().bytes;
        if verify::slice(&file, &verify::Options::default()).verdict != Verdict::Sound {
            continue;
        }
        let source = digest::reader(&file[..], &digest::Options::default())?;
        for server in Target::ALL {
            let what = format!("seed {seed}, {family:?} {version} for {server}");
            let mut options = options(*server);
            options.anew = seed % 3 == 0;
            let result = written(&[&file], &options).or_else(|error| {
                options.without = kinds(&error);
                written(&[&file], &options)
            });
            let (plan, out) = match result {
                Ok(made) => made,
                Err(error) => {
                    assert_eq!(kinds(&error), BTreeSet::from([Kind::Nacks]), "{what}: {error}");
                    assert!(*server < Target::Redis88 || *server > Target::Redis810, "{what}");
                    continue;
                }
            };
            pairs += 1;
            if !options.anew && pairs % 4 == 0 {
                let again = Options { anew: true, ..options.clone() };
                let mut sources = [Cursor::new(&file)];
                let once_more = plan.clone().anew(&mut sources).map_err(|error| error.to_string())?;
                assert_eq!(once_more, written(&[&file], &again).map_err(|error| error.to_string())?.0, "{what}");
            }
            assert!(out.starts_with(if server.reads_valkey() { b"VALKEY080" } else { b"REDIS00" }), "{what}");
            if plan.left_out.is_empty() && plan.dropped.keys().all(|what| *what != Dropped::ProducerIds) {
                whole += 1;
                assert_eq!(plan.digest, source.digest, "{what}");
            }
            let answer = judge(&verify::slice(&out, &verify::Options::default()), *server, &Settings::default());
            let hard = answer.because.iter().filter(|why| {
                let name = why.reason.as_str();
                // Random files have databases beyond 16, code that nobody ran, and vector sets that 8.0.2 refuses.
                let soft = matches!(why.reason, Reason::Databases | Reason::FunctionUnproven | Reason::Script);
                !soft && !name.starts_with("vectorset-")
            });
            let hard: Vec<_> = hard.map(|why| &why.message).collect();
            assert!(hard.is_empty(), "{what}: {hard:?}");
        }
    }
    println!("{pairs} written, {whole} of them whole");
    assert!(pairs > 500 && whole > 50, "{pairs} {whole}");
    Ok(())
}

/// A hash of so many fields, every second of which expires.
pub(crate) fn large_hash(family: rdb::Family, value_type: ValueType, fields: u64) -> TestResult<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), family, if family == rdb::Family::Valkey { 80 } else { 12 })?;
    writer.select_db(0)?;
    writer.key(
        &KeyAttributes { expire_ms: Some(4_102_444_800_000), ..KeyAttributes::default() },
        value_type,
        b"large",
    )?;
    let of_redis = value_type == ValueType::HashMetadata;
    if of_redis {
        writer.copy(&4_102_444_800_000_u64.to_le_bytes())?;
    }
    writer.length(fields)?;
    for n in 0..fields {
        let expires = n % 2 == 0;
        if of_redis {
            writer.length(if expires { 1 + n } else { 0 })?;
        }
        writer.string(format!("the name of field {n}").as_bytes())?;
        writer.string(format!("the value of field {n}").as_bytes())?;
        if !of_redis {
            let ms = if expires { 4_102_444_800_000 + n } else { u64::MAX };
            writer.copy(&ms.to_le_bytes())?;
        }
    }
    Ok(writer.finish()?)
}

/// More than is held of a collection: its count and its first expiry are found by a second look.
#[test]
fn a_collection_that_is_not_held_is_looked_at_twice() -> TestResult {
    let redis = large_hash(rdb::Family::Redis, ValueType::HashMetadata, 60_000)?;
    let valkey = large_hash(rdb::Family::Valkey, ValueType::Hash2, 60_000)?;
    let of = |file: &[u8]| digest::reader(file, &digest::Options::default()).map(|found| found.digest);
    assert_eq!(of(&redis)?, of(&valkey)?);
    for (file, server, wanted) in [(&redis, Target::Valkey91, &valkey), (&valkey, Target::Redis74, &redis)] {
        let (plan, out) = written(&[file], &options(server)).map_err(|error| error.to_string())?;
        assert_eq!((plan.keys, plan.copied), (1, 0));
        assert_eq!(of(&out)?, of(wanted)?, "{server}");
    }
    let mut without = options(Target::Redis62);
    assert_eq!(
        kinds(&written(&[&redis], &without).expect_err("fields that expire")),
        BTreeSet::from([Kind::FieldExpiry])
    );
    without.without = BTreeSet::from([Kind::FieldExpiry]);
    // At that time a part of the fields has expired.
    without.verify.now_ms = Some(4_102_444_800_000 + 30_000);
    let (plan, out) = written(&[&valkey], &without).map_err(|error| error.to_string())?;
    assert_eq!(plan.left_out[&Kind::FieldExpiry].total, 1);
    let mut keys = rdb::Keys::new(&out[..]);
    let mut fields = 0;
    if let Some(key) = keys.next()? {
        key.for_each(|_| fields += 1)?;
    }
    assert_eq!(fields, 60_000 - 15_000);
    Ok(())
}

/// Two databases that become one, libraries of two files, and which key wins.
#[test]
fn what_stands_twice_is_named_until_somebody_says_which() -> TestResult {
    let file = |value: &str| -> TestResult<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), rdb::Family::Redis, 11)?;
        writer.function(format!("#!lua name=lib\nredis.register_function('{value}', function() end)").as_bytes())?;
        for db in [0, 4] {
            writer.select_db(db)?;
            writer.key(&KeyAttributes::default(), ValueType::String, b"twice")?;
            writer.string(format!("{value} {db}").as_bytes())?;
        }
        Ok(writer.finish()?)
    };
    let (one, two) = (file("one")?, file("two")?);
    let mut wanted = options(Target::Redis72);
    wanted.databases = BTreeMap::from([(4, 0)]);
    let error = written(&[&one], &wanted).expect_err("twice");
    assert!(matches!(&error, NotWritten::Duplicates { total: 1, first } if first[0].name == b"twice"), "{error}");
    for (which, value) in [(OnDuplicate::First, &b"one 0"[..]), (OnDuplicate::Last, b"two 4")] {
        wanted.on_duplicate = Some(which);
        // So that every range of hashes is a pass of its own.
        wanted.memory = 0;
        let (plan, out) = written(&[&one, &two], &wanted).map_err(|error| error.to_string())?;
        // Three keys, and one of the two libraries.
        assert_eq!((plan.keys, plan.functions, plan.duplicates), (1, 1, 4), "{which:?}");
        let mut keys = rdb::Keys::new(&out[..]);
        let key = keys.next()?.ok_or("a key")?;
        assert_eq!(key.value()?, rdb::Value::String(value.to_vec()), "{which:?}");
    }
    wanted.on_duplicate = None;
    wanted.databases.clear();
    wanted.selection = Selection { only: vec![Pattern::new(b"none")], ..Selection::default() };
    let error = written(&[&one, &two], &wanted).expect_err("the libraries differ");
    assert!(error.to_string().contains("the library lib"), "{error}");
    Ok(())
}

/// A file of that time with these keys in two databases, scripts, and a library if there is code.
pub(crate) fn saved(seconds: u32, scripts: &[&str], code: Option<&str>, databases: &[u64]) -> TestResult<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), rdb::Family::Redis, if code.is_some() { 11 } else { 9 })?;
    writer.aux(b"ctime", seconds.to_string().as_bytes())?;
    scripts.iter().try_for_each(|script| writer.aux(b"lua", script.as_bytes()))?;
    if let Some(code) = code {
        writer.function(format!("#!lua name=lib\nredis.register_function('{code}', function() end)").as_bytes())?;
    }
    for db in databases {
        writer.select_db(*db)?;
        writer.key(&KeyAttributes::default(), ValueType::String, format!("{seconds} {db}").as_bytes())?;
        writer.string(b"value")?;
    }
    Ok(writer.finish()?)
}

/// The codes of the libraries and the scripts that a file holds.
fn codes(file: &[u8]) -> Vec<String> {
    let found = |start: &[u8]| file.windows(start.len()).filter(|bytes| *bytes == start).count();
    let names = ["'one'", "'two'", "'three'", "return 1", "return 2"];
    names.iter().flat_map(|name| vec![(*name).to_owned(); found(name.as_bytes())]).collect()
}

/// The newest file has the say about libraries too, though it is not the last one.
#[test]
fn the_library_of_the_newest_file_is_written() -> TestResult {
    let file = |seconds, code| saved(seconds, &[], Some(code), &[0]);
    let (one, two, three) = (file(10, "one")?, file(30, "two")?, file(20, "three")?);
    let again = file(40, "one")?;
    let mut options = options(Target::Redis72);
    let sets: [(&[&[u8]], OnDuplicate, &str, u64); 5] = [
        (&[&one, &two, &three], OnDuplicate::NewestFile, "'two'", 2),
        (&[&two, &three, &one], OnDuplicate::NewestFile, "'two'", 2),
        (&[&one, &two, &three], OnDuplicate::First, "'one'", 2),
        (&[&one, &two, &three], OnDuplicate::Last, "'three'", 2),
        // The same as in an old file, and therefore no duplicate of that one: yet it is the newest.
        (&[&one, &again, &two], OnDuplicate::NewestFile, "'one'", 1),
    ];
    for (files, which, wanted, duplicates) in sets {
        options.on_duplicate = Some(which);
        let (plan, out) = written(files, &options).map_err(|error| error.to_string())?;
        assert_eq!((codes(&out), plan.duplicates), (vec![wanted.to_owned()], duplicates), "{which:?}");
    }
    Ok(())
}

/// Scripts stand in the output as often as in the sources, however many passes it takes to write that.
#[test]
fn scripts_are_written_once() -> TestResult {
    let one = saved(1, &["return 1"], None, &[0, 1, 2])?;
    let two = saved(2, &["return 2"], None, &[0, 1])?;
    let mut options = options(Target::Redis62);
    let (_, out) = written(&[&one, &two], &options).map_err(|error| error.to_string())?;
    assert_eq!(codes(&out), ["return 1", "return 2"]);
    // None of the keys of the second one.
    options.selection = Selection { only: vec![Pattern::new(b"1 *")], ..Selection::default() };
    let (plan, out) = written(&[&one, &two], &options).map_err(|error| error.to_string())?;
    assert_eq!((plan.keys, codes(&out)), (3, vec!["return 1".to_owned(), "return 2".to_owned()]));
    options.selection = Selection { only: vec![Pattern::new(b"none")], ..Selection::default() };
    let (plan, out) = written(&[&one, &two], &options).map_err(|error| error.to_string())?;
    assert_eq!((plan.keys, codes(&out)), (0, vec!["return 1".to_owned(), "return 2".to_owned()]));
    // Databases that change places are written in a pass each.
    options.selection = Selection::default();
    options.databases = BTreeMap::from([(0, 2), (2, 0)]);
    let (_, out) = written(&[&one], &options).map_err(|error| error.to_string())?;
    assert_eq!(codes(&out), ["return 1"]);
    options.dialect = Release::from(Target::Redis72).dialect(&Settings::default());
    let (_, out) = written(&[&one], &options).map_err(|error| error.to_string())?;
    assert_eq!(codes(&out), [""; 0], "it has functions instead");
    Ok(())
}

/// What stands twice is counted without being held, and held only as far as the memory goes.
#[test]
fn keys_that_stand_twice_are_held_within_bounds() -> TestResult {
    let mut writer = Writer::new(Vec::new(), rdb::Family::Redis, 11)?;
    writer.select_db(0)?;
    for n in 0..40_000 {
        writer.key(&KeyAttributes::default(), ValueType::String, format!("key {n}").as_bytes())?;
        writer.string(b"value")?;
    }
    let file = writer.finish()?;
    let mut options = options(Target::Redis72);
    options.memory = 0;
    let error = written(&[&file, &file], &options).expect_err("all of them stand twice");
    let NotWritten::Duplicates { total, first } = &error else { panic!("{error}") };
    assert!(*total == 40_000 && (1..=10).contains(&first.len()), "{error}");
    options.on_duplicate = Some(OnDuplicate::First);
    let error = written(&[&file, &file], &options).expect_err("there is no memory for so many");
    assert!(matches!(error, NotWritten::TooManyDuplicates { .. }), "{error}");
    options.memory = 4 << 20;
    let (plan, _) = written(&[&file, &file], &options).map_err(|error| error.to_string())?;
    assert_eq!((plan.keys, plan.duplicates), (40_000, 40_000));
    Ok(())
}

/// -1 is no expiry for older servers, and one that has passed for Redis 8.6, which then drops the key; of several it takes the first.
#[test]
fn an_expiry_means_the_same_to_all_servers() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).resize_db(3, 2).expire_ms(-1).string_key(b"for good", b"value");
    w.expire_ms(1000).expire_ms(4_102_444_800_000).string_key(b"later", b"value").string_key(b"plain", b"value");
    let file = w.finish_with(0);
    for server in [Target::Redis62, Target::Redis86, Target::Valkey91] {
        let (plan, out) = written(&[&file], &options(server)).map_err(|error| error.to_string())?;
        assert_eq!((plan.keys, plan.expires, plan.copied), (3, 1, 3), "{server}");
        let report = verify::slice(&out, &verify::Options::default());
        let odd = ["rdb-expire-minus-one", "rdb-attributes-repeated"];
        assert!(report.findings.iter().all(|finding| !odd.contains(&finding.code.as_str())), "{:?}", report.findings);
        let mut keys = rdb::Keys::new(&out[..]);
        let mut expiries = Vec::new();
        while let Some(key) = keys.next()? {
            expiries.push(key.expires_ms());
        }
        assert_eq!(expiries, [None, Some(4_102_444_800_000), None], "{server}");
    }
    Ok(())
}
