//! Which module of a crate uses which, read from its sources: `use crate::...`, `use super::...` and paths in the code, without
//! comments and without the tests in them. For tests that hold a crate to its floors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module from the root of its crate.
pub type Module = Vec<String>;

/// The modules of a crate by their paths, with their code.
pub type Modules = BTreeMap<Module, String>;

/// The arrows among the modules directly below one: from and to, by their last names, each with one example.
pub type Arrows = BTreeMap<(String, String), String>;

/// Returns the modules of a source folder: all but its `lib.rs`, programs and tests.
///
/// # Panics
/// If the folder cannot be read.
#[must_use]
pub fn sources(folder: &Path) -> Modules {
    let mut found = Modules::new();
    read(folder, &[], &mut found);
    found
}

fn read(folder: &Path, path: &[String], found: &mut Modules) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let file = entry.expect("its entries").path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let module = [path, std::slice::from_ref(&name)].concat();
        if matches!(&name[..], "bin" | "lib" | "tests" | "testing") {
            continue;
        }
        if file.is_dir() {
            read(&file, &module, found);
        } else {
            found.insert(module, code(&fs::read_to_string(file).expect("a source")));
        }
    }
}

/// The code without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or("");
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The paths that a text names behind a word such as `crate::`, with the groups in braces taken apart.
fn named(text: &str, word: &str) -> Vec<Module> {
    let starts = text
        .match_indices(word)
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
    starts.flat_map(|(at, _)| tree(&mut &text[at + word.len()..])).collect()
}

/// Takes a path, or a group of them, off the front of a text.
fn tree(text: &mut &str) -> Vec<Module> {
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

/// Returns the arrows among modules, by the module that both stand below: what is common to their paths.
///
/// # Panics
/// If a path goes up beyond the root.
#[must_use]
pub fn arrows(modules: &Modules) -> BTreeMap<Module, Arrows> {
    let mut arrows: BTreeMap<Module, Arrows> = BTreeMap::new();
    for (from, text) in modules {
        let mut uses = named(text, "crate::");
        for path in named(text, "super::") {
            let up = 1 + path.iter().take_while(|segment| *segment == "super").count();
            assert!(up <= from.len(), "{from:?} uses {path:?}");
            uses.push([&from[..from.len() - up], &path[up - 1..]].concat());
        }
        for path in uses {
            let known = (0..=path.len()).rev().find(|n| modules.contains_key(&path[..*n])).unwrap_or(0);
            let to = &path[..known];
            let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                let example = format!("{} uses {}", from.join("::"), path.join("::"));
                arrows.entry(from[..common].to_vec()).or_default().entry((a.clone(), b.clone())).or_insert(example);
            }
        }
    }
    arrows
}

/// Returns the arrows that are in a circle or between two circles, each with its example; none if there is no circle.
#[must_use]
pub fn circle(arrows: &Arrows) -> Vec<String> {
    let mut left = arrows.clone();
    loop {
        let before = left.len();
        let users: BTreeSet<String> = left.keys().map(|(from, _)| from.clone()).collect();
        // What uses nothing is in no circle, and what nobody uses neither.
        left.retain(|(_, to), _| users.contains(to));
        let used: BTreeSet<String> = left.keys().map(|(_, to)| to.clone()).collect();
        left.retain(|(from, _), _| used.contains(from));
        if left.len() == before {
            return left.iter().map(|((from, to), example)| format!("{from} -> {to}: {example}")).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        path.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn imports_are_read_as_they_are_written() {
        let text = "use crate::a::{self, b::{c, d as e}, F};\nlet x = crate::g::h(); my_crate::no(); supercrate::no()";
        let paths: Vec<_> = named(text, "crate::").iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, ["a::self", "a::b::c", "a::b::d", "a::F", "g::h"]);
    }

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "//! crate::a\nuse crate::b; // crate::c\n#[cfg(test)]\nmod tests { use crate::d; }";
        assert_eq!(named(&code(text), "crate::"), [module("b")]);
    }

    #[test]
    fn circles_are_found() {
        let modules: Modules = [
            ("a", "use super::b::X;"),
            ("b", "use crate::c::d;"),
            ("c", ""),
            ("c::d", "use super::e; use crate::a;"),
            ("c::e", "super::d::y()"),
            ("f", "use crate::a;"),
        ]
        .map(|(path, text)| (module(path), text.to_owned()))
        .into();
        let arrows = arrows(&modules);
        assert_eq!(circle(&arrows[&Vec::new()]), ["a -> b: a uses b::X", "b -> c: b uses c::d", "c -> a: c::d uses a"]);
        assert_eq!(circle(&arrows[&module("c")]).len(), 2);
        let mut open = arrows[&Vec::new()].clone();
        open.remove(&("c".to_owned(), "a".to_owned()));
        assert!(circle(&open).is_empty());
    }
}
