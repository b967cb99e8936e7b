//! `--redact`: words are planted wherever data can hold text, and no output of any mode may hold one of them.

use std::fs;
use std::process::Command;

use testkit::rdb::RdbWriter;
use testkit::resp::AofWriter;

use crate::TestResult;

/// No word of ours begins like this one.
const WORD: &str = "zqxsecret";

fn rdbs() -> Vec<Vec<u8>> {
    let word = WORD.as_bytes();
    let start = || {
        let mut w = RdbWriter::redis(11);
        w.aux(b"redis-ver", word).aux(word, word).aux(b"ctime", word).aux(b"used-mem", word).select_db(0);
        w
    };
    let mut all = vec![
        start().string_key(word, word).string_key(word, word).finish(),
        start().key(20, word).str(word).finish(),
        start().key(2, word).len(2).str(word).str(word).finish(),
        start().key(5, word).len(1).str(word).double(f64::NAN).finish(),
        start().function2(&[b"#!", word, b" name=", word, b"\nx"].concat()).finish(),
        start().function2(&[b"#!lua name=", word, b" ", word, b"\nx"].concat()).finish(),
        start().key(7, word).len(1 << 40).raw(word).finish(),
        start().key(15, word).len(1).str(&[word, &[0; 7]].concat()).str(word).finish(),
        start()
            .key(21, word)
            .len(0)
            .len(0)
            .len(1)
            .len(1)
            .len(0)
            .len(0)
            .len(0)
            .len(0)
            .len(0)
            .len(1)
            .str(word)
            .raw(word)
            .finish(),
        start().key(28, word).raw(word).finish(),
        start().raw(word).finish(),
        [&b"REDIS"[..], word].concat(),
        word.repeat(20),
        [&start().string_key(word, b"v").finish()[..], word].concat(),
    ];
    let mut damaged =
        start().string_key(b"a", b"b").key(2, word).len(2).str(word).str(word).string_key(word, word).finish();
    let last = damaged.len() - 1;
    damaged[last] ^= 0xff;
    all.push(damaged);
    all
}

/// Bytes of the file cannot be shown with their texts hidden.
#[test]
fn hex_and_redact_exclude_each_other() -> TestResult {
    let run = crate::run(&["--hex", "--redact", "redis-7.0-multidb.rdb"])?;
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
    Ok(())
}

fn search(command: &mut Command, what: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = command.output()?;
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.to_lowercase().contains(WORD), "{what}: {text}");
    // In hexadecimal and in base64 neither.
    assert!(!text.contains("7a 71 78 73") && !text.contains("enF4c2Vjc"), "{what}: {text}");
    Ok(text)
}

#[test]
fn no_planted_word_leaves_an_rdb() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, out) = (folder.path().join("a.rdb"), folder.path().join("out.rdb"));
    let modes: &[&[&str]] = &[
        &[],
        &["--json"],
        &["--format", "junit"],
        &["--format", "prometheus"],
        &["--json-lines"],
        &["--stats"],
        &["--json", "--stats"],
        &["--strict", "--for", "redis-6.2,valkey-9.1"],
        &["--json", "--for", "redis-6.2,valkey-9.1"],
        &["--format", "junit", "--for", "redis-6.2"],
    ];
    let (mut keys, mut texts) = (0, 0);
    for (number, image) in rdbs().iter().enumerate() {
        fs::write(&path, image)?;
        let run = || Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
        for mode in modes {
            let what = format!("RDB {number} with {mode:?}");
            let text = search(run().arg("--redact").args(*mode).arg(&path), &what)?;
            assert!(text.contains("a.rdb") || text.contains("testsuite"), "{what} says nothing: {text}");
            keys += text.matches("key#").count();
            texts += text.matches("text#").count();
        }
        for mode in [&["--partial"][..], &["--json"], &["--resp", "--partial"]] {
            let what = format!("RDB {number}, salvaged with {mode:?}");
            search(run().args(["--redact", "--force", "--salvage"]).arg(&out).args(mode).arg(&path), &what)?;
        }
    }
    assert!(keys > 20 && texts > 20, "{keys} keys and {texts} texts were replaced");
    Ok(())
}

