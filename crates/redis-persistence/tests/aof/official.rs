//! The library's copy of the official tool, held against what the tools themselves said of 223 crafted inputs.

use crate::cases;
use crate::tool;

use cases::{Case, cases};
use redis_persistence::aof::official::{FileVerdict, Outcome, Task, Tool};
use tool::run;

const TOOLS: [(Tool, &str); 3] = [(Tool::Redis70, "7.0.15"), (Tool::Redis86, "8.6.3"), (Tool::Valkey91, "vk9.1.2")];

/// What the last `AOF analyzed` line says, in the columns of the table; empty where there is none.
fn analyzed(lines: &[Vec<u8>]) -> [String; 3] {
    let line = lines.iter().rev().find(|line| line.starts_with(b"AOF analyzed: "));
    let line = line.map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
    ["ok_up_to", "ok_up_to_line", "diff"].map(|field| {
        let value = line.split_once(&format!(" {field}=")).map(|(_, rest)| rest);
        value.and_then(|rest| rest.split(',').next()).unwrap_or_default().to_owned()
    })
}

fn crashed(case: &Case, tool: &str) -> bool {
    case.column(&format!("check_verdict_{tool}")).starts_with("crash")
}

#[test]
fn every_input_gets_the_official_verdict() {
    let cases = cases();
    assert_eq!(cases.len(), 223);
    let mut wrong = Vec::new();
    let mut survived = 0;
    for (tool, name) in TOOLS {
        for case in cases.iter().filter(|case| !crashed(case, name)) {
            survived += 1;
            let (outcome, lines) = run(tool, Task::Check, &case.path);
            let column = |field: &str| case.column(&format!("{field}_{name}")).to_owned();
            let expected = (column("check_exit"), ["ok_up_to", "ok_up_to_line", "diff"].map(column));
            let got = (outcome.exit.to_string(), analyzed(&lines));
            if got != expected {
                wrong.push(format!("{name} {}: expected {expected:?}, got {got:?}", case.id));
            }
            assert_eq!(outcome.cut, None, "a check plans no cut");
        }
    }
    assert_eq!(survived, 3 * 221);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reports_say_the_same_as_the_lines() {
    for case in cases() {
        let (outcome, lines) = run(Tool::Redis86, Task::Check, &case.path);
        let last =
            outcome.files.iter().rev().find(|file| matches!(file.verdict, FileVerdict::Valid | FileVerdict::Invalid));
        let fields =
            last.map(|file| [file.ok_up_to.to_string(), file.ok_up_to_line.to_string(), file.diff.to_string()]);
        assert_eq!(fields.unwrap_or_default(), analyzed(&lines), "{}", case.id);
    }
}

/// The tools cut these, though what they cut is a manifest or a snapshot; see `aof-case` m025 and its like.
const REFUSED: [&str; 5] =
    ["m025-key-order", "m026-key-upper", "m039-long-comment", "m041-leading-space", "s150-valkey-magic"];

#[test]
fn fix_cuts_where_the_tool_cuts_but_for_what_is_good() {
    for (tool, name) in TOOLS {
        for case in cases().iter().filter(|case| !crashed(case, name)) {
            let (outcome, _) = run(tool, Task::Fix, &case.path);
            let official = case.column(&format!("fix_{name}")).split(";re=").next().unwrap_or_default().to_owned();
            let ours = match &outcome.cut {
                Some(cut) => format!("{};{}->{}", outcome.exit, cut.from, cut.to),
                None => outcome.exit.to_string(),
            };
            let cuts = official.contains("->");
            if cuts && REFUSED.contains(&&case.id[..]) {
                assert!(
                    outcome.refused && outcome.cut.is_none() && outcome.exit == 1,
                    "{name} {}: {outcome:?}",
                    case.id
                );
            } else {
                assert_eq!(ours, official, "{name} {}", case.id);
                assert!(!outcome.refused, "{name} {}", case.id);
            }
        }
    }
}

#[test]
fn lengths_that_crash_the_tool_get_an_answer() {
    for (id, bytes) in [("s051", "9223372036854775807"), ("s053", "109951162777602")] {
        let case = cases().into_iter().find(|case| case.id.starts_with(id)).expect("the case");
        let (outcome, lines) = run(Tool::Redis86, Task::Check, &case.path);
        assert_eq!(outcome.exit, 1);
        let said =
            lines.iter().map(|line| String::from_utf8_lossy(line)).find(|line| line.starts_with("0x")).expect("a line");
        assert!(said.contains(&format!("Expected to read {bytes} bytes, got ")), "{said}");
        assert_eq!(outcome.files[0].ok_up_to, 50);
    }
}

#[test]
fn a_cut_says_its_lines_before_and_after() {
    let case = cases().into_iter().find(|case| case.id == "m005-trunc-last").expect("the case");
    let (Outcome { cut, exit, .. }, lines) = run(Tool::Redis86, Task::Fix, &case.path);
    let cut = cut.expect("a cut");
    assert_eq!(exit, 0);
    let name = "appendonly.aof.2.incr.aof";
    let last = String::from_utf8_lossy(lines.last().expect("lines")).into_owned();
    assert_eq!(last, format!("This will shrink the AOF {name} from 47 bytes, with 24 bytes, to 23 bytes"));
    assert_eq!((cut.question, cut.declined), (Some("Continue? [y/N]: "), "Aborting..."));
    let done: Vec<_> = cut.done.iter().map(|line| String::from_utf8_lossy(line)).collect();
    assert_eq!(done, [format!("Successfully truncated AOF {name}"), "All AOF files and manifest are valid".to_owned()]);
}
