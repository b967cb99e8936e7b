//! The forms of a report beside text and JSON, and what may be shown in it: `--format junit`, `--format prometheus`,
//! `--hex`, `--redact`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use roxmltree::{Document, Node};

use crate::{TestResult, run, testdata};

const INPUTS: [&str; 6] = [
    "redis-7.0-streams.rdb",
    "../broken/hostile-names.rdb",
    "../broken/value-damaged.rdb",
    "../broken/newer-version.rdb",
    "../broken/checksum-off.rdb",
    "no-such.rdb",
];

fn cases<'a>(suite: &Node<'a, 'a>) -> BTreeMap<&'a str, Option<&'a str>> {
    let cases = suite.children().filter(|node| node.has_tag_name("testcase"));
    let outcome = |case: &Node<'a, 'a>| case.first_element_child().map(|node| node.tag_name().name());
    cases.map(|case| (case.attribute("name").unwrap_or_default(), outcome(&case))).collect()
}

#[test]
fn junit_has_a_suite_for_each_input() -> TestResult {
    let args = ["--format", "junit", "--strict", "--for", "redis-7.0,redis-6.2"];
    let ran = run(&[&args[..], &INPUTS].concat())?;
    assert_eq!(ran.code, Some(1));
    let document = Document::parse(&ran.out)?;
    let root = document.root_element();
    let suites: Vec<_> = root.children().filter(Node::is_element).collect();
    let names: Vec<_> = suites.iter().filter_map(|suite| suite.attribute("name")).collect();
    assert_eq!(names, INPUTS);
    assert_eq!(
        cases(&suites[0]),
        BTreeMap::from([("check", None), ("loads on redis-7.0", None), ("loads on redis-6.2", Some("failure"))])
    );
    assert_eq!(cases(&suites[1])["check"], Some("failure"));
    assert_eq!(cases(&suites[3])["check"], Some("error"));
    assert_eq!(cases(&suites[4])["--strict"], Some("failure"));
    assert_eq!(cases(&suites[5]), BTreeMap::from([("check", Some("error"))]));
    for node in std::iter::once(root).chain(suites.iter().copied()) {
        for (attribute, tag) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            let counted = node.descendants().filter(|inner| inner.has_tag_name(tag)).count();
            assert_eq!(node.attribute(attribute), Some(counted.to_string().as_str()), "{attribute}");
        }
    }
    let failure = suites[2].descendants().find(|node| node.has_tag_name("failure")).ok_or("no failure")?;
    assert_eq!(failure.attribute("type"), Some("listpack-bad-backlen"));
    assert!(failure.text().is_some_and(|text| text.contains("key \"user:7\"")), "{failure:?}");
    Ok(())
}

/// A sample: its labels, decoded, and its value.
type Sample = (BTreeMap<String, String>, f64);

/// Reads the text as a collector does, and asserts what it asks for: HELP and TYPE once and before the samples of a
/// metric, which stand together; names and labels of the right letters; nothing twice.
fn samples(text: &str) -> Result<BTreeMap<String, Vec<Sample>>, Box<dyn Error>> {
    let mut metrics: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = text.lines();
    assert!(text.ends_with('\n'));
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').ok_or("a help without a text")?;
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !help.contains('\\'), "{line}");
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()));
            assert!(metrics.insert(name.to_owned(), Vec::new()).is_none(), "{name} twice");
            name.clone_into(&mut current);
            continue;
        }
        let (labels, value) = match line.split_once('{') {
            Some((name, rest)) => {
                assert_eq!(name, current);
                labels(rest)?
            }
            None => {
                let (name, value) = line.split_once(' ').ok_or("a sample without a value")?;
                assert_eq!(name, current);
                (BTreeMap::new(), value)
            }
        };
        let samples = metrics.get_mut(&current).ok_or("a sample before its metric")?;
        assert!(samples.iter().all(|(other, _)| *other != labels), "{line} twice");
        samples.push((labels, value.parse()?));
    }
    assert!(metrics.values().all(|samples| !samples.is_empty()), "{text}");
    Ok(metrics)
}

/// The labels of a sample, and its value.
type Labelled<'a> = (BTreeMap<String, String>, &'a str);

/// `name="value",...} value`, in the value `\\`, `\"` and `\n` alone after a backslash.
fn labels(text: &str) -> Result<Labelled<'_>, Box<dyn Error>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        let (name, quoted) = rest.split_once("=\"").ok_or("a label without a value")?;
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        let (mut value, mut chars) = (String::new(), quoted.char_indices());
        let end = loop {
            match chars.next().ok_or("a label that does not end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next().ok_or("a label that does not end")?.1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => return Err(format!("\\{c} is no escape").into()),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice");
        rest = &quoted[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((labels, rest.strip_prefix("} ").ok_or("labels that do not end")?)),
        }
    }
}

