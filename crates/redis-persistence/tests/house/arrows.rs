//! Which module may use which: a module uses only modules on lower floors, and none uses another in a circle.
//!
//! Read off the sources: `use crate::...`, `use super::...` and paths in the code, without the tests in them. A top module is a
//! folder of `src`; what may use what is [`FLOORS`]. Within a top module, its own parts may use each other in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the bottom. Modules of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &["base", "lzf"],
    &["rdb"],
    &["aof", "functions"],
    &["report"],
    &["verify", "contents"],
    &["official", "repair", "asynchronous", "seal", "rewrite"],
    &["judge"],
    &["serial"],
];

/// Parts of one module that use each other both ways, and why they may.
const KNIT: &[(&str, &str)] = &[
    // A walk over records, strings and values that follows one C program, cut in files by length.
    ("official", "one walk, of which each part calls the next"),
];

type Arrows = BTreeMap<String, BTreeMap<String, String>>;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing")
            && !path.components().any(|part| part.as_os_str() == "tests")
        {
            found.push(path);
        }
    }
}

/// The code without comments and without its test module.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().expect("the first part");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that a tree of `use` names.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        return paths.push(format!("{prefix}{}", tree.split(" as ").next().expect("a path").trim()));
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = &tree[open + 1..tree.rfind('}').expect("a closed brace")];
    let (mut depth, mut from) = (0, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                flatten(&prefix, &inner[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner[from..].trim().is_empty() {
        flatten(&prefix, &inner[from..], paths);
    }
}

/// All paths in the code that begin with `crate` or `super`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    for word in ["crate::", "super::"] {
        for (at, _) in code.match_indices(word) {
            if code[..at].ends_with(|c: char| is_path(c)) {
                continue;
            }
            let rest = &code[at..];
            let end = rest.find(|c: char| !is_path(c)).unwrap_or(rest.len());
            let line_start = code[..at].rfind(['\n', ';']).map_or(0, |line| line + 1);
            let before = code[line_start..at].trim_start();
            if before.starts_with("use ") || before.starts_with("pub use ") || before.contains(") use ") {
                let end = rest.find(';').unwrap_or(rest.len());
                flatten("", &rest[..end], &mut found);
            } else {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}

/// A path as the names of modules from the root, without what is no module's name.
fn resolve(path: &str, module: &[String]) -> Vec<String> {
    let mut names: Vec<&str> = path.split("::").filter(|name| !name.is_empty()).collect();
    let mut at: Vec<String> = Vec::new();
    if names.first() == Some(&"super") {
        let ups = names.iter().take_while(|name| **name == "super").count();
        at = module[..module.len().saturating_sub(ups)].to_vec();
        names.drain(..ups);
    } else {
        names.remove(0);
    }
    at.extend(names.iter().map(|name| (*name).to_owned()));
    at
}

/// Which module uses which, each with one example: by the first names of their paths, or within `top` by the second.
fn arrows(top: Option<&str>) -> Arrows {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut arrows) = (Vec::new(), Arrows::new());
    sources(&root, &mut files);
    assert!(files.len() > 100, "{} files are all there are", files.len());
    let depth = usize::from(top.is_some());
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module(&root, file)).collect();
    for file in &files {
        let module = module(&root, file);
        if module.len() <= depth || top.is_some_and(|top| module[0] != top) || module[0] == "lib" {
            continue;
        }
        for path in paths(&code(&fs::read_to_string(file).expect("a source"))) {
            let to = resolve(&path, &module);
            let known = to.len() > depth && modules.contains(&to[..=depth]);
            if known && to[..depth] == module[..depth] && to[depth] != module[depth] {
                let example = format!("{} uses {path}", file.strip_prefix(&root).expect("below it").display());
                arrows.entry(module[depth].clone()).or_default().entry(to[depth].clone()).or_insert(example);
            }
        }
    }
    arrows
}

fn module(root: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root).expect("a file below it").with_extension("");
    path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

#[test]
fn no_arrow_runs_up() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut wrong = Vec::new();
    let arrows = arrows(None);
    assert!(arrows.len() > 8, "few modules use others: {arrows:?}");
    for (from, uses) in &arrows {
        for (to, example) in uses {
            match (floor(from), floor(to)) {
                (Some(from), Some(to)) if to < from => {}
                (Some(_), Some(_)) => wrong.push(format!("{from} -> {to}: {example}")),
                _ => wrong.push(format!("{from} or {to} has no floor")),
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_has_a_circle_in_it() {
    let mut wrong = Vec::new();
    for top in FLOORS.iter().copied().flatten().filter(|top| KNIT.iter().all(|(knit, _)| knit != *top)) {
        let arrows = arrows(Some(top));
        // What uses nothing that is left goes; what cannot go is in a circle.
        let mut left: BTreeSet<&String> = arrows.keys().collect();
        while let Some(free) =
            left.iter().copied().find(|name| arrows[*name].keys().all(|to| to == *name || !left.contains(to)))
        {
            left.remove(free);
        }
        for from in &left {
            for (to, example) in arrows[*from].iter().filter(|(to, _)| left.contains(to)) {
                wrong.push(format!("{top}: {from} -> {to}: {example}"));
            }
        }
    }
    assert!(wrong.is_empty(), "circles:\n{}", wrong.join("\n"));
}
