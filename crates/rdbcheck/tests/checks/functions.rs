//! The code of function libraries: what real servers make of each is what our run of it says, and code that means harm is ended.
#![cfg(feature = "functions")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rdbcheck::functions::Lua51;
use redis_persistence::functions::{Api, Proof, Prove as _};
use serde_json::Value;
use testkit::rdb::RdbWriter;
use testkit::server::{Installed, Product, Server, require};

type TestResult = Result<(), Box<dyn Error>>;

/// Bodies of libraries. `{F}` stands for `function() end`.
const BODIES: &[&str] = &[
    "",
    "local i = 0",
    "local x = redis",
    "local x = server",
    "server.register_function('a', {F})",
    "redis.register_function('a', {F})",
    "redis.register_function('a', {F}) redis.register_function('A', {F})",
    "redis.register_function('a', {F}) redis.register_function('a', {F})",
    "redis.register_function('a', 'b')",
    "redis.register_function('a-b', {F})",
    "redis.register_function('a b', {F})",
    "redis.register_function('a\\0b', {F})",
    "redis.register_function('', {F})",
    "redis.register_function(5, {F})",
    "redis.register_function(1.5, {F})",
    "redis.register_function(redis.LOG_DEBUG + 1, {F})",
    "redis.register_function(nil, {F})",
    "redis.register_function({F}, {F})",
    "redis.register_function('a', redis.log)",
    "redis.register_function('a', {F}, 3)",
    "redis.register_function('a')",
    "redis.register_function()",
    "redis.register_function{'a', {F}}",
    "redis.register_function{function_name='a'}",
    "redis.register_function{callback={F}}",
    "redis.register_function{function_name='a', callback=5}",
    "redis.register_function{function_name='a', callback={F}}",
    "redis.register_function{function_name=1, callback={F}}",
    "redis.register_function{function_name={}, callback={F}}",
    "redis.register_function{Function_Name='a', CALLBACK={F}}",
    "redis.register_function{function_name='a', callback={F}, other=1}",
    "redis.register_function{function_name='a', callback={F}, description='x'}",
    "redis.register_function{function_name='a', callback={F}, description=5}",
    "redis.register_function{function_name='a', callback={F}, description={}}",
    "redis.register_function{function_name='a', callback={F}, flags={}}",
    "redis.register_function{function_name='a', callback={F}, flags='no-writes'}",
    "redis.register_function{function_name='a', callback={F}, flags={'no-writes'}}",
    "redis.register_function{function_name='a', callback={F}, flags={'NO-writes', 'no-writes'}}",
    "redis.register_function{function_name='a', callback={F}, FLAGS={'allow-oom', 'allow-stale', 'no-cluster'}}",
    "redis.register_function{function_name='a', callback={F}, flags={'allow-cross-slot-keys'}}",
    "redis.register_function{function_name='a', callback={F}, flags={'raw-arguments'}}",
    "redis.register_function{function_name='a', callback={F}, flags={'no-writes', 5}}",
    "redis.register_function{function_name='a', callback={F}, flags={x='nonsense'}}",
    "redis.register_function{function_name='a', callback={F}, flags={[2]='nonsense'}}",
    "redis.register_function{[1]=1, function_name='a', callback={F}}",
    "redis.register_fu.ction('a', {F})",
    "redis.registerfunction('a', {F})",
    "redis.call('get', 'a')",
    "redis.setresp(3)",
    "redis.x = 1",
    "redis.log = 1",
    "x = 1",
    "string = 1",
    "local y = zzz",
    "local y = string",
    "local y = error",
    "local y = pcall",
    "local y = _G",
    "local y = setmetatable",
    "local y = arg",
    "local redis = 3",
    "local a = ... redis.register_function('a', {F})",
    "local a = ... redis.register_function(a, {F})",
    "redis.register_function('a', function() undefined_thing() end)",
    "return 5",
    "x(",
    "redis.register_function('a', function(k, v) return 1",
    "\u{1b}Lua",
    "goto x",
    "local a <const> = 1",
    "local t = {} t[nil] = 1",
    "local a = 'a' + 1",
    "local a = '5' + 1 redis.register_function('a', {F})",
    "local a = ('x'):foo()",
    "('').x = 1",
    "local a = ('x'):rep(3) redis.register_function(a, {F})",
    "local a = ('%s_%d'):format('a', 5) redis.register_function(a, {F})",
    "local a = ('AB'):lower():reverse():sub(1, 1):upper() redis.register_function(a, {F})",
    "local a = ('x'):byte() + #('abc') redis.register_function(a, {F})",
    "local a = ('').dump(function() end) redis.register_function('a', {F})",
    "redis.register_function(('x'):rep(70000), {F})",
    "local function r() return r() + 1 end r()",
    "local t = {} for i = 1, 1000 do t[i] = i end redis.register_function('a', {F})",
    "redis.log('x')",
    "redis.log()",
    "redis.log(redis.LOG_NOTICE)",
    "redis.log(99, 'x') redis.register_function('a', {F})",
    "redis.log(redis.LOG_NOTICE, 'x') redis.register_function('a', {F})",
    "redis.log('3', 'x') redis.register_function('a', {F})",
    "redis:log(1)",
    "if redis.REDIS_VERSION_NUM >= 0x00080000 then redis.register_function('a', {F}) end",
    "if redis.REDIS_VERSION == '7.2.4' then redis.register_function('a', {F}) end",
    "if redis.VALKEY_VERSION_NUM >= 0x00090000 then redis.register_function('a', {F}) end",
    "if redis.SERVER_NAME == 'valkey' then redis.register_function('a', {F}) end",
];

