//! `rdbcheck write`: a file for another server, what it refuses, merges and selections.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::rdb::{Expire, Family, File, Key, Value as Of};

type TestResult = Result<(), Box<dyn std::error::Error>>;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it in a folder.
fn write(folder: &Path, args: &[&str]) -> Ran {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let output = command.current_dir(folder).arg("write").args(args).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The digest of a file, and its keys.
fn digest(folder: &Path, name: &str) -> Result<(String, u64), Box<dyn std::error::Error>> {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    let output = command.current_dir(folder).args(["digest", "--json", "--no-debug-digest", name]).output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let of = &document["files"][0];
    Ok((of["digest"].as_str().ok_or("a digest")?.to_owned(), of["keys"].as_u64().ok_or("keys")?))
}

fn save(folder: &Path, name: &str, keys: Vec<Key>) -> std::io::Result<()> {
    let mut file = File::new(Family::Redis, 11);
    file.keys = keys;
    fs::write(folder.join(name), file.encode().bytes)
}

fn strings(names: impl IntoIterator<Item = u32>, value: &str) -> Vec<Key> {
    names.into_iter().map(|n| Key::new(format!("key:{n}").as_bytes(), Of::String(value.as_bytes().to_vec()))).collect()
}

fn testdata(name: &str) -> String {
    format!("{}/../../testdata/rdb/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_newer_file_for_an_older_server_holds_the_same() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    let source = testdata("redis-7.0-multidb.rdb");
    let ran = write(dir, &["--for", "redis-6.2", "out.rdb", &source]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("for redis-6.2") && ran.out.contains("encoded anew"), "{}", ran.out);
    assert!(fs::read(dir.join("out.rdb"))?.starts_with(b"REDIS0009"));
    assert_eq!(digest(dir, "out.rdb")?, digest(dir, &source)?);
    let again = write(dir, &["--for", "redis-6.2", "out.rdb", &source]);
    assert!(again.code == Some(2) && again.err.contains("--force replaces it"), "{}", again.err);
    assert_eq!(write(dir, &["--force", "-q", "--for", "valkey-9.1", "out.rdb", &source]).out, "");
    assert!(fs::read(dir.join("out.rdb"))?.starts_with(b"VALKEY080"));
    let itself = write(dir, &["--force", "--for", "redis-6.2", "out.rdb", "out.rdb"]);
    assert!(itself.code == Some(2) && itself.err.contains("never written to"), "{}", itself.err);
    Ok(())
}

/// Returns the document of a call, which fits the schema.
fn parsed(ran: &Ran) -> Result<Value, Box<dyn std::error::Error>> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/write.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema)?)?;
    let document: Value = serde_json::from_str(&ran.out)?;
    let wrong: Vec<String> =
        jsonschema::validator_for(&schema)?.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(wrong, [""; 0], "{document}");
    Ok(document)
}

#[test]
fn what_a_server_cannot_have_is_named_and_left_out_by_name_alone() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    let source = testdata("redis-7.0-functions.rdb");
    let ran = write(dir, &["--json", "--for", "redis-6.2", "out.rdb", &source]);
    assert!(ran.code == Some(1) && ran.err.contains("--without functions"), "{}", ran.err);
    let document = parsed(&ran)?;
    assert_eq!((&document["status"], &document["refused"][0]["kind"]), (&"refused".into(), &"functions".into()));
    assert!(fs::read_dir(dir)?.next().is_none(), "nothing is left");
    let ran = write(dir, &["--json", "--for", "redis-6.2", "--without", "functions", "out.rdb", &source]);
    let document = parsed(&ran)?;
    assert_eq!((ran.code, &document["left_out"][0]["kind"]), (Some(0), &"functions".into()), "{}", ran.err);
    Ok(())
}

