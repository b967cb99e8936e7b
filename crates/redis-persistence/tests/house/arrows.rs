//! Which module may use which: a module uses only modules on lower floors, and none uses another in a circle.
//!
//! A top module is a folder of `src`; what may use what is [`FLOORS`]. Within a module, its own parts may use each other in one
//! direction.

use std::path::Path;

use testkit::imports::{self, Arrows, Module};

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
    ("repair::rdb::salvage", "each of its passes looks at what the others found"),
];

fn arrows() -> impl Iterator<Item = (Module, Arrows)> {
    let modules = imports::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(modules.len() > 100, "{} files are all there are", modules.len());
    imports::arrows(&modules).into_iter()
}

#[test]
fn no_arrow_runs_up() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let (_, arrows) = arrows().find(|(below, _)| below.is_empty()).expect("top modules use others");
    assert!(arrows.len() > 20, "few modules use others: {arrows:?}");
    let mut wrong = Vec::new();
    for ((from, to), example) in &arrows {
        match (floor(from), floor(to)) {
            (Some(from), Some(to)) if to < from => {}
            (Some(_), Some(_)) => wrong.push(format!("{from} -> {to}: {example}")),
            _ => wrong.push(format!("{from} or {to} has no floor")),
        }
    }
    assert!(wrong.is_empty(), "arrows that run up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_has_a_circle_in_it() {
    let is_knit = |module: &Module| KNIT.iter().any(|(knit, _)| *knit == module.join("::"));
    let circles = arrows().filter(|(below, _)| !is_knit(below));
    let wrong: Vec<String> = circles
        .flat_map(|(below, arrows)| {
            imports::circle(&arrows).into_iter().map(move |arrow| format!("{below:?}: {arrow}"))
        })
        .collect();
    assert!(wrong.is_empty(), "circles:\n{}", wrong.join("\n"));
}
