//! The library's copy of the official RDB check, held against the tools themselves, line by line.
//!
//! What no two runs share is left out on both sides: lines of the server's log, and the line of the tool's own source that
//! internal errors name. `RDB_DIFFERENTIAL_CASES=20000` makes the run over damaged files full. Named differences:
//!
//! * the tool never ends (or dies): a file that ends inside a module's data, counts beyond what memory holds;
//! * the tool gives up on the memory for a count or size, which is not the same on two machines.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use redis_persistence::Limits;
use redis_persistence::official::{Line, Request, Tool, cannot_open, check};
use testkit::damage::Damage;
use testkit::rdb::{
    Consumer, EntryFields, Family, File, Group, Idmp, Key, Pending, Stream, StreamEntry, StreamId, StreamNode,
    StreamVersion, Value,
};
use testkit::rng::Rng;
use testkit::server::{CheckTool, Installed, Product, check_tool, require};

type TestResult = Result<(), Box<dyn Error>>;

const TOOLS: [(Tool, Product); 3] =
    [(Tool::Redis70, Product::Redis70), (Tool::Redis86, Product::Redis86), (Tool::Valkey91, Product::Valkey91)];

/// What a run said, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    exit: i32,
    lines: Vec<String>,
}

fn ours(tool: Tool, name: &str, data: &[u8]) -> Said {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::try_from(now).unwrap_or(i64::MAX);
    let request = Request { tool, name: name.as_bytes(), now_ms, limits: Limits::default(), statistics: None };
    let mut output = Vec::new();
    let mut print = |line: Line<'_>| {
        if let Line::Out(text) = line {
            output.extend_from_slice(text);
            output.push(b'\n');
        }
    };
    let outcome = check(&request, data, &mut print).expect("a slice can be read");
    Said { exit: i32::from(!outcome.sane), lines: comparable(&output) }
}

fn comparable(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines = text.split('\n').filter(|line| !is_log(line));
    let lines = lines.map(|line| match line.split_once("function at rdb.c:") {
        Some((head, tail)) => format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    });
    lines.collect()
}

/// `3739:M 23 Nov 2026 04:45:54.086 * ...`
fn is_log(line: &str) -> bool {
    let mut words = line.splitn(3, [':', ' ']);
    let (pid, role) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) && matches!(role, "M" | "C" | "S" | "X")
}

/// The differences that have a name.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    never_ends: usize,
    memory: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn compare(&mut self, (tool, installed): (Tool, &Installed), what: &str, path: &Path) -> TestResult {
        let data = fs::read(path)?;
        let name = path.to_str().ok_or("a path that is text")?;
        let theirs = check_tool(installed, CheckTool::Rdb, &[path], Duration::from_secs(2))?;
        let ours = ours(tool, name, &data);
        let Some(exit) = theirs.exit.filter(|_| !theirs.timed_out) else {
            self.never_ends += 1;
            return Ok(());
        };
        let output = theirs.text();
        let theirs = Said { exit, lines: comparable(&theirs.stdout) };
        if ours == theirs {
            self.same += 1;
        } else if ours.exit == exit && (output.contains("OOM in ") || output.contains(" failed allocating ")) {
            self.memory += 1;
        } else {
            let differ = theirs.lines.iter().zip(&ours.lines).find(|(theirs, ours)| theirs != ours);
            self.wrong.push(format!("{tool:?} {what}: exit {exit} and {}, {differ:?}", ours.exit));
        }
        Ok(())
    }
}

