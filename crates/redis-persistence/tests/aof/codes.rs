//! Every code about append-only files and manifests, with the place that its finding names.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use redis_persistence::aof::dir::{Files, Opened};
use redis_persistence::aof::dir::{Memory, Node, Tree};
use redis_persistence::verify::{self, Code, Finding, Options, Report};
use testkit::resp::record;

/// `words("SET a 1")`
fn words(text: &str) -> Vec<u8> {
    record(&text.split(' ').collect::<Vec<_>>())
}

fn slice(data: &[u8]) -> Report {
    verify::aof_slice(data, &Options::default()).expect("memory can be read")
}

/// The finding of that code.
fn the<'r>(report: &'r Report, code: &str) -> &'r Finding {
    let mut found = report.findings.iter().filter(|finding| finding.code.as_str() == code);
    match (found.next(), found.next()) {
        (Some(finding), None) => finding,
        _ => panic!("not one {code} in {:?}", report.findings),
    }
}

/// Fourteen bytes, three lines: what stands before a damage.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A string of five bytes as DUMP of RDB version 6 gives it, and the last byte of its checksum another one.
const WRONG_SUM: &[u8] = b"\0\x05hello\x06\0\xf5\x9f\xb7\xf6\x90\x61\x1c\x98";

struct Odd {
    code: &'static str,
    /// What comes after [`PING`].
    data: Vec<u8>,
    /// Start, failed_at: from the start of the file.
    places: (u64, u64),
    line: u64,
    record: u64,
}

fn odd(code: &'static str, data: impl Into<Vec<u8>>, places: (u64, u64), line: u64, record: u64) -> Odd {
    Odd { code, data: data.into(), places, line, record }
}

