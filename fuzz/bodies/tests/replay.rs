//! Every file of the corpus through its body, and every file of `testdata/` through those that read such files.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz_bodies::{Body, TARGETS};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every regular file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn replay(name: &str, body: Body, path: &Path) {
    let data = fs::read(path).expect("it can be read");
    assert!(catch_unwind(|| body(&data)).is_ok(), "{name} fails on {}", path.display());
}

#[test]
fn corpus() {
    for (name, body) in TARGETS {
        let corpus = files(&workspace().join("fuzz/corpus").join(name));
        assert!(corpus.len() >= 3, "{name} has hardly any corpus");
        for path in corpus {
            replay(name, *body, &path);
        }
    }
}

#[test]
fn testdata() {
    let body = |wanted: &str| TARGETS.iter().find(|(name, _)| *name == wanted).expect("a target").1;
    let mut replayed = 0;
    for path in files(&workspace().join("testdata")) {
        let names: &[&str] = match path.extension().and_then(|text| text.to_str()) {
            Some("rdb") => &["rdb_slice", "rdb_push", "writer", "fast_paths", "values"],
            Some("aof") => &["resp", "fast_paths"],
            Some("manifest") => &["manifest"],
            _ => continue,
        };
        for name in names {
            replay(name, body(name), &path);
            replayed += 1;
        }
    }
    assert!(replayed > 300, "{replayed}");
}

/// A body without a line in `fuzz_targets` never runs for long.
#[test]
fn every_body_is_a_target() {
    let folder = workspace().join("fuzz/fuzz_targets");
    let mut lines: Vec<_> = files(&folder).into_iter().filter_map(|path| Some(path.file_stem()?.to_owned())).collect();
    lines.sort();
    let mut names: Vec<std::ffi::OsString> = TARGETS.iter().map(|(name, _)| (*name).into()).collect();
    names.sort();
    assert_eq!(lines, names);
    let manifest = fs::read_to_string(workspace().join("fuzz/Cargo.toml")).expect("a manifest");
    for (name, _) in TARGETS {
        let line = fs::read_to_string(folder.join(format!("{name}.rs"))).expect("a target");
        assert!(line.contains(&format!("fuzz_bodies::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is not in the manifest");
    }
}