#[test]
fn no_planted_word_leaves_an_append_only_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, out) = (folder.path().join("a.aof"), folder.path().join("out"));
    let sound = AofWriter::new().record(&["SET", WORD, WORD]).record(&[WORD, WORD]).record(&["CONFIG", WORD]).take();
    let cut = [&sound[..], b"*3\r\n$3\r\nSET\r\n$9\r\nzqxsecret\r\n$9\r\nzqx"].concat();
    let odd = [&sound[..], b"zqxsecret\r\n", &sound].concat();
    let modes: &[&[&str]] = &[
        &[],
        &["--json"],
        &["--format", "junit"],
        &["--format", "prometheus"],
        &["--json-lines"],
        &["--stats"],
        &["--timeline"],
        &["--json", "--timeline"],
        &["--format", "junit", "--for", "redis-7.0"],
        &["--json", "--timeline", "--for", "redis-7.0"],
        &["--for", "redis-7.0,valkey-9.1"],
        &["--fix", "--dry-run"],
        &["--fix", "--dry-run", "--json"],
    ];
    let mut texts = 0;
    let mut image = RdbWriter::redis(11);
    image.aux(WORD.as_bytes(), WORD.as_bytes()).select_db(0).key(20, WORD.as_bytes()).str(WORD.as_bytes());
    let image = image.finish();
    let queries = AofWriter::new()
        .record(&["EVAL", &format!("{WORD}("), "1", WORD])
        .record(&["FUNCTION", "LOAD", &format!("#!{WORD} name={WORD}\nx")])
        .record(&["RESTORE", WORD, "0", WORD])
        .record(&["XADD", WORD, "*", WORD])
        .record(&["SET", WORD])
        .record(&["MULTI", WORD])
        .take();
    let images = [&image[..], &queries].concat();
    let annotated = [&b"#zqxsecret\r\n#TS:zqxsecret\r\n"[..], &queries, b"*1\r\n$9\r\nzqxsecret"].concat();
    for (number, bytes) in [sound, cut, odd, images, annotated].iter().enumerate() {
        fs::write(&path, bytes)?;
        for mode in modes {
            let what = format!("AOF {number} with {mode:?}");
            let run = &mut Command::new(env!("CARGO_BIN_EXE_aofcheck"));
            let text = search(run.arg("--redact").args(*mode).arg(&path), &what)?;
            assert!(text.contains("a.aof"), "{what} says nothing: {text}");
            texts += text.matches("text#").count();
        }
        let run = &mut Command::new(env!("CARGO_BIN_EXE_aofcheck"));
        search(run.args(["--redact", "--json", "--force", "--salvage"]).arg(&out).arg(&path), "a salvage")?;
        let run = &mut Command::new(env!("CARGO_BIN_EXE_aofcheck"));
        search(run.args(["--redact", "--force", "--salvage"]).arg(&out).arg(&path), "a salvage in text")?;
        let run = &mut Command::new(env!("CARGO_BIN_EXE_aofcheck"));
        let asked = ["--redact", "--force", "--for", "redis-6.2,valkey-9.1", "--salvage"];
        search(run.args(asked).arg(&out).arg(&path), "a salvage for servers")?;
        for how in ["--preen", "--fix"] {
            let what = format!("AOF {number} with {how}");
            let run = &mut Command::new(env!("CARGO_BIN_EXE_aofcheck"));
            let more = if how == "--fix" { &["--yes"][..] } else { &[] };
            search(run.args(["--redact", how, "--force-live"]).args(more).arg(&path), &what)?;
        }
    }
    assert!(texts > 5, "{texts} texts were replaced");
    Ok(())
}

/// A file named twice, and names that differ in bytes that are no UTF-8.
#[test]
fn no_series_is_repeated() -> TestResult {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir()?;
    let names = [&b"a\xff.rdb"[..], b"a\xfe.rdb", b"a\\xff.rdb"];
    let paths = names.map(|name| folder.path().join(std::ffi::OsStr::from_bytes(name)));
    for path in &paths {
        fs::write(path, RdbWriter::redis(11).finish())?;
    }
    let run = |form: &str| {
        let run = &mut Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
        run.args(["--format", form, "--for", "redis-7.0"]).args(&paths).arg(&paths[0]).output()
    };
    let text = String::from_utf8(run("prometheus")?.stdout)?;
    let series: Vec<&str> =
        text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.rsplit_once(' ')).map(|(name, _)| name).collect();
    let distinct: std::collections::BTreeSet<_> = series.iter().collect();
    assert!(series.len() > 4 * 8, "{text}");
    assert_eq!(distinct.len(), series.len(), "{text}");
    let report: serde_json::Value = serde_json::from_slice(&run("json")?.stdout)?;
    let files = report["files"].as_array().ok_or("a list")?;
    let named: std::collections::BTreeSet<_> =
        files.iter().map(|file| format!("{} {}", file["path"], file["path_base64"])).collect();
    assert_eq!((files.len(), named.len()), (4, 3), "{named:?}");
    Ok(())
}