fn records() -> Vec<Odd> {
    let join = |texts: &[&str]| texts.iter().flat_map(|text| words(text)).collect::<Vec<_>>();
    vec![
        odd("aof-truncated-record", *b"*2\r\n$3\r\nGET\r\n$5\r\nab", (14, 33), 8, 1),
        odd("aof-truncated-record", *b"*", (14, 15), 4, 1),
        odd("aof-truncated-record", *b"*2\r\n$3\r\nGET\r\n$600000000\r\nab", (14, 41), 8, 1),
        odd("aof-bad-format", *b"PING\r\n", (14, 14), 4, 1),
        odd("aof-bad-format", *b"*1\r\n+4\r\nPING\r\n", (14, 18), 5, 1),
        odd("aof-bad-format", *b"*1\r\n$-1\r\n", (14, 18), 6, 1),
        odd("aof-bad-format", *b"*1\r\n$109951162777600\r\nPING", (14, 40), 6, 1),
        odd("aof-bad-format", *b"*4294967295\r\n", (14, 14), 5, 1),
        odd("aof-bad-format", *b"\0\0\0x", (14, 14), 4, 1),
        odd("aof-zero-tail", [0; 40], (14, 14), 4, 1),
        odd("aof-zero-tail", [&b"*2\r\n$3\r\nGET\r\n"[..], &[0; 9]].concat(), (14, 27), 7, 1),
        odd("aof-second-rdb", *b"REDIS0011\xff", (14, 14), 4, 1),
        odd("aof-tool-only-form", *b"*-1\r\n", (14, 14), 5, 1),
        odd("aof-tool-only-form", *b"*\r\n", (14, 14), 5, 1),
        odd("aof-open-transaction", join(&["MULTI", "SET a 1"]), (14, 56), 14, 3),
        odd("aof-discard-in-multi", join(&["MULTI", "DISCARD", "EXEC"]), (29, 29), 7, 2),
        odd("aof-watch-in-aof", words("WATCH a"), (14, 14), 4, 1),
        odd("aof-watched-transaction", join(&["WATCH a", "SET a 1", "MULTI", "DEL b", "EXEC"]), (63, 98), 24, 5),
        odd("aof-empty-command-name", *b"*1\r\n$0\r\n\r\n", (14, 14), 4, 1),
        odd("aof-nul-in-command-name", *b"*1\r\n$3\r\nG\0T\r\n", (14, 14), 4, 1),
        odd("aof-unknown-command", words("HGEU a b"), (14, 14), 4, 1),
        odd("aof-unknown-command", words("XGROUP CREATF a b c"), (14, 14), 4, 1),
        odd("aof-unknown-command", record(&[&b"G\xc9T"[..], b"a"]), (14, 14), 4, 1),
        odd("aof-unknown-command", words("S.T a b"), (14, 14), 4, 1),
        odd("aof-foreign-command", words("NOSUCH a"), (14, 14), 4, 1),
        odd("aof-foreign-command", words("XGROUP NOSUCH a b"), (14, 14), 4, 1),
        odd("aof-foreign-command", words("EXPIREMEMBER s m 10"), (14, 14), 4, 1),
        odd("aof-bulk-change", words("FLUSHALL"), (14, 14), 4, 1),
        odd("aof-bulk-change", words("flushdb ASYNC"), (14, 14), 4, 1),
        odd("aof-bulk-change", words("SWAPDB 0 1"), (14, 14), 4, 1),
        odd("aof-restore-damaged", record(&[&b"RESTORE"[..], b"k", b"0", WRONG_SUM]), (14, 59), 4, 1),
        odd("aof-restore-damaged", record(&[&b"FUNCTION"[..], b"RESTORE", WRONG_SUM]), (14, 50), 4, 1),
        odd("aof-script-damaged", record(&[&b"EVAL"[..], b"return 1\0\0\0\0\0\0\0\0", b"0"]), (14, 41), 4, 1),
        odd("aof-command-fails", words("EVALSHA c686f316aaf1eb01d5a4de1b0b63cd233010e63d 0"), (14, 36), 4, 1),
        odd("aof-command-fails", words("RESTORE k -1 x"), (14, 42), 4, 1),
        odd("aof-wrong-arity", words("set a"), (14, 14), 4, 1),
        odd("aof-wrong-arity", words("XGROUP"), (14, 14), 4, 1),
        odd("aof-wrong-arity", words("xgroup create a"), (14, 14), 4, 1),
        odd("aof-extra-arguments", words("GET a b"), (14, 14), 4, 1),
        odd("aof-module-command", words("JSON.SET a $ 1"), (14, 14), 4, 1),
        odd("aof-shutdown", words("shutdown NOSAVE now"), (14, 14), 4, 1),
        odd("aof-lenient-form", *b"*02\r\n$3\r\nGET\r\n$1\r\na\r\n", (14, 15), 4, 1),
        odd("aof-lenient-form", *b"*2\n$3\r\nGET\r\n$1\r\na\r\n", (14, 16), 4, 1),
        odd("aof-lenient-form", *b"*2\r\n$3\r\nGET\r\n$1\r\na..", (14, 32), 4, 1),
        odd("aof-nested-multi", join(&["MULTI", "MULTI", "EXEC"]), (29, 29), 7, 2),
        odd("aof-stray-exec", words("exec"), (14, 14), 4, 1),
        odd("aof-select-invalid", words("SELECT x"), (14, 14), 4, 1),
        odd("aof-select-out-of-range", words("SELECT 16"), (14, 14), 4, 1),
        odd("aof-dangerous-command", words("config set dir /"), (14, 14), 4, 1),
        odd("aof-dangerous-command", words("REPLICAOF a 1"), (14, 14), 4, 1),
        odd("aof-swallowed-record", record(&["SET", "k", "hello\r\n*2\r\n$3\r\nGET\r\n$1\r\na"]), (14, 46), 4, 1),
        odd("aof-annotation-too-long", [vec![b'#'; 1023], b"*1\r\n$4\r\nPING\r\n".to_vec()].concat(), (14, 1037), 4, 1),
        odd("aof-annotation-cut", *b"#TS:17", (14, 20), 4, 1),
        odd("aof-timestamp-malformed", *b"#TS:17\n", (14, 18), 4, 1),
        odd("aof-timestamp-backwards", *b"#TS:20\r\n#TS:19\r\n", (22, 22), 4, 2),
        odd("aof-unknown-annotation", *b"#HDR:v1;len:3\r\n", (14, 14), 4, 1),
    ]
}

