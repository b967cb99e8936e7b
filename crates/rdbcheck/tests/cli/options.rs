//! What each option does.

use redis_persistence::diagnose::CauseCode;
use redis_persistence::verify::Code;
use serde_json::Value;

use crate::aof::aofcheck;
use crate::{TestResult, ran, rdbcheck, run, testdata};

const SOUND: &str = "redis-6.2-lfu.rdb";
const UNSUMMED: &str = "../broken/checksum-off.rdb";
const HOSTILE: &str = "../broken/hostile-names.rdb";
const MANY: &str = "../broken/many-duplicates.rdb";

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn help_fits_a_screen_or_lists_all_and_says_how_it_ends() -> TestResult {
    let folder = testdata();
    for short in [run(&["-h"])?, ran(aofcheck(&folder, &["-h"]).output())?] {
        assert_eq!((short.code, short.err.as_str()), (Some(0), ""));
        assert!(short.out.lines().count() <= 42 && short.out.lines().all(|line| line.len() <= 100), "{}", short.out);
        for part in ["--salvage <OUT", "--help ", "Examples:\n  ", "Exit codes: 0 sound"] {
            assert!(short.out.contains(part), "{part} in {}", short.out);
        }
    }
    let long = run(&["--help"])?;
    assert_eq!((long.code, long.err.as_str()), (Some(0), ""));
    for part in ["--duplicate-memory", "rdbcheck dump.rdb\n", "rdbcheck --json", "0 sound", "3 cannot be judged"] {
        assert!(long.out.contains(part), "{part}");
    }
    assert_eq!(run(&["--version"])?.out, concat!("rdbcheck ", env!("CARGO_PKG_VERSION"), "\n"));
    Ok(())
}

#[test]
fn wrong_usage_is_exit_2() -> TestResult {
    for args in [
        vec![],
        vec!["--no-such-option", SOUND],
        vec!["--json", "--format", "text", SOUND],
        vec!["--json", "--quiet", SOUND],
        vec!["--duplicate-memory", "much", SOUND],
        vec!["--now", "tomorrow", SOUND],
        vec!["--fix", SOUND],
    ] {
        let run = run(&args)?;
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
        assert!(!run.err.is_empty());
    }
    assert!(run(&["--fix", SOUND])?.err.contains("Did you mean --salvage OUT"));
    Ok(())
}

#[test]
fn quiet_prints_nothing() -> TestResult {
    for (file, code) in [(SOUND, 0), (MANY, 1), ("../broken/newer-version.rdb", 3)] {
        let run = run(&["-q", file])?;
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(code), "", ""));
    }
    Ok(())
}

#[test]
fn demands() -> TestResult {
    for (args, file, unmet) in [
        (vec!["--strict"], SOUND, None),
        (vec!["--strict"], UNSUMMED, Some("--strict (1 warning)")),
        (vec!["--require-checksum"], SOUND, None),
        (vec!["--require-checksum"], UNSUMMED, Some("--require-checksum (it is switched off)")),
        (vec!["--require-checksum"], "crafted-expiretime-253-v3.rdb", Some("--require-checksum (it has none)")),
        (vec!["--expect-keys", "21"], SOUND, None),
        (vec!["--expect-keys", "22"], SOUND, Some("--expect-keys 22 (it holds 21)")),
    ] {
        let run = run(&[args.as_slice(), &[file]].concat())?;
        let verdict = first(&run.out);
        match unmet {
            None => assert_eq!((run.code, verdict), (Some(0), format!("{SOUND}: sound").as_str())),
            Some(unmet) => {
                assert_eq!(run.code, Some(1));
                assert!(verdict.ends_with(&format!("; not as demanded: {unmet}")), "{verdict}");
            }
        }
    }
    Ok(())
}

#[test]
fn unmet_demands_of_a_document_are_told_beside_it() -> TestResult {
    let run = run(&["--json", "--expect-keys", "22", SOUND])?;
    assert_eq!(
        (run.code, run.err.as_str()),
        (Some(1), "rdbcheck: redis-6.2-lfu.rdb: not as demanded: --expect-keys 22 (it holds 21)\n")
    );
    assert_eq!(serde_json::from_str::<Value>(&run.out)?["files"][0]["verdict"], "sound");
    Ok(())
}

#[test]
fn a_newer_version_is_held_against_no_demand() -> TestResult {
    assert_eq!(
        run(&["--strict", "--require-checksum", "--expect-keys", "9", "../broken/newer-version.rdb"])?.code,
        Some(3)
    );
    Ok(())
}

