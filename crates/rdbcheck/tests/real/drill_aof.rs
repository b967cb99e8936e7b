//! Drills on append-only files that real servers wrote, and the digests of what they add up to.
#![cfg(target_os = "linux")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testkit::dataset::{self, Dataset};
use testkit::server::{Installed, Product, Server, require};

type TestResult = Result<(), Box<dyn Error>>;

/// Runs a verb of `aofcheck` with that server; its private folders lie in `drills`, which is empty in the end.
fn aofcheck(verb: &str, installed: &Installed, drills: &Path, path: &Path) -> Result<Output, Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aofcheck"));
    command.arg(verb).arg("--server").arg(&installed.server).arg("--dir").arg(drills).arg("--json").arg(path);
    let output = command.stdin(Stdio::null()).output()?;
    assert_eq!(fs::read_dir(drills)?.count(), 0, "{verb} {}", path.display());
    Ok(output)
}

fn first(output: &Output) -> Result<Value, Box<dyn Error>> {
    let document: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(document["files"][0].clone())
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> std::io::Result<Vec<(std::path::PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.clone(), fs::read(path)?));
        }
    }
    found.sort();
    Ok(found)
}

fn what_a_server_wrote(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let (data, drills) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut server = Server::start(&installed, data.path(), &["--appendonly", "yes"])?;
    dataset::fill(&mut server, &Dataset { databases: vec![0, 3], ..Dataset::default() })?;
    server.rewrite_aof()?;
    server.run(&["SELECT", "0"])?;
    server.run(&["SET", "since", "the rewrite"])?;
    server.save()?;
    let keys: u64 = server.databases()?.values().map(|of| of.keys).sum();
    server.shutdown()?;
    let path = if product.version() >= (7, 0) { "appendonlydir" } else { "appendonly.aof" };
    let path = data.path().join(path);
    let before = files(data.path())?;

    let output = aofcheck("drill", &installed, drills.path(), &path)?;
    let of = first(&output)?;
    assert_eq!((output.status.code(), &of["comes_up"]), (Some(0), &true.into()), "{product}: {of:#}");
    let counted: u64 =
        of["databases"].as_object().into_iter().flatten().filter_map(|db| db.1["server_keys"].as_u64()).sum();
    assert_eq!(counted, keys, "{product}: {of:#}");

    // The server saved the same before it ended.
    let output = aofcheck("digest", &installed, drills.path(), &path)?;
    let of = first(&output)?;
    let dump = Command::new(env!("CARGO_BIN_EXE_rdbcheck"))
        .args(["digest", "--json"])
        .arg(data.path().join("dump.rdb"))
        .output()?;
    let saved = first(&dump)?;
    assert_eq!(output.status.code(), Some(0), "{product}: {}", String::from_utf8_lossy(&output.stderr));
    // A vector set is stored in other bytes each time.
    let has_modules = saved["undigested"].as_object().is_some_and(|types| !types.is_empty());
    for field in ["digest", "debug_digest", "keys", "functions"] {
        if field == "digest" && has_modules {
            continue;
        }
        assert_eq!(of[field], saved[field], "{product}: {field}");
    }
    assert_eq!(files(data.path())?, before, "{product}: a drill changes nothing");

    // A byte less is a tail that servers cut; less of the middle is not.
    let name = before.iter().map(|(path, _)| path).rfind(|path| path.extension().is_some_and(|end| end == "aof"));
    let name = name.ok_or("an append-only file")?;
    let whole = fs::read(name)?;
    let middle = whole.len() - 20;
    fs::write(name, [&whole[..middle], b"\0\0\0", &whole[middle + 3..]].concat())?;
    let output = aofcheck("drill", &installed, drills.path(), &path)?;
    let of = first(&output)?;
    assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"refused".into()), "{product}: {of:#}");
    let output = aofcheck("digest", &installed, drills.path(), &path)?;
    assert_eq!(output.status.code(), Some(2), "{product}");
    fs::write(name, &whole[..whole.len() - 1])?;
    let output = aofcheck("drill", &installed, drills.path(), &path)?;
    let of = first(&output)?;
    assert_eq!((output.status.code(), &of["comes_up"]), (Some(3), &true.into()), "{product}: {of:#}");
    Ok(())
}

testkit::on_each_product! {
    what_a_server_wrote:
    redis_62 Redis62;
    redis_70 Redis70;
    redis_86 Redis86;
    valkey_91 Valkey91;
}

#[test]
fn a_set_is_not_for_a_server_without_manifests() -> TestResult {
    let (Some(old), Some(new)) = (require(Product::Redis62), require(Product::Redis70)) else { return Ok(()) };
    let (data, drills) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut server = Server::start(&new, data.path(), &["--appendonly", "yes", "--appendfilename", "other.aof"])?;
    server.run(&["SET", "key", "value"])?;
    server.shutdown()?;
    let path = data.path().join("appendonlydir");
    let output = aofcheck("drill", &old, drills.path(), &path)?;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr)?;
    assert!(text.contains("does not read sets of files under a manifest"), "{text}");
    // Under the name that it has.
    let output = aofcheck("drill", &new, drills.path(), &path)?;
    let of = first(&output)?;
    assert_eq!((output.status.code(), &of["databases"]["0"]["server_keys"]), (Some(0), &1.into()), "{of:#}");
    // An older file is taken over by a newer server.
    let mut server = Server::start(&old, drills.path(), &["--appendonly", "yes"])?;
    server.run(&["SET", "key", "value"])?;
    server.shutdown()?;
    fs::rename(drills.path().join("appendonly.aof"), data.path().join("old.aof"))?;
    for left in fs::read_dir(drills.path())? {
        fs::remove_file(left?.path())?;
    }
    let output = aofcheck("drill", &new, drills.path(), &data.path().join("old.aof"))?;
    let of = first(&output)?;
    assert_eq!((output.status.code(), &of["databases"]["0"]["server_keys"]), (Some(0), &1.into()), "{of:#}");
    Ok(())
}

