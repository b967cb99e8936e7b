//! `--format html`: pages of all goldens, of hostile names, of more findings than a page holds. `.ci/browser` opens them in a browser.

use std::fs;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use crate::aof::aofcheck;
use crate::{TestResult, rdbcheck, testdata};

/// A page is no larger.
const MOST: usize = 2_000_000;

fn page(args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = rdbcheck(&["--format", "html"]).args(args).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn broken() -> Result<Vec<PathBuf>, std::io::Error> {
    let entries = fs::read_dir(testdata().join("broken"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "rdb")).collect();
    files.sort();
    assert!(files.len() > 20);
    Ok(files)
}

/// Asserts what holds of every page: it is whole, loads nothing, has each id once, and links only within itself.
fn assert_is_a_page(page: &str) -> TestResult {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n") && page.len() <= MOST, "{}", page.len());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    let all = |pattern: &str| -> Result<Vec<String>, regex::Error> {
        Ok(Regex::new(pattern)?.captures_iter(page).map(|found| found[1].to_owned()).collect())
    };
    let mut ids = all(r#" id="([^"]*)""#)?;
    let links = all(r#" href="([^"]*)""#)?;
    assert!(
        links.iter().all(|link| link.strip_prefix('#').is_some_and(|link| ids.iter().any(|id| id == link))),
        "{links:?}"
    );
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
    assert!(all(r#" (src|srcset|style|on[a-z]+)=""#)?.is_empty());
    let elements = all(r"<([a-zA-Z!][a-zA-Z0-9]*)")?;
    let known = "!DOCTYPE html head meta title style body header main h1 h2 h3 p article section div span table thead tbody tr th td ol ul li \
                 pre code a br details summary figure figcaption svg rect text button script";
    let strange: Vec<_> = elements.iter().filter(|name| !known.split(' ').any(|known| known == *name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!(elements.iter().filter(|name| *name == "script").count(), 1);
    Ok(())
}

#[test]
fn every_broken_file_has_a_page_with_its_findings_where_they_lie() -> TestResult {
    for file in broken()? {
        let path = file.to_str().ok_or("a path")?;
        let page = page(&["--for", "newest", path])?;
        assert_is_a_page(&page)?;
        let json = rdbcheck(&["--json", path]).output()?.stdout;
        let json: Value = serde_json::from_slice(&json)?;
        let report = &json["files"][0];
        let findings = report["findings"].as_array().ok_or("findings")?;
        for (n, finding) in findings.iter().enumerate() {
            let code = finding["code"].as_str().ok_or("a code")?;
            assert!(
                page.contains(&format!("<tr id=\"i0-f{n}\">")) && page.contains(&format!("<code>{code}</code>")),
                "{path}"
            );
        }
        if let Some(size) = report["size"].as_u64().filter(|size| *size > 0 && page.contains("<figure class=\"map\"")) {
            assert!(page.contains(&format!("data-size=\"{size}\"")), "{path}");
            for finding in findings.iter().filter(|finding| finding["start"].as_u64().is_some_and(|at| at < size)) {
                assert!(page.contains(&format!("data-start=\"{}\"", finding["start"])), "{path}: {finding}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_stands_in_a_file_never_becomes_markup() -> TestResult {
    let hostile = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".to_owned(),
        "</title></style><svg onload=alert(1)>".to_owned(),
        "&lt;b&gt;".to_owned(),
        "\u{202e}\u{1b}[31m".to_owned(),
    ];
    let mut bytes = b"REDIS0011\xfe\x00".to_vec();
    for name in hostile.iter().chain(&hostile) {
        bytes.extend([0, u8::try_from(name.len())?]);
        bytes.extend(name.as_bytes());
        bytes.extend([1, b'v']);
    }
    bytes.push(0xff);
    bytes.extend([0; 8]);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("<img src=x onerror=alert(2)>.rdb");
    fs::write(&path, bytes)?;
    let path = path.to_str().ok_or("a path")?;
    let shown = page(&[path])?;
    assert_is_a_page(&shown)?;
    assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && shown.contains("&amp;lt;b&amp;gt;"), "{shown}");
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'));
    // Nothing of the names is left where they are to be hidden, in hexadecimal neither.
    let hidden = page(&["--redact", path])?;
    assert_is_a_page(&hidden)?;
    assert!(!hidden.contains("alert(1)") && hidden.contains("key#") && !hidden.contains("61 6c 65 72 74"), "{hidden}");
    Ok(())
}

#[test]
fn a_page_is_bounded_and_says_what_it_leaves_out() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut bytes = b"REDIS0011\xfe\x00".to_vec();
    for n in 0..60_000_u32 {
        let name = format!("{}{:04}", "<".repeat(200), n % 1000);
        bytes.extend([0, 0x40, u8::try_from(name.len())?]);
        bytes.extend(name.as_bytes());
        bytes.extend([1, b'v']);
    }
    bytes.push(0xff);
    bytes.extend([0; 8]);
    let path = folder.path().join("many.rdb");
    fs::write(&path, bytes)?;
    let path = path.to_str().ok_or("a path")?;
    let shown = page(&["--max-findings", "50000", path, path, path, path])?;
    assert_is_a_page(&shown)?;
    assert!(shown.contains("more findings; another form of the report lists them"));
    assert!(shown.contains("more have no section of their own"), "{}", shown.len());
    Ok(())
}

#[test]
fn a_set_has_a_map_of_its_file_and_a_line_of_time() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("a.aof.manifest"), "file a.aof.1.incr.aof seq 1 type i\n")?;
    let mut commands = String::new();
    for n in 0..50 {
        commands.push_str(&format!("#TS:{}\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", 1_800_000_000 + n));
    }
    commands.push_str("*1\r\n$8\r\nFLUSHALL\r\n*3\r\n$3\r\nSET\r\n$1");
    fs::write(folder.path().join("a.aof.1.incr.aof"), &commands)?;
    let output = aofcheck(folder.path(), &["--format", "html", "."]).output()?;
    let page = String::from_utf8(output.stdout)?;
    assert_is_a_page(&page)?;
    assert!(page.contains(&format!("data-size=\"{}\"", commands.len())), "{page}");
    assert!(page.contains("a.aof.1.incr.aof, 2.6 kB: 1 damaged place") || page.contains("1 damaged place"), "{page}");
    assert!(page.contains("<rect class=\"event\"") && page.contains("FLUSHALL at byte"), "{page}");
    Ok(())
}

#[test]
fn a_salvage_says_on_its_page_what_is_kept_and_lost() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out.rdb");
    let file = testdata().join("broken/hole.rdb");
    let page = page(&["--salvage", out.to_str().ok_or("a path")?, file.to_str().ok_or("a path")?])?;
    assert_is_a_page(&page)?;
    assert!(page.contains("what is kept, lost and set aside") && page.contains("bytes skipped"), "{page}");
    Ok(())
}