#[test]
fn records_are_named_with_their_place() {
    for Odd { code, data, places, line, record } in records() {
        let data = [PING, &data].concat();
        let report = slice(&data);
        let finding = the(&report, code);
        let found = ((finding.start, finding.failed_at), finding.line, finding.record);
        assert_eq!(found, (places, Some(line), Some(record)), "{code} in \"{}\"", data.escape_ascii());
        assert_eq!(finding.file, None, "a single file has no name in a set");
    }
}

#[test]
fn a_finding_names_command_and_database() {
    let data = [words("SELECT 3"), words("multi"), words("set a 1"), b"*2\r\n$3\r\nGET\r\n$4\r\nab".to_vec()].concat();
    let report = slice(&data);
    let finding = the(&report, "aof-truncated-record");
    assert_eq!((finding.command.as_deref(), finding.db, finding.end), (Some("GET"), Some(3), Some(84)));
    assert!(finding.hint.as_deref().is_some_and(|hint| hint.contains("byte 23")), "{finding:?}");
    assert_eq!(report.parts[0].loads_up_to, Some(23), "before its MULTI");
}

#[test]
fn the_head_of_a_record_in_the_payload_before_a_damage() {
    // The length 9 should be 5.
    let data = b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$9\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    let report = slice(data);
    let finding = the(&report, "aof-swallowed-record");
    assert_eq!((finding.start, finding.failed_at, finding.record, finding.line), (0, 31, Some(0), Some(1)));
    assert!(finding.message.contains("should be 5,"), "{}", finding.message);
    assert_eq!(the(&report, "aof-bad-format").start, 35);
}

#[test]
fn a_length_that_is_too_short_is_hinted_at() {
    let report = slice(b"*2\r\n$3\r\nGET\r\n$2\r\nhello\r\n*1\r\n$4\r\nPING\r\n");
    let finding = the(&report, "aof-bad-format");
    assert_eq!(finding.start, 21);
    let hint = finding.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("at byte 0, is odd at byte 19"), "{hint}");
}

#[test]
fn a_flood_of_odd_records_is_walked_to_its_end() {
    let mut data = b"*01\r\n$4\r\nPING\r\n".repeat(5000);
    data.extend_from_slice(b"*1\r\n$4\r\nPI");
    let report = slice(&data);
    assert_eq!(report.findings_by_code.get(&Code::AofLenientForm), Some(&1000), "further ones are not told");
    assert_eq!(the(&report, "aof-truncated-record").start, 75_000);
    assert_eq!(the(&report, "aof-truncated-record").line, Some(15_003));
    assert_eq!(report.aof.map(|facts| facts.commands), Some(5000));
}

/// An image with the key `k` in database 0.
fn image(key: &[u8]) -> Vec<u8> {
    [&b"REDIS0004\xfe\x00\x00\x01"[..], key, b"\x01v\xff"].concat()
}

fn set(files: &[(&str, &[u8])]) -> Report {
    let mut memory = Memory::default();
    for (name, bytes) in files {
        memory.add(format!("s/d/{name}"), bytes.to_vec());
    }
    verify::aof_in(&mut memory, Path::new("s/d"), &Options::default()).expect("memory can be read")
}

const BOTH: &[u8] = b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";

