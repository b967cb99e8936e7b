//! Objects of a server that speaks the protocol of S3: reports, digests, lists and salvages are those of the same files on disk.

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use testkit::server::tool;

type TestResult = Result<(), Box<dyn Error>>;

/// A server of one test.
struct S3 {
    address: String,
    process: Child,
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl S3 {
    /// Starts one with an empty bucket `backups`; nothing where none is installed.
    fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let Some(program) = tool("moto", "bin/moto_server") else { return Ok(None) };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = std::process::Command::new(program);
        server.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
        let process = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { address: format!("127.0.0.1:{port}"), process };
        let since = Instant::now();
        while let Err(error) = server.put("", b"") {
            if since.elapsed() > Duration::from_secs(60) {
                return Err(format!("it did not come up: {error}").into());
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(Some(server))
    }

    /// Puts an object into the bucket; without a key, makes the bucket.
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        let (host, length) = (&self.address, bytes.len());
        let slash = if key.is_empty() { "" } else { "/" };
        write!(stream, "PUT /backups{slash}{key} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n")?;
        write!(stream, "Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n")?;
        stream.write_all(bytes)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(answer)) }
    }

    /// Puts the files of a folder, and of those in it, below a prefix.
    fn put_all(&self, prefix: &str, folder: &Path) -> TestResult {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let key = format!("{prefix}/{}", path.file_name().and_then(|name| name.to_str()).ok_or("a name")?);
            if path.is_dir() { self.put_all(&key, &path)? } else { self.put(&key, &fs::read(&path)?)? }
        }
        Ok(())
    }

    /// A command that finds it as the tools of the cloud do.
    fn command(&self, tool: &str, args: &[&str]) -> Command {
        let program = if tool == "rdbcheck" { env!("CARGO_BIN_EXE_rdbcheck") } else { env!("CARGO_BIN_EXE_aofcheck") };
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        let settings = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "it"), ("AWS_REGION", "us-east-1")];
        command.envs(settings).env("AWS_ENDPOINT_URL", format!("http://{}", self.address)).env("NO_PROXY", "*");
        command.args(args).timeout(Duration::from_secs(120));
        command
    }

    fn ran(&self, tool: &str, args: &[&str]) -> Result<(Option<i32>, String, String), Box<dyn Error>> {
        let output = self.command(tool, args).output()?;
        Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
    }
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// The entries of a report, without what names a place.
fn entries(document: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let document: Value = serde_json::from_str(document)?;
    let entries = document["files"].as_array().ok_or("no files")?.iter().cloned().map(|mut entry| {
        let fields = entry.as_object_mut().into_iter();
        fields.for_each(|fields| ["path", "cause"].iter().for_each(|name| drop(fields.remove(*name))));
        for finding in entry["findings"].as_array_mut().into_iter().flatten() {
            finding["hint"] = Value::Null;
        }
        entry
    });
    Ok(entries.collect())
}

#[test]
fn objects_are_judged_as_files() -> TestResult {
    let Some(server) = S3::start()? else { return Ok(()) };
    for (prefix, folder) in [("sound", "rdb"), ("broken", "broken")] {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(testdata().join(folder))?.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|end| ["rdb", "gz", "zst", "lz4", "xz", "tar"].iter().any(|known| end == *known))
        });
        paths.sort();
        assert!(paths.len() > 10, "{folder}");
        for path in &paths {
            let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
            server.put(&format!("{prefix}/{name}"), &fs::read(path)?)?;
        }
        let names: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
        let options = ["--json", "--now", "1800000000"];
        let here = server.ran("rdbcheck", &[&options[..], &names].concat())?;
        for url in [format!("s3://backups/{prefix}/"), format!("s3://backups/{}*/*.*", &prefix[..3])] {
            let there = server.ran("rdbcheck", &[&options[..], &[&url]].concat())?;
            assert_eq!(there.0, here.0, "{url}");
            let (there, here) = (entries(&there.1)?, entries(&here.1)?);
            assert_eq!(there.len(), here.len(), "{url}");
            for (number, (there, here)) in there.iter().zip(&here).enumerate() {
                assert_eq!(there, here, "{}", names[number]);
            }
        }
    }
    Ok(())
}