/// Commands as records of a file.
fn records(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands {
        bytes.extend(format!("*{}\r\n", command.len()).bytes());
        command.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
    }
    bytes
}

/// A command that acts on the server is no command for one that reads a file of unknown origin.
#[test]
fn no_server_gets_a_command_that_acts_on_it() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let (data, drills, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = data.path().join("appendonly.aof");
    let target = elsewhere.path().to_str().ok_or("a path")?;
    let folder = data.path().join("appendonlydir");
    fs::create_dir(&folder)?;
    let manifest = "file a.aof.1.base.aof seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n";
    fs::write(folder.join("a.aof.manifest"), manifest)?;
    for bad in [
        &["CONFIG", "SET", "dir", target][..],
        &["config", "set", "port", "7999"],
        &["REPLICAOF", "127.0.0.1", "7999"],
        &["MODULE", "LOAD", "/no/such.so"],
        &["MIGRATE", "127.0.0.1", "7999", "key", "0", "1000"],
        &["SAVE"],
        &["DEBUG", "RELOAD"],
    ] {
        let name = bad[0];
        let queued = [&["SET", "key", "value"][..], &["MULTI"], bad, &["EXEC"]];
        for commands in [&[queued[0], bad, &["SAVE"]][..], &queued] {
            let at = records(&commands[..commands.iter().position(|of| *of == bad).unwrap_or(0)]).len();
            fs::write(&file, records(commands))?;
            fs::write(folder.join("a.aof.1.base.aof"), records(&[&["SET", "other", "value"]]))?;
            fs::write(folder.join("a.aof.1.incr.aof"), records(commands))?;
            for (path, of) in [(&file, ""), (&folder, " of a.aof.1.incr.aof")] {
                for verb in ["drill", "digest"] {
                    let output = aofcheck(verb, &installed, drills.path(), path)?;
                    let text = String::from_utf8(output.stderr)?;
                    assert_eq!(output.status.code(), Some(2), "{verb} {bad:?}: {text}");
                    let says = format!("{name} at byte {at}{of}");
                    assert!(text.contains("no server was started") && text.contains(&says), "{says}: {text}");
                }
            }
        }
    }
    assert_eq!(fs::read_dir(elsewhere.path())?.count(), 0);
    Ok(())
}

/// Nor has a server a command by which a script could connect to others.
fn no_script_leads_elsewhere(product: Product) -> TestResult {
    let Some(installed) = require(product) else { return Ok(()) };
    let (data, drills) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let script = format!(
        "redis.pcall('SET', KEYS[1], 'value'); redis.pcall('MIGRATE', '127.0.0.1', '{}', KEYS[1], 0, 500); return 1",
        listener.local_addr()?.port()
    );
    let file = data.path().join("appendonly.aof");
    fs::write(&file, records(&[&["SET", "other", "value"], &["EVAL", &script, "1", "key"]]))?;
    let output = aofcheck("drill", &installed, drills.path(), &file)?;
    let of = first(&output)?;
    assert_eq!((&of["comes_up"], &of["databases"]["0"]["server_keys"]), (&true.into(), &2.into()), "{product}: {of:#}");
    let met = listener.accept().map_err(|error| error.kind());
    assert_eq!(met.err(), Some(std::io::ErrorKind::WouldBlock), "{product}");
    Ok(())
}

mod no_script {
    use super::no_script_leads_elsewhere;

    testkit::on_each_product!(no_script_leads_elsewhere);
}

/// What a set comes to is its image and its records.
#[test]
fn the_estimate_counts_the_records_behind_an_image() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let (data, drills) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut server = Server::start(&installed, data.path(), &["--appendonly", "yes"])?;
    server.run(&["SET", "in", "the image"])?;
    server.rewrite_aof()?;
    let large = "x".repeat(4 << 20);
    for n in 0..4 {
        server.run(&["SET", &format!("since:{n}"), &large])?;
    }
    server.shutdown()?;
    let run = |memory: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aofcheck"));
        command.args(["drill", "--memory", memory, "--server"]).arg(&installed.server).arg("--dir").arg(drills.path());
        command.arg(data.path().join("appendonlydir")).stdin(Stdio::null()).output()
    };
    let output = run("32M")?;
    let text = String::from_utf8(output.stderr)?;
    assert!(
        output.status.code() == Some(2) && text.contains("no server was started: it would take about 41.9 MB"),
        "{text}"
    );
    let up = run("200M")?;
    let text = String::from_utf8(up.stdout)?;
    assert!(up.status.code() == Some(0) && !text.contains("the estimate"), "{text}");
    Ok(())
}
