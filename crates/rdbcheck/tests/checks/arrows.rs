//! A module uses those of the floors below it, and no modules use one another in a circle. The imports are read from the sources.

use std::collections::BTreeSet;
use std::path::Path;

use testkit::imports::{self, Modules};

/// The modules of the crate from the bottom to the top. A module may use what stands in a row above its own here, or in the same
/// row before or behind it as long as that makes no circle.
const FLOORS: [&[&str]; 13] = [
    &["caller", "escape", "exit", "units"],
    &["console", "progress", "style"],
    &["disguise", "functions", "redact", "shell", "stores", "unpack"],
    &["input"],
    &["servers"],
    &["drill", "seals"],
    &["outcome"],
    &["args"],
    &["run"],
    &["render"],
    &["command", "page"],
    &["alias", "verbs"],
    &["calls"],
];

fn sources() -> Modules {
    imports::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn no_arrow_runs_up() {
    let modules = sources();
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let placed: BTreeSet<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let top: BTreeSet<&str> = modules.keys().map(|path| path[0].as_str()).collect();
    assert_eq!(top, placed, "a module has no floor, or a floor has no such module");
    let arrows = imports::arrows(&modules);
    let up: Vec<_> = arrows[&Vec::new()].iter().filter(|((from, to), _)| floor(from) < floor(to)).collect();
    assert!(up.is_empty(), "these run up: {up:?}");
}

#[test]
fn no_modules_use_one_another_in_a_circle() {
    let circles = imports::arrows(&sources()).into_iter().map(|(of, arrows)| (of, imports::circle(&arrows)));
    let circles: Vec<_> = circles.filter(|(_, circle)| !circle.is_empty()).collect();
    assert!(circles.is_empty(), "{circles:#?}");
}
