//! Commands that servers answer with an error and pass over: what is said of each file is what the real servers do, to the word of
//! their logs.
#![cfg(feature = "functions")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rdbcheck::functions::Lua51;
use redis_persistence::crc64;
use redis_persistence::functions::Prover;
use redis_persistence::servers::{Outcome, Product as Family, Release, Settings, judge};
use redis_persistence::verify::{self, Options};
use testkit::resp::record;
use testkit::server::{Installed, LoadVerdict, Product, load_verdict, require};

type TestResult = Result<(), Box<dyn Error>>;

const SCRIPT: &str = "return redis.call('set',KEYS[1],ARGV[1])";
const SUM: &str = "c686f316aaf1eb01d5a4de1b0b63cd233010e63d";
const LIBRARY: &str =
    "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call('set', k[1], 'x') end)";

/// Records, and lines of a configuration.
struct Case {
    name: &'static str,
    records: Vec<u8>,
    conf: &'static [&'static str],
}

fn words(lines: &[&[&str]]) -> Vec<u8> {
    lines.iter().flat_map(|line| record(line)).collect()
}

/// What DUMP gives of a value.
fn payload(value: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [value, &version.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc64::checksum(&bytes).to_le_bytes());
    bytes
}

fn restore(payload: &[u8], options: &[&str]) -> Vec<u8> {
    let mut args: Vec<&[u8]> = vec![b"RESTORE", b"k", b"0", payload];
    args.extend(options.iter().map(|option| option.as_bytes()));
    record(&args)
}

fn text(code: &str) -> Vec<u8> {
    let len = u16::try_from(code.len()).expect("short code");
    [&[0xf5, 0x40 | (len >> 8) as u8, (len & 0xff) as u8][..], code.as_bytes()].concat()
}

