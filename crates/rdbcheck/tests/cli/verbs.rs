//! Verbs: what they print, their exit codes, their pages, and what they do with bad input.

use std::fs;

use serde_json::Value;

use super::{Ran, TestResult, testdata};

/// A verb in the folder of the sound files. It takes no `--now`.
fn verb(args: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.current_dir(testdata().join("rdb")).args(args);
    command.timeout(std::time::Duration::from_secs(60));
    command
}

pub(crate) fn ran(args: &[&str]) -> Ran {
    let output = verb(args).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub(crate) fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ran(args).out).expect("a JSON document")
}

/// Compressed bytes that claim to decode to nothing are the empty string, for servers and for each verb: also many of them.
#[test]
fn what_decodes_to_nothing_is_empty() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let dump = |value: &[u8]| [&b"REDIS0009\xfe\0\0\x01k"[..], value, &b"\xff\0\0\0\0\0\0\0\0"[..]].concat();
    fs::write(path("empty"), dump(b"\0"))?;
    fs::write(path("short"), dump(b"\xc3\x03\0abc"))?;
    fs::write(path("long"), dump(&[&b"\xc3\x80\0\x20\0\0\0"[..], &vec![b'a'; 2 << 20]].concat()))?;
    let of = |name: &str| json(&["digest", "--json", &path(name)])["files"][0]["debug_digest"].clone();
    assert!(of("empty").is_string());
    for name in ["short", "long"] {
        assert_eq!(of(name), of("empty"), "{name}");
        let listed = ran(&["list", "--json", "--values", &path(name)]);
        assert!(listed.code == Some(0) && listed.out.contains(r#""value":"""#), "{listed:?}");
        assert_eq!(ran(&["diff", &path("empty"), &path(name)]).code, Some(0));
        let written = ran(&["write", "--for", "redis-7.0", &path(&format!("{name}.new")), &path(name)]);
        assert_eq!(written.code, Some(0), "{written:?}");
    }
    Ok(())
}

#[test]
fn a_digest_is_the_same_however_the_data_is_stored() {
    let digests = |file: &str| {
        let document = json(&["digest", "--json", file]);
        let of = &document["files"][0];
        (of["digest"].clone(), of["debug_digest"].clone(), of["keys"].clone())
    };
    // The same data, with small and with large limits for packed values.
    let (one, two) = (digests("redis-3.2-thresholds-1.rdb"), digests("redis-2.8-thresholds-1.rdb"));
    assert_eq!(one.2, 20);
    assert!(one.0.as_str().is_some_and(|digest| digest.len() == 64));
    assert!(one.1.as_str().is_some_and(|digest| digest.len() == 40));
    assert_eq!(one, two);
    assert_ne!(one.0, digests("redis-6.0-streams.rdb").0);
}

#[test]
fn a_digest_for_people() {
    let ran = ran(&["digest", "redis-7.0-functions.rdb", "redis-2.8-db20000.rdb"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[..2], ["redis-7.0-functions.rdb", "  keys          0 (0 with an expiry), 2 function libraries"]);
    assert_eq!(lines[5], "  keys          2 (0 with an expiry)");
    assert!(lines[8].starts_with("  db300 ") && lines[8].ends_with("  1 key"), "{}", ran.out);
    assert!(lines[9].starts_with("  db20000 "), "{}", ran.out);
}

#[test]
fn what_has_no_digest_says_why() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    let whole = fs::read(testdata().join("rdb/redis-6.0-streams.rdb"))?;
    let name = path.to_str().ok_or("a path")?;
    for (bytes, code, says) in [
        (&whole[..whole.len() / 2], 1, "the data end too early"),
        (b"not an RDB of anybody", 3, "no RDB signature"),
        (b"", 1, "the data end too early"),
    ] {
        fs::write(&path, bytes)?;
        for verb in ["digest", "list"] {
            let ran = ran(&[verb, name]);
            assert_eq!(ran.code, Some(code), "{verb}: {}", ran.err);
            assert!(ran.err.starts_with(&format!("rdbcheck {verb}: ")) && ran.err.contains(says), "{}", ran.err);
        }
        let document = json(&["digest", "--json", name]);
        assert!(document["files"][0]["error"].as_str().is_some_and(|error| error.contains(says)));
    }
    assert_eq!(ran(&["digest", "no-such-file"]).code, Some(2));
    assert_eq!(ran(&["digest"]).code, Some(2));
    assert_eq!(ran(&["digest", "--help"]).code, Some(0));
    Ok(())
}

#[test]
fn a_file_named_as_a_verb_can_be_checked() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::copy(testdata().join("rdb/redis-6.2-lfu.rdb"), folder.path().join("list"))?;
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.current_dir(folder.path()).arg("./list").assert().success();
    Ok(())
}

