//! The writer: what was read comes out as it was, and what it writes is loaded by servers.

use crate::rewrite;

use std::collections::BTreeMap;

use proptest::prelude::*;
use redis_persistence::Limits;
use redis_persistence::rdb::{Family, KeyAttributes, Payload, ValueType, Writer, events};
use redis_persistence::verify::{self, Options, Verdict};
use rewrite::rewrite;
use testkit::rdb::File;
use testkit::rng::Rng;
use testkit::server::{LoadVerdict, Product, load_verdict, require};

fn family(of: testkit::rdb::Family) -> Family {
    match of {
        testkit::rdb::Family::Redis => Family::Redis,
        testkit::rdb::Family::Valkey => Family::Valkey,
    }
}

/// Each version that testkit writes, and one of Valkey.
fn some_version(rng: &mut Rng) -> (testkit::rdb::Family, u32) {
    if rng.chance(15) {
        return (testkit::rdb::Family::Valkey, 80);
    }
    (testkit::rdb::Family::Redis, u32::try_from(rng.range(1..=15)).expect("small"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_is_written_byte_for_byte(seed: u64, tight: bool) {
        let mut rng = Rng::new(seed);
        let (of, version) = some_version(&mut rng);
        let file = File::arbitrary(&mut rng, of, version, 80).encode();
        let limits = Limits { inline_bytes: if tight { 8 } else { 1 << 16 }, ..Limits::default() };
        prop_assert_eq!(rewrite(&file.bytes, &limits), Some(file.bytes));
    }

    #[test]
    fn records_copied_as_they_stand_are_the_same(seed: u64) {
        let mut rng = Rng::new(seed);
        let (of, version) = some_version(&mut rng);
        let file = File { module_aux: Vec::new(), cluster: false, ..File::arbitrary(&mut rng, of, version, 60) };
        let written = file.encode();
        let mut writer = Writer::new(Vec::new(), family(of), version).expect("a version");
        for (name, value) in &file.aux {
            writer.aux(name, value).expect("memory");
        }
        for code in &file.functions {
            writer.function(code).expect("memory");
        }
        for span in written.opcodes.iter().filter(|span| span.opcode == 242) {
            writer.copy(&written.bytes[span.range.clone()]).expect("memory");
        }
        let mut databases: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for key in &written.keys {
            databases.entry(key.db).or_default().push(key);
        }
        for (db, keys) in databases {
            writer.select_db(db).expect("memory");
            if version >= 7 {
                let expires = keys.iter().filter(|key| file.keys[key.index].expire.is_some()).count();
                writer.resize_db(keys.len() as u64, expires as u64).expect("memory");
            }
            for key in keys {
                writer.copy(&written.bytes[key.start..key.end]).expect("memory");
            }
        }
        let place = writer.written();
        let copy = writer.finish().expect("memory");
        prop_assert_eq!(place + 1 + if version >= 5 { 8 } else { 0 }, copy.len() as u64);
        // Functions may be compressed in the source, which this writer never does.
        if file.functions.is_empty() && file.aux.iter().all(|(_, value)| value.len() <= 20) {
            prop_assert_eq!(&copy, &written.bytes);
        }
        let report = verify::slice(&copy, &Options::default());
        prop_assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
        prop_assert_eq!(report.counts.keys, file.keys.len() as u64);
    }
}

#[test]
fn odd_lengths_are_written_in_their_shortest_form() {
    let odd = b"REDIS0004\xfe\x40\x00\x00\x80\x00\x00\x00\x01k\x40\x01v\xff";
    let short = b"REDIS0004\xfe\x00\x00\x01k\x01v\xff";
    assert_eq!(rewrite(odd, &Limits::default()), Some(short.to_vec()));
}

#[test]
fn versions_that_no_header_can_hold_are_refused() {
    for (family, version) in [(Family::Redis, 0), (Family::Redis, 10_000), (Family::Valkey, 0), (Family::Valkey, 1000)]
    {
        assert!(Writer::new(Vec::new(), family, version).is_err(), "{family} {version}");
    }
}

/// A file with a key of each of the simple types, written value by value.
fn encoded(family: Family, version: u32) -> Vec<u8> {
    let mut w = Writer::new(Vec::new(), family, version).expect("a version");
    let plain = KeyAttributes::default();
    let expiring = KeyAttributes { expire_ms: Some(4_102_444_800_000), freq: Some(7), ..plain };
    let write = |w: &mut Writer<Vec<u8>>| -> std::io::Result<()> {
        w.aux(b"redis-bits", b"64")?;
        w.function(b"#!lua name=lib\nredis.register_function('f', function() return 1 end)\n")?;
        w.select_db(3)?;
        w.resize_db(4, 1)?;
        w.key(&expiring, ValueType::String, b"string")?;
        w.string(b"-70000")?;
        w.key(&KeyAttributes { idle: Some(20), ..plain }, ValueType::Set, b"12345")?;
        w.length(2)?;
        w.string(b"1")?;
        w.string(b"2147483648")?;
        w.key(&plain, ValueType::Hash, b"hash")?;
        w.length(1)?;
        w.string(b"field")?;
        w.string(&[b'v'; 70_000])?;
        w.key(&plain, ValueType::ZSet2, b"zset")?;
        w.length(1)?;
        w.string(b"member")?;
        w.copy(&1.5_f64.to_le_bytes())
    };
    write(&mut w).expect("memory can be written");
    w.finish().expect("memory can be written")
}

#[test]
fn a_server_loads_what_was_written_value_by_value() {
    for (product, of, version) in [
        (Product::Redis70, Family::Redis, 10),
        (Product::Redis86, Family::Redis, 12),
        (Product::Valkey91, Family::Valkey, 80),
    ] {
        let bytes = encoded(of, version);
        assert_eq!(verify::slice(&bytes, &Options::default()).verdict, Verdict::Sound);
        assert_eq!(events(&bytes).filter(|e| matches!(e, Ok(e) if matches!(e.payload, Payload::Record(_)))).count(), 4);
        let Some(installed) = require(product) else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("dump.rdb"), &bytes).expect("it can be written");
        let verdict = load_verdict(&installed, folder.path(), &[]).expect("the server can be asked");
        let LoadVerdict::Loaded { databases, .. } = verdict else { panic!("{product}: {verdict:?}") };
        assert_eq!(databases.len(), 1);
        assert_eq!((databases[&3].keys, databases[&3].expires), (4, 1), "{product}");
    }
}
