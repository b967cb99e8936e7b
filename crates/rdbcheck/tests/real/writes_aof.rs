//! Append-only files of one server, written for another: that server comes up with them, or takes the commands, and holds of each key
//! what the first one held.
//!
//! Each installed server writes a base with a rewrite and commands behind it. In turn it is written as the other server's own files, with
//! a base of commands, and as commands for a live server.
#![cfg(all(unix, feature = "functions"))]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::dataset;
use testkit::on_each_product;
use testkit::rdb::RdbWriter;
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

use crate::salvages::send;
use crate::writes::{Contents, Tally, contents, count, same, start};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

on_each_product!(others_come_up_with_its_files);

const APPENDING: [&str; 4] = ["--appendonly", "yes", "--aof-use-rdb-preamble", "yes"];

/// What comes behind the rewrite: commands that every server has.
fn more(server: &mut Server) -> TestResult {
    for db in ["5", "0"] {
        server.run(&["SELECT", db])?;
        server.run(&["SET", "behind:string", "a value"])?;
        server.run(&["RPUSH", "behind:list", "a", "b", "1234567"])?;
        server.run(&["HSET", "behind:hash", "field", "value"])?;
        server.run(&["ZADD", "behind:zset", "1.5", "member"])?;
        server.run(&["XADD", "behind:stream", "7-1", "field", "value"])?;
        server.run(&["MULTI"])?;
        server.run(&["SADD", "behind:set", "1", "2"])?;
        server.run(&["SREM", "behind:set", "1"])?;
        server.run(&["EXEC"])?;
        server.run(&["DEL", "key:1", "key:2"])?;
    }
    server.run(&["PEXPIREAT", "behind:string", "4102444800123"]).map(drop)?;
    Ok(())
}

fn write(other: Product, out: &Path, path: &Path, more: &[&str]) -> TestResult<(Value, String)> {
    let ran = Command::new(env!("CARGO_BIN_EXE_aofcheck"))
        .args(["write", "--json", "--threads", "1", "--for", other.name()])
        .args([out, path])
        .args(more)
        .stdin(Stdio::null())
        .output()?;
    Ok((serde_json::from_slice(&ran.stdout)?, String::from_utf8_lossy(&ran.stderr).into_owned()))
}

fn compare(was: &Contents, path: &Path, other: Product, turn: usize, what: &str, tally: &mut Tally) -> TestResult {
    let folder = tempfile::tempdir()?;
    let is_set = other.version() >= (7, 0);
    let how: &[&str] = [&[][..], &["--no-preamble"], &["--resp"]][turn % 3];
    let as_commands = how == ["--resp"];
    let name = if is_set && !as_commands { "appendonlydir" } else { "appendonly.aof" };
    let out = folder.path().join(name);
    let (mut document, mut said) = write(other, &out, path, how)?;
    let mut without = Vec::new();
    if document["status"] == "refused" {
        for of in document["refused"].as_array().into_iter().flatten() {
            let kind = of["kind"].as_str().ok_or("a kind")?.to_owned();
            // Commands behind the image may have deleted some.
            assert!(of["total"].as_u64() >= Some(count(was, &kind) as u64), "{what}: {kind}");
            without.push(kind);
        }
        assert!(!without.is_empty() && !out.exists(), "{what}: {said}");
        (document, said) = write(other, &out, path, &[how, &["--without", &without.join(",")]].concat())?;
        tally.in_part += 1;
    } else {
        tally.written += 1;
    }
    assert_eq!(document["status"], "written", "{what}: {said}");
    let mut server = if as_commands {
        let commands = fs::read(&out)?;
        fs::remove_file(&out)?;
        let server = start(other, folder.path(), &[])?;
        assert_eq!(send(&server, &commands)?, [""; 0], "{what}");
        server
    } else {
        start(other, folder.path(), &APPENDING).map_err(|error| format!("{what}: {error}"))?
    };
    same(was, &contents(&mut server)?, &without, what, tally)?;
    server.kill()?;
    Ok(())
}

fn others_come_up_with_its_files(product: Product) -> TestResult {
    if require(product).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let mut server = start(product, folder.path(), &APPENDING)?;
    dataset::random(&mut server, &mut Rng::new(77 + product as u64))?;
    server.rewrite_aof()?;
    more(&mut server)?;
    let was = contents(&mut server)?;
    // Older ones put writes off while the disk is busy.
    server.shutdown()?;
    let name = if product.version() >= (7, 0) { "appendonlydir" } else { "appendonly.aof" };
    let path = folder.path().join(name);
    let mut tally = Tally::default();
    for (turn, other) in Product::ALL.iter().copied().filter(|other| other.find().is_some()).enumerate() {
        let what = format!("{product} to {other}");
        compare(&was, &path, other, turn + product as usize, &what, &mut tally)?;
    }
    let Tally { written, in_part, keys } = tally;
    eprintln!("{product}: {written} written, {in_part} without what the server cannot have, {keys} keys the same");
    assert!(written + in_part > 0, "not even for itself");
    Ok(())
}

mod renewed {
    use super::a_key_that_is_renewed_is_there;

    testkit::on_each_product!(a_key_that_is_renewed_is_there);
}

const COMMANDS: &str = "*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$5\r\nvalue\r\n*3\r\n$9\r\nPEXPIREAT\r\n$5\r\nother\r\n$4\r\n1000\r\n\
                        *2\r\n$7\r\nPERSIST\r\n$5\r\nother\r\n";
const PERSIST: &str = "*2\r\n$7\r\nPERSIST\r\n$7\r\nrenewed\r\n";
/// SHA-1 of `return 1`.
const SCRIPT: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

/// A server that loads a key whose expiry has passed has it until all is loaded; a live one drops it, and is sent no such thing.
fn a_key_that_is_renewed_is_there(product: Product) -> TestResult {
    if require(product).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("appendonly.aof");
    let mut image = RdbWriter::redis(9);
    image.select_db(0).resize_db(1, 1).expire_ms(1000).string_key(b"renewed", b"value").aux(b"lua", b"return 1");
    fs::write(&source, [&image.finish()[..], PERSIST.as_bytes(), COMMANDS.as_bytes()].concat())?;
    for how in [&[][..], &["--no-preamble"]] {
        let folder = tempfile::tempdir()?;
        let name = if product.version() >= (7, 0) { "appendonlydir" } else { "appendonly.aof" };
        let (document, said) = write(product, &folder.path().join(name), &source, how)?;
        assert_eq!(document["status"], "written", "{said}");
        let mut server = start(product, folder.path(), &APPENDING)?;
        for key in ["renewed", "other"] {
            assert_eq!(server.run(&["GET", key])?.text(), Some("value"), "{how:?} {key}");
            assert_eq!(server.run(&["PTTL", key])?.integer(), Some(-1), "{how:?} {key}");
        }
        if product.version() < (7, 0) {
            let known = server.run(&["SCRIPT", "EXISTS", SCRIPT])?;
            assert_eq!(known.array().and_then(|all| all.first()?.integer()), Some(1), "{how:?}");
        }
        server.kill()?;
    }
    let out = folder.path().join("commands");
    let (document, said) = write(product, &out, &source, &["--resp"])?;
    assert!(document["status"] == "refused" && said.contains("renew them: other, renewed;"), "{said}");
    let live = tempfile::tempdir()?;
    let mut server = start(product, live.path(), &[])?;
    assert_eq!(send(&server, COMMANDS.as_bytes())?, [""; 0]);
    assert_eq!(server.run(&["EXISTS", "other"])?.integer(), Some(0));
    server.kill()?;
    Ok(())
}
