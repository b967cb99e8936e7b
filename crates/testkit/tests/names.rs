//! Names of files and folders of the repository: each can be checked out on Windows and macOS.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is not part of the repository, at its top.
const LEFT_OUT: [&str; 5] = [".git", ".servers", ".portable", "target", "__pycache__"];
/// What Windows takes for devices, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// The same with a digit behind it.
const NUMBERED: [&str; 2] = ["com", "lpt"];
/// Windows takes paths of 260 characters, and the repository lies somewhere.
const LONGEST: usize = 180;

/// What is wrong with the name of a file or folder.
fn fault(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered = |device: &str| stem.strip_prefix(device).is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']));
    if DEVICES.contains(&stem.as_str()) || NUMBERED.iter().any(|device| numbered(device)) {
        return Some("a device of Windows");
    }
    if name.contains(|c: char| c.is_control() || "<>:\"/\\|?*".contains(c)) {
        return Some("a character that Windows forbids");
    }
    if name.ends_with(['.', ' ']) {
        return Some("Windows takes off its last character");
    }
    // macOS stores accents apart from their letters.
    (!name.is_ascii()).then_some("not ASCII")
}

/// All files and folders below a folder.
fn walk(folder: &Path, is_top: bool, all: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_top && LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        all.push(entry.path());
        let is_built = entry.path().parent().is_some_and(|at| at.ends_with("fuzz"))
            && ["target", "artifacts", "seeds", "work"].iter().any(|name| entry.file_name() == *name);
        if entry.file_type()?.is_dir() && !is_built {
            walk(&entry.path(), false, all)?;
        }
    }
    Ok(())
}

#[test]
fn every_name_can_be_checked_out_anywhere() -> io::Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut all = Vec::new();
    walk(&top, true, &mut all)?;
    assert!(all.len() > 500, "only {} names", all.len());
    let mut spelt: HashMap<String, PathBuf> = HashMap::new();
    for path in all {
        let path = path.strip_prefix(&top).map_err(io::Error::other)?.to_owned();
        let text = path.to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert_eq!(fault(&name), None, "{text}");
        assert!(text.len() <= LONGEST, "too long: {text}");
        if let Some(other) = spelt.insert(text.to_lowercase(), path) {
            panic!("only the case differs: {text}, {}", other.display());
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_checked_out_is_told() {
    let bad =
        ["aux.rs", "AUX", "nul.tar.gz", "com1", "LPT9.txt", "con .x", "a:b", "what?", "x.", "y ", "na\u{ef}ve", "a\tb"];
    for name in bad {
        assert!(fault(name).is_some(), "{name:?}");
    }
    for name in ["aux_fields.rs", "auxiliary", "con-tent", "com", "com10", "console.rs", ".gitignore", "a.b.c"] {
        assert_eq!(fault(name), None, "{name:?}");
    }
}