fn installed() -> Vec<(Tool, Installed)> {
    TOOLS.into_iter().filter_map(|(tool, product)| Some((tool, require(product)?))).collect()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

#[test]
fn every_file_of_the_test_data_gets_the_official_lines() -> TestResult {
    let mut tally = Tally::default();
    let installed = installed();
    for folder in ["rdb", "broken"] {
        for entry in fs::read_dir(testdata().join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rdb") {
                for (tool, installed) in &installed {
                    tally.compare((*tool, installed), "", &path)?;
                }
            }
        }
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert!(installed.is_empty() || tally.same > 40 * installed.len(), "{tally:?}");
    Ok(())
}

#[test]
fn damaged_files_get_the_official_lines() -> TestResult {
    let cases: u64 = env::var("RDB_DIFFERENTIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let installed = installed();
    if installed.is_empty() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let mut tally = Tally::default();
    for seed in 0..cases {
        let mut rng = Rng::new(seed);
        let versions: [(Family, u32); 4] =
            [(Family::Redis, 9), (Family::Redis, 10), (Family::Redis, 13), (Family::Valkey, 80)];
        let (family, version) = *rng.pick(&versions);
        let file = File::arbitrary(&mut rng, family, version, 2000).encode();
        let damage = *rng.pick(&Damage::ALL);
        let fix_checksum = rng.chance(70);
        let damaged = damage.apply(&file, &mut rng, fix_checksum);
        let data = damaged.map_or(file.bytes, |damaged| damaged.bytes);
        // A file of its family mostly, and now and then a stranger.
        let usual = match (family, version) {
            (Family::Valkey, _) => Tool::Valkey91,
            (_, 13) => Tool::Redis86,
            _ => *rng.pick(&[Tool::Redis70, Tool::Redis86, Tool::Valkey91]),
        };
        let wanted = if rng.chance(10) { Tool::Valkey91 } else { usual };
        let Some((tool, installed)) = installed.iter().find(|(tool, _)| *tool == wanted) else { continue };
        let path = folder.path().join("dump.rdb");
        fs::write(&path, data)?;
        tally.compare((*tool, installed), &format!("seed {seed} {damage:?}"), &path)?;
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert!(tally.same > tally.never_ends + tally.memory, "{tally:?}");
    Ok(())
}

/// The length of all ones is an error to the tools, wherever a length stands; each says it at a place of its own.
#[test]
fn lengths_of_all_ones_get_the_official_lines() -> TestResult {
    const ONES: &[u8] = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    let heads: [&[u8]; 14] = [
        b"\xfe",
        b"\xfb",
        b"\xfb\x03",
        b"\xfb\x40\x80",
        b"\xf8",
        b"\xfa",
        b"\xfa\x01a",
        b"\xf5",
        b"\x00",
        b"\x00\x01k",
        b"\x02\x01k",
        b"\x04\x01k\x01\x01f",
        b"\x05\x01k\x01",
        b"\x0e\x01k\x02\x01x",
    ];
    let (installed, mut tally) = (installed(), Tally::default());
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dump.rdb");
    for head in heads {
        let what = head.escape_ascii().to_string();
        fs::write(&path, [b"REDIS0010", head, ONES, b"\x00\x01n\x01v\xff\0\0\0\0\0\0\0\0"].concat())?;
        for (tool, installed) in &installed {
            tally.compare((*tool, installed), &what, &path)?;
        }
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert!(installed.is_empty() || tally.same > 10 * installed.len(), "{tally:?}");
    Ok(())
}

/// Streams with several groups and consumers, cut anywhere in their numbers, and with an entry that two consumers own.
#[test]
fn cut_streams_get_the_official_lines() -> TestResult {
    let id = |n: u64| StreamId::new(1_700_000_000_000 + n, n);
    let consumer = |name: &[u8], owned: Vec<StreamId>| Consumer {
        name: name.to_vec(),
        seen: 1_700_000_000_100,
        active: 1_700_000_000_200,
        owned,
    };
    let group = |name: &[u8], consumers: Vec<Consumer>| Group {
        name: name.to_vec(),
        last: id(2),
        entries_read: 2,
        pending: (1..=3).map(|n| Pending { id: id(n), time: 1_700_000_000_100, count: 300 }).collect(),
        consumers,
        nacked: Vec::new(),
    };
    let groups = vec![
        group(b"one", vec![consumer(b"a", vec![id(1), id(3)]), consumer(b"b", vec![id(2)])]),
        group(b"two", vec![consumer(b"c", vec![]), consumer(b"d", vec![id(1), id(2), id(3)])]),
        group(b"three", vec![]),
    ];
    let entries = (1..=3).map(|n| StreamEntry {
        id: id(n),
        deleted: false,
        fields: EntryFields::Own(vec![(b"field".to_vec(), n.to_string().into_bytes())]),
    });
    let node = StreamNode { master: id(1), entries: entries.collect(), ..StreamNode::default() };
    let (installed, mut tally) = (installed(), Tally::default());
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dump.rdb");
    for (version, rdb) in [(StreamVersion::V1, 9), (StreamVersion::V2, 10), (StreamVersion::V3, 11)] {
        let mut stream = Stream {
            version,
            nodes: vec![node.clone()],
            length: 3,
            last: id(3),
            first: id(1),
            max_deleted: StreamId::default(),
            entries_added: 3,
            groups: groups.clone(),
            idmp: Idmp::default(),
        };
        let mut file = File::new(Family::Redis, rdb);
        file.keys = vec![Key::new(b"stream", Value::Stream(stream.clone()))];
        let bytes = file.encode().bytes;
        let (from, to) = (bytes.len() * 2 / 5, bytes.len() - 9);
        let tools = installed.iter().filter(|(tool, _)| rdb < 11 || *tool != Tool::Redis70);
        for (at, (tool, installed)) in (from..to).zip(tools.cycle()) {
            fs::write(&path, &bytes[..at])?;
            tally.compare((*tool, installed), &format!("version {rdb}, cut at {at} of {}", bytes.len()), &path)?;
        }
        stream.groups[0].consumers[1].owned.insert(0, id(1));
        file.keys = vec![Key::new(b"stream", Value::Stream(stream))];
        fs::write(&path, file.encode().bytes)?;
        for (tool, installed) in &installed {
            tally.compare((*tool, installed), &format!("version {rdb}, owned twice"), &path)?;
        }
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert!(installed.is_empty() || tally.same > 300, "{tally:?}");
    Ok(())
}

#[test]
fn a_file_that_ends_inside_a_module_is_answered() {
    let mut file = b"REDIS0009\x07\x01k".to_vec();
    file.extend([0x81, 0x6d, 0xeb, 0x2d, 0xff, 0xad, 0xb7, 0x67, 0x00]);
    let said = ours(Tool::Redis86, "a.rdb", &file);
    assert_eq!(said.exit, 1);
    let name = &said.lines[1..];
    assert_eq!(name[0], "--- RDB ERROR DETECTED ---");
    assert_eq!(name[1], format!("[offset {}] Unexpected EOF reading RDB file", file.len()));
    assert_eq!(name[3], "[additional info] Reading key 'k'");
    assert_eq!(name[4], "[additional info] Reading type 7 (module-value)");
}

#[test]
fn the_tools_are_blind_to_what_the_table_does_not_name() {
    // A key twice, a database beyond all limits, bytes behind the checksum.
    let file = b"REDIS0009\xfe\x81\x00\x00\x00\x10\x00\x00\x00\x00\x00\x01k\x01v\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0more";
    let said = ours(Tool::Redis86, "a.rdb", file);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.lines.iter().any(|line| line == "[offset 38] \\o/ RDB looks OK! \\o/"), "{said:?}");
    assert!(said.lines.contains(&"[info] 2 keys read".to_owned()));
}

#[test]
fn versions_beyond_the_tool_are_refused_or_noted() {
    let file = |magic: &[u8]| [magic, b"\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0"].concat();
    for (tool, magic, exit, line) in [
        (Tool::Redis70, "REDIS0010", 0, "[offset 23] \\o/ RDB looks OK! \\o/"),
        (Tool::Redis70, "REDIS0011", 1, "[offset 9] Can't handle RDB format version 11"),
        (Tool::Redis86, "REDIS0013", 0, "[offset 23] \\o/ RDB looks OK! \\o/"),
        (Tool::Redis86, "REDIS0014", 1, "[offset 9] Can't handle RDB format version 14"),
        (Tool::Redis86, "VALKEY080", 1, "[offset 9] Wrong signature trying to load DB from file"),
        (Tool::Valkey91, "VALKEY080", 0, "[offset 23] \\o/ RDB looks OK! \\o/"),
        (Tool::Valkey91, "VALKEY081", 0, "[offset 9] Future RDB version 81 detected"),
        (Tool::Valkey91, "REDIS0013", 0, "[offset 9] Foreign RDB version 13 detected"),
        (Tool::Valkey91, "REDIS0080", 1, "[offset 9] Can't handle RDB format version 80"),
    ] {
        let said = ours(tool, "a.rdb", &file(magic.as_bytes()));
        assert_eq!(said.exit, exit, "{tool:?} {magic}");
        assert!(said.lines.iter().any(|said| said == line), "{tool:?} {magic}: {:?}", said.lines);
    }
}

#[test]
fn a_file_that_cannot_be_opened() {
    for (tool, lines) in [(Tool::Redis86, 1), (Tool::Valkey91, 2)] {
        let mut said = 0;
        cannot_open(tool, b"a.rdb", &mut |_| said += 1);
        assert_eq!(said, lines);
    }
}