#[test]
fn lists_say_the_same_in_every_form() {
    let file = "redis-6.2-streams.rdb";
    let rows: Vec<Value> = ran(&["list", "--json", "--values", file])
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document on each line"))
        .collect();
    let text = ran(&["list", file]).out;
    let mut table = csv::Reader::from_reader(text.as_bytes());
    assert!(table.headers().is_ok());
    let comma = ran(&["list", "--csv", file]).out;
    let mut table = csv::Reader::from_reader(comma.as_bytes());
    let records: Vec<_> = table.records().map(|record| record.expect("a record")).collect();
    assert_eq!((records.len(), text.lines().count()), (rows.len(), rows.len() + 1));
    for ((row, record), line) in rows.iter().zip(&records).zip(text.lines().skip(1)) {
        let key = row["key"].as_str().expect("a name");
        assert_eq!(record.get(1), Some(key));
        assert_eq!(record.get(4), Some(row["elements"].to_string().as_str()));
        assert!(line.ends_with(&format!("\"{key}\"")), "{line}");
        let entries = row["value"]["entries"].as_array().map_or(0, Vec::len);
        if row["type"] == "stream" {
            assert_eq!(row["elements"], entries);
        }
    }
    let groups = rows.iter().flat_map(|row| row["value"]["groups"].as_array().into_iter().flatten());
    let pending: Vec<_> = groups.flat_map(|group| group["pending"].as_array().into_iter().flatten()).collect();
    assert!(pending.iter().any(|pending| pending["deliveries"].as_u64() >= Some(1)), "{pending:?}");
}

