//! Damaged append-only files that are repaired by a cut and taken back: every byte is as it was.
//!
//! `UNDO_CASES=500` makes the full run; `SALVAGE_SEED` is the seed of the first case.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::repair::{ApplyOptions, Plan, apply, undo};
use tempfile::TempDir;
use testkit::folder::files;
use testkit::rng::Rng;

use crate::damage;
use crate::stream;

const DAMAGED: &str = "appendonly.aof.2.incr.aof";
const MANIFEST: &str = "\
file appendonly.aof.1.incr.aof seq 1 type i
file appendonly.aof.2.incr.aof seq 2 type i
file appendonly.aof.3.incr.aof seq 3 type i
";

/// A damaged file, alone or in the middle of a set.
struct Case {
    root: TempDir,
    path: PathBuf,
}

impl Case {
    fn new(rng: &mut Rng) -> Self {
        let profile = stream::Profile::of(rng);
        let bytes = rng.size(50_000..=500_000);
        let original = stream::file(rng, &profile, bytes);
        let regions = damage::regions(rng);
        let damaged = damage::damage(&original, rng, regions).bytes;
        let root = TempDir::new().unwrap();
        let in_set = rng.below(2) == 0;
        let path = root.path().join(if in_set { "appendonlydir" } else { "appendonly.aof" });
        if in_set {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("appendonly.aof.manifest"), MANIFEST).unwrap();
            for name in ["appendonly.aof.1.incr.aof", "appendonly.aof.3.incr.aof"] {
                fs::write(path.join(name), stream::file(rng, &profile, 1000)).unwrap();
            }
            fs::write(path.join(DAMAGED), damaged).unwrap();
        } else {
            fs::write(&path, damaged).unwrap();
        }
        Self { root, path }
    }

    fn plan(&self) -> Plan {
        plan(&find_on_disk(&self.path).unwrap(), &self.options()).unwrap()
    }

    /// A cut of a file that others follow, or that leaves nothing of it, has to be asked for by its name.
    fn options(&self) -> FixOptions {
        let name = if self.path.is_dir() { DAMAGED } else { "appendonly.aof" };
        FixOptions { file: Some(name.into()), ..FixOptions::default() }
    }

    fn undo(&self, record: &Path) {
        undo(record, &ApplyOptions::default(), &mut |_| {}).unwrap();
    }
}

#[test]
fn a_cut_is_taken_back_byte_for_byte() {
    let cases: u64 = env::var("UNDO_CASES").map_or(12, |cases| cases.parse().unwrap());
    let first: u64 = env::var("SALVAGE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let (mut repaired, mut taken) = (0, 0);
    for seed in first..first + cases {
        let case = Case::new(&mut Rng::new(seed));
        let before = files(case.root.path()).unwrap();
        let plan = case.plan();
        if plan.is_empty() {
            continue;
        }
        let applied = apply(&plan, &ApplyOptions::default(), &mut |_| {}).unwrap();
        // A command whose name is damaged, and nothing else, stays: no cut is planned for it.
        assert!(case.plan().is_empty(), "seed {seed}: {:#?}", plan.describe());
        let after = files(case.root.path()).unwrap();
        let changed: Vec<_> = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).collect();
        assert!(!changed.is_empty(), "seed {seed}");
        taken += plan.loss().bytes;
        case.undo(&applied.record);
        let restored = files(case.root.path()).unwrap();
        for (path, bytes) in &before {
            assert!(restored.get(path) == Some(bytes), "seed {seed}: {} is not as before", path.display());
        }
        repaired += 1;
    }
    println!("{repaired} of {cases} repaired and taken back; {taken} bytes were cut");
    assert!(repaired * 3 > cases * 2, "{repaired}");
}