#[test]
fn several_files_are_merged_and_taken_apart_again() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "all.rdb", strings(0..500, "value"))?;
    let whole = digest(dir, "all.rdb")?;
    let slots: Vec<(String, String)> =
        (0..16).map(|n| (format!("shard-{n}.rdb"), format!("{}-{}", n * 1024, n * 1024 + 1023))).collect();
    for (shard, slots) in &slots {
        assert_eq!(write(dir, &["--for", "redis-7.2", "--slots", slots, shard, "all.rdb"]).code, Some(0));
    }
    let mut args = vec!["--for", "redis-7.2", "merged.rdb"];
    args.extend(slots.iter().map(|(shard, _)| shard.as_str()));
    let ran = write(dir, &args);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(digest(dir, "merged.rdb")?, whole);
    let missing: Vec<&str> = args.iter().copied().filter(|arg| *arg != "shard-3.rdb").collect();
    let ran = write(dir, &[&["--json", "--force"], &missing[..]].concat());
    let document = parsed(&ran)?;
    let ranges = document["empty_slots"].as_array().ok_or("ranges")?;
    assert!(
        ranges.iter().any(|range| range[0].as_u64() <= Some(3072) && range[1].as_u64() >= Some(4095)),
        "{ranges:?}"
    );
    Ok(())
}

#[test]
fn a_key_that_stands_twice_needs_a_word_which_one_is_meant() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "one.rdb", strings(0..10, "one"))?;
    save(dir, "two.rdb", strings(9..20, "two"))?;
    let args = ["--for", "redis-7.2", "out.rdb", "one.rdb", "two.rdb"];
    let ran = write(dir, &args);
    assert!(ran.code == Some(1) && ran.err.contains("1 keys or libraries stand twice: key:9"), "{}", ran.err);
    for (which, of) in [("first", "one"), ("last", "two")] {
        let ran = write(dir, &[&["--force", "--on-duplicate", which], &args[..]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        save(dir, "expected.rdb", [strings(0..9, "one"), strings([9], of), strings(10..20, "two")].concat())?;
        assert_eq!(digest(dir, "out.rdb")?, digest(dir, "expected.rdb")?, "{which}");
    }
    let ran = write(dir, &[&["--force", "--on-duplicate", "newest-file"], &args[..]].concat());
    assert!(ran.code == Some(1) && ran.err.contains("does not say when"), "{}", ran.err);
    Ok(())
}

#[test]
fn databases_get_another_number_and_keys_are_chosen() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    let moved = strings(0..5, "value").into_iter().map(|key| Key { db: 3, ..key }).collect();
    save(dir, "third.rdb", moved)?;
    let ran = write(dir, &["--for", "redis-7.2", "--db", "3=0", "--except", "key:4", "out.rdb", "third.rdb"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    save(dir, "expected.rdb", strings(0..4, "value"))?;
    assert_eq!(digest(dir, "out.rdb")?, digest(dir, "expected.rdb")?);
    let none = write(dir, &["--dry-run", "--for", "redis-7.2", "--db", "1", "not.rdb", "third.rdb"]);
    assert!(none.code == Some(0) && none.out.contains("would hold 0 keys"), "{}", none.out);
    assert!(!dir.join("not.rdb").exists());
    Ok(())
}

#[test]
fn damage_is_answered_with_a_salvage_that_works() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "dump.rdb", strings(0..100, "a value of some length"))?;
    let bytes = fs::read(dir.join("dump.rdb"))?;
    fs::write(dir.join("dump.rdb"), &bytes[..bytes.len() / 2])?;
    let ran = write(dir, &["--for", "redis-6.2", "out.rdb", "dump.rdb"]);
    assert!(ran.code == Some(1) && ran.err.contains("only sound files"), "{}", ran.err);
    let said = ran.err.split("; ").nth(1).ok_or("an advice")?;
    let (salvage, rest) = said.split_once(" keeps ").ok_or("a command")?;
    let then = rest.split_once("then: ").ok_or("another command")?.1;
    for command in [salvage, then.trim()] {
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("rdbcheck"));
        let mut run = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
        let output = run.current_dir(dir).args(words).output()?;
        assert!(matches!(output.status.code(), Some(0 | 4)), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(digest(dir, "out.rdb")?.1 > 20);
    Ok(())
}

#[test]
fn commands_restore_every_key() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "dump.rdb", strings(0..7, "value"))?;
    let ran = write(dir, &["--for", "redis-6.2", "--resp", "-", "dump.rdb"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out.matches("RESTORE").count(), 7);
    assert_eq!(write(dir, &["--for", "redis-6.2", "-", "dump.rdb"]).code, Some(2));
    Ok(())
}