#[test]
fn images_are_checked_where_servers_look_for_them() {
    let (one, two) = (image(b"k"), image(b"q"));
    let apart = set(&[("a.manifest", BOTH), ("a.1.base.rdb", &one), ("a.1.incr.aof", &two)]);
    assert_eq!(the(&apart, "aof-rdb-in-incr").file.as_deref(), Some("a.1.incr.aof"));
    assert_eq!(apart.verdict.as_str(), "sound");
    let twice = set(&[("a.manifest", BOTH), ("a.1.base.rdb", &one), ("a.1.incr.aof", &one)]);
    let finding = the(&twice, "aof-rdb-key-repeated");
    assert_eq!((finding.start, finding.key.as_deref()), (11, Some(&b"k"[..])));
    let broken = set(&[("a.manifest", BOTH), ("a.1.base.rdb", &one[..12]), ("a.1.incr.aof", b"x")]);
    assert_eq!(the(&broken, "rdb-truncated").file.as_deref(), Some("a.1.base.rdb"));
    assert_eq!(the(&broken, "aof-preamble-damaged").file.as_deref(), Some("a.1.base.rdb"));
    assert_eq!(the(&broken, "aof-bad-format").file.as_deref(), Some("a.1.incr.aof"), "the other file is checked too");
    let empty = set(&[("a.manifest", BOTH), ("a.1.base.rdb", b""), ("a.1.incr.aof", PING)]);
    assert_eq!(the(&empty, "aof-empty-base").file.as_deref(), Some("a.1.base.rdb"));
}

/// Code, manifest, start, failed_at, line.
type BadManifest<'a> = (&'a str, &'a [u8], u64, u64, Option<u64>);

#[test]
fn manifests_are_named_with_their_place() {
    let long = format!("file {} seq 1 type b\n", "x".repeat(1100));
    let cases: [BadManifest<'_>; 23] = [
        ("manifest-empty", b"", 0, 0, None),
        ("manifest-line-too-long", long.as_bytes(), 0, 1024, Some(1)),
        ("manifest-no-final-newline", b"#\nfile a.1.base.rdb seq 1 type b", 2, 32, Some(2)),
        ("manifest-nul-byte", b"file a\0 seq 1 type b\n", 0, 6, Some(1)),
        ("manifest-blank-line", b"#\n\n", 2, 2, Some(2)),
        ("manifest-bad-quoting", b"file \"a seq 1 type b\n", 0, 5, Some(1)),
        ("manifest-not-pairs", b"file a seq 1 type\n", 0, 13, Some(1)),
        ("manifest-name-is-path", b"file x/y seq 1 type b\n", 0, 6, Some(1)),
        ("manifest-no-name", b"seq 1 type b x y\n", 0, 0, Some(1)),
        ("manifest-no-seq", b"file a seq x type b\n", 0, 0, Some(1)),
        ("manifest-no-type", b"file a seq 1 x y\n", 0, 0, Some(1)),
        ("manifest-unknown-type", b"file a seq 1 type x\n", 0, 18, Some(1)),
        ("manifest-second-base", b"file a seq 1 type b\nfile b seq 1 type b\n", 20, 38, Some(2)),
        ("manifest-seq-not-rising", b"file a seq 1 type i\nfile b seq 1 type i\n", 20, 20, Some(2)),
        ("manifest-missing-file", b"#\nfile gone seq 1 type b\n", 2, 2, Some(2)),
        ("manifest-not-a-file", b"file .. seq 1 type b\n", 0, 0, Some(1)),
        ("manifest-comments-only", b"# nothing\n", 0, 0, None),
        ("manifest-lists-nothing", b"file old seq 1 type h\n", 0, 0, None),
        ("manifest-first-line-trips-tools", b" file a.1.incr.aof seq 1 type i\n", 0, 0, None),
        ("manifest-duplicate-file", b"file i seq 1 type i\nfile i seq 2 type i\n", 20, 20, Some(2)),
        ("manifest-gap", b"file i seq 1 type i\nfile a.1.incr.aof seq 3 type i\n", 20, 20, Some(2)),
        ("manifest-name-mismatch", b"file a.1.incr.aof seq 2 type i\n", 0, 0, Some(1)),
        ("manifest-lenient-form", b"file i  seq 1 type i\n", 0, 0, Some(1)),
    ];
    for (code, manifest, start, failed_at, line) in cases {
        let report = set(&[("a.manifest", manifest), ("i", b""), ("a.1.incr.aof", b"")]);
        let finding = the(&report, code);
        assert_eq!((finding.start, finding.failed_at, finding.line), (start, failed_at, line), "{code}");
        assert_eq!(finding.file.as_deref(), Some("a.manifest"), "{code}");
    }
    let history = b"file i seq 1 type i\nfile i seq 1 type h\nfile notes seq 1 type h\n";
    let report = set(&[("a.manifest", history), ("i", b""), ("notes", b"")]);
    assert_eq!(the(&report, "manifest-history-names-live").start, 20);
    assert_eq!(the(&report, "manifest-history-foreign-file").start, 40);
    for (manifest, start) in [
        (&b"file i seq 1 type i startoffset 5 endoffset 9\nfile j seq 2 type i startoffset 8\n"[..], 46),
        (b"file i seq 1 type i startoffset 5\nfile j seq 2 type i startoffset 4\n", 34),
        (b"file i seq 1 type i startoffset 5 endoffset 4\n", 0),
    ] {
        let report = set(&[("a.manifest", manifest), ("i", b""), ("j", b"")]);
        assert_eq!(the(&report, "manifest-offsets-do-not-chain").start, start);
    }
    let huge = b"#\n".repeat((1 << 20) / 2 + 1);
    assert_eq!(the(&set(&[("a.manifest", &huge)]), "manifest-too-large").start, 0);
}

