//! `--salvage` killed while it writes, and on a full disk: OUT is old, new, or not there, and the input is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::rdb::{Checksum, Family, File, Key, Value};
use testkit::rng::Rng;

use crate::TestResult;
use crate::disk::on_disk;

/// So often a run is killed, each time when more is written than the last time.
const KILLS: u64 = 20;
const OLD: &[u8] = b"what was there";

/// A folder with a damaged dump of 16 MB.
struct Case {
    folder: TempDir,
    damaged: Vec<u8>,
}

impl Case {
    fn new() -> std::io::Result<Self> {
        let mut rng = Rng::new(1);
        let mut file = File::new(Family::Redis, 10);
        file.checksum = Checksum::Off;
        file.keys =
            (0..4000).map(|n| Key::new(format!("key:{n}").as_bytes(), Value::String(rng.bytes(4000)))).collect();
        let mut damaged = file.encode().bytes;
        let middle = damaged.len() / 2;
        damaged[middle..middle + 5000].fill(0xee);
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("dump.rdb"), &damaged)?;
        Ok(Self { folder, damaged })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn salvage(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
        command.args(["--salvage", "out.rdb", "--force", "dump.rdb"]).current_dir(self.folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What lies beside the dump and OUT, with its size.
    fn beside(&self) -> std::io::Result<Vec<(PathBuf, u64)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.folder.path())? {
            let entry = entry?;
            // It may just have got its name.
            let Ok(metadata) = entry.metadata() else { continue };
            if !["dump.rdb", "out.rdb"].iter().any(|name| entry.file_name() == *name) {
                all.push((entry.path(), metadata.len()));
            }
        }
        Ok(all)
    }
}

/// Waits until so much is written under the temporary name, or that is gone again, or the run has ended.
fn wait_for(case: &Case, run: &mut Child, bytes: u64) -> std::io::Result<()> {
    let start = Instant::now();
    let mut seen = false;
    while start.elapsed() < Duration::from_secs(30) && run.try_wait()?.is_none() {
        match case.beside()?.first() {
            Some((_, len)) if *len >= bytes => break,
            Some(_) => seen = true,
            None if seen => break,
            None => {}
        }
    }
    Ok(())
}

#[test]
fn killed_at_any_moment_out_is_whole_or_as_it_was() -> TestResult {
    let case = Case::new()?;
    assert_eq!(case.salvage().status()?.code(), Some(4));
    let (out, whole) = (case.path("out.rdb"), fs::read(case.path("out.rdb"))?);
    let mut cut_short = 0;
    for n in 0..KILLS {
        let there_before = n % 2 == 0;
        fs::remove_file(&out)?;
        if there_before {
            fs::write(&out, OLD)?;
        }
        let mut run = case.salvage().spawn()?;
        // The last ones while it is complete: synced, verified, perhaps renamed already.
        wait_for(&case, &mut run, whole.len() as u64 * n.min(KILLS - 5) / (KILLS - 5))?;
        std::thread::sleep(Duration::from_millis(10 * n.saturating_sub(KILLS - 5)));
        run.kill()?;
        run.wait()?;
        let held = fs::read(&out).ok();
        let untouched = held.as_deref() == there_before.then_some(OLD);
        assert!(untouched || held.as_deref() == Some(&whole[..]), "kill {n}: {} bytes", held.map_or(0, |h| h.len()));
        assert!(fs::read(case.path("dump.rdb"))? == case.damaged, "kill {n}");
        let left = case.beside()?;
        assert!(left.len() <= 1 && left.iter().all(|(path, _)| is_part(path)), "kill {n}: {left:?}");
        cut_short += u32::from(!left.is_empty());
        // The next run is not in its way, and cleans up.
        assert_eq!(case.salvage().status()?.code(), Some(4), "kill {n}");
        assert!(fs::read(&out)? == whole, "kill {n}");
        assert_eq!(case.beside()?, [], "kill {n}");
    }
    println!("{cut_short} of {KILLS} kills came while OUT was written");
    assert!(cut_short >= 5, "{cut_short}");
    Ok(())
}

fn is_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("out.rdb.") && name.ends_with(".new.part")
}

#[test]
fn at_a_limit_on_the_size_of_files_nothing_is_left() -> TestResult {
    let case = Case::new()?;
    let text = "trap '' XFSZ; ulimit -f 1000; \"$0\" --salvage out.rdb --quiet dump.rdb; echo code $?";
    let run = Command::new("sh")
        .args(["-c", text, env!("CARGO_BIN_EXE_rdbcheck")])
        .current_dir(case.folder.path())
        .output()?;
    let said = String::from_utf8([run.stdout, run.stderr].concat())?;
    assert!(said.contains("cannot write to ") && said.contains("File too large") && said.contains("code 1"), "{said}");
    assert!(!case.path("out.rdb").exists() && case.beside()?.is_empty(), "{said}");
    Ok(())
}

#[test]
fn on_a_full_disk_nothing_is_left() -> TestResult {
    let case = Case::new()?;
    let script = "printf old >disk/out.rdb; \"$1\" --salvage disk/out.rdb --force --quiet dump.rdb; echo code $?; \
                  ls -A disk; cat disk/out.rdb";
    let Some(said) = on_disk(case.folder.path(), "size=2m", script, &[env!("CARGO_BIN_EXE_rdbcheck")])? else {
        return Ok(());
    };
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("code 1\nout.rdb\nold"), "{said}");
    Ok(())
}