fn library(name: &str, body: &str) -> Vec<u8> {
    format!("#!lua name={name}\n{}", body.replace("{F}", "function() end")).into_bytes()
}

/// How a server presents itself to code, by what it prints for `--version`.
fn api(installed: &Installed) -> Result<Api, Box<dyn Error>> {
    let numbers = installed.version.split("v=").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("no version")?;
    let numbers: Vec<u8> = numbers.split('.').map(str::parse).collect::<Result<_, _>>()?;
    let version = <[u8; 3]>::try_from(numbers).map_err(|_| "no version of three numbers")?;
    Ok(if installed.product.family() == "redis" { Api::Redis(version) } else { Api::Valkey(version) })
}

/// An empty folder of one test and one product.
fn folder(test: &str, product: Product) -> std::io::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("functions").join(format!("{test}-{product}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[test]
fn each_server_says_what_our_run_says() -> TestResult {
    for &product in Product::ALL {
        if product.version() < (7, 0) {
            continue;
        }
        let Some(installed) = require(product) else { continue };
        let api = api(&installed)?;
        let dir = folder("says", product)?;
        let mut server = Server::start(&installed, &dir, &[])?;
        for body in BODIES {
            server.run(&[&b"FUNCTION"[..], b"FLUSH"])?;
            let code = library("lib", body);
            let proof = Lua51.load(&code, api, u64::MAX).proof;
            match server.command(&[&b"FUNCTION"[..], b"LOAD", &code]) {
                Ok(reply) if reply.text() == Some("lib") || reply.bytes() == Some(b"lib") => {
                    assert!(matches!(proof, Proof::Loads(_)), "{product} loads {body:?}, and not {proof:?}");
                }
                Ok(reply) => {
                    assert!(
                        matches!(proof, Proof::Refuses(_)),
                        "{product} says {reply:?} to {body:?}, and not {proof:?}"
                    );
                }
                Err(_) => {
                    assert!(matches!(proof, Proof::Crashes(_)), "{product} is gone after {body:?}, and not {proof:?}");
                    server = Server::start(&installed, &dir, &[])?;
                }
            }
        }
        server.kill()?;
    }
    Ok(())
}

/// Says what `rdbcheck --for` answers for an RDB of these libraries.
fn answer(libraries: &[Vec<u8>], target: &str, more: &[&str]) -> Result<(Value, Option<i32>), Box<dyn Error>> {
    let mut writer = RdbWriter::redis(10);
    for code in libraries {
        writer.function2(code);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dump.rdb");
    fs::write(&path, writer.finish())?;
    let output = Command::new(env!("CARGO_BIN_EXE_rdbcheck"))
        .args(["--json", "--for", target])
        .args(more)
        .arg(&path)
        .output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    Ok((document["files"][0].clone(), output.status.code()))
}

#[test]
fn a_name_that_two_libraries_register_is_refused_whatever_its_case() -> TestResult {
    let two = |first: &str, second: &str| {
        let body = |name: &str| format!("redis.register_function('{name}', {{F}})");
        [library("one", &body(first)), library("two", &body(second))]
    };
    for target in ["redis-7.0", "redis-8.6", "valkey-9.1"] {
        for (names, sound) in [(two("a", "b"), true), (two("a", "a"), false), (two("a", "A"), false)] {
            let (file, code) = answer(&names, target, &[])?;
            assert_eq!((file["verdict"] == "sound", code), (sound, Some(i32::from(!sound))), "{target}: {file}");
            assert_eq!(file["loads_on"][target]["loads"], sound, "{target}: {file}");
        }
    }
    Ok(())
}

#[test]
fn without_a_run_the_answer_is_never_yes() -> TestResult {
    let good = [library("lib", "redis.register_function('a', {F})")];
    let (file, code) = answer(&good, "redis-8.6", &["--functions", "skip"])?;
    let judged = &file["loads_on"]["redis-8.6"];
    assert_eq!((&judged["loads"], &judged["by_default"]), (&false.into(), &"unknown".into()), "{file}");
    assert_eq!((&file["verdict"], code), (&"sound".into(), Some(3)));
    assert_eq!(judged["because"][0]["code"], "target-function-unproven", "{file}");
    Ok(())
}

#[test]
fn code_that_means_harm_is_ended() {
    let bodies = [
        ("while true do end", "too long"),
        ("local s = 'x' while true do s = s .. s end", "MiB"),
        ("local s = ('x'):rep(2^23) while true do local t = s .. 'y' end", "too long"),
        ("local s = ('x'):rep(2^24) while true do local t = s < s end", "too long"),
        ("local t = {} local i = 0 while true do i = i + 1 t[i] = i end", ""),
        ("local s = (('a'):rep(2^20)):find(('.-'):rep(30) .. 'b')", "patterns"),
        ("local s = ('%99999d'):format(5)", ""),
        ("local function f() return f() end f()", "too long"),
        ("local s = ('x'):rep(2^30) redis.register_function('a', {F})", "MiB"),
        ("local i = 0 while true do i = i + 1 redis.register_function('a' .. i, {F}) end", "names"),
        (
            "local s = ('x'):rep(7e4) local i = 0 while true do i = i + 1 redis.register_function(s .. i, {F}) end",
            "names",
        ),
        ("local s = ('x'):rep(2^23) redis.register_function(s, {F})", "too long"),
        (
            "local t = {} for i = 1, 1e6 do t[i] = 'no-writes' end local i = 0 while true do i = i + 1 \
             redis.register_function{function_name = 'a' .. i, callback = {F}, flags = t} end",
            "too long",
        ),
        ("local s = ('0'):rep(2^23) while true do redis.log(s, 'x') end", "too long"),
    ];
    for (body, why) in bodies {
        let start = Instant::now();
        let proof = Lua51.load(&library("lib", body), Api::KINDS[0], u64::MAX).proof;
        assert!(start.elapsed() < LONGEST, "{body}");
        match proof {
            Proof::Unproven(said) => assert!(said.contains(why), "{body}: {said}"),
            other => assert!(why.is_empty() && !matches!(other, Proof::Loads(_)), "{body}: {other:?}"),
        }
    }
}

/// What is not bounded by steps takes minutes.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn code_that_is_made_to_compile_slowly_is_not_compiled() {
    let exits = [
        format!("local a while a do {}end", "if a then break end ".repeat(50_000)),
        format!("local a if a then {}end", "elseif a then ".repeat(70_000)),
    ];
    for code in exits {
        let start = Instant::now();
        let proofs =
            [Lua51.load(&library("lib", &code), Api::KINDS[0], u64::MAX), Lua51.compile(code.as_bytes(), u64::MAX)];
        assert!(start.elapsed() < LONGEST);
        assert!(proofs.iter().all(|proven| matches!(proven.proof, Proof::Unproven(_))), "{:?}", proofs[0]);
    }
}

#[test]
fn texts_of_code_are_shown_in_part() {
    for body in
        ["local s = ('\\1'):rep(2^24) local x = redis[s]", "local s = ('-'):rep(2^19) redis.register_function(s, {F})"]
    {
        let proof = Lua51.load(&library("lib", body), Api::KINDS[0], u64::MAX).proof;
        assert!(matches!(&proof, Proof::Refuses(why) if why.len() < 1000), "{body}");
    }
}

/// 100 kB of libraries, each of which uses up its time; the second ones look at the version, and so run for each kind of server.
#[test]
fn the_code_of_one_file_is_run_for_a_bounded_time() -> TestResult {
    for look in ["", "local v = redis.REDIS_VERSION "] {
        let body = format!("{look}local s = ('x'):rep(2^23) while true do local t = s .. 'y' end");
        let libraries: Vec<_> = (0..1000).map(|n| library(&format!("f{n}"), &body)).collect();
        let start = Instant::now();
        let (file, code) = answer(&libraries, "newest", &[])?;
        assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
        assert_eq!((&file["verdict"], code), (&"sound".into(), Some(3)));
        for server in ["redis-8.10", "valkey-9.1"] {
            assert_eq!(file["loads_on"][server]["because"][0]["code"], "target-function-unproven", "{file}");
        }
    }
    Ok(())
}

#[test]
fn nothing_of_the_host_is_within_reach() {
    for name in ["os", "io", "require", "dofile", "loadstring", "load", "debug", "package", "collectgarbage", "getfenv"]
    {
        let proof = Lua51.load(&library("lib", &format!("local x = {name}")), Api::KINDS[0], u64::MAX).proof;
        assert!(matches!(&proof, Proof::Refuses(why) if why.contains(name)), "{name}: {proof:?}");
    }
}

#[test]
fn scripts_are_compiled_and_not_run() {
    assert_eq!(Lua51.compile(b"return redis.call('get', KEYS[1])", u64::MAX).proof, Proof::Loads(Vec::new()));
    assert_eq!(Lua51.compile(b"while true do end", u64::MAX).proof, Proof::Loads(Vec::new()));
    for bad in [&b"x"[..], b"return ("] {
        assert!(matches!(Lua51.compile(bad, u64::MAX).proof, Proof::Refuses(_)), "{}", bad.escape_ascii());
    }
}

#[test]
fn a_script_in_an_aux_field_is_compiled_for_servers_that_do() -> TestResult {
    for (script, loads) in [(&b"return 1"[..], true), (b"x", false)] {
        let mut writer = RdbWriter::redis(9);
        writer.aux(b"lua", script);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("dump.rdb");
        fs::write(&path, writer.finish())?;
        let output = Command::new(env!("CARGO_BIN_EXE_rdbcheck"))
            .args(["--json", "--for", "redis-6.2", "--for", "redis-7.0"])
            .arg(&path)
            .output()?;
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let judged = &document["files"][0]["loads_on"];
        assert_eq!((&judged["redis-6.2"]["loads"], &judged["redis-7.0"]["loads"]), (&loads.into(), &true.into()));
    }
    Ok(())
}
