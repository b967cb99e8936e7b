//! Every finding code is named by a test: this one looks through the tests for the names.

use std::fs;
use std::path::Path;

use redis_persistence::verify::Code;

/// Adds the test code below a folder: files of tests whole, other sources from their test module on.
fn collect(folder: &Path, in_tests: bool, text: &mut String) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be listed").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let in_tests = in_tests || name == "tests" || name == "tests.rs";
        if path.is_dir() {
            collect(&path, in_tests, text);
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(&path).expect("sources are text");
            let from = if in_tests { Some(0) } else { source.find("#[cfg(test)]\nmod tests {") };
            text.push_str(from.map_or("", |from| &source[from..]));
        }
    }
}

#[test]
fn every_code_is_named_by_a_test() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    collect(&package.join("src"), false, &mut text);
    collect(&package.join("tests"), true, &mut text);
    let words: std::collections::HashSet<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
    let untested: Vec<_> = Code::ALL
        .iter()
        .filter(|code| !words.contains(format!("{code:?}").as_str()) && !words.contains(code.as_str()))
        .collect();
    assert!(untested.is_empty(), "no test names {untested:?}");
}
