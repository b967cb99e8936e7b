//! What lies behind web servers and in stores: read as a file is, and a plain line where that fails.

use std::fs;

use assert_cmd::Command;
use serde_json::Value;

use crate::web::Web;
use crate::{Ran, TestResult, ran, rdbcheck};

/// An RDB of so many bytes of value, and more.
fn dump(len: usize) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfe\x00".to_vec();
    let mut state = 1_u32;
    for number in 0..len.div_ceil(1000) {
        bytes.extend_from_slice(b"\x00\x08");
        bytes.extend_from_slice(format!("{number:08}").as_bytes());
        bytes.extend_from_slice(&[0x43, 0xe8]);
        bytes.extend(
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .take(1000),
        );
    }
    bytes.push(0xff);
    let sum = testkit::crc64::crc64(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The command without what the machine says about stores.
fn command(args: &[&str]) -> Command {
    let mut command = rdbcheck(args);
    for (name, _) in std::env::vars_os() {
        let name_of = name.to_string_lossy();
        if ["AWS_", "GOOGLE_", "AZURE_", "STORAGE_"].iter().any(|lead| name_of.starts_with(lead)) {
            command.env_remove(&name);
        }
    }
    command.env("NO_PROXY", "*").env("AWS_MAX_ATTEMPTS", "3").env("RDBCHECK_STORE_PATIENCE", "2");
    command
}

fn of(args: &[&str]) -> Result<Ran, Box<dyn std::error::Error>> {
    ran(command(args).output())
}

/// Holds a report on an address against that on the same bytes as a file.
fn same_as_file(web: &Web, name: &str, file: &[u8]) -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    fs::write(&path, file)?;
    let path = path.to_str().ok_or("a name")?;
    let url = format!("{}/{name}", web.url);
    let (there, here) = (of(&["--json", &url])?, of(&["--json", path])?);
    assert_eq!((there.code, there.err.as_str()), (here.code, ""), "{name}: {there:?}");
    let part = |ran: &Ran| -> Result<Value, serde_json::Error> {
        let mut document: Value = serde_json::from_str(&ran.out)?;
        let entry = document["files"][0].as_object_mut().map(std::mem::take).unwrap_or_default();
        // Its commands name the file.
        let mut entry: Value = entry.into_iter().filter(|(name, _)| name != "path").collect();
        if let Some(cause) = entry["cause"].as_object_mut() {
            cause.remove("command");
        }
        for finding in entry["findings"].as_array_mut().into_iter().flatten() {
            finding["hint"] = Value::Null;
        }
        Ok(entry)
    };
    assert_eq!(part(&there)?, part(&here)?, "{name}");
    Ok(())
}

#[test]
fn an_address_is_read_as_a_file() -> TestResult {
    for len in [0, 100_000, 524_000, 525_000, 9_000_000] {
        let file = dump(len);
        let web = Web::of(file.clone())?;
        for name in ["dump.rdb", "no-ranges", "no-tag", "fails-twice"] {
            same_as_file(&web, name, &file)?;
        }
        let ranges = web.count("dump.rdb bytes=");
        assert!(if len < 525_000 { ranges <= 2 } else { ranges > 1 }, "{len}: {ranges} requests");
        // Damage has the same offsets.
        if len > 0 {
            let mut bad = file.clone();
            let middle = bad.len() / 2;
            bad[middle..middle + 64].fill(0xfe);
            same_as_file(&Web::of(bad.clone())?, "dump.rdb", &bad)?;
            bad.truncate(middle);
            same_as_file(&Web::of(bad.clone())?, "dump.rdb", &bad)?;
        }
    }
    Ok(())
}

#[test]
fn a_page_is_no_dump() -> TestResult {
    let web = Web::of(Vec::new())?;
    assert_eq!(of(&[&format!("{}/page", web.url)])?.code, Some(3));
    Ok(())
}

