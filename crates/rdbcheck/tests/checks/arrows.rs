//! A module uses those of the floors below it, and no modules use one another in a circle. The imports are read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules of the crate from the bottom to the top. A module may use what stands in a row above its own here, or in the same
/// row before or behind it as long as that makes no circle.
const FLOORS: [&[&str]; 11] = [
    &["escape", "exit", "units"],
    &["console", "progress", "shell", "style"],
    &["disguise", "functions", "redact", "unpack"],
    &["input"],
    &["servers"],
    &["outcome"],
    &["args"],
    &["run"],
    &["render"],
    &["command"],
    &["alias", "verbs"],
];

type Modules = BTreeMap<Vec<String>, String>;

/// The modules of a source folder by their paths, with their texts: without comments, and without their tests.
fn modules(folder: &Path, path: &[String], found: &mut Modules) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let file = entry.expect("its entries").path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let module = [path, std::slice::from_ref(&name)].concat();
        if file.is_dir() && name != "bin" {
            modules(&file, &module, found);
        } else if file.is_file() && name != "lib" && name != "tests" {
            let text = fs::read_to_string(&file).expect("a source");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or("");
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or(""));
            found.insert(module, lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The paths that a text names behind a word such as `crate::`, with the groups in braces taken apart.
fn named(text: &str, word: &str) -> Vec<Vec<String>> {
    let starts = text
        .match_indices(word)
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
    starts.flat_map(|(at, _)| tree(&mut &text[at + word.len()..])).collect()
}

/// Takes a path, or a group of them, off the front of a text.
fn tree(text: &mut &str) -> Vec<Vec<String>> {
    let rest = text.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        *text = inside;
        let mut all = Vec::new();
        loop {
            let rest = text.trim_start().trim_start_matches(',').trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                *text = behind;
                return all;
            }
            let before = rest.len();
            *text = rest;
            all.extend(tree(text));
            assert!(text.len() < before, "a group that is none: {rest:.60}");
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
    let segment = rest[..end].to_owned();
    *text = &rest[end..];
    if let Some(behind) = text.strip_prefix("::") {
        *text = behind;
        let paths = tree(text);
        return paths.into_iter().map(|path| [vec![segment.clone()], path].concat()).collect();
    }
    if let Some(renamed) = text.strip_prefix(" as ") {
        let end = renamed.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(renamed.len());
        *text = &renamed[end..];
    }
    vec![vec![segment]]
}

/// The modules that each module uses, by what is common to the paths of both: below it, one uses the other.
fn arrows(modules: &Modules) -> BTreeMap<Vec<String>, BTreeSet<(String, String)>> {
    let mut arrows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, text) in modules {
        let mut uses = named(text, "crate::");
        for path in named(text, "super::") {
            let up = 1 + path.iter().take_while(|segment| *segment == "super").count();
            assert!(up <= from.len(), "{from:?} uses {path:?}");
            uses.push([&from[..from.len() - up], &path[up - 1..]].concat());
        }
        for to in uses {
            let known = (0..=to.len()).rev().find(|n| modules.contains_key(&to[..*n])).unwrap_or(0);
            let to = &to[..known];
            let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                arrows.entry(from[..common].to_vec()).or_default().insert((a.clone(), b.clone()));
            }
        }
    }
    arrows
}

/// A way along the arrows that comes back to where it began.
fn circle(arrows: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let mut left = arrows.clone();
    loop {
        let before = left.len();
        let users: BTreeSet<String> = left.iter().map(|(from, _)| from.clone()).collect();
        // What uses nothing is in no circle.
        left.retain(|(_, to)| users.contains(to));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(left.iter().map(|(from, to)| format!("{from} -> {to}")).collect());
        }
    }
}

fn sources() -> Modules {
    let mut found = Modules::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut found);
    found
}

#[test]
fn no_arrow_runs_up() {
    let modules = sources();
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let placed: BTreeSet<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let top: BTreeSet<&str> = modules.keys().map(|path| path[0].as_str()).collect();
    assert_eq!(top, placed, "a module has no floor, or a floor has no such module");
    let arrows = arrows(&modules);
    let up: Vec<_> = arrows[&Vec::new()].iter().filter(|(from, to)| floor(from) < floor(to)).collect();
    assert!(up.is_empty(), "these run up: {up:?}");
}

#[test]
fn no_modules_use_one_another_in_a_circle() {
    let circles: Vec<_> =
        arrows(&sources()).into_iter().filter_map(|(of, arrows)| circle(&arrows).map(|way| (of, way))).collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = "use crate::a::{self, b::{c, d as e}, F};\nlet x = crate::g::h(); my_crate::no(); supercrate::no()";
    let paths: Vec<_> = named(text, "crate::").iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["a::self", "a::b::c", "a::b::d", "a::F", "g::h"]);
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let modules: Modules = [
        ("a", "use super::b::X;"),
        ("b", "use crate::c::d;"),
        ("c", ""),
        ("c::d", "use super::e; use crate::a;"),
        ("c::e", "super::d::y()"),
    ]
    .map(|(path, text)| (module(path), text.to_owned()))
    .into();
    let arrows = arrows(&modules);
    assert!(circle(&arrows[&Vec::new()]).is_some(), "a, b, c");
    assert!(circle(&arrows[&module("c")]).is_some(), "d, e");
}