#[test]
fn a_set_below_a_prefix_is_one() -> TestResult {
    let Some(server) = S3::start()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("appendonlydir");
    fs::create_dir(&set)?;
    let record = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";
    fs::write(set.join("a.aof.manifest"), "file a.aof.1.base.aof seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n")?;
    fs::write(set.join("a.aof.1.base.aof"), record.repeat(100_000))?;
    for (name, incr) in
        [("sound", &record[..]), ("cut", &record[..20]), ("damaged", &[&record[..], b"junk", record].concat())]
    {
        fs::write(set.join("a.aof.1.incr.aof"), incr)?;
        server.put_all(name, folder.path())?;
        let here = server.ran("aofcheck", &["--json", set.to_str().ok_or("a name")?])?;
        for place in [
            format!("s3://backups/{name}/appendonlydir"),
            format!("s3://backups/{name}/appendonlydir/"),
            format!("s3://backups/{name}"),
        ] {
            let there = server.ran("aofcheck", &["--json", &place])?;
            assert_eq!((there.0, there.2.as_str()), (here.0, ""), "{place}");
            let of = |document: &str| -> Result<_, Box<dyn Error>> {
                let entry = entries(document)?.remove(0);
                Ok([&entry["verdict"], &entry["parts"], &entry["counts"]].map(Clone::clone))
            };
            assert_eq!(of(&there.1)?, of(&here.1)?, "{place}");
        }
        let one = server.ran("aofcheck", &[&format!("s3://backups/{name}/appendonlydir/a.aof.1.incr.aof")])?;
        assert_eq!(one.0, here.0, "{one:?}");
    }
    // A salvage is of a copy.
    let out = folder.path().join("out");
    let ran =
        server.ran("aofcheck", &["salvage", "s3://backups/damaged/appendonlydir", out.to_str().ok_or("a name")?])?;
    assert_eq!(ran.0, Some(4), "{ran:?}");
    assert_eq!(server.ran("aofcheck", &[out.to_str().ok_or("a name")?])?.0, Some(0));
    for refused in [&["fix", "--yes"][..], &["preen"], &["write", "--for", "redis-7.0", "--resp"], &["seal"]] {
        let mut args = refused.to_vec();
        if refused[0] == "write" {
            args.push("-");
        }
        args.push("s3://backups/cut/appendonlydir");
        let ran = server.ran("aofcheck", &args)?;
        assert!(ran.0 == Some(2) && ran.2.contains("download it first"), "{args:?}: {ran:?}");
    }
    Ok(())
}

#[test]
fn verbs_take_addresses() -> TestResult {
    let Some(server) = S3::start()? else { return Ok(()) };
    let file = testdata().join("rdb/redis-7.0-functions.rdb");
    let bytes = fs::read(&file)?;
    server.put("a/dump.rdb", &bytes)?;
    server.put("a/cut.rdb", &bytes[..bytes.len() - 9])?;
    server.put("a/empty.rdb", b"")?;
    let empty = server.ran("rdbcheck", &["s3://backups/a/empty.rdb"])?;
    assert_eq!((empty.0, empty.2.as_str()), (Some(1), ""), "{empty:?}");
    let name = file.to_str().ok_or("a name")?;
    for verb in [&["list", "--csv"][..], &["digest", "--json"]] {
        let (there, here) = (
            server.ran("rdbcheck", &[verb, &["s3://backups/a/dump.rdb"]].concat())?,
            server.ran("rdbcheck", &[verb, &[name]].concat())?,
        );
        assert_eq!((there.0, &there.2), (Some(0), &String::new()), "{there:?}");
        assert_eq!(there.1.replace("s3://backups/a/dump.rdb", name), here.1);
    }
    assert_eq!(server.ran("rdbcheck", &["diff", "s3://backups/a/dump.rdb", name])?.0, Some(0));
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out.rdb");
    let out = out.to_str().ok_or("a name")?;
    let ran = server.ran("rdbcheck", &["salvage", "s3://backups/a/cut.rdb", out])?;
    assert!(matches!(ran.0, Some(0 | 4)), "{ran:?}");
    let written =
        server.ran("rdbcheck", &["write", "--for", "redis-7.0", "--force", out, "s3://backups/a/dump.rdb"])?;
    assert_eq!(written.0, Some(0), "{written:?}");
    for refused in [
        &["salvage", name, "s3://backups/new.rdb"][..],
        &["write", "--for", "redis-7.0", "s3://backups/new.rdb", name],
        &["seal", "s3://backups/a/dump.rdb"],
    ] {
        let ran = server.ran("rdbcheck", refused)?;
        assert_eq!(ran.0, Some(2), "{ran:?}");
        assert!(ran.2.contains("store") || ran.2.contains("download"), "{ran:?}");
    }
    for (url, why) in [
        ("s3://none/dump.rdb", "there is no bucket none"),
        ("s3://none/", "there is no bucket none"),
        ("s3://backups/none.rdb", "there is no such object"),
        ("s3://backups/none/", "there is no object below it"),
        ("s3://backups/none*", "there is no such object"),
    ] {
        let ran = server.ran("rdbcheck", &[url, name])?;
        assert_eq!(ran.0, Some(2), "{ran:?}");
        assert_eq!(ran.2, format!("rdbcheck: {url}: {why}\n"));
        assert!(ran.1.contains("functions.rdb: sound"), "the rest goes on: {ran:?}");
    }
    Ok(())
}
