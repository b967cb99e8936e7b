//! Folders of append-only files.

use std::path::Path;

use redis_persistence::aof::dir::{self, Memory};
use redis_persistence::verify::{self, Options};

use crate::aof::run_tools;
use crate::bytes::Choices;
use crate::report::{check_answers, check_report};

/// The names of the files of a folder; the first three bits of a byte choose one.
const NAMES: [&str; 8] = [
    "s/d/a.manifest",
    "s/d/a.1.base.rdb",
    "s/d/a.1.base.aof",
    "s/d/a.1.incr.aof",
    "s/d/a.2.incr.aof",
    "s/a",
    "s/d/temp-rewriteaof-9.aof",
    "s/d/b.manifest",
];

/// The files of a folder: for each a byte for the name, two for the length, and the content.
pub(crate) fn files_of(data: &[u8]) -> Vec<(&'static str, &[u8])> {
    let mut choices = Choices(data);
    let mut files = Vec::new();
    while !choices.is_empty() {
        let name = NAMES[usize::from(choices.byte() % 8)];
        files.push((name, choices.block()));
    }
    files
}

/// A folder of append-only files: found by any of its paths, verified, and looked at as the official tools do.
pub fn aof_dir(data: &[u8]) {
    let mut files = Memory::default();
    let mut largest = 0;
    for (name, block) in files_of(data) {
        largest = largest.max(block.len() as u64);
        files.add(name, block.to_vec());
    }
    for path in ["s", "s/d", "s/d/a.manifest", "s/d/a.1.base.aof", "s/a"] {
        let Ok(set) = dir::find(&mut files, Path::new(path)) else { continue };
        assert_eq!(set, dir::find(&mut files, Path::new(path)).expect("it was there before"));
        if let Ok(report) = verify::aof_set(&mut files, &set, &Options::default()) {
            check_report(&report, largest);
            check_answers(&report, &[]);
        }
    }
    run_tools(&mut files, NAMES[0], |_, _, _| ());
}