#[test]
fn a_server_that_fails_is_named_and_the_rest_goes_on() -> TestResult {
    let web = Web::of(dump(3_000_000))?;
    for (name, why) in [
        ("missing", "there is no such object"),
        ("forbidden", "the server forbids to read it (403)"),
        ("fails", "the server fails, also when it is asked again (status 500)"),
        ("short", "the answer is short"),
        ("cut", "the answer is short"),
        ("replaced", "the object was replaced while it was read: read it again"),
        ("replaced-unsaid", "the object was replaced while it was read: read it again"),
        ("other-range", "the server answers with another range than was asked for"),
        ("no-size", "the server does not say how many bytes it has"),
        ("slow", "the server is too slow"),
        ("silent", "the server did not answer in time"),
    ] {
        let url = format!("{}/{name}", web.url);
        let run = of(&[&url, "redis-2.8-empty.rdb", &format!("{}/dump.rdb", web.url)])?;
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.err.starts_with(&format!("rdbcheck: {url}: {why}")), "{name}: {run:?}");
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
        assert!(run.out.contains("redis-2.8-empty.rdb: sound") && run.out.contains("/dump.rdb: sound"), "{run:?}");
    }
    assert_eq!(web.count("/fails "), 3, "as often as it may be asked");
    let nobody = of(&["http://127.0.0.1:1/dump.rdb"])?;
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("the server cannot be reached"), "{nobody:?}");
    Ok(())
}

#[test]
fn secrets_are_not_shown() -> TestResult {
    let web = Web::of(dump(1000))?;
    let host = web.url.strip_prefix("http://").ok_or("a scheme")?;
    for (name, code) in [("dump.rdb", 0), ("forbidden", 2), ("fails", 2), ("replaced", 0)] {
        let run = of(&["--json", &format!("http://me:hidden@{host}/{name}?X-Amz-Signature=hidden")])?;
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(!run.out.contains("hidden") && !run.err.contains("hidden"), "{run:?}");
        assert!(web.count(&format!("/{name}?X-Amz-Signature=hidden")) > 0, "the whole address is asked for");
    }
    let mut command = command(&["s3://bucket/nobody", "s3://bucket/forbidden", "s3://bucket/dump.rdb"]);
    command
        .env("AWS_ENDPOINT_URL", &web.url)
        .env("AWS_ACCESS_KEY_ID", "hidden1")
        .env("AWS_SECRET_ACCESS_KEY", "hidden2");
    let run = ran(command.output())?;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("s3://bucket/nobody: the credentials are not accepted (InvalidAccessKeyId)"), "{run:?}");
    assert!(run.err.contains("s3://bucket/forbidden: there is no permission to read it (AccessDenied)"), "{run:?}");
    assert!(run.out.contains("s3://bucket/dump.rdb: sound"), "{run:?}");
    assert!(!run.err.contains("hidden") && !run.err.contains("secret-in-answer"), "{run:?}");
    let asked = web.asked.lock().expect("no test failed with it");
    let unsigned = asked.iter().find(|line| line.contains("/bucket/") && !line.ends_with(" signed"));
    assert_eq!(unsigned, None, "each request to the bucket is signed");
    Ok(())
}

#[test]
fn each_cloud_has_its_settings() -> TestResult {
    let web = Web::of(dump(2_000_000))?;
    let azure = format!("AccountName=me;AccountKey=aGlkZGVu;BlobEndpoint={}", web.url);
    for (url, name, value) in [
        ("gs://bucket/a/dump.rdb", "STORAGE_EMULATOR_HOST", web.url.as_str()),
        ("az://bucket/a/dump.rdb", "AZURE_STORAGE_CONNECTION_STRING", &azure),
    ] {
        let run = ran(command(&[url]).env(name, value).output())?;
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{url}: {run:?}");
        assert!(run.out.starts_with(&format!("{url}: sound")), "{run:?}");
    }
    assert!(web.count(" bytes=") >= 4);
    // Without a word that it may be, nothing goes out without TLS.
    let run = ran(command(&["az://bucket/x"])
        .env("AZURE_STORAGE_CONNECTION_STRING", "AccountName=me;AccountKey=??")
        .output())?;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!run.err.contains("??"), "{run:?}");
    Ok(())
}
