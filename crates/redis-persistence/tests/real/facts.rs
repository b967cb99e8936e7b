//! Files made by hand, one for each fact that servers differ in, on every installed server: what it did, and how many keys it
//! had then, is held against what is said of it.

use crate::did;
use crate::servers;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use did::did;
use redis_persistence::servers::{Basis, Outcome, Product as Family, Release, Settings, judge};
use redis_persistence::verify::{self, Code, Finding, Options};
use servers::release;
use testkit::crc64::crc64;
use testkit::rdb::RdbWriter;
use testkit::rdb::listpack::Listpack;
use testkit::server::{Installed, Product, require};

type TestResult = Result<(), Box<dyn Error>>;

/// A time that has passed, and one that has not.
const PAST: i64 = 1_000_000_000_000;
const FUTURE: i64 = 4_000_000_000_000;

fn installed() -> Vec<(Installed, Release)> {
    Product::ALL.iter().filter_map(|product| Some((require(*product)?, release(*product)))).collect()
}

/// The file on each server for which `with` is true, with that setting.
fn compare(name: &str, bytes: &[u8], setting: Option<(&str, &str)>, with: impl Fn(Release) -> bool) -> TestResult {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let report = verify::slice(bytes, &Options { now_ms: Some(now), ..Options::default() });
    let mut settings = Settings::default();
    let mut arguments = Vec::new();
    let option = setting.map(|(name, value)| (format!("--{name}"), value));
    if let (Some((name, value)), Some((option, _))) = (setting, &option) {
        settings.set(name, value)?;
        arguments = vec![option.as_str(), value];
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("facts-{name}-{}", std::process::id()));
    for (installed, release) in installed().into_iter().filter(|(_, release)| with(*release)) {
        let answer = judge(&report, release, &settings);
        let patience = if answer.by_default == Outcome::Hangs { Duration::from_secs(1) } else { did::PATIENCE };
        let (did, log) = did(&installed, &folder, bytes, &arguments, patience)?;
        assert_eq!(did.as_str(), answer.by_default.as_str(), "{name}: {release}, {answer:?}\n{log}");
        if let did::Did::Read(keys) = did {
            let skipped: u64 = answer.skips.iter().map(|why| why.count).sum();
            assert_eq!(keys, report.counts.keys - skipped, "{name}: {release}, {answer:?}");
        }
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn everywhere(name: &str, bytes: &[u8]) -> TestResult {
    compare(name, bytes, None, |_| true)
}

fn file(fill: impl Fn(&mut RdbWriter)) -> Vec<u8> {
    let mut w = RdbWriter::redis(9);
    w.select_db(0);
    fill(&mut w);
    w.finish()
}

/// A file with the signature and version `head`, and a key.
fn headed(head: &[u8; 9]) -> Vec<u8> {
    let mut bytes = file(|w| _ = w.string_key(b"k", b"v"));
    bytes[..9].copy_from_slice(head);
    let body = bytes.len() - 8;
    let crc = crc64(&bytes[..body]).to_le_bytes();
    bytes[body..].copy_from_slice(&crc);
    bytes
}

#[test]
fn every_installed_server_is_answered_for_as_measured_with_its_build() -> TestResult {
    let report = verify::slice(&headed(b"REDIS0009"), &Options::default());
    for (installed, release) in installed() {
        let answer = judge(&report, release, &Settings::default());
        assert_eq!(release.basis(), Basis::Measured, "{release}");
        let build = installed.version.split("build=").nth(1).ok_or("a build")?;
        let builds: Vec<_> = answer.releases.iter().map(|release| release.build).collect();
        assert_eq!(builds, [Some(build)], "{release}");
    }
    Ok(())
}

#[test]
fn the_page_says_whose_commands_and_append_only_files_were_measured() {
    for product in Product::ALL {
        let measured = release(*product).series().commands_basis() == Basis::Measured;
        // Releases that differ from the first of their series are not compared again.
        let thorough =
            Product::THOROUGH.iter().any(|thorough| release(*thorough).series() == release(*product).series());
        assert_eq!(measured, thorough, "{product}");
    }
}

#[test]
fn signatures_and_versions() -> TestResult {
    let heads: [&[u8; 9]; 10] = [
        b"REDIS0012",
        b"REDIS0079",
        b"REDIS0080",
        b"VALKEY001",
        b"VALKEY011",
        b"VALKEY012",
        b"VALKEY079",
        b"VALKEY080",
        b"VALKEY081",
        b"VALKEY999",
    ];
    for head in heads {
        let name = String::from_utf8_lossy(head);
        everywhere(&name, &headed(head))?;
        let knows =
            |release: Release| release.series().product() == Family::Valkey && release.series().version() >= (8, 1);
        compare(&name, &headed(head), Some(("rdb-version-check", "relaxed")), knows)?;
    }
    Ok(())
}

#[test]
fn expiries() -> TestResult {
    let cases: [(&str, &[i64]); 10] = [
        ("future-future", &[FUTURE, FUTURE + 1]),
        ("future-past", &[FUTURE, PAST]),
        ("past-future", &[PAST, FUTURE]),
        ("past-future-future", &[PAST, FUTURE, FUTURE]),
        ("none-future", &[-1, FUTURE]),
        ("future-none", &[FUTURE, -1]),
        ("none", &[-1]),
        ("none-none", &[-1, -1]),
        ("past-none", &[PAST, -1]),
        ("past-past", &[PAST, PAST]),
    ];
    for (name, expiries) in cases {
        let bytes = file(|w| {
            for ms in expiries {
                w.expire_ms(*ms);
            }
            w.string_key(b"k", b"v").string_key(b"other", b"v");
        });
        everywhere(name, &bytes)?;
    }
    // In seconds it is a time, and has passed.
    everywhere("seconds", &file(|w| _ = w.expire_s(-1).string_key(b"k", b"v").string_key(b"other", b"v")))
}

#[test]
fn promises_of_too_many_keys() -> TestResult {
    // Beyond what libc's allocator leaves to the machine.
    for power in [47, 59, 60, 61, 63] {
        everywhere(&format!("2^{power}"), &file(|w| _ = w.resize_db(1 << power, 0).string_key(b"k", b"v")))?;
    }
    everywhere("the greatest", &file(|w| _ = w.resize_db(u64::MAX, 0).string_key(b"k", b"v")))
}

#[test]
fn values_of_modules_that_are_cut() -> TestResult {
    // The number of a type that no server has, one text, and the end.
    let whole = file(|w| _ = w.key(7, b"m").len(u64::MAX / 3).len(5).str(b"text").len(0).string_key(b"k", b"v"));
    let value = 9 + 2 + 1 + 2;
    everywhere("module", &whole)?;
    for (name, more) in [("in-id", 3), ("in-item", 12), ("behind-item", 15), ("behind-end", 16)] {
        everywhere(&format!("module-{name}"), &whole[..value + more])?;
    }
    Ok(())
}

#[test]
fn the_first_of_several_damages() -> TestResult {
    let set = |w: &mut RdbWriter| _ = w.key(2, b"set").len(2).str(b"a").str(b"a");
    let key_twice = |w: &mut RdbWriter| _ = w.string_key(b"k", b"v").string_key(b"k", b"v");
    let both = |first: &dyn Fn(&mut RdbWriter), then: &dyn Fn(&mut RdbWriter)| {
        file(|w| {
            first(w);
            then(w);
        })
    };
    // Refused from 6.2 on, a crash everywhere.
    everywhere("refused-then-crash", &both(&set, &key_twice))?;
    everywhere("crash-then-refused", &both(&key_twice, &set))
}

#[test]
fn compressed_strings_of_nothing() -> TestResult {
    everywhere("lzf-value", &file(|w| _ = w.key(0, b"k").raw(b"\xC3\0\0")))?;
    everywhere("lzf-key", &file(|w| _ = w.raw(b"\0\xC3\0\0").str(b"v")))?;
    everywhere("lzf-member", &file(|w| _ = w.key(2, b"k").len(2).raw(b"\xC3\0\0").str(b"a")))
}

#[test]
fn zipmaps() -> TestResult {
    let zipmap = |bytes: &[u8]| file(|w| _ = w.key(9, b"h").str(bytes));
    everywhere("zipmap", &zipmap(b"\x01\x01f\x01\0v\xFF"))?;
    everywhere("zipmap-count", &zipmap(b"\x03\x01f\x01\0v\xFF"))?;
    let mut long = b"\x01\x01f\xFE\xFE\0\0\0\0".to_vec();
    long.extend([b'x'; 254]);
    long.push(0xFF);
    everywhere("zipmap-long", &zipmap(&long))
}

/// The fields of a hash, each with its expiry, as a value of that type; none expires at 0.
fn hash(w: &mut RdbWriter, type_byte: u8, name: &[u8], expiries: &[i64]) {
    w.key(type_byte, name);
    let least = expiries.iter().copied().filter(|ms| *ms > 0).min().unwrap_or(0);
    let valkey = type_byte == 22;
    let mut packed = Listpack::new();
    if !valkey {
        w.i64_le(least);
    }
    if type_byte != 25 {
        w.count(expiries.len());
    }
    for (n, ms) in (b'a'..).zip(expiries) {
        match type_byte {
            22 => _ = w.str(&[n]).str(b"value").i64_le(if *ms == 0 { -1 } else { *ms }),
            24 => _ = w.len(if *ms == 0 { 0 } else { (ms - least + 1).cast_unsigned() }).str(&[n]).str(b"value"),
            _ => _ = packed.push(&[n]).push(b"value").int(*ms),
        }
    }
    if type_byte == 25 {
        w.str(&packed.finish());
    }
}

#[test]
fn a_hash_whose_fields_have_all_expired() -> TestResult {
    for (type_byte, mut w, family) in [
        (22, RdbWriter::valkey(80), Family::Valkey),
        (24, RdbWriter::redis(12), Family::Redis),
        (25, RdbWriter::redis(12), Family::Redis),
    ] {
        w.select_db(0).string_key(b"string", b"v");
        hash(&mut w, type_byte, b"gone", &[PAST, PAST + 1]);
        hash(&mut w, type_byte, b"part", &[PAST, FUTURE]);
        hash(&mut w, type_byte, b"rest", &[PAST, 0]);
        let bytes = w.finish();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let report = verify::slice(&bytes, &Options { now_ms: Some(now), ..Options::default() });
        let of = |finding: &Finding| (finding.code, finding.key.clone());
        assert_eq!(
            report.findings.iter().map(of).collect::<Vec<_>>(),
            [(Code::HashFieldsExpired, Some(b"gone".to_vec()))]
        );
        let knows = |release: Release| release.series().product() == family;
        let newest = if family == Family::Redis { "redis-8.6" } else { "valkey-9.1" };
        let answer = judge(&report, newest.parse::<Release>()?, &Settings::default());
        let skips: Vec<_> = answer.skips.iter().map(|why| (why.count, why.first.len())).collect();
        assert_eq!((answer.loads, skips), (true, vec![(1, 1)]), "{answer:?}");
        compare(&format!("fields-expired-{type_byte}"), &bytes, None, knows)?;
    }
    Ok(())
}