#[test]
fn many_findings_are_folded_and_counted() -> TestResult {
    let listed = |text: &str| text.lines().filter(|line| line.contains("rdb-duplicate-key at byte")).count();
    let text = run(&[MANY])?.out;
    assert_eq!(listed(&text), 5);
    assert!(text.contains("\n  rdb-duplicate-key: and 7 more\n"), "{text}");
    let text = run(&["--max-findings", "100", MANY])?.out;
    assert_eq!(listed(&text), 12);
    assert!(!text.contains("more\n"), "{text}");
    let text = run(&["--max-findings", "0", MANY])?.out;
    assert!(listed(&text) == 0 && text.contains("rdb-duplicate-key: 12 not listed\n"), "{text}");
    assert_eq!(first(&text), "../broken/many-duplicates.rdb: DAMAGED, 12 errors");

    let document: Value = serde_json::from_str(&run(&["--json", "--max-findings", "2", MANY])?.out)?;
    let file = &document["files"][0];
    assert_eq!((file["findings"].as_array().map(Vec::len), file["findings_total"].as_u64()), (Some(2), Some(12)));
    Ok(())
}

#[test]
fn duplicates_can_be_left_alone() -> TestResult {
    assert_eq!(run(&["--duplicates", "off", MANY])?.code, Some(0));
    assert_eq!(run(&["--duplicates", "full", "--duplicate-memory", "1G", MANY])?.code, Some(1));
    Ok(())
}

#[test]
fn quick_looks_at_frame_and_checksum() -> TestResult {
    assert_eq!(run(&["--quick", SOUND])?.code, Some(0));
    let run = run(&["--quick", "../broken/byte-changed.rdb"])?;
    assert!(run.code == Some(1) && run.out.contains("rdb-checksum-mismatch"), "{run:?}");
    Ok(())
}

#[test]
fn now_decides_what_is_past() -> TestResult {
    let file = "crafted-expiretime-253-v3.rdb";
    for (now, expired) in [("0", 0), ("1970-01-01T00:00:00Z", 0), ("99999999999", 1), ("99999999999999", 1)] {
        let run = ran(rdbcheck(&[]).args(["--json", file]).args(["--now", now]).output());
        // An option that is given twice is an error.
        assert_eq!(run?.code, Some(2));
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbcheck"))
            .current_dir(testdata().join("rdb"))
            .args(["--json", "--now", now, file])
            .output()?;
        let document: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(document["files"][0]["counts"]["expired"], expired, "{now}");
    }
    Ok(())
}

#[test]
fn hostile_names_reach_no_terminal() -> TestResult {
    for args in [vec![HOSTILE], vec!["--json", HOSTILE], vec!["--color", "never", HOSTILE]] {
        let run = run(&args)?;
        assert_eq!(run.code, Some(1));
        let harmful = run.out.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202e}' | '\u{200b}'));
        assert_eq!(harmful, None, "{}", run.out);
    }
    let document: Value = serde_json::from_str(&run(&["--json", HOSTILE])?.out)?;
    let findings = &document["files"][0]["findings"];
    assert_eq!(findings[0]["key"], "\u{1b}[2J\u{1b}]0;title\u{7}\r\n\"quoted\" \u{9b}31m \u{202e}\u{200b}日本");
    assert_eq!((&findings[0]["key_base64"], &findings[1]["key"]), (&Value::Null, &Value::Null));
    assert_eq!(findings[1]["key_base64"], "Yf8AYg==");
    Ok(())
}

#[test]
fn colour_is_there_on_demand_only() -> TestResult {
    assert!(run(&["--color", "always", SOUND])?.out.contains("\x1b[1m\x1b[32msound\x1b[0m\n"));
    assert!(!run(&[SOUND])?.out.contains('\x1b'));
    let mut command = rdbcheck(&["--color", "always", "--json", SOUND]);
    assert!(!ran(command.output())?.out.contains('\x1b'));
    Ok(())
}