fn cases() -> Vec<Case> {
    let case = |name, records| Case { name, records, conf: &[] };
    let with = |name, conf, records| Case { name, records, conf };
    let string = b"\0\x05hello";
    let good = payload(string, 6);
    let mut wrong = good.clone();
    wrong[3] ^= 1;
    let mut unsummed = good.clone();
    let from = unsummed.len() - 8;
    unsummed[from..].fill(0);
    let listpack = |bytes: &[u8]| [&[16, u8::try_from(bytes.len()).expect("short")][..], bytes].concat();
    let hash = listpack(b"\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\xff");
    let functions =
        |codes: &[&str], version| payload(&codes.iter().flat_map(|code| text(code)).collect::<Vec<_>>(), version);
    let function = |lines: &[&[&str]]| {
        let mut all = words(lines);
        all.extend(words(&[&["FCALL", "f", "1", "fk"]]));
        all
    };
    let mut cases = vec![
        case("restore", restore(&good, &[])),
        case("restore, its sum wrong", restore(&wrong, &[])),
        case("restore without a sum", restore(&unsummed, &[])),
        case("restore of nothing", restore(b"", &[])),
        case("restore, cut", restore(&good[..9], &[])),
        case("restore of an unknown type", restore(&payload(b"\xc8\x01x", 6), &[])),
        case("restore of an empty set", restore(&payload(b"\x02\0", 6), &[])),
        case("restore of a set with a member twice", restore(&payload(b"\x02\x02\x01a\x01a", 6), &[])),
        case("restore of a value that is cut", restore(&payload(b"\0\x20hello", 6), &[])),
        case("restore with bytes behind the value", restore(&payload(b"\0\x05hellozz", 6), &[])),
        case("restore of a hash", restore(&payload(&hash, 10), &[])),
        case(
            "restore of a damaged hash",
            restore(&payload(&listpack(b"\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\xfe"), 10), &[]),
        ),
        case("restore of damaged compression", restore(&payload(b"\0\xc3\x03\x14\xff\xff\xff", 6), &[])),
        case("restore, asking", record(&[&b"RESTORE-ASKING"[..], b"k", b"0", &good, b"REPLACE"])),
        case("restore with options", restore(&good, &["replace", "ABSTTL", "idletime", "10"])),
        case("restore with an option that is none", restore(&good, &["NOSUCH"])),
        case("restore with both ages", restore(&good, &["IDLETIME", "1", "FREQ", "9"])),
        case("restore with a frequency that is none", restore(&good, &["FREQ", "999"])),
        case("restore with a time that is none", record(&[&b"RESTORE"[..], b"k", b"x", &good])),
        case("restore with a negative time", record(&[&b"RESTORE"[..], b"k", b"-5", &good])),
        case("a script and its sum", words(&[&["EVAL", SCRIPT, "1", "a", "v"], &["EVALSHA", SUM, "1", "b", "v"]])),
        case(
            "the sum in upper case",
            words(&[&["SCRIPT", "LOAD", SCRIPT], &["EVALSHA", &SUM.to_uppercase(), "1", "b", "v"]]),
        ),
        case("a sum alone", words(&[&["EVALSHA", SUM, "1", "b", "v"]])),
        case("a sum that is none", words(&[&["EVALSHA", "abc", "1", "b", "v"]])),
        case(
            "a sum after a flush",
            words(&[&["SCRIPT", "LOAD", SCRIPT], &["SCRIPT", "FLUSH"], &["EVALSHA", SUM, "1", "b", "v"]]),
        ),
        case(
            "a script of a transaction",
            words(&[&["MULTI"], &["SCRIPT", "LOAD", SCRIPT], &["EXEC"], &["EVALSHA", SUM, "1", "b", "v"]]),
        ),
        case("a script that does not compile", words(&[&["EVAL", "return (", "0"]])),
        case("a script with zeros", record(&[&b"EVAL"[..], b"return redi\0\0\0\0\0\0\0\0\0\0,ARGV[1])", b"0"])),
        case(
            "a script with a zero in a string",
            record(&[&b"EVAL"[..], b"return redis.call('set',KEYS[1],'a\0b')", b"1", b"k"]),
        ),
        case("too many keys", words(&[&["EVAL", SCRIPT, "5", "k", "v"]])),
        case("a select of no database", words(&[&["SELECT", "-1"], &["SET", "a", "1"]])),
        case("a select beyond", words(&[&["SELECT", "16"], &["SET", "a", "1"]])),
        with("a select in a cluster", &["cluster-enabled yes"], words(&[&["SELECT", "1"], &["SET", "a", "1"]])),
        with("a select beyond four", &["databases 4"], words(&[&["SELECT", "5"], &["SET", "a", "1"]])),
        with(
            "a transaction of a user that may not",
            &["user default on nopass ~* &* +@all -set"],
            words(&[&["SET", "a", "1"], &["MULTI"], &["SET", "b", "1"], &["EXEC"]]),
        ),
        with(
            "no transaction of a user that may not",
            &["user default on nopass ~* &* +@all -set"],
            words(&[&["SET", "a", "1"]]),
        ),
        with(
            "a transaction of a user that may",
            &["user default on nopass ~* &* +@all -get"],
            words(&[&["MULTI"], &["SET", "b", "1"], &["EXEC"]]),
        ),
        case("a function", function(&[&["FUNCTION", "LOAD", LIBRARY]])),
        case("no function", function(&[])),
        case(
            "a function that does not compile",
            function(&[&["FUNCTION", "LOAD", &LIBRARY.replace("function(k", "funct(k")]]),
        ),
        case("a library twice", function(&[&["FUNCTION", "LOAD", LIBRARY], &["FUNCTION", "LOAD", LIBRARY]])),
        case(
            "a library replaced",
            function(&[&["FUNCTION", "LOAD", LIBRARY], &["FUNCTION", "LOAD", "REPLACE", LIBRARY]]),
        ),
        case("a library deleted", function(&[&["FUNCTION", "LOAD", LIBRARY], &["FUNCTION", "DELETE", "l"]])),
        case("no library deleted", words(&[&["FUNCTION", "DELETE", "l"]])),
        case("functions flushed", function(&[&["FUNCTION", "LOAD", LIBRARY], &["FUNCTION", "FLUSH"]])),
        case(
            "a function of two libraries",
            words(&[&["FUNCTION", "LOAD", LIBRARY], &["FUNCTION", "LOAD", &LIBRARY.replace("=l", "=m")]]),
        ),
        case("another engine", words(&[&["FUNCTION", "LOAD", "#!js name=j\nx"]])),
        case("an option of release candidates", words(&[&["FUNCTION", "LOAD", "Lua", "lib", LIBRARY]])),
        case("functions restored from garbage", words(&[&["FUNCTION", "RESTORE", "garbage"]])),
    ];
    for version in [1, 6, 9, 10, 11, 12, 13, 14, 80, 81] {
        cases.push(Case { name: "restore of a version", records: restore(&payload(string, version), &[]), conf: &[] });
    }
    for (codes, version, policy) in [
        (&[LIBRARY][..], 10, "APPEND"),
        (&[LIBRARY], 13, "REPLACE"),
        (&[LIBRARY, LIBRARY], 10, "FLUSH"),
        (&["#!lua name=m\nx("], 10, "REPLACE"),
        (&[LIBRARY], 10, "NOSUCH"),
    ] {
        let mut records = record(&[&b"FUNCTION"[..], b"RESTORE", &functions(codes, version), policy.as_bytes()]);
        records.extend(words(&[&["FCALL", "f", "1", "fk"]]));
        cases.push(Case { name: "functions restored", records, conf: &[] });
    }
    cases
}

