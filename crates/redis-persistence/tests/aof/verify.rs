//! The verifier of append-only files, held against what servers and check tools said of 223 crafted inputs, and against
//! sets that servers wrote.

use crate::cases;

use std::fs;
use std::path::{Path, PathBuf};

use cases::{Case, cases};
use redis_persistence::aof::dir::Role;
use redis_persistence::servers::Settings;
use redis_persistence::verify::{self, Code, Options, Report, Severity, Verdict};

fn report(path: &Path) -> Report {
    match verify::aof_path(path, &Options::default()) {
        Ok(report) => report,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn strict(case: &Case) -> [String; 3] {
    ["7.0.15", "8.6.3", "vk9.1.2"].map(|server| case.column(&format!("load_strict_{server}")).to_owned())
}

fn loads(outcome: &str) -> bool {
    outcome.starts_with("load:")
}

/// Servers start on these, with no data in them, and write over what is there.
const LOST_IN_SILENCE: [&str; 2] = ["m011-manifest-comments-only", "m073-arg-missing"];

#[test]
fn what_all_servers_load_is_sound() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in cases().iter().filter(|case| strict(case).iter().all(|outcome| loads(outcome))) {
        seen += 1;
        let report = report(&case.path);
        let expected = if LOST_IN_SILENCE.contains(&&case.id[..]) { Verdict::Damaged } else { Verdict::Sound };
        if report.verdict != expected {
            wrong.push(format!("{}: {:?}", case.id, report.findings_by_code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, 104);
}

/// Their frame is sound, and a server may know these commands by its configuration.
const FOREIGN: [&str; 2] = ["s070-unknown-cmd", "s076-unknown-subcmd"];

#[test]
fn what_no_server_loads_is_damaged() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in cases().iter().filter(|case| !strict(case).iter().any(|outcome| loads(outcome))) {
        seen += 1;
        let report = report(&case.path);
        let expected = if FOREIGN.contains(&&case.id[..]) { Verdict::Unknown } else { Verdict::Damaged };
        if report.verdict != expected {
            wrong.push(format!("{}: {:?}", case.id, report.findings_by_code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, 112);
}

/// The newest server of the file's own family decides where servers differ.
#[test]
fn where_servers_differ_the_newest_of_the_family_decides() {
    let mut verdicts = Vec::new();
    for case in cases() {
        let loaded = strict(&case).iter().filter(|outcome| loads(outcome)).count();
        if (1..3).contains(&loaded) {
            verdicts.push((case.id.clone(), report(&case.path).verdict.as_str()));
        }
    }
    let expected = [
        ("s077-arity-select", "damaged"),
        ("s110-multi-args", "sound"),
        ("s118-watch-exec", "damaged"),
        ("s150-valkey-magic", "sound"),
        ("s151-rdb13", "sound"),
        ("m067-valkey-base", "sound"),
        ("m068-redis86-base", "sound"),
    ];
    assert_eq!(verdicts, expected.map(|(id, verdict)| (id.to_owned(), verdict)));
}

/// The official tool cannot read a folder; here the manifest in it is found. And what crashes the tool gets numbers.
const BEYOND_THE_TOOL: [&str; 3] = ["m072-arg-directory", "s051-bulk-9223372036854775805", "s053-bulk-100TB"];

#[test]
fn the_official_numbers() {
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| !BEYOND_THE_TOOL.contains(&&case.id[..])) {
        let facts = report(&case.path).aof.unwrap_or_default();
        let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let diff = facts.diff.map(|diff| diff.to_string()).unwrap_or_default();
        let ours = [text(facts.ok_up_to), text(facts.ok_up_to_line), diff];
        let theirs = ["ok_up_to", "ok_up_to_line", "diff"].map(|name| case.column(&format!("{name}_8.6.3")).to_owned());
        if ours != theirs {
            wrong.push(format!("{}: {ours:?} is not {theirs:?}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where a server cuts a file at its start by default, our `loads_up_to` is where it cuts or, where the newest Redis cuts
/// inside a transaction or below a good image, where Valkey does.
#[test]
fn servers_cut_where_it_is_said_that_they_load_to() {
    let mut seen = 0;
    for case in cases() {
        let load = case.column("load_vk9.1.2");
        let Some((from, to)) = load.split_once(';').and_then(|(_, cut)| cut.split_once("->")) else { continue };
        if LOST_IN_SILENCE.contains(&&case.id[..]) {
            continue;
        }
        seen += 1;
        let report = report(&case.path);
        let part = report.parts.iter().find(|part| part.size.map(|size| size.to_string()).as_deref() == Some(from));
        let up_to = part.and_then(|part| part.loads_up_to).map(|offset| offset.to_string());
        assert_eq!(up_to.as_deref(), Some(to), "{}: {:?}", case.id, report.parts);
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn all_findings_of_all_files() {
    let folder = cases::folder();
    // The first incremental file leaves a transaction open, the second one ends it.
    let report = report(&folder.join("m063-multi-across/appendonlydir"));
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.file.as_deref(), finding.start, finding.line))
        .collect();
    let expected = [
        ("aof-open-transaction", Some("appendonly.aof.1.incr.aof"), 50, Some(23)),
        ("aof-stray-exec", Some("appendonly.aof.2.incr.aof"), 27, Some(8)),
    ];
    assert_eq!(found, expected);
    let parts: Vec<_> =
        report.parts.iter().map(|part| (part.role, part.size, part.ok_up_to, part.loads_up_to)).collect();
    let expected = [
        (Role::Base, Some(144), Some(144), Some(144)),
        (Role::Incr, Some(92), Some(50), Some(50)),
        (Role::Incr, Some(41), Some(27), Some(41)),
        (Role::Manifest, Some(132), None, None),
    ];
    assert_eq!(parts, expected);
    assert_eq!(report.counts.keys, 4, "those of the image");
}

fn sets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/aof/sets")
}

/// The facts of a report in the words of `index.json`.
fn facts(report: &Report) -> String {
    let facts = report.aof.clone().unwrap_or_default();
    let null = |number: Option<i64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
    let map = |pairs: Vec<(String, u64)>| {
        let pairs: Vec<_> = pairs.iter().map(|(name, count)| format!("\"{name}\": {count}")).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let base = &report.parts[0];
    let family = report.format.as_ref().map(|format| match format.family {
        redis_persistence::rdb::Family::Redis => format!("\"REDIS{:04}\"", format.rdb_version),
        _ => format!("\"VALKEY{:03}\"", format.rdb_version),
    });
    format!(
        "\"image\": {}, \"image_end\": {}, \"commands\": {}, \"commands_by_name\": {}, \"databases\": {}, \
         \"transactions\": {}, \"first_timestamp\": {}, \"last_timestamp\": {}",
        family.unwrap_or_else(|| "null".to_owned()),
        base.preamble_end.unwrap_or(0),
        facts.commands,
        map(facts.commands_by_name.into_iter().collect()),
        map(facts.databases.iter().map(|(db, count)| (db.to_string(), *count)).collect()),
        facts.transactions,
        null(facts.first_timestamp),
        null(facts.last_timestamp),
    )
}

#[test]
fn sets_that_servers_wrote_are_sound_and_counted() -> std::io::Result<()> {
    let index = fs::read_to_string(sets().join("index.json"))?;
    let mut seen = 0;
    for line in index.lines().filter(|line| line.starts_with("  \"")) {
        let name = line.split('"').nth(1).unwrap_or_default();
        let report = report(&sets().join(name));
        assert_eq!(report.verdict, Verdict::Sound, "{name}: {:?}", report.findings);
        let odd = report.findings.iter().find(|finding| finding.severity > Severity::Note);
        assert_eq!(odd, None, "{name}");
        assert!(line.contains(&facts(&report)), "{name}\n{line}\n{}", facts(&report));
        let history = report.parts.iter().filter(|part| part.role == Role::History).count();
        assert!(line.contains(&format!("\"history\": {history}, ")), "{name}");
        let valid = report.aof.as_ref().is_some_and(|facts| facts.diff == Some(0));
        assert_eq!(valid, line.contains("\"check_8.6.3\": 0}"), "{name}: Redis' tool refuses Valkey's images");
        seen += 1;
    }
    assert_eq!(seen, 12);
    Ok(())
}

/// Unknown commands in a file whose frame is sound are another program's; beside damage, or one byte off a known name, they are damage.
#[test]
fn foreign_commands_are_no_damage_in_a_sound_frame() {
    let words = |lines: &[&str]| {
        lines.iter().flat_map(|line| testkit::resp::record(&line.split(' ').collect::<Vec<_>>())).collect::<Vec<_>>()
    };
    let verdict = |data: &[u8], options: &Options| {
        let report = verify::aof_slice(data, options).expect("memory can be read");
        let count = |code| report.findings_by_code.get(&code).copied().unwrap_or(0);
        (report.verdict, count(Code::AofForeignCommand), count(Code::AofUnknownCommand))
    };
    let plain = Options::default();
    let broken = [words(&["SET a 1", "NOSUCH a"]), b"+OK\r\n".to_vec()].concat();
    let torn = [words(&["SET a 1", "NOSUCH a"]), b"*2\r\n$3\r\nG".to_vec()].concat();
    for (data, expected) in [
        (words(&["SET a 1", "s3cr3t-set a 2"]), (Verdict::Unknown, 1, 0)),
        (words(&["EXPIREMEMBER s m 10", "RREPLAY a b c d"]), (Verdict::Unknown, 2, 0)),
        (words(&["SET a 1", "SEU a 1"]), (Verdict::Damaged, 0, 1)),
        (words(&["SEU a 1", "SEU b 1"]), (Verdict::Unknown, 2, 0)),
        (words(&["JSET a b c"]), (Verdict::Damaged, 0, 1)),
        (words(&["JSET a b c", "SETCHAN a"]), (Verdict::Unknown, 2, 0)),
        (words(&["SEU a 1", "NOSUCH a"]), (Verdict::Damaged, 0, 2)),
        (words(&["JSON.SET a $ 1"]), (Verdict::Unknown, 0, 0)),
        (broken, (Verdict::Damaged, 0, 1)),
        // What an interrupted write leaves says nothing about what stands before it.
        (torn, (Verdict::Damaged, 1, 0)),
    ] {
        assert_eq!(verdict(&data, &plain), expected, "{}", data.escape_ascii());
    }

    let (settings, _) = Settings::from_conf(b"rename-command SET s3cr3t-set\nloadmodule /opt/rejson.so\n");
    let options = Options { commands: settings.commands(), ..Options::default() };
    let sound = (Verdict::Sound, 0, 0);
    assert_eq!(verdict(&words(&["S3cr3t-Set a 2", "JSON.SET a $ 1"]), &options), sound);
    assert_eq!(verdict(&words(&["s3cr3t-set a"]), &options).0, Verdict::Damaged, "too few arguments");
    assert_eq!(verdict(&words(&["FT.ADD a"]), &options).0, Verdict::Unknown);
}