#[test]
fn redaction_holds_within_a_run_only() -> TestResult {
    let stand_in = |text: &str| text.find("key#").and_then(|at| text.get(at..at + 20)).map(str::to_owned);
    let mut seen = std::collections::BTreeSet::new();
    for args in [vec!["--redact"], vec!["--redact", "--json"], vec!["--redact"]] {
        let twice = "../broken/duplicate-key.rdb";
        let run = run(&[args.as_slice(), &[twice, twice]].concat())?;
        let name = stand_in(&run.out).ok_or("no stand-in")?;
        assert!(run.out.matches(&name).count() >= 2 && !run.out.contains("user:1"), "{}", run.out);
        seen.insert(name);
    }
    assert_eq!(seen.len(), 3, "the stand-ins of two runs are the same");
    // A key of the user's makes them the same in all runs with it, and in no other.
    let mut keyed = Vec::new();
    for key in ["a secret", "a secret", "a secret of others"] {
        let run = run(&["--redact", "--redact-key", key, "../broken/duplicate-key.rdb"])?;
        assert!(!run.out.contains("user:1"), "{}", run.out);
        keyed.push(stand_in(&run.out).ok_or("no stand-in")?);
    }
    assert!(keyed[0] == keyed[1] && keyed[0] != keyed[2] && !keyed.iter().any(|name| seen.contains(name)), "{keyed:?}");
    for args in [&["--redact-key", "k"][..], &["--redact", "--redact-key", ""]] {
        assert_eq!(run(&[args, &["../broken/duplicate-key.rdb"]].concat())?.code, Some(2), "{args:?}");
    }
    let document: Value = serde_json::from_str(&run(&["--redact", "--json", HOSTILE])?.out)?;
    let findings = document["files"][0]["findings"].as_array().ok_or("no findings")?;
    assert!(findings.iter().all(|finding| finding["key"].as_str().is_some_and(|key| key.len() == 20)));
    assert!(findings.iter().all(|finding| finding["key_base64"].is_null()));
    Ok(())
}

#[test]
fn every_code_is_explained() -> TestResult {
    for code in Code::ALL {
        let run = run(&["--explain", code.as_str()])?;
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        assert_eq!(run.out, format!("{code} ({})\n\n{}\n", code.severity(), code.explain()));
    }
    for cause in CauseCode::ALL {
        let run = run(&["--explain", cause.as_str()])?;
        assert_eq!(run.out, format!("{cause} (cause)\n\n{}\n", cause.explain()));
    }
    let run = run(&["--explain", "rdb-duplicat-key"])?;
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.contains("near to it: rdb-duplicate-key"), "{}", run.err);
    Ok(())
}

#[test]
fn the_manual_page_has_the_options_and_the_exit_codes() -> TestResult {
    let run = run(&["--man"])?;
    assert_eq!(run.code, Some(0));
    let mut from = 0;
    let sections = [
        ".SH OPTIONS",
        "require\\-checksum",
        ".SH EXAMPLES",
        ".SH \"EXIT STATUS\"",
        "cannot be judged",
        ".SH \"SEE ALSO\"",
    ];
    for part in [".TH rdbcheck 1"].into_iter().chain(sections) {
        from += run.out[from..].find(part).ok_or(part)?;
    }
    assert!(!run.out.contains(".SH EXTRA"), "{}", run.out);
    let also = "\\fBaofcheck\\fR(1),\n\\fBredis\\-server\\fR(1),\n\\fBvalkey\\-server\\fR(1)\n";
    assert!(run.out.ends_with(also), "{}", run.out);
    Ok(())
}

/// What a report for people says anyway, standard error says for machines.
#[test]
fn standard_error_says_what_does_not_hold_to_machines_only() -> TestResult {
    let asked = |form: &[&str]| run(&[form, &["--for", "redis-6.2", "redis-7.0-multidb.rdb"]].concat());
    for form in [&[][..], &["--quiet"]] {
        let run = asked(form)?;
        assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{form:?}");
        assert_eq!(run.out.is_empty(), !form.is_empty(), "{}", run.out);
    }
    for form in ["json", "json-lines", "junit", "prometheus"] {
        let run = asked(&["--format", form])?;
        let line = "rdbcheck: redis-7.0-multidb.rdb: not loaded as it is by redis-6.2 (refuses)\n";
        assert_eq!((run.code, run.err.as_str()), (Some(1), line), "{form}");
    }
    Ok(())
}

#[test]
fn completions_know_the_options() -> TestResult {
    for shell in ["bash", "zsh", "fish"] {
        let run = run(&["--completions", shell])?;
        for word in ["require-checksum", "redis-7.2", "valkey-newest", "rdb-duplicate-key", "byte-order-mark"] {
            assert!(run.code == Some(0) && run.out.contains(word), "{shell}: {word}");
        }
    }
    Ok(())
}