#[test]
fn a_list_of_some_keys() {
    let keys = |args: &[&str]| {
        let ran = ran(&[&["list", "--csv"], args, &["redis-6.2-lfu.rdb"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out.lines().skip(1).map(|line| line.split(',').nth(1).unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    let all = keys(&[]);
    assert!(all.len() > 20, "{all:?}");
    let first = &all[0];
    assert_eq!(keys(&["--only", first]), std::slice::from_ref(first));
    assert_eq!(keys(&["--except", first]).len(), all.len() - 1);
    assert_eq!(keys(&["--db", "7"]), [""; 0]);
    assert_eq!(keys(&["--slots", "0-16383"]), all);
    let (low, high) = (keys(&["--slots", "0-8191"]), keys(&["--slots", "8192-16383"]));
    assert!(!low.is_empty() && !high.is_empty() && low.len() + high.len() == all.len());
    let strings = keys(&["--type", "string"]);
    assert_eq!(strings.len() + keys(&["--type", "list,set,zset,hash,stream,module"]).len(), all.len());
}

#[test]
fn differences_are_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (one, two) = (folder.path().join("one.rdb"), folder.path().join("two.rdb"));
    let key = |name: &[u8], value: testkit::rdb::Value| testkit::rdb::Key::new(name, value);
    let text = |text: &[u8]| testkit::rdb::Value::String(text.to_vec());
    let list = |items: &[&[u8]]| testkit::rdb::Value::List(items.iter().map(|item| item.to_vec()).collect());
    let mut file = testkit::rdb::File::new(testkit::rdb::Family::Redis, 11);
    file.keys = vec![
        key(b"same", text(b"1")),
        key(b"gone", text(b"1")),
        key(b"list", list(&[b"a", b"b"])),
        key(b"timed", text(b"1")).expiring(1_900_000_000_000),
        key(b"other", text(b"1")),
    ];
    fs::write(&one, file.encode().bytes)?;
    file.keys = vec![
        key(b"other", list(&[b"x"])),
        key(b"list", list(&[b"a", b"b", b"c"])),
        key(b"timed", text(b"1")),
        key(b"same", text(b"1")),
        key(b"n\xff", text(b"1")).in_db(3),
    ];
    file.functions = vec![b"#!lua name=f\n".to_vec()];
    fs::write(&two, file.encode().bytes)?;
    let (one, two) = (one.to_str().ok_or("a path")?, two.to_str().ok_or("a path")?);
    let run = ran(&["diff", one, two]);
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let expected = "\
- db 0  \"gone\": string
~ db 0  \"list\": list, 2 -> 3 elements
~ db 0  \"other\": string -> list of 1 element
~ db 0  \"timed\": the expiry, 2030-03-17 17:46:40 UTC -> none
+ db 3  \"n\\xff\": string
1 function library differs
1 key only in the first, 1 key only in the second, 3 changed, 1 the same
";
    assert_eq!(run.out, expected);
    let lines: Vec<Value> =
        ran(&["diff", "--json", one, two]).out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let changes: Vec<_> = lines.iter().filter_map(|line| line["change"].as_str()).collect();
    assert_eq!(changes, ["removed", "changed", "changed", "changed", "added"]);
    assert_eq!(lines[4]["key_base64"], "bv8=");
    assert_eq!(lines[5]["summary"]["changed"], 3);
    let same = ran(&["diff", one, one]);
    assert_eq!((same.code, same.out.as_str()), (Some(0), "the same: 5 keys\n"));
    let some = ran(&["diff", "--quiet", "--only", "same", one, two]);
    assert_eq!((some.code, some.out.as_str()), (Some(1), ""), "the libraries differ");
    assert_eq!(ran(&["diff", one, "no-such-file"]).code, Some(2));
    Ok(())
}

const VERBS: [(&str, &[&str]); 2] = [
    ("rdbcheck", &["salvage", "mend", "list", "digest", "diff", "seal", "write", "drill", "explain", "help"]),
    (
        "aofcheck",
        &["fix", "preen", "undo", "salvage", "timeline", "digest", "write", "seal", "drill", "explain", "help"],
    ),
];

/// What a tool prints on 80 columns.
fn tool(name: &str, args: &[&str]) -> Ran {
    let path = if name == "rdbcheck" { env!("CARGO_BIN_EXE_rdbcheck") } else { env!("CARGO_BIN_EXE_aofcheck") };
    let output = assert_cmd::Command::new(path).args(args).env("COLUMNS", "80").output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn each_verb_has_a_page_that_fits_a_screen() {
    for (name, verbs) in VERBS {
        let short = tool(name, &["-h"]).out;
        assert_eq!(tool(name, &["help"]).out, short);
        let listed: Vec<_> = short.lines().skip_while(|line| !line.starts_with("Verbs (")).skip(1).collect();
        let listed = listed.iter().take_while(|line| line.starts_with("  ")).filter_map(|line| line.split(' ').nth(2));
        assert_eq!(listed.collect::<Vec<_>>(), verbs, "{short}");
        assert!(tool(name, &["--help"]).out.contains("Verbs ("));
        for verb in verbs {
            let page = tool(name, &["help", verb]);
            assert_eq!((page.code, page.err.as_str()), (Some(0), ""), "{name} {verb}");
            let widest = page.out.lines().map(|line| line.chars().count()).max();
            assert!(page.out.lines().count() <= 50 && widest <= Some(80), "{name} {verb}:\n{}", page.out);
            assert!(page.out.contains(&format!("Usage: {name} {verb}")), "{}", page.out);
            for ask in ["-h", "--help"] {
                assert_eq!(tool(name, &[verb, ask]).out, page.out);
            }
            let manual = tool(name, &[verb, "--man"]).out;
            assert!(manual.contains(&format!(".TH {name}-{verb} 1")), "{manual}");
        }
        let nonsense = tool(name, &["help", "nonsense"]);
        assert_eq!((nonsense.code, nonsense.out.as_str()), (Some(2), ""));
        assert!(nonsense.err.contains(&verbs.join(", ")), "{}", nonsense.err);
    }
}

#[test]
fn manual_pages_completions_and_packages_know_the_verbs() -> TestResult {
    let pages = fs::read_to_string(testdata().join("../packaging/pages"))?;
    for (name, verbs) in VERBS {
        let manual = tool(name, &["--man"]).out;
        for verb in verbs {
            assert!(manual.contains(&format!("{name}\\-{verb}(1)")), "{manual}");
        }
        for shell in ["bash", "zsh", "fish"] {
            let script = tool(name, &["--completions", shell]).out;
            assert!(verbs.iter().all(|verb| script.contains(verb)), "{name} {shell}");
        }
        assert!(pages.contains(&format!("verbs[{name}]=\"{}\"", verbs.join(" "))), "{name} in packaging/pages");
    }
    Ok(())
}

#[test]
fn a_verb_does_what_its_option_does() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_str().map(str::to_owned).ok_or("a path");
    let damaged = testdata().join("broken/hostile-names.rdb");
    let damaged = damaged.to_str().ok_or("a path")?;
    let out = path("saved.rdb")?;
    let by_verb = tool("rdbcheck", &["salvage", damaged, &out]);
    fs::remove_file(&out)?;
    assert_eq!(by_verb, tool("rdbcheck", &["--salvage", &out, damaged]));
    assert_eq!(by_verb.code, Some(4), "{by_verb:?}");
    assert_eq!(
        tool("rdbcheck", &["explain", "rdb-duplicate-key"]),
        tool("rdbcheck", &["--explain", "rdb-duplicate-key"])
    );

    // The same as its option, and taken back.
    let log = path("appendonly.aof")?;
    let whole = b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1";
    fs::write(&log, whole)?;
    let planned = tool("aofcheck", &["fix", "--dry-run", &log]);
    assert_eq!(planned, tool("aofcheck", &["--fix", "--dry-run", &log]));
    assert_eq!(planned, tool("aofcheck", &["fix", "--fix", "--dry-run", &log]));
    assert!(planned.out.contains("Plan:"), "{planned:?}");
    let before = tool("aofcheck", &["fix", "--before", "14", "--dry-run", &log]);
    assert_eq!(before, tool("aofcheck", &["--cut-before", "14", "--dry-run", &log]));
    assert_eq!(tool("aofcheck", &["preen", "--yes", &log]).code, Some(2));
    assert_eq!(tool("aofcheck", &["preen", &log]).code, Some(0));
    assert_eq!(fs::read(&log)?, &whole[..14]);
    let record = fs::read_dir(folder.path())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let record = path(&record.filter(|name| name.ends_with(".undo")).last().ok_or("a record")?)?;
    assert_eq!(tool("aofcheck", &["undo", "--yes", &record]).code, Some(0));
    assert_eq!(fs::read(&log)?, whole);
    Ok(())
}

#[test]
fn only_what_the_checksum_proves_is_mended() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (damaged, out) = (folder.path().join("dump.rdb"), folder.path().join("out.rdb"));
    let (damaged, out) = (damaged.to_str().ok_or("a path")?, out.to_str().ok_or("a path")?);
    let whole = fs::read(testdata().join("rdb/redis-6.2-lfu.rdb"))?;
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 0x20;
    fs::write(damaged, &bytes)?;
    let mended = tool("rdbcheck", &["mend", damaged, out]);
    assert_eq!(mended.code, Some(0), "{mended:?}");
    assert_eq!(fs::read(out)?, whole);
    fs::remove_file(out)?;
    // What is cut off comes back by no checksum.
    fs::write(damaged, &whole[..whole.len() - 40])?;
    let refused = tool("rdbcheck", &["mend", damaged, out]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("without --proven") && !fs::exists(out)?, "{refused:?}");
    assert_eq!(tool("rdbcheck", &["salvage", damaged, out]).code, Some(4));
    Ok(())
}