/// Runs `aofcheck write` in a folder.
fn write_aof(folder: &Path, args: &[&str]) -> Ran {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_aofcheck"));
    let output = command.current_dir(folder).arg("write").args(args).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Writes a set: an image of ten keys, and commands.
fn save_set(folder: &Path, commands: &str) -> TestResult {
    fs::create_dir(folder.join("set"))?;
    save(folder, "set/appendonly.aof.1.base.rdb", strings(0..10, "value"))?;
    fs::write(folder.join("set/appendonly.aof.1.incr.aof"), commands)?;
    let manifest = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    Ok(fs::write(folder.join("set/appendonly.aof.manifest"), manifest)?)
}

const SET: &str = "#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";

#[test]
fn a_set_becomes_one_file_and_a_file_a_set() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save_set(dir, SET)?;
    let ran = write_aof(dir, &["--json", "--for", "redis-6.2", "appendonly.aof", "set"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let document = parsed(&ran)?;
    assert_eq!((&document["keys"], &document["commands"]), (&10.into(), &2.into()));
    let bytes = fs::read(dir.join("appendonly.aof"))?;
    assert!(bytes.starts_with(b"REDIS0009") && !String::from_utf8_lossy(&bytes).contains("#TS"), "no annotation");
    assert_eq!(write_aof(dir, &["--for", "redis-6.2", "appendonly.aof", "set"]).code, Some(2), "it exists");
    let ran = write_aof(dir, &["--for", "valkey-9.1", "again", "appendonly.aof"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let mut names: Vec<_> = fs::read_dir(dir.join("again"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    let wanted = ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"];
    assert_eq!(names, wanted);
    let ran = write_aof(dir, &["--for", "redis-7.2", "--resp", "-", "again"]);
    assert_eq!((ran.code, ran.out.matches("RESTORE").count(), ran.out.matches("SET").count()), (Some(0), 10, 1));
    let ran = write_aof(dir, &["--for", "redis-7.2", "--no-preamble", "plain", "again"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(dir.join("plain/appendonly.aof.1.base.aof").exists());
    assert_eq!(write_aof(dir, &["--for", "redis-7.2", "plain", "again"]).code, Some(2), "it exists");
    Ok(())
}

#[test]
fn a_command_that_the_server_has_not_is_refused_and_damage_salvaged_first() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save_set(dir, "*3\r\n$8\r\nFUNCTION\r\n$5\r\nFLUSH\r\n$4\r\nSYNC\r\n")?;
    let ran = write_aof(dir, &["--for", "redis-6.2", "appendonly.aof", "set"]);
    assert!(ran.code == Some(1) && ran.err.contains("FUNCTION"), "{}", ran.err);
    fs::write(dir.join("set/appendonly.aof.1.incr.aof"), format!("{SET}*2\r\n$9999\r\nSE{SET}"))?;
    let ran = write_aof(dir, &["--for", "redis-6.2", "appendonly.aof", "set"]);
    assert!(ran.code == Some(1) && ran.err.contains("aofcheck salvage set"), "{}", ran.err);
    let mut left: Vec<_> =
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    left.sort();
    assert_eq!(left, ["set"], "nothing is left");
    Ok(())
}

#[test]
fn a_database_gets_one_number() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "dump.rdb", strings(0..5, "value"))?;
    for databases in [&["--db", "0=1,0=2"][..], &["--db", "0", "--db", "0=2"]] {
        let ran = write(dir, &[&["--for", "redis-7.2"], databases, &["out.rdb", "dump.rdb"]].concat());
        assert!(ran.code == Some(2) && ran.err.contains("a database gets one number"), "{}", ran.err);
        assert!(!dir.join("out.rdb").exists());
    }
    assert_eq!(write(dir, &["--for", "redis-7.2", "--db", "0=1,0=1", "out.rdb", "dump.rdb"]).code, Some(0));
    Ok(())
}

/// Only pipes and character devices are written to as they are.
#[test]
#[cfg(unix)]
fn what_is_neither_a_file_nor_a_pipe_is_not_opened() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save(dir, "dump.rdb", strings(0..5, "value"))?;
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket"))?;
    std::os::unix::fs::symlink("socket", dir.join("link"))?;
    for out in ["socket", "link"] {
        let ran = write(dir, &["--force", "--for", "redis-7.2", "--resp", out, "dump.rdb"]);
        assert!(ran.code == Some(2) && ran.err.contains("regular"), "{:?} {}", ran.code, ran.err);
    }
    let ran = write(dir, &["-q", "--for", "redis-7.2", "--resp", "/dev/null", "dump.rdb"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    Ok(())
}

#[test]
fn no_file_of_the_set_that_is_read_is_replaced() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save_set(dir, SET)?;
    let files = ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"];
    let before = files.map(|file| fs::read(dir.join("set").join(file)).expect("it is there"));
    fs::hard_link(dir.join("set").join(files[1]), dir.join("another-name"))?;
    let sources = files.iter().map(|file| format!("set/{file}")).chain(["another-name".to_owned()]);
    for out in sources {
        for how in [&["--for", "redis-6.2"][..], &["--for", "redis-7.2", "--resp"]] {
            let ran = write_aof(dir, &[how, &["--force", &out, "set"]].concat());
            assert!(ran.code == Some(2) && ran.err.contains("never written to"), "{out}: {}", ran.err);
        }
    }
    assert_eq!(files.map(|file| fs::read(dir.join("set").join(file)).expect("it is there")), before);
    Ok(())
}

/// A key whose expiry has passed is there for a server that loads the file, and gone at once for a live one.
#[test]
fn commands_for_a_live_server_are_refused_where_a_key_would_be_gone_too_early() -> TestResult {
    let resp = |commands: &[&str]| -> String {
        let one = |command: &&str| {
            let words: Vec<_> = command.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            format!("*{}\r\n{}", words.len(), words.concat())
        };
        commands.iter().map(one).collect()
    };
    let cases: [(&[&str], Option<&str>); 12] = [
        (&["SET other 1", "INCR other"], None),
        (&["PERSIST old"], Some("old")),
        (&["SELECT 1", "PERSIST old"], None),
        (&["PEXPIREAT old 4102444800000"], Some("old")),
        (&["PEXPIREAT old 1000"], None),
        (&["DEL old", "INCR old"], None),
        (&["SET old 1", "INCR old"], None),
        (&["INCR old"], Some("old")),
        (&["INCR old", "UNLINK old"], None),
        (&["SET s 1 PXAT 1000", "EXPIREAT s 4102444800"], Some("s")),
        (&["SET s 1", "EXPIREAT s 1", "APPEND s 2", "PERSIST old"], Some("old, s")),
        (&["PERSIST old", "FLUSHDB"], None),
    ];
    for (commands, differ) in cases {
        let folder = tempfile::tempdir()?;
        let dir = folder.path();
        save_set(dir, &resp(commands))?;
        let mut keys = strings(0..3, "value");
        keys.push(Key {
            expire: Some(Expire::Millis(1_000_000_000_000)),
            ..Key::new(b"old", Of::String(b"1".to_vec()))
        });
        save(dir, "set/appendonly.aof.1.base.rdb", keys)?;
        let ran = write_aof(dir, &["--for", "redis-7.2", "--resp", "-", "set"]);
        match differ {
            None => assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{commands:?}"),
            Some(names) => {
                let said = format!("change or renew them: {names}; without --resp");
                assert!(ran.code == Some(1) && ran.err.contains(&said), "{commands:?}: {}", ran.err);
                assert_eq!(ran.out, "");
            }
        }
        // A server that loads them has them all.
        let ran = write_aof(dir, &["--for", "redis-7.2", "--no-preamble", "out", "set"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{commands:?}");
    }
    Ok(())
}

/// The configuration is that of the other server: the source has the names that it has, and OUT those of the server.
#[test]
fn names_of_a_configuration_are_those_of_what_is_written() -> TestResult {
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    save_set(dir, SET)?;
    fs::create_dir(dir.join("server"))?;
    fs::rename(dir.join("set"), dir.join("server/appendonlydir"))?;
    fs::write(dir.join("other.conf"), "appendfilename other.aof\nappenddirname elsewhere\n")?;
    let ran = write_aof(dir, &["--for", "redis-7.2", "--conf", "other.conf", "out", "server"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let manifest = fs::read_to_string(dir.join("out/other.aof.manifest"))?;
    assert!(manifest.starts_with("file other.aof.1.base.rdb "), "{manifest}");
    Ok(())
}

#[test]
fn kinds_are_named_in_the_help_as_they_are_taken() {
    let ran = write(Path::new("."), &["--help"]);
    let named = redis_persistence::rewrite::Kind::NAMES.join(", ");
    let words: Vec<_> = ran.out.split_whitespace().collect();
    assert!(words.join(" ").contains(&format!("Leave out: {named}")), "{}", ran.out);
}
