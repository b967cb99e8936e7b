//! The programs of `examples/`, run on files that real servers wrote.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

#[path = "../../examples/biggest_keys.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod biggest_keys;
#[path = "../../examples/check_backup.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod check_backup;
#[path = "../../examples/copy_subset.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod copy_subset;
#[path = "../../examples/follow_aof.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod follow_aof;
#[path = "../../examples/list_keys.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod list_keys;
#[path = "../../examples/repair_aof.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod repair_aof;
#[path = "../../examples/verify_upload.rs"]
#[allow(dead_code, reason = "their main is not called here")]
mod verify_upload;

use redis_persistence::verify::{self, Options, Verdict};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

fn arg(path: &Path) -> String {
    path.to_str().expect("the names of test files are text").to_owned()
}

/// A dump of three databases that Redis 7.0 wrote.
fn dump() -> String {
    arg(&testdata("rdb/redis-7.0-multidb.rdb"))
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("it is text")
}

#[test]
fn a_good_backup_is_good_and_one_with_too_few_keys_is_not() {
    let keys = verify::slice(&fs::read(dump()).expect("it is there"), &Options::default()).counts.keys;
    for (least, good) in [(keys, true), (keys + 1, false)] {
        let mut out = Vec::new();
        assert_eq!(check_backup::run(&[dump(), least.to_string()], &mut out).expect("it can be read"), good);
        assert!(text(out).contains(&format!("{keys} keys, checksum proven: true")));
    }
}

#[test]
fn a_damaged_backup_is_not_good() {
    let mut out = Vec::new();
    let path = arg(&testdata("broken/zero-page.rdb"));
    assert!(!check_backup::run(&[path, "1".to_owned()], &mut out).expect("it can be read"));
    assert!(text(out).contains("error rdb-zero-hole at byte 4113"));
}

#[test]
fn an_upload_is_verified_while_it_arrives() {
    let whole = fs::read(dump()).expect("it is there");
    let mut out = Vec::new();
    assert!(verify_upload::run(&mut &whole[..], &mut out).expect("memory can be read"));
    assert!(!verify_upload::run(&mut &whole[..whole.len() / 2], &mut out).expect("memory can be read"));
    let text = text(out);
    assert!(text.starts_with("sound: ") && text.contains("\ndamaged: "), "{text}");
}

#[test]
fn every_key_has_its_line() {
    let mut out = Vec::new();
    list_keys::run(&dump(), &mut out).expect("it can be read");
    let lines: Vec<serde_json::Value> =
        text(out).lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let report = verify::slice(&fs::read(dump()).expect("it is there"), &Options::default());
    assert_eq!(lines.len() as u64, report.counts.keys);
    let hashes = lines.iter().filter(|line| line["type"] == "hash").count();
    assert_eq!(Some(&(hashes as u64)), report.counts.types.get("hash"));
    assert!(lines.iter().all(|line| line["bytes"].as_u64() > Some(2)));
}

#[test]
fn the_biggest_keys_come_first() {
    let mut out = Vec::new();
    biggest_keys::run(&[dump(), "5".to_owned()], &mut out).expect("it can be read");
    let text = text(out);
    let sizes: Vec<u64> =
        text.lines().map(|line| line.split_whitespace().next().expect("a size").parse().expect("a number")).collect();
    assert_eq!(sizes.len(), 5);
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{text}");
}

#[test]
fn a_subset_is_a_sound_dump_of_the_same_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = arg(&folder.path().join("subset.rdb"));
    let all = arg(&folder.path().join("all.rdb"));
    let copied = copy_subset::run(&[dump(), to.clone(), "z:".to_owned()]).expect("it can be copied");
    assert!(copied > 0);
    let report = verify::slice(&fs::read(&to).expect("it was written"), &Options::default());
    assert_eq!((report.verdict, report.counts.keys), (Verdict::Sound, copied), "{:?}", report.findings);
    assert!(report.counts.types.keys().eq(["zset"]));

    copy_subset::run(&[dump(), all.clone(), String::new()]).expect("it can be copied");
    let whole = verify::slice(&fs::read(dump()).expect("it is there"), &Options::default());
    let copy = verify::slice(&fs::read(&all).expect("it was written"), &Options::default());
    assert_eq!(copy.counts, whole.counts);
    // What exists is not written over.
    assert!(copy_subset::run(&[dump(), all, String::new()]).is_err());
}

#[test]
fn an_append_only_file_is_followed_as_it_grows() {
    let folder = testdata("aof/sets/redis-7.0-timestamps-plain");
    let set = redis_persistence::aof::dir::find_on_disk(&folder).expect("it is there");
    let incr = set.parts.iter().find(|part| part.name.ends_with(b".incr.aof")).expect("it has one");
    let bytes = fs::read(&incr.path).expect("it is there");
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    // The file ends in mid-record at first, and goes on while the reader waits.
    let growing = std::cell::RefCell::new(Cursor::new(first.to_vec()));
    let mut waited = 0;
    let mut out = Vec::new();
    follow_aof::run(&mut Shared(&growing), &mut out, || {
        waited += 1;
        growing.borrow_mut().get_mut().extend_from_slice(if waited == 1 { rest } else { b"" });
        waited < 3
    })
    .expect("it can be read");
    let lines = text(out).lines().count() as u64;
    let report = verify::aof_slice(&bytes, &Options::default()).expect("memory can be read");
    assert_eq!(lines, report.aof.expect("it is one").commands);
}

/// A file that others write to.
struct Shared<'a>(&'a std::cell::RefCell<Cursor<Vec<u8>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

#[test]
#[cfg(unix)]
fn a_torn_file_is_repaired_only_when_it_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("appendonly.aof");
    let torn = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb";
    fs::write(&path, torn).expect("a file");
    let mut out = Vec::new();
    repair_aof::run(&[arg(&path)], &mut out).expect("it can be planned");
    assert_eq!(fs::read(&path).expect("it is there"), torn);
    repair_aof::run(&[arg(&path), "--apply".to_owned()], &mut out).expect("it can be applied");
    assert_eq!(fs::read(&path).expect("it is there"), &torn[..27]);
    let text = text(out);
    assert!(text.contains("done; to go back: "), "{text}");
}