#[test]
fn prometheus_takes_what_is_written_for_it() -> TestResult {
    let args = ["--format", "prometheus", "--for", "redis-7.0"];
    let ran = run(&[&args[..], &INPUTS].concat())?;
    let metrics = samples(&ran.out)?;
    let of = |name: &str| -> BTreeMap<&str, f64> {
        let samples = metrics.get(name).into_iter().flatten();
        samples.map(|(labels, value)| (labels.get("path").map_or("", String::as_str), *value)).collect()
    };
    let paths: BTreeSet<_> = of("rdbcheck_exit_code").into_keys().collect();
    assert_eq!(paths, BTreeSet::from(INPUTS));
    assert_eq!(of("rdbcheck_exit_code")["no-such.rdb"], 2.0);
    assert_eq!(of("rdbcheck_readable")["no-such.rdb"], 0.0);
    assert!(!of("rdbcheck_sound").contains_key("no-such.rdb"));
    assert_eq!(of("rdbcheck_sound")["redis-7.0-streams.rdb"], 1.0);
    assert_eq!(of("rdbcheck_errors")["../broken/hostile-names.rdb"], 2.0);
    assert_eq!(of("rdbcheck_loads")["../broken/newer-version.rdb"], 0.0);
    assert_eq!(of("rdbcheck_run_timestamp_seconds")[""], 1_800_000_000.0);
    let cause = metrics["rdbcheck_cause_info"].iter().find(|(labels, _)| labels["path"].contains("value-damaged"));
    assert_eq!(cause.map(|(labels, _)| labels["cause"].as_str()), Some("bit-rot"));
    let codes: f64 = metrics["rdbcheck_findings"].iter().map(|(_, n)| n).sum();
    assert!(codes > of("rdbcheck_errors").values().sum(), "{codes}");
    Ok(())
}

#[test]
fn a_path_cannot_break_out_of_its_label() -> TestResult {
    let folder = tempfile::tempdir()?;
    let name = "a\\b\"} 1\nrdbcheck_sound{path=\"x.rdb";
    std::fs::write(folder.path().join(name), b"REDIS")?;
    let run = |format| crate::ran(crate::rdbcheck(&["--format", format, name]).current_dir(folder.path()).output());
    let metrics = samples(&run("prometheus")?.out)?;
    assert_eq!(metrics["rdbcheck_sound"].len(), 1);
    assert_eq!(metrics["rdbcheck_sound"][0].0["path"], name.replace('\n', "\\n"));
    let junit = run("junit")?.out;
    let document = Document::parse(&junit)?;
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("testsuite")).count(), 1);
    Ok(())
}

#[test]
fn hex_shows_the_bytes_of_the_file() -> TestResult {
    let file = "../broken/value-damaged.rdb";
    let bytes = std::fs::read(testdata().join("rdb").join(file))?;
    let ran = run(&["--hex", file])?;
    let row = ran.out.lines().find(|line| line.contains('>') && line.ends_with('|')).ok_or("no row")?;
    let margin: usize = row.split_whitespace().next().ok_or("no margin")?.parse()?;
    let shown: Vec<u8> = row
        .replace(['[', '>'], " ")
        .split_whitespace()
        .skip(1)
        .take(16)
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()?;
    assert_eq!(shown, bytes[margin..margin + 16]);
    let document: serde_json::Value = serde_json::from_str(&run(&["--hex", "--json", file])?.out)?;
    let spans = &document["files"][0]["findings"][0]["bytes"];
    crate::golden::assert_fits_the_schema(&testdata(), &document.to_string())?;
    let at = usize::try_from(spans[0]["at"].as_u64().ok_or("no offset")?)?;
    let hex: String = bytes[at..at + 16].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(spans[0]["hex"].as_str().is_some_and(|shown| shown.starts_with(&hex)), "{spans}");
    // What cannot be read again was kept while it passed.
    let piped = crate::ran(crate::rdbcheck(&["--hex", "-"]).write_stdin(bytes).output())?;
    assert!(piped.out.contains(row), "{}", piped.out);
    assert_eq!(run(&["--hex", "--redact", file])?.code, Some(2));
    Ok(())
}

/// No name, field or value of the data is in any form of a redacted report.
#[test]
fn redaction_hides_what_the_data_hold() -> TestResult {
    use testkit::rdb::RdbWriter;
    let mut w = RdbWriter::redis(11);
    w.aux(b"ctime", b"sekret-aux").select_db(0).string_key(b"sekret-key", b"v").string_key(b"sekret-key", b"v");
    w.key(2, b"sekret-set").len(2).str(b"sekret-member").str(b"sekret-member");
    w.key(3, b"sekret-zset").len(1).str(b"m").raw(b"\x0dsekret-score1");
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("dump.rdb"), w.finish())?;
    let aof = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#sekret-note\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\nsekret-value\r\n";
    std::fs::write(folder.path().join("appendonly.aof"), aof)?;
    for form in ["text", "json", "junit", "prometheus"] {
        let check = |redact: &[&str]| -> Result<String, Box<dyn Error>> {
            let rdb = crate::rdbcheck(&[&["--format", form, "--for", "newest"], redact, &["dump.rdb"]].concat())
                .current_dir(folder.path())
                .output();
            let args = [&["--format", form], redact, &["appendonly.aof"]].concat();
            let aof = crate::aof::aofcheck(folder.path(), &args).output();
            Ok(crate::ran(rdb)?.out + &crate::ran(aof)?.out)
        };
        let open = check(&[])?;
        if form != "prometheus" {
            for word in ["sekret-aux", "sekret-key", "sekret-member", "sekret-score1", "sekret-note", "sekret-value"] {
                assert!(open.contains(word), "{form} {word}: {open}");
            }
        }
        let hidden = check(&["--redact"])?;
        assert!(!hidden.contains("sekret") && !hidden.contains("sekret-value"), "{form}: {hidden}");
    }
    Ok(())
}