/// Names and contents.
type Laid<'a> = Vec<(&'a str, Vec<u8>)>;

#[test]
fn data_that_no_start_reads_is_told() {
    let empty_image = testkit::rdb::RdbWriter::redis(11).finish();
    let full = image(b"k");
    let set_of = |base: &'static [u8]| {
        vec![
            ("s/appendonlydir/a.manifest", b"file a.1.base.rdb seq 1 type b\n".to_vec()),
            ("s/appendonlydir/a.1.base.rdb", base.to_vec()),
        ]
    };
    let base: &'static [u8] = empty_image.leak();
    let whole: &'static [u8] = full.clone().leak();
    let cases: [(&str, Laid<'_>, Option<&str>); 7] = [
        ("s", vec![("s/dump.rdb", full.clone())], Some("dump.rdb, ")),
        ("s", vec![("s/other.rdb", full.clone())], Some("other.rdb, ")),
        (
            "s",
            [set_of(base), vec![("s/dump.rdb", full.clone())]].concat(),
            Some("1 key, is not read: the set that is read holds no data"),
        ),
        ("s", [set_of(whole), vec![("s/dump.rdb", full.clone())]].concat(), None),
        ("s", [set_of(base), vec![("s/dump.rdb", base.to_vec())]].concat(), None),
        (
            "s",
            vec![("s/appendonlydir/appendonly.aof", PING.to_vec())],
            Some("appendonly.aof, 14 bytes, 1 command, is not read"),
        ),
        ("s/appendonlydir", vec![("s/appendonlydir/appendonly.aof", PING.to_vec())], Some("1 command")),
    ];
    for (path, files, told) in cases {
        let mut memory = Memory::default();
        for (name, bytes) in files {
            memory.add(name, bytes);
        }
        let report = verify::aof_in(&mut memory, Path::new(path), &Options::default()).expect("memory can be read");
        assert_eq!(report.verdict.as_str(), "sound", "{:?}", report.findings);
        match told {
            Some(told) => assert!(the(&report, "aof-data-not-read").message.contains(told), "{:?}", report.findings),
            None => assert!(!report.findings_by_code.contains_key(&Code::AofDataNotRead), "{:?}", report.findings),
        }
    }
    // What is damaged may hold what was lost.
    let mut memory = Memory::default();
    memory.add("s/dump.rdb", full[..full.len() - 12].to_vec());
    let report = verify::aof_in(&mut memory, Path::new("s"), &Options::default()).expect("memory can be read");
    assert!(the(&report, "aof-data-not-read").message.contains("not sound"), "{:?}", report.findings);
}

