//! What a server's next start reads, and what it leaves alone: by the place of the files, and by a configuration.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::aof::aofcheck;
use crate::golden::assert_fits_the_schema;
use crate::{Ran, TestResult, ran, rdbcheck};

/// A directory with an RDB of one key, and a set without any.
fn directory(folder: &Path) -> TestResult {
    let parts = folder.join("appendonlydir");
    fs::create_dir(&parts)?;
    fs::write(folder.join("dump.rdb"), b"REDIS0009\xfe\0\0\x01k\x01v\xff\0\0\0\0\0\0\0\0")?;
    fs::write(parts.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n")?;
    fs::write(parts.join("appendonly.aof.1.incr.aof"), "")?;
    fs::write(folder.join("yes.conf"), "appendonly yes\nappendfsync always\n")?;
    fs::write(folder.join("no.conf"), "appendonly no\nsave \"\"\n")?;
    fs::write(folder.join("other.conf"), "appendonly yes\nappendfilename other.aof\n")?;
    Ok(())
}

/// The answer about the only server that was asked for.
fn answer(run: &Ran, server: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let document: Value = serde_json::from_str(&run.out)?;
    Ok(document["files"][0]["loads_on"][server].clone())
}

#[test]
fn by_the_place_alone() -> TestResult {
    let folder = tempfile::tempdir()?;
    directory(folder.path())?;
    let not_read = "dump.rdb, 25 bytes, 1 key, is not read: the set that is read holds no data";
    for path in [".", "dump.rdb"] {
        let run = ran(rdbcheck(&[path]).current_dir(folder.path()).output())?;
        assert!(run.code == Some(0) && run.out.contains(not_read), "{path}: {run:?}");
    }
    let run = ran(aofcheck(folder.path(), &["."]).output())?;
    assert!(run.code == Some(0) && run.out.contains(not_read), "{run:?}");
    Ok(())
}

#[test]
fn by_a_configuration() -> TestResult {
    let folder = tempfile::tempdir()?;
    directory(folder.path())?;
    for (conf, server, by_default, reads, over, loss) in [
        ("yes", "redis-7.0", "loads", "appendonlydir/appendonly.aof.1.incr.aof", "dump.rdb", "appendfsync always"),
        ("yes", "redis-6.2", "starts-empty", "", "dump.rdb", "appendfsync always"),
        ("no", "redis-7.0", "starts-empty", "dump.rdb", "", "save \"\""),
        ("other", "valkey-9.1", "starts-empty", "", "dump.rdb", "appendfsync everysec"),
    ] {
        let conf = format!("{conf}.conf");
        let args = ["--json", "--for", server, "--conf", &conf, "."];
        let run = ran(aofcheck(folder.path(), &args).output())?;
        assert_fits_the_schema(folder.path(), &run.out)?;
        let answer = answer(&run, server)?;
        let start = &answer["start"];
        let first = |list: &Value, field: &str| {
            let item = &list[0];
            if field.is_empty() { item } else { &item[field] }.as_str().unwrap_or_default().to_owned()
        };
        assert_eq!(answer["by_default"], by_default, "{conf} {server}: {answer}");
        assert_eq!(first(&start["reads"], ""), reads, "{conf} {server}: {answer}");
        assert_eq!(first(&start["overwrites"], "file"), over, "{conf} {server}: {answer}");
        assert!(first(&start["loss"], "").starts_with(loss), "{conf} {server}: {answer}");
        assert_eq!(run.code, Some(i32::from(answer["loads"] == false)), "{conf} {server}: {answer}");
    }
    let dump = |conf: &str| {
        ran(rdbcheck(&["--json", "--for", "redis-7.0", "--conf", conf, "dump.rdb"]).current_dir(folder.path()).output())
    };
    let (yes, no) = (dump("yes.conf")?, dump("no.conf")?);
    assert_eq!((yes.code, answer(&yes, "redis-7.0")?["by_default"].as_str()), (Some(1), Some("starts-empty")));
    assert_eq!((no.code, answer(&no, "redis-7.0")?["by_default"].as_str()), (Some(0), Some("loads")));
    Ok(())
}