/// What the log of a server says of a command that it passed over.
const SAYS: &str = "sending an error to its AOF-loading-client";

fn did(installed: &Installed, case: &Case, number: usize) -> Result<Outcome, Box<dyn Error>> {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("replies").join(format!("{}-{number}", installed.product));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("appendonly.aof"), &case.records)?;
    let mut settings = vec!["--appendonly".to_owned(), "yes".to_owned()];
    for line in case.conf {
        let (name, value) = line.split_once(' ').ok_or("a setting has a value")?;
        settings.push(format!("--{name}"));
        settings.extend(if name == "user" {
            value.split(' ').map(str::to_owned).collect()
        } else {
            vec![value.to_owned()]
        });
    }
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    Ok(match load_verdict(installed, &folder, &settings)? {
        LoadVerdict::Loaded { log, .. } if log.contains(SAYS) => Outcome::LoadsButDrops,
        LoadVerdict::Loaded { .. } => Outcome::Loads,
        LoadVerdict::Refused { .. } | LoadVerdict::Hung { .. } => Outcome::Refuses,
        LoadVerdict::Crashed { .. } => Outcome::Crashes,
    })
}

/// The release of an installed server.
fn release(installed: &Installed) -> Result<Release, Box<dyn Error>> {
    let number = installed.version.split("v=").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("no version")?;
    Ok(format!("{}-{number}", installed.product.family()).parse()?)
}