#[test]
fn what_lies_about_is_told() {
    let mut memory = Memory::default();
    for (name, bytes) in [
        ("s/a", PING),
        ("s/d/a.manifest", BOTH),
        ("s/d/b.manifest", b""),
        ("s/d/a.1.base.rdb", b""),
        ("s/d/a.1.incr.aof", b""),
        ("s/d/a.2.incr.aof", PING),
        ("s/d/a.7.incr.aof", PING),
        ("s/d/temp-a.manifest", b""),
    ] {
        memory.add(name, bytes);
    }
    let look = |memory: &mut Memory, path: &str| verify::aof_in(memory, Path::new(path), &Options::default());
    let report = look(&mut memory, "s").expect("memory can be read");
    for (code, name) in [
        ("aof-old-style-ignored", "s/a,"),
        ("aof-next-file-exists", "a.2.incr.aof,"),
        ("aof-orphan-file", "a.7.incr.aof,"),
        ("aof-temporary-file", "temp-a.manifest,"),
        ("aof-other-manifest", "b.manifest:"),
    ] {
        assert!(the(&report, code).message.contains(name), "{code}: {:?}", report.findings);
    }
    let part = look(&mut memory, "s/d/a.1.incr.aof").expect("memory can be read");
    assert!(the(&part, "aof-part-of-set").message.contains("a.manifest"));

    let mut memory = Memory::default();
    memory.add("s/d/a.1.base.rdb", image(b"k"));
    let report = look(&mut memory, "s/d/a.manifest").expect("memory can be read");
    assert!(the(&report, "aof-empty-start").message.contains("replaces a.1.base.rdb"));
    assert_eq!(the(&report, "manifest-missing").severity.to_string(), "error");

    let mut memory = Memory::default();
    memory.add("s/a", PING);
    memory.add("s/d/a.manifest", &b"file a seq 1 type b\n"[..]);
    let report = look(&mut memory, "s/d").expect("memory can be read");
    assert_eq!(the(&report, "aof-old-style-migrates").file, None);
    assert_eq!(report.aof.map(|facts| facts.commands), Some(1), "the old-style file is what is loaded");
}

/// A file whose size changes after it was opened, in a folder that cannot be listed.
struct Changing {
    data: &'static [u8],
    opened_at: u64,
}

struct NoEnd(Cursor<&'static [u8]>);

impl Read for NoEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for NoEnd {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Files for Changing {
    type File = NoEnd;

    fn open(&mut self, _: &Path) -> io::Result<Opened<NoEnd>> {
        Ok(Opened::File { file: NoEnd(Cursor::new(self.data)), size: self.opened_at })
    }
}

impl Tree for Changing {
    fn stat(&mut self, _: &Path) -> io::Result<Option<Node>> {
        Ok(Some(Node::File(self.opened_at)))
    }

    fn list(&mut self, _: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn a_file_is_judged_up_to_the_size_at_open() {
    let data = b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI";
    let look = |opened_at| {
        let mut tree = Changing { data, opened_at };
        verify::aof_in(&mut tree, Path::new("x/a.aof"), &Options::default()).expect("it can be read")
    };
    let grown = look(14);
    assert_eq!(grown.verdict.as_str(), "sound");
    assert!(the(&grown, "aof-grew-while-read").message.contains("from 14 to 24 bytes"));
    assert_eq!(the(&grown, "aof-folder-unlisted").start, 0);
    assert_eq!(the(&look(30), "aof-shrank-while-read").file, None);
}

#[test]
fn every_code_is_produced_here() {
    let here = [include_str!("codes.rs"), include_str!("access.rs")].concat();
    let missing: BTreeSet<_> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|name| name.starts_with("aof-") || name.starts_with("manifest-"))
        .filter(|name| !here.contains(&format!("\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