#[test]
fn servers_pass_over_what_is_said() -> TestResult {
    let prover = Prover::new(Arc::new(Lua51));
    let (mut wrong, mut runs) = (Vec::new(), 0);
    let products = [Product::Redis62, Product::Redis70, Product::Redis80, Product::Redis86, Product::Valkey91];
    for installed in products.iter().filter_map(|product| require(*product)) {
        let release = release(&installed)?;
        for (number, case) in cases().iter().enumerate() {
            let (mut settings, notes) = Settings::from_conf(case.conf.join("\n").as_bytes());
            assert_eq!(notes, [], "{}", case.name);
            settings.functions = Some(prover.clone());
            let options = Options { functions: Some(prover.clone()), ..Options::default() };
            let report = verify::aof_slice(&case.records, &options)?;
            let said = judge(&report, release, &settings).by_default;
            let did = did(&installed, case, number)?;
            runs += 1;
            if said != did {
                wrong.push(format!("{} on {release}: said {said}, did {did}", case.name));
            }
        }
    }
    println!("{runs} runs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(runs == 0 || runs > 50, "{runs}");
    Ok(())
}

/// Scripts, and what is said of them for servers from 7.0 on. Where it cannot be told, that is said; the servers show why.
const FAILING: [(&str, Outcome); 32] = [
    ("return redis.call('nosuch', 'a')", Outcome::Crashes),
    ("redis.call('nosuch', 'a')", Outcome::Crashes),
    ("return redis.pcall('nosuch', ARGV[1])", Outcome::Crashes),
    ("#!lua\nreturn redis.call('nosuch')", Outcome::Crashes),
    ("return redis.call('set', 'a')", Outcome::Crashes),
    ("return redis.call('get', 'a', 'b')", Outcome::Crashes),
    ("return redis.call('set', KEYS[1], ARGV[1])", Outcome::Loads),
    ("for n = 1, 3 do redis.call('set', 'a' .. n, 'v') end return redis.pcall('del', 'a1')", Outcome::Unknown),
    ("redis.call('set', KEYS[1], 'v'); redis.call('del', 'x') return ARGV[1]", Outcome::Loads),
    ("return 'redis.call'", Outcome::Loads),
    ("error('x')", Outcome::Unknown),
    ("error({})", Outcome::Unknown),
    ("local t = nil return t.x", Outcome::Unknown),
    ("local function f() return f() + 1 end return f()", Outcome::Unknown),
    ("return redis.error_reply('x')", Outcome::Unknown),
    ("return redis.acl_check_cmd('nosuch')", Outcome::Unknown),
    ("return redis.call('set', KEYS[2], 'x')", Outcome::Unknown),
    ("return server.call('set', 'a', 'b')", Outcome::Unknown),
    ("#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')", Outcome::Unknown),
    ("return redis.call('lpush', 's', 'x')", Outcome::Unknown),
    ("return redis.call('lpush', 'l', 'x')", Outcome::Unknown),
    ("return redis.pcall('lpush', 's', 'x')", Outcome::Unknown),
    ("redis.pcall('lpush', 's', 'x') return 1", Outcome::Unknown),
    ("redis.pcall('nosuch')", Outcome::Unknown),
    ("local ok, e = pcall(redis.call, 'nosuch') return 1", Outcome::Unknown),
    ("redis.call('set', 'a', 'v') return redis.call('nosuch')", Outcome::Unknown),
    ("return {redis.pcall('nosuch')}", Outcome::Unknown),
    ("local e = redis.pcall('nosuch') error(e)", Outcome::Unknown),
    ("return redis.call('subscribe', 'x')", Outcome::Unknown),
    ("return redis.call('incr', 's')", Outcome::Unknown),
    ("return redis.call('object', 'nosuch', 's')", Outcome::Unknown),
    ("local c = redis.call return c('nosuch')", Outcome::Unknown),
];

#[test]
fn a_command_that_fails_in_a_script_ends_servers_from_7_on() -> TestResult {
    let prover = Prover::new(Arc::new(Lua51));
    let (mut crashed, mut loaded, mut wrong) = (0, 0, Vec::new());
    for installed in Product::ALL.iter().filter_map(|product| require(*product)) {
        let release = release(&installed)?;
        let before = |version| release.series().product() == Family::Redis && release.series().version() < version;
        let (old, logs) = (before((7, 0)), !before((6, 2)));
        for (number, (script, from_7)) in FAILING.iter().enumerate() {
            let alone = words(&[&["SET", "s", "v"], &["EVAL", script, "1", "k", "v"], &["SET", "after", "1"]]);
            let queued = words(&[&["SET", "s", "v"], &["MULTI"], &["EVAL", script, "1", "k", "v"], &["EXEC"]]);
            for (records, ends) in [(alone, !old), (queued, false)] {
                let case = Case { name: script, records, conf: &[] };
                let options = Options { functions: Some(prover.clone()), ..Options::default() };
                let report = verify::aof_slice(&case.records, &options)?;
                let mut settings = Settings::default();
                settings.functions = Some(prover.clone());
                let said = judge(&report, release, &settings).by_default;
                let did = did(&installed, &case, 1000 + number)?;
                (crashed, loaded) = (crashed + u32::from(did == Outcome::Crashes), loaded + u32::from(did.comes_up()));
                // Redis 5.0 and 6.0 do not log what they pass over.
                let fits = said == did || said == Outcome::Unknown || !logs && said.comes_up() && did.comes_up();
                if !fits || ends && said != *from_7 {
                    wrong.push(format!("{script} on {release}, {ends}: said {said}, did {did}"));
                }
            }
        }
    }
    println!("{crashed} crashed, {loaded} loaded");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(crashed == 0 && loaded == 0 || crashed > 50 && loaded > 200, "{crashed} {loaded}");
    Ok(())
}
